// SPDX-License-Identifier: GPL-2.0-only
/* The reverse map of a segment; what it is and its states stand in rmap.h. */
#include "rmap.h"

#include <linux/slab.h>

/* Leaves that revoke and forget look at in one piece */
#define XPM_RMAP_PIECE	512

static struct kmem_cache *leaf_cache;

int xpm_rmap_cache_create(void)
{
	leaf_cache = KMEM_CACHE(xpm_leaf, SLAB_ACCOUNT);
	return leaf_cache ? 0 : -ENOMEM;
}

void xpm_rmap_cache_destroy(void)
{
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

	xa_for_each(&map->leaves, at, leaf)
		kmem_cache_free(leaf_cache, leaf);
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
	if (!err)
		return 0;
	kmem_cache_free(leaf_cache, leaf);
	return err == -EBUSY ? 0 : err;
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

bool xpm_rmap_is_external(struct xpm_rmap *map, unsigned long first, unsigned long last)
{
	struct xpm_leaf *leaf;
	unsigned long at;

	lockdep_assert_held(&map->lock);
	xa_for_each_range(&map->leaves, at, leaf, first >> XPM_LEAF_SHIFT,
			  last >> XPM_LEAF_SHIFT)
		if (leaf->external & covered(at, first, last))
			return true;
	return false;
}

static void free_if_empty(struct xpm_rmap *map, unsigned long at, struct xpm_leaf *leaf)
{
	if (leaf->valid | leaf->external)
		return;
	xa_erase(&map->leaves, at);
	kmem_cache_free(leaf_cache, leaf);
}

bool xpm_rmap_revoke(struct xpm_rmap *map, unsigned long *first, unsigned long last,
		     bool *external)
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
		*external |= !!(leaf->external & mask);
		free_if_empty(map, at, leaf);
	}
	return false;
}

bool xpm_rmap_forget(struct xpm_rmap *map, unsigned long *first, unsigned long last)
{
	unsigned long at, seen = 0;
	struct xpm_leaf *leaf;

	lockdep_assert_held(&map->lock);
	xa_for_each_range(&map->leaves, at, leaf, *first >> XPM_LEAF_SHIFT,
			  last >> XPM_LEAF_SHIFT) {
		if (seen++ == XPM_RMAP_PIECE) {
			*first = at << XPM_LEAF_SHIFT;
			return true;
		}
		leaf->external &= ~covered(at, *first, last) | leaf->valid;
		free_if_empty(map, at, leaf);
	}
	return false;
}
