// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How a word that was read from an arena is judged.
 *
 * Each page has a word for each writer: the owner of the arena, and each peer
 * that attaches it.  So each word has one writer, which stores generations that
 * only grow, tagged with whose page it is:
 *
 *	owner's slot 5 | its incarnation 10 | page 13 | writer 4 | generation 32
 *
 * 0 is memory that was never written.  Beside the memory under test, in memory
 * that is not exported, the writer says what it is about to store (announced)
 * and, when it has, what must be found from now on (done).  The owner says when
 * contents may get lost, by an epoch that is odd from before to after it, and
 * in the same way when access changes (access_seq).  A store counts as done only
 * when the epoch was the same even number before and after it.
 *
 * A reader looks at these before and after its read.  Then
 *
 *  - a tag that is not of this page, incarnation and writer is another page's
 *    data: always wrong;
 *  - a generation above announced can't be: always wrong;
 *  - with the same even epoch before and after: less than what was done in this
 *    epoch is a stale page, or a store that was lost; and less than what was
 *    announced when the last contents were given up (cut) is memory that the
 *    owner no longer has;
 *  - SIGBUS needs a reason: no access, access just changing, the segment
 *    removed, the owner dying.  Who sees none waits until the owner has made two
 *    more rounds, which a dying one does not.
 *
 * What it proves: at each read the page was the owner's, and no store was
 * lost, up to the generations that passed between the two looks; and nothing is
 * in the way of an access that should work.  What it can't: that a read in an
 * odd epoch was the newer of two legitimate contents; that the other words of a
 * page are right, as a frame is right or wrong as a whole; and the one store that
 * is under way when contents are given up may be found or not.
 *
 * A word read as SIGSEGV is judged by the caller, who knows whether somebody
 * else unmaps it.
 */
#include "torture.h"

#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

/* An owner under emulation with everything else waiting */
#define REASON_SECONDS 60

static uint64_t tag_of(const struct view *view, unsigned int page, unsigned int writer)
{
	return (uint64_t)view->slot << 59 | (uint64_t)(view->incarnation & 0x3ff) << 49 |
	       (uint64_t)page << 36 | (uint64_t)writer << 32;
}

static uint64_t in_epoch(uint32_t epoch, uint32_t generation)
{
	return (uint64_t)epoch << 32 | generation;
}

static volatile uint64_t *word_of(const struct view *view, unsigned int page, unsigned int writer)
{
	return view->at + (page - view->first) * (PAGE / sizeof(uint64_t)) + writer;
}

/* What is looked at before and after an access */
struct look {
	uint32_t epoch, access_seq;
	enum access access;
	bool owned;		/* by the same incarnation, which lives, and still shared */
};

static struct look look(const struct view *view, unsigned int page)
{
	struct peer_state *peer = &shared->peer[view->slot];
	struct page_state *state = &peer->page[page];
	struct look seen = {
		.epoch = state->epoch,
		.access_seq = state->access_seq,
		.access = state->access,
		.owned = peer->incarnation == view->incarnation,
	};

	if (view->segment >= 0 && peer->segid[view->segment] != view->segid)
		seen.owned = false;
	return seen;
}

static bool has_reason(unsigned int page, const struct look *before, const struct look *after,
		       enum access wanted)
{
	if (!before->owned || !after->owned)
		return true;
	if (before->access_seq != after->access_seq || before->access_seq & 1)
		return true;
	if (before->access < wanted)
		return true;
	/* Huge pages run out, and who gets none gets SIGBUS, also as their owner. */
	return region_of(page) == REGION_HUGETLB;
}

static struct judgement judge_signal(struct judgement it, const struct view *view,
				     const struct look *before, const struct look *after,
				     enum access wanted)
{
	if (it.signal == SIGBUS)
		count(COUNT_sigbus);
	if (it.signal == SIGBUS && has_reason(it.page, before, after, wanted))
		return it;
	it.verdict = VERDICT_NO_REASON;
	it.what = wanted == ACCESS_WRITE ? "a store failed" : "a load failed";
	it.ticks = shared->peer[view->slot].ticks;
	return it;
}

static struct judgement judge_value(struct judgement it, const struct view *view,
				    const struct look *before, const struct look *after)
{
	bool strict = before->epoch == after->epoch && !(before->epoch & 1) && before->owned &&
		      after->owned;
	uint32_t generation = (uint32_t)it.value;

	it.verdict = VERDICT_BAD;
	if (!it.value) {
		count(COUNT_zero);
		it.what = "zero where a store was done";
		if (strict && it.floor >> 32 == before->epoch && (uint32_t)it.floor)
			return it;
		it.verdict = VERDICT_GOOD;
		return it;
	}
	it.what = "another page's data";
	if ((it.value ^ generation) != tag_of(view, it.page, it.writer))
		return it;
	it.what = "a generation that was never stored";
	if (generation > it.announced)
		return it;
	it.what = "older than a store that was done";
	if (strict && it.floor >> 32 == before->epoch && generation < (uint32_t)it.floor)
		return it;
	it.what = "contents that were given up";
	if (strict && it.cut >> 32 == before->epoch && generation < (uint32_t)it.cut)
		return it;
	it.verdict = VERDICT_GOOD;
	return it;
}

static int fetch_load(const struct view *view, volatile uint64_t *at, uint64_t *value)
{
	(void)view;
	return access_read(at, value);
}

