// SPDX-License-Identifier: GPL-2.0-or-later
/* What is known of pages, and sets of peers. */
#include "directory.h"
#include "script.h"

#include <errno.h>

START_TEST(table)
{
	struct xpmd_table t;
	struct xpmd_entry *entry;
	uint64_t page = 0, bytes;

	ck_assert_int_eq(xpmd_table_init(&t, 1ull << 35), 0);
	bytes = t.bytes;
	ck_assert_ptr_null(xpmd_table_find(&t, 5));
	ck_assert_ptr_null(xpmd_table_get(&t, 1ull << 35));
	for (uint64_t i = 1000; i < 1000 + 4096; i++) {
		entry = xpmd_table_get(&t, i);
		ck_assert_ptr_nonnull(entry);
		ck_assert_uint_eq(entry->gen, 1);
		entry->state = XPMD_SHARED;
		entry->gen = (uint32_t)i;
	}
	/* 16 bytes a page, and what is lost at both ends of the range and to the node */
	ck_assert_uint_le(t.bytes - bytes,
			  4096 * 16 + 2 * XPMD_CHUNK * 16 + sizeof(struct xpmd_node));
	entry = xpmd_table_get(&t, (1ull << 35) - 1);
	entry->state = XPMD_EXCLUSIVE;

	ck_assert_ptr_eq(xpmd_table_next(&t, &page, UINT64_MAX), xpmd_table_find(&t, 1000));
	ck_assert_uint_eq(page, 1000);
	page = 1000 + 4096;
	ck_assert_ptr_null(xpmd_table_next(&t, &page, (1ull << 35) - 1));
	ck_assert_uint_eq(page, (1ull << 35) - 1);
	ck_assert_ptr_eq(xpmd_table_next(&t, &page, UINT64_MAX), entry);

	/* Idle chunks go, and their generations are not met again. */
	xpmd_table_trim(&t);
	ck_assert_uint_eq(t.chunks, 18);
	for (uint64_t i = 1000; i < 1000 + 4096; i++)
		xpmd_table_find(&t, i)->state = XPMD_NONE;
	xpmd_table_trim(&t);
	ck_assert_uint_eq(t.chunks, 1);
	ck_assert_ptr_null(xpmd_table_find(&t, 1000));
	ck_assert_uint_eq(xpmd_table_get(&t, 1000)->gen, 1000 + 4095);
	xpmd_table_destroy(&t);
}
END_TEST

START_TEST(generations)
{
	ck_assert(xpmd_gen_after(2, 1));
	ck_assert(!xpmd_gen_after(1, 1));
	ck_assert(!xpmd_gen_after(1, 2));
	ck_assert(xpmd_gen_after(1, UINT32_MAX));
}
END_TEST

static void try_sets(uint32_t peers)
{
	struct xpmd_sets sets;
	uint32_t a = 0, b = 0, unused;

	ck_assert_int_eq(xpmd_sets_init(&sets, peers), 0);
	unused = sets.nr_free;
	for (uint32_t slot = 0; slot < peers; slot += 3)
		xpmd_set_add(&sets, &a, slot);
	ck_assert_uint_eq(xpmd_set_count(&sets, a), (peers + 2) / 3);
	for (uint32_t slot = 0; slot < peers; slot++)
		ck_assert(xpmd_set_has(&sets, a, slot) == !(slot % 3));
	ck_assert(!xpmd_set_has(&sets, a, XPMD_NOBODY) && !xpmd_set_has(&sets, a, XPMD_OWNER));
	ck_assert_uint_eq(xpmd_set_next(&sets, a, 1), 3);
	ck_assert_uint_eq(xpmd_set_next(&sets, a, peers), XPMD_NOBODY);
	for (uint32_t slot = 0; slot < peers; slot += 3)
		xpmd_set_add(&sets, &b, slot);
	ck_assert(xpmd_set_equal(&sets, a, b));
	xpmd_set_del(&sets, &b, 3);
	ck_assert(!xpmd_set_equal(&sets, a, b) && !xpmd_set_equal(&sets, a, 0));
	for (uint32_t slot = 0; slot < peers; slot++)
		xpmd_set_del(&sets, &b, slot);
	ck_assert_uint_eq(b, 0);
	xpmd_set_clear(&sets, &a);
	ck_assert_uint_eq(a, 0);
	ck_assert_uint_eq(sets.nr_free, unused);
	xpmd_sets_destroy(&sets);
}

START_TEST(peer_sets)
{
	try_sets(5);
	try_sets(32);
	try_sets(33);
	try_sets(4095);
}
END_TEST

START_TEST(peer_sets_reserved)
{
	struct xpmd_sets sets;
	uint32_t set[1000] = { 0 };

	ck_assert_int_eq(xpmd_sets_init(&sets, 100), 0);
	ck_assert_int_eq(xpmd_sets_reserve(&sets, 1000), 0);
	allocations = 0;
	counting = true;
	for (uint32_t i = 0; i < 1000; i++)
		xpmd_set_add(&sets, &set[i], i % 100);
	counting = false;
	ck_assert_uint_ge(sets.nr_free, 1000);	/* one member takes nothing */
	counting = true;
	for (uint32_t i = 0; i < 1000; i++)
		xpmd_set_add(&sets, &set[i], (i + 1) % 100);
	counting = false;
	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_uint_eq(xpmd_set_count(&sets, set[i]), 2);
	for (uint32_t i = 0; i < 1000; i++)
		xpmd_set_del(&sets, &set[i], (i + 1) % 100);
	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_uint_eq(xpmd_set_next(&sets, set[i], 0), i % 100);
	ck_assert_uint_ge(sets.nr_free, 1000);
	ck_assert_uint_eq(allocations, 0);
	xpmd_sets_destroy(&sets);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coherence_table");

	add_case(suite, "table", table);
	add_case(suite, "generations", generations);
	add_case(suite, "peer_sets", peer_sets);
	add_case(suite, "peer_sets_reserved", peer_sets_reserved);
	return run_suite(suite);
}
