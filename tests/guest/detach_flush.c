// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When detach has returned, can no thread read the memory any more, on whatever CPU
 * it runs?  An entry that is out of the page table may still be in a TLB.
 *
 * Readers on all CPUs load pages of an attachment without end, so that the TLBs have
 * them, while another thread of theirs detaches it.  Each must end by SIGSEGV, and
 * never read what the owner stores there later, nor what comes into a page that the
 * owner gave up meanwhile.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "memory.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGES	 1500UL		/* at most, in an attachment; the owner has no more */
#define READERS	 4
#define OWN	 8UL		/* pages that a reader goes on reading */
#define DURATION 2500UL		/* of a part, milliseconds, and at least so many rounds */
#define ROUNDS	 12U
#define FOREIGN	 (1ULL << 63)	/* in what was never in the segment */

static const struct part {
	const char *name;
	bool unmapped;		/* another thread unmaps a part of it at the same time */
	bool dropped;		/* the owner gives its pages up at the same time */
	bool huge;
} parts[] = {
	{ .name = "detach" },
	{ .name = "detach and munmap", .unmapped = true },
	{ .name = "detach and MADV_DONTNEED of the owner", .dropped = true },
	{ .name = "the same with huge pages", .dropped = true, .huge = true },
};
#define PARTS (int)(sizeof(parts) / sizeof(parts[0]))

/* Counters of the board: the round in which the owner may drop, may refill, has */
enum { DROP, REFILL, REFILLED };

static const struct part *part;
static uint64_t *memory;	/* the owner's, of an attacher too where it is shared */

static int cpu(unsigned int number)
{
	return (int)(number % (unsigned int)sysconf(_SC_NPROCESSORS_ONLN));
}

/* Lets the readers run, which never rest, and comes before them when it is over. */
static void rest(void)
{
	usleep(50);
}

/* A moment that is another one each time */
static void dawdle(unsigned int seed)
{
	for (volatile unsigned int i = 0; i < seed * 797 % 20000; i++)
		;
}

/* --------------------------------------------------------------- readers */

/* Of this round; written while nobody reads */
static char *at;		/* the attachment */
static size_t pages;
static uint64_t expected;	/* what its pages have, or, where they are dropped, 0 */
static size_t hole, hole_end;	/* pages that are also unmapped by themselves */
static unsigned int round_number;
static bool over;

static _Atomic bool gone, hole_gone;
static _Atomic int reading, ended;
static pthread_barrier_t barrier;	/* a round begins; it ended */

static _Thread_local sigjmp_buf out;

static void handler(int signal, siginfo_t *info, void *unused)
{
	(void)unused;
	if (signal != SIGSEGV)
		fail("signal %d", signal);
	if ((char *)info->si_addr < at || (char *)info->si_addr >= at + pages * PAGE)
		fail("SIGSEGV at %p", info->si_addr);
	siglongjmp(out, 1);
}

static void load(size_t page)
{
	uint64_t value = *(volatile uint64_t *)(void *)(at + page * PAGE);

	if (value != expected && (value || !part->dropped))
		fail("%s: page %zu of %zu: read %#lx, not %#lx%s", part->name, page, pages, value,
		     expected, value & FOREIGN ? ": in a page that was freed" : "");
}

static void load_until_fault(size_t first)
{
	for (;;) {
		for (size_t i = first; i < first + OWN; i++) {
			size_t page = i % pages;
			bool in_hole = page >= hole && page < hole_end;
			/* Before the load: whose end may be that of the attachment */
			bool late = atomic_load(&gone) || (in_hole && atomic_load(&hole_gone));

			load(page);
			if (late)
				fail("%s: page %zu of %zu was read after it was unmapped",
				     part->name, page, pages);
		}
	}
}

static void *reader(void *argument)
{
	unsigned int number = (unsigned int)(uintptr_t)argument;

	memory_pin(cpu(number));
	check(setpriority(PRIO_PROCESS, (id_t)gettid(), 10) == 0);
	for (;;) {
		pthread_barrier_wait(&barrier);
		if (over)
			return NULL;
		if (!sigsetjmp(out, 0)) {
			for (size_t i = 0; i < pages; i++)
				load(i);
			atomic_fetch_add(&reading, 1);
			load_until_fault((round_number * READERS + number) * (OWN + 1));
		}
		atomic_fetch_add(&ended, 1);
		pthread_barrier_wait(&barrier);
	}
}

static void *unmapper(void *unused)
{
	(void)unused;
	memory_pin(cpu(1));
	for (;;) {
		pthread_barrier_wait(&barrier);
		if (over)
			return NULL;
		while (atomic_load(&reading) < READERS)
			rest();
		dawdle(round_number * 3);
		if (hole < hole_end) {
			check(munmap(at + hole * PAGE, (hole_end - hole) * PAGE) == 0);
			atomic_store(&hole_gone, true);
		}
		pthread_barrier_wait(&barrier);
	}
}

/* -------------------------------------------------------------- attacher */

/*
 * Addresses for the attachments, in the middle of 2 MiB as the owner's, with something
 * mapped above and below them: tables stay, so that no flush comes with their end.
 */
