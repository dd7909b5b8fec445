// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tables of the coherence protocol, and each side of it against a script: what one
 * message, fault or recall brings about.  What happens when everything happens at once
 * is the simulator's.
 */
#include "directory.h"
#include "home.h"
#include "replica.h"

#include <errno.h>
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

/* --------------------------------------------------------------------- tables */

START_TEST(table)
{
	struct xpmd_table t;
	struct xpmd_entry *entry;
	uint64_t page = 0, bytes;

	ck_assert_int_eq(xpmd_table_init(&t, 1ull << 35), 0);
	bytes = t.bytes;
	ck_assert_ptr_null(xpmd_table_find(&t, 5));
	ck_assert_ptr_null(xpmd_table_get(&t, 1ull << 35));
	for (uint64_t i = 1000; i < 1000 + 4096; i++) {
		entry = xpmd_table_get(&t, i);
		ck_assert_ptr_nonnull(entry);
		ck_assert_uint_eq(entry->gen, 1);
		entry->state = XPMD_SHARED;
		entry->gen = (uint32_t)i;
	}
	/* 16 bytes a page, and what is lost at both ends of the range and to the node */
	ck_assert_uint_le(t.bytes - bytes, 4096 * 16 + 2 * XPMD_CHUNK * 16 + sizeof(struct xpmd_node));
	entry = xpmd_table_get(&t, (1ull << 35) - 1);
	entry->state = XPMD_EXCLUSIVE;

	ck_assert_ptr_eq(xpmd_table_next(&t, &page, UINT64_MAX), xpmd_table_find(&t, 1000));
	ck_assert_uint_eq(page, 1000);
	page = 1000 + 4096;
	ck_assert_ptr_null(xpmd_table_next(&t, &page, (1ull << 35) - 1));
	ck_assert_uint_eq(page, (1ull << 35) - 1);
	ck_assert_ptr_eq(xpmd_table_next(&t, &page, UINT64_MAX), entry);

	/* Idle chunks go, and their generations are not met again. */
	xpmd_table_trim(&t);
	ck_assert_uint_eq(t.chunks, 18);
	for (uint64_t i = 1000; i < 1000 + 4096; i++)
		xpmd_table_find(&t, i)->state = XPMD_NONE;
	xpmd_table_trim(&t);
	ck_assert_uint_eq(t.chunks, 1);
	ck_assert_ptr_null(xpmd_table_find(&t, 1000));
	ck_assert_uint_eq(xpmd_table_get(&t, 1000)->gen, 1000 + 4095);
	xpmd_table_destroy(&t);
}
END_TEST

START_TEST(generations)
{
	ck_assert(xpmd_gen_after(2, 1));
	ck_assert(!xpmd_gen_after(1, 1));
	ck_assert(!xpmd_gen_after(1, 2));
	ck_assert(xpmd_gen_after(1, UINT32_MAX));
}
END_TEST

static void try_sets(uint32_t peers)
{
	struct xpmd_sets sets;
	uint32_t a = 0, b = 0, unused;

	ck_assert_int_eq(xpmd_sets_init(&sets, peers), 0);
	unused = sets.nr_free;
	for (uint32_t slot = 0; slot < peers; slot += 3)
		xpmd_set_add(&sets, &a, slot);
	ck_assert_uint_eq(xpmd_set_count(&sets, a), (peers + 2) / 3);
	for (uint32_t slot = 0; slot < peers; slot++)
		ck_assert(xpmd_set_has(&sets, a, slot) == !(slot % 3));
	ck_assert(!xpmd_set_has(&sets, a, XPMD_NOBODY) && !xpmd_set_has(&sets, a, XPMD_OWNER));
	ck_assert_uint_eq(xpmd_set_next(&sets, a, 1), 3);
	ck_assert_uint_eq(xpmd_set_next(&sets, a, peers), XPMD_NOBODY);
	for (uint32_t slot = 0; slot < peers; slot += 3)
		xpmd_set_add(&sets, &b, slot);
	ck_assert(xpmd_set_equal(&sets, a, b));
	xpmd_set_del(&sets, &b, 3);
	ck_assert(!xpmd_set_equal(&sets, a, b) && !xpmd_set_equal(&sets, a, 0));
	for (uint32_t slot = 0; slot < peers; slot++)
		xpmd_set_del(&sets, &b, slot);
	ck_assert_uint_eq(b, 0);
	xpmd_set_clear(&sets, &a);
	ck_assert_uint_eq(a, 0);
	ck_assert_uint_eq(sets.nr_free, unused);
	xpmd_sets_destroy(&sets);
}

START_TEST(peer_sets)
{
	try_sets(5);
	try_sets(32);
	try_sets(33);
	try_sets(4095);
}
END_TEST

START_TEST(peer_sets_reserved)
{
	struct xpmd_sets sets;
	uint32_t set[1000] = { 0 };

	ck_assert_int_eq(xpmd_sets_init(&sets, 100), 0);
	ck_assert_int_eq(xpmd_sets_reserve(&sets, 1000), 0);
	allocations = 0;
	counting = true;
	for (uint32_t i = 0; i < 1000; i++)
		xpmd_set_add(&sets, &set[i], i % 100);
	counting = false;
	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_uint_eq(xpmd_set_next(&sets, set[i], 0), i % 100);
	ck_assert_uint_eq(allocations, 0);
	xpmd_sets_destroy(&sets);
}
END_TEST

/* ----------------------------------------------------------------------- home */

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
	uint64_t evicted_pages;
	uint64_t recalled;
	uint32_t recalls;
} did;

static uint8_t pages[XPMD_MAX_PAGES * XPMD_PAGE];
static struct xpmd_home *home;

static void home_send(void *ctx, uint32_t peer, const struct xpmd_msg *msg)
{
	(void)ctx;
	if (did.sent == 512)
		abort();	/* no assertion: those allocate */
	did.msg[did.sent] = *msg;
	did.data[did.sent] = msg->data ? *(const uint8_t *)msg->data : 0;
	did.to[did.sent++] = peer;
}

static void home_fetch(void *ctx, uint64_t op, int64_t segid, uint64_t first, uint32_t count,
		       enum xpmd_state state)
{
	(void)ctx;
	(void)segid;
	did.fetch = op;
	did.fetch_first = first;
	did.fetch_count = count;
	did.fetch_state = state;
	did.fetches++;
}

static void home_store(void *ctx, uint64_t op, int64_t segid, uint64_t first, uint32_t count,
		       const void *data, enum xpmd_state state)
{
	(void)ctx;
	(void)segid;
	did.store = op;
	did.store_first = first;
	did.store_count = count;
	did.store_state = state;
	did.stored = *(const uint8_t *)data;
	did.stores++;
}

static void home_release(void *ctx, uint64_t op, int64_t segid, uint64_t first, uint32_t count)
{
	(void)ctx;
	(void)op;
	(void)segid;
	(void)first;
	did.releases += count;
}

static void home_lost(void *ctx, uint64_t op, int64_t segid, uint64_t first, uint32_t count)
{
	(void)ctx;
	(void)segid;
	(void)first;
	did.store = op;
	did.losts += count;
}

static void home_cancel(void *ctx, int64_t segid, uint64_t first, uint32_t count)
{
	(void)ctx;
	(void)segid;
	(void)first;
	did.cancels += count;
}

static void home_recalled(void *ctx, uint64_t recall)
{
	(void)ctx;
	did.recalled = recall;
	did.recalls++;
}

static void home_beat(void *ctx)
{
	(void)ctx;
	did.beats++;
}

