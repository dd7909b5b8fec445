/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tiling: which rank computes which cells.
 *
 * The ranks form a rectangle of `across` by `down`, row by row, rank 0 in the
 * north-west: the order MPI_Cart_create() uses for dimensions {down, across}.
 * A side that does not divide evenly gives its first tiles one cell more.
 * Pure arithmetic; no MPI in here, so it is tested alone.
 */
#ifndef HEAT_TILING_H
#define HEAT_TILING_H

#include "plate.h"

#include <stdbool.h>

struct tiling {
	int cells_x, cells_y;
	int across, down;
};

/* One rank's piece: nx by ny cells from (x0, y0), neighbours or -1. */
struct tile {
	int x0, y0;
	int nx, ny;
	int neighbour[SIDE_MAX];
};

/*
 * Chooses the rectangle of `ranks` with the fewest cells along the cuts, the
 * wider one if two are equal. False if each one leaves a rank without a cell.
 */
bool tiling_choose(int cells_x, int cells_y, int ranks,
		   struct tiling *ret_tiling);

struct tile tiling_tile(const struct tiling *tiling, int rank);

/* The rank that computes a cell. */
int tiling_owner(const struct tiling *tiling, int x, int y);

#endif
