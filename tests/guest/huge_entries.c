// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Is what the owner maps by huge entries mapped so for attachers, at the cost of a
 * fault each, and do attachments show exactly the owner's memory whatever either
 * side then does to all of it or to a part of a huge page?
 *
 *   huge_entries [PART [KIND]]
 *
 * A part is a process that owns the memory, with two others that attach it, at a
 * congruent address, where huge entries fit, and 4 KiB off, where they do not.  What
 * is right stands in a table of sums, one a page, that the owner makes of its memory.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cell.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define SPLIT	  "/sys/kernel/debug/split_huge_pages"
#define THP_DIR	  "/sys/kernel/mm/transparent_hugepage"
#define BALANCING "/proc/sys/kernel/numa_balancing"

#define BLOCKS	    3UL
#define BLOCK_PAGES (HUGE / PAGE)
#define PAGES	    (BLOCKS * BLOCK_PAGES)
#define SIZE	    (PAGES * PAGE)
#define MIX	    0x9e3779b97f4a7c15ULL
#define SEED	    77UL
/* A page of a block whose fault does not continue another one's */
#define MIDDLE 300UL

enum view_number { PLAIN, APART, SPARE, VIEWS };

/* How to attach */
#define READER	  1L	/* by a permit for reading */
#define AT_OFFSET 2L	/* not congruent */

static uint64_t *sums;	/* of the owner's pages, 0 where it has none; shared */
static bool huge_kernel;

/* The first sample is the word that stores go to. */
static uint64_t page_sum(const char *page)
{
	const volatile uint64_t *words = (const volatile uint64_t *)(const void *)page;
	uint64_t sum = 1;

	for (size_t i = 0; i < PAGE_WORDS; i += 61)
		sum = (sum ^ words[i]) * MIX;
	return sum | 1;
}

/* ------------------------------------------------------------ attachers */

static struct {
	char *at;		/* of page 0, were it attached */
	xpmem_apid_t apid;
	size_t first, last;	/* pages of the memory that are attached */
} views[VIEWS];

static char *page_of(long view, size_t page)
{
	return views[view].at + page * PAGE;
}

static long faults(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_SELF, &usage) ? -1 : usage.ru_minflt + usage.ru_majflt;
}