static void home_evicted(void *ctx, uint32_t peer, uint32_t epoch, uint64_t lost)
{
	(void)ctx;
	(void)peer;
	(void)epoch;
	did.evictions++;
	did.evicted_pages = lost;
}

static const struct xpmd_home_ops home_ops = {
	.send = home_send,
	.fetch = home_fetch,
	.store = home_store,
	.release = home_release,
	.lost = home_lost,
	.cancel = home_cancel,
	.recalled = home_recalled,
	.beat = home_beat,
	.evicted = home_evicted,
};

static void open_home(uint32_t peers, uint64_t pages_max, uint64_t grace, enum xpmd_lost lost)
{
	struct xpmd_home_config config = {
		.incarnation = 77,
		.lease_ns = LEASE,
		.skew_ns = SKEW,
		.grace_until = grace,
		.peers_max = peers,
		.pages_max = pages_max,
	};

	memset(&did, 0, sizeof(did));
	home = xpmd_home_new(&config, &home_ops, NULL);
	ck_assert_ptr_nonnull(home);
	ck_assert_int_eq(xpmd_home_add_segment(home, SEG, 100000, lost), 0);
	ck_assert_int_eq(xpmd_home_add_segment(home, SEG, 100000, lost), -EEXIST);
}

static uint32_t epoch_of[4096];

static void join(uint32_t peer, uint64_t now)
{
	ck_assert_int_eq(xpmd_home_permit(home, peer, SEG, true, true), 0);
	epoch_of[peer] = xpmd_home_connect(home, now, peer, 1000 + peer);
	ck_assert_uint_ge(epoch_of[peer], 1);
}

static void say(uint32_t peer, uint64_t now, struct xpmd_msg msg)
{
	msg.incarnation = 1000 + peer;
	if (!msg.epoch)
		msg.epoch = epoch_of[peer];
	if (!msg.segid)
		msg.segid = SEG;
	counting = true;
	xpmd_home_message(home, now, peer, &msg);
	counting = false;
}

static void recall(uint64_t now, uint64_t id, uint64_t first, uint64_t count, bool keep)
{
	counting = true;
	xpmd_home_recall(home, now, id, SEG, first, count, keep);
	counting = false;
}

static void ask(uint32_t peer, uint64_t now, enum xpmd_type type, uint64_t id, uint64_t first,
		uint32_t count)
{
	say(peer, now, (struct xpmd_msg){ .type = type, .id = id, .first = first, .count = count });
}

/* The last message of @type to @peer; NULL: none */
static struct xpmd_msg *told(uint32_t peer, enum xpmd_type type)
{
	for (uint32_t i = did.sent; i-- > 0;)
		if (did.to[i] == peer && did.msg[i].type == type)
			return &did.msg[i];
	return NULL;
}

static uint32_t times_told(uint32_t peer, enum xpmd_type type)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < did.sent; i++)
		n += did.to[i] == peer && did.msg[i].type == type;
	return n;
}

static void answer_take(uint32_t peer, uint64_t now, uint8_t value)
{
	struct xpmd_msg *take = told(peer, XPMD_TAKE);
	struct xpmd_msg msg;

	ck_assert_ptr_nonnull(take);
	memset(pages, value, sizeof(pages));
	msg = (struct xpmd_msg){
		.type = XPMD_TAKEN,
		.id = take->id,
		.state = take->state,
		.first = take->first,
		.count = take->count,
	};
	if (value) {
		for (uint32_t i = 0; i < take->count; i++)
			msg.mask[i / 64] |= 1ull << i % 64;
		msg.data = pages;
	}
	say(peer, now, msg);
}

static void give(uint32_t peer, uint64_t now, enum xpmd_state state, uint64_t first, uint8_t value)
{
	uint32_t fetches = did.fetches;

	ask(peer, now, state == XPMD_SHARED ? XPMD_READ : XPMD_WRITE, 100 + first, first, 1);
	ck_assert_uint_eq(did.fetches, fetches + 1);
	memset(pages, value, sizeof(pages));
	xpmd_home_fetched(home, now, did.fetch, 0, did.fetch_count, pages);
	ck_assert_ptr_nonnull(told(peer, XPMD_GRANT));
}

static void renew(uint32_t peer, uint64_t now, uint64_t id)
{
	say(peer, now, (struct xpmd_msg){ .type = XPMD_RENEW, .id = id });
}

START_TEST(home_shares)
{
	uint32_t sharers;

	open_home(8, 0, 0, XPMD_LOST_SIGBUS);
	join(2, 1);
	join(3, 1);
	give(2, 2, XPMD_SHARED, 10, 5);
	ck_assert_uint_eq(told(2, XPMD_GRANT)->id, 110);
	ck_assert_uint_eq(told(2, XPMD_GRANT)->incarnation, 77);
	ck_assert_uint_eq(did.data[did.sent - 1], 5);
	give(3, 3, XPMD_SHARED, 10, 5);
	ck_assert_int_eq(xpmd_home_page(home, SEG, 10, NULL, &sharers), XPMD_SHARED);
	ck_assert_uint_eq(sharers, 2);
	ck_assert_uint_eq(did.fetch_state, XPMD_SHARED);
	/* The owner stores: all is taken, then its store passes. */
	xpmd_home_owner_fault(home, 4, SEG, 10, true);
	ck_assert_uint_eq(told(2, XPMD_TAKE)->state, XPMD_NONE);
	ck_assert_uint_eq(told(2, XPMD_TAKE)->id, told(3, XPMD_TAKE)->id);
	answer_take(2, 5, 0);
	answer_take(2, 5, 0);
	ck_assert_uint_eq(did.releases, 0);
	answer_take(3, 6, 0);
	ck_assert_uint_eq(did.releases, 1);
	ck_assert_int_eq(xpmd_home_page(home, SEG, 10, NULL, NULL), XPMD_NONE);
	xpmd_home_free(home);
}
END_TEST

START_TEST(home_batches)
{
	open_home(8, 0, 0, XPMD_LOST_SIGBUS);
	join(2, 1);
	give(2, 2, XPMD_EXCLUSIVE, 14, 1);
	ask(2, 3, XPMD_READ, 1, 10, 16);
	/* Up to the page that is not like the first; it and the rest were a guess. */
	ck_assert_uint_eq(did.fetch_first, 10);
	ck_assert_uint_eq(did.fetch_count, 4);
	xpmd_home_fetched(home, 4, did.fetch, 0, 3, pages);
	/* The first alone, on the urgent channel, then the rest */
	ck_assert_uint_eq(did.msg[did.sent - 2].first, 10);
	ck_assert_uint_eq(did.msg[did.sent - 2].count, 1);
	ck_assert(!xpmd_msg_is_bulk(&did.msg[did.sent - 2]));
	ck_assert_uint_eq(did.msg[did.sent - 1].first, 11);
	ck_assert_uint_eq(did.msg[did.sent - 1].count, 2);
	ck_assert(xpmd_msg_is_bulk(&did.msg[did.sent - 1]));
	ck_assert_int_eq(xpmd_home_page(home, SEG, 13, NULL, NULL), XPMD_NONE);
	/* And one TAKE for all of it */
	recall(5, 9, 0, 1000, true);
	ck_assert_uint_eq(times_told(2, XPMD_TAKE), 2);
	xpmd_home_free(home);
}
END_TEST

