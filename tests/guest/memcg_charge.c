// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who pays: is owner memory charged to the owner's memory cgroup though an
 * attacher touches it first, and kernel memory of a request to who makes it?
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define OWNER "xpmem-charge-owner"
#define ATTACHER "xpmem-charge-attacher"
#define SIZE (16UL << 20)
#define ATTACHMENTS 4000
#define SEGMENTS 1000

static uint64_t stat_of(const char *group, const char *key)
{
	return read_number(cgroup_file(group, "memory.stat"), key);
}

/* What changed by a step, in a cgroup; a decrease is 0 */
static uint64_t since(uint64_t before, const char *group, const char *key)
{
	uint64_t now = stat_of(group, key);

	return now > before ? now - before : 0;
}

/* Counts are summed up now and then, and charged in batches. */
#define SOME (1UL << 20)

static void expect_more(const char *what, uint64_t more, uint64_t least)
{
	printf("%s: %lu KiB more\n", what, more >> 10);
	if (more < least)
		fail("%s: %lu bytes more, not %lu at least", what, more, least);
}

static void expect_less(const char *what, uint64_t more, uint64_t most)
{
	printf("%s: %lu KiB more\n", what, more >> 10);
	if (more > most)
		fail("%s: %lu bytes more, not %lu at most", what, more, most);
}

static void owner(int unused)
{
	char *anon, *shared;

	(void)unused;
	cgroup_enter(OWNER);
	anon = map_anon(SIZE);
	no_huge_pages(anon, SIZE);
	shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(shared != MAP_FAILED);
	board->segid[0] = make_segment(anon, SIZE);
	board->segid[1] = make_segment(shared, SIZE);
	reach(1);
	await(2);
	for (int i = 0; i < SEGMENTS; i++)
		make_segment(anon, PAGE);
	reach(3);
	await(4);
}

/* Steps are counted by counter 0, and told to go on by counter 1. */
static void next(int step)
{
	count_up(0);
	await_count(1, step);
}

static void attacher(int unused)
{
	xpmem_apid_t apid[2];

	(void)unused;
	cgroup_enter(ATTACHER);
	for (int i = 0; i < 2; i++)
		apid[i] = get_segment(board->segid[i], XPMEM_RDWR);
	next(1);
	memset(attach_at(apid[0], 0, SIZE), 1, SIZE);
	next(2);
	memset(attach_at(apid[1], 0, SIZE), 1, SIZE);
	next(3);
	for (int i = 0; i < ATTACHMENTS; i++)
		attach_at(apid[0], i % 16 * (off_t)PAGE, 4 * PAGE);
	next(4);
	/* page tables: a page for each attachment, which lie 2 MiB apart */
	for (uintptr_t i = 1; i <= 1000; i++) {
		struct xpmem_addr where = { .apid = apid[0] };
		char *at = xpmem_attach(where, PAGE, (void *)((1UL << 44) + (i << 21)));

		check(at != (char *)-1);
		check(*(volatile char *)at == 1);
	}
	next(5);
}

static void go_on(int step)
{
	count_up(1);
	await_count(0, step + 1);
}

int main(void)
{
	uint64_t theirs, ours, tables;
	pid_t pids[2];

	test_begin(90);
	cgroup_make(OWNER);
	cgroup_make(ATTACHER);
	pids[0] = spawn(owner, 0);
	await(1);
	pids[1] = spawn(attacher, 0);
	await_count(0, 1);

	theirs = stat_of(OWNER, "anon");
	ours = stat_of(ATTACHER, "anon");
	go_on(1);
	expect_more("anonymous memory of the owner", since(theirs, OWNER, "anon"), SIZE - SOME);
	expect_less("anonymous memory of the attacher", since(ours, ATTACHER, "anon"), SOME);

	theirs = stat_of(OWNER, "shmem");
	ours = stat_of(ATTACHER, "shmem");
	go_on(2);
	expect_more("shared memory of the owner", since(theirs, OWNER, "shmem"), SIZE - SOME);
	expect_less("shared memory of the attacher", since(ours, ATTACHER, "shmem"), SOME);

	/* a mapping of the VM's and an attachment of the module's, each above 100 bytes */
	theirs = stat_of(OWNER, "kernel");
	ours = stat_of(ATTACHER, "kernel");
	go_on(3);
	expect_more("kernel memory of the attacher, by attachments",
		    since(ours, ATTACHER, "kernel"), ATTACHMENTS * 200UL);
	expect_less("kernel memory of the owner, by attachments", since(theirs, OWNER, "kernel"),
		    ATTACHMENTS * 50UL);

	tables = stat_of(ATTACHER, "pagetables");
	theirs = stat_of(OWNER, "pagetables");
	go_on(4);
	expect_more("page tables of the attacher", since(tables, ATTACHER, "pagetables"),
		    900 * PAGE);
	expect_less("page tables of the owner", since(theirs, OWNER, "pagetables"), 100 * PAGE);
	count_up(1);
	join(pids[1]);

	theirs = stat_of(OWNER, "kernel");
	reach(2);
	await(3);
	expect_more("kernel memory of the owner, by segments", since(theirs, OWNER, "kernel"),
		    SEGMENTS * 300UL);
	reach(4);
	join(pids[0]);
	return 0;
}
