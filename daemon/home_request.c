// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests for pages, of peers and of the owner: from their arrival to the grant.
 *
 *   page at home   asked for        what is done
 *   HOME           READ, WRITE      fetch, grant
 *   SHARED         READ             fetch, grant
 *   SHARED         WRITE            take from the others, fetch EXCLUSIVE, grant
 *   SHARED         owner stores     take from all, release
 *   EXCLUSIVE      READ             take to SHARED, store, fetch, grant
 *   EXCLUSIVE      WRITE            take, grant what came
 *   EXCLUSIVE      owner            take (reads: to SHARED), store
 *
 * Each arrow of it is one call of xpmd_home_step(), which looks at what the page is
 * now: whatever happened in between (a recall, an eviction, a failed operation) needs
 * no case of its own, the request begins again with what it finds.
 */
#include "home_internal.h"
#include "mutant.h"

#include <errno.h>
#include <stdlib.h>

#define WAITING_MAX	4096u	/* requests of a peer */

/* ------------------------------------------------------------------- queues */

void xpmd_home_put(struct home_queue *queue, struct home_request *req)
{
	req->next = NULL;
	*queue->tail = req;
	queue->tail = &req->next;
}

void xpmd_home_splice(struct home_queue *to, struct home_queue *from)
{
	if (!from->head)
		return;
	*to->tail = from->head;
	to->tail = from->tail;
	*from = (struct home_queue){ .tail = &from->head };
}

void xpmd_home_free_request(struct xpmd_home *home, struct home_request *req)
{
	if (req->slot != XPMD_OWNER) {
		home->peer[req->slot].waiting--;
		free(req);
		return;
	}
	req->next = home->free_requests;
	home->free_requests = req;
}

/*
 * Puts a request into a queue, or into the place of an earlier one of the same peer
 * for the same page, of which only the later is of interest.
 */
static void enqueue(struct xpmd_home *home, struct home_queue *queue, struct home_request *req)
{
	for (struct home_request *old = queue->head; old; old = old->next) {
		if (old->slot != req->slot || old->first != req->first)
			continue;
		if (req->slot == XPMD_OWNER || old->incarnation != req->incarnation) {
			old->write |= req->write;
		} else if ((int64_t)(req->id - old->id) < 0) {
			xpmd_home_free_request(home, req);
			return;
		} else {
			old->write = req->write;
		}
		old->id = req->id;
		old->incarnation = req->incarnation;
		old->epoch = req->epoch;
		old->count = req->count;
		old->has = req->has;
		xpmd_home_free_request(home, req);
		return;
	}
	xpmd_home_put(queue, req);
}

static bool is_permitted(const struct home_request *req)
{
	const uint64_t *permits = req->write ? req->segment->writers : req->segment->readers;

	return permits[req->slot / 64] >> req->slot % 64 & 1;
}

/* Whether who asked is still there, and may still have it */
bool xpmd_home_valid(const struct xpmd_home *home, const struct home_request *req)
{
	const struct home_peer *peer;

	if (req->slot == XPMD_OWNER)
		return true;
	peer = &home->peer[req->slot];
	return !home->ending && peer->connected && !peer->leaving && peer->epoch == req->epoch &&
	       peer->incarnation == req->incarnation && is_permitted(req);
}

/* ------------------------------------------------------------------- answers */

void xpmd_home_deny(struct xpmd_home *home, uint32_t slot, uint64_t id, int64_t segid,
		    uint64_t first, uint32_t error)
{
	struct xpmd_msg msg = {
		.type = XPMD_DENY,
		.error = error,
		.id = id,
		.segid = segid,
		.first = first,
		.count = 1,
	};

	home->counts.denials++;
	xpmd_home_send(home, slot, &msg);
}

/* Ends a request that can't be served.  The owner waits on: nothing was promised. */
static void refuse(struct xpmd_home *home, struct home_request *req, uint32_t error)
{
	if (req->slot != XPMD_OWNER && home->peer[req->slot].connected)
		xpmd_home_deny(home, req->slot, req->id, req->segment->segid, req->first, error);
	xpmd_home_free_request(home, req);
}

