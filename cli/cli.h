/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command xpmem: what its verbs share.
 *
 * xpmem.c takes the verb and the options that all have; each cmd_*.c is a verb.  What
 * is looked at is below cli->root, which is empty on the running machine and a
 * directory for a tree that was copied from one, or made by a test.  So no path of
 * /proc, /sys, /dev, /run or /etc is opened but by way of files.h.
 *
 * Standard output has the answer, standard error what went wrong.  Exit status:
 * CLI_OK, CLI_WRONG or CLI_USAGE.
 */
#ifndef CLI_H
#define CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

enum {
	CLI_OK,
	CLI_WRONG,	/* not done, or something is not as it should be */
	CLI_USAGE,
};

/* Version of the JSON output: raised when a key goes or changes its meaning */
#define CLI_JSON_FORMAT 1

struct cli {
	const char *root;	/* "" or a directory, without a slash at its end */
	const char *socket;	/* of the daemon, below the root */
	bool json;
	bool colour;
};

/*
 * A verb.  Its options are parsed by @parser, whose state->input is the struct cli_args
 * of the verb; those of cli_common_options are parsed by xpmem.c.
 */
struct cli_verb {
	const char *name;
	const char *summary;		/* a line of xpmem --help */
	const char *args;		/* what stands after the options in the usage */
	const char *doc;
	const struct argp_option *options;	/* NULL: none of its own */
	argp_parser_t parser;
	int (*run)(struct cli *cli);
};

extern const struct cli_verb *const cli_verbs[];	/* NULL at the end */
extern const struct argp_option cli_common_options[];

/* Prints and frees it; returns @status. */
int cli_print_json(json_t *json, int status);
/* An object with the keys that every answer has */
json_t *cli_json(const char *verb);

/* "xpmem: ..." on standard error */
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A whole number from a command line, else a usage error of the verb */
unsigned long long cli_number(struct argp_state *state, const char *name, const char *arg,
			      unsigned long long max);
/* A user by name or number */
unsigned int cli_user(struct argp_state *state, const char *arg);

/* bash's completion of it all, from the tables */
void cli_completion(void);

/* There is no memory: ends the program. */
void *cli_checked(void *memory);
char *cli_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* CLI_H */
