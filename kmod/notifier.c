// SPDX-License-Identifier: GPL-2.0-only
/*
 * Invalidations: having everything taken away before the owner's page tables
 * change.
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
 *  2. lock dropped: have the subscribers of rmap_notifier.h whose marks were
 *     found let go: zap.c empties the attachers' page tables, with their TLBs;
 *  3. forget the marks.
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
 * call finds no mark and returns.
 *
 * Step 2 may take as long as another partition may take.  A fault would wait for
 * it in mmu_interval_read_begin() with an mmap_lock held and deaf to signals; so
 * the process counts such calls, and a fault that sees one drops its locks and
 * waits killably (xpm_notifier_wait_recalls).  One that looked just before still
 * waits as long as the invalidation does, which is bounded.  They are counted for
 * the process, not for the segment, as the VM has one sequence an address space:
 * any segment that is invalidated meanwhile, by whoever, waits for its end.
 */
#include "notifier.h"

#include <linux/ktime.h>
#include <linux/mmu_notifier.h>
#include <linux/sched.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>

#include "process.h"
#include "rmap_notifier.h"
#include "segment.h"
#include "stats.h"
#include "trace.h"

static struct workqueue_struct *bury_wq;

/* Step 1 */
static unsigned int revoke(struct xpm_segment *segment, unsigned long first, unsigned long last)
{
	unsigned int marks = 0;

	while (xpm_rmap_revoke(&segment->rmap, &first, last, &marks))
		cond_resched_rwlock_write(&segment->rmap.lock);
	return marks;
}

/* Step 3 */
static void forget(struct xpm_segment *segment, unsigned long first, unsigned long last,
		   unsigned int marks)
{
	struct xpm_rmap *rmap = &segment->rmap;

	write_lock(&rmap->lock);
	while (xpm_rmap_forget(rmap, &first, last, marks))
		cond_resched_rwlock_write(&rmap->lock);
	write_unlock(&rmap->lock);
}

static void recalls_begin(struct xpm_segment *segment)
{
	atomic_inc(&segment->process->recalls);
}

static void recalls_end(struct xpm_segment *segment)
{
	if (atomic_dec_and_test(&segment->process->recalls))
		wake_up_var(&segment->process->recalls);
}

bool xpm_notifier_recalls(struct xpm_segment *segment)
{
	return atomic_read(&segment->process->recalls);
}

int xpm_notifier_wait_recalls(struct xpm_segment *segment)
{
	return wait_var_event_killable(&segment->process->recalls,
				       !xpm_notifier_recalls(segment));
}

static bool invalidate_block(struct xpm_rmap_range *range, unsigned long seq)
{
	struct xpm_segment *segment = range->segment;
	unsigned int marks;
	ktime_t start;

	write_lock(&segment->rmap.lock);
	mmu_interval_set_seq(&segment->notifier, seq);
	segment->invalidations++;
	marks = revoke(segment, range->first, range->last);
	/* After it, as it lets others run, who map what it has not come to. */
	xpm_rmap_widen(&segment->rmap, &range->wide_first, &range->wide_last);
	if (marks & XPM_RMAP_REMOTE)
		recalls_begin(segment);
	write_unlock(&segment->rmap.lock);

	xpm_stats_add(XPM_STAT_INVALIDATIONS, 1);
	if (!marks) {
		trace_xpmem_invalidate(range, 0, true, false, 0);
		return true;
	}
	start = ktime_get();
	forget(segment, range->first, range->last, xpm_rmap_notifier_invalidate(range, marks));
	if (marks & XPM_RMAP_REMOTE)
		recalls_end(segment);
	xpm_stats_add(XPM_STAT_INVALIDATED_EXTERNAL, 1);
	trace_xpmem_invalidate(range, marks, true, false,
			       ktime_to_ns(ktime_sub(ktime_get(), start)));
	return true;
}

/*
 * From here nothing is inserted or handed out; takes away all there is.  Unlike an
 * invalidation's, these marks can be forgotten without the VM's sequence: what is
 * dead does not become VALID again.
 */
