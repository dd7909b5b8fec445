/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes below /proc */
#ifndef CLI_PROCESS_H
#define CLI_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "cli.h"

/* Calls @visit for every process there is. */
void process_each(const struct cli *cli, void (*visit)(const struct cli *cli, pid_t pid, void *ctx),
		  void *ctx);
/* Its name as ps tells it, "?" when it is gone */
void process_command(const struct cli *cli, pid_t pid, char *name, size_t size);
/* Its real user; false when it is gone */
bool process_user(const struct cli *cli, pid_t pid, unsigned int *uid);
/*
 * The fdinfo of its first descriptor of /dev/xpmem, to be freed; or NULL with errno:
 * ENOENT: it has none.  All its descriptors show the same.
 */
char *process_fdinfo(const struct cli *cli, pid_t pid);

#endif /* CLI_PROCESS_H */
