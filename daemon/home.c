// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The home's side: what exists (segments, peers), who may speak, and when.  Requests
 * are in home_request.c, recalls in home_recall.c, leases, eviction and restarts in
 * home_lease.c, and what they share, with its words, in home_txn.c and
 * home_internal.h.
 */
#include "home_internal.h"
#include "mutant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct xpmd_home *xpmd_home_new(const struct xpmd_home_config *config,
				const struct xpmd_home_ops *ops, void *ctx)
{
	struct xpmd_home *home = calloc(1, sizeof(*home));

	if (!home)
		return NULL;
	home->config = *config;
	if (home->config.peers_max < 1)
		home->config.peers_max = 1;
	if (home->config.peers_max > 4095)
		home->config.peers_max = 4095;
	home->ops = ops;
	home->ctx = ctx;
	home->grace = config->grace_until != 0;
	home->ready.tail = &home->ready.head;
	/* Ids of an earlier life are not met again. */
	home->take_id = config->incarnation * 0x9e3779b97f4a7c15ull;
	home->peer = calloc(home->config.peers_max, sizeof(*home->peer));
	if (!home->peer || xpmd_sets_init(&home->sets, home->config.peers_max) ||
	    !xpmd_home_reserve(home)) {
		xpmd_home_free(home);
		return NULL;
	}
	xpmd_home_recall_pool(home);
	return home;
}

static void free_queue(struct home_queue *queue)
{
	for (struct home_request *req = queue->head, *next; req; req = next) {
		next = req->next;
		free(req);
	}
}

static void free_recalls(struct home_recall *recall)
{
	for (struct home_recall *next; recall; recall = next) {
		next = recall->next;
		free(recall);
	}
}

static void free_segment(struct xpmd_home *home, struct home_segment *segment)
{
	struct xpmd_entry *entry;

	for (uint64_t page = 0; (entry = xpmd_table_next(&segment->table, &page, UINT64_MAX));
	     page++)
		xpmd_home_drop_set(home, entry);
	xpmd_table_destroy(&segment->table);
	free_queue(&segment->blocked);
	free_recalls(segment->recalls);
	free(segment->readers);
	free(segment->writers);
	free(segment);
}

void xpmd_home_free(struct xpmd_home *home)
{
	if (!home)
		return;
	for (uint32_t i = 1; i <= home->nr_txns; i++) {
		if (home->txn[i]->segment) {
			free(home->txn[i]->req);
			free_queue(&home->txn[i]->queue);
		}
		free(home->txn[i]);
	}
	for (uint32_t i = 0; i < HOME_BUCKETS; i++)
		for (struct home_segment *s = home->segments[i], *next; s; s = next) {
			next = s->next;
			free_segment(home, s);
		}
	for (struct home_request *req = home->free_requests, *next; req; req = next) {
		next = req->next;
		free(req);
	}
	free_queue(&home->ready);
	free_recalls(home->free_recalls);
	free(home->copy);
	free(home->txn);
	xpmd_sets_destroy(&home->sets);
	free(home->peer);
	free(home);
}

/* ------------------------------------------------------------------- segments */

static uint32_t bucket(int64_t segid)
{
	return (uint32_t)((uint64_t)segid * 0x9e3779b97f4a7c15ull >> 54) % HOME_BUCKETS;
}

struct home_segment *xpmd_home_segment(const struct xpmd_home *home, int64_t segid)
{
	struct home_segment *segment = home->segments[bucket(segid)];

	while (segment && segment->segid != segid)
		segment = segment->next;
	return segment;
}

/* All segments, one after the other */
struct home_segment *xpmd_home_each(const struct xpmd_home *home, struct home_segment *after)
{
	uint32_t i = 0;

	if (after) {
		if (after->next)
			return after->next;
		i = bucket(after->segid) + 1;
	}
	for (; i < HOME_BUCKETS; i++)
		if (home->segments[i])
			return home->segments[i];
	return NULL;
}

int xpmd_home_add_segment(struct xpmd_home *home, int64_t segid, uint64_t pages,
			  enum xpmd_lost lost)
{
	size_t words = (home->config.peers_max + 63) / 64;
	struct home_segment *segment;

