// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The module's reverse map (kmod/rmap.c), built for the host: its states one by
 * one, then all of it at random against the model of rmap_model.h.
 */
#include "check_main.h"
#include "rmap_model.h"

/* ---- Cases: pages. */

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
	store_page(FIRST + 5, 500, true);
	ck_assert(!is_external(FIRST, FIRST + PAGES - 1));
	/* VALID alone: revoking leaves nothing, not even memory */
	ck_assert(!revoke(FIRST, FIRST + 10));
	ck_assert_uint_eq(held(), 0);

	store_page(FIRST + 5, 501, true);
	map_pages(FIRST + 5, FIRST + 5);
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
	ck_assert_uint_eq(held(), 0);
	/* The leaf is kept, until there is another such. */
	ck_assert_uint_eq(shim_objects, 1);
	store_page(FIRST + 500, 501, true);
	ck_assert_uint_eq(shim_objects, 2);
	ck_assert(!revoke(FIRST + 500, FIRST + 500));
	ck_assert_uint_eq(shim_objects, 1);
	store_page(FIRST + 501, 502, true);
	ck_assert_uint_eq(shim_objects, 1);
	tear_down();
}
END_TEST

START_TEST(forget_keeps_valid)
{
	unsigned long pfn;
	bool writable;

	set_up();
	store_page(FIRST + 1, 100, false);
	store_page(FIRST + 2, 200, false);
	map_pages(FIRST + 1, FIRST + 2);
	ck_assert(revoke(FIRST + 1, FIRST + 1));
	/* Page 2 is mapped by attachments and nobody took it away. */
	forget_all(FIRST, FIRST + PAGES);
	ck_assert(!is_external(FIRST, FIRST + 1));
	ck_assert(is_external(FIRST + 2, FIRST + 2));
	ck_assert(!find(FIRST + 1, &pfn, &writable));
	ck_assert(find(FIRST + 2, &pfn, &writable) && pfn == 200 && !writable);
	tear_down();
}
END_TEST

START_TEST(whole_address_space)
{
	set_up();
	ck_assert(!is_external(0, LAST));
	ck_assert(!revoke(0, LAST));
	forget_all(0, LAST);
	store_page(0, 1, false);
	map_pages(0, 0);
	ck_assert(is_external(0, LAST));
	ck_assert(is_external(0, FIRST));
	ck_assert(!is_external(1, LAST));
	ck_assert(revoke(0, LAST));
	forget_all(0, LAST);
	ck_assert_uint_eq(held(), 0);
	tear_down();
}
END_TEST

/* More leaves, or blocks, than one piece of revoke and forget takes */
static void in_pieces(void (*put)(unsigned long index, unsigned long pfn, bool writable),
		      void (*use)(unsigned long index), unsigned long step)
{
	unsigned long count = 2000, first;
	unsigned int marks = 0;
	int rounds = 1;

	for (unsigned long i = 0; i < count; i++)
		put(FIRST + i * step, i, true);
	/* The last one alone is seen */
	use(FIRST + (count - 1) * step);
	first = 0;
	write_lock(&map.lock);
	while (xpm_rmap_revoke(&map, &first, LAST, &marks)) {
		/* In between others may look at the map, and at what is left. */
		write_unlock(&map.lock);
		ck_assert(is_external(first, LAST));
		ck_assert(!is_external(0, first - 1));
		ck_assert_uint_lt(held(), count);
		rounds++;
		write_lock(&map.lock);
	}
	write_unlock(&map.lock);
	ck_assert_int_eq(rounds, 4);
	ck_assert_uint_eq(marks, XPM_RMAP_EXTERNAL);
	ck_assert_uint_eq(held(), 1);

	for (unsigned long i = 0; i < count; i++) {
		put(FIRST + i * step, i, true);
		use(FIRST + i * step);
	}
	ck_assert_uint_eq(revoke(0, LAST), XPM_RMAP_EXTERNAL);
	ck_assert_uint_eq(held(), count);
	forget_all(0, LAST);
	ck_assert_uint_eq(held(), 0);
}

