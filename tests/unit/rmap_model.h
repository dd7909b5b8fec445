/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For test_rmap.c: calls of the reverse map with its lock held as they want it, and
 * a naive model of it, an array of pages and one of blocks, each with its marks.
 */
#ifndef RMAP_MODEL_H
#define RMAP_MODEL_H

#include "rmap.h"
#include "stats.h"

#include <check.h>
#include <linux/slab.h>
#include <stdlib.h>
#include <string.h>

/* A page in the middle of a leaf and of a block, and the last that a map can have */
#define FIRST 0x7ffff7dd3UL
#define LAST ((1UL << 52) - 1)

/* Pages of the model: some whole blocks, and parts of blocks at its ends */
#define PAGES 2200UL
#define BLOCKS (PAGES / XPM_BLOCK_PAGES + 2)

struct page {
	unsigned long pfn;
	bool valid, writable, external, remote, away, referenced, aged;
};

struct block {
	unsigned long pfn;
	bool valid, writable, external, giant, referenced, aged;
};

struct xpm_stats xpm_stats;

static struct xpm_rmap map;

/* Page @origin of the map is page 0 of the model; @frame is the number of its page 0 */
static unsigned long origin, frame;
static struct page model[PAGES];
static struct block model_blocks[BLOCKS];

/* ---- The map. */

static void set_up_at(unsigned long first_frame, unsigned long last, unsigned long model_origin)
{
	ck_assert_int_eq(xpm_rmap_cache_create(), 0);
	xpm_rmap_init(&map, first_frame, last);
	frame = first_frame;
	origin = model_origin;
	memset(model, 0, sizeof(model));
	memset(model_blocks, 0, sizeof(model_blocks));
}

/* The model somewhere in a whole address space */
static void set_up(void)
{
	set_up_at(0, LAST, FIRST);
}

static bool is_marked(const struct xpm_leaf *leaf)
{
	return leaf->valid | leaf->remote | (u64)atomic64_read(&leaf->external);
}

/* Leaves and blocks, but for the leaf that is kept for the next */
static size_t held(void)
{
	struct xpm_leaf *idle = xa_load(&map.leaves, map.idle);

	return shim_objects - (idle && !is_marked(idle));
}

static void tear_down(void)
{
	xpm_rmap_destroy(&map);
	ck_assert_uint_eq(shim_objects, 0);
	ck_assert_int_eq(xpm_stats.count[XPM_STAT_LEAVES], 0);
	ck_assert_int_eq(xpm_stats.count[XPM_STAT_BLOCKS], 0);
	ck_assert_int_eq(shim_locks, 0);
	ck_assert_int_eq(shim_rcu_readers, 0);
	xpm_rmap_cache_destroy();
}

/*
 * What follows takes pages of the map.  An assertion of Check costs more than all of
 * the map's code: so there is none where things are done often.
 */

static void store_page(unsigned long index, unsigned long pfn, bool writable)
{
	if (xpm_rmap_reserve(&map, index))
		ck_abort_msg("no leaf for page %lu", index);
	write_lock(&map.lock);
	xpm_leaf_store(xpm_rmap_leaf(&map, index), index, pfn, writable);
	write_unlock(&map.lock);
}

/* The block of @index, the first of whose pages is @pfn */
static void store_block(unsigned long index, unsigned long pfn, bool writable)
{
	if (!xpm_rmap_in_block(&map, index) || xpm_rmap_reserve_block(&map, index))
		ck_abort_msg("no block for page %lu", index);
	write_lock(&map.lock);
	xpm_block_store(xpm_rmap_block(&map, index), pfn, writable);
	write_unlock(&map.lock);
}

/* Maps what is VALID of [first, last], all in one leaf */
static void map_pages(unsigned long first, unsigned long last)
{
	struct xpm_leaf *leaf;

	read_lock(&map.lock);
	leaf = xpm_rmap_leaf(&map, first);
	if (leaf) {
		u64 mask = leaf->valid & xpm_leaf_mask(first, last);

		xpm_leaf_map_external(leaf, mask);
		xpm_leaf_reference(leaf, mask);
	}
	read_unlock(&map.lock);
}

