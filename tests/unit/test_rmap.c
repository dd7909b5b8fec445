// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The module's reverse map (kmod/rmap.c), built for the host, against a naive
 * model: an array of pages, each with its marks.
 */
#include "check_main.h"
#include "rmap.h"
#include "stats.h"

#include <linux/slab.h>
#include <stdlib.h>
#include <string.h>

/* Pages of the model; they begin and end inside a leaf */
#define FIRST 0x7ffff7dd3UL
#define PAGES 1000UL

struct page {
	unsigned long pfn;
	bool valid, writable, external, remote, referenced, aged;
};

struct xpm_stats xpm_stats;

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
	ck_assert_int_eq(xpm_stats.count[XPM_STAT_LEAVES], 0);
	ck_assert_int_eq(shim_rcu_readers, 0);
	xpm_rmap_cache_destroy();
}

static void store(unsigned long i, unsigned long pfn, bool writable)
{
	ck_assert_int_eq(xpm_rmap_reserve(&map, FIRST + i), 0);
	spin_lock(&map.lock);
	xpm_leaf_store(xpm_rmap_leaf(&map, FIRST + i), FIRST + i, pfn, writable);
	spin_unlock(&map.lock);
	model[i].pfn = pfn;
	model[i].valid = true;
	model[i].writable = writable;
}

/* Maps what is VALID of [first, last], all in one leaf */
static void map_external(unsigned long first, unsigned long last)
{
	struct xpm_leaf *leaf;

	spin_lock(&map.lock);
	leaf = xpm_rmap_leaf(&map, FIRST + first);
	if (leaf) {
		u64 mask = leaf->valid & xpm_leaf_mask(FIRST + first, FIRST + last);

		xpm_leaf_map_external(leaf, mask);
		xpm_leaf_reference(leaf, mask);
	}
	spin_unlock(&map.lock);
	for (unsigned long i = first; i <= last; i++) {
		model[i].external |= model[i].valid;
		model[i].referenced |= model[i].valid;
	}
}

static unsigned long set_remote(unsigned long first, unsigned long last)
{
	unsigned long pages;

	spin_lock(&map.lock);
	pages = xpm_rmap_set_remote(&map, FIRST + first, FIRST + last);
	spin_unlock(&map.lock);
	return pages;
}

static unsigned int revoke(unsigned long first, unsigned long last)
{
	unsigned long from = first;
	unsigned int marks = 0;

	spin_lock(&map.lock);
	while (xpm_rmap_revoke(&map, &from, last, &marks))
		;
	spin_unlock(&map.lock);
	return marks;
}

static void forget(unsigned long first, unsigned long last, unsigned int marks)
{
	unsigned long from = first;

	spin_lock(&map.lock);
	while (xpm_rmap_forget(&map, &from, last, marks))
		;
	spin_unlock(&map.lock);
}

static void forget_all(unsigned long first, unsigned long last)
{
	forget(first, last, XPM_RMAP_EXTERNAL | XPM_RMAP_REMOTE);
}

static unsigned int marks_of(unsigned long first, unsigned long last)
{
	unsigned int marks;

	spin_lock(&map.lock);
	marks = xpm_rmap_marks(&map, first, last);
	spin_unlock(&map.lock);
	return marks;
}

static bool is_external(unsigned long first, unsigned long last)
{
	return marks_of(first, last) & XPM_RMAP_EXTERNAL;
}

static unsigned int model_marks(unsigned long first, unsigned long last)
{
	unsigned int marks = 0;

	for (unsigned long i = first; i <= last; i++)
		marks |= (model[i].external ? XPM_RMAP_EXTERNAL : 0) |
			 (model[i].remote ? XPM_RMAP_REMOTE : 0);
	return marks;
}

static bool model_young(unsigned long first, unsigned long last)
{
	for (unsigned long i = first; i <= last; i++)
		if (model[i].referenced)
			return true;
	return false;
}

