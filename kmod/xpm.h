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
 * process->lock			(nothing is held when it is taken)
 *   mmap_lock of the caller, write	(process.c: register_interval_notifiers;
 *     every i_mmap_rwsem of the caller	mm_take_all_locks)
 *   aging.lock				(segment.c: xpm_segment_make)
 *
 * process->unmap_lock			(attachment.c: unmap)
 *   mmap_lock of the caller
 *
 * mmap_lock of the attacher, read or write
 *   permit->lock			(attachment.c: a mapping begins and ends)
 *   process->leftover_lock, users_lock	(the same, by puts)
 *   mmap_lock of the owner, trylock	(owner.c: xpm_owner_lock; and the reverse in
 *					fault.c: try_insert)
 *   i_mmap_rwsem of the segment	(the VM: mapping, splitting, unmapping)
 *   what a zap takes inside that	(giant.c: take_out; mmap_lock for writing)
 *   attachment->tables			(insert.c, giant.c; reclaim may be inside it)
 *   invalidate_range_start map		(owner.c: mmu_interval_read_begin)
 *   task_lock, used_lock		(policy.c)
 *   page table lock of the owner	(refresh.c; nothing inside)
 *   segment->rmap.lock, write		(refresh.c: store)
 *     xarray lock of the rmap		(rmap.c)
 *     i_pages, i_lock of a file	(dirty.c: folio_mark_dirty)
 *   segment->rmap.lock, read		(insert.c, giant.c: try_insert; access.c: copy)
 *     page table lock of the attacher	(insert.c, giant.c)
 *
 * page table lock of the owner, in the VM's SRCU section
 *   aging.lock				(aging.c: look_at_all)
 *     xarray lock of the rmap		(rmap.c: xpm_rmap_clear_young)
 *     lock of a workqueue		(aging.c: look)
 *
 * whatever the VM holds in an invalidation of the owner
 *   segment->rmap.lock, write		(notifier.c; dropped before the next)
 *   chain_srcu, read			(rmap_notifier.c)
 *     completion of a zap work		(zap.c)
 *     what another subscriber waits for
 *
 * table_lock				(remote.c: a GET is granted, FORGET)
 *   home->lock				(remote.c; lease.c: end_lease)
 *     rmap.lock of a remote segment	(replica.c: hide_all)
 *     what a zap takes, see below
 *     remote->lock, trylock		(replica.c: evict)
 *
 * remote->lock			(replica.c: INSTALL, TAKE)
 *   mmap_lock of the daemon		(its buffer; reclaim may be inside it)
 *   rmap.lock of a remote segment
 *     xarray lock of the replicas
 *   what a zap takes, see below
 *
 * any of these but page table locks
 *   asks_lock of a remote segment	(ask.c)
 *   lock of the channel		(channel.c; wait queues inside)
 *
 * aging work
 *   segment->rmap.lock, write		(aging.c: zap; dropped before the next)
 *
 * zap or aging work, or the end of a segment or permit, holding nothing
 *   i_mmap_rwsem of the segment	(zap.c: unmap_mapping_pages)
 *     invalidate_range_start map of the attacher
 *       rmap.lock of segments the attacher owns
 *     page table lock of the attacher
 *
 * chain_lock				(rmap_notifier.c; nothing inside, and not held
 *					when chain_srcu is waited for)
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
