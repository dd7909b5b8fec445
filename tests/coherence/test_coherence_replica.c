// SPDX-License-Identifier: GPL-2.0-or-later
/* The replica's side of the protocol, against a script of messages and faults. */
#include "replica.h"
#include "script.h"

#include <errno.h>

static struct {
	uint64_t install_first;
	uint32_t install_count, installs;
	enum xpmd_state install_state;
	int install_error;
	uint64_t fault, failed;
	uint32_t error, fails, takes, forgets, fences;
	uint64_t lease;
	uint32_t leases;
	enum xpmd_state state[64];
	uint8_t value[64];
} mod;

static uint8_t pages[XPMD_MAX_PAGES * XPMD_PAGE];
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

static void rep_trace(void *ctx, int64_t segid, uint64_t page, const char *event, uint32_t home)
{
	(void)ctx;
	(void)segid;
	(void)page;
	(void)home;
	mod.fences += !strcmp(event, "fence");
}

static const struct xpmd_replica_ops rep_ops = {
	.send = script_send,
	.install = rep_install,
	.take = rep_take,
	.fail = rep_fail,
	.lease = rep_lease,
	.forget = rep_forget,
	.trace = rep_trace,
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
	struct xpmd_replica_config config = {
		.incarnation = 42,
		.lease_ns = LEASE,
		.hold_ns = hold,
	};

	memset(&did, 0, sizeof(did));
	memset(&mod, 0, sizeof(mod));
	replica = xpmd_replica_new(&config, &rep_ops, NULL);
	ck_assert_int_eq(xpmd_replica_add_segment(replica, 1, SEG, 64), 0);
	ck_assert_int_eq(xpmd_replica_add_segment(replica, 1, SEG, 64), -EEXIST);
	xpmd_replica_connect(replica, now, 1, 500, 3, LEASE);
	hear(now, (struct xpmd_msg){ .type = XPMD_RENEWED, .id = told(1, XPMD_RENEW)->id });
	ck_assert_uint_eq(mod.lease, now + LEASE);
}

static void grant_of(uint64_t now, uint64_t id, enum xpmd_state state, uint64_t first,
		     uint32_t count, uint32_t gen, uint8_t value, uint32_t more)
{
	struct xpmd_msg msg = { .type = XPMD_GRANT, .id = id, .state = state, .first = first,
				.count = count, .gen = gen, .more = more };

	memset(pages, value, sizeof(pages));
	for (uint32_t i = 0; value && i < count; i++)
		msg.mask[i / 64] |= 1ull << i % 64;
	msg.data = value ? pages : NULL;
	hear(now, msg);
}

