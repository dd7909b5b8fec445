/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xpmem_ext.h - calls that this project adds to the historic ones of xpmem.h
 *
 * They return 0 or a negative errno, leave errno alone, and set an output only
 * as said at each.  The meaning of an errno is that of xpmem.h, and further:
 *
 *  EBUSY       part of the range is in another remote segment of the process
 *  EFAULT      the owner has no memory where the attachment is read or written
 *  ENOTCONN    this partition has no daemon
 *  EOPNOTSUPP  also: the loaded module or the kernel does not know the call or a
 *		flag of it
 *  EPERM       the process may not watch its own memory (userfaultfd)
 *  ETIMEDOUT   the daemon did not answer
 *
 * As in xpmem.h, any thread may call, also in the child of a fork.
 *
 * Structures grow at their end only, and each call that takes one takes its
 * size as the caller knows it; old programs and new libraries mix either way.
 */
#ifndef XPMEM_EXT_H
#define XPMEM_EXT_H

#include <stddef.h>
#include <stdint.h>

#include <xpmem.h>

#ifdef __cplusplus
extern "C" {
#endif

/* features: what the module can do */
#define XPMEM_FEATURE_PREFAULT (1ULL << 0) /* xpmem_prefault */
#define XPMEM_FEATURE_REMOTE   (1ULL << 1) /* xpmem_make_remote */

/**
 * struct xpmem_info - what is there to work with
 * @features: XPMEM_FEATURE_* bits
 * @max_address: [vaddr, vaddr + length) can be made a segment and attached
 *	when vaddr + length <= @max_address.  A program that aligns and widens
 *	what it attaches clips it to this, and need not read /proc/self/maps.
 * @module_version: of the loaded module, as xpmem_version() returns it
 * @library_version: of this library, in the same form
 * @page_size: bytes; the unit of every alignment
 * @reserved: 0
 */
struct xpmem_info {
	uint64_t features;
	uint64_t max_address;
	uint32_t module_version;
	uint32_t library_version;
	uint32_t page_size;
	uint32_t reserved;
};

/**
 * xpmem_query - what the module and the library are and can do
 * @info_ret: filled in on success
 * @size: sizeof(struct xpmem_info)
 *
 * What the library does not know of a larger structure is set to 0, of a
 * smaller one only @size bytes are written.
 *
 * Returns 0 or
 * -EINVAL: @info_ret is NULL, or @size is less than the structure of the first
 *	version (32 bytes)
 * -ENOENT: the module is not loaded
 * and what any call can fail with, see xpmem.h.
 */
int xpmem_query(struct xpmem_info *info_ret, size_t size);

/* flags of xpmem_prefault */
#define XPMEM_PREFAULT_WRITE (1U << 0) /* for stores, too */

/**
 * xpmem_prefault - fault in a range of the caller's attachments
 * @vaddr: first address, a page multiple, inside an attachment
 * @length: bytes, not 0, rounded up to a page multiple; all of it is inside
 *	attachments
 * @flags: 0 for loads, XPMEM_PREFAULT_WRITE for loads and stores
 * @done_ret: NULL, or set, also when the call fails, to the bytes from @vaddr
 *	on that were faulted in
 *
 * Saves the faults of a first touch, many pages in one call.  It is advice:
 * what the owner or memory pressure takes away later faults again.  Pages that
 * the owner has mapped and not yet touched are allocated in the owner, as a
 * load or store of its own would.  Unlike a load it does not raise SIGBUS where
 * the owner has no memory: it fails and tells how far it came.
 *
 * Returns 0 or
 * -EACCES: XPMEM_PREFAULT_WRITE on an attachment that is for reading
 * -EFAULT: the owner has no memory at @vaddr + *@done_ret, or may not write it
 * -EINTR: a fatal signal came
 * -EINVAL: @vaddr is not page aligned, @length is 0, the range wraps, or part
 *	of it is no attachment of this process
 * -ENOENT: the segment was removed, its owner is gone, or the module is not
 *	loaded
 * -EOPNOTSUPP: the module does not know the call, or a flag, or the owner's memory
 *	at @vaddr + *@done_ret is of a kind that can't be shared
 * and what any call can fail with, see xpmem.h.
 */
int xpmem_prefault(void *vaddr, size_t length, unsigned int flags,
		   size_t *done_ret);

/* flags of xpmem_make_remote */
#define XPMEM_REMOTE_WRITE     (1U << 0) /* other partitions may store, too */
#define XPMEM_REMOTE_LAST_COPY (1U << 1) /* lost pages are what they last were here */

/**
 * xpmem_make_remote - make a segment that other partitions can attach, too
 * @vaddr: as of xpmem_make
 * @size: as of xpmem_make
 * @permit_type: as of xpmem_make
 * @permit_value: as of xpmem_make; the bits hold for users of other partitions, too
 * @flags: 0 and other partitions may load only; XPMEM_REMOTE_WRITE;
 *	XPMEM_REMOTE_LAST_COPY, with XPMEM_REMOTE_WRITE
 * @segid_ret: set on success to the segment's id
 *
 * A partition is a Linux instance; xpmemd of both must run.  On this one the segment
 * is like any other.  On others, pages of it are copied when they are accessed, and
 * one partition alone can store to a page at a time: when another accesses it, the
 * page travels.  A load or store of this process to such a page waits for it, at
 * most for the lease of a partition that does not answer (xpmemd.conf), or, when this
 * partition's daemon has died, for the next daemon.
 *
 * Private anonymous memory can be attached from elsewhere, huge pages and stacks
 * included.  Shared memory, files, and the data of this library and of the C library
 * can't: what else maps them can't be told to wait.  Nothing of that is asked
 * here, where nothing need be mapped yet: the attach of the other partition fails,
 * or its access raises SIGBUS.
 *
 * The only copy of a page can be lost with a partition that dies.  Then accesses to
 * it raise SIGBUS, in this process, too, until it maps something else there; with
 * XPMEM_REMOTE_LAST_COPY it is what it was when it was given away.
 *
 * The library runs two threads for each such segment, with all signals blocked.
 *
 * Returns 0 or
 * -EACCES: the daemon, or the permissions of its socket, refuse the process
 * -EBUSY: part of the range is in another remote segment of this process
 * -EINVAL: as of xpmem_make; or @segid_ret is NULL; or XPMEM_REMOTE_LAST_COPY without
 *	XPMEM_REMOTE_WRITE
 * -ENOENT: the module is not loaded
 * -ENOSPC: as of xpmem_make, or the daemon has as many as it may
 * -ENOTCONN: the daemon of this partition does not run, or never did
 * -EOPNOTSUPP: the module or the kernel can't do it (before Linux 5.9, or
 *	without userfaultfd), or does not know a flag
 * -EPERM: the process may open neither /dev/userfaultfd nor a userfaultfd
 *	without it
 * -ETIMEDOUT: the daemon did not answer within 5 s
 * and what any call can fail with, see xpmem.h.
 *
 * The segment lasts as one of xpmem_make; xpmem_remove first brings all its pages
 * home.  fork does so, too, that the child has them; it waits for a daemon that does
 * not answer no longer than 10 s, or what the daemon told when it started if that is
 * more, and the pages that did not come raise SIGBUS in the child.  The child has no
 * such segment and none of the threads.
 */
int xpmem_make_remote(void *vaddr, size_t size, int permit_type,
		      void *permit_value, unsigned int flags,
		      xpmem_segid_t *segid_ret);

#ifdef __cplusplus
}
#endif

#endif /* XPMEM_EXT_H */
