// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A home's side of the world: an owner's memory with the traps of userfaultfd, its
 * threads, the changes that its kernel makes (which wait for recalls), and the worker of
 * the daemon, which carries out one operation of the segment after the other.
 *
 * The worker waits while the kernel changes a page of its operation (mmap_lock), so a
 * core that waited for an operation before it ends a recall would hang here.
 */
#include "sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void access_later(struct sim *sim, uint32_t segment, uint64_t thread, uint64_t delay);
static void work_later(struct sim *sim, uint32_t segment, uint64_t delay);
static void change(struct sim *sim, struct sim_event *event);

static struct xpmd_home *home_of(struct sim *sim, uint32_t segment)
{
	return sim->node[sim->segment[segment].home].home;
}

/* The kernel gives a fresh page: only where nothing was. */
static void zero_fill(struct sim *sim, uint32_t segment, uint64_t page)
{
	struct sim_page *p = &sim->segment[segment].page[page];

	if (p->now)
		sim_fail(sim, "page %llu of %u becomes zeros instead of %llu",
			 (unsigned long long)page, segment, (unsigned long long)p->now);
	p->present = true;
	p->wp = false;
	p->value = 0;
}

/* An operation under way that has, or will have, the only copy of @page */
static const struct sim_op *in_limbo(const struct sim_segment *segment, uint64_t page)
{
	for (const struct sim_op *op = segment->ops; op; op = op->next)
		if (page >= op->first && page < op->first + op->count &&
		    !(op->cancelled >> (page - op->first) & 1) &&
		    (op->type == SIM_STORE || op->gave_up))
			return op;
	return NULL;
}

/* -------------------------------------------------------------------- threads */

static void tell_fault(struct sim *sim, struct sim_event *event)
{
	struct sim_segment *segment = &sim->segment[event->segment];
	struct sim_thread *thread = &segment->thread[event->a];
	struct sim_page *page = &segment->page[thread->page];

	if (!thread->waiting || !home_of(sim, event->segment))
		return;
	if (page->present ? !thread->write || !page->wp : page->now == SIM_POISON) {
		access_later(sim, event->segment, event->a, 0);
		return;
	}
	for (struct sim_op *op = segment->ops; op && !page->present; op = op->next)
		if (op->type == SIM_FETCH && !op->gave_up && thread->page >= op->first &&
		    thread->page < op->first + op->count && !in_limbo(segment, thread->page) &&
		    !page->mark) {
			/* It may be what the operation itself waits for. */
			zero_fill(sim, event->segment, thread->page);
			access_later(sim, event->segment, event->a, 0);
			return;
		}
	xpmd_home_owner_fault(home_of(sim, event->segment), sim_clock(sim, segment->home),
			      segment->segid, thread->page, thread->write);
	sim_node_touch(sim, segment->home);
}

static void access(struct sim *sim, struct sim_event *event)
{
	struct sim_segment *segment = &sim->segment[event->segment];
	struct sim_thread *thread = &segment->thread[event->a];
	struct sim_page *page;

	if (sim->node[segment->home].dead || segment->removed)
		return;
	if (!thread->waiting) {
		if (sim->mended)
			return;
		thread->waiting = true;
		thread->page = sim_random(sim, segment->pages);
		thread->write = sim_chance(sim, 400);
		thread->since = sim->now;
	}
	page = &segment->page[thread->page];
	if (!page->present && page->now == SIM_POISON) {
		sim->sigbus++;
	} else if (!page->present || (thread->write && page->wp)) {
		sim->faults++;
		sim_at(sim, sim_random(sim, 30 * US), tell_fault, 0, event->segment)->a = event->a;
		return;
	} else if (thread->write) {
		page->value = sim_store(sim, event->segment, thread->page, page->value, "owner",
					segment->home);
	} else {
		sim_load(sim, event->segment, thread->page, page->value, "owner", segment->home);
	}
	thread->waiting = false;
	access_later(sim, event->segment, event->a, 100 * US + sim_random(sim, 30 * MS));
}

static void access_later(struct sim *sim, uint32_t segment, uint64_t thread, uint64_t delay)
{
	sim_at(sim, delay, access, 0, segment)->a = thread;
}

