/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every file of the module shares: words, lock order, module parameters.
 *
 * Words.  The owner is the process whose memory is shared.  A segment is a
 * range of its address space; a permit is one process's right to a segment; an
 * attachment is a mapping of an attacher that shows part of a segment.  A
 * process (struct xpm_process) is one address space that opened the device,
 * whatever the number of its threads and descriptors.
 *
 * References point one way and make no cycle while an object is dead:
 *
 *   device file -> process      holds lists of its segments and permits
 *   mapping (vma) -> attachment -> permit -> segment -> mm (mm_count alone)
 *   mapping (vma) -> permit's file -> permit
 *   permit, until it is released -> its file
 *
 * Lock order, outermost first; each line says where the nesting happens.
 *
 * process->lock			(lists; nothing is held when it is taken)
 *   mmap_lock of the caller, write	(process.c: register_interval_notifiers;
 *     every i_mmap_rwsem of the caller	mm_take_all_locks)
 *
 * process->unmap_lock			(attachment.c: unmap)
 *   mmap_lock of the caller
 *
 * mmap_lock of the caller, read or write
 *   permit->lock			(attachment.c: open and close of a mapping)
 *   mmap_lock of the owner, trylock	(fault.c: lock_owner; and the reverse in
 *					try_insert)
 *   i_mmap_rwsem of the segment	(the VM: mapping, splitting, unmapping)
 *   invalidate_range_start map		(fault.c: mmu_interval_read_begin)
 *   segment->rmap.lock			(fault.c: store, insert)
 *     xarray lock of the rmap		(rmap.c)
 *     page table lock of the attacher	(fault.c: insert)
 *     i_pages, i_lock of a file	(fault.c: folio_mark_dirty)
 *
 * whatever the VM holds in an invalidation of the owner
 *   segment->rmap.lock			(notifier.c; dropped before the zap)
 *   completion of a zap work		(notifier.c)
 *
 * zap work, holding nothing
 *   i_mmap_rwsem of the segment	(unmap_mapping_pages)
 *     invalidate_range_start map of the attacher
 *       rmap.lock of segments the attacher owns
 *     page table lock of the attacher
 *
 * Two rules that no lock can express:
 *  - two mmap_locks are never waited for at once (trylock, or drop the first);
 *  - nothing that may sleep or reclaim is allocated under rmap.lock; page tables
 *    and leaves exist before.
 */
#ifndef XPM_H
#define XPM_H

#include <linux/types.h>

/* XPMEM 3.0.0, as QUERY and VERSION report it */
#define XPM_VERSION	(3 << 16 | 0 << 12 | 0)

/* main.c: module parameter, permission bits that a segment can grant at all */
unsigned int xpm_permit_mask(void);

#endif /* XPM_H */