static void map_page(unsigned long index)
{
	map_pages(index, index);
}

START_TEST(pieces)
{
	set_up();
	in_pieces(store_page, map_page, XPM_LEAF_PAGES);
	tear_down();
}
END_TEST

START_TEST(pieces_of_blocks)
{
	for (unsigned long phase = 0; phase < XPM_BLOCK_PAGES; phase += XPM_BLOCK_PAGES - 1) {
		set_up_at(phase, LAST - phase, 0);
		in_pieces(store_block, map_block, XPM_BLOCK_PAGES);
		tear_down();
	}
}
END_TEST

static void runs_dry(int (*reserve)(struct xpm_rmap *rmap, unsigned long index))
{
	/* for the leaf or block, and for its place */
	for (long left = 0; left < 2; left++) {
		shim_allocations_left = left;
		ck_assert_int_eq(reserve(&map, FIRST), -ENOMEM);
		ck_assert_uint_eq(held(), 0);
	}
	shim_allocations_left = 2;
	ck_assert_int_eq(reserve(&map, FIRST), 0);
	/* It is there: no memory needed */
	ck_assert_int_eq(reserve(&map, FIRST), 0);
	ck_assert_uint_eq(held(), 1);
	write_lock(&map.lock);
	xpm_rmap_trim(&map, FIRST);
	write_unlock(&map.lock);
	ck_assert_uint_eq(held(), 0);
	shim_allocations_left = -1;
}

START_TEST(out_of_memory)
{
	for (long left = 0; left < 2; left++) {
		shim_allocations_left = left;
		ck_assert_int_eq(xpm_rmap_cache_create(), -ENOMEM);
	}
	shim_allocations_left = -1;
	set_up();
	runs_dry(xpm_rmap_reserve);
	runs_dry(xpm_rmap_reserve_block);
	tear_down();
}
END_TEST

START_TEST(remote_outlives_the_frame)
{
	unsigned long page = FIRST + 3;

	set_up();
	store_page(page, 300, true);
	map_pages(page, page);
	ck_assert_uint_eq(set_remote(0, page + 10), 1);
	ck_assert_uint_eq(revoke(page, page), XPM_RMAP_EXTERNAL | XPM_RMAP_REMOTE);
	/* The copy is kept: it must hear of the next change, with no frame known. */
	forget(page, page, XPM_RMAP_EXTERNAL);
	ck_assert_uint_eq(marks_of(FIRST, page + 10), XPM_RMAP_REMOTE);
	ck_assert_uint_eq(revoke(page, page), XPM_RMAP_REMOTE);
	forget(page, page, XPM_RMAP_REMOTE);
	ck_assert_uint_eq(held(), 0);
	tear_down();
}
END_TEST

START_TEST(remote_without_a_frame)
{
	unsigned long page = FIRST + 3, first = 0, last;
	bool away;

	set_up();
	/* Its owner never had it, or has given it up. */
	mark_remote(page, page + 100, false);
	mark_remote(page + 10, page + 10, true);
	ck_assert_uint_eq(marks_of(page, page), XPM_RMAP_REMOTE);
	ck_assert(next_remote(&first, &last, &away));
	ck_assert(first == page && !away);
	first = page + 10;
	ck_assert(next_remote(&first, &last, &away));
	ck_assert(first == page + 10 && last == page + 10 && away);
	/* Reclaim, and coming back, change nothing of it. */
	store_page(page + 10, 300, false);
	ck_assert_uint_eq(revoke(page, page + 100), XPM_RMAP_REMOTE);
	forget(page, page + 100, XPM_RMAP_EXTERNAL);
	first = page + 10;
	ck_assert(next_remote(&first, &last, &away) && away);
	/* A recall ends it, as does word that nobody has it, VALID or not. */
	forget(page + 10, page + 10, XPM_RMAP_REMOTE);
	store_page(page, 300, true);
	forget(page, page, XPM_RMAP_REMOTE);
	ck_assert_uint_eq(marks_of(page, page), XPM_RMAP_REMOTE);
	clear_remote(0, LAST);
	first = 0;
	ck_assert(!next_remote(&first, &last, &away));
	ck_assert_uint_eq(held(), 1);
	revoke(page, page);
	ck_assert_uint_eq(held(), 0);
	/* The last page of a map, and a leaf that is not there */
	mark_remote(LAST, LAST, true);
	first = LAST;
	ck_assert(next_remote(&first, &last, &away) && first == LAST && last == LAST);
	write_lock(&map.lock);
	ck_assert(!xpm_rmap_mark_remote(&map, 0, 0, false));
	write_unlock(&map.lock);
	forget_all(LAST, LAST);
	ck_assert_uint_eq(held(), 0);
	tear_down();
}
END_TEST

