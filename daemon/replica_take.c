// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pages that leave: taken by the home, given back, dropped; and those of an earlier
 * daemon, that may stay.
 *
 * The data of a page that was EXCLUSIVE may be the only copy.  Once it is out of the
 * module it is in a parcel, which is sent until the home says GIVEN.  A home takes a
 * page from a partition once at a time, so a TAKE with another id says that the TAKEN
 * before it has arrived.  A GIVE may still be on its way when a TAKE comes: what is in
 * it goes with TAKEN too, with the generation at which it was granted, by which the
 * home sees whether it is of what it takes, or of an earlier stay.
 */
#include "replica_internal.h"
#include "mutant.h"

#include <stdlib.h>
#include <string.h>

static bool has(const uint64_t *mask, uint32_t i)
{
	return mask[i / 64] >> i % 64 & 1;
}

static void set(uint64_t *mask, uint32_t i)
{
	mask[i / 64] |= 1ull << i % 64;
}

/* ------------------------------------------------------------------- parcels */

/* Sends @msg with the pages in @scratch that its mask names, until GIVEN. */
static void send_parcel(struct xpmd_replica *replica, struct replica_home *home,
			struct xpmd_msg *msg, const uint8_t *scratch)
{
	struct replica_parcel *parcel;
	uint32_t pages = 0;
	uint8_t *data;

	for (uint32_t i = 0; i < msg->count; i++)
		pages += has(msg->mask, i);
	parcel = malloc(sizeof(*parcel) + (size_t)pages * XPMD_PAGE);
	if (!parcel)
		abort();	/* what is here is nowhere else, and can't be kept */
	data = (uint8_t *)(parcel + 1);
	parcel->msg = *msg;
	parcel->msg.data = data;
	for (uint32_t i = 0; i < msg->count; i++)
		if (has(msg->mask, i)) {
			memcpy(data, scratch + (size_t)i * XPMD_PAGE, XPMD_PAGE);
			data += XPMD_PAGE;
		}
	parcel->tries = 1;
	parcel->due = xpmd_replica_again(replica->now, 1);
	parcel->next = home->parcels;
	home->parcels = parcel;
	xpmd_replica_send(replica, home, &parcel->msg);
	if (XPMD_MUTANT(NO_PARCEL)) {
		home->parcels = parcel->next;
		free(parcel);
	}
}

void xpmd_replica_given(struct xpmd_replica *replica, struct replica_home *home,
			const struct xpmd_msg *msg)
{
	(void)replica;
	for (struct replica_parcel **at = &home->parcels; *at; at = &(*at)->next) {
		struct replica_parcel *parcel = *at;

		if (parcel->msg.id != msg->id)
			continue;
		*at = parcel->next;
		free(parcel);
		return;
	}
}

/* Whether @page is on its way home by GIVE */
bool xpmd_replica_giving(const struct replica_home *home, int64_t segid, uint64_t page)
{
	for (const struct replica_parcel *parcel = home->parcels; parcel; parcel = parcel->next)
		if (parcel->msg.type == XPMD_GIVE && parcel->msg.segid == segid &&
		    page >= parcel->msg.first && page - parcel->msg.first < parcel->msg.count)
			return true;
	return false;
}

/* What is in parcels is of no use to the home any more.  How many pages that was */
uint64_t xpmd_replica_drop_parcels(struct replica_home *home)
{
	uint64_t pages = 0;

	for (struct replica_parcel *parcel = home->parcels, *next; parcel; parcel = next) {
		next = parcel->next;
		for (uint32_t i = 0; i < parcel->msg.count; i++)
			pages += has(parcel->msg.mask, i);
		free(parcel);
	}
	for (struct replica_held *held = home->held, *next; held; held = next) {
		next = held->next;
		free(held);
	}
	home->parcels = NULL;
	home->held = NULL;
	return pages;
}

/* --------------------------------------------------------------------- taking */

