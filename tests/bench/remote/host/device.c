// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The module of xpmemd-bench: a home with one segment, that of the process which
 * $XPMEM_BENCH_SEGMENT tells: "SEGID PID ADDRESS BYTES".  Requests are answered in the
 * daemon itself, pages are read from /proc/PID/mem, and there are no records.
 */
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "uapi/xpmem_ctl.h"
#include "uapi/xpmem_ioctl.h"

static struct xpmem_ctl_segment segment;
static int memory = -1;

int xpmd_device_open(void)
{
	const char *text = getenv("XPMEM_BENCH_SEGMENT");
	char path[32];

	if (!text || sscanf(text, "%" SCNd64 " %" SCNu32 " %" SCNu64 " %" SCNu64,
			    (int64_t *)&segment.segid, &segment.out_pid,
			    (uint64_t *)&segment.out_start, (uint64_t *)&segment.out_length) != 4)
		return -ENOENT;
	segment.out_flags = XPMEM_SHARE_READ | XPMEM_SHARE_WRITE;
	segment.out_mode = 0600;
	snprintf(path, sizeof(path), "/proc/%u/mem", segment.out_pid);
	memory = open(path, O_RDONLY | O_CLOEXEC);
	if (memory < 0)
		return -errno;
	return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

ssize_t xpmd_device_read(int fd, void *buffer, size_t size)
{
	(void)fd;
	(void)buffer;
	(void)size;
	return -EAGAIN;
}

static int copy(struct xpmem_ctl_copy *request)
{
	ssize_t n = pread(memory, (void *)(uintptr_t)request->buffer,
			  request->count * XPMEM_CTL_PAGE,
			  (off_t)(segment.out_start + request->first * XPMEM_CTL_PAGE));

	request->out_count = n < 0 ? 0 : (uint64_t)n / XPMEM_CTL_PAGE;
	return request->out_count == request->count ? 0 : -EFAULT;
}

int xpmd_device_ioctl(int fd, unsigned long request, void *argument)
{
	struct xpmem_ctl_segment *asked = argument;
	struct xpmem_ctl_list *list = argument;

	(void)fd;
	switch (request) {
	case XPMEM_CTL_IOC_SEGMENT:
		if (asked->segid != segment.segid)
			return -ENOENT;
		segment.size = asked->size;
		*asked = segment;
		return 0;
	case XPMEM_CTL_IOC_COPY:
		return copy(argument);
	case XPMEM_CTL_IOC_LIST:
	case XPMEM_CTL_IOC_LIST_MARKED:
		list->count = 0;
		return 0;
	default:
		return 0;
	}
}