	if (xpmd_home_segment(home, segid))
		return -EEXIST;
	segment = calloc(1, sizeof(*segment));
	if (!segment)
		return -ENOMEM;
	segment->segid = segid;
	segment->lost = lost;
	segment->blocked.tail = &segment->blocked.head;
	segment->readers = calloc(words, sizeof(uint64_t));
	segment->writers = calloc(words, sizeof(uint64_t));
	if (!segment->readers || !segment->writers || xpmd_table_init(&segment->table, pages)) {
		free(segment->readers);
		free(segment->writers);
		free(segment);
		return -ENOMEM;
	}
	segment->next = home->segments[bucket(segid)];
	home->segments[bucket(segid)] = segment;
	return 0;
}

void xpmd_home_found(struct xpmd_home *home, int64_t segid, uint64_t first, uint64_t count,
		     enum xpmd_state state)
{
	struct home_segment *segment = xpmd_home_segment(home, segid);

	if (!segment || state == XPMD_NONE)
		return;
	home->chunks -= segment->table.chunks;
	for (uint64_t page = first; page < first + count && page < segment->table.pages; page++) {
		struct xpmd_entry *entry = xpmd_table_get(&segment->table, page);

		if (!entry)
			abort();	/* nobody may grant what somebody may have */
		if (!xpmd_entry_idle(entry))
			continue;
		entry->state = (uint8_t)state;
		entry->holder = XPMD_NOBODY;
		entry->flags = PAGE_FOUND;
		home->grace = true;
	}
	home->chunks += segment->table.chunks;
}

/* -------------------------------------------------------------------- peers */

/* The slot of a partition, which it keeps; XPMD_NOBODY: there are too many */
static uint32_t find_slot(struct xpmd_home *home, uint32_t number, bool make)
{
	if (!number || number >= sizeof(home->slot) / sizeof(*home->slot))
		return XPMD_NOBODY;
	if (!home->slot[number]) {
		if (!make || home->peers >= home->config.peers_max)
			return XPMD_NOBODY;
		home->peer[home->peers].number = number;
		home->peer[home->peers].epoch = 1;
		home->slot[number] = (uint16_t)++home->peers;
	}
	return home->slot[number] - 1u;
}

int xpmd_home_permit(struct xpmd_home *home, uint32_t peer, int64_t segid, bool write, bool granted)
{
	struct home_segment *segment = xpmd_home_segment(home, segid);
	uint32_t slot = find_slot(home, peer, true);

	if (!segment || segment->dying)
		return -ENOENT;
	if (slot == XPMD_NOBODY)
		return -ENOSPC;
	if (granted || !write)
		segment->readers[slot / 64] &= ~(1ull << slot % 64);
	segment->writers[slot / 64] &= ~(1ull << slot % 64);
	if (granted) {
		segment->readers[slot / 64] |= 1ull << slot % 64;
		if (write)
			segment->writers[slot / 64] |= 1ull << slot % 64;
	}
	return 0;
}

uint32_t xpmd_home_connect(struct xpmd_home *home, uint64_t now, uint32_t number,
			   uint64_t incarnation)
{
	uint32_t slot = find_slot(home, number, true);
	struct home_peer *peer;

	if (slot == XPMD_NOBODY)
		return 0;
	xpmd_home_enter(home, now);
	peer = &home->peer[slot];
	peer->connected = true;
	peer->leaving = peer->ended = false;
	peer->renew_id = 0;
	home->end_due = 0;
	if (peer->incarnation && peer->incarnation != incarnation)
		xpmd_home_restarted(home, slot);
	peer->incarnation = incarnation;
	for (struct home_txn *txn = home->takes; txn; txn = txn->next)
		if (xpmd_set_has(&home->sets, txn->pending, slot))
			xpmd_home_send_take(home, txn, slot);
	xpmd_home_settle(home);
	return peer->epoch;
}

void xpmd_home_disconnect(struct xpmd_home *home, uint32_t peer)
{
	uint32_t slot = find_slot(home, peer, false);

	if (slot == XPMD_NOBODY)
		return;
	home->peer[slot].connected = false;
	home->peer[slot].renew_id = 0;
}

/* ------------------------------------------------------------------- messages */

void xpmd_home_send(struct xpmd_home *home, uint32_t slot, struct xpmd_msg *msg)
{
	const struct home_peer *peer = &home->peer[slot];

	if (!peer->connected)
		return;
	msg->incarnation = home->config.incarnation;
	msg->epoch = peer->epoch;
	home->ops->send(home->ctx, peer->number, msg);
}

void xpmd_home_trace(struct xpmd_home *home, const struct home_segment *segment, uint64_t page,
		     const char *event, uint32_t slot)
{
	if (home->ops->trace)
		home->ops->trace(home->ctx, segment ? segment->segid : 0, page, event,
				 slot < home->peers ? home->peer[slot].number : 0);
}

