// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Do the programs of the man pages do what the pages say, as they are printed there?
 * They are compiled into the directory "examples" beside that of this test.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[4096];
static char said[4096];

/* A program under way; what it says on either stream can be read from the pipe */
static pid_t start(const char *page, const char *argument, int *ret_output)
{
	char path[sizeof(directory) + 64];
	int ends[2];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/examples/%s", directory, page);
	check(pipe(ends) == 0);
	pid = fork();
	check(pid >= 0);
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		execl(path, page, argument, (char *)NULL);
		_exit(126);
	}
	close(ends[1]);
	*ret_output = ends[0];
	return pid;
}

/* Up to the end of the output, or of its first line */
static void hear(int output, bool line)
{
	size_t length = 0;
	ssize_t n;

	while (length < sizeof(said) - 1 && !(line && memchr(said, '\n', length))) {
		n = read(output, said + length, sizeof(said) - 1 - length);
		check(n >= 0);
		if (n == 0)
			break;
		length += (size_t)n;
	}
	said[length] = '\0';
}

/* The program of the page must end with this status, having said this */
static void example(const char *page, const char *argument, int wanted, const char *words)
{
	int status, output;
	pid_t pid = start(page, argument, &output);

	hear(output, false);
	close(output);
	check(waitpid(pid, &status, 0) == pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != wanted)
		fail("%s: status %#x, said: %s", page, (unsigned int)status, said);
	if (words[0] ? !strstr(said, words) : said[0] != '\0')
		fail("%s: said '%s', not '%s'", page, said, words);
}

/* Programs of calls on a segment, which that of xpmem_make(3) has made */
static void on_a_segment(void)
{
	char segid[32];
	int output;
	pid_t owner = start("xpmem_make.3", NULL, &output);

	hear(output, true);
	check(atoll(said) > 0);
	snprintf(segid, sizeof(segid), "%lld", atoll(said));
	example("xpmem_get.3", segid, 0, "");
	example("xpmem_release.3", segid, 0, "0\n");
	example("xpmem_attach.3", segid, 0, "");
	/* The first byte of the counter, which that has counted up */
	example("xpmem_release.3", segid, 0, "1\n");
	example("xpmem_detach.3", segid, 0, "");
	example("xpmem_prefault.3", segid, 0, "");
	kill_and_join(owner);
	close(output);
	example("xpmem_get.3", segid, 1, "xpmem_get: No such file or directory\n");
}

int main(void)
{
	ssize_t length;
	char *slash;
	int i;

	test_begin(120);
	length = readlink("/proc/self/exe", directory, sizeof(directory) - 1);
	check(length > 0);
	/* .../programs/man_examples */
	for (i = 0; i < 2; i++) {
		slash = strrchr(directory, '/');
		check(slash);
		*slash = '\0';
	}

	on_a_segment();
	example("xpmem_version.3", NULL, 0, ".");
	example("xpmem_query.3", NULL, 0, "with prefault\n");
	example("xpmem_remove.3", NULL, 0, "");
	example("xpmem.7", NULL, 0, "the child has: a line from the parent\n");
	/* Here is no xpmemd. */
	example("xpmem_make_remote.3", NULL, 1,
		"xpmem_make_remote: Transport endpoint is not connected\n");
	return 0;
}
