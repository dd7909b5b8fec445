/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The events of a daemon's trace and the transitions of coherence.pml that they are.
 *
 * A trace does not say everything: whether a TAKE left SHARED behind, or that a
 * partition dropped what it had SHARED.  So what is known of a page is a set of
 * states, an event is possible if it is in one of them, and leads to what it leads to
 * from each.  What a page is when a daemon starts is not known either: an
 * earlier one may have left anything.
 *
 * At home, of a page and a partition:
 */
#ifndef TRANSITIONS_H
#define TRANSITIONS_H

/* States, as bits of a set */
#define HAS_NONE	(1u << 0)
#define HAS_SHARED	(1u << 1)
#define HAS_EXCLUSIVE	(1u << 2)
#define HAS_ANY		(HAS_NONE | HAS_SHARED | HAS_EXCLUSIVE)

/* What it needs of the others, or of the page */
#define ALONE		(1u << 0) /* no other partition has it, in any state */
#define NO_WRITER	(1u << 1) /* no other partition has it EXCLUSIVE */
#define NOT_TAKING	(1u << 2) /* no TAKE of the page is not answered, from anybody */
#define TAKING		(1u << 3) /* one is not answered, from this partition */
#define NO_TAKE		(1u << 4) /* none is, from this partition */
#define NO_RECALL	(1u << 5) /* no recall waits for the page */

struct transition {
	const char *event;
	const char *model;	/* inline of coherence.pml */
	unsigned int from;	/* one of these it must have ... */
	unsigned int needs;
	unsigned int to;	/* ... and then one of these; 0: what it had */
};

static const struct transition home_transitions[] = {
	{ "grant-shared", "home_fetched", HAS_NONE | HAS_SHARED,
	  NO_WRITER | NOT_TAKING | NO_RECALL, HAS_SHARED },
	/* again to its holder: home_request, that GRANT did not arrive */
	{ "grant-exclusive", "home_fetched, home_taken_all, home_request", HAS_ANY,
	  ALONE | NOT_TAKING | NO_RECALL, HAS_EXCLUSIVE },
	{ "take", "begin_take, begin_recall", HAS_SHARED | HAS_EXCLUSIVE, NO_TAKE, 0 },
	/* from EXCLUSIVE, TAKE may have left SHARED */
	{ "taken", "home_message: TAKEN", HAS_EXCLUSIVE, TAKING, HAS_NONE | HAS_SHARED },
	{ "taken", "home_message: TAKEN", HAS_SHARED, TAKING, HAS_NONE },
	{ "give", "home_message: GIVE", HAS_EXCLUSIVE, NOT_TAKING, HAS_NONE },
	{ "reclaim", "home_message: RECLAIM", HAS_EXCLUSIVE, ALONE, HAS_EXCLUSIVE },
	/* with the holder's eviction, or without data from it; who had it is told */
	{ "lost", "home_evict, home_grace_ends", HAS_ANY, 0, HAS_NONE },
};

/*
 * Of all pages: evict (home_evict: the partition has none), renew (home_renew), recall
 * and recalled (begin_recall, home_taken_all: the page that is named is nobody's, and no
 * TAKE of it is not answered), start (home_start: nothing is known).
 *
 * At a partition, of a page:
 */
static const struct transition replica_transitions[] = {
	{ "grant-shared", "part_message: GRANT", HAS_NONE | HAS_SHARED, 0, HAS_SHARED },
	{ "grant-exclusive", "part_message: GRANT", HAS_NONE | HAS_SHARED, 0, HAS_EXCLUSIVE },
	{ "take", "part_take", HAS_EXCLUSIVE, 0, HAS_NONE | HAS_SHARED },
	{ "take", "part_take", HAS_SHARED, 0, HAS_NONE | HAS_SHARED },
	{ "give", "part_give", HAS_EXCLUSIVE, 0, HAS_NONE },
	/* SHARED: after the death of its own daemon, not of the home's */
	{ "reclaim", "part_message: RECLAIMED", HAS_SHARED | HAS_EXCLUSIVE, 0, 0 },
	{ "refused", "part_message: RECLAIMED", HAS_EXCLUSIVE, 0, HAS_NONE },
};

/* Of all pages of a home: fence (part_message: FENCED; it has none), renew (part_renewed). */

#endif /* TRANSITIONS_H */
