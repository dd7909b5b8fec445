// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * share: set-up and its reverse, then what operations call.
 *
 * A rank that dies takes its memory along: SIGBUS for who loads from it, and
 * mpirun ends the rest.
 */
#include "share.h"
#include "gate.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <xpmem_ext.h>

static int make_segment(struct share *share, struct failure *failure)
{
	struct peer *own = &share->peers[share->rank];

	if (xpmem_version() < 0)
		return failure_set(
			failure, EXIT_XPMEM,
			"xpmem: cannot open /dev/xpmem: %s%s", strerror(errno),
			errno == ENOENT ? "; is the module loaded?" : "");
	own->segid = xpmem_make(share->block->base, share->block->bytes,
				XPMEM_PERMIT_MODE, (void *)0600);
	if (own->segid == -1)
		return failure_set(failure, EXIT_XPMEM,
				   "xpmem_make of %zu bytes: %s",
				   share->block->bytes, strerror(errno));
	return EXIT_OK;
}

static xpmem_apid_t get(const struct share *share, int rank,
			struct failure *failure)
{
	xpmem_apid_t apid = xpmem_get(share->peers[rank].segid, XPMEM_RDONLY,
				      XPMEM_PERMIT_MODE, NULL);

	if (apid == -1)
		failure_set(failure, EXIT_XPMEM,
			    "xpmem_get of rank %d's segment 0x%llx: %s", rank,
			    (unsigned long long)share->peers[rank].segid,
			    strerror(errno));
	return apid;
}

/* NULL on failure */
static void *attach(xpmem_apid_t apid, int rank, size_t offset, size_t bytes,
		    struct failure *failure)
{
	struct xpmem_addr addr = { .apid = apid, .offset = (off_t)offset };
	void *at = xpmem_attach(addr, bytes, NULL);

	if (at != (void *)-1)
		return at;
	failure_set(failure, EXIT_XPMEM,
		    "xpmem_attach of %zu bytes at %zu of rank %d's: %s", bytes,
		    offset, rank, strerror(errno));
	return NULL;
}

static void attach_peer(struct share *share, int rank, struct failure *failure)
{
	struct peer *peer = &share->peers[rank];
	size_t buffers = share->block->send_offset;

	peer->head_apid = get(share, rank, failure);
	if (peer->head_apid == -1)
		return;
	peer->head = attach(peer->head_apid, rank, 0, share->block->page_size,
			    failure);
	if (peer->head == NULL || share->gets)
		return;
	peer->apid = get(share, rank, failure);
	if (peer->apid == -1 || share->attaches)
		return;
	peer->base = attach(peer->apid, rank, buffers,
			    share->block->bytes - buffers, failure);
	if (peer->base != NULL)
		peer->base -= buffers;
}

/* Undo, in any state of creation. Not collective. */
static void drop(struct share *share)
{
	for (int rank = 0; rank < share->ranks && share->peers != NULL;
	     rank++) {
		struct peer *peer = &share->peers[rank];

		if (peer->base != NULL)
			xpmem_detach(peer->base + share->block->send_offset);
		if (peer->head != NULL)
			xpmem_detach(peer->head);
		if (peer->apid != -1)
			xpmem_release(peer->apid);
		if (peer->head_apid != -1)
			xpmem_release(peer->head_apid);
		if (rank == share->rank && peer->segid != -1)
			xpmem_remove(peer->segid);
	}
	free(share->peers);
	free(share->views);
	free(share);
}

static struct share *new_share(MPI_Comm comm, const struct block *block)
{
	struct share *share = calloc(1, sizeof(*share));

	if (share == NULL)
		return NULL;
	share->comm = comm;
	share->block = block;
	MPI_Comm_rank(comm, &share->rank);
	MPI_Comm_size(comm, &share->ranks);
	share->spins = gate_spins(share->ranks);
	share->peers = calloc((size_t)share->ranks, sizeof(*share->peers));
	share->views = calloc((size_t)share->ranks, sizeof(*share->views));
	if (share->peers == NULL || share->views == NULL) {
		drop(share);
		return NULL;
	}
	for (int rank = 0; rank < share->ranks; rank++)
		share->peers[rank] = (struct peer){
			.segid = -1,
			.head_apid = -1,
			.apid = -1,
		};
	atomic_store(&block_head(block)->progress, 0);
	return share;
}

static void exchange_segids(struct share *share)
{
	long long own = share->peers[share->rank].segid;

	for (int rank = 0; rank < share->ranks; rank++) {
		long long segid = own;

		MPI_Bcast(&segid, 1, MPI_LONG_LONG, rank, share->comm);
		share->peers[rank].segid = segid;
	}
}

