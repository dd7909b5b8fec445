// SPDX-License-Identifier: GPL-2.0-or-later
/* Entries of pages and sets of peers; what they are stands in directory.h. */
#include "directory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NODE_PAGES	((uint64_t)XPMD_CHUNK * XPMD_NODE)

int xpmd_table_init(struct xpmd_table *table, uint64_t pages)
{
	*table = (struct xpmd_table){
		.pages = pages,
		.nr_nodes = pages / NODE_PAGES + !!(pages % NODE_PAGES),
		.gen = 1,
	};
	table->node = calloc(table->nr_nodes ? table->nr_nodes : 1, sizeof(*table->node));
	if (!table->node)
		return -ENOMEM;
	table->bytes = table->nr_nodes * sizeof(*table->node);
	return 0;
}

void xpmd_table_destroy(struct xpmd_table *table)
{
	for (uint64_t i = 0; i < table->nr_nodes; i++) {
		if (!table->node[i])
			continue;
		for (uint32_t j = 0; j < XPMD_NODE; j++)
			free(table->node[i]->chunk[j]);
		free(table->node[i]);
	}
	free(table->node);
	table->node = NULL;
	table->nr_nodes = 0;
}

static struct xpmd_chunk *find_chunk(const struct xpmd_table *table, uint64_t page)
{
	const struct xpmd_node *node = table->node[page / NODE_PAGES];

	return node ? node->chunk[page / XPMD_CHUNK % XPMD_NODE] : NULL;
}

struct xpmd_entry *xpmd_table_find(const struct xpmd_table *table, uint64_t page)
{
	struct xpmd_chunk *chunk;

	if (page >= table->pages)
		return NULL;
	chunk = find_chunk(table, page);
	return chunk ? &chunk->entry[page % XPMD_CHUNK] : NULL;
}

struct xpmd_entry *xpmd_table_get(struct xpmd_table *table, uint64_t page)
{
	struct xpmd_entry *entry = xpmd_table_find(table, page);
	struct xpmd_chunk *chunk;
	struct xpmd_node **node;

	if (entry || page >= table->pages)
		return entry;

	node = &table->node[page / NODE_PAGES];
	if (!*node) {
		*node = calloc(1, sizeof(**node));
		if (!*node)
			return NULL;
		table->bytes += sizeof(**node);
	}
	chunk = calloc(1, sizeof(*chunk));
	if (!chunk)
		return NULL;
	for (uint32_t i = 0; i < XPMD_CHUNK; i++)
		chunk->entry[i].gen = table->gen;
	(*node)->chunk[page / XPMD_CHUNK % XPMD_NODE] = chunk;
	table->bytes += sizeof(*chunk);
	table->chunks++;
	return &chunk->entry[page % XPMD_CHUNK];
}

struct xpmd_entry *xpmd_table_next(const struct xpmd_table *table, uint64_t *page, uint64_t end)
{
	uint64_t at = *page;

	if (end > table->pages)
		end = table->pages;
	while (at < end) {
		struct xpmd_chunk *chunk;

		if (!table->node[at / NODE_PAGES]) {
			at = (at / NODE_PAGES + 1) * NODE_PAGES;
			continue;
		}
		chunk = find_chunk(table, at);
		if (!chunk) {
			at = (at / XPMD_CHUNK + 1) * XPMD_CHUNK;
			continue;
		}
		do {
			struct xpmd_entry *entry = &chunk->entry[at % XPMD_CHUNK];

			if (!xpmd_entry_idle(entry)) {
				*page = at;
				return entry;
			}
			at++;
		} while (at < end && at % XPMD_CHUNK);
	}
	*page = end;
	return NULL;
}

/* Whether all of it is idle; raises *gen above the generations in it if so */
static bool chunk_is_idle(const struct xpmd_chunk *chunk, uint32_t *gen)
{
	uint32_t highest = *gen;

	for (uint32_t i = 0; i < XPMD_CHUNK; i++) {
		if (!xpmd_entry_idle(&chunk->entry[i]))
			return false;
		if (xpmd_gen_after(chunk->entry[i].gen, highest))
			highest = chunk->entry[i].gen;
	}
	*gen = highest;
	return true;
}

void xpmd_table_trim(struct xpmd_table *table)
{
	for (uint64_t i = 0; i < table->nr_nodes; i++) {
		struct xpmd_node *node = table->node[i];
		bool used = false;

		for (uint32_t j = 0; node && j < XPMD_NODE; j++) {
			if (!node->chunk[j])
				continue;
			if (!chunk_is_idle(node->chunk[j], &table->gen)) {
				used = true;
				continue;
			}
			free(node->chunk[j]);
			node->chunk[j] = NULL;
			table->bytes -= sizeof(struct xpmd_chunk);
			table->chunks--;
		}
		if (node && !used) {
			free(node);
			table->node[i] = NULL;
			table->bytes -= sizeof(*node);
		}
	}
}

/* ------------------------------------------------------------ sets of peers */