static void taken(struct xpmd_home *home, uint32_t slot, const struct xpmd_msg *msg)
{
	struct home_segment *segment = xpmd_home_segment(home, msg->segid);
	struct xpmd_entry *entry = segment ? xpmd_table_find(&segment->table, msg->first) : NULL;
	struct home_txn *txn = entry && entry->txn ? home->txn[entry->txn] : NULL;

	if (txn && txn->take_id == msg->id && txn->first == msg->first &&
	    txn->count == msg->count && xpmd_set_has(&home->sets, txn->pending, slot))
		xpmd_home_taken(home, txn, slot, msg);
	if (msg->data) {
		struct xpmd_msg answer = {
			.type = XPMD_GIVEN,
			.id = msg->id,
			.segid = msg->segid,
			.first = msg->first,
			.count = msg->count,
		};

		xpmd_home_send(home, slot, &answer);
	}
}

void xpmd_home_message(struct xpmd_home *home, uint64_t now, uint32_t number,
		       const struct xpmd_msg *msg)
{
	uint32_t slot = find_slot(home, number, false);
	const struct home_peer *peer;

	if (slot == XPMD_NOBODY || msg->count > XPMD_MAX_PAGES)
		return;
	peer = &home->peer[slot];
	/* What an earlier daemon of it said concerns nobody any more. */
	if (!peer->connected || msg->incarnation != peer->incarnation)
		return;
	xpmd_home_enter(home, now);
	if (msg->epoch != peer->epoch && (msg->epoch || msg->type != XPMD_RENEW) &&
	    !XPMD_MUTANT(NO_EPOCH)) {
		struct xpmd_msg answer = { .type = XPMD_FENCED };

		xpmd_home_send(home, slot, &answer);
		xpmd_home_settle(home);
		return;
	}

	switch (msg->type) {
	case XPMD_READ:
	case XPMD_WRITE:
		xpmd_home_ask(home, slot, msg);
		break;
	case XPMD_TAKEN:
		taken(home, slot, msg);
		break;
	case XPMD_GIVE:
		xpmd_home_give(home, slot, msg);
		break;
	case XPMD_INSTALLED:
		xpmd_home_installed(home, slot, msg);
		break;
	case XPMD_RENEW:
		xpmd_home_renew(home, slot, msg);
		break;
	case XPMD_RECLAIM:
		xpmd_home_reclaim(home, slot, msg);
		break;
	case XPMD_LEAVE:
		xpmd_home_leave(home, slot, msg);
		break;
	case XPMD_ENDED:
		xpmd_home_ended(home, slot, msg);
		break;
	default:
		break;		/* not for a home: whoever checks frames has let it pass */
	}
	xpmd_home_settle(home);
}

/* --------------------------------------------------------------------- time */

void xpmd_home_enter(struct xpmd_home *home, uint64_t now)
{
	if (now > home->now)
		home->now = now;
	if (home->grace && home->now >= home->config.grace_until)
		xpmd_home_grace_end(home);
}

/* A recall of @segment may be over, or the segment be free to go. */
void xpmd_home_recheck(struct xpmd_home *home, struct home_segment *segment)
{
	if (segment->recheck)
		return;
	segment->recheck = true;
	segment->next_recheck = home->recheck;
	home->recheck = segment;
}

static void reap(struct xpmd_home *home, struct home_segment *segment)
{
	struct home_segment **at = &home->segments[bucket(segment->segid)];

	while (*at != segment)
		at = &(*at)->next;
	*at = segment->next;
	home->chunks -= segment->table.chunks;
	free_segment(home, segment);
}

/* The end of each call from outside: see home_internal.h. */
void xpmd_home_settle(struct xpmd_home *home)
{
	for (;;) {
		struct home_request *req = home->ready.head;
		struct home_segment *segment = home->recheck;

		if (home->resume) {
			xpmd_home_recall_resume(home);
		} else if (req) {
			home->ready.head = req->next;
			if (!req->next)
				home->ready.tail = &home->ready.head;
			xpmd_home_start(home, req);
		} else if (segment) {
			home->recheck = segment->next_recheck;
			segment->recheck = false;
			xpmd_home_recall_end(home, segment);
			if (!segment->dying || segment->recalls || segment->nr_txns)
				continue;
			if (home->ready.head)	/* may be of it */
				xpmd_home_recheck(home, segment);
			else
				reap(home, segment);
		} else {
			break;
		}
	}
	if (home->renewals)
		xpmd_home_renewals(home);
}

