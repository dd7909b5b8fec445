// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * measure: for each repetition new data, a gate, the operation, a look at every
 * double of the result. Only the operation is timed.
 */
#include "measure.h"
#include "block.h"
#include "data.h"
#include "path.h"
#include "share.h"

#include <stdlib.h>

/* A repetition before those that count maps the pages of this size. */
#define WARM_UP 1

/*
 * Open MPI connects at the first message, and sets up a faster way for small ones
 * to peers that it has sent to 16 times.
 */
#define FIRST_WARM_UP 20

int bench_create(MPI_Comm comm, int repeat, const struct block *block,
		 struct bench *ret_bench)
{
	struct bench bench = { .comm = comm, .repeat = repeat, .block = block };
	struct failure failure = { 0 };
	int code;

	MPI_Comm_rank(comm, &bench.rank);
	MPI_Comm_size(comm, &bench.ranks);
	bench.times = calloc((size_t)repeat, sizeof(*bench.times));
	if (bench.times == NULL)
		failure_set(&failure, EXIT_RUNTIME, "no memory for %d times",
			    repeat);
	code = failure_agree(comm, &failure);
	if (code != EXIT_OK) {
		free(bench.times);
		return code;
	}
	gate_create(comm, &bench.gate);
	*ret_bench = bench;
	return EXIT_OK;
}

void bench_destroy(struct bench *bench)
{
	gate_destroy(&bench->gate);
	free(bench->times);
}

/* Memory and data as the way wants them before a repetition. */
static void prepare(const struct bench *bench, enum operation operation,
		    size_t bytes, enum way way, int repetition,
		    struct failure *failure)
{
	const struct block *block = bench->block;

	if (way_renews(way)) {
		block_renew(block, block_send(block), bytes, failure);
		/* Read by others, too. */
		if (operation == OPERATION_ALLREDUCE)
			block_renew(block, block_receive(block), bytes,
				    failure);
	}
	data_fill(block_send(block), bytes / sizeof(double), bench->rank,
		  repetition);
	if (repetition == 0)
		data_fill(block_receive(block), bytes / sizeof(double),
			  bench->ranks, repetition);
}

/* From the gate to the end on this rank. */
static void run(struct bench *bench, enum operation operation, size_t bytes,
		enum way way, struct share *share, int64_t *ret_begin,
		int64_t *ret_end)
{
	int taking_part = operation_ranks(operation, bench->ranks);

	if (bench->rank >= taking_part) {
		if (share != NULL)
			share_begin(share);
		gate_sleep(&bench->gate, taking_part);
		*ret_begin = INT64_MAX;
		*ret_end = INT64_MIN;
		return;
	}
	gate_pass(&bench->gate, taking_part);
	*ret_begin = gate_clock();
	if (way == WAY_MPI)
		operation_by_mpi(operation, bench->block, bytes);
	else
		operation_by_share(operation, share, bytes);
	*ret_end = gate_clock();
	gate_wake(&bench->gate, bench->rank);
}

/*
 * What to check on this rank, and the sum of which ranks it must be. A rank that
 * gets nothing checks what it has: that must be as it was, and all ranks work alike
 * between repetitions. A scheduler that saw one of them do less would prefer it
 * later, and let it look for what another rank has no processor to do.
 */
static const double *to_check(const struct bench *bench,
			      enum operation operation, int *ret_first,
			      int *ret_last)
{
	int rank = bench->rank;

	*ret_first = *ret_last = rank;
	if (rank >= operation_ranks(operation, bench->ranks) ||
	    (operation == OPERATION_BROADCAST && rank == 0))
		return block_send(bench->block);
	if (operation == OPERATION_PINGPONG)
		*ret_first = *ret_last = 1 - rank;
	else
		*ret_first = 0;
	if (operation == OPERATION_BROADCAST)
		*ret_last = 0;
	if (operation == OPERATION_ALLREDUCE)
		*ret_last = bench->ranks - 1;
	return block_receive(bench->block);
}

static void check(const struct bench *bench, enum operation operation,
		  size_t bytes, int repetition, uint64_t *checksum,
		  struct failure *failure)
{
	size_t count = bytes / sizeof(double);
	double expected = 0.0;
	int first, last;
	const double *got = to_check(bench, operation, &first, &last);
	size_t at = data_check(got, count, first, last, repetition, &expected);

	if (at < count)
		failure_set(
			failure, EXIT_CHECK,
			"%s of %zu bytes, repetition %d: element %zu is %.17g, must be %.17g",
			operation_names[operation], bytes, repetition, at,
			got[at], expected);
	*checksum = data_checksum(got, count, *checksum);
}

static int by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int64_t whole_time(const struct bench *bench, int64_t begin, int64_t end)
{
	int64_t first, last;

	MPI_Allreduce(&begin, &first, 1, MPI_INT64_T, MPI_MIN, bench->comm);
	MPI_Allreduce(&end, &last, 1, MPI_INT64_T, MPI_MAX, bench->comm);
	return last - first;
}

void bench_warm_up(struct bench *bench, enum operation operation, size_t bytes,
		   enum way way, struct share *share)
{
	for (int i = 0; i < FIRST_WARM_UP; i++) {
		int64_t begin, end;

		run(bench, operation, bytes, way, share, &begin, &end);
		MPI_Barrier(bench->comm);
	}
}

int bench_measure(struct bench *bench, enum operation operation, size_t bytes,
		  enum way way, struct share *share, struct result *ret_result)
{
	int divisor = operation == OPERATION_PINGPONG ? 2 : 1;
	struct failure failure = { 0 };
	uint64_t moved = 0, checksum = 0;
	int code;

	for (int i = 0; i < WARM_UP + bench->repeat; i++) {
		uint64_t before;
		int64_t begin, end, time;

		prepare(bench, operation, bytes, way, i, &failure);
		before = path_cma_bytes();
		run(bench, operation, bytes, way, share, &begin, &end);
		if (i >= WARM_UP)
			moved += path_cma_bytes() - before;
		time = whole_time(bench, begin, end);
		if (i >= WARM_UP)
			bench->times[i - WARM_UP] = time / divisor;
		check(bench, operation, bytes, i, &checksum, &failure);
	}
	code = failure_agree(bench->comm, &failure);
	if (code != EXIT_OK)
		return code;

	qsort(bench->times, (size_t)bench->repeat, sizeof(*bench->times),
	      by_time);
	MPI_Allreduce(MPI_IN_PLACE, &moved, 1, MPI_UINT64_T, MPI_SUM,
		      bench->comm);
	/* Of all ranks, whatever their order */
	MPI_Allreduce(MPI_IN_PLACE, &checksum, 1, MPI_UINT64_T, MPI_SUM,
		      bench->comm);
	*ret_result = (struct result){
		.best = bench->times[0],
		.median = bench->times[bench->repeat / 2],
		.cma_bytes =
			moved / (uint64_t)bench->repeat / (uint64_t)divisor,
		.checksum = checksum,
	};
	return EXIT_OK;
}
