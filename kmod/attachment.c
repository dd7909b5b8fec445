// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attachments: mapping, splitting, moving and unmapping them.
 *
 * An attachment is an ordinary shared file mapping to the VM, so munmap,
 * mprotect and mremap of its parts need nothing here but the count of its vmas, and
 * that entries of 1 GiB are taken out before (giant.c).
 * It is VM_PFNMAP: its page tables hold frames without references.  It is not
 * inherited by fork, not dumped, not grown, not executable, and nothing that
 * takes page references (O_DIRECT, RDMA registration) works on it.
 */
#include "attachment.h"

#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "access.h"
#include "compat/compat.h"
#include "fault.h"
#include "giant.h"
#include "insert.h"
#include "owner.h"
#include "permit.h"
#include "process.h"
#include "remote.h"
#include "segment.h"
#include "stats.h"
#include "trace.h"
#include "user.h"

/* For more, the CPU flushes all of an address space's TLB entries anyway. */
#define UNDO_PAGES	33

static const struct vm_operations_struct attachment_vm_ops;

struct xpm_attachment *xpm_attachment_of(struct vm_area_struct *vma)
{
	return vma->vm_ops == &attachment_vm_ops ? vma->vm_private_data : NULL;
}

static void attachment_put(struct xpm_attachment *attachment)
{
	struct xpm_segment *segment = attachment->permit->segment;

	if (!refcount_dec_and_test(&attachment->ref))
		return;
	if (atomic_dec_and_test(&segment->attachments) && segment->remote)
		xpm_remote_detached(xpm_remote_of(segment));
	xpm_permit_put(attachment->permit);
	xpm_user_uncharge(attachment->user, XPM_RESOURCE_ATTACHMENT);
	xpm_stats_add(XPM_STAT_ATTACHMENTS, -1);
	kfree(attachment);
}

/* Off the permit's list, if it is on it; the permit's lock is held. */
static void unlist(struct xpm_attachment *attachment)
{
	if (list_empty(&attachment->link))
		return;
	list_del_init(&attachment->link);
	attachment->permit->nr_attachments--;
}

/* A vma was split, or is being moved: the new one counts too. */
static void vma_open(struct vm_area_struct *vma)
{
	struct xpm_attachment *attachment = vma->vm_private_data;

	xpm_giant_take_out(vma);
	refcount_inc(&attachment->ref);
	atomic_inc(&attachment->vmas);
}

/* All or a part of the vma gets other rights. */
static int vma_mprotect(struct vm_area_struct *vma, unsigned long start, unsigned long end,
			unsigned long flags)
{
	xpm_giant_take_out(vma);
	return 0;
}

static void vma_close(struct vm_area_struct *vma)
{
	struct xpm_attachment *attachment = vma->vm_private_data;

	trace_xpmem_detach(attachment->permit->id.value, vma->vm_start,
			   vma->vm_pgoff << PAGE_SHIFT, vma->vm_end - vma->vm_start);
	if (atomic_dec_and_test(&attachment->vmas)) {
		spin_lock(&attachment->permit->lock);
		unlist(attachment);
		spin_unlock(&attachment->permit->lock);
	}
	attachment_put(attachment);
}

static int vma_mremap(struct vm_area_struct *vma)
{
	struct xpm_attachment *attachment = vma->vm_private_data;

	WRITE_ONCE(attachment->addr, vma->vm_start);
	return 0;
}

static const struct vm_operations_struct attachment_vm_ops = {
	.open = vma_open,
	.close = vma_close,
	.mremap = vma_mremap,
	.mprotect = vma_mprotect,
	.fault = xpm_fault,
#ifdef CONFIG_ARCH_SUPPORTS_PUD_PFNMAP
	.huge_fault = xpm_huge_fault,
#endif
	/*
	 * Not optional: without it the core makes a read-only entry writable by
	 * itself, also one of the zero page.
	 */
	.pfn_mkwrite = xpm_fault,
	.access = xpm_access,
};

/*
 * Called by vm_mmap() of attach with the caller's mmap_lock held for writing;
 * and by remap_file_pages(), which maps any page offset of the file of a mapping
 * that is there: so the segment's bounds are checked here too.
 */