START_TEST(home_forwards)
{
	uint32_t holder;

	open_home(8, 0, 0, XPMD_LOST_SIGBUS);
	join(2, 1);
	join(3, 1);
	give(2, 2, XPMD_EXCLUSIVE, 10, 5);
	ck_assert_uint_eq(did.fetch_state, XPMD_EXCLUSIVE);
	ask(3, 3, XPMD_WRITE, 1, 10, 1);
	answer_take(2, 4, 6);
	/* What came goes on, and who gave it is told that it came. */
	ck_assert_uint_eq(did.stores, 0);
	ck_assert_uint_eq(told(3, XPMD_GRANT)->state, XPMD_EXCLUSIVE);
	ck_assert_uint_eq(told(2, XPMD_GIVEN)->id, told(2, XPMD_TAKE)->id);
	ck_assert_int_eq(xpmd_home_page(home, SEG, 10, &holder, NULL), XPMD_EXCLUSIVE);
	ck_assert_uint_eq(holder, 3);
	/* A reader: to SHARED, stored at the owner, read there. */
	ask(2, 5, XPMD_READ, 2, 10, 1);
	ck_assert_uint_eq(told(3, XPMD_TAKE)->state, XPMD_SHARED);
	answer_take(3, 6, 7);
	ck_assert_uint_eq(did.stored, 7);
	ck_assert_uint_eq(did.store_state, XPMD_SHARED);
	xpmd_home_stored(home, 7, did.store, 0);
	ck_assert_uint_eq(did.fetches, 2);
	ck_assert_uint_eq(did.fetch_state, XPMD_SHARED);
	xpmd_home_free(home);
}
END_TEST

START_TEST(home_keeps_what_it_granted)
{
	open_home(8, 0, 0, XPMD_LOST_SIGBUS);
	join(2, 1);
	join(3, 1);
	give(2, 2, XPMD_EXCLUSIVE, 10, 5);
	/* The grant was lost: asked again, and sent again. */
	ask(2, 3, XPMD_WRITE, 200, 10, 1);
	ck_assert_uint_eq(did.fetches, 1);
	ck_assert_uint_eq(told(2, XPMD_GRANT)->id, 200);
	ck_assert_uint_eq(did.data[did.sent - 1], 5);
	/* It is taken and was never there. */
	xpmd_home_owner_fault(home, 4, SEG, 10, true);
	answer_take(2, 5, 0);
	ck_assert_uint_eq(did.stored, 5);
	xpmd_home_stored(home, 6, did.store, 0);
	/* But once it was in use, it is lost. */
	give(2, 7, XPMD_EXCLUSIVE, 10, 6);
	say(2, 8, (struct xpmd_msg){ .type = XPMD_INSTALLED, .first = 10, .count = 1,
				     .gen = told(2, XPMD_GRANT)->gen });
	xpmd_home_owner_fault(home, 9, SEG, 10, true);
	answer_take(2, 10, 0);
	ck_assert_uint_eq(did.losts, 1);
	xpmd_home_free(home);
}
END_TEST

START_TEST(home_queues_in_order)
{
	open_home(8, 0, 0, XPMD_LOST_SIGBUS);
	for (uint32_t peer = 2; peer < 7; peer++)
		join(peer, 1);
	ask(2, 2, XPMD_WRITE, 1, 10, 1);
	for (uint32_t peer = 3; peer < 7; peer++)
		ask(peer, 3, XPMD_WRITE, 5, 10, 1);
	ask(4, 3, XPMD_WRITE, 6, 10, 1);	/* in its own place */
	xpmd_home_fetched(home, 4, did.fetch, 0, 1, pages);
	for (uint32_t peer = 2; peer < 6; peer++) {
		ck_assert_ptr_nonnull(told(peer, XPMD_GRANT));
		ck_assert_ptr_null(told(peer + 1, XPMD_GRANT));
		answer_take(peer, 5, (uint8_t)peer);
	}
	ck_assert_uint_eq(told(4, XPMD_GRANT)->id, 6);
	ck_assert_ptr_nonnull(told(6, XPMD_GRANT));
	ck_assert_uint_eq(did.data[did.sent - 2], 5);
	xpmd_home_free(home);
}
END_TEST

START_TEST(home_denies)
{
	struct xpmd_home_counts counts;

	open_home(2, 0, 0, XPMD_LOST_SIGBUS);
	ck_assert_uint_ge(xpmd_home_connect(home, 1, 2, 1002), 1);
	epoch_of[2] = 1;
	ask(2, 2, XPMD_READ, 1, 10, 1);
	ck_assert_uint_eq(told(2, XPMD_DENY)->error, EACCES);
	ck_assert_int_eq(xpmd_home_permit(home, 2, SEG, false, true), 0);
	ask(2, 2, XPMD_WRITE, 2, 10, 1);
	ck_assert_uint_eq(told(2, XPMD_DENY)->error, EACCES);
	ck_assert_uint_eq(told(2, XPMD_DENY)->id, 2);
	ask(2, 2, XPMD_READ, 3, 100000, 1);
	ck_assert_uint_eq(told(2, XPMD_DENY)->error, EINVAL);
	ask(2, 2, XPMD_READ, 4, 10, 0);
	ck_assert_uint_eq(told(2, XPMD_DENY)->error, EINVAL);
	say(2, 2, (struct xpmd_msg){ .type = XPMD_READ, .id = 5, .segid = 99, .count = 1 });
	ck_assert_uint_eq(told(2, XPMD_DENY)->error, ENOENT);
	ask(2, 2, XPMD_READ, 6, 10, 1);
	xpmd_home_fetched(home, 3, did.fetch, EFAULT, 0, NULL);
	ck_assert_uint_eq(told(2, XPMD_DENY)->error, EFAULT);
	ck_assert_int_eq(xpmd_home_permit(home, 2, SEG, false, false), 0);
	ask(2, 2, XPMD_READ, 7, 10, 1);
	ck_assert_uint_eq(told(2, XPMD_DENY)->error, EACCES);
	ck_assert_uint_eq(xpmd_home_connect(home, 1, 3, 1003), 1);
	ck_assert_uint_eq(xpmd_home_connect(home, 1, 4, 1004), 0);
	ck_assert_int_eq(xpmd_home_permit(home, 4, SEG, false, true), -ENOSPC);
	xpmd_home_counts(home, &counts);
	ck_assert_uint_eq(counts.denials, 7);
	xpmd_home_free(home);
}
END_TEST

START_TEST(home_directory_is_limited)
{
	open_home(8, 512, 0, XPMD_LOST_SIGBUS);
	join(2, 1);
	give(2, 2, XPMD_SHARED, 0, 1);
	give(2, 2, XPMD_SHARED, 300, 1);
	ask(2, 3, XPMD_READ, 9, 600, 1);
	ck_assert_uint_eq(told(2, XPMD_DENY)->error, ENOMEM);
	/* What is home again makes room. */
	recall(4, 1, 0, 10, false);
	answer_take(2, 5, 0);
	ck_assert_uint_eq(did.recalls, 1);
	give(2, 6, XPMD_SHARED, 600, 1);
	xpmd_home_free(home);
}
END_TEST