START_TEST(aging)
{
	unsigned long at = 0;

	set_up();
	store_page(FIRST + 1, 100, true);
	store_page(FIRST + 70, 7000, true);
	ck_assert(!xpm_rmap_is_young(&map, FIRST, FIRST + 100));
	map_pages(FIRST + 1, FIRST + 1);
	map_pages(FIRST + 70, FIRST + 70);
	ck_assert(xpm_rmap_is_young(&map, FIRST + 1, FIRST + 1));
	ck_assert(!xpm_rmap_is_young(&map, FIRST + 2, FIRST + 69));
	/* Asking does not clear; clearing tells once. */
	ck_assert(xpm_rmap_is_young(&map, FIRST, FIRST + 100));
	ck_assert(xpm_rmap_clear_young(&map, FIRST, FIRST + 100));
	ck_assert(!xpm_rmap_is_young(&map, FIRST, FIRST + 100));
	ck_assert(!xpm_rmap_clear_young(&map, FIRST, FIRST + 100));
	/* Used again before it was taken out: left alone. */
	map_pages(FIRST + 1, FIRST + 1);
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
	ck_assert_int_eq(xpm_rmap_reserve_block(&map, FIRST), 0);
	ck_assert_uint_eq(held(), 2);
	ck_assert_int_eq(xpm_stats.count[XPM_STAT_BLOCKS], 1);
	write_lock(&map.lock);
	xpm_rmap_trim(&map, FIRST);
	xpm_rmap_trim(&map, FIRST);
	write_unlock(&map.lock);
	ck_assert_uint_eq(held(), 0);
	ck_assert_int_eq(xpm_stats.count[XPM_STAT_BLOCKS], 0);
	store_page(FIRST + 5, 1, false);
	store_block(FIRST + 5, 1, false);
	write_lock(&map.lock);
	xpm_rmap_trim(&map, FIRST + 5);
	write_unlock(&map.lock);
	ck_assert_uint_eq(held(), 2);
	tear_down();
}
END_TEST

/* ---- Cases: blocks. */

/* Where blocks begin, and which are whole, in maps that begin and end anywhere */
START_TEST(block_geometry)
{
	static const unsigned long ends[] = { 0, 1, 510, 511, 512, 1023, 1024, 1500, LAST };

	ck_assert_int_eq(xpm_rmap_cache_create(), 0);
	for (unsigned long first = FIRST & ~511UL; first < (FIRST & ~511UL) + 512; first += 73)
		for (size_t e = 0; e < sizeof(ends) / sizeof(ends[0]); e++) {
			xpm_rmap_init(&map, first, ends[e]);
			for (unsigned long i = 0; i <= min(ends[e], 1600UL); i++) {
				/* as numbers of the owner's pages */
				unsigned long start = (first + i) / 512 * 512;
				bool whole = start >= first && start + 511 <= first + ends[e];

				if (xpm_rmap_block_first(&map, i) != start - first)
					ck_abort_msg("page %lu of a map at %lu", i, first);
				if (xpm_rmap_in_block(&map, i) != whole)
					ck_abort_msg("page %lu of a map at %lu to %lu", i, first,
						     ends[e]);
			}
		}
	xpm_rmap_cache_destroy();
}
END_TEST

