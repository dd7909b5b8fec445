// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * by_mpi: the operations as MPI has them.
 */
#include "block.h"
#include "operation.h"

#include <mpi.h>

const char *const operation_names[OPERATION_MAX] = {
	[OPERATION_PINGPONG] = "pingpong",
	[OPERATION_BROADCAST] = "broadcast",
	[OPERATION_ALLREDUCE] = "allreduce",
};

static void pingpong(const struct block *block, int count, int rank)
{
	double *send = block_send(block);
	double *receive = block_receive(block);

	if (rank == 0) {
		MPI_Send(send, count, MPI_DOUBLE, 1, 0, MPI_COMM_WORLD);
		MPI_Recv(receive, count, MPI_DOUBLE, 1, 0, MPI_COMM_WORLD,
			 MPI_STATUS_IGNORE);
	} else if (rank == 1) {
		MPI_Recv(receive, count, MPI_DOUBLE, 0, 0, MPI_COMM_WORLD,
			 MPI_STATUS_IGNORE);
		MPI_Send(send, count, MPI_DOUBLE, 0, 0, MPI_COMM_WORLD);
	}
}

void operation_by_mpi(enum operation operation, const struct block *block,
		      size_t bytes)
{
	int count = (int)(bytes / sizeof(double));
	int rank;

	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	switch (operation) {
	case OPERATION_PINGPONG:
		pingpong(block, count, rank);
		break;
	case OPERATION_BROADCAST:
		MPI_Bcast(rank == 0 ? block_send(block) : block_receive(block),
			  count, MPI_DOUBLE, 0, MPI_COMM_WORLD);
		break;
	default:
		MPI_Allreduce(block_send(block), block_receive(block), count,
			      MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
		break;
	}
}