START_TEST(home_recalls)
{
	open_home(8, 0, 0, XPMD_LOST_SIGBUS);
	join(2, 1);
	join(3, 1);
	recall(1, 40, 0, 100, true);
	ck_assert_uint_eq(did.recalled, 40);	/* nobody has anything */
	give(2, 2, XPMD_EXCLUSIVE, 10, 5);
	give(2, 2, XPMD_EXCLUSIVE, 11, 5);
	give(3, 2, XPMD_SHARED, 12, 5);
	allocations = 0;
	recall(3, 41, 10, 1, true);
	ck_assert_uint_eq(did.recalls, 1);
	answer_take(2, 4, 8);
	ck_assert_uint_eq(did.recalled, 41);	/* does not wait for the store */
	ck_assert_uint_eq(did.stored, 8);
	ck_assert_uint_eq(did.stores, 1);
	recall(3, 42, 11, 2, false);
	answer_take(2, 4, 9);
	ck_assert_uint_eq(did.recalls, 2);
	answer_take(3, 4, 0);
	ck_assert_uint_eq(did.recalled, 42);
	ck_assert_uint_eq(did.stores, 1);	/* dropped */
	ck_assert_uint_eq(allocations, 0);	/* memory may be short just then */
	/* A request that comes meanwhile waits until it is over. */
	xpmd_home_stored(home, 5, did.store, 0);
	give(2, 5, XPMD_EXCLUSIVE, 10, 5);
	recall(6, 43, 0, 100, true);
	ask(3, 6, XPMD_READ, 77, 50, 1);
	ck_assert_uint_eq(did.fetches, 4);
	answer_take(2, 7, 1);
	ck_assert_uint_eq(did.recalled, 43);
	ck_assert_uint_eq(did.fetches, 5);
	xpmd_home_free(home);
}
END_TEST

START_TEST(home_recall_during_fetch)
{
	open_home(8, 0, 0, XPMD_LOST_SIGBUS);
	join(2, 1);
	ask(2, 2, XPMD_READ, 1, 10, 4);
	recall(3, 41, 12, 1, false);
	ck_assert_uint_eq(did.recalled, 41);	/* at once */
	ck_assert_uint_eq(did.cancels, 1);
	xpmd_home_fetched(home, 4, did.fetch, 0, 4, pages);
	/* What was read may be from before the change: again. */
	ck_assert_ptr_null(told(2, XPMD_GRANT));
	ck_assert_uint_eq(did.fetches, 2);
	xpmd_home_fetched(home, 5, did.fetch, 0, 4, pages);
	ck_assert_ptr_nonnull(told(2, XPMD_GRANT));
	/* What was taken from the owner and is to be kept goes back. */
	ask(2, 6, XPMD_WRITE, 2, 50, 1);
	recall(7, 42, 50, 1, true);
	ck_assert_uint_eq(did.recalled, 42);
	memset(pages, 3, sizeof(pages));
	xpmd_home_fetched(home, 8, did.fetch, 0, 1, pages);
	ck_assert_uint_eq(did.stored, 3);
	ck_assert_uint_eq(did.store_first, 50);
	xpmd_home_stored(home, 9, did.store, 0);
	ck_assert_uint_eq(did.fetches, 4);
	xpmd_home_free(home);
}
END_TEST

START_TEST(home_repeats_and_evicts)
{
	uint64_t now = 1000 * MS, start = now + 200 * MS;
	uint64_t at[] = { 50, 200, 1000, 2000 };
	uint32_t n = 1;

	open_home(8, 0, 0, XPMD_LOST_SIGBUS);
	join(2, now);
	join(3, now);
	renew(2, now, 1);
	renew(3, now, 1);
	ck_assert_uint_eq(did.beats, 2);
	give(2, now, XPMD_EXCLUSIVE, 10, 5);
	say(2, now, (struct xpmd_msg){ .type = XPMD_INSTALLED, .first = 10, .count = 1,
				       .gen = told(2, XPMD_GRANT)->gen });
	give(3, now, XPMD_SHARED, 20, 5);
	recall(start, 9, 10, 1, true);
	for (uint32_t i = 0; i < 4; i++) {
		ck_assert_uint_eq(xpmd_home_tick(home, start + at[i] * MS - 1), start + at[i] * MS);
		ck_assert_uint_eq(times_told(2, XPMD_TAKE), n);
		xpmd_home_tick(home, start + at[i] * MS);
		ck_assert_uint_eq(times_told(2, XPMD_TAKE), ++n);
	}
	/* It renews and does not give: that is not answered, so the deadline stays. */
	renew(2, start + 2500 * MS, 2);
	ck_assert_uint_eq(times_told(2, XPMD_RENEWED), 1);
	renew(3, start + 2500 * MS, 2);
	ck_assert_uint_eq(times_told(3, XPMD_RENEWED), 2);
	/* Others are served. */
	give(3, start + 2500 * MS, XPMD_EXCLUSIVE, 30, 5);

	xpmd_home_tick(home, start + LEASE + SKEW - 1);
	ck_assert_uint_eq(did.evictions, 0);
	xpmd_home_tick(home, start + LEASE + SKEW);
	ck_assert_uint_eq(did.evictions, 1);
	ck_assert_uint_eq(did.evicted_pages, 1);
	ck_assert_uint_eq(did.recalled, 9);
	ck_assert_uint_eq(did.losts, 1);
	ck_assert_uint_eq(told(2, XPMD_FENCED)->epoch, 2);
	/* What it says as the one that it was is not heard. */
	answer_take(2, start + LEASE + SKEW + 1, 9);
	ck_assert_uint_eq(times_told(2, XPMD_FENCED), 2);
	ck_assert_uint_eq(did.stores, 0);
	ck_assert_uint_eq(did.evictions, 1);
	xpmd_home_free(home);
}
END_TEST

START_TEST(home_defers_renewals)
{
	open_home(8, 0, 0, XPMD_LOST_SIGBUS);
	join(2, 1);
	give(2, 2, XPMD_SHARED, 10, 5);
	xpmd_home_owner_fault(home, 10, SEG, 10, true);
	renew(2, 20, 1);
	ck_assert_ptr_null(told(2, XPMD_RENEWED));
	/* A later TAKE is none of its business. */
	give(2, 25, XPMD_SHARED, 11, 5);
	xpmd_home_owner_fault(home, 30, SEG, 11, true);
	did.msg[did.sent - 1].first = 10;	/* answer the first of the two */
	did.msg[did.sent - 1].id--;
	answer_take(2, 40, 0);
	ck_assert_uint_eq(told(2, XPMD_RENEWED)->id, 1);
	xpmd_home_free(home);
}
END_TEST

START_TEST(home_last_copy)
{
	open_home(8, 0, 0, XPMD_LOST_LAST_COPY);
	join(2, 1);
	give(2, 2, XPMD_EXCLUSIVE, 10, 5);
	say(2, 3, (struct xpmd_msg){ .type = XPMD_INSTALLED, .first = 10, .count = 1,
				     .gen = told(2, XPMD_GRANT)->gen });
	xpmd_home_disconnect(home, 2);
	xpmd_home_owner_fault(home, 10, SEG, 10, false);
	xpmd_home_tick(home, 10 + LEASE + SKEW);
	ck_assert_uint_eq(did.evictions, 1);
	ck_assert_uint_eq(did.stored, 5);
	ck_assert_uint_eq(did.losts, 0);
	xpmd_home_free(home);
}
END_TEST

START_TEST(home_given_back)
{
	struct xpmd_msg msg = { .type = XPMD_GIVE, .id = 5, .first = 10, .count = 1, .mask = { 1 },
				.data = pages };

	open_home(8, 0, 0, XPMD_LOST_SIGBUS);
	join(2, 1);
	give(2, 2, XPMD_EXCLUSIVE, 10, 5);
	msg.gen = told(2, XPMD_GRANT)->gen;
	memset(pages, 6, sizeof(pages));
	say(2, 3, msg);
	ck_assert_uint_eq(did.stored, 6);
	ck_assert_uint_eq(told(2, XPMD_GIVEN)->id, 5);
	xpmd_home_stored(home, 4, did.store, 0);
	/* The same again, late, when it has the page anew: not taken for that. */
	give(2, 5, XPMD_EXCLUSIVE, 10, 7);
	say(2, 6, msg);
	ck_assert_uint_eq(did.stores, 1);
	ck_assert_uint_eq(times_told(2, XPMD_GIVEN), 2);
	ck_assert_int_eq(xpmd_home_page(home, SEG, 10, NULL, NULL), XPMD_EXCLUSIVE);
	xpmd_home_free(home);
}
END_TEST

