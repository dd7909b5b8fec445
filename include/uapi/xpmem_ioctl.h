/* SPDX-License-Identifier: LGPL-2.1-or-later WITH Linux-syscall-note */
/*
 * The device ABI of /dev/xpmem: what libxpmem and the module say to each other.
 *
 * Every request is a structure whose first member is its own size in bytes as
 * the caller knows it.  A structure only ever grows at its end:
 *
 *  - a caller older than the module passes a smaller size; the module takes
 *    the members it was not given as zero and writes back no more than size;
 *  - a caller newer than the module passes a larger size; the module accepts
 *    it when every byte it does not know is zero and the size is at most a
 *    page, else the call is E2BIG;
 *  - a size below that of the first version of the structure is EINVAL.
 *
 * Flag bits and reserved members that the module does not know must be zero,
 * else the call is EOPNOTSUPP.  What the module knows is in
 * xpmem_ioc_query.out_features; there is no version to compare.
 *
 * All layouts are the same for 32-bit and 64-bit callers.  Addresses, offsets
 * and lengths are in bytes.  "The process" is the one whose address space
 * opened the device: a file descriptor inherited by fork, kept across exec or
 * received from another process serves QUERY alone, all else is
 * XPMEM_ERRNO_NOPROC.
 *
 * Each errno has one meaning in all calls:
 *
 *  E2BIG       the structure is larger than known and not zero past that
 *  EACCES      the caller may not: another process's object, the segment's
 *              permissions refuse, (ATTACH) a hint below vm.mmap_min_addr, or
 *              (DRAIN) no CAP_SYS_ADMIN
 *  EFAULT      the structure itself, or for PREFAULT the owner's memory, can't
 *              be accessed
 *  EINTR       a fatal signal ended a wait
 *  EINVAL      a value is out of range or not aligned
 *  ENOENT      no such segment or permit, or the segment was removed, or its
 *              owner is gone
 *  ENOMEM      out of memory, or (ATTACH) out of address space
 *  ENOSPC      (MAKE, GET, ATTACH) a limit on their number is reached: 1024 segments
 *              of the process, or the user's, which are module parameters
 *  ENOTCONN    (SHARE) this partition has, or had when the segment was made, no
 *              number: no daemon; (GET, ATTACH) of another partition's segment: no
 *              daemon is running
 *  ENOTTY      no such request
 *  EOPNOTSUPP  an unknown flag or reserved member is not zero, or (ATTACH, PREFAULT)
 *              the owner's memory is of a kind that can't be shown
 *  ETIMEDOUT   (GET, ATTACH, PREFAULT) another partition does not answer
 *  2004        XPMEM_ERRNO_NOPROC: the descriptor is another process's
 */
#ifndef XPMEM_IOCTL_H
#define XPMEM_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* errno of a call through a descriptor that another process opened */
#define XPMEM_ERRNO_NOPROC	2004

#define XPMEM_IOC_TYPE		'x'
#define XPMEM_IOC_BASE		0x40

enum {
	XPMEM_IOC_NR_QUERY = XPMEM_IOC_BASE,
	XPMEM_IOC_NR_MAKE,
	XPMEM_IOC_NR_REMOVE,
	XPMEM_IOC_NR_GET,
	XPMEM_IOC_NR_RELEASE,
	XPMEM_IOC_NR_ATTACH,
	XPMEM_IOC_NR_DETACH,
	XPMEM_IOC_NR_PREFAULT,
	XPMEM_IOC_NR_SHARE,
	XPMEM_IOC_NR_DRAIN,
	XPMEM_IOC_NR_END,
};

/* out_features of QUERY */
#define XPMEM_FEATURE_PREFAULT		(1ULL << 0)
#define XPMEM_FEATURE_REMOTE		(1ULL << 1)	/* SHARE, segments of other partitions */

/**
 * struct xpmem_ioc_query - what the module is and can do
 * @size: sizeof(struct xpmem_ioc_query)
 * @flags: must be 0
 * @out_features: XPMEM_FEATURE_* bits
 * @out_max_address: a range [vaddr, vaddr + length) can be made a segment and
 *	attached when vaddr + length <= out_max_address
 * @out_module_version: major << 16 | minor << 12 | revision, as xpmem_version()
 * @out_page_size: unit of every alignment in this ABI
 */
struct xpmem_ioc_query {
	__u32 size;
	__u32 flags;
	__aligned_u64 out_features;
	__aligned_u64 out_max_address;
	__u32 out_module_version;
	__u32 out_page_size;
};
#define XPMEM_IOC_QUERY _IO(XPMEM_IOC_TYPE, XPMEM_IOC_NR_QUERY)

/**
 * struct xpmem_ioc_make - make a range of the caller's addresses a segment
 * @size: sizeof(struct xpmem_ioc_make)
 * @flags: must be 0
 * @vaddr: first address, page aligned
 * @length: bytes, a page multiple, not 0; with @vaddr 0, ~0 means all of the
 *	address space
 * @mode: who may get it: permission bits within 0777, narrowed at each GET by
 *	the module parameter permit_mask
 * @reserved: must be 0
 * @out_segid: the segment's id, positive
 */
struct xpmem_ioc_make {
	__u32 size;
	__u32 flags;
	__aligned_u64 vaddr;
	__aligned_u64 length;
	__u32 mode;
	__u32 reserved;
	__s64 out_segid __attribute__((aligned(8)));
};
#define XPMEM_IOC_MAKE _IO(XPMEM_IOC_TYPE, XPMEM_IOC_NR_MAKE)

