// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The arena of a peer, and all that its owner does with it: each event tells the
 * oracle what may get lost and what can't be accessed meanwhile, and nothing
 * more, so that what should have stayed is missed.
 */
#include "torture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define HUGE_PAGES 512U		/* 4-KiB pages of a huge page */
#define GUARD_VALUE 0x6775617264000000ULL
#define MOST_PAGES 64U		/* of one event */
#define HOT_PAGES 24U		/* of each region, where most accesses and events are */

/* In the order of enum region */
static const unsigned int sizes[REGION_MAX] = { 512, 512, 256, 128, 128, 256 };

unsigned int region_first(enum region region)
{
	unsigned int first = 0;

	for (unsigned int i = 0; i < (unsigned int)region; i++)
		first += sizes[i];
	return first;
}

unsigned int region_pages(enum region region)
{
	return sizes[region];
}

enum region region_of(unsigned int page)
{
	unsigned int region = 0;

	while (region + 1 < REGION_MAX && page >= region_first(region + 1))
		region++;
	return region;
}

unsigned int pick_page(uint64_t *random, unsigned int first, unsigned int pages)
{
	unsigned int page = region_first(pick(random, REGION_MAX)) + pick(random, HOT_PAGES);

	if (page >= first && page < first + pages && !once_in(random, 8))
		return page;
	return first + pick(random, pages);
}

void segment_place(unsigned int segment, unsigned int *first, unsigned int *pages)
{
	/* The second begins and ends inside leaves and regions. */
	*first = segment == 1 ? 300 : 0;
	*pages = segment == 1 ? 1200 : ARENA_PAGES;
}

/* What an event is about: part of one region */
struct range {
	enum region region;
	unsigned int first, pages;
	char *at;
	size_t size;
};

static struct range range_of(struct owner *owner, enum region region, unsigned int first,
			     unsigned int pages)
{
	return (struct range){
		.region = region,
		.first = first,
		.pages = pages,
		.at = owner->arena + first * PAGE,
		.size = pages * PAGE,
	};
}

static struct range whole_region(struct owner *owner, enum region region)
{
	return range_of(owner, region, region_first(region), region_pages(region));
}

static struct range random_range(struct owner *owner)
{
	enum region region = pick(&owner->random, REGION_MAX);
	/* Mostly few: what is lost all the time is never found to be wrong. */
	unsigned int pages = 1 + pick(&owner->random, once_in(&owner->random, 4) ? MOST_PAGES : 6);
	unsigned int offset;

	if (region == REGION_HUGETLB || once_in(&owner->random, 24))
		return whole_region(owner, region);
	offset = pick(&owner->random,
		      once_in(&owner->random, 2) ? HOT_PAGES : region_pages(region) - pages + 1);
	return range_of(owner, region, region_first(region) + offset, pages);
}

static bool is_private(enum region region)
{
	return region != REGION_MEMFD && region != REGION_FILE;
}

static bool all_writable(const struct owner *owner, const struct range *range)
{
	for (unsigned int i = 0; i < range->pages; i++)
		if (owner->peer->page[range->first + i].access != ACCESS_WRITE)
			return false;
	return true;
}

/* Now and then somebody else gets a chance in the middle of an event. */
static void pause_a_little(struct owner *owner)
{
	if (once_in(&owner->random, 2))
		usleep(pick(&owner->random, 3000));
}

/* ------------------------------------------------------------------- arena */

static void map_range(struct owner *owner, const struct range *range)
{
	int flags = MAP_FIXED | (is_private(range->region) ? MAP_PRIVATE : MAP_SHARED);
	int fd = owner->fd[range->region];
	off_t offset = 0;

	if (fd < 0)
		flags |= MAP_ANONYMOUS;
	else
		offset = (off_t)((range->first - region_first(range->region)) * PAGE);
	if (range->region == REGION_HUGETLB &&
	    mmap(range->at, range->size, PROT_READ | PROT_WRITE, flags | MAP_HUGETLB, -1, 0) ==
		    range->at)
		return;
	check(mmap(range->at, range->size, PROT_READ | PROT_WRITE, flags, fd, offset) ==
	      range->at);
	if (range->region == REGION_HUGE)
		madvise(range->at, range->size, MADV_HUGEPAGE);
}

/* A file that nobody else has and that goes with the process */
static int new_file(const char *kind, unsigned int pages)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/torture.%s.XXXXXX", shared->directory, kind);
	fd = mkstemp(path);
	check(fd >= 0 && unlink(path) == 0);
	check(ftruncate(fd, (off_t)(pages * PAGE)) == 0);
	return fd;
}

