// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xpmem-bench-mpi-get - what MPI's one-sided reads of another node cost
 *
 *	mpirun -n 2 ... xpmem-bench-mpi-get ADDRESS PORT ROUNDS EACH [JSON]
 *
 * Rank 1 gets pages of rank 0, which is at ADDRESS, and beside that asks rank 0's node
 * for as much by TCP, in rounds that take turns; it has the figures.  Rank 0 makes
 * progress in MPI while pages are got, as one that waits for a message does, and sleeps
 * while the floor is measured.  PORT is the first of three.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mpi.h>

#include "../bench.h"
#include "../result.h"
#include "floor.h"

#define PAGES	4096u
#define EACH_MAX 4096u

struct settings settings = { .memory = PAGES * PAGE };

static uint64_t ns[EACH_MAX];
static char buffer[FLOOR_CHUNK];

/* Rank 0, until the other one has closed the connection */
static void be_got_from(int link)
{
	char word;

	while (recv(link, &word, 1, 0) == 1)
		MPI_Barrier(MPI_COMM_WORLD);
}

static void get(MPI_Win window, int link, struct spread *spread, unsigned int each, size_t size)
{
	static const char word = 'g';

	if (send(link, &word, 1, MSG_NOSIGNAL) != 1)
		fatal("rank 0 is gone");
	for (unsigned int i = 0; i < each; i++) {
		MPI_Aint at = (MPI_Aint)(i * 7 * size % (PAGES * PAGE));
		uint64_t start = now_ns();

		MPI_Get(buffer, (int)size, MPI_BYTE, 0, at, (int)size, MPI_BYTE, window);
		MPI_Win_flush(0, window);
		ns[i] = now_ns() - start;
	}
	if (spread)
		spread_add(spread, ns, each);
	MPI_Barrier(MPI_COMM_WORLD);
}

static void request(struct floor *floor, struct spread *spread, unsigned int each, size_t size)
{
	for (unsigned int i = 0; i < each; i++) {
		uint64_t start = now_ns();

		floor_request(floor, size, buffer);
		ns[i] = now_ns() - start;
	}
	if (spread)
		spread_add(spread, ns, each);
}

static void measure(MPI_Win window, int link, struct floor *floor, unsigned int each, size_t size,
		    const char *name, const char *text)
{
	struct spread tcp = { 0 }, got = { 0 };

	for (unsigned int round = 0; round <= settings.rounds; round++) {
		request(floor, round ? &tcp : NULL, each, size);
		get(window, link, round ? &got : NULL, each, size);
	}
	report_spread(&(struct row){ .name = name, .text = text, .unit = "ns",
				     .reference = "raw TCP" },
		      &got, &tcp);
	spread_free(&tcp);
	spread_free(&got);
}

static unsigned int parse(const char *word, unsigned int high)
{
	char *end;
	unsigned long number = strtoul(word, &end, 10);

	if (*end || number < 1 || number > high) {
		errno = 0;
		fatal("%s is not a number of 1 to %u", word, high);
	}
	return (unsigned int)number;
}

int main(int argc, char **argv)
{
	const char *number = getenv("OMPI_COMM_WORLD_RANK");
	unsigned int port, each;
	int rank, ranks, link, listener;
	char *memory = NULL;
	MPI_Win window;

	if (argc < 5 || argc > 6) {
		fputs("usage: xpmem-bench-mpi-get ADDRESS PORT ROUNDS EACH [JSON]\n", stderr);
		return 2;
	}
	port = parse(argv[2], 65533);
	settings.rounds = parse(argv[3], MAX_SAMPLES);
	each = parse(argv[4], EACH_MAX);
	/* It forks: before MPI has threads and memory. */
	if (!number || !strcmp(number, "0"))
		floor_serve(port);
	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	if (ranks != 2) {
		errno = 0;
		fatal("two ranks are wanted");
	}
	MPI_Win_allocate(rank ? 0 : PAGES * PAGE, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &memory,
			 &window);
	if (!rank)
		memset(memory, 1, PAGES * PAGE);
	MPI_Barrier(MPI_COMM_WORLD);
	if (!rank) {
		listener = tcp_listen(port);
		link = tcp_accept(listener);
		be_got_from(link);
		close(link);
		close(listener);
	} else {
		struct floor *floor = floor_connect(argv[1], port, false);

		results_begin();
		link = tcp_connect(argv[1], port);
		MPI_Win_lock(MPI_LOCK_SHARED, 0, MPI_MODE_NOCHECK, window);
		measure(window, link, floor, each, PAGE, "mpi.get", "MPI_Get of 4 KiB");
		measure(window, link, floor, each, FLOOR_CHUNK, "mpi.get.large",
			"MPI_Get of 256 KiB");
		/* From here on rank 0 makes progress again, which the unlock needs. */
		close(link);
		MPI_Win_unlock(0, window);
		floor_close(floor);
		if (argc == 6 && !results_write(argv[5], "MPI_Get"))
			fatal("can't write %s", argv[5]);
	}
	MPI_Win_free(&window);
	MPI_Finalize();
	return 0;
}
