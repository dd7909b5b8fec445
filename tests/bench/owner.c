// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Calls of the owner: those that take memory away which an attacher has touched, and
 * those that have nothing to do with what is attached.
 */
#include <sys/mman.h>

#include "bench.h"
#include "memory.h"
#include "result.h"
#include "view.h"

/* ------------------------------------------------ on memory that is attached */

enum event { EVENT_DONTNEED, EVENT_MUNMAP };

static uint64_t take_away(struct memory *memory, enum event event)
{
	uint64_t start = now_ns();
	int err;

	if (event == EVENT_DONTNEED)
		err = madvise(memory->addr, memory->size, MADV_DONTNEED);
	else
		err = munmap(memory->addr, memory->size);
	if (err)
		fatal("the owner's call");
	return now_ns() - start;
}

/* @peer: attaches and touches all of it before, or NULL; time a page */
static struct samples measure(const struct peer *peer, enum event event)
{
	double pages = (double)(settings.memory / PAGE);
	struct samples samples = { 0 };

	for (unsigned int round = 0; round <= settings.rounds; round++) {
		struct memory memory = memory_make(SOURCE_XPMEM, settings.memory);
		uint64_t took;
		struct job job;

		if (peer) {
			memory_share(&memory);
			job = memory_job(&memory, view_hold);
			peer_run(peer, &job);
			job.run = view_touch_held;
			peer_run(peer, &job);
		}
		took = take_away(&memory, event);
		if (peer) {
			job.run = view_drop;
			peer_run(peer, &job);
			memory_unshare(&memory);
		}
		if (event != EVENT_MUNMAP)
			memory_unmap(&memory);
		if (round)
			samples_add(&samples, (double)took / pages);
	}
	return samples;
}

void section_owner(void)
{
	static const struct row rows[] = {
		{ .name = "owner.dontneed", .text = "MADV_DONTNEED, attached and touched",
		  .unit = "ns a page", .reference = "not attached", .goal = GOAL_RATIO,
		  .limit = 1.1 },
		{ .name = "owner.munmap", .text = "munmap, attached and touched",
		  .unit = "ns a page", .reference = "not attached", .goal = GOAL_RATIO,
		  .limit = 1.1 },
	};
	struct peer peer = peer_start();
	struct samples alone[2], attached;

	/* First, while this process has never exported anything */
	alone[EVENT_DONTNEED] = measure(NULL, EVENT_DONTNEED);
	alone[EVENT_MUNMAP] = measure(NULL, EVENT_MUNMAP);
	attached = measure(&peer, EVENT_DONTNEED);
	report(&rows[0], &attached, &alone[EVENT_DONTNEED]);
	attached = measure(&peer, EVENT_MUNMAP);
	report(&rows[1], &attached, &alone[EVENT_MUNMAP]);
	peer_stop(&peer);
}

/* -------------------------------------------- on memory that nobody attached */

#define UNRELATED (64UL << 10)
#define REPEATED  100

/* mmap, touch and munmap of memory of its own, ns each */
static struct samples map_unrelated(void)
{
	struct samples samples = { 0 };

	for (unsigned int round = 0; round <= settings.rounds; round++) {
		uint64_t start = now_ns();

		for (int i = 0; i < REPEATED; i++) {
			char *addr = mmap(NULL, UNRELATED, PROT_READ | PROT_WRITE,
					  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			if (addr == MAP_FAILED)
				fatal("mmap");
			for (size_t at = 0; at < UNRELATED; at += PAGE)
				write_page(addr + at);
			munmap(addr, UNRELATED);
		}
		if (round)
			samples_add(&samples, (double)(now_ns() - start) / REPEATED);
	}
	return samples;
}

void section_exports(void)
{
	static const size_t counts[] = { 0, 100, 1000, 10000 };
	struct row row = {
		.name = "exports.unrelated", .unit = "ns",
		.text = "mmap + touch + munmap of 64 KiB, whole export",
		.reference = "no export", .goal = GOAL_RATIO, .limit = 1.05,
	};
	struct row attached = row;
	struct peer peer = peer_start();
	struct memory memory = memory_make(SOURCE_XPMEM, 10000 * PAGE);
	struct samples none = map_unrelated(), with;
	xpmem_segid_t segid;

	segid = xpmem_make(NULL, XPMEM_MAXADDR_SIZE, XPMEM_PERMIT_MODE, (void *)0600);
	if (segid == -1)
		fatal("xpmem_make of the whole address space");
	attached.name = "exports.attached";
	attached.text = "the same and elsewhere";
	attached.of = "attachments";
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct job job = memory_job(&memory, view_hold_many);

		job.segid = segid;
		job.offset = (size_t)memory.addr;
		job.count = counts[i];
		job.stride = PAGE;
		if (job.count)
			peer_run(&peer, &job);
		with = map_unrelated();
		attached.n = (double)job.count;
		report(job.count ? &attached : &row, &with, &none);
		job.run = view_close_held;
		if (job.count)
			peer_run(&peer, &job);
	}
	if (xpmem_remove(segid))
		fatal("xpmem_remove");
	memory_unmap(&memory);
	peer_stop(&peer);
}
