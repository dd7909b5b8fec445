// SPDX-License-Identifier: GPL-2.0-or-later
/* Daemons: their timers, their ends and beginnings; and the end of a partition. */
#include "sim.h"

#include <string.h>

struct sim_context sim_context[SIM_NODES];

/* --------------------------------------------------------------------- timers */

static void tick(struct sim *sim, struct sim_event *event)
{
	struct sim_node *node = &sim->node[event->node];
	uint64_t now = sim_clock(sim, event->node);
	uint64_t next, other;

	if (!node->home || (event->a && event->a != node->tick))
		return;
	node->tick_soon = false;
	next = xpmd_home_tick(node->home, now);
	other = xpmd_replica_tick(node->replica, now);
	if (other < next)
		next = other;
	node->tick++;
	if (next == UINT64_MAX)
		return;
	if (next <= now)
		next = now + 10 * US;
	next = sim_until(sim, event->node, next) + sim_random(sim, MS);
	sim_at(sim, next, tick, event->node, 0)->a = node->tick;
}

void sim_node_touch(struct sim *sim, uint32_t node)
{
	if (sim->node[node].tick_soon || !sim->node[node].home)
		return;
	sim->node[node].tick_soon = true;
	sim_at(sim, 0, tick, node, 0);
}

/* ----------------------------------------------------------------- life, death */

void sim_node_end(struct sim *sim, uint32_t node)
{
	xpmd_home_free(sim->node[node].home);
	xpmd_replica_free(sim->node[node].replica);
	sim->node[node].home = NULL;
	sim->node[node].replica = NULL;
}

void sim_node_start(struct sim *sim, uint32_t n)
{
	struct sim_node *node = &sim->node[n];
	struct xpmd_home_config home = {
		.lease_ns = sim_lease,
		.skew_ns = sim_skew,
		.peers_max = sim_chance(sim, 500) ? 8 : 40,
		.spare_txns = 2,	/* recalls have to wait for each other */
	};
	struct xpmd_replica_config replica = {
		.lease_ns = sim_lease,
		.hold_ns = sim->config.hold,
	};
	bool grace = !XPMD_MUTANT(NO_GRACE);

	node->incarnation = ++sim->id << 32 | sim_random(sim, UINT32_MAX);
	home.incarnation = replica.incarnation = node->incarnation;
	if (node->last_beat && grace)
		home.grace_until = node->last_beat + sim_lease + sim_skew;
	sim_context[n] = (struct sim_context){ sim, n };
	node->home = xpmd_home_new(&home, &sim_home_ops, &sim_context[n]);
	node->replica = xpmd_replica_new(&replica, &sim_replica_ops, &sim_context[n]);
	node->tick_soon = false;
	node->ending = 0;
	node->came = sim->now;
	memset(node->knows, 0, sizeof(node->knows));
	for (uint32_t s = 0; s < sim->config.segments; s++) {
		struct sim_segment *segment = &sim->segment[s];

		if (segment->home == n ? segment->removed : node->forgot[s])
			continue;
		if (segment->home != n) {
			xpmd_replica_add_segment(node->replica, segment->home + 1, segment->segid,
						 segment->pages);
			for (uint64_t i = 0; i < segment->pages; i++)
				xpmd_replica_found(node->replica, segment->segid, i, 1,
						   node->page[s][i].state);
			xpmd_replica_lease_found(node->replica, segment->home + 1,
						 node->usable[segment->home] ?
							 node->lease[segment->home] : 0);
			continue;
		}
		xpmd_home_add_segment(node->home, segment->segid, segment->pages, segment->lost);
		for (uint64_t i = 0; i < segment->pages && grace; i++)
			xpmd_home_found(node->home, segment->segid, i, 1,
					(enum xpmd_state)segment->page[i].mark);
		for (uint32_t peer = 0; peer < sim->config.nodes; peer++)
			if (peer != n)
				xpmd_home_permit(node->home, peer + 1, segment->segid, true, true);
		sim_owner_came(sim, s);
	}
	sim_attach_came(sim, n);
	for (uint32_t other = 0; other < sim->config.nodes; other++)
		if (other != n)
			sim_net_up(sim, n, other);
	sim_node_touch(sim, n);
}

static void come(struct sim *sim, struct sim_event *event)
{
	if (sim->node[event->node].home || sim->node[event->node].dead)
		return;
	sim_say(sim, "daemon of %u is back", event->node);
	sim_node_start(sim, event->node);
}

