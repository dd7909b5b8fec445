/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module's own reverse map: what a segment knows of the owner's pages.
 *
 * One map a segment, indexed by page of the segment.  For each page it holds a
 * page frame number and marks:
 *
 *  VALID       the owner maps this frame at this address now, and nothing is
 *              taking it away.  Only a VALID page may be inserted into an
 *              attachment.
 *  WRITABLE    (of a VALID page) the owner maps it writable, so may an attacher
 *  EXTERNAL    some attachment's page table may map the frame
 *  REMOTE      another subscriber of rmap_notifier.h has something of the page,
 *              which it must hear of; the page need not be VALID, nor ever have been
 *  AWAY        (of a REMOTE page) and its owner has not the page itself
 *  REFERENCED  an attachment has faulted it in since somebody last asked for and
 *              cleared this mark (aging.c)
 *  AGED        REFERENCED was cleared, and the attachments' page tables are to be
 *              emptied of it, so that the next access sets it again
 *
 * A page goes through
 *
 *             store            map_external
 *   nothing --------> VALID --------------> VALID | EXTERNAL
 *      ^                | revoke                | revoke
 *      |<---------------'                       v
 *      '---------------- forget ------------ EXTERNAL
 *
 * and the same with REMOTE in place of EXTERNAL, or both.  revoke comes first in
 * an invalidation, then the subscribers take away what they hold, then forget.
 * EXTERNAL without VALID is therefore an invalidation under way, or one that a call
 * which may not sleep left to another: a second invalidation of the same page that
 * comes meanwhile still sees EXTERNAL and does not return before the page tables
 * are empty, and no fault can insert the frame again.  REMOTE without VALID may
 * also be copies that are held on.
 *
 * Memory that the owner maps by a huge entry is kept as one block of 512 pages,
 * aligned as the owner's address is, with marks of its own: VALID, WRITABLE,
 * EXTERNAL, REFERENCED and AGED mean the same of all its pages at once.  What
 * comes to one of its pages comes to the block, as an attacher's huge entry can
 * only be taken away whole.  REMOTE is a mark of leaves alone, whatever the page is
 * VALID by.  A page may be VALID by its leaf and by its block, with the same frame.
 *
 * 512 VALID blocks in a row, aligned as the owner's address is and with their frames
 * in a row, can be shown by one entry of 1 GiB, a giant.  Blocks have a mark for that:
 *
 *  GIANT       (of an EXTERNAL block) some attachment's page table may map it by an
 *              entry of 1 GiB
 *
 * All 512 have it while there is such an entry.  It can only be taken away whole
 * either, so what comes to one page is widened to all.  The mark goes with EXTERNAL.
 *
 * "last" is inclusive.  Callers hold the map's lock where a function says so, for
 * writing unless it says for reading: those who only insert what is VALID do not
 * exclude each other.  Nothing here sleeps but the two xpm_rmap_reserve functions,
 * which alone allocate.  No page reference is held: a frame is meaningful only
 * while its page is VALID and the lock is held.
 *
 * EXTERNAL and GIANT are set by any number of insertions at once, so by an atomic
 * operation.
 * REFERENCED and AGED are changed without the lock: the VM asks for them with a
 * page table lock held, inside which the map's lock can't be taken as an insertion
 * nests them the other way round.  Leaves and blocks are freed by RCU for that
 * reader's sake.
 *
 * The code uses nothing but XArray, rwlock, RCU and slab, and also builds in
 * user space (tests/unit).
 */
#ifndef XPM_RMAP_H
#define XPM_RMAP_H

#include <linux/atomic.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/xarray.h>

/* A leaf covers this many pages; a mark of a leaf is one word. */
#define XPM_LEAF_SHIFT	6
#define XPM_LEAF_PAGES	(1UL << XPM_LEAF_SHIFT)

/* A block is what a huge entry of the owner's page table covers. */
#define XPM_BLOCK_SHIFT	9
#define XPM_BLOCK_PAGES	(1UL << XPM_BLOCK_SHIFT)

/* A giant is what an entry one level higher covers.  The unit tests have smaller ones. */
#ifndef XPM_GIANT_SHIFT
#define XPM_GIANT_SHIFT	18
#endif
#define XPM_GIANT_PAGES	(1UL << XPM_GIANT_SHIFT)

/* What is found in, and forgotten of, a range; who has the pages */
#define XPM_RMAP_EXTERNAL	(1U << 0)
#define XPM_RMAP_REMOTE		(1U << 1)

struct xpm_leaf {
	u64 valid;
	u64 writable;
	u64 remote;
	u64 away;
	atomic64_t external;
	atomic64_t referenced;
	atomic64_t aged;
	union {
		unsigned long pfn[XPM_LEAF_PAGES];
		struct rcu_head rcu;	/* when it is erased */
	};
};

struct xpm_block {
	unsigned long pfn;	/* of its first page */
	bool valid;
	bool writable;
	atomic_t external;	/* these are 0 or 1 */
	atomic_t giant;
	atomic_t referenced;
	atomic_t aged;
	struct rcu_head rcu;
};

