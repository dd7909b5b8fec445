// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * grid: memory, coefficients and stencil; grid.h has the layout and the reason
 * why the result does not depend on the tiling.
 *
 * The stencil is the explicit finite-volume scheme. Between two cells the
 * conductivity is the harmonic mean, which keeps the flow right where copper
 * meets plastic; towards a fixed edge only half a cell lies in the way; an
 * insulated edge conducts nothing. The scheme is stable while no cell gives
 * away more in a step than it has, which bounds the time step.
 */
#include "grid.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The step that `timestep auto` takes, as a part of the largest stable one. */
#define TIMESTEP_SHARE 0.9

#define MM 1e-3

static size_t round_up(size_t value, size_t unit)
{
	return (value + unit - 1) / unit * unit;
}

/* The tile's index range of an area, ghosts included; may be empty. */
static struct area area_in_tile(const struct area *area,
				const struct tile *tile)
{
	struct area in = {
		.x0 = area->x0 - tile->x0,
		.x_end = area->x_end - tile->x0,
		.y0 = area->y0 - tile->y0,
		.y_end = area->y_end - tile->y0,
	};

	if (in.x0 < -1)
		in.x0 = -1;
	if (in.y0 < -1)
		in.y0 = -1;
	if (in.x_end > tile->nx + 1)
		in.x_end = tile->nx + 1;
	if (in.y_end > tile->ny + 1)
		in.y_end = tile->ny + 1;
	return in;
}

static void paint_materials(const struct grid *grid, const struct plate *plate,
			    unsigned char *material)
{
	size_t cells = grid->stride * (size_t)(grid->tile.ny + 2);

	memset(material, plate->background, cells);
	for (int i = 0; i < plate->patch_count; i++) {
		struct area in =
			area_in_tile(&plate->patches[i].area, &grid->tile);

		for (int y = in.y0; y < in.y_end; y++)
			for (int x = in.x0; x < in.x_end; x++)
				material[grid_at(grid, x, y)] =
					(unsigned char)plate->patches[i]
						.material;
	}
}

static double heat_capacity(const struct material *material)
{
	return material->density * material->specific_heat;
}

/*
 * Kelvin a second for each kelvin of difference, through a side of a cell of
 * length `across` in that direction.
 */
static double side_rate(const struct plate *plate, int here, int there,
			bool at_edge, const struct edge *edge, double across)
{
	const struct material *mine = &plate->materials[here];
	double a = mine->conductivity;
	double b = plate->materials[there].conductivity;
	double conductivity;

	if (at_edge)
		conductivity = edge->fixed ? 2.0 * a : 0.0;
	else
		conductivity = 2.0 * a * b / (a + b);
	return conductivity / (across * across * heat_capacity(mine));
}

/* Fills the coefficients with rates, a second; returns the largest sum. */
static double fill_rates(struct grid *grid, const struct plate *plate,
			 const unsigned char *material)
{
	const struct tile *tile = &grid->tile;
	struct coefficients *c = &grid->c;
	double dx = plate->width * MM / plate->cells_x;
	double dy = plate->height * MM / plate->cells_y;
	double thickness = plate->thickness * MM;
	double largest = 0.0;

	for (int y = 0; y < tile->ny; y++) {
		for (int x = 0; x < tile->nx; x++) {
			size_t at = grid_at(grid, x, y);
			int here = material[at];
			const size_t there[SIDE_MAX] = {
				[WEST] = at - 1,
				[EAST] = at + 1,
				[NORTH] = at - grid->stride,
				[SOUTH] = at + grid->stride,
			};
			const bool at_edge[SIDE_MAX] = {
				[WEST] = tile->x0 + x == 0,
				[EAST] = tile->x0 + x == plate->cells_x - 1,
				[NORTH] = tile->y0 + y == 0,
				[SOUTH] = tile->y0 + y == plate->cells_y - 1,
			};
			double sum;

			c->air[at] = plate->cooling /
				     (thickness *
				      heat_capacity(&plate->materials[here]));
			sum = c->air[at];
			for (int side = 0; side < SIDE_MAX; side++) {
				double rate = side_rate(plate, here,
							material[there[side]],
							at_edge[side],
							&plate->edges[side],
							side <= EAST ? dx : dy);

				c->side[side][at] = rate;
				sum += rate;
			}
			if (sum > largest)
				largest = sum;
		}
	}

	for (int i = 0; i < plate->source_count; i++) {
		const struct source *source = &plate->sources[i];
		const struct area *area = &source->area;
		struct area in = area_in_tile(area, tile);
		double cells = (double)(area->x_end - area->x0) *
			       (area->y_end - area->y0);
		double density = source->watts / (cells * dx * dy * thickness);

		for (int y = in.y0; y < in.y_end; y++) {
			for (int x = in.x0; x < in.x_end; x++) {
				size_t at = grid_at(grid, x, y);

				c->source[at] +=
					density /
					heat_capacity(
						&plate->materials[material[at]]);
			}
		}
	}
	return largest;
}