/* Maps some of a block, if it is VALID */
static void map_block(unsigned long index)
{
	struct xpm_block *block;

	read_lock(&map.lock);
	block = xpm_rmap_block(&map, index);
	if (block && block->valid) {
		xpm_block_map_external(block);
		xpm_block_reference(block);
	}
	read_unlock(&map.lock);
}

/* Maps all of a giant by one entry, if it can be; whether it can, and is writable */
static bool map_giant(unsigned long index, unsigned long *pfn, bool *writable)
{
	bool found;

	read_lock(&map.lock);
	found = xpm_rmap_find_giant(&map, index, pfn, writable);
	if (found) {
		xpm_rmap_map_giant(&map, index);
		xpm_rmap_reference_giant(&map, index);
	}
	read_unlock(&map.lock);
	return found;
}

static unsigned long set_remote(unsigned long first, unsigned long last)
{
	unsigned long pages;

	write_lock(&map.lock);
	pages = xpm_rmap_set_remote(&map, first, last);
	write_unlock(&map.lock);
	return pages;
}

/* Any page, VALID or not */
static void mark_remote(unsigned long first, unsigned long last, bool away)
{
	unsigned long end;

	for (; first <= last; first = end + 1) {
		end = min(first | (XPM_LEAF_PAGES - 1), last);
		if (xpm_rmap_reserve(&map, first))
			ck_abort_msg("no leaf for page %lu", first);
		write_lock(&map.lock);
		if (!xpm_rmap_mark_remote(&map, first, end, away))
			ck_abort_msg("page %lu could not be marked", first);
		write_unlock(&map.lock);
	}
}

static void clear_remote(unsigned long first, unsigned long last)
{
	write_lock(&map.lock);
	while (xpm_rmap_clear_remote(&map, &first, last))
		;
	write_unlock(&map.lock);
}

static bool next_remote(unsigned long *first, unsigned long *last, bool *away)
{
	bool found;

	read_lock(&map.lock);
	found = xpm_rmap_next_remote(&map, first, last, away);
	read_unlock(&map.lock);
	return found;
}

static unsigned int revoke(unsigned long first, unsigned long last)
{
	unsigned int marks = 0;

	write_lock(&map.lock);
	while (xpm_rmap_revoke(&map, &first, last, &marks))
		;
	write_unlock(&map.lock);
	return marks;
}

static void forget(unsigned long first, unsigned long last, unsigned int marks)
{
	write_lock(&map.lock);
	while (xpm_rmap_forget(&map, &first, last, marks))
		;
	write_unlock(&map.lock);
}

static void forget_all(unsigned long first, unsigned long last)
{
	forget(first, last, XPM_RMAP_EXTERNAL | XPM_RMAP_REMOTE);
}

static unsigned int marks_of(unsigned long first, unsigned long last)
{
	unsigned int marks;

	read_lock(&map.lock);
	marks = xpm_rmap_marks(&map, first, last);
	read_unlock(&map.lock);
	return marks;
}

static bool is_external(unsigned long first, unsigned long last)
{
	return marks_of(first, last) & XPM_RMAP_EXTERNAL;
}

static bool find(unsigned long index, unsigned long *pfn, bool *writable)
{
	bool found;

	read_lock(&map.lock);
	found = xpm_rmap_find(&map, index, pfn, writable);
	read_unlock(&map.lock);
	return found;
}

static void widen(unsigned long *first, unsigned long *last)
{
	write_lock(&map.lock);
	xpm_rmap_widen(&map, first, last);
	write_unlock(&map.lock);
}

/* ---- The model. */

/* Which of the model's blocks a page is in; it may lie partly outside */
static unsigned long block_of(unsigned long i)
{
	return (frame + origin + i) / XPM_BLOCK_PAGES - (frame + origin) / XPM_BLOCK_PAGES;
}

/* How many pages before the page its block begins */
static unsigned long place_in_block(unsigned long i)
{
	return (frame + origin + i) % XPM_BLOCK_PAGES;
}

/* Whether all of its block is in the model */
static bool in_block(unsigned long i)
{
	return i >= place_in_block(i) && i - place_in_block(i) + XPM_BLOCK_PAGES <= PAGES;
}

