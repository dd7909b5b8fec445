/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A slab cache that counts what is out, and can be told to run dry. */
#ifndef KERNEL_SHIM_SLAB_H
#define KERNEL_SHIM_SLAB_H

#include <stddef.h>

typedef unsigned int gfp_t;
#define GFP_KERNEL 0U
#define SLAB_ACCOUNT 0U

struct kmem_cache;

struct kmem_cache *kmem_cache_create_shim(size_t size);
void kmem_cache_destroy(struct kmem_cache *cache);
void *kmem_cache_zalloc(struct kmem_cache *cache, gfp_t gfp);
void kmem_cache_free(struct kmem_cache *cache, void *object);

#define KMEM_CACHE(type, flags) kmem_cache_create_shim(sizeof(struct type))

/* Objects that are out, of all caches */
extern size_t shim_objects;
/* Allocations that succeed before all fail; -1: no limit */
extern long shim_allocations_left;

#endif /* KERNEL_SHIM_SLAB_H */
