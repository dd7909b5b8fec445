// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/cluster/zones.c: is it right about registers?  By hand, against a search through
 * all orders for small ones, and in the time it promises for large ones.
 */
#include "check_main.h"
#include "zones.h"

#include <stdlib.h>
#include <time.h>

#define OP(is_write, v, from, to) { .write = is_write, .value = v, .start = from, .end = to }
#define JUDGE(fault, ...) \
	({ \
		struct zones_op ops_[] = { __VA_ARGS__ }; \
		zones_check(ops_, sizeof(ops_) / sizeof(ops_[0]), fault); \
	})
#define GOOD(...) \
	do { \
		struct zones_fault fault_; \
		ck_assert_msg(JUDGE(&fault_, __VA_ARGS__), "%s", fault_.what); \
	} while (0)
#define BAD(why, ...) \
	do { \
		struct zones_fault fault_; \
		ck_assert(!JUDGE(&fault_, __VA_ARGS__)); \
		ck_assert_str_eq(fault_.what, why); \
	} while (0)

START_TEST(accepts)
{
	struct zones_fault fault;

	ck_assert(zones_check(NULL, 0, &fault));
	GOOD(OP(true, 1, 0, 1), OP(false, 1, 2, 3));
	GOOD(OP(false, 0, 0, 1), OP(true, 1, 2, 3), OP(false, 1, 4, 5));
	/* a read beside a write may see either */
	GOOD(OP(true, 1, 0, 10), OP(false, 0, 5, 6), OP(false, 1, 7, 8));
	GOOD(OP(true, 1, 0, 10), OP(true, 2, 0, 10), OP(false, 2, 1, 2), OP(false, 1, 3, 4));
	/* a write that was never seen to end, read much later, or not at all */
	GOOD(OP(true, 1, 0, ZONES_NEVER), OP(false, 0, 50, 60), OP(false, 1, 100, 101));
	GOOD(OP(true, 1, 0, ZONES_NEVER), OP(true, 2, 10, 11), OP(false, 2, 50, 60));
	/* equal times do not order */
	GOOD(OP(true, 1, 0, 5), OP(false, 0, 5, 6));
}
END_TEST

START_TEST(refuses_never_written)
{
	BAD("a value is read that nobody wrote", OP(true, 1, 0, 1), OP(false, 2, 2, 3));
}
END_TEST

START_TEST(refuses_written_twice)
{
	BAD("a value is written twice", OP(true, 1, 0, 1), OP(true, 1, 2, 3));
	BAD("a value is written twice", OP(true, 0, 0, 1));
}
END_TEST

START_TEST(refuses_future)
{
	BAD("a value is read before it is written", OP(false, 1, 0, 1), OP(true, 1, 2, 3));
}
END_TEST

START_TEST(refuses_stale)
{
	/* what it was at first, after a write had ended */
	BAD("an old value is read after a new one", OP(true, 1, 0, 1), OP(false, 0, 2, 3),
	    OP(false, 0, 0, 0));
	BAD("two values are there in turns", OP(true, 1, 0, 1), OP(true, 2, 2, 3),
	    OP(false, 1, 4, 5), OP(false, 2, 6, 7));
	BAD("an old value is read after a new one", OP(true, 1, 0, 1), OP(true, 2, 2, 3),
	    OP(false, 1, 4, 5));
}
END_TEST

START_TEST(refuses_turns)
{
	/* two writes at the same time, read as 1, 2, 1 */
	BAD("two values are there in turns", OP(true, 1, 0, 10), OP(true, 2, 0, 10),
	    OP(false, 1, 11, 12), OP(false, 2, 13, 14), OP(false, 1, 15, 16));
}
END_TEST

/* ------------------------------------------------ against all orders there are */

static bool search(const struct zones_op *ops, size_t n, unsigned int done, uint64_t now)
{
	if (done == (1u << n) - 1)
		return true;
	for (size_t i = 0; i < n; i++) {
		bool next = !(done >> i & 1) && (ops[i].write || ops[i].value == now);

		/* who had ended before i began is done first */
		for (size_t j = 0; next && j < n; j++)
			next = done >> j & 1 || j == i || ops[j].end >= ops[i].start;
		if (next && search(ops, n, done | 1u << i, ops[i].write ? ops[i].value : now))
			return true;
	}
	return false;
}

START_TEST(as_all_orders)
{
	unsigned int good = 0, bad = 0;

	srandom(1);
	for (int round = 0; round < 20000; round++) {
		struct zones_op ops[7];
		size_t n = 2 + (size_t)random() % 6, writes = 0;
		struct zones_fault fault;
		bool wanted;

		for (size_t i = 0; i < n; i++) {
			ops[i] = (struct zones_op){ .start = random() % 12 };
			ops[i].end = ops[i].start + random() % 6;
			ops[i].write = random() % 2;
			if (ops[i].write)
				ops[i].value = ++writes;
		}
		for (size_t i = 0; i < n; i++)
			if (!ops[i].write)
				ops[i].value = (uint64_t)random() % (writes + 1);
		wanted = search(ops, n, 0, 0);
		wanted ? good++ : bad++;
		ck_assert_int_eq(zones_check(ops, n, &fault), wanted);
		ck_assert_int_eq(!fault.what, wanted);
	}
	/* or else nothing was compared */
	ck_assert_uint_gt(good, 1000);
	ck_assert_uint_gt(bad, 1000);
}
END_TEST

START_TEST(large)
{
	static struct zones_op ops[1000000];
	const size_t n = sizeof(ops) / sizeof(ops[0]);
	struct zones_fault fault;
	clock_t before = clock();

	/* writes one after the other, each with 9 reads; then one read too late */
	for (size_t i = 0; i < n; i++)
		ops[i] = (struct zones_op){
			.write = !(i % 10),
			.value = i / 10 + 1,
			.start = (int64_t)(i * 10),
			.end = (int64_t)(i * 10 + 15),
		};
	ck_assert(zones_check(ops, n, &fault));
	for (size_t i = 0; i < n; i++)
		if (!ops[i].write && ops[i].value == 500) {
			ops[i].start += 1000;
			ops[i].end += 1000;
			break;
		}
	ck_assert(!zones_check(ops, n, &fault));
	ck_assert_double_lt((double)(clock() - before) / CLOCKS_PER_SEC, 10);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("zones");

	add_case(suite, "accepts", accepts);
	add_case(suite, "refuses_never_written", refuses_never_written);
	add_case(suite, "refuses_written_twice", refuses_written_twice);
	add_case(suite, "refuses_future", refuses_future);
	add_case(suite, "refuses_stale", refuses_stale);
	add_case(suite, "refuses_turns", refuses_turns);
	add_case(suite, "as_all_orders", as_all_orders);
	add_case(suite, "large", large);
	return run_suite(suite);
}