/* A free place for pages, at this distance from a place that is congruent to @like */
static char *place(const char *like, size_t pages, size_t distance)
{
	char *free = mmap(NULL, pages * PAGE + 3 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	check(free != MAP_FAILED);
	free += HUGE - (uintptr_t)free % HUGE;
	return free + (uintptr_t)like % HUGE + distance;
}

/* view, segid, its first page in the memory, page to attach from, pages | how << 32 */
static long do_attach(const long *args)
{
	long how = args[4] >> 32;
	size_t pages = (uint32_t)args[4];
	struct xpmem_addr where = { .offset = args[3] * (long)PAGE };
	char *hint = NULL, *at;

	where.apid = get_segment(args[1], how & READER ? XPMEM_RDONLY : XPMEM_RDWR);
	if (how & AT_OFFSET)
		hint = place(NULL, pages, PAGE);
	at = xpmem_attach(where, pages * PAGE, hint);
	check(at != (char *)-1 && (!hint || at == hint));
	views[args[0]].apid = where.apid;
	views[args[0]].first = (size_t)(args[2] + args[3]);
	views[args[0]].last = views[args[0]].first + pages - 1;
	views[args[0]].at = at - views[args[0]].first * PAGE;
	return (long)at;
}

/* view */
static long do_release(const long *args)
{
	return xpmem_release(views[args[0]].apid);
}

/* view, first, last, whether to store what is there: the faults it took */
static long do_touch(const long *args)
{
	long before = faults();

	for (long i = args[1]; i <= args[2]; i++) {
		volatile uint64_t *word = (uint64_t *)(void *)page_of(args[0], (size_t)i);
		uint64_t value = *word;

		if (args[3])
			*word = value;
	}
	return faults() - before;
}

/* view, first, last: the first page that is not what it should be, or -1 */
static long do_look(const long *args)
{
	for (long i = args[1]; i <= args[2]; i++) {
		const char *page = page_of(args[0], (size_t)i);

		if (sums[i] ? page_sum(page) != sums[i] : try_read(page, NULL) != SIGBUS)
			return i;
	}
	return -1;
}

/* view, first, last, value: a word in each page */
static long do_store(const long *args)
{
	for (long i = args[1]; i <= args[2]; i++)
		*(volatile long *)(void *)page_of(args[0], (size_t)i) = args[3] + i;
	return 0;
}

/* view, page, whether to store: the signal, or 0 */
static long do_try(const long *args)
{
	char *page = page_of(args[0], (size_t)args[1]);

	return args[2] ? try_write(page, 0x0bad) : try_read(page, NULL);
}

/* view, first, last: munmap */
static long do_unmap(const long *args)
{
	return munmap(page_of(args[0], (size_t)args[1]), (size_t)(args[2] - args[1] + 1) * PAGE);
}

/* view, first, last, prot: 0 or an errno */
static long do_protect(const long *args)
{
	size_t size = (size_t)(args[2] - args[1] + 1) * PAGE;

	return mprotect(page_of(args[0], (size_t)args[1]), size, (int)args[3]) ? errno : 0;
}

/* view, distance from a congruent place */
static long do_move(const long *args)
{
	size_t first = views[args[0]].first, pages = views[args[0]].last - first + 1;
	char *from = page_of(args[0], first);
	char *to = place(from, pages, (size_t)args[1]);

	check(mremap(from, pages * PAGE, pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	for (size_t i = 0; i < pages; i += 37)
		check(try_read(from + i * PAGE, NULL) == SIGSEGV);
	views[args[0]].at = to - first * PAGE;
	return 0;
}

/* view, first, pages, flags */
static long do_prefault(const long *args)
{
	return xpmem_prefault(page_of(args[0], (size_t)args[1]), (size_t)args[2] * PAGE,
			      (unsigned int)args[3], NULL);
}

/* ---------------------------------------------------------------- owner */

static struct memory memory;
static struct peer *peers[2];
static xpmem_segid_t segid;
static uint64_t stored;		/* last value that somebody stored */

static volatile uint64_t *owner_word(size_t page)
{
	return (uint64_t *)(void *)(memory.addr + page * PAGE);
}

/* The least that can be dropped, unmapped or protected */
static size_t unit(void)
{
	return is(&memory, HUGETLB) ? HUGE : PAGE;
}

/* A unit of a block, and, where it has more, one in its other half */
static char *unit_of(size_t block, bool other)
{
	size_t page = is(&memory, HUGETLB) ? 0 : other ? 450 : 11;

	return memory.addr + block * HUGE + page * PAGE;
}

static long attach_part(int peer, enum view_number view, size_t shift, size_t first, size_t pages,
			long how)
{
	return peer_call(peers[peer], do_attach, view, (long)segid, (long)shift, (long)first,
			 (long)pages | how << 32);
}

static void attach(int peer, enum view_number view, long how)
{
	attach_part(peer, view, 0, 0, PAGES, how);
}

static void release(int peer, enum view_number view)
{
	check(peer_call(peers[peer], do_release, view) == 0);
}

static long touch(int peer, enum view_number view, size_t first, size_t last, bool write)
{
	return peer_call(peers[peer], do_touch, view, (long)first, (long)last, write);
}

/* Makes the sums of pages that the owner has. */
static void publish(size_t first, size_t last)
{
	for (size_t i = first; i <= last; i++)
		sums[i] = page_sum(memory.addr + i * PAGE);
}

static void sees(int peer, enum view_number view, size_t first, size_t last)
{
	long page = peer_call(peers[peer], do_look, view, (long)first, (long)last);

	if (page >= 0)
		fail("%s: page %ld of view %d of attacher %d is not the owner's", memory.kind->name,
		     page, view, peer);
}

/* The views that most parts have */
static const struct {
	int peer;
	enum view_number view;
	long how;
} usual[] = { { 0, PLAIN, 0 }, { 0, APART, AT_OFFSET }, { 1, PLAIN, 0 } };
#define USUAL 3

static void attach_all(void)
{
	for (int i = 0; i < USUAL; i++)
		attach(usual[i].peer, usual[i].view, usual[i].how);
}

static void release_all(void)
{
	for (int i = 0; i < USUAL; i++)
		release(usual[i].peer, usual[i].view);
}

static void touch_all(bool write)
{
	for (int i = 0; i < USUAL; i++)
		touch(usual[i].peer, usual[i].view, 0, PAGES - 1, write);
}

static void all_see_part(size_t first, size_t last)
{
	for (int i = 0; i < USUAL; i++)
		sees(usual[i].peer, usual[i].view, first, last);
}

static void all_see(void)
{
	all_see_part(0, PAGES - 1);
}

/* One stores to pages that the owner has; the owner sees it */
static void stores(int peer, enum view_number view, size_t first, size_t last)
{
	stored += 1UL << 32;
	peer_call(peers[peer], do_store, view, (long)first, (long)last, (long)stored);
	for (size_t i = first; i <= last; i++)
		if (*owner_word(i) != stored + i)
			fail("%s: the owner does not see what view %d of attacher %d stored to page %zu",
			     memory.kind->name, view, peer, i);
	publish(first, last);
}

/* Owner and attachers store; all see it */
static void all_store(void)
{
	for (int i = 0; i < USUAL; i++) {
		stores(usual[i].peer, usual[i].view, 0, PAGES - 1);
		all_see();
	}
	stored += 1UL << 32;
	for (size_t i = 0; i < PAGES; i++)
		*owner_word(i) = stored + i;
	publish(0, PAGES - 1);
	all_see();
}

/* None of them can load, or store. */
static void all_fail(size_t page, bool store)
{
	for (int i = 0; i < USUAL; i++)
		check(peer_call(peers[usual[i].peer], do_try, usual[i].view, (long)page, store) ==
		      SIGBUS);
}

/*
 * The block has no entries in the view: one fault in its middle gives all of it one.
 * By small entries it would have given less: see window.h of the module.
 */
static void becomes_huge(int peer, enum view_number view, size_t block, bool write)
{
	size_t first = block * BLOCK_PAGES, last = first + BLOCK_PAGES - 1;
	long took, more;

	if (!huge_kernel)
		return;
	took = touch(peer, view, first + MIDDLE, first + MIDDLE, write);
	more = touch(peer, view, first, last, write);
	if (took != 1 || more)
		fail("%s: block %zu: %ld faults for a page of it, then %ld for all",
		     memory.kind->name, block, took, more);
}

/* The owner gives a unit up, or all. */
static void drop(size_t block, bool other)
{
	check(madvise(unit_of(block, other), unit(), MADV_DONTNEED) == 0);
	publish(0, PAGES - 1);
}

static void drop_all(void)
{
	check(madvise(memory.addr, SIZE, MADV_DONTNEED) == 0);
	publish(0, PAGES - 1);
}

/* What the segment has counted since the last call: insertions, and pages in them */
static void count(long *insertions, long *inserted)
{
	static long last_insertions, last_inserted;
	FILE *file = fopen("/proc/xpmem/segments", "re");
	long long id = 0;
	char line[256];

	check(file);
	while (id != segid && fgets(line, sizeof(line), file))
		if (sscanf(line, "%lld %*s %*s %*s %*s %*s %*s %*s %*s %ld %ld", &id, insertions,
			   inserted) != 3)
			id = 0;
	check(id == segid);
	fclose(file);
	*insertions -= last_insertions;
	*inserted -= last_inserted;
	last_insertions += *insertions;
	last_inserted += *inserted;
}

/* -------------------------------------------------- mapping and faulting */

static void placed(void)
{
	static const size_t firsts[] = { 0, 3, BLOCK_PAGES / 2, BLOCK_PAGES - 1 };

	if (!huge_kernel)
		return;
	for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
		size_t pages = 2 * BLOCK_PAGES;
		long at = attach_part(0, PLAIN, 0, firsts[i], pages, 0);
		long owner_at = (long)(memory.addr + firsts[i] * PAGE);

		if ((at - owner_at) % (long)HUGE)
			fail("%s: %#lx is attached at %#lx", memory.kind->name, owner_at, at);
		becomes_huge(0, PLAIN, firsts[i] ? 1 : 0, false);
		sees(0, PLAIN, firsts[i], firsts[i] + pages - 1);
		release(0, PLAIN);
	}
	/* Too short for a huge entry, and at places of the caller's choice */
	attach_part(0, PLAIN, 0, 1, BLOCK_PAGES + 17, 0);
	attach(0, APART, AT_OFFSET);
	stores(0, APART, 0, PAGES - 1);
	sees(0, PLAIN, 1, BLOCK_PAGES + 17);
}

static void few_faults(void)
{
	long took, insertions, inserted;

	for (int write = 0; write < 2; write++) {
		attach(0, PLAIN, 0);
		took = touch(0, PLAIN, 0, PAGES - 1, write);
		count(&insertions, &inserted);
		if (huge_kernel && (took > (long)BLOCKS || insertions > (long)BLOCKS ||
				    inserted != (long)PAGES))
			fail("%s: %ld faults, %ld insertions of %ld pages", memory.kind->name, took,
			     insertions, inserted);
		/* The owner stored there: so may the attacher, at once. */
		check(touch(0, PLAIN, 0, PAGES - 1, !write) == 0);
		stores(0, PLAIN, 0, PAGES - 1);
		release(0, PLAIN);
	}
	/* Another order, with two attachers */
	for (int i = 0; i < 2; i++) {
		attach(i, PLAIN, 0);
		for (size_t block = BLOCKS; block-- > 0;)
			becomes_huge(i, PLAIN, block, i);
	}
	for (int i = 0; i < 2; i++) {
		stores(i, PLAIN, 0, PAGES - 1);
		sees(!i, PLAIN, 0, PAGES - 1);
	}
}

static void prefaulted(void)
{
	long insertions, inserted;

	for (int write = 0; write < 2; write++) {
		attach(0, PLAIN, 0);
		check(peer_call(peers[0], do_prefault, PLAIN, 0, PAGES,
				write ? XPMEM_PREFAULT_WRITE : 0) == 0);
		count(&insertions, &inserted);
		/* One more makes the levels of the page table above. */
		if (huge_kernel && (insertions > (long)BLOCKS + 1 || inserted != (long)PAGES))
			fail("%s: prefaulting took %ld insertions of %ld pages", memory.kind->name,
			     insertions, inserted);
		check(touch(0, PLAIN, 0, PAGES - 1, true) == 0);
		sees(0, PLAIN, 0, PAGES - 1);
		release(0, PLAIN);
	}
	/* One page of a block is enough. */
	attach(0, PLAIN, 0);
	check(peer_call(peers[0], do_prefault, PLAIN, BLOCK_PAGES + 5, 1, 0) == 0);
	if (huge_kernel)
		check(touch(0, PLAIN, BLOCK_PAGES, 2 * BLOCK_PAGES - 1, true) == 0);
	sees(0, PLAIN, 0, PAGES - 1);
}

static void read_only(void)
{
	attach(0, PLAIN, READER);
	attach(0, APART, READER | AT_OFFSET);
	attach(1, PLAIN, 0);
	becomes_huge(0, PLAIN, 1, false);
	becomes_huge(1, PLAIN, 1, true);
	all_see();
	for (enum view_number view = PLAIN; view <= APART; view++) {
		check(peer_call(peers[0], do_try, view, BLOCK_PAGES, true) == SIGSEGV);
		check(peer_call(peers[0], do_protect, view, 0, PAGES - 1, MAP_RW) == EACCES);
	}
	check(peer_call(peers[0], do_prefault, PLAIN, 0, PAGES, XPMEM_PREFAULT_WRITE) == -EACCES);
	stores(1, PLAIN, 0, PAGES - 1);
	all_see();
	drop(1, false);
	all_see();
}

/* A segment that begins and ends inside huge pages: one whole one is between */
static void cut(void)
{
	size_t first = BLOCK_PAGES - 100, last = 2 * BLOCK_PAGES + 130;
	size_t pages = last - first + 1;

	segid = make_segment(memory.addr + first * PAGE, pages * PAGE);
	for (int i = 0; i < USUAL; i++)
		attach_part(usual[i].peer, usual[i].view, first, 0, pages, usual[i].how);
	becomes_huge(0, PLAIN, 1, false);
	becomes_huge(1, PLAIN, 1, true);
	all_see_part(first, last);
	for (int i = 0; i < USUAL; i++)
		stores(usual[i].peer, usual[i].view, first, last);
	/* In the head, inside the segment and outside; in the whole one; in the tail */
	for (size_t block = 0; block < BLOCKS; block++) {
		drop(block, false);
		drop(block, true);
		all_see_part(first, last);
	}
	drop_all();
	all_see_part(first, last);
}

/* ------------------------------------------------------ the owner's doings */

static void dropped(void)
{
	attach_all();
	for (int write = 0; write < 2; write++) {
		touch_all(write);
		drop(1, false);
		all_see();
		all_store();
	}
	/* One part, and at once another; one, and at once all; of blocks that are whole */
	touch_all(true);
	drop(2, false);
	drop(2, true);
	all_see();
	touch_all(true);
	drop(0, true);
	drop_all();
	all_see();
	all_store();
}

/*
 * The view of small entries touched only the half of a huge page that the owner
 * does not touch, at first.
 */
static void dropped_by_halves(void)
{
	for (int round = 0; round < 4; round++) {
		bool all = round & 1, high = round & 2;
		size_t first = (round % BLOCKS) * BLOCK_PAGES;
		size_t low_last = first + BLOCK_PAGES / 2 - 1, last = first + BLOCK_PAGES - 1;

		attach_all();
		touch(0, PLAIN, high ? first : low_last + 1, high ? low_last : last, false);
		touch(0, APART, high ? low_last + 1 : first, high ? last : low_last, true);
		drop(first / BLOCK_PAGES, !high);
		if (all)
			drop_all();
		else
			drop(first / BLOCK_PAGES, high);
		all_see();
		release_all();
		memory_fill(memory.addr, 0, SIZE, SEED);
		check(madvise(memory.addr, SIZE, MADV_COLLAPSE) == 0 || errno == EAGAIN);
		publish(0, PAGES - 1);
	}
}

static void unmapped(void)
{
	char *start = unit_of(1, false);
	size_t size = unit();

	attach_all();
	touch_all(true);
	check(munmap(start, size) == 0);
	memset(sums + (start - memory.addr) / (long)PAGE, 0, size / PAGE * sizeof(*sums));
	all_see();
	stores(0, PLAIN, 0, BLOCK_PAGES - 1);
	stores(0, APART, 2 * BLOCK_PAGES, PAGES - 1);
	all_see();
	/* and something else in its place */
	check(mmap(start, size, MAP_RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == start);
	memory_fill(start, 0, size, SEED + 1);
	publish(0, PAGES - 1);
	all_see();
	all_store();
}

static void protected(void)
{
	char *start = unit_of(1, false);
	size_t size = unit(), page = (size_t)(start - memory.addr) / PAGE;

	attach_all();
	touch_all(true);
	check(mprotect(memory.addr, SIZE, PROT_READ) == 0);
	for (size_t block = 0; block < BLOCKS; block++)
		all_fail(block * BLOCK_PAGES + MIDDLE, true);
	all_see();
	check(mprotect(memory.addr, SIZE, MAP_RW) == 0);
	all_store();
	check(mprotect(start, size, PROT_READ) == 0);
	all_fail(page, true);
	all_see();
	stores(0, PLAIN, 0, page - 1);
	stores(0, APART, page + size / PAGE, PAGES - 1);
	all_see();
	check(mprotect(start, size, PROT_NONE) == 0);
	all_fail(page, false);
	check(mprotect(start, size, MAP_RW) == 0);
	all_see();
	all_store();
}

/* In a child that the owner forked: it has what there was then, and keeps it */
static void child_of_owner(int unused)
{
	uint64_t before = board->value[0];

	(void)unused;
	await(1);
	for (size_t i = 0; i < PAGES; i++)
		check(*owner_word(i) == before + i);
	for (size_t i = 0; i < PAGES; i += 3)
		*owner_word(i) = ~i;
	reach(2);
	await(3);
	for (size_t i = 0; i < PAGES; i++)
		check(*owner_word(i) == (i % 3 ? before + i : ~i));
}

static void forked(void)
{
	attach_all();
	for (int child_first = 0; child_first < 2; child_first++) {
		pid_t child;

		all_store();
		touch_all(true);
		atomic_store(&board->step, 0);
		board->value[0] = stored;
		child = spawn(child_of_owner, 0);
		if (child_first) {
			touch_all(false);
		} else {
			/* An attacher writes to one block, the owner to another. */
			stores(0, APART, MIDDLE, MIDDLE);
			*owner_word(BLOCK_PAGES + 7) = 1;
			publish(0, PAGES - 1);
			all_see();
			all_store();
		}
		reach(1);
		await(2);
		all_see();
		all_store();
		reach(3);
		join(child);
		all_see();
	}
}

static void paged_out(void)
{
	size_t resident;

	if (read_number("/proc/meminfo", "SwapTotal:") == 0) {
		printf("skipped: there is no swap\n");
		return;
	}
	attach_all();
	touch_all(true);
	/* Before 6.8 the kernel leaves what was just used, the first time. */
	for (int i = 0; i < 3; i++)
		check(madvise(memory.addr, SIZE, MADV_PAGEOUT) == 0);
	resident = memory_resident(&memory);
	if (resident)
		fail("%s: %zu pages were not paged out", memory.kind->name, resident);
	all_see();
	all_store();
}

static size_t huge_size(void)
{
	return memory_smaps(memory.addr, is(&memory, SHARED) ? "ShmemPmdMapped:" : "AnonHugePages:");
}

static void split_and_collapsed(void)
{
	char text[96];

	attach_all();
	touch_all(true);
	snprintf(text, sizeof(text), "%d,%#lx,%#lx", getpid(), (unsigned long)memory.addr,
		 (unsigned long)memory.addr + SIZE);
	if (!write_file(SPLIT, text)) {
		printf("skipped: no debugfs\n");
		return;
	}
	check(huge_size() == 0);
	all_see();
	all_store();
	memory_settle();
	for (int tries = 0; madvise(memory.addr, SIZE, MADV_COLLAPSE); tries++) {
		check(errno == EAGAIN && tries < 100);
		guest_pause();
	}
	check(huge_size() == SIZE);
	all_see();
	all_store();
	/* Where there is a table, it stays: huge entries come with new attachments. */
	attach(0, SPARE, 0);
	for (size_t block = 0; block < BLOCKS; block++)
		becomes_huge(0, SPARE, block, true);
	sees(0, SPARE, 0, PAGES - 1);
}

/* The owner has only read it: the huge zero page, which nobody may write */
static void untouched(void)
{
	check(mmap(memory.addr, SIZE, MAP_RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	      memory.addr);
	check(madvise(memory.addr, SIZE, MADV_HUGEPAGE) == 0);
	publish(0, PAGES - 1);
	attach_all();
	becomes_huge(0, PLAIN, 1, false);
	all_see();
	stores(0, PLAIN, BLOCK_PAGES + 5, BLOCK_PAGES + 5);
	all_see();
	stores(0, APART, 7, 7);
	all_see();
	all_store();
}

/* --------------------------------------------------- the attachers' doings */

static void attacher_unmaps(void)
{
	size_t first = BLOCK_PAGES + 100, last = BLOCK_PAGES + 199;

	/* Touched first, while the owner's block is whole */
	for (int touched = 1; touched >= 0; touched--) {
		attach_all();
		if (touched)
			touch_all(true);
		check(peer_call(peers[0], do_unmap, PLAIN, first, last) == 0);
		/* All of a huge entry, too */
		check(peer_call(peers[0], do_unmap, PLAIN, 0, BLOCK_PAGES - 1) == 0);
		check(peer_call(peers[0], do_try, PLAIN, first, false) == SIGSEGV);
		check(peer_call(peers[0], do_try, PLAIN, last, false) == SIGSEGV);
		check(peer_call(peers[0], do_try, PLAIN, BLOCK_PAGES - 1, false) == SIGSEGV);
		sees(0, PLAIN, BLOCK_PAGES, first - 1);
		drop(1, true);
		sees(0, PLAIN, BLOCK_PAGES, first - 1);
		sees(0, PLAIN, last + 1, PAGES - 1);
		stores(0, PLAIN, last + 1, PAGES - 1);
		stores(1, PLAIN, 0, PAGES - 1);
		sees(0, APART, 0, PAGES - 1);
		release_all();
	}
}

static void attacher_protect(size_t first, size_t last, int prot)
{
	check(peer_call(peers[0], do_protect, PLAIN, (long)first, (long)last, prot) == 0);
}

static void attacher_protects(void)
{
	size_t first = BLOCK_PAGES + 100, last = BLOCK_PAGES + 199;

	attach_all();
	touch_all(true);
	/* All, a huge entry, a part of one: and the same back */
	attacher_protect(0, PAGES - 1, PROT_READ);
	check(peer_call(peers[0], do_try, PLAIN, MIDDLE, true) == SIGSEGV);
	stores(1, PLAIN, 0, PAGES - 1);
	all_see();
	attacher_protect(0, BLOCK_PAGES - 1, MAP_RW);
	stores(0, PLAIN, 0, BLOCK_PAGES - 1);
	check(peer_call(peers[0], do_try, PLAIN, BLOCK_PAGES + MIDDLE, true) == SIGSEGV);
	attacher_protect(0, PAGES - 1, MAP_RW);
	all_store();
	attacher_protect(first, last, PROT_READ);
	check(peer_call(peers[0], do_try, PLAIN, first, true) == SIGSEGV);
	check(peer_call(peers[0], do_try, PLAIN, last, true) == SIGSEGV);
	stores(0, PLAIN, 0, first - 1);
	stores(0, PLAIN, last + 1, PAGES - 1);
	all_see();
	attacher_protect(first, last, MAP_RW);
	all_store();

	/* The owner drops a page while nobody there may look. */
	for (int whole = 1; whole >= 0; whole--) {
		size_t from = whole ? 0 : first, to = whole ? PAGES - 1 : last;

		touch_all(true);
		attacher_protect(from, to, PROT_NONE);
		check(peer_call(peers[0], do_try, PLAIN, from, false) == SIGSEGV);
		drop(2, false);
		drop_all();
		attacher_protect(from, to, MAP_RW);
		all_see();
		all_store();
	}
}

static void attacher_moves(void)
{
	static const size_t distances[] = { 0, PAGE, HUGE - PAGE };

	attach_all();
	for (size_t i = 0; i < 3; i++) {
		touch_all(true);
		check(peer_call(peers[0], do_move, PLAIN, (long)distances[i]) == 0);
		/* Before it looks, which would bring new entries */
		drop(1, false);
		sees(0, PLAIN, 0, PAGES - 1);
		drop(1, true);
		all_see();
		all_store();
	}
}

/* ----------------------------------------------------------------- parts */

static const struct kind memory_kinds[] = {
	{ "thp", THP },
	{ "thp-shared", THP | SHARED },
	{ "hugetlb-private", HUGETLB },
	{ "hugetlb-shared", HUGETLB | SHARED | FILED },
};
#define KINDS 4

static const struct part {
	const char *name;
	void (*run)(void);
	unsigned int unlike;	/* traits of memory that it is not for */
} parts[] = {
	{ "placed", placed, 0 },
	{ "few-faults", few_faults, 0 },
	{ "prefaulted", prefaulted, 0 },
	{ "read-only", read_only, 0 },
	{ "cut", cut, 0 },
	{ "dropped", dropped, 0 },
	{ "dropped-by-halves", dropped_by_halves, SHARED | HUGETLB },
	{ "unmapped", unmapped, 0 },
	{ "protected", protected, 0 },
	{ "forked", forked, SHARED },
	{ "paged-out", paged_out, HUGETLB },
	{ "split", split_and_collapsed, HUGETLB },
	{ "untouched", untouched, SHARED | HUGETLB },
	{ "attacher-unmaps", attacher_unmaps, 0 },
	{ "attacher-protects", attacher_protects, 0 },
	{ "attacher-moves", attacher_moves, 0 },
};
#define PARTS (int)(sizeof(parts) / sizeof(parts[0]))

static void run_part(int number)
{
	const struct part *part = &parts[number / KINDS];
	const struct kind *kind = &memory_kinds[number % KINDS];

	for (int i = 0; i < 2; i++)
		peers[i] = peer_start();
	memory_reserve(&memory, kind, SIZE);
	if (!memory_make(&memory, SEED) && (!is(&memory, THP) || huge_size() != SIZE)) {
		printf("skipped: %s: no huge page to be had\n", kind->name);
		return;
	}
	publish(0, PAGES - 1);
	segid = make_segment(memory.addr, SIZE);
	part->run();
	for (int i = 0; i < 2; i++)
		peer_stop(peers[i]);
}

/* Of hugetlbfs a child of the owner needs as much again. */
static bool no_such(const struct kind *kind)
{
	if (kind->traits & HUGETLB)
		return read_number("/proc/meminfo", "HugePages_Free:") < 2 * BLOCKS;
	return !huge_kernel;
}

int main(int argc, char **argv)
{
	test_begin(180);
	huge_kernel = access(THP_DIR, F_OK) == 0;
	if (!huge_kernel)
		printf("skipped: no transparent huge pages in this kernel\n");
	if (no_such(&memory_kinds[2]))
		printf("skipped: there are not %lu pages of hugetlbfs\n", 2 * BLOCKS);
	/* It takes entries away, to see who misses them. */
	if (access(BALANCING, W_OK) == 0)
		set_until_exit(BALANCING, "0");
	sums = mmap(NULL, PAGES * sizeof(*sums), MAP_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(sums != MAP_FAILED);
	for (int i = 0; i < PARTS * KINDS; i++) {
		const struct part *part = &parts[i / KINDS];
		const struct kind *kind = &memory_kinds[i % KINDS];

		if (part->unlike & kind->traits || no_such(kind) ||
		    (argc > 1 && strcmp(argv[1], part->name) != 0) ||
		    (argc > 2 && strcmp(argv[2], kind->name) != 0))
			continue;
		atomic_store(&board->step, 0);
		join(spawn(run_part, i));
	}
	return 0;
}
