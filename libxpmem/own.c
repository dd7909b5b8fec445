// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A range with end 0 is free.  Its start is written before its end, so that a reader
 * sees none that is half written; it may miss one that is added at the moment,
 * which nobody can have asked to trap then.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "own.h"

#include <link.h>
#include <stdatomic.h>
#include <sys/mman.h>

/* writable parts of two objects */
#define DATA_MAX 16

struct own {
	_Atomic uintptr_t start;
	_Atomic uintptr_t end;
};

static struct own own[OWN_MAX];
static struct own data[DATA_MAX];
static int data_count;

static bool has_address(const struct dl_phdr_info *info, uintptr_t address)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		uintptr_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

		if (info->dlpi_phdr[i].p_type == PT_LOAD && address >= start &&
		    address - start < info->dlpi_phdr[i].p_memsz)
			return true;
	}
	return false;
}

static int add_data(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)size;
	(void)unused;
	if (!has_address(info, (uintptr_t)own) &&
	    !has_address(info, (uintptr_t)&madvise))
		return 0;
	for (int i = 0; i < info->dlpi_phnum && data_count < DATA_MAX; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + part->p_vaddr;

		if (part->p_type != PT_LOAD || !(part->p_flags & PF_W))
			continue;
		data[data_count].start = start;
		data[data_count++].end = start + part->p_memsz;
	}
	return 0;
}

void own_setup(void)
{
	data_count = 0;
	dl_iterate_phdr(add_data, NULL);
}

int own_add(uintptr_t start, size_t size)
{
	for (int i = 0; i < OWN_MAX; i++) {
		if (own[i].end)
			continue;
		own[i].start = start;
		own[i].end = start + size;
		return i;
	}
	return -1;
}

void own_remove(int number)
{
	own[number].end = 0;
}

bool own_overlaps(uintptr_t start, uintptr_t end)
{
	for (int i = 0; i < data_count; i++)
		if (data[i].start < end && data[i].end > start)
			return true;
	for (int i = 0; i < OWN_MAX; i++)
		if (own[i].end > start && own[i].start < end)
			return true;
	return false;
}
