// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Transactions: their pages, what they take from peers, and what became of it.  The
 * words stand in home_internal.h.
 *
 * Nothing here allocates but xpmd_home_reserve() and xpmd_home_set_copy(), which are
 * called on the way to a grant only: a recall lives on what the grants before it have
 * reserved.
 */
#include "home_internal.h"

#include <stdlib.h>
#include <string.h>

#define MORE_TXNS	64u	/* at a time, if that many are under way at once */

bool xpmd_home_remote(const struct xpmd_entry *entry)
{
	return entry->flags & PAGE_FOUND || entry->state == XPMD_SHARED ||
	       (entry->state == XPMD_EXCLUSIVE && entry->holder != XPMD_NOBODY);
}

/* A page of @segment is not remote any more. */
void xpmd_home_left(struct xpmd_home *home, struct home_segment *segment, uint64_t page)
{
	for (struct home_recall *recall = segment->recalls; recall; recall = recall->next)
		if (page >= recall->first && page < recall->end && !--recall->remaining)
			xpmd_home_recheck(home, segment);
}

/* ------------------------------------------------------------------- copies */

bool xpmd_home_set_copy(struct xpmd_home *home, struct xpmd_entry *entry, const void *data)
{
	uint32_t index = entry->set;

	if (!index) {
		void *page = malloc(XPMD_PAGE);

		if (!page)
			return false;
		if (!home->copies_free) {
			uint32_t n = home->copies ? home->copies * 2 : 64;
			void **copy = realloc(home->copy, n * sizeof(*copy));

			if (!copy) {
				free(page);
				return false;
			}
			home->copy = copy;
			for (uint32_t i = home->copies ? home->copies : 1; i < n; i++) {
				copy[i] = (void *)(uintptr_t)home->copies_free;
				home->copies_free = i;
			}
			home->copies = n;
		}
		index = home->copies_free;
		home->copies_free = (uint32_t)(uintptr_t)home->copy[index];
		home->copy[index] = page;
		home->copies_used++;
		entry->set = index;
	}
	if (data != home->copy[index])
		memcpy(home->copy[index], data, XPMD_PAGE);
	return true;
}

void xpmd_home_free_copy(struct xpmd_home *home, struct xpmd_entry *entry)
{
	uint32_t index = entry->set;

	if (!index)
		return;
	free(home->copy[index]);
	home->copy[index] = (void *)(uintptr_t)home->copies_free;
	home->copies_free = index;
	home->copies_used--;
	entry->set = 0;
}

/* What @entry's set is of depends on its state: forget either. */
void xpmd_home_drop_set(struct xpmd_home *home, struct xpmd_entry *entry)
{
	if (entry->state == XPMD_EXCLUSIVE) {
		xpmd_home_free_copy(home, entry);
		if (entry->holder != XPMD_NOBODY)
			home->peer[entry->holder].exclusive--;
		entry->holder = XPMD_NOBODY;
	} else {
		xpmd_set_clear(&home->sets, &entry->set);
	}
	entry->flags &= (uint8_t)~PAGE_INSTALLED;
}

void xpmd_home_to_home(struct xpmd_home *home, struct home_segment *segment, uint64_t page,
		       struct xpmd_entry *entry)
{
	bool remote = xpmd_home_remote(entry);

	xpmd_home_drop_set(home, entry);
	entry->state = XPMD_NONE;
	entry->flags &= (uint8_t)~PAGE_FOUND;
	if (remote)
		xpmd_home_left(home, segment, page);
}

/* ------------------------------------------------------------- transactions */

/* Whether there are transactions for one more request, and some for recalls */
bool xpmd_home_reserve(struct xpmd_home *home)
{
	uint32_t spare = home->config.spare_txns;

	if (home->txns_free <= spare) {
		uint32_t n = home->nr_txns + spare - home->txns_free + MORE_TXNS;
		struct home_txn **array = realloc(home->txn, (n + 1) * sizeof(*array));

		if (!array)
			return false;
		home->txn = array;
		while (home->nr_txns < n) {
			struct home_txn *txn = calloc(1, sizeof(*txn));

			if (!txn)
				break;
			txn->index = ++home->nr_txns;
			array[txn->index] = txn;
			txn->next = home->free_txns;
			home->free_txns = txn;
			home->txns_free++;
		}
	}
	return home->txns_free > spare &&
	       !xpmd_sets_reserve(&home->sets, home->nr_txns + XPMD_MAX_PAGES);
}

