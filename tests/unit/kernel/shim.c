// SPDX-License-Identifier: GPL-2.0-or-later
/* See the headers in linux/. */
#include <assert.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "linux/rcupdate.h"
#include "linux/slab.h"
#include "linux/spinlock.h"
#include "linux/xarray.h"

struct kmem_cache {
	size_t size;
	size_t objects;		/* that are out */
};

/* Before each object: which cache it has to go back to */
struct header {
	alignas(16) struct kmem_cache *cache;
};

int shim_locks;
int shim_rcu_readers;
size_t shim_objects;
long shim_allocations_left = -1;

static bool may_allocate(void)
{
	if (shim_allocations_left < 0)
		return true;
	if (!shim_allocations_left)
		return false;
	shim_allocations_left--;
	return true;
}

struct kmem_cache *kmem_cache_create_shim(size_t size)
{
	struct kmem_cache *cache = may_allocate() ? malloc(sizeof(*cache)) : NULL;

	if (cache)
		*cache = (struct kmem_cache){ .size = size };
	return cache;
}

void kmem_cache_destroy(struct kmem_cache *cache)
{
	assert(!cache || !cache->objects);
	free(cache);
}

/* What allocates may sleep. */
static void assert_may_sleep(void)
{
	assert(!shim_locks && !shim_rcu_readers);
}

void *kmem_cache_zalloc(struct kmem_cache *cache, gfp_t gfp)
{
	struct header *header;

	(void)gfp;
	assert_may_sleep();
	header = may_allocate() ? calloc(1, sizeof(*header) + cache->size) : NULL;
	if (!header)
		return NULL;
	header->cache = cache;
	cache->objects++;
	shim_objects++;
	return header + 1;
}

void kmem_cache_free(struct kmem_cache *cache, void *object)
{
	struct header *header = (struct header *)object - 1;

	assert(object && header->cache == cache && cache->objects && shim_objects);
	cache->objects--;
	shim_objects--;
	free(header);
}

void xa_init_flags(struct xarray *xa, unsigned int flags)
{
	(void)flags;
	memset(xa, 0, sizeof(*xa));
}

void xa_destroy(struct xarray *xa)
{
	free(xa->slots);
	memset(xa, 0, sizeof(*xa));
}

/* Where index is, or would be */
static size_t place_of(struct xarray *xa, unsigned long index)
{
	size_t low = 0, high = xa->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (xa->slots[middle].index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void *xa_find_from(struct xarray *xa, unsigned long *index, unsigned long last)
{
	size_t at = place_of(xa, *index);

	if (at == xa->count || xa->slots[at].index > last)
		return NULL;
	*index = xa->slots[at].index;
	return xa->slots[at].entry;
}

void *xa_load(struct xarray *xa, unsigned long index)
{
	return xa_find_from(xa, &index, index);
}

int xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	size_t at = place_of(xa, index);
	struct shim_slot *slots;

	(void)gfp;
	assert_may_sleep();
	if (xa_load(xa, index))
		return -EBUSY;
	if (!may_allocate())
		return -ENOMEM;
	slots = realloc(xa->slots, (xa->count + 1) * sizeof(*slots));
	assert(slots);
	memmove(&slots[at + 1], &slots[at], (xa->count - at) * sizeof(*slots));
	slots[at] = (struct shim_slot){ .index = index, .entry = entry };
	xa->slots = slots;
	xa->count++;
	return 0;
}

void *xa_erase(struct xarray *xa, unsigned long index)
{
	size_t at = place_of(xa, index);
	void *entry = xa_load(xa, index);

	if (!entry)
		return NULL;
	xa->count--;
	memmove(&xa->slots[at], &xa->slots[at + 1], (xa->count - at) * sizeof(*xa->slots));
	return entry;
}

static void set_mark(struct xarray *xa, unsigned long index, bool mark)
{
	if (xa_load(xa, index))
		xa->slots[place_of(xa, index)].mark = mark;
}

void xa_set_mark(struct xarray *xa, unsigned long index, xa_mark_t mark)
{
	(void)mark;
	set_mark(xa, index, true);
}

void xa_clear_mark(struct xarray *xa, unsigned long index, xa_mark_t mark)
{
	(void)mark;
	set_mark(xa, index, false);
}

void *xa_find(struct xarray *xa, unsigned long *index, unsigned long last, xa_mark_t mark)
{
	size_t at = place_of(xa, *index);

	(void)mark;
	while (at < xa->count && !xa->slots[at].mark)
		at++;
	if (at == xa->count || xa->slots[at].index > last)
		return NULL;
	*index = xa->slots[at].index;
	return xa->slots[at].entry;
}

void *xa_find_after(struct xarray *xa, unsigned long *index, unsigned long last, xa_mark_t mark)
{
	if (*index == ULONG_MAX)
		return NULL;
	++*index;
	return xa_find(xa, index, last, mark);
}
