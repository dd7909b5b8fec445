// SPDX-License-Identifier: GPL-2.0-only
/*
 * Aging: telling reclaim which pages attachments use.
 *
 * The VM decides what to reclaim by the accessed bits of page tables, and asks
 * notifiers for those that it does not see: with a page table lock of the owner
 * held, so nothing here can sleep or take a lock inside which such a lock is
 * taken.  The accessed bits of the attachers' page tables are out of reach.  So:
 *
 *  - a fault marks the pages it maps REFERENCED (fault.c);
 *  - "was it used?" is answered by that mark;
 *  - clearing it makes the page AGED, and a work takes AGED pages out of the
 *    attachers' page tables some time later.  Whoever still uses the page faults,
 *    which costs little as the page stays VALID, and marks it again.
 *
 * A fault maps a window of pages (window.h), or a huge page, all of which count as
 * used.  So that window, of 32 to 512 pages, is the unit in which idle memory is
 * told from used memory.
 */
#include "aging.h"

#include <linux/workqueue.h>

#include "compat/compat.h"
#include "segment.h"
#include "stats.h"
#include "zap.h"

static struct workqueue_struct *aging_wq;

void xpm_aging_setup(struct xpm_aging *aging)
{
	spin_lock_init(&aging->lock);
	aging->segments = RB_ROOT_CACHED;
}

/*
 * Empties the attachers' page tables of [first, last], which is AGED, and widened to
 * the whole of giants; none may be mapped meanwhile, as it would be met in part.
 */
static void zap(struct xpm_segment *segment, unsigned long first, unsigned long last)
{
	struct xpm_rmap *rmap = &segment->rmap;

	if (!xpm_giant_entries()) {
		xpm_zap(segment, first, last);
		return;
	}
	write_lock(&rmap->lock);
	xpm_rmap_bar_giants(rmap, &first, &last);
	write_unlock(&rmap->lock);
	xpm_zap(segment, first, last);
	write_lock(&rmap->lock);
	xpm_rmap_allow_giants(rmap);
	write_unlock(&rmap->lock);
}

static void count_aged(struct xpm_segment *segment, unsigned long pages)
{
	atomic_long_add(pages, &segment->aged);
	xpm_stats_add(XPM_STAT_AGED, pages);
}

/* The same of those of a leaf, a run at a time */
static void zap_aged(struct xpm_segment *segment, unsigned long at, u64 mask)
{
	while (mask) {
		unsigned int from = __ffs64(mask);
		unsigned int pages = ~(mask >> from) ? __ffs64(~(mask >> from)) : XPM_LEAF_PAGES;

		zap(segment, (at << XPM_LEAF_SHIFT) + from,
		    (at << XPM_LEAF_SHIFT) + from + pages - 1);
		count_aged(segment, pages);
		mask &= from + pages < XPM_LEAF_PAGES ? ~0ULL << (from + pages) : 0;
	}
}

/* The same of blocks, those in a row at once: they may be one giant */
static void zap_aged_blocks(struct xpm_segment *segment)
{
	unsigned long at = 0, first, last;
	bool any = xpm_rmap_next_aged_block(&segment->rmap, &at);

	while (any) {
		first = at;
		do {
			last = at + XPM_BLOCK_PAGES - 1;
			at = last + 1;
			any = xpm_rmap_next_aged_block(&segment->rmap, &at);
		} while (any && at == last + 1 && last - first < XPM_GIANT_PAGES - 1);
		zap(segment, first, last);
		count_aged(segment, last - first + 1);
		cond_resched();
	}
}

static void aging_work(struct work_struct *work)
{
	struct xpm_segment *segment = container_of(work, struct xpm_segment, aging_work);
	unsigned long at = 0;
	u64 mask;

	while ((mask = xpm_rmap_next_aged(&segment->rmap, &at))) {
		zap_aged(segment, at, mask);
		at++;
		cond_resched();
	}
	zap_aged_blocks(segment);
	xpm_segment_put(segment);
}

void xpm_aging_insert(struct xpm_aging *aging, struct xpm_segment *segment)
{
	INIT_WORK(&segment->aging_work, aging_work);
	segment->span.start = segment->start;
	segment->span.last = segment->end - 1;
	spin_lock(&aging->lock);
	interval_tree_insert(&segment->span, &aging->segments);
	spin_unlock(&aging->lock);
}

void xpm_aging_remove(struct xpm_aging *aging, struct xpm_segment *segment)
{
	spin_lock(&aging->lock);
	interval_tree_remove(&segment->span, &aging->segments);
	spin_unlock(&aging->lock);
}

static bool look(struct xpm_segment *segment, unsigned long start, unsigned long end, bool clear)
{
	unsigned long first = xpm_segment_index(segment, max(start, segment->start));
	unsigned long last = xpm_segment_index(segment, min(end, segment->end) - 1);

	if (!clear)
		return xpm_rmap_is_young(&segment->rmap, first, last);
	if (!xpm_rmap_clear_young(&segment->rmap, first, last))
		return false;
	/* Not the last reference: the owner's goes when it is out of the tree. */
	xpm_segment_hold(segment);
	if (!queue_work(aging_wq, &segment->aging_work))
		xpm_segment_put(segment);
	return true;
}

static bool look_at_all(struct xpm_aging *aging, unsigned long start, unsigned long end,
			bool clear)
{
	struct interval_tree_node *node;
	bool young = false;

	spin_lock(&aging->lock);
	for (node = interval_tree_iter_first(&aging->segments, start, end - 1); node;
	     node = interval_tree_iter_next(node, start, end - 1))
		young |= look(container_of(node, struct xpm_segment, span), start, end, clear);
	spin_unlock(&aging->lock);
	return young;
}

bool xpm_aging_is_young(struct xpm_aging *aging, unsigned long start, unsigned long end)
{
	return look_at_all(aging, start, end, false);
}

bool xpm_aging_clear(struct xpm_aging *aging, unsigned long start, unsigned long end)
{
	return look_at_all(aging, start, end, true);
}

int xpm_aging_init(void)
{
	aging_wq = alloc_workqueue("xpmem_aging", WQ_UNBOUND, 0);
	return aging_wq ? 0 : -ENOMEM;
}

void xpm_aging_exit(void)
{
	destroy_workqueue(aging_wq);
}
