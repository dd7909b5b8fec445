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

#include "channel.h"
#include "compat/compat.h"
#include "process.h"
#include "rmap_notifier.h"
#include "segment.h"
#include "share.h"
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

/* From where on, and how far, there are pages that were not marked REMOTE meanwhile */
static bool next_unmarked(const struct xpm_rmap_range *range, unsigned long *from,
			  unsigned long *to)
{
	*to = range->last;
	if (range->marked_first <= range->marked_last) {
		if (*from >= range->marked_first && *from <= range->marked_last)
			*from = range->marked_last + 1;
		if (*from < range->marked_first)
			*to = range->marked_first - 1;
	}
	return *from <= *to;
}

/*
 * The same for REMOTE.  What others were given since step 1 stays marked; as they are
 * given copies of what the owner has after this change.
 */
static void forget_remote(struct xpm_rmap_range *range)
{
	struct xpm_rmap *rmap = &range->segment->rmap;
	unsigned long from = range->first, to;

	write_lock(&rmap->lock);
	while (next_unmarked(range, &from, &to)) {
		xpm_rmap_forget(rmap, &from, to, XPM_RMAP_REMOTE);
		cond_resched_rwlock_write(&rmap->lock);
	}
	write_unlock(&rmap->lock);
}

/* With rmap.lock held, since the range was revoked */
static void recalls_begin(struct xpm_rmap_range *range)
{
	range->marked_first = 1;
	range->marked_last = 0;
	list_add(&range->link, &range->segment->changes);
	atomic_inc(&range->segment->process->recalls);
}

static void recalls_end(struct xpm_rmap_range *range)
{
	struct xpm_segment *segment = range->segment;

	write_lock(&segment->rmap.lock);
	list_del(&range->link);
	write_unlock(&segment->rmap.lock);
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

static void invalidate_block(struct xpm_rmap_range *range, unsigned long seq)
{
	struct xpm_segment *segment = range->segment;
	unsigned int marks, gone;
	ktime_t start;

	write_lock(&segment->rmap.lock);
	mmu_interval_set_seq(&segment->notifier, seq);
	segment->invalidations++;
	marks = revoke(segment, range->first, range->last);
	/* After it, as it lets others run, who map what it has not come to. */
	xpm_rmap_widen(&segment->rmap, &range->wide_first, &range->wide_last);
	if (marks & XPM_RMAP_REMOTE)
		recalls_begin(range);
	write_unlock(&segment->rmap.lock);

	xpm_stats_add(XPM_STAT_INVALIDATIONS, 1);
	if (!marks) {
		trace_xpmem_invalidate(range, 0, true, false, 0);
		return;
	}
	start = ktime_get();
	gone = xpm_rmap_notifier_invalidate(range, marks);
	if (gone & XPM_RMAP_EXTERNAL)
		forget(segment, range->first, range->last, XPM_RMAP_EXTERNAL);
	if (gone & XPM_RMAP_REMOTE)
		forget_remote(range);
	if (marks & XPM_RMAP_REMOTE)
		recalls_end(range);
	xpm_stats_add(XPM_STAT_INVALIDATED_EXTERNAL, 1);
	trace_xpmem_invalidate(range, marks, true, false,
			       ktime_to_ns(ktime_sub(ktime_get(), start)));
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

/*
 * Whether copies may be held on.  Reclaim, and what the kernel does by threads of its
 * own (compaction, khugepaged, KSM), moves content and changes none; but such a thread
 * may also be the one that ends an address space.  The daemon arms traps and fills in
 * what it took from there; the segment's helper gives up what others have.
 *
 * Protection is changed for good (mprotect) with mmap_lock held for writing.  With it
 * held for reading a trap is set, by userfaultfd or to see which node uses a page.
 */
static bool content_stays(struct xpm_segment *segment, enum mmu_notifier_event event)
{
	if (event == MMU_NOTIFY_RELEASE)
		return false;
	if (event == MMU_NOTIFY_PROTECTION_VMA && !xpm_mmap_is_write_locked(segment->mm))
		return true;
	return current->flags & (PF_MEMALLOC | PF_KTHREAD) || xpm_share_is_helper(segment) ||
	       xpm_channel_is_daemon();
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
		.content_stays = content_stays(segment, vm_range->event),
	};

	if (!mmu_notifier_range_blockable(vm_range))
		return invalidate_nonblock(&range, seq);
	invalidate_block(&range, seq);
	/* Whoever unmaps what was registered with userfaultfd waits for who reads that. */
	if (segment->share && vm_range->event == MMU_NOTIFY_UNMAP && !range.content_stays)
		xpm_channel_unmapped(segment->id.value);
	return true;
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
