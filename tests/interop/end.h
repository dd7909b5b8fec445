/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * end: instead of MPI_Finalize, after which a rank may exit while another one is still in
 * it. UCX's shared memory transports then look at memory of the one that is gone; if it
 * was attached by XPMEM, whichever, that is SIGBUS (openucx/ucx issue 8183). So all
 * exit after all have finalized.
 */
#ifndef END_H
#define END_H

#include "data.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define END_TRIES    6000
#define END_PAUSE_US 10000

static inline void end_together(int rank, int ranks)
{
	char name[] = "/dev/shm/interop-end-XXXXXX";
	atomic_int *ended;
	int fd = -1, i;

	if (rank == 0)
		fd = mkstemp(name);
	MPI_Bcast(name, sizeof(name), MPI_CHAR, 0, MPI_COMM_WORLD);
	if (rank != 0)
		fd = open(name, O_RDWR);
	if (fd < 0 || ftruncate(fd, sizeof(*ended)) != 0)
		data_die("no file to end by, errno", errno);
	ended = mmap(NULL, sizeof(*ended), PROT_READ | PROT_WRITE, MAP_SHARED,
		     fd, 0);
	if (ended == MAP_FAILED)
		data_die("no file to end by, errno", errno);
	MPI_Barrier(MPI_COMM_WORLD);
	if (rank == 0)
		unlink(name);
	MPI_Finalize();
	atomic_fetch_add(ended, 1);
	for (i = 0; i < END_TRIES && atomic_load(ended) < ranks; i++)
		usleep(END_PAUSE_US);
}

#endif /* END_H */
