// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * by_share: the operations by loads from the other ranks' memory. Each byte is
 * copied once, from where one rank has it to where another wants it, and each sum
 * is made once.
 *
 * Steps of an operation are b + 1 and so on. A rank advances to b + 1 when its
 * send buffer is complete.
 *
 *	ping-pong	rank 0: b+1				rank 1: wait b+1, copy,
 *			wait b+1, copy, b+2		b+1
 *							wait b+2
 *	broadcast	rank 0: b+1			others: wait b+1 of 0, copy,
 *			wait b+2 of all			b+2
 *	allreduce	all: b+1, wait b+1 of all, add up the own part, b+2,
 *			of each other: wait b+2, copy its part
 *
 * In an allreduce a rank's send buffer is no longer needed when all others are at
 * b + 2, which it has seen of each. Its receive buffer may be read by others
 * longer, but they say b' + 1 of the next operation only when they are done, and
 * it is written after that. (Who writes to it between operations has to meet the
 * others first.)
 */
#include "operation.h"
#include "share.h"

#include <string.h>

/* Doubles of a sum that stay in the first cache between two summands */
#define SUM_BLOCK 1024

#define LINE (64 / sizeof(double))

static void copy_from(struct share *share, int rank, size_t bytes)
{
	struct view view;

	share_open(share, rank);
	share_view(share, rank, share->block->send_offset, bytes, &view);
	memcpy(block_receive(share->block), view.data, bytes);
	share_unview(share, &view);
	share_close(share, rank);
}

static void pingpong(struct share *share, size_t bytes)
{
	uint64_t begin = share_begin(share);

	if (share->rank == 0) {
		share_advance(share, begin + 1);
		share_wait(share, 1, begin + 1);
		copy_from(share, 1, bytes);
		share_advance(share, begin + 2);
	} else if (share->rank == 1) {
		share_wait(share, 0, begin + 1);
		copy_from(share, 0, bytes);
		share_advance(share, begin + 1);
		share_wait(share, 0, begin + 2);
	}
}

static void broadcast(struct share *share, size_t bytes)
{
	uint64_t begin = share_begin(share);

	if (share->rank == 0) {
		share_advance(share, begin + 1);
		share_wait_all(share, begin + 2);
	} else {
		share_wait(share, 0, begin + 1);
		copy_from(share, 0, bytes);
		share_advance(share, begin + 2);
	}
}

struct part {
	size_t first, count; /* doubles */
};

/*
 * The part of `count` doubles that a rank adds up. Parts begin at pages where
 * there are enough, so that no two ranks fault in the same page; else at cache
 * lines.
 */
static struct part part_of(const struct share *share, int rank, size_t count)
{
	size_t ranks = (size_t)share->ranks;
	size_t unit = share->block->page_size / sizeof(double);
	size_t each;
	struct part part;

	if (count < ranks * unit)
		unit = LINE;
	each = (count + ranks - 1) / ranks;
	each = (each + unit - 1) / unit * unit;
	part.first = (size_t)rank * each < count ? (size_t)rank * each : count;
	part.count = count - part.first < each ? count - part.first : each;
	return part;
}

/* With vectors, and wider ones where the machine has them, as in MPI libraries. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE __attribute__((target_clones("avx2", "default"), optimize("O3")))
#else
#define WIDE
#endif

WIDE static void add(double *restrict to, const double *restrict a,
		     const double *restrict b, size_t count)
{
	for (size_t i = 0; i < count; i++)
		to[i] = a[i] + b[i];
}

WIDE static void add_to(double *restrict to, const double *restrict a,
			size_t count)
{
	for (size_t i = 0; i < count; i++)
		to[i] += a[i];
}

/* Always in the order of ranks. */
static void sum_views(const struct share *share, double *to, size_t count)
{
	const struct view *views = share->views;

	for (size_t done = 0; done < count; done += SUM_BLOCK) {
		size_t some = count - done < SUM_BLOCK ? count - done :
							 SUM_BLOCK;

		if (share->ranks == 1) {
			memcpy(to + done, views[0].data + done,
			       some * sizeof(double));
			continue;
		}
		add(to + done, views[0].data + done, views[1].data + done,
		    some);
		for (int rank = 2; rank < share->ranks; rank++)
			add_to(to + done, views[rank].data + done, some);
	}
}

static void add_up_own_part(struct share *share, size_t count)
{
	const struct block *block = share->block;
	struct part own = part_of(share, share->rank, count);

	for (int rank = 0; rank < share->ranks; rank++)
		share_view(share, rank,
			   block->send_offset + own.first * sizeof(double),
			   own.count * sizeof(double), &share->views[rank]);
	sum_views(share, block_receive(block) + own.first, own.count);
	for (int rank = 0; rank < share->ranks; rank++)
		share_unview(share, &share->views[rank]);
}

static void copy_part(struct share *share, int rank, size_t count)
{
	const struct block *block = share->block;
	struct part part = part_of(share, rank, count);
	struct view view;

	if (part.count == 0)
		return;
	share_view(share, rank,
		   block->receive_offset + part.first * sizeof(double),
		   part.count * sizeof(double), &view);
	memcpy(block_receive(block) + part.first, view.data,
	       part.count * sizeof(double));
	share_unview(share, &view);
}

static void allreduce(struct share *share, size_t bytes)
{
	uint64_t begin = share_begin(share);
	size_t count = bytes / sizeof(double);

	share_advance(share, begin + 1);
	for (int rank = 0; rank < share->ranks; rank++)
		share_open(share, rank);
	share_wait_all(share, begin + 1);
	add_up_own_part(share, count);
	share_advance(share, begin + 2);
	/* The next rank first: not all at one rank's memory at a time. */
	for (int i = 1; i < share->ranks; i++) {
		int rank = (share->rank + i) % share->ranks;

		share_wait(share, rank, begin + 2);
		copy_part(share, rank, count);
	}
	for (int rank = 0; rank < share->ranks; rank++)
		share_close(share, rank);
}

void operation_by_share(enum operation operation, struct share *share,
			size_t bytes)
{
	static void (*const run[OPERATION_MAX])(struct share *, size_t) = {
		[OPERATION_PINGPONG] = pingpong,
		[OPERATION_BROADCAST] = broadcast,
		[OPERATION_ALLREDUCE] = allreduce,
	};

	run[operation](share, bytes);
}
