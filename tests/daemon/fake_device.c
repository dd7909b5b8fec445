// SPDX-License-Identifier: GPL-2.0-or-later
/* /dev/xpmem-ctl of a daemon under test; see fakectl.h. */
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fakectl.h"
#include "uapi/xpmem_ctl.h"

static int connect_as(char role)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv(FAKECTL_ENVIRONMENT);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!path || fd < 0 || strlen(path) >= sizeof(address.sun_path))
		return -ENOENT;
	strcpy(address.sun_path, path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    send(fd, &role, 1, MSG_NOSIGNAL) != 1) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

int xpmd_device_open(void)
{
	int fd = connect_as(FAKECTL_RECORDS);

	if (fd >= 0)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

ssize_t xpmd_device_read(int fd, void *buffer, size_t size)
{
	ssize_t n = read(fd, buffer, size);

	return n < 0 ? -errno : n;
}

static bool move(int fd, void *buffer, size_t size, bool out)
{
	for (size_t done = 0; done < size; ) {
		ssize_t n = out ? send(fd, (char *)buffer + done, size - done, MSG_NOSIGNAL)
				: recv(fd, (char *)buffer + done, size - done, 0);

		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

/* What the pointers of a request point to */
struct pointed {
	void *in, *out[3];
	uint32_t in_size, out_size[3];
};

static void look(unsigned int nr, void *argument, struct pointed *p)
{
	struct xpmem_ctl_check *check = argument;
	struct xpmem_ctl_copy *copy = argument;
	struct xpmem_ctl_list *list = argument;
	struct xpmem_ctl_install *install = argument;
	struct xpmem_ctl_take *take = argument;

	switch (nr) {
	case XPMEM_CTL_NR_CHECK:
		p->in = (void *)(uintptr_t)check->groups;
		p->in_size = check->nr_groups * 4;
		break;
	case XPMEM_CTL_NR_COPY:
		p->out[0] = (void *)(uintptr_t)copy->buffer;
		p->out_size[0] = (uint32_t)copy->count * XPMEM_CTL_PAGE;
		break;
	case XPMEM_CTL_NR_LIST:
	case XPMEM_CTL_NR_LIST_MARKED:
		p->out[0] = (void *)(uintptr_t)list->ranges;
		p->out_size[0] = (uint32_t)(list->count * sizeof(struct xpmem_ctl_range));
		break;
	case XPMEM_CTL_NR_INSTALL:
		p->in = (void *)(uintptr_t)install->buffer;
		p->in_size = p->in ? (uint32_t)install->count * XPMEM_CTL_PAGE : 0;
		break;
	case XPMEM_CTL_NR_TAKE:
		p->out[0] = (void *)(uintptr_t)take->buffer;
		p->out_size[0] = (uint32_t)take->count * XPMEM_CTL_PAGE;
		p->out[1] = (void *)(uintptr_t)take->out_exclusive;
		p->out[2] = (void *)(uintptr_t)take->out_present;
		p->out_size[1] = p->out_size[2] = 64;
		break;
	}
}

int xpmd_device_ioctl(int fd, unsigned long request, void *argument)
{
	static __thread int requests = -1;
	struct pointed p = { 0 };
	struct fakectl_head head = { .nr = request & 0xff };
	struct fakectl_reply reply;
	bool good;

	(void)fd;
	if (requests < 0)
		requests = connect_as(FAKECTL_REQUESTS);
	if (requests < 0)
		return -ENODEV;
	memcpy(&head.size, argument, sizeof(head.size));
	look(head.nr, argument, &p);
	head.in = p.in_size;
	for (int i = 0; i < 3; i++)
		head.out += p.out_size[i];
	good = move(requests, &head, sizeof(head), true) &&
	       move(requests, argument, head.size, true) &&
	       move(requests, p.in, p.in_size, true) &&
	       move(requests, &reply, sizeof(reply), false) &&
	       move(requests, argument, head.size, false);
	for (int i = 0; i < 3 && good; i++)
		good = move(requests, p.out[i], p.out_size[i], false);
	return good ? reply.rc : -ENODEV;
}