static unsigned long place_in_giant(unsigned long i)
{
	return (frame + origin + i) % XPM_GIANT_PAGES;
}

static bool in_giant(unsigned long i)
{
	return i >= place_in_giant(i) && i - place_in_giant(i) + XPM_GIANT_PAGES <= PAGES;
}

/* The frame of its first page if its blocks are VALID in a row, aligned; else 0 */
static unsigned long model_giant(unsigned long i, bool *writable)
{
	unsigned long b, start = i - place_in_giant(i), pfn;

	if (!in_giant(i))
		return 0;
	pfn = model_blocks[block_of(start)].pfn;
	*writable = true;
	for (b = 0; b < XPM_GIANT_PAGES / XPM_BLOCK_PAGES; b++) {
		struct block *block = &model_blocks[block_of(start) + b];

		if (!block->valid || block->pfn != pfn + b * XPM_BLOCK_PAGES)
			return 0;
		*writable &= block->writable;
	}
	return pfn % XPM_GIANT_PAGES ? 0 : pfn;
}

static unsigned int model_marks(unsigned long first, unsigned long last)
{
	unsigned int marks = 0;

	for (unsigned long i = first; i <= last; i++)
		marks |= (model[i].external ? XPM_RMAP_EXTERNAL : 0) |
			 (model[i].remote ? XPM_RMAP_REMOTE : 0);
	for (unsigned long b = block_of(first); b <= block_of(last); b++)
		marks |= model_blocks[b].external ? XPM_RMAP_EXTERNAL : 0;
	return marks;
}

static bool model_young(unsigned long first, unsigned long last)
{
	for (unsigned long i = first; i <= last; i++)
		if (model[i].referenced)
			return true;
	for (unsigned long b = block_of(first); b <= block_of(last); b++)
		if (model_blocks[b].referenced)
			return true;
	return false;
}

static void model_clear_young(unsigned long first, unsigned long last)
{
	for (unsigned long i = first; i <= last; i++) {
		model[i].aged |= model[i].referenced;
		model[i].referenced = false;
	}
	for (unsigned long b = block_of(first); b <= block_of(last); b++) {
		model_blocks[b].aged |= model_blocks[b].referenced;
		model_blocks[b].referenced = false;
	}
}

/* A leaf or block without a mark is freed, and what it knew of aging with it. */
static void model_drop_empty(void)
{
	for (unsigned long i = 0; i < PAGES; i++) {
		unsigned long from = i, to;

		for (to = i; to < PAGES && (origin + to) >> XPM_LEAF_SHIFT ==
						   (origin + i) >> XPM_LEAF_SHIFT; to++)
			if (model[to].valid || model[to].external || model[to].remote)
				from = PAGES;
		for (; from < to; from++)
			model[from].referenced = model[from].aged = false;
		i = to - 1;
	}
	for (unsigned long b = 0; b < BLOCKS; b++)
		if (!model_blocks[b].valid && !model_blocks[b].external)
			model_blocks[b] = (struct block){ 0 };
}

static void model_revoke(unsigned long first, unsigned long last)
{
	for (unsigned long i = first; i <= last; i++)
		model[i].valid = model[i].writable = false;
	for (unsigned long b = block_of(first); b <= block_of(last); b++)
		model_blocks[b].valid = model_blocks[b].writable = false;
	model_drop_empty();
}

static void model_forget(unsigned long first, unsigned long last, unsigned int marks)
{
	for (unsigned long i = first; i <= last; i++) {
		if (!model[i].valid && marks & XPM_RMAP_REMOTE)
			model[i].remote = model[i].away = false;
		if (!model[i].valid && marks & XPM_RMAP_EXTERNAL)
			model[i].external = model[i].referenced = false;
	}
	for (unsigned long b = block_of(first); b <= block_of(last); b++)
		if (!model_blocks[b].valid && marks & XPM_RMAP_EXTERNAL)
			model_blocks[b].external = model_blocks[b].giant =
				model_blocks[b].referenced = false;
	model_drop_empty();
}

