// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When another process changes the file that an owner has mapped, and when the
 * kernel writes it back: do attachers see the file as the owner does, and does
 * all they stored get there, on the disk too?
 *
 *   event_file [KIND [EVENT]]
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cell.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The owner's file, in another process; through /proc, for it has no name */
static int open_file(const long *args, int flags)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/fd/%ld", args[0], args[1]);
	fd = open(path, flags | O_CLOEXEC);
	check(fd >= 0);
	return fd;
}

#define in_file(cell, fn, ...) \
	peer_call((cell)->steady, fn, getpid(), (cell)->memory.fd, __VA_ARGS__)

/* size */
static long set_size(const long *args)
{
	int fd = open_file(args, O_RDWR);

	check(ftruncate(fd, args[2]) == 0);
	close(fd);
	return 0;
}

/* from, length */
static long punch(const long *args)
{
	int fd = open_file(args, O_RDWR);

	check(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, args[2], args[3]) == 0);
	close(fd);
	return 0;
}

/* size, seed, flags: the slots are written too */
static long overwrite(const long *args)
{
	int fd = open_file(args, O_RDWR | (int)args[4]);
	char *page = map_anon((size_t)args[2]);

	memory_fill(page, 0, (size_t)args[2], (uint64_t)args[3]);
	check(pwrite(fd, page, (size_t)args[2], 0) == args[2]);
	check(munmap(page, (size_t)args[2]) == 0);
	close(fd);
	return 0;
}

/* size, seed: where the disk has something else, or the size */
static long disk_differs(const long *args)
{
	int fd = open_file(args, O_RDONLY | O_DIRECT);
	char *page = map_anon((size_t)args[2]);
	size_t at;

	check(pread(fd, page, (size_t)args[2], 0) == args[2]);
	at = memory_differs(page, 0, (size_t)args[2], (uint64_t)args[3]);
	check(munmap(page, (size_t)args[2]) == 0);
	close(fd);
	return (long)at;
}

static void truncation(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	size_t part = is(memory, HUGETLB) ? HUGE : 16 * PAGE;

	cell->file_changed = true;
	cell_zero_is_right(cell);
	in_file(cell, set_size, (long)part);
	cell_gone(cell, part, memory->size);
	cell_freed_is_left_alone(cell);
	/* Own pages of a private mapping beyond the end are gone as well. */
	cell_sees(cell, 0, part, memory->seed);
	in_file(cell, set_size, (long)memory->size);
	cell_sees(cell, 0, part, memory->seed);
	cell_sees(cell, part, memory->size, 0);
	if (!is(memory, READ_ONLY))
		cell_stores(cell);
}

static void hole(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	size_t from = is_private_file(memory) ? memory->size / 2 : is(memory, HUGETLB) ? HUGE :
		       16 * PAGE;

	cell->file_changed = true;
	cell_zero_is_right(cell);
	in_file(cell, punch, (long)from, (long)(memory->size - from));
	cell_sees(cell, 0, from, memory->seed);
	cell_sees(cell, from, memory->size, 0);
	cell_freed_is_left_alone(cell);
	/* What a private mapping has as its own stays. */
	in_file(cell, punch, 0, (long)memory->size);
	cell_sees(cell, 0, from, is_private_file(memory) ? memory->seed : 0);
	if (!is(memory, READ_ONLY))
		cell_stores(cell);
}

/* Attachers see at once what another process writes to the file. */
static void written(struct cell *cell, int flags)
{
	struct memory *memory = &cell->memory;
	size_t own = is_private_file(memory) ? memory->size / 2 : 0;
	uint64_t seed = memory->seed;

	cell->file_changed = true;
	cell_run_busy(cell, false);
	/* It overwrites the slots. */
	in_file(cell, overwrite, (long)memory->size, (long)cell_new_seed(cell), flags);
	cell_run_busy(cell, true);
	cell_sees(cell, 0, own, seed);
	cell_sees(cell, own, memory->size, memory->seed);
	cell_stores(cell);
}

static void written_by_call(struct cell *cell)
{
	written(cell, 0);
}

static void written_past_cache(struct cell *cell)
{
	written(cell, O_DIRECT);
}

static void on_disk(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	long at = in_file(cell, disk_differs, (long)memory->size, (long)memory->seed);

	if (at != (long)memory->size)
		fail("what was stored through the attachment is not on the disk at %#lx", at);
}

/* Pages are cleaned while they are stored to, again and again. */
static void writeback(struct cell *cell)
{
	struct memory *memory = &cell->memory;

	for (int i = 0; i < 4; i++) {
		cell_new_seed(cell);
		peer_send(cell->steady, attacher_fill,
			  (long[CALL_ARGS]){ 0, (long)memory->size, (long)memory->seed });
		check(fsync(memory->fd) == 0);
		check(peer_result(cell->steady) == 0);
		cell_run_busy(cell, false);
		/* All is stored now; what came while it was written is dirty again. */
		check(fsync(memory->fd) == 0);
		on_disk(cell);
		cell_run_busy(cell, true);
		cell_same(cell);
	}
	cell_run_busy(cell, false);
	check(fsync(memory->fd) == 0);
	check(write_file("/proc/sys/vm/drop_caches", "1"));
	cell_same(cell);
	on_disk(cell);
}

static void all_synced(struct cell *cell)
{
	for (int i = 0; i < 2; i++) {
		cell_stores(cell);
		sync();
		on_disk(cell);
	}
	cell_same(cell);
}

/* Stores to private pages are for nobody else; the end of each cell looks. */
static void private_sync(struct cell *cell)
{
	cell_stores(cell);
	check(fsync(cell->memory.fd) == 0);
	check(write_file("/proc/sys/vm/drop_caches", "1"));
	cell_same(cell);
}

static void file_sync(struct cell *cell)
{
	if (is_private_file(&cell->memory))
		private_sync(cell);
	else
		writeback(cell);
}

static const char *can_change(const struct kind *kind)
{
	return kind->traits & FILED ? NULL : "no file that another process could change";
}

/* The owner's descriptor is for reading, but another process's need not be. */
static const char *can_write(const struct kind *kind)
{
	if (kind->traits & HUGETLB)
		return "hugetlbfs knows no write";
	return can_change(kind);
}

static const char *can_go_direct(const struct kind *kind)
{
	return kind->traits & DISK ? NULL : "no disk behind it";
}

static const char *can_sync(const struct kind *kind)
{
	if (kind->traits & READ_ONLY)
		return "nobody can write it";
	return can_go_direct(kind);
}

static const char *can_sync_shared(const struct kind *kind)
{
	if (kind->traits & DISK && !(kind->traits & SHARED))
		return "own pages are not written to the file";
	return can_sync(kind);
}

static const struct event events[] = {
	{ .name = "truncate", .run = truncation, .why_not = can_change },
	{ .name = "punch-hole", .run = hole, .why_not = can_change },
	{ .name = "write", .run = written_by_call, .why_not = can_write },
	{ .name = "write-direct", .run = written_past_cache, .why_not = can_go_direct },
	{ .name = "fsync", .run = file_sync, .why_not = can_sync },
	{ .name = "sync", .run = all_synced, .why_not = can_sync_shared },
};

int main(int argc, char **argv)
{
	return cells_main(argc, argv, events, sizeof(events) / sizeof(events[0]), 300);
}
