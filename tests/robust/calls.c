// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The requests of the device, without the library: on a descriptor of the
 * caller's choice, and with nothing repeated behind its back.
 */
#include "robust.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

static int request(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) < 0 ? -errno : 0;
}

int device_open_raw(void)
{
	int fd = open("/dev/xpmem", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int raw_make(int fd, const void *addr, size_t size, unsigned int mode, int64_t *segid)
{
	struct xpmem_ioc_make req = {
		.size = sizeof(req),
		.vaddr = (uintptr_t)addr,
		.length = size,
		.mode = mode,
	};
	int err = request(fd, XPMEM_IOC_MAKE, &req);

	if (!err)
		*segid = req.out_segid;
	return err;
}

static int request_id(int fd, unsigned long cmd, int64_t id)
{
	struct xpmem_ioc_id req = { .size = sizeof(req), .id = id };

	return request(fd, cmd, &req);
}

int raw_remove(int fd, int64_t segid)
{
	return request_id(fd, XPMEM_IOC_REMOVE, segid);
}

int raw_get(int fd, int64_t segid, bool write, int64_t *apid)
{
	struct xpmem_ioc_get req = {
		.size = sizeof(req),
		.flags = write ? XPMEM_GET_RDWR : XPMEM_GET_RDONLY,
		.segid = segid,
	};
	int err = request(fd, XPMEM_IOC_GET, &req);

	if (!err)
		*apid = req.out_apid;
	return err;
}

int raw_release(int fd, int64_t apid)
{
	return request_id(fd, XPMEM_IOC_RELEASE, apid);
}

int raw_attach(int fd, int64_t apid, uint64_t offset, size_t size, void **addr)
{
	struct xpmem_ioc_attach req = {
		.size = sizeof(req),
		.apid = apid,
		.offset = offset,
		.length = size,
		.vaddr = (uintptr_t)*addr,
	};
	int err = request(fd, XPMEM_IOC_ATTACH, &req);

	if (!err)
		*addr = (void *)(uintptr_t)req.vaddr;
	return err;
}

int raw_detach(int fd, const void *addr)
{
	struct xpmem_ioc_detach req = { .size = sizeof(req), .vaddr = (uintptr_t)addr };

	return request(fd, XPMEM_IOC_DETACH, &req);
}

int raw_prefault(int fd, const void *addr, size_t size, bool write, size_t *done)
{
	struct xpmem_ioc_prefault req = {
		.size = sizeof(req),
		.flags = write ? XPMEM_PREFAULT_WRITE : 0,
		.vaddr = (uintptr_t)addr,
		.length = size,
	};
	int err = request(fd, XPMEM_IOC_PREFAULT, &req);

	*done = req.out_length;
	return err;
}
