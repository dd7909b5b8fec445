// SPDX-License-Identifier: GPL-2.0-only
/* The reverse map of a segment; what it is and its states stand in rmap.h. */
#include "rmap.h"

#include <linux/bitops.h>
#include <linux/slab.h>

#include "stats.h"

/* Leaves, and blocks, that revoke and forget look at in one piece */
#define XPM_RMAP_PIECE	512

/* Beside marks to be forgotten: of pages that are VALID, too */
#define EVEN_VALID	(XPM_RMAP_REMOTE << 8)

#define GIANT_BLOCKS	(1UL << (XPM_GIANT_SHIFT - XPM_BLOCK_SHIFT))

/* Mark of a leaf or block in the XArray: it may be AGED, or have pages that are */
#define MAY_BE_AGED	XA_MARK_0

/* Beyond the last leaf there can be */
#define NO_LEAF		ULONG_MAX

static struct kmem_cache *leaf_cache;
static struct kmem_cache *block_cache;

int xpm_rmap_cache_create(void)
{
	leaf_cache = KMEM_CACHE(xpm_leaf, SLAB_ACCOUNT);
	if (!leaf_cache)
		return -ENOMEM;
	block_cache = KMEM_CACHE(xpm_block, SLAB_ACCOUNT);
	if (block_cache)
		return 0;
	kmem_cache_destroy(leaf_cache);
	return -ENOMEM;
}

void xpm_rmap_cache_destroy(void)
{
	rcu_barrier();		/* leaves and blocks on their way out */
	kmem_cache_destroy(block_cache);
	kmem_cache_destroy(leaf_cache);
}

void xpm_rmap_init(struct xpm_rmap *map, unsigned long frame, unsigned long last)
{
	rwlock_init(&map->lock);
	xa_init_flags(&map->leaves, XA_FLAGS_ACCOUNT);
	xa_init_flags(&map->blocks, XA_FLAGS_ACCOUNT);
	map->phase = frame & (XPM_BLOCK_PAGES - 1);
	map->giant_phase = frame & (XPM_GIANT_PAGES - 1);
	map->last = last;
	xpm_rmap_allow_giants(map);
	map->idle = NO_LEAF;
}

void xpm_rmap_destroy(struct xpm_rmap *map)
{
	struct xpm_block *block;
	struct xpm_leaf *leaf;
	unsigned long at;

	xa_for_each(&map->leaves, at, leaf) {
		xpm_stats_add(XPM_STAT_LEAVES, -1);
		kmem_cache_free(leaf_cache, leaf);
	}
	xa_destroy(&map->leaves);
	xa_for_each(&map->blocks, at, block) {
		xpm_stats_add(XPM_STAT_BLOCKS, -1);
		kmem_cache_free(block_cache, block);
	}
	xa_destroy(&map->blocks);
}

static unsigned long block_number(const struct xpm_rmap *map, unsigned long index)
{
	return (index + map->phase) >> XPM_BLOCK_SHIFT;
}

static int reserve(struct xarray *xa, unsigned long at, struct kmem_cache *cache,
		   enum xpm_stat stat)
{
	void *object;
	int err;

	if (xa_load(xa, at))
		return 0;

	object = kmem_cache_zalloc(cache, GFP_KERNEL);
	if (!object)
		return -ENOMEM;
	err = xa_insert(xa, at, object, GFP_KERNEL);
	if (!err) {
		xpm_stats_add(stat, 1);
		return 0;
	}
	kmem_cache_free(cache, object);
	return err == -EBUSY ? 0 : err;
}

int xpm_rmap_reserve(struct xpm_rmap *map, unsigned long index)
{
	return reserve(&map->leaves, index >> XPM_LEAF_SHIFT, leaf_cache, XPM_STAT_LEAVES);
}

int xpm_rmap_reserve_block(struct xpm_rmap *map, unsigned long index)
{
	return reserve(&map->blocks, block_number(map, index), block_cache, XPM_STAT_BLOCKS);
}

/* Who has pages of @mask */
static unsigned int leaf_marks(const struct xpm_leaf *leaf, u64 mask)
{
	return (atomic64_read(&leaf->external) & mask ? XPM_RMAP_EXTERNAL : 0) |
	       (leaf->remote & mask ? XPM_RMAP_REMOTE : 0);
}