/* Gives up chunks of entries that say nothing, and counts the others. */
void xpmd_home_trim(struct xpmd_home *home)
{
	home->chunks = 0;
	for (struct home_segment *s = xpmd_home_each(home, NULL); s; s = xpmd_home_each(home, s)) {
		xpmd_table_trim(&s->table);
		home->chunks += s->table.chunks;
	}
}

/* Makes an entry, if the directory may still grow. */
static struct xpmd_entry *new_entry(struct xpmd_home *home, struct home_segment *segment,
				    uint64_t page)
{
	uint64_t limit = home->config.pages_max / XPMD_CHUNK;
	struct xpmd_entry *entry;

	if (home->config.pages_max && home->chunks >= (limit ? limit : 1)) {
		xpmd_home_trim(home);
		if (home->chunks >= (limit ? limit : 1))
			return NULL;
	}
	entry = xpmd_table_get(&segment->table, page);
	home->chunks += entry != NULL;
	return entry;
}

/*
 * Begins a transaction of pages that are in none.  It may get fewer than it asks for;
 * NULL: not one.
 */
struct home_txn *xpmd_home_begin(struct xpmd_home *home, struct home_segment *segment,
				 uint64_t first, uint32_t count)
{
	struct home_txn *txn = home->free_txns;
	uint32_t index, n = 0;

	if (!txn)
		return NULL;
	for (; n < count; n++) {
		struct xpmd_entry *entry = xpmd_table_find(&segment->table, first + n);

		if (!entry)
			entry = new_entry(home, segment, first + n);
		if (!entry)
			break;
		entry->txn = txn->index;
	}
	if (!n)
		return NULL;

	home->free_txns = txn->next;
	home->txns_free--;
	segment->nr_txns++;
	index = txn->index;
	*txn = (struct home_txn){
		.segment = segment,
		.first = first,
		.count = n,
		.index = index,
		.op_first = NEVER,
	};
	txn->queue.tail = &txn->queue.head;
	return txn;
}

/* The pages from @count on are not the transaction's any more. */
void xpmd_home_shrink(struct xpmd_home *home, struct home_txn *txn, uint32_t count)
{
	struct home_queue queue = txn->queue;

	if (count >= txn->count)
		return;
	for (uint32_t i = count; i < txn->count; i++) {
		struct xpmd_entry *entry = xpmd_table_find(&txn->segment->table, txn->first + i);

		entry->txn = 0;
		entry->flags &= (uint8_t)~(PAGE_KEEP | PAGE_DROP);
	}
	txn->count = count;
	if (txn->queue.head)
		*queue.tail = NULL;
	txn->queue = (struct home_queue){ .tail = &txn->queue.head };
	for (struct home_request *req = queue.head, *next; req; req = next) {
		next = req->next;
		xpmd_home_put(req->first < txn->first + count ? &txn->queue : &home->ready, req);
	}
	if (home->short_of)
		home->resume = true;
}

void xpmd_home_end(struct xpmd_home *home, struct home_txn *txn)
{
	xpmd_home_shrink(home, txn, 0);
	txn->segment->nr_txns--;
	if (txn->segment->recalls || txn->segment->dying)
		xpmd_home_recheck(home, txn->segment);
	txn->segment = NULL;
	txn->next = home->free_txns;
	home->free_txns = txn;
	home->txns_free++;
	if (home->short_of)
		home->resume = true;
}

/* Whether two pages can be in one transaction */
bool xpmd_home_alike(const struct xpmd_home *home, const struct xpmd_entry *a,
		     const struct xpmd_entry *b)
{
	if (a->state != b->state || (a->flags ^ b->flags) & PAGE_FOUND)
		return false;
	if (a->state == XPMD_SHARED)
		return xpmd_set_equal(&home->sets, a->set, b->set);
	return a->state == XPMD_NONE || (a->holder == b->holder && a->gen == b->gen);
}

/* --------------------------------------------------------------- operations */

uint64_t xpmd_home_op(struct xpmd_home *home, struct home_txn *txn)
{
	uint64_t op = ++home->op << 24 | (txn ? txn->index : 0);

	if (txn) {
		if (txn->op_first == NEVER)
			txn->op_first = op;
		txn->op_last = op;
		txn->nr_ops++;
	}
	return op;
}

struct home_txn *xpmd_home_txn_of_op(const struct xpmd_home *home, uint64_t op)
{
	uint32_t index = op & 0xffffff;
	struct home_txn *txn;