static void wake(struct sim *sim, uint32_t segment, uint64_t first, uint64_t count)
{
	for (uint64_t t = 0; t < SIM_THREADS; t++) {
		struct sim_thread *thread = &sim->segment[segment].thread[t];

		if (thread->waiting && thread->page >= first && thread->page < first + count)
			access_later(sim, segment, t, sim_random(sim, 20 * US));
	}
}

/* --------------------------------------------------------------------- worker */

static void mark(struct sim *sim, struct sim_segment *segment, uint64_t page, enum xpmd_state state)
{
	segment->page[page].mark = (uint8_t)state;
	sim->node[segment->home].last_beat = sim_clock(sim, segment->home);
}

static void end_op(struct sim *sim, struct sim_event *event)
{
	struct sim_segment *segment = &sim->segment[event->segment];
	struct sim_op *op = segment->ops;
	uint64_t now = sim_clock(sim, segment->home);
	struct xpmd_home *home = home_of(sim, event->segment);

	if (!home || sim->node[segment->home].incarnation != event->b)
		return;
	segment->ops = op->next;
	if (!segment->ops)
		segment->ops_tail = &segment->ops;
	segment->working = false;
	if (op->type == SIM_FETCH)
		xpmd_home_fetched(home, now, op->id, (uint32_t)event->a, op->count, op->data);
	else if (op->type != SIM_RELEASE)
		xpmd_home_stored(home, now, op->id, 0);
	wake(sim, event->segment, op->first, op->count);
	free(op->data);
	free(op);
	work_later(sim, event->segment, sim_random(sim, 20 * US));
	sim_node_touch(sim, segment->home);
}

static void end_op_later(struct sim *sim, uint32_t segment, uint32_t error)
{
	struct sim_event *event = sim_at(sim, sim_random(sim, 50 * US), end_op, 0, segment);

	event->a = error;
	event->b = sim->node[sim->segment[segment].home].incarnation;
}

static void fetch_stage(struct sim *sim, uint32_t s, struct sim_op *op)
{
	struct sim_segment *segment = &sim->segment[s];
	struct sim_page *page = &segment->page[op->first];

	switch (op->stage) {
	case 0:			/* mark, populate, trap stores */
		for (uint32_t i = 0; i < op->count; i++) {
			if (page[i].now == SIM_POISON || (!page[i].present && page[i].now)) {
				op->count = i;
				break;
			}
			mark(sim, segment, op->first + i, XPMD_SHARED);
			if (!page[i].present)
				zero_fill(sim, s, op->first + i);
			page[i].wp = true;
		}
		if (!op->count) {
			end_op_later(sim, s, EFAULT);
			return;
		}
		op->stage = 1;
		break;
	case 1:			/* copy */
		for (uint32_t i = 0; i < op->count; i++) {
			if (!page[i].present) {
				op->stage = 0;
				work_later(sim, s, sim_random(sim, 20 * US));
				return;
			}
			sim_fill(op->data + (size_t)i * XPMD_PAGE, page[i].value);
		}
		if (op->state == XPMD_SHARED) {
			end_op_later(sim, s, 0);
			return;
		}
		op->stage = 2;
		break;
	case 2:			/* mark, tell the helper to give up */
		if (op->cancelled && (uint32_t)__builtin_ctz(op->cancelled) < op->count)
			op->count = (uint32_t)__builtin_ctz(op->cancelled);
		if (!op->count) {
			end_op_later(sim, s, ECANCELED);
			return;
		}
		for (uint32_t i = 0; i < op->count; i++)
			mark(sim, segment, op->first + i, XPMD_EXCLUSIVE);
		op->gave_up = true;
		op->stage = 3;
		break;
	default:
		for (uint32_t i = 0; i < op->count; i++)
			page[i].present = page[i].wp = false;
		end_op_later(sim, s, 0);
		return;
	}
	work_later(sim, s, sim_random(sim, 60 * US));
}

