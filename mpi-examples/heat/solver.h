/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * solver: the time loop, run with one way of exchanging halos, and the result
 * brought together on rank 0.
 */
#ifndef HEAT_SOLVER_H
#define HEAT_SOLVER_H

#include "grid.h"
#include "halo.h"
#include "pins.h"
#include "plate.h"
#include "tiling.h"

#include <stdbool.h>

struct solver {
	MPI_Comm comm;
	const struct plate *plate;
	const struct tiling *tiling;
	struct grid *grid;
	long steps;
	int repeat;
	double patience;
};

/* What one way gave. Each rank has its own, but for what rank 0 collects. */
struct outcome {
	bool ran;
	double slowest; /* the best repetition's time, same on all */
	double total;	/* this rank's time in that repetition */
	double halo;	/* the part of it spent in exchange() */
	struct halo_setup setup;
	struct pins before; /* before open() */
	struct pins during; /* all attached, all pages touched */
	double *field;	    /* rank 0: all cells, row by row; else NULL */
	bool repeats_agree; /* rank 0: each repetition gave that field */
};

/*
 * Collective. Returns an agreed exit code; on EXIT_OK *ret_outcome is set and
 * its field is the caller's to free().
 */
int solver_run(const struct solver *solver, const struct halo_ops *ops,
	       struct outcome *ret_outcome);

#endif
