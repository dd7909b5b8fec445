// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * halo_mpi: the borders travel as messages.
 *
 * What there is to send and where it goes never changes, so each of the two
 * fields has a set of persistent requests, made once: a receive into the ghost
 * cells and a send of the border cells for each neighbour. A step starts one
 * set and waits for it. A column is not contiguous; MPI packs and unpacks it
 * by a vector type.
 */
#include "halo.h"

#include <stdlib.h>

#define REQUESTS_MAX (2 * SIDE_MAX)

struct halo_messages {
	struct halo halo;
	MPI_Datatype row, column;
	MPI_Request request[2][REQUESTS_MAX];
	int requests;
};

/* A message is named after the side it leaves through. */
static const enum side opposite[SIDE_MAX] = {
	[WEST] = EAST,
	[EAST] = WEST,
	[NORTH] = SOUTH,
	[SOUTH] = NORTH,
};

static struct halo_messages *to_messages(struct halo *halo)
{
	return (struct halo_messages *)halo;
}

/* The first border cell (or, `beyond` it, ghost cell) on a side. */
static double *side_begin(const struct grid *grid, int parity, enum side side,
			  int beyond)
{
	const struct tile *tile = &grid->tile;
	int x = 0;
	int y = 0;

	switch (side) {
	case WEST:
		x = 0 - beyond;
		break;
	case EAST:
		x = tile->nx - 1 + beyond;
		break;
	case NORTH:
		y = 0 - beyond;
		break;
	default:
		y = tile->ny - 1 + beyond;
		break;
	}
	return grid_field(grid, parity) + grid_at(grid, x, y);
}

static void make_requests(struct halo_messages *m, int parity)
{
	const struct grid *grid = m->halo.grid;
	int count = 0;

	for (enum side side = 0; side < SIDE_MAX; side++) {
		int other = grid->tile.neighbour[side];
		MPI_Datatype type = side <= EAST ? m->column : m->row;

		if (other < 0)
			continue;
		MPI_Recv_init(side_begin(grid, parity, side, 1), 1, type, other,
			      (int)opposite[side], m->halo.comm,
			      &m->request[parity][count++]);
		MPI_Send_init(side_begin(grid, parity, side, 0), 1, type, other,
			      (int)side, m->halo.comm,
			      &m->request[parity][count++]);
	}
	m->requests = count;
}

static int messages_open(MPI_Comm comm, struct grid *grid, double patience,
			 struct halo **ret_halo)
{
	struct failure failure = { 0 };
	struct halo_messages *m = calloc(1, sizeof(*m));
	int code;

	if (m == NULL)
		failure_set(&failure, EXIT_RUNTIME, "no memory for the halo");
	code = failure_agree(comm, &failure);
	if (code != EXIT_OK) {
		free(m);
		return code;
	}

	m->halo = (struct halo){
		.ops = &halo_mpi,
		.comm = comm,
		.grid = grid,
		.patience = patience,
	};
	MPI_Comm_rank(comm, &m->halo.rank);
	for (int side = 0; side < SIDE_MAX; side++)
		m->halo.setup.attached[side] = -1;

	m->halo.setup.make = -MPI_Wtime();
	MPI_Type_contiguous(grid->tile.nx, MPI_DOUBLE, &m->row);
	MPI_Type_vector(grid->tile.ny, 1, (int)grid->stride, MPI_DOUBLE,
			&m->column);
	MPI_Type_commit(&m->row);
	MPI_Type_commit(&m->column);
	for (int parity = 0; parity < 2; parity++)
		make_requests(m, parity);
	m->halo.setup.make += MPI_Wtime();
	*ret_halo = &m->halo;
	return EXIT_OK;
}

static void messages_start(struct halo *halo)
{
	(void)halo;
}

static void messages_exchange(struct halo *halo, long step)
{
	struct halo_messages *m = to_messages(halo);

	MPI_Startall(m->requests, m->request[step & 1]);
	MPI_Waitall(m->requests, m->request[step & 1], MPI_STATUSES_IGNORE);
}

static void messages_close(struct halo *halo)
{
	struct halo_messages *m = to_messages(halo);

	for (int parity = 0; parity < 2; parity++)
		for (int i = 0; i < m->requests; i++)
			MPI_Request_free(&m->request[parity][i]);
	MPI_Type_free(&m->row);
	MPI_Type_free(&m->column);
	free(m);
}

const struct halo_ops halo_mpi = {
	.name = "mpi",
	.title = "MPI messages",
	.open = messages_open,
	.start = messages_start,
	.exchange = messages_exchange,
	.close = messages_close,
};
