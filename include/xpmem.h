/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xpmem.h - map memory of one process into others, without pinning it
 *
 * The owner of memory makes a range of its addresses a segment (xpmem_make)
 * and tells others the segment's id, a number.  Another process on the node
 * gets a permit for it (xpmem_get), attaches a part of the segment to its own
 * address space (xpmem_attach), and from then on loads and stores.
 *
 * An attachment shows addresses, not pages: it is what the owner sees at that
 * address at that moment.  When the owner unmaps, remaps, swaps or migrates,
 * the attachment follows.  An access to an address where the owner has nothing
 * mapped, or may not access itself, or whose segment or owner is gone, raises
 * SIGBUS.  Never does an attachment show memory the owner no longer has.
 *
 * Errors.  A call that fails returns -1 (xpmem_attach: (void *)-1) and sets
 * errno; a call that succeeds leaves errno alone.  An errno has one meaning in
 * all calls:
 *
 *  EACCES      the caller may not: the object is another process's, or the
 *              segment's permission bits, or those of /dev/xpmem, refuse
 *  EINTR       a fatal signal ended a wait
 *  EINVAL      a value is out of range or not aligned
 *  EMFILE      no free file descriptor in the process (first call of a process)
 *  ENFILE      no free file in the system (first call of a process)
 *  ENOENT      there is no such segment or permit, or the segment was removed,
 *              or its owner is gone, or the module is not loaded
 *  ENOMEM      out of memory, or out of address space
 *  ENOSPC      as many of these as there may be: 1024 segments of the process, or
 *              the user's segments, permits or attachments (module parameters
 *              max_segments_per_user and so on)
 *  ENOTTY      the loaded module is not of this project
 *  EOPNOTSUPP  memory of a kind that can't be shared: of a device, memfd_secret,
 *              or itself an attachment
 *
 * and of xpmem_get and xpmem_attach, where the segment is of another partition
 * (another Linux instance, see xpmem_make_remote in xpmem_ext.h):
 *
 *  EACCES      also: that partition does not believe who the user is, or its
 *              administrator gives this partition nothing for writing
 *  EBUSY       too many requests wait there
 *  EDQUOT      this partition has as many pages of that one open as it may
 *  EHOSTDOWN   users are known by MUNGE, and munged of this or of that partition
 *              does not run
 *  EHOSTUNREACH  this partition has no connection with that one
 *  ENOENT      also: no such partition is configured here
 *  ENOTCONN    this partition has no daemon
 *  EOPNOTSUPP  also: the segment was not made by xpmem_make_remote, or not with
 *              XPMEM_REMOTE_WRITE and is to be stored to
 *  ETIMEDOUT   that partition, or a munged, did not answer in time
 *
 * Not every call gives every one of them; each call's comment lists its own.
 * EMFILE, ENFILE, ENOMEM, ENOTTY and, for a missing module, ENOENT and EACCES
 * can come from any call and are not repeated there.  "Page" is
 * sysconf(_SC_PAGESIZE) bytes; sizes and offsets are in bytes.
 *
 * Threads.  Any thread may call anything at any time.
 *
 * fork, exec, exit.  A child inherits no attachment, no permit and no segment:
 * addresses of the parent's attachments are not mapped in the child, ids of
 * the parent's permits are EACCES there, and the parent keeps all it had.  The
 * child may call anything, and starts with nothing.  exec and exit tear all
 * down: segments are removed, permits released, attachments unmapped.
 *
 * This header needs the C library alone and is valid C and C++.  The calls
 * that this project adds to the historic set are in xpmem_ext.h.
 */
#ifndef XPMEM_H
#define XPMEM_H

#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Ids are positive and valid on the whole node.  Their bits mean nothing to
 * the caller.  The type is the kernel's __s64, spelled without its headers.
 */
#if defined(__GNUC__)
__extension__ typedef long long xpmem_segid_t; /* a segment */
__extension__ typedef long long xpmem_apid_t;  /* a permit, "access permit" */
#else
typedef long long xpmem_segid_t;
typedef long long xpmem_apid_t;
#endif

/* A place in a segment, seen through a permit. */
struct xpmem_addr {
	xpmem_apid_t apid; /* what xpmem_get returned */
	off_t offset;	   /* bytes from the segment's first address */
};

/* size of xpmem_make: with vaddr NULL, the whole address space */
#define XPMEM_MAXADDR_SIZE ((size_t)-1)

/* permit_type of xpmem_make and xpmem_get */
enum xpmem_permit_type {
	XPMEM_PERMIT_MODE = 1 /* permit_value is permission bits, 0 to 0777 */
};

/* flags of xpmem_get: what attachments of the permit may do */
#define XPMEM_RDONLY 1 /* load */
#define XPMEM_RDWR   2 /* load and store */

/*
 * The errno by which the module tells the library that a file descriptor is
 * another process's.  The library answers it by itself; no call below gives it.
 * Programs that issue ioctls of their own on /dev/xpmem can see it.
 */
#define XPMEM_ERRNO_NOPROC 2004

