// SPDX-License-Identifier: GPL-2.0-only
/* The owner's side of a fault; see owner.h, and fault.c for the whole. */
#include "owner.h"

#include <linux/hmm.h>
#include <linux/hugetlb.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/mm.h>

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

static int populate(struct xpm_segment *segment, const struct xpm_window *w,
		    struct vm_area_struct *vma, bool *unlocked)
{
	unsigned int flags = FAULT_FLAG_REMOTE | (w->write ? FAULT_FLAG_WRITE : 0);
	unsigned long addr = xpm_segment_address(segment, w->target);
	struct xpm_policy *policy;
	int err;

	if (!vma)
		return -EFAULT;
	if (!can_show(vma))
		return -EOPNOTSUPP;
	xpm_stats_add(XPM_STAT_POPULATES, 1);
	policy = xpm_policy_enter(segment->mm);
	err = fixup_user_fault(segment->mm, addr, flags, unlocked);
	xpm_policy_leave(policy);
	return err;
}

int xpm_owner_populate(struct xpm_segment *segment, const struct xpm_window *w, bool *unlocked)
{
	return populate(segment, w,
			vma_lookup(segment->mm, xpm_segment_address(segment, w->target)), unlocked);
}

int xpm_owner_populate_nowait(struct xpm_segment *segment, const struct xpm_window *w)
{
	struct vm_area_struct *vma =
		vma_lookup(segment->mm, xpm_segment_address(segment, w->target));

	/* Any other file may be one of FUSE.  userfaultfd does not wait here. */
	if (vma && vma->vm_file && !is_vm_hugetlb_page(vma) && magic_of(vma) != TMPFS_MAGIC)
		return -EAGAIN;
	return populate(segment, w, vma, NULL);
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
