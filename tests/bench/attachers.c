// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * First reads when 1 to 64 processes have the same segment attached: by the first of
 * them to touch a page, and by the last.
 */
#include "bench.h"
#include "memory.h"
#include "result.h"
#include "view.h"

#define ATTACHERS 64
#define SIZE	  (4 * MIB)

struct series {
	struct samples first, last;
};

static struct series measure(struct memory *memory, const struct peer *peers, unsigned int count)
{
	double pages = (double)(memory->size / PAGE);
	struct series series = { 0 };

	for (unsigned int round = 0; round <= settings.rounds; round++) {
		double first = 0, last = 0;
		struct job job;

		memory_share(memory);
		job = memory_job(memory, view_hold);
		for (unsigned int i = 0; i < count; i++)
			peer_run(&peers[i], &job);
		job.run = view_touch_held;
		for (unsigned int i = 0; i < count; i++) {
			last = (double)peer_run(&peers[i], &job).ns[0] / pages;
			if (!i)
				first = last;
		}
		job.run = view_drop;
		for (unsigned int i = 0; i < count; i++)
			peer_run(&peers[i], &job);
		if (!round)
			continue;
		samples_add(&series.first, first);
		samples_add(&series.last, last);
	}
	memory_unshare(memory);
	return series;
}

void section_attachers(void)
{
	struct row first = {
		.name = "attachers.first", .unit = "ns a page", .of = "attachers",
		.text = "first read by the first",
	}, last = {
		.name = "attachers.last", .unit = "ns a page", .of = "attachers",
		.text = "first read by the last",
	};
	struct peer peers[ATTACHERS];
	struct memory memory, memfd;

	for (unsigned int i = 0; i < ATTACHERS; i++)
		peers[i] = peer_start();
	memory = memory_make(SOURCE_XPMEM, SIZE);
	memfd = memory_make(SOURCE_MEMFD, SIZE);
	for (unsigned int count = 1; count <= ATTACHERS; count *= settings.quick ? 8 : 2) {
		struct series xpmem = measure(&memory, peers, count);
		struct series reference = measure(&memfd, peers, count);

		first.n = last.n = count;
		report(&first, &xpmem.first, &reference.first);
		report(&last, &xpmem.last, &reference.last);
	}
	memory_unmap(&memory);
	memory_unmap(&memfd);
	for (unsigned int i = 0; i < ATTACHERS; i++)
		peer_stop(&peers[i]);
}
