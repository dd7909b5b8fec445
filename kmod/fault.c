// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults: from what the owner maps, through the rmap, into the attacher's page
 * table, without a page reference.
 *
 * Three steps:
 *
 *  populate  (owner.c) has the VM fault a page into the owner's page table, as an access
 *            of the owner would.  May sleep for long (swap, files,
 *            userfaultfd), so the attacher's mmap_lock is not held.
 *  refresh   (refresh.c) reads the owner's page table and stores what is there in
 *            the rmap as VALID, unless an invalidation came meanwhile.
 *  insert    (insert.c) maps what is VALID.
 *
 * The first two need the owner's mmap_lock, the last the attacher's.  A fault
 * tries insert; then refresh and insert, if the owner's lock is free; and at
 * last drops the attacher's lock, does all three with the owner's held, the
 * attacher's being the one that is tried now, and has the access repeated.  With
 * the owner's lock held, what takes it for writing (munmap, mprotect, fork) can't
 * take the page away again before it is mapped.  What does not (MADV_DONTNEED,
 * copy on write, reclaim) can, and a fault waits while any of it is under way in
 * the segment's range: an owner that does this all the time from many threads
 * slows its attachers down.
 *
 * The two mmap_locks are never waited for at once: two processes that attach
 * each other would deadlock.  mm_users of the owner is dropped by
 * mmput_async(), since the last put tears the address space down, which can't
 * be under the attacher's lock.
 *
 * A write to a page that is mapped read-only comes as ->pfn_mkwrite.  It goes
 * the same way and the entry is made writable in place.  To take it out and
 * have the access repeated would livelock an instruction that loads and stores
 * the same page, as its load would put it back read-only.
 *
 * A fault handles a window of pages (window.h), or a huge page.
 *
 * For an entry of 1 GiB (giant.c) the VM asks first, by ->huge_fault, as there must be
 * no table in its place.  It goes the same way where the owner has memory in such pages;
 * all else, errors too, is left to ->fault, which the VM then calls.
 */
#include "fault.h"

#include <linux/file.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#include "ask.h"
#include "attachment.h"
#include "channel.h"
#include "compat/compat.h"
#include "giant.h"
#include "insert.h"
#include "lease.h"
#include "notifier.h"
#include "owner.h"
#include "page_table.h"
#include "permit.h"
#include "refresh.h"
#include "remote.h"
#include "replica.h"
#include "segment.h"
#include "trace.h"
#include "window.h"

/* Insert, and refresh, for a remote segment: neither waits for anybody. */
static int insert_replicas(struct vm_area_struct *vma, struct xpm_window *w)
{
	struct xpm_attachment *attachment = xpm_attachment_of(vma);
	struct xpm_remote *remote = xpm_remote_of(attachment->permit->segment);
	int err;

	/* What is VALID is taken away when the lease is over, but it takes a moment. */
	if (!xpm_lease_is_good(remote->home))
		return READ_ONCE(remote->segment.dead) ? -ENOENT : -EAGAIN;
	err = xpm_insert(vma, w);
	if (err == -EAGAIN)
		err = xpm_replica_refresh(remote, w) ?: xpm_insert(vma, w);
	/* Who goes on in sequence comes to the first page that is not here. */
	if (!err)
		xpm_reach_extend(xpm_reach_of(&attachment->reaches, w->target),
				 w->target + w->mapped);
	return err;
}

/* ----------------------------------------------------- slow path */

/* An invalidation came or is under way: worth another try */
static bool is_passing(int err)
{
	return err == -EAGAIN || err == -EINPROGRESS;
}

/*
 * Inserts the window in @mm if its mmap_lock is free and it still maps there
 * what it did; else the access that is repeated will.
 */
