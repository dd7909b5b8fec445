/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * share: the other ranks' blocks through XPMEM, and who is how far.
 *
 * Each rank makes its block a segment, and all learn the segids by MPI. The page
 * with a rank's progress stays attached by all others for as long as there is a
 * share. The buffers are attached at once too (WAY_STEADY, WAY_TOUCH), or by each
 * operation for itself (WAY_ATTACH, WAY_FRESH); share_view() hides which.
 *
 * Order. A rank stores its progress with release, others load it with acquire
 * until it is far enough. An operation has SHARE_STEPS numbers of its own,
 * share_begin() + 1 and so on, so nothing is ever reset.
 *
 * Nobody stores to another's memory: all attachments are for reading.
 */
#ifndef TRANSFER_SHARE_H
#define TRANSFER_SHARE_H

#include "block.h"
#include "operation.h"

#include <mpi.h>

#include <xpmem.h>

#define SHARE_STEPS 4

struct peer {
	xpmem_segid_t segid;
	xpmem_apid_t head_apid;
	struct block_head *head;
	xpmem_apid_t apid;   /* for the buffers, -1: none at the moment */
	unsigned char *base; /* NULL: each operation attaches what it needs */
};

/* A part of another rank's block, or of the own one, to load from. */
struct view {
	const double *data;
	void *attached; /* NULL: nothing to detach */
};

struct share {
	MPI_Comm comm;
	int rank, ranks, spins;
	const struct block *block;
	bool attaches, gets, prefault; /* operations do that for themselves */
	uint64_t begun;		       /* SHARE_STEPS an operation */
	struct peer *peers;
	struct view *views; /* one a rank, for operations to use */
};

/*
 * Collective; agrees on failures. With `prefault`, views of memory that may not
 * have been touched are faulted in by xpmem_prefault(), not by their use.
 */
int share_create(MPI_Comm comm, const struct block *block, enum way way,
		 bool prefault, struct share **ret_share);

/* Collective. */
void share_destroy(struct share *share);

/*
 * The steps of the operation that begins; the first is this + 1. Who takes no part
 * in one calls it too.
 */
uint64_t share_begin(struct share *share);
void share_advance(struct share *share, uint64_t step);
void share_wait(struct share *share, int rank, uint64_t step);
void share_wait_all(struct share *share, uint64_t step);

/*
 * Between share_open() and share_close() of a rank, parts of its block can be
 * viewed. What fails here ends the run.
 */
void share_open(struct share *share, int rank);
void share_view(struct share *share, int rank, size_t offset, size_t bytes,
		struct view *ret_view);
void share_unview(struct share *share, struct view *view);
void share_close(struct share *share, int rank);

#endif
