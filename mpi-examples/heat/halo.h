/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * halo: how a rank comes by the cells next to its tile.
 *
 * Before each step the ghost cells that border on another rank must hold that
 * rank's values of the same step. Two ways do this behind one table: halo_mpi
 * sends the borders as messages, halo_xpmem loads them from the neighbour's
 * memory. Solver and stencil are the same for both.
 *
 * All calls are made by all ranks, open to finish in the order of the table.
 * open() and close() are collective; start() and exchange() may return on one
 * rank before another has called them.
 */
#ifndef HEAT_HALO_H
#define HEAT_HALO_H

#include "grid.h"

#include <mpi.h>

/* What open() cost and made, for the report. Times are in seconds. */
struct halo_setup {
	double make;   /* let others see this rank's memory */
	double get;    /* ask to see theirs, all neighbours */
	double attach; /* map it */
	double touch;  /* fault the mapped pages in */
	long long segid;
	int attached[SIDE_MAX]; /* rank seen on that side, or -1 */
	size_t bytes_attached;
};

/* Each way embeds this as the first member of a struct of its own. */
struct halo {
	const struct halo_ops *ops;
	MPI_Comm comm; /* ranks as in the tiling */
	int rank;
	struct grid *grid;
	double patience; /* seconds to wait for a neighbour */
	struct halo_setup setup;
};

struct halo_ops {
	const char *name; /* option --only, report */
	const char *title;

	/* Returns an agreed exit code; *ret_halo is set on EXIT_OK only. */
	int (*open)(MPI_Comm comm, struct grid *grid, double patience,
		    struct halo **ret_halo);

	/* The grid was reset and a run begins; a barrier follows. */
	void (*start)(struct halo *halo);

	/*
	 * This rank's field of `step` is complete; return when its ghosts
	 * are. Also makes sure that no other rank still needs what this rank
	 * overwrites next: its field of step - 1, where step + 1 goes.
	 */
	void (*exchange)(struct halo *halo, long step);

	/* After this no rank looks into another's memory. */
	void (*close)(struct halo *halo);
};

extern const struct halo_ops halo_mpi;
extern const struct halo_ops halo_xpmem;

/* Bytes that a rank takes from its neighbours in each step. */
static inline size_t halo_bytes(const struct tile *tile)
{
	size_t cells = 0;

	for (int side = 0; side < SIDE_MAX; side++)
		if (tile->neighbour[side] >= 0)
			cells += (size_t)(side <= EAST ? tile->ny : tile->nx);
	return cells * sizeof(double);
}

#endif
