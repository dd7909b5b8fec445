// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writes down what ranks read from and wrote to shared registers, and when, for
 * linearize to judge.
 *
 *	history [--operations N] [--least N] [--strict 1] [--registers N] [--writes PERCENT]
 *		[--pause N] [--drift PPM] [--hugetlb N]
 *
 * A register is 8 bytes of a page that a rank shares; 8 registers have a page in common.
 * With --hugetlb they are in so many pages of hugetlb, by turns, each in 4 KiB of its own.
 * Every rank does operations on all ranks' registers, chosen at random; each write has a
 * value that no other write has, 0 is what a register is at first.  With --least a rank
 * that has done so many ends when there is a file `stop` in the exchange directory.  With
 * --strict an operation that raises SIGBUS is a failure.  A line of the files history.RANK
 * in the exchange directory is
 *
 *	w PROCESS REGISTER VALUE START END      written; END -: it raised SIGBUS, and may
 *	                                        have happened or not, at any time since
 *	r PROCESS REGISTER VALUE START END      read; not written down if it raised SIGBUS
 *
 * Times are rank 0's clock, as far as it is known: see clock.h.
 *
 * A store is over when other processors can see it, which takes a fence on x86; a load
 * must not begin before its START.
 */
#include "clock.h"
#include "cluster.h"

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define IN_PAGE		8	/* registers, far apart */
#define STRIDE		(PAGE / IN_PAGE / sizeof(uint64_t))
#define HUGE		(2UL << 20)

static uint64_t operations = 10000, registers = 32, writes = 40, pause_us = 20, hugetlb;
static uint64_t least, strict;

struct op {
	uint64_t value;
	uint64_t start, end;	/* own clock; end 0: it raised SIGBUS */
	uint32_t reg;
	bool write;
};

/* --------------------------------------------------------------- operations */

static sigjmp_buf access_failed;

static void on_sigbus(int signal)
{
	siglongjmp(access_failed, signal);
}

static void do_op(volatile uint64_t *at, struct op *volatile op)
{
	op->start = cluster_now();
	op->end = 0;
	if (sigsetjmp(access_failed, 1))
		return;
	atomic_thread_fence(memory_order_seq_cst);
	if (op->write)
		*at = op->value;
	else
		op->value = *at;
	atomic_thread_fence(memory_order_seq_cst);
	op->end = cluster_now();
}

static void print(FILE *out, const struct cluster *cluster, const struct op *op,
		  const struct clock_offset of[2])
{
	bool same = !cluster->first;
	int64_t start = clock_reference(of, op->start, false, same);
	int64_t end = clock_reference(of, op->end, true, same);

	if (!op->end) {
		if (op->write)
			fprintf(out, "w %d %u %" PRIu64 " %" PRId64 " -\n", cluster->rank, op->reg,
				op->value, start);
		return;
	}
	fprintf(out, "%c %d %u %" PRIu64 " %" PRId64 " %" PRId64 "\n", op->write ? 'w' : 'r',
		cluster->rank, op->reg, op->value, start, end);
}

/* Where a register is, in words */
static size_t place(uint64_t reg)
{
	return hugetlb ? (reg % hugetlb * HUGE + reg / hugetlb * PAGE) / sizeof(uint64_t) :
			 reg * STRIDE;
}

/* Asked for every so many operations: the directory is another machine's. */
static bool told_to_stop(const struct cluster *cluster, uint64_t done)
{
	char path[300];

	if (!least || done < least || done % 16)
		return false;
	snprintf(path, sizeof(path), "%s/stop", cluster->exchange);
	return !access(path, F_OK);
}

static void body(struct cluster *cluster)
{
	size_t size = hugetlb ? hugetlb * HUGE : (registers + IN_PAGE - 1) / IN_PAGE * PAGE, length;
	void *own = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | (hugetlb ? MAP_HUGETLB : 0), -1, 0);
	struct sigaction action = { .sa_handler = on_sigbus };
	volatile uint64_t *memory[CLUSTER_RANKS];
	struct op *ops = calloc(operations, sizeof(*ops));
	uint64_t random = cluster->seed + (uint64_t)cluster->rank, done = 0;
	bool several = getenv("XPMEM_CLOCK") != NULL;
	struct clock_offset of[2];
	char name[32], *text;
	FILE *out;

	check(own != MAP_FAILED && ops);
	if (!cluster->rank && several)
		clock_serve();
	cluster_share(cluster, "all", own, size);
	for (int rank = 0; rank < cluster->ranks; rank++)
		memory[rank] = rank == cluster->rank ?
				       own :
				       cluster_attach(cluster, "all", rank, size);
	sigaction(SIGBUS, &action, NULL);
	of[0] = clock_measure(cluster);
	cluster_meet(cluster, "attached");

	for (; done < operations && !told_to_stop(cluster, done); done++) {
		struct op *op = &ops[done];
		uint64_t at = cluster_random(&random) % registers;
		int rank = (int)(cluster_random(&random) % (uint64_t)cluster->ranks);

		op->reg = (uint32_t)((uint64_t)rank * registers + at);
		op->write = cluster_random(&random) % 100 < writes;
		op->value = ((uint64_t)cluster->rank + 1) << 40 | (done + 1);
		do_op(memory[rank] + place(at), op);
		if (strict && !op->end)
			fail("rank %d: operation %" PRIu64 " raised SIGBUS, register %u", cluster->rank,
			     done, op->reg);
		if (pause_us && cluster_random(&random) % 4 == 0)
			usleep((useconds_t)(cluster_random(&random) % pause_us));
	}

	of[1] = clock_measure(cluster);
	out = open_memstream(&text, &length);
	check(out);
	for (uint64_t i = 0; i < done; i++)
		print(out, cluster, &ops[i], of);
	check(!fclose(out));
	snprintf(name, sizeof(name), "history.%d", cluster->rank);
	cluster_publish(cluster, name, text, length);
	/* nobody's memory goes before all have read it */
	cluster_meet(cluster, "done");
	if (cluster->first)
		fprintf(stderr, "rank %d: the clock was known to %" PRId64 " and %" PRId64 " ns\n",
			cluster->rank, of[0].high - of[0].low, of[1].high - of[1].low);
}

int main(int argc, char **argv)
{
	static const struct cluster_option options[] = {
		{ "operations", &operations, "of each rank, at most (default 10000)" },
		{ "least", &least, "operations, after which `stop` ends it (default 0: nothing does)" },
		{ "strict", &strict, "an operation may not raise SIGBUS (default 0)" },
		{ "registers", &registers, "that each rank shares (default 32)" },
		{ "writes", &writes, "of 100 operations (default 40)" },
		{ "pause", &pause_us, "longest pause between operations, in us (default 20)" },
		{ "hugetlb", &hugetlb, "pages of hugetlb that the registers are in (default 0: none)" },
		{ "drift", &clock_drift_ppm, "of clocks, parts in a million (default 500)" },
		{ NULL, NULL, NULL },
	};
	struct cluster cluster;

	cluster_begin(&cluster, argc, argv, options);
	if (cluster.last - cluster.first + 1 < cluster.ranks && !getenv("XPMEM_CLOCK"))
		fail("ranks are elsewhere: XPMEM_CLOCK must be host:port of rank 0's partition");
	if (!getenv("XPMEM_EXCHANGE"))
		fail("XPMEM_EXCHANGE must name the directory for the histories");
	if (!registers || operations >= 1ULL << 40)
		fail("there must be registers, and fewer operations");
	if (hugetlb && registers > hugetlb * (HUGE / PAGE))
		fail("there is no place for so many registers");
	return cluster_run(&cluster, body);
}