struct judgement oracle_fetch(const struct view *view, unsigned int page, unsigned int writer,
			      int (*fetch)(const struct view *, volatile uint64_t *, uint64_t *))
{
	struct word_state *word = &shared->peer[view->slot].page[page].word[writer];
	struct look before = look(view, page), after;
	struct judgement it = {
		.page = page,
		.writer = writer,
		.epoch = before.epoch,
		.floor = word->done,
		.cut = word->cut,
	};

	it.signal = fetch(view, word_of(view, page, writer), &it.value);
	it.announced = word->announced;
	after = look(view, page);
	if (it.signal)
		return judge_signal(it, view, &before, &after, ACCESS_READ);
	return judge_value(it, view, &before, &after);
}

struct judgement oracle_read(const struct view *view, unsigned int page, unsigned int writer)
{
	return oracle_fetch(view, page, writer, fetch_load);
}

struct judgement oracle_write(const struct view *view, unsigned int page, unsigned int writer)
{
	struct word_state *word = &shared->peer[view->slot].page[page].word[writer];
	struct look before = look(view, page), after;
	uint32_t generation = word->announced + 1;
	struct judgement it = {
		.page = page,
		.writer = writer,
		.epoch = before.epoch,
		.value = tag_of(view, page, writer) | generation,
	};

	word->announced = generation;
	it.signal = access_write(word_of(view, page, writer), it.value);
	after = look(view, page);
	if (it.signal)
		return judge_signal(it, view, &before, &after, ACCESS_WRITE);
	if (before.epoch == after.epoch && !(before.epoch & 1) && before.owned && after.owned)
		word->done = in_epoch(before.epoch, generation);
	return it;
}

/* Whether the owner was alive, and so no reason for a signal */
static bool owner_goes_on(const struct view *view, uint64_t ticks)
{
	struct peer_state *peer = &shared->peer[view->slot];
	double limit = now() + REASON_SECONDS;

	while (!shared->stop && now() < limit) {
		if (peer->incarnation != view->incarnation)
			return false;
		if (peer->ticks >= ticks + 2)
			return peer->incarnation == view->incarnation;
		usleep(1000);
	}
	return false;
}

void oracle_report(const struct view *view, const struct judgement *it, const char *who)
{
	static const char *const events[] = {
#define X(name) #name,
		COUNTS(X)
#undef X
	};
	unsigned int event = shared->peer[view->slot].page[it->page].event;

	if (it->verdict == VERDICT_GOOD)
		return;
	if (it->verdict == VERDICT_NO_REASON && it->signal == SIGBUS &&
	    !owner_goes_on(view, it->ticks))
		return;
	finding("%s: %s: peer %u, incarnation %u, page %u (region %u), word %u, segment %d, at %p; "
		"signal %d, value %016llx, done %u.%u, cut %u.%u, announced %u, epoch %u; "
		"last event: %s",
		who, it->what, view->slot, view->incarnation, it->page, region_of(it->page),
		it->writer, view->segment, (void *)(uintptr_t)view->at, it->signal,
		(unsigned long long)it->value, (uint32_t)(it->floor >> 32), (uint32_t)it->floor,
		(uint32_t)(it->cut >> 32), (uint32_t)it->cut, it->announced, it->epoch,
		event < COUNT_MAX ? events[event] : "none");
}

/* -------------------------------------------------------- the owner's side */

/* A new incarnation: the numbers of the last one go on, so they mean the same to all */
void oracle_begin(struct peer_state *peer)
{
	for (unsigned int i = 0; i < ARENA_PAGES; i++) {
		struct page_state *page = &peer->page[i];

		page->epoch |= 1;
		page->access_seq |= 1;
		page->access = ACCESS_NONE;
		page->event = COUNT_MAX;
		for (unsigned int w = 0; w < WRITERS; w++)
			page->word[w].cut = in_epoch(page->epoch + 1, 0);
	}
}

void oracle_lose(struct peer_state *peer, unsigned int first, unsigned int pages, int event)
{
	for (unsigned int i = first; i < first + pages; i++) {
		struct page_state *page = &peer->page[i];

		page->epoch++;
		page->event = (uint8_t)event;
		/*
		 * What is older than this was stored before, and gets lost.  Read
		 * after the epoch, and before anything is.
		 */
		for (unsigned int w = 0; w < WRITERS; w++)
			page->word[w].cut = in_epoch(page->epoch + 1, page->word[w].announced);
	}
}

void oracle_lost(struct peer_state *peer, unsigned int first, unsigned int pages, bool some_left)
{
	for (unsigned int i = first; i < first + pages; i++) {
		struct page_state *page = &peer->page[i];

		for (unsigned int w = 0; some_left && w < WRITERS; w++)
			page->word[w].cut = in_epoch(page->epoch + 1, 0);
		page->epoch++;
	}
}

void oracle_close(struct peer_state *peer, unsigned int first, unsigned int pages, int event)
{
	for (unsigned int i = first; i < first + pages; i++) {
		peer->page[i].access_seq |= 1;
		peer->page[i].event = (uint8_t)event;
	}
}

void oracle_open(struct peer_state *peer, unsigned int first, unsigned int pages,
		 enum access access)
{
	for (unsigned int i = first; i < first + pages; i++) {
		if (access != ACCESS_KEEP)
			peer->page[i].access = access;
		peer->page[i].access_seq++;
	}
}
