// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/model/conform.c: a trace as the protocol makes it is accepted, each that it
 * can't make is refused where it goes wrong.
 */
#include "check_main.h"
#include "conform.h"

#include <stdlib.h>
#include <string.h>

/* The number of the line that is refused, from 1; 0: none */
static int refused_at(struct conform *conform, const char *trace, char why[CONFORM_WHY])
{
	char *copy = strdup(trace), *rest = copy, *line;
	int number = 0;

	while ((line = strsep(&rest, "\n")) && *line) {
		number++;
		if (!conform_line(conform, line, why)) {
			free(copy);
			return number;
		}
	}
	free(copy);
	return 0;
}

static void accepted(const char *trace)
{
	struct conform *conform = conform_new();
	char why[CONFORM_WHY] = "";
	int at = refused_at(conform, trace, why);

	ck_assert_msg(!at, "line %d: %s", at, why);
	conform_free(conform);
}

static void refused(int line, const char *reason, const char *trace)
{
	struct conform *conform = conform_new();
	char why[CONFORM_WHY] = "";

	ck_assert_int_eq(refused_at(conform, trace, why), line);
	ck_assert_msg(strstr(why, reason), "\"%s\" is not in \"%s\"", reason, why);
	conform_free(conform);
}

/* One daemon's trace with every transition of the tables */
static const char everything[] =
	"1 home 0 0 start 0\n"
	"1 replica 0 0 start 0\n"
	"2 home 0 0 renew 2\n"
	"3 home 8000000000001 5 grant-shared 2\n"
	"4 home 8000000000001 5 grant-shared 3\n"
	/* 3 stores: the other is taken */
	"5 home 8000000000001 5 take 2\n"
	"6 home 8000000000001 5 taken 2\n"
	"7 home 8000000000001 5 grant-exclusive 3\n"
	"7 home 8000000000001 5 grant-exclusive 3\n"
	/* the owner loads: it stays SHARED there */
	"8 home 8000000000001 5 take 3\n"
	"9 home 8000000000001 5 taken 3\n"
	"10 home 8000000000001 5 grant-shared 2\n"
	/* the kernel changes it; 3 does not answer */
	"11 home 8000000000001 5 recall 0\n"
	"12 home 8000000000001 5 take 2\n"
	"12 home 8000000000001 5 take 3\n"
	"13 home 8000000000001 5 taken 2\n"
	"14 home 0 0 evict 3\n"
	"14 home 8000000000001 5 lost 3\n"
	"15 home 8000000000001 5 recalled 0\n"
	"16 home 8000000000001 5 grant-exclusive 2\n"
	"17 home 8000000000001 5 give 2\n"
	"18 home 8000000000001 5 grant-shared 3\n"
	"20 replica 10000000000001 7 grant-shared 2\n"
	"21 replica 10000000000001 7 grant-exclusive 2\n"
	"22 replica 10000000000001 7 take 2\n"
	"23 replica 10000000000001 7 take 2\n"
	"24 replica 10000000000001 7 grant-exclusive 2\n"
	"25 replica 10000000000001 7 give 2\n"
	"26 replica 10000000000001 7 grant-exclusive 2\n"
	"27 replica 10000000000001 7 reclaim 2\n"
	"28 replica 10000000000001 7 refused 2\n"
	"29 replica 10000000000001 7 grant-shared 2\n"
	"30 replica 0 0 fence 2\n"
	"31 replica 10000000000001 7 grant-shared 2\n"
	"31 replica 0 0 renew 2\n"
	/* another life of the daemon */
	"40 home 0 0 start 0\n"
	"41 home 8000000000001 6 reclaim 2\n"
	"42 home 8000000000001 7 lost 0\n";

START_TEST(accepts_everything)
{
	struct conform *conform = conform_new();
	char why[CONFORM_WHY] = "";
	const uint64_t *used;
	size_t home, replica;
	int at = refused_at(conform, everything, why);

	ck_assert_msg(!at, "line %d: %s", at, why);
	/* or else a row of the tables is not shown to be of use */
	used = conform_used(conform, &home, &replica);
	for (size_t i = 0; i < home + replica; i++)
		ck_assert_msg(used[i], "row %zu", i);
	conform_free(conform);
}
END_TEST

START_TEST(accepts_unknown_beginning)
{
	/* an earlier daemon granted it */
	accepted("1 replica 10000000000001 7 take 2\n");
	accepted("1 replica 10000000000001 7 give 2\n");
	/* what was EXCLUSIVE may have been left SHARED, or not */
	accepted("1 home 1 0 grant-exclusive 2\n2 home 1 0 take 2\n3 home 1 0 taken 2\n"
		 "4 home 1 0 take 2\n");
	accepted("1 home 1 0 grant-exclusive 2\n2 home 1 0 take 2\n3 home 1 0 taken 2\n"
		 "4 home 1 0 grant-exclusive 3\n");
}
END_TEST

START_TEST(refuses_two_writers)
{
	refused(2, "partition 2 has it, too",
		"1 home 1 0 grant-exclusive 2\n2 home 1 0 grant-exclusive 3\n");
	refused(2, "partition 2 has it, too",
		"1 home 1 0 grant-shared 2\n2 home 1 0 grant-exclusive 3\n");
}
END_TEST

