// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * See fake_xpmemd.h.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "fake_xpmemd.h"

#include "check_main.h"
#include "fakedev.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTIONS 64

atomic_uint xpmemd_refuse, xpmemd_refuse_fork;
atomic_bool xpmemd_silent, xpmemd_no_fork;
void (*xpmemd_at_fork)(void);
atomic_int xpmemd_got[16], xpmemd_descriptors;
struct xpmem_owner_packet xpmemd_hello, xpmemd_answer;
char xpmemd_text[XPMEM_OWNER_TEXT + 1];

static char directory[] = "/tmp/xpmem-test-XXXXXX";
static struct sockaddr_un address;
static int listener = -1, stop[2];
static pthread_t thread;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct pollfd polls[2 + CONNECTIONS];
static int count;
static int asked = -1; /* the connection of the last HELLO */
static bool answered;
static uint64_t last_id;
static ino_t event_inode;

bool wait_for(atomic_int *counter, int wanted)
{
	for (int i = 0; i < 1000 && *counter < wanted; i++)
		usleep(10000);
	return *counter >= wanted;
}

static void reply(int fd, uint32_t type, uint32_t error, uint64_t id)
{
	struct xpmem_owner_packet packet = { .type = type,
					     .error = error,
					     .id = id };

	send(fd, &packet, sizeof(packet), MSG_NOSIGNAL);
}

static void take_descriptor(struct msghdr *message)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(message);
	struct stat st;
	int fd;

	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS ||
	    cmsg->cmsg_len != CMSG_LEN(sizeof(int)))
		return;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	if (fstat(fd, &st) == 0 && st.st_ino == event_inode)
		atomic_fetch_add(&xpmemd_descriptors, 1);
	close(fd);
}

/* Returns whether the connection goes on.  Under @mutex. */
static bool serve(int fd)
{
	struct xpmem_owner_packet packet;
	char text[XPMEM_OWNER_TEXT];
	union {
		char buffer[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec parts[] = { { &packet, sizeof(packet) },
				 { text, sizeof(text) } };
	struct msghdr message = { .msg_iov = parts,
				  .msg_iovlen = 2,
				  .msg_control = control.buffer,
				  .msg_controllen = sizeof(control.buffer) };
	ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);

	if (got < (ssize_t)sizeof(packet) || packet.type >= 16)
		return false;
	/* before the answer: who gets that may look */
	atomic_fetch_add(&xpmemd_got[packet.type], 1);
	switch (packet.type) {
	case XPMEM_OWNER_HELLO:
		xpmemd_hello = packet;
		take_descriptor(&message);
		asked = fd;
		if (!xpmemd_silent)
			reply(fd, XPMEM_OWNER_WELCOME, xpmemd_refuse, 0);
		break;
	case XPMEM_OWNER_FORK:
		if (xpmemd_at_fork)
			xpmemd_at_fork();
		if (!xpmemd_no_fork)
			reply(fd, XPMEM_OWNER_ANSWER, xpmemd_refuse_fork,
			      packet.id);
		break;
	case XPMEM_OWNER_ANSWER:
		xpmemd_answer = packet;
		got -= (ssize_t)sizeof(packet);
		memcpy(xpmemd_text, text, (size_t)got);
		xpmemd_text[got] = 0;
		answered = packet.id == last_id;
		break;
	}
	pthread_cond_broadcast(&changed);
	return true;
}

static void drop(int i)
{
	if (asked == polls[i].fd)
		asked = -1;
	close(polls[i].fd);
	polls[i] = polls[--count];
	pthread_cond_broadcast(&changed);
}

static void *run(void *unused)
{
	(void)unused;
	for (;;) {
		poll(polls, (nfds_t)count, -1);
		if (polls[0].revents)
			return NULL;
		pthread_mutex_lock(&mutex);
		for (int i = count - 1; i >= 2; i--)
			if (polls[i].revents && !serve(polls[i].fd))
				drop(i);
		if (polls[1].revents && count < 2 + CONNECTIONS) {
			polls[count].fd =
				accept4(listener, NULL, NULL, SOCK_CLOEXEC);
			polls[count].events = POLLIN;
			polls[count++].revents = 0;
		}
		pthread_mutex_unlock(&mutex);
	}
}

void xpmemd_start(void)
{
	if (!*address.sun_path) {
		ck_assert_ptr_nonnull(mkdtemp(directory));
		address.sun_family = AF_UNIX;
		snprintf(address.sun_path, sizeof(address.sun_path), "%s/s",
			 directory);
		setenv("XPMEM_OWNER_SOCKET", address.sun_path, 1);
	} else {
		mkdir(directory, 0700);
	}
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address,
			      sizeof(address)),
			 0);
	ck_assert_int_eq(listen(listener, 64), 0);
	ck_assert_int_eq(pipe2(stop, O_CLOEXEC), 0);
	polls[0] = (struct pollfd){ .fd = stop[0], .events = POLLIN };
	polls[1] = (struct pollfd){ .fd = listener, .events = POLLIN };
	count = 2;
	ck_assert_int_eq(pthread_create(&thread, NULL, run, NULL), 0);
}

