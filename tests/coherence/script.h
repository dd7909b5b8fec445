/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of one side of the protocol share: the messages and operations that it
 * brought about, and how often it allocated.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "coherence.h"

#include <stdlib.h>
#include <string.h>

#include "check_main.h"

#define MS	1000000ull
#define LEASE	(3000 * MS)
#define SKEW	(100 * MS)
#define SEG	((1ll << 51) | 7)

/* Allocations, for those who must not make any; the linker puts these in between. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static unsigned int allocations;
static bool counting;		/* Check's own do not count */

void *__wrap_malloc(size_t size)
{
	allocations += counting;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	allocations += counting;
	return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	allocations += counting;
	return __real_realloc(p, size);
}

/* What was done last, and how often */
static struct {
	struct xpmd_msg msg[512];
	uint32_t to[512];
	uint8_t data[512];
	uint32_t sent;
	uint64_t fetch, store;
	uint64_t fetch_first, store_first;
	uint32_t fetch_count, store_count;
	enum xpmd_state fetch_state, store_state;
	uint8_t stored;
	uint32_t fetches, stores, releases, losts, cancels, beats, evictions;
	bool no_beat;		/* beat() says no */
	uint64_t evicted_pages;
	uint64_t recalled;
	uint32_t recalls;
} did;

static inline void script_send(void *ctx, uint32_t peer, const struct xpmd_msg *msg)
{
	(void)ctx;
	if (did.sent == 512)
		abort();	/* no assertion: those allocate */
	did.msg[did.sent] = *msg;
	did.data[did.sent] = msg->data ? *(const uint8_t *)msg->data : 0;
	did.to[did.sent++] = peer;
}

/* The last message of @type to @peer; NULL: none */
static inline struct xpmd_msg *told(uint32_t peer, enum xpmd_type type)
{
	for (uint32_t i = did.sent; i-- > 0;)
		if (did.to[i] == peer && did.msg[i].type == type)
			return &did.msg[i];
	return NULL;
}

static inline uint32_t times_told(uint32_t peer, enum xpmd_type type)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < did.sent; i++)
		n += did.to[i] == peer && did.msg[i].type == type;
	return n;
}

#endif /* SCRIPT_H */
