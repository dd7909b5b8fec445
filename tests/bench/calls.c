// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Calls: attach and detach with and without reading in between, by size; get and
 * release.
 */
#include "bench.h"
#include "memory.h"
#include "result.h"
#include "view.h"

/* Calls that are timed together */
#define CALLS 64

enum {
	CALLS_READ = 1 << 0,	/* all of what was attached */
};

/*
 * Attaches @count times @size bytes, @stride apart, from @offset on.  ns[0]: all
 * of that
 */
static struct answer attach_detach(const struct job *job)
{
	struct view view = view_open(job);
	size_t offset = job->offset;
	uint64_t start = now_ns();
	struct answer answer;

	for (size_t i = 0; i < job->count; i++, offset += job->stride) {
		char *addr = view_map(&view, offset, job->size);

		if (job->flags & CALLS_READ)
			for (size_t at = 0; at < job->size; at += PAGE)
				read_page(addr + at);
		view_unmap(&view, addr, job->size);
	}
	answer = (struct answer){ { now_ns() - start } };
	view_close(&view);
	return answer;
}

static struct answer get_release(const struct job *job)
{
	uint64_t start = now_ns();

	for (size_t i = 0; i < job->count; i++) {
		struct view view = view_open(job);

		view_close(&view);
	}
	return (struct answer){ { now_ns() - start } };
}

/*
 * A call's time.  Each round has a new segment.  @again: every time the same bytes,
 * which were attached and read before; else none is attached twice.
 */
static struct samples measure(struct memory *memory, const struct peer *peer, size_t size,
			      unsigned int flags, bool again)
{
	size_t most = memory->size / size;
	struct samples samples = { 0 };

	for (unsigned int round = 0; round <= settings.rounds; round++) {
		struct answer answer;
		struct job job;

		memory_share(memory);
		job = memory_job(memory, attach_detach);
		job.size = size;
		job.flags = flags;
		job.count = 1;
		if (again)
			peer_run(peer, &job);
		job.count = again || most > CALLS ? CALLS : most;
		if (size >= MIB && job.count > 16)
			job.count = 16;
		job.stride = again ? 0 : size;
		answer = peer_run(peer, &job);
		if (round)
			samples_add(&samples, (double)answer.ns[0] / (double)job.count);
	}
	memory_unshare(memory);
	return samples;
}

static struct samples measure_get(struct memory *memory, const struct peer *peer)
{
	struct samples samples = { 0 };

	for (unsigned int round = 0; round <= settings.rounds; round++) {
		struct answer answer;
		struct job job;

		memory_share(memory);
		job = memory_job(memory, get_release);
		job.count = CALLS;
		answer = peer_run(peer, &job);
		if (round)
			samples_add(&samples, (double)answer.ns[0] / CALLS);
	}
	memory_unshare(memory);
	return samples;
}

void section_calls(void)
{
	static const struct {
		struct row row;
		size_t size;
		unsigned int flags;
		bool again;
	} rows[] = {
		{ { .name = "calls.attach-detach", .text = "attach + detach, 4 KiB, untouched",
		    .unit = "ns", .goal = GOAL_RATIO, .limit = 1.3 }, PAGE, 0, false },
		{ { .name = "calls.64k", .text = "attach + read 64 KiB + detach", .unit = "ns",
		    .goal = GOAL_NS, .limit = 16000 }, 64 << 10, CALLS_READ, false },
		{ { .name = "calls.1m", .text = "attach + read 1 MiB + detach", .unit = "ns",
		    .goal = GOAL_NS, .limit = 40000 }, MIB, CALLS_READ, false },
		{ { .name = "calls.64k.again", .text = "the same 64 KiB again", .unit = "ns" },
		  64 << 10, CALLS_READ, true },
		{ { .name = "calls.1m.again", .text = "the same 1 MiB again", .unit = "ns" },
		  MIB, CALLS_READ, true },
	};
	static const struct row get = {
		.name = "calls.get-release", .text = "get + release", .unit = "ns",
		.goal = GOAL_NS, .limit = 2000,
	};
	struct peer peer = peer_start();
	struct memory memory = memory_make(SOURCE_XPMEM, settings.memory);
	struct memory memfd = memory_make(SOURCE_MEMFD, settings.memory);
	struct samples xpmem = measure_get(&memory, &peer);

	report(&get, &xpmem, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct samples reference;

		xpmem = measure(&memory, &peer, rows[i].size, rows[i].flags, rows[i].again);
		reference = measure(&memfd, &peer, rows[i].size, rows[i].flags, rows[i].again);
		report(&rows[i].row, &xpmem, &reference);
	}
	memory_unmap(&memory);
	memory_unmap(&memfd);
	peer_stop(&peer);
}

void section_sizes(void)
{
	static const struct row small = {
		.name = "sizes.small", .unit = "ns", .of = "bytes",
		.text = "attach + read + detach, 4 KiB pages",
	}, huge = {
		.name = "sizes.huge", .unit = "ns", .of = "bytes",
		.text = "attach + read + detach, 2 MiB pages",
	};
	struct peer peer = peer_start();
	struct memory memory = memory_make(SOURCE_XPMEM, settings.memory);
	struct memory memfd = memory_make(SOURCE_MEMFD, settings.memory);
	struct memory huges;
	bool have_huge = memory_make_huge(&huges, SOURCE_XPMEM, settings.memory);

	for (size_t size = PAGE; size <= 16 * MIB; size *= settings.quick ? 16 : 4) {
		struct samples reference = measure(&memfd, &peer, size, CALLS_READ, false);
		struct samples xpmem = measure(&memory, &peer, size, CALLS_READ, false);
		struct row row = small;

		row.n = (double)size;
		report(&row, &xpmem, &reference);
		if (!have_huge)
			continue;
		row = huge;
		row.n = (double)size;
		xpmem = measure(&huges, &peer, size, CALLS_READ, false);
		report(&row, &xpmem, &reference);
	}
	if (!have_huge)
		leave_out(huge.name, "the kernel gives no huge pages");
	else
		memory_unmap(&huges);
	memory_unmap(&memory);
	memory_unmap(&memfd);
	peer_stop(&peer);
}