START_TEST(home_freezes)
{
	open_home(8, 0, 0, XPMD_LOST_SIGBUS);
	join(2, 1);
	give(2, 2, XPMD_EXCLUSIVE, 10, 5);
	xpmd_home_freeze(home, 3, 50, SEG);
	answer_take(2, 4, 6);
	ck_assert_uint_eq(did.recalls, 0);	/* waits for the store */
	xpmd_home_stored(home, 5, did.store, 0);
	ck_assert_uint_eq(did.recalled, 50);
	ask(2, 6, XPMD_WRITE, 9, 10, 1);
	ck_assert_uint_eq(did.fetches, 1);
	xpmd_home_thaw(home, 7, SEG);
	ck_assert_uint_eq(did.fetches, 2);
	xpmd_home_free(home);
}
END_TEST

START_TEST(home_removes)
{
	open_home(8, 0, 0, XPMD_LOST_SIGBUS);
	join(2, 1);
	join(3, 1);
	give(2, 2, XPMD_EXCLUSIVE, 10, 5);
	ask(3, 3, XPMD_WRITE, 9, 10, 1);
	xpmd_home_remove_segment(home, 4, SEG, 60);
	ask(3, 5, XPMD_READ, 10, 20, 1);
	ck_assert_uint_eq(told(3, XPMD_DENY)->error, ENOENT);
	answer_take(2, 6, 6);
	ck_assert_uint_eq(did.recalled, 60);
	ck_assert_uint_eq(did.stores, 0);
	ck_assert_uint_eq(times_told(3, XPMD_DENY), 2);
	ck_assert_int_eq(told(2, XPMD_GONE)->segid, SEG);
	ck_assert_int_eq(xpmd_home_add_segment(home, SEG, 5, XPMD_LOST_SIGBUS), 0);
	xpmd_home_free(home);
}
END_TEST

START_TEST(home_grace)
{
	open_home(8, 0, 1000, XPMD_LOST_SIGBUS);
	xpmd_home_found(home, SEG, 10, 1, XPMD_EXCLUSIVE);
	xpmd_home_found(home, SEG, 11, 1, XPMD_EXCLUSIVE);
	xpmd_home_found(home, SEG, 12, 3, XPMD_SHARED);
	join(2, 1);
	join(3, 1);
	ask(2, 2, XPMD_READ, 1, 50, 1);
	ck_assert_uint_eq(did.fetches, 0);
	recall(3, 70, 50, 1, true);
	ck_assert_uint_eq(did.recalled, 70);	/* nobody had that */
	recall(3, 71, 13, 1, true);
	recall(3, 72, 10, 1, true);
	/* Who can't know, and who had it SHARED, has it not. */
	say(3, 4, (struct xpmd_msg){ .type = XPMD_RECLAIM, .state = XPMD_EXCLUSIVE, .first = 10,
				     .count = 1 });
	ck_assert_uint_eq(told(3, XPMD_RECLAIMED)->error, ESTALE);
	say(3, 4, (struct xpmd_msg){ .type = XPMD_RECLAIM, .state = XPMD_SHARED, .first = 12,
				     .count = 1, .gen = 4 });
	ck_assert_uint_eq(told(3, XPMD_RECLAIMED)->error, ESTALE);
	say(2, 5, (struct xpmd_msg){ .type = XPMD_RECLAIM, .state = XPMD_EXCLUSIVE, .first = 10,
				     .count = 1, .gen = 30 });
	ck_assert_uint_eq(told(2, XPMD_RECLAIMED)->error, 0);
	ck_assert_uint_eq(told(2, XPMD_RECLAIMED)->gen, 30);
	/* So the recall has whom to ask. */
	ck_assert_uint_eq(told(2, XPMD_TAKE)->gen, 31);
	answer_take(2, 6, 8);
	ck_assert_uint_eq(did.recalled, 72);
	ck_assert_uint_eq(did.stored, 8);
	ck_assert_uint_eq(xpmd_home_tick(home, 999), 1000);
	ck_assert_uint_eq(did.recalls, 2);
	xpmd_home_tick(home, 1000);
	ck_assert_uint_eq(did.recalled, 71);
	ck_assert_uint_eq(did.fetches, 1);
	ck_assert_uint_eq(did.releases, 2);
	/* Page 11 nobody claimed. */
	xpmd_home_owner_fault(home, 1001, SEG, 11, false);
	ck_assert_uint_eq(did.losts, 1);
	xpmd_home_free(home);
}
END_TEST

START_TEST(home_peer_restarts)
{
	open_home(8, 0, 0, XPMD_LOST_SIGBUS);
	join(2, 1);
	give(2, 2, XPMD_EXCLUSIVE, 10, 5);
	give(2, 2, XPMD_SHARED, 11, 5);
	ck_assert_uint_eq(xpmd_home_connect(home, 3, 2, 5555), 1);
	/* What the old daemon says is not heard, not even to be fenced. */
	ask(2, 4, XPMD_READ, 9, 50, 1);
	ck_assert_uint_eq(did.fetches, 2);
	for (uint64_t page = 10; page < 13; page++) {
		struct xpmd_msg msg = {
			.type = XPMD_RECLAIM,
			.state = page == 10 ? XPMD_EXCLUSIVE : XPMD_SHARED,
			.incarnation = 5555,
			.epoch = 1,
			.segid = SEG,
			.first = page,
			.count = 1,
		};

		xpmd_home_message(home, 5, 2, &msg);
		ck_assert_uint_eq(told(2, XPMD_RECLAIMED)->first, page);
		ck_assert_uint_eq(told(2, XPMD_RECLAIMED)->error, page == 12 ? ESTALE : 0);
	}
	xpmd_home_free(home);
}
END_TEST

START_TEST(home_many_peers)
{
	open_home(200, 0, 0, XPMD_LOST_SIGBUS);
	for (uint32_t peer = 1; peer <= 200; peer++) {
		join(peer, 1);
		give(peer, 2, XPMD_SHARED, 10, 5);
	}
	did.sent = 0;
	allocations = 0;
	recall(3, 80, 10, 1, false);
	ck_assert_uint_eq(did.sent, 200);
	for (uint32_t peer = 1; peer <= 200; peer++)
		answer_take(peer, 4, 0);
	ck_assert_uint_eq(did.recalled, 80);
	ck_assert_uint_eq(allocations, 0);
	xpmd_home_free(home);
}
END_TEST

/* -------------------------------------------------------------------- replica */

static struct {
	uint64_t install_first;
	uint32_t install_count, installs;
	enum xpmd_state install_state;
	int install_error;
	uint64_t fault, failed;
	uint32_t error, fails, takes, forgets;
	uint64_t lease;
	uint32_t leases;
	enum xpmd_state state[64];
	uint8_t value[64];
} mod;

static struct xpmd_replica *replica;

static int rep_install(void *ctx, uint64_t fault, int64_t segid, uint64_t first, uint32_t count,
		       enum xpmd_state state, const void *data)
{
	(void)ctx;
	(void)segid;
	if (mod.install_error)
		return mod.install_error;
	mod.installs++;
	mod.fault = fault;
	mod.install_first = first;
	mod.install_count = count;
	mod.install_state = state;
	for (uint32_t i = 0; i < count; i++) {
		if (data)
			mod.value[first + i] = ((const uint8_t *)data)[(size_t)i * XPMD_PAGE];
		mod.state[first + i] = state;
	}
	return (int)count;
}

