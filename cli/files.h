/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files and programs below cli->root.  Paths are absolute ones of the machine. */
#ifndef CLI_FILES_H
#define CLI_FILES_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli.h"

/* The path as it is to be opened; to be freed */
char *file_path(const struct cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* NULL with errno.  A text, to be freed; the second without white space at its end. */
char *file_read(const struct cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
char *file_line(const struct cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* A number in a file of that alone; @otherwise when there is none.  0600 is octal. */
long long file_number(const struct cli *cli, const char *path, long long otherwise);
/* A number in a text of lines "name number" */
bool text_number(const char *text, const char *name, long long *ret);

bool file_stat(const struct cli *cli, const char *path, struct stat *st);
/* What a link says, or NULL */
char *file_link(const struct cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Lines of a text, one after the other: NULL at the end.  Writes zeros in it. */
char *text_next_line(char **text);

/*
 * Runs a program of the machine and returns what it wrote to standard output (with
 * @errors also to standard error), and its exit status; NULL: there is none, or it took
 * more than 20 seconds.  @argv[0] is a name, looked for where programs are.
 */
char *program_output(const struct cli *cli, const char *const argv[], bool errors,
		     int *status_ret);

#endif /* CLI_FILES_H */