int xpmd_sets_init(struct xpmd_sets *sets, uint32_t peers)
{
	*sets = (struct xpmd_sets){ .peers = peers };
	if (peers > 32)
		sets->words = (peers + 63) / 64;
	return xpmd_sets_reserve(sets, 64);
}

void xpmd_sets_destroy(struct xpmd_sets *sets)
{
	free(sets->pool);
	sets->pool = NULL;
}

/* Of a set that is no index of the pool, but has one member, the slot in the other bits */
#define SINGLE	(1u << 31)

static bool is_single(const struct xpmd_sets *sets, uint32_t set)
{
	return sets->words && set & SINGLE;
}

static uint64_t *set_words(const struct xpmd_sets *sets, uint32_t set)
{
	return sets->pool + (size_t)set * sets->words;
}

int xpmd_sets_reserve(struct xpmd_sets *sets, uint32_t n)
{
	uint32_t size = sets->size ? sets->size : 1;	/* 0 is the empty set */
	uint64_t *pool;

	if (!sets->words || sets->nr_free >= n)
		return 0;
	while (size < sets->size + n + 1)
		size *= 2;
	pool = realloc(sets->pool, (size_t)size * sets->words * sizeof(*pool));
	if (!pool)
		return -ENOMEM;
	sets->pool = pool;
	for (uint32_t set = sets->size ? sets->size : 1; set < size; set++) {
		*set_words(sets, set) = sets->free;
		sets->free = set;
		sets->nr_free++;
	}
	sets->size = size;
	return 0;
}

bool xpmd_set_has(const struct xpmd_sets *sets, uint32_t set, uint32_t slot)
{
	if (slot >= sets->peers)
		return false;
	if (!sets->words)
		return set >> slot & 1;
	if (is_single(sets, set))
		return set == (SINGLE | slot);
	return set && set_words(sets, set)[slot / 64] >> slot % 64 & 1;
}

void xpmd_set_add(struct xpmd_sets *sets, uint32_t *set, uint32_t slot)
{
	if (!sets->words) {
		*set |= 1u << slot;
		return;
	}
	if (!*set) {
		*set = SINGLE | slot;
		return;
	}
	if (is_single(sets, *set)) {
		uint32_t first = *set & ~SINGLE;

		if (first == slot)
			return;
		if (!sets->free)
			abort();	/* who adds has reserved */
		*set = sets->free;
		sets->free = (uint32_t)*set_words(sets, *set);
		sets->nr_free--;
		memset(set_words(sets, *set), 0, sets->words * sizeof(uint64_t));
		set_words(sets, *set)[first / 64] |= 1ull << first % 64;
	}
	set_words(sets, *set)[slot / 64] |= 1ull << slot % 64;
}

void xpmd_set_del(struct xpmd_sets *sets, uint32_t *set, uint32_t slot)
{
	if (!xpmd_set_has(sets, *set, slot))
		return;
	if (!sets->words) {
		*set &= ~(1u << slot);
		return;
	}
	if (is_single(sets, *set)) {
		*set = 0;
		return;
	}
	set_words(sets, *set)[slot / 64] &= ~(1ull << slot % 64);
	slot = xpmd_set_next(sets, *set, 0);
	if (xpmd_set_next(sets, *set, slot + 1) == XPMD_NOBODY) {
		xpmd_set_clear(sets, set);
		*set = SINGLE | slot;
	}
}

void xpmd_set_clear(struct xpmd_sets *sets, uint32_t *set)
{
	if (sets->words && *set && !is_single(sets, *set)) {
		*set_words(sets, *set) = sets->free;
		sets->free = *set;
		sets->nr_free++;
	}
	*set = 0;
}

bool xpmd_set_equal(const struct xpmd_sets *sets, uint32_t a, uint32_t b)
{
	if (!sets->words || !a || !b || is_single(sets, a) || is_single(sets, b))
		return a == b;
	return !memcmp(set_words(sets, a), set_words(sets, b), sets->words * sizeof(uint64_t));
}

uint32_t xpmd_set_next(const struct xpmd_sets *sets, uint32_t set, uint32_t slot)
{
	if (!sets->words) {
		uint32_t rest = slot < 32 ? set & ~0u << slot : 0;

		return rest ? (uint32_t)__builtin_ctz(rest) : XPMD_NOBODY;
	}
	if (is_single(sets, set))
		return (set & ~SINGLE) >= slot ? set & ~SINGLE : XPMD_NOBODY;
	for (uint32_t i = slot / 64; set && i < sets->words; i++) {
		uint64_t rest = set_words(sets, set)[i];

		if (i == slot / 64)
			rest &= ~0ull << slot % 64;
		if (rest)
			return i * 64 + (uint32_t)__builtin_ctzll(rest);
	}
	return XPMD_NOBODY;
}

uint32_t xpmd_set_count(const struct xpmd_sets *sets, uint32_t set)
{
	uint32_t n = 0;

	for (uint32_t slot = xpmd_set_next(sets, set, 0); slot != XPMD_NOBODY;
	     slot = xpmd_set_next(sets, set, slot + 1))
		n++;
	return n;
}
