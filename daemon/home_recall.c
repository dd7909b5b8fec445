// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Recalls: the owner's kernel is about to change pages, and waits.
 *
 * A recall takes its pages from all that have them, and is over when nobody has one.
 * It begins nothing that needs the owner and waits for nothing that does: an operation
 * under way on one of its pages is told (PAGE_KEEP, PAGE_DROP, ops->cancel), and what it
 * brings is looked at when it ends.
 *
 * Pages of a transaction that takes already are taken by it.  One that takes them to
 * SHARED is waited for and then takes again, on behalf of the recall; so a page is
 * taken from a peer once at a time, and the TAKE that comes second says that the first
 * was answered.  Others get a transaction of their own, a run of like pages each; when
 * there is none left the recall goes on as others end, which they do, by an answer or
 * by eviction.
 *
 * Freezing and removal of a segment are recalls of all of it.
 */
#include "home_internal.h"

#include <errno.h>
#include <stdlib.h>

#define POOL	64u	/* recalls at hand */

/* The first active recall of pages in [first, end) */
struct home_recall *xpmd_home_covering(const struct home_segment *segment, uint64_t first,
				       uint64_t end)
{
	for (struct home_recall *recall = segment->recalls; recall; recall = recall->next)
		if (first < recall->end && end > recall->first)
			return recall;
	return NULL;
}

/* Whether what comes back of @page is to be dropped */
bool xpmd_home_dropping(const struct home_segment *segment, uint64_t page)
{
	for (struct home_recall *recall = segment->recalls; recall; recall = recall->next)
		if (page >= recall->first && page < recall->end && !recall->keep)
			return true;
	return false;
}

/* Since when the longest of them waits */
uint64_t xpmd_home_recall_since(const struct home_segment *segment, uint64_t first, uint64_t end,
				uint64_t now)
{
	for (struct home_recall *recall = segment->recalls; recall; recall = recall->next)
		if (first < recall->end && end > recall->first && recall->since < now)
			now = recall->since;
	return now;
}

/* Takes what recalls want of a transaction's pages.  Whether it takes now */
bool xpmd_home_recall_txn(struct xpmd_home *home, struct home_txn *txn)
{
	struct home_segment *segment = txn->segment;
	uint64_t end = txn->first + txn->count;
	bool wanted = false;

	if (!xpmd_home_covering(segment, txn->first, end))
		return txn->pending;
	for (uint64_t page = txn->first; page < end; page++) {
		struct xpmd_entry *entry = xpmd_table_find(&segment->table, page);

		if (xpmd_home_remote(entry))
			wanted |= xpmd_home_covering(segment, page, page + 1) != NULL;
		else if (entry->state != XPMD_NONE && xpmd_home_dropping(segment, page))
			xpmd_home_to_home(home, segment, page, entry);
	}
	if (wanted && (!txn->pending || txn->take_to == XPMD_NONE))
		xpmd_home_take(home, txn, XPMD_NONE, XPMD_NOBODY,
			       xpmd_home_recall_since(segment, txn->first, end, home->now));
	return txn->pending;
}

/* Begins to take what nothing takes yet. */
static void take_rest(struct xpmd_home *home, struct home_segment *segment,
		      struct home_recall *recall)
{
	struct xpmd_entry *entry;
	uint64_t page = recall->first;

	recall->short_of = false;
	while ((entry = xpmd_table_next(&segment->table, &page, recall->end))) {
		struct home_txn *txn;
		uint32_t n = 1;

		if (entry->txn) {
			txn = home->txn[entry->txn];
			xpmd_home_recall_txn(home, txn);
			page = txn->first + txn->count;
			continue;
		}
		if (!xpmd_home_remote(entry) && entry->state == XPMD_EXCLUSIVE && recall->freeze) {
			/* It is lost; who forks copies that, too. */
			txn = xpmd_home_begin(home, segment, page, 1);
			if (!txn) {
				recall->short_of = home->short_of = true;
				return;
			}
			xpmd_home_resolve_lost(home, txn, entry);
		}
		if (!xpmd_home_remote(entry) || entry->flags & PAGE_FOUND) {
			page++;
			continue;
		}
		for (; n < XPMD_MAX_PAGES && page + n < recall->end; n++) {
			const struct xpmd_entry *next = xpmd_table_find(&segment->table, page + n);

			if (!next || next->txn || !xpmd_home_alike(home, entry, next))
				break;
		}
		txn = xpmd_home_begin(home, segment, page, n);
		if (!txn) {
			recall->short_of = home->short_of = true;
			return;
		}
		xpmd_home_recall_txn(home, txn);
		page += n;
	}
}

void xpmd_home_recall_resume(struct xpmd_home *home)
{
	home->short_of = home->resume = false;
	for (struct home_segment *s = xpmd_home_each(home, NULL); s; s = xpmd_home_each(home, s))
		for (struct home_recall *recall = s->recalls; recall; recall = recall->next)
			if (recall->short_of)
				take_rest(home, s, recall);
}

static void tell_operation(struct xpmd_home *home, struct home_segment *segment, uint64_t page,
			   struct xpmd_entry *entry, bool keep)
{
	struct home_txn *txn = entry->txn ? home->txn[entry->txn] : NULL;

	if (!txn || !txn->nr_ops)
		return;
	if (txn->fetching)
		entry->flags |= keep ? PAGE_KEEP : PAGE_DROP;
	if (!keep && home->ops->cancel)
		home->ops->cancel(home->ctx, segment->segid, page, 1);
}