	if (!index || index > home->nr_txns)
		return NULL;
	txn = home->txn[index];
	return txn->segment && txn->nr_ops && op >= txn->op_first && op <= txn->op_last ? txn :
											  NULL;
}

void xpmd_home_store(struct xpmd_home *home, struct home_txn *txn, uint64_t first, uint32_t count,
		     const void *data, enum xpmd_state state)
{
	uint64_t op = xpmd_home_op(home, txn);

	txn->segment->busy++;
	if (txn->req && txn->req->slot == XPMD_OWNER)
		txn->served = true;
	home->ops->store(home->ctx, op, txn->segment->segid, first, count, data, state);
}

/* The content of @page is gone: it is at home, if only to say so. */
void xpmd_home_lose(struct xpmd_home *home, struct home_txn *txn, uint64_t page,
		    struct xpmd_entry *entry, uint32_t slot)
{
	uint64_t op = xpmd_home_op(home, txn);

	xpmd_home_to_home(home, txn->segment, page, entry);
	txn->segment->busy++;
	home->counts.lost_pages++;
	xpmd_home_trace(home, txn->segment, page, "lost", slot);
	if (txn->req && txn->req->slot == XPMD_OWNER)
		txn->served = true;
	home->ops->lost(home->ctx, op, txn->segment->segid, page, 1);
}

/* ------------------------------------------------------------------- taking */

void xpmd_home_send_take(struct xpmd_home *home, struct home_txn *txn, uint32_t slot)
{
	struct xpmd_msg msg = {
		.type = XPMD_TAKE,
		.state = txn->take_to,
		.id = txn->take_id,
		.segid = txn->segment->segid,
		.first = txn->first,
		.count = txn->count,
		.gen = txn->take_gen,
	};

	xpmd_home_send(home, slot, &msg);
}

static void want_from(struct xpmd_home *home, struct home_txn *txn, uint32_t slot)
{
	if (xpmd_set_has(&home->sets, txn->pending, slot))
		return;
	xpmd_set_add(&home->sets, &txn->pending, slot);
	home->counts.takes++;
	for (uint32_t i = 0; home->ops->trace && i < txn->count; i++)
		xpmd_home_trace(home, txn->segment, txn->first + i, "take", slot);
	xpmd_home_send_take(home, txn, slot);
}

/*
 * Takes the pages to @to from all that have them but @except, on behalf of something
 * that waits since @since.  One that already takes them to NONE takes them from those
 * that it left out, too.
 */
void xpmd_home_take(struct xpmd_home *home, struct home_txn *txn, enum xpmd_state to,
		    uint32_t except, uint64_t since)
{
	struct home_segment *segment = txn->segment;
	struct xpmd_entry *entry = xpmd_table_find(&segment->table, txn->first);
	uint32_t gen = entry->gen;

	if (!txn->pending) {
		txn->hold_gen = entry->gen;
		for (uint32_t i = 1; i < txn->count; i++) {
			entry = xpmd_table_find(&segment->table, txn->first + i);
			if (xpmd_gen_after(entry->gen, gen))
				gen = entry->gen;
		}
		if (!++gen)
			gen = 1;
		for (uint32_t i = 0; i < txn->count; i++)
			xpmd_table_find(&segment->table, txn->first + i)->gen = gen;
		txn->take_gen = gen;
		txn->take_to = to;
		txn->take_id = ++home->take_id;
		txn->since = since;
		txn->sent = 0;
		txn->next_send = home->now + 50 * MS;
	} else if (since < txn->since) {
		txn->since = since;
	}

	for (uint32_t i = 0; i < txn->count; i++) {
		entry = xpmd_table_find(&segment->table, txn->first + i);
		if (entry->state == XPMD_EXCLUSIVE && entry->holder != XPMD_NOBODY)
			want_from(home, txn, entry->holder);
		if (entry->state != XPMD_SHARED)
			continue;
		for (uint32_t slot = xpmd_set_next(&home->sets, entry->set, 0); slot != XPMD_NOBODY;
		     slot = xpmd_set_next(&home->sets, entry->set, slot + 1))
			if (slot != except)
				want_from(home, txn, slot);
	}
	if (txn->pending && !txn->prev && home->takes != txn) {
		txn->next = home->takes;
		if (txn->next)
			txn->next->prev = txn;
		home->takes = txn;
	}
}

/* Pages that are to be stored in one operation */
struct run {
	uint64_t first;
	uint32_t count;
	const uint8_t *data;
	enum xpmd_state state;
};

