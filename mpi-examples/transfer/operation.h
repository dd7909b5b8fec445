/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * operation: what is transferred, and in which ways.
 *
 * Three operations, each over `bytes` bytes of doubles. Every rank's data comes
 * from its send buffer, and what it gets goes to its receive buffer:
 *
 * - ping-pong: rank 0's data goes to rank 1, then rank 1's to rank 0. Further
 *   ranks sleep.
 * - broadcast: rank 0's data goes to all others.
 * - allreduce: all ranks get the sums of all ranks' data.
 *
 * The ways differ in who moves the data. WAY_MPI calls MPI, and how that moves
 * it is Open MPI's business (path.h). The others copy or add straight from the
 * other ranks' memory, attached through XPMEM. They run the same code and
 * differ in what was there before:
 *
 * - WAY_STEADY: attachments are there and all pages mapped in them.
 * - WAY_TOUCH: attachments are there, but the owners have just got new memory at
 *   those addresses, which nobody but them has touched.
 * - WAY_ATTACH: permits are there, the memory is as new. Attaching and detaching
 *   are parts of the operation.
 * - WAY_FRESH: nothing is there. Getting and releasing permits are parts, too.
 */
#ifndef TRANSFER_OPERATION_H
#define TRANSFER_OPERATION_H

#include <stdbool.h>
#include <stddef.h>

struct block;
struct share;

enum operation {
	OPERATION_PINGPONG,
	OPERATION_BROADCAST,
	OPERATION_ALLREDUCE,
	OPERATION_MAX,
};

enum way {
	WAY_MPI,
	WAY_STEADY,
	WAY_TOUCH,
	WAY_ATTACH,
	WAY_FRESH,
	WAY_MAX,
};

extern const char *const operation_names[OPERATION_MAX];

/* New memory before each repetition? */
static inline bool way_renews(enum way way)
{
	return way != WAY_MPI && way != WAY_STEADY;
}

/*
 * Run one operation on this rank; all ranks that take part call at once. When it
 * returns on all of them, every buffer may be written again.
 */
void operation_by_mpi(enum operation operation, const struct block *block,
		      size_t bytes);
void operation_by_share(enum operation operation, struct share *share,
			size_t bytes);

/* Ranks that take part. */
static inline int operation_ranks(enum operation operation, int ranks)
{
	return operation == OPERATION_PINGPONG ? 2 : ranks;
}

#endif
