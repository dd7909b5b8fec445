// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes: who owns segments and permits, and when all of it goes away.
 *
 * A process is an address space, found by mmu_notifier_get(), which keeps one
 * notifier an mm.  So all descriptors that one process opens, by one library or
 * by two, are the same process, and a descriptor that fork handed to a child is
 * still the parent's.
 *
 * Its segments and permits go away when the last file is released, or when the
 * address space does (exit, exec), whichever is first.  The second can come
 * much earlier: a forked child may keep the parent's file open for ever.  The
 * notifier's release callback then runs inside a global SRCU section, so it
 * does no work itself but queues the teardown.  What makes that safe is that
 * the segments' interval notifiers have been told of the release just before
 * and emptied the attachers' page tables, and that no fault can refill them as
 * mm_users is zero.
 *
 * Registering a notifier takes every i_mmap_rwsem of the mm's files in the order
 * of addresses (mm_take_all_locks).  An invalidation that waits for a zap holds
 * the i_mmap_rwsem of the owner's file and waits for the segment's.  So a process
 * that has both mapped could close a circle, and must never register while it
 * has attachments: both kinds of notifier are registered when the device is
 * opened, and where attachments outlive the last close (somebody else closed the
 * last file), the registration is kept until they are gone.
 */
#include "process.h"

#include <linux/sched/mm.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "attachment.h"
#include "permit.h"
#include "segment.h"
#include "stats.h"

/* Permits, and attachments, that fdinfo shows at most */
#define SHOW_MAX 4096

static struct workqueue_struct *teardown_wq;

/* Processes that are not freed; the module stays until there is none. */
static atomic_t nr_processes = ATOMIC_INIT(0);

static void process_free(struct kref *ref)
{
	struct xpm_process *process = container_of(ref, struct xpm_process, ref);

	WARN_ON(!list_empty(&process->segments) || !list_empty(&process->permits));
	mutex_destroy(&process->lock);
	mutex_destroy(&process->unmap_lock);
	/* Not the notifier's reference: a queued teardown outlives that. */
	mmdrop(process->mm);
	kfree(process);
	xpm_stats_add(XPM_STAT_PROCESSES, -1);
	if (atomic_dec_and_test(&nr_processes))
		wake_up_var(&nr_processes);
}

void xpm_process_put(struct xpm_process *process)
{
	kref_put(&process->ref, process_free);
}

/*
 * Takes everything the process has, @closing when a file of it is closed: only
 * if that was the last.  What it has is set apart under one hold of the lock, so
 * that what a thread makes that opens the device again just then is not taken.
 * That thread may still remove by its id what is set apart: each is taken off
 * under the lock, by whoever comes first.  Runs any number of times, also at once.
 */
static void process_teardown(struct xpm_process *process, bool closing)
{
	struct xpm_segment *segment;
	struct xpm_permit *permit;
	LIST_HEAD(segments);
	LIST_HEAD(permits);

	mutex_lock(&process->lock);
	if (closing && --process->files) {
		mutex_unlock(&process->lock);
		return;
	}
	list_splice_init(&process->segments, &segments);
	list_splice_init(&process->permits, &permits);
	while ((permit = list_first_entry_or_null(&permits, struct xpm_permit, link))) {
		list_del_init(&permit->link);
		mutex_unlock(&process->lock);
		xpm_permit_kill(permit);
		cond_resched();
		mutex_lock(&process->lock);
	}
	while ((segment = list_first_entry_or_null(&segments, struct xpm_segment, link))) {
		list_del_init(&segment->link);
		process->nr_segments--;
		mutex_unlock(&process->lock);
		xpm_segment_kill(segment);
		cond_resched();
		mutex_lock(&process->lock);
	}
	mutex_unlock(&process->lock);
}

static void teardown_work(struct work_struct *work)
{
	struct xpm_process *process = container_of(work, struct xpm_process, teardown);

	process_teardown(process, false);
	xpm_process_put(process);
}

static struct mmu_notifier *process_alloc(struct mm_struct *mm)
{
	struct xpm_process *process = kzalloc(sizeof(*process), GFP_KERNEL_ACCOUNT);

	if (!process)
		return ERR_PTR(-ENOMEM);
	kref_init(&process->ref);
	process->mm = mm;
	mmgrab(mm);
	INIT_WORK(&process->teardown, teardown_work);
	mutex_init(&process->unmap_lock);
	mutex_init(&process->lock);
	spin_lock_init(&process->leftover_lock);
	INIT_LIST_HEAD(&process->segments);
	INIT_LIST_HEAD(&process->permits);
	xpm_aging_setup(&process->aging);
	atomic_inc(&nr_processes);
	xpm_stats_add(XPM_STAT_PROCESSES, 1);
	return &process->mn;
}

static void process_unregistered(struct mmu_notifier *mn)
{
	xpm_process_put(container_of(mn, struct xpm_process, mn));
}

/* The address space is going: the last mm_users is gone, no mapping is yet. */
static void process_mm_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct xpm_process *process = container_of(mn, struct xpm_process, mn);

	kref_get(&process->ref);
	if (!queue_work(teardown_wq, &process->teardown))
		xpm_process_put(process);
}

static int process_test_young(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long addr)
{
	struct xpm_process *process = container_of(mn, struct xpm_process, mn);

	return xpm_aging_is_young(&process->aging, addr, addr + 1);
}

static int process_clear_young(struct mmu_notifier *mn, struct mm_struct *mm,
			       unsigned long start, unsigned long end)
{
	struct xpm_process *process = container_of(mn, struct xpm_process, mn);

	return xpm_aging_clear(&process->aging, start, end);
}