static int rep_take(void *ctx, int64_t segid, uint64_t first, uint32_t count,
		    enum xpmd_state state, uint64_t *exclusive, uint64_t *present, void *data)
{
	(void)ctx;
	(void)segid;
	mod.takes++;
	for (uint32_t i = 0; i < count; i++) {
		if (mod.state[first + i] == XPMD_NONE)
			continue;
		present[i / 64] |= 1ull << i % 64;
		if (mod.state[first + i] == XPMD_EXCLUSIVE) {
			exclusive[i / 64] |= 1ull << i % 64;
			memset((uint8_t *)data + (size_t)i * XPMD_PAGE, mod.value[first + i],
			       XPMD_PAGE);
			mod.state[first + i] = state;
		}
		if (state == XPMD_NONE)
			mod.state[first + i] = XPMD_NONE;
	}
	return 0;
}

static void rep_fail(void *ctx, uint64_t fault, uint32_t error)
{
	(void)ctx;
	mod.failed = fault;
	mod.error = error;
	mod.fails++;
}

static void rep_lease(void *ctx, uint32_t number, uint64_t until)
{
	(void)ctx;
	(void)number;
	mod.lease = until;
	mod.leases++;
}

static void rep_forget(void *ctx, int64_t segid)
{
	(void)ctx;
	(void)segid;
	mod.forgets++;
}

static const struct xpmd_replica_ops rep_ops = {
	.send = home_send,
	.install = rep_install,
	.take = rep_take,
	.fail = rep_fail,
	.lease = rep_lease,
	.forget = rep_forget,
};

static void hear(uint64_t now, struct xpmd_msg msg)
{
	msg.incarnation = 500;
	if (!msg.epoch)
		msg.epoch = 3;
	if (!msg.segid)
		msg.segid = SEG;
	xpmd_replica_message(replica, now, 1, &msg);
}

/* A replica side with a lease of @now + LEASE */
static void open_replica(uint64_t hold, uint64_t now)
{
	struct xpmd_replica_config config = { .incarnation = 42, .lease_ns = LEASE, .hold_ns = hold };

	memset(&did, 0, sizeof(did));
	memset(&mod, 0, sizeof(mod));
	replica = xpmd_replica_new(&config, &rep_ops, NULL);
	ck_assert_int_eq(xpmd_replica_add_segment(replica, 1, SEG, 64), 0);
	ck_assert_int_eq(xpmd_replica_add_segment(replica, 1, SEG, 64), -EEXIST);
	xpmd_replica_connect(replica, now, 1, 500, 3, LEASE);
	hear(now, (struct xpmd_msg){ .type = XPMD_RENEWED, .id = told(1, XPMD_RENEW)->id });
	ck_assert_uint_eq(mod.lease, now + LEASE);
}

static void grant(uint64_t now, uint64_t id, enum xpmd_state state, uint64_t first, uint32_t count,
		  uint32_t gen, uint8_t value)
{
	struct xpmd_msg msg = { .type = XPMD_GRANT, .id = id, .state = state, .first = first,
				.count = count, .gen = gen };

	memset(pages, value, sizeof(pages));
	for (uint32_t i = 0; value && i < count; i++)
		msg.mask[i / 64] |= 1ull << i % 64;
	msg.data = value ? pages : NULL;
	hear(now, msg);
}

static void take(uint64_t now, uint64_t id, enum xpmd_state state, uint64_t first, uint32_t count,
		 uint32_t gen)
{
	hear(now, (struct xpmd_msg){ .type = XPMD_TAKE, .id = id, .state = state, .first = first,
				     .count = count, .gen = gen });
}

START_TEST(replica_lease)
{
	uint64_t now = 1000 * MS, id;

	open_replica(0, now);
	/* Renewed after a third; from its sending, however late the answer. */
	ck_assert_uint_eq(xpmd_replica_tick(replica, now + LEASE / 3 - 1), now + LEASE / 3);
	xpmd_replica_tick(replica, now + LEASE / 3);
	id = told(1, XPMD_RENEW)->id;
	xpmd_replica_tick(replica, now + LEASE / 3 + 50 * MS);
	ck_assert_uint_eq(times_told(1, XPMD_RENEW), 3);
	ck_assert_uint_ne(told(1, XPMD_RENEW)->id, id);
	hear(now + LEASE / 3 + 700 * MS, (struct xpmd_msg){ .type = XPMD_RENEWED, .id = id });
	ck_assert_uint_eq(mod.lease, now + LEASE / 3 + LEASE);
	/* An answer to nothing, or to that again, or of another life of the home */
	hear(now + LEASE, (struct xpmd_msg){ .type = XPMD_RENEWED, .id = id });
	hear(now + LEASE, (struct xpmd_msg){ .type = XPMD_RENEWED, .id = 12345 });
	ck_assert_uint_eq(mod.leases, 2);
	xpmd_replica_free(replica);
}
END_TEST

START_TEST(replica_faults)
{
	uint64_t id;

	open_replica(0, 1000);
	xpmd_replica_fault(replica, 2000, 7, SEG, 10, 4, false);
	ck_assert_uint_eq(told(1, XPMD_READ)->count, 4);
	id = told(1, XPMD_READ)->id;
	xpmd_replica_fault(replica, 2000, 8, SEG, 10, 4, false);
	ck_assert_uint_eq(times_told(1, XPMD_READ), 1);	/* one for both */
	/* Repeated as it is */
	xpmd_replica_tick(replica, 2000 + 50 * MS);
	ck_assert_uint_eq(times_told(1, XPMD_READ), 2);
	ck_assert_uint_eq(told(1, XPMD_READ)->id, id);
	grant(2001 + 50 * MS, id + 1000, XPMD_SHARED, 10, 1, 5, 9);
	ck_assert_uint_eq(mod.installs, 0);	/* of no request of ours */
	grant(2002 + 50 * MS, id, XPMD_SHARED, 10, 1, 5, 9);
	ck_assert_uint_eq(mod.installs, 1);
	ck_assert(mod.fault == 7 || mod.fault == 8);
	ck_assert(mod.failed == 15 - mod.fault && !mod.error);
	grant(2003 + 50 * MS, id, XPMD_SHARED, 11, 3, 5, 9);
	ck_assert_uint_eq(mod.install_count, 3);
	ck_assert_uint_eq(mod.fault, 0);
	grant(2004 + 50 * MS, id, XPMD_SHARED, 11, 3, 5, 8);	/* doubled */
	ck_assert_uint_eq(mod.value[11], 9);
	/* To write, without data: it is here. */
	xpmd_replica_fault(replica, 2005 + 50 * MS, 9, SEG, 10, 1, true);
	ck_assert_uint_eq(told(1, XPMD_WRITE)->state, XPMD_SHARED);
	grant(2006 + 50 * MS, told(1, XPMD_WRITE)->id, XPMD_EXCLUSIVE, 10, 1, 5, 0);
	ck_assert_uint_eq(mod.state[10], XPMD_EXCLUSIVE);
	ck_assert_uint_eq(told(1, XPMD_INSTALLED)->gen, 5);
	/* What can't be */
	xpmd_replica_fault(replica, 3000, 20, SEG, 64, 1, true);
	ck_assert_uint_eq(mod.error, EINVAL);
	xpmd_replica_fault(replica, 3000, 21, 99, 0, 1, true);
	ck_assert_uint_eq(mod.error, ENOENT);
	xpmd_replica_fault(replica, 3000, 22, SEG, 20, 1, true);
	hear(3001, (struct xpmd_msg){ .type = XPMD_DENY, .id = told(1, XPMD_WRITE)->id,
				      .error = EACCES });
	ck_assert_uint_eq(mod.error, EACCES);
	ck_assert_uint_eq(mod.failed, 22);
	xpmd_replica_free(replica);
}
END_TEST

