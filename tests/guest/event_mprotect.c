// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When the owner changes what it may do with its memory: may attachers do just
 * that, at once?
 *
 *   event_mprotect [KIND [EVENT]]
 */
#include "cell.h"

#include <sys/mman.h>

static void protect(struct cell *cell, int prot)
{
	check(mprotect(cell->memory.addr, cell->memory.size, prot) == 0);
}

static void no_writing(struct cell *cell)
{
	protect(cell, PROT_READ);
	cell_no_stores(cell);
}

static void writing_again(struct cell *cell)
{
	protect(cell, PROT_READ);
	cell_no_stores(cell);
	cell_run_busy(cell, true);
	protect(cell, MAP_RW);
	cell_same(cell);
	cell_stores(cell);
	cell_owner_stores(cell);
}

static void nothing(struct cell *cell)
{
	int prot = is(&cell->memory, READ_ONLY) ? PROT_READ : MAP_RW;

	protect(cell, PROT_NONE);
	cell_gone(cell, 0, cell->memory.size);
	protect(cell, prot);
	cell_same(cell);
	cell_stores(cell);
}

/* Back and forth while attachers load and store */
static void both_ways(struct cell *cell)
{
	for (int i = 0; i < 20; i++) {
		protect(cell, i % 3 ? PROT_READ : PROT_NONE);
		protect(cell, MAP_RW);
	}
	cell_same(cell);
	cell_stores(cell);
}

static const char *can_write(const struct kind *kind)
{
	return kind->traits & READ_ONLY ? "the file was opened for reading" : NULL;
}

static const struct event events[] = {
	{ .name = "mprotect-read-only", .run = no_writing, .why_not = can_write },
	{ .name = "mprotect-writable", .run = writing_again, .why_not = can_write },
	{ .name = "mprotect-none", .run = nothing },
	{ .name = "mprotect-often", .run = both_ways, .why_not = can_write },
};

int main(int argc, char **argv)
{
	return cells_main(argc, argv, events, sizeof(events) / sizeof(events[0]), 300);
}