static unsigned long model_set_remote(unsigned long first, unsigned long last)
{
	unsigned long pages = 0;

	for (unsigned long i = first; i <= last; i++) {
		pages += model[i].valid;
		model[i].remote |= model[i].valid;
	}
	return pages;
}

static void model_mark_remote(unsigned long first, unsigned long last, bool away)
{
	for (unsigned long i = first; i <= last; i++) {
		model[i].remote = true;
		model[i].away = away;
	}
}

static void model_clear_remote(unsigned long first, unsigned long last)
{
	for (unsigned long i = first; i <= last; i++)
		model[i].remote = model[i].away = false;
	model_drop_empty();
}

static void model_widen(unsigned long *first, unsigned long *last)
{
	if (model_blocks[block_of(*first)].external)
		*first -= place_in_block(*first);
	if (model_blocks[block_of(*last)].external)
		*last += XPM_BLOCK_PAGES - 1 - place_in_block(*last);
	if (model_blocks[block_of(*first)].giant)
		*first -= place_in_giant(*first);
	if (model_blocks[block_of(*last)].giant)
		*last += XPM_GIANT_PAGES - 1 - place_in_giant(*last);
}

/*
 * What a page and its block are VALID with is the same frame.  Half of the time it is
 * one that goes on in a row through all of the model.
 */
static unsigned long model_pfn(unsigned long i)
{
	unsigned long start = i - place_in_block(i);

	if (model_blocks[block_of(i)].valid)
		return model_blocks[block_of(i)].pfn + place_in_block(i);
	for (unsigned long at = 0; in_block(i) && at < XPM_BLOCK_PAGES; at++)
		if (model[start + at].valid)
			return model[start + at].pfn - at + place_in_block(i);
	if (random() % 2)
		return frame + origin + i + 5 * XPM_GIANT_PAGES;
	return (unsigned long)random() + XPM_BLOCK_PAGES;
}

/* ---- Both. */

/* Takes all AGED pages and blocks; the model says which they have to be. */
static void collect_aged(void)
{
	unsigned long at = 0, first = 0;
	u64 mask;

	for (; (mask = xpm_rmap_next_aged(&map, &at)); at++) {
		for (; mask; mask &= mask - 1) {
			unsigned long i = (at << XPM_LEAF_SHIFT) +
					  (unsigned long)__builtin_ctzll(mask) - origin;

			if (i >= PAGES || !model[i].aged || model[i].referenced)
				ck_abort_msg("page %lu is not AGED, or was used since", i);
			model[i].aged = false;
		}
	}
	for (; xpm_rmap_next_aged_block(&map, &first); first += XPM_BLOCK_PAGES) {
		unsigned long i = first - origin;
		struct block *block = &model_blocks[block_of(i)];

		if (i >= PAGES || place_in_block(i) || !block->aged || block->referenced)
			ck_abort_msg("block at %lu is not AGED, or was used since", i);
		block->aged = false;
	}
	for (unsigned long i = 0; i < PAGES; i++) {
		if (model[i].aged && !model[i].referenced)
			ck_abort_msg("page %lu is AGED and was not found", i);
		model[i].aged = false;
	}
	for (unsigned long b = 0; b < BLOCKS; b++) {
		if (model_blocks[b].aged && !model_blocks[b].referenced)
			ck_abort_msg("block %lu is AGED and was not found", b);
		model_blocks[b].aged = false;
	}
}

static void compare_page(unsigned long i)
{
	const struct block *block = &model_blocks[block_of(i)];
	struct xpm_leaf *leaf = xpm_rmap_leaf(&map, origin + i);
	u64 bit = xpm_leaf_bit(origin + i);
	unsigned long pfn;
	bool writable;

	if ((leaf && leaf->valid & bit) != model[i].valid ||
	    (leaf && (u64)atomic64_read(&leaf->external) & bit) != model[i].external ||
	    (leaf && leaf->remote & bit) != model[i].remote ||
	    (leaf && leaf->away & bit) != model[i].away ||
	    (leaf && (u64)atomic64_read(&leaf->referenced) & bit) != model[i].referenced ||
	    (leaf && (u64)atomic64_read(&leaf->aged) & bit) != model[i].aged)
		ck_abort_msg("page %lu has other marks than the model", i);
	if (model[i].valid && (!!(leaf->writable & bit) != model[i].writable ||
			       leaf->pfn[(origin + i) % XPM_LEAF_PAGES] != model[i].pfn))
		ck_abort_msg("page %lu has another frame than the model", i);

	if (xpm_rmap_find(&map, origin + i, &pfn, &writable) != (block->valid || model[i].valid))
		ck_abort_msg("page %lu is found, or is not", i);
	if (block->valid && (pfn != block->pfn + place_in_block(i) || writable != block->writable))
		ck_abort_msg("page %lu is found with what is not of its block", i);
	if (!block->valid && model[i].valid &&
	    (pfn != model[i].pfn || writable != model[i].writable))
		ck_abort_msg("page %lu is found with another frame than the model", i);
}

