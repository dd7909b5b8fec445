// SPDX-License-Identifier: GPL-2.0-or-later
/* See recall_test.h. */
#include "recall_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest_test.h"

#define NUMA_BALANCING "/proc/sys/kernel/numa_balancing"

static int recall_fd = -1;
static pid_t loaded_by;

static void recall_unload(void)
{
	if (getpid() != loaded_by)
		return;
	close(recall_fd);
	if (syscall(SYS_delete_module, "recall", O_NONBLOCK))
		dprintf(STDERR_FILENO, "the module recall stays loaded\n");
}

void recall_load(void)
{
	const char *module = getenv("XPMEM_KO");
	char path[512];
	int length, fd;

	if (!module || !strstr(module, "kmod/"))
		skip("XPMEM_KO does not say where the modules are");
	length = (int)(strstr(module, "kmod/") - module);
	snprintf(path, sizeof(path), "%.*srecall/recall.ko", length, module);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		skip("there is no %s", path);
	/* A test that failed may have left it loaded. */
	check(syscall(SYS_finit_module, fd, "", 0) == 0 || errno == EEXIST);
	close(fd);
	await_that((recall_fd = open("/dev/recall", O_RDWR | O_CLOEXEC)) >= 0);
	/* It changes protections behind a test's back, which are recalls, too. */
	if (!access(NUMA_BALANCING, W_OK))
		set_until_exit(NUMA_BALANCING, "0");
	loaded_by = getpid();
	check(atexit(recall_unload) == 0);
}

void recall_mark(xpmem_segid_t segid, uint64_t first, uint64_t last)
{
	struct recall_mark mark = { .segid = segid, .first = first, .last = last };

	check(ioctl(recall_fd, RECALL_MARK, &mark) == 0);
	if (mark.pages != (int64_t)(last - first + 1))
		fail("%lld of %llu pages could be marked", (long long)mark.pages,
		     (unsigned long long)(last - first + 1));
}

void recall_behave(unsigned int bits)
{
	check(ioctl(recall_fd, RECALL_BEHAVE, bits) == 0);
}

struct recall_counts recall_counts(void)
{
	struct recall_counts counts;

	check(ioctl(recall_fd, RECALL_COUNTS, &counts) == 0);
	return counts;
}

int recall_try(enum recall_try what)
{
	return ioctl(recall_fd, RECALL_TRY, what) ? -errno : 0;
}

void recall_await_waiting(void)
{
	await_that(recall_counts().waiting);
}

void recall_await_issuing(void)
{
	await_that(recall_counts().issuing);
}
