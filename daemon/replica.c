// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The replica's side: what exists (segments, homes), leases, and what ends them.
 * Requests are in replica_request.c; what is taken, given back and reclaimed in
 * replica_take.c; the words in replica_internal.h.
 *
 * A lease lasts from the sending of the RENEW that was answered.  Nothing is asked for
 * without one, as it could not be used; and while it is not certain what of an earlier
 * daemon's pages is still ours (reclaims), the module is not told of a new lease, which
 * would make them usable.
 */
#include "replica_internal.h"
#include "mutant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct xpmd_replica *xpmd_replica_new(const struct xpmd_replica_config *config,
				      const struct xpmd_replica_ops *ops, void *ctx)
{
	struct xpmd_replica *replica = calloc(1, sizeof(*replica));

	if (!replica)
		return NULL;
	replica->config = *config;
	replica->ops = ops;
	replica->ctx = ctx;
	/* Ids of an earlier life are not met again. */
	replica->id = config->incarnation * 0x9e3779b97f4a7c15ull;
	replica->scratch = malloc((size_t)XPMD_MAX_PAGES * XPMD_PAGE);
	if (!replica->scratch) {
		free(replica);
		return NULL;
	}
	return replica;
}

static void free_segment(struct replica_segment *segment)
{
	for (struct replica_request *req = segment->requests, *next; req; req = next) {
		next = req->next;
		for (struct replica_fault *fault = req->faults, *rest; fault; fault = rest) {
			rest = fault->next;
			free(fault);
		}
		free(req);
	}
	xpmd_table_destroy(&segment->table);
	free(segment);
}

void xpmd_replica_free(struct xpmd_replica *replica)
{
	if (!replica)
		return;
	for (uint32_t i = 0; i < REPLICA_BUCKETS; i++)
		for (struct replica_segment *s = replica->segments[i], *next; s; s = next) {
			next = s->next;
			free_segment(s);
		}
	for (struct replica_home *home = replica->homes, *next; home; home = next) {
		next = home->next;
		xpmd_replica_drop_parcels(home);
		free(home);
	}
	free(replica->scratch);
	free(replica);
}

/* ------------------------------------------------------------- what exists */

static uint32_t bucket(int64_t segid)
{
	return (uint32_t)((uint64_t)segid * 0x9e3779b97f4a7c15ull >> 54) % REPLICA_BUCKETS;
}

struct replica_segment *xpmd_replica_segment(const struct xpmd_replica *replica, int64_t segid)
{
	struct replica_segment *segment = replica->segments[bucket(segid)];

	while (segment && segment->segid != segid)
		segment = segment->next;
	return segment;
}

struct replica_segment *xpmd_replica_each(const struct xpmd_replica *replica,
					  struct replica_segment *after)
{
	return after ? after->all_next : replica->all;
}

static struct replica_home *find_home(struct xpmd_replica *replica, uint32_t number, bool make)
{
	struct replica_home *home = replica->homes;

	while (home && home->number != number)
		home = home->next;
	if (home || !make)
		return home;
	home = calloc(1, sizeof(*home));
	if (!home)
		return NULL;
	home->number = number;
	home->lease_ns = replica->config.lease_ns;
	home->next = replica->homes;
	replica->homes = home;
	return home;
}

int xpmd_replica_add_segment(struct xpmd_replica *replica, uint32_t number, int64_t segid,
			     uint64_t pages)
{
	struct replica_home *home = find_home(replica, number, true);
	struct replica_segment *segment = xpmd_replica_segment(replica, segid);

	if (segment && segment->leaving) {
		segment->leaving = false;
		return 0;
	}
	if (segment)
		return -EEXIST;
	segment = home ? calloc(1, sizeof(*segment)) : NULL;
	if (!segment)
		return -ENOMEM;
	if (xpmd_table_init(&segment->table, pages)) {
		free(segment);
		return -ENOMEM;
	}
	segment->home = home;
	segment->segid = segid;
	segment->next = replica->segments[bucket(segid)];
	replica->segments[bucket(segid)] = segment;
	segment->all_next = replica->all;
	segment->all_at = &replica->all;
	if (replica->all)
		replica->all->all_at = &segment->all_next;
	replica->all = segment;
	return 0;
}

