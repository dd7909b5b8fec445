// SPDX-License-Identifier: GPL-2.0-or-later
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEVICE "/dev/xpmem-ctl"

int xpmd_device_open(void)
{
	int fd = open(DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

ssize_t xpmd_device_read(int fd, void *buffer, size_t size)
{
	ssize_t n = read(fd, buffer, size);

	return n < 0 ? -errno : n;
}

int xpmd_device_ioctl(int fd, unsigned long request, void *argument)
{
	int rc = ioctl(fd, request, argument);

	return rc < 0 ? -errno : rc;
}
