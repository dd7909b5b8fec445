// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attached memory as a debugger sees it: ptrace, /proc/<pid>/mem.
 *
 * Called with the mmap_lock of the attacher held, which can't be dropped.  Anyone
 * may be the caller (ps reads a process's command line this way, and a process
 * may put that where it likes), so nothing is waited for that the owner decides:
 * its mmap_lock is tried for a while, and what only user space can bring in
 * (userfaultfd, a file that is not there) is an error.
 */
#include "access.h"

#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#include "ask.h"
#include "attachment.h"
#include "owner.h"
#include "permit.h"
#include "refresh.h"
#include "remote.h"
#include "replica.h"
#include "segment.h"
#include "stats.h"
#include "window.h"

/* Jiffies to try for the owner's lock, one by one */
#define TRIES	(HZ / 4)
/* The same for a page of another partition, in nanoseconds */
#define ASK_NS	(NSEC_PER_SEC / 4)

/* Copies from or to a part of a VALID page: 0, -EAGAIN, or -ENOENT: dead. */
static int copy(struct xpm_permit *permit, unsigned long index, unsigned int offset,
		void *buffer, unsigned int length, bool write)
{
	struct xpm_segment *segment = permit->segment;
	unsigned long pfn;
	int err = -EAGAIN;
	bool writable;
	void *page;

	read_lock(&segment->rmap.lock);
	if (segment->dead || READ_ONCE(permit->dead)) {
		err = -ENOENT;
	} else if (xpm_rmap_find(&segment->rmap, index, &pfn, &writable) && (!write || writable)) {
		page = kmap_local_page(pfn_to_page(pfn));
		if (write)
			memcpy(page + offset, buffer, length);
		else
			memcpy(buffer, page + offset, length);
		kunmap_local(page);
		err = 0;
	}
	read_unlock(&segment->rmap.lock);
	return err;
}

/*
 * Makes the page VALID: by a look at what the owner has, else (@populate) by a
 * fault of the owner's memory.
 */
static int bring_in(struct xpm_segment *segment, const struct xpm_window *w,
		    struct mm_struct *held, bool populate)
{
	struct xpm_reading reading = { .segment = segment };
	int err;

	if (segment->remote)
		return populate ? xpm_ask(xpm_remote_of(segment), w, ASK_NS) :
				  xpm_replica_refresh(xpm_remote_of(segment), w);
	err = xpm_owner_lock(segment, held);
	if (err)
		return err;
	if (populate)
		err = xpm_owner_populate_nowait(segment, w);
	if (!err)
		err = xpm_refresh(&reading, w);
	xpm_owner_unlock(segment, held);
	return err;
}

int xpm_access(struct vm_area_struct *vma, unsigned long addr, void *buffer, int length,
	       int write)
{
	struct xpm_permit *permit = xpm_attachment_of(vma)->permit;
	unsigned long index = linear_page_index(vma, addr);
	unsigned int offset = offset_in_page(addr);
	unsigned int bytes = min_t(unsigned int, length, PAGE_SIZE - offset);
	struct xpm_window w = {
		.address = addr & PAGE_MASK,
		.first = index,
		.last = index,
		.target = index,
		.write = write,
	};
	int err = -EAGAIN;
	int tries;

	if (write && !(vma->vm_flags & VM_WRITE))
		return -EACCES;
	/* As it is; then with what the owner has; then with what it can have. */
	for (tries = 0; tries < TRIES; tries++) {
		err = copy(permit, index, offset, buffer, bytes, write);
		if (err == -EAGAIN) {
			err = bring_in(permit->segment, &w, vma->vm_mm, false);
			if (!err)
				err = copy(permit, index, offset, buffer, bytes, write);
		}
		if (err == -EAGAIN) {
			err = bring_in(permit->segment, &w, vma->vm_mm, true);
			if (!err)
				continue;
		}
		if (err != -EAGAIN && err != -EINPROGRESS)
			break;
		if (fatal_signal_pending(current))
			return -EINTR;
		schedule_timeout_killable(1);
	}
	if (err)
		return err;
	xpm_stats_add(XPM_STAT_ACCESSES, 1);
	return bytes;
}