static void store_op(struct sim *sim, uint32_t s, struct sim_op *op)
{
	struct sim_segment *segment = &sim->segment[s];

	for (uint32_t i = 0; i < op->count; i++) {
		struct sim_page *page = &segment->page[op->first + i];
		uint64_t value = sim_value(sim, op->data + (size_t)i * XPMD_PAGE);

		if (op->cancelled >> i & 1)
			continue;
		if (value != page->now) {
			if (!page->may_lose || segment->lost != XPMD_LOST_LAST_COPY)
				sim_fail(sim, "page %llu of %u: %llu is stored, it was %llu",
					 (unsigned long long)op->first + i, s,
					 (unsigned long long)value, (unsigned long long)page->now);
			sim->losses++;
			page->now = value;
		}
		if (page->present && page->value != value)
			sim_fail(sim, "page %llu of %u is stored where there is another",
				 (unsigned long long)op->first + i, s);
		page->present = true;
		page->may_lose = false;
		page->value = value;
		page->wp = op->state == XPMD_SHARED;
		mark(sim, segment, op->first + i, op->state);
	}
}

static void work(struct sim *sim, struct sim_event *event)
{
	struct sim_segment *segment = &sim->segment[event->segment];
	struct sim_op *op = segment->ops;

	if (!op || event->b != sim->node[segment->home].incarnation ||
	    (segment->working && !event->a))
		return;
	segment->working = true;
	if (segment->changing && segment->recalling &&
	    op->first < segment->change_first + segment->change_count &&
	    op->first + op->count > segment->change_first) {
		work_later(sim, event->segment, 200 * US);
		return;
	}
	if (op->type == SIM_FETCH) {
		fetch_stage(sim, event->segment, op);
		return;
	}
	if (op->type == SIM_STORE)
		store_op(sim, event->segment, op);
	for (uint64_t i = op->first; i < op->first + op->count; i++) {
		struct sim_page *page = &segment->page[i];

		if (op->type == SIM_RELEASE) {
			mark(sim, segment, i, XPMD_NONE);
			page->wp = false;
			if (!page->present && page->now != SIM_POISON)
				zero_fill(sim, event->segment, i);
		} else if (op->type == SIM_LOST) {
			if (op->cancelled >> (i - op->first) & 1)
				continue;
			mark(sim, segment, i, XPMD_NONE);
			if (page->present)
				continue;
			if (!page->may_lose)
				sim_fail(sim, "page %llu of %u is lost for no reason",
					 (unsigned long long)i, event->segment);
			sim->losses++;
			page->now = SIM_POISON;
			page->may_lose = false;
		}
	}
	end_op_later(sim, event->segment, 0);
}

/* @sim->segment[segment].working tells that a stage is due: it goes on by this. */
static void work_later(struct sim *sim, uint32_t segment, uint64_t delay)
{
	struct sim_event *event = sim_at(sim, delay, work, 0, segment);

	event->a = sim->segment[segment].working;
	event->b = sim->node[sim->segment[segment].home].incarnation;
}

static void begin_op(void *ctx, enum sim_op_type type, uint64_t id, int64_t segid, uint64_t first,
		     uint32_t count, const void *data, enum xpmd_state state)
{
	struct sim_context *context = ctx;
	struct sim *sim = context->sim;
	uint32_t s = sim_find(sim, segid);
	struct sim_segment *segment = &sim->segment[s];
	struct sim_op *op = calloc(1, sizeof(*op));

	if (!op)
		abort();
	if (!count || first + count > segment->pages)
		sim_fail(sim, "operation %u of pages %llu+%u", type, (unsigned long long)first,
			 count);
	sim_say(sim, "op %u of %u: page %llu+%u state %u", type, s, (unsigned long long)first,
		count, state);
	op->type = type;
	op->id = id;
	op->first = first;
	op->count = count;
	op->state = state;
	if (type == SIM_FETCH || type == SIM_STORE) {
		op->data = malloc((size_t)count * XPMD_PAGE);
		if (!op->data)
			abort();
		if (data)
			memcpy(op->data, data, (size_t)count * XPMD_PAGE);
	}
	*segment->ops_tail = op;
	segment->ops_tail = &op->next;
	if (!segment->working)
		work_later(sim, s, sim_random(sim, 40 * US));
}

/* -------------------------------------------------------------------- changes */

static void no_replica(struct sim *sim, uint32_t s, uint64_t page, const char *when)
{
	for (uint32_t node = 0; node < sim->config.nodes; node++)
		if (sim_usable(sim, node, s, page))
			sim_fail(sim, "node %u can use page %llu of %u when %s", node,
				 (unsigned long long)page, s, when);
}

