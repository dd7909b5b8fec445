/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path: how Open MPI moves data between the ranks of a node, and proof of it.
 *
 * - PATH_COPY: through shared memory, into it by the sender and out of it by the
 *   receiver (btl vader with the single copy mechanism "none").
 * - PATH_CMA: by one copy with process_vm_readv(), cross-memory attach (btl vader
 *   with "cma").
 *
 * Open MPI takes another path without a word, or with one, where it can't have the
 * wanted one. So what it says (its variables, by the MPI tool interface) is
 * checked, and what it does is counted: this program has functions named
 * process_vm_readv and process_vm_writev, which come before those of the C library
 * and pass the calls on.
 */
#ifndef TRANSFER_PATH_H
#define TRANSFER_PATH_H

#include <mpi.h>
#include <stdint.h>

enum path {
	PATH_COPY,
	PATH_CMA,
	PATH_NONE, /* not told */
};

extern const char *const path_names[PATH_NONE];

/*
 * Collective, at least two ranks. Checks that Open MPI uses the path and none
 * else; returns an agreed exit code.
 */
int path_check(MPI_Comm comm, enum path path);

/* Bytes that this rank has moved by cross-memory attach since its start. */
uint64_t path_cma_bytes(void);

#endif
