// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The calls of xpmem_ext.h: each is one request of the device ABI, but that for remote
 * segments, which is remote.c.
 *
 * Structures of the two are kept apart, so that either can grow by itself.
 */
#include "device.h"
#include "remote.h"
#include "xpmem_ext.h"

#include "uapi/xpmem_ioctl.h"

#include <errno.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

/* Bytes of struct xpmem_info as first published. */
#define INFO_SIZE_MIN 32

_Static_assert(sizeof(struct xpmem_info) >= INFO_SIZE_MIN,
	       "struct xpmem_info never shrinks");

/* in the form of xpmem_version(); from the build's one version number */
#define LIBRARY_VERSION                        \
	((uint32_t)XPMEM_VERSION_MAJOR << 16 | \
	 (uint32_t)XPMEM_VERSION_MINOR << 12 | (uint32_t)XPMEM_VERSION_PATCH)

EXPORT int xpmem_query(struct xpmem_info *info_ret, size_t size)
{
	struct xpmem_ioc_query req = { .size = sizeof(req) };
	struct xpmem_info info;
	int rc;

	if (!info_ret || size < INFO_SIZE_MIN)
		return -EINVAL;
	rc = device_ioctl(XPMEM_IOC_QUERY, &req);
	if (rc < 0)
		return rc;
	memset(&info, 0, sizeof(info));
	info.features = req.out_features;
	info.max_address = req.out_max_address;
	info.module_version = req.out_module_version;
	info.library_version = LIBRARY_VERSION;
	info.page_size = req.out_page_size;
	if (size > sizeof(info)) {
		memset((char *)info_ret + sizeof(info), 0, size - sizeof(info));
		size = sizeof(info);
	}
	memcpy(info_ret, &info, size);
	return 0;
}

EXPORT int xpmem_prefault(void *vaddr, size_t length, unsigned int flags,
			  size_t *done_ret)
{
	struct xpmem_ioc_prefault req = { .size = sizeof(req) };
	int rc;

	req.flags = flags;
	req.vaddr = (uintptr_t)vaddr;
	req.length = length;
	rc = device_ioctl(XPMEM_IOC_PREFAULT, &req);
	/* a module from before the call; flags have the same errno */
	if (rc == -ENOTTY)
		rc = -EOPNOTSUPP;
	if (done_ret)
		*done_ret = (size_t)req.out_length;
	return rc < 0 ? rc : 0;
}

EXPORT int xpmem_make_remote(void *vaddr, size_t size, int permit_type,
			     void *permit_value, unsigned int flags,
			     xpmem_segid_t *segid_ret)
{
	uint32_t share = XPMEM_SHARE_READ;
	int saved = errno, rc;

	if (!segid_ret)
		return -EINVAL;
	if (flags & ~(XPMEM_REMOTE_WRITE | XPMEM_REMOTE_LAST_COPY))
		return -EOPNOTSUPP;
	if (flags & XPMEM_REMOTE_WRITE)
		share |= XPMEM_SHARE_WRITE;
	else if (flags & XPMEM_REMOTE_LAST_COPY)
		return -EINVAL;
	if (flags & XPMEM_REMOTE_LAST_COPY)
		share |= XPMEM_SHARE_LAST_COPY;
	rc = remote_make(vaddr, size, permit_type, permit_value, share,
			 segid_ret);
	errno = saved;
	return rc;
}
