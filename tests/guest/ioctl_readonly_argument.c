// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does a request that can't tell its result leave nothing behind?
 *
 * Its structure is in memory that can be read and not written.  A call that
 * fails must not have done what it was asked for: a segment or permit whose id
 * nobody knows stays until exit, an attachment nobody knows is a hole in what
 * the program thinks is free, and one who is told that remove failed will not
 * expect the id to be gone.
 */
#include "guest_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "xpmem_ioctl.h"
#include "xpmem_legacy.h"

#define ROUNDS 1000

static int fd;
static void *page;

static void *set(const void *arg, size_t size)
{
	check(mprotect(page, PAGE, PROT_READ | PROT_WRITE) == 0);
	memcpy(page, arg, size);
	check(mprotect(page, PAGE, PROT_READ) == 0);
	return page;
}

static int attachments(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	int count = 0;

	check(maps);
	while (fgets(line, sizeof(line), maps))
		count += strstr(line, "[xpmem]") != NULL;
	fclose(maps);
	return count;
}

static uint64_t objects(void)
{
	static const char counters[] = "/proc/xpmem/counters";

	return read_number(counters, "segments") + read_number(counters, "permits") +
	       read_number(counters, "attachments");
}

/* An object that nobody knows is still counted by the module. */
static void nothing_stays(unsigned long cmd, void *arg)
{
	uint64_t before = objects();

	for (int i = 0; i < ROUNDS; i++)
		check_errno(ioctl(fd, cmd, arg), EFAULT);
	/* less: what the test before this one left is torn down by and by */
	if (objects() > before)
		fail("ioctl 0x%lx that failed left %ld objects behind", cmd,
		     (long)(objects() - before));
}

static void outputs(__s64 segid, __s64 apid, void *memory)
{
	struct xpmem_cmd_make make = { .vaddr = (uintptr_t)memory, .size = PAGE,
				       .permit_type = 1, .permit_value = 0600 };
	struct xpmem_cmd_get get = { .segid = segid, .flags = 2, .permit_type = 1 };
	struct xpmem_cmd_attach attach = { .apid = apid, .size = PAGE };
	struct xpmem_ioc_make make2 = { .size = sizeof(make2), .vaddr = (uintptr_t)memory,
					.length = PAGE, .mode = 0600 };
	struct xpmem_ioc_get get2 = { .size = sizeof(get2), .flags = 2, .segid = segid };
	struct xpmem_ioc_attach attach2 = { .size = sizeof(attach2), .apid = apid, .length = PAGE };

	nothing_stays(XPMEM_CMD_MAKE, set(&make, sizeof(make)));
	nothing_stays(XPMEM_IOC_MAKE, set(&make2, sizeof(make2)));
	nothing_stays(XPMEM_CMD_GET, set(&get, sizeof(get)));
	nothing_stays(XPMEM_IOC_GET, set(&get2, sizeof(get2)));
	check_errno(ioctl(fd, XPMEM_CMD_ATTACH, set(&attach, sizeof(attach))), EFAULT);
	check_errno(ioctl(fd, XPMEM_IOC_ATTACH, set(&attach2, sizeof(attach2))), EFAULT);
	check(attachments() == 0);
}

static __s64 new_segment(void *memory)
{
	struct xpmem_ioc_make make = { .size = sizeof(make), .vaddr = (uintptr_t)memory,
				       .length = PAGE, .mode = 0600 };

	check(ioctl(fd, XPMEM_IOC_MAKE, &make) == 0);
	return make.out_segid;
}

static __s64 new_permit(__s64 segid)
{
	struct xpmem_ioc_get get = { .size = sizeof(get), .flags = 2, .segid = segid };

	check(ioctl(fd, XPMEM_IOC_GET, &get) == 0);
	return get.out_apid;
}

/*
 * These have no output: either they work, or they fail and have done nothing.
 * Then the same again, written to memory, tells which it was.
 */
static void no_outputs(void *memory)
{
	struct xpmem_ioc_id id = { .size = sizeof(id) };
	struct xpmem_ioc_attach attach = { .size = sizeof(attach), .length = PAGE };
	struct xpmem_ioc_detach detach = { .size = sizeof(detach) };
	bool worked;

	id.id = new_segment(memory);
	worked = ioctl(fd, XPMEM_IOC_REMOVE, set(&id, sizeof(id))) == 0;
	check((ioctl(fd, XPMEM_IOC_REMOVE, &id) == 0) == !worked);

	attach.apid = new_permit(new_segment(memory));
	check(ioctl(fd, XPMEM_IOC_ATTACH, &attach) == 0);
	detach.vaddr = attach.vaddr;
	worked = ioctl(fd, XPMEM_IOC_DETACH, set(&detach, sizeof(detach))) == 0;
	check(attachments() == !worked);

	id.id = attach.apid;
	worked = ioctl(fd, XPMEM_IOC_RELEASE, set(&id, sizeof(id))) == 0;
	check((ioctl(fd, XPMEM_IOC_RELEASE, &id) == 0) == !worked);
}

int main(void)
{
	void *memory;
	__s64 segid;

	test_begin(120);
	fd = open("/dev/xpmem", O_RDWR | O_CLOEXEC);
	check(fd >= 0);
	page = map_anon(PAGE);
	memory = map_anon(PAGE);
	segid = new_segment(memory);
	outputs(segid, new_permit(segid), memory);
	no_outputs(memory);
	return 0;
}
