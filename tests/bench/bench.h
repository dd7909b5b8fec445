/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the sections of xpmem-bench share: settings, time, and how one ends.
 *
 * A section is a function that runs in a process of its own, the owner.  It
 * starts its attachers (peer.h) before it has any memory, so that none of it is
 * shared with a child by copy on write, makes memory (memory.h), has the
 * attachers look at it, and reports rows (result.h).  What a section leaves
 * behind ends with its process.
 *
 * Every figure of XPMEM has, where that makes sense, one of the same work on a
 * memfd that both processes map: the kernel's own way to share memory.  Both go
 * through the same code (view.h), so that what the program itself costs is the
 * same in both.  Nothing is subtracted from a figure.
 *
 * A measurement is repeated, after one round that is thrown away, and the
 * smallest figure counts: timer interrupts and other processes only add.  Where a
 * round needs what no earlier round has used, it makes a new segment.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE 4096UL
#define HUGE (2UL << 20)
#define MIB  (1UL << 20)

struct settings {
	unsigned int rounds;	/* that count, after one that does not */
	size_t memory;		/* of the owner, in sections that touch all of it */
	bool quick;		/* fewer and smaller series */
	bool large;		/* the largest teardowns, too */
	bool counted;		/* the clock counts instructions */
};

/* Set before any section runs */
extern struct settings settings;

typedef void section_fn(void);

section_fn section_touch, section_calls, section_sizes, section_owner, section_attachers,
	section_exports, section_teardown, section_threads, section_memory;

static inline void read_page(const char *at)
{
	(void)*(const volatile char *)at;
}

static inline void write_page(char *at)
{
	*(volatile char *)at = 1;
}

/* Nanoseconds of the guest's clock */
uint64_t now_ns(void);

/* Ends the process as failed, with the message and, if errno is set, what it says */
_Noreturn void fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* BENCH_H */
