// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Three fences that do not rely on each other: a user and a root directory that have
 * nothing, Landlock, which takes what is left of files from a process without privilege,
 * too, and a list of system calls.  Without the second the others do: kernels before
 * 5.13 do not have it.
 *
 * The list is of what sd-event, OpenSSL and libmicrohttpd call once they run.  Opening a
 * file fails as if there were none, as libraries try that; anything else ends the
 * process.
 */
#define _GNU_SOURCE
#include "net_sandbox.h"

#include "log.h"
#include "privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/landlock.h>
#include <seccomp.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true	/* its shadow is more memory than any limit, reports need stderr */
#else
#define SANITIZED false
#endif

static int failed(const char *what, int error)
{
	xpmd_log(LOG_ERR, "sandbox: %s: %s", what, strerror(error));
	return -error;
}

/* A directory that has lost its name: nothing is in it, and nothing can be made there. */
static int enter_nothing(void)
{
	static const char *const places[] = { "/run", "/tmp", "/dev/shm" };
	char path[64];
	int rc;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		strcpy(path, places[i]);
		strcat(path, "/xpmemd-net-XXXXXX");
		if (!mkdtemp(path))
			continue;
		rc = chdir(path);
		rmdir(path);
		if (rc == 0 && chroot(".") == 0)
			return 0;
		break;
	}
	return failed("empty root directory", errno);
}

static int become(uid_t uid, gid_t gid)
{
	if (!uid || !gid)
		return failed("user", EINVAL);
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return failed("user", errno);
	if (setresuid(-1, 0, -1) == 0)
		return failed("user: root can be had again", EPERM);
	return 0;
}

/* No access to any file is granted: handled is all that this kernel knows. */
static int lock_files(void)
{
	struct landlock_ruleset_attr all = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1,
	};
	int rc, fd = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);

	if (fd < 0) {
		if (errno == ENOSYS || errno == EOPNOTSUPP)
			return 0;
		return failed("Landlock", errno);
	}
	rc = syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? errno : 0;
	close(fd);
	return rc ? failed("Landlock", rc) : 0;
}

static void limit(int resource, uint64_t value)
{
	struct rlimit now, want = { value, value };

	if (getrlimit(resource, &now) == 0 && now.rlim_max < want.rlim_max)
		want.rlim_cur = want.rlim_max = now.rlim_max;
	if (setrlimit(resource, &want) < 0)
		xpmd_log(LOG_WARNING, "limit %d: %s", resource, strerror(errno));
}

static void set_limits(uint64_t descriptors, uint64_t memory)
{
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NPROC, 0);
	limit(RLIMIT_NOFILE, descriptors);
	limit(RLIMIT_MSGQUEUE, 0);
	if (SANITIZED)
		return;
	limit(RLIMIT_FSIZE, 0);
	limit(RLIMIT_DATA, memory);
}

/* The terminal, or the journal's stream: what is to be said goes to xpmemd. */
static int leave_stderr(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return failed("/dev/null", errno);
	for (int fd = 0; fd < 3; fd++)
		if (!(SANITIZED && fd == STDERR_FILENO))
			dup2(null, fd);
	close(null);
	return 0;
}

/* --------------------------------------------------------- system calls */

static const int allowed[] = {
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close),
	SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
	SCMP_SYS(sendmmsg), SCMP_SYS(accept4), SCMP_SYS(connect), SCMP_SYS(shutdown),
	SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(epoll_ctl),
	SCMP_SYS(poll), SCMP_SYS(ppoll),
	SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_gettime),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(restart_syscall),
	SCMP_SYS(setitimer),
	SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(membarrier),
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid),
	SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack), SCMP_SYS(tgkill), SCMP_SYS(exit), SCMP_SYS(exit_group),
};

/* What a library tries and does without; their error */
static const struct {
	int call, error;
} refused[] = {
	{ SCMP_SYS(open), ENOENT },	  { SCMP_SYS(openat), ENOENT },
	{ SCMP_SYS(access), ENOENT },	  { SCMP_SYS(faccessat), ENOENT },
	{ SCMP_SYS(faccessat2), ENOENT }, { SCMP_SYS(stat), ENOENT },
	{ SCMP_SYS(lstat), ENOENT },	  { SCMP_SYS(newfstatat), ENOENT },
	{ SCMP_SYS(readlink), ENOENT },	  { SCMP_SYS(readlinkat), ENOENT },
	{ SCMP_SYS(fstat), EACCES },	  { SCMP_SYS(statx), ENOENT },
	{ SCMP_SYS(getcwd), ENOENT },	  { SCMP_SYS(uname), EFAULT },
	{ SCMP_SYS(lseek), ESPIPE },	  { SCMP_SYS(getrlimit), EPERM },
	{ SCMP_SYS(prlimit64), EPERM },	  { SCMP_SYS(sysinfo), EPERM },
	{ SCMP_SYS(prctl), EPERM },	  { SCMP_SYS(sched_getaffinity), EPERM },
};

static int add_allowed(scmp_filter_ctx filter)
{
	int rc = 0;

	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed) && !rc; i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused) && !rc; i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO((unsigned int)refused[i].error),
				      refused[i].call, 0);
	return rc;
}

/* Calls of which arguments decide */
static int add_conditions(scmp_filter_ctx filter)
{
	static const int families[] = { AF_INET, AF_INET6, AF_VSOCK };
	static const int fcntls[] = { F_GETFD, F_SETFD, F_GETFL, F_SETFL };
	static const int maps[] = { SCMP_SYS(mmap), SCMP_SYS(mprotect) };
	int rc = 0;

	for (size_t i = 0; i < 3 && !rc; i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
				      SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]),
				      SCMP_A1(SCMP_CMP_MASKED_EQ,
					      ~(scmp_datum_t)(SOCK_NONBLOCK | SOCK_CLOEXEC),
					      SOCK_STREAM));
	/* AF_UNIX, for the names of interfaces */
	if (!rc)
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
				      SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	for (size_t i = 0; i < 4 && !rc; i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
				      SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)fcntls[i]));
	/* Nothing that is memory becomes a program. */
	for (size_t i = 0; i < 2 && !rc; i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, maps[i], 1,
				      SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!rc)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				      SCMP_A1(SCMP_CMP_EQ, FIONREAD));
	return rc;
}

static int lock_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc = -ENOMEM;

	if (filter) {
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
		if (!rc)
			rc = add_allowed(filter);
		if (!rc)
			rc = add_conditions(filter);
		if (!rc)
			rc = seccomp_load(filter);
		seccomp_release(filter);
	}
	return rc ? failed("system calls", -rc) : 0;
}

int xpmd_net_sandbox(uid_t uid, gid_t gid, uint64_t descriptors, uint64_t memory)
{
	int rc = leave_stderr();

	if (!rc && geteuid() == 0) {
		rc = enter_nothing();
		if (!rc)
			rc = become(uid, gid);
	}
	if (!rc)
		rc = xpmd_privilege_drop();
	if (rc)
		return rc;
	/* Others of its user can't look into it. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	set_limits(descriptors, memory);
	rc = lock_files();
	return rc ? rc : lock_calls();
}