static void daemon_goes(struct sim *sim, uint32_t n, bool loses)
{
	sim_node_end(sim, n);
	for (uint32_t s = 0; s < sim->config.segments; s++)
		if (sim->segment[s].home == n)
			sim_owner_died(sim, s, loses);
	sim_net_down(sim, n);
}

/* What may have been in the daemon of @node only can be lost with it. */
static void daemon_ends(struct sim *sim, uint32_t n)
{
	for (uint32_t home = 0; home < sim->config.nodes; home++)
		sim_may_lose(sim, home, n);
	daemon_goes(sim, n, true);
}

/*
 * Whether the daemon may go that was asked to: then nothing is lost with it, if the next
 * one is there and heard before the leases end.  One that has waited for too long goes
 * as if it died; where nothing else happens none has to.
 */
static void try_end(struct sim *sim, struct sim_event *event)
{
	uint32_t n = event->node;
	struct sim_node *node = &sim->node[n];
	bool left, calm = !sim->config.cuts && !sim->config.restarts && !sim->config.drop;

	if (!node->home || node->ending != event->a)
		return;
	left = xpmd_home_has_ended(node->home) && xpmd_replica_has_left(node->replica) &&
	       !sim_owner_works(sim, n);
	if (!left && sim->now < event->b) {
		struct sim_event *again = sim_at(sim, 100 * US, try_end, n, 0);

		again->a = event->a;
		again->b = event->b;
		return;
	}
	sim_say(sim, "daemon of %u ends%s", n, left ? "" : ", late");
	if (!left && calm)
		sim_fail(sim, "the daemon of %u can't end", n);
	if (left)
		daemon_goes(sim, n, !calm);
	else
		daemon_ends(sim, n);
	sim_at(sim, MS + sim_random(sim, 60 * MS), come, n, 0);
}

static void ask_to_end(struct sim *sim, struct sim_event *ask)
{
	uint32_t n = (uint32_t)sim_random(sim, sim->config.nodes);
	struct sim_node *node = &sim->node[n];
	struct sim_event *event;

	(void)ask;
	if (sim->mended)
		return;
	sim_at(sim, sim_chance(sim, 300) ? sim_random(sim, 5 * MS) : 100 * MS + sim_random(sim, SEC),
	       ask_to_end, 0, 0);
	/*
	 * Not twice in a grace: leases may not have been renewed in it, and pages of who
	 * has none are lost if home begins anew once more.
	 */
	if (!node->home || node->ending ||
	    (node->came && sim->now < node->came + 2 * (sim_lease + sim_skew)))
		return;
	sim->ends++;
	sim_say(sim, "daemon of %u is asked to end", n);
	node->ending = ++sim->id;
	xpmd_home_end_all(node->home, sim_clock(sim, n));
	xpmd_replica_leave_all(node->replica, sim_clock(sim, n));
	sim_node_touch(sim, n);
	event = sim_at(sim, 0, try_end, n, 0);
	event->a = node->ending;
	event->b = sim->now + sim_lease;
}

static void trouble(struct sim *sim, struct sim_event *event)
{
	uint32_t n = (uint32_t)sim_random(sim, sim->config.nodes);
	struct sim_node *node = &sim->node[n];

	(void)event;
	if (sim->mended)
		return;
	sim_at(sim, 100 * MS + sim_random(sim, 1500 * MS), trouble, 0, 0);
	if (!node->home)
		return;
	if (sim->config.deaths && sim_chance(sim, 100)) {
		sim_say(sim, "node %u dies", n);
		daemon_ends(sim, n);
		node->dead = true;
		memset(node->usable, 0, sizeof(node->usable));
		return;
	}
	sim->restarts++;
	sim_say(sim, "daemon of %u dies", n);
	daemon_ends(sim, n);
	sim_at(sim, MS + sim_random(sim, sim_chance(sim, 700) ? 60 * MS : 800 * MS), come, n, 0);
}

void sim_node_begin(struct sim *sim, uint32_t n)
{
	sim_node_start(sim, n);
	if (!n && sim->config.restarts)
		sim_at(sim, sim_random(sim, SEC), trouble, 0, 0);
	if (!n && sim->config.ends)
		sim_at(sim, sim_random(sim, SEC), ask_to_end, 0, 0);
}

void sim_node_mend(struct sim *sim, uint32_t n)
{
	if (!sim->node[n].home && !sim->node[n].dead)
		sim_at(sim, 0, come, n, 0);
}
