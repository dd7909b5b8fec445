// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does an invalidation ask all who have a page to let go before it waits for any
 * of them, and does it believe each one's answer?
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recall_test.h"

#define INSTANCE "/sys/kernel/tracing/instances/xpmem-recall"
#define PAGES 32
#define SIZE (PAGES * PAGE)

static pid_t tester;
static xpmem_segid_t segid;
static char *memory;

static void remove_instance(void)
{
	if (getpid() == tester)
		rmdir(INSTANCE);
}

static void trace_recalls(void)
{
	if (mkdir(INSTANCE, 0755))
		skip("no instance of tracing");
	tester = getpid();
	check(atexit(remove_instance) == 0);
	check(write_file(INSTANCE "/events/xpmem/xpmem_recall/enable", "1"));
}

/* How many waits for this subscriber are over */
static int waits_over(const char *subscriber)
{
	FILE *file = fopen(INSTANCE "/trace", "re");
	char line[512], wanted[64];
	int found = 0;

	check(file);
	snprintf(wanted, sizeof(wanted), "subscriber=%s ", subscriber);
	while (fgets(line, sizeof(line), file))
		found += strstr(line, "xpmem_recall:") && strstr(line, wanted);
	fclose(file);
	return found;
}

/* The owner is another process, as it waits in munmap. */
static void owner(int unused)
{
	(void)unused;
	memory = map_anon(SIZE);
	fill(memory, SIZE, 1);
	segid = make_segment(memory, SIZE);
	board->segid[0] = segid;
	reach(1);
	await(2);
	check(madvise(memory, SIZE, MADV_DONTNEED) == 0);
	reach(3);
}

static void issued_before_waited_for(void)
{
	pid_t pid = spawn(owner, 0);
	uint64_t zaps;
	char *at;

	await(1);
	at = attach_at(get_segment(board->segid[0], XPMEM_RDWR), 0, SIZE);
	check(!differs(at, SIZE, 1));
	zaps = read_number("/proc/xpmem/counters", "zaps");
	recall_mark(board->segid[0], 0, PAGES - 1);
	recall_behave(RECALL_HOLD_ISSUE);
	reach(2);
	recall_await_issuing();
	/* The attachments were issued, as they are emptied; they were not waited for. */
	await_that(read_number("/proc/xpmem/counters", "zaps") > zaps);
	if (waits_over("attachments"))
		fail("attachments were waited for before the other subscriber was issued");
	recall_behave(RECALL_HOLD);
	recall_await_waiting();
	check(waits_over("attachments") == 1);
	check(!waits_over("recall"));
	check(atomic_load(&board->step) == 2);
	recall_behave(0);
	await(3);
	check(waits_over("recall") == 1);
	join(pid);
}

/* What of the range has marks, and who is called, after each answer */
static void answers(void)
{
	struct recall_counts before;

	memory = map_anon(SIZE);
	memset(memory, 1, SIZE);
	segid = make_segment(memory, SIZE);
	check(*(char *)attach_at(get_segment(segid, XPMEM_RDWR), 0, SIZE) == 1);

	/* nobody has it: nobody is called */
	before = recall_counts();
	check(madvise(memory, PAGE, MADV_DONTNEED) == 0);
	check(recall_counts().issues == before.issues);

	/* the range is told, and what changed, once */
	recall_mark(segid, 4, 7);
	recall_behave(0);
	check(munmap(memory + 6 * PAGE, PAGE) == 0);
	check(recall_counts().issues == before.issues + 1);
	check(recall_counts().waits == before.waits + 1);
	check(recall_counts().first == 6 && recall_counts().last == 6);
	check(recall_counts().segid == segid && recall_counts().event == 0);
	check(mmap(memory + 6 * PAGE, PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	memory[6 * PAGE] = 1;
	check(madvise(memory + 6 * PAGE, PAGE, MADV_DONTNEED) == 0);
	check(recall_counts().issues == before.issues + 1);

	/* GONE: not waited for, and forgotten */
	recall_behave(RECALL_GONE | RECALL_HOLD);
	for (int i = 0; i < 2; i++) {
		check(madvise(memory + 4 * PAGE, PAGE, MADV_DONTNEED) == 0);
		check(recall_counts().issues == before.issues + 2);
	}
	check(recall_counts().waits == before.waits + 1);

	/* protection is a change, too */
	recall_behave(0);
	check(mprotect(memory + 7 * PAGE, PAGE, PROT_READ) == 0);
	check(recall_counts().issues == before.issues + 3);

	/* the segment's end is told to who still has pages, and only then */
	memset(memory + 8 * PAGE, 1, PAGE);
	check(*(char *)attach_at(get_segment(segid, XPMEM_RDWR), 8 * PAGE, PAGE) == 1);
	recall_mark(segid, 8, 8);
	check(xpmem_remove(segid) == 0);
	check(recall_counts().releases == before.releases + 1);
	check(recall_counts().issues == before.issues + 3);
	segid = make_segment(memory, SIZE);
	check(xpmem_remove(segid) == 0);
	check(recall_counts().releases == before.releases + 1);
}

int main(void)
{
	test_begin(60);
	recall_load();
	trace_recalls();
	issued_before_waited_for();
	answers();
	return 0;
}
