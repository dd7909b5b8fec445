// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which memory of an owner can be shared?  What it may not access itself, what
 * is secret, a device, or another's: SIGBUS; what it may only read: reading.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { REFUSED, NOTHING, READ, READ_WRITE };

static struct {
	const char *name;
	char *addr;
	int expected;
} kinds[24];

static int count;

static void add(const char *name, void *addr, int expected)
{
	if (addr == MAP_FAILED || !addr) {
		fprintf(stderr, "%s: not here\n", name);
		return;
	}
	kinds[count].name = name;
	kinds[count].addr = addr;
	kinds[count++].expected = expected;
}

static void *map(int prot, int flags, int fd, off_t offset)
{
	return mmap(NULL, PAGE, prot, flags, fd, offset);
}

static void add_private(void)
{
	char *addr;

	add("anonymous, untouched", map_anon(PAGE), READ_WRITE);
	addr = map_anon(PAGE);
	check(try_read(addr, NULL) == 0);
	add("anonymous, the zero page", addr, READ_WRITE);
	addr = map_anon(PAGE);
	*addr = 1;
	check(mprotect(addr, PAGE, PROT_READ) == 0);
	add("anonymous, made read-only", addr, READ);
	addr = map_anon(PAGE);
	check(try_read(addr, NULL) == 0);
	check(mprotect(addr, PAGE, PROT_READ) == 0);
	add("the zero page, read-only", addr, READ);
	addr = map_anon(PAGE);
	*addr = 1;
	check(mprotect(addr, PAGE, PROT_NONE) == 0);
	add("PROT_NONE, touched before", addr, NOTHING);
	add("PROT_NONE, never touched", map(PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), NOTHING);
	addr = map_anon(PAGE);
	check(munmap(addr, PAGE) == 0);
	/* stays free: nothing maps until the others are through */
	add("nothing", addr, NOTHING);
}

static void add_files(void)
{
	int fd = memfd_create("kinds", MFD_CLOEXEC);
	int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	check(fd >= 0 && ftruncate(fd, PAGE) == 0);
	add("file", map(PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), READ_WRITE);
	add("file, read-only", map(PROT_READ, MAP_SHARED, fd, 0), READ);
	add("file, private", map(PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0), READ_WRITE);
	add("file, private, read-only", map(PROT_READ, MAP_PRIVATE, fd, 0), READ);
	add("file, past its end", map(PROT_READ | PROT_WRITE, MAP_SHARED, fd, PAGE), NOTHING);
	check(program >= 0);
	add("program text", map(PROT_READ | PROT_EXEC, MAP_PRIVATE, program, 0), READ);
	add("file that can't be written", map(PROT_READ, MAP_SHARED, program, 0), READ);
}

static void add_special(void)
{
	int secret = syscall(447, O_CLOEXEC);
	int mem = open("/dev/mem", O_RDWR | O_CLOEXEC);
	int hpet = open("/dev/hpet", O_RDONLY | O_CLOEXEC);
	char *addr = MAP_FAILED;

	if (secret >= 0 && ftruncate(secret, PAGE) == 0)
		addr = map(PROT_READ | PROT_WRITE, MAP_SHARED, secret, 0);
	if (addr != MAP_FAILED)
		*addr = 1;
	add("memfd_secret", addr, REFUSED);

	add("physical memory", map(PROT_READ, MAP_SHARED, mem, 0xf0000), REFUSED);
	addr = map(PROT_READ, MAP_SHARED, hpet, 0);
	if (addr != MAP_FAILED)
		check(try_read(addr, NULL) == 0);
	add("hpet", addr, REFUSED);

	addr = attach_at(get_segment(make_segment(map_anon(PAGE), PAGE), XPMEM_RDWR), 0, PAGE);
	*addr = 1;
	add("an attachment", addr, REFUSED);
	add("vsyscall's neighbour vdso", (void *)getauxval(AT_SYSINFO_EHDR), READ);
}

/* vvar stands in maps only */
static void add_vvar(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned long start;

	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, "[vvar]") && sscanf(line, "%lx-", &start) == 1)
			add("vvar", (void *)start, REFUSED);
	fclose(maps);
}

/* With the page before it: a range wholly in refused memory is refused at once. */
static char *attach_after(xpmem_apid_t apid, off_t offset)
{
	char *at = attach_at(apid, offset - (off_t)PAGE, 2 * PAGE);

	return at + PAGE;
}

static void attacher(int unused)
{
	xpmem_apid_t readable = get_segment(board->segid[0], XPMEM_RDONLY);
	xpmem_apid_t apid = get_segment(board->segid[0], XPMEM_RDWR);

	(void)unused;
	for (int i = 0; i < count; i++) {
		off_t offset = (off_t)(uintptr_t)kinds[i].addr;
		char *at = attach_after(apid, offset);
		char *looking = attach_after(readable, offset);
		bool read = kinds[i].expected >= READ, write = kinds[i].expected >= READ_WRITE;
		int error = kinds[i].expected == REFUSED ? -EOPNOTSUPP : -EFAULT;
		int write_error = read ? -EFAULT : error;
		size_t done;

		/* writing first, reading first, and by prefault */
		if (try_write(at, 1) != (write ? 0 : SIGBUS) ||
		    try_read(at, NULL) != (read ? 0 : SIGBUS) ||
		    try_read(looking, NULL) != (read ? 0 : SIGBUS) ||
		    try_write(at, 1) != (write ? 0 : SIGBUS))
			fail("%s is not as it should be", kinds[i].name);
		check(xpmem_detach(at) == 0);
		at = attach_after(apid, offset);
		if (xpmem_prefault(at, PAGE, 0, &done) != (read ? 0 : error) ||
		    done != (read ? PAGE : 0) ||
		    xpmem_prefault(at, PAGE, XPMEM_PREFAULT_WRITE, &done) !=
			    (write ? 0 : write_error) ||
		    done != (write ? PAGE : 0))
			fail("%s is not prefaulted as it should be", kinds[i].name);
		check(xpmem_detach(at) == 0);
		check(xpmem_detach(looking) == 0);
	}
	check(xpmem_release(apid) == 0);
	check(xpmem_release(readable) == 0);
}

int main(void)
{
	test_begin(60);
	add_files();
	add_special();
	add_vvar();
	add_private();
	board->segid[0] = make_segment(NULL, XPMEM_MAXADDR_SIZE);
	join(spawn(attacher, 0));
	/* a file that is read-only was not written through the attachment */
	for (int i = 0; i < count; i++)
		if (!strcmp(kinds[i].name, "file, private"))
			check(*(uint64_t *)(void *)kinds[i].addr == 1);
	return 0;
}
