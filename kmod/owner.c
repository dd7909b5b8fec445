// SPDX-License-Identifier: GPL-2.0-only
/* The owner's side of a fault; see owner.h, and fault.c for the whole. */
#include "owner.h"

#include <linux/hmm.h>
#include <linux/hugetlb.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "compat/compat.h"
#include "notifier.h"
#include "policy.h"
#include "segment.h"
#include "stats.h"

static unsigned long magic_of(struct vm_area_struct *vma)
{
	return vma->vm_file ? file_inode(vma->vm_file)->i_sb->s_magic : 0;
}

/* Whether memory of this kind can be shown to others at all */
static bool can_show(struct vm_area_struct *vma)
{
	/* Device memory has no pages to follow; attachments are not attached. */
	if (vma->vm_flags & (VM_IO | VM_PFNMAP | XPM_VM_SHADOW_STACK))
		return false;
	/* Nor memory that a driver maps uncached: one page, one memory type. */
	if (!xpm_vma_is_cached(vma))
		return false;
	/* memfd_secret: not even the kernel may look at it. */
	return magic_of(vma) != SECRETMEM_MAGIC;
}

int xpm_owner_lock(struct xpm_segment *segment, struct mm_struct *held)
{
	struct mm_struct *mm = segment->mm;
	int err = 0;

	if (!mmget_not_zero(mm))
		return -ENOENT;
	if (held == mm)
		lockdep_assert_held(&mm->mmap_lock);	/* it attached itself */
	else if (held)
		err = mmap_read_trylock(mm) ? 0 : -EAGAIN;
	else
		err = mmap_read_lock_killable(mm);
	if (err)
		mmput_async(mm);
	return err;
}

void xpm_owner_unlock(struct xpm_segment *segment, struct mm_struct *held)
{
	if (held != segment->mm)
		mmap_read_unlock(segment->mm);
	mmput_async(segment->mm);
}

/* Stores what was seen: the page table entries of [first, last] are in @pfns. */
static int store(struct xpm_segment *segment, unsigned long first, unsigned long last,
		 const unsigned long *pfns, unsigned long seq)
{
	struct xpm_leaf *leaf = xpm_rmap_leaf(&segment->rmap, first);
	unsigned long i;

	if (segment->dead)
		return -ENOENT;
	if (!leaf || mmu_interval_read_retry(&segment->notifier, seq))
		return -EAGAIN;
	for (i = first; i <= last; i++) {
		unsigned long entry = pfns[i - first];

		if (entry & HMM_PFN_VALID && !(entry & HMM_PFN_ERROR))
			xpm_leaf_store(leaf, i, page_to_pfn(hmm_pfn_to_page(entry)),
				       entry & HMM_PFN_WRITE);
	}
	return 0;
}

int xpm_owner_refresh(struct xpm_segment *segment, const struct xpm_window *w)
{
	unsigned long pfns[XPM_LEAF_PAGES] = {};
	struct hmm_range range = {
		.notifier = &segment->notifier,
		.hmm_pfns = pfns,
	};
	struct vm_area_struct *vma;
	unsigned long first, last;
	int err;

	vma = vma_lookup(segment->mm, xpm_segment_address(segment, w->target));
	if (!vma)
		return -EFAULT;
	if (!can_show(vma))
		return -EOPNOTSUPP;
	if (xpm_notifier_recalls(segment))
		return -EINPROGRESS;
	xpm_stats_add(XPM_STAT_REFRESHES, 1);
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
	err = store(segment, first, last, pfns, range.notifier_seq);
	/* Nothing was there: no memory is spent on it. */
	xpm_rmap_trim(&segment->rmap, w->target);
	spin_unlock(&segment->rmap.lock);
	return err;
}

/*
 * As fixup_user_fault(), but every mapping is looked at that is faulted in: while
 * the lock was dropped the owner may have put an attachment there, whose fault
 * would come here again, inside this one, and so on.
 */
static int populate(struct xpm_segment *segment, const struct xpm_window *w, bool *unlocked)
{
	unsigned int flags = FAULT_FLAG_REMOTE | (w->write ? FAULT_FLAG_WRITE : 0) |
			     (unlocked ? FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE : 0);
	unsigned long addr = xpm_segment_address(segment, w->target);
	struct vm_area_struct *vma;
	vm_fault_t ret;

	for (;;) {
		vma = vma_lookup(segment->mm, addr);
		if (!vma)
			return -EFAULT;
		if (!can_show(vma))
			return -EOPNOTSUPP;
		if (!(vma->vm_flags & (w->write ? VM_WRITE : VM_READ)))
			return -EFAULT;
		if (unlocked && fatal_signal_pending(current))
			return -EINTR;

		ret = handle_mm_fault(vma, addr, flags, NULL);
		if (ret & VM_FAULT_ERROR)
			return vm_fault_to_errno(ret, 0);
		if (!(ret & (VM_FAULT_RETRY | VM_FAULT_COMPLETED)))
			return 0;
		if (mmap_read_lock_killable(segment->mm)) {
			*unlocked = true;
			return -EINTR;
		}
		if (ret & VM_FAULT_COMPLETED)
			return 0;
		flags |= FAULT_FLAG_TRIED;
	}
}

static int populate_by_policy(struct xpm_segment *segment, const struct xpm_window *w,
			      bool *unlocked)
{
	struct xpm_policy *policy = xpm_policy_enter(segment->mm);
	int err = populate(segment, w, unlocked);

	xpm_policy_leave(policy);
	xpm_stats_add(XPM_STAT_POPULATES, !err);
	return err;
}

int xpm_owner_populate(struct xpm_segment *segment, const struct xpm_window *w)
{
	bool unlocked = false;
	int err = populate_by_policy(segment, w, &unlocked);

	if (unlocked)
		mmput_async(segment->mm);
	else if (err)
		xpm_owner_unlock(segment, NULL);
	return err;
}

int xpm_owner_populate_nowait(struct xpm_segment *segment, const struct xpm_window *w)
{
	struct vm_area_struct *vma =
		vma_lookup(segment->mm, xpm_segment_address(segment, w->target));

	/* Any other file may be one of FUSE.  userfaultfd does not wait here. */
	if (vma && vma->vm_file && !is_vm_hugetlb_page(vma) &&
	    (magic_of(vma) != TMPFS_MAGIC || !S_ISREG(file_inode(vma->vm_file)->i_mode)))
		return -EFAULT;
	return populate_by_policy(segment, w, NULL);
}

bool xpm_owner_cannot_show(struct xpm_segment *segment, unsigned long first, unsigned long last)
{
	unsigned long start = xpm_segment_address(segment, first);
	unsigned long end = xpm_segment_address(segment, last + 1);
	struct mm_struct *mm = segment->mm;
	struct vm_area_struct *vma;
	bool cannot = false;

	if (!mmget_not_zero(mm))
		return false;
	if (mmap_read_trylock(mm)) {
		vma = vma_lookup(mm, start);
		cannot = vma && vma->vm_end >= end && !can_show(vma);
		mmap_read_unlock(mm);
	}
	mmput_async(mm);
	return cannot;
}