/* Takes all AGED pages; the model says which they have to be. */
static void collect_aged(void)
{
	unsigned long at = 0;
	u64 mask;

	for (; (mask = xpm_rmap_next_aged(&map, &at)); at++) {
		for (; mask; mask &= mask - 1) {
			unsigned long i = (at << XPM_LEAF_SHIFT) +
					  (unsigned long)__builtin_ctzll(mask) - FIRST;

			if (i >= PAGES || !model[i].aged || model[i].referenced)
				ck_abort_msg("page %lu is not AGED, or was used since", i);
			model[i].aged = false;
		}
	}
	for (unsigned long i = 0; i < PAGES; i++) {
		if (model[i].aged && !model[i].referenced)
			ck_abort_msg("page %lu is AGED and was not found", i);
		model[i].aged = false;
	}
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
		    (leaf && leaf->external & bit) != model[i].external ||
		    (leaf && leaf->remote & bit) != model[i].remote ||
		    (leaf && (u64)atomic64_read(&leaf->referenced) & bit) != model[i].referenced ||
		    (leaf && (u64)atomic64_read(&leaf->aged) & bit) != model[i].aged)
			ck_abort_msg("page %lu has other marks than the model", i);
		if (model[i].valid &&
		    (!!(leaf->writable & bit) != model[i].writable ||
		     leaf->pfn[(FIRST + i) % XPM_LEAF_PAGES] != model[i].pfn))
			ck_abort_msg("page %lu has another frame than the model", i);
	}
	xa_for_each(&map.leaves, at, leaf) {
		leaves++;
		marked += !!(leaf->valid | leaf->external | leaf->remote);
		/* Only a VALID page is WRITABLE. */
		ck_assert_uint_eq(leaf->writable & ~leaf->valid, 0);
	}
	spin_unlock(&map.lock);
	ck_assert_uint_eq(leaves, shim_objects);
	ck_assert_uint_eq(leaves, (size_t)xpm_stats.count[XPM_STAT_LEAVES]);
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
	forget_all(FIRST + 5, FIRST + 5);
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
	forget_all(FIRST, FIRST + PAGES);
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
	forget_all(0, last);
	store(0, 1, false);
	map_external(0, 0);
	ck_assert(is_external(0, last));
	ck_assert(is_external(0, FIRST));
	ck_assert(!is_external(0, FIRST - 1));
	ck_assert(!is_external(FIRST + 1, last));
	ck_assert(revoke(0, last));
	forget_all(0, last);
	ck_assert_uint_eq(shim_objects, 0);
	tear_down();
}
END_TEST