static void finish(struct xpmd_home *home, struct home_txn *txn)
{
	if (txn->req)
		xpmd_home_free_request(home, txn->req);
	txn->req = NULL;
	xpmd_home_end(home, txn);
}

/*
 * Sends the grant of the transaction's pages, all of one generation: the page that is
 * waited for first and alone, the others behind it.
 */
static void send_grant(struct xpmd_home *home, struct home_txn *txn, enum xpmd_state state,
		       uint32_t gen, const uint8_t *data)
{
	uint32_t slot = txn->req->slot;
	uint32_t at = 0, count = 1;

	for (; at < txn->count; at += count, count = txn->count - at) {
		struct xpmd_msg msg = {
			.type = XPMD_GRANT,
			.state = state,
			.id = txn->req->id,
			.segid = txn->segment->segid,
			.first = txn->first + at,
			.count = count,
			.gen = gen,
			.more = txn->count - at - count,
		};

		for (uint32_t i = 0; data && i < count; i++)
			msg.mask[i / 64] |= 1ull << i % 64;
		msg.data = data ? data + (size_t)at * XPMD_PAGE : NULL;
		home->counts.grants++;
		for (uint32_t i = 0; home->ops->trace && i < count; i++)
			xpmd_home_trace(home, txn->segment, msg.first + i,
					state == XPMD_SHARED ? "grant-shared" : "grant-exclusive",
					slot);
		xpmd_home_send(home, slot, &msg);
	}
}

/* One generation for all pages: the latest of them */
static uint32_t level(struct home_txn *txn)
{
	uint32_t gen = xpmd_table_find(&txn->segment->table, txn->first)->gen;

	for (uint32_t i = 1; i < txn->count; i++) {
		struct xpmd_entry *entry = xpmd_table_find(&txn->segment->table, txn->first + i);

		if (xpmd_gen_after(entry->gen, gen))
			gen = entry->gen;
	}
	for (uint32_t i = 0; i < txn->count; i++)
		xpmd_table_find(&txn->segment->table, txn->first + i)->gen = gen;
	return gen;
}

static void grant_shared(struct xpmd_home *home, struct home_txn *txn, const uint8_t *data)
{
	for (uint32_t i = 0; i < txn->count; i++) {
		struct xpmd_entry *entry = xpmd_table_find(&txn->segment->table, txn->first + i);

		entry->state = XPMD_SHARED;
		xpmd_set_add(&home->sets, &entry->set, txn->req->slot);
	}
	send_grant(home, txn, XPMD_SHARED, level(txn), data);
	finish(home, txn);
}

/* Makes the asker the holder; false: no memory for the copy, and nothing was done */
static bool make_holder(struct xpmd_home *home, struct xpmd_entry *entry, uint32_t slot,
			const void *data)
{
	struct xpmd_entry kept = { .set = entry->state == XPMD_EXCLUSIVE ? entry->set : 0 };

	if (!xpmd_home_set_copy(home, &kept, data))
		return false;
	if (entry->state == XPMD_EXCLUSIVE)
		entry->set = 0;		/* it is in use again */
	xpmd_home_drop_set(home, entry);
	entry->state = XPMD_EXCLUSIVE;
	entry->set = kept.set;
	entry->holder = (uint16_t)slot;
	home->peer[slot].exclusive++;
	return true;
}

/*
 * A page that was EXCLUSIVE has come with @data for a request that wants it so: it goes
 * on without a stay at the owner, who has not had it before nor will after.
 */