START_TEST(refuses_reader_beside_writer)
{
	refused(2, "partition 2 has it EXCLUSIVE",
		"1 home 1 0 grant-exclusive 2\n2 home 1 0 grant-shared 3\n");
}
END_TEST

START_TEST(refuses_grant_while_taking)
{
	refused(3, "being taken from partition 2",
		"1 home 1 0 grant-shared 2\n2 home 1 0 take 2\n3 home 1 0 grant-shared 3\n");
}
END_TEST

START_TEST(refuses_grant_in_recall)
{
	refused(2, "being recalled", "1 home 1 0 recall 0\n2 home 1 0 grant-shared 3\n");
}
END_TEST

START_TEST(refuses_recall_too_early)
{
	refused(4, "partition 2 has not given it",
		"1 home 1 0 grant-shared 2\n2 home 1 0 recall 0\n3 home 1 0 take 2\n"
		"4 home 1 0 recalled 0\n5 home 1 0 taken 2\n");
	refused(1, "not being recalled", "1 home 1 0 recalled 0\n");
}
END_TEST

START_TEST(refuses_recall_of_somebodys)
{
	refused(3, "partition 2 still has it",
		"1 home 1 0 grant-shared 2\n2 home 1 0 recall 0\n3 home 1 0 recalled 0\n");
}
END_TEST

START_TEST(refuses_takes)
{
	refused(2, "not being taken", "1 home 1 0 grant-shared 2\n2 home 1 0 taken 2\n");
	refused(3, "being taken already",
		"1 home 1 0 grant-shared 2\n2 home 1 0 take 2\n3 home 1 0 take 2\n");
	/* from whom has not got it */
	refused(4, "partition 2 has NONE",
		"1 home 1 0 grant-shared 2\n2 home 1 0 take 2\n3 home 1 0 taken 2\n"
		"4 home 1 0 take 2\n");
}
END_TEST

START_TEST(refuses_give_of_shared)
{
	refused(2, "partition 2 has SHARED", "1 home 1 0 grant-shared 2\n2 home 1 0 give 2\n");
	refused(3, "partition 2 has NONE",
		"1 home 1 0 grant-exclusive 2\n2 home 1 0 give 2\n3 home 1 0 give 2\n");
	refused(2, "partition 2 has SHARED",
		"1 replica 1 0 grant-shared 2\n2 replica 1 0 give 2\n");
}
END_TEST

START_TEST(refuses_after_eviction)
{
	refused(3, "partition 2 has NONE",
		"1 home 1 0 grant-exclusive 2\n2 home 0 0 evict 2\n3 home 1 0 give 2\n");
	refused(3, "partition 2 has NONE",
		"1 replica 1 0 grant-exclusive 2\n2 replica 0 0 fence 2\n3 replica 1 0 give 2\n");
}
END_TEST

START_TEST(refuses_second_claim)
{
	refused(2, "partition 3 has NONE", "1 home 1 0 reclaim 2\n2 home 1 0 reclaim 3\n");
	refused(3, "partition 2 has NONE",
		"1 home 1 0 grant-exclusive 2\n2 home 1 0 give 2\n3 home 1 0 reclaim 2\n");
}
END_TEST

START_TEST(refuses_lost_of_somebodys)
{
	refused(2, "partition 2 has it", "1 home 1 0 grant-shared 2\n2 home 1 0 lost 0\n");
}
END_TEST

START_TEST(refuses_install_over_exclusive)
{
	refused(2, "partition 2 has EXCLUSIVE",
		"1 replica 1 0 grant-exclusive 2\n2 replica 1 0 grant-shared 2\n");
}
END_TEST

START_TEST(refuses_what_is_no_trace)
{
	refused(1, "no such event", "1 home 1 0 borrow 2\n");
	refused(1, "no such side", "1 away 1 0 take 2\n");
	refused(1, "not a line", "1 home 1 0 take\n");
	refused(1, "not a line", "1 home 1 0 take 2 3\n");
	refused(1, "no partition 0", "1 home 1 0 take 0\n");
	refused(1, "no such event", "1 replica 1 0 recall 2\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conform");

	add_case(suite, "accepts_everything", accepts_everything);
	add_case(suite, "accepts_unknown_beginning", accepts_unknown_beginning);
	add_case(suite, "refuses_two_writers", refuses_two_writers);
	add_case(suite, "refuses_reader_beside_writer", refuses_reader_beside_writer);
	add_case(suite, "refuses_grant_while_taking", refuses_grant_while_taking);
	add_case(suite, "refuses_grant_in_recall", refuses_grant_in_recall);
	add_case(suite, "refuses_recall_too_early", refuses_recall_too_early);
	add_case(suite, "refuses_recall_of_somebodys", refuses_recall_of_somebodys);
	add_case(suite, "refuses_takes", refuses_takes);
	add_case(suite, "refuses_give_of_shared", refuses_give_of_shared);
	add_case(suite, "refuses_after_eviction", refuses_after_eviction);
	add_case(suite, "refuses_second_claim", refuses_second_claim);
	add_case(suite, "refuses_lost_of_somebodys", refuses_lost_of_somebodys);
	add_case(suite, "refuses_install_over_exclusive", refuses_install_over_exclusive);
	add_case(suite, "refuses_what_is_no_trace", refuses_what_is_no_trace);
	return run_suite(suite);
}
