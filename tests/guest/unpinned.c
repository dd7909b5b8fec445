// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Are the reference and map counts of the owner's pages the same with no
 * attachment and with 8 that have touched them?  The counts are read from
 * struct page by the test module pagestat.
 */
#include "guest_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pagestat/pagestat.h"

#define ATTACHERS 8
#define PAGES 64
#define SIZE (PAGES * PAGE)

static struct pagestat stat_of(uint64_t frame)
{
	struct pagestat stat = { .frame = frame };
	int fd = open("/dev/pagestat", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		skip("no /dev/pagestat: the test module is not loaded");
	check(ioctl(fd, PAGESTAT_READ, &stat) == 0);
	close(fd);
	return stat;
}

static long faults(void)
{
	struct rusage usage;

	check(getrusage(RUSAGE_SELF, &usage) == 0);
	return usage.ru_minflt + usage.ru_majflt;
}

static void attacher(int number)
{
	volatile char *memory;
	long before;

	await(1);
	memory = attach_at(get_segment(board->segid[0], XPMEM_RDWR), 0, SIZE);
	for (size_t i = 0; i < SIZE; i += PAGE)
		memory[i + (size_t)number] = 1;
	count_up(0);
	await(2);
	/* No fault: every page was mapped here, writable, while it was counted. */
	before = faults();
	for (size_t i = 0; i < SIZE; i += PAGE)
		memory[i + (size_t)number]++;
	if (faults() != before)
		fail("%ld faults: not all was mapped while it was counted", faults() - before);
}

static void counts_stay(const char *kind, char *memory)
{
	struct pagestat before[PAGES];
	pid_t pids[ATTACHERS];
	uint64_t pins = read_number("/proc/vmstat", "nr_foll_pin_acquired");

	atomic_store(&board->step, 0);
	atomic_store(&board->count[0], 0);
	for (size_t i = 0; i < SIZE; i++)
		memory[i] = 1;
	settle_pages();
	for (size_t i = 0; i < PAGES; i++) {
		board->value[i] = page_frame(memory + i * PAGE);
		check(board->value[i]);
		before[i] = stat_of(board->value[i]);
	}
	board->segid[0] = make_segment(memory, SIZE);
	for (int i = 0; i < ATTACHERS; i++)
		pids[i] = spawn(attacher, i);
	reach(1);
	await_count(0, ATTACHERS);
	for (size_t i = 0; i < PAGES; i++) {
		struct pagestat now = stat_of(board->value[i]);

		if (page_frame(memory + i * PAGE) != board->value[i]) fail("page %zu: frame %#lx, owner %#lx", i, page_frame(memory + i * PAGE), board->value[i]);
		if (now.refcount != before[i].refcount || now.mapcount != before[i].mapcount)
			fail("%s page %zu: refcount %d, mapcount %d with 0 attachments, %d and %d with %d",
			     kind, i, before[i].refcount, before[i].mapcount, now.refcount,
			     now.mapcount, ATTACHERS);
	}
	printf("%s: refcount %d, mapcount %d with 0 and with %d attachments\n", kind,
	       before[0].refcount, before[0].mapcount, ATTACHERS);
	reach(2);
	for (int i = 0; i < ATTACHERS; i++)
		join(pids[i]);
	check(xpmem_remove(board->segid[0]) == 0);
	if (read_number("/proc/vmstat", "nr_foll_pin_acquired") != pins)
		fail("%s: the kernel's count of pinned pages moved", kind);
}

int main(void)
{
	char *memory;
	int fd;

	test_begin(120);
	settle_pages();
	/* The children of each round inherit nothing that adds map counts. */
	memory = map_anon(SIZE);
	check(madvise(memory, SIZE, MADV_DONTFORK) == 0);
	no_huge_pages(memory, SIZE);
	counts_stay("anonymous", memory);

	fd = memfd_create("unpinned", MFD_CLOEXEC);
	check(fd >= 0 && ftruncate(fd, SIZE) == 0);
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(memory != MAP_FAILED);
	check(madvise(memory, SIZE, MADV_DONTFORK) == 0);
	counts_stay("shmem", memory);
	return 0;
}
