// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sharer: an owner and an attacher, for tests of the command in a guest.
 *
 * Prints "OWNER ATTACHER SEGID" (process ids) when all is there: an owner with a segment
 * of 1 MiB, all of it touched, and an attacher that has its second half attached for
 * writing and goes on reading it while the owner gives pages back and touches them
 * again, until standard input ends.  An access to a dead segment ends the attacher's
 * reading, not the attacher.  At the end "owner" and "attacher" with "ok" or what went
 * wrong is printed.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "xpmem.h"

#define SIZE (1UL << 20)

static struct {
	_Atomic long long segid;
	_Atomic bool attached, stop, dead;
} *board;

static sigjmp_buf jump;

static void on_sigbus(int unused)
{
	(void)unused;
	siglongjmp(jump, 1);
}

static void pause_ms(long ms)
{
	struct timespec time = { 0, ms * 1000000 };

	nanosleep(&time, NULL);
}

static int attacher(void)
{
	volatile char *at;
	struct xpmem_addr where = { .offset = SIZE / 2 };

	while (!board->segid)
		pause_ms(1);
	where.apid = xpmem_get(board->segid, XPMEM_RDWR, XPMEM_PERMIT_MODE, NULL);
	at = xpmem_attach(where, SIZE / 2, NULL);
	if (where.apid < 0 || at == (void *)-1)
		return 1;
	board->attached = true;
	signal(SIGBUS, on_sigbus);
	if (sigsetjmp(jump, 1))
		board->dead = true;
	while (!board->stop) {
		for (size_t i = 0; i < SIZE / 2 && !board->dead; i += 4096) {
			char value = at[i];	/* one look: it changes */

			if (value != 0 && value != 1)
				return 2;
		}
		pause_ms(10);
	}
	return xpmem_release(where.apid) ? 3 : 0;
}

static int owner(pid_t child)
{
	char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int status = 0;

	if (memory == MAP_FAILED)
		return 1;
	memset(memory, 1, SIZE);
	board->segid = xpmem_make(memory, SIZE, XPMEM_PERMIT_MODE, (void *)0600);
	if (board->segid < 0)
		return 2;
	while (!board->attached && !waitpid(child, &status, WNOHANG))
		pause_ms(1);
	printf("%d %d %lld\n", (int)getpid(), (int)child, (long long)board->segid);
	fflush(stdout);
	while (!board->stop) {
		madvise(memory + SIZE / 2, SIZE / 2, MADV_DONTNEED);
		pause_ms(5);
		memset(memory, 1, SIZE);
		pause_ms(5);
	}
	/* a segment that was drained is gone */
	if (xpmem_remove(board->segid) && errno != ENOENT)
		return 3;
	return 0;
}

int main(void)
{
	pid_t watcher, child;
	int status, ret;

	board = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED)
		return 1;
	watcher = fork();
	if (watcher == 0) {
		char byte;

		while (read(STDIN_FILENO, &byte, 1) > 0)
			;
		board->stop = true;
		_exit(0);
	}
	child = fork();
	if (child == 0)
		_exit(attacher());
	ret = owner(child);
	printf("owner %s\n", ret ? "failed" : "ok");
	board->stop = true;
	if (waitpid(child, &status, 0) != child || status)
		printf("attacher status %d\n", status);
	else
		printf("attacher ok%s\n", board->dead ? ", segment gone" : "");
	kill(watcher, SIGKILL);
	return ret || status;
}