START_TEST(block_find)
{
	unsigned long start, pfn;
	bool writable;

	/* A map that begins 45 pages before a block */
	set_up_at(FIRST, 3 * XPM_BLOCK_PAGES, 0);
	start = XPM_BLOCK_PAGES - FIRST % XPM_BLOCK_PAGES;
	ck_assert(!xpm_rmap_in_block(&map, start - 1));
	store_block(start + 77, 0x10000, false);
	ck_assert(!find(start - 1, &pfn, &writable));
	ck_assert(find(start, &pfn, &writable) && pfn == 0x10000 && !writable);
	ck_assert(find(start + 511, &pfn, &writable) && pfn == 0x101ff);
	ck_assert(!find(start + 512, &pfn, &writable));
	store_block(start, 0x10000, true);
	ck_assert(find(start + 5, &pfn, &writable) && pfn == 0x10005 && writable);

	/* By its leaf too; and by it alone */
	store_page(start + 5, 0x10005, false);
	ck_assert(find(start + 5, &pfn, &writable) && pfn == 0x10005 && writable);
	ck_assert(!revoke(start + 6, start + 6));
	ck_assert(!find(start + 6, &pfn, &writable));
	ck_assert(find(start + 5, &pfn, &writable) && pfn == 0x10005 && !writable);
	tear_down();
}
END_TEST

/* What comes to a part of a block comes to all of it. */
START_TEST(block_states)
{
	unsigned long start = (FIRST | (XPM_BLOCK_PAGES - 1)) + 1;
	unsigned long first = start + 100, last = start + 100, pfn;
	bool writable;

	set_up();
	store_block(start, 0x10000, true);
	widen(&first, &last);
	ck_assert(first == start + 100 && last == first);
	ck_assert(!is_external(start, start + 511));
	/* VALID alone: revoking leaves nothing, not even memory */
	ck_assert(!revoke(start + 100, start + 100));
	ck_assert(!find(start, &pfn, &writable));
	ck_assert_uint_eq(held(), 0);

	store_block(start, 0x10000, true);
	map_block(start + 9);
	ck_assert(is_external(start + 300, start + 300));
	ck_assert(!is_external(start - 1, start - 1));
	ck_assert(!is_external(start + 512, start + 512));
	ck_assert_uint_eq(revoke(start + 100, start + 100), XPM_RMAP_EXTERNAL);
	ck_assert(!find(start, &pfn, &writable));
	/* A second invalidation, of another part, has to empty all of it as well. */
	ck_assert_uint_eq(revoke(start + 7, start + 8), XPM_RMAP_EXTERNAL);
	first = start + 7;
	last = start + 8;
	widen(&first, &last);
	ck_assert(first == start && last == start + 511);

	/* REMOTE is no matter of blocks. */
	forget(start + 100, start + 100, XPM_RMAP_REMOTE);
	ck_assert(is_external(start, start));
	forget(start + 100, start + 100, XPM_RMAP_EXTERNAL);
	ck_assert(!is_external(start, start + 511));
	ck_assert_uint_eq(held(), 0);
	tear_down();
}
END_TEST

START_TEST(block_forget_keeps_valid)
{
	unsigned long start = (FIRST | (XPM_BLOCK_PAGES - 1)) + 1;

	set_up();
	store_block(start, 0x10000, true);
	store_block(start + 512, 0x20000, true);
	map_block(start);
	map_block(start + 512);
	ck_assert(revoke(start, start));
	/* The second block is mapped by attachments and nobody took it away. */
	forget_all(0, LAST);
	ck_assert(!is_external(start, start + 511));
	ck_assert(is_external(start + 512, start + 512));
	ck_assert(xpm_rmap_is_young(&map, start + 700, start + 700));
	ck_assert_int_eq(xpm_stats.count[XPM_STAT_BLOCKS], 1);
	tear_down();
}
END_TEST

