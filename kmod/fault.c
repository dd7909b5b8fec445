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
 * Dirty.  The attacher's page table entry has no page to carry its dirty bit to
 * when it is taken away, so the page is made dirty before write access is
 * granted.  What cleans a page (writeback, MADV_FREE, swapping out) invalidates
 * it first, which takes the access back; the next write is granted anew.
 *
 * A fault maps a window around the address: what is VALID of the leaf.
 */
#include "fault.h"

#include <linux/backing-dev.h>
#include <linux/file.h>
#include <linux/hmm.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "attachment.h"
#include "compat/compat.h"
#include "permit.h"
#include "segment.h"

/* Pages of one leaf that are handled together, and the one that must be */
struct window {
	unsigned long address;	/* where the attacher maps the target */
	unsigned long first;
	unsigned long last;
	unsigned long target;
	bool write;
	unsigned long mapped;	/* out of insert: pages mapped from the target on */
};

static unsigned long vma_address_of(struct vm_area_struct *vma, unsigned long index)
{
	return vma->vm_start + ((index - vma->vm_pgoff) << PAGE_SHIFT);
}

/* The leaf around @target, as far as @vma shows it */
static struct window window_around(struct vm_area_struct *vma, unsigned long target, bool write)
{
	unsigned long leaf_first = target & ~(XPM_LEAF_PAGES - 1);

	return (struct window){
		.address = vma_address_of(vma, target),
		.first = max(leaf_first, vma->vm_pgoff),
		.last = min(leaf_first + XPM_LEAF_PAGES, vma->vm_pgoff + vma_pages(vma)) - 1,
		.target = target,
		.write = write,
	};
}

/* Whether memory of this kind can be shown to others at all */
static bool vma_can_share(struct vm_area_struct *vma)
{
	/* Device memory has no pages to follow; attachments are not attached. */
	if (vma->vm_flags & (VM_IO | VM_PFNMAP | XPM_VM_SHADOW_STACK))
		return false;
	/* memfd_secret: not even the kernel may look at it. */
	if (vma->vm_file && file_inode(vma->vm_file)->i_sb->s_magic == SECRETMEM_MAGIC)
		return false;
	return true;
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
	return 0;
}

/*
 * See "Dirty" at the top.  The pages are VALID: they stay while the lock is held.
 *
 * Returns those that are dirty now.  A clean page of a file that is written back
 * is not: its file system is just about to make it dirty for the owner's own
 * store (the VM maps it writable first), and must do so itself, which may sleep.
 */
static u64 dirty_pages(const unsigned long *pfn, u64 writable)
{
	u64 dirty = 0, left;

	for (left = writable; left; left &= left - 1) {
		struct folio *folio = page_folio(pfn_to_page(pfn[__ffs64(left)]));
		struct address_space *mapping;

		if (!folio_test_dirty(folio)) {
			mapping = folio_test_anon(folio) ? NULL : folio_mapping(folio);
			if (mapping && mapping_can_writeback(mapping))
				continue;
			folio_mark_dirty(folio);
		}
		dirty |= left & -left;
	}
	return dirty;
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
static int insert(struct vm_area_struct *vma, struct window *w)
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
	int err;

	mmap_assert_locked(vma->vm_mm);

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

	in.valid = leaf->valid & xpm_leaf_mask(w->first, w->last);
	if (vma->vm_flags & VM_WRITE)
		in.writable = dirty_pages(leaf->pfn, in.valid & leaf->writable);
	if (w->write && !(in.writable & xpm_leaf_bit(w->target)))
		goto out;
	xpm_leaf_map_external(leaf, in.valid);

	shift = w->first & (XPM_LEAF_PAGES - 1);
	in.valid >>= shift;
	in.writable >>= shift;
	in.pfn = leaf->pfn + shift;
	w->mapped = contiguous(w->write ? in.writable : in.valid, w->target - w->first);
	err = apply_to_page_range(vma->vm_mm, start, length, insert_pte, &in);
out:
	spin_unlock(&segment->rmap.lock);
	return err;
}

/* ------------------------------------------------------------ refresh */

/*
 * Takes the owner's mmap_lock for reading and keeps the address space alive.
 * @held is the address space whose mmap_lock the caller holds, or NULL: with
 * one held, another is not waited for, -EAGAIN.  -ENOENT: the owner is gone.
 * -EINTR: killed.
 */
static int lock_owner(struct xpm_segment *segment, struct mm_struct *held)
{
	struct mm_struct *mm = segment->mm;
	int err = 0;

	if (!mmget_not_zero(mm))
		return -ENOENT;
	if (held == mm)
		mmap_assert_locked(mm);		/* it attached itself */
	else if (held)
		err = mmap_read_trylock(mm) ? 0 : -EAGAIN;
	else
		err = mmap_read_lock_killable(mm);
	if (err)
		mmput_async(mm);
	return err;
}

static void unlock_owner(struct xpm_segment *segment, struct mm_struct *held)
{
	if (held != segment->mm)
		mmap_read_unlock(segment->mm);
	mmput_async(segment->mm);
}

/*
 * Reads the owner's page table of the window, as far as the target's mapping
 * goes, and makes what is there VALID.  The owner's lock is held.
 *
 * 0: stored, whether the target is present or not; -EAGAIN: an invalidation
 * came meanwhile; -EFAULT: the target is nothing that can be shown; -ENOENT: the
 * segment is dead; -ENOMEM.
 */