static void settled(struct replica_segment *segment, struct xpmd_entry *entry)
{
	if (entry->flags & PAGE_RECLAIM) {
		segment->reclaims--;
		segment->home->reclaims--;
	}
	entry->flags = 0;
}

/*
 * Takes [first, first + count), at most XPMD_MAX_PAGES, from the processes; the data of
 * what was EXCLUSIVE, in @exclusive, is in @data then.
 */
static void take_run(struct xpmd_replica *replica, struct replica_segment *segment, uint64_t first,
		     uint32_t count, enum xpmd_state state, uint32_t gen, uint64_t *exclusive,
		     void *data)
{
	uint64_t present[XPMD_MAX_PAGES / 64] = { 0 };

	memset(exclusive, 0, XPMD_MAX_PAGES / 8);
	if (replica->ops->take(replica->ctx, segment->segid, first, count, state, exclusive,
			       present, data))
		memset(exclusive, 0, XPMD_MAX_PAGES / 8);
	for (uint32_t i = 0; i < count; i++) {
		struct xpmd_entry *entry = xpmd_table_find(&segment->table, first + i);

		if (!entry)
			continue;
		replica->counts.taken += entry->state != XPMD_NONE;
		settled(segment, entry);
		if (state == XPMD_NONE || !has(present, i)) {
			entry->state = XPMD_NONE;
		} else if (entry->state == XPMD_EXCLUSIVE) {
			entry->state = XPMD_SHARED;
			entry->gen = gen;
		}
	}
}

/* How many pages from @page on are here and of the same flags; with @alike, state too */
static uint32_t run_of(const struct replica_segment *segment, uint64_t page, uint64_t end,
		       bool alike)
{
	const struct xpmd_entry *first = xpmd_table_find(&segment->table, page);
	uint32_t n = 1;

	for (; n < XPMD_MAX_PAGES && page + n < end; n++) {
		const struct xpmd_entry *entry = xpmd_table_find(&segment->table, page + n);

		if (!entry || entry->state == XPMD_NONE || entry->flags != first->flags ||
		    (alike && entry->state != first->state))
			break;
	}
	return n;
}

/* Takes all pages of @segment, or SHARED ones only, and forgets what they held. */
void xpmd_replica_take_all(struct xpmd_replica *replica, struct replica_segment *segment,
			   bool shared_only)
{
	uint64_t exclusive[XPMD_MAX_PAGES / 64];
	struct xpmd_entry *entry;
	uint64_t page = 0;

	while ((entry = xpmd_table_next(&segment->table, &page, UINT64_MAX))) {
		uint32_t n = run_of(segment, page, segment->table.pages, true);

		if (entry->state == XPMD_EXCLUSIVE && shared_only) {
			page += n;
			continue;
		}
		if (entry->state == XPMD_EXCLUSIVE)
			replica->counts.lost += n;
		take_run(replica, segment, page, n, XPMD_NONE, 0, exclusive, replica->scratch);
		page += n;
	}
}

/* Whether a page was granted so shortly ago that it is not given yet; until when */
static uint64_t held_until(const struct xpmd_replica *replica, const struct xpmd_entry *entry)
{
	uint64_t age = (uint64_t)((uint32_t)(replica->now >> 10) - entry->set) << 10;

	if (entry->state == XPMD_NONE || entry->flags & PAGE_RECLAIM ||
	    age >= replica->config.hold_ns)
		return 0;
	return replica->now + replica->config.hold_ns - age;
}

/* Has the TAKE wait, if a page of it is held. */
static bool hold(struct xpmd_replica *replica, struct replica_home *home,
		 struct replica_segment *segment, const struct xpmd_msg *msg)
{
	struct replica_held *held;
	uint64_t until = 0;

