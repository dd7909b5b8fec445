// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Everything that needs a capability is done before xpmd_privilege_drop(): the device
 * is open, memory is locked and its limit lifted.  Sockets and files are of root's own
 * directory; what is left of uid 0 without capabilities is enough for them.
 */
#include "privilege.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
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

void xpmd_privilege_pin(void)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	int fd;

	if (setrlimit(RLIMIT_MEMLOCK, &unlimited) < 0)
		xpmd_log(LOG_WARNING, "limit of locked memory: %s", strerror(errno));
	else if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		xpmd_log(LOG_WARNING, "memory is not locked: %s", strerror(errno));
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) < 0)
		xpmd_log(LOG_INFO, "PR_SET_IO_FLUSHER: %s", strerror(errno));
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, OOM_SCORE, sizeof(OOM_SCORE) - 1) < 0)
		xpmd_log(LOG_INFO, "oom_score_adj: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

int xpmd_privilege_drop(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[2] = { { 0 } };

	for (int cap = 0; cap < 64; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);	/* fails when there was none */
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, none) < 0)
		return -errno;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}
