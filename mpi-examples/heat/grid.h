/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * grid: one rank's tile in memory, and the stencil that moves it one time
 * step on.
 *
 * All that a neighbour may want lies in one block of whole pages, so that one
 * segment shares it:
 *
 *	+--------------+ block
 *	| grid_head    | the label and the progress counter, a page of its own
 *	+--------------+ block + field_offset[0]
 *	| field 0      | temperatures of even steps
 *	+--------------+ block + field_offset[1]
 *	| field 1      | temperatures of odd steps
 *	+--------------+ block + bytes
 *
 * A field is (ny + 2) rows of `stride` doubles: the tile and one ring of ghost
 * cells around it. The ghosts towards another rank are filled by a halo
 * exchange before each step; those at the plate's edge never change. The
 * coefficients of the stencil concern nobody else and stay outside the block.
 *
 * A cell's new value depends on its own index and on five old values only,
 * and is computed by the same instructions in each tiling. So the result is
 * the same to the last bit for any number of ranks. (The build must not
 * contract a * b + c: a vector loop and its scalar rest could differ.)
 */
#ifndef HEAT_GRID_H
#define HEAT_GRID_H

#include "failure.h"
#include "plate.h"
#include "tiling.h"

#include <mpi.h>
#include <stddef.h>
#include <stdint.h>

#define GRID_MAGIC 0x7461656864697267ULL /* "gridheat" */

/*
 * The only words of the block that are written while others look at them.
 * `progress` is n + 1 once the field of step n is complete, 0 before a run;
 * `gave_up` is 1 once this rank waits for nobody any more and ends the run.
 */
struct grid_head {
	uint64_t magic;
	int32_t rank;
	int32_t pid;
	_Alignas(64) _Atomic uint64_t progress;
	_Atomic uint64_t gave_up;
};

/*
 * The change of a cell within one step: what flows in through each side for
 * each degree of difference, what goes to the air, what the sources give.
 */
struct coefficients {
	double *side[SIDE_MAX];
	double *air;
	double *source;
	double ambient;
};

struct grid {
	struct tile tile;
	size_t stride; /* doubles from row to row */
	size_t bytes;  /* of the block */
	size_t field_offset[2];
	unsigned char *block;
	double timestep; /* seconds */
	struct coefficients c;
};

/* Cell (x, y) of a field, the tile's first cell being (0, 0). */
static inline size_t grid_at(const struct grid *grid, int x, int y)
{
	return (size_t)(y + 1) * grid->stride + (size_t)(x + 1);
}

static inline struct grid_head *grid_head(const struct grid *grid)
{
	void *head = grid->block;

	return head;
}

/* The field that holds the temperatures after `step` steps. */
static inline double *grid_field(const struct grid *grid, long step)
{
	void *field = grid->block + grid->field_offset[step & 1];

	return field;
}

/* Collective: makes the grid of each rank. Returns the agreed exit code. */
int grid_create(MPI_Comm comm, const struct plate *plate,
		const char *plate_name, const struct tiling *tiling,
		struct grid *ret_grid);
void grid_destroy(struct grid *grid);

/* Back to the beginning: all at the ambient temperature, edges at theirs. */
void grid_reset(struct grid *grid, const struct plate *plate);

/* Compute the field of step + 1; the ghosts of `step` must be filled. */
void grid_step(struct grid *grid, long step);

#endif