	for (uint32_t i = 0; i < msg->count && replica->config.hold_ns; i++) {
		const struct xpmd_entry *entry = xpmd_table_find(&segment->table, msg->first + i);
		uint64_t at = entry ? held_until(replica, entry) : 0;

		if (at > until)
			until = at;
	}
	held = until ? malloc(sizeof(*held)) : NULL;
	if (!held)
		return false;
	held->msg = *msg;
	held->msg.data = NULL;
	held->due = until;
	held->next = home->held;
	home->held = held;
	return true;
}

/* Adds what is on its way by GIVE to what is taken, if it is of the same stay or a later one. */
static void add_giving(struct xpmd_replica *replica, struct replica_home *home,
		       struct xpmd_msg *taken)
{
	for (struct replica_parcel *parcel = home->parcels; parcel; parcel = parcel->next) {
		const struct xpmd_msg *give = &parcel->msg;
		const uint8_t *data = give->data;
		bool any = false;

		for (uint32_t i = 0; i < taken->count; i++)
			any |= has(taken->mask, i);
		if (give->type != XPMD_GIVE || give->segid != taken->segid ||
		    (any && xpmd_gen_after(taken->gen, give->gen)))
			continue;
		for (uint32_t i = 0; i < give->count; i++) {
			uint64_t page = give->first + i;

			if (!has(give->mask, i))
				continue;
			data += XPMD_PAGE;
			if (page < taken->first || page - taken->first >= taken->count)
				continue;
			if (any && xpmd_gen_after(give->gen, taken->gen))
				memset(taken->mask, 0, sizeof(taken->mask));
			any = true;
			taken->gen = give->gen;
			set(taken->mask, (uint32_t)(page - taken->first));
			memcpy(replica->scratch + (page - taken->first) * XPMD_PAGE,
			       data - XPMD_PAGE, XPMD_PAGE);
		}
	}
}

/* Whether there is a page, and not one that was granted after @msg: that is an old one then. */
static bool may_take(const struct replica_segment *segment, const struct xpmd_msg *msg, uint32_t i)
{
	const struct xpmd_entry *entry = xpmd_table_find(&segment->table, msg->first + i);

	return entry && entry->state != XPMD_NONE &&
	       (entry->flags & PAGE_RECLAIM || xpmd_gen_after(msg->gen, entry->gen));
}

static void take(struct xpmd_replica *replica, struct replica_home *home,
		 const struct xpmd_msg *msg)
{
	bool reclaiming = home->reclaims;
	struct replica_segment *segment = xpmd_replica_segment(replica, msg->segid);
	struct xpmd_msg taken = {
		.type = XPMD_TAKEN,
		.state = msg->state,
		.id = msg->id,
		.segid = msg->segid,
		.first = msg->first,
		.count = msg->count,
	};
	bool ours = false, any = false;

	for (uint32_t i = 0; segment && i < msg->count; i++) {
		const struct xpmd_entry *entry = xpmd_table_find(&segment->table, msg->first + i);

		if (!may_take(segment, msg, i))
			continue;
		if (entry->state == XPMD_EXCLUSIVE && !(entry->flags & PAGE_RECLAIM))
			taken.gen = entry->gen;
		ours = true;
	}
	for (uint32_t i = 0, n; ours && i < msg->count; i += n) {
		uint64_t exclusive[XPMD_MAX_PAGES / 64];

		for (n = 0; i + n < msg->count && may_take(segment, msg, i + n); n++)
			xpmd_replica_trace(replica, home, msg->segid, msg->first + i + n, "take");
		if (!n) {
			n = 1;
			continue;
		}
		take_run(replica, segment, msg->first + i, n, msg->state, msg->gen, exclusive,
			 replica->scratch + (size_t)i * XPMD_PAGE);
		for (uint32_t j = 0; j < n; j++)
			if (has(exclusive, j))
				set(taken.mask, i + j);
	}
	add_giving(replica, home, &taken);
	for (uint32_t i = 0; i < msg->count; i++)
		any |= has(taken.mask, i);
	if (any)
		send_parcel(replica, home, &taken, replica->scratch);
	else
		xpmd_replica_send(replica, home, &taken);
	if (segment && segment->leaving && xpmd_replica_is_empty(segment))
		xpmd_replica_end_segment(replica, segment);
	if (reclaiming && !home->reclaims)
		xpmd_replica_reclaimed_all(replica, home);
}

