// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The calls of xpmem.h: each is one request of the device ABI.
 *
 * The module checks every argument.  What is checked here, too, is what would
 * not reach it as the caller meant it: a negative offset is a large unsigned
 * number there, permit types do not exist there, and permission bits are
 * narrower there than the pointer that carries them here.
 *
 * xpmem_init and xpmem_ioctl are in no header.  The existing libraries export
 * them, and the configure scripts of clients look for them.
 */
#include "device.h"
#include "remote.h"
#include "xpmem.h"

#include "uapi/xpmem_ioctl.h"

#include <errno.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

#define MODE_BITS 0777

int xpmem_init(void);
int xpmem_ioctl(int cmd, void *arg);

/* Turn 0-or-more or -errno into what the historic calls return. */
static int result(int rc)
{
	if (rc >= 0)
		return rc;
	errno = -rc;
	return -1;
}

EXPORT int xpmem_init(void)
{
	return result(device_init());
}

EXPORT int xpmem_ioctl(int cmd, void *arg)
{
	return result(device_ioctl((unsigned int)cmd, arg));
}

EXPORT int xpmem_version(void)
{
	struct xpmem_ioc_query req = { .size = sizeof(req) };
	int rc = device_ioctl(XPMEM_IOC_QUERY, &req);

	return result(rc < 0 ? rc : (int)req.out_module_version);
}

EXPORT xpmem_segid_t xpmem_make(void *vaddr, size_t size, int permit_type,
				void *permit_value)
{
	struct xpmem_ioc_make req = { .size = sizeof(req) };
	uintptr_t mode = (uintptr_t)permit_value;
	int rc;

	if (permit_type != XPMEM_PERMIT_MODE || (mode & ~(uintptr_t)MODE_BITS))
		return result(-EINVAL);
	req.vaddr = (uintptr_t)vaddr;
	/* a 32-bit process has a shorter XPMEM_MAXADDR_SIZE than the ABI */
	req.length = size == XPMEM_MAXADDR_SIZE ? ~(__u64)0 : size;
	req.mode = (__u32)mode;
	rc = device_ioctl(XPMEM_IOC_MAKE, &req);
	return rc < 0 ? result(rc) : req.out_segid;
}

EXPORT int xpmem_remove(xpmem_segid_t segid)
{
	struct xpmem_ioc_id req = { .size = sizeof(req), .id = segid };
	int rc;

	if (remote_remove(segid, &rc))
		return result(rc);
	return result(device_ioctl(XPMEM_IOC_REMOVE, &req));
}

EXPORT xpmem_apid_t xpmem_get(xpmem_segid_t segid, int flags, int permit_type,
			      void *permit_value)
{
	struct xpmem_ioc_get req = { .size = sizeof(req), .segid = segid };
	int rc;

	(void)permit_value; /* clients pass 0, 0600 and 0666 alike */
	if (permit_type != XPMEM_PERMIT_MODE)
		return result(-EINVAL);
	switch (flags) {
	case XPMEM_RDONLY:
		req.flags = XPMEM_GET_RDONLY;
		break;
	case XPMEM_RDWR:
		req.flags = XPMEM_GET_RDWR;
		break;
	default:
		return result(-EINVAL);
	}
	rc = device_ioctl(XPMEM_IOC_GET, &req);
	return rc < 0 ? result(rc) : req.out_apid;
}

EXPORT int xpmem_release(xpmem_apid_t apid)
{
	struct xpmem_ioc_id req = { .size = sizeof(req), .id = apid };

	return result(device_ioctl(XPMEM_IOC_RELEASE, &req));
}

EXPORT void *xpmem_attach(struct xpmem_addr addr, size_t size, void *vaddr)
{
	struct xpmem_ioc_attach req = { .size = sizeof(req) };
	int rc;

	if (addr.offset < 0 || size == 0) {
		errno = EINVAL;
		return (void *)-1;
	}
	req.apid = addr.apid;
	req.offset = (__u64)addr.offset;
	req.length = size;
	req.vaddr = (uintptr_t)vaddr;
	rc = device_ioctl(XPMEM_IOC_ATTACH, &req);
	if (rc < 0) {
		errno = -rc;
		return (void *)-1;
	}
	return (void *)(uintptr_t)req.vaddr;
}

EXPORT int xpmem_detach(void *vaddr)
{
	struct xpmem_ioc_detach req = {
		.size = sizeof(req),
		.vaddr = (uintptr_t)vaddr,
	};

	return result(device_ioctl(XPMEM_IOC_DETACH, &req));
}