/*
 * revoke may let others run between two pieces: a block at the end that it did not
 * come to yet can be mapped by then.  So what is to be emptied is known after it.
 */
START_TEST(block_mapped_meanwhile)
{
	unsigned long pages = 2000 * XPM_LEAF_PAGES, start = pages & ~(XPM_BLOCK_PAGES - 1);
	unsigned long first = 0, last = start + 3, from = 0;
	unsigned int marks = 0;

	set_up_at(0, pages + 2 * XPM_BLOCK_PAGES, 0);
	for (unsigned long i = 0; i < start; i += XPM_LEAF_PAGES)
		store_page(i, i, true);
	store_block(start, 0x10000, true);
	write_lock(&map.lock);
	ck_assert(xpm_rmap_revoke(&map, &from, last, &marks));
	write_unlock(&map.lock);
	ck_assert(!marks);
	map_block(start + 5);
	write_lock(&map.lock);
	while (xpm_rmap_revoke(&map, &from, last, &marks))
		;
	write_unlock(&map.lock);
	ck_assert_uint_eq(marks, XPM_RMAP_EXTERNAL);
	/* Nobody can map it now. */
	map_block(start + 5);
	widen(&first, &last);
	ck_assert(first == 0 && last == start + 511);
	forget(0, start + 3, XPM_RMAP_EXTERNAL);
	ck_assert_uint_eq(held(), 0);
	tear_down();
}
END_TEST

START_TEST(block_is_not_remote)
{
	unsigned long start = (FIRST | (XPM_BLOCK_PAGES - 1)) + 1;

	set_up();
	store_block(start, 0x10000, true);
	ck_assert_uint_eq(set_remote(0, LAST), 0);
	/* By its leaf it can be. */
	store_page(start + 3, 0x10003, true);
	ck_assert_uint_eq(set_remote(0, LAST), 1);
	ck_assert_uint_eq(marks_of(start, start + 511), XPM_RMAP_REMOTE);
	ck_assert_uint_eq(revoke(start + 3, start + 3), XPM_RMAP_REMOTE);
	forget_all(0, LAST);
	ck_assert_uint_eq(held(), 0);
	tear_down();
}
END_TEST

START_TEST(block_aging)
{
	unsigned long start = (FIRST | (XPM_BLOCK_PAGES - 1)) + 1, at = 0;

	set_up();
	store_block(start, 0x10000, true);
	store_block(start + 1024, 0x20000, true);
	ck_assert(!xpm_rmap_is_young(&map, 0, LAST));
	map_block(start);
	map_block(start + 1024);
	/* Any of its pages */
	ck_assert(xpm_rmap_is_young(&map, start + 511, start + 512));
	ck_assert(!xpm_rmap_is_young(&map, start + 512, start + 1023));
	ck_assert(xpm_rmap_clear_young(&map, start + 511, start + 511));
	ck_assert(!xpm_rmap_is_young(&map, start, start + 511));
	ck_assert(xpm_rmap_is_young(&map, start, LAST));
	ck_assert(xpm_rmap_clear_young(&map, start, LAST));
	ck_assert(!xpm_rmap_clear_young(&map, start, LAST));
	/* No leaf is concerned. */
	ck_assert_uint_eq(xpm_rmap_next_aged(&map, &at), 0);
	/* Used again before it was taken out: left alone. */
	map_block(start);
	at = 0;
	ck_assert(xpm_rmap_next_aged_block(&map, &at));
	ck_assert_uint_eq(at, start + 1024);
	at += XPM_BLOCK_PAGES;
	ck_assert(!xpm_rmap_next_aged_block(&map, &at));
	/* All is told. */
	at = 0;
	ck_assert(!xpm_rmap_next_aged_block(&map, &at));
	ck_assert(xpm_rmap_is_young(&map, start, start));
	tear_down();
}
END_TEST

/* ---- Cases: giants. */