void xpmd_replica_take(struct xpmd_replica *replica, struct replica_home *home,
		       const struct xpmd_msg *msg)
{
	struct replica_segment *segment = xpmd_replica_segment(replica, msg->segid);

	for (struct replica_held *held = home->held; held; held = held->next)
		if (held->msg.id == msg->id)
			return;
	for (struct replica_parcel *parcel = home->parcels; parcel; parcel = parcel->next)
		if (parcel->msg.type == XPMD_TAKEN && parcel->msg.id == msg->id) {
			xpmd_replica_send(replica, home, &parcel->msg);
			return;
		}
	if (segment) {
		xpmd_replica_raise(segment, msg->first, msg->count, msg->gen);
		if (hold(replica, home, segment, msg))
			return;
	}
	take(replica, home, msg);
}

/* ---------------------------------------------------------------- giving back */

/* Sends home pages [first, first + count), which were EXCLUSIVE since the same grant. */
static void send_give(struct xpmd_replica *replica, struct replica_segment *segment,
		      uint64_t first, uint32_t count, const uint8_t *data)
{
	struct xpmd_msg give = {
		.type = XPMD_GIVE,
		.state = XPMD_NONE,
		.id = ++replica->id,
		.segid = segment->segid,
		.first = first,
		.count = count,
		.gen = xpmd_table_find(&segment->table, first)->gen,
	};

	for (uint32_t i = 0; i < count; i++) {
		set(give.mask, i);
		xpmd_replica_trace(replica, segment->home, segment->segid, first + i, "give");
	}
	/* What was granted before it is on its way is void. */
	xpmd_replica_raise(segment, first, count, give.gen + 1 ? give.gen + 1 : 1);
	replica->counts.given += count;
	send_parcel(replica, segment->home, &give, data);
}

/* Takes pages of ours from the processes and gives back what was EXCLUSIVE. */
void xpmd_replica_give_back(struct xpmd_replica *replica, struct replica_segment *segment,
			    uint64_t first, uint64_t count)
{
	uint64_t end = count < segment->table.pages - first ? first + count : segment->table.pages;
	uint64_t exclusive[XPMD_MAX_PAGES / 64];
	struct xpmd_entry *entry;
	uint64_t page = first;

	while ((entry = xpmd_table_next(&segment->table, &page, end))) {
		bool ending = segment->home->ending;
		uint32_t n = run_of(segment, page, end, ending);

		if (entry->flags & PAGE_RECLAIM || (ending && entry->state == XPMD_EXCLUSIVE)) {
			/* Without its generation the home would not take it; or will not be. */
			for (uint32_t i = 0; i < n; i++)
				xpmd_table_find(&segment->table, page + i)->flags |= PAGE_UNWANTED;
			page += n;
			continue;
		}
		take_run(replica, segment, page, n, XPMD_NONE, 0, exclusive, replica->scratch);
		for (uint32_t i = 0, like; i < n; i += like) {
			uint32_t gen = xpmd_table_find(&segment->table, page + i)->gen;

			for (like = 1; i + like < n; like++)
				if (has(exclusive, i) != has(exclusive, i + like) ||
				    xpmd_table_find(&segment->table, page + i + like)->gen != gen)
					break;
			if (has(exclusive, i))
				send_give(replica, segment, page + i, like,
					  replica->scratch + (size_t)i * XPMD_PAGE);
		}
		page += n;
	}
}

