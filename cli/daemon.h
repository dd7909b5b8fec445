/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What xpmemd says on its control socket (daemon/control.h): a line of JSON with the
 * command, and its answer a line.
 */
#ifndef CLI_DAEMON_H
#define CLI_DAEMON_H

#include "cli.h"

#define DAEMON_CONFIG "/etc/xpmem/xpmemd.conf"

/* The answer, to be freed; or NULL with a negative errno in *@err_ret:
 *  ENOENT, ECONNREFUSED   no daemon is running
 *  EACCES                 the caller may not ask it
 *  EPROTO                 it answered something else
 */
json_t *daemon_ask(const struct cli *cli, const char *command, int *err_ret);
/* "no daemon is running" and the like */
const char *daemon_why(int err);

/* Numbers of an answer, 0 where there is none */
long long daemon_number(const json_t *answer, const char *key);
/* A text of an answer, "" where there is none */
const char *daemon_text(const json_t *answer, const char *key);

#endif /* CLI_DAEMON_H */