static void scale_rates(struct grid *grid)
{
	size_t cells = grid->stride * (size_t)(grid->tile.ny + 2);
	struct coefficients *c = &grid->c;

	for (size_t at = 0; at < cells; at++) {
		for (int side = 0; side < SIDE_MAX; side++)
			c->side[side][at] *= grid->timestep;
		c->air[at] *= grid->timestep;
		c->source[at] *= grid->timestep;
	}
}

/* All ranks have the same `largest` and so come to the same result. */
static void choose_timestep(struct grid *grid, const struct plate *plate,
			    const char *plate_name, double largest,
			    struct failure *failure)
{
	double stable = largest > 0.0 ? 1.0 / largest : INFINITY;

	if (plate->timestep > 0.0) {
		grid->timestep = plate->timestep * MM;
		if (grid->timestep > stable)
			failure_set(
				failure, EXIT_INPUT,
				"%s:%d: timestep %g ms is not stable on this plate, the limit is %g ms",
				plate_name, plate->timestep_line,
				plate->timestep, stable / MM);
		return;
	}
	if (isinf(stable))
		failure_set(
			failure, EXIT_INPUT,
			"%s:%d: timestep auto: no heat flows on this plate, so nothing bounds the step",
			plate_name, plate->timestep_line);
	grid->timestep = TIMESTEP_SHARE * stable;
}

static int allocate(struct grid *grid, struct failure *failure)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t cells = grid->stride * (size_t)(grid->tile.ny + 2);
	size_t field = round_up(cells * sizeof(double), page);
	void *block;
	double *c;

	grid->field_offset[0] = round_up(sizeof(struct grid_head), page);
	grid->field_offset[1] = grid->field_offset[0] + field;
	grid->bytes = grid->field_offset[1] + field;

	c = calloc(cells * (SIDE_MAX + 2), sizeof(double));
	if (c == NULL)
		return failure_set(failure, EXIT_RUNTIME,
				   "no memory for %zu cells", cells);
	for (int side = 0; side < SIDE_MAX; side++)
		grid->c.side[side] = c + cells * (size_t)side;
	grid->c.air = c + cells * SIDE_MAX;
	grid->c.source = c + cells * (SIDE_MAX + 1);

	/* Not malloc(): a segment is whole pages and nothing else on them. */
	block = mmap(NULL, grid->bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (block == MAP_FAILED)
		return failure_set(
			failure, EXIT_RUNTIME,
			"no memory for %zu bytes of temperatures: %s",
			grid->bytes, strerror(errno));
	grid->block = block;
	return EXIT_OK;
}

int grid_create(MPI_Comm comm, const struct plate *plate,
		const char *plate_name, const struct tiling *tiling,
		struct grid *ret_grid)
{
	struct failure failure = { 0 };
	struct grid grid = { .c.ambient = plate->ambient };
	unsigned char *material = NULL;
	double largest;
	int rank, code;

	MPI_Comm_rank(comm, &rank);
	grid.tile = tiling_tile(tiling, rank);
	/* Rows begin on cache lines of their own. */
	grid.stride = round_up((size_t)grid.tile.nx + 2, 64 / sizeof(double));

