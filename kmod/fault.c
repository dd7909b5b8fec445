// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults: from what the owner maps, through the rmap, into the attacher's page
 * table, without a page reference.
 *
 * Three steps:
 *
 *  populate  has the VM fault a page into the owner's page table, as an access
 *            of the owner would.  May sleep for long (swap, files,
 *            userfaultfd), so the attacher's mmap_lock is not held.
 *  refresh   reads the owner's page table and stores what is there in the rmap
 *            as VALID, unless an invalidation came meanwhile.
 *  insert    maps what is VALID, under rmap.lock.
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
 * A fault maps a window around the address: what is VALID of the leaf.
 */
#include "fault.h"

#include <linux/file.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#include "attachment.h"
#include "dirty.h"
#include "notifier.h"
#include "owner.h"
#include "permit.h"
#include "segment.h"
#include "stats.h"
#include "trace.h"

static unsigned long vma_address_of(struct vm_area_struct *vma, unsigned long index)
{
	return vma->vm_start + ((index - vma->vm_pgoff) << PAGE_SHIFT);
}

/* The leaf around @target, as far as @vma shows it */
static struct xpm_window window_around(struct vm_area_struct *vma, unsigned long target, bool write)
{
	unsigned long leaf_first = target & ~(XPM_LEAF_PAGES - 1);

	return (struct xpm_window){
		.address = vma_address_of(vma, target),
		.first = max(leaf_first, vma->vm_pgoff),
		.last = min(leaf_first + XPM_LEAF_PAGES, vma->vm_pgoff + vma_pages(vma)) - 1,
		.target = target,
		.write = write,
	};
}

/* ------------------------------------------------------------- insert */

struct insertion {
	struct mm_struct *mm;
	unsigned long start;
	const unsigned long *pfn;
	u64 valid;
	u64 writable;
	pgprot_t prot_ro;
	pgprot_t prot_rw;
	unsigned int entries;	/* made or changed */
};

/* One page table entry, with its lock held */
static int insert_pte(pte_t *ptep, unsigned long addr, void *data)
{
	struct insertion *in = data;
	unsigned int i = (addr - in->start) >> PAGE_SHIFT;
	bool writable = in->writable & (1ULL << i);
	pte_t old = ptep_get(ptep);
	pte_t pte;

	if (!(in->valid & (1ULL << i)))
		return 0;
	if (!pte_none(old)) {
		/* A marker of the VM's, put there behind our back: no page here. */
		if (!pte_present(old))
			return -EFAULT;
		/* The invariant: what is there is what the owner maps. */
		if (WARN_ON_ONCE(pte_pfn(old) != in->pfn[i]))
			return -EFAULT;
		if (pte_write(old) || !writable)
			return 0;
	}
	pte = pte_mkspecial(pfn_pte(in->pfn[i], writable ? in->prot_rw : in->prot_ro));
	pte = pte_mkyoung(pte);
	if (writable)
		pte = pte_mkdirty(pte);
	set_pte_at(in->mm, addr, ptep, pte);
	in->entries++;
	return 0;
}

/* Bits set from @from on */
static unsigned long contiguous(u64 mask, unsigned int from)
{
	mask >>= from;
	return ~mask ? __ffs64(~mask) : 64;
}

/*
 * Maps what is VALID of the window.  0: the target is mapped with the rights
 * asked for; -EAGAIN: it is not VALID with these; -ENOENT: segment or permit
 * are dead; -EFAULT: the attacher's entry is taken; -ENOMEM.  The attacher's
 * mmap_lock is held.
 */
static int insert(struct vm_area_struct *vma, struct xpm_window *w)
{
	struct xpm_attachment *attachment = xpm_attachment_of(vma);
	struct xpm_permit *permit = attachment->permit;
	struct xpm_segment *segment = permit->segment;
	unsigned long start = vma_address_of(vma, w->first);
	unsigned long length = (w->last - w->first + 1) << PAGE_SHIFT;
	struct insertion in = {
		.mm = vma->vm_mm,
		.start = start,
		.prot_ro = vm_get_page_prot(vma->vm_flags & ~VM_WRITE),
		.prot_rw = vm_get_page_prot(vma->vm_flags),
	};
	struct xpm_leaf *leaf;
	unsigned int shift;
	u64 valid;
	int err;

	lockdep_assert_held(&vma->vm_mm->mmap_lock);

	/* Page tables exist before rmap.lock is taken: nothing allocates under it. */
	err = apply_to_page_range(vma->vm_mm, start, length, NULL, NULL);
	if (err)
		return err;

	spin_lock(&segment->rmap.lock);
	err = -ENOENT;
	if (segment->dead || READ_ONCE(permit->dead))
		goto out;
	err = -EAGAIN;
	leaf = xpm_rmap_leaf(&segment->rmap, w->target);
	if (!leaf || !(leaf->valid & xpm_leaf_bit(w->target)))
		goto out;
	if (w->write && !(leaf->writable & xpm_leaf_bit(w->target)))
		goto out;

	valid = leaf->valid & xpm_leaf_mask(w->first, w->last);
	if (vma->vm_flags & VM_WRITE)
		in.writable = xpm_dirty_pages(leaf->pfn, valid & leaf->writable,
					      w->write ? xpm_leaf_bit(w->target) : 0);
	if (w->write && !(in.writable & xpm_leaf_bit(w->target)))
		goto out;
	xpm_leaf_map_external(leaf, valid);

	shift = w->first & (XPM_LEAF_PAGES - 1);
	in.valid = valid >> shift;
	in.writable >>= shift;
	in.pfn = leaf->pfn + shift;
	w->mapped = contiguous(w->write ? in.writable : in.valid, w->target - w->first);
	err = apply_to_page_range(vma->vm_mm, start, length, insert_pte, &in);
	xpm_leaf_reference(leaf, valid);
	segment->faults++;
	segment->fault_pages += in.entries;
out:
	spin_unlock(&segment->rmap.lock);
	if (!err) {
		xpm_stats_add(XPM_STAT_FAULTS, 1);
		xpm_stats_add(XPM_STAT_FAULT_PAGES, in.entries);
		trace_xpmem_fault(segment->id.value, w, in.entries, 0);
	}
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
		struct xpm_window now = window_around(vma, w->target, w->write);

		insert(vma, &now);
	}
	if (!same)
		mmap_read_unlock(mm);
}