/* Two blocks make one here; where it begins, in a map that begins before it */
#define GIANT_START ((FIRST | (XPM_GIANT_PAGES - 1)) + 1)
#define GIANT_FRAME (7 * XPM_GIANT_PAGES)

static void store_giant(unsigned long start)
{
	store_block(start, GIANT_FRAME, true);
	store_block(start + XPM_BLOCK_PAGES, GIANT_FRAME + XPM_BLOCK_PAGES, true);
}

static void widens_to(unsigned long i, unsigned long first, unsigned long last)
{
	unsigned long low = i, high = i;

	widen(&low, &high);
	ck_assert(low == first && high == last);
}

START_TEST(giant_find)
{
	unsigned long start = GIANT_START, half = start + XPM_BLOCK_PAGES, pfn;
	bool writable;

	set_up();
	ck_assert_uint_eq(xpm_rmap_giant_first(&map, start + 1023), start);
	ck_assert(!map_giant(start, &pfn, &writable));
	store_block(start, GIANT_FRAME, true);
	ck_assert(!map_giant(start, &pfn, &writable));
	store_block(half, GIANT_FRAME + XPM_BLOCK_PAGES, false);
	ck_assert(map_giant(start + 700, &pfn, &writable));
	ck_assert_uint_eq(pfn, GIANT_FRAME);
	ck_assert(!writable);
	store_block(half, GIANT_FRAME + XPM_BLOCK_PAGES, true);
	ck_assert(map_giant(start, &pfn, &writable) && writable);
	/* The next ones are none. */
	ck_assert(!map_giant(start - 1, &pfn, &writable));
	ck_assert(!map_giant(start + XPM_GIANT_PAGES, &pfn, &writable));
	/* Not in a row, not aligned, not VALID */
	store_block(half, GIANT_FRAME, true);
	ck_assert(!map_giant(start, &pfn, &writable));
	store_block(start, GIANT_FRAME + XPM_BLOCK_PAGES, true);
	store_block(half, GIANT_FRAME + XPM_GIANT_PAGES, true);
	ck_assert(!map_giant(start, &pfn, &writable));
	store_giant(start);
	ck_assert(map_giant(start, &pfn, &writable));
	ck_assert_uint_eq(revoke(half + 3, half + 3), XPM_RMAP_EXTERNAL);
	ck_assert(!map_giant(start, &pfn, &writable));
	tear_down();
}
END_TEST

/* What comes to a page of it comes to all, until it was taken away. */
START_TEST(giant_states)
{
	unsigned long start = GIANT_START, half = start + XPM_BLOCK_PAGES;
	unsigned long last = start + XPM_GIANT_PAGES - 1, pfn;
	bool writable;

	set_up();
	store_giant(start);
	/* Mapped block by block it is none. */
	map_block(start);
	map_block(half);
	widens_to(half + 9, half, last);

	ck_assert(map_giant(start, &pfn, &writable));
	ck_assert(xpm_rmap_is_young(&map, last, last));
	ck_assert_uint_eq(revoke(half + 9, half + 9), XPM_RMAP_EXTERNAL);
	widens_to(half + 9, start, last);
	/* A second one comes meanwhile, to the other half. */
	ck_assert_uint_eq(revoke(start + 1, start + 1), XPM_RMAP_EXTERNAL);
	widens_to(start + 1, start, last);
	forget_all(half + 9, half + 9);
	widens_to(half + 9, half + 9, half + 9);
	/* This one is not at its end yet. */
	widens_to(start + 1, start, last);
	forget_all(start + 1, start + 1);
	ck_assert_uint_eq(shim_objects, 0);
	tear_down();
}
END_TEST

