// SPDX-License-Identifier: GPL-2.0-or-later
#include "nodes.h"

bool nodes_are_several(MPI_Comm comm)
{
	int ranks, here, several;
	MPI_Comm node;

	MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL,
			    &node);
	MPI_Comm_size(comm, &ranks);
	MPI_Comm_size(node, &here);
	MPI_Comm_free(&node);
	several = here != ranks;
	MPI_Allreduce(MPI_IN_PLACE, &several, 1, MPI_INT, MPI_LOR, comm);
	return several;
}