static void try_insert(struct xpm_segment *segment, struct xpm_window *w, struct mm_struct *mm)
{
	bool same = mm == segment->mm;	/* its lock is the owner's */
	struct xpm_attachment *attachment;
	struct vm_area_struct *vma;

	if (!same && !mmap_read_trylock(mm))
		return;
	vma = vma_lookup(mm, w->address);
	attachment = vma ? xpm_attachment_of(vma) : NULL;
	if (attachment && attachment->permit->segment == segment &&
	    linear_page_index(vma, w->address) == w->target) {
		struct xpm_window now = xpm_window_within(vma, w);

		if (segment->remote)
			insert_replicas(vma, &now);
		else
			xpm_insert(vma, &now);
	}
	if (!same)
		mmap_read_unlock(mm);
}

/*
 * All three steps for the target, none of the two mmap_locks being held: 0 when
 * the access is worth repeating, or the error it has to end with; -ERANGE: nothing was
 * done, as the owner has no memory for an entry of 1 GiB.
 */
static int bring_in(struct xpm_segment *segment, struct xpm_window *w, struct mm_struct *mm)
{
	struct xpm_reading reading = { .segment = segment };
	int err;

	if (segment->remote) {
		err = xpm_ask(xpm_remote_of(segment), w, xpm_channel_fault_ns());
		if (!err)
			try_insert(segment, w, mm);
		return err;
	}
	if (xpm_notifier_wait_recalls(segment))
		return -EINTR;
	err = xpm_owner_lock(segment, NULL);
	if (err)
		return err;
	if (w->giant && !xpm_owner_has_giants(segment, w)) {
		xpm_owner_unlock(segment, NULL);
		return -ERANGE;
	}
	err = xpm_owner_populate(segment, w);
	if (err)
		return err;
	err = xpm_refresh(&reading, w);
	if (!err)
		try_insert(segment, w, mm);
	xpm_owner_unlock(segment, NULL);
	return is_passing(err) ? 0 : err;
}

/* -------------------------------------------------------------- fault */

static vm_fault_t fault_error(struct xpm_segment *segment, const struct xpm_window *w, int err)
{
	trace_xpmem_fault(segment->id.value, w, 0, err);
	return err == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
}

/*
 * Insert, and refresh where that needs no waiting for the owner's lock; *refreshed:
 * the rmap knew nothing of the target.
 */
static int insert_or_refresh(struct vm_area_struct *vma, struct xpm_window *w, bool *refreshed)
{
	struct xpm_segment *segment = xpm_attachment_of(vma)->permit->segment;
	struct xpm_reading reading = { .segment = segment };
	int err;

	*refreshed = false;
	if (segment->remote)
		return insert_replicas(vma, w);
	err = xpm_insert(vma, w);
	if (err != -EAGAIN)
		return err;
	*refreshed = true;
	err = xpm_owner_lock(segment, vma->vm_mm);
	if (err)
		return err;
	err = xpm_refresh(&reading, w);
	xpm_owner_unlock(segment, vma->vm_mm);
	if (err)
		return err;
	err = xpm_insert(vma, w);
	/* The owner has not touched it, nor then, most likely, what is around it. */
	if (err == -EAGAIN)
		xpm_window_shrink(w);
	return err;
}

/*
 * More huge entries after that of the window, for who goes on in sequence: what is
 * there, without waiting for anything.  @unknown: the rmap knew nothing of that one,
 * and so, most likely, does not of what is behind it.
 */
static void map_ahead(struct vm_area_struct *vma, struct xpm_reach *reach, struct xpm_window w,
		      bool unknown)
{
	struct xpm_segment *segment = xpm_attachment_of(vma)->permit->segment;
	struct xpm_reading reading = { .segment = segment };
	unsigned int left = xpm_reach_ahead(reach, &w);
	unsigned long next = w.target + w.mapped;
	bool locked = false;

	for (; left && next < vma->vm_pgoff + vma_pages(vma); left--) {
		int err = -EAGAIN;

		/* Nobody has asked to write there yet. */
		w = xpm_window_from(vma, next, next + XPM_BLOCK_PAGES, false);
		/* The next GiB is for a fault to begin, which makes the upper levels only. */
		if (!(w.address & ~PUD_MASK))
			break;
		if (!unknown)
			err = xpm_insert(vma, &w);
		if (err == -EAGAIN) {
			unknown = true;
			locked = locked || !xpm_owner_lock(segment, vma->vm_mm);
			if (!locked || xpm_refresh(&reading, &w))
				break;
			err = xpm_insert(vma, &w);
		}
		if (err || !w.huge)
			break;
		next += w.mapped;
	}
	xpm_reach_extend(reach, next);
	if (locked)
		xpm_owner_unlock(segment, vma->vm_mm);
}