void xpmd_home_recall_begin(struct xpmd_home *home, struct home_segment *segment,
			    struct home_recall *recall)
{
	struct xpmd_entry *entry;
	uint64_t page = recall->first;

	for (; (entry = xpmd_table_next(&segment->table, &page, recall->end)); page++) {
		tell_operation(home, segment, page, entry, recall->keep);
		if (xpmd_home_remote(entry))
			recall->remaining++;
		else if (entry->state != XPMD_NONE && !recall->keep)
			xpmd_home_to_home(home, segment, page, entry);
	}
	home->counts.recalls++;
	xpmd_home_trace(home, segment, recall->first, "recall", XPMD_NOBODY);
	recall->next = segment->recalls;
	segment->recalls = recall;
	take_rest(home, segment, recall);
	xpmd_home_recheck(home, segment);
}

/* Answers the recalls of @segment that are over. */
void xpmd_home_recall_end(struct xpmd_home *home, struct home_segment *segment)
{
	struct home_recall **at = &segment->recalls;

	while (*at) {
		struct home_recall *recall = *at;

		if (recall->remaining || recall->short_of || (recall->freeze && segment->busy)) {
			at = &recall->next;
			continue;
		}
		*at = recall->next;
		home->renewals = true;
		if (home->now - recall->since > home->counts.recall_ns_max)
			home->counts.recall_ns_max = home->now - recall->since;
		xpmd_home_trace(home, segment, recall->first, "recalled", XPMD_NOBODY);
		for (uint32_t slot = 0; recall->remove && slot < home->peers; slot++) {
			struct xpmd_msg msg = { .type = XPMD_GONE, .segid = segment->segid };

			if (segment->readers[slot / 64] >> slot % 64 & 1)
				xpmd_home_send(home, slot, &msg);
		}
		home->ops->recalled(home->ctx, recall->id);
		recall->next = home->free_recalls;
		home->free_recalls = recall;
		home->recalls_free++;
		xpmd_home_splice(&home->ready, &segment->blocked);
	}
}

/* ---------------------------------------------------------------- from outside */

/* Recalls come when memory is short: some are always at hand. */
void xpmd_home_recall_pool(struct xpmd_home *home)
{
	while (home->recalls_free < POOL) {
		struct home_recall *recall = calloc(1, sizeof(*recall));

		if (!recall)
			return;
		recall->next = home->free_recalls;
		home->free_recalls = recall;
		home->recalls_free++;
	}
}

struct home_recall *xpmd_home_recall_new(struct xpmd_home *home)
{
	struct home_recall *recall;

	if (!home->free_recalls)
		xpmd_home_recall_pool(home);
	recall = home->free_recalls;
	if (!recall)
		abort();	/* without a daemon the kernel waits for the leases, not longer */
	home->free_recalls = recall->next;
	home->recalls_free--;
	*recall = (struct home_recall){ .since = home->now };
	return recall;
}

void xpmd_home_recall(struct xpmd_home *home, uint64_t now, uint64_t id, int64_t segid,
		      uint64_t first, uint64_t count, bool keep)
{
	struct home_segment *segment = xpmd_home_segment(home, segid);
	struct home_recall *recall;

	xpmd_home_enter(home, now);
	if (!segment || first >= segment->table.pages || !count) {
		home->ops->recalled(home->ctx, id);
		xpmd_home_settle(home);
		return;
	}
	if (count > segment->table.pages - first)
		count = segment->table.pages - first;
	recall = xpmd_home_recall_new(home);
	recall->id = id;
	recall->first = first;
	recall->end = first + count;
	recall->keep = keep;
	xpmd_home_recall_begin(home, segment, recall);
	xpmd_home_settle(home);
}

void xpmd_home_freeze(struct xpmd_home *home, uint64_t now, uint64_t id, int64_t segid)
{
	struct home_segment *segment = xpmd_home_segment(home, segid);
	struct home_recall *recall;

	xpmd_home_enter(home, now);
	if (!segment) {
		home->ops->recalled(home->ctx, id);
		xpmd_home_settle(home);
		return;
	}
	segment->frozen = true;
	recall = xpmd_home_recall_new(home);
	recall->id = id;
	recall->end = segment->table.pages;
	recall->keep = true;
	recall->freeze = true;
	xpmd_home_recall_begin(home, segment, recall);
	xpmd_home_settle(home);
}

void xpmd_home_thaw(struct xpmd_home *home, uint64_t now, int64_t segid)
{
	struct home_segment *segment = xpmd_home_segment(home, segid);

	xpmd_home_enter(home, now);
	if (segment) {
		segment->frozen = false;
		xpmd_home_splice(&home->ready, &segment->blocked);
	}
	xpmd_home_settle(home);
}

void xpmd_home_remove_segment(struct xpmd_home *home, uint64_t now, int64_t segid, uint64_t id)
{
	struct home_segment *segment = xpmd_home_segment(home, segid);
	struct home_recall *recall;

	xpmd_home_enter(home, now);
	if (!segment) {
		home->ops->recalled(home->ctx, id);
		xpmd_home_settle(home);
		return;
	}
	segment->dying = true;
	xpmd_home_splice(&home->ready, &segment->blocked);
	recall = xpmd_home_recall_new(home);
	recall->id = id;
	recall->end = segment->table.pages;
	recall->remove = true;
	xpmd_home_recall_begin(home, segment, recall);
	xpmd_home_settle(home);
}
