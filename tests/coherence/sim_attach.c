// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An attaching partition: the module's replicas, which outlive the daemon and end with
 * the lease by a timer of the module, and threads that load and store.
 */
#include "sim.h"

#include <errno.h>
#include <string.h>

static void access_later(struct sim *sim, uint32_t node, uint32_t segment, uint64_t thread,
			 uint64_t delay);

/* -------------------------------------------------------------------- threads */

static void tell_fault(struct sim *sim, struct sim_event *event)
{
	struct sim_node *node = &sim->node[event->node];
	struct sim_thread *thread = &node->thread[event->segment][event->a];

	if (!node->replica || !thread->waiting || thread->fault != event->b)
		return;
	xpmd_replica_fault(node->replica, sim_clock(sim, event->node), thread->fault,
			   sim->segment[event->segment].segid, thread->page,
			   1 + (uint32_t)sim_random(sim, 4), thread->write);
	sim_node_touch(sim, event->node);
}

static void fault(struct sim *sim, uint32_t node, uint32_t segment, uint64_t index)
{
	struct sim_thread *thread = &sim->node[node].thread[segment][index];
	struct sim_event *event;

	thread->fault = ++sim->id;
	sim->faults++;
	event = sim_at(sim, sim_random(sim, 30 * US), tell_fault, node, segment);
	event->a = index;
	event->b = thread->fault;
}

static void access(struct sim *sim, struct sim_event *event)
{
	struct sim_node *node = &sim->node[event->node];
	struct sim_thread *thread = &node->thread[event->segment][event->a];
	struct sim_replica *page;

	if (node->dead || (event->b && thread->fault != event->b))
		return;
	if (sim->segment[event->segment].removed) {
		thread->waiting = false;
		return;
	}
	if (!thread->waiting) {
		if (sim->mended)
			return;
		thread->waiting = true;
		thread->page = sim_random(sim, sim->segment[event->segment].pages);
		thread->write = sim_chance(sim, 400);
		thread->since = sim->now;
	}
	page = &node->page[event->segment][thread->page];
	if (!sim_usable(sim, event->node, event->segment, thread->page) ||
	    (thread->write && page->state != XPMD_EXCLUSIVE)) {
		fault(sim, event->node, event->segment, event->a);
		return;
	}
	if (thread->write)
		page->value = sim_store(sim, event->segment, thread->page, page->value, "attacher",
					event->node);
	else
		sim_load(sim, event->segment, thread->page, page->value, "attacher", event->node);
	thread->waiting = false;
	thread->fault = 0;
	access_later(sim, event->node, event->segment, event->a,
		     100 * US + sim_random(sim, 30 * MS));
}

static void access_later(struct sim *sim, uint32_t node, uint32_t segment, uint64_t thread,
			 uint64_t delay)
{
	struct sim_event *event = sim_at(sim, delay, access, node, segment);

	event->a = thread;
	event->b = sim->node[node].thread[segment][thread].fault;
}

/* Fault @id is answered: the thread tries again, or gets its signal. */
static void answered(struct sim *sim, uint32_t node, uint64_t id, uint32_t error)
{
	for (uint32_t s = 0; s < sim->config.segments; s++)
		for (uint64_t t = 0; t < SIM_THREADS; t++) {
			struct sim_thread *thread = &sim->node[node].thread[s][t];

			if (!thread->waiting || thread->fault != id)
				continue;
			if (error) {
				sim->sigbus++;
				if (error == ENOENT && sim->segment[s].removing) {
					thread->waiting = false;
					return;
				}
				if (error != EFAULT)
					sim_fail(sim, "fault of %u failed with %u", node, error);
				thread->waiting = false;
				access_later(sim, node, s, t, MS + sim_random(sim, 30 * MS));
				return;
			}
			access_later(sim, node, s, t, sim_random(sim, 20 * US));
			return;
		}
}

static void pressure(struct sim *sim, struct sim_event *event)
{
	struct sim_node *node = &sim->node[event->node];
	struct sim_segment *segment = &sim->segment[event->segment];

	if (sim->mended)
		return;
	sim_at(sim, sim_random(sim, 300 * MS), pressure, event->node, event->segment);
	if (!node->replica)
		return;
	sim_say(sim, "node %u drops", event->node);
	xpmd_replica_drop(node->replica, sim_clock(sim, event->node), segment->segid,
			  sim_random(sim, segment->pages), 1 + sim_random(sim, segment->pages));
	sim_node_touch(sim, event->node);
}

void sim_attach_begin(struct sim *sim, uint32_t node, uint32_t segment)
{
	for (uint64_t t = 0; t < SIM_THREADS; t++)
		access_later(sim, node, segment, t, sim_random(sim, 50 * MS));
	sim_at(sim, sim_random(sim, 500 * MS), pressure, node, segment);
}

/* A new daemon: faults are delivered again, with the same ids. */
void sim_attach_came(struct sim *sim, uint32_t node)
{
	for (uint32_t s = 0; s < sim->config.segments; s++)
		for (uint64_t t = 0; t < SIM_THREADS; t++) {
			struct sim_thread *thread = &sim->node[node].thread[s][t];
			struct sim_event *event;

			if (!thread->waiting)
				continue;
			event = sim_at(sim, sim_random(sim, MS), tell_fault, node, s);
			event->a = t;
			event->b = thread->fault;
		}
}

