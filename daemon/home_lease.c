// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Leases, eviction, pages given back, and what is left after either daemon's restart.
 *
 * A peer's deadline is the time after which nothing of this home can be used there:
 * lease + skew after the arrival of the last RENEW that was answered.  A RENEW that
 * comes while something was taken before it and not given yet is answered when it is
 * given: so a deadline does not move while it is waited for, and a recall takes no
 * longer than lease + skew, whatever the peer does.
 *
 * A peer whose lease has run out already may still give back the last copy of what it
 * had; it is given as much time to do so as one with a lease, if it has any.
 *
 * After a restart of this daemon pages are FOUND as the module marked them.  Until the
 * grace ends, whoever has one EXCLUSIVE may say so.  It says so only if its lease has
 * not run out since this daemon's predecessor gave it (gen is 0 if it can't know): such
 * a peer was certainly not evicted by the predecessor, and so is the only one.
 */
#include "home_internal.h"
#include "mutant.h"

#include <errno.h>

#define WAIT_CONNECTED	(250 * MS)	/* for a peer with nothing to lose */

/* ------------------------------------------------------------------- leases */

/*
 * Whether something that began before @when waits for @slot; in the grace, whether it
 * may, as nobody knows yet who has what is found.
 */
static bool takes_before(const struct xpmd_home *home, uint32_t slot, uint64_t when)
{
	for (struct home_segment *s = home->grace ? xpmd_home_each(home, NULL) : NULL; s;
	     s = xpmd_home_each(home, s))
		for (const struct home_recall *recall = s->recalls; recall; recall = recall->next)
			if (recall->remaining && recall->since <= when)
				return true;
	for (const struct home_txn *txn = home->takes; txn; txn = txn->next)
		if (txn->since <= when && xpmd_set_has(&home->sets, txn->pending, slot))
			return true;
	return false;
}

static void answer_renewal(struct xpmd_home *home, uint32_t slot)
{
	struct home_peer *peer = &home->peer[slot];
	struct xpmd_msg msg = { .type = XPMD_RENEWED, .id = peer->renew_id };
	uint64_t deadline;

	if (!peer->renew_at)
		peer->renew_at = home->now;
	if (takes_before(home, slot, peer->renew_at) && !XPMD_MUTANT(RENEW_ALWAYS))
		return;
	if (!home->ops->beat(home->ctx)) {
		/* As if it came after the recall that is to be told first */
		peer->renew_at = 0;
		home->renewals = true;
		return;
	}
	deadline = peer->renew_at + home->config.lease_ns + home->config.skew_ns;
	if (deadline > peer->deadline)
		peer->deadline = deadline;
	peer->renew_id = 0;
	xpmd_home_trace(home, NULL, 0, "renew", slot);
	xpmd_home_send(home, slot, &msg);
}

void xpmd_home_renew(struct xpmd_home *home, uint32_t slot, const struct xpmd_msg *msg)
{
	struct home_peer *peer = &home->peer[slot];

	/* An earlier one that waits goes first: its wait ends sooner. */
	if (peer->renew_id)
		return;
	peer->renew_id = msg->id;
	peer->renew_at = home->now;
	answer_renewal(home, slot);
	if (peer->renew_id && !msg->epoch) {
		/* It can say nothing before it knows its epoch: tell that alone. */
		struct xpmd_msg epoch = { .type = XPMD_RENEWED };

		xpmd_home_send(home, slot, &epoch);
	}
}

/* Answers what waited for takes that are over. */
void xpmd_home_renewals(struct xpmd_home *home)
{
	home->renewals = false;
	for (uint32_t slot = 0; slot < home->peers; slot++)
		if (home->peer[slot].renew_id)
			answer_renewal(home, slot);
}

/* ------------------------------------------------------------------ eviction */

/* When to go on without @slot, which has not given what @txn takes */
uint64_t xpmd_home_evict_at(const struct xpmd_home *home, const struct home_txn *txn, uint32_t slot)
{
	const struct home_peer *peer = &home->peer[slot];
	uint64_t all = home->config.lease_ns + home->config.skew_ns;
	uint64_t at = txn->since;

	if (peer->exclusive)
		at += all;
	else if (peer->connected)
		at += all < WAIT_CONNECTED ? all : WAIT_CONNECTED;
	/* A lease that this daemon's predecessor gave it may last as long as the grace. */
	if (at < home->config.grace_until)
		at = home->config.grace_until;
	return at > peer->deadline ? at : peer->deadline;
}