static void bury(struct xpm_segment *segment)
{
	unsigned long last = xpm_segment_last(segment);
	unsigned int marks;

	write_lock(&segment->rmap.lock);
	WRITE_ONCE(segment->dead, true);
	marks = revoke(segment, 0, last);
	write_unlock(&segment->rmap.lock);

	if (marks)
		xpm_rmap_notifier_release(segment, marks);
	forget(segment, 0, last, XPM_RMAP_EXTERNAL | XPM_RMAP_REMOTE);
}

static void bury_work(struct work_struct *work)
{
	struct xpm_segment *segment = container_of(work, struct xpm_segment, bury_work);

	bury(segment);
	xpm_segment_put(segment);
}

/*
 * The OOM reaper, which comes for who was killed: it does not wait, but it comes
 * again.  Its victim may take for ever to exit, if somebody holds its mm_users; so
 * a refusal has the segment buried meanwhile.
 */
static bool invalidate_nonblock(struct xpm_rmap_range *range, unsigned long seq)
{
	struct xpm_segment *segment = range->segment;
	unsigned long from = range->first;
	unsigned int marks;
	bool gone = true;

	/* Whoever has pages may not come to have more while it is asked. */
	write_lock(&segment->rmap.lock);
	mmu_interval_set_seq(&segment->notifier, seq);
	segment->invalidations++;
	marks = 0;
	while (xpm_rmap_revoke(&segment->rmap, &from, range->last, &marks)) {
		/* No cond_resched() where nothing may block; others may go on. */
		write_unlock(&segment->rmap.lock);
		write_lock(&segment->rmap.lock);
	}
	write_unlock(&segment->rmap.lock);

	xpm_stats_add(XPM_STAT_INVALIDATIONS, 1);
	if (marks) {
		gone = xpm_rmap_notifier_invalidate_nonblock(range, marks);
		xpm_stats_add(gone ? XPM_STAT_INVALIDATED_EXTERNAL : XPM_STAT_REFUSED_NONBLOCK, 1);
	}
	if (!gone) {
		xpm_segment_hold(segment);	/* not the last: we are its notifier */
		if (!queue_work(bury_wq, &segment->bury_work))
			xpm_segment_put(segment);
	}
	trace_xpmem_invalidate(range, marks, false, !gone, 0);
	return gone;
}

static bool invalidate(struct mmu_interval_notifier *notifier,
		       const struct mmu_notifier_range *vm_range, unsigned long seq)
{
	struct xpm_segment *segment = container_of(notifier, struct xpm_segment, notifier);
	unsigned long first = xpm_segment_index(segment, max(vm_range->start, segment->start));
	unsigned long last = xpm_segment_index(segment, min(vm_range->end, segment->end) - 1);
	struct xpm_rmap_range range = {
		.segment = segment,
		.segid = segment->id.value,
		.first = first,
		.last = last,
		.wide_first = first,
		.wide_last = last,
		.event = vm_range->event,
		.reclaim = current->flags & PF_MEMALLOC,
	};

	if (mmu_notifier_range_blockable(vm_range))
		return invalidate_block(&range, seq);
	return invalidate_nonblock(&range, seq);
}

static const struct mmu_interval_notifier_ops notifier_ops = {
	.invalidate = invalidate,
};

int xpm_notifier_insert(struct xpm_segment *segment, struct mm_struct *mm)
{
	INIT_WORK(&segment->bury_work, bury_work);
	return mmu_interval_notifier_insert(&segment->notifier, mm, segment->start,
					    segment->end - segment->start, &notifier_ops);
}

void xpm_notifier_remove(struct xpm_segment *segment)
{
	mmu_interval_notifier_remove(&segment->notifier);
}

void xpm_notifier_kill(struct xpm_segment *segment)
{
	bury(segment);
	xpm_notifier_remove(segment);
}

int xpm_notifier_init(void)
{
	/* The OOM reaper counts on it: it needs its own rescuer. */
	bury_wq = alloc_workqueue("xpmem_bury", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return bury_wq ? 0 : -ENOMEM;
}

void xpm_notifier_exit(void)
{
	destroy_workqueue(bury_wq);
}