static char *reserve(void)
{
	uintptr_t start = (uintptr_t)mmap(NULL, PAGES * PAGE + 3 * HUGE, PROT_NONE,
					  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	check((void *)start != MAP_FAILED);
	return (char *)((start + HUGE - 1) & ~(HUGE - 1)) + HUGE / 2;
}

static void one_round(xpmem_apid_t apid, char *place, unsigned int round)
{
	/* Much, few enough for the VM alone, and just too many for that */
	static const size_t sizes[] = { 600, 33, 600, 34, 600, PAGES };

	round_number = round;
	expected = round;
	pages = sizes[round % 6];
	at = place;
	check(try_attach(apid, pages * PAGE, place) == place);
	hole = hole_end = 0;
	if (part->unmapped) {
		hole = pages / 4;
		hole_end = hole + (round & 8 ? 2 : pages / 2);
	}
	gone = hole_gone = false;
	reading = ended = 0;

	pthread_barrier_wait(&barrier);
	while (atomic_load(&reading) < READERS)
		rest();
	atomic_store(&board->count[DROP], (int)round);
	dawdle(round);
	check(xpmem_detach(at + pages / 8 * PAGE) == 0);
	atomic_store(&gone, true);
	if (!part->dropped)
		for (size_t i = 0; i < PAGES; i++)
			memory[i * PAGE_WORDS] = round + 1;
	pthread_barrier_wait(&barrier);

	if (atomic_load(&ended) != READERS)
		fail("%d of %d readers were ended by SIGSEGV", ended, READERS);
	if (part->dropped) {
		atomic_store(&board->count[REFILL], (int)round);
		while (atomic_load(&board->count[REFILLED]) < (int)round)
			rest();
	}
}

static void attacher(int unused)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER };
	uint64_t end = milliseconds() + DURATION;
	pthread_t threads[READERS + 1];
	unsigned int round = 0;
	xpmem_apid_t apid;
	char *place;

	(void)unused;
	await(1);
	apid = get_segment(board->segid[0], XPMEM_RDWR);
	place = reserve();
	check(sigaction(SIGSEGV, &action, NULL) == 0);
	check(sigaction(SIGBUS, &action, NULL) == 0);
	check(pthread_barrier_init(&barrier, NULL, READERS + 2) == 0);
	for (size_t i = 0; i < READERS; i++)
		check(pthread_create(&threads[i], NULL, reader, (void *)i) == 0);
	check(pthread_create(&threads[READERS], NULL, unmapper, NULL) == 0);
	memory_pin(cpu(0));
	while (round < ROUNDS || milliseconds() < end)
		one_round(apid, place, ++round);
	atomic_store(&board->stop, true);
	over = true;
	pthread_barrier_wait(&barrier);
	for (size_t i = 0; i <= READERS; i++)
		check(pthread_join(threads[i], NULL) == 0);
	printf("%s: %u rounds\n", part->name, round);
}

/* ----------------------------------------------------------------- owner */

static void store_all(uint64_t *words, uint64_t value)
{
	for (size_t i = 0; i < PAGES; i++)
		words[i * PAGE_WORDS] = value;
}

/* False: there are no more rounds. */
static bool await_round(int counter, unsigned int round)
{
	for (unsigned int i = 1; atomic_load(&board->count[counter]) < (int)round; i++) {
		if (atomic_load(&board->stop))
			return false;
		if (i % 256)
			rest();
		else
			guest_pause();
	}
	return true;
}

/* Gives pages up in each round and has others take them at once. */
static void drop_pages(void)
{
	uint64_t *other;

	memory_pin(cpu(UINT32_MAX));
	for (unsigned int round = 1; await_round(DROP, round); round++) {
		size_t dropped = round & 1 ? PAGES : PAGES / 2;

		dawdle(round * 5);
		check(madvise(memory, dropped * PAGE, MADV_DONTNEED) == 0);
		other = map_anon(PAGES * PAGE);
		store_all(other, FOREIGN | round);
		if (!await_round(REFILL, round))
			return;
		munmap(other, PAGES * PAGE);
		store_all(memory, round + 1);
		atomic_store(&board->count[REFILLED], (int)round);
	}
}

static void run_part(int number)
{
	char *area = mmap(NULL, PAGES * PAGE + 3 * HUGE, PROT_READ | PROT_WRITE,
			  (parts[number].dropped ? MAP_PRIVATE : MAP_SHARED) | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	check(area != MAP_FAILED);
	part = &parts[number];
	memory = (uint64_t *)(((uintptr_t)area + HUGE - 1) & ~(HUGE - 1)) +
		 HUGE / 2 / sizeof(*memory);
	if (part->huge)
		check(madvise(area, PAGES * PAGE + 3 * HUGE, MADV_HUGEPAGE) == 0);
	else
		no_huge_pages(area, PAGES * PAGE + 3 * HUGE);
	/* Nothing is there yet that the attacher could share by fork alone. */
	pid = spawn(attacher, 0);
	store_all(memory, 1);
	board->segid[0] = make_segment(memory, PAGES * PAGE);
	reach(1);
	if (part->dropped)
		drop_pages();
	join(pid);
}

int main(void)
{
	test_begin(90);
	for (int i = 0; i < PARTS; i++) {
		if (parts[i].huge && access("/sys/kernel/mm/transparent_hugepage", F_OK)) {
			printf("skipped: %s: not in this kernel\n", parts[i].name);
			continue;
		}
		atomic_store(&board->step, 0);
		atomic_store(&board->stop, false);
		for (int counter = DROP; counter <= REFILLED; counter++)
			atomic_store(&board->count[counter], 0);
		join(spawn(run_part, i));
		fflush(stdout);
	}
	return 0;
}