bool xpmd_home_forward(struct xpmd_home *home, struct home_txn *txn, struct xpmd_entry *entry,
		       const void *data)
{
	struct home_request *req = txn->req;

	if (!req || req->slot == XPMD_OWNER || !req->write || txn->count != 1 ||
	    txn->take_to != XPMD_NONE || txn->segment->frozen || !xpmd_home_valid(home, req) ||
	    xpmd_home_covering(txn->segment, txn->first, txn->first + 1))
		return false;
	if (!make_holder(home, entry, req->slot, data))
		return false;
	send_grant(home, txn, XPMD_EXCLUSIVE, entry->gen, home->copy[entry->set]);
	xpmd_home_free_request(home, req);
	txn->req = NULL;
	return true;
}

/* -------------------------------------------------------------------- fetches */

static void fetch(struct xpmd_home *home, struct home_txn *txn, enum xpmd_state state)
{
	uint64_t op = xpmd_home_op(home, txn);

	txn->fetching = true;
	txn->fetch_state = state;
	if (state == XPMD_EXCLUSIVE)
		txn->segment->busy++;
	home->ops->fetch(home->ctx, op, txn->segment->segid, txn->first, txn->count, state);
}

/* Pages [from, to) were taken from the owner, and nobody gets them: put them back. */
static void put_back(struct xpmd_home *home, struct home_txn *txn, uint32_t from, uint32_t to,
		     const uint8_t *data)
{
	for (uint32_t i = from; i < to; i++) {
		struct xpmd_entry *entry = xpmd_table_find(&txn->segment->table, txn->first + i);

		if (!(entry->flags & PAGE_DROP))
			xpmd_home_store(home, txn, txn->first + i, 1,
					data + (size_t)i * XPMD_PAGE, entry->state);
	}
	txn->served = false;
}

static void fetched_exclusive(struct xpmd_home *home, struct home_txn *txn, uint32_t n,
			      const uint8_t *data, bool recalled)
{
	struct home_segment *segment = txn->segment;
	struct xpmd_entry *entry = xpmd_table_find(&segment->table, txn->first);
	bool has = entry->state == XPMD_SHARED && txn->req->has &&
		   xpmd_set_has(&home->sets, entry->set, txn->req->slot);
	uint32_t granted = 0;

	if (!recalled && xpmd_home_valid(home, txn->req) && !segment->frozen && !segment->dying &&
	    !xpmd_home_covering(segment, txn->first, txn->first + txn->count))
		for (; granted < n; granted++) {
			entry = xpmd_table_find(&segment->table, txn->first + granted);
			if (!make_holder(home, entry, txn->req->slot,
					 data + (size_t)granted * XPMD_PAGE))
				break;
		}
	put_back(home, txn, granted, n, data);
	if (!granted)
		return;
	/* What is put back goes on in this transaction, without the request. */
	if (txn->nr_ops) {
		uint32_t all = txn->count;

		txn->count = granted;
		send_grant(home, txn, XPMD_EXCLUSIVE, level(txn), has ? NULL : data);
		txn->count = all;
		xpmd_home_free_request(home, txn->req);
		txn->req = NULL;
		return;
	}
	xpmd_home_shrink(home, txn, granted);
	send_grant(home, txn, XPMD_EXCLUSIVE, level(txn), has ? NULL : data);
	finish(home, txn);
}