static void apply(struct sim *sim, uint32_t s)
{
	struct sim_segment *segment = &sim->segment[s];

	for (uint64_t i = segment->change_first;
	     i < segment->change_first + segment->change_count; i++) {
		struct sim_page *page = &segment->page[i];

		no_replica(sim, s, i, "its owner's kernel changes it");
		page->mark = XPMD_NONE;
		if (segment->change == SIM_CLEAR) {
			page->present = page->wp = page->may_lose = false;
			page->now = page->value = 0;
		} else if (!page->present && in_limbo(segment, i)) {
			/* The daemon marks it again: it has what the owner has not. */
			page->mark = XPMD_EXCLUSIVE;
		} else if (!page->present && (page->now || page->may_lose) &&
			   page->now != SIM_POISON) {
			/* ... or it is gone, and the daemon knows. */
			page->mark = XPMD_EXCLUSIVE;
		}
	}
	segment->changing = segment->recalling = false;
	if (segment->removing) {
		sim_say(sim, "segment %u has ended", s);
		segment->removed = true;
		for (uint32_t t = 0; t < SIM_THREADS; t++)
			segment->thread[t].waiting = false;
		return;
	}
	wake(sim, s, segment->change_first, segment->change_count);
	sim_at(sim, sim_random(sim, 400 * MS), change, 0, s);
}

static void complete(struct sim *sim, struct sim_event *event)
{
	struct sim_segment *segment = &sim->segment[event->segment];
	uint64_t took;

	if (!segment->recalling || segment->recall != event->a)
		return;
	took = segment->recall_begin ? sim_clock(sim, segment->home) - segment->recall_begin : 0;
	if (took > sim->recall_max)
		sim->recall_max = took;
	if (took > sim_lease + sim_skew + 5 * MS)
		sim_fail(sim, "a recall took %llu us", (unsigned long long)took / 1000);
	sim->node[segment->home].last_beat = sim_clock(sim, segment->home);
	sim_say(sim, "change of %u: recalled", event->segment);
	apply(sim, event->segment);
}

/* Without a daemon the module waits for the leases. */
static void module_deadline(struct sim *sim, struct sim_event *event)
{
	struct sim_segment *segment = &sim->segment[event->segment];
	const struct sim_node *node = &sim->node[segment->home];
	uint64_t until = node->last_beat + sim_lease + sim_skew;

	if (!segment->recalling || segment->recall != event->a || node->home || node->dead)
		return;
	if (sim_clock(sim, segment->home) < until) {
		sim_at(sim, sim_until(sim, segment->home, until), module_deadline, 0,
		       event->segment)
			->a = event->a;
		return;
	}
	sim_say(sim, "change of %u: leases are over", event->segment);
	apply(sim, event->segment);
}

static void tell_recall(struct sim *sim, struct sim_event *event)
{
	struct sim_segment *segment = &sim->segment[event->segment];
	struct xpmd_home *home = home_of(sim, event->segment);

	if (!segment->recalling || segment->recall != event->a || segment->recall_begin)
		return;
	if (!home) {
		sim_at(sim, 0, module_deadline, 0, event->segment)->a = event->a;
		return;
	}
	segment->recall_begin = sim_clock(sim, segment->home);
	if (segment->removing)
		xpmd_home_remove_segment(home, segment->recall_begin, segment->segid,
					 segment->recall);
	else
		xpmd_home_recall(home, segment->recall_begin, segment->recall, segment->segid,
			 segment->change_first, segment->change_count,
			 segment->change != SIM_CLEAR);
	sim_node_touch(sim, segment->home);
}

static void thaw(struct sim *sim, struct sim_event *event)
{
	struct sim_segment *segment = &sim->segment[event->segment];
	struct xpmd_home *home = home_of(sim, event->segment);

	if (!segment->freezing || segment->freeze != event->a)
		return;
	for (uint64_t i = 0; i < segment->pages; i++)
		if (!segment->page[i].present && segment->page[i].now &&
		    segment->page[i].now != SIM_POISON)
			sim_fail(sim, "page %llu of %u is not home when it forks",
				 (unsigned long long)i, event->segment);
	segment->freezing = segment->changing = false;
	xpmd_home_thaw(home, sim_clock(sim, segment->home), segment->segid);
	sim_node_touch(sim, segment->home);
	sim_at(sim, sim_random(sim, 400 * MS), change, 0, event->segment);
}

