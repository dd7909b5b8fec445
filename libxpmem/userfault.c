// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * /dev/userfaultfd gives a userfaultfd to whom its permissions let open it.  The
 * system call, which is older, gives one that also sees accesses of the kernel (a
 * read(2) into the memory) to privileged processes, or to all with
 * vm.unprivileged_userfaultfd.  One for accesses of user space alone would make
 * system calls of the owner fail with EFAULT, and is not asked for.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "userfault.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef USERFAULTFD_IOC_NEW /* Linux 6.1 */
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif
#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM /* Linux 5.19 */
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12)
#endif

#define REQUIRED                                                     \
	(UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_EVENT_REMAP | \
	 UFFD_FEATURE_EVENT_UNMAP)
/* what hugetlb needs */
#define WELCOME \
	(UFFD_FEATURE_MISSING_HUGETLBFS | UFFD_FEATURE_WP_HUGETLBFS_SHMEM)

/* Nothing is mapped below: vm.mmap_min_addr is one of these */
#define LOWEST_MIN 0x10000UL
#define LOWEST_MAX 0x1000000UL

static int open_new(void)
{
	int device, fd;

	do
		device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	while (device < 0 && errno == EINTR);
	if (device >= 0) {
		fd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
		close(device);
		if (fd >= 0)
			return fd;
	}
	fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		return fd;
	return errno == ENOSYS ? -EOPNOTSUPP : -errno;
}

/* Returns the features that there are, or -errno. */
static int64_t enable(int fd, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };

	if (ioctl(fd, UFFDIO_API, &api) < 0)
		return errno == EINVAL ? -EOPNOTSUPP : -errno;
	return (int64_t)api.features;
}

int userfault_open(void)
{
	int64_t features;
	int fd;

	/* which are known can be asked once, and then it can't be used with them */
	fd = open_new();
	if (fd < 0)
		return fd;
	features = enable(fd, 0);
	close(fd);
	if (features < 0)
		return (int)features;
	if ((features & REQUIRED) != REQUIRED)
		return -EOPNOTSUPP;

	fd = open_new();
	if (fd < 0)
		return fd;
	features = enable(fd, REQUIRED | ((uint64_t)features & WELCOME));
	if (features < 0) {
		close(fd);
		return (int)features;
	}
	return fd;
}

int userfault_register(int fd, uintptr_t start, uintptr_t end)
{
	struct uffdio_register reg = {
		.range = { .start = start, .len = end - start },
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
	};

	if (ioctl(fd, UFFDIO_REGISTER, &reg) < 0)
		return -errno;
	if (!(reg.ioctls & (__u64)1 << _UFFDIO_WRITEPROTECT)) {
		userfault_unregister(fd, start, end);
		return -EPERM;
	}
	return 0;
}

int userfault_protect(int fd, uintptr_t start, uintptr_t end)
{
	struct uffdio_writeprotect protect = {
		.range = { .start = start, .len = end - start },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	return ioctl(fd, UFFDIO_WRITEPROTECT, &protect) < 0 ? -errno : 0;
}

void userfault_unregister(int fd, uintptr_t start, uintptr_t end)
{
	struct uffdio_range range = { .start = start, .len = end - start };

	ioctl(fd, UFFDIO_UNREGISTER, &range);
}

void userfault_wake_all(int fd)
{
	/* the upper half of the addresses is the kernel's, the last page nobody's */
	const uintptr_t end = (UINTPTR_MAX >> 17) + 1 - 4096;
	uintptr_t start;

	for (start = LOWEST_MIN; start <= LOWEST_MAX; start *= 2) {
		struct uffdio_range range = { .start = start,
					      .len = end - start };

		if (ioctl(fd, UFFDIO_WAKE, &range) == 0 || errno != EINVAL)
			return;
	}
}

void userfault_drain(int fd)
{
	struct uffd_msg messages[8];
	ssize_t got;

	do
		got = read(fd, messages, sizeof(messages));
	while (got > 0 || (got < 0 && errno == EINTR));
}
