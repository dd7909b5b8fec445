// SPDX-License-Identifier: GPL-2.0-or-later
/* See process.h. */
#include "process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"

void process_each(const struct cli *cli, void (*visit)(const struct cli *cli, pid_t pid, void *ctx),
		  void *ctx)
{
	char *path = file_path(cli, "/proc");
	DIR *dir = opendir(path);
	struct dirent *entry;

	free(path);
	while (dir && (entry = readdir(dir)))
		if (isdigit((unsigned char)*entry->d_name))
			visit(cli, (pid_t)strtol(entry->d_name, NULL, 10), ctx);
	if (dir)
		closedir(dir);
}

void process_command(const struct cli *cli, pid_t pid, char *name, size_t size)
{
	char *text = pid > 0 ? file_line(cli, "/proc/%d/comm", (int)pid) : NULL;

	snprintf(name, size, "%s", text && *text ? text : "?");
	/* The process chooses it: nothing of it may move the cursor. */
	for (; *name; name++)
		if (!isprint((unsigned char)*name))
			*name = '?';
	free(text);
}

bool process_user(const struct cli *cli, pid_t pid, unsigned int *uid)
{
	char *text = file_read(cli, "/proc/%d/status", (int)pid);
	long long value;
	bool found = text && text_number(text, "Uid:", &value);

	if (found)
		*uid = (unsigned int)value;
	free(text);
	return found;
}

char *process_fdinfo(const struct cli *cli, pid_t pid)
{
	char *path = file_path(cli, "/proc/%d/fd", (int)pid);
	DIR *dir = opendir(path);
	int error = dir ? ENOENT : errno;
	struct dirent *entry;
	char *info = NULL, *target;

	free(path);
	while (dir && !info && (entry = readdir(dir))) {
		target = file_link(cli, "/proc/%d/fd/%s", (int)pid, entry->d_name);
		if (target && !strcmp(target, "/dev/xpmem")) {
			info = file_read(cli, "/proc/%d/fdinfo/%s", (int)pid, entry->d_name);
			if (!info)
				error = errno;
		}
		free(target);
	}
	if (dir)
		closedir(dir);
	errno = error;
	return info;
}
