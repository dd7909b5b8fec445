// SPDX-License-Identifier: GPL-2.0-or-later
/* See memory.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "memory.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define MIX	      0x9e3779b97f4a7c15ULL
#define SMALL_SIZE    (72 * PAGE)	/* more than one leaf of the reverse map */
#define SCRATCH_SIZE  (2 * HUGE)
#define MAP_RESERVED  (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
#define MAX_NODES     64
#define MOVE_MINE     (1 << 1)

const struct kind kinds[] = {
	{ "anon", 0 },
	{ "zero", UNTOUCHED },
	{ "thp", THP },
	{ "hugetlb-private", HUGETLB },
	{ "hugetlb-shared", HUGETLB | SHARED | FILED },
	{ "shmem", SHARED },
	{ "memfd", SHARED | FILED },
	{ "tmpfs-shared", SHARED | FILED },
	{ "tmpfs-private", FILED },
	{ "ext4-shared", SHARED | FILED | DISK },
	{ "ext4-private", FILED | DISK },
	{ "ext4-readonly", SHARED | FILED | DISK | READ_ONLY },
	{ "uffd-missing", UFFD_MISSING },
	{ "uffd-wp", UFFD_WP },
	{ "whole-as", LATER },
};

const int kinds_count = sizeof(kinds) / sizeof(kinds[0]);

/* ---- The pattern. */

static uint64_t word_at(size_t index, uint64_t seed)
{
	return seed ? (index + 1) * MIX ^ seed : 0;
}

void memory_fill(void *start, size_t from, size_t to, uint64_t seed)
{
	volatile uint64_t *words = start;

	for (size_t i = from / sizeof(*words); i < to / sizeof(*words); i++)
		if (i % PAGE_WORDS != SLOT)
			words[i] = word_at(i, seed);
}

/* Of much memory, some words of each page: what goes wrong goes wrong by pages */
size_t memory_differs(const void *start, size_t from, size_t to, uint64_t seed)
{
	const volatile uint64_t *words = start;
	size_t step = to - from < HUGE ? 1 : 61;

	for (size_t i = from / sizeof(*words); i < to / sizeof(*words); i += step)
		if (i % PAGE_WORDS != SLOT && words[i] != word_at(i, seed))
			return i * sizeof(*words);
	return to;
}

uint64_t memory_seed_of(size_t offset, uint64_t word)
{
	return word ? (offset / sizeof(word) + 1) * MIX ^ word : 0;
}

/* ---- Files. */

/* A file that has no name any more */
static int nameless_file(const char *directory)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/memory-XXXXXX", directory);
	fd = mkstemp(path);
	if (fd >= 0)
		unlink(path);
	return fd;
}

/* Through a page at a time: a whole one would fault in what nobody mapped yet */
static void fill_file(int fd, size_t size, uint64_t seed)
{
	char *buffer = map_anon(size);

	memory_fill(buffer, 0, size, seed);
	for (size_t done = 0; done < size; done += PAGE)
		check(pwrite(fd, buffer + done, PAGE, (off_t)done) == (ssize_t)PAGE);
	check(munmap(buffer, size) == 0);
}

/* hugetlbfs has no write(2). */
static void fill_mapping(int fd, size_t size, uint64_t seed)
{
	void *addr = mmap(NULL, size, MAP_RW, MAP_SHARED, fd, 0);

	check(addr != MAP_FAILED);
	memory_fill(addr, 0, size, seed);
	check(munmap(addr, size) == 0);
}

static int make_file(const struct memory *memory, uint64_t seed)
{
	const char *name = memory->kind->name;
	const char *disk = getenv("XPMEM_DISK");
	char path[64];
	int fd, reader;

	if (is(memory, DISK))
		fd = disk ? nameless_file(disk) : -1;
	else if (is(memory, HUGETLB))
		fd = memfd_create(name, MFD_CLOEXEC | MFD_HUGETLB);
	else if (!strcmp(name, "memfd"))
		fd = memfd_create(name, MFD_CLOEXEC);
	else
		fd = nameless_file("/dev/shm");
	if (fd < 0)
		return -1;
	check(ftruncate(fd, (off_t)memory->size) == 0);
	if (is(memory, HUGETLB))
		fill_mapping(fd, memory->size, seed);
	else
		fill_file(fd, memory->size, seed);
	if (!is(memory, READ_ONLY))
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	check(reader >= 0);
	close(fd);
	return reader;
}