/*
 * Has it brought in with the attacher's lock dropped, which @again says when the access
 * is worth repeating.
 */
static vm_fault_t fault_unlocked(struct vm_area_struct *vma, struct xpm_window *w,
				 vm_fault_t again)
{
	struct xpm_segment *segment = xpm_attachment_of(vma)->permit->segment;
	struct mm_struct *mm = vma->vm_mm;
	struct file *file;
	vm_fault_t ret;
	int err;

	/*
	 * From the unlock on the vma may be gone, its file closed and the module
	 * without other users: the file keeps the segment and this code.
	 */
	file = get_file(vma->vm_file);
	mmap_read_unlock(mm);
	err = bring_in(segment, w, mm);
	if (!err || err == -EINTR || err == -ERANGE) {
		fput(file);
		return again;
	}
	ret = fault_error(segment, w, err);
	fput(file);
	/* Errors are returned with the lock held, and the vma not looked at. */
	mmap_read_lock(mm);
	return ret;
}

vm_fault_t xpm_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct xpm_attachment *attachment = xpm_attachment_of(vma);
	struct xpm_segment *segment = attachment->permit->segment;
	struct xpm_reach *reach = xpm_reach_of(&attachment->reaches, vmf->pgoff);
	struct xpm_window w = xpm_window_of_fault(vma, reach, vmf->pgoff,
						  vmf->flags & FAULT_FLAG_WRITE);
	struct mm_struct *mm = vma->vm_mm;
	/* The caller of ->pfn_mkwrite passes on nothing but errors and NOPAGE. */
	vm_fault_t again = VM_FAULT_RETRY |
			   (vmf->flags & FAULT_FLAG_MKWRITE ? VM_FAULT_NOPAGE : 0);
	bool refreshed;
	int err;

	err = insert_or_refresh(vma, &w, &refreshed);
	if (!err) {
		if (w.huge)
			map_ahead(vma, reach, w, refreshed);
		return VM_FAULT_NOPAGE;
	}
	if (!is_passing(err))
		return fault_error(segment, &w, err);

	if (!(vmf->flags & FAULT_FLAG_ALLOW_RETRY)) {
		/*
		 * A private futex on an attachment.  Its caller repeats without
		 * looking at signals, and without a pause.
		 */
		if (fatal_signal_pending(current) || current->flags & PF_EXITING)
			return VM_FAULT_SIGBUS;
		if (segment->remote) {
			/* Nobody who answers needs this lock. */
			err = xpm_ask(xpm_remote_of(segment), &w, xpm_channel_fault_ns());
			return err ? VM_FAULT_SIGBUS : VM_FAULT_NOPAGE;
		}
		if (err != -EINPROGRESS)
			err = xpm_owner_lock(segment, mm);
		if (!err) {
			err = xpm_owner_populate_nowait(segment, &w);
			xpm_owner_unlock(segment, mm);
		}
		if (is_passing(err))
			schedule_timeout_killable(1);
		else if (err)
			return fault_error(segment, &w, err);
		return VM_FAULT_NOPAGE;
	}
	if (vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return again;
	return fault_unlocked(vma, &w, again);
}

