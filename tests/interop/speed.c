// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * speed: what messages and collectives of an MPI library cost.
 *
 *	mpirun -n RANKS speed PATH
 *
 * Prints a line "operation,bytes,ranks,buffers,PATH,nanoseconds" each. Buffers are kept,
 * or are new: mapped and filled just before, so that whoever wants them attaches and
 * faults first. A time is the smallest of several, from when all ranks are ready until all are
 * done, by the transfer; a ping-pong's is half of there and back. Ranks share a processor, so
 * none may go on to the next buffers before the time is taken, nor begin while the scheduler
 * still makes up for what new buffers cost one rank more than another: those that wait would
 * have the processor.
 */
#include "data.h"
#include "end.h"

#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 3

/* Barriers after which all ranks have had as much of the processor */
#define SETTLE 50

static int rank, ranks;

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void pingpong(char *mine, char *other, int bytes)
{
	if (rank == 0) {
		MPI_Send(mine, bytes, MPI_BYTE, 1, 1, MPI_COMM_WORLD);
		MPI_Recv(other, bytes, MPI_BYTE, 1, 2, MPI_COMM_WORLD,
			 MPI_STATUS_IGNORE);
	} else if (rank == 1) {
		MPI_Recv(other, bytes, MPI_BYTE, 0, 1, MPI_COMM_WORLD,
			 MPI_STATUS_IGNORE);
		MPI_Send(mine, bytes, MPI_BYTE, 0, 2, MPI_COMM_WORLD);
	}
}

static void broadcast(char *mine, char *other, int bytes)
{
	(void)other;
	MPI_Bcast(mine, bytes, MPI_BYTE, 0, MPI_COMM_WORLD);
}

static void allreduce(char *mine, char *other, int bytes)
{
	MPI_Allreduce(mine, other, bytes / 8, MPI_UINT64_T, MPI_SUM,
		      MPI_COMM_WORLD);
}

static void alltoall(char *mine, char *other, int bytes)
{
	MPI_Alltoall(mine, bytes / ranks, MPI_BYTE, other, bytes / ranks,
		     MPI_BYTE, MPI_COMM_WORLD);
}

static const struct {
	const char *name;
	void (*run)(char *mine, char *other, int bytes);
	int parts, most_ranks;
} operations[] = {
	{ "pingpong", pingpong, 2, 2 },
	{ "broadcast", broadcast, 1, 1 << 30 },
	{ "allreduce", allreduce, 1, 1 << 30 },
	{ "alltoall", alltoall, 1, 1 << 30 },
};

/* TIMES of them, in nanoseconds each */
static uint64_t measure(size_t which, char *mine, char *other, int bytes,
			int times)
{
	uint64_t start, end;
	int i;

	for (i = 0; i < SETTLE; i++)
		MPI_Barrier(MPI_COMM_WORLD);
	start = now();
	for (i = 0; i < times; i++)
		operations[which].run(mine, other, bytes);
	MPI_Barrier(MPI_COMM_WORLD);
	end = now();
	MPI_Barrier(MPI_COMM_WORLD);
	return (end - start) / (uint64_t)(times * operations[which].parts);
}

static void one(const char *path, size_t which, size_t bytes, bool kept)
{
	int times = kept && bytes < 1048576 ? 10 : 1, round;
	uint64_t best = UINT64_MAX, ns;
	char *mine = NULL, *other = NULL;

	for (round = 0; round < ROUNDS; round++) {
		if (mine == NULL || !kept) {
			if (mine != NULL)
				munmap(mine, bytes);
			if (other != NULL)
				munmap(other, bytes);
			mine = data_map(NULL, bytes);
			other = data_map(NULL, bytes);
			memset(mine, rank + 1, bytes);
			memset(other, 0, bytes);
		}
		ns = measure(which, mine, other, (int)bytes, times);
		/* What is kept is warm from the second round on. */
		if (ns < best && (round > 0 || !kept))
			best = ns;
	}
	if (rank == 0)
		printf("%s,%zu,%d,%s,%s,%llu\n", operations[which].name, bytes,
		       ranks, kept ? "kept" : "new", path,
		       (unsigned long long)best);
	munmap(mine, bytes);
	munmap(other, bytes);
}

int main(int argc, char **argv)
{
	size_t which, bytes;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	if (argc != 2 || ranks < 2)
		data_die("usage: mpirun -n RANKS speed PATH; ranks", ranks);
	for (which = 0; which < sizeof(operations) / sizeof(*operations);
	     which++) {
		if (ranks > operations[which].most_ranks)
			continue;
		for (bytes = 1024; bytes <= 16777216; bytes *= 4) {
			one(argv[1], which, bytes, true);
			one(argv[1], which, bytes, false);
		}
	}
	end_together(rank, ranks);
	return 0;
}
