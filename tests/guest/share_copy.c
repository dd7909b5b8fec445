// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does a copy for another partition always hold what the owner had at that address at
 * some moment, whatever the owner and reclaim do meanwhile: never another page's
 * content, never that of a page that was freed?
 */
#include "ctl_test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

#define PAGES	64UL
#define SIZE	(PAGES * PAGE)
#define WORDS	(PAGE / 8)
#define SECRET	0x5ec4e75ec4e7ULL

static uint64_t *memory;

/* All words of a page have its number, and the round in which it was written. */
static void write_page(unsigned long page, uint64_t round)
{
	for (unsigned long i = 0; i < WORDS; i++)
		__atomic_store_n(&memory[page * WORDS + i], page << 32 | round, __ATOMIC_RELAXED);
}

static void *writer(void *unused)
{
	unsigned int seed = 1;

	for (uint64_t round = 1; !board->stop; round++)
		write_page((unsigned long)rand_r(&seed) % PAGES, round & 0xffffffff);
	return unused;
}

static void *clearer(void *unused)
{
	unsigned int seed = 2;

	while (!board->stop) {
		unsigned long page = (unsigned long)rand_r(&seed) % PAGES;

		check(madvise(memory + page * WORDS, PAGE, MADV_DONTNEED) == 0);
		usleep(500);
		count_up(1);
	}
	return unused;
}

static void *pager(void *unused)
{
	while (!board->stop) {
		check(madvise(memory, SIZE, MADV_PAGEOUT) == 0);
		usleep(2000);
		count_up(2);
	}
	return unused;
}

/* Gets the pages that the others free, and puts in them what nobody may see */
static void *thief(void *unused)
{
	while (!board->stop) {
		uint64_t *other = map_anon(SIZE);

		for (unsigned long i = 0; i < PAGES * WORDS; i++)
			other[i] = SECRET;
		munmap(other, SIZE);
	}
	return unused;
}

static void owner(int unused)
{
	static const struct crew crew[] = {
		{ writer, 1 }, { clearer, 1 }, { pager, 1 }, { thief, 1 }, { NULL, 0 },
	};

	(void)unused;
	ctl_not_ours();
	memory = map_anon(SIZE);
	no_huge_pages(memory, SIZE);
	for (unsigned long page = 0; page < PAGES; page++)
		write_page(page, 0);
	board->segid[0] = make_segment(memory, SIZE);
	helper_begin(board->segid[0], XPMEM_SHARE_READ);
	reach(1);
	run_crew(crew);
	reach(2);
	await(3);
}

/* The writer goes on while a page is copied, so words of two rounds are in order. */
static void check_copy(const uint64_t *copy, unsigned long page)
{
	for (unsigned long i = 0; i < WORDS; i++)
		if (copy[i] && copy[i] >> 32 != page)
			fail("word %lu of page %lu is %lx", i, page, copy[i]);
}

static void copies(void)
{
	uint64_t *buffer = map_anon(SIZE);
	unsigned int seed = 3;
	uint64_t again = 0, copied = 0, end;
	int error;

	for (end = milliseconds() + 5000; milliseconds() < end;) {
		unsigned long first = (unsigned long)rand_r(&seed) % PAGES;
		unsigned long count = 1 + (unsigned long)rand_r(&seed) % (PAGES - first);
		bool populate = rand_r(&seed) % 2;
		uint64_t done;

		/* The buffer is often not there. */
		if (rand_r(&seed) % 2)
			madvise(buffer, SIZE, MADV_DONTNEED);
		done = ctl_copy(board->segid[0], first, count, buffer,
				populate ? XPMEM_COPY_POPULATE : 0, &error);
		if (error && (populate || error != -EAGAIN))
			fail("copy: %d", error);
		again += error == -EAGAIN;
		check(error ? done < count : done == count);
		for (uint64_t i = 0; i < done; i++)
			check_copy(buffer + i * WORDS, first + i);
		copied += done;
	}
	printf("%lu pages copied, %lu times there was none; %d clears, %d page-outs\n", copied,
	       again, board->count[1], board->count[2]);
	check(copied && again);
}

/* ---- Errors, and what may be asked of which segment */

static void plain_owner(int unused)
{
	char *half;

	(void)unused;
	ctl_not_ours();
	board->segid[1] = make_segment(map_anon(SIZE), SIZE);
	half = map_anon(SIZE);
	check(munmap(half + SIZE / 2, SIZE / 2) == 0);
	/* Else it may be one mapping with a thread's stack, and get part of its huge page. */
	check(madvise(half, SIZE / 2, MADV_NOHUGEPAGE) == 0);
	board->segid[2] = make_segment(half, SIZE);
	helper_begin(board->segid[2], XPMEM_SHARE_READ);
	reach(11);
	await(12);
}

