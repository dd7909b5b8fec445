/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of each page of a segment: a table of entries of 16 bytes, in chunks
 * that are made when a page of theirs is first named.  Home and replica keep one a
 * segment; the names of the fields are the home's.
 *
 * A chunk is XPMD_CHUNK pages.  Those whose entries are all idle can be given up; the
 * generations in them are then forgotten, so the table begins new ones above them.
 *
 * Sets of peers, by slot: in the entry itself up to 32 peers.  With more, a set of one
 * member is in the entry itself, and any other an index of a pool.
 */
#ifndef XPMD_DIRECTORY_H
#define XPMD_DIRECTORY_H

#include "coherence.h"

#define XPMD_CHUNK	256u
#define XPMD_NODE	512u

/* Slot of a peer that is none */
#define XPMD_NOBODY	0xfffeu
#define XPMD_OWNER	0xffffu

struct xpmd_entry {
	uint32_t gen;
	uint32_t txn;		/* transaction, 0: none */
	uint32_t set;		/* SHARED: who has it.  EXCLUSIVE: the home's copy, 0: none */
	uint16_t holder;	/* EXCLUSIVE: slot, XPMD_NOBODY: it is lost */
	uint8_t state;
	uint8_t flags;
};
_Static_assert(sizeof(struct xpmd_entry) == 16, "16 bytes a page");

struct xpmd_chunk {
	struct xpmd_entry entry[XPMD_CHUNK];
};

struct xpmd_node {
	struct xpmd_chunk *chunk[XPMD_NODE];
};

struct xpmd_table {
	uint64_t pages;
	uint64_t nr_nodes;
	struct xpmd_node **node;
	uint64_t chunks;
	uint64_t bytes;
	uint32_t gen;		/* of entries made from now on */
};

int xpmd_table_init(struct xpmd_table *table, uint64_t pages);
void xpmd_table_destroy(struct xpmd_table *table);
/* NULL: nothing is known of it, or (get) no memory */
struct xpmd_entry *xpmd_table_find(const struct xpmd_table *table, uint64_t page);
struct xpmd_entry *xpmd_table_get(struct xpmd_table *table, uint64_t page);
/* The first entry that is not idle in [*page, end); sets *page to it */
struct xpmd_entry *xpmd_table_next(const struct xpmd_table *table, uint64_t *page, uint64_t end);
/* Gives up idle chunks; nobody may hold an entry */
void xpmd_table_trim(struct xpmd_table *table);

static inline bool xpmd_entry_idle(const struct xpmd_entry *entry)
{
	return entry->state == XPMD_NONE && !entry->txn && !entry->flags;
}

struct xpmd_sets {
	uint32_t peers;		/* slots are below it */
	uint32_t words;		/* of a set of the pool; 0: sets are inline */
	uint64_t *pool;
	uint32_t size;
	uint32_t free, nr_free;	/* free ones are linked by their first word */
};

int xpmd_sets_init(struct xpmd_sets *sets, uint32_t peers);
void xpmd_sets_destroy(struct xpmd_sets *sets);
/* Sees to it that @n adds succeed.  0 or -ENOMEM */
int xpmd_sets_reserve(struct xpmd_sets *sets, uint32_t n);
bool xpmd_set_has(const struct xpmd_sets *sets, uint32_t set, uint32_t slot);
void xpmd_set_add(struct xpmd_sets *sets, uint32_t *set, uint32_t slot);
/* An empty set is 0; it and one of a single member take nothing of the pool */
void xpmd_set_del(struct xpmd_sets *sets, uint32_t *set, uint32_t slot);
void xpmd_set_clear(struct xpmd_sets *sets, uint32_t *set);
bool xpmd_set_equal(const struct xpmd_sets *sets, uint32_t a, uint32_t b);
/* The first member that is at least @slot, or XPMD_NOBODY */
uint32_t xpmd_set_next(const struct xpmd_sets *sets, uint32_t set, uint32_t slot);
uint32_t xpmd_set_count(const struct xpmd_sets *sets, uint32_t set);

#endif /* XPMD_DIRECTORY_H */
