// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The home's side of the protocol, against a script of messages, faults and recalls.
 * What happens when everything happens at once is the simulator's.
 */
#include "home.h"
#include "script.h"

#include <errno.h>

static uint8_t pages[XPMD_MAX_PAGES * XPMD_PAGE];
static struct xpmd_home *home;

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

static bool home_beat(void *ctx)
{
	(void)ctx;
	did.beats++;
	return !did.no_beat;
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
	.send = script_send,
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
		.spare_txns = 32,
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

START_TEST(home_renews_nothing_before_a_recall_is_known)
{
	uint64_t now = 1000 * MS;

	open_home(8, 0, 0, XPMD_LOST_SIGBUS);
	join(2, now);
	renew(2, now, 1);
	give(2, now, XPMD_EXCLUSIVE, 10, 5);
	did.no_beat = true;
	renew(2, now + 100 * MS, 2);
	ck_assert_uint_eq(times_told(2, XPMD_RENEWED), 1);
	did.no_beat = false;
	/* This is what there was to be told: it waits for what is taken, though it came before. */
	recall(now + 110 * MS, 9, 10, 1, true);
	xpmd_home_tick(home, now + 120 * MS);
	ck_assert_uint_eq(times_told(2, XPMD_RENEWED), 1);
	/* So that one who gives nothing is waited for no longer than a lease from then on. */
	xpmd_home_tick(home, now + 110 * MS + LEASE + SKEW);
	ck_assert_uint_eq(did.recalled, 9);
	ck_assert_uint_eq(times_told(2, XPMD_RENEWED), 1);

	/* Without one it is answered at the next turn. */
	now += 10 * LEASE;
	xpmd_home_free(home);
	open_home(8, 0, 0, XPMD_LOST_SIGBUS);
	join(3, now);
	did.no_beat = true;
	renew(3, now, 1);
	did.no_beat = false;
	xpmd_home_tick(home, now + 1 * MS);
	ck_assert_uint_eq(times_told(3, XPMD_RENEWED), 1);
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

/* A partition's daemon ends: it is told when nothing is on its way there. */
START_TEST(home_peer_leaves)
{
	open_home(8, 0, 0, XPMD_LOST_SIGBUS);
	join(2, 1);
	join(3, 1);
	give(2, 2, XPMD_EXCLUSIVE, 10, 5);
	give(2, 2, XPMD_EXCLUSIVE, 11, 6);
	say(2, 3, (struct xpmd_msg){ .type = XPMD_INSTALLED, .first = 11, .count = 1,
				     .gen = told(2, XPMD_GRANT)->gen });
	ask(2, 3, XPMD_WRITE, 300, 20, 1);	/* is being fetched */
	say(2, 4, (struct xpmd_msg){ .type = XPMD_LEAVE, .id = 77 });
	ck_assert_ptr_null(told(2, XPMD_LEFT));
	ck_assert_uint_eq(times_told(2, XPMD_TAKE), 1);
	ck_assert_uint_eq(told(2, XPMD_TAKE)->first, 10);
	xpmd_home_fetched(home, 5, did.fetch, 0, 1, pages);
	ck_assert_uint_eq(times_told(2, XPMD_GRANT), 2);
	ck_assert_uint_eq(did.store_first, 20);
	/* It never arrived: the copy is stored. */
	answer_take(2, 6, 0);
	ck_assert_uint_eq(did.stored, 5);
	ck_assert_uint_eq(did.losts, 0);
	say(2, 7, (struct xpmd_msg){ .type = XPMD_LEAVE, .id = 77 });
	ck_assert_uint_eq(told(2, XPMD_LEFT)->id, 77);
	/* Its pages are its own until they are given; others get what they ask for. */
	ck_assert_uint_eq(xpmd_home_page(home, SEG, 11, NULL, NULL), XPMD_EXCLUSIVE);
	ask(2, 8, XPMD_READ, 301, 30, 1);
	ck_assert_uint_eq(told(2, XPMD_DENY)->error, EAGAIN);
	give(3, 9, XPMD_EXCLUSIVE, 31, 1);
	/* The next one is there. */
	epoch_of[2] = xpmd_home_connect(home, 10, 2, 1002);
	give(2, 11, XPMD_EXCLUSIVE, 32, 1);
	xpmd_home_free(home);
}
END_TEST

/* This daemon ends. */
START_TEST(home_ends)
{
	open_home(8, 0, 0, XPMD_LOST_SIGBUS);
	join(2, 1);
	join(3, 1);
	join(4, 1);
	give(2, 2, XPMD_EXCLUSIVE, 10, 5);
	xpmd_home_disconnect(home, 4);
	ck_assert(!xpmd_home_has_ended(home));
	xpmd_home_end_all(home, 3);
	xpmd_home_tick(home, 3);
	ck_assert_uint_eq(told(2, XPMD_TAKE)->first, 10);
	ck_assert_uint_ne(told(2, XPMD_END)->id, 0);
	ck_assert_ptr_nonnull(told(3, XPMD_END));
	ask(3, 4, XPMD_WRITE, 300, 20, 1);
	ck_assert_uint_eq(did.fetches, 1);
	ck_assert_ptr_null(told(3, XPMD_DENY));
	say(2, 5, (struct xpmd_msg){ .type = XPMD_ENDED, .id = told(2, XPMD_END)->id });
	say(3, 5, (struct xpmd_msg){ .type = XPMD_ENDED, .id = told(3, XPMD_END)->id + 1 });
	ck_assert(!xpmd_home_has_ended(home));	/* an answer to something else */
	say(3, 6, (struct xpmd_msg){ .type = XPMD_ENDED, .id = told(3, XPMD_END)->id });
	ck_assert(!xpmd_home_has_ended(home));	/* a page is being taken */
	answer_take(2, 7, 9);
	ck_assert(xpmd_home_has_ended(home));
	ck_assert_uint_eq(did.stored, 9);
	/* A new session says nothing of what was on its way in the one before. */
	epoch_of[3] = xpmd_home_connect(home, 8, 3, 1003);
	ck_assert(!xpmd_home_has_ended(home));
	xpmd_home_free(home);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coherence_home");

	add_case(suite, "shares", home_shares);
	add_case(suite, "batches", home_batches);
	add_case(suite, "forwards", home_forwards);
	add_case(suite, "keeps_what_it_granted", home_keeps_what_it_granted);
	add_case(suite, "queues_in_order", home_queues_in_order);
	add_case(suite, "denies", home_denies);
	add_case(suite, "directory_is_limited", home_directory_is_limited);
	add_case(suite, "recalls", home_recalls);
	add_case(suite, "recall_during_fetch", home_recall_during_fetch);
	add_case(suite, "renews_nothing_before_a_recall_is_known",
		 home_renews_nothing_before_a_recall_is_known);
	add_case(suite, "repeats_and_evicts", home_repeats_and_evicts);
	add_case(suite, "defers_renewals", home_defers_renewals);
	add_case(suite, "last_copy", home_last_copy);
	add_case(suite, "given_back", home_given_back);
	add_case(suite, "freezes", home_freezes);
	add_case(suite, "removes", home_removes);
	add_case(suite, "grace", home_grace);
	add_case(suite, "peer_restarts", home_peer_restarts);
	add_case(suite, "many_peers", home_many_peers);
	add_case(suite, "peer_leaves", home_peer_leaves);
	add_case(suite, "ends", home_ends);
	return run_suite(suite);
}
