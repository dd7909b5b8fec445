/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * main() of a Check program.
 *
 * Each test runs in a process of its own (Check's default), so each finds the
 * library as a program does: nothing opened yet.  ctest picks a case by the
 * environment variable CK_RUN_CASE; a case that does not exist is an error, not
 * a success with nothing run.
 */
#ifndef CHECK_MAIN_H
#define CHECK_MAIN_H

#include <check.h>
#include <stdio.h>

static inline void add_case(Suite *suite, const char *name, const TTest *test)
{
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, 20);
	tcase_add_test(tcase, test);
	suite_add_tcase(suite, tcase);
}

static inline int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed, run;

	srunner_run_all(runner, CK_VERBOSE);
	failed = srunner_ntests_failed(runner);
	run = srunner_ntests_run(runner);
	srunner_free(runner);
	if (run == 0)
		fputs("no such test case\n", stderr);
	return failed || run == 0;
}

#endif /* CHECK_MAIN_H */