START_TEST(replica_overtaken)
{
	uint64_t id;

	open_replica(0, 1000);
	xpmd_replica_fault(replica, 2000, 7, SEG, 10, 1, false);
	id = told(1, XPMD_READ)->id;
	take(2001, 900, XPMD_NONE, 8, 4, 6);
	ck_assert_uint_eq(told(1, XPMD_TAKEN)->id, 900);
	ck_assert_ptr_null(told(1, XPMD_TAKEN)->data);
	grant(2002, id, XPMD_SHARED, 10, 1, 5, 9);
	ck_assert_uint_eq(mod.installs, 0);
	ck_assert_uint_ne(told(1, XPMD_READ)->id, id);	/* asked again, anew */
	grant(2003, told(1, XPMD_READ)->id, XPMD_SHARED, 10, 1, 6, 9);
	ck_assert_uint_eq(mod.installs, 1);
	/* The TAKE again, late: what it took is long gone. */
	take(2004, 900, XPMD_NONE, 8, 4, 6);
	ck_assert_uint_eq(mod.takes, 0);
	ck_assert_uint_eq(mod.state[10], XPMD_SHARED);
	xpmd_replica_free(replica);
}
END_TEST

START_TEST(replica_keeps_what_was_taken)
{
	open_replica(0, 1000);
	xpmd_replica_fault(replica, 2000, 7, SEG, 10, 1, true);
	grant(2001, told(1, XPMD_WRITE)->id, XPMD_EXCLUSIVE, 10, 1, 5, 9);
	mod.value[10] = 77;
	take(2002, 900, XPMD_NONE, 10, 1, 6);
	ck_assert_uint_eq(mod.takes, 1);
	ck_assert_uint_eq(did.data[did.sent - 1], 77);
	ck_assert_uint_eq(told(1, XPMD_TAKEN)->gen, 5);
	mod.value[10] = 1;
	/* It was lost: the same again, for the same TAKE, and by itself. */
	take(2003, 900, XPMD_NONE, 10, 1, 6);
	ck_assert_uint_eq(mod.takes, 1);
	ck_assert_uint_eq(times_told(1, XPMD_TAKEN), 2);
	ck_assert_uint_eq(did.data[did.sent - 1], 77);
	xpmd_replica_tick(replica, 2002 + 50 * MS);
	ck_assert_uint_eq(times_told(1, XPMD_TAKEN), 3);
	ck_assert_uint_eq(did.data[did.sent - 1], 77);
	hear(2004 + 50 * MS, (struct xpmd_msg){ .type = XPMD_GIVEN, .id = 900 });
	xpmd_replica_tick(replica, 900 * MS);
	ck_assert_uint_eq(times_told(1, XPMD_TAKEN), 3);
	xpmd_replica_free(replica);
}
END_TEST

START_TEST(replica_gives)
{
	uint64_t id;

	open_replica(0, 1000);
	xpmd_replica_fault(replica, 2000, 7, SEG, 10, 1, true);
	grant(2001, told(1, XPMD_WRITE)->id, XPMD_EXCLUSIVE, 10, 1, 5, 9);
	xpmd_replica_fault(replica, 2000, 7, SEG, 11, 1, false);
	grant(2001, told(1, XPMD_READ)->id, XPMD_SHARED, 11, 1, 5, 9);
	mod.value[10] = 77;
	xpmd_replica_drop(replica, 2002, SEG, 0, 64);
	ck_assert_uint_eq(mod.state[10], XPMD_NONE);
	ck_assert_uint_eq(mod.state[11], XPMD_NONE);
	ck_assert_uint_eq(times_told(1, XPMD_GIVE), 1);	/* SHARED pages just go */
	id = told(1, XPMD_GIVE)->id;
	ck_assert_uint_eq(told(1, XPMD_GIVE)->gen, 5);
	/* Until it has arrived the page is not asked for: it could overtake it. */
	xpmd_replica_fault(replica, 2003, 8, SEG, 10, 1, true);
	ck_assert_uint_eq(times_told(1, XPMD_WRITE), 1);
	/* And it goes with TAKEN, too. */
	take(2004, 900, XPMD_NONE, 10, 1, 6);
	ck_assert_uint_eq(did.data[did.sent - 1], 77);
	ck_assert_uint_eq(told(1, XPMD_TAKEN)->gen, 5);
	xpmd_replica_tick(replica, 2002 + 50 * MS);
	ck_assert_uint_eq(times_told(1, XPMD_GIVE), 2);
	hear(2005 + 50 * MS, (struct xpmd_msg){ .type = XPMD_GIVEN, .id = id });
	ck_assert_uint_eq(times_told(1, XPMD_WRITE), 2);
	xpmd_replica_free(replica);
}
END_TEST

START_TEST(replica_holds)
{
	open_replica(2 * MS, 1000);
	xpmd_replica_fault(replica, 10 * MS, 7, SEG, 10, 1, true);
	grant(10 * MS, told(1, XPMD_WRITE)->id, XPMD_EXCLUSIVE, 10, 1, 5, 9);
	take(11 * MS, 900, XPMD_NONE, 10, 1, 6);
	take(11 * MS, 900, XPMD_NONE, 10, 1, 6);
	ck_assert_ptr_null(told(1, XPMD_TAKEN));
	ck_assert_uint_le(xpmd_replica_tick(replica, 11 * MS), 12 * MS + 2048);
	xpmd_replica_tick(replica, 12 * MS + 2048);
	ck_assert_uint_eq(times_told(1, XPMD_TAKEN), 1);
	xpmd_replica_free(replica);
}
END_TEST

START_TEST(replica_fenced)
{
	open_replica(0, 1000);
	xpmd_replica_fault(replica, 2000, 7, SEG, 10, 1, true);
	grant(2001, told(1, XPMD_WRITE)->id, XPMD_EXCLUSIVE, 10, 1, 5, 9);
	xpmd_replica_drop(replica, 2002, SEG, 10, 1);
	xpmd_replica_fault(replica, 2003, 8, SEG, 11, 1, false);
	grant(2004, told(1, XPMD_READ)->id, XPMD_SHARED, 11, 1, 5, 9);
	hear(2005, (struct xpmd_msg){ .type = XPMD_FENCED, .epoch = 4 });
	ck_assert_uint_eq(mod.lease, 0);
	ck_assert_uint_eq(mod.state[11], XPMD_NONE);
	ck_assert_uint_eq(told(1, XPMD_RENEW)->epoch, 4);
	xpmd_replica_tick(replica, 2002 + 50 * MS);
	ck_assert_uint_eq(times_told(1, XPMD_GIVE), 1);	/* nobody wants it now */
	hear(2006 + 50 * MS, (struct xpmd_msg){ .type = XPMD_FENCED, .epoch = 4 });
	ck_assert_uint_eq(mod.leases, 2);
	/* What was sent before */
	hear(2007 + 50 * MS, (struct xpmd_msg){ .type = XPMD_RENEWED, .epoch = 3,
						.id = told(1, XPMD_RENEW)->id });
	ck_assert_uint_eq(mod.leases, 2);
	xpmd_replica_free(replica);
}
END_TEST