/* More leaves than one piece of revoke and forget takes */
START_TEST(pieces)
{
	unsigned long leaves = 2000, first, i;
	unsigned int marks = 0;
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
	while (xpm_rmap_revoke(&map, &first, ~0UL, &marks))
		rounds++;
	spin_unlock(&map.lock);
	ck_assert_int_gt(rounds, 2);
	ck_assert_uint_eq(marks, XPM_RMAP_EXTERNAL);
	ck_assert_uint_eq(shim_objects, 1);
	forget_all(0, ~0UL);
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

/* A leaf without a mark is freed, and what it knew of aging with it. */
static void drop_empty_leaves(void)
{
	for (unsigned long i = 0; i < PAGES; i++) {
		unsigned long from = i, to;

		for (to = i; to < PAGES && (FIRST + to) >> XPM_LEAF_SHIFT ==
						   (FIRST + i) >> XPM_LEAF_SHIFT; to++)
			if (model[to].valid || model[to].external || model[to].remote)
				from = PAGES;
		for (; from < to; from++)
			model[from].referenced = model[from].aged = false;
		i = to - 1;
	}
}

static void forget_model(unsigned long first, unsigned long last, unsigned int marks)
{
	for (unsigned long i = first; i <= last; i++) {
		if (!model[i].valid && marks & XPM_RMAP_REMOTE)
			model[i].remote = false;
		if (!model[i].valid && marks & XPM_RMAP_EXTERNAL)
			model[i].external = model[i].referenced = false;
	}
	drop_empty_leaves();
}

static void random_walk(unsigned int seed)
{
	set_up();
	srandom(seed);
	for (int round = 0; round < 2000; round++) {
		unsigned long first = (unsigned long)random() % PAGES;
		unsigned long last = first + (unsigned long)random() % (PAGES - first);
		unsigned long leaf_last;

		switch (random() % 10) {
		case 0:
		case 1:
			for (unsigned long i = first; i <= last && i < first + 40; i++)
				/* Nothing becomes VALID that is being taken away. */
				if (!model[i].external || model[i].valid)
					store(i, (unsigned long)random(), random() % 2);
			break;
		case 2:
		case 3:
			leaf_last = (FIRST + first) | (XPM_LEAF_PAGES - 1);
			if (FIRST + last > leaf_last)
				last = leaf_last - FIRST;
			map_external(first, last);
			break;
		case 4:
			ck_assert_uint_eq(marks_of(FIRST + first, FIRST + last),
					  model_marks(first, last));
			break;
		case 5:
			ck_assert_uint_eq(revoke(FIRST + first, FIRST + last),
					  model_marks(first, last));
			for (unsigned long i = first; i <= last; i++)
				model[i].valid = model[i].writable = false;
			drop_empty_leaves();
			break;
		case 6: {
			unsigned int marks = 1 + (unsigned int)random() % 3;

			forget(FIRST + first, FIRST + last, marks);
			forget_model(first, last, marks);
			break;
		}
		case 7: {
			unsigned long pages = 0;

			for (unsigned long i = first; i <= last; i++) {
				pages += model[i].valid;
				model[i].remote |= model[i].valid;
			}
			ck_assert_uint_eq(set_remote(first, last), pages);
			break;
		}
		case 8:
			ck_assert_int_eq(xpm_rmap_is_young(&map, FIRST + first, FIRST + last),
					 model_young(first, last));
			ck_assert_int_eq(xpm_rmap_clear_young(&map, FIRST + first, FIRST + last),
					 model_young(first, last));
			for (unsigned long i = first; i <= last; i++) {
				model[i].aged |= model[i].referenced;
				model[i].referenced = false;
			}
			break;
		case 9:
			collect_aged();
			break;
		}
		if (round % 20 == 0)
			compare();
	}
	compare();
	revoke(0, ~0UL);
	forget_all(0, ~0UL);
	ck_assert_uint_eq(shim_objects, 0);
	tear_down();
}

START_TEST(remote_outlives_the_frame)
{
	set_up();
	store(3, 300, true);
	map_external(3, 3);
	ck_assert_uint_eq(set_remote(0, 10), 1);
	ck_assert_uint_eq(revoke(FIRST + 3, FIRST + 3), XPM_RMAP_EXTERNAL | XPM_RMAP_REMOTE);
	/* The copy is kept: it must hear of the next change, with no frame known. */
	forget(FIRST + 3, FIRST + 3, XPM_RMAP_EXTERNAL);
	ck_assert_uint_eq(marks_of(FIRST, FIRST + 10), XPM_RMAP_REMOTE);
	ck_assert_uint_eq(revoke(FIRST + 3, FIRST + 3), XPM_RMAP_REMOTE);
	forget(FIRST + 3, FIRST + 3, XPM_RMAP_REMOTE);
	ck_assert_uint_eq(shim_objects, 0);
	tear_down();
}
END_TEST

START_TEST(aging)
{
	unsigned long at = 0;

	set_up();
	store(1, 100, true);
	store(70, 7000, true);
	ck_assert(!xpm_rmap_is_young(&map, FIRST, FIRST + 100));
	map_external(1, 1);
	map_external(70, 70);
	ck_assert(xpm_rmap_is_young(&map, FIRST + 1, FIRST + 1));
	ck_assert(!xpm_rmap_is_young(&map, FIRST + 2, FIRST + 69));
	/* Asking does not clear; clearing tells once. */
	ck_assert(xpm_rmap_is_young(&map, FIRST, FIRST + 100));
	ck_assert(xpm_rmap_clear_young(&map, FIRST, FIRST + 100));
	ck_assert(!xpm_rmap_is_young(&map, FIRST, FIRST + 100));
	ck_assert(!xpm_rmap_clear_young(&map, FIRST, FIRST + 100));
	/* Used again before it was taken out: left alone. */
	map_external(1, 1);
	ck_assert_uint_eq(xpm_rmap_next_aged(&map, &at), xpm_leaf_bit(FIRST + 70));
	ck_assert_uint_eq(at, (FIRST + 70) >> XPM_LEAF_SHIFT);
	at++;
	ck_assert_uint_eq(xpm_rmap_next_aged(&map, &at), 0);
	ck_assert(xpm_rmap_is_young(&map, FIRST + 1, FIRST + 1));
	tear_down();
}
END_TEST

START_TEST(empty_leaf_is_trimmed)
{
	set_up();
	ck_assert_int_eq(xpm_rmap_reserve(&map, FIRST), 0);
	ck_assert_uint_eq(shim_objects, 1);
	spin_lock(&map.lock);
	xpm_rmap_trim(&map, FIRST);
	xpm_rmap_trim(&map, FIRST);
	spin_unlock(&map.lock);
	ck_assert_uint_eq(shim_objects, 0);
	store(5, 1, false);
	spin_lock(&map.lock);
	xpm_rmap_trim(&map, FIRST + 5);
	spin_unlock(&map.lock);
	ck_assert_uint_eq(shim_objects, 1);
	tear_down();
}
END_TEST

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
	add_case(suite, "remote_outlives_the_frame", remote_outlives_the_frame);
	add_case(suite, "aging", aging);
	add_case(suite, "empty_leaf_is_trimmed", empty_leaf_is_trimmed);
	add_case(suite, "random_against_model", random_against_model);
	return run_suite(suite);
}
