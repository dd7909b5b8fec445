// SPDX-License-Identifier: GPL-2.0-only
/* The reverse map of a segment; what it is and its states stand in rmap.h. */
#include "rmap.h"

#include <linux/bitops.h>
#include <linux/slab.h>

#include "stats.h"

/* Leaves that revoke and forget look at in one piece */
#define XPM_RMAP_PIECE	512

/* Mark of a leaf in the XArray: it may have AGED pages */
#define LEAF_AGED	XA_MARK_0

static struct kmem_cache *leaf_cache;

int xpm_rmap_cache_create(void)
{
	leaf_cache = KMEM_CACHE(xpm_leaf, SLAB_ACCOUNT);
	return leaf_cache ? 0 : -ENOMEM;
}

void xpm_rmap_cache_destroy(void)
{
	rcu_barrier();		/* leaves on their way out */
	kmem_cache_destroy(leaf_cache);
}

void xpm_rmap_init(struct xpm_rmap *map)
{
	spin_lock_init(&map->lock);
	xa_init_flags(&map->leaves, XA_FLAGS_ACCOUNT);
}

void xpm_rmap_destroy(struct xpm_rmap *map)
{
	struct xpm_leaf *leaf;
	unsigned long at;

	xa_for_each(&map->leaves, at, leaf) {
		xpm_stats_add(XPM_STAT_LEAVES, -1);
		kmem_cache_free(leaf_cache, leaf);
	}
	xa_destroy(&map->leaves);
}

int xpm_rmap_reserve(struct xpm_rmap *map, unsigned long index)
{
	struct xpm_leaf *leaf;
	int err;

	if (xa_load(&map->leaves, index >> XPM_LEAF_SHIFT))
		return 0;

	leaf = kmem_cache_zalloc(leaf_cache, GFP_KERNEL);
	if (!leaf)
		return -ENOMEM;
	err = xa_insert(&map->leaves, index >> XPM_LEAF_SHIFT, leaf, GFP_KERNEL);
	if (!err) {
		xpm_stats_add(XPM_STAT_LEAVES, 1);
		return 0;
	}
	kmem_cache_free(leaf_cache, leaf);
	return err == -EBUSY ? 0 : err;
}

/* Who has pages of @mask */
static unsigned int leaf_marks(const struct xpm_leaf *leaf, u64 mask)
{
	return (leaf->external & mask ? XPM_RMAP_EXTERNAL : 0) |
	       (leaf->remote & mask ? XPM_RMAP_REMOTE : 0);
}

struct xpm_leaf *xpm_rmap_leaf(struct xpm_rmap *map, unsigned long index)
{
	lockdep_assert_held(&map->lock);
	return xa_load(&map->leaves, index >> XPM_LEAF_SHIFT);
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
	unsigned int marks = 0;
	struct xpm_leaf *leaf;
	unsigned long at;

	lockdep_assert_held(&map->lock);
	xa_for_each_range(&map->leaves, at, leaf, first >> XPM_LEAF_SHIFT,
			  last >> XPM_LEAF_SHIFT)
		marks |= leaf_marks(leaf, covered(at, first, last));
	return marks;
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

static void free_by_rcu(struct rcu_head *rcu)
{
	kmem_cache_free(leaf_cache, container_of(rcu, struct xpm_leaf, rcu));
}

static void free_if_empty(struct xpm_rmap *map, unsigned long at, struct xpm_leaf *leaf)
{
	if (leaf->valid | leaf->external | leaf->remote)
		return;
	xa_erase(&map->leaves, at);
	xpm_stats_add(XPM_STAT_LEAVES, -1);
	call_rcu(&leaf->rcu, free_by_rcu);
}

void xpm_rmap_trim(struct xpm_rmap *map, unsigned long index)
{
	struct xpm_leaf *leaf = xpm_rmap_leaf(map, index);

	if (leaf)
		free_if_empty(map, index >> XPM_LEAF_SHIFT, leaf);
}

bool xpm_rmap_revoke(struct xpm_rmap *map, unsigned long *first, unsigned long last,
		     unsigned int *marks)
{
	unsigned long at, seen = 0;
	struct xpm_leaf *leaf;

	lockdep_assert_held(&map->lock);
	xa_for_each_range(&map->leaves, at, leaf, *first >> XPM_LEAF_SHIFT,
			  last >> XPM_LEAF_SHIFT) {
		u64 mask = covered(at, *first, last);

		if (seen++ == XPM_RMAP_PIECE) {
			*first = at << XPM_LEAF_SHIFT;
			return true;
		}
		leaf->valid &= ~mask;
		leaf->writable &= ~mask;
		*marks |= leaf_marks(leaf, mask);
		free_if_empty(map, at, leaf);
	}
	return false;
}

bool xpm_rmap_forget(struct xpm_rmap *map, unsigned long *first, unsigned long last,
		     unsigned int marks)
{
	unsigned long at, seen = 0;
	struct xpm_leaf *leaf;

	lockdep_assert_held(&map->lock);
	xa_for_each_range(&map->leaves, at, leaf, *first >> XPM_LEAF_SHIFT,
			  last >> XPM_LEAF_SHIFT) {
		u64 keep = ~covered(at, *first, last) | leaf->valid;

		if (seen++ == XPM_RMAP_PIECE) {
			*first = at << XPM_LEAF_SHIFT;
			return true;
		}
		if (marks & XPM_RMAP_EXTERNAL) {
			leaf->external &= keep;
			atomic64_and(leaf->external, &leaf->referenced);
		}
		if (marks & XPM_RMAP_REMOTE)
			leaf->remote &= keep;
		free_if_empty(map, at, leaf);
	}
	return false;
}

bool xpm_rmap_is_young(struct xpm_rmap *map, unsigned long first, unsigned long last)
{
	struct xpm_leaf *leaf;
	unsigned long at;
	bool young = false;

	rcu_read_lock();
	xa_for_each_range(&map->leaves, at, leaf, first >> XPM_LEAF_SHIFT,
			  last >> XPM_LEAF_SHIFT) {
		young = atomic64_read(&leaf->referenced) & covered(at, first, last);
		if (young)
			break;
	}
	rcu_read_unlock();
	return young;
}

bool xpm_rmap_clear_young(struct xpm_rmap *map, unsigned long first, unsigned long last)
{
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
		xa_set_mark(&map->leaves, at, LEAF_AGED);
	}
	rcu_read_unlock();
	return young;
}

u64 xpm_rmap_next_aged(struct xpm_rmap *map, unsigned long *at)
{
	struct xpm_leaf *leaf;
	u64 mask = 0;

	rcu_read_lock();
	for (leaf = xa_find(&map->leaves, at, ULONG_MAX, LEAF_AGED); leaf;
	     leaf = xa_find_after(&map->leaves, at, ULONG_MAX, LEAF_AGED)) {
		xa_clear_mark(&map->leaves, *at, LEAF_AGED);
		mask = atomic64_xchg(&leaf->aged, 0) & ~atomic64_read(&leaf->referenced);
		if (mask)
			break;
	}
	rcu_read_unlock();
	return mask;
}