static void frozen(struct sim *sim, struct sim_event *event)
{
	struct sim_segment *segment = &sim->segment[event->segment];

	if (!segment->freezing || segment->freeze != event->a)
		return;
	for (uint64_t i = 0; i < segment->pages; i++)
		if (!segment->page[i].present && segment->page[i].now &&
		    segment->page[i].now != SIM_POISON)
			sim_fail(sim, "page %llu of %u is not home when frozen",
				 (unsigned long long)i, event->segment);
	sim_at(sim, sim_random(sim, 10 * MS), thaw, 0, event->segment)->a = event->a;
}

static void change(struct sim *sim, struct sim_event *event)
{
	struct sim_segment *segment = &sim->segment[event->segment];
	bool marked = false;

	if (sim->mended || segment->changing || segment->removed || sim->node[segment->home].dead)
		return;
	segment->changing = true;
	if (sim->config.freezes && sim_chance(sim, 150) && home_of(sim, event->segment)) {
		segment->freezing = true;
		segment->freeze = ++sim->id;
		sim_say(sim, "freeze of %u", event->segment);
		xpmd_home_freeze(home_of(sim, event->segment), sim_clock(sim, segment->home),
				 segment->freeze, segment->segid);
		sim_node_touch(sim, segment->home);
		return;
	}
	segment->change = (enum sim_change)sim_random(sim, 3);
	segment->change_first = sim_random(sim, segment->pages);
	segment->change_count = 1 + sim_random(sim, segment->pages - segment->change_first);
	if (sim->config.removals && sim_chance(sim, 100)) {
		segment->removing = marked = true;
		segment->change = SIM_CLEAR;
		segment->change_first = 0;
		segment->change_count = segment->pages;
	}
	for (uint64_t i = 0; i < segment->change_count; i++)
		marked |= segment->page[segment->change_first + i].mark != XPMD_NONE;
	sim_say(sim, "change of %u: %u of page %llu+%llu%s", event->segment, segment->change,
		(unsigned long long)segment->change_first,
		(unsigned long long)segment->change_count, marked ? ", recall" : "");
	if (!marked) {
		apply(sim, event->segment);
		return;
	}
	sim->recalls++;
	segment->recalling = true;
	segment->recall = ++sim->id;
	segment->recall_begin = 0;
	sim_at(sim, sim_random(sim, 50 * US), tell_recall, 0, event->segment)->a = segment->recall;
}

/* ------------------------------------------------------------------ beginnings */

void sim_owner_begin(struct sim *sim, uint32_t s)
{
	for (uint64_t t = 0; t < SIM_THREADS; t++)
		access_later(sim, s, t, sim_random(sim, 50 * MS));
	if (sim->config.changes)
		sim_at(sim, sim_random(sim, 400 * MS), change, 0, s);
}

void sim_owner_died(struct sim *sim, uint32_t s, bool loses)
{
	struct sim_segment *segment = &sim->segment[s];

	for (struct sim_op *op = segment->ops, *next; op; op = next) {
		next = op->next;
		/* The helper may have done what it was told last. */
		if (op->gave_up && sim_chance(sim, 500))
			for (uint32_t i = 0; i < op->count; i++)
				if (segment->page[op->first + i].mark == XPMD_EXCLUSIVE)
					segment->page[op->first + i].present = false;
		free(op->data);
		free(op);
	}
	segment->ops = NULL;
	segment->ops_tail = &segment->ops;
	segment->working = false;
	for (uint64_t i = 0; i < segment->pages && loses; i++)
		segment->page[i].may_lose |= !segment->page[i].present;
	if (segment->freezing) {
		segment->freezing = segment->changing = false;
		sim_at(sim, sim_random(sim, 400 * MS), change, 0, s);
	}
	if (segment->recalling) {
		segment->recall_begin = 0;
		sim_at(sim, 0, module_deadline, 0, s)->a = segment->recall;
	}
}

/* A new daemon: what waits is told to it. */
void sim_owner_came(struct sim *sim, uint32_t s)
{
	struct sim_segment *segment = &sim->segment[s];

	wake(sim, s, 0, segment->pages);
	if (segment->recalling)
		sim_at(sim, sim_random(sim, MS), tell_recall, 0, s)->a = segment->recall;
}

bool sim_owner_works(const struct sim *sim, uint32_t node)
{
	for (uint32_t s = 0; s < sim->config.segments; s++)
		if (sim->segment[s].home == node && sim->segment[s].ops)
			return true;
	return false;
}

