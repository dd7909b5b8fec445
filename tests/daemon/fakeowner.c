// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include "fakeowner.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include "module.h"
#include "xpmem_owner.h"

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

static int open_uffd(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_EVENT_REMAP |
			    UFFD_FEATURE_EVENT_UNMAP,
	};
	int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	int fd;

	if (device >= 0) {
		fd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC);
		close(device);
	} else {
		fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	}
	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

bool fakeowner_can(void)
{
	int fd = open_uffd();

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

uint64_t *fakeowner_word(const struct fakeowner *owner, uint64_t page)
{
	return (uint64_t *)(owner->memory + page * 4096);
}

void fakeowner_map(struct fakeowner *owner, int64_t segid, uint64_t pages)
{
	memset(owner, 0, sizeof(*owner));
	owner->segid = segid;
	owner->pages = pages;
	owner->memory = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert(owner->memory != MAP_FAILED);
	madvise(owner->memory, pages * 4096, MADV_NOHUGEPAGE);
	owner->uffd = open_uffd();
	ck_assert_int_ge(owner->uffd, 0);
}

static uint32_t do_as_told(struct fakeowner *owner, const struct xpmem_owner_packet *packet)
{
	struct uffdio_register reg = {
		.range = { packet->first, packet->count },
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
	};

	switch (packet->type) {
	case XPMEM_OWNER_TRAP:
		owner->traps++;
		return ioctl(owner->uffd, UFFDIO_REGISTER, &reg) < 0 ? (uint32_t)errno : 0;
	case XPMEM_OWNER_GIVE_UP:
		/* As libxpmem: what is not trapped (any more) may not be what was copied. */
		if (!is_present((char *)(uintptr_t)packet->first))
			return EAGAIN;
		owner->give_ups++;
		return madvise((void *)(uintptr_t)packet->first, packet->count, MADV_DONTNEED) < 0
			       ? (uint32_t)errno : 0;
	case XPMEM_OWNER_LOST:
		owner->losts++;
		return mmap((void *)(uintptr_t)packet->first, packet->count, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED
			       ? (uint32_t)errno : 0;
	default:
		return EOPNOTSUPP;
	}
}

static void *help(void *argument)
{
	struct fakeowner *owner = argument;
	struct xpmem_owner_packet packet;

	while (recv(owner->socket, &packet, sizeof(packet), 0) == sizeof(packet)) {
		if (packet.type == XPMEM_OWNER_ANSWER) {
			owner->forks_answered++;
			continue;
		}
		if (owner->deaf)
			continue;
		packet.error = do_as_told(owner, &packet);
		packet.type = XPMEM_OWNER_ANSWER;
		if (owner->dumb)
			continue;
		if (send(owner->socket, &packet, sizeof(packet), MSG_NOSIGNAL) < 0)
			break;
	}
	return NULL;
}

int fakeowner_connect(struct fakeowner *owner, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct xpmem_owner_packet packet = {
		.type = XPMEM_OWNER_HELLO, .segid = owner->segid, .value = XPMEM_OWNER_VERSION,
	};
	struct iovec iov = { &packet, sizeof(packet) };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	char text[sizeof(packet) + XPMEM_OWNER_TEXT];

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	owner->socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(owner->socket, (struct sockaddr *)&address, sizeof(address)), 0);
	memset(&control, 0, sizeof(control));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &owner->uffd, sizeof(int));
	ck_assert_int_eq(sendmsg(owner->socket, &msg, 0), sizeof(packet));
	ck_assert_int_ge(recv(owner->socket, text, sizeof(text), 0), (int)sizeof(packet));
	memcpy(&packet, text, sizeof(packet));
	ck_assert_uint_eq(packet.type, XPMEM_OWNER_WELCOME);
	if (packet.error) {
		close(owner->socket);
		return (int)packet.error;
	}
	pthread_create(&owner->helper, NULL, help, owner);
	return 0;
}

void fakeowner_disconnect(struct fakeowner *owner)
{
	shutdown(owner->socket, SHUT_RDWR);
	pthread_join(owner->helper, NULL);
	close(owner->socket);
}

static void say(struct fakeowner *owner, uint32_t type)
{
	struct xpmem_owner_packet packet = { .type = type, .id = 1, .segid = owner->segid };

	ck_assert_int_eq(send(owner->socket, &packet, sizeof(packet), 0), sizeof(packet));
}

void fakeowner_fork(struct fakeowner *owner)
{
	unsigned int before = owner->forks_answered;

	say(owner, XPMEM_OWNER_FORK);
	for (int i = 0; i < 1000 && owner->forks_answered == before; i++)
		usleep(10000);
	ck_assert_uint_ne(owner->forks_answered, before);
}

void fakeowner_forked(struct fakeowner *owner)
{
	say(owner, XPMEM_OWNER_FORKED);
}