void xpmd_home_fetched(struct xpmd_home *home, uint64_t now, uint64_t op, uint32_t error,
		       uint32_t count, const void *data)
{
	struct home_txn *txn = xpmd_home_txn_of_op(home, op);
	bool recalled = false;
	uint32_t n;

	if (!txn || !txn->fetching)
		return;
	xpmd_home_enter(home, now);
	txn->fetching = false;
	txn->nr_ops--;
	if (txn->fetch_state == XPMD_EXCLUSIVE) {
		txn->segment->busy--;
		xpmd_home_recheck(home, txn->segment);
	}
	n = count < txn->count ? count : txn->count;
	for (uint32_t i = 0; i < txn->count; i++)
		recalled |= xpmd_table_find(&txn->segment->table, txn->first + i)->flags &
			    (PAGE_KEEP | PAGE_DROP);
	if (XPMD_MUTANT(NO_REFETCH))
		recalled = false;

	if (txn->fetch_state == XPMD_EXCLUSIVE && n)
		fetched_exclusive(home, txn, n, data, recalled);
	for (uint32_t i = 0; txn->segment && i < txn->count; i++)
		xpmd_table_find(&txn->segment->table, txn->first + i)->flags &=
			(uint8_t)~(PAGE_KEEP | PAGE_DROP);

	if (!txn->segment) {
		/* granted */
	} else if (!n && !recalled) {
		refuse(home, txn->req, error ? error : EAGAIN);
		txn->req = NULL;
		xpmd_home_step(home, txn);
	} else if (n && txn->fetch_state == XPMD_SHARED && !recalled && !txn->pending &&
		   !txn->segment->dying && xpmd_home_valid(home, txn->req) &&
		   !xpmd_home_covering(txn->segment, txn->first, txn->first + txn->count)) {
		xpmd_home_shrink(home, txn, n);
		grant_shared(home, txn, data);
	} else {
		xpmd_home_step(home, txn);
	}
	xpmd_home_settle(home);
}

void xpmd_home_stored(struct xpmd_home *home, uint64_t now, uint64_t op, uint32_t error)
{
	struct home_txn *txn = xpmd_home_txn_of_op(home, op);

	(void)error;	/* the owner's side has told the log; there is no other place for it */
	if (!txn || txn->fetching)
		return;
	xpmd_home_enter(home, now);
	txn->nr_ops--;
	txn->segment->busy--;
	xpmd_home_recheck(home, txn->segment);
	if (!txn->nr_ops)
		xpmd_home_step(home, txn);
	xpmd_home_settle(home);
}

/* --------------------------------------------------------------------- steps */

static void release(struct xpmd_home *home, struct home_txn *txn)
{
	home->ops->release(home->ctx, xpmd_home_op(home, NULL), txn->segment->segid, txn->first,
			   txn->count);
}

/* Nobody has what the page was: it is at home again, with the last copy or none. */
void xpmd_home_resolve_lost(struct xpmd_home *home, struct home_txn *txn,
			    struct xpmd_entry *entry)
{
	if (entry->set && txn->segment->lost == XPMD_LOST_LAST_COPY) {
		home->counts.lost_pages++;
		xpmd_home_trace(home, txn->segment, txn->first, "lost", XPMD_NOBODY);
		xpmd_home_store(home, txn, txn->first, 1, home->copy[entry->set], XPMD_NONE);
		xpmd_home_to_home(home, txn->segment, txn->first, entry);
		return;
	}
	xpmd_home_lose(home, txn, txn->first, entry, XPMD_NOBODY);
}

static void step_exclusive(struct xpmd_home *home, struct home_txn *txn, struct xpmd_entry *entry)
{
	struct home_request *req = txn->req;

	xpmd_home_shrink(home, txn, 1);
	if (entry->holder == XPMD_NOBODY) {
		xpmd_home_resolve_lost(home, txn, entry);
		return;
	}
	if (req->slot == entry->holder && entry->set && !(entry->flags & PAGE_INSTALLED)) {
		/* It asks again: the grant was lost. */
		send_grant(home, txn, XPMD_EXCLUSIVE, entry->gen, home->copy[entry->set]);
		finish(home, txn);
		return;
	}
	xpmd_home_take(home, txn,
		       req->write || txn->insist || req->slot == entry->holder ? XPMD_NONE :
										 XPMD_SHARED,
		       XPMD_NOBODY, home->now);
}

static void step_shared(struct xpmd_home *home, struct home_txn *txn, struct xpmd_entry *entry)
{
	struct home_request *req = txn->req;
	uint32_t others = xpmd_set_count(&home->sets, entry->set);

	if (!req->write) {
		if (req->slot == XPMD_OWNER)
			finish(home, txn);	/* reads do not trap: it has been served */
		else
			fetch(home, txn, XPMD_SHARED);
		return;
	}
	if (req->slot != XPMD_OWNER)
		others -= xpmd_set_has(&home->sets, entry->set, req->slot);
	if (others)
		xpmd_home_take(home, txn, XPMD_NONE,
			       req->slot == XPMD_OWNER ? XPMD_NOBODY : req->slot, home->now);
	else
		fetch(home, txn, XPMD_EXCLUSIVE);
}

