// SPDX-License-Identifier: GPL-2.0-only
/*
 * Emptying the page tables of attachments.
 *
 * In an invalidation this runs on a workqueue while the callback waits for its
 * completion.  The callback may be inside the i_mmap_rwsem of any file and inside
 * the invalidation of one mm, and what is done here takes the segment's
 * i_mmap_rwsem and starts the invalidation of other mms: the same classes of
 * locks, not the same locks.  The work holds none.  What the callback waits for is
 * in truth the segment's i_mmap_rwsem, and no checker sees that; who holds it,
 * maps or unmaps an attachment and needs nothing of the owner.  The exception is
 * mm_take_all_locks(), see process.c.
 *
 * That wait can't be ended by a signal, as the owner must not go on while an
 * attacher still maps the page.  It depends on nobody's good will: nothing but
 * page table locks is waited for with the i_mmap_rwsem held, and each piece of
 * the walk is bounded by what is mapped.
 */
#include "zap.h"

#include <linux/completion.h>
#include <linux/mm.h>
#include <linux/workqueue.h>

#include "rmap_notifier.h"
#include "segment.h"
#include "stats.h"

static struct workqueue_struct *zap_wq;

void xpm_zap(struct xpm_segment *segment, unsigned long first, unsigned long last)
{
	xpm_stats_add(XPM_STAT_ZAPS, 1);
	atomic_long_inc(&segment->zaps);
	unmap_mapping_pages(&segment->mapping, first, last - first + 1, true);
}

void xpm_zap_all(struct xpm_segment *segment)
{
	xpm_zap(segment, 0, xpm_segment_last(segment));
}

static void zap_work(struct work_struct *work)
{
	struct xpm_rmap_wait *wait = container_of(work, struct xpm_rmap_wait, work);
	const struct xpm_rmap_range *range = wait->range;

	xpm_zap(range->segment, range->wide_first, range->wide_last);
	complete(&wait->done);
}

static enum xpm_rmap_answer zap_issue(const struct xpm_rmap_range *range,
				      struct xpm_rmap_wait *wait)
{
	/*
	 * EXTERNAL outlives the mappings; who is gone need not be emptied.  Safe
	 * without the lock: a mapping is in the tree before it has entries, a
	 * split puts the new half in before it changes the old one, and a mapping
	 * leaves the tree after its entries and their TLBs were flushed.
	 */
	if (!mapping_mapped(&range->segment->mapping))
		return XPM_RMAP_GONE;
	wait->range = range;
	INIT_WORK_ONSTACK(&wait->work, zap_work);
	init_completion(&wait->done);
	queue_work(zap_wq, &wait->work);
	return XPM_RMAP_WAIT;
}

static void zap_wait(const struct xpm_rmap_range *range, struct xpm_rmap_wait *wait)
{
	wait_for_completion(&wait->done);
	destroy_work_on_stack(&wait->work);
}

static bool zap_nonblock(const struct xpm_rmap_range *range)
{
	return !mapping_mapped(&range->segment->mapping);
}

static const struct xpm_rmap_notifier_ops zap_ops = {
	.name = "attachments",
	.issue = zap_issue,
	.wait = zap_wait,
	.invalidate_nonblock = zap_nonblock,
	.release = xpm_zap_all,
};

int xpm_zap_init(void)
{
	int err;

	/* Reclaim waits for it: it needs its own rescuer. */
	zap_wq = alloc_workqueue("xpmem_zap", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!zap_wq)
		return -ENOMEM;
	err = xpm_rmap_notifier_register(XPM_RMAP_EXTERNAL, &zap_ops);
	if (err)
		destroy_workqueue(zap_wq);
	return err;
}

void xpm_zap_exit(void)
{
	xpm_rmap_notifier_unregister(XPM_RMAP_EXTERNAL, &zap_ops);
	destroy_workqueue(zap_wq);
}