/* ---- userfaultfd: a thread answers for the owner. */

static void answer(const struct memory *memory, const struct uffd_msg *message, char *page)
{
	char *at = (char *)((uintptr_t)message->arg.pagefault.address & ~(PAGE - 1));
	struct uffdio_range range = { .start = (uintptr_t)at, .len = PAGE };
	int error;

	if (message->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP) {
		struct uffdio_writeprotect allow = { .range = range };

		error = ioctl(memory->uffd, UFFDIO_WRITEPROTECT, &allow);
	} else {
		struct uffdio_copy copy = {
			.dst = (uintptr_t)at,
			.src = (uintptr_t)page,
			.len = PAGE,
		};
		uint64_t *words = (uint64_t *)page;
		size_t first = (size_t)(at - memory->addr) / sizeof(*words);

		for (size_t i = 0; i < PAGE_WORDS; i++)
			words[i] = i == SLOT ? 0 : word_at(first + i, memory->first_seed);
		error = ioctl(memory->uffd, UFFDIO_COPY, &copy);
	}
	/* Somebody else was first, or it was unmapped: look again. */
	if (error)
		ioctl(memory->uffd, UFFDIO_WAKE, &range);
}

static void *answer_all(void *argument)
{
	const struct memory *memory = argument;
	char *page = map_anon(PAGE);
	struct uffd_msg message;

	while (read(memory->uffd, &message, sizeof(message)) == sizeof(message))
		if (message.event == UFFD_EVENT_PAGEFAULT)
			answer(memory, &message, page);
	return NULL;
}

static bool register_memory(struct memory *memory)
{
	bool protect = is(memory, UFFD_WP);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)memory->addr, .len = memory->size },
		.mode = protect ? UFFDIO_REGISTER_MODE_WP : UFFDIO_REGISTER_MODE_MISSING,
	};
	pthread_t thread;

	memory->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (memory->uffd < 0)
		return false;
	check(ioctl(memory->uffd, UFFDIO_API, &api) == 0);
	if (ioctl(memory->uffd, UFFDIO_REGISTER, &range))
		return false;
	if (protect) {
		struct uffdio_writeprotect forbid = {
			.range = range.range,
			.mode = UFFDIO_WRITEPROTECT_MODE_WP,
		};

		check(ioctl(memory->uffd, UFFDIO_WRITEPROTECT, &forbid) == 0);
	}
	check(pthread_create(&thread, NULL, answer_all, memory) == 0);
	return true;
}

/* ---- Making it. */

size_t memory_size(const struct kind *kind, size_t size)
{
	if (size)
		return size;
	return kind->traits & (HUGETLB | THP) ? 2 * HUGE : SMALL_SIZE;
}

void memory_reserve(struct memory *memory, const struct kind *kind, size_t size)
{
	uintptr_t addr;

	memset(memory, 0, sizeof(*memory));
	memory->kind = kind;
	memory->fd = memory->uffd = -1;
	memory->size = memory_size(kind, size);
	addr = (uintptr_t)mmap(NULL, 3 * memory->size + 2 * HUGE, PROT_NONE, MAP_RESERVED, -1, 0);
	check((void *)addr != MAP_FAILED);
	memory->addr = (char *)((addr + HUGE - 1) & ~(HUGE - 1));
	memory->scratch = mmap(NULL, SCRATCH_SIZE, PROT_NONE, MAP_RESERVED, -1, 0);
	check(memory->scratch != MAP_FAILED);
}