/* Does what is next for @txn, which may end it. */
void xpmd_home_step(struct xpmd_home *home, struct home_txn *txn)
{
	struct home_segment *segment = txn->segment;
	struct home_request *req = txn->req;
	struct xpmd_entry *entry;
	uint32_t n = 1;

	if (txn->pending || xpmd_home_recall_txn(home, txn) || txn->nr_ops)
		return;
	if (req && txn->served) {
		finish(home, txn);
		return;
	}
	if (req && (segment->dying || !xpmd_home_valid(home, req))) {
		refuse(home, req,
		       segment->dying ? ENOENT : is_permitted(req) ? EAGAIN : EACCES);
		req = txn->req = NULL;
	}
	if (req && (xpmd_home_covering(segment, txn->first, txn->first + txn->count) ||
		    (segment->frozen && req->write && req->slot != XPMD_OWNER))) {
		enqueue(home, &segment->blocked, req);
		req = txn->req = NULL;
	}
	if (!req) {
		xpmd_home_end(home, txn);
		return;
	}

	entry = xpmd_table_find(&segment->table, txn->first);
	while (n < txn->count &&
	       xpmd_home_alike(home, entry, xpmd_table_find(&segment->table, txn->first + n)))
		n++;
	xpmd_home_shrink(home, txn, n);
	if (entry->state == XPMD_EXCLUSIVE) {
		step_exclusive(home, txn, entry);
	} else if (entry->state == XPMD_SHARED) {
		step_shared(home, txn, entry);
	} else if (req->slot == XPMD_OWNER) {
		release(home, txn);
		finish(home, txn);
	} else {
		fetch(home, txn, req->write ? XPMD_EXCLUSIVE : XPMD_SHARED);
	}
}

/* ------------------------------------------------------------------- arrivals */

/* How many of the pages asked for can go together with the first */
static uint32_t extent(struct xpmd_home *home, const struct home_request *req,
		       const struct xpmd_entry *entry)
{
	static const struct xpmd_entry unknown;
	struct home_segment *segment = req->segment;
	uint32_t n = 1;

	if (!entry)
		entry = &unknown;
	if (entry->state == XPMD_EXCLUSIVE || req->slot == XPMD_OWNER)
		return 1;
	if (entry->state == XPMD_SHARED && req->write &&
	    (!xpmd_set_has(&home->sets, entry->set, req->slot) ||
	     xpmd_set_count(&home->sets, entry->set) > 1))
		return 1;	/* nobody's pages are taken for somebody's guess */
	for (; n < req->count; n++) {
		const struct xpmd_entry *next = xpmd_table_find(&segment->table, req->first + n);

		if (xpmd_home_covering(segment, req->first + n, req->first + n + 1))
			break;
		if (!next)
			next = &unknown;
		if (next->txn || !xpmd_home_alike(home, entry, next))
			break;
	}
	return n;
}