void xpmd_replica_end_segment(struct xpmd_replica *replica, struct replica_segment *segment)
{
	struct replica_segment **at = &replica->segments[bucket(segment->segid)];

	while (*at != segment)
		at = &(*at)->next;
	*at = segment->next;
	*segment->all_at = segment->all_next;
	if (segment->all_next)
		segment->all_next->all_at = segment->all_at;
	free_segment(segment);
}

void xpmd_replica_remove_segment(struct xpmd_replica *replica, uint64_t now, int64_t segid)
{
	struct replica_segment *segment = xpmd_replica_segment(replica, segid);

	if (!segment)
		return;
	replica->now = now;
	xpmd_replica_fail_all(replica, segment, ENOENT);
	xpmd_replica_give_back(replica, segment, 0, segment->table.pages);
	segment->leaving = true;
	if (xpmd_replica_is_empty(segment))
		xpmd_replica_end_segment(replica, segment);
}

bool xpmd_replica_has_segment(const struct xpmd_replica *replica, int64_t segid)
{
	return xpmd_replica_segment(replica, segid) != NULL;
}

bool xpmd_replica_is_empty(const struct replica_segment *segment)
{
	const struct xpmd_entry *entry;

	for (uint64_t page = 0; (entry = xpmd_table_next(&segment->table, &page, UINT64_MAX));
	     page++)
		if (entry->state != XPMD_NONE)
			return false;
	return true;
}

void xpmd_replica_found(struct xpmd_replica *replica, int64_t segid, uint64_t first, uint64_t count,
			enum xpmd_state state)
{
	struct replica_segment *segment = xpmd_replica_segment(replica, segid);

	if (!segment || state == XPMD_NONE)
		return;
	for (uint64_t page = first; page < first + count && page < segment->table.pages; page++) {
		struct xpmd_entry *entry = xpmd_table_get(&segment->table, page);

		if (!entry)
			abort();	/* it would be used without the home's knowing */
		entry->state = (uint8_t)state;
		entry->gen = 0;
		if (!(entry->flags & PAGE_RECLAIM)) {
			segment->reclaims++;
			segment->home->reclaims++;
		}
		entry->flags |= PAGE_RECLAIM;
	}
}

void xpmd_replica_lease_found(struct xpmd_replica *replica, uint32_t number, uint64_t until)
{
	struct replica_home *home = find_home(replica, number, false);

	if (home && !XPMD_MUTANT(NO_LEASE_FOUND))
		home->usable_until = until;
}

/* ------------------------------------------------------------------- leases */

void xpmd_replica_send(struct xpmd_replica *replica, struct replica_home *home,
		       struct xpmd_msg *msg)
{
	/* Without the epoch it would be heard as one who was evicted. */
	if (!home->connected || (!home->epoch && msg->type != XPMD_RENEW))
		return;
	msg->incarnation = replica->config.incarnation;
	msg->epoch = home->epoch;
	replica->ops->send(replica->ctx, home->number, msg);
}

void xpmd_replica_trace(struct xpmd_replica *replica, struct replica_home *home, int64_t segid,
			uint64_t page, const char *event)
{
	if (replica->ops->trace)
		replica->ops->trace(replica->ctx, segid, page, event, home->number);
}

static void renew(struct xpmd_replica *replica, struct replica_home *home)
{
	struct xpmd_msg msg = { .type = XPMD_RENEW, .id = ++replica->id };
	uint64_t again = xpmd_replica_again(replica->now, ++home->renew_tries);

	home->renewal[home->next_renewal].id = msg.id;
	home->renewal[home->next_renewal].sent = replica->now;
	home->next_renewal = (home->next_renewal + 1) % NR_RENEWALS;
	if (again > replica->now + home->lease_ns / 3)
		again = replica->now + home->lease_ns / 3;
	home->renew_due = again;
	xpmd_replica_send(replica, home, &msg);
}

