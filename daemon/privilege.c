// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Everything that needs a capability is done before xpmd_privilege_drop(): the device
 * is open, memory is locked and its limit lifted.  Sockets and files are of root's own
 * directory; what is left of uid 0 without capabilities is enough for them.
 */
#define _GNU_SOURCE
#include "privilege.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

#define OOM_SCORE "-900"
#define KEEP_BYTES (16 << 20)	/* pages under way, in the larger part of all cases */

static void refused(bool tell, int priority, const char *what)
{
	if (tell)
		xpmd_log(priority, "%s: %s", what, strerror(errno));
}

void xpmd_privilege_pin(bool tell)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	int fd;

	/* What is given back to the kernel is faulted in, cleared and locked again soon. */
	mallopt(M_MMAP_THRESHOLD, KEEP_BYTES);
	mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
	if (setrlimit(RLIMIT_MEMLOCK, &unlimited) < 0)
		refused(tell, LOG_WARNING, "limit of locked memory");
	else if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		refused(tell, LOG_WARNING, "memory is not locked");
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) < 0)
		refused(tell, LOG_INFO, "PR_SET_IO_FLUSHER");
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, OOM_SCORE, sizeof(OOM_SCORE) - 1) < 0)
		refused(tell, LOG_INFO, "oom_score_adj");
	if (fd >= 0)
		close(fd);
}

void xpmd_privilege_helper(const char *name)
{
	static const struct rlimit none;
	sigset_t set;

	prctl(PR_SET_NAME, name, 0, 0, 0);
	/* The terminal's signals are the daemon's business; it ends, and so does this. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	setrlimit(RLIMIT_CORE, &none);
}

int xpmd_privilege_keep(uint64_t keep)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	for (int cap = 0; cap < 64; cap++)
		if (!(keep >> cap & 1))
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);	/* EINVAL past the last */
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	data[0].permitted &= (uint32_t)keep;
	data[1].permitted &= (uint32_t)(keep >> 32);
	data[0].effective = data[0].permitted;
	data[1].effective = data[1].permitted;
	data[0].inheritable = data[1].inheritable = 0;
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int xpmd_privilege_drop(void)
{
	int rc = xpmd_privilege_keep(0);

	if (rc < 0)
		return rc;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}
