/* SPDX-License-Identifier: LGPL-2.1-or-later WITH Linux-syscall-note */
/*
 * The historic ioctls of /dev/xpmem, as programs issue them raw (Charm++ does).
 *
 * The layouts are those of a 64-bit process and are frozen; a 32-bit process
 * gets ENOTTY and uses xpmem_ioctl.h.  kmod/legacy.c translates each of them to
 * a request of xpmem_ioctl.h, where the meaning of the members stands.  An
 * argument structure is written back only by a call that succeeds.
 */
#ifndef XPMEM_LEGACY_H
#define XPMEM_LEGACY_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define XPMEM_CMD_VERSION	_IO('x', 0)	/* returns the version */
#define XPMEM_CMD_MAKE		_IO('x', 1)
#define XPMEM_CMD_REMOVE	_IO('x', 2)
#define XPMEM_CMD_GET		_IO('x', 3)
#define XPMEM_CMD_RELEASE	_IO('x', 4)
#define XPMEM_CMD_ATTACH	_IO('x', 5)
#define XPMEM_CMD_DETACH	_IO('x', 6)
#define XPMEM_CMD_FORK_BEGIN	_IO('x', 7)	/* accepted, does nothing */
#define XPMEM_CMD_FORK_END	_IO('x', 8)	/* accepted, does nothing */

struct xpmem_cmd_make {
	__u64 vaddr;
	__u64 size;
	__s32 permit_type;	/* XPMEM_PERMIT_MODE, 1 */
	__u32 pad;
	__u64 permit_value;	/* within 0777 */
	__s64 segid;		/* out */
};

struct xpmem_cmd_remove {
	__s64 segid;
};

struct xpmem_cmd_get {
	__s64 segid;
	__s32 flags;		/* XPMEM_RDONLY 1 or XPMEM_RDWR 2 */
	__s32 permit_type;	/* XPMEM_PERMIT_MODE, 1 */
	__u64 permit_value;	/* ignored */
	__s64 apid;		/* out */
};

struct xpmem_cmd_release {
	__s64 apid;
};

struct xpmem_cmd_attach {
	__s64 apid;
	__s64 offset;
	__u64 size;
	__u64 vaddr;		/* in: hint, out: address */
	__s32 fd;		/* ignored */
	__s32 flags;		/* ignored */
};

struct xpmem_cmd_detach {
	__u64 vaddr;
};

#endif /* XPMEM_LEGACY_H */