static unsigned int block_marks(const struct xpm_block *block)
{
	return atomic_read(&block->external) ? XPM_RMAP_EXTERNAL : 0;
}

struct xpm_leaf *xpm_rmap_leaf(struct xpm_rmap *map, unsigned long index)
{
	lockdep_assert_held(&map->lock);
	return xa_load(&map->leaves, index >> XPM_LEAF_SHIFT);
}

struct xpm_block *xpm_rmap_block(struct xpm_rmap *map, unsigned long index)
{
	lockdep_assert_held(&map->lock);
	return xa_load(&map->blocks, block_number(map, index));
}

bool xpm_rmap_find(struct xpm_rmap *map, unsigned long index, unsigned long *pfn,
		   bool *writable)
{
	struct xpm_block *block = xpm_rmap_block(map, index);
	struct xpm_leaf *leaf;

	if (block && block->valid) {
		*pfn = block->pfn + (index - xpm_rmap_block_first(map, index));
		*writable = block->writable;
		return true;
	}
	leaf = xpm_rmap_leaf(map, index);
	if (!leaf || !(leaf->valid & xpm_leaf_bit(index)))
		return false;
	*pfn = leaf->pfn[index & (XPM_LEAF_PAGES - 1)];
	*writable = leaf->writable & xpm_leaf_bit(index);
	return true;
}

/* What [first, last] covers of the leaf at position @at */
static u64 covered(unsigned long at, unsigned long first, unsigned long last)
{
	unsigned long leaf_first = at << XPM_LEAF_SHIFT;
	unsigned long leaf_last = leaf_first + XPM_LEAF_PAGES - 1;

	return xpm_leaf_mask(max(first, leaf_first), min(last, leaf_last));
}

unsigned int xpm_rmap_marks(struct xpm_rmap *map, unsigned long first, unsigned long last)
{
	struct xpm_block *block;
	unsigned int marks = 0;
	struct xpm_leaf *leaf;
	unsigned long at;

	lockdep_assert_held(&map->lock);
	xa_for_each_range(&map->leaves, at, leaf, first >> XPM_LEAF_SHIFT,
			  last >> XPM_LEAF_SHIFT)
		marks |= leaf_marks(leaf, covered(at, first, last));
	xa_for_each_range(&map->blocks, at, block, block_number(map, first),
			  block_number(map, last))
		marks |= block_marks(block);
	return marks;
}

bool xpm_rmap_find_giant(struct xpm_rmap *map, unsigned long index, unsigned long *pfn,
			 bool *writable)
{
	unsigned long first = xpm_rmap_giant_first(map, index);
	unsigned long last = first + XPM_GIANT_PAGES - 1;
	unsigned long at, number = block_number(map, first), next = number;
	struct xpm_block *block = xpm_rmap_block(map, first);

	if (!xpm_rmap_in_giant(map, index) || !block || block->pfn & (XPM_GIANT_PAGES - 1) ||
	    (map->barred_first <= last && map->barred_last >= first))
		return false;
	*pfn = block->pfn;
	*writable = true;
	xa_for_each_range(&map->blocks, at, block, number, number + GIANT_BLOCKS - 1) {
		if (at != next || !block->valid ||
		    block->pfn != *pfn + ((at - number) << XPM_BLOCK_SHIFT))
			return false;
		*writable &= block->writable;
		next++;
	}
	return next == number + GIANT_BLOCKS;
}

void xpm_rmap_map_giant(struct xpm_rmap *map, unsigned long index)
{
	unsigned long at, first = block_number(map, xpm_rmap_giant_first(map, index));
	struct xpm_block *block;

	lockdep_assert_held(&map->lock);
	xa_for_each_range(&map->blocks, at, block, first, first + GIANT_BLOCKS - 1) {
		xpm_block_map_external(block);
		if (!atomic_read(&block->giant))
			atomic_set(&block->giant, 1);
	}
}

void xpm_rmap_reference_giant(struct xpm_rmap *map, unsigned long index)
{
	unsigned long at, first = block_number(map, xpm_rmap_giant_first(map, index));
	struct xpm_block *block;

	lockdep_assert_held(&map->lock);
	xa_for_each_range(&map->blocks, at, block, first, first + GIANT_BLOCKS - 1)
		xpm_block_reference(block);
}