bool sim_owner_waits(const struct sim *sim, uint32_t s)
{
	const struct sim_segment *segment = &sim->segment[s];

	if (sim->node[segment->home].dead || segment->removed)
		return false;
	for (uint32_t t = 0; t < SIM_THREADS; t++)
		if (segment->thread[t].waiting)
			return true;
	return segment->changing;
}

/* ----------------------------------------------------------------- operations */

static void send_to_peer(void *ctx, uint32_t peer, const struct xpmd_msg *msg)
{
	struct sim_context *context = ctx;

	sim_net_send(context->sim, context->node, peer - 1, true, msg);
}

static void fetch(void *ctx, uint64_t op, int64_t segid, uint64_t first, uint32_t count,
		  enum xpmd_state state)
{
	begin_op(ctx, SIM_FETCH, op, segid, first, count, NULL, state);
}

static void store(void *ctx, uint64_t op, int64_t segid, uint64_t first, uint32_t count,
		  const void *data, enum xpmd_state state)
{
	begin_op(ctx, SIM_STORE, op, segid, first, count, data, state);
}

static void release(void *ctx, uint64_t op, int64_t segid, uint64_t first, uint32_t count)
{
	begin_op(ctx, SIM_RELEASE, op, segid, first, count, NULL, XPMD_NONE);
}

static void lost(void *ctx, uint64_t op, int64_t segid, uint64_t first, uint32_t count)
{
	begin_op(ctx, SIM_LOST, op, segid, first, count, NULL, XPMD_NONE);
}

static void cancel(void *ctx, int64_t segid, uint64_t first, uint32_t count)
{
	struct sim_context *context = ctx;
	struct sim_segment *segment = &context->sim->segment[sim_find(context->sim, segid)];

	for (struct sim_op *op = segment->ops; op; op = op->next)
		for (uint64_t page = first; page < first + count; page++)
			if (op->type != SIM_RELEASE && page >= op->first &&
			    page < op->first + op->count)
				op->cancelled |= 1u << (page - op->first);
}

static void recalled(void *ctx, uint64_t recall)
{
	struct sim_context *context = ctx;
	struct sim *sim = context->sim;

	for (uint32_t s = 0; s < sim->config.segments; s++) {
		struct sim_segment *segment = &sim->segment[s];

		if (segment->recalling && segment->recall == recall)
			sim_at(sim, sim_random(sim, 20 * US), complete, 0, s)->a = recall;
		if (segment->freezing && segment->freeze == recall)
			sim_at(sim, 0, frozen, 0, s)->a = recall;
	}
}

static bool beat(void *ctx)
{
	struct sim_context *context = ctx;

	/* As if a recall had come just now; that it is told next makes no difference. */
	if (sim_chance(context->sim, 50))
		return false;
	context->sim->node[context->node].last_beat = sim_clock(context->sim, context->node);
	return true;
}

static void evicted(void *ctx, uint32_t peer, uint32_t epoch, uint64_t pages)
{
	struct sim_context *context = ctx;
	struct sim *sim = context->sim;

	sim->evictions++;
	sim_say(sim, "node %u evicts %u: epoch %u, %llu pages", context->node, peer - 1, epoch,
		(unsigned long long)pages);
	/*
	 * Leases that were not renewed in a grace may end just when a daemon is not there,
	 * and then who has pages SHARED is evicted.
	 */
	if (!sim->config.losses && (!sim->config.ends || pages))
		sim_fail(sim, "node %u evicts %u, which is well", context->node, peer - 1);
	sim_may_lose(sim, context->node, peer - 1);
}

static void trace(void *ctx, int64_t segid, uint64_t page, const char *event, uint32_t peer)
{
	struct sim_context *context = ctx;

	sim_say(context->sim, "trace home %u segment %lld page %llu %s %u", context->node + 1,
		(long long)segid & 0xff, (unsigned long long)page, event, peer);
}

const struct xpmd_home_ops sim_home_ops = {
	.send = send_to_peer,
	.fetch = fetch,
	.store = store,
	.release = release,
	.lost = lost,
	.cancel = cancel,
	.recalled = recalled,
	.beat = beat,
	.evicted = evicted,
	.trace = trace,
};