/* Whoever empties attachers of what stays VALID meets no part of a giant. */
START_TEST(giant_barred)
{
	unsigned long start = GIANT_START, half = start + XPM_BLOCK_PAGES;
	unsigned long last = start + XPM_GIANT_PAGES - 1, low, high, pfn;
	bool writable;

	set_up();
	store_giant(start);
	low = high = half + 9;
	write_lock(&map.lock);
	xpm_rmap_bar_giants(&map, &low, &high);
	write_unlock(&map.lock);
	ck_assert(low == half + 9 && high == half + 9);
	ck_assert(!map_giant(start, &pfn, &writable));
	write_lock(&map.lock);
	xpm_rmap_allow_giants(&map);
	write_unlock(&map.lock);
	ck_assert(map_giant(start, &pfn, &writable));
	write_lock(&map.lock);
	xpm_rmap_bar_giants(&map, &low, &high);
	write_unlock(&map.lock);
	ck_assert(low == start && high == last);
	tear_down();

	/* None is, in a new map: from its first page on. */
	set_up_at(0, XPM_GIANT_PAGES - 1, 0);
	store_giant(0);
	ck_assert(map_giant(0, &pfn, &writable));
	tear_down();
}
END_TEST

/* ---- Against the model. */

/* In all random walks; there have to be some */
static unsigned long giants_seen;

/* Nothing becomes VALID that is being taken away. */
static bool may_become_valid(unsigned long i)
{
	const struct block *block = &model_blocks[block_of(i)];

	return (model[i].valid || !model[i].external) && (block->valid || !block->external);
}

static void store_some(unsigned long first, unsigned long last)
{
	for (unsigned long i = first; i <= last && i < first + 40; i++)
		if (may_become_valid(i))
			store(i, random() % 2);
}

static void store_some_block(unsigned long i)
{
	unsigned long start = i - place_in_block(i);

	for (unsigned long at = 0; in_block(i) && at < XPM_BLOCK_PAGES; at++)
		if (!may_become_valid(start + at))
			return;
	if (in_block(i))
		store_all(i, random() % 2);
}

static void map_some(unsigned long first, unsigned long last)
{
	unsigned long leaf_last = (origin + first) | (XPM_LEAF_PAGES - 1);

	last = min(last, leaf_last - origin);
	map_pages(origin + first, origin + last);
	for (unsigned long i = first; i <= last; i++) {
		model[i].external |= model[i].valid;
		model[i].referenced |= model[i].valid;
	}
}

static void map_some_block(unsigned long i)
{
	struct block *block = &model_blocks[block_of(i)];

	map_block(origin + i);
	block->external |= block->valid;
	block->referenced |= block->valid;
}

static void map_some_giant(unsigned long i)
{
	bool writable = false, wanted = false;
	unsigned long pfn, start = i - place_in_giant(i), model_first = model_giant(i, &wanted);

	ck_assert_int_eq(map_giant(origin + i, &pfn, &writable), model_first != 0);
	if (!model_first)
		return;
	giants_seen++;
	ck_assert_uint_eq(pfn, model_first);
	ck_assert_int_eq(writable, wanted);
	for (unsigned long at = start; at < start + XPM_GIANT_PAGES; at += XPM_BLOCK_PAGES) {
		struct block *block = &model_blocks[block_of(at)];

		block->external = block->giant = block->referenced = true;
	}
}

/* As who finds nothing to store does */
static void reserve_and_trim(unsigned long i)
{
	shim_allocations_left = random() % 4;
	xpm_rmap_reserve(&map, origin + i);
	if (in_block(i))
		xpm_rmap_reserve_block(&map, origin + i);
	shim_allocations_left = -1;
	write_lock(&map.lock);
	xpm_rmap_trim(&map, origin + i);
	write_unlock(&map.lock);
}

static void look_at_marks(unsigned long first, unsigned long last)
{
	unsigned long low = origin + first, high = origin + last;

	ck_assert_uint_eq(marks_of(low, high), model_marks(first, last));
	widen(&low, &high);
	model_widen(&first, &last);
	ck_assert_uint_eq(low, origin + first);
	ck_assert_uint_eq(high, origin + last);
}