void xpmd_replica_drop(struct xpmd_replica *replica, uint64_t now, int64_t segid, uint64_t first,
		       uint64_t count)
{
	struct replica_segment *segment = xpmd_replica_segment(replica, segid);

	replica->now = now;
	if (segment && first < segment->table.pages)
		xpmd_replica_give_back(replica, segment, first, count);
}

/* Repeats parcels, and takes what was held. */
uint64_t xpmd_replica_parcels_tick(struct xpmd_replica *replica, struct replica_home *home)
{
	uint64_t next = NEVER;

	for (struct replica_held **at = &home->held; *at;) {
		struct replica_held *held = *at;

		if (held->due > replica->now) {
			if (held->due < next)
				next = held->due;
			at = &held->next;
			continue;
		}
		*at = held->next;
		take(replica, home, &held->msg);
		free(held);
		at = &home->held;
	}
	for (struct replica_parcel *parcel = home->parcels; parcel; parcel = parcel->next) {
		if (!home->connected)
			break;
		if (parcel->due <= replica->now) {
			parcel->due = xpmd_replica_again(replica->now, ++parcel->tries);
			xpmd_replica_send(replica, home, &parcel->msg);
		}
		if (parcel->due < next)
			next = parcel->due;
	}
	return next;
}

/* ----------------------------------------------------------------- reclaiming */

/* Says which pages an earlier daemon of here, or of there, left us. */
void xpmd_replica_reclaim(struct xpmd_replica *replica, struct replica_segment *segment)
{
	struct xpmd_entry *entry;

	if (!segment->home->epoch)
		return;		/* RENEWED brings it */
	for (uint64_t page = 0; (entry = xpmd_table_next(&segment->table, &page, UINT64_MAX));
	     page++) {
		struct xpmd_msg msg = {
			.type = XPMD_RECLAIM,
			.state = (enum xpmd_state)entry->state,
			.id = ++replica->id,
			.segid = segment->segid,
			.first = page,
			.count = 1,
			.gen = entry->gen,
		};

		if (!(entry->flags & PAGE_RECLAIM))
			continue;
		while (msg.count < XPMD_MAX_PAGES) {
			const struct xpmd_entry *next =
				xpmd_table_find(&segment->table, page + msg.count);

			if (!next || !(next->flags & PAGE_RECLAIM) || next->state != entry->state ||
			    next->gen != entry->gen)
				break;
			msg.count++;
		}
		xpmd_replica_send(replica, segment->home, &msg);
		page += msg.count - 1;
	}
}

void xpmd_replica_reclaimed(struct xpmd_replica *replica, struct replica_home *home,
			    const struct xpmd_msg *msg)
{
	struct replica_segment *segment = xpmd_replica_segment(replica, msg->segid);

	if (!segment || segment->home != home)
		return;
	for (uint32_t i = 0; i < msg->count; i++) {
		struct xpmd_entry *entry = xpmd_table_find(&segment->table, msg->first + i);
		uint64_t exclusive[XPMD_MAX_PAGES / 64];
		bool unwanted;

		if (!entry || !(entry->flags & PAGE_RECLAIM) || entry->state != msg->state)
			continue;
		if (msg->error) {
			if (entry->state == XPMD_EXCLUSIVE)
				xpmd_replica_trace(replica, home, msg->segid, msg->first + i,
						   "refused");
			take_run(replica, segment, msg->first + i, 1, XPMD_NONE, 0, exclusive,
				 replica->scratch);
			continue;
		}
		unwanted = entry->flags & PAGE_UNWANTED;
		settled(segment, entry);
		entry->gen = msg->gen;
		xpmd_replica_trace(replica, home, msg->segid, msg->first + i, "reclaim");
		if (unwanted)
			xpmd_replica_give_back(replica, segment, msg->first + i, 1);
	}
	if (segment->leaving && xpmd_replica_is_empty(segment))
		xpmd_replica_end_segment(replica, segment);
	if (!home->reclaims)
		xpmd_replica_reclaimed_all(replica, home);
}
