// SPDX-License-Identifier: GPL-2.0-or-later
/* See conform.h. */
#include "conform.h"
#include "transitions.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))
#define HOME_ROWS	COUNT(home_transitions)
#define REPLICA_ROWS	COUNT(replica_transitions)
#define BUCKETS		65536u

/* A page and a partition */
struct share {
	uint32_t peer;
	unsigned int has;	/* set of HAS_* */
	bool taking;
};

struct page {
	struct page *next;
	bool home;		/* side */
	uint64_t segid, number;
	unsigned int recalls;
	unsigned int others;	/* what those have who are not named */
	uint32_t nr;
	struct share *share;
};

struct conform {
	struct page *page[BUCKETS];
	uint64_t used[HOME_ROWS + REPLICA_ROWS];
};

struct event {
	bool home;
	uint64_t segid, page;
	char name[32];
	uint32_t peer;
};

static void *need(void *memory)
{
	if (!memory) {
		perror("conform");
		exit(2);
	}
	return memory;
}

struct conform *conform_new(void)
{
	return need(calloc(1, sizeof(struct conform)));
}

static void forget_all(struct conform *conform, bool home)
{
	for (unsigned int i = 0; i < BUCKETS; i++)
		for (struct page **at = &conform->page[i]; *at;) {
			struct page *page = *at;

			if (page->home != home) {
				at = &page->next;
				continue;
			}
			*at = page->next;
			free(page->share);
			free(page);
		}
}

void conform_free(struct conform *conform)
{
	forget_all(conform, true);
	forget_all(conform, false);
	free(conform);
}

const uint64_t *conform_used(const struct conform *conform, size_t *home_ret, size_t *replica_ret)
{
	*home_ret = HOME_ROWS;
	*replica_ret = REPLICA_ROWS;
	return conform->used;
}

static struct page *find_page(struct conform *conform, const struct event *event)
{
	uint64_t hash = (event->segid * 31 + event->page) * 0x9e3779b97f4a7c15ULL;
	struct page **bucket = &conform->page[hash >> 48], *page;

	for (page = *bucket; page; page = page->next)
		if (page->home == event->home && page->segid == event->segid &&
		    page->number == event->page)
			return page;
	page = need(calloc(1, sizeof(*page)));
	page->home = event->home;
	page->segid = event->segid;
	page->number = event->page;
	page->others = HAS_ANY;
	page->next = *bucket;
	*bucket = page;
	return page;
}

static struct share *find_share(struct page *page, uint32_t peer)
{
	for (uint32_t i = 0; i < page->nr; i++)
		if (page->share[i].peer == peer)
			return &page->share[i];
	page->share = need(realloc(page->share, (page->nr + 1) * sizeof(*page->share)));
	page->share[page->nr] = (struct share){ .peer = peer, .has = page->others };
	return &page->share[page->nr++];
}

static const char *set_text(unsigned int set)
{
	static const char *const text[] = {
		"nothing possible", "NONE", "SHARED", "NONE or SHARED", "EXCLUSIVE",
		"NONE or EXCLUSIVE", "SHARED or EXCLUSIVE", "anything",
	};

	return text[set];
}

/* What others may have must be possible; with @narrow it is what they do have then. */
static bool others_are(struct page *page, const struct share *but, unsigned int set, bool narrow,
		       uint32_t *who_ret)
{
	for (uint32_t i = 0; i < page->nr; i++) {
		struct share *share = &page->share[i];

		if (share == but)
			continue;
		*who_ret = share->peer;
		if (!(share->has & set))
			return false;
		if (narrow)
			share->has &= set;
	}
	if (narrow)
		page->others &= set;
	return true;
}

static bool nobody_takes(const struct page *page, uint32_t *who_ret)
{
	for (uint32_t i = 0; i < page->nr; i++)
		if (page->share[i].taking) {
			*who_ret = page->share[i].peer;
			return false;
		}
	return true;
}

static bool may(struct page *page, struct share *share, const struct transition *row,
		char why[CONFORM_WHY])
{
	uint32_t who = 0;

	if (!(share->has & row->from))
		snprintf(why, CONFORM_WHY, "partition %" PRIu32 " has %s", share->peer,
			 set_text(share->has));
	else if (row->needs & ALONE && !others_are(page, share, HAS_NONE, false, &who))
		snprintf(why, CONFORM_WHY, "partition %" PRIu32 " has it, too", who);
	else if (row->needs & NO_WRITER &&
		 !others_are(page, share, HAS_NONE | HAS_SHARED, false, &who))
		snprintf(why, CONFORM_WHY, "partition %" PRIu32 " has it EXCLUSIVE", who);
	else if (row->needs & NOT_TAKING && !nobody_takes(page, &who))
		snprintf(why, CONFORM_WHY, "it is being taken from partition %" PRIu32, who);
	else if (row->needs & TAKING && !share->taking)
		snprintf(why, CONFORM_WHY, "it is not being taken");
	else if (row->needs & NO_TAKE && share->taking)
		snprintf(why, CONFORM_WHY, "it is being taken already");
	else if (row->needs & NO_RECALL && page->recalls)
		snprintf(why, CONFORM_WHY, "it is being recalled");
	else
		return true;
	return false;
}