static void age_some(unsigned long first, unsigned long last)
{
	bool young = model_young(first, last);

	ck_assert_int_eq(xpm_rmap_is_young(&map, origin + first, origin + last), young);
	ck_assert_int_eq(xpm_rmap_clear_young(&map, origin + first, origin + last), young);
	model_clear_young(first, last);
}

static void random_step(unsigned long first, unsigned long last)
{
	unsigned int marks = 1 + (unsigned int)random() % 3;

	switch (random() % 18) {
	case 0:
	case 1:
		store_some(first, last);
		break;
	case 2:
	case 3:
		store_some_block(first);
		break;
	case 4:
	case 5:
		map_some(first, last);
		break;
	case 6:
		map_some_block(first);
		break;
	case 7:
		reserve_and_trim(first);
		break;
	case 8:
		look_at_marks(first, last);
		break;
	case 9:
		/* Mostly short: else there is never much to take away. */
		last = random() % 4 ? min(last, first + 30) : last;
		ck_assert_uint_eq(revoke(origin + first, origin + last), model_marks(first, last));
		model_revoke(first, last);
		break;
	case 10:
		forget(origin + first, origin + last, marks);
		model_forget(first, last, marks);
		break;
	case 11:
		ck_assert_uint_eq(set_remote(origin + first, origin + last),
				  model_set_remote(first, last));
		break;
	case 12:
		age_some(first, last);
		break;
	case 13:
		collect_aged();
		break;
	case 14:
		last = min(last, first + (unsigned long)random() % 200);
		mark_remote(origin + first, origin + last, marks & 1);
		model_mark_remote(first, last, marks & 1);
		break;
	case 16:
	case 17:
		map_some_giant(first);
		break;
	case 15:
		clear_remote(origin + first, origin + last);
		model_clear_remote(first, last);
		break;
	}
}

static void random_walk(unsigned int seed)
{
	srandom(seed);
	for (int round = 0; round < 1500; round++) {
		unsigned long first = (unsigned long)random() % PAGES;
		unsigned long last = first + (unsigned long)random() % (PAGES - first);

		random_step(first, last);
		if (round % 20 == 0)
			compare();
	}
	compare();
	revoke(0, map.last);
	forget_all(0, map.last);
	ck_assert_uint_eq(held(), 0);
	tear_down();
}

START_TEST(random_against_model)
{
	for (unsigned int seed = 1; seed <= 5; seed++) {
		set_up();
		random_walk(seed);
	}
	ck_assert_uint_gt(giants_seen, 0);
}
END_TEST

/* The map is no larger than the model: it begins and ends inside a block, or not. */
START_TEST(random_in_cut_map)
{
	static const unsigned long frames[] = { FIRST, 0, 1, 511, FIRST | 511 };

	for (unsigned int i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		set_up_at(frames[i], PAGES - 1, 0);
		random_walk(100 + i);
	}
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
	add_case(suite, "pieces_of_blocks", pieces_of_blocks);
	add_case(suite, "out_of_memory", out_of_memory);
	add_case(suite, "remote_outlives_the_frame", remote_outlives_the_frame);
	add_case(suite, "remote_without_a_frame", remote_without_a_frame);
	add_case(suite, "aging", aging);
	add_case(suite, "empty_leaf_is_trimmed", empty_leaf_is_trimmed);
	add_case(suite, "block_geometry", block_geometry);
	add_case(suite, "block_find", block_find);
	add_case(suite, "block_states", block_states);
	add_case(suite, "block_forget_keeps_valid", block_forget_keeps_valid);
	add_case(suite, "block_mapped_meanwhile", block_mapped_meanwhile);
	add_case(suite, "block_is_not_remote", block_is_not_remote);
	add_case(suite, "block_aging", block_aging);
	add_case(suite, "giant_find", giant_find);
	add_case(suite, "giant_states", giant_states);
	add_case(suite, "giant_barred", giant_barred);
	add_case(suite, "random_against_model", random_against_model);
	add_case(suite, "random_in_cut_map", random_in_cut_map);
	return run_suite(suite);
}
