// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a process sends to the owner socket that no helper would: descriptors whose last
 * close takes half a minute, here of sockets that linger.  The daemon goes on.
 */
#define _GNU_SOURCE
#include "check_main.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fakeowner.h"
#include "partition.h"
#include "uapi/xpmem_ioctl.h"
#include "xpmem_owner.h"

#define SEGID	  ((1LL << XPMEM_PARTITION_SHIFT) | 77)
#define PAGES	  64
#define LINGER_S  30
#define AT_ONCE_S 8
#define MANY	  253

static struct partition p[2];
static struct fakeowner owner;

/* Nobody reads what was sent on it: so its last close waits for that, until @peer ends. */
static int lingering(int *peer_ret)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger linger = { .l_onoff = 1, .l_linger = LINGER_S };
	socklen_t size = sizeof(address);
	static char bytes[65536];
	int fd;

	*peer_ret = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(*peer_ret, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(listen(*peer_ret, 1), 0);
	ck_assert_int_eq(getsockname(*peer_ret, (struct sockaddr *)&address, &size), 0);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	return fd;
}

static int connected(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval soon = { .tv_sec = AT_ONCE_S };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, p[0].owner_socket, sizeof(address.sun_path) - 1);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
	return fd;
}

static void say(int to, uint32_t type, size_t bytes, int fd, unsigned int times)
{
	struct xpmem_owner_packet packet = {
		.type = type, .segid = SEGID, .value = XPMEM_OWNER_VERSION,
	};
	struct iovec iov = { &packet, bytes };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(MANY * sizeof(int))];
	} control;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = CMSG_SPACE(times * sizeof(int)),
	};

	memset(&control, 0, sizeof(control));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(times * sizeof(int));
	for (unsigned int i = 0; i < times; i++)
		memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &fd, sizeof(fd));
	ck_assert_int_eq(sendmsg(to, &msg, MSG_NOSIGNAL), (ssize_t)bytes);
}

/*
 * While the daemon is stopped (which would end what lingers already), so that it is the
 * last to close @fd.
 */
static void give(int to, uint32_t type, size_t bytes, int fd, unsigned int times)
{
	say(to, type, bytes, fd, times);
	close(fd);
}

static void stop(void)
{
	int status;

	ck_assert_int_eq(kill(p[0].daemon, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(p[0].daemon, &status, WUNTRACED), p[0].daemon);
	ck_assert(WIFSTOPPED(status));
}

static void go_on(void)
{
	ck_assert_int_eq(kill(p[0].daemon, SIGCONT), 0);
}

/* The daemon's error, or -1: the connection has ended */
static int hear(int from)
{
	struct {
		struct xpmem_owner_packet packet;
		char text[XPMEM_OWNER_TEXT];
	} said;
	ssize_t n = recv(from, &said, sizeof(said), 0);

	ck_assert_msg(n >= 0 || errno == ECONNRESET, "xpmemd says nothing: %s", strerror(errno));
	return n >= (ssize_t)sizeof(said.packet) ? (int)said.packet.error : -1;
}

/* It reads and answers, for somebody else. */
static void goes_on(void)
{
	int to = connected();

	say(to, XPMEM_OWNER_HELLO, sizeof(struct xpmem_owner_packet), STDIN_FILENO, 1);
	ck_assert_int_gt(hear(to), 0);
	close(to);
}

static unsigned int descriptors(void)
{
	unsigned int n = 0;
	char path[64];
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/fd", p[0].daemon);
	directory = opendir(path);
	ck_assert_ptr_nonnull(directory);
	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

static void as_many_as(unsigned int before)
{
	for (int i = 0; i < 500 && descriptors() > before; i++)
		usleep(20000);
	ck_assert_uint_le(descriptors(), before);
}

static unsigned int begin(void)
{
	if (!fakeowner_can())
		exit(77);
	partitions_new(p, "");
	partition_start(&p[0]);
	partition_share(&p[0], &owner, SEGID, PAGES);
	goes_on();
	usleep(200000);
	return descriptors();
}

static void end(unsigned int before)
{
	goes_on();
	as_many_as(before);
	ck_assert_int_eq(partition_stop(&p[0]), 0);
	partitions_remove(p);
}

/* What lingers comes with a HELLO that is @error, or not worth an answer (-1): it ends. */
static void refused(size_t bytes, unsigned int times, int error)
{
	unsigned int before = begin();
	int peer, fd = lingering(&peer), to = connected();

	stop();
	give(to, XPMEM_OWNER_HELLO, bytes, fd, times);
	go_on();
	ck_assert_int_eq(hear(to), error);
	if (error >= 0)
		ck_assert_int_eq(hear(to), -1);
	goes_on();
	close(peer);
	close(to);
	end(before);
}

START_TEST(no_userfaultfd)
{
	refused(sizeof(struct xpmem_owner_packet), 1, EINVAL);
}
END_TEST

START_TEST(many)
{
	refused(sizeof(struct xpmem_owner_packet), MANY, -1);
}
END_TEST

START_TEST(short_packet)
{
	refused(4, 1, -1);
}
END_TEST

/* The connection ends before it is received. */
START_TEST(never_received)
{
	unsigned int before = begin();
	int peer, fd = lingering(&peer), to = connected();

	stop();
	say(to, XPMEM_OWNER_FORK, sizeof(struct xpmem_owner_packet), STDIN_FILENO, 1);
	give(to, XPMEM_OWNER_FORK, sizeof(struct xpmem_owner_packet), fd, 1);
	go_on();
	ck_assert_int_eq(hear(to), -1);
	goes_on();
	close(peer);
	close(to);
	end(before);
}
END_TEST

/* Who is accepted has nothing more to send. */
START_TEST(of_an_owner)
{
	unsigned int before = begin();
	int peer, fd = lingering(&peer);

	stop();
	give(owner.socket, XPMEM_OWNER_FORKED, sizeof(struct xpmem_owner_packet), fd, 1);
	go_on();
	pthread_join(owner.helper, NULL);
	goes_on();
	close(owner.socket);
	ck_assert_int_eq(fakeowner_connect(&owner, p[0].owner_socket), 0);
	close(peer);
	end(before);
}
END_TEST

/* More than are closed at once; and when they can be, all are. */
START_TEST(one_after_the_other)
{
	unsigned int before = begin();
	int peer[20], to[20];

	stop();
	for (int i = 0; i < 20; i++) {
		int fd = lingering(&peer[i]);

		to[i] = connected();
		give(to[i], XPMEM_OWNER_HELLO, sizeof(struct xpmem_owner_packet), fd, 1);
	}
	go_on();
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(hear(to[i]), EINVAL);
	goes_on();
	/* Those that linger are not in the table any more. */
	ck_assert_uint_ge(descriptors(), before + 10);
	for (int i = 0; i < 20; i++) {
		close(peer[i]);
		close(to[i]);
	}
	end(before);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("strangers");

	add_case(suite, "no_userfaultfd", no_userfaultfd);
	add_case(suite, "many", many);
	add_case(suite, "short_packet", short_packet);
	add_case(suite, "never_received", never_received);
	add_case(suite, "of_an_owner", of_an_owner);
	add_case(suite, "one_after_the_other", one_after_the_other);
	return run_suite(suite);
}
