// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * First access to each page of populated memory through a new attachment of a
 * new segment, and what it takes to detach it again.
 */
#include <errno.h>
#include <stdlib.h>

#include "bench.h"
#include "memory.h"
#include "result.h"
#include "view.h"

enum {
	TOUCH_WRITE = 1 << 0,	/* else read */
	TOUCH_RANDOM = 1 << 1,	/* else in order */
	TOUCH_PREFAULT = 1 << 2,	/* instead of touching */
};

/* What the answer of touch() holds */
enum { FIRST, WRITE_AFTER, UNMAP };

/* Numbers of pages in random order, the same in each run; made before peers are. */
static uint32_t *order;

static void make_order(size_t pages)
{
	uint64_t state = 1;

	order = malloc(pages * sizeof(*order));
	if (!order)
		fatal("no memory for an order of pages");
	for (uint32_t i = 0; i < pages; i++) {
		uint32_t j;

		/* Knuth's MMIX generator; its high bits are the good ones */
		state = state * 6364136223846793005ULL + 1442695040888963407ULL;
		j = (uint32_t)((state >> 33) % (i + 1));
		order[i] = order[j];
		order[j] = i;
	}
}

static void pass(char *addr, size_t size, unsigned int flags)
{
	size_t pages = size / PAGE;

	if (flags & TOUCH_RANDOM) {
		for (size_t i = 0; i < pages; i++)
			read_page(addr + order[i] * PAGE);
	} else if (flags & TOUCH_WRITE) {
		for (size_t i = 0; i < pages; i++)
			write_page(addr + i * PAGE);
	} else {
		for (size_t i = 0; i < pages; i++)
			read_page(addr + i * PAGE);
	}
}

static struct answer touch(const struct job *job)
{
	struct view view = view_open(job);
	char *addr = view_map(&view, job->offset, job->size);
	uint64_t time[4];

	time[0] = now_ns();
	if (job->flags & TOUCH_PREFAULT)
		view_prefault(&view, addr, job->size);
	else
		pass(addr, job->size, job->flags);
	time[1] = now_ns();
	pass(addr, job->size, TOUCH_WRITE);
	time[2] = now_ns();
	view_unmap(&view, addr, job->size);
	time[3] = now_ns();
	view_close(&view);
	return (struct answer){ { time[1] - time[0], time[2] - time[1], time[3] - time[2] } };
}

struct series {
	struct samples first, write_after, unmap;
};

/* @holder: a peer that has touched all of it before, or NULL */
static struct series measure(struct memory *memory, const struct peer *toucher,
			     const struct peer *holder, unsigned int flags)
{
	double pages = (double)(memory->size / PAGE);
	struct series series = { 0 };

	for (unsigned int round = 0; round <= settings.rounds; round++) {
		struct answer answer;
		struct job job, held;

		memory_share(memory);
		held = memory_job(memory, view_hold);
		if (holder) {
			peer_run(holder, &held);
			held.run = view_touch_held;
			peer_run(holder, &held);
		}
		job = memory_job(memory, touch);
		job.flags = flags;
		answer = peer_run(toucher, &job);
		if (holder) {
			held.run = view_drop;
			peer_run(holder, &held);
		}
		if (!round)
			continue;
		samples_add(&series.first, (double)answer.ns[FIRST] / pages);
		samples_add(&series.write_after, (double)answer.ns[WRITE_AFTER] / pages);
		samples_add(&series.unmap, (double)answer.ns[UNMAP] / pages);
	}
	memory_unshare(memory);
	return series;
}

static void small_pages(const struct peer *a, const struct peer *b)
{
	static const struct row rows[] = {
		{ .name = "touch.read", .text = "first read, 4 KiB pages", .unit = "ns a page",
		  .goal = GOAL_NS, .limit = 100 },
		{ .name = "touch.write-after-read", .text = "write after read",
		  .unit = "ns a page", .goal = GOAL_NS, .limit = 10 },
		{ .name = "touch.detach", .text = "detach of touched memory",
		  .unit = "ns a page", .goal = GOAL_NS, .limit = 25 },
		{ .name = "touch.random", .text = "first read in random order",
		  .unit = "ns a page" },
		{ .name = "touch.write", .text = "first write", .unit = "ns a page" },
		{ .name = "touch.second", .text = "first read by the second attacher",
		  .unit = "ns a page" },
		{ .name = "touch.prefault", .text = "prefault for reading",
		  .unit = "ns a page" },
	};
	enum source sources[] = { SOURCE_XPMEM, SOURCE_MEMFD };
	struct series read[2], random[2], write[2], second[2], prefault[2];

	for (int i = 0; i < 2; i++) {
		struct memory memory = memory_make(sources[i], settings.memory);

		read[i] = measure(&memory, a, NULL, 0);
		random[i] = measure(&memory, a, NULL, TOUCH_RANDOM);
		write[i] = measure(&memory, a, NULL, TOUCH_WRITE);
		second[i] = measure(&memory, a, b, 0);
		if (view_can_prefault(sources[i]))
			prefault[i] = measure(&memory, a, NULL, TOUCH_PREFAULT);
		memory_unmap(&memory);
	}
	report(&rows[0], &read[0].first, &read[1].first);
	report(&rows[1], &read[0].write_after, &read[1].write_after);
	report(&rows[2], &read[0].unmap, &read[1].unmap);
	report(&rows[3], &random[0].first, &random[1].first);
	report(&rows[4], &write[0].first, &write[1].first);
	report(&rows[5], &second[0].first, &second[1].first);
	if (view_can_prefault(SOURCE_XPMEM))
		report(&rows[6], &prefault[0].first, &prefault[1].first);
	else
		leave_out(rows[6].name, "the library has no xpmem_prefault");
}

static void huge_pages(const struct peer *a)
{
	static const struct row rows[] = {
		{ .name = "touch.huge.read", .text = "first read, 2 MiB pages, per 4 KiB",
		  .unit = "ns a page", .goal = GOAL_NS, .limit = 8 },
		{ .name = "touch.huge.detach", .text = "detach of touched memory, 2 MiB pages",
		  .unit = "ns a page" },
		{ .name = "touch.huge.same", .text = "first read, memfd in 2 MiB pages, too",
		  .unit = "ns a page", .reference = "memfd, 2 MiB" },
	};
	struct memory memory;
	struct series xpmem, small, large;

	if (!memory_make_huge(&memory, SOURCE_XPMEM, settings.memory)) {
		for (int i = 0; i < 3; i++)
			leave_out(rows[i].name, "the kernel gives no huge pages");
		return;
	}
	xpmem = measure(&memory, a, NULL, 0);
	memory_unmap(&memory);

	memory = memory_make(SOURCE_MEMFD, settings.memory);
	small = measure(&memory, a, NULL, 0);
	memory_unmap(&memory);
	report(&rows[0], &xpmem.first, &small.first);
	report(&rows[1], &xpmem.unmap, &small.unmap);

	if (!memory_make_huge(&memory, SOURCE_MEMFD, settings.memory)) {
		leave_out(rows[2].name, "the kernel gives no huge pages to a memfd");
		return;
	}
	large = measure(&memory, a, NULL, 0);
	memory_unmap(&memory);
	report(&rows[2], &xpmem.first, &large.first);
}

void section_touch(void)
{
	struct peer a, b;

	make_order(settings.memory / PAGE);
	a = peer_start();
	b = peer_start();
	small_pages(&a, &b);
	huge_pages(&a);
	peer_stop(&a);
	peer_stop(&b);
}
