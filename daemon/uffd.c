// SPDX-License-Identifier: GPL-2.0-or-later
#include "uffd.h"

#include "closer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

/* Linux 6.6; the headers of 6.1 do not have it */
#ifndef UFFDIO_POISON
struct uffdio_poison {
	struct uffdio_range range;
	__u64 mode;
	__s64 updated;
};
#define UFFDIO_POISON _IOWR(UFFDIO, 0x08, struct uffdio_poison)
#endif

#define EVENTS_PER_READ 32

/* How long the owner's mappings may be "changing": as long as nobody reads its events. */
#define CHANGING_TRIES	20000
#define CHANGING_NS	100000

int xpmd_uffd_new(struct xpmd_uffd **ret, int fd, uid_t uid)
{
	static const char is[] = "anon_inode:[userfaultfd]";
	char link[64], name[64];
	struct xpmd_uffd *uffd;
	int flags;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	memset(name, 0, sizeof(name));
	if (readlink(link, name, sizeof(name) - 1) < 0 || strcmp(name, is) != 0)
		return -EINVAL;
	flags = fcntl(fd, F_GETFL);
	uffd = calloc(1, sizeof(*uffd));
	if (!uffd || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		free(uffd);
		return -ENOMEM;
	}
	uffd->fd = fd;
	uffd->uid = uid;
	atomic_init(&uffd->refs, 1);
	*ret = uffd;
	return 0;
}

struct xpmd_uffd *xpmd_uffd_get(struct xpmd_uffd *uffd)
{
	atomic_fetch_add(&uffd->refs, 1);
	return uffd;
}

void xpmd_uffd_put(struct xpmd_uffd *uffd)
{
	if (!uffd || atomic_fetch_sub(&uffd->refs, 1) != 1)
		return;
	xpmd_closer_close(uffd->fd, uffd->uid);
	free(uffd);
}

static void pause_shortly(void)
{
	nanosleep(&(struct timespec){ 0, CHANGING_NS }, NULL);
}

int xpmd_uffd_copy(struct xpmd_uffd *uffd, uint64_t address, const void *data, uint64_t bytes,
		   bool protect, uint64_t *done_ret)
{
	uint64_t done = 0;
	int error = 0;

	for (unsigned int tries = 0; done < bytes && !error; ) {
		struct uffdio_copy copy = {
			.dst = address + done,
			.src = (uintptr_t)data + done,
			.len = bytes - done,
			.mode = UFFDIO_COPY_MODE_DONTWAKE | (protect ? UFFDIO_COPY_MODE_WP : 0),
		};

		if (ioctl(uffd->fd, UFFDIO_COPY, &copy) == 0)
			done = bytes;
		else if (copy.copy > 0)
			done += (uint64_t)copy.copy;	/* the next round tells why it ended */
		else if (errno != EAGAIN || ++tries > CHANGING_TRIES)
			error = errno;
		else
			pause_shortly();
	}
	*done_ret = done;
	return -error;
}

int xpmd_uffd_zero(struct xpmd_uffd *uffd, uint64_t address, uint64_t bytes)
{
	struct uffdio_zeropage zero = { .range = { address, bytes } };

	for (unsigned int tries = 0; ioctl(uffd->fd, UFFDIO_ZEROPAGE, &zero) < 0; tries++) {
		if (errno != EAGAIN || tries > CHANGING_TRIES)
			return -errno;
		pause_shortly();
	}
	return 0;
}

int xpmd_uffd_protect(struct xpmd_uffd *uffd, uint64_t address, uint64_t bytes, bool on)
{
	struct uffdio_writeprotect protect = {
		.range = { address, bytes },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	for (unsigned int tries = 0; ioctl(uffd->fd, UFFDIO_WRITEPROTECT, &protect) < 0; tries++) {
		if (errno != EAGAIN || tries > CHANGING_TRIES)
			return -errno;
		pause_shortly();
	}
	return 0;
}

int xpmd_uffd_poison(struct xpmd_uffd *uffd, uint64_t address, uint64_t bytes)
{
	struct uffdio_poison poison = { .range = { address, bytes } };

	for (unsigned int tries = 0; ioctl(uffd->fd, UFFDIO_POISON, &poison) < 0; tries++) {
		if (errno != EAGAIN || tries > CHANGING_TRIES)
			return -errno;
		pause_shortly();
	}
	return 0;
}

void xpmd_uffd_wake(struct xpmd_uffd *uffd, uint64_t address, uint64_t bytes)
{
	struct uffdio_range range = { address, bytes };

	/* Fails for ranges that are no user's addresses: nobody waits there. */
	(void)ioctl(uffd->fd, UFFDIO_WAKE, &range);
}

int xpmd_uffd_read(struct xpmd_uffd *uffd, const struct xpmd_uffd_ops *ops, void *ctx)
{
	struct uffd_msg msgs[EVENTS_PER_READ];
	ssize_t n = read(uffd->fd, msgs, sizeof(msgs));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (size_t i = 0; i < (size_t)n / sizeof(msgs[0]); i++) {
		const struct uffd_msg *msg = &msgs[i];
		uint64_t flags;

		switch (msg->event) {
		case UFFD_EVENT_PAGEFAULT:
			flags = msg->arg.pagefault.flags;
			ops->fault(ctx, msg->arg.pagefault.address & ~0xfffULL,
				   !(flags & UFFD_PAGEFAULT_FLAG_WP),
				   flags & (UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP));
			break;
		case UFFD_EVENT_REMAP:
			ops->moved(ctx, msg->arg.remap.from, msg->arg.remap.to, msg->arg.remap.len);
			break;
		case UFFD_EVENT_UNMAP:
			ops->unmapped(ctx, msg->arg.remove.start, msg->arg.remove.end);
			break;
		default:
			/* FORK's brings a descriptor; the helper does not ask for it. */
			break;
		}
	}
	return 0;
}