static void make_one_segment(struct owner *owner, unsigned int segment)
{
	unsigned int first, pages;
	int64_t segid;
	int err;

	segment_place(segment, &first, &pages);
	if (segment == 2)
		err = raw_make(owner->device, NULL, SIZE_MAX, 0600, &segid);
	else
		err = raw_make(owner->device, owner->arena + first * PAGE, pages * PAGE, 0600,
			       &segid);
	if (err) {
		finding("peer %u can't make segment %u: %s", owner->slot, segment,
			strerror(-err));
		return;
	}
	owner->peer->segid[segment] = segid;
}

static volatile uint64_t *guard(const struct owner *owner, unsigned int which)
{
	return (volatile uint64_t *)(owner->arena + (which ? ARENA_PAGES * PAGE : -PAGE));
}

void arena_make(struct owner *owner)
{
	size_t align = HUGE_PAGES * PAGE;
	char *all = mmap(NULL, ARENA_PAGES * PAGE + 2 * align, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(all != MAP_FAILED);
	owner->arena = (char *)(((uintptr_t)all + 2 * align - 1) & ~(align - 1));
	for (unsigned int region = 0; region < REGION_MAX; region++)
		owner->fd[region] = -1;
	owner->fd[REGION_MEMFD] = memfd_create("torture", MFD_CLOEXEC);
	check(owner->fd[REGION_MEMFD] >= 0);
	check(ftruncate(owner->fd[REGION_MEMFD], (off_t)(sizes[REGION_MEMFD] * PAGE)) == 0);
	owner->fd[REGION_FILE] = new_file("shared", sizes[REGION_FILE]);
	owner->fd[REGION_PRIVATE] = new_file("private", sizes[REGION_PRIVATE]);

	oracle_begin(owner->peer);
	for (unsigned int region = 0; region < REGION_MAX; region++) {
		struct range range = whole_region(owner, region);

		map_range(owner, &range);
	}
	oracle_lost(owner->peer, 0, ARENA_PAGES, false);
	oracle_open(owner->peer, 0, ARENA_PAGES, ACCESS_WRITE);
	for (unsigned int i = 0; i < PAGE / sizeof(uint64_t); i++) {
		guard(owner, 0)[i] = GUARD_VALUE + i;
		guard(owner, 1)[i] = GUARD_VALUE + i;
	}
	for (unsigned int segment = 0; segment < SEGMENTS; segment++)
		make_one_segment(owner, segment);
}

void arena_use(struct owner *owner)
{
	unsigned int page = pick_page(&owner->random, 0, ARENA_PAGES);
	unsigned int access = owner->peer->page[page].access;
	struct judgement judgement;

	if (access >= ACCESS_READ) {
		judgement = oracle_read(&owner->view, page, pick(&owner->random, WRITERS));
		oracle_report(&owner->view, &judgement, "the owner");
		count(COUNT_own_read);
	}
	if (access >= ACCESS_WRITE) {
		judgement = oracle_write(&owner->view, page, 0);
		oracle_report(&owner->view, &judgement, "the owner");
		count(COUNT_own_write);
	}
}

static void check_guards(const struct owner *owner)
{
	for (unsigned int which = 0; which < 2; which++)
		for (unsigned int i = 0; i < PAGE / sizeof(uint64_t); i++)
			if (guard(owner, which)[i] != GUARD_VALUE + i)
				finding("the page %s the arena of peer %u has changed: %016llx",
					which ? "after" : "before", owner->slot,
					(unsigned long long)guard(owner, which)[i]);
}

/* ------------------------------------- events that lose contents or access */

static void dontneed(struct owner *owner, struct range range)
{
	bool loses = is_private(range.region);
	int err;

	if (loses)
		oracle_lose(owner->peer, range.first, range.pages, COUNT_dontneed);
	err = madvise(range.at, range.size, MADV_DONTNEED);
	if (loses)
		oracle_lost(owner->peer, range.first, range.pages, err != 0);
	count(COUNT_dontneed);
}

static void lazy_free(struct owner *owner, struct range range)
{
	if ((range.region != REGION_ANON && range.region != REGION_HUGE) ||
	    !all_writable(owner, &range))
		return;
	oracle_lose(owner->peer, range.first, range.pages, COUNT_free);
	madvise(range.at, range.size, MADV_FREE);
	pause_a_little(owner);
	/* From a store on a page is kept, with what is in it by then. */
	for (unsigned int i = 0; i < range.pages; i++)
		oracle_write(&owner->view, range.first + i, 0);
	oracle_lost(owner->peer, range.first, range.pages, true);
	count(COUNT_free);
}

static void map_anew(struct owner *owner, struct range range, bool hole)
{
	bool loses = is_private(range.region);
	int event = hole ? COUNT_hole : COUNT_remap;

	if (loses)
		oracle_lose(owner->peer, range.first, range.pages, event);
	oracle_close(owner->peer, range.first, range.pages, event);
	addresses_lock();
	if (hole) {
		check(munmap(range.at, range.size) == 0);
		pause_a_little(owner);
	}
	map_range(owner, &range);
	addresses_unlock();
	if (loses)
		oracle_lost(owner->peer, range.first, range.pages, false);
	oracle_open(owner->peer, range.first, range.pages, ACCESS_WRITE);
	count(event);
}

static void remap(struct owner *owner, struct range range)
{
	map_anew(owner, range, false);
}

static void hole(struct owner *owner, struct range range)
{
	map_anew(owner, range, true);
}

/* Moves the pages elsewhere and back: nothing is lost. */
static void away(struct owner *owner, struct range range)
{
	void *there;

	if (range.region == REGION_HUGETLB || !all_writable(owner, &range))
		return;
	oracle_close(owner->peer, range.first, range.pages, COUNT_away);
	addresses_lock();
	there = mmap(NULL, range.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(there != MAP_FAILED);
	/* A range of several mappings is refused, and stays. */
	if (mremap(range.at, range.size, range.size, MREMAP_MAYMOVE | MREMAP_FIXED, there) ==
	    there) {
		pause_a_little(owner);
		check(mremap(there, range.size, range.size, MREMAP_MAYMOVE | MREMAP_FIXED,
			     range.at) == range.at);
		count(COUNT_away);
	} else {
		munmap(there, range.size);
	}
	addresses_unlock();
	oracle_open(owner->peer, range.first, range.pages, ACCESS_KEEP);
}

static void protect(struct owner *owner, struct range range)
{
	static const int prot[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	/* Mostly back to where all works */
	enum access access = once_in(&owner->random, 4) ? pick(&owner->random, 2) : ACCESS_WRITE;

	oracle_close(owner->peer, range.first, range.pages, COUNT_mprotect);
	check(mprotect(range.at, range.size, prot[access]) == 0);
	oracle_open(owner->peer, range.first, range.pages, access);
	count(COUNT_mprotect);
}

static void punch(struct owner *owner, struct range range)
{
	int err;

	if (is_private(range.region))
		return;
	oracle_lose(owner->peer, range.first, range.pages, COUNT_punch);
	err = fallocate(owner->fd[range.region], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			(off_t)((range.first - region_first(range.region)) * PAGE),
			(off_t)range.size);
	oracle_lost(owner->peer, range.first, range.pages, err != 0);
	count(COUNT_punch);
}

/* Private pages of a file that is cut off go too. */
static void cut_off(struct owner *owner, struct range range)
{
	unsigned int first = range.first - region_first(range.region);
	unsigned int rest = region_pages(range.region) - first;
	int fd = owner->fd[range.region];

	if (fd < 0)
		return;
	oracle_lose(owner->peer, range.first, rest, COUNT_truncate);
	oracle_close(owner->peer, range.first, rest, COUNT_truncate);
	check(ftruncate(fd, (off_t)(first * PAGE)) == 0);
	pause_a_little(owner);
	check(ftruncate(fd, (off_t)(region_pages(range.region) * PAGE)) == 0);
	oracle_lost(owner->peer, range.first, rest, false);
	oracle_open(owner->peer, range.first, rest, ACCESS_KEEP);
	count(COUNT_truncate);
}

static void remake(struct owner *owner, struct range range)
{
	unsigned int segment = pick(&owner->random, SEGMENTS);
	int64_t segid = owner->peer->segid[segment];
	int err;

	(void)range;
	owner->peer->segid[segment] = 0;
	err = raw_remove(owner->device, segid);
	if (err)
		finding("peer %u can't remove a segment: %s", owner->slot, strerror(-err));
	make_one_segment(owner, segment);
	count(COUNT_remake);
}

/* ------------------------------------------------ a copy made by fork stays */

#define COPY_WORDS 96

_Noreturn static void watch_copy(struct owner *owner)
{
	static struct {
		volatile uint64_t *at;
		uint64_t value;
		unsigned int page;
	} word[COPY_WORDS];
	unsigned int words = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned int tries = 0; tries < 4 * COPY_WORDS && words < COPY_WORDS; tries++) {
		unsigned int page = pick_page(&owner->random, 0, ARENA_PAGES);
		enum region region = region_of(page);

		/* Huge pages may be taken from the copy when they run out. */
		if (!is_private(region) || region == REGION_HUGETLB)
			continue;
		word[words].page = page;
		word[words].at = (volatile uint64_t *)(owner->arena + page * PAGE) +
				 pick(&owner->random, WRITERS);
		if (!access_read(word[words].at, &word[words].value))
			words++;
	}
	for (unsigned int round = 0; round < 20 && !shared->stop; round++) {
		usleep(5000);
		for (unsigned int i = 0; i < words; i++) {
			uint64_t value;

			if (!access_read(word[i].at, &value) && value != word[i].value)
				finding("a copy made by fork has changed: peer %u, page %u "
					"(region %u): %016llx, then %016llx",
					owner->slot, word[i].page, region_of(word[i].page),
					(unsigned long long)word[i].value,
					(unsigned long long)value);
		}
	}
	_exit(0);
}

static void copy(struct owner *owner, struct range range)
{
	pid_t pid;

	(void)range;
	if (owner->copy && waitpid(owner->copy, NULL, WNOHANG) != owner->copy)
		return;
	/* Not the library's: its handlers may wait for what another thread holds. */
	pid = (pid_t)syscall(SYS_fork);
	check(pid >= 0);
	if (!pid)
		watch_copy(owner);
	owner->copy = pid;
	count(COUNT_fork);
}

/* ------------------------------------------- events that must not be noticed */

static void advise(struct range range, int advice, enum count what)
{
	madvise(range.at, range.size, advice);
	count(what);
}

static void pageout(struct owner *owner, struct range range)
{
	(void)owner;
	advise(range, MADV_PAGEOUT, COUNT_pageout);
}

static void cold(struct owner *owner, struct range range)
{
	(void)owner;
	advise(range, MADV_COLD, COUNT_cold);
}

static void mergeable(struct owner *owner, struct range range)
{
	advise(range, once_in(&owner->random, 4) ? MADV_UNMERGEABLE : MADV_MERGEABLE,
	       COUNT_mergeable);
}

static void collapse(struct owner *owner, struct range range)
{
	(void)range;
	advise(whole_region(owner, REGION_HUGE), MADV_COLLAPSE, COUNT_collapse);
}

static void hugepage(struct owner *owner, struct range range)
{
	advise(range, once_in(&owner->random, 3) ? MADV_NOHUGEPAGE : MADV_HUGEPAGE,
	       COUNT_hugepage);
}

static void populate(struct owner *owner, struct range range)
{
	advise(range, once_in(&owner->random, 2) ? MADV_POPULATE_READ : MADV_POPULATE_WRITE,
	       COUNT_populate);
}

static void lock_pages(struct owner *owner, struct range range)
{
	if (once_in(&owner->random, 2))
		mlock(range.at, range.size);
	munlock(range.at, range.size);
	count(COUNT_mlock);
}

static void move_to_node(struct owner *owner, struct range range)
{
	void *page[MOST_PAGES];
	int node[MOST_PAGES], status[MOST_PAGES];
	unsigned int pages = range.pages < MOST_PAGES ? range.pages : MOST_PAGES;
	int to = (int)pick(&owner->random, 2);

	for (unsigned int i = 0; i < pages; i++) {
		page[i] = range.at + i * PAGE;
		node[i] = to;
	}
	syscall(SYS_move_pages, 0, (unsigned long)pages, page, node, status, 2 /* MOVE */);
	count(COUNT_move_pages);
}

static void synchronize(struct owner *owner, struct range range)
{
	if (owner->fd[range.region] < 0)
		return;
	if (once_in(&owner->random, 2))
		msync(range.at, range.size, MS_SYNC);
	else
		sync_file_range(owner->fd[range.region], 0, 0,
				SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
	count(COUNT_sync);
}

void arena_event(struct owner *owner)
{
	static void (*const events[])(struct owner *owner, struct range range) = {
		dontneed, dontneed, lazy_free, remap, hole, away, away, protect, protect,
		punch, cut_off, remake, copy, copy, pageout, pageout, cold, mergeable,
		collapse, hugepage, populate, lock_pages, move_to_node, move_to_node, synchronize,
	};

	struct range range = random_range(owner);

	/* So that there is something to lose */
	for (unsigned int i = 0; i < range.pages && i < MOST_PAGES; i++)
		if (owner->peer->page[range.first + i].access == ACCESS_WRITE)
			oracle_write(&owner->view, range.first + i, 0);
	events[pick(&owner->random, sizeof(events) / sizeof(events[0]))](owner, range);
	if (once_in(&owner->random, 16))
		check_guards(owner);
}