/**
 * xpmem_version - version of the loaded module
 *
 * Returns major << 16 | minor << 12 | revision, which is never negative: a
 * result >= 0 is how programs learn that XPMEM can be used.  -1 on error.
 *
 * ENOENT: the module is not loaded.
 */
int xpmem_version(void);

/**
 * xpmem_make - make a range of the caller's addresses a segment
 * @vaddr: first address, a page multiple
 * @size: bytes, a page multiple, not 0; XPMEM_MAXADDR_SIZE with @vaddr NULL is
 *	the whole address space
 * @permit_type: XPMEM_PERMIT_MODE
 * @permit_value: permission bits, a number in a pointer: (void *)0600
 *
 * Nothing need be mapped in the range; what is mapped there later becomes
 * visible.  Ranges may overlap and repeat, each call makes one more segment.
 * The bits are compared with the caller of xpmem_get as those of a file that
 * has this process's effective user and group; they are also narrowed by the
 * module parameter permit_mask.
 *
 * Returns the segment's id, or -1.
 *
 * EINVAL: @vaddr or @size is not a page multiple, @size is 0, the range ends
 * past the last address, @permit_type is not XPMEM_PERMIT_MODE, or
 * @permit_value is not within 0777.  ENOSPC: the process has 1024 segments,
 * or its user max_segments_per_user.
 *
 * The segment lasts until xpmem_remove, exec or exit of this process.  A child
 * does not inherit it: it goes on showing the parent's memory.
 */
xpmem_segid_t xpmem_make(void *vaddr, size_t size, int permit_type,
			 void *permit_value);

/**
 * xpmem_remove - remove a segment
 * @segid: a segment that this process made
 *
 * Attachments of it stay mapped, but every later access to them, also to pages
 * touched before, raises SIGBUS.  Their processes can still detach and release.
 *
 * Returns 0, or -1.
 *
 * EACCES: another process made it, for instance the parent.  EINVAL: @segid is
 * not positive.  ENOENT: no such segment.
 */
int xpmem_remove(xpmem_segid_t segid);

/**
 * xpmem_get - get a permit for a segment
 * @segid: the segment
 * @flags: XPMEM_RDONLY or XPMEM_RDWR
 * @permit_type: XPMEM_PERMIT_MODE
 * @permit_value: ignored
 *
 * Returns the permit's id, or -1.  Only the process that got it can use it.
 *
 * EACCES: the segment's permission bits refuse @flags to this process (a
 * process with CAP_IPC_OWNER in the owner's user namespace is not asked).
 * EINVAL: @flags or @permit_type is not one of the above, or @segid is not
 * positive.  ENOENT: no such segment, or its owner is gone.  ENOSPC: the user has
 * max_permits_per_user permits.
 *
 * The permit lasts until xpmem_release, exec or exit of this process, and is
 * not inherited by a child.
 */
xpmem_apid_t xpmem_get(xpmem_segid_t segid, int flags, int permit_type,
		       void *permit_value);

/**
 * xpmem_release - give a permit back
 * @apid: a permit that this process got
 *
 * Detaches all that was attached through it.
 *
 * Returns 0, or -1.
 *
 * EACCES: another process got it, for instance the parent.  EINVAL: @apid is
 * not positive.  ENOENT: no such permit.
 */
int xpmem_release(xpmem_apid_t apid);

/**
 * xpmem_attach - map a part of a segment
 * @addr: permit, and offset into the segment: a page multiple, not negative
 * @size: bytes, not 0, rounded up to a page multiple
 * @vaddr: NULL and the kernel chooses; else the page aligned address where the
 *	attachment shall be, which replaces what is mapped there
 *
 * Touches no page.  The mapping is like any other of the process: munmap, also
 * of a part, mprotect and mremap work on it, but a permit for reading gives a
 * mapping that mprotect can't make writable (EACCES).
 *
 * Returns the attachment's address, or (void *)-1.
 *
 * EACCES: another process got the permit, for instance the parent; or @vaddr is
 * below vm.mmap_min_addr.  EINVAL: @addr.offset or @vaddr is not page aligned,
 * @addr.offset is negative, @size is 0, or the range ends past the segment's end.
 * ENOENT: no such permit, or the segment was removed, or its owner is gone.
 * ENOMEM: also when the process has as many mappings as vm.max_map_count allows.
 * ENOSPC: the user has max_attachments_per_user attachments.  EOPNOTSUPP: all of
 * the range is one mapping of the owner that can't be shared.  Parts of such kind
 * in a larger range, and what the owner maps later, raise SIGBUS when accessed.
 *
 * A child does not inherit the mapping; exec and exit unmap it.
 */
void *xpmem_attach(struct xpmem_addr addr, size_t size, void *vaddr);

/**
 * xpmem_detach - unmap an attachment
 * @vaddr: any address inside it
 *
 * Unmaps all of it.  An address where nothing is mapped is not an error, so a
 * child may detach what its parent had attached.
 *
 * Returns 0, or -1.
 *
 * EINVAL: what is mapped at @vaddr is not an attachment.
 */
int xpmem_detach(void *vaddr);

#ifdef __cplusplus
}
#endif

#endif /* XPMEM_H */
