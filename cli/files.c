// SPDX-License-Identifier: GPL-2.0-or-later
/* See files.h. */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM_MS 20000

static char *path_va(const struct cli *cli, const char *format, va_list args)
{
	char *path, *full;

	if (vasprintf(&path, format, args) < 0)
		path = NULL;
	cli_checked(path);
	full = cli_format("%s%s", cli->root, path);
	free(path);
	return full;
}

char *file_path(const struct cli *cli, const char *format, ...)
{
	va_list args;
	char *path;

	va_start(args, format);
	path = path_va(cli, format, args);
	va_end(args);
	return path;
}

/* All that can be read; files of /proc do not know their size. */
static char *read_all(int fd)
{
	size_t used = 0, size = 4096;
	char *text = cli_checked(malloc(size));
	ssize_t length;

	while ((length = read(fd, text + used, size - 1 - used))) {
		if (length < 0) {
			int error = errno;

			if (error == EINTR)
				continue;
			free(text);
			errno = error;
			return NULL;
		}
		used += (size_t)length;
		if (used == size - 1) {
			size *= 2;
			text = cli_checked(realloc(text, size));
		}
	}
	text[used] = 0;
	return text;
}

static char *read_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text;
	int error;

	if (fd < 0)
		return NULL;
	text = read_all(fd);
	error = errno;
	close(fd);
	errno = error;
	return text;
}

char *file_read(const struct cli *cli, const char *format, ...)
{
	char *path, *text;
	va_list args;

	va_start(args, format);
	path = path_va(cli, format, args);
	va_end(args);
	text = read_path(path);
	free(path);
	return text;
}

char *file_line(const struct cli *cli, const char *format, ...)
{
	char *path, *text;
	va_list args;

	va_start(args, format);
	path = path_va(cli, format, args);
	va_end(args);
	text = read_path(path);
	free(path);
	if (text)
		for (size_t n = strlen(text); n && strchr(" \t\n", text[n - 1]); n--)
			text[n - 1] = 0;
	return text;
}

long long file_number(const struct cli *cli, const char *path, long long otherwise)
{
	char *text = file_line(cli, "%s", path);
	long long value;
	char *end;

	if (!text)
		return otherwise;
	value = strtoll(text, &end, 0);
	if (end == text || *end)
		value = otherwise;
	free(text);
	return value;
}

bool text_number(const char *text, const char *name, long long *ret)
{
	size_t length = strlen(name);

	for (const char *line = text; line; line = (line = strchr(line, '\n')) ? line + 1 : NULL)
		if (!strncmp(line, name, length) && strchr(" \t", line[length]) && line[length]) {
			*ret = strtoll(line + length, NULL, 0);
			return true;
		}
	return false;
}

bool file_stat(const struct cli *cli, const char *path, struct stat *st)
{
	char *full = file_path(cli, "%s", path);
	bool there = !stat(full, st);

	free(full);
	return there;
}

char *file_link(const struct cli *cli, const char *format, ...)
{
	char target[4096];
	ssize_t length;
	va_list args;
	char *path;

	va_start(args, format);
	path = path_va(cli, format, args);
	va_end(args);
	length = readlink(path, target, sizeof(target) - 1);
	free(path);
	if (length < 0)
		return NULL;
	target[length] = 0;
	return cli_format("%s", target);
}

char *text_next_line(char **text)
{
	char *line = *text, *end;

	if (!line || !*line)
		return NULL;
	end = strchr(line, '\n');
	if (end)
		*end++ = 0;
	*text = end;
	return line;
}

/* ------------------------------------------------------------------- programs */

static char *find_program(const struct cli *cli, const char *name)
{
	static const char *const dirs[] = {
		"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin",
	};
	const char *path = *cli->root ? NULL : getenv("PATH");
	char *copy, *at, *dir, *full;

	/* The user's own MPI may be anywhere. */
	copy = at = path ? cli_format("%s", path) : NULL;
	while ((dir = strsep(&at, ":"))) {
		full = cli_format("%s/%s", dir, name);
		if (*dir == '/' && !access(full, X_OK)) {
			free(copy);
			return full;
		}
		free(full);
	}
	free(copy);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		full = file_path(cli, "%s/%s", dirs[i], name);
		if (!access(full, X_OK))
			return full;
		free(full);
	}
	return NULL;
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* What comes until the end, or NULL when that does not come in time */
static char *read_until(int fd, long long deadline)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	size_t used = 0, size = 4096;
	char *text = cli_checked(malloc(size));
	ssize_t length;

	for (;;) {
		long long left = deadline - now_ms();

		if (left <= 0 || poll(&pollfd, 1, (int)left) == 0) {
			free(text);
			return NULL;
		}
		length = read(fd, text + used, size - 1 - used);
		if (length < 0 && errno == EINTR)
			continue;
		if (length <= 0)
			break;
		used += (size_t)length;
		if (used == size - 1) {
			size *= 2;
			text = cli_checked(realloc(text, size));
		}
	}
	text[used] = 0;
	return text;
}

char *program_output(const struct cli *cli, const char *const argv[], bool errors,
		     int *status_ret)
{
	char *program = find_program(cli, argv[0]);
	posix_spawn_file_actions_t actions;
	char *text = NULL;
	int fds[2], status;
	pid_t pid;

	if (!program)
		return NULL;
	if (pipe2(fds, O_CLOEXEC)) {
		free(program);
		return NULL;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	if (errors)
		posix_spawn_file_actions_adddup2(&actions, fds[1], STDERR_FILENO);
	else
		posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (!posix_spawn(&pid, program, &actions, NULL, (char *const *)argv, environ)) {
		close(fds[1]);
		fds[1] = -1;
		text = read_until(fds[0], now_ms() + PROGRAM_MS);
		if (!text)
			kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		*status_ret = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
	}
	posix_spawn_file_actions_destroy(&actions);
	if (fds[1] >= 0)
		close(fds[1]);
	close(fds[0]);
	free(program);
	return text;
}
