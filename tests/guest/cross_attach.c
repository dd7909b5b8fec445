// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Do two processes come through that attach each other's and their own whole
 * address spaces, attachments among them, touch all at once and unmap what the
 * other and they themselves touch?
 */
#include "guest_test.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGES 128
#define SIZE (PAGES * PAGE)
#define SECONDS 5

static int me;
static char *mine;
/* mine, seen by myself; the other's; the other's attachment of mine */
static char *self, *theirs, *mirror;
static __thread sigjmp_buf failed_access;

static void handler(int signal)
{
	siglongjmp(failed_access, signal);
}

/* What is not there at the moment is SIGBUS in an attachment, nothing else. */
static void add_one(char *at)
{
	int signal = sigsetjmp(failed_access, 1);

	if (!signal)
		__atomic_fetch_add(at, 1, __ATOMIC_RELAXED);
	else
		check(signal == SIGBUS);
}

/* An attachment is never shown by an attachment. */
static void look_through(volatile char *at)
{
	if (sigsetjmp(failed_access, 1))
		return;
	(void)*at;
	fail("an attachment was shown through an attachment");
}

static void *touch(void *unused)
{
	unsigned int seed = (unsigned int)(uintptr_t)&seed;

	(void)unused;
	while (!atomic_load(&board->stop)) {
		for (int i = 0; i < 64; i++) {
			size_t page = (size_t)rand_r(&seed) % PAGES * PAGE;

			add_one((i % 2 ? self : theirs) + page + me);
		}
		look_through(mirror);
		count_up(me);
	}
	return NULL;
}

static void *change(void *unused)
{
	struct xpmem_addr own = { .apid = board->apid[me], .offset = (off_t)mine };
	unsigned int seed = (unsigned int)(uintptr_t)&seed;

	(void)unused;
	while (!atomic_load(&board->stop)) {
		char *from = mine + (size_t)rand_r(&seed) % PAGES * PAGE;
		size_t length = (size_t)(mine + SIZE - from);

		switch (rand_r(&seed) % 4) {
		case 0:
			check(munmap(from, length) == 0);
			check(mmap(from, length, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == from);
			break;
		case 1:
			madvise(from, length, MADV_DONTNEED);
			break;
		case 2:
			check(mprotect(from, length, PROT_READ) == 0);
			check(mprotect(from, length, PROT_READ | PROT_WRITE) == 0);
			break;
		case 3:
			/* an attachment takes the place of another */
			check(xpmem_attach(own, SIZE, self) == self);
			break;
		}
		count_up(2 + me);
		usleep(300);
	}
	return NULL;
}

static void process(int number)
{
	const struct crew crew[] = { { touch, 4 }, { change, 1 }, {} };
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_NODEFER };

	struct xpmem_addr other = {};

	me = number;
	sigaction(SIGBUS, &action, NULL);
	mine = map_anon(SIZE);
	theirs = map_anon(SIZE);
	board->addr[me] = mine;
	board->addr[2 + me] = theirs;
	board->segid[me] = make_segment(NULL, XPMEM_MAXADDR_SIZE);
	meet(2);
	board->apid[me] = get_segment(board->segid[me], XPMEM_RDWR);
	self = attach_at(board->apid[me], (off_t)mine, SIZE);
	other.apid = get_segment(board->segid[!me], XPMEM_RDWR);
	/* attached while it is ordinary memory: an attachment would be refused */
	mirror = attach_at(other.apid, (off_t)board->addr[2 + !me], SIZE);
	meet(2);
	other.offset = (off_t)board->addr[!me];
	check(xpmem_attach(other, SIZE, theirs) == theirs);
	meet(2);
	run_crew(crew);
	meet(2);
}

int main(void)
{
	test_begin(60);
	run_pair(process, SECONDS, "64 touches", "changes");
	return 0;
}