void xpmd_home_evict(struct xpmd_home *home, uint32_t slot)
{
	struct home_peer *peer = &home->peer[slot];
	struct xpmd_msg msg = { .type = XPMD_FENCED };

	peer->epoch++;
	peer->deadline = 0;
	peer->renew_id = 0;
	home->counts.evictions++;
	xpmd_home_trace(home, NULL, 0, "evict", slot);
	home->ops->evicted(home->ctx, peer->number, peer->epoch, peer->exclusive);

	for (struct home_txn *txn = home->takes; txn;) {
		if (!xpmd_set_has(&home->sets, txn->pending, slot)) {
			txn = txn->next;
			continue;
		}
		xpmd_home_taken(home, txn, slot, NULL);
		txn = home->takes;	/* it and others may have ended, or begun */
	}
	for (struct home_segment *s = xpmd_home_each(home, NULL); s; s = xpmd_home_each(home, s)) {
		struct xpmd_entry *entry;

		for (uint64_t page = 0; (entry = xpmd_table_next(&s->table, &page, UINT64_MAX));
		     page++) {
			if (entry->state == XPMD_SHARED &&
			    xpmd_set_has(&home->sets, entry->set, slot)) {
				xpmd_set_del(&home->sets, &entry->set, slot);
				if (!entry->set)
					xpmd_home_to_home(home, s, page, entry);
			} else if (entry->state == XPMD_EXCLUSIVE && entry->holder == slot) {
				/* What becomes of it is done when somebody wants it. */
				entry->holder = XPMD_NOBODY;
				peer->exclusive--;
				xpmd_home_left(home, s, page);
			}
		}
	}
	xpmd_home_send(home, slot, &msg);
}

/* --------------------------------------------------------------- given back */

void xpmd_home_give(struct xpmd_home *home, uint32_t slot, const struct xpmd_msg *msg)
{
	struct home_segment *segment = xpmd_home_segment(home, msg->segid);
	struct xpmd_msg answer = {
		.type = XPMD_GIVEN,
		.id = msg->id,
		.segid = msg->segid,
		.first = msg->first,
		.count = msg->count,
	};
	const uint8_t *data = msg->data;

	for (uint32_t i = 0; segment && i < msg->count; i++) {
		const struct xpmd_entry *entry = xpmd_table_find(&segment->table, msg->first + i);

		/* It is being taken: the answer to that has the data too. */
		if (entry && entry->txn && entry->state == XPMD_EXCLUSIVE && entry->holder == slot)
			return;
	}
	for (uint32_t i = 0; segment && data && i < msg->count; i++) {
		struct xpmd_entry *entry = xpmd_table_find(&segment->table, msg->first + i);
		struct home_txn *txn;

		if (!(msg->mask[i / 64] >> i % 64 & 1))
			continue;
		data += XPMD_PAGE;
		if (!entry || entry->txn || entry->state != XPMD_EXCLUSIVE ||
		    entry->holder != slot || entry->gen != msg->gen)
			continue;
		txn = xpmd_home_begin(home, segment, msg->first + i, 1);
		if (!txn)
			return;		/* it comes again */
		if (!++entry->gen)
			entry->gen = 1;
		home->counts.gives++;
		xpmd_home_trace(home, segment, msg->first + i, "give", slot);
		xpmd_home_to_home(home, segment, msg->first + i, entry);
		xpmd_home_store(home, txn, msg->first + i, 1, data - XPMD_PAGE, XPMD_NONE);
	}
	xpmd_home_send(home, slot, &answer);
}

void xpmd_home_installed(struct xpmd_home *home, uint32_t slot, const struct xpmd_msg *msg)
{
	struct home_segment *segment = xpmd_home_segment(home, msg->segid);

	for (uint32_t i = 0; segment && i < msg->count; i++) {
		struct xpmd_entry *entry = xpmd_table_find(&segment->table, msg->first + i);

		if (!entry || entry->state != XPMD_EXCLUSIVE || entry->holder != slot ||
		    entry->gen != msg->gen)
			continue;
		entry->flags |= PAGE_INSTALLED;
		if (segment->lost != XPMD_LOST_LAST_COPY)
			xpmd_home_free_copy(home, entry);
	}
}

/* ------------------------------------------------------------------ restarts */

/*
 * The daemon of @slot began anew.  What it has is in its module, but what the old one
 * had taken from there has died with it: a copy of here may be older than that.
 */