bool sim_attach_waits(const struct sim *sim, uint32_t node)
{
	for (uint32_t s = 0; s < sim->config.segments; s++)
		for (uint32_t t = 0; t < SIM_THREADS; t++)
			if (sim->node[node].thread[s][t].waiting && !sim->segment[s].removed &&
			    !sim->node[sim->segment[s].home].dead)
				return true;
	return false;
}

/* --------------------------------------------------------------------- module */

static void send_to_home(void *ctx, uint32_t home, const struct xpmd_msg *msg)
{
	struct sim_context *context = ctx;

	sim_net_send(context->sim, context->node, home - 1, false, msg);
}

static int install(void *ctx, uint64_t id, int64_t segid, uint64_t first, uint32_t count,
		   enum xpmd_state state, const void *data)
{
	struct sim_context *context = ctx;
	struct sim *sim = context->sim;
	struct sim_node *node = &sim->node[context->node];
	uint32_t s = sim_find(sim, segid);
	uint32_t home = sim->segment[s].home;
	uint32_t n = 0;

	if (!node->usable[home] || sim_clock(sim, context->node) >= node->lease[home])
		return -ESTALE;
	for (; n < count; n++) {
		struct sim_replica *page = &node->page[s][first + n];

		if (data ? page->state != XPMD_NONE : page->state != XPMD_SHARED) {
			if (!n && !data)
				return -ENOENT;
			break;
		}
		if (n && sim_chance(sim, 50))
			break;		/* no memory */
		page->state = state;
		page->stamp = ++sim->id;
		if (data)
			page->value = sim_value(sim, (const uint8_t *)data + (size_t)n * XPMD_PAGE);
		sim_say(sim, "node %u has page %llu state %u value %llu", context->node,
			(unsigned long long)first + n, state, (unsigned long long)page->value);
	}
	if (n && id)
		answered(sim, context->node, id, 0);
	return (int)n;
}

static void zap_late(struct sim *sim, struct sim_event *event)
{
	struct sim_replica *page = &sim->node[event->node].page[event->segment][event->a];

	if (page->stamp == event->b)
		page->state = XPMD_NONE;
}

static int take(void *ctx, int64_t segid, uint64_t first, uint32_t count, enum xpmd_state state,
		uint64_t *exclusive, uint64_t *present, void *data)
{
	struct sim_context *context = ctx;
	struct sim *sim = context->sim;
	uint32_t s = sim_find(sim, segid);

	for (uint32_t i = 0; i < count; i++) {
		struct sim_replica *page = &sim->node[context->node].page[s][first + i];

		if (page->state == XPMD_NONE)
			continue;
		present[i / 64] |= 1ull << i % 64;
		sim_say(sim, "node %u: page %llu taken to %u, value %llu", context->node,
			(unsigned long long)first + i, state, (unsigned long long)page->value);
		if (page->state == XPMD_EXCLUSIVE) {
			exclusive[i / 64] |= 1ull << i % 64;
			sim_fill((uint8_t *)data + (size_t)i * XPMD_PAGE, page->value);
		} else if (state == XPMD_SHARED) {
			continue;
		}
		if (XPMD_MUTANT(EARLY_TAKEN) && state == XPMD_NONE) {
			struct sim_event *event = sim_at(sim, sim_random(sim, 3 * MS), zap_late,
							 context->node, s);

			event->a = first + i;
			event->b = page->stamp;
			continue;
		}
		page->state = state;
	}
	return 0;
}

static void fail(void *ctx, uint64_t id, uint32_t error)
{
	struct sim_context *context = ctx;

	answered(context->sim, context->node, id, error);
}

static void fence(struct sim *sim, struct sim_event *event)
{
	struct sim_node *node = &sim->node[event->node];

	if (node->fence[event->a] != event->b || XPMD_MUTANT(NO_FENCE))
		return;
	sim_say(sim, "node %u: lease of %llu has run out", event->node,
		(unsigned long long)event->a);
	node->usable[event->a] = false;
}

static void lease(void *ctx, uint32_t number, uint64_t until)
{
	struct sim_context *context = ctx;
	struct sim *sim = context->sim;
	struct sim_node *node = &sim->node[context->node];
	uint32_t home = number - 1;
	struct sim_event *event;

	node->fence[home]++;
	node->lease[home] = until;
	node->usable[home] = until > sim_clock(sim, context->node);
	sim_say(sim, "node %u: lease of %u until %llu us", context->node, home,
		(unsigned long long)until / 1000);
	if (!node->usable[home])
		return;
	event = sim_at(sim, sim_until(sim, context->node, until) + sim_random(sim, sim_late), fence,
		       context->node, 0);
	event->a = home;
	event->b = node->fence[home];
}

static void forget(void *ctx, int64_t segid)
{
	struct sim_context *context = ctx;

	struct sim *sim = context->sim;
	uint32_t s = sim_find(sim, segid);

	if (!sim->segment[s].removing)
		sim_fail(sim, "node %u was told that segment %u is gone", context->node, s);
	sim->node[context->node].forgot[s] = true;
	for (uint32_t i = 0; i < SIM_PAGES; i++)
		sim->node[context->node].page[s][i].state = XPMD_NONE;
}

static void trace(void *ctx, int64_t segid, uint64_t page, const char *event, uint32_t home)
{
	struct sim_context *context = ctx;

	sim_say(context->sim, "trace replica %u segment %lld page %llu %s %u", context->node + 1,
		(long long)segid & 0xff, (unsigned long long)page, event, home);
}

const struct xpmd_replica_ops sim_replica_ops = {
	.send = send_to_home,
	.install = install,
	.take = take,
	.fail = fail,
	.lease = lease,
	.forget = forget,
	.trace = trace,
};
