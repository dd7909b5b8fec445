// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * transfer: ping-pong, broadcast and allreduce between the ranks of a node, by
 * MPI and by loads from attached memory.
 *
 * This file holds the order of things only. Every step that can fail on one rank
 * is followed by an agreement of all (failure.h), so that all take the same way
 * through main(). Where to read on: operation (what and in which ways), by_share
 * and by_mpi (how), share (XPMEM), path (what Open MPI does), measure, report.
 */
#include "block.h"
#include "data.h"
#include "failure.h"
#include "measure.h"
#include "operation.h"
#include "options.h"
#include "path.h"
#include "report.h"
#include "share.h"

#include <string.h>

/* Memory is shared within a node, and a transfer takes two. */
static int check_ranks(int ranks)
{
	struct failure failure = { 0 };
	MPI_Comm node;
	int here;

	MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0,
			    MPI_INFO_NULL, &node);
	MPI_Comm_size(node, &here);
	MPI_Comm_free(&node);
	if (here != ranks)
		failure_set(
			&failure, EXIT_RANKS,
			"only %d of %d ranks run on this node; start all on one",
			here, ranks);
	if (ranks < 2)
		failure_set(
			&failure, EXIT_RANKS,
			"one rank has nobody to transfer to; start two or more");
	return failure_agree(MPI_COMM_WORLD, &failure);
}

static int measure_way(struct bench *bench, const struct options *options,
		       enum way way, struct report *report)
{
	struct share *share = NULL;
	int code = EXIT_OK;

	if (way != WAY_MPI) {
		code = share_create(bench->comm, bench->block, way,
				    options->prefault, &share);
		if (code != EXIT_OK)
			return code;
	}
	for (int i = 0; i < OPERATION_MAX; i++) {
		if (!options->operations[i])
			continue;
		bench_warm_up(bench, (enum operation)i, options->min, way,
			      share);
		for (size_t bytes = options->min;
		     bytes <= options->max && code == EXIT_OK; bytes *= 2) {
			struct result result;

			code = bench_measure(bench, (enum operation)i, bytes,
					     way, share, &result);
			if (code == EXIT_OK && bench->rank == 0)
				report_add(report, (enum operation)i, bytes,
					   way, &result);
		}
	}
	if (share != NULL)
		share_destroy(share);
	return code;
}

static int measure_all(struct bench *bench, const struct options *options)
{
	struct failure failure = { 0 };
	struct report report;
	int code;

	if (bench->rank == 0)
		report_open(options, bench->ranks, &report, &failure);
	code = failure_agree(bench->comm, &failure);
	if (code != EXIT_OK)
		return code;
	for (int way = 0; way < WAY_MAX && code == EXIT_OK; way++)
		if (options->ways[way])
			code = measure_way(bench, options, (enum way)way,
					   &report);
	if (bench->rank == 0)
		report_close(&report, &failure);
	if (code == EXIT_OK)
		code = failure_agree(bench->comm, &failure);
	return code;
}

static int with_memory(const struct options *options)
{
	struct failure failure = { 0 };
	struct bench bench;
	struct block block = { .base = NULL };
	int code;

	block_create(options->max, options->pages, &block, &failure);
	code = failure_agree(MPI_COMM_WORLD, &failure);
	if (code == EXIT_OK)
		code = bench_create(MPI_COMM_WORLD, options->repeat, &block,
				    &bench);
	if (code == EXIT_OK) {
		code = measure_all(&bench, options);
		bench_destroy(&bench);
	}
	if (block.base != NULL)
		block_destroy(&block);
	return code;
}

static int run(int argc, char **argv)
{
	/* Too large for a stack that might be small. */
	static struct options options;
	struct failure failure = { 0 };
	int verdict = OPTIONS_RUN;
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

	code = check_ranks(ranks);
	if (code == EXIT_OK && options.ways[WAY_MPI])
		code = path_check(MPI_COMM_WORLD, options.path);
	if (code == EXIT_OK)
		code = with_memory(&options);
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
