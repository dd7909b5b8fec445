/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nodes: where the ranks run. */
#ifndef EXAMPLES_NODES_H
#define EXAMPLES_NODES_H

#include <mpi.h>
#include <stdbool.h>

/*
 * Collective. Whether the ranks run on more than one Linux instance: then what one
 * shares with others has to be made by xpmem_make_remote().
 */
bool nodes_are_several(MPI_Comm comm);

#endif
