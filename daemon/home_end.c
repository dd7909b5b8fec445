// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ends that were asked for: of this daemon, and of one that has pages of this home.
 *
 * A page that was granted EXCLUSIVE is certainly there when INSTALLED has said so.
 * Before that it may be on its way, and who forgets the copy of here, or dies before
 * the grant is read, loses it.  So both ends begin by taking what is not certain,
 * which the answer settles: it comes back with its data, or was never there and the
 * copy is stored.
 *
 * LEAVE, of a partition: it gets nothing any more, and LEFT when nothing of what it got
 * is uncertain.  END, to all partitions: nobody gets anything any more; each answers
 * ENDED when nothing that it has given is on its way here.  Both are repeated until
 * answered, and look at what is there each time: no answer depends on an earlier one.
 */
#include "home_internal.h"
#include "mutant.h"

/* Whether it is not certain that a holder that can be asked has the page */
static bool is_unsure(const struct xpmd_home *home, const struct xpmd_entry *entry, uint32_t slot)
{
	return entry->state == XPMD_EXCLUSIVE && entry->holder != XPMD_NOBODY &&
	       (slot == XPMD_NOBODY || entry->holder == slot) &&
	       !(entry->flags & (PAGE_INSTALLED | PAGE_FOUND)) && home->peer[entry->holder].connected;
}

/* Takes pages that @slot (XPMD_NOBODY: somebody) may not have got; whether there are any */
static bool take_unsure(struct xpmd_home *home, uint32_t slot)
{
	bool any = false;

	for (struct home_segment *s = xpmd_home_each(home, NULL); s; s = xpmd_home_each(home, s)) {
		struct xpmd_entry *entry;

		for (uint64_t page = 0; (entry = xpmd_table_next(&s->table, &page, UINT64_MAX));
		     page++) {
			struct home_txn *txn;

			if (!is_unsure(home, entry, slot))
				continue;
			any = true;
			txn = entry->txn ? NULL : xpmd_home_begin(home, s, page, 1);
			if (txn)
				xpmd_home_take(home, txn, XPMD_NONE, XPMD_NOBODY, home->now);
		}
	}
	return any;
}

/* LEAVE of @slot */
void xpmd_home_leave(struct xpmd_home *home, uint32_t slot, const struct xpmd_msg *msg)
{
	struct xpmd_msg answer = { .type = XPMD_LEFT, .id = msg->id };

	home->peer[slot].leaving = true;
	if (!take_unsure(home, slot))
		xpmd_home_send(home, slot, &answer);
}

void xpmd_home_ended(struct xpmd_home *home, uint32_t slot, const struct xpmd_msg *msg)
{
	if (home->ending && msg->id == home->end_id)
		home->peer[slot].ended = true;
}

void xpmd_home_end_all(struct xpmd_home *home, uint64_t now)
{
	xpmd_home_enter(home, now);
	home->ending = true;
	home->end_id = ++home->take_id;
	xpmd_home_settle(home);
}

/* Says END where it is not answered; returns when to do so again. */
uint64_t xpmd_home_end_tick(struct xpmd_home *home)
{
	if (!home->ending)
		return NEVER;
	if (home->now < home->end_due)
		return home->end_due;
	take_unsure(home, XPMD_NOBODY);
	for (uint32_t slot = 0; slot < home->peers; slot++) {
		struct xpmd_msg msg = { .type = XPMD_END, .id = home->end_id };

		if (!home->peer[slot].ended)
			xpmd_home_send(home, slot, &msg);
	}
	home->end_due = home->now + 50 * MS;
	return home->end_due;
}

bool xpmd_home_has_ended(const struct xpmd_home *home)
{
	if (XPMD_MUTANT(NO_END))
		return true;
	if (!home->ending || home->takes)
		return false;
	for (uint32_t slot = 0; slot < home->peers; slot++) {
		const struct home_peer *peer = &home->peer[slot];

		/* One that has left has nothing on its way, and one without pages neither. */
		if (peer->connected ? !peer->ended : peer->exclusive && !peer->leaving)
			return false;
	}
	for (struct home_segment *s = xpmd_home_each(home, NULL); s; s = xpmd_home_each(home, s)) {
		const struct xpmd_entry *entry;

		for (uint64_t page = 0; (entry = xpmd_table_next(&s->table, &page, UINT64_MAX));
		     page++)
			if (is_unsure(home, entry, XPMD_NOBODY))
				return false;
	}
	return true;
}
