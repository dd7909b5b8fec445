// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The module's reverse map (kmod/rmap.c), built for the host, against a naive
 * model: an array of pages, each with its three marks.
 */
#include "check_main.h"
#include "rmap.h"

#include <linux/slab.h>
#include <stdlib.h>
#include <string.h>

/* Pages of the model; they begin and end inside a leaf */
#define FIRST 0x7ffff7dd3UL
#define PAGES 1000UL

struct page {
	unsigned long pfn;
	bool valid, writable, external;
};

static struct xpm_rmap map;
static struct page model[PAGES];

static void set_up(void)
{
	ck_assert_int_eq(xpm_rmap_cache_create(), 0);
	xpm_rmap_init(&map);
	memset(model, 0, sizeof(model));
}

static void tear_down(void)
{
	xpm_rmap_destroy(&map);
	ck_assert_uint_eq(shim_objects, 0);
	xpm_rmap_cache_destroy();
}

static void store(unsigned long i, unsigned long pfn, bool writable)
{
	ck_assert_int_eq(xpm_rmap_reserve(&map, FIRST + i), 0);
	spin_lock(&map.lock);
	xpm_leaf_store(xpm_rmap_leaf(&map, FIRST + i), FIRST + i, pfn, writable);
	spin_unlock(&map.lock);
	model[i] = (struct page){ pfn, true, writable, model[i].external };
}

/* Maps what is VALID of [first, last], all in one leaf */
static void map_external(unsigned long first, unsigned long last)
{
	struct xpm_leaf *leaf;

	spin_lock(&map.lock);
	leaf = xpm_rmap_leaf(&map, FIRST + first);
	if (leaf)
		xpm_leaf_map_external(leaf, leaf->valid & xpm_leaf_mask(FIRST + first, FIRST + last));
	spin_unlock(&map.lock);
	for (unsigned long i = first; i <= last; i++)
		model[i].external |= model[i].valid;
}

static bool revoke(unsigned long first, unsigned long last)
{
	unsigned long from = first;
	bool external = false;

	spin_lock(&map.lock);
	while (xpm_rmap_revoke(&map, &from, last, &external))
		;
	spin_unlock(&map.lock);
	return external;
}

static void forget(unsigned long first, unsigned long last)
{
	unsigned long from = first;

	spin_lock(&map.lock);
	while (xpm_rmap_forget(&map, &from, last))
		;
	spin_unlock(&map.lock);
}

static bool is_external(unsigned long first, unsigned long last)
{
	bool external;

	spin_lock(&map.lock);
	external = xpm_rmap_is_external(&map, first, last);
	spin_unlock(&map.lock);
	return external;
}

static bool model_external(unsigned long first, unsigned long last)
{
	for (unsigned long i = first; i <= last; i++)
		if (model[i].external)
			return true;
	return false;
}

static void compare(void)
{
	size_t leaves = 0, marked = 0;
	struct xpm_leaf *leaf;
	unsigned long at;

	spin_lock(&map.lock);
	for (unsigned long i = 0; i < PAGES; i++) {
		u64 bit = xpm_leaf_bit(FIRST + i);

		leaf = xpm_rmap_leaf(&map, FIRST + i);
		/* An assertion of Check costs more than all of the map's code. */
		if ((leaf && leaf->valid & bit) != model[i].valid ||
		    (leaf && leaf->external & bit) != model[i].external)
			ck_abort_msg("page %lu has other marks than the model", i);
		if (model[i].valid &&
		    (!!(leaf->writable & bit) != model[i].writable ||
		     leaf->pfn[(FIRST + i) % XPM_LEAF_PAGES] != model[i].pfn))
			ck_abort_msg("page %lu has another frame than the model", i);
	}
	xa_for_each(&map.leaves, at, leaf) {
		leaves++;
		marked += !!(leaf->valid | leaf->external);
		/* Only a VALID page is WRITABLE. */
		ck_assert_uint_eq(leaf->writable & ~leaf->valid, 0);
	}
	spin_unlock(&map.lock);
	ck_assert_uint_eq(leaves, shim_objects);
	ck_assert_uint_ge(leaves, marked);
}

START_TEST(masks)
{
	ck_assert(xpm_leaf_mask(0, 63) == ~0ULL);
	ck_assert(xpm_leaf_mask(64, 64) == 1);
	ck_assert(xpm_leaf_mask(127, 127) == 1ULL << 63);
	ck_assert(xpm_leaf_mask(3, 5) == 0x38);
	for (unsigned long first = 0; first < 64; first++)
		for (unsigned long last = first; last < 64; last++) {
			u64 mask = 0;

			for (unsigned long i = first; i <= last; i++)
				mask |= 1ULL << i;
			ck_assert(xpm_leaf_mask(first, last) == mask);
		}
}
END_TEST

START_TEST(states)
{
	set_up();
	store(5, 500, true);
	ck_assert(!is_external(FIRST, FIRST + PAGES - 1));
	/* VALID alone: revoking leaves nothing, not even memory */
	ck_assert(!revoke(FIRST, FIRST + 10));
	ck_assert_uint_eq(shim_objects, 0);

	store(5, 501, true);
	map_external(5, 5);
	ck_assert(is_external(FIRST + 5, FIRST + 5));
	ck_assert(!is_external(FIRST + 6, FIRST + 63));
	/*
	 * An invalidation under way: a second one of the same page must see
	 * EXTERNAL too, or it would not wait for the page tables to be empty.
	 */
	ck_assert(revoke(FIRST + 5, FIRST + 5));
	ck_assert(revoke(FIRST + 5, FIRST + 5));
	ck_assert(is_external(FIRST + 5, FIRST + 5));
	forget(FIRST + 5, FIRST + 5);
	ck_assert(!is_external(FIRST, FIRST + PAGES - 1));
	ck_assert_uint_eq(shim_objects, 0);
	tear_down();
}
END_TEST

