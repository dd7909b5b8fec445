// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * See remote.h.  A range is given up page by page, mostly in order, so a new one
 * mostly continues one that is there.
 *
 * Which pages of a range came back is not known here: those are present or swapped
 * out.  The rest is missing: away, or never touched since it was mapped.  A page of
 * the latter kind in a range is taken for one that is away; better a signal than
 * zeros that were data.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "maps.h"
#include "remote.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGES 256

static uintptr_t gap(const struct away *away, uint32_t i, uintptr_t start,
		     uintptr_t end)
{
	if (away->range[i].end < start)
		return start - away->range[i].end;
	if (away->range[i].start > end)
		return away->range[i].start - end;
	return 0;
}

static void widen(struct away *away, uint32_t i, uintptr_t start, uintptr_t end)
{
	if (away->range[i].start > start)
		away->range[i].start = start;
	if (away->range[i].end < end)
		away->range[i].end = end;
}

void away_add(struct away *away, uintptr_t start, uintptr_t end)
{
	uint32_t i, count = away->count, nearest = 0;

	for (i = 0; i < count; i++) {
		if (gap(away, i, start, end) < gap(away, nearest, start, end))
			nearest = i;
	}
	if (count && (count == AWAY_MAX || !gap(away, nearest, start, end))) {
		widen(away, nearest, start, end);
		return;
	}
	away->range[count].start = start;
	away->range[count].end = end;
	away->count = count + 1;
}

int open_lost(void)
{
	int fd = memfd_create("xpmem-lost", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	return fd;
}

static void cover(int lost, uintptr_t start, size_t size)
{
	if (lost >= 0 && mmap((void *)start, size, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_FIXED, lost, 0) != MAP_FAILED)
		return;
	/* then at least no zeros: SIGSEGV */
	mprotect((void *)start, size, PROT_NONE);
}

/* [start, end) is in one mapping of private anonymous memory. */
static void cover_missing(int pagemap, int lost, uintptr_t start, uintptr_t end)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = start, at;
	uint64_t entries[PAGES];

	for (at = start; at <= end; at += page) {
		uintptr_t i = (at - start) / page % PAGES;
		size_t want = sizeof(entries);

		if (i == 0 && at < end) {
			if (want > (end - at) / page * sizeof(entries[0]))
				want = (end - at) / page * sizeof(entries[0]);
			/* what can't be known is taken for missing */
			if (pagemap < 0 ||
			    pread(pagemap, entries, want,
				  (off_t)(at / page * sizeof(entries[0]))) !=
				    (ssize_t)want)
				for (i = 0; i < PAGES; i++)
					entries[i] = 0;
			i = 0;
		}
		if (at < end && !(entries[i] & PAGE_PRESENT))
			continue;
		if (at > from)
			cover(lost, from, at - from);
		from = at + page;
	}
}

static void cover_range(int pagemap, int lost, uintptr_t start, uintptr_t end)
{
	struct maps_entry entry;
	struct maps maps;

	if (maps_open(&maps) < 0)
		return;
	while (start < end && maps_next(&maps, &entry) > 0) {
		if (entry.end <= start)
			continue;
		if (entry.start >= end)
			break;
		if (entry.start > start)
			start = entry.start;
		if (entry.end > end)
			entry.end = end;
		if (entry.kind != MAPS_OTHER)
			cover_missing(pagemap, lost, start, entry.end);
		start = entry.end;
	}
	maps_close(&maps);
}

void away_raise_sigbus(const struct away *away)
{
	int pagemap, lost;
	uint32_t i;

	if (!away->count)
		return;
	pagemap = open("/proc/thread-self/pagemap", O_RDONLY | O_CLOEXEC);
	lost = open_lost();
	for (i = 0; i < away->count; i++)
		cover_range(pagemap, lost, away->range[i].start,
			    away->range[i].end);
	if (pagemap >= 0)
		close(pagemap);
	if (lost >= 0)
		close(lost);
}
