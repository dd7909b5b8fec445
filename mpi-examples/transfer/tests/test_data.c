// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Is wrong data noticed, whatever is wrong with it, and right data let pass?
 */
#include "data.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#define COUNT 4096

static double data[COUNT];

START_TEST(own_data_is_right)
{
	double expected;

	data_fill(data, COUNT, 3, 5);
	ck_assert_uint_eq(data_check(data, COUNT, 3, 3, 5, &expected), COUNT);
}
END_TEST

START_TEST(sums_are_right_in_any_order)
{
	static double part[COUNT], other[COUNT];
	double expected;

	data_fill(data, COUNT, 0, 7);
	for (int rank = 1; rank < 5; rank++) {
		data_fill(part, COUNT, rank, 7);
		for (size_t i = 0; i < COUNT; i++)
			data[i] += part[i];
	}
	ck_assert_uint_eq(data_check(data, COUNT, 0, 4, 7, &expected), COUNT);
	memset(other, 0, sizeof(other));
	for (int rank = 4; rank >= 0; rank--) {
		data_fill(part, COUNT, rank, 7);
		for (size_t i = 0; i < COUNT; i++)
			other[i] = part[i] + other[i];
	}
	ck_assert_mem_eq(data, other, sizeof(data));
}
END_TEST

START_TEST(other_ranks_and_repetitions_are_wrong)
{
	double expected;

	data_fill(data, COUNT, 1, 5);
	ck_assert_uint_eq(data_check(data, COUNT, 0, 0, 5, &expected), 0);
	ck_assert_uint_eq(data_check(data, COUNT, 1, 1, 4, &expected), 0);
	ck_assert_uint_eq(data_check(data, COUNT, 0, 1, 5, &expected), 0);
}
END_TEST

START_TEST(a_bit_and_its_place_are_told)
{
	double expected = -1.0, right;
	uint64_t before, bits;

	data_fill(data, COUNT, 0, 0);
	before = data_checksum(data, COUNT, 0);
	right = data[COUNT - 1];
	memcpy(&bits, &right, sizeof(bits));
	bits ^= 1;
	memcpy(&data[COUNT - 1], &bits, sizeof(bits));
	ck_assert_uint_eq(data_check(data, COUNT, 0, 0, 0, &expected),
			  COUNT - 1);
	ck_assert_double_eq(expected, right);
	ck_assert_uint_ne(data_checksum(data, COUNT, 0), before);
}
END_TEST

START_TEST(a_page_too_far_is_wrong)
{
	static double more[COUNT + 512];
	double expected;

	data_fill(more, COUNT + 512, 0, 0);
	ck_assert_uint_eq(data_check(more + 512, COUNT, 0, 0, 0, &expected), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("data");
	TCase *tests = tcase_create("data");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, own_data_is_right);
	tcase_add_test(tests, sums_are_right_in_any_order);
	tcase_add_test(tests, other_ranks_and_repetitions_are_wrong);
	tcase_add_test(tests, a_bit_and_its_place_are_told);
	tcase_add_test(tests, a_page_too_far_is_wrong);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
