// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a process can do in the sandbox of xpmemd-net, without a fabric and with one: each
 * attempt is made by a child that has locked itself in.
 */
#define _GNU_SOURCE
#include "check_main.h"
#include "net_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/netlink.h>

#define DONE	0	/* what an attempt came to, or the errno */
#define KILLED	255
#define NOBODY	65534

static int error_of(long rc)
{
	return rc < 0 ? errno : DONE;
}

static int read_passwd(void)
{
	return error_of(open("/etc/passwd", O_RDONLY));
}

static int read_sys(void)
{
	return error_of(open("/sys/class", O_RDONLY | O_DIRECTORY));
}

static int read_proc(void)
{
	return error_of(open("/proc/self/status", O_RDONLY));
}

static int write_tmp(void)
{
	return error_of(open("/tmp", O_TMPFILE | O_WRONLY, 0600));
}

static int write_null(void)
{
	return error_of(open("/dev/null", O_WRONLY));
}

static int unix_socket(void)
{
	return error_of(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int udp_socket(void)
{
	return error_of(socket(AF_INET, SOCK_DGRAM, 0));
}

static int tcp_socket(void)
{
	return error_of(socket(AF_INET, SOCK_STREAM, 0));
}

static int route_socket(void)
{
	return error_of(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
}

static int audit_socket(void)
{
	return error_of(socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT));
}

static void *nothing(void *argument)
{
	return argument;
}

static int a_thread(void)
{
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, nothing, NULL);

	return rc ? rc : pthread_join(thread, NULL);
}

static int a_process(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	return error_of(pid);
}

static int a_clone3(void)
{
	return error_of(syscall(SYS_clone3, NULL, 0));
}

static int a_program(void)
{
	return error_of(execl("/bin/true", "true", NULL));
}

static int code(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return error_of(memory == MAP_FAILED ? -1 : 0);
}

static int terminal(void)
{
	return error_of(ioctl(0, TIOCSTI, "x"));
}

static int trace(void)
{
	return error_of(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static const struct {
	int (*attempt)(void);
	int without, with;
} attempts[] = {
	{ tcp_socket, DONE, DONE },
	{ read_passwd, ENOENT, EACCES },
	{ read_proc, ENOENT, EACCES },
	{ read_sys, ENOENT, DONE },
	{ write_null, ENOENT, EACCES },
	{ write_tmp, ENOENT, EACCES },
	{ unix_socket, EAFNOSUPPORT, EAFNOSUPPORT },
	{ udp_socket, KILLED, EPERM },
	{ route_socket, KILLED, DONE },
	{ audit_socket, KILLED, EPERM },
	{ a_thread, KILLED, DONE },
	{ a_clone3, KILLED, ENOSYS },
	{ a_process, KILLED, EPERM },
	{ a_program, KILLED, EPERM },
	{ code, KILLED, EPERM },
	{ terminal, KILLED, EPERM },
	{ trace, KILLED, EPERM },
};

static int try(int (*attempt)(void), bool fabric)
{
	const struct xpmd_net_sandbox sandbox = {
		.uid = geteuid() ? geteuid() : NOBODY, .gid = geteuid() ? getegid() : NOBODY,
		.descriptors = 64, .memory = 1 << 30, .threads = 64, .fabric = fabric,
	};
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(xpmd_net_sandbox_begin(&sandbox) < 0 || xpmd_net_sandbox_end(&sandbox) < 0 ?
			      254 : attempt());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? KILLED : 253;
	return WEXITSTATUS(status);
}

START_TEST(without_fabric)
{
	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++)
		ck_assert_msg(try(attempts[i].attempt, false) == attempts[i].without,
			      "attempt %zu: %d, not %d", i, try(attempts[i].attempt, false),
			      attempts[i].without);
}
END_TEST

START_TEST(with_fabric)
{
	ck_assert(xpmd_net_sandbox_takes_fabric());
	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++)
		ck_assert_msg(try(attempts[i].attempt, true) == attempts[i].with,
			      "attempt %zu: %d, not %d", i, try(attempts[i].attempt, true),
			      attempts[i].with);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sandbox");

	add_case(suite, "without_fabric", without_fabric);
	add_case(suite, "with_fabric", with_fabric);
	return run_suite(suite);
}