static void grant(uint64_t now, uint64_t id, enum xpmd_state state, uint64_t first, uint32_t count,
		  uint32_t gen, uint8_t value)
{
	grant_of(now, id, state, first, count, gen, value, 0);
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
	grant_of(2002 + 50 * MS, id, XPMD_SHARED, 10, 1, 5, 9, 3);
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

/* Pages that are on their way are not asked for again. */
START_TEST(replica_waits_for_the_rest)
{
	uint64_t id;

	open_replica(0, 1000);
	xpmd_replica_fault(replica, 2000, 7, SEG, 10, 4, false);
	id = told(1, XPMD_READ)->id;
	grant_of(2001, id, XPMD_SHARED, 10, 1, 5, 9, 2);	/* one less than asked for */
	xpmd_replica_fault(replica, 2002, 8, SEG, 11, 4, false);
	xpmd_replica_fault(replica, 2002, 9, SEG, 12, 4, false);
	ck_assert_uint_eq(times_told(1, XPMD_READ), 1);
	xpmd_replica_fault(replica, 2002, 10, SEG, 13, 1, false);	/* not granted */
	xpmd_replica_fault(replica, 2002, 11, SEG, 11, 1, true);	/* not to be stored to */
	ck_assert_uint_eq(times_told(1, XPMD_READ), 2);
	ck_assert_uint_eq(times_told(1, XPMD_WRITE), 1);
	grant(2003, id, XPMD_SHARED, 11, 2, 5, 9);
	ck_assert_uint_eq(mod.install_count, 2);
	ck_assert_uint_eq(mod.fault, 8);	/* which brought memory for them */
	ck_assert(mod.failed == 9 && !mod.error && mod.fails == 1);
	xpmd_replica_free(replica);

	/* The rest is lost: who waits for it asks by itself. */
	open_replica(0, 1000);
	xpmd_replica_fault(replica, 2000, 7, SEG, 10, 4, false);
	grant_of(2001, told(1, XPMD_READ)->id, XPMD_SHARED, 10, 1, 5, 9, 3);
	xpmd_replica_fault(replica, 2002, 8, SEG, 11, 4, false);
	xpmd_replica_tick(replica, 2001 + 1000 * MS);
	ck_assert(mod.failed == 8 && !mod.error);
	xpmd_replica_fault(replica, 2003 + 1000 * MS, 8, SEG, 11, 4, false);
	ck_assert_uint_eq(times_told(1, XPMD_READ), 2);
	xpmd_replica_free(replica);

	/* The rest was taken back before it came. */
	open_replica(0, 1000);
	xpmd_replica_fault(replica, 2000, 7, SEG, 10, 4, false);
	id = told(1, XPMD_READ)->id;
	grant_of(2001, id, XPMD_SHARED, 10, 1, 5, 9, 3);
	xpmd_replica_fault(replica, 2002, 8, SEG, 11, 4, false);
	take(2003, 900, XPMD_NONE, 8, 8, 6);
	grant(2004, id, XPMD_SHARED, 11, 3, 5, 9);
	ck_assert_uint_eq(mod.installs, 1);
	ck_assert(mod.failed == 8 && !mod.error);
	xpmd_replica_free(replica);

	/* The rest comes first: nothing is waited for. */
	open_replica(0, 1000);
	xpmd_replica_fault(replica, 2000, 7, SEG, 10, 4, false);
	id = told(1, XPMD_READ)->id;
	grant(2001, id, XPMD_SHARED, 11, 2, 5, 9);
	grant_of(2002, id, XPMD_SHARED, 10, 1, 5, 9, 2);
	xpmd_replica_fault(replica, 2003, 8, SEG, 13, 1, false);
	ck_assert_uint_eq(times_told(1, XPMD_READ), 2);
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
	ck_assert_uint_eq(mod.fences, 0);
	/* Again, when the lease is over: nothing is certain, and who reads the trace is told. */
	xpmd_replica_connect(replica, 5000 + LEASE, 1, 502, 1, LEASE);
	ck_assert_uint_eq(mod.state[10], XPMD_NONE);
	ck_assert_uint_eq(mod.fences, 1);
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

/* This daemon ends: what it has goes home, as far as home is there. */
START_TEST(replica_leaves)
{
	open_replica(0, 1000);
	xpmd_replica_fault(replica, 2000, 7, SEG, 10, 1, true);
	grant(2001, told(1, XPMD_WRITE)->id, XPMD_EXCLUSIVE, 10, 1, 5, 9);
	xpmd_replica_fault(replica, 2000, 7, SEG, 11, 1, true);
	xpmd_replica_leave_all(replica, 2002);
	xpmd_replica_tick(replica, 2002);
	ck_assert_uint_eq(told(1, XPMD_GIVE)->first, 10);
	ck_assert_uint_ne(told(1, XPMD_LEAVE)->id, 0);
	hear(2003, (struct xpmd_msg){ .type = XPMD_GIVEN, .id = told(1, XPMD_GIVE)->id });
	ck_assert(!xpmd_replica_has_left(replica));
	/* What had been asked for comes, and goes at once. */
	grant(2004, told(1, XPMD_WRITE)->id, XPMD_EXCLUSIVE, 11, 1, 5, 8);
	xpmd_replica_tick(replica, 2004);
	ck_assert_uint_eq(told(1, XPMD_GIVE)->first, 11);
	hear(2005, (struct xpmd_msg){ .type = XPMD_LEFT, .id = told(1, XPMD_LEAVE)->id });
	ck_assert(!xpmd_replica_has_left(replica));
	hear(2006, (struct xpmd_msg){ .type = XPMD_GIVEN, .id = told(1, XPMD_GIVE)->id });
	ck_assert(xpmd_replica_has_left(replica));
	/* Nothing is asked for any more. */
	xpmd_replica_fault(replica, 2007, 8, SEG, 12, 1, true);
	xpmd_replica_tick(replica, 3000 * MS);
	ck_assert_uint_eq(times_told(1, XPMD_WRITE), 2);
	xpmd_replica_free(replica);

	/* No home: the module keeps it, for the next daemon. */
	open_replica(0, 1000);
	xpmd_replica_fault(replica, 2000, 7, SEG, 10, 1, true);
	grant(2001, told(1, XPMD_WRITE)->id, XPMD_EXCLUSIVE, 10, 1, 5, 9);
	xpmd_replica_disconnect(replica, 2002, 1);
	xpmd_replica_leave_all(replica, 2003);
	xpmd_replica_tick(replica, 2003);
	ck_assert(xpmd_replica_has_left(replica));
	ck_assert_uint_eq(mod.state[10], XPMD_EXCLUSIVE);
	xpmd_replica_free(replica);
}
END_TEST

/* The home's daemon ends: nothing is given to it that it does not take. */
START_TEST(replica_home_ends)
{
	uint64_t id;

	open_replica(0, 1000);
	for (uint64_t page = 10; page < 12; page++) {
		xpmd_replica_fault(replica, 2000, 7, SEG, page, 1, true);
		grant(2001, told(1, XPMD_WRITE)->id, XPMD_EXCLUSIVE, page, 1, 5, 9);
	}
	xpmd_replica_drop(replica, 2002, SEG, 10, 1);
	hear(2003, (struct xpmd_msg){ .type = XPMD_END, .id = 60 });
	ck_assert_ptr_null(told(1, XPMD_ENDED));	/* the page is on its way */
	hear(2004, (struct xpmd_msg){ .type = XPMD_GIVEN, .id = told(1, XPMD_GIVE)->id });
	hear(2005, (struct xpmd_msg){ .type = XPMD_END, .id = 60 });
	ck_assert_uint_eq(told(1, XPMD_ENDED)->id, 60);
	/* Nobody here has a permit any more: the page waits for the next daemon. */
	xpmd_replica_remove_segment(replica, 2006, SEG);
	ck_assert(xpmd_replica_has_segment(replica, SEG));
	ck_assert_uint_eq(times_told(1, XPMD_GIVE), 1);
	ck_assert_uint_eq(mod.state[11], XPMD_EXCLUSIVE);
	xpmd_replica_disconnect(replica, 2007, 1);
	xpmd_replica_connect(replica, 2008, 1, 501, 3, LEASE);
	xpmd_replica_tick(replica, 2008);
	ck_assert_uint_eq(told(1, XPMD_RECLAIM)->first, 11);
	id = told(1, XPMD_RECLAIM)->id;
	xpmd_replica_message(replica, 2009, 1,
			     &(struct xpmd_msg){ .type = XPMD_RECLAIMED, .incarnation = 501,
						 .epoch = 3, .segid = SEG, .id = id, .first = 11,
						 .count = 1, .state = XPMD_EXCLUSIVE, .gen = 8 });
	ck_assert_uint_eq(told(1, XPMD_GIVE)->first, 11);
	ck_assert_uint_eq(told(1, XPMD_GIVE)->gen, 8);
	ck_assert(!xpmd_replica_has_segment(replica, SEG));
	xpmd_replica_free(replica);
}
END_TEST

/* What an earlier daemon left is certainly ours while the module lets it be used. */
START_TEST(replica_lease_found)
{
	struct xpmd_replica_config config = { .incarnation = 42, .lease_ns = LEASE };

	for (int good = 0; good < 2; good++) {
		memset(&did, 0, sizeof(did));
		memset(&mod, 0, sizeof(mod));
		replica = xpmd_replica_new(&config, &rep_ops, NULL);
		xpmd_replica_add_segment(replica, 1, SEG, 64);
		mod.state[10] = XPMD_EXCLUSIVE;
		xpmd_replica_found(replica, SEG, 10, 1, XPMD_EXCLUSIVE);
		xpmd_replica_lease_found(replica, 1, good ? 1001 : 1000);
		xpmd_replica_connect(replica, 1000, 1, 500, 3, LEASE);
		xpmd_replica_tick(replica, 1000);
		ck_assert_uint_eq(told(1, XPMD_RECLAIM)->gen, good);
		xpmd_replica_free(replica);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coherence_replica");

	add_case(suite, "lease", replica_lease);
	add_case(suite, "faults", replica_faults);
	add_case(suite, "waits_for_the_rest", replica_waits_for_the_rest);
	add_case(suite, "overtaken", replica_overtaken);
	add_case(suite, "keeps_what_was_taken", replica_keeps_what_was_taken);
	add_case(suite, "gives", replica_gives);
	add_case(suite, "holds", replica_holds);
	add_case(suite, "fenced", replica_fenced);
	add_case(suite, "home_restarts", replica_home_restarts);
	add_case(suite, "found", replica_found);
	add_case(suite, "ends", replica_ends);
	add_case(suite, "leaves", replica_leaves);
	add_case(suite, "home_ends", replica_home_ends);
	add_case(suite, "lease_found", replica_lease_found);
	return run_suite(suite);
}
