// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What can a process do with another's descriptors and ids: nothing but ask for
 * version and features?
 *
 * A descriptor comes to another process by fork, by exec, and by a message; the
 * address space that opened it is the one it serves.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "xpmem_ioctl.h"
#include "xpmem_legacy.h"

#define NOPROC XPMEM_ERRNO_NOPROC

static int fd;
static xpmem_segid_t segid;
static xpmem_apid_t apid;
static char *memory, *attached;

static void all_refused(int foreign)
{
	struct xpmem_ioc_query query = { .size = sizeof(query) };
	uint64_t words[64];

	check(ioctl(foreign, XPMEM_CMD_VERSION, 0) == 0x30000);
	check(ioctl(foreign, XPMEM_CMD_FORK_BEGIN, 0) == 0);
	check(ioctl(foreign, XPMEM_CMD_FORK_END, 0) == 0);
	check(ioctl(foreign, XPMEM_IOC_QUERY, &query) == 0);
	check(query.out_page_size == PAGE);

	/* good or bad, the argument is not looked at */
	memset(words, 0, sizeof(words));
	for (unsigned int nr = 1; nr <= 6; nr++) {
		check_errno(ioctl(foreign, _IO('x', nr), words), NOPROC);
		check_errno(ioctl(foreign, _IO('x', nr), NULL), NOPROC);
	}
	for (unsigned int nr = XPMEM_IOC_NR_MAKE; nr < XPMEM_IOC_NR_END; nr++) {
		words[0] = 40;
		check_errno(ioctl(foreign, _IO('x', nr), words), NOPROC);
		check_errno(ioctl(foreign, _IO('x', nr), NULL), NOPROC);
	}
	check_errno(ioctl(foreign, _IO('x', 9), words), ENOTTY);
	words[0] = segid;
	check_errno(ioctl(foreign, XPMEM_CMD_REMOVE, words), NOPROC);
	words[0] = apid;
	check_errno(ioctl(foreign, XPMEM_CMD_RELEASE, words), NOPROC);
}

/* The parent's objects, through a descriptor of one's own */
static void ids_refused(void)
{
	struct xpmem_addr addr = { .apid = apid };
	xpmem_apid_t own;

	check_errno(xpmem_attach(addr, PAGE, NULL), EACCES);
	check_errno(xpmem_release(apid), EACCES);
	check_errno(xpmem_remove(segid), EACCES);
	/* but the segment is there for all to get */
	own = get_segment(segid, XPMEM_RDWR);
	check(!differs(attach_at(own, 0, PAGE), PAGE, 1));
	check(xpmem_release(own) == 0);
}

static void child(int unused)
{
	(void)unused;
	all_refused(fd);
	/* what the parent attached is not mapped, and can be "detached" */
	check(try_read(attached, NULL) == SIGSEGV);
	check(xpmem_detach(attached) == 0);
	ids_refused();
	all_refused(fd);
	/* its descriptors are two: closing one is not closing the other's */
	check(close(fd) == 0);
}

static void send_fd(int socket)
{
	char control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { .iov_base = control, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	check(sendmsg(socket, &msg, 0) == 1);
}

static void receiver(int socket)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int received;

	check(close(fd) == 0);
	check(recvmsg(socket, &msg, 0) == 1);
	memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	all_refused(received);
	ids_refused();
	all_refused(received);
}

/* A new program has a new address space. */
static void exec_child(int unused)
{
	char number[16];

	(void)unused;
	snprintf(number, sizeof(number), "%d", fd);
	execl("/proc/self/exe", "other_process", number, (char *)NULL);
	fail("exec");
}

/* A child that shares the address space is the same process for the module. */
static int same_space(void *unused)
{
	struct xpmem_cmd_get get = { .segid = segid, .flags = 1, .permit_type = 1 };
	struct xpmem_cmd_release release;

	(void)unused;
	if (ioctl(fd, XPMEM_CMD_GET, &get) != 0)
		_exit(2);
	release.apid = get.apid;
	_exit(ioctl(fd, XPMEM_CMD_RELEASE, &release) != 0);
}

/* All the parent had still works. */
static void undisturbed(void)
{
	struct xpmem_cmd_get get = { .segid = segid, .flags = 1, .permit_type = 1 };

	check(ioctl(fd, XPMEM_CMD_GET, &get) == 0);
	check(xpmem_release(get.apid) == 0);
	check(!differs(attached, PAGE, 1));
	memory[0] ^= 1;
	check(attached[0] == memory[0]);
	memory[0] ^= 1;
	check(xpmem_detach(attach_at(apid, 0, PAGE)) == 0);
}

int main(int argc, char **argv)
{
	int sockets[2], status;
	char *stack;
	pid_t pid;

	test_begin(60);
	if (argc > 1) {
		all_refused(atoi(argv[1]));
		return 0;
	}
	fd = open("/dev/xpmem", O_RDWR);
	check(fd >= 0);
	memory = map_anon(PAGE);
	fill(memory, PAGE, 1);
	segid = make_segment(memory, PAGE);
	apid = get_segment(segid, XPMEM_RDWR);
	attached = attach_at(apid, 0, PAGE);
	undisturbed();

	join(spawn(child, 0));
	undisturbed();
	join(spawn(exec_child, 0));
	undisturbed();
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
	pid = spawn(receiver, sockets[1]);
	send_fd(sockets[0]);
	join(pid);
	undisturbed();

	stack = map_anon(16 * PAGE);
	pid = clone(same_space, stack + 16 * PAGE, CLONE_VM | SIGCHLD, NULL);
	check(pid > 0);
	check(waitpid(pid, &status, 0) == pid && status == 0);
	undisturbed();
	return 0;
}