START_TEST(replica_home_restarts)
{
	struct xpmd_msg *claim;

	open_replica(0, 1000);
	xpmd_replica_fault(replica, 2000, 7, SEG, 10, 1, true);
	grant(2001, told(1, XPMD_WRITE)->id, XPMD_EXCLUSIVE, 10, 1, 5, 9);
	xpmd_replica_fault(replica, 2000, 7, SEG, 11, 1, false);
	grant(2001, told(1, XPMD_READ)->id, XPMD_SHARED, 11, 1, 5, 9);
	xpmd_replica_disconnect(replica, 3000, 1);
	xpmd_replica_connect(replica, 4000, 1, 501, 1, LEASE);
	ck_assert_uint_eq(mod.state[10], XPMD_EXCLUSIVE);
	ck_assert_uint_eq(mod.state[11], XPMD_NONE);
	xpmd_replica_tick(replica, 4000);
	claim = told(1, XPMD_RECLAIM);
	ck_assert_uint_eq(claim->first, 10);
	ck_assert_uint_eq(claim->gen, 5);
	/* No longer lease before it is known whose it is */
	xpmd_replica_message(replica, 4001, 1,
			     &(struct xpmd_msg){ .type = XPMD_RENEWED, .incarnation = 501,
						 .epoch = 1, .id = told(1, XPMD_RENEW)->id });
	ck_assert_uint_eq(mod.lease, 1000 + LEASE);
	xpmd_replica_message(replica, 4002, 1,
			     &(struct xpmd_msg){ .type = XPMD_RECLAIMED, .incarnation = 501,
						 .epoch = 1, .segid = SEG, .first = 10, .count = 1,
						 .state = XPMD_EXCLUSIVE, .gen = 6 });
	ck_assert_uint_eq(mod.lease, 4000 + LEASE);
	/* Again, when the lease is over: nothing is certain. */
	xpmd_replica_connect(replica, 5000 + LEASE, 1, 502, 1, LEASE);
	ck_assert_uint_eq(mod.state[10], XPMD_NONE);
	xpmd_replica_free(replica);
}
END_TEST

START_TEST(replica_found)
{
	struct xpmd_replica_config config = { .incarnation = 43, .lease_ns = LEASE };
	uint64_t renewal;

	memset(&did, 0, sizeof(did));
	memset(&mod, 0, sizeof(mod));
	replica = xpmd_replica_new(&config, &rep_ops, NULL);
	xpmd_replica_add_segment(replica, 1, SEG, 64);
	mod.state[10] = mod.state[12] = XPMD_EXCLUSIVE;
	mod.state[11] = XPMD_SHARED;
	xpmd_replica_found(replica, SEG, 10, 1, XPMD_EXCLUSIVE);
	xpmd_replica_found(replica, SEG, 11, 1, XPMD_SHARED);
	xpmd_replica_found(replica, SEG, 12, 1, XPMD_EXCLUSIVE);
	xpmd_replica_connect(replica, 1000, 1, 500, 0, LEASE);
	renewal = told(1, XPMD_RENEW)->id;
	ck_assert_uint_eq(told(1, XPMD_RENEW)->epoch, 0);
	hear(1001, (struct xpmd_msg){ .type = XPMD_RENEWED, .id = renewal });
	ck_assert_uint_eq(mod.leases, 0);
	xpmd_replica_tick(replica, 1001 + 60 * MS);
	ck_assert_uint_eq(told(1, XPMD_RECLAIM)->epoch, 3);
	/* Taken before the answer: whatever it is. */
	take(2000 + 60 * MS, 900, XPMD_NONE, 12, 1, 9);
	ck_assert_uint_eq(told(1, XPMD_TAKEN)->mask[0], 1);
	hear(2001 + 60 * MS, (struct xpmd_msg){ .type = XPMD_RECLAIMED, .first = 10, .count = 1,
						.state = XPMD_EXCLUSIVE, .gen = 8 });
	ck_assert_uint_eq(mod.leases, 0);
	hear(2001 + 60 * MS, (struct xpmd_msg){ .type = XPMD_RECLAIMED, .first = 11, .count = 1,
						.state = XPMD_SHARED, .error = ESTALE });
	ck_assert_uint_eq(mod.state[11], XPMD_NONE);
	ck_assert_uint_eq(mod.lease, 1000 + LEASE);
	xpmd_replica_drop(replica, 3000 + 60 * MS, SEG, 10, 1);
	ck_assert_uint_eq(told(1, XPMD_GIVE)->gen, 8);
	xpmd_replica_free(replica);
}
END_TEST

START_TEST(replica_ends)
{
	open_replica(0, 1000);
	xpmd_replica_fault(replica, 2000, 7, SEG, 10, 1, true);
	grant(2001, told(1, XPMD_WRITE)->id, XPMD_EXCLUSIVE, 10, 1, 5, 9);
	xpmd_replica_fault(replica, 2002, 8, SEG, 11, 1, true);
	hear(2003, (struct xpmd_msg){ .type = XPMD_GONE });
	ck_assert_uint_eq(mod.forgets, 1);
	ck_assert_uint_eq(mod.failed, 8);
	ck_assert_uint_eq(mod.error, ENOENT);
	ck_assert_uint_eq(mod.state[10], XPMD_NONE);
	/* Nobody here has it any more: what was EXCLUSIVE goes home. */
	ck_assert_int_eq(xpmd_replica_add_segment(replica, 1, SEG, 64), 0);
	xpmd_replica_fault(replica, 3000, 9, SEG, 10, 1, true);
	grant(3001, told(1, XPMD_WRITE)->id, XPMD_EXCLUSIVE, 10, 1, 7, 9);
	xpmd_replica_remove_segment(replica, 3002, SEG);
	ck_assert_uint_eq(told(1, XPMD_GIVE)->first, 10);
	take(3003, 900, XPMD_NONE, 10, 1, 8);
	ck_assert_uint_eq(did.data[did.sent - 1], 9);	/* still there to be given */
	xpmd_replica_free(replica);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coherence");

	add_case(suite, "table", table);
	add_case(suite, "generations", generations);
	add_case(suite, "peer_sets", peer_sets);
	add_case(suite, "peer_sets_reserved", peer_sets_reserved);
	add_case(suite, "home_shares", home_shares);
	add_case(suite, "home_batches", home_batches);
	add_case(suite, "home_forwards", home_forwards);
	add_case(suite, "home_keeps_what_it_granted", home_keeps_what_it_granted);
	add_case(suite, "home_queues_in_order", home_queues_in_order);
	add_case(suite, "home_denies", home_denies);
	add_case(suite, "home_directory_is_limited", home_directory_is_limited);
	add_case(suite, "home_recalls", home_recalls);
	add_case(suite, "home_recall_during_fetch", home_recall_during_fetch);
	add_case(suite, "home_repeats_and_evicts", home_repeats_and_evicts);
	add_case(suite, "home_defers_renewals", home_defers_renewals);
	add_case(suite, "home_last_copy", home_last_copy);
	add_case(suite, "home_given_back", home_given_back);
	add_case(suite, "home_freezes", home_freezes);
	add_case(suite, "home_removes", home_removes);
	add_case(suite, "home_grace", home_grace);
	add_case(suite, "home_peer_restarts", home_peer_restarts);
	add_case(suite, "home_many_peers", home_many_peers);
	add_case(suite, "replica_lease", replica_lease);
	add_case(suite, "replica_faults", replica_faults);
	add_case(suite, "replica_overtaken", replica_overtaken);
	add_case(suite, "replica_keeps_what_was_taken", replica_keeps_what_was_taken);
	add_case(suite, "replica_gives", replica_gives);
	add_case(suite, "replica_holds", replica_holds);
	add_case(suite, "replica_fenced", replica_fenced);
	add_case(suite, "replica_home_restarts", replica_home_restarts);
	add_case(suite, "replica_found", replica_found);
	add_case(suite, "replica_ends", replica_ends);
	return run_suite(suite);
}