static void send_waiting(struct xpmd_replica *replica, struct replica_home *home)
{
	home->blocked = false;
	for (struct replica_segment *s = xpmd_replica_each(replica, NULL); s;
	     s = xpmd_replica_each(replica, s))
		for (struct replica_request *req = s->home == home ? s->requests : NULL; req;
		     req = req->next)
			if (!req->sent && !req->served)
				xpmd_replica_ask(replica, req);
}

/* Nothing is uncertain any more: what the lease is good for can be used. */
void xpmd_replica_reclaimed_all(struct xpmd_replica *replica, struct replica_home *home)
{
	if (home->lease_until > replica->now) {
		home->usable_until = home->lease_until;
		replica->ops->lease(replica->ctx, home->number, home->lease_until);
	}
	send_waiting(replica, home);
}

static void renewed(struct xpmd_replica *replica, struct replica_home *home,
		    const struct xpmd_msg *msg)
{
	for (uint32_t i = 0; i < NR_RENEWALS && msg->id; i++) {
		uint64_t sent = home->renewal[i].sent;

		if (home->renewal[i].id != msg->id)
			continue;
		home->renewal[i].id = 0;
		home->renew_tries = 0;
		home->renew_due = sent + home->lease_ns / 3;
		if (XPMD_MUTANT(LEASE_FROM_RECEIPT))
			sent = replica->now;
		if (sent + home->lease_ns <= home->lease_until)
			return;
		home->lease_until = sent + home->lease_ns;
		xpmd_replica_trace(replica, home, 0, 0, "renew");
		if (!home->reclaims)
			xpmd_replica_reclaimed_all(replica, home);
		return;
	}
}

static void forget_leases(struct replica_home *home)
{
	memset(home->renewal, 0, sizeof(home->renewal));
	home->lease_until = 0;
	home->renew_tries = 0;
	home->renew_due = 0;
}

/* Requests begin anew: who answered them does not exist any more. */
static void ask_anew(struct xpmd_replica *replica, struct replica_home *home)
{
	for (struct replica_segment *s = xpmd_replica_each(replica, NULL); s;
	     s = xpmd_replica_each(replica, s))
		for (struct replica_request *req = s->home == home ? s->requests : NULL; req;
		     req = req->next) {
			memset(req->floor, 0, req->count * sizeof(*req->floor));
			req->id = ++replica->id;
			req->sent = false;
		}
}

/* The home has gone on without us: nothing of what it gave is ours any more. */
static void fence(struct xpmd_replica *replica, struct replica_home *home, uint32_t epoch)
{
	replica->counts.fenced++;
	xpmd_replica_trace(replica, home, 0, 0, "fence");
	home->usable_until = 0;
	replica->ops->lease(replica->ctx, home->number, 0);
	for (struct replica_segment *s = xpmd_replica_each(replica, NULL), *next; s; s = next) {
		next = xpmd_replica_each(replica, s);
		if (s->home != home)
			continue;
		xpmd_replica_take_all(replica, s, false);
		if (s->leaving)
			xpmd_replica_end_segment(replica, s);
	}
	replica->counts.lost += xpmd_replica_drop_parcels(home);
	forget_leases(home);
	home->epoch = epoch;
	ask_anew(replica, home);
}

/* The home's daemon began anew and knows nothing. */
static void home_restarted(struct xpmd_replica *replica, struct replica_home *home)
{
	bool certain = replica->now < home->usable_until;

	/* Nothing of it stays then, as when the home says so. */
	if (!certain)
		xpmd_replica_trace(replica, home, 0, 0, "fence");
	replica->counts.lost += xpmd_replica_drop_parcels(home);
	forget_leases(home);
	for (struct replica_segment *s = xpmd_replica_each(replica, NULL), *next; s; s = next) {
		struct xpmd_entry *entry;

		next = xpmd_replica_each(replica, s);
		if (s->home != home)
			continue;
		/*
		 * It can't tell whose SHARED pages are of now.  EXCLUSIVE ones are
		 * certainly ours while the lease has not run out.
		 */
		xpmd_replica_take_all(replica, s, certain);
		for (uint64_t page = 0; (entry = xpmd_table_next(&s->table, &page, UINT64_MAX));
		     page++) {
			if (!(entry->flags & PAGE_RECLAIM)) {
				s->reclaims++;
				home->reclaims++;
			}
			entry->flags |= PAGE_RECLAIM;
		}
		if (s->leaving && xpmd_replica_is_empty(s))
			xpmd_replica_end_segment(replica, s);
	}
	ask_anew(replica, home);
}

