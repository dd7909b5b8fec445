// SPDX-License-Identifier: GPL-2.0-only
/*
 * Invalidations: taking attachments away before the owner's page tables change.
 *
 * Invariant of the module: an attachment's page table maps a frame only while
 * the owner's maps the same frame with at least the same rights, and no
 * invalidation of it is between its start and its end.
 *
 * The VM calls before it changes [start, end) of the owner's page tables, from
 * munmap, reclaim, migration, truncation and all others alike, with whatever
 * locks these hold.  All of them may sleep but the OOM reaper.  Here:
 *
 *  1. under rmap.lock: set the notifier's sequence, so that faults which looked
 *     at the owner's page tables before see that they collided, and revoke the
 *     range, so that nothing of it can be inserted;
 *  2. lock dropped: if some page was EXTERNAL, empty the attachers' page tables
 *     of the range, with their TLBs;
 *  3. forget the EXTERNAL marks.
 *
 * A fault (fault.c) stores what it saw under rmap.lock when
 * mmu_interval_read_retry() says that no invalidation came since; it inserts
 * what is VALID under the same lock.  So an insertion is either before step 1,
 * and step 2 takes it away, or it does not happen.  Neither side keeps a list of
 * ranges: the VM counts invalidations under way, a fault that comes between
 * start and end waits in mmu_interval_read_begin().  Ranges may nest and
 * overlap, in one thread or in several; the comment of rmap.h says why a second
 * invalidation can't overtake the first.
 *
 * rmap.lock is not held over step 2, as emptying an attacher's page tables runs
 * that attacher's own notifiers.  This nests at most once: what is invalidated
 * there is a mapping of an attachment, nobody attaches attachments, so the inner
 * call finds nothing EXTERNAL and returns.
 *
 * Step 2 runs on a workqueue while the callback waits for its completion.  The
 * callback may be inside the i_mmap_rwsem of any file and inside the
 * invalidation of one mm, and starts the invalidation of others: the same
 * classes of locks, not the same locks.  The work holds none.  What the callback
 * waits for is in truth the segment's i_mmap_rwsem, and no checker sees that;
 * who holds it, maps or unmaps an attachment and needs nothing of the owner.
 * The exception is mm_take_all_locks(), see process.c.
 */
#include "notifier.h"

#include <linux/completion.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

#include "segment.h"

static struct workqueue_struct *zap_wq;

struct zap_work {
	struct work_struct work;
	struct completion done;
	struct address_space *mapping;
	unsigned long first;
	unsigned long last;
};

static void zap_work(struct work_struct *work)
{
	struct zap_work *zap = container_of(work, struct zap_work, work);

	unmap_mapping_pages(zap->mapping, zap->first, zap->last - zap->first + 1, true);
	complete(&zap->done);
}

/* Step 2.  The stack holds the work: nothing is allocated. */
static void zap_and_wait(struct xpm_segment *segment, unsigned long first, unsigned long last)
{
	struct zap_work zap = {
		.mapping = &segment->mapping,
		.first = first,
		.last = last,
	};

	/*
	 * EXTERNAL outlives the mappings; who is gone need not be emptied.  Safe
	 * without the lock: a mapping is in the tree before it has entries, a
	 * split puts the new half in before it changes the old one, and a mapping
	 * leaves the tree after its entries and their TLBs were flushed.
	 */
	if (!mapping_mapped(&segment->mapping))
		return;
	INIT_WORK_ONSTACK(&zap.work, zap_work);
	init_completion(&zap.done);
	queue_work(zap_wq, &zap.work);
	wait_for_completion(&zap.done);
	destroy_work_on_stack(&zap.work);
}

/* Step 3 */
static void forget(struct xpm_segment *segment, unsigned long first, unsigned long last)
{
	struct xpm_rmap *rmap = &segment->rmap;

	spin_lock(&rmap->lock);
	while (xpm_rmap_forget(rmap, &first, last))
		cond_resched_lock(&rmap->lock);
	spin_unlock(&rmap->lock);
}

static bool invalidate_block(struct xpm_segment *segment, unsigned long first,
			     unsigned long last, unsigned long seq)
{
	struct xpm_rmap *rmap = &segment->rmap;
	unsigned long from = first;
	bool external = false;

	spin_lock(&rmap->lock);
	mmu_interval_set_seq(&segment->notifier, seq);
	while (xpm_rmap_revoke(rmap, &from, last, &external))
		cond_resched_lock(&rmap->lock);
	spin_unlock(&rmap->lock);

	if (external) {
		zap_and_wait(segment, first, last);
		forget(segment, first, last);
	}
	return true;
}

/* The OOM reaper: it comes again, or leaves the range to exit_mmap. */
static bool invalidate_nonblock(struct xpm_segment *segment, unsigned long first,
				unsigned long last, unsigned long seq)
{
	struct xpm_rmap *rmap = &segment->rmap;
	unsigned long from = first;
	bool external;

	spin_lock(&rmap->lock);
	external = xpm_rmap_is_external(rmap, first, last);
	if (!external) {
		mmu_interval_set_seq(&segment->notifier, seq);
		while (xpm_rmap_revoke(rmap, &from, last, &external))
			;
	}
	spin_unlock(&rmap->lock);
	return !external;
}

static bool invalidate(struct mmu_interval_notifier *notifier,
		       const struct mmu_notifier_range *range, unsigned long seq)
{
	struct xpm_segment *segment = container_of(notifier, struct xpm_segment, notifier);
	unsigned long first = xpm_segment_index(segment, max(range->start, segment->start));
	unsigned long last = xpm_segment_index(segment, min(range->end, segment->end) - 1);

	if (mmu_notifier_range_blockable(range))
		return invalidate_block(segment, first, last, seq);
	return invalidate_nonblock(segment, first, last, seq);
}

static const struct mmu_interval_notifier_ops notifier_ops = {
	.invalidate = invalidate,
};

int xpm_notifier_insert(struct xpm_segment *segment, struct mm_struct *mm)
{
	return mmu_interval_notifier_insert(&segment->notifier, mm, segment->start,
					    segment->end - segment->start, &notifier_ops);
}

void xpm_notifier_remove(struct xpm_segment *segment)
{
	mmu_interval_notifier_remove(&segment->notifier);
}

void xpm_notifier_zap_all(struct xpm_segment *segment)
{
	unmap_mapping_pages(&segment->mapping, 0, xpm_segment_last(segment) + 1, true);
}

void xpm_notifier_kill(struct xpm_segment *segment)
{
	struct xpm_rmap *rmap = &segment->rmap;
	unsigned long from = 0;
	bool external = false;

	spin_lock(&rmap->lock);
	WRITE_ONCE(segment->dead, true);
	while (xpm_rmap_revoke(rmap, &from, xpm_segment_last(segment), &external))
		cond_resched_lock(&rmap->lock);
	spin_unlock(&rmap->lock);

	if (external)
		xpm_notifier_zap_all(segment);
	forget(segment, 0, xpm_segment_last(segment));
	xpm_notifier_remove(segment);
}

int xpm_notifier_init(void)
{
	/* Reclaim waits for it: it needs its own rescuer. */
	zap_wq = alloc_workqueue("xpmem_zap", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return zap_wq ? 0 : -ENOMEM;
}

void xpm_notifier_exit(void)
{
	destroy_workqueue(zap_wq);
}