int share_create(MPI_Comm comm, const struct block *block, enum way way,
		 bool prefault, struct share **ret_share)
{
	struct failure failure = { 0 };
	struct share *share = new_share(comm, block);
	int code;

	if (share == NULL)
		failure_set(&failure, EXIT_RUNTIME, "no memory for the share");
	else
		make_segment(share, &failure);
	code = failure_agree(comm, &failure);
	if (code != EXIT_OK)
		goto err_drop;

	share->gets = way == WAY_FRESH;
	share->attaches = share->gets || way == WAY_ATTACH;
	share->prefault = prefault && way_renews(way);
	exchange_segids(share);
	for (int rank = 0; rank < share->ranks; rank++)
		if (rank != share->rank && failure.code == EXIT_OK)
			attach_peer(share, rank, &failure);
	code = failure_agree(comm, &failure);
	if (code != EXIT_OK)
		goto err_drop;
	*ret_share = share;
	return EXIT_OK;

err_drop:
	if (share != NULL)
		drop(share);
	return code;
}

void share_destroy(struct share *share)
{
	/* A removed segment raises SIGBUS in whom still reads it. */
	MPI_Barrier(share->comm);
	drop(share);
}

uint64_t share_begin(struct share *share)
{
	uint64_t begun = share->begun;

	share->begun += SHARE_STEPS;
	return begun;
}

void share_advance(struct share *share, uint64_t step)
{
	atomic_store_explicit(&block_head(share->block)->progress, step,
			      memory_order_release);
}

void share_wait(struct share *share, int rank, uint64_t step)
{
	const struct block_head *head = share->peers[rank].head;

	for (;;) {
		for (int i = 0; i < share->spins; i++)
			if (atomic_load_explicit(&head->progress,
						 memory_order_acquire) >= step)
				return;
		sched_yield();
	}
}

void share_wait_all(struct share *share, uint64_t step)
{
	for (int rank = 0; rank < share->ranks; rank++)
		if (rank != share->rank)
			share_wait(share, rank, step);
}

void share_open(struct share *share, int rank)
{
	struct failure failure = { 0 };

	if (!share->gets || rank == share->rank)
		return;
	share->peers[rank].apid = get(share, rank, &failure);
	if (failure.code != EXIT_OK)
		failure_abort(share->comm, failure.code, "%s", failure.text);
}

static void fault_in(const struct share *share, int rank, unsigned char *begin,
		     size_t bytes)
{
	size_t before = (uintptr_t)begin % share->block->page_size;
	int error = xpmem_prefault(begin - before, before + bytes, 0, NULL);

	/* Without the call each page is faulted in by its use. */
	if (error != 0 && error != -EOPNOTSUPP)
		failure_abort(share->comm, EXIT_XPMEM,
			      "xpmem_prefault of %zu bytes of rank %d's: %s",
			      bytes, rank, strerror(-error));
}

void share_view(struct share *share, int rank, size_t offset, size_t bytes,
		struct view *ret_view)
{
	const struct peer *peer = &share->peers[rank];
	size_t before = offset % share->block->page_size;
	struct failure failure = { 0 };
	unsigned char *at;

	*ret_view = (struct view){ .data = NULL };
	if (bytes == 0)
		return;
	if (rank == share->rank) {
		ret_view->data = (double *)(share->block->base + offset);
		return;
	}
	if (share->attaches) {
		ret_view->attached = attach(peer->apid, rank, offset - before,
					    before + bytes, &failure);
		if (ret_view->attached == NULL)
			failure_abort(share->comm, failure.code, "%s",
				      failure.text);
		at = (unsigned char *)ret_view->attached + before;
	} else {
		at = peer->base + offset;
	}
	if (share->prefault)
		fault_in(share, rank, at, bytes);
	ret_view->data = (const double *)at;
}

void share_unview(struct share *share, struct view *view)
{
	if (view->attached == NULL)
		return;
	if (xpmem_detach(view->attached) != 0)
		failure_abort(share->comm, EXIT_XPMEM, "xpmem_detach: %s",
			      strerror(errno));
	view->attached = NULL;
}

void share_close(struct share *share, int rank)
{
	if (!share->gets || rank == share->rank)
		return;
	if (xpmem_release(share->peers[rank].apid) != 0)
		failure_abort(share->comm, EXIT_XPMEM,
			      "xpmem_release of rank %d's: %s", rank,
			      strerror(errno));
	share->peers[rank].apid = -1;
}
