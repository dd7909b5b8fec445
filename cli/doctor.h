/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The checks of xpmem doctor.
 *
 * A check looks at one thing and says one of three: it is as it should be, it is not
 * and this is the one thing to do, or it can't be told by this user.  A check changes
 * nothing, and looks only through files.h, so tests put a machine of their own below
 * cli->root.
 */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include "cli.h"

struct finding {
	enum { FINDING_OK, FINDING_WRONG, FINDING_UNKNOWN } state;
	char *what;	/* what was found */
	char *fix;	/* of what is wrong: the one thing to do */
};

struct check {
	const char *name;	/* stable: a key of the JSON */
	struct finding (*run)(const struct cli *cli);
};

/* Each NULL-named at its end, in the order in which things need each other */
extern const struct check checks_of_module[], checks_of_node[], checks_of_users[];
extern const struct check checks_of_daemon[];

struct finding finding_ok(const char *format, ...) __attribute__((format(printf, 1, 2)));
struct finding finding_unknown(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* @fix is plain text */
struct finding finding_wrong(const char *fix, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The loaded module's version if it is this project's, or NULL */
char *doctor_module_version(const struct cli *cli);
/* Of the same release: "3.0.1" and "3.0" */
bool doctor_same_release(const char *one, const char *other);

/* The kernel wants modules signed, has not loaded this one, and its file is not. */
bool doctor_signature_missing(const struct cli *cli);

#endif /* CLI_DOCTOR_H */