/*
 * The first daemon of @home that this one meets.  If it is not the one that granted what
 * was found here, that one is dead; and it had not evicted this partition if the lease
 * has not run out: then EXCLUSIVE pages are certainly ours, whatever their generation was.
 */
static void met(struct xpmd_replica *replica, struct replica_home *home)
{
	if (replica->now >= home->usable_until)
		return;
	for (struct replica_segment *s = xpmd_replica_each(replica, NULL); s;
	     s = xpmd_replica_each(replica, s)) {
		struct xpmd_entry *entry;

		for (uint64_t page = 0; s->home == home && (entry = xpmd_table_next(&s->table, &page,
										   UINT64_MAX));
		     page++)
			if (entry->state == XPMD_EXCLUSIVE && entry->flags & PAGE_RECLAIM)
				entry->gen = 1;
	}
}

void xpmd_replica_connect(struct xpmd_replica *replica, uint64_t now, uint32_t number,
			  uint64_t incarnation, uint32_t epoch, uint64_t lease_ns)
{
	struct replica_home *home = find_home(replica, number, true);

	if (!home)
		return;		/* as if the session had not begun; nothing works before it does */
	replica->now = now;
	home->lease_ns = lease_ns && lease_ns < replica->config.lease_ns ?
				 lease_ns :
				 replica->config.lease_ns;
	if (!home->incarnation)
		met(replica, home);
	if (home->incarnation && home->incarnation != incarnation) {
		home_restarted(replica, home);
		home->epoch = epoch;
	} else if (epoch && home->epoch && epoch != home->epoch && !XPMD_MUTANT(NO_EPOCH)) {
		fence(replica, home, epoch);
	} else if (epoch) {
		home->epoch = epoch;
	}
	home->incarnation = incarnation;
	home->connected = true;
	home->ending = home->left = false;
	home->leave_due = 0;
	home->renew_tries = 0;
	renew(replica, home);

	for (struct replica_parcel *parcel = home->parcels; parcel; parcel = parcel->next) {
		parcel->tries = 0;
		parcel->due = now;
	}
	for (struct replica_segment *s = xpmd_replica_each(replica, NULL); s;
	     s = xpmd_replica_each(replica, s)) {
		if (s->home != home)
			continue;
		s->reclaim_due = now;
		s->reclaim_tries = 0;
		for (struct replica_request *req = s->requests; req; req = req->next)
			req->sent = false;
	}
	send_waiting(replica, home);
}

void xpmd_replica_disconnect(struct xpmd_replica *replica, uint64_t now, uint32_t number)
{
	struct replica_home *home = find_home(replica, number, false);

	replica->now = now;
	if (home)
		home->connected = false;
}

/* ------------------------------------------------------------------ messages */

static void gone(struct xpmd_replica *replica, struct replica_segment *segment)
{
	xpmd_replica_take_all(replica, segment, false);
	xpmd_replica_fail_all(replica, segment, ENOENT);
	replica->ops->forget(replica->ctx, segment->segid);
	xpmd_replica_end_segment(replica, segment);
}

/* What is to be reclaimed is due: in a grace there is not much time. */
static void reclaim_now(struct xpmd_replica *replica, struct replica_home *home)
{
	for (struct replica_segment *s = xpmd_replica_each(replica, NULL); s;
	     s = xpmd_replica_each(replica, s))
		if (s->home == home) {
			s->reclaim_due = replica->now;
			s->reclaim_tries = 0;
		}
}

