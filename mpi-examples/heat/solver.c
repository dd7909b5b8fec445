// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * solver: the same loop for each way; see solver.h. What is timed is the loop
 * from a common start to the last step of the slowest rank; set-up is timed by
 * the halo itself and gathering not at all.
 */
#include "solver.h"

#include <stdlib.h>
#include <string.h>

#define TAG_FIELD 100

struct timing {
	double total;
	double halo;
};

static struct timing run_steps(const struct solver *solver, struct halo *halo)
{
	struct timing timing = { 0 };
	double start;

	grid_reset(solver->grid, solver->plate);
	halo->ops->start(halo);
	MPI_Barrier(solver->comm);
	start = MPI_Wtime();
	for (long step = 0; step < solver->steps; step++) {
		double exchange = MPI_Wtime();

		halo->ops->exchange(halo, step);
		timing.halo += MPI_Wtime() - exchange;
		grid_step(solver->grid, step);
	}
	timing.total = MPI_Wtime() - start;
	/* Nobody resets its grid while a neighbour is in its last step. */
	MPI_Barrier(solver->comm);
	return timing;
}

/* Tiles of all ranks into `field`, which is only rank 0's. */
static void gather(const struct solver *solver, double *field)
{
	const struct grid *grid = solver->grid;
	const double *mine =
		grid_field(grid, solver->steps) + grid_at(grid, 0, 0);
	int rank, ranks;

	MPI_Comm_rank(solver->comm, &rank);
	MPI_Comm_size(solver->comm, &ranks);
	if (rank != 0) {
		MPI_Datatype rows;

		MPI_Type_vector(grid->tile.ny, grid->tile.nx, (int)grid->stride,
				MPI_DOUBLE, &rows);
		MPI_Type_commit(&rows);
		MPI_Send(mine, 1, rows, 0, TAG_FIELD, solver->comm);
		MPI_Type_free(&rows);
		return;
	}

	for (int y = 0; y < grid->tile.ny; y++)
		memcpy(field + (size_t)y * (size_t)solver->plate->cells_x,
		       mine + (size_t)y * grid->stride,
		       (size_t)grid->tile.nx * sizeof(double));
	for (int other = 1; other < ranks; other++) {
		struct tile tile = tiling_tile(solver->tiling, other);
		MPI_Datatype rows;

		MPI_Type_vector(tile.ny, tile.nx, solver->plate->cells_x,
				MPI_DOUBLE, &rows);
		MPI_Type_commit(&rows);
		MPI_Recv(field +
				 (size_t)tile.y0 *
					 (size_t)solver->plate->cells_x +
				 tile.x0,
			 1, rows, other, TAG_FIELD, solver->comm,
			 MPI_STATUS_IGNORE);
		MPI_Type_free(&rows);
	}
}

/* Rank 0 needs room for the first field and for one to compare with it. */
static int make_room(const struct solver *solver, double **ret_field,
		     double **ret_other)
{
	struct failure failure = { 0 };
	size_t cells =
		(size_t)solver->plate->cells_x * (size_t)solver->plate->cells_y;
	double *field = NULL;
	double *other = NULL;
	int rank, code;

	MPI_Comm_rank(solver->comm, &rank);
	if (rank == 0) {
		field = malloc(cells * sizeof(double));
		other = solver->repeat > 1 ? malloc(cells * sizeof(double)) :
					     NULL;
		if (field == NULL || (solver->repeat > 1 && other == NULL))
			failure_set(
				&failure, EXIT_RUNTIME,
				"no memory for the whole field of %zu cells",
				cells);
	}
	code = failure_agree(solver->comm, &failure);
	if (code != EXIT_OK) {
		free(field);
		free(other);
		return code;
	}
	*ret_field = field;
	*ret_other = other;
	return EXIT_OK;
}

int solver_run(const struct solver *solver, const struct halo_ops *ops,
	       struct outcome *ret_outcome)
{
	size_t bytes = (size_t)solver->plate->cells_x *
		       (size_t)solver->plate->cells_y * sizeof(double);
	struct outcome outcome = { .ran = true, .repeats_agree = true };
	double *other = NULL;
	struct halo *halo;
	int code;

	code = make_room(solver, &outcome.field, &other);
	if (code != EXIT_OK)
		return code;

	MPI_Barrier(solver->comm);
	outcome.before = pins_read();
	/* No rank attaches before all have looked. */
	MPI_Barrier(solver->comm);
	code = ops->open(solver->comm, solver->grid, solver->patience, &halo);
	if (code != EXIT_OK)
		goto err_free;

	for (int i = 0; i < solver->repeat; i++) {
		struct timing timing = run_steps(solver, halo);
		double slowest = timing.total;

		MPI_Allreduce(MPI_IN_PLACE, &slowest, 1, MPI_DOUBLE, MPI_MAX,
			      solver->comm);
		if (i == 0 || slowest < outcome.slowest) {
			outcome.slowest = slowest;
			outcome.total = timing.total;
			outcome.halo = timing.halo;
		}
		gather(solver, i == 0 ? outcome.field : other);
		if (i > 0 && other != NULL &&
		    memcmp(outcome.field, other, bytes) != 0)
			outcome.repeats_agree = false;
	}

	outcome.during = pins_read();
	MPI_Barrier(solver->comm);
	outcome.setup = halo->setup;
	ops->close(halo);
	free(other);
	*ret_outcome = outcome;
	return EXIT_OK;

err_free:
	free(other);
	free(outcome.field);
	return code;
}
