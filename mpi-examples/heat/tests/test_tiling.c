// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of tiling: every cell has one owner, whatever the numbers, and what
 * two tiles say of each other agrees.
 */
#include "tiling.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static void check_cover(int cells_x, int cells_y, int ranks)
{
	size_t cells = (size_t)cells_x * (size_t)cells_y;
	int *owner = malloc(cells * sizeof(*owner));
	struct tiling tiling;
	int wrong = 0;

	ck_assert_ptr_nonnull(owner);
	memset(owner, -1, cells * sizeof(*owner));
	ck_assert(tiling_choose(cells_x, cells_y, ranks, &tiling));
	ck_assert_int_eq(tiling.across * tiling.down, ranks);
	for (int rank = 0; rank < ranks; rank++) {
		struct tile tile = tiling_tile(&tiling, rank);

		ck_assert_int_ge(tile.nx, 1);
		ck_assert_int_ge(tile.ny, 1);
		/* The longest side is at most one cell longer than others. */
		ck_assert_int_le(tile.nx, cells_x / tiling.across + 1);
		ck_assert_int_le(tile.ny, cells_y / tiling.down + 1);
		ck_assert_int_le(tile.x0 + tile.nx, cells_x);
		ck_assert_int_le(tile.y0 + tile.ny, cells_y);
		for (int y = tile.y0; y < tile.y0 + tile.ny; y++) {
			for (int x = tile.x0; x < tile.x0 + tile.nx; x++) {
				int *cell = &owner[y * cells_x + x];

				if (*cell != -1)
					wrong++;
				*cell = rank;
			}
		}
	}
	for (int y = 0; y < cells_y; y++)
		for (int x = 0; x < cells_x; x++)
			if (owner[y * cells_x + x] !=
			    tiling_owner(&tiling, x, y))
				wrong++;
	/* One assertion for all cells: each costs a write to Check. */
	ck_assert_int_eq(wrong, 0);
	free(owner);
}

START_TEST(every_cell_has_one_owner)
{
	static const int sides[] = { 1, 2, 3, 7, 16, 31 };
	struct tiling tiling;
	int covers = 0;

	for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
		for (size_t j = 0; j < sizeof(sides) / sizeof(sides[0]); j++) {
			for (int ranks = 1; ranks <= 17; ranks++) {
				if (!tiling_choose(sides[i], sides[j], ranks,
						   &tiling))
					continue;
				check_cover(sides[i], sides[j], ranks);
				covers++;
			}
		}
	}
	ck_assert_int_gt(covers, 200);
}
END_TEST

START_TEST(neighbours_are_mutual_and_match)
{
	static const enum side opposite[SIDE_MAX] = {
		[WEST] = EAST,
		[EAST] = WEST,
		[NORTH] = SOUTH,
		[SOUTH] = NORTH,
	};
	struct tiling tiling;

	for (int ranks = 1; ranks <= 12; ranks++) {
		ck_assert(tiling_choose(29, 23, ranks, &tiling));
		for (int rank = 0; rank < ranks; rank++) {
			struct tile tile = tiling_tile(&tiling, rank);

			for (int side = 0; side < SIDE_MAX; side++) {
				int other = tile.neighbour[side];
				struct tile back;

				if (other < 0)
					continue;
				ck_assert_int_lt(other, ranks);
				back = tiling_tile(&tiling, other);
				ck_assert_int_eq(back.neighbour[opposite[side]],
						 rank);
				if (side <= EAST)
					ck_assert_int_eq(back.ny, tile.ny);
				else
					ck_assert_int_eq(back.nx, tile.nx);
			}
			ck_assert_int_eq(tile.neighbour[WEST] < 0,
					 tile.x0 == 0);
			ck_assert_int_eq(tile.neighbour[NORTH] < 0,
					 tile.y0 == 0);
			ck_assert_int_eq(tile.neighbour[EAST] < 0,
					 tile.x0 + tile.nx == 29);
			ck_assert_int_eq(tile.neighbour[SOUTH] < 0,
					 tile.y0 + tile.ny == 23);
		}
	}
}
END_TEST

struct choice {
	int cells_x, cells_y, ranks;
	int across, down; /* 0: impossible */
};

static const struct choice choices[] = {
	{ 192, 144, 1, 1, 1 }, { 192, 144, 2, 2, 1 }, /* cut the long side */
	{ 144, 192, 2, 1, 2 }, { 100, 100, 2, 2, 1 }, /* equal: the wider one */
	{ 192, 144, 4, 2, 2 }, { 192, 144, 3, 3, 1 },
	{ 192, 144, 6, 3, 2 }, { 1000, 2, 4, 4, 1 },
	{ 3, 2, 6, 3, 2 },     { 1, 5, 5, 1, 5 },
	{ 1, 1, 2, 0, 0 },     { 3, 2, 7, 0, 0 },
	{ 4, 4, 5, 0, 0 }, /* enough cells, but 5 is prime */
	{ 4, 4, 17, 0, 0 },
};

START_TEST(fewest_cells_are_cut)
{
	const struct choice *choice = &choices[_i];
	struct tiling tiling;
	bool possible = tiling_choose(choice->cells_x, choice->cells_y,
				      choice->ranks, &tiling);

	ck_assert_int_eq(possible, choice->across != 0);
	if (!possible)
		return;
	ck_assert_int_eq(tiling.across, choice->across);
	ck_assert_int_eq(tiling.down, choice->down);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tiling");
	TCase *tcase = tcase_create("tiling");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, every_cell_has_one_owner);
	tcase_add_test(tcase, neighbours_are_mutual_and_match);
	tcase_add_loop_test(tcase, fewest_cells_are_cut, 0,
			    (int)(sizeof(choices) / sizeof(choices[0])));
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