static bool is_external_block(struct xpm_rmap *map, unsigned long index)
{
	struct xpm_block *block = xpm_rmap_block(map, index);

	return block && atomic_read(&block->external);
}

static bool is_giant(struct xpm_rmap *map, unsigned long index)
{
	struct xpm_block *block = xpm_rmap_block(map, index);

	return block && atomic_read(&block->giant);
}

static void widen_to_giants(struct xpm_rmap *map, unsigned long *first, unsigned long *last)
{
	if (is_giant(map, *first))
		*first = xpm_rmap_giant_first(map, *first);
	if (is_giant(map, *last))
		*last = xpm_rmap_giant_first(map, *last) + XPM_GIANT_PAGES - 1;
}

void xpm_rmap_widen(struct xpm_rmap *map, unsigned long *first, unsigned long *last)
{
	if (is_external_block(map, *first))
		*first = xpm_rmap_block_first(map, *first);
	if (is_external_block(map, *last))
		*last = xpm_rmap_block_first(map, *last) + XPM_BLOCK_PAGES - 1;
	widen_to_giants(map, first, last);
}

void xpm_rmap_bar_giants(struct xpm_rmap *map, unsigned long *first, unsigned long *last)
{
	lockdep_assert_held_write(&map->lock);
	widen_to_giants(map, first, last);
	map->barred_first = *first;
	map->barred_last = *last;
}

void xpm_rmap_allow_giants(struct xpm_rmap *map)
{
	map->barred_first = ULONG_MAX;
	map->barred_last = 0;
}

unsigned long xpm_rmap_set_remote(struct xpm_rmap *map, unsigned long first, unsigned long last)
{
	unsigned long at, pages = 0;
	struct xpm_leaf *leaf;

	lockdep_assert_held(&map->lock);
	xa_for_each_range(&map->leaves, at, leaf, first >> XPM_LEAF_SHIFT,
			  last >> XPM_LEAF_SHIFT) {
		u64 mask = leaf->valid & covered(at, first, last);

		leaf->remote |= mask;
		pages += hweight64(mask);
	}
	return pages;
}

bool xpm_rmap_mark_remote(struct xpm_rmap *map, unsigned long first, unsigned long last,
			  bool away)
{
	struct xpm_leaf *leaf = xpm_rmap_leaf(map, first);
	u64 mask = xpm_leaf_mask(first, last);

	lockdep_assert_held_write(&map->lock);
	if (!leaf)
		return false;
	leaf->remote |= mask;
	leaf->away = away ? leaf->away | mask : leaf->away & ~mask;
	return true;
}

bool xpm_rmap_next_remote(struct xpm_rmap *map, unsigned long *first, unsigned long *last,
			  bool *away)
{
	unsigned long at;
	struct xpm_leaf *leaf;

	lockdep_assert_held(&map->lock);
	xa_for_each_range(&map->leaves, at, leaf, *first >> XPM_LEAF_SHIFT,
			  map->last >> XPM_LEAF_SHIFT) {
		u64 mask = leaf->remote & covered(at, *first, map->last);
		unsigned int bit;

		if (!mask)
			continue;
		bit = __ffs64(mask);
		*away = leaf->away >> bit & 1;
		mask &= *away ? leaf->away : ~leaf->away;
		*first = (at << XPM_LEAF_SHIFT) + bit;
		mask = ~(mask >> bit);
		*last = mask ? *first + __ffs64(mask) - 1 : *first + XPM_LEAF_PAGES - 1;
		return true;
	}
	return false;
}

static void free_leaf(struct rcu_head *rcu)
{
	kmem_cache_free(leaf_cache, container_of(rcu, struct xpm_leaf, rcu));
}

static void free_block(struct rcu_head *rcu)
{
	kmem_cache_free(block_cache, container_of(rcu, struct xpm_block, rcu));
}

static bool is_marked(const struct xpm_leaf *leaf)
{
	return leaf->valid | leaf->remote | (u64)atomic64_read(&leaf->external);
}

