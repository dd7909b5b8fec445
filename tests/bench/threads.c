// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Threads of one process that fault in one attachment at the same time, each a part
 * of its own.  Needs several CPUs, so the clock is one of time: what is
 * told is how much faster than one thread they are, beside the same for a memfd.
 */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "bench.h"
#include "memory.h"
#include "result.h"
#include "view.h"

#define THREADS 8

struct part {
	pthread_barrier_t *barrier;
	char *addr;
	size_t size;
	uint64_t start, end;
};

static void *read_part(void *data)
{
	struct part *part = data;

	pthread_barrier_wait(part->barrier);
	part->start = now_ns();
	for (size_t at = 0; at < part->size; at += PAGE)
		read_page(part->addr + at);
	part->end = now_ns();
	return NULL;
}

/* ns[0]: from the begin of the first thread to the end of the last */
static struct answer read_in_threads(const struct job *job)
{
	struct view view = view_open(job);
	char *addr = view_map(&view, job->offset, job->size);
	pthread_t threads[THREADS];
	struct part parts[THREADS];
	pthread_barrier_t barrier;
	uint64_t start = UINT64_MAX, end = 0;

	pthread_barrier_init(&barrier, NULL, (unsigned int)job->count);
	for (size_t i = 0; i < job->count; i++) {
		parts[i] = (struct part){
			.barrier = &barrier,
			.addr = addr + i * (job->size / job->count),
			.size = job->size / job->count,
		};
		errno = pthread_create(&threads[i], NULL, read_part, &parts[i]);
		if (errno)
			fatal("pthread_create");
	}
	for (size_t i = 0; i < job->count; i++) {
		pthread_join(threads[i], NULL);
		if (parts[i].start < start)
			start = parts[i].start;
		if (parts[i].end > end)
			end = parts[i].end;
	}
	pthread_barrier_destroy(&barrier);
	view_unmap(&view, addr, job->size);
	view_close(&view);
	return (struct answer){ { end - start } };
}

void section_threads(void)
{
	static const char *const names[] = { "threads.time", "threads.memfd.time" };
	static const char *const texts[] = { "first read", "the same of a memfd" };
	double pages = (double)(settings.memory / PAGE);
	struct row speedup = {
		.name = "threads.speedup", .text = "speed relative to one thread", .unit = "x",
		.of = "threads",
	};
	struct peer peer = peer_start();
	struct memory memory[2] = {
		memory_make(SOURCE_XPMEM, settings.memory),
		memory_make(SOURCE_MEMFD, settings.memory),
	};
	double single[2] = { 0 };

	if (sysconf(_SC_NPROCESSORS_ONLN) < 4)
		leave_out("threads", "only %ld CPUs, these figures would say nothing",
			  sysconf(_SC_NPROCESSORS_ONLN));
	for (unsigned int count = 1; count <= THREADS; count *= 2) {
		struct samples time[2] = { { 0 }, { 0 } };
		struct samples relative[2] = { { 0 }, { 0 } };

		if (sysconf(_SC_NPROCESSORS_ONLN) < 4)
			break;
		/* In turns, so that what else the host does meets both */
		for (unsigned int round = 0; round <= settings.rounds; round++) {
			for (int i = 0; i < 2; i++) {
				struct answer answer;
				struct job job;

				memory_share(&memory[i]);
				job = memory_job(&memory[i], read_in_threads);
				job.count = count;
				answer = peer_run(&peer, &job);
				if (round)
					samples_add(&time[i], (double)answer.ns[0] / pages);
			}
		}
		for (int i = 0; i < 2; i++) {
			struct row row = {
				.name = names[i], .text = texts[i], .unit = "ns a page", .n = count,
				.of = "threads",
			};

			if (count == 1)
				single[i] = samples_least(&time[i]);
			samples_add(&relative[i], single[i] / samples_least(&time[i]));
			report(&row, &time[i], NULL);
		}
		speedup.n = count;
		report(&speedup, &relative[0], &relative[1]);
	}
	memory_unmap(&memory[0]);
	memory_unmap(&memory[1]);
	peer_stop(&peer);
}
