// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Chunks are never freed before the whole is, so that readers need no lock: a pointer
 * to one is stored after the chunk is zero.
 */
#include "traps.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define CHUNK_PAGES 4096u

/* In a page's byte, with an enum xpmd_trap */
#define HUGE 0x80u

typedef _Atomic(uint8_t) trap_byte;
typedef _Atomic(trap_byte *) chunk_pointer;

struct xpmd_traps {
	pthread_mutex_t lock;
	uint64_t pages;
	chunk_pointer chunks[];
};

static uint64_t nr_chunks(uint64_t pages)
{
	return (pages + CHUNK_PAGES - 1) / CHUNK_PAGES;
}

struct xpmd_traps *xpmd_traps_new(uint64_t pages)
{
	struct xpmd_traps *traps;

	traps = calloc(1, sizeof(*traps) + nr_chunks(pages) * sizeof(traps->chunks[0]));
	if (!traps)
		return NULL;
	pthread_mutex_init(&traps->lock, NULL);
	traps->pages = pages;
	return traps;
}

void xpmd_traps_free(struct xpmd_traps *traps)
{
	if (!traps)
		return;
	for (uint64_t i = 0; i < nr_chunks(traps->pages); i++)
		free(atomic_load(&traps->chunks[i]));
	pthread_mutex_destroy(&traps->lock);
	free(traps);
}

void xpmd_traps_lock(struct xpmd_traps *traps)
{
	pthread_mutex_lock(&traps->lock);
}

void xpmd_traps_unlock(struct xpmd_traps *traps)
{
	pthread_mutex_unlock(&traps->lock);
}

static trap_byte *chunk_of(const struct xpmd_traps *traps, uint64_t page)
{
	return atomic_load_explicit(&traps->chunks[page / CHUNK_PAGES], memory_order_acquire);
}

static uint8_t byte_of(const struct xpmd_traps *traps, uint64_t page)
{
	trap_byte *chunk = page < traps->pages ? chunk_of(traps, page) : NULL;

	return chunk ? atomic_load(&chunk[page % CHUNK_PAGES]) : XPMD_TRAP_NONE;
}

enum xpmd_trap xpmd_traps_get(const struct xpmd_traps *traps, uint64_t page)
{
	return (enum xpmd_trap)(byte_of(traps, page) & ~HUGE);
}

bool xpmd_traps_is_huge(const struct xpmd_traps *traps, uint64_t page)
{
	return byte_of(traps, page) & HUGE;
}

/* Both threads of a worker may want the same chunk. */
static int make_chunks(struct xpmd_traps *traps, uint64_t first, uint64_t count)
{
	for (uint64_t page = first; page < first + count; page += CHUNK_PAGES - page % CHUNK_PAGES) {
		trap_byte *none = NULL, *chunk = chunk_of(traps, page);

		if (chunk)
			continue;
		chunk = calloc(CHUNK_PAGES, sizeof(*chunk));
		if (!chunk)
			return -ENOMEM;
		if (!atomic_compare_exchange_strong(&traps->chunks[page / CHUNK_PAGES], &none,
						    chunk))
			free(chunk);
	}
	return 0;
}

int xpmd_traps_set(struct xpmd_traps *traps, uint64_t first, uint64_t count, enum xpmd_trap to)
{
	int rc = to == XPMD_TRAP_NONE ? 0 : make_chunks(traps, first, count);

	if (rc < 0)
		return rc;
	for (uint64_t page = first; page < first + count; page++) {
		trap_byte *chunk = chunk_of(traps, page);
		uint8_t byte;

		if (!chunk) {
			page += CHUNK_PAGES - 1 - page % CHUNK_PAGES;
			continue;
		}
		byte = atomic_load(&chunk[page % CHUNK_PAGES]);
		while (!atomic_compare_exchange_weak(&chunk[page % CHUNK_PAGES], &byte,
						     (uint8_t)((byte & HUGE) | to)))
			;
	}
	return 0;
}

void xpmd_traps_change(struct xpmd_traps *traps, uint64_t first, uint64_t count,
		       enum xpmd_trap from, enum xpmd_trap to)
{
	for (uint64_t page = first; page < first + count; page++) {
		trap_byte *chunk = chunk_of(traps, page);
		uint8_t byte;

		if (!chunk) {
			page += CHUNK_PAGES - 1 - page % CHUNK_PAGES;
			continue;
		}
		byte = atomic_load(&chunk[page % CHUNK_PAGES]);
		while ((byte & ~HUGE) == from &&
		       !atomic_compare_exchange_weak(&chunk[page % CHUNK_PAGES], &byte,
						     (uint8_t)((byte & HUGE) | to)))
			;
	}
}

int xpmd_traps_set_huge(struct xpmd_traps *traps, uint64_t first, uint64_t count, bool huge)
{
	int rc = huge ? make_chunks(traps, first, count) : 0;

	for (uint64_t page = first; rc == 0 && page < first + count; page++) {
		trap_byte *chunk = chunk_of(traps, page);

		if (!chunk)
			page += CHUNK_PAGES - 1 - page % CHUNK_PAGES;
		else if (huge)
			atomic_fetch_or(&chunk[page % CHUNK_PAGES], (uint8_t)HUGE);
		else
			atomic_fetch_and(&chunk[page % CHUNK_PAGES], (uint8_t)~HUGE);
	}
	return rc;
}