void xpmemd_stop(void)
{
	ck_assert_int_eq(write(stop[1], "", 1), 1);
	pthread_join(thread, NULL);
	while (count > 2)
		drop(count - 1);
	close(stop[0]);
	close(stop[1]);
	close(listener);
	unlink(address.sun_path);
	rmdir(directory);
}

void xpmemd_hang_up(void)
{
	xpmemd_stop();
	xpmemd_start();
}

int xpmemd_ask(uint32_t type, int64_t segid, const void *first, size_t size)
{
	struct xpmem_owner_packet packet = { .type = type,
					     .segid = segid,
					     .first = (uintptr_t)first,
					     .count = size };
	int rc = -1;

	pthread_mutex_lock(&mutex);
	packet.id = ++last_id;
	answered = false;
	if (asked >= 0 &&
	    send(asked, &packet, sizeof(packet), MSG_NOSIGNAL) > 0) {
		while (!answered && asked >= 0)
			pthread_cond_wait(&changed, &mutex);
		if (answered)
			rc = (int)xpmemd_answer.error;
	}
	pthread_mutex_unlock(&mutex);
	return rc;
}

/* ------------------------------------------------------------ userfaultfd */

atomic_int userfaultfd_opens, userfaultfd_registered, userfaultfd_unregistered,
	userfaultfd_wakes, userfaultfd_errno;
struct uffdio_register userfaultfd_last;
uint64_t userfaultfd_features = 0x1fff;
void *userfaultfd_stack;
static int events[2] = { -1, -1 }, pagemap = -1;

static int open_again(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), fd);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_other(const char *path, int flags)
{
	if (strcmp(path, "/dev/userfaultfd") == 0)
		return open_again(events[0], O_RDONLY | O_NONBLOCK);
	if (strcmp(path, "/proc/thread-self/pagemap") == 0)
		return open_again(pagemap, flags);
	return FAKE_PASS;
}

static int ioctl_other(unsigned long cmd, void *arg)
{
	struct uffdio_api *api = arg;
	int here;

	switch (cmd) {
	case USERFAULTFD_IOC_NEW:
		atomic_fetch_add(&userfaultfd_opens, 1);
		userfaultfd_stack = &here;
		return open_again(events[0], O_RDONLY | O_NONBLOCK);
	case UFFDIO_API:
		if (api->features & ~userfaultfd_features)
			return -EINVAL;
		if (!api->features)
			api->features = userfaultfd_features;
		return 0;
	case UFFDIO_REGISTER:
		if (userfaultfd_errno)
			return -userfaultfd_errno;
		((struct uffdio_register *)arg)->ioctls = UFFD_API_RANGE_IOCTLS;
		memcpy(&userfaultfd_last, arg, sizeof(userfaultfd_last));
		atomic_fetch_add(&userfaultfd_registered, 1);
		return 0;
	case UFFDIO_UNREGISTER:
		atomic_fetch_add(&userfaultfd_unregistered, 1);
		return 0;
	case UFFDIO_WAKE:
		atomic_fetch_add(&userfaultfd_wakes, 1);
		return 0;
	default:
		return FAKE_PASS;
	}
}

void userfaultfd_start(void)
{
	struct stat st;

	ck_assert_int_eq(pipe2(events, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert_int_eq(fstat(events[0], &st), 0);
	event_inode = st.st_ino;
	pagemap = memfd_create("pagemap", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(pagemap, (off_t)1 << 40), 0);
	fake_other_open = open_other;
	fake_other_ioctl = ioctl_other;
}

void userfaultfd_event(uint8_t event)
{
	struct uffd_msg message = { .event = event };

	ck_assert_int_eq(write(events[1], &message, sizeof(message)),
			 sizeof(message));
}

int userfaultfd_left(void)
{
	int bytes = 0;

	ck_assert_int_eq(ioctl(events[0], FIONREAD, &bytes), 0);
	return bytes / (int)sizeof(struct uffd_msg);
}

void pagemap_set(const void *first, size_t size, uint64_t bits)
{
	for (uintptr_t page = (uintptr_t)first / 4096; size;
	     page++, size -= 4096)
		ck_assert_int_eq(pwrite(pagemap, &bits, sizeof(bits),
					(off_t)(page * sizeof(bits))),
				 sizeof(bits));
}