static int attachment_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct xpm_permit *permit = file->private_data;
	struct xpm_segment *segment = permit->segment;
	struct xpm_attachment *attachment;
	struct xpm_user *user;
	unsigned int nr;
	bool dead;

	if (vma->vm_pgoff > xpm_segment_last(segment) ||
	    vma_pages(vma) > xpm_segment_last(segment) - vma->vm_pgoff + 1)
		return -EINVAL;

	user = xpm_user_charge(XPM_RESOURCE_ATTACHMENT);
	if (IS_ERR(user))
		return PTR_ERR(user);
	nr = xpm_reaches_for(vma_pages(vma));
	attachment = kzalloc(struct_size(attachment, reaches.reach, nr), GFP_KERNEL_ACCOUNT);
	if (!attachment) {
		xpm_user_uncharge(user, XPM_RESOURCE_ATTACHMENT);
		return -ENOMEM;
	}
	attachment->user = user;
	refcount_set(&attachment->ref, 1);
	atomic_set(&attachment->vmas, 1);
	attachment->addr = vma->vm_start;
	init_rwsem(&attachment->tables);
	xpm_reaches_init(&attachment->reaches, nr, vma->vm_pgoff);
	attachment->permit = permit;
	INIT_LIST_HEAD(&attachment->link);

	/* Release kills the permit, then unmaps what is on the list. */
	spin_lock(&permit->lock);
	dead = permit->dead;
	if (!dead) {
		list_add(&attachment->link, &permit->attachments);
		permit->nr_attachments++;
	}
	spin_unlock(&permit->lock);
	if (dead) {
		xpm_user_uncharge(user, XPM_RESOURCE_ATTACHMENT);
		kfree(attachment);
		return -ENOENT;
	}
	xpm_permit_hold(permit);
	atomic_inc(&segment->attachments);
	xpm_stats_add(XPM_STAT_ATTACHMENTS, 1);
	xpm_stats_add(XPM_STAT_ATTACHES, 1);
	trace_xpmem_attach(permit->id.value, vma->vm_start, vma->vm_pgoff << PAGE_SHIFT,
			   vma->vm_end - vma->vm_start);

	/* HUGEPAGE: so that the VM asks for entries of 1 GiB, which may be opt-in */
	xpm_vma_set_flags(vma,
			  VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP | VM_DONTCOPY |
				  (xpm_giant_entries() ? VM_HUGEPAGE : 0),
			  VM_EXEC | VM_MAYEXEC);
	vma->vm_private_data = attachment;
	vma->vm_ops = &attachment_vm_ops;
	return 0;
}

static int attachment_file_release(struct inode *inode, struct file *file)
{
	xpm_permit_put(file->private_data);
	return 0;
}

/*
 * Where the caller leaves it to us: at the owner's address modulo 1 GiB or 2 MiB, if it
 * is long enough, so that what the owner maps by huge entries can be shown by them.
 */
static unsigned long attachment_place(struct file *file, unsigned long addr, unsigned long length,
				      unsigned long pgoff, unsigned long flags)
{
	struct xpm_permit *permit = file->private_data;
	struct xpm_segment *segment = permit->segment;
	unsigned long page = pgoff + (segment->start >> PAGE_SHIFT), place;

	if (!addr && !(flags & MAP_FIXED) && !segment->remote) {
		place = xpm_giant_place(file, length, page, flags);
		if (!IS_ERR_VALUE(place))
			return place;
	}
	return xpm_place_congruent(file, addr, length, page, flags);
}

static const struct file_operations attachment_fops = {
	.owner = THIS_MODULE,
	.mmap = attachment_mmap,
	.get_unmapped_area = attachment_place,
	.release = attachment_file_release,
};

struct file *xpm_attachment_file(struct xpm_permit *permit)
{
	struct file *file;

	file = anon_inode_getfile("[xpmem]", &attachment_fops, permit,
				  permit->writable ? O_RDWR : O_RDONLY);
	if (IS_ERR(file))
		return file;
	xpm_permit_hold(permit);
	/* There is one anonymous inode; any number of permits write the same. */
	WRITE_ONCE(permit->segment->mapping.host, file_inode(file));
	file->f_mapping = &permit->segment->mapping;
	return file;
}

long xpm_attachment_attach(struct xpm_process *process, struct xpmem_ioc_attach *req)
{
	struct xpm_segment *segment;
	struct xpm_permit *permit;
	unsigned long addr, prot;
	struct file *file;
	u64 length, end;
	long ret;

	if (req->flags)
		return -EOPNOTSUPP;
	if (!PAGE_ALIGNED(req->vaddr) || !PAGE_ALIGNED(req->offset))
		return -EINVAL;
	if (!req->length || check_add_overflow(req->length, (u64)PAGE_SIZE - 1, &length))
		return -EINVAL;
	length &= PAGE_MASK;
	if (check_add_overflow(req->offset, length, &end))
		return -EINVAL;

	permit = xpm_permit_find(process, req->apid);
	if (IS_ERR(permit))
		return PTR_ERR(permit);
	segment = permit->segment;

	ret = -ENOENT;
	if (xpm_segment_is_dead(segment))
		goto out_permit;
	ret = -EINVAL;
	if (end > segment->end - segment->start)
		goto out_permit;

	ret = -EOPNOTSUPP;
	if (!segment->remote &&
	    xpm_owner_cannot_show(segment, req->offset >> PAGE_SHIFT, (end - 1) >> PAGE_SHIFT))
		goto out_permit;
	ret = segment->remote ? xpm_remote_attach(xpm_remote_of(segment), req->offset >> PAGE_SHIFT,
						  length >> PAGE_SHIFT) : 0;
	if (ret)
		goto out_permit;

	file = xpm_permit_file(permit);
	ret = PTR_ERR(file);
	if (IS_ERR(file))
		goto out_permit;
	prot = permit->writable ? PROT_READ | PROT_WRITE : PROT_READ;
	addr = vm_mmap(file, req->vaddr, length, prot,
		       MAP_SHARED | (req->vaddr ? MAP_FIXED : 0), req->offset);
	fput(file);
	switch ((long)addr) {
	case -EPERM:		/* a hint below vm.mmap_min_addr */
		ret = -EACCES;
		break;
	case -EAGAIN:		/* mlockall(MCL_FUTURE), at its limit */
		ret = -ENOMEM;
		break;
	default:
		ret = IS_ERR_VALUE(addr) ? addr : 0;
	}
	if (!ret)
		req->vaddr = addr;

out_permit:
	xpm_permit_put(permit);
	return ret;
}