static void trim_leaf(struct xpm_rmap *map, unsigned long at, struct xpm_leaf *leaf)
{
	struct xpm_leaf *idle;

	if (is_marked(leaf))
		return;
	/* One that is kept has to be as a new one. */
	atomic64_set(&leaf->referenced, 0);
	atomic64_set(&leaf->aged, 0);
	if (at == map->idle)
		return;
	idle = xa_load(&map->leaves, map->idle);
	if (idle && !is_marked(idle)) {
		xa_erase(&map->leaves, map->idle);
		xpm_stats_add(XPM_STAT_LEAVES, -1);
		call_rcu(&idle->rcu, free_leaf);
	}
	map->idle = at;
}

static void trim_block(struct xpm_rmap *map, unsigned long at, struct xpm_block *block)
{
	if (block->valid || atomic_read(&block->external))
		return;
	xa_erase(&map->blocks, at);
	xpm_stats_add(XPM_STAT_BLOCKS, -1);
	call_rcu(&block->rcu, free_block);
}

void xpm_rmap_trim(struct xpm_rmap *map, unsigned long index)
{
	struct xpm_block *block = xpm_rmap_block(map, index);
	struct xpm_leaf *leaf = xpm_rmap_leaf(map, index);

	if (leaf)
		trim_leaf(map, index >> XPM_LEAF_SHIFT, leaf);
	if (block)
		trim_block(map, block_number(map, index), block);
}

/*
 * Applies one of the functions to the leaves of the first piece of [first, last],
 * the other to the blocks that any of its pages is in; returns its last page.
 */
static unsigned long walk_piece(struct xpm_rmap *map, unsigned long first, unsigned long last,
				void (*leaf_fn)(struct xpm_leaf *leaf, u64 mask,
						unsigned int *marks),
				void (*block_fn)(struct xpm_block *block, unsigned int *marks),
				unsigned int *marks)
{
	struct xpm_block *block;
	unsigned long at, seen = 0;
	struct xpm_leaf *leaf;

	xa_for_each_range(&map->leaves, at, leaf, first >> XPM_LEAF_SHIFT,
			  last >> XPM_LEAF_SHIFT) {
		if (seen++ == XPM_RMAP_PIECE) {
			last = (at << XPM_LEAF_SHIFT) - 1;
			break;
		}
		leaf_fn(leaf, covered(at, first, last), marks);
		trim_leaf(map, at, leaf);
	}
	seen = 0;
	xa_for_each_range(&map->blocks, at, block, block_number(map, first),
			  block_number(map, last)) {
		if (seen++ == XPM_RMAP_PIECE) {
			last = (at << XPM_BLOCK_SHIFT) - map->phase - 1;
			break;
		}
		block_fn(block, marks);
		trim_block(map, at, block);
	}
	return last;
}

static void revoke_leaf(struct xpm_leaf *leaf, u64 mask, unsigned int *marks)
{
	leaf->valid &= ~mask;
	leaf->writable &= ~mask;
	*marks |= leaf_marks(leaf, mask);
}

static void revoke_block(struct xpm_block *block, unsigned int *marks)
{
	block->valid = false;
	block->writable = false;
	*marks |= block_marks(block);
}

static void forget_leaf(struct xpm_leaf *leaf, u64 mask, unsigned int *marks)
{
	if (!(*marks & EVEN_VALID))
		mask &= ~leaf->valid;
	if (*marks & XPM_RMAP_EXTERNAL) {
		atomic64_andnot(mask, &leaf->external);
		atomic64_andnot(mask, &leaf->referenced);
	}
	if (*marks & XPM_RMAP_REMOTE) {
		leaf->remote &= ~mask;
		leaf->away &= ~mask;
	}
}

static void forget_block(struct xpm_block *block, unsigned int *marks)
{
	if (block->valid || !(*marks & XPM_RMAP_EXTERNAL))
		return;
	atomic_set(&block->external, 0);
	atomic_set(&block->giant, 0);
	atomic_set(&block->referenced, 0);
}

bool xpm_rmap_revoke(struct xpm_rmap *map, unsigned long *first, unsigned long last,
		     unsigned int *marks)
{
	unsigned long done;

	lockdep_assert_held_write(&map->lock);
	done = walk_piece(map, *first, last, revoke_leaf, revoke_block, marks);
	*first = done + 1;
	return done < last;
}