/*
 * All three steps for the target, none of the two mmap_locks being held: 0 when
 * the access is worth repeating, or the error it has to end with.
 */
static int bring_in(struct xpm_segment *segment, struct xpm_window *w, struct mm_struct *mm)
{
	int err;

	if (xpm_notifier_wait_recalls(segment))
		return -EINTR;
	err = xpm_owner_lock(segment, NULL);
	if (err)
		return err;
	err = xpm_owner_populate(segment, w);
	if (err)
		return err;
	err = xpm_owner_refresh(segment, w);
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

/* Insert, and refresh where that needs no waiting for the owner's lock */
static int insert_or_refresh(struct vm_area_struct *vma, struct xpm_window *w)
{
	struct xpm_segment *segment = xpm_attachment_of(vma)->permit->segment;
	int err = insert(vma, w);

	if (err != -EAGAIN)
		return err;
	err = xpm_owner_lock(segment, vma->vm_mm);
	if (err)
		return err;
	err = xpm_owner_refresh(segment, w);
	xpm_owner_unlock(segment, vma->vm_mm);
	return err ?: insert(vma, w);
}

vm_fault_t xpm_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct xpm_segment *segment = xpm_attachment_of(vma)->permit->segment;
	struct mm_struct *mm = vma->vm_mm;
	struct xpm_window w = window_around(vma, vmf->pgoff, vmf->flags & FAULT_FLAG_WRITE);
	/* The caller of ->pfn_mkwrite passes on nothing but errors and NOPAGE. */
	vm_fault_t again = VM_FAULT_RETRY |
			   (vmf->flags & FAULT_FLAG_MKWRITE ? VM_FAULT_NOPAGE : 0);
	struct file *file;
	vm_fault_t ret;
	int err;

	err = insert_or_refresh(vma, &w);
	if (!err)
		return VM_FAULT_NOPAGE;
	if (!is_passing(err))
		return fault_error(segment, &w, err);

	if (!(vmf->flags & FAULT_FLAG_ALLOW_RETRY)) {
		/*
		 * A private futex on an attachment.  Its caller repeats without
		 * looking at signals, and without a pause.
		 */
		if (fatal_signal_pending(current) || current->flags & PF_EXITING)
			return VM_FAULT_SIGBUS;
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

	/*
	 * From the unlock on the vma may be gone, its file closed and the module
	 * without other users: the file keeps the segment and this code.
	 */
	file = get_file(vma->vm_file);
	mmap_read_unlock(mm);
	err = bring_in(segment, &w, mm);
	if (!err || err == -EINTR) {
		fput(file);
		return again;
	}
	ret = fault_error(segment, &w, err);
	fput(file);
	/* Errors are returned with the lock held, and the vma not looked at. */
	mmap_read_lock(mm);
	return ret;
}

/* ----------------------------------------------------------- prefault */

/*
 * Faults in at @addr as much as one window gives, no further than @end; returns
 * the bytes or an error.
 */
static long prefault_window(unsigned long addr, unsigned long end, bool write)
{
	struct xpm_attachment *attachment;
	struct mm_struct *mm = current->mm;
	struct xpm_segment *segment;
	struct vm_area_struct *vma;
	struct file *file;
	struct xpm_window w;
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

	w = window_around(vma, linear_page_index(vma, addr), write);
	w.first = w.target;
	w.last = min(w.last, w.target + ((end - addr) >> PAGE_SHIFT) - 1);
	err = insert_or_refresh(vma, &w);
	if (!is_passing(err))
		goto out;

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
		done = prefault_window(addr, end, req->flags & XPMEM_PREFAULT_WRITE);
		if (done < 0)
			break;
		addr += done;
		req->out_length = min_t(u64, addr - req->vaddr, req->length);
		cond_resched();
	}
	return min(done, 0L);
}
