/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kinds of memory an owner can have, and what each does.
 *
 * Every page of it holds a pattern of the place and a seed, so that a page of
 * something else is known at a glance.  The last word of a page, its slot, is
 * not part of it: there attachers store while the owner and others work.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include "guest_test.h"

#define HUGE	   (2UL << 20)
#define PAGE_WORDS (PAGE / sizeof(uint64_t))
#define SLOT	   (PAGE_WORDS - 1)
#define MAP_RW	   (PROT_READ | PROT_WRITE)

/* A seed is the first of a test plus less than this: all others are foreign */
#define SEEDS 64UL

enum trait {
	SHARED = 1 << 0,	/* stores go to what is shared with others */
	FILED = 1 << 1,		/* there is a file, by a descriptor */
	DISK = 1 << 2,		/* the file is on a disk */
	HUGETLB = 1 << 3,
	THP = 1 << 4,
	READ_ONLY = 1 << 5,
	UNTOUCHED = 1 << 6,	/* no page at first: reads give the zero page */
	UFFD_MISSING = 1 << 7,	/* pages come from the process itself */
	UFFD_WP = 1 << 8,	/* so do leaves to write */
	LATER = 1 << 9,		/* mapped after it was attached */
};

struct kind {
	const char *name;
	unsigned int traits;
};

extern const struct kind kinds[];
extern const int kinds_count;

struct memory {
	const struct kind *kind;
	char *addr;		/* aligned to HUGE, with room for as much behind it */
	size_t size;
	char *scratch;		/* addresses that are kept free for the test's own use */
	int fd;			/* of the file, or -1 */
	int uffd;		/* or -1 */
	uint64_t first_seed;	/* what it was filled with */
	uint64_t seed;		/* what it is filled with */
};

static inline bool is(const struct memory *memory, unsigned int traits)
{
	return memory->kind->traits & traits;
}

/* Private: what is stored goes to pages of the process alone */
static inline bool is_private_file(const struct memory *memory)
{
	return is(memory, FILED) && !is(memory, SHARED | READ_ONLY);
}

/*
 * Reserves addresses: at most once a process.  The size is that of the kind, or
 * a given one, a multiple of HUGE for some kinds.
 */
size_t memory_size(const struct kind *kind, size_t size);
void memory_reserve(struct memory *memory, const struct kind *kind, size_t size);
/* Makes it, filled; false: the guest has none of this kind */
bool memory_make(struct memory *memory, uint64_t seed);
/* The same addresses again, after munmap: anonymous memory or the same file */
void memory_map_again(struct memory *memory);
/*
 * Anonymous memory for the test, one at a time; what mmap() chooses itself may
 * be just where the owner's memory was unmapped.  In other processes than the
 * owner it may.
 */
void *memory_scratch(const struct memory *memory, size_t size);
void memory_scratch_end(const struct memory *memory);
/* From and to: bytes from the start of it */
void memory_fill(void *start, size_t from, size_t to, uint64_t seed);
/* Where a word is not of the pattern (with seed 0: is not zero), or @to */
size_t memory_differs(const void *start, size_t from, size_t to, uint64_t seed);
/* What a word of the pattern at this place was filled with; 0 for a zero */
uint64_t memory_seed_of(size_t offset, uint64_t word);
/* What the kernel puts where the owner's own pages were given up: a seed or 0 */
uint64_t memory_refill(const struct memory *memory);

/* Empties the lists of pages that each CPU keeps with a reference */
void memory_settle(void);
/* Ties the process to one CPU */
void memory_pin(int cpu);
/* How many pages are in memory, in the page cache or mapped */
size_t memory_resident(const struct memory *memory);
/* A number of the memory's mapping in smaps ("AnonHugePages:"), in bytes */
size_t memory_smaps(const void *addr, const char *key);
/* The node of a page, or a negative errno */
int memory_node(const void *addr);
/* Moves pages to a node; the number that is there then */
size_t memory_move(const struct memory *memory, int node);
int memory_nodes(void);

#endif /* MEMORY_H */