bool xpm_rmap_forget(struct xpm_rmap *map, unsigned long *first, unsigned long last,
		     unsigned int marks)
{
	unsigned long done;

	lockdep_assert_held_write(&map->lock);
	done = walk_piece(map, *first, last, forget_leaf, forget_block, &marks);
	*first = done + 1;
	return done < last;
}

bool xpm_rmap_clear_remote(struct xpm_rmap *map, unsigned long *first, unsigned long last)
{
	unsigned int marks = XPM_RMAP_REMOTE | EVEN_VALID;
	unsigned long done;

	lockdep_assert_held_write(&map->lock);
	done = walk_piece(map, *first, last, forget_leaf, forget_block, &marks);
	*first = done + 1;
	return done < last;
}

bool xpm_rmap_is_young(struct xpm_rmap *map, unsigned long first, unsigned long last)
{
	struct xpm_block *block;
	struct xpm_leaf *leaf;
	unsigned long at;
	bool young = false;

	rcu_read_lock();
	xa_for_each_range(&map->leaves, at, leaf, first >> XPM_LEAF_SHIFT,
			  last >> XPM_LEAF_SHIFT) {
		young = atomic64_read(&leaf->referenced) & covered(at, first, last);
		if (young)
			goto out;
	}
	xa_for_each_range(&map->blocks, at, block, block_number(map, first),
			  block_number(map, last)) {
		young = atomic_read(&block->referenced);
		if (young)
			goto out;
	}
out:
	rcu_read_unlock();
	return young;
}

bool xpm_rmap_clear_young(struct xpm_rmap *map, unsigned long first, unsigned long last)
{
	struct xpm_block *block;
	struct xpm_leaf *leaf;
	unsigned long at;
	bool young = false;

	rcu_read_lock();
	xa_for_each_range(&map->leaves, at, leaf, first >> XPM_LEAF_SHIFT,
			  last >> XPM_LEAF_SHIFT) {
		u64 mask = atomic64_read(&leaf->referenced) & covered(at, first, last);

		if (!mask)
			continue;
		young = true;
		atomic64_andnot(mask, &leaf->referenced);
		/* In this order: next_aged() takes them the other way round. */
		atomic64_or(mask, &leaf->aged);
		xa_set_mark(&map->leaves, at, MAY_BE_AGED);
	}
	xa_for_each_range(&map->blocks, at, block, block_number(map, first),
			  block_number(map, last)) {
		if (!atomic_read(&block->referenced))
			continue;
		young = true;
		atomic_set(&block->referenced, 0);
		atomic_xchg(&block->aged, 1);	/* ordered against both neighbours */
		xa_set_mark(&map->blocks, at, MAY_BE_AGED);
	}
	rcu_read_unlock();
	return young;
}

u64 xpm_rmap_next_aged(struct xpm_rmap *map, unsigned long *at)
{
	struct xpm_leaf *leaf;
	u64 mask = 0;

	rcu_read_lock();
	for (leaf = xa_find(&map->leaves, at, ULONG_MAX, MAY_BE_AGED); leaf;
	     leaf = xa_find_after(&map->leaves, at, ULONG_MAX, MAY_BE_AGED)) {
		xa_clear_mark(&map->leaves, *at, MAY_BE_AGED);
		mask = atomic64_xchg(&leaf->aged, 0) & ~atomic64_read(&leaf->referenced);
		if (mask)
			break;
	}
	rcu_read_unlock();
	return mask;
}

bool xpm_rmap_next_aged_block(struct xpm_rmap *map, unsigned long *first)
{
	unsigned long at = block_number(map, *first);
	struct xpm_block *block;

	rcu_read_lock();
	for (block = xa_find(&map->blocks, &at, ULONG_MAX, MAY_BE_AGED); block;
	     block = xa_find_after(&map->blocks, &at, ULONG_MAX, MAY_BE_AGED)) {
		xa_clear_mark(&map->blocks, at, MAY_BE_AGED);
		if (atomic_xchg(&block->aged, 0) && !atomic_read(&block->referenced))
			break;
	}
	rcu_read_unlock();
	*first = (at << XPM_BLOCK_SHIFT) - map->phase;
	return block;
}