/* TAKE is repeated after 50 ms, 200 ms, 1 s, and every second from then on. */
static uint64_t next_repeat(uint64_t now, uint32_t sent)
{
	return now + (sent == 1 ? 150 : sent == 2 ? 800 : 1000) * MS;
}

static void repeat_takes(struct xpmd_home *home)
{
	for (struct home_txn *txn = home->takes; txn; txn = txn->next) {
		if (home->now < txn->next_send)
			continue;
		txn->next_send = next_repeat(home->now, ++txn->sent);
		for (uint32_t slot = xpmd_set_next(&home->sets, txn->pending, 0);
		     slot != XPMD_NOBODY;
		     slot = xpmd_set_next(&home->sets, txn->pending, slot + 1))
			xpmd_home_send_take(home, txn, slot);
	}
}

/* A peer that is due; *next_ret: when the first is */
static uint32_t find_due(struct xpmd_home *home, uint64_t *next_ret)
{
	*next_ret = NEVER;
	for (struct home_txn *txn = home->takes; txn; txn = txn->next) {
		if (txn->next_send < *next_ret)
			*next_ret = txn->next_send;
		for (uint32_t slot = xpmd_set_next(&home->sets, txn->pending, 0);
		     slot != XPMD_NOBODY;
		     slot = xpmd_set_next(&home->sets, txn->pending, slot + 1)) {
			uint64_t at = xpmd_home_evict_at(home, txn, slot);

			if (at <= home->now)
				return slot;
			if (at < *next_ret)
				*next_ret = at;
		}
	}
	return XPMD_NOBODY;
}

uint64_t xpmd_home_tick(struct xpmd_home *home, uint64_t now)
{
	uint64_t next, end;
	uint32_t slot;

	xpmd_home_enter(home, now);
	end = xpmd_home_end_tick(home);
	repeat_takes(home);
	while ((slot = find_due(home, &next)) != XPMD_NOBODY) {
		xpmd_home_evict(home, slot);
		xpmd_home_settle(home);
	}
	if (home->starved) {
		home->starved = false;
		for (struct home_segment *s = xpmd_home_each(home, NULL); s;
		     s = xpmd_home_each(home, s))
			xpmd_home_splice(&home->ready, &s->blocked);
	}
	xpmd_home_settle(home);
	if (home->now - home->trimmed > 10000 * MS) {
		home->trimmed = home->now;
		xpmd_home_trim(home);
	}
	if (home->starved && next > home->now + 50 * MS)
		next = home->now + 50 * MS;
	if (home->grace && home->config.grace_until < next)
		next = home->config.grace_until;
	return end < next ? end : next;
}

/* ------------------------------------------------------------------- pictures */

void xpmd_home_counts(const struct xpmd_home *home, struct xpmd_home_counts *counts)
{
	*counts = home->counts;
	counts->directory_bytes = home->nr_txns * sizeof(struct home_txn) +
				  home->copies_used * XPMD_PAGE +
				  (uint64_t)home->sets.size * home->sets.words * sizeof(uint64_t);
	for (struct home_segment *s = xpmd_home_each(home, NULL); s; s = xpmd_home_each(home, s)) {
		struct xpmd_entry *entry;

		counts->directory_bytes += s->table.bytes;
		for (uint64_t page = 0; (entry = xpmd_table_next(&s->table, &page, UINT64_MAX));
		     page++) {
			counts->pages_shared += entry->state == XPMD_SHARED;
			counts->pages_exclusive += entry->state == XPMD_EXCLUSIVE;
		}
	}
	for (uint32_t slot = 0; slot < home->peers; slot++)
		counts->waiting += home->peer[slot].waiting;
}

enum xpmd_state xpmd_home_page(const struct xpmd_home *home, int64_t segid, uint64_t page,
			       uint32_t *holder_ret, uint32_t *sharers_ret)
{
	const struct home_segment *segment = xpmd_home_segment(home, segid);
	const struct xpmd_entry *entry = segment ? xpmd_table_find(&segment->table, page) : NULL;

	if (holder_ret)
		*holder_ret = entry && entry->state == XPMD_EXCLUSIVE &&
					      entry->holder != XPMD_NOBODY ?
				      home->peer[entry->holder].number :
				      0;
	if (sharers_ret)
		*sharers_ret = entry && entry->state == XPMD_SHARED ?
				       xpmd_set_count(&home->sets, entry->set) :
				       0;
	return entry ? (enum xpmd_state)entry->state : XPMD_NONE;
}
