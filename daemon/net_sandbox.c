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
 *
 * A fabric needs more, whenever a connection is made on it: its devices, what /sys says of
 * them, netlink, a thread.  With one the fence of files is Landlock alone, in which these
 * are left open, and so are the directories of libraries, as drivers are loaded before
 * the list of calls is in force.  Without Landlock there is no fabric.
 */
#define _GNU_SOURCE
#include "net_sandbox.h"

#include "log.h"
#include "privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <link.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/landlock.h>
#include <linux/netlink.h>
#include <rdma/rdma_user_ioctl_cmds.h>
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

/* ---------------------------------------------------------------- files */

#define MAY_READ  (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define MAY_WRITE LANDLOCK_ACCESS_FS_WRITE_FILE

/* What is not there, or is not for this user, needs no rule. */
static int allow(int ruleset, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = access };
	struct stat st;
	int rc = 0;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return 0;
	if (fstat(rule.parent_fd, &st) < 0)
		rc = errno;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= ~(uint64_t)LANDLOCK_ACCESS_FS_READ_DIR;
	if (!rc && syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule,
			   0) < 0)
		rc = errno;
	close(rule.parent_fd);
	return rc ? failed(path, rc) : 0;
}

/* Where libraries are from: libibverbs finds the drivers of devices beside itself. */
static int allow_library(struct dl_phdr_info *info, size_t size, void *ctx)
{
	const int *ruleset = ctx;
	char path[PATH_MAX];
	char *slash;

	(void)size;
	if (strlen(info->dlpi_name) >= sizeof(path))
		return 0;
	strcpy(path, info->dlpi_name);
	slash = strrchr(path, '/');
	if (!slash || slash == path)
		return 0;
	*slash = 0;
	return allow(*ruleset, path, MAY_READ);
}

static int allow_fabric(int ruleset)
{
	/* The links in /sys/class lead to /sys/devices. */
	static const char *const readable[] = {
		"/sys/class", "/sys/devices", "/etc/libibverbs.d", "/etc/ld.so.cache",
	};
	int rc = allow(ruleset, "/dev/infiniband", MAY_READ | MAY_WRITE);

	for (size_t i = 0; i < sizeof(readable) / sizeof(*readable) && !rc; i++)
		rc = allow(ruleset, readable[i], MAY_READ);
	return rc ? rc : dl_iterate_phdr(allow_library, &ruleset);
}

/* No access to any other file is granted: handled is all that this kernel knows. */
static int lock_files(bool fabric)
{
	struct landlock_ruleset_attr all = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1,
	};
	int rc = 0, fd = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);

	if (fd < 0) {
		if (!fabric && (errno == ENOSYS || errno == EOPNOTSUPP))
			return 0;
		return failed("Landlock", errno);
	}
	if (fabric)
		rc = allow_fabric(fd);
	if (!rc && syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		rc = failed("Landlock", errno);
	close(fd);
	return rc;
}

bool xpmd_net_sandbox_takes_fabric(void)
{
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0)
		return true;
	xpmd_log(LOG_ERR, "fabric: no Landlock in this kernel (%s), and too much is open without",
		 strerror(errno));
	return false;
}

/* --------------------------------------------------------------- limits */

static void limit(int resource, uint64_t value)
{
	struct rlimit now, want = { value, value };

	if (getrlimit(resource, &now) == 0 && now.rlim_max < want.rlim_max)
		want.rlim_cur = want.rlim_max = now.rlim_max;
	if (setrlimit(resource, &want) < 0)
		xpmd_log(LOG_WARNING, "limit %d: %s", resource, strerror(errno));
}

/* Whose user is not its own alone may have many processes already. */
static void set_limits(const struct xpmd_net_sandbox *sandbox, bool own_user)
{
	limit(RLIMIT_CORE, 0);
	if (!sandbox->fabric || own_user)
		limit(RLIMIT_NPROC, sandbox->fabric ? sandbox->threads : 0);
	limit(RLIMIT_NOFILE, sandbox->descriptors);
	limit(RLIMIT_MSGQUEUE, 0);
	if (SANITIZED)
		return;
	limit(RLIMIT_FSIZE, 0);
	limit(RLIMIT_DATA, sandbox->memory);
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

/* Those of files, with a fabric: Landlock says which */
static const int of_files[] = {
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(access), SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat),
	SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(fstat), SCMP_SYS(statx),
	SCMP_SYS(lseek), SCMP_SYS(getdents64), SCMP_SYS(pread64),
};

/* What else libfabric, libibverbs and librdmacm call with a fabric */
static const int of_fabric[] = {
	SCMP_SYS(epoll_create), SCMP_SYS(epoll_create1), SCMP_SYS(eventfd2), SCMP_SYS(pipe),
	SCMP_SYS(pipe2), SCMP_SYS(bind), SCMP_SYS(accept), SCMP_SYS(dup), SCMP_SYS(uname),
	SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_getaffinity),
};

/* What a library tries and does without; their error */
struct refusal {
	int call, error;
};