static const struct mmu_notifier_ops process_mn_ops = {
	.release = process_mm_release,
	.test_young = process_test_young,
	/* Attachments' TLBs are flushed later, with the entries taken out. */
	.clear_young = process_clear_young,
	.clear_flush_young = process_clear_young,
	.alloc_notifier = process_alloc,
	.free_notifier = process_unregistered,
};

static bool first_notifier_invalidate(struct mmu_interval_notifier *notifier,
				      const struct mmu_notifier_range *range, unsigned long seq)
{
	/* Nobody reads by it; the core wants the sequence set. */
	mmu_interval_set_seq(notifier, seq);
	return true;
}

/* Has the mm registered for interval notifiers, which it then is for good. */
static int register_interval_notifiers(struct mm_struct *mm)
{
	static const struct mmu_interval_notifier_ops ops = {
		.invalidate = first_notifier_invalidate,
	};
	struct mmu_interval_notifier first;
	int err = mmu_interval_notifier_insert(&first, mm, 0, PAGE_SIZE, &ops);

	if (!err)
		mmu_interval_notifier_remove(&first);
	return err;
}

struct xpm_process *xpm_process_open(void)
{
	struct xpm_process *process;
	struct mmu_notifier *mn;
	int err = 0;

	if (!current->mm)
		return ERR_PTR(-EINVAL);
	mn = mmu_notifier_get(&process_mn_ops, current->mm);
	if (IS_ERR(mn))
		return ERR_CAST(mn);
	process = container_of(mn, struct xpm_process, mn);

	mutex_lock(&process->lock);
	if (!process->ready)
		err = register_interval_notifiers(process->mm);
	if (!err) {
		process->ready = true;
		process->files++;
	}
	mutex_unlock(&process->lock);
	if (err) {
		mmu_notifier_put(mn);
		return ERR_PTR(err);
	}
	return process;
}

void xpm_process_close(struct xpm_process *process)
{
	bool keep;

	process_teardown(process, true);
	spin_lock(&process->leftover_lock);
	keep = process->leftovers && !process->kept;
	process->kept |= keep;
	spin_unlock(&process->leftover_lock);
	if (!keep)
		mmu_notifier_put(&process->mn);
}

void xpm_process_leftover(struct xpm_process *process)
{
	spin_lock(&process->leftover_lock);
	process->leftovers++;
	spin_unlock(&process->leftover_lock);
}

void xpm_process_leftover_gone(struct xpm_process *process)
{
	bool put = false;

	spin_lock(&process->leftover_lock);
	if (!--process->leftovers)
		swap(put, process->kept);
	spin_unlock(&process->leftover_lock);
	if (put)
		mmu_notifier_put(&process->mn);
}

/*
 * Which segments the process attaches, and where.  Of very many not all are shown, as
 * the text is made in memory, and under locks.
 */
static void show_permits(struct xpm_process *process, struct seq_file *seq)
{
	unsigned int permits = SHOW_MAX, attachments = SHOW_MAX;
	struct xpm_attachment *attachment;
	struct xpm_permit *permit;

	list_for_each_entry(permit, &process->permits, link) {
		if (!permits-- || seq_has_overflowed(seq))
			return;
		seq_printf(seq, "xpmem-permit:\t%lld segid=%lld mode=%s attachments=%u\n",
			   permit->id.value, permit->segment->id.value,
			   permit->writable ? "rw" : "r", READ_ONCE(permit->nr_attachments));
		spin_lock(&permit->lock);
		list_for_each_entry(attachment, &permit->attachments, link) {
			if (!attachments || seq_has_overflowed(seq))
				break;
			attachments--;
			seq_printf(seq, "xpmem-attachment:\t%lld addr=0x%lx\n", permit->id.value,
				   READ_ONCE(attachment->addr));
		}
		spin_unlock(&permit->lock);
	}
}

void xpm_process_show(struct xpm_process *process, struct seq_file *seq)
{
	unsigned int permits = 0, attachments = 0;
	struct xpm_segment *segment;
	struct xpm_permit *permit;

	mutex_lock(&process->lock);
	list_for_each_entry(permit, &process->permits, link) {
		permits++;
		attachments += READ_ONCE(permit->nr_attachments);
	}
	seq_printf(seq, "xpmem-segments:\t%u\nxpmem-permits:\t%u\nxpmem-attachments:\t%u\n",
		   process->nr_segments, permits, attachments);
	list_for_each_entry(segment, &process->segments, link)
		seq_printf(seq, "xpmem-segment:\t%lld 0x%lx-0x%lx 0%03o permits=%d attachments=%d faults=%ld pages=%ld invalidations=%llu\n",
			   segment->id.value, segment->start, segment->end, segment->mode,
			   atomic_read(&segment->permits), atomic_read(&segment->attachments),
			   atomic_long_read(&segment->faults),
			   atomic_long_read(&segment->fault_pages), segment->invalidations);
	show_permits(process, seq);
	mutex_unlock(&process->lock);
}

int xpm_process_init(void)
{
	teardown_wq = alloc_workqueue("xpmem_teardown", WQ_UNBOUND, 0);
	return teardown_wq ? 0 : -ENOMEM;
}

void xpm_process_exit(void)
{
	/*
	 * Every process is closed; wait for the frees that are due, which SRCU
	 * calls at its own time (mmu_notifier_synchronize() waits for readers).
	 */
	wait_var_event(&nr_processes, !atomic_read(&nr_processes));
	mmu_notifier_synchronize();
	destroy_workqueue(teardown_wq);
}