START_TEST(forget_keeps_valid)
{
	set_up();
	store(1, 100, false);
	store(2, 200, false);
	map_external(1, 2);
	ck_assert(revoke(FIRST + 1, FIRST + 1));
	/* Page 2 is mapped by attachments and nobody took it away. */
	forget(FIRST, FIRST + PAGES);
	model[1] = (struct page){ 0 };
	compare();
	ck_assert(is_external(FIRST + 2, FIRST + 2));
	tear_down();
}
END_TEST

START_TEST(whole_address_space)
{
	unsigned long last = (1UL << 52) - 1;

	set_up();
	ck_assert(!is_external(0, last));
	ck_assert(!revoke(0, last));
	forget(0, last);
	store(0, 1, false);
	map_external(0, 0);
	ck_assert(is_external(0, last));
	ck_assert(is_external(0, FIRST));
	ck_assert(!is_external(0, FIRST - 1));
	ck_assert(!is_external(FIRST + 1, last));
	ck_assert(revoke(0, last));
	forget(0, last);
	ck_assert_uint_eq(shim_objects, 0);
	tear_down();
}
END_TEST

/* More leaves than one piece of revoke and forget takes */
START_TEST(pieces)
{
	unsigned long leaves = 2000, first, i;
	bool external = false;
	int rounds = 1;

	set_up();
	for (i = 0; i < leaves; i++) {
		ck_assert_int_eq(xpm_rmap_reserve(&map, i * XPM_LEAF_PAGES), 0);
		spin_lock(&map.lock);
		xpm_leaf_store(xpm_rmap_leaf(&map, i * XPM_LEAF_PAGES), i * XPM_LEAF_PAGES, i, true);
		/* The last one alone is seen */
		if (i == leaves - 1)
			xpm_leaf_map_external(xpm_rmap_leaf(&map, i * XPM_LEAF_PAGES), 1);
		spin_unlock(&map.lock);
	}
	first = 0;
	spin_lock(&map.lock);
	while (xpm_rmap_revoke(&map, &first, ~0UL, &external))
		rounds++;
	spin_unlock(&map.lock);
	ck_assert_int_gt(rounds, 2);
	ck_assert(external);
	ck_assert_uint_eq(shim_objects, 1);
	forget(0, ~0UL);
	ck_assert_uint_eq(shim_objects, 0);
	tear_down();
}
END_TEST

START_TEST(out_of_memory)
{
	set_up();
	for (long left = 0; left < 2; left++) {
		shim_allocations_left = left;
		ck_assert_int_eq(xpm_rmap_reserve(&map, FIRST), -ENOMEM);
		ck_assert_uint_eq(shim_objects, 0);
	}
	shim_allocations_left = 2;
	ck_assert_int_eq(xpm_rmap_reserve(&map, FIRST), 0);
	/* It is there: no memory needed */
	ck_assert_int_eq(xpm_rmap_reserve(&map, FIRST), 0);
	ck_assert_uint_eq(shim_objects, 1);
	tear_down();
}
END_TEST

static void random_walk(unsigned int seed)
{
	set_up();
	srandom(seed);
	for (int round = 0; round < 2000; round++) {
		unsigned long first = (unsigned long)random() % PAGES;
		unsigned long last = first + (unsigned long)random() % (PAGES - first);
		unsigned long leaf_last;

		switch (random() % 6) {
		case 0:
		case 1:
			for (unsigned long i = first; i <= last && i < first + 40; i++)
				/* Nothing becomes VALID that is being taken away. */
				if (!model[i].external || model[i].valid)
					store(i, (unsigned long)random(), random() % 2);
			break;
		case 2:
			leaf_last = (FIRST + first) | (XPM_LEAF_PAGES - 1);
			if (FIRST + last > leaf_last)
				last = leaf_last - FIRST;
			map_external(first, last);
			break;
		case 3:
			ck_assert_int_eq(is_external(FIRST + first, FIRST + last),
					 model_external(first, last));
			break;
		case 4:
			ck_assert_int_eq(revoke(FIRST + first, FIRST + last),
					 model_external(first, last));
			for (unsigned long i = first; i <= last; i++)
				model[i].valid = model[i].writable = false;
			break;
		case 5:
			forget(FIRST + first, FIRST + last);
			for (unsigned long i = first; i <= last; i++)
				if (!model[i].valid)
					model[i].external = false;
			break;
		}
		if (round % 20 == 0)
			compare();
	}
	compare();
	revoke(0, ~0UL);
	forget(0, ~0UL);
	ck_assert_uint_eq(shim_objects, 0);
	tear_down();
}

START_TEST(random_against_model)
{
	for (unsigned int seed = 1; seed <= 10; seed++)
		random_walk(seed);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rmap");

	add_case(suite, "masks", masks);
	add_case(suite, "states", states);
	add_case(suite, "forget_keeps_valid", forget_keeps_valid);
	add_case(suite, "whole_address_space", whole_address_space);
	add_case(suite, "pieces", pieces);
	add_case(suite, "out_of_memory", out_of_memory);
	add_case(suite, "random_against_model", random_against_model);
	return run_suite(suite);
}
