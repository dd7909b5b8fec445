/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure: what one operation of one size costs, one way.
 *
 * The time of a repetition is that from when all ranks were ready until the last
 * was done. With one processor and a clock that counts instructions this is the
 * work of all ranks together, with all their waiting and switching.
 */
#ifndef TRANSFER_MEASURE_H
#define TRANSFER_MEASURE_H

#include "failure.h"
#include "gate.h"
#include "operation.h"

#include <stdint.h>

/* What all measurements share. */
struct bench {
	MPI_Comm comm;
	int rank, ranks;
	int repeat;
	const struct block *block;
	struct gate gate;
	int64_t *times; /* `repeat` of them */
};

struct result {
	int64_t best,
		median;	    /* nanoseconds; of a ping-pong, half of both ways */
	uint64_t cma_bytes; /* moved by cross-memory attach, an operation */
	uint64_t checksum;  /* of what all ranks got in all repetitions */
};

int bench_create(MPI_Comm comm, int repeat, const struct block *block,
		 struct bench *ret_bench);
void bench_destroy(struct bench *bench);

/* Collective. Before the first measurement of an operation, a way. */
void bench_warm_up(struct bench *bench, enum operation operation, size_t bytes,
		   enum way way, struct share *share);

/*
 * Collective; returns an agreed exit code, EXIT_CHECK where a rank got wrong
 * data. `share` is for ways other than WAY_MPI.
 */
int bench_measure(struct bench *bench, enum operation operation, size_t bytes,
		  enum way way, struct share *share, struct result *ret_result);

#endif
