// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * heat: heat flow in a plate, solved by MPI ranks that exchange halos in two
 * ways, as messages and by loads from each other's memory, and compared.
 *
 * This file holds the order of things only. Every step that can fail on one
 * rank is followed by an agreement of all (failure.h), so that all take the
 * same way through main(). Where to read on: plate (the problem), tiling (who
 * computes what), grid (memory and stencil), halo (the two ways), solver,
 * report.
 */
#include "failure.h"
#include "grid.h"
#include "halo.h"
#include "options.h"
#include "picture.h"
#include "plate.h"
#include "report.h"
#include "solver.h"
#include "tiling.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void read_file(const char *path, struct plate *ret_plate,
		      struct failure *failure)
{
	char error[FAILURE_TEXT_MAX];
	FILE *file = fopen(path, "re");

	if (file == NULL) {
		failure_set(failure, EXIT_INPUT, "%s: %s", path,
			    strerror(errno));
		return;
	}
	if (plate_read(file, path, ret_plate, error, sizeof(error)) != 0)
		failure_set(failure, EXIT_INPUT, "%s", error);
	fclose(file);
}

/* Rank 0 reads, all get the plate or the failure. */
static int read_plate(int rank, const struct options *options,
		      struct plate *ret_plate)
{
	struct failure failure = { 0 };
	int code;

	if (rank == 0)
		read_file(options->input, ret_plate, &failure);
	code = failure_agree(MPI_COMM_WORLD, &failure);
	if (code == EXIT_OK)
		MPI_Bcast(ret_plate, (int)sizeof(*ret_plate), MPI_BYTE, 0,
			  MPI_COMM_WORLD);
	return code;
}

static int lay_out(const struct plate *plate, int ranks,
		   struct tiling *ret_tiling, MPI_Comm *ret_comm)
{
	struct failure failure = { 0 };
	int sides[2];
	static const int wraps[2] = { 0, 0 };
	int code;

	if (!tiling_choose(plate->cells_x, plate->cells_y, ranks, ret_tiling))
		failure_set(
			&failure, EXIT_RANKS,
			"%d ranks can't share %d x %d cells: each layout leaves a rank without a cell",
			ranks, plate->cells_x, plate->cells_y);
	code = failure_agree(MPI_COMM_WORLD, &failure);
	if (code != EXIT_OK)
		return code;
	sides[0] = ret_tiling->down;
	sides[1] = ret_tiling->across;
	MPI_Cart_create(MPI_COMM_WORLD, 2, sides, wraps, 0, ret_comm);
	return EXIT_OK;
}

/* Files are opened before the work begins: a typing error should cost little. */
static int open_report(int rank, const struct options *options, FILE **ret_file)
{
	struct failure failure = { 0 };

	*ret_file = NULL;
	if (rank == 0 && options->report[0] != '\0') {
		*ret_file = fopen(options->report, "we");
		if (*ret_file == NULL)
			failure_set(&failure, EXIT_RUNTIME, "%s: %s",
				    options->report, strerror(errno));
	}
	return failure_agree(MPI_COMM_WORLD, &failure);
}

static void write_files(const struct options *options,
			const struct report *report, FILE *json,
			struct failure *failure)
{
	const struct plate *plate = report->plate;
	const double *field = report->field[WAY_XPMEM] != NULL ?
				      report->field[WAY_XPMEM] :
				      report->field[WAY_MPI];

	if (json != NULL) {
		report_write_json(report, json);
		fflush(json);
		if (ferror(json))
			failure_set(failure, EXIT_RUNTIME, "%s: %s",
				    options->report, strerror(errno));
	}
	if (options->image[0] != '\0' &&
	    picture_write_ppm(options->image, field, plate->cells_x,
			      plate->cells_y) != 0)
		failure_set(failure, EXIT_RUNTIME, "%s: %s", options->image,
			    strerror(errno));
	if (options->field[0] != '\0' &&
	    picture_write_raw(options->field, field, plate->cells_x,
			      plate->cells_y) != 0)
		failure_set(failure, EXIT_RUNTIME, "%s: %s", options->field,
			    strerror(errno));
}

