// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Can nobody take a page reference through a huge entry of an attachment?
 *
 * What looks at page table entries alone would find a present one of ordinary
 * memory: direct I/O, vmsplice, futexes between processes.  Each call must fail
 * with EFAULT, as it does where entries are small, while the entry is there, and
 * leave the owner's reference count (test module pagestat) and memory alone.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cell.h"
#include "pagestat/pagestat.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define BLOCKS	    2UL
#define BLOCK_PAGES (HUGE / PAGE)
#define SIZE	    (BLOCKS * HUGE)
#define SEED	    31UL
#define LENGTH	    (16 * PAGE)	/* of an I/O; at several places of a huge page */

static const size_t places[] = { 0, 123 * PAGE, HUGE - LENGTH, HUGE - 8 * PAGE };
#define PLACES (sizeof(places) / sizeof(places[0]))

/* ------------------------------------------------------------- attacher */

static char *at;
static bool writable;

static long faults(void)
{
	struct rusage usage;

	check(getrusage(RUSAGE_SELF, &usage) == 0);
	return usage.ru_minflt + usage.ru_majflt;
}

/* How many faults it takes to touch some pages */
static long touch(size_t first, size_t pages)
{
	long before = faults();

	for (size_t i = first; i < first + pages; i++) {
		volatile char *byte = at + i * PAGE;
		char value = *byte;

		if (writable)
			*byte = value;
	}
	return faults() - before;
}

/*
 * Attaches: segid, flags.  One fault in the middle of a huge page, where small
 * entries would come for a part of it at most, is all that it takes.
 */
static long do_attach(const long *args)
{
	writable = args[1] == XPMEM_RDWR;
	at = attach_at(get_segment(args[0], (int)args[1]), 0, SIZE);
	for (size_t block = 0; block < BLOCKS; block++) {
		long took = touch(block * BLOCK_PAGES + BLOCK_PAGES / 2, 1);
		long more = touch(block * BLOCK_PAGES, BLOCK_PAGES);

		if (took != 1 || more)
			fail("no huge entry: %ld faults for a page, then %ld for all", took, more);
	}
	return (long)at;
}

static long do_detach(const long *unused)
{
	(void)unused;
	return xpmem_detach(at);
}

/* The result of a call: it must be EFAULT, and the huge entries there before and after */
static void refused(const char *call, long result)
{
	int error = errno;

	if (result != -1 || error != EFAULT)
		fail("%s returned %ld, errno %d", call, result, error);
	if (touch(0, BLOCKS * BLOCK_PAGES))
		fail("the huge entries are gone after %s", call);
}

static void direct_io(char *place, int disk)
{
	refused("a direct write", pwrite(disk, place, LENGTH, 0));
	refused("a direct read", pread(disk, place, LENGTH, 0));
	refused("a direct writev",
		pwritev(disk, (struct iovec[]){ { place, PAGE }, { place + PAGE, PAGE } }, 2, 0));
}

static void splice_and_futex(char *place)
{
	struct iovec part = { .iov_base = place, .iov_len = LENGTH };
	uint32_t *word = (uint32_t *)(void *)place;
	int fds[2];

	check(pipe(fds) == 0);
	refused("vmsplice", vmsplice(fds[1], &part, 1, SPLICE_F_NONBLOCK));
	refused("vmsplice of a gift",
		vmsplice(fds[1], &part, 1, SPLICE_F_NONBLOCK | SPLICE_F_GIFT));
	close(fds[0]);
	close(fds[1]);
	/* Another value than is there: without the page's reference that is not seen */
	refused("a futex between processes",
		syscall(SYS_futex, word, FUTEX_WAIT, *word + 1, NULL, 0, 0));
	refused("waking a futex", syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, 0, 0));
}

/* Its own calls; disk: a file for direct I/O, or -1 */
static long do_calls(const long *args)
{
	for (size_t i = 0; i < PLACES; i++) {
		if (args[0] >= 0)
			direct_io(at + places[i], (int)args[0]);
		splice_and_futex(at + places[i]);
	}
	return 0;
}

/* ------------------------------------------- another process, on the attacher */