/**
 * struct xpmem_ioc_id - one id; REMOVE takes a segid, RELEASE an apid
 * @size: sizeof(struct xpmem_ioc_id)
 * @flags: must be 0
 * @id: the id
 */
struct xpmem_ioc_id {
	__u32 size;
	__u32 flags;
	__s64 id __attribute__((aligned(8)));
};
#define XPMEM_IOC_REMOVE _IO(XPMEM_IOC_TYPE, XPMEM_IOC_NR_REMOVE)
#define XPMEM_IOC_RELEASE _IO(XPMEM_IOC_TYPE, XPMEM_IOC_NR_RELEASE)

/* flags of GET, exactly one of the two */
#define XPMEM_GET_RDONLY	(1U << 0)
#define XPMEM_GET_RDWR		(1U << 1)

/**
 * struct xpmem_ioc_get - get a permit for a segment
 * @size: sizeof(struct xpmem_ioc_get)
 * @flags: XPMEM_GET_RDONLY or XPMEM_GET_RDWR
 * @segid: the segment
 * @out_apid: the permit's id, positive; of use to the calling process alone
 */
struct xpmem_ioc_get {
	__u32 size;
	__u32 flags;
	__s64 segid __attribute__((aligned(8)));
	__s64 out_apid __attribute__((aligned(8)));
};
#define XPMEM_IOC_GET _IO(XPMEM_IOC_TYPE, XPMEM_IOC_NR_GET)

/**
 * struct xpmem_ioc_attach - map a part of a segment
 * @size: sizeof(struct xpmem_ioc_attach)
 * @flags: must be 0
 * @apid: the permit
 * @offset: first byte, relative to the segment's start, page aligned
 * @length: bytes, not 0, rounded up to a page
 * @vaddr: in: 0 and the kernel chooses, or a page aligned address at which the
 *	attachment replaces what is mapped; out: the attachment's address
 */
struct xpmem_ioc_attach {
	__u32 size;
	__u32 flags;
	__s64 apid __attribute__((aligned(8)));
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 vaddr;
};
#define XPMEM_IOC_ATTACH _IO(XPMEM_IOC_TYPE, XPMEM_IOC_NR_ATTACH)

/**
 * struct xpmem_ioc_detach - unmap an attachment, all of it
 * @size: sizeof(struct xpmem_ioc_detach)
 * @flags: must be 0
 * @vaddr: any address inside it; an address where nothing is mapped is no error
 */
struct xpmem_ioc_detach {
	__u32 size;
	__u32 flags;
	__aligned_u64 vaddr;
};
#define XPMEM_IOC_DETACH _IO(XPMEM_IOC_TYPE, XPMEM_IOC_NR_DETACH)

/* flags of PREFAULT */
#define XPMEM_PREFAULT_WRITE	(1U << 0)

/**
 * struct xpmem_ioc_prefault - fault in a range of the caller's attachments
 * @size: sizeof(struct xpmem_ioc_prefault)
 * @flags: 0, or XPMEM_PREFAULT_WRITE to fault in for writing
 * @vaddr: first address, page aligned, inside an attachment
 * @length: bytes, not 0, rounded up to a page
 * @out_length: bytes from @vaddr on that were faulted in, also on error; less
 *	than @length when the call fails
 *
 * Pages the owner has not touched yet are allocated in the owner, as a load or
 * (XPMEM_PREFAULT_WRITE) a store of the owner would.
 */
struct xpmem_ioc_prefault {
	__u32 size;
	__u32 flags;
	__aligned_u64 vaddr;
	__aligned_u64 length;
	__aligned_u64 out_length;
};
#define XPMEM_IOC_PREFAULT _IO(XPMEM_IOC_TYPE, XPMEM_IOC_NR_PREFAULT)

/* flags of SHARE, at least one of the first two */
#define XPMEM_SHARE_READ	(1U << 0) /* others may read it */
#define XPMEM_SHARE_WRITE	(1U << 1) /* and write it */
#define XPMEM_SHARE_LAST_COPY	(1U << 2) /* what a lost partition had is what home had last */

/**
 * struct xpmem_ioc_share - let other partitions have one of the caller's segments
 * @size: sizeof(struct xpmem_ioc_share)
 * @flags: XPMEM_SHARE_*
 * @segid: the segment
 *
 * The calling thread is the segment's helper from now on: what it does to the
 * segment's pages is done for other partitions, and not told to them.  A further
 * call replaces helper and flags.  For libxpmem, which does what else is due.
 */
struct xpmem_ioc_share {
	__u32 size;
	__u32 flags;
	__s64 segid __attribute__((aligned(8)));
};
#define XPMEM_IOC_SHARE _IO(XPMEM_IOC_TYPE, XPMEM_IOC_NR_SHARE)

/**
 * struct xpmem_ioc_drain - take a segment out, whoever made it
 * @size: sizeof(struct xpmem_ioc_drain)
 * @flags: must be 0
 * @segid: the segment.  ENOENT: there is none, also when its owner removes it at
 *	this moment
 *
 * For administrators (CAP_SYS_ADMIN in the first user namespace, else EACCES).  The
 * segment is dead as by REMOVE of its owner, who can go on and is not told:
 * its own REMOVE gives ENOENT.
 */
struct xpmem_ioc_drain {
	__u32 size;
	__u32 flags;
	__s64 segid __attribute__((aligned(8)));
};
#define XPMEM_IOC_DRAIN _IO(XPMEM_IOC_TYPE, XPMEM_IOC_NR_DRAIN)

#endif /* XPMEM_IOCTL_H */