void *memory_scratch(const struct memory *memory, size_t size)
{
	check(size <= SCRATCH_SIZE);
	if (!memory->scratch)
		return map_anon(size);
	check(mmap(memory->scratch, size, MAP_RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	      memory->scratch);
	return memory->scratch;
}

void memory_scratch_end(const struct memory *memory)
{
	if (!memory->scratch)
		return;
	check(mmap(memory->scratch, SCRATCH_SIZE, PROT_NONE, MAP_RESERVED | MAP_FIXED, -1, 0) ==
	      memory->scratch);
}

static bool map_it(struct memory *memory)
{
	int prot = is(memory, READ_ONLY) ? PROT_READ : MAP_RW;
	int flags = MAP_FIXED | (is(memory, SHARED) ? MAP_SHARED : MAP_PRIVATE);

	if (memory->fd < 0)
		flags |= MAP_ANONYMOUS | (is(memory, HUGETLB) ? MAP_HUGETLB : 0);
	if (mmap(memory->addr, memory->size, prot, flags, memory->fd, 0) != memory->addr)
		return false;
	/* Huge pages come where they are wanted, and nowhere else. */
	if (!is(memory, HUGETLB) && memory->fd < 0)
		madvise(memory->addr, memory->size,
			is(memory, THP) ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return true;
}

static bool all_huge(const struct memory *memory)
{
	/* A first touch takes small pages where no huge one is at hand. */
	if (memory_smaps(memory->addr, "AnonHugePages:") != memory->size)
		madvise(memory->addr, memory->size, MADV_COLLAPSE);
	return memory_smaps(memory->addr, "AnonHugePages:") == memory->size;
}

bool memory_make(struct memory *memory, uint64_t seed)
{
	memory->first_seed = memory->seed = seed;
	if (is(memory, FILED)) {
		memory->fd = make_file(memory, seed);
		if (memory->fd < 0)
			return false;
	}
	if (!map_it(memory))
		return false;
	if (is(memory, UNTOUCHED))
		memory->first_seed = memory->seed = 0;
	else if (is_private_file(memory))
		/* Half of it are own pages, half the file's */
		memory_fill(memory->addr, 0, memory->size / 2, seed);
	else if (!is(memory, READ_ONLY | UFFD_MISSING))
		memory_fill(memory->addr, 0, memory->size, seed);
	if (is(memory, THP) && !all_huge(memory))
		return false;
	return !is(memory, UFFD_MISSING | UFFD_WP) || register_memory(memory);
}

void memory_map_again(struct memory *memory)
{
	check(map_it(memory));
}

uint64_t memory_refill(const struct memory *memory)
{
	if (is(memory, SHARED))
		return memory->seed;
	return is(memory, FILED | UFFD_MISSING) ? memory->first_seed : 0;
}

/* ---- Where it is. */

void memory_settle(void)
{
	unsigned long node = 1;

	/* From a node to itself: nothing moves, but all lists are emptied first. */
	check(syscall(SYS_migrate_pages, 0, MAX_NODES, &node, &node) >= 0);
}

void memory_pin(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	check(sched_setaffinity(0, sizeof(one), &one) == 0);
}

size_t memory_resident(const struct memory *memory)
{
	size_t pages = memory->size / PAGE, resident = 0;
	unsigned char *vector = malloc(pages);

	check(vector && mincore(memory->addr, memory->size, vector) == 0);
	for (size_t i = 0; i < pages; i++)
		resident += vector[i] & 1;
	free(vector);
	return resident;
}

size_t memory_smaps(const void *addr, const char *key)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	unsigned long start, end, value;
	bool here = false;
	size_t sum = 0;
	char line[512];
	char label[64];

	check(smaps);
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = (uintptr_t)addr >= start && (uintptr_t)addr < end;
		else if (here && sscanf(line, "%63s %lu kB", label, &value) == 2 &&
			 !strcmp(label, key))
			sum = value << 10;
	}
	fclose(smaps);
	return sum;
}

int memory_node(const void *addr)
{
	void *pages[1] = { (void *)addr };
	int status[1] = { -ENOENT };

	check(syscall(SYS_move_pages, 0, 1UL, pages, NULL, status, 0) == 0);
	return status[0];
}

size_t memory_move(const struct memory *memory, int node)
{
	size_t step = is(memory, HUGETLB | THP) ? HUGE : PAGE, count = memory->size / step;
	void **pages = calloc(count, sizeof(*pages));
	int *nodes = calloc(count, sizeof(*nodes)), *status = calloc(count, sizeof(*status));
	size_t there = 0;

	check(pages && nodes && status);
	for (size_t i = 0; i < count; i++) {
		pages[i] = memory->addr + i * step;
		nodes[i] = node;
	}
	check(syscall(SYS_move_pages, 0, count, pages, nodes, status, MOVE_MINE) >= 0);
	for (size_t i = 0; i < count; i++)
		there += memory_node(pages[i]) == node;
	free(pages);
	free(nodes);
	free(status);
	return there * step / PAGE;
}

int memory_nodes(void)
{
	char path[64];
	int nodes = 0;

	do
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d", ++nodes);
	while (access(path, F_OK) == 0);
	return nodes;
}