	if (allocate(&grid, &failure) == EXIT_OK) {
		material = malloc(grid.stride * (size_t)(grid.tile.ny + 2));
		if (material == NULL)
			failure_set(&failure, EXIT_RUNTIME,
				    "no memory for the materials");
	}
	code = failure_agree(comm, &failure);
	if (code != EXIT_OK)
		goto err_destroy;

	paint_materials(&grid, plate, material);
	largest = fill_rates(&grid, plate, material);
	MPI_Allreduce(MPI_IN_PLACE, &largest, 1, MPI_DOUBLE, MPI_MAX, comm);
	choose_timestep(&grid, plate, plate_name, largest, &failure);
	code = failure_agree(comm, &failure);
	if (code != EXIT_OK)
		goto err_destroy;
	scale_rates(&grid);

	*grid_head(&grid) = (struct grid_head){
		.magic = GRID_MAGIC,
		.rank = rank,
		.pid = (int32_t)getpid(),
	};
	free(material);
	*ret_grid = grid;
	return EXIT_OK;

err_destroy:
	free(material);
	grid_destroy(&grid);
	return code;
}

void grid_destroy(struct grid *grid)
{
	if (grid->block != NULL)
		munmap(grid->block, grid->bytes);
	free(grid->c.side[0]);
	*grid = (struct grid){ 0 };
}

/* What lies beyond an insulated edge is multiplied by 0, but must be finite. */
static double edge_value(const struct plate *plate, enum side side)
{
	return plate->edges[side].fixed ? plate->edges[side].celsius :
					  plate->ambient;
}

void grid_reset(struct grid *grid, const struct plate *plate)
{
	const struct tile *tile = &grid->tile;
	size_t cells = grid->stride * (size_t)(tile->ny + 2);

	for (int parity = 0; parity < 2; parity++) {
		double *field = grid_field(grid, parity);

		for (size_t at = 0; at < cells; at++)
			field[at] = plate->ambient;
		for (int y = 0; y < tile->ny; y++) {
			if (tile->neighbour[WEST] < 0)
				field[grid_at(grid, -1, y)] =
					edge_value(plate, WEST);
			if (tile->neighbour[EAST] < 0)
				field[grid_at(grid, tile->nx, y)] =
					edge_value(plate, EAST);
		}
		for (int x = 0; x < tile->nx; x++) {
			if (tile->neighbour[NORTH] < 0)
				field[grid_at(grid, x, -1)] =
					edge_value(plate, NORTH);
			if (tile->neighbour[SOUTH] < 0)
				field[grid_at(grid, x, tile->ny)] =
					edge_value(plate, SOUTH);
		}
	}
}

static void step_row(double *restrict new, const double *restrict old,
		     size_t stride, const struct coefficients *c, size_t first,
		     int cells)
{
	const double *restrict north = old - stride;
	const double *restrict south = old + stride;
	const double *restrict cw = c->side[WEST] + first;
	const double *restrict ce = c->side[EAST] + first;
	const double *restrict cn = c->side[NORTH] + first;
	const double *restrict cs = c->side[SOUTH] + first;
	const double *restrict air = c->air + first;
	const double *restrict source = c->source + first;
	double ambient = c->ambient;

	for (int x = 0; x < cells; x++) {
		double t = old[x];

		new[x] = t +
			 (cw[x] * (old[x - 1] - t) + ce[x] * (old[x + 1] - t) +
			  cn[x] * (north[x] - t) + cs[x] * (south[x] - t)) +
			 (air[x] * (ambient - t) + source[x]);
	}
}

void grid_step(struct grid *grid, long step)
{
	const double *old = grid_field(grid, step);
	double *new = grid_field(grid, step + 1);

	for (int y = 0; y < grid->tile.ny; y++) {
		size_t first = grid_at(grid, 0, y);

		step_row(new + first, old + first, grid->stride, &grid->c,
			 first, grid->tile.nx);
	}
}