struct xpm_rmap {
	rwlock_t lock;
	struct xarray leaves;	/* changed with the lock held, but for reserve */
	struct xarray blocks;	/* the same */
	unsigned long phase;	/* where page 0 is in its block */
	unsigned long giant_phase;	/* and in its giant */
	unsigned long last;	/* page of the map */
	unsigned long barred_first;	/* see xpm_rmap_bar_giants() */
	unsigned long barred_last;
	unsigned long idle;	/* number of the leaf kept without a mark, if there is one */
};

int xpm_rmap_cache_create(void);
void xpm_rmap_cache_destroy(void);

/* @frame: number of the owner's page that is page 0; @last: of the map */
void xpm_rmap_init(struct xpm_rmap *map, unsigned long frame, unsigned long last);
/* Frees all; no other user of the map may be left. */
void xpm_rmap_destroy(struct xpm_rmap *map);

/*
 * Sees to it that the leaf of @index exists; 0 or -ENOMEM.  May sleep, the lock
 * is not held.  A concurrent xpm_rmap_forget() may free the leaf again while it
 * is empty, so look at the return value of xpm_rmap_leaf().
 */
int xpm_rmap_reserve(struct xpm_rmap *map, unsigned long index);

/* The same for the block of @index, which is one, see xpm_rmap_in_block(). */
int xpm_rmap_reserve_block(struct xpm_rmap *map, unsigned long index);

/*
 * The leaf, or block, of @index or NULL.  Lock held, for reading at least, and the
 * pointer is good as long.
 */
struct xpm_leaf *xpm_rmap_leaf(struct xpm_rmap *map, unsigned long index);
struct xpm_block *xpm_rmap_block(struct xpm_rmap *map, unsigned long index);

/*
 * Frees leaf and block of @index if they have no mark.  The last such leaf is kept until
 * there is another: an owner that frees a buffer and gets a new one often gets it at the
 * same place, where making the leaf, and the XArray's way to it, costs more than all else
 * of a first touch.  Lock held.
 */
void xpm_rmap_trim(struct xpm_rmap *map, unsigned long index);

/* What a VALID page is, by leaf or block; lock held, for reading at least */
bool xpm_rmap_find(struct xpm_rmap *map, unsigned long index, unsigned long *pfn,
		   bool *writable);

/* First page of the block of @index; of the first, it may be "below" page 0 */
static inline unsigned long xpm_rmap_block_first(const struct xpm_rmap *map, unsigned long index)
{
	return ((index + map->phase) & ~(XPM_BLOCK_PAGES - 1)) - map->phase;
}

/* Whether all of the block around @index is in the map */
static inline bool xpm_rmap_in_block(const struct xpm_rmap *map, unsigned long index)
{
	unsigned long first = xpm_rmap_block_first(map, index);

	return first <= map->last && map->last - first >= XPM_BLOCK_PAGES - 1;
}

/* The same for giants */
static inline unsigned long xpm_rmap_giant_first(const struct xpm_rmap *map, unsigned long index)
{
	return ((index + map->giant_phase) & ~(XPM_GIANT_PAGES - 1)) - map->giant_phase;
}

static inline bool xpm_rmap_in_giant(const struct xpm_rmap *map, unsigned long index)
{
	unsigned long first = xpm_rmap_giant_first(map, index);

	return first <= map->last && map->last - first >= XPM_GIANT_PAGES - 1;
}

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

/*
 * nothing -> VALID, or VALID with other rights, for the pages of @mask, whose frames
 * are in leaf->pfn; @writable: those of them that are.  Lock held.
 */
static inline void xpm_leaf_mark_valid(struct xpm_leaf *leaf, u64 mask, u64 writable)
{
	leaf->valid |= mask;
	leaf->writable = (leaf->writable & ~mask) | writable;
}

/* The same for one page */
static inline void xpm_leaf_store(struct xpm_leaf *leaf, unsigned long index,
				  unsigned long pfn, bool writable)
{
	u64 bit = xpm_leaf_bit(index);

	leaf->pfn[index & (XPM_LEAF_PAGES - 1)] = pfn;
	xpm_leaf_mark_valid(leaf, bit, writable ? bit : 0);
}

static inline void xpm_block_store(struct xpm_block *block, unsigned long pfn, bool writable)
{
	block->pfn = pfn;
	block->valid = true;
	block->writable = writable;
}

/*
 * VALID -> VALID | EXTERNAL for the pages of @mask, all VALID; lock held for
 * reading.
 */
static inline void xpm_leaf_map_external(struct xpm_leaf *leaf, u64 mask)
{
	if (~(u64)atomic64_read(&leaf->external) & mask)
		atomic64_or(mask, &leaf->external);
}

static inline void xpm_block_map_external(struct xpm_block *block)
{
	if (!atomic_read(&block->external))
		atomic_set(&block->external, 1);
}

/*
 * The pages of @mask were mapped for an attacher.  Lock held for reading.  Comes
 * after the mapping, not before: whoever clears the mark then sees the page table
 * entry.
 */
