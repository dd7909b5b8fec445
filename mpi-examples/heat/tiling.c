// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tiling: division of the plate's cells among the ranks; see tiling.h. A tile
 * made by tiling_tile() from a tiling of tiling_choose() is never empty.
 */
#include "tiling.h"

/* Where part `index` of `parts` begins; index == parts gives the end. */
static int part_begin(int cells, int parts, int index)
{
	int longer = cells % parts;

	return index * (cells / parts) + (index < longer ? index : longer);
}

static int part_of(int cells, int parts, int at)
{
	int low = 0;
	int high = parts - 1;

	while (low < high) {
		int middle = (low + high + 1) / 2;

		if (part_begin(cells, parts, middle) <= at)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

bool tiling_choose(int cells_x, int cells_y, int ranks,
		   struct tiling *ret_tiling)
{
	long best = -1;

	for (int across = ranks; across >= 1; across--) {
		int down = ranks / across;
		long cut;

		if (across * down != ranks || across > cells_x ||
		    down > cells_y)
			continue;
		cut = (long)(across - 1) * cells_y + (long)(down - 1) * cells_x;
		if (best >= 0 && cut >= best)
			continue;
		best = cut;
		*ret_tiling = (struct tiling){
			.cells_x = cells_x,
			.cells_y = cells_y,
			.across = across,
			.down = down,
		};
	}
	return best >= 0;
}

struct tile tiling_tile(const struct tiling *tiling, int rank)
{
	int column = rank % tiling->across;
	int row = rank / tiling->across;
	struct tile tile = {
		.x0 = part_begin(tiling->cells_x, tiling->across, column),
		.y0 = part_begin(tiling->cells_y, tiling->down, row),
	};

	tile.nx = part_begin(tiling->cells_x, tiling->across, column + 1) -
		  tile.x0;
	tile.ny = part_begin(tiling->cells_y, tiling->down, row + 1) - tile.y0;
	tile.neighbour[WEST] = column > 0 ? rank - 1 : -1;
	tile.neighbour[EAST] = column + 1 < tiling->across ? rank + 1 : -1;
	tile.neighbour[NORTH] = row > 0 ? rank - tiling->across : -1;
	tile.neighbour[SOUTH] = row + 1 < tiling->down ? rank + tiling->across :
							 -1;
	return tile;
}

int tiling_owner(const struct tiling *tiling, int x, int y)
{
	return part_of(tiling->cells_y, tiling->down, y) * tiling->across +
	       part_of(tiling->cells_x, tiling->across, x);
}
