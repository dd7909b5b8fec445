// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ends that were asked for: of this daemon, and of a home's.
 *
 * This one gives back what it has, asks for nothing any more and says LEAVE to each home,
 * which answers LEFT when no grant is on its way here.  What is of a home that is not
 * connected, or ends too, stays in the module, for the next daemon to reclaim: data
 * that is on its way to a daemon that ends would be lost with both.
 *
 * A home that ends says END.  From then on nothing is given back to it but what it takes,
 * and what should have been is when the next one is there; ENDED says that nothing is
 * on its way.
 */
#include "replica_internal.h"
#include "mutant.h"

/* END of @home */
void xpmd_replica_home_ends(struct xpmd_replica *replica, struct replica_home *home,
			    const struct xpmd_msg *msg)
{
	struct xpmd_msg answer = { .type = XPMD_ENDED, .id = msg->id };

	home->ending = true;
	if (!home->parcels && !home->held)
		xpmd_replica_send(replica, home, &answer);
}

void xpmd_replica_left(struct replica_home *home, const struct xpmd_msg *msg)
{
	if (home->leave_id && msg->id == home->leave_id)
		home->left = true;
}

void xpmd_replica_leave_all(struct xpmd_replica *replica, uint64_t now)
{
	replica->now = now;
	replica->leaving = true;
}

static bool gives_to(const struct replica_home *home)
{
	return home->connected && !home->ending;
}

/* Gives back what there is, and says LEAVE; returns when to do so again. */
uint64_t xpmd_replica_leave_tick(struct xpmd_replica *replica)
{
	uint64_t next = NEVER;

	if (!replica->leaving)
		return next;
	for (struct replica_segment *s = xpmd_replica_each(replica, NULL); s;
	     s = xpmd_replica_each(replica, s))
		if (gives_to(s->home))
			xpmd_replica_give_back(replica, s, 0, s->table.pages);
	for (struct replica_home *home = replica->homes; home; home = home->next) {
		struct xpmd_msg msg = { .type = XPMD_LEAVE };

		if (!home->connected || home->left)
			continue;
		if (replica->now >= home->leave_due) {
			if (!home->leave_id)
				home->leave_id = ++replica->id;
			msg.id = home->leave_id;
			home->leave_due = replica->now + 50 * MS;
			xpmd_replica_send(replica, home, &msg);
		}
		if (home->leave_due < next)
			next = home->leave_due;
	}
	return next;
}

/* Whether a grant may be on its way to a session that has ended */
static bool has_asked(const struct replica_segment *segment)
{
	for (const struct replica_request *req = segment->requests; req; req = req->next)
		if (req->sent && !req->served)
			return true;
	return false;
}

bool xpmd_replica_has_left(const struct xpmd_replica *replica)
{
	if (XPMD_MUTANT(NO_LEAVE))
		return replica->leaving;
	if (!replica->leaving)
		return false;
	for (const struct replica_home *home = replica->homes; home; home = home->next)
		if (home->parcels || home->held || (home->connected && !home->left))
			return false;
	for (struct replica_segment *s = xpmd_replica_each(replica, NULL); s;
	     s = xpmd_replica_each(replica, s)) {
		if (!s->home->connected ? has_asked(s) :
					  !s->home->ending && !xpmd_replica_is_empty(s))
			return false;
	}
	return true;
}
