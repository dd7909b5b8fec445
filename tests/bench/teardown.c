// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The end of many attachments, each of one touched page: by xpmem_release, by the
 * exit of the attachers, by the owner's munmap; and that of as many mappings of a
 * memfd's pages, by exit.  Their number is divided among some processes.
 *
 * Whether others are held up meanwhile is seen by a bystander, a process with
 * real-time priority that wakes up each millisecond, maps, touches and unmaps memory
 * of its own, and attaches, reads and detaches another segment.  How late it is
 * done with either, at most, is its pause.  That is compared with the pause while
 * another process just computes.  It is measured in a run of its own, as the bystander
 * takes time, too; but for the largest number, which takes minutes to make: there the
 * bystander's work, about a tenth, is in the time, and the memfd is left out.
 */
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#include "bench.h"
#include "memory.h"
#include "result.h"
#include "view.h"

#define ATTACHERS 4
#define PAGES	  64UL	/* of the segment */
#define PERIOD	  1000000
#define COMPUTING 50000000
#define FEW	  10000		/* attachments, of which several rounds are made */
#define MANY	  100000	/* that are made twice */

enum end { END_RELEASE, END_MUNMAP, END_EXIT, END_EXIT_MEMFD, ENDS };

static bool is_exit(enum end end)
{
	return end == END_EXIT || end == END_EXIT_MEMFD;
}

/* ------------------------------------------------------------ the bystander */

static atomic_bool *stop;

struct pause {
	double map, attach;
};

/* Of the other segment's owner, which keeps it; ns[0]: its id */
static struct answer make_other(const struct job *job)
{
	struct memory memory = memory_make(SOURCE_XPMEM, job->size);

	memory_share(&memory);
	return (struct answer){ { (uint64_t)memory.segid } };
}

static void map_own(size_t size)
{
	char *addr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (addr == MAP_FAILED)
		fatal("mmap of the bystander");
	for (size_t at = 0; at < size; at += PAGE)
		write_page(addr + at);
	munmap(addr, size);
}

static void attach_other(const struct view *view, size_t size)
{
	char *addr = view_map(view, 0, size);

	for (size_t at = 0; at < size; at += PAGE)
		read_page(addr + at);
	view_unmap(view, addr, size);
}

/* Until it is told to stop; ns[0], ns[1]: pauses */
static struct answer stand_by(const struct job *job)
{
	struct sched_param priority = { .sched_priority = 1 };
	struct view view = view_open(job);
	uint64_t due, start, end, pause[2] = { 0 };

	if (sched_setscheduler(0, SCHED_FIFO, &priority))
		fatal("no real-time priority for the bystander");
	/* For code and caches */
	map_own(job->size);
	attach_other(&view, job->size);
	for (due = now_ns() + PERIOD; !atomic_load(stop); due = now_ns() + PERIOD) {
		struct timespec until = {
			.tv_sec = (time_t)(due / 1000000000),
			.tv_nsec = (long)(due % 1000000000),
		};

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		map_own(job->size);
		start = now_ns();
		attach_other(&view, job->size);
		end = now_ns();
		if (start - due > pause[0])
			pause[0] = start - due;
		if (end - start > pause[1])
			pause[1] = end - start;
	}
	view_close(&view);
	return (struct answer){ { pause[0], pause[1] } };
}

static void bystander_begin(const struct peer *bystander, xpmem_segid_t segid)
{
	struct job job = {
		.run = stand_by, .source = SOURCE_XPMEM, .segid = segid, .size = 16 * PAGE,
	};

	atomic_store(stop, false);
	peer_begin(bystander, &job);
}

static struct pause bystander_end(const struct peer *bystander)
{
	struct answer answer;

	atomic_store(stop, true);
	answer = peer_end(bystander);
	return (struct pause){ (double)answer.ns[0], (double)answer.ns[1] };
}

/* --------------------------------------------------------------- the attachers */

/* Makes @count attachments and has them end; returns how long that took. */
static uint64_t measure(enum end end, size_t count, const struct peer *bystander,
			xpmem_segid_t other, struct pause *pause)
{
	struct peer peers[ATTACHERS];
	struct memory memory;
	uint64_t start, took = 0;
	struct job job;

	for (int i = 0; i < ATTACHERS; i++)
		peers[i] = peer_start();
	memory = memory_make(end == END_EXIT_MEMFD ? SOURCE_MEMFD : SOURCE_XPMEM, PAGES * PAGE);
	memory_share(&memory);
	job = memory_job(&memory, view_hold_many);
	job.count = count / ATTACHERS;
	job.stride = PAGE;
	for (int i = 0; i < ATTACHERS; i++)
		peer_run(&peers[i], &job);

	if (bystander)
		bystander_begin(bystander, other);
	start = now_ns();
	job.run = view_close_held;
	switch (end) {
	case END_RELEASE:
		for (int i = 0; i < ATTACHERS; i++)
			took += peer_run(&peers[i], &job).ns[0];
		break;
	case END_MUNMAP:
		if (munmap(memory.addr, memory.size))
			fatal("munmap");
		took = now_ns() - start;
		break;
	default:
		break;
	}
	/* What was only unmapped ends here, too, while nobody looks at the clock. */
	if (!is_exit(end) && bystander)
		*pause = bystander_end(bystander);
	for (int i = 0; i < ATTACHERS; i++)
		peer_dismiss(&peers[i]);
	for (int i = 0; i < ATTACHERS; i++)
		peer_wait(&peers[i]);
	if (is_exit(end)) {
		took = now_ns() - start;
		if (bystander)
			*pause = bystander_end(bystander);
	}
	memory_unshare(&memory);
	if (end != END_MUNMAP)
		memory_unmap(&memory);
	return took;
}