static int refresh(struct xpm_segment *segment, const struct window *w)
{
	unsigned long pfns[XPM_LEAF_PAGES] = {};
	unsigned long first, last, i;
	struct hmm_range range = {
		.notifier = &segment->notifier,
		.hmm_pfns = pfns,
	};
	struct vm_area_struct *vma;
	struct xpm_leaf *leaf;
	int err;

	vma = vma_lookup(segment->mm, xpm_segment_address(segment, w->target));
	if (!vma || !vma_can_share(vma))
		return -EFAULT;
	range.start = max(xpm_segment_address(segment, w->first), vma->vm_start);
	range.end = min(xpm_segment_address(segment, w->last + 1), vma->vm_end);
	first = xpm_segment_index(segment, range.start);
	last = xpm_segment_index(segment, range.end - 1);
	range.notifier_seq = mmu_interval_read_begin(&segment->notifier);
	err = hmm_range_fault(&range);
	if (err)
		return err == -EBUSY ? -EAGAIN : err;
	if (pfns[w->target - first] & HMM_PFN_ERROR)
		return -EFAULT;

	err = xpm_rmap_reserve(&segment->rmap, w->target);
	if (err)
		return err;

	spin_lock(&segment->rmap.lock);
	leaf = xpm_rmap_leaf(&segment->rmap, w->target);
	if (segment->dead) {
		err = -ENOENT;
	} else if (!leaf || mmu_interval_read_retry(&segment->notifier, range.notifier_seq)) {
		err = -EAGAIN;
	} else {
		for (i = first; i <= last; i++) {
			unsigned long entry = pfns[i - first];

			if (entry & HMM_PFN_VALID && !(entry & HMM_PFN_ERROR))
				xpm_leaf_store(leaf, i, page_to_pfn(hmm_pfn_to_page(entry)),
					       entry & HMM_PFN_WRITE);
		}
	}
	spin_unlock(&segment->rmap.lock);
	return err;
}

/* ----------------------------------------------------------- populate */

/*
 * Has the VM fault the target into the owner, whose lock is held; with
 * @unlocked it may be dropped meanwhile.  -EFAULT: the owner has nothing there,
 * or may not access it so itself, or it is poisoned; -ENOMEM; -EINTR: killed.
 */
static int populate(struct xpm_segment *segment, const struct window *w, bool *unlocked)
{
	unsigned int flags = FAULT_FLAG_REMOTE | (w->write ? FAULT_FLAG_WRITE : 0);
	unsigned long addr = xpm_segment_address(segment, w->target);
	struct vm_area_struct *vma = vma_lookup(segment->mm, addr);

	if (!vma || !vma_can_share(vma))
		return -EFAULT;
	return fixup_user_fault(segment->mm, addr, flags, unlocked);
}

/*
 * Inserts the window in @mm if its mmap_lock is free and it still maps there
 * what it did; else the access that is repeated will.
 */
static void try_insert(struct xpm_segment *segment, struct window *w, struct mm_struct *mm)
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
		struct window now = window_around(vma, w->target, w->write);

		insert(vma, &now);
	}
	if (!same)
		mmap_read_unlock(mm);
}

/*
 * All three steps for the target, none of the two mmap_locks being held: 0 when
 * the access is worth repeating, or the error it has to end with.
 */
static int bring_in(struct xpm_segment *segment, struct window *w, struct mm_struct *mm)
{
	bool unlocked = false;
	int err;

	err = lock_owner(segment, NULL);
	if (err)
		return err;
	err = populate(segment, w, &unlocked);
	if (!err)
		err = refresh(segment, w);
	if (!err)
		try_insert(segment, w, mm);
	unlock_owner(segment, NULL);
	return err == -EAGAIN ? 0 : err;
}

/* -------------------------------------------------------------- fault */

static vm_fault_t fault_error(int err)
{
	return err == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
}

/* Insert, and refresh where that needs no waiting for the owner's lock */
static int insert_or_refresh(struct vm_area_struct *vma, struct window *w)
{
	struct xpm_segment *segment = xpm_attachment_of(vma)->permit->segment;
	int err = insert(vma, w);

	if (err != -EAGAIN)
		return err;
	err = lock_owner(segment, vma->vm_mm);
	if (err)
		return err;
	err = refresh(segment, w);
	unlock_owner(segment, vma->vm_mm);
	return err ?: insert(vma, w);
}

vm_fault_t xpm_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct xpm_segment *segment = xpm_attachment_of(vma)->permit->segment;
	struct mm_struct *mm = vma->vm_mm;
	struct window w = window_around(vma, vmf->pgoff, vmf->flags & FAULT_FLAG_WRITE);
	/* The caller of ->pfn_mkwrite passes on nothing but errors and NOPAGE. */
	vm_fault_t again = VM_FAULT_RETRY |
			   (vmf->flags & FAULT_FLAG_MKWRITE ? VM_FAULT_NOPAGE : 0);
	struct file *file;
	int err;

	err = insert_or_refresh(vma, &w);
	if (!err)
		return VM_FAULT_NOPAGE;
	if (err != -EAGAIN)
		return fault_error(err);

	if (!(vmf->flags & FAULT_FLAG_ALLOW_RETRY)) {
		/*
		 * A private futex on an attachment.  Its caller repeats without
		 * looking at signals.
		 */
		if (fatal_signal_pending(current) || current->flags & PF_EXITING)
			return VM_FAULT_SIGBUS;
		err = lock_owner(segment, mm);
		if (!err) {
			err = populate(segment, &w, NULL);
			unlock_owner(segment, mm);
		}
		return err && err != -EAGAIN ? fault_error(err) : VM_FAULT_NOPAGE;
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
	fput(file);
	if (!err || err == -EINTR)
		return again;
	/* Errors are returned with the lock held, and the vma not looked at. */
	mmap_read_lock(mm);
	return fault_error(err);
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
	struct window w;
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
	if (err != -EAGAIN)
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
