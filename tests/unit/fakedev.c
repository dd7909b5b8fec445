// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * See fakedev.h.
 */
#include "fakedev.h"

#include "uapi/xpmem_ioctl.h"
#include "uapi/xpmem_legacy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FD_MAX 1024

atomic_int fake_opens;
atomic_int fake_requests;
atomic_int fake_open_errno;
const char *fake_path = "/dev/null";
void (*fake_in_open)(void);
int (*fake_answer)(unsigned long cmd, void *arg);
int (*fake_other_open)(const char *path, int flags);
int (*fake_other_ioctl)(unsigned long cmd, void *arg);

/* Who opened the descriptor; 0 is a number that no process has. */
static atomic_int opener[FD_MAX];

static int is_device(int fd)
{
	struct stat st, null;

	return fd >= 0 && fd < FD_MAX && atomic_load(&opener[fd]) >= 0 &&
	       fstat(fd, &st) == 0 && stat("/dev/null", &null) == 0 &&
	       S_ISCHR(st.st_mode) && st.st_rdev == null.st_rdev;
}

static int open_device(int flags)
{
	int fd, error;

	atomic_fetch_add(&fake_opens, 1);
	if (fake_in_open)
		fake_in_open();
	error = atomic_load(&fake_open_errno);
	if (error) {
		errno = error;
		return -1;
	}
	fd = (int)syscall(SYS_openat, AT_FDCWD, fake_path, flags);
	if (fd >= FD_MAX) {
		close(fd);
		errno = EMFILE;
		return -1;
	}
	if (fd >= 0)
		atomic_store(&opener[fd], (int)getpid());
	return fd;
}

static int result(int rc)
{
	if (rc >= 0)
		return rc;
	errno = -rc;
	return -1;
}

int open(const char *path, int flags, ...)
{
	int mode = 0, rc;

	if (strcmp(path, "/dev/xpmem") == 0)
		return open_device(flags);
	rc = fake_other_open ? fake_other_open(path, flags) : FAKE_PASS;
	if (rc != FAKE_PASS)
		return result(rc);
	if (flags & O_CREAT) {
		va_list args;

		va_start(args, flags);
		mode = va_arg(args, int);
		va_end(args);
	}
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static int answer(unsigned long cmd, void *arg)
{
	if (fake_answer)
		return fake_answer(cmd, arg);
	if (cmd == XPMEM_CMD_VERSION)
		return FAKE_VERSION;
	if (cmd == XPMEM_IOC_QUERY)
		((struct xpmem_ioc_query *)arg)->out_module_version =
			FAKE_VERSION;
	return 0;
}

int ioctl(int fd, unsigned long cmd, ...)
{
	va_list args;
	void *arg;
	int rc;

	va_start(args, cmd);
	arg = va_arg(args, void *);
	va_end(args);
	rc = fake_other_ioctl ? fake_other_ioctl(cmd, arg) : FAKE_PASS;
	if (rc != FAKE_PASS)
		return result(rc);
	if (!is_device(fd))
		return (int)syscall(SYS_ioctl, fd, cmd, arg);

	atomic_fetch_add(&fake_requests, 1);
	if (atomic_load(&opener[fd]) != (int)getpid())
		rc = -XPMEM_ERRNO_NOPROC;
	else
		rc = answer(cmd, arg);
	return result(rc);
}

void fake_disown(void)
{
	int fd;

	for (fd = 0; fd < FD_MAX; fd++)
		atomic_store(&opener[fd], 0);
}

int fake_count(int *fd_ret)
{
	int fd, count = 0;

	for (fd = 3; fd < FD_MAX; fd++) {
		if (atomic_load(&opener[fd]) > 0 && is_device(fd)) {
			if (fd_ret)
				*fd_ret = fd;
			count++;
		}
	}
	return count;
}
