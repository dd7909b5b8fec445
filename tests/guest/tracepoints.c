// SPDX-License-Identifier: GPL-2.0-or-later
/* Do the tracepoints tell what happens, with the right values? */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGES 16
#define SIZE (PAGES * PAGE)

/* How an invalidation ends that took attachments away */
#define TAKEN "reclaim=0 external=1 remote=0 blockable=1 refused=0 wait_ns="

/* An instance of tracing of the test's own */
#define TRACING "/sys/kernel/tracing"
#define INSTANCE TRACING "/instances/xpmem-test"

static pid_t tester;

static void remove_instance(void)
{
	if (getpid() == tester)
		rmdir(INSTANCE);
}

static void make_instance(void)
{
	if (access(TRACING "/instances", F_OK))
		skip("there is no tracefs");
	if (mkdir(INSTANCE, 0755))
		fail("no instance of tracing");
	tester = getpid();
	check(atexit(remove_instance) == 0);
	if (!write_file(INSTANCE "/events/xpmem/enable", "1"))
		fail("there are no events of xpmem");
}

static char trace[1 << 20];

static void read_trace(void)
{
	int fd = open(INSTANCE "/trace", O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t length;

	check(fd >= 0);
	while ((length = read(fd, trace + used, sizeof(trace) - 1 - used)) > 0)
		used += (size_t)length;
	check(used < sizeof(trace) - 1);
	trace[used] = 0;
	close(fd);
}

/* Fails the test without exactly so many lines with this text, as printf makes it */
static void __attribute__((format(printf, 2, 3))) expect(int times, const char *format, ...)
{
	char wanted[512];
	const char *at;
	va_list args;
	int found = 0;

	va_start(args, format);
	vsnprintf(wanted, sizeof(wanted), format, args);
	va_end(args);
	for (at = trace; (at = strstr(at, wanted)); at += strlen(wanted))
		found++;
	if (times < 0 ? !found : found != times)
		fail("'%s' is there %d times, in:\n%.4000s", wanted, found, trace);
}

static void owner(int unused)
{
	char *memory = map_anon(SIZE);

	(void)unused;
	memset(memory, 1, SIZE);
	/* the last page is nobody's */
	check(munmap(memory + SIZE - PAGE, PAGE) == 0);
	board->addr[0] = memory;
	board->segid[0] = xpmem_make(memory, SIZE, XPMEM_PERMIT_MODE, (void *)0640);
	check(board->segid[0] > 0);
	reach(1);
	await(2);
	check(munmap(memory + PAGE, 2 * PAGE) == 0);
	check(mprotect(memory + 4 * PAGE, PAGE, PROT_READ) == 0);
	check(xpmem_remove(board->segid[0]) == 0);
	reach(3);
}

int main(void)
{
	xpmem_apid_t apid, readonly;
	long long segid;
	pid_t pid;
	char *at, *second;

	test_begin(60);
	make_instance();
	pid = spawn(owner, 0);
	await(1);
	segid = board->segid[0];
	apid = get_segment(segid, XPMEM_RDWR);
	readonly = get_segment(segid, XPMEM_RDONLY);
	at = attach_at(apid, PAGE, SIZE - PAGE);
	check(*(volatile char *)(at + PAGE) == 1);
	check(try_read(at + SIZE - 2 * PAGE, NULL) == SIGBUS);
	second = attach_at(readonly, 0, PAGE);
	check(xpmem_detach(second) == 0);
	reach(2);
	await(3);
	join(pid);
	check(xpmem_release(apid) == 0);
	check(xpmem_release(readonly) == 0);
	read_trace();

	expect(1, "xpmem_make: segid=%lld start=0x%lx end=0x%lx mode=0640\n", segid,
	       (unsigned long)board->addr[0], (unsigned long)board->addr[0] + SIZE);
	expect(1, "xpmem_get: segid=%lld apid=%lld write=1\n", segid, apid);
	expect(1, "xpmem_get: segid=%lld apid=%lld write=0\n", segid, readonly);
	expect(1, "xpmem_attach: apid=%lld addr=0x%lx offset=0x%lx length=0x%lx\n", apid,
	       (unsigned long)at, PAGE, SIZE - PAGE);
	expect(1, "xpmem_attach: apid=%lld addr=0x%lx offset=0x0 length=0x%lx\n", readonly,
	       (unsigned long)second, PAGE);
	expect(1, "xpmem_detach: apid=%lld addr=0x%lx offset=0x0 length=0x%lx\n", readonly,
	       (unsigned long)second, PAGE);
	expect(1, "xpmem_detach: apid=%lld addr=0x%lx offset=0x%lx length=0x%lx\n", apid,
	       (unsigned long)at, PAGE, SIZE - PAGE);
	/* pages 1 to 14 of the segment are there, and one fault maps them all */
	expect(1, "xpmem_fault: segid=%lld page=2 addr=0x%lx write=0 pages=14 result=0\n", segid,
	       (unsigned long)at + PAGE);
	expect(1, "xpmem_fault: segid=%lld page=%d addr=0x%lx write=0 pages=0 result=%d\n", segid,
	       PAGES - 1, (unsigned long)at + SIZE - 2 * PAGE, -EFAULT);
	expect(1, "xpmem_invalidate: segid=%lld first=1 last=2 reason=unmap " TAKEN, segid);
	expect(1, "xpmem_invalidate: segid=%lld first=4 last=4 reason=protection-vma " TAKEN,
	       segid);
	expect(1, "xpmem_recall: segid=%lld first=1 last=2 reason=unmap "
	       "subscriber=attachments wait_ns=", segid);
	expect(1, "xpmem_remove: id=%lld\n", segid);
	expect(1, "xpmem_release: id=%lld\n", apid);
	expect(1, "xpmem_release: id=%lld\n", readonly);
	return 0;
}