/* Starts a request, or queues it, or refuses it. */
void xpmd_home_start(struct xpmd_home *home, struct home_request *req)
{
	struct home_segment *segment = req->segment;
	struct xpmd_entry *entry = xpmd_table_find(&segment->table, req->first);
	struct home_txn *txn;

	if (segment->dying) {
		refuse(home, req, ENOENT);
		return;
	}
	if (!xpmd_home_valid(home, req)) {
		refuse(home, req, is_permitted(req) ? EAGAIN : EACCES);
		return;
	}
	if (entry && entry->txn) {
		struct home_request *now;

		txn = home->txn[entry->txn];
		now = txn->req;
		if (now && now->slot == req->slot && now->first == req->first &&
		    now->incarnation == req->incarnation && now->write >= req->write) {
			if (req->slot != XPMD_OWNER && (int64_t)(req->id - now->id) > 0) {
				now->id = req->id;
				now->epoch = req->epoch;
			}
			now->has &= req->has;
			xpmd_home_free_request(home, req);
			return;
		}
		enqueue(home, &txn->queue, req);
		return;
	}
	if ((home->grace && req->slot != XPMD_OWNER) || (entry && entry->flags & PAGE_FOUND) ||
	    xpmd_home_covering(segment, req->first, req->first + 1) ||
	    (segment->frozen && req->write && req->slot != XPMD_OWNER)) {
		enqueue(home, &segment->blocked, req);
		return;
	}
	xpmd_home_recall_pool(home);
	if (!xpmd_home_reserve(home) && req->slot != XPMD_OWNER) {
		refuse(home, req, EAGAIN);
		return;
	}
	txn = xpmd_home_begin(home, segment, req->first, extent(home, req, entry));
	if (txn) {
		txn->req = req;
		xpmd_home_step(home, txn);
	} else if (req->slot != XPMD_OWNER) {
		refuse(home, req, ENOMEM);
	} else if (entry) {
		enqueue(home, &segment->blocked, req);
		home->starved = true;
	} else {
		/* No entry, and no memory for one: nobody has it. */
		home->ops->release(home->ctx, xpmd_home_op(home, NULL), segment->segid,
				   req->first, 1);
		xpmd_home_free_request(home, req);
	}
}

/* READ or WRITE of a peer */
void xpmd_home_ask(struct xpmd_home *home, uint32_t slot, const struct xpmd_msg *msg)
{
	struct home_segment *segment = xpmd_home_segment(home, msg->segid);
	bool write = msg->type == XPMD_WRITE;
	struct home_request *req;
	uint32_t error = 0;

	/* It is asked again, by then the next daemon. */
	if (home->ending)
		return;
	if (write)
		home->counts.writes++;
	else
		home->counts.reads++;
	if (!segment || segment->dying)
		error = ENOENT;
	else if (!((write ? segment->writers : segment->readers)[slot / 64] >> slot % 64 & 1))
		error = EACCES;
	else if (msg->first >= segment->table.pages || !msg->count || msg->count > XPMD_MAX_PAGES)
		error = EINVAL;
	else if (home->peer[slot].waiting >= WAITING_MAX)
		error = EAGAIN;
	req = error ? NULL : malloc(sizeof(*req));
	if (!req) {
		xpmd_home_deny(home, slot, msg->id, msg->segid, msg->first,
			       error ? error : EAGAIN);
		return;
	}
	*req = (struct home_request){
		.segment = segment,
		.id = msg->id,
		.incarnation = msg->incarnation,
		.epoch = msg->epoch,
		.first = msg->first,
		.count = msg->count,
		.slot = slot,
		.write = write,
		.has = msg->state == XPMD_SHARED,
	};
	if (req->count > segment->table.pages - req->first)
		req->count = (uint32_t)(segment->table.pages - req->first);
	home->peer[slot].waiting++;
	xpmd_home_start(home, req);
}

void xpmd_home_owner_fault(struct xpmd_home *home, uint64_t now, int64_t segid, uint64_t page,
			   bool write)
{
	struct home_segment *segment = xpmd_home_segment(home, segid);
	struct home_request *req;

	if (!segment || page >= segment->table.pages)
		return;
	xpmd_home_enter(home, now);
	req = home->free_requests;
	if (req)
		home->free_requests = req->next;
	else
		req = malloc(sizeof(*req));
	if (!req)
		abort();	/* the daemon's death ends the wait, its silence would not */
	*req = (struct home_request){
		.segment = segment,
		.first = page,
		.count = 1,
		.slot = XPMD_OWNER,
		.write = write,
	};
	xpmd_home_start(home, req);
	xpmd_home_settle(home);
}
