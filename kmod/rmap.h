/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module's own reverse map: what a segment knows of the owner's pages.
 *
 * One map a segment, indexed by page of the segment.  For each page it holds a
 * page frame number and three marks:
 *
 *  VALID     the owner maps this frame at this address now, and nothing is
 *            taking it away.  Only a VALID page may be inserted into an
 *            attachment.
 *  WRITABLE  (of a VALID page) the owner maps it writable, so may an attacher
 *  EXTERNAL  some attachment's page table may map the frame
 *
 * A page goes through
 *
 *             store            map_external
 *   nothing --------> VALID --------------> VALID | EXTERNAL
 *      ^                | revoke                | revoke
 *      |<---------------'                       v
 *      '---------------- forget ------------ EXTERNAL
 *
 * revoke comes first in an invalidation, then the page tables of the attachers
 * are emptied, then forget.  EXTERNAL without VALID is therefore an
 * invalidation under way: a second invalidation of the same page that comes
 * meanwhile still sees EXTERNAL and does not return before the page tables are
 * empty, and no fault can insert the frame again.
 *
 * "last" is inclusive.  Callers hold the map's lock where a function says so.
 * Nothing here sleeps but xpm_rmap_reserve(), which is the only function that
 * allocates.  No page reference is held: a frame is meaningful only while its
 * page is VALID and the lock is held.
 *
 * The code uses nothing but XArray, spinlock and slab, and also builds in user
 * space (tests/unit).
 */
#ifndef XPM_RMAP_H
#define XPM_RMAP_H

#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/xarray.h>

/* A leaf covers this many pages; a mark of a leaf is one word. */
#define XPM_LEAF_SHIFT	6
#define XPM_LEAF_PAGES	(1UL << XPM_LEAF_SHIFT)

struct xpm_leaf {
	u64 valid;
	u64 writable;
	u64 external;
	unsigned long pfn[XPM_LEAF_PAGES];
};

struct xpm_rmap {
	spinlock_t lock;
	struct xarray leaves;	/* changed with the lock held, but for reserve */
};

int xpm_rmap_cache_create(void);
void xpm_rmap_cache_destroy(void);

void xpm_rmap_init(struct xpm_rmap *map);
/* Frees all; no other user of the map may be left. */
void xpm_rmap_destroy(struct xpm_rmap *map);

/*
 * Sees to it that the leaf of @index exists; 0 or -ENOMEM.  May sleep, the lock
 * is not held.  A concurrent xpm_rmap_forget() may free the leaf again while it
 * is empty, so look at the return value of xpm_rmap_leaf().
 */
int xpm_rmap_reserve(struct xpm_rmap *map, unsigned long index);

/* The leaf of @index or NULL.  Lock held, and the pointer is good as long. */
struct xpm_leaf *xpm_rmap_leaf(struct xpm_rmap *map, unsigned long index);

/* Bits of the pages [first, last] of one leaf */
static inline u64 xpm_leaf_mask(unsigned long first, unsigned long last)
{
	u64 from = ~0ULL << (first & (XPM_LEAF_PAGES - 1));
	u64 to = ~0ULL >> (XPM_LEAF_PAGES - 1 - (last & (XPM_LEAF_PAGES - 1)));

	return from & to;
}

static inline u64 xpm_leaf_bit(unsigned long index)
{
	return 1ULL << (index & (XPM_LEAF_PAGES - 1));
}

/* nothing -> VALID, or VALID with other rights; lock held */
static inline void xpm_leaf_store(struct xpm_leaf *leaf, unsigned long index,
				  unsigned long pfn, bool writable)
{
	u64 bit = xpm_leaf_bit(index);

	leaf->pfn[index & (XPM_LEAF_PAGES - 1)] = pfn;
	leaf->valid |= bit;
	if (writable)
		leaf->writable |= bit;
	else
		leaf->writable &= ~bit;
}

/* VALID -> VALID | EXTERNAL for the pages of @mask, all VALID; lock held */
static inline void xpm_leaf_map_external(struct xpm_leaf *leaf, u64 mask)
{
	leaf->external |= mask;
}

/* True when a page of [first, last] is EXTERNAL.  Lock held. */
bool xpm_rmap_is_external(struct xpm_rmap *map, unsigned long first, unsigned long last);

/*
 * The two below walk [*first, last] a bounded piece at a time, lock held.  They
 * return true when something is left, and *first says from where; the caller
 * drops the lock, lets others run where it may, and calls again.  A leaf that
 * has no mark left is freed.
 *
 * xpm_rmap_revoke: no page of the piece is VALID any more; *external becomes
 * true when one is EXTERNAL, that is, when page tables of attachers must be
 * emptied.  The caller has made sure that no page becomes VALID meanwhile.
 *
 * xpm_rmap_forget: the page tables were emptied; no page of the piece that is
 * not VALID is EXTERNAL any more.
 */
bool xpm_rmap_revoke(struct xpm_rmap *map, unsigned long *first, unsigned long last,
		     bool *external);
bool xpm_rmap_forget(struct xpm_rmap *map, unsigned long *first, unsigned long last);

#endif /* XPM_RMAP_H */
