// SPDX-License-Identifier: GPL-2.0-or-later
/* What is known of an owner's pages: their traps, and which are of hugetlb. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "check_main.h"
#include "traps.h"

#define PAGES	(3 * 4096ull)
#define EDGE	4096ull		/* of what is allocated at a time */

START_TEST(traps_and_hugetlb_are_apart)
{
	struct xpmd_traps *traps = xpmd_traps_new(PAGES);

	ck_assert(!xpmd_traps_is_huge(traps, EDGE));
	ck_assert_int_eq(xpmd_traps_set_huge(traps, EDGE - 100, 512, false), 0);
	ck_assert_int_eq(xpmd_traps_set_huge(traps, EDGE - 100, 512, true), 0);
	for (uint64_t page = EDGE - 200; page < EDGE + 600; page++) {
		ck_assert_int_eq(xpmd_traps_is_huge(traps, page),
				 page >= EDGE - 100 && page < EDGE + 412);
		ck_assert_int_eq(xpmd_traps_get(traps, page), XPMD_TRAP_NONE);
	}
	ck_assert_int_eq(xpmd_traps_set(traps, EDGE - 1, 2, XPMD_TRAP_SHARED), 0);
	ck_assert_int_eq(xpmd_traps_get(traps, EDGE), XPMD_TRAP_SHARED);
	ck_assert(xpmd_traps_is_huge(traps, EDGE));
	xpmd_traps_change(traps, 0, PAGES, XPMD_TRAP_SHARED, XPMD_TRAP_AWAY);
	ck_assert_int_eq(xpmd_traps_get(traps, EDGE - 1), XPMD_TRAP_AWAY);
	ck_assert_int_eq(xpmd_traps_get(traps, EDGE - 2), XPMD_TRAP_NONE);
	ck_assert(xpmd_traps_is_huge(traps, EDGE - 1));
	xpmd_traps_set(traps, EDGE, 1, XPMD_TRAP_NONE);
	ck_assert(xpmd_traps_is_huge(traps, EDGE));
	ck_assert_int_eq(xpmd_traps_set_huge(traps, 0, PAGES, false), 0);
	ck_assert(!xpmd_traps_is_huge(traps, EDGE));
	ck_assert_int_eq(xpmd_traps_get(traps, EDGE - 1), XPMD_TRAP_AWAY);
	ck_assert(!xpmd_traps_is_huge(traps, PAGES));
	xpmd_traps_free(traps);
}
END_TEST

#define ROUNDS	100000

static void *learn(void *of)
{
	for (int i = 0; i < ROUNDS; i++)
		if (xpmd_traps_set_huge(of, EDGE - 1, 2, i % 2) < 0)
			abort();
	return NULL;
}

/* One thread learns what the memory is while another one changes the traps. */
START_TEST(two_threads)
{
	struct xpmd_traps *traps = xpmd_traps_new(PAGES);
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, learn, traps), 0);
	for (int i = 0; i < ROUNDS; i++) {
		enum xpmd_trap trap = i % 2 ? XPMD_TRAP_SHARED : XPMD_TRAP_AWAY;

		ck_assert_int_eq(xpmd_traps_set(traps, EDGE - 1, 2, trap), 0);
		ck_assert_int_eq(xpmd_traps_get(traps, EDGE - 1), trap);
		ck_assert_int_eq(xpmd_traps_get(traps, EDGE), trap);
	}
	pthread_join(thread, NULL);
	ck_assert(xpmd_traps_is_huge(traps, EDGE - 1) && xpmd_traps_is_huge(traps, EDGE));
	xpmd_traps_free(traps);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("traps");

	add_case(suite, "traps_and_hugetlb_are_apart", traps_and_hugetlb_are_apart);
	add_case(suite, "two_threads", two_threads);
	return run_suite(suite);
}
