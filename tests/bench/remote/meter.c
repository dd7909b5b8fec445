// SPDX-License-Identifier: GPL-2.0-or-later
/* See meter.h. */
#include "meter.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../bench.h"

static volatile uint64_t *counted;

static uint64_t *map(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);
	void *at;

	if (fd < 0 || (flags & O_CREAT && ftruncate(fd, PAGE)))
		fatal("%s", path);
	at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		fatal("%s", path);
	close(fd);
	return at;
}

void meter_soak(const char *path)
{
	static const struct sched_param none;
	uint64_t *counter = map(path, O_RDWR | O_CREAT | O_TRUNC);

	if (sched_setscheduler(0, SCHED_IDLE, &none))
		fatal("SCHED_IDLE");
	for (;;)
		__asm__ volatile("1: incq %0\n\tjmp 1b" : "+m"(*counter));
}

void meter_begin(const char *path)
{
	if (path)
		counted = map(path, O_RDWR);
}

uint64_t meter_busy(void)
{
	return counted ? now_ns() - 2 * *counted : 0;
}