#ifdef CONFIG_ARCH_SUPPORTS_PUD_PFNMAP
vm_fault_t xpm_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	struct xpm_window w;
	int err;

	if (order != PUD_ORDER || !xpm_giant_fits(vma, vmf->pgoff))
		return VM_FAULT_FALLBACK;
	if (xpm_fault_drop_vma_lock(vmf))
		return VM_FAULT_RETRY;

	w = xpm_giant_window(vma, vmf->pgoff, vmf->flags & FAULT_FLAG_WRITE);
	err = xpm_giant_insert_or_refresh(vma, &w);
	if (!err) {
		xpm_reach_extend(xpm_reach_of(&xpm_attachment_of(vma)->reaches, w.target),
				 w.target + w.mapped);
		return VM_FAULT_NOPAGE;
	}
	/* Once only: a fault that waited for the owner can do with smaller entries. */
	if (!is_passing(err) || !(vmf->flags & FAULT_FLAG_ALLOW_RETRY) ||
	    vmf->flags & (FAULT_FLAG_RETRY_NOWAIT | FAULT_FLAG_TRIED))
		return VM_FAULT_FALLBACK;
	return fault_unlocked(vma, &w, VM_FAULT_RETRY);
}
#endif

/* ----------------------------------------------------------- prefault */

/*
 * Faults in at @addr as much as one window gives, no further than @end, or by an entry
 * of 1 GiB; returns the bytes or an error, -ERANGE: without @giant, please.
 */
static long prefault_window(unsigned long addr, unsigned long end, bool write, bool giant)
{
	struct xpm_attachment *attachment;
	struct mm_struct *mm = current->mm;
	struct xpm_segment *segment;
	struct vm_area_struct *vma;
	struct xpm_window w;
	unsigned long target;
	struct file *file;
	bool refreshed;
	int err;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	vma = vma_lookup(mm, addr);
	attachment = vma ? xpm_attachment_of(vma) : NULL;
	err = -EINVAL;
	if (!attachment)
		goto out;
	err = -EACCES;
	if (!(vma->vm_flags & (write ? VM_WRITE : VM_READ)))
		goto out;

	target = linear_page_index(vma, addr);
	if (giant && xpm_giant_fits(vma, target)) {
		w = xpm_giant_window(vma, target, write);
		err = xpm_giant_insert_or_refresh(vma, &w);
		if (is_passing(err))
			goto slow;
		if (err != -ERANGE)
			goto out;
	}

	/*
	 * Insertion has no means to allocate the upper levels alone, and with a table
	 * at their end there is no place for a huge entry.  A fault has them.
	 */
	if (!xpm_pmd_of(mm, addr))
		handle_mm_fault(vma, addr, FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_RETRY_NOWAIT |
				(write ? FAULT_FLAG_WRITE : 0), NULL);
	w = xpm_window_from(vma, target, target + ((end - addr) >> PAGE_SHIFT), write);
	err = insert_or_refresh(vma, &w, &refreshed);
	if (!is_passing(err))
		goto out;

slow:
	segment = attachment->permit->segment;
	file = get_file(vma->vm_file);	/* keeps the segment */
	mmap_read_unlock(mm);
	err = bring_in(segment, &w, mm);
	fput(file);
	return err;

out:
	mmap_read_unlock(mm);
	return err ?: w.mapped << PAGE_SHIFT;
}

long xpm_fault_prefault(struct xpmem_ioc_prefault *req)
{
	bool write = req->flags & XPMEM_PREFAULT_WRITE;
	unsigned long addr = req->vaddr;
	long done = 0;
	u64 end;

	req->out_length = 0;
	if (req->flags & ~XPMEM_PREFAULT_WRITE)
		return -EOPNOTSUPP;
	if (!PAGE_ALIGNED(req->vaddr) || !req->length)
		return -EINVAL;
	if (check_add_overflow(req->vaddr, req->length, &end) ||
	    check_add_overflow(end, (u64)PAGE_SIZE - 1, &end))
		return -EINVAL;
	end &= PAGE_MASK;

	while (addr < end) {
		if (fatal_signal_pending(current))
			return -EINTR;
		done = prefault_window(addr, end, write, true);
		if (done == -ERANGE)
			done = prefault_window(addr, end, write, false);
		if (done < 0)
			break;
		addr += done;
		req->out_length = min_t(u64, addr - req->vaddr, req->length);
		cond_resched();
	}
	return min(done, 0L);
}