static const struct refusal refused_without_fabric[] = {
	{ SCMP_SYS(open), ENOENT },	  { SCMP_SYS(openat), ENOENT },
	{ SCMP_SYS(access), ENOENT },	  { SCMP_SYS(faccessat), ENOENT },
	{ SCMP_SYS(faccessat2), ENOENT }, { SCMP_SYS(stat), ENOENT },
	{ SCMP_SYS(lstat), ENOENT },	  { SCMP_SYS(newfstatat), ENOENT },
	{ SCMP_SYS(readlink), ENOENT },	  { SCMP_SYS(readlinkat), ENOENT },
	{ SCMP_SYS(fstat), EACCES },	  { SCMP_SYS(statx), ENOENT },
	{ SCMP_SYS(lseek), ESPIPE },	  { SCMP_SYS(uname), EFAULT },
	{ SCMP_SYS(sched_getaffinity), EPERM },
};

static const struct refusal refused[] = {
	{ SCMP_SYS(getcwd), ENOENT },	  { SCMP_SYS(getrlimit), EPERM },
	{ SCMP_SYS(prlimit64), EPERM },	  { SCMP_SYS(sysinfo), EPERM },
	{ SCMP_SYS(prctl), EPERM },
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static int add(scmp_filter_ctx filter, const int *calls, size_t count)
{
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	return rc;
}

static int add_refused(scmp_filter_ctx filter, const struct refusal *calls, size_t count,
		       bool fabric)
{
	int rc = 0;

	/* With a fabric it is EPERM without a rule, and libseccomp refuses to be told. */
	for (size_t i = 0; i < count && !rc; i++)
		if (!fabric || calls[i].error != EPERM)
			rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO((unsigned int)calls[i].error),
					      calls[i].call, 0);
	return rc;
}

static int add_calls(scmp_filter_ctx filter, bool fabric)
{
	int rc = add(filter, allowed, COUNT(allowed));

	if (!rc)
		rc = add_refused(filter, refused, COUNT(refused), fabric);
	if (!rc && !fabric)
		rc = add_refused(filter, refused_without_fabric, COUNT(refused_without_fabric), false);
	if (!rc && fabric)
		rc = add(filter, of_files, COUNT(of_files));
	if (!rc && fabric)
		rc = add(filter, of_fabric, COUNT(of_fabric));
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

#ifdef __s390x__
#define CLONE_FLAGS	1	/* which argument they are */
#else
#define CLONE_FLAGS	0
#endif

/* Threads, and no processes; netlink, for devices and addresses; requests to devices */
static int add_fabric_conditions(scmp_filter_ctx filter)
{
	static const int protocols[] = { NETLINK_ROUTE, NETLINK_RDMA };
	const scmp_datum_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
				    CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
				    CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
	int rc;

	/* Its arguments are in memory, where nobody sees them. */
	rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (!rc)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				      SCMP_CMP(CLONE_FLAGS, SCMP_CMP_MASKED_EQ,
					       ~(scmp_datum_t)CLONE_DETACHED, thread));
	for (size_t i = 0; i < COUNT(protocols) && !rc; i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
				      SCMP_A0(SCMP_CMP_EQ, AF_NETLINK),
				      SCMP_A2(SCMP_CMP_EQ, (scmp_datum_t)protocols[i]));
	if (!rc)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1,
				      SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	if (!rc)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				      SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX,
					      (scmp_datum_t)RDMA_VERBS_IOCTL));
	return rc;
}

/* With a fabric what is not allowed fails: each kind of device has libraries of its own. */
static int lock_calls(bool fabric)
{
	scmp_filter_ctx filter =
		seccomp_init(fabric ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_KILL_PROCESS);
	int rc = -ENOMEM;

	if (filter) {
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
		/* A library may have begun a thread. */
		if (!rc && fabric)
			rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
		if (!rc)
			rc = add_calls(filter, fabric);
		if (!rc)
			rc = add_conditions(filter);
		if (!rc && fabric)
			rc = add_fabric_conditions(filter);
		if (!rc)
			rc = seccomp_load(filter);
		seccomp_release(filter);
	}
	return rc ? failed("system calls", -rc) : 0;
}

/* ------------------------------------------------------------------ all */

int xpmd_net_sandbox_begin(const struct xpmd_net_sandbox *sandbox)
{
	bool is_root = geteuid() == 0;
	int rc = leave_stderr();

	/* The fabric's devices are not in an empty directory. */
	if (!rc && is_root && !sandbox->fabric)
		rc = enter_nothing();
	if (!rc && is_root)
		rc = become(sandbox->uid, sandbox->gid);
	if (!rc)
		rc = xpmd_privilege_drop();
	if (rc)
		return rc;
	/* Others of its user can't look into it. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	set_limits(sandbox, is_root);
	return sandbox->fabric ? lock_files(true) : 0;
}

int xpmd_net_sandbox_end(const struct xpmd_net_sandbox *sandbox)
{
	int rc = 0;

	if (!sandbox->fabric) {
		limit(RLIMIT_NPROC, 0);
		rc = lock_files(false);
	}
	return rc ? rc : lock_calls(sandbox->fabric);
}