static void apply(struct page *page, struct share *share, const struct transition *row)
{
	uint32_t who;

	if (row->needs & ALONE)
		others_are(page, share, HAS_NONE, true, &who);
	if (row->needs & NO_WRITER)
		others_are(page, share, HAS_NONE | HAS_SHARED, true, &who);
	if (row->needs & NO_TAKE)
		share->taking = true;
	if (row->needs & TAKING)
		share->taking = false;
	share->has = row->to ? row->to : share->has & row->from;
}

/* Events that are in the tables; what more than one row says is all possible. */
static bool table_event(struct conform *conform, const struct event *event, char why[CONFORM_WHY])
{
	const struct transition *rows = event->home ? home_transitions : replica_transitions;
	size_t n = event->home ? HOME_ROWS : REPLICA_ROWS, base = event->home ? 0 : HOME_ROWS;
	struct page *page = find_page(conform, event);
	struct share *share = find_share(page, event->peer), before = *share, after = before;
	unsigned int to = 0;
	bool found = false, possible = false;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(rows[i].event, event->name))
			continue;
		found = true;
		*share = before;
		if (!may(page, share, &rows[i], why))
			continue;
		apply(page, share, &rows[i]);
		to |= share->has;
		after = *share;
		conform->used[base + i]++;
		possible = true;
	}
	if (!found)
		snprintf(why, CONFORM_WHY, "there is no such event");
	after.has = possible ? to : before.has;
	*share = after;
	return possible;
}

/* Everything of @peer is gone: evicted, or of this home (fenced). */
static void drop_peer(struct conform *conform, const struct event *event)
{
	for (unsigned int i = 0; i < BUCKETS; i++)
		for (struct page *page = conform->page[i]; page; page = page->next) {
			struct share *share;

			if (page->home != event->home)
				continue;
			share = find_share(page, event->peer);
			share->has = HAS_NONE;
			share->taking = false;
		}
}

static bool recalled(struct page *page, char why[CONFORM_WHY])
{
	uint32_t who = 0;

	if (!page->recalls)
		snprintf(why, CONFORM_WHY, "it was not being recalled");
	else if (!nobody_takes(page, &who))
		snprintf(why, CONFORM_WHY, "partition %" PRIu32 " has not given it", who);
	else if (!others_are(page, NULL, HAS_NONE, false, &who))
		snprintf(why, CONFORM_WHY, "partition %" PRIu32 " still has it", who);
	else
		return true;
	return false;
}

static bool do_event(struct conform *conform, const struct event *event, char why[CONFORM_WHY])
{
	struct page *page;
	uint32_t who;

	if (!strcmp(event->name, "start")) {
		forget_all(conform, event->home);
		return true;
	}
	if (!strcmp(event->name, "renew"))
		return true;
	if (!strcmp(event->name, event->home ? "evict" : "fence")) {
		drop_peer(conform, event);
		return true;
	}
	if (event->home && !strcmp(event->name, "recall")) {
		find_page(conform, event)->recalls++;
		return true;
	}
	if (event->home && !strcmp(event->name, "recalled")) {
		page = find_page(conform, event);
		if (!recalled(page, why))
			return false;
		page->recalls--;
		others_are(page, NULL, HAS_NONE, true, &who);
		return true;
	}
	if (event->home && !event->peer) {
		if (strcmp(event->name, "lost")) {
			snprintf(why, CONFORM_WHY, "there is no partition 0");
			return false;
		}
		/* whoever had it: nobody claimed it */
		page = find_page(conform, event);
		if (!others_are(page, NULL, HAS_NONE, false, &who)) {
			snprintf(why, CONFORM_WHY, "partition %" PRIu32 " has it", who);
			return false;
		}
		others_are(page, NULL, HAS_NONE, true, &who);
		return true;
	}
	return table_event(conform, event, why);
}

bool conform_line(struct conform *conform, const char *line, char why[CONFORM_WHY])
{
	struct event event;
	uint64_t time;
	char side[16];
	int end = 0;

	if (sscanf(line, "%" SCNu64 " %15s %" SCNx64 " %" SCNu64 " %31s %" SCNu32 " %n", &time, side,
		   &event.segid, &event.page, event.name, &event.peer, &end) != 6 ||
	    line[end]) {
		snprintf(why, CONFORM_WHY, "not a line of a trace");
		return false;
	}
	event.home = !strcmp(side, "home");
	if (!event.home && strcmp(side, "replica")) {
		snprintf(why, CONFORM_WHY, "no such side");
		return false;
	}
	return do_event(conform, &event, why);
}