static void flush_run(struct xpmd_home *home, struct home_txn *txn, struct run *run)
{
	if (run->count)
		xpmd_home_store(home, txn, run->first, run->count, run->data, run->state);
	run->count = 0;
}

static void add_to_run(struct xpmd_home *home, struct home_txn *txn, struct run *run, uint64_t page,
		       const uint8_t *data, enum xpmd_state state)
{
	if (run->count && page == run->first + run->count && state == run->state &&
	    data == run->data + (size_t)run->count * XPMD_PAGE) {
		run->count++;
		return;
	}
	flush_run(home, txn, run);
	*run = (struct run){ .first = page, .count = 1, .data = data, .state = state };
}

/*
 * What was EXCLUSIVE with @slot came back with @data, or without: then it never
 * arrived there, and the home's copy is as good, or it is lost (@alive false, or the
 * holder had said that it was in use).
 */
static void came_back(struct xpmd_home *home, struct home_txn *txn, struct run *run, uint64_t page,
		      struct xpmd_entry *entry, uint32_t slot, const uint8_t *data, bool alive)
{
	struct home_segment *segment = txn->segment;
	bool drop = xpmd_home_dropping(segment, page);
	uint8_t *copy = entry->set ? home->copy[entry->set] : NULL;
	bool clean = alive && copy && !(entry->flags & PAGE_INSTALLED);
	enum xpmd_state state = XPMD_NONE;

	if (!data && !clean && alive && txn->take_to == XPMD_SHARED) {
		/* Lost, but what it has SHARED now would go on being read. */
		txn->insist = true;
		return;
	}
	if (!data && (clean || (copy && segment->lost == XPMD_LOST_LAST_COPY))) {
		data = copy;
		if (!clean && !drop) {
			home->counts.lost_pages++;
			xpmd_home_trace(home, segment, page, "lost", slot);
		}
	}
	if (!data && !drop) {
		flush_run(home, txn, run);
		xpmd_home_lose(home, txn, page, entry, slot);
		return;
	}
	if (data && !drop && xpmd_home_forward(home, txn, entry, data))
		return;

	if (data && !drop) {
		if (alive && txn->take_to == XPMD_SHARED)
			state = XPMD_SHARED;
		add_to_run(home, txn, run, page, data, state);
		if (data == copy)	/* goes with the entry's set */
			flush_run(home, txn, run);
	}
	if (alive && txn->take_to == XPMD_SHARED) {
		xpmd_home_drop_set(home, entry);
		entry->state = XPMD_SHARED;
		xpmd_set_add(&home->sets, &entry->set, slot);
	} else {
		xpmd_home_to_home(home, segment, page, entry);
	}
}

/* @slot gave what was taken, with @msg; or was evicted (NULL). */
void xpmd_home_taken(struct xpmd_home *home, struct home_txn *txn, uint32_t slot,
		     const struct xpmd_msg *msg)
{
	struct home_segment *segment = txn->segment;
	const uint8_t *next = msg ? msg->data : NULL;
	bool current = msg && (!msg->gen || msg->gen == txn->hold_gen);
	struct run run = { .count = 0 };

	xpmd_set_del(&home->sets, &txn->pending, slot);
	for (uint32_t i = 0; i < txn->count; i++) {
		struct xpmd_entry *entry = xpmd_table_find(&segment->table, txn->first + i);
		const uint8_t *data = NULL;

		if (msg && msg->data && msg->mask[i / 64] >> i % 64 & 1) {
			data = current ? next : NULL;
			next += XPMD_PAGE;
		}
		if (msg)
			xpmd_home_trace(home, segment, txn->first + i, "taken", slot);
		if (entry->state == XPMD_EXCLUSIVE && entry->holder == slot) {
			came_back(home, txn, &run, txn->first + i, entry, slot, data, msg);
		} else if (entry->state == XPMD_SHARED &&
			   xpmd_set_has(&home->sets, entry->set, slot) &&
			   (!msg || txn->take_to == XPMD_NONE)) {
			xpmd_set_del(&home->sets, &entry->set, slot);
			if (!entry->set)
				xpmd_home_to_home(home, segment, txn->first + i, entry);
		}
	}
	flush_run(home, txn, &run);
	home->renewals = true;
	if (txn->pending)
		return;

	if (txn->prev)
		txn->prev->next = txn->next;
	else
		home->takes = txn->next;
	if (txn->next)
		txn->next->prev = txn->prev;
	txn->prev = txn->next = NULL;
	xpmd_home_step(home, txn);
}
