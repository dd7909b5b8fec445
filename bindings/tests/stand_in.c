// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A libxpmem.so.0 for the tests of the bindings on machines without the module: real
 * processes, the errnos of xpmem.h that depend on arguments alone, and memory that is
 * shared.  It can share only by exchanging it: make copies the range to a memory file
 * and maps that in its place, others open the file through /proc.  A segid is the
 * owner's pid and the file's number.
 *
 * That attachments follow their owner, permissions and limits are not here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xpmem.h>
#include <xpmem_ext.h>

#define PAGE		((size_t)4096)
#define ATTACHMENTS_MAX 64
#define VERSION		0x31002

/* in an apid: it was got for loads and stores */
#define WRITABLE (1LL << 62)

static struct {
	char *at;
	size_t size;
} attachments[ATTACHMENTS_MAX];

int xpmem_version(void)
{
	return VERSION;
}

xpmem_segid_t xpmem_make(void *vaddr, size_t size, int permit_type,
			 void *permit_value)
{
	int fd;

	if ((uintptr_t)vaddr % PAGE || size % PAGE || size == 0 ||
	    permit_type != XPMEM_PERMIT_MODE || (uintptr_t)permit_value > 0777) {
		errno = EINVAL;
		return -1;
	}
	fd = memfd_create("stand-in", MFD_CLOEXEC);
	if (fd < 0)
		return -1;
	if (write(fd, vaddr, size) != (ssize_t)size ||
	    mmap(vaddr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 fd, 0) == MAP_FAILED) {
		close(fd);
		errno = ENOMEM;
		return -1;
	}
	return (xpmem_segid_t)getpid() << 16 | fd;
}

int xpmem_remove(xpmem_segid_t segid)
{
	if (segid >> 16 != getpid()) {
		errno = EACCES;
		return -1;
	}
	if (close((int)(segid & 0xffff)) == 0)
		return 0;
	errno = ENOENT;
	return -1;
}

static int open_segment(xpmem_segid_t segid, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%lld/fd/%lld", segid >> 16,
		 segid & 0xffff);
	return open(path, flags | O_CLOEXEC);
}

xpmem_apid_t xpmem_get(xpmem_segid_t segid, int flags, int permit_type,
		       void *permit_value)
{
	int fd;

	(void)permit_value;
	if ((flags != XPMEM_RDONLY && flags != XPMEM_RDWR) ||
	    permit_type != XPMEM_PERMIT_MODE || segid <= 0) {
		errno = EINVAL;
		return -1;
	}
	fd = open_segment(segid, O_RDONLY);
	if (fd < 0) {
		errno = ENOENT;
		return -1;
	}
	close(fd);
	return flags == XPMEM_RDWR ? segid | WRITABLE : segid;
}

int xpmem_release(xpmem_apid_t apid)
{
	(void)apid;
	return 0;
}

void *xpmem_attach(struct xpmem_addr addr, size_t size, void *vaddr)
{
	bool writable = addr.apid & WRITABLE;
	struct stat st;
	char *at;
	int fd;

	size = (size + PAGE - 1) / PAGE * PAGE;
	fd = open_segment(addr.apid & ~WRITABLE, writable ? O_RDWR : O_RDONLY);
	if (fd < 0) {
		errno = ENOENT;
		return (void *)-1;
	}
	if (fstat(fd, &st) != 0 || addr.offset < 0 ||
	    (size_t)addr.offset % PAGE || size == 0 ||
	    (size_t)addr.offset + size > (size_t)st.st_size) {
		close(fd);
		errno = EINVAL;
		return (void *)-1;
	}
	at = mmap(vaddr, size, writable ? PROT_READ | PROT_WRITE : PROT_READ,
		  MAP_SHARED, fd, addr.offset);
	close(fd);
	for (int i = 0; i < ATTACHMENTS_MAX && at != MAP_FAILED; i++) {
		if (attachments[i].at == NULL) {
			attachments[i].at = at;
			attachments[i].size = size;
			return at;
		}
	}
	errno = ENOSPC;
	return (void *)-1;
}

int xpmem_detach(void *vaddr)
{
	for (int i = 0; i < ATTACHMENTS_MAX; i++) {
		char *at = attachments[i].at;

		if (at == NULL || (char *)vaddr < at ||
		    (char *)vaddr >= at + attachments[i].size)
			continue;
		attachments[i].at = NULL;
		return munmap(at, attachments[i].size);
	}
	return 0;
}

int xpmem_query(struct xpmem_info *info_ret, size_t size)
{
	if (info_ret == NULL || size < sizeof(*info_ret))
		return -EINVAL;
	memset(info_ret, 0, size);
	info_ret->features = XPMEM_FEATURE_PREFAULT;
	info_ret->max_address = 1ULL << 47;
	info_ret->module_version = VERSION;
	info_ret->library_version = VERSION;
	info_ret->page_size = PAGE;
	return 0;
}

int xpmem_prefault(void *vaddr, size_t length, unsigned int flags,
		   size_t *done_ret)
{
	if ((uintptr_t)vaddr % PAGE || length == 0)
		return -EINVAL;
	if (flags & ~XPMEM_PREFAULT_WRITE)
		return -EOPNOTSUPP;
	if (done_ret)
		*done_ret = length;
	return 0;
}