void xpmd_replica_message(struct xpmd_replica *replica, uint64_t now, uint32_t number,
			  const struct xpmd_msg *msg)
{
	struct replica_home *home = find_home(replica, number, false);
	struct replica_segment *segment;

	if (!home || !home->connected || msg->incarnation != home->incarnation ||
	    msg->count > XPMD_MAX_PAGES)
		return;
	replica->now = now;
	if (!home->epoch && msg->type != XPMD_FENCED) {
		home->epoch = msg->epoch;
		reclaim_now(replica, home);
	}
	if (msg->epoch != home->epoch && (!XPMD_MUTANT(NO_EPOCH) || msg->type == XPMD_FENCED)) {
		if (home->epoch && !xpmd_gen_after(msg->epoch, home->epoch))
			return;		/* of before we were fenced */
		fence(replica, home, msg->epoch);
		renew(replica, home);
	}

	switch (msg->type) {
	case XPMD_GRANT:
		xpmd_replica_grant(replica, home, msg);
		break;
	case XPMD_DENY:
		xpmd_replica_denied(replica, home, msg);
		break;
	case XPMD_TAKE:
		xpmd_replica_take(replica, home, msg);
		break;
	case XPMD_GIVEN:
		xpmd_replica_given(replica, home, msg);
		if (home->blocked)
			send_waiting(replica, home);
		break;
	case XPMD_RENEWED:
		renewed(replica, home, msg);
		break;
	case XPMD_RECLAIMED:
		xpmd_replica_reclaimed(replica, home, msg);
		break;
	case XPMD_LEFT:
		xpmd_replica_left(home, msg);
		break;
	case XPMD_END:
		xpmd_replica_home_ends(replica, home, msg);
		break;
	case XPMD_GONE:
		segment = xpmd_replica_segment(replica, msg->segid);
		if (segment && segment->home == home)
			gone(replica, segment);
		break;
	default:
		break;		/* FENCED is done; others are not for a replica */
	}
}

/* ---------------------------------------------------------------------- time */

uint64_t xpmd_replica_tick(struct xpmd_replica *replica, uint64_t now)
{
	uint64_t next;

	replica->now = now;
	next = xpmd_replica_leave_tick(replica);
	for (struct replica_home *home = replica->homes; home; home = home->next) {
		uint64_t due = xpmd_replica_parcels_tick(replica, home);

		if (due < next)
			next = due;
		if (!home->connected)
			continue;
		if (now >= home->renew_due)
			renew(replica, home);
		if (home->renew_due < next)
			next = home->renew_due;
	}
	for (struct replica_segment *s = xpmd_replica_each(replica, NULL); s;
	     s = xpmd_replica_each(replica, s)) {
		uint64_t due;

		if (!s->home->connected)
			continue;
		if (s->reclaims && now >= s->reclaim_due) {
			s->reclaim_due = xpmd_replica_again(now, ++s->reclaim_tries);
			xpmd_replica_reclaim(replica, s);
		}
		if (s->reclaims && s->reclaim_due < next)
			next = s->reclaim_due;
		due = xpmd_replica_requests_tick(replica, s);
		if (due < next)
			next = due;
	}
	return next;
}

void xpmd_replica_counts(const struct xpmd_replica *replica, struct xpmd_replica_counts *counts)
{
	*counts = replica->counts;
	for (const struct replica_home *home = replica->homes; home; home = home->next)
		for (const struct replica_parcel *p = home->parcels; p; p = p->next)
			counts->unconfirmed++;
	for (struct replica_segment *s = xpmd_replica_each(replica, NULL); s;
	     s = xpmd_replica_each(replica, s)) {
		struct xpmd_entry *entry;

		for (uint64_t page = 0; (entry = xpmd_table_next(&s->table, &page, UINT64_MAX));
		     page++)
			counts->pages += entry->state != XPMD_NONE;
		for (const struct replica_request *req = s->requests; req; req = req->next)
			counts->waiting += !req->served;
	}
}
