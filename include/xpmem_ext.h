/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xpmem_ext.h - calls that this project adds to the historic ones of xpmem.h
 *
 * They return 0 or a negative errno, leave errno alone, and set an output only
 * as said at each.  The meaning of an errno is that of xpmem.h, and further:
 *
 *  EFAULT      the owner has no memory where the attachment is read or written
 *  EOPNOTSUPP  also: the loaded module does not know the call or a flag of it
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

#ifdef __cplusplus
extern "C" {
#endif

/* features: what the module can do */
#define XPMEM_FEATURE_PREFAULT (1ULL << 0) /* xpmem_prefault */

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

#ifdef __cplusplus
}
#endif

#endif /* XPMEM_EXT_H */
