// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copying an owner's pages for the daemon.
 *
 * A page is copied while it is VALID in the reverse map, with rmap.lock held for
 * reading: as an attacher's entry would show it.  An invalidation takes VALID away with
 * the lock held for writing, so no copy is of a frame that the owner does not have, or
 * that is being changed behind its back; and what becomes VALID was looked up in the
 * owner's page table with no invalidation since (refresh.c).
 *
 * The daemon's buffer may not be there.  It is copied to with page faults off, as a
 * spinlock is held; if that fails it is brought in with the lock dropped, and tried
 * again.
 */
#include "copy.h"

#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "notifier.h"
#include "owner.h"
#include "refresh.h"
#include "segment.h"
#include "share.h"
#include "stats.h"
#include "window.h"

/* Pages whose entries are looked up together */
#define LOOK_AHEAD	XPM_LEAF_PAGES

/* 0; -EAGAIN: it is not VALID; -EFAULT: the buffer is not there; -ENOENT: dead */
static int copy_valid(struct xpm_segment *segment, unsigned long index, void __user *to)
{
	struct xpm_rmap *rmap = &segment->rmap;
	unsigned long pfn, left;
	int err = -EAGAIN;
	bool writable;
	void *page;

	read_lock(&rmap->lock);
	if (segment->dead) {
		err = -ENOENT;
	} else if (xpm_rmap_find(rmap, index, &pfn, &writable)) {
		page = kmap_local_page(pfn_to_page(pfn));
		pagefault_disable();
		left = __copy_to_user_inatomic(to, page, PAGE_SIZE);
		pagefault_enable();
		kunmap_local(page);
		err = left ? -EFAULT : 0;
	}
	read_unlock(&rmap->lock);
	return err;
}

/* Makes the page VALID if the owner has it, or (@populate) can have it */
static int look(struct xpm_segment *segment, unsigned long index, unsigned long last,
		bool populate)
{
	struct xpm_window w = {
		.first = index,
		.last = min(index | (LOOK_AHEAD - 1), last),
		.target = index,
	};
	struct xpm_reading reading = { .segment = segment };
	int err;

	if (xpm_notifier_wait_recalls(segment))
		return -EINTR;
	err = xpm_owner_lock(segment, NULL);
	if (err)
		return err;
	if (populate) {
		err = xpm_owner_populate(segment, &w);
		if (err)
			return err;
	}
	err = xpm_refresh(&reading, &w);
	xpm_owner_unlock(segment, NULL);
	return err == -EAGAIN || err == -EINPROGRESS ? 0 : err;
}

/* Another partition stores only where the owner could: mprotect() binds it, too. */
static int check_writable(struct xpm_segment *segment, unsigned long index)
{
	struct vm_area_struct *vma;
	int err = xpm_owner_lock(segment, NULL);

	if (err)
		return err;
	vma = vma_lookup(segment->mm, xpm_segment_address(segment, index));
	if (!vma || !(vma->vm_flags & VM_WRITE))
		err = -EACCES;
	xpm_owner_unlock(segment, NULL);
	return err;
}

/* Whether the owner's own page table has it, is not told from an invalidation: asked twice */
static int copy_page_out(struct xpm_segment *segment, unsigned long index, unsigned long last,
			 void __user *to, bool populate)
{
	unsigned int looks = 0;
	int err;

	for (;;) {
		if (fatal_signal_pending(current))
			return -EINTR;
		if (fault_in_writeable(to, PAGE_SIZE))
			return -EFAULT;
		err = copy_valid(segment, index, to);
		if (err == -EFAULT)
			continue;
		if (err != -EAGAIN)
			return err;
		/* First what the owner has; then, if it is to be, what it can have. */
		if (!populate && looks++ >= 2)
			return -EAGAIN;
		err = look(segment, index, last, populate && looks++);
		if (err)
			return err;
		cond_resched();
	}
}

long xpm_copy(struct xpmem_ctl_copy *req)
{
	struct xpm_segment *segment;
	u64 last;
	long err = 0;

	req->out_count = 0;
	if (req->flags & ~(XPMEM_COPY_POPULATE | XPMEM_COPY_WRITABLE))
		return -EOPNOTSUPP;
	if (!req->count || !PAGE_ALIGNED(req->buffer) ||
	    check_add_overflow(req->first, req->count - 1, &last))
		return -EINVAL;
	segment = xpm_share_find(req->segid);
	if (IS_ERR(segment))
		return PTR_ERR(segment);
	if (last > xpm_segment_last(segment))
		err = -EINVAL;
	while (!err && req->out_count < req->count) {
		if (req->flags & XPMEM_COPY_WRITABLE)
			err = check_writable(segment, req->first + req->out_count);
		if (err)
			break;
		err = copy_page_out(segment, req->first + req->out_count, last,
				    u64_to_user_ptr(req->buffer + req->out_count * PAGE_SIZE),
				    req->flags & XPMEM_COPY_POPULATE);
		req->out_count += !err;
	}
	xpm_stats_add(XPM_STAT_COPIES, req->out_count);
	xpm_segment_put(segment);
	return err;
}