/* The runs of REMOTE pages are those of the model, in order, with nothing between. */
static void compare_remote(void)
{
	unsigned long first = origin, last, seen = 0, wanted = 0;
	bool away;

	for (unsigned long i = 0; i < PAGES; i++)
		wanted += model[i].remote;
	for (; next_remote(&first, &last, &away); first = last + 1)
		for (unsigned long i = first - origin; i <= last - origin; i++, seen++)
			if (i >= PAGES || !model[i].remote || model[i].away != away)
				ck_abort_msg("page %lu is in a run of REMOTE pages", i);
	if (seen != wanted)
		ck_abort_msg("%lu REMOTE pages found of %lu", seen, wanted);
}

/* Of the page's */
static void compare_block(unsigned long i)
{
	const struct block *wanted = &model_blocks[block_of(i)];
	struct xpm_block *block = xpm_rmap_block(&map, origin + i);

	if (!block != !(wanted->valid || wanted->external))
		ck_abort_msg("the block of page %lu is there and should not be, or not", i);
	if (block && (block->valid != wanted->valid || block->writable != wanted->writable ||
		      atomic_read(&block->external) != wanted->external ||
		      atomic_read(&block->giant) != wanted->giant ||
		      atomic_read(&block->referenced) != wanted->referenced ||
		      atomic_read(&block->aged) != wanted->aged))
		ck_abort_msg("the block of page %lu has other marks than the model", i);
	if (block && block->valid && block->pfn != wanted->pfn)
		ck_abort_msg("the block of page %lu has another frame than the model", i);
}

static void compare(void)
{
	size_t leaves = 0, blocks = 0, marked = 0;
	struct xpm_block *block;
	struct xpm_leaf *leaf;
	unsigned long at;

	read_lock(&map.lock);
	for (unsigned long i = 0; i < PAGES; i++) {
		compare_page(i);
		if (!i || !place_in_block(i))
			compare_block(i);
	}
	xa_for_each(&map.leaves, at, leaf) {
		leaves++;
		marked += is_marked(leaf);
		/* Only a VALID page is WRITABLE. */
		ck_assert_uint_eq(leaf->writable & ~leaf->valid, 0);
	}
	xa_for_each(&map.blocks, at, block)
		blocks++;
	read_unlock(&map.lock);
	compare_remote();
	ck_assert_uint_eq(leaves + blocks, shim_objects);
	ck_assert_uint_eq(leaves, (size_t)xpm_stats.count[XPM_STAT_LEAVES]);
	ck_assert_uint_eq(blocks, (size_t)xpm_stats.count[XPM_STAT_BLOCKS]);
	ck_assert_uint_ge(leaves, marked);
	ck_assert_uint_le(leaves, marked + 1);
}

/* The two below: of the model's pages, in both */

static void store(unsigned long i, bool writable)
{
	unsigned long pfn = model_pfn(i);

	store_page(origin + i, pfn, writable);
	model[i].pfn = pfn;
	model[i].valid = true;
	model[i].writable = writable;
}

static void store_all(unsigned long i, bool writable)
{
	unsigned long pfn = model_pfn(i) - place_in_block(i);
	struct block *block = &model_blocks[block_of(i)];

	store_block(origin + i, pfn, writable);
	block->pfn = pfn;
	block->valid = true;
	block->writable = writable;
}

#endif /* RMAP_MODEL_H */