/* pid, address in it */
static long do_foreign(const long *args)
{
	struct iovec local = { .iov_base = map_anon(LENGTH), .iov_len = LENGTH };

	for (size_t i = 0; i < PLACES; i++) {
		struct iovec remote = {
			.iov_base = (char *)args[1] + places[i],
			.iov_len = LENGTH,
		};

		check_errno(process_vm_readv((pid_t)args[0], &local, 1, &remote, 1, 0), EFAULT);
		check_errno(process_vm_writev((pid_t)args[0], &local, 1, &remote, 1, 0), EFAULT);
	}
	return munmap(local.iov_base, LENGTH);
}

/* ---------------------------------------------------------------- owner */

static const struct kind memory_kinds[] = {
	{ "thp", THP },
	{ "hugetlb-private", HUGETLB },
	{ "hugetlb-shared", HUGETLB | SHARED | FILED },
};
#define KINDS 3

static struct memory memory;
static int disk = -1;

static int references(size_t block)
{
	struct pagestat stat = { .frame = page_frame(memory.addr + block * HUGE) };
	int fd = open("/dev/pagestat", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		skip("no /dev/pagestat: the test module is not loaded");
	check(stat.frame);
	check(ioctl(fd, PAGESTAT_READ, &stat) == 0);
	close(fd);
	return stat.refcount;
}

static void unchanged(const int *before, const char *after)
{
	for (size_t block = 0; block < BLOCKS; block++)
		if (references(block) != before[block])
			fail("%s: reference count %d, and %d after %s", memory.kind->name,
			     before[block], references(block), after);
	if (memory_differs(memory.addr, 0, SIZE, SEED) != SIZE)
		fail("%s: other memory after %s", memory.kind->name, after);
}

static void attached(struct peer *attacher, struct peer *other, xpmem_segid_t segid, int flags)
{
	int before[BLOCKS];
	long place;

	for (size_t block = 0; block < BLOCKS; block++)
		before[block] = references(block);
	place = peer_call(attacher, do_attach, (long)segid, flags);
	unchanged(before, "attaching");
	check(peer_call(attacher, do_calls, disk) == 0);
	unchanged(before, "the attacher's calls");
	check(peer_call(other, do_foreign, attacher->pid, place) == 0);
	unchanged(before, "another process's calls");
	check(peer_call(attacher, do_detach, 0) == 0);
	unchanged(before, "detaching");
}

static void owner(int number)
{
	const struct kind *kind = &memory_kinds[number];
	struct peer *attacher = peer_start(), *other = peer_start();
	uint64_t pins = read_number("/proc/vmstat", "nr_foll_pin_acquired");
	xpmem_segid_t segid;

	memory_reserve(&memory, kind, SIZE);
	if ((kind->traits & HUGETLB &&
	     read_number("/proc/meminfo", "HugePages_Free:") < BLOCKS) ||
	    !memory_make(&memory, SEED)) {
		printf("skipped: %s: no huge page to be had\n", kind->name);
		return;
	}
	/* What else has references on pages, for a time, is not to be counted. */
	memory_settle();
	segid = make_segment(memory.addr, SIZE);
	attached(attacher, other, segid, XPMEM_RDWR);
	attached(attacher, other, segid, XPMEM_RDONLY);
	peer_stop(attacher);
	peer_stop(other);
	printf("%s: %d references on a huge page, through none of its attachments\n", kind->name,
	       references(0));
	if (read_number("/proc/vmstat", "nr_foll_pin_acquired") != pins)
		printf("%s: nr_foll_pin_acquired moved\n", kind->name);
}

/* Direct I/O works on it, in memory that is no attachment. */
static void fill_disk(void)
{
	void *buffer = map_anon(LENGTH);

	check(pwrite(disk, buffer, LENGTH, 0) == LENGTH);
	check(pread(disk, buffer, LENGTH, 0) == LENGTH);
	munmap(buffer, LENGTH);
}

int main(void)
{
	test_begin(120);
	if (access("/sys/kernel/mm/transparent_hugepage", F_OK))
		skip("no transparent huge pages in this kernel: all entries are small");
	if (access("/proc/sys/kernel/numa_balancing", W_OK) == 0)
		set_until_exit("/proc/sys/kernel/numa_balancing", "0");
	disk = direct_file("huge_gup");
	if (disk >= 0)
		fill_disk();
	for (int i = 0; i < KINDS; i++)
		join(spawn(owner, i));
	return 0;
}
