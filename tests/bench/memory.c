// SPDX-License-Identifier: GPL-2.0-or-later
/* See memory.h. */
#include "memory.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

#define SHMEM_ENABLED "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

/* Kilobytes of @field in the smaps entry of @addr */
static size_t smaps_kb(const void *addr, const char *field)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	size_t length = strlen(field), kb = 0;
	unsigned long start, end;
	bool inside = false;
	char line[512];

	if (!file)
		fatal("/proc/self/smaps");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= (uintptr_t)addr && (uintptr_t)addr < end;
		else if (inside && !strncmp(line, field, length) && line[length] == ':')
			kb = strtoul(line + length + 1, NULL, 10);
	}
	fclose(file);
	return kb;
}

/* At a multiple of 2 MiB, so that it can have huge pages */
static char *map_aligned(size_t size, int fd)
{
	int flags = (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED) | MAP_FIXED;
	char *room = mmap(NULL, size + HUGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *start, *addr;

	if (room == MAP_FAILED)
		fatal("no room for %zu bytes", size);
	start = (char *)(((uintptr_t)room + HUGE - 1) & ~(HUGE - 1));
	addr = mmap(start, size, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (addr == MAP_FAILED)
		fatal("can't map %zu bytes", size);
	munmap(room, (size_t)(start - room));
	munmap(start + size, HUGE - (size_t)(start - room));
	return addr;
}

static int make_memfd(size_t size)
{
	int fd = memfd_create("xpmem-bench", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)size))
		fatal("a memfd of %zu bytes", size);
	return fd;
}

static struct memory make(enum source source, size_t size, int advice)
{
	struct memory memory = { .source = source, .size = size, .fd = -1 };

	if (source == SOURCE_MEMFD)
		memory.fd = make_memfd(size);
	memory.addr = map_aligned(size, memory.fd);
	if (madvise(memory.addr, size, advice) && advice == MADV_NOHUGEPAGE && errno != EINVAL)
		fatal("MADV_NOHUGEPAGE");
	memory_fill(&memory);
	return memory;
}

struct memory memory_make(enum source source, size_t size)
{
	return make(source, size, MADV_NOHUGEPAGE);
}

/* Sets what "[always] advise never" may say, or puts it back with NULL. */
static bool shmem_huge(const char *word)
{
	static char before[128];
	FILE *file;

	if (!before[0]) {
		char *open;

		file = fopen(SHMEM_ENABLED, "re");
		if (!file)
			return false;
		if (!fgets(before, sizeof(before), file))
			before[0] = 0;
		fclose(file);
		open = strchr(before, '[');
		if (!open)
			return false;
		memmove(before, open + 1, strlen(open));
		before[strcspn(before, "]")] = 0;
	}
	file = fopen(SHMEM_ENABLED, "we");
	if (!file)
		return false;
	fputs(word ? word : before, file);
	return fclose(file) == 0;
}

bool memory_make_huge(struct memory *memory, enum source source, size_t size)
{
	bool memfd = source == SOURCE_MEMFD;
	bool huge;

	if (memfd && !shmem_huge("advise"))
		return false;
	*memory = make(source, size, MADV_HUGEPAGE);
	huge = smaps_kb(memory->addr, memfd ? "ShmemPmdMapped" : "AnonHugePages") == size >> 10;
	if (memfd)
		shmem_huge(NULL);
	if (!huge)
		memory_unmap(memory);
	return huge;
}

void memory_fill(const struct memory *memory)
{
	for (size_t at = 0; at < memory->size; at += PAGE)
		memset(memory->addr + at, 1, PAGE);
}

void memory_unmap(struct memory *memory)
{
	memory_unshare(memory);
	if (munmap(memory->addr, memory->size))
		fatal("munmap");
	if (memory->fd >= 0)
		close(memory->fd);
	memory->addr = NULL;
	memory->fd = -1;
}

void memory_share(struct memory *memory)
{
	memory_unshare(memory);
	if (memory->source != SOURCE_XPMEM)
		return;
	memory->segid = xpmem_make(memory->addr, memory->size, XPMEM_PERMIT_MODE, (void *)0600);
	if (memory->segid == -1)
		fatal("xpmem_make");
}

void memory_unshare(struct memory *memory)
{
	if (memory->segid && xpmem_remove(memory->segid))
		fatal("xpmem_remove");
	memory->segid = 0;
}

struct job memory_job(const struct memory *memory,
		      struct answer (*run)(const struct job *job))
{
	return (struct job){
		.run = run,
		.source = memory->source,
		.segid = memory->segid,
		.owner = getpid(),
		.fd = memory->fd,
		.size = memory->size,
	};
}