static int checked(xpmem_segid_t segid, uint32_t uid, uint32_t gid, uint32_t flags,
		   const uint32_t *groups, uint32_t nr)
{
	struct xpmem_ctl_check req = {
		.size = sizeof(req), .segid = segid, .uid = uid, .gid = gid, .flags = flags,
		.groups = (uintptr_t)groups, .nr_groups = nr,
	};

	return ioctl(ctl, XPMEM_CTL_IOC_CHECK, &req) ? -errno : 0;
}

static void refusals(void)
{
	struct xpmem_ctl_segment about = { .size = sizeof(about) };
	static const uint32_t groups[] = { 5, 4, 3 };
	char *buffer = map_anon(SIZE);
	pid_t pid = spawn(plain_owner, 0);
	int error;

	await(11);
	check(ctl_copy(board->segid[1], 0, 1, buffer, 0, &error) == 0 && error == -EOPNOTSUPP);
	check(ctl_mark(board->segid[1], 0, 1, XPMEM_MARK_REMOTE) == -EOPNOTSUPP);
	check(checked(board->segid[1], 0, 0, 0, NULL, 0) == -EOPNOTSUPP);
	check(ctl_copy(board->segid[1] + 1, 0, 1, buffer, 0, &error) == 0 && error == -ENOENT);
	check(ctl_copy(board->segid[2], PAGES, 1, buffer, 0, &error) == 0 && error == -EINVAL);
	check(ctl_copy(board->segid[2], 0, 0, buffer, 0, &error) == 0 && error == -EINVAL);
	check(ctl_copy(board->segid[2], 0, UINT64_MAX, buffer, 0, &error) == 0 &&
	      error == -EINVAL);
	check(ctl_copy(board->segid[2], 1, UINT64_MAX, buffer, 0, &error) == 0 &&
	      error == -EINVAL);
	check(ctl_copy(board->segid[2], 0, 1, buffer + 8, 0, &error) == 0 && error == -EINVAL);
	check(ctl_copy(board->segid[2], 0, 1, buffer, 1U << 31, &error) == 0 &&
	      error == -EOPNOTSUPP);
	check(ctl_copy(board->segid[2], 0, 1, NULL, XPMEM_COPY_POPULATE, &error) == 0 &&
	      error == -EFAULT);
	/* never touched */
	check(ctl_copy(board->segid[2], 0, 1, buffer, 0, &error) == 0 && error == -EAGAIN);
	check(ctl_copy(board->segid[2], PAGES / 2 - 1, 2, buffer, XPMEM_COPY_POPULATE, &error) ==
		      1 && error == -EFAULT);
	check(ctl_mark(board->segid[2], PAGES - 1, 2, XPMEM_MARK_REMOTE) == -EINVAL);
	check(ctl_mark(board->segid[2], 0, 1, XPMEM_MARK_REMOTE | XPMEM_MARK_AWAY) == -EINVAL);
	check(ctl_mark(board->segid[2], 0, 1, 1U << 30) == -EOPNOTSUPP);
	check(ctl_mark(board->segid[2], 2, UINT64_MAX, XPMEM_MARK_CLEAR) == -EINVAL);

	about.segid = board->segid[2];
	check(ioctl(ctl, XPMEM_CTL_IOC_SEGMENT, &about) == 0);
	check(about.out_flags == XPMEM_SHARE_READ && about.out_length == SIZE);
	check(about.out_mode == 0600 && about.out_uid == 0 && about.out_pid == (uint32_t)pid);
	about.segid = board->segid[1];
	check(ioctl(ctl, XPMEM_CTL_IOC_SEGMENT, &about) == 0 && !about.out_flags);
	about.segid = board->segid[1] + 1;
	check_errno(ioctl(ctl, XPMEM_CTL_IOC_SEGMENT, &about), ENOENT);

	check(checked(board->segid[2], 0, 0, 0, NULL, 0) == 0);
	check(checked(board->segid[2], 0, 0, XPMEM_CTL_WRITE, NULL, 0) == -EOPNOTSUPP);
	check(checked(board->segid[2], 1000, 1000, 0, NULL, 0) == -EACCES);
	check(checked(board->segid[2], 1000, 1000, 0, groups, 3) == -EACCES);
	check(checked(board->segid[2], 1000, 1000, 0, groups, 65537) == -EINVAL);
	check(checked(board->segid[2], 1000, 1000, 0, NULL, 3) == -EFAULT);
	reach(12);
	join(pid);
}

static void drain(void)
{
	struct xpmem_ctl_record record;

	while (ctl_next(&record, 100))
		ctl_complete(record.id, 0, 0);
}

int main(void)
{
	pid_t pid;

	test_begin(120);
	ctl_begin();
	pid = spawn(owner, 0);
	await(1);
	copies();
	atomic_store(&board->stop, true);
	await(2);
	reach(3);
	drain();
	join(pid);
	refusals();
	drain();
	ctl_end();
	return 0;
}