void xpmd_home_restarted(struct xpmd_home *home, uint32_t slot)
{
	for (struct home_segment *s = xpmd_home_each(home, NULL); s; s = xpmd_home_each(home, s)) {
		struct xpmd_entry *entry;

		for (uint64_t page = 0; (entry = xpmd_table_next(&s->table, &page, UINT64_MAX));
		     page++) {
			if (entry->state != XPMD_EXCLUSIVE || entry->holder != slot)
				continue;
			entry->flags |= PAGE_INSTALLED;
			if (s->lost != XPMD_LOST_LAST_COPY)
				xpmd_home_free_copy(home, entry);
		}
	}
}

/* Whether @slot may go on having @page as it says; -1: ask again */
static int reclaim(struct xpmd_home *home, struct home_segment *segment, uint32_t slot,
		   struct xpmd_entry *entry, uint64_t page, const struct xpmd_msg *msg)
{
	if (!entry)
		return false;
	if (entry->flags & PAGE_FOUND) {
		if (msg->state != XPMD_EXCLUSIVE || entry->state != XPMD_EXCLUSIVE || !msg->gen)
			return false;
		entry->flags = (uint8_t)((entry->flags & ~PAGE_FOUND) | PAGE_INSTALLED);
		entry->holder = (uint16_t)slot;
		home->peer[slot].exclusive++;
		if (xpmd_gen_after(msg->gen, entry->gen))
			entry->gen = msg->gen;
		xpmd_home_trace(home, segment, page, "reclaim", slot);
		return true;
	}
	if (entry->state == XPMD_SHARED)
		return msg->state == XPMD_SHARED && xpmd_set_has(&home->sets, entry->set, slot) ?
			       (entry->txn ? -1 : true) :
			       false;
	if (entry->state != XPMD_EXCLUSIVE || entry->holder != slot)
		return false;
	if (entry->txn)
		return -1;
	return msg->state == XPMD_EXCLUSIVE;
}

/* Recalls of @segment (NULL: of all) look for what there is to take. */
static void resume_recalls(struct xpmd_home *home, struct home_segment *segment)
{
	for (struct home_segment *s = xpmd_home_each(home, NULL); s; s = xpmd_home_each(home, s))
		for (struct home_recall *recall = s->recalls; recall; recall = recall->next)
			if (!segment || s == segment)
				recall->short_of = home->short_of = home->resume = true;
}

void xpmd_home_reclaim(struct xpmd_home *home, uint32_t slot, const struct xpmd_msg *msg)
{
	struct home_segment *segment = xpmd_home_segment(home, msg->segid);

	for (uint32_t i = 0; i < msg->count; i++) {
		struct xpmd_entry *entry =
			segment ? xpmd_table_find(&segment->table, msg->first + i) : NULL;
		struct xpmd_msg answer = {
			.type = XPMD_RECLAIMED,
			.state = msg->state,
			.id = msg->id,
			.segid = msg->segid,
			.first = msg->first + i,
			.count = 1,
		};
		int yes = 0;

		if (segment)
			yes = reclaim(home, segment, slot, entry, msg->first + i, msg);
		if (yes < 0)
			continue;
		answer.error = yes ? 0 : ESTALE;
		answer.gen = yes ? entry->gen : 0;
		xpmd_home_send(home, slot, &answer);
	}
	if (!segment)
		return;
	/* A recall, or the owner, may have waited for somebody to have it. */
	resume_recalls(home, segment);
	xpmd_home_splice(&home->ready, &segment->blocked);
}

/* Nobody else will say that it has a page. */
void xpmd_home_grace_end(struct xpmd_home *home)
{
	home->grace = false;
	home->renewals = true;
	resume_recalls(home, NULL);
	for (struct home_segment *s = xpmd_home_each(home, NULL); s; s = xpmd_home_each(home, s)) {
		struct xpmd_entry *entry;
		uint64_t first = 0, count = 0;

		for (uint64_t page = 0; (entry = xpmd_table_next(&s->table, &page, UINT64_MAX));
		     page++) {
			if (!(entry->flags & PAGE_FOUND))
				continue;
			if (entry->state == XPMD_EXCLUSIVE && !xpmd_home_dropping(s, page)) {
				entry->flags &= (uint8_t)~PAGE_FOUND;
				xpmd_home_left(home, s, page);
				continue;
			}
			if (entry->state == XPMD_SHARED &&
			    !xpmd_home_covering(s, page, page + 1)) {
				if (count && first + count != page) {
					home->ops->release(home->ctx, ++home->op << 24, s->segid,
							   first, count);
					count = 0;
				}
				if (!count++)
					first = page;
			}
			xpmd_home_to_home(home, s, page, entry);
		}
		if (count)
			home->ops->release(home->ctx, ++home->op << 24, s->segid, first, count);
		xpmd_home_splice(&home->ready, &s->blocked);
	}
}