static inline void xpm_leaf_reference(struct xpm_leaf *leaf, u64 mask)
{
	if (~(u64)atomic64_read(&leaf->referenced) & mask)
		atomic64_or(mask, &leaf->referenced);
}

static inline void xpm_block_reference(struct xpm_block *block)
{
	if (!atomic_read(&block->referenced))
		atomic_set(&block->referenced, 1);
}

/*
 * Whether the giant around @index can be shown by one entry: *pfn, of its first page;
 * *writable, all of it.  Lock held for reading at least.
 */
bool xpm_rmap_find_giant(struct xpm_rmap *map, unsigned long index, unsigned long *pfn,
			 bool *writable);

/*
 * For a giant that was found with the lock held for reading, and since: makes it
 * GIANT and EXTERNAL, before the mapping, and REFERENCED, after it.
 */
void xpm_rmap_map_giant(struct xpm_rmap *map, unsigned long index);
void xpm_rmap_reference_giant(struct xpm_rmap *map, unsigned long index);

/*
 * Widens [*first, *last], which is revoked, to the whole of blocks that are EXTERNAL
 * and of giants: what must be emptied of attachers.  Lock held, and since the end of
 * the revocation.
 */
void xpm_rmap_widen(struct xpm_rmap *map, unsigned long *first, unsigned long *last);

/*
 * For who empties attachers of pages that stay VALID: the same to the whole of giants
 * alone, of which none is found any more that has a page of the range, until
 * xpm_rmap_allow_giants().  One at a time.  Lock held for writing.
 */
void xpm_rmap_bar_giants(struct xpm_rmap *map, unsigned long *first, unsigned long *last);
void xpm_rmap_allow_giants(struct xpm_rmap *map);

/* Which of EXTERNAL and REMOTE some page of [first, last] has.  Lock held. */
unsigned int xpm_rmap_marks(struct xpm_rmap *map, unsigned long first, unsigned long last);

/*
 * Makes the pages of [first, last] that are VALID in leaves REMOTE; returns how many.
 * Lock held.
 */
unsigned long xpm_rmap_set_remote(struct xpm_rmap *map, unsigned long first, unsigned long last);

/*
 * Makes the pages of [first, last], all of one leaf, REMOTE, and AWAY or not; false
 * when there is no such leaf, see xpm_rmap_reserve().  Lock held.
 */
bool xpm_rmap_mark_remote(struct xpm_rmap *map, unsigned long first, unsigned long last,
			  bool away);

/*
 * The first run of REMOTE pages at *first or after it that are all AWAY, or all not:
 * [*first, *last], which goes no further than its leaf.  False: there is none.  Lock
 * held, for reading at least.
 */
bool xpm_rmap_next_remote(struct xpm_rmap *map, unsigned long *first, unsigned long *last,
			  bool *away);

/*
 * The three below walk [*first, last] a bounded piece at a time, lock held.  They
 * return true when something is left, and *first says from where; the caller
 * drops the lock, lets others run where it may, and calls again.  A leaf or block
 * that has no mark left is freed, see xpm_rmap_trim().
 *
 * xpm_rmap_revoke: no page of the piece is VALID any more; to *marks is added
 * what of EXTERNAL and REMOTE was found, that is, who must let go.  The caller
 * has made sure that no page becomes VALID meanwhile.
 *
 * xpm_rmap_forget: who has the pages of @marks let go; no page of the piece that
 * is not VALID has these marks any more.  AWAY goes with REMOTE.
 *
 * xpm_rmap_clear_remote: nobody else has the pages: none of the piece is REMOTE any
 * more, VALID or not.
 */
bool xpm_rmap_revoke(struct xpm_rmap *map, unsigned long *first, unsigned long last,
		     unsigned int *marks);
bool xpm_rmap_forget(struct xpm_rmap *map, unsigned long *first, unsigned long last,
		     unsigned int marks);
bool xpm_rmap_clear_remote(struct xpm_rmap *map, unsigned long *first, unsigned long last);

/*
 * Aging; no lock is needed and any spinlock may be held.
 *
 * xpm_rmap_is_young: whether a page of [first, last] is REFERENCED.
 *
 * xpm_rmap_clear_young: the same, and clears the mark; those that had it become
 * AGED.
 *
 * xpm_rmap_next_aged: AGED pages of the first leaf at *at or after it that has
 * any: takes the mark from them and returns those that were not REFERENCED again;
 * *at is the leaf's number.  0 when there is none left.
 *
 * xpm_rmap_next_aged_block: the same for blocks: whether there was one; *first is
 * its first page, or where to begin.
 */
bool xpm_rmap_is_young(struct xpm_rmap *map, unsigned long first, unsigned long last);
bool xpm_rmap_clear_young(struct xpm_rmap *map, unsigned long first, unsigned long last);
u64 xpm_rmap_next_aged(struct xpm_rmap *map, unsigned long *at);
bool xpm_rmap_next_aged_block(struct xpm_rmap *map, unsigned long *first);

#endif /* XPM_RMAP_H */