/* Rank 0 judges and writes; all get the exit code. */
static int conclude(const struct solver *solver, const struct options *options,
		    const struct outcome outcome[WAY_MAX], FILE *json)
{
	struct failure failure = { 0 };
	struct rank_record mine = {
		.pid = (int)getpid(),
		.bytes_shared = solver->grid->bytes,
	};
	struct rank_record *records = NULL;
	int rank, ranks, code;

	MPI_Comm_rank(solver->comm, &rank);
	MPI_Comm_size(solver->comm, &ranks);
	memcpy(mine.outcome, outcome, sizeof(mine.outcome));
	if (rank == 0) {
		records = calloc((size_t)ranks, sizeof(*records));
		if (records == NULL)
			failure_set(&failure, EXIT_RUNTIME,
				    "no memory for the report");
	}
	code = failure_agree(solver->comm, &failure);
	if (code != EXIT_OK)
		return code;

	MPI_Gather(&mine, (int)sizeof(mine), MPI_BYTE, records,
		   (int)sizeof(mine), MPI_BYTE, 0, solver->comm);
	if (rank == 0) {
		struct report report = {
			.input = options->input,
			.plate = solver->plate,
			.tiling = solver->tiling,
			.steps = solver->steps,
			.repeat = solver->repeat,
			.timestep = solver->grid->timestep,
			.ranks = ranks,
			.records = records,
			.field = {
				[WAY_MPI] = outcome[WAY_MPI].field,
				[WAY_XPMEM] = outcome[WAY_XPMEM].field,
			},
		};
		bool held = report_check(&report);

		report_print(&report, stdout);
		fflush(stdout);
		write_files(options, &report, json, &failure);
		if (!held)
			failure_set(&failure, EXIT_CHECK,
				    "a check did not hold, see above");
	}
	free(records);
	return failure_agree(solver->comm, &failure);
}

static int solve(const struct options *options, const struct plate *plate,
		 const struct tiling *tiling, MPI_Comm comm, FILE *json)
{
	static const struct halo_ops *const ways[WAY_MAX] = {
		[WAY_MPI] = &halo_mpi,
		[WAY_XPMEM] = &halo_xpmem,
	};
	const bool wanted[WAY_MAX] = {
		[WAY_MPI] = options->run_mpi,
		[WAY_XPMEM] = options->run_xpmem,
	};
	struct outcome outcome[WAY_MAX];
	struct grid grid;
	struct solver solver = {
		.comm = comm,
		.plate = plate,
		.tiling = tiling,
		.grid = &grid,
		.steps = options->steps != 0 ? options->steps : plate->steps,
		.repeat = options->repeat,
		.patience = options->patience,
	};
	int code;

	memset(outcome, 0, sizeof(outcome));
	code = grid_create(comm, plate, options->input, tiling, &grid);
	if (code != EXIT_OK)
		return code;
	for (int way = 0; way < WAY_MAX && code == EXIT_OK; way++)
		if (wanted[way])
			code = solver_run(&solver, ways[way], &outcome[way]);
	if (code == EXIT_OK)
		code = conclude(&solver, options, outcome, json);
	for (int way = 0; way < WAY_MAX; way++)
		free(outcome[way].field);
	grid_destroy(&grid);
	return code;
}

static int run(int argc, char **argv)
{
	/* Too large for a stack that might be small. */
	static struct options options;
	static struct plate plate;
	struct failure failure = { 0 };
	int verdict = OPTIONS_RUN;
	struct tiling tiling;
	MPI_Comm comm;
	FILE *json;
	int rank, ranks, code;

	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);

	if (rank == 0)
		verdict = (int)options_read(argc, argv, &options);
	MPI_Bcast(&verdict, 1, MPI_INT, 0, MPI_COMM_WORLD);
	if (verdict == OPTIONS_HELP)
		return EXIT_OK;
	if (verdict == OPTIONS_WRONG)
		failure_set(&failure, EXIT_USAGE, "%s", "");
	code = failure_agree(MPI_COMM_WORLD, &failure);
	if (code != EXIT_OK)
		return code;
	MPI_Bcast(&options, (int)sizeof(options), MPI_BYTE, 0, MPI_COMM_WORLD);

	code = read_plate(rank, &options, &plate);
	if (code != EXIT_OK)
		return code;
	code = lay_out(&plate, ranks, &tiling, &comm);
	if (code != EXIT_OK)
		return code;
	code = open_report(rank, &options, &json);
	if (code == EXIT_OK)
		code = solve(&options, &plate, &tiling, comm, json);
	if (json != NULL)
		fclose(json);
	MPI_Comm_free(&comm);
	return code;
}

int main(int argc, char **argv)
{
	int code;

	MPI_Init(&argc, &argv);
	code = run(argc, argv);
	MPI_Finalize();
	return code;
}
