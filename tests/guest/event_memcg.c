// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Can a memory cgroup get back what its owner uses and others have attached, by
 * each of the ways it has, and is the data the same afterwards?
 *
 *   event_memcg [KIND [EVENT]]
 */
#include "cell.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GROUP "event_memcg"

static uint64_t number(const char *file)
{
	return read_number(cgroup_file(GROUP, file), NULL);
}

static bool write_group(const char *file, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", value);
	return write_file(cgroup_file(GROUP, file), text);
}

/*
 * What is dirty can't be reclaimed: the disk's part of it is not the cgroup's.  A file that
 * is only read was written, too, when it was made.
 */
static void write_back(struct cell *cell)
{
	if (!is(&cell->memory, DISK))
		return;
	cell_run_busy(cell, false);
	check(fsync(cell->memory.fd) == 0);
}

/* The owner alone is in it: what attachers make the owner fault in is there too. */
static void begin(struct cell *cell)
{
	cgroup_enter(GROUP);
	memory_pin(0);
	cell_make_memory(cell);
	cell_attach(cell);
	cell_stores(cell);
	write_back(cell);
	memory_settle();
}

static size_t left(const struct memory *memory)
{
	size_t count = 0;

	if (is(memory, SHARED))
		return memory_resident(memory);
	for (size_t at = 0; at < memory->size; at += PAGE)
		count += page_frame(memory->addr + at) != 0;
	return count;
}

static void end(struct cell *cell)
{
	cell_run_busy(cell, true);
	cell_same(cell);
	cell_stores(cell);
	cell_end(cell);
	if (!write_file("/sys/fs/cgroup/cgroup.procs", "0"))
		fail("cannot leave the cgroup");
}

static void start(struct cell *cell)
{
	/* Attachers stay outside. */
	cell_start_attachers(cell);
	begin(cell);
}

/* Most of it goes; that all goes nobody promises, madvise does (event_madvise). */
static void want_gone(const struct memory *memory)
{
	if (left(memory) > memory->size / PAGE / 4)
		fail("%zu of %zu pages stayed in memory", left(memory), memory->size / PAGE);
}

static void reclaim(struct cell *cell)
{
	struct memory *memory = &cell->memory;

	start(cell);
	if (access(cgroup_file(GROUP, "memory.reclaim"), W_OK))
		cell_skip(cell, "the kernel has no memory.reclaim");
	/* While it is used: as much as can be had */
	write_group("memory.reclaim", memory->size);
	cell_same(cell);
	cell_run_busy(cell, false);
	write_back(cell);
	memory_settle();
	/* It fails when it got less than this, which is more than there is. */
	write_group("memory.reclaim", 4 * number("memory.current"));
	want_gone(memory);
	end(cell);
}

static void high(struct cell *cell)
{
	struct memory *memory = &cell->memory;

	start(cell);
	cell_run_busy(cell, false);
	memory_settle();
	check(write_group("memory.high", PAGE));
	want_gone(memory);
	check(write_file(cgroup_file(GROUP, "memory.high"), "max"));
	end(cell);
}

/* It is lowered under all that use it, then is what they have to live with. */
static void max(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	uint64_t current, limit;

	start(cell);
	current = number("memory.current");
	/* A cgroup with next to nothing is out of memory while its pages are on their way. */
	limit = current > memory->size ? current - memory->size / 4 : current * 3 / 4;
	check(write_group("memory.max", limit));
	cell_same(cell);
	cell_stores(cell);
	if (number("memory.current") > limit)
		fail("%lu bytes with a limit of %lu", number("memory.current"), limit);
	check(write_file(cgroup_file(GROUP, "memory.max"), "max"));
	end(cell);
}

static const char *can_reclaim(const struct kind *kind)
{
	if (kind->traits & HUGETLB)
		return "huge pages of the pool are not charged";
	if (kind->traits & UNTOUCHED)
		return "as anonymous memory once it is stored to";
	return NULL;
}

static const struct event events[] = {
	{ .name = "memory.reclaim", .run = reclaim, .why_not = can_reclaim, .alone = true },
	{ .name = "memory.high", .run = high, .why_not = can_reclaim, .alone = true },
	{ .name = "memory.max", .run = max, .why_not = can_reclaim, .alone = true },
};

int main(int argc, char **argv)
{
	cgroup_make(GROUP);
	return cells_main(argc, argv, events, sizeof(events) / sizeof(events[0]), 300);
}