/* A vma of the attachment in current's address space; its mmap_lock is held. */
static struct vm_area_struct *find_part(struct xpm_attachment *attachment)
{
	VMA_ITERATOR(vmi, current->mm, 0);
	struct vm_area_struct *vma;

	vma = vma_lookup(current->mm, READ_ONCE(attachment->addr));
	if (vma && xpm_attachment_of(vma) == attachment)
		return vma;
	if (!atomic_read(&attachment->vmas))
		return NULL;
	for_each_vma(vmi, vma)
		if (xpm_attachment_of(vma) == attachment)
			return vma;
	return NULL;
}

/* Unmaps what the vma spans; its mmap_lock is held for reading, and dropped. */
static int unmap_vma(struct mm_struct *mm, struct vm_area_struct *vma)
{
	unsigned long start = vma->vm_start;
	unsigned long length = vma->vm_end - start;

	if (length > UNDO_PAGES * PAGE_SIZE)
		xpm_insert_undo(vma);
	mmap_read_unlock(mm);
	return vm_munmap(start, length);
}

/*
 * Unmaps what is left of an attachment in current's address space.  The process's
 * unmap_lock is held.
 *
 * mmap_lock is dropped between finding a vma and unmapping it.  The unmap_lock
 * keeps other threads' detach and release from unmapping it meanwhile, after which
 * the address might be something else's.  A thread that calls munmap on what
 * another detaches has unmapped it twice, as ever.
 */
static int unmap_rest(struct xpm_attachment *attachment)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	int err = 0;

	while (!err && atomic_read(&attachment->vmas)) {
		err = mmap_read_lock_killable(mm);
		if (err)
			break;
		vma = find_part(attachment);
		if (!vma) {
			mmap_read_unlock(mm);
			break;
		}
		err = unmap_vma(mm, vma);
	}
	return err;
}

static int unmap(struct xpm_process *process, struct xpm_attachment *attachment)
{
	int err;

	mutex_lock(&process->unmap_lock);
	err = unmap_rest(attachment);
	mutex_unlock(&process->unmap_lock);
	return err;
}

long xpm_attachment_detach(struct xpm_process *process, u64 vaddr)
{
	struct xpm_attachment *attachment;
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	int err;

	mutex_lock(&process->unmap_lock);
	err = mmap_read_lock_killable(mm);
	if (err)
		goto out;
	vma = vma_lookup(mm, vaddr);
	attachment = vma ? xpm_attachment_of(vma) : NULL;
	if (!attachment) {
		mmap_read_unlock(mm);
		/* Nothing there: it was detached, or munmapped, before. */
		err = vma ? -EINVAL : 0;
		goto out;
	}
	refcount_inc(&attachment->ref);
	err = unmap_vma(mm, vma);
	if (!err)
		err = unmap_rest(attachment);
	attachment_put(attachment);
out:
	mutex_unlock(&process->unmap_lock);
	return err;
}

bool xpm_attachment_unmap_all(struct xpm_permit *permit)
{
	struct mm_struct *mm = permit->process->mm;
	struct xpm_attachment *attachment;
	bool here = current->mm == mm;
	bool all = true;

	spin_lock(&permit->lock);
	while ((attachment = list_first_entry_or_null(&permit->attachments,
						      struct xpm_attachment, link))) {
		unlist(attachment);
		/* Off the list by vma_close() only after this lock was taken. */
		refcount_inc(&attachment->ref);
		spin_unlock(&permit->lock);
		if (!here || unmap(permit->process, attachment))
			all = false;
		attachment_put(attachment);
		cond_resched();
		spin_lock(&permit->lock);
	}
	spin_unlock(&permit->lock);

	/* In an address space that is going away nobody looks any more. */
	if (!all && mmget_not_zero(mm))
		mmput_async(mm);
	else
		all = true;
	return all;
}