static struct pause pause_computing(const struct peer *bystander, xpmem_segid_t other)
{
	uint64_t start = now_ns();

	bystander_begin(bystander, other);
	while (now_ns() - start < COMPUTING)
		;
	return bystander_end(bystander);
}

static const struct {
	const char *name, *text, *of;
	const char *pause, *pause_attach;	/* names of the bystander's rows */
} ends[ENDS] = {
	[END_RELEASE] = { "teardown.release", "xpmem_release", "attachments",
			  "teardown.release.pause", "teardown.release.pause.attach" },
	[END_MUNMAP] = { "teardown.munmap", "owner's munmap", "attachments",
			 "teardown.munmap.pause", "teardown.munmap.pause.attach" },
	[END_EXIT] = { "teardown.exit", "exit of the attachers", "attachments",
		       "teardown.exit.pause", "teardown.exit.pause.attach" },
	[END_EXIT_MEMFD] = { "teardown.memfd", "exit, of a memfd", "mappings",
			     "teardown.memfd.pause", "teardown.memfd.pause.attach" },
};

static void report_pauses(size_t count, enum end end, struct pause pause, struct pause computing)
{
	struct row row = {
		.unit = "ns", .n = (double)count, .of = ends[end].of, .reference = "computing",
	};
	struct samples value = { 1, { pause.map } }, reference = { 1, { computing.map } };
	char text[80];

	row.name = ends[end].pause;
	snprintf(text, sizeof(text), "%s: others' mmap late by", ends[end].text);
	row.text = text;
	report(&row, &value, &reference);
	row.name = ends[end].pause_attach;
	snprintf(text, sizeof(text), "%s: others' attach takes", ends[end].text);
	value.value[0] = pause.attach;
	reference.value[0] = computing.attach;
	report(&row, &value, &reference);
}

/* An attachment's time when it ends with @count others */
static struct samples measure_rounds(enum end end, size_t count)
{
	unsigned int rounds = count <= FEW ? settings.rounds : 1;
	struct samples samples = { 0 };

	for (unsigned int round = 0; round < rounds; round++) {
		uint64_t took = measure(end, count, NULL, 0, NULL);

		samples_add(&samples, (double)took / (double)(count ? count : 1));
	}
	return samples;
}

void section_teardown(void)
{
	static const size_t counts[] = { 1000, 10000, MANY }, largest = 900000;
	static const struct row none = {
		.name = "teardown.exit.none", .text = "exit of attachers without attachments",
		.unit = "ns for all",
	};
	size_t most = settings.quick ? 2 : 3;
	struct peer bystander, owner;
	struct job job = { .run = make_other, .size = 16 * PAGE };
	struct samples samples, first = { 0 };
	struct pause computing, pause;
	xpmem_segid_t other;

	stop = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (stop == MAP_FAILED)
		fatal("mmap");
	bystander = peer_start();
	owner = peer_start();
	other = (xpmem_segid_t)peer_run(&owner, &job).ns[0];
	samples = measure_rounds(END_EXIT, 0);
	report(&none, &samples, NULL);
	pause_computing(&bystander, other);
	computing = pause_computing(&bystander, other);

	for (enum end end = 0; end < ENDS; end++) {
		struct row row = {
			.name = ends[end].name, .text = ends[end].text, .of = ends[end].of,
			.unit = "ns each", .reference = "of 1000",
		};

		for (size_t i = 0; i < most; i++) {
			samples = measure_rounds(end, counts[i]);
			if (!i)
				first = samples;
			row.n = (double)counts[i];
			report(&row, &samples, &first);
		}
		measure(end, counts[most - 1], &bystander, other, &pause);
		report_pauses(counts[most - 1], end, pause, computing);
		if (!settings.large || end == END_EXIT_MEMFD)
			continue;
		samples = (struct samples){ 0 };
		samples_add(&samples, (double)measure(end, largest, &bystander, other, &pause) /
				      (double)largest);
		row.n = (double)largest;
		report(&row, &samples, &first);
		report_pauses(largest, end, pause, computing);
	}
	peer_stop(&bystander);
	peer_stop(&owner);
}
