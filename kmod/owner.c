// SPDX-License-Identifier: GPL-2.0-only
/* The owner's side of a fault; see owner.h, and fault.c for the whole. */
#include "owner.h"

#include <linux/hugetlb.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "compat/compat.h"
#include "policy.h"
#include "segment.h"
#include "stats.h"
#include "window.h"

static unsigned long magic_of(struct vm_area_struct *vma)
{
	return vma->vm_file ? file_inode(vma->vm_file)->i_sb->s_magic : 0;
}

bool xpm_owner_can_show(struct vm_area_struct *vma)
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
		if (!xpm_owner_can_show(vma))
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

bool xpm_owner_has_giants(struct xpm_segment *segment, const struct xpm_window *w)
{
	struct vm_area_struct *vma =
		vma_lookup(segment->mm, xpm_segment_address(segment, w->target));

	return vma && vma_kernel_pagesize(vma) >= PUD_SIZE;
}

bool xpm_owner_cannot_show(struct xpm_segment *segment, unsigned long first, unsigned long last)
{
	unsigned long start = xpm_segment_address(segment, first);
	unsigned long end = xpm_segment_address(segment, last + 1);
	struct mm_struct *mm = segment->mm;
	struct vm_area_struct *vma;
	unsigned long pfn;
	bool writable, shown, cannot = false;

	/* What is shown can be shown; a look at the mapping costs more. */
	read_lock(&segment->rmap.lock);
	shown = xpm_rmap_find(&segment->rmap, first, &pfn, &writable);
	read_unlock(&segment->rmap.lock);
	if (shown || !mmget_not_zero(mm))
		return false;
	if (mmap_read_trylock(mm)) {
		vma = vma_lookup(mm, start);
		cannot = vma && vma->vm_end >= end && !xpm_owner_can_show(vma);
		mmap_read_unlock(mm);
	}
	mmput_async(mm);
	return cannot;
}
