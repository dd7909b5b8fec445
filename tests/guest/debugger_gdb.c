// SPDX-License-Identifier: GPL-2.0-or-later
/* Does gdb read and write attached memory of a process? */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (4 * PAGE)

static void owner(int unused)
{
	volatile uint64_t *memory = map_anon(SIZE);

	(void)unused;
	memory[0] = 0x1234567890abcdef;
	board->segid[0] = make_segment((void *)memory, SIZE);
	reach(1);
	await(3);
	check(memory[1] == 0xfedcba9876543210);
}

static void attacher(int unused)
{
	(void)unused;
	await(1);
	board->addr[0] = attach_at(get_segment(board->segid[0], XPMEM_RDWR), 0, SIZE);
	board->addr[1] = attach_at(get_segment(board->segid[0], XPMEM_RDONLY), 0, SIZE);
	reach(2);
	await(3);
}

/* Runs gdb on the process with these commands; its output is in @output */
static void gdb(pid_t pid, char *output, size_t size, const char *commands[])
{
	const char *args[32] = {
		"gdb", "--nx", "--quiet", "--batch", "--readnever",
		"-iex", "set auto-solib-add off", "-iex", "set auto-load no",
	};
	char pid_text[16];
	size_t used = 0;
	int out[2], n = 0;
	ssize_t length;
	pid_t child;

	while (args[n])
		n++;
	args[n++] = "-p";
	snprintf(pid_text, sizeof(pid_text), "%d", pid);
	args[n++] = pid_text;
	while (*commands) {
		args[n++] = "-ex";
		args[n++] = *commands++;
	}
	check(pipe(out) == 0);
	child = fork();
	check(child >= 0);
	if (!child) {
		dup2(out[1], 1);
		dup2(out[1], 2);
		close(out[0]);
		close(out[1]);
		execv("/usr/bin/gdb", (char **)args);
		_exit(127);
	}
	close(out[1]);
	while ((length = read(out[0], output + used, size - 1 - used)) > 0)
		used += (size_t)length;
	output[used] = 0;
	close(out[0]);
	check(waitpid(child, &n, 0) == child);
}

static void expect(const char *output, const char *wanted)
{
	if (!strstr(output, wanted))
		fail("gdb did not say '%s', but:\n%s", wanted, output);
}

int main(void)
{
	char commands[6][80], output[16384];
	const char *list[7] = {};
	pid_t owner_pid, attacher_pid;

	test_begin(120);
	if (access("/usr/bin/gdb", X_OK))
		skip("there is no gdb");
	owner_pid = spawn(owner, 0);
	attacher_pid = spawn(attacher, 0);
	await(2);
	for (int i = 0; i < 2; i++)
		snprintf(commands[i], sizeof(commands[i]), "x/gx %p", board->addr[i]);
	snprintf(commands[2], sizeof(commands[2]),
		 "set {unsigned long}%p = 0xfedcba9876543210", (char *)board->addr[0] + 8);
	snprintf(commands[3], sizeof(commands[3]), "x/gx %p", (char *)board->addr[1] + 8);
	snprintf(commands[4], sizeof(commands[4]), "set {unsigned long}%p = 0xbad",
		 (char *)board->addr[1] + 8);
	snprintf(commands[5], sizeof(commands[5]), "x/gx %p", (char *)board->addr[0] + 8);
	for (int i = 0; i < 6; i++)
		list[i] = commands[i];
	gdb(attacher_pid, output, sizeof(output), list);
	for (int i = 0; i < 2; i++) {
		snprintf(commands[i], sizeof(commands[i]), "%p:\t0x1234567890abcdef",
			 board->addr[i]);
		expect(output, commands[i]);
	}
	snprintf(commands[0], sizeof(commands[0]), "Cannot access memory at address %p",
		 (char *)board->addr[1] + 8);
	for (int i = 0; i < 2; i++) {
		snprintf(commands[1], sizeof(commands[1]), "%p:\t0xfedcba9876543210",
			 (char *)board->addr[i] + 8);
		expect(output, commands[1]);
	}
	expect(output, commands[0]);
	reach(3);
	join(attacher_pid);
	join(owner_pid);
	return 0;
}
