// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The network.  A session between two nodes has messages of both roles on it.  What is
 * under way when it ends is lost, and either end goes on sending until it notices.
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

struct parcel {
	struct xpmd_msg msg;
	uint64_t session;
	uint32_t from;
	bool from_home;
	uint8_t data[];
};

static struct sim_link *link_of(struct sim *sim, uint32_t a, uint32_t b)
{
	return a < b ? &sim->link[a][b] : &sim->link[b][a];
}

static bool is_cut(struct sim *sim, uint32_t from, uint32_t to)
{
	return link_of(sim, from, to)->cut[from > to];
}

static void deliver(struct sim *sim, struct sim_event *event)
{
	struct parcel *parcel = event->p;
	struct sim_link *link = link_of(sim, parcel->from, event->node);
	struct sim_node *node = &sim->node[event->node];

	if (!link->up || link->session != parcel->session || !node->home ||
	    is_cut(sim, parcel->from, event->node))
		return;
	parcel->msg.data = parcel->msg.data ? parcel->data : NULL;
	if (sim->tracing)
		sim_say(sim, "%u<-%u %s type %u id %llx segment %lld page %llu+%u state %u gen %u "
			"epoch %u error %u%s",
			event->node, parcel->from, parcel->from_home ? "home" : "replica",
			parcel->msg.type, (unsigned long long)parcel->msg.id & 0xffff,
			(long long)parcel->msg.segid & 0xff, (unsigned long long)parcel->msg.first,
			parcel->msg.count, parcel->msg.state, parcel->msg.gen, parcel->msg.epoch,
			parcel->msg.error, parcel->msg.data ? " data" : "");
	if (parcel->from_home)
		xpmd_replica_message(node->replica, sim_clock(sim, event->node), parcel->from + 1,
				     &parcel->msg);
	else
		xpmd_home_message(node->home, sim_clock(sim, event->node), parcel->from + 1,
				  &parcel->msg);
	sim_node_touch(sim, event->node);
}

static void post(struct sim *sim, uint32_t from, uint32_t to, bool from_home,
		 const struct xpmd_msg *msg, uint64_t delay)
{
	uint32_t pages = 0;
	struct parcel *parcel;
	struct sim_event *event;

	for (uint32_t i = 0; msg->data && i < msg->count; i++)
		pages += msg->mask[i / 64] >> i % 64 & 1;
	parcel = malloc(sizeof(*parcel) + (size_t)pages * XPMD_PAGE);
	if (!parcel)
		abort();
	parcel->msg = *msg;
	parcel->session = link_of(sim, from, to)->session;
	parcel->from = from;
	parcel->from_home = from_home;
	if (pages)
		memcpy(parcel->data, msg->data, (size_t)pages * XPMD_PAGE);
	event = sim_at(sim, delay, deliver, to, 0);
	event->p = parcel;
}

/* When the last message of a channel arrives, for those that stay in order */
static uint64_t arrival[SIM_NODES][SIM_NODES][2][2];

void sim_net_send(struct sim *sim, uint32_t from, uint32_t to, bool from_home,
		  const struct xpmd_msg *msg)
{
	uint64_t *last = &arrival[from][to][from_home][xpmd_msg_is_bulk(msg)];
	uint64_t delay = 20 * US + sim_random(sim, sim->config.delay) +
			 sim_random(sim, link_of(sim, from, to)->slow);

	sim->messages++;
	if (!link_of(sim, from, to)->up || is_cut(sim, from, to))
		return;
	if (!sim->mended && sim_chance(sim, sim->config.drop))
		return;
	if (!sim->mended && sim_chance(sim, 5))
		delay += sim_random(sim, sim->config.reorder ? 500 * MS : 20 * MS);
	if (!sim->config.reorder && sim->now + delay < *last)
		delay = *last - sim->now;
	*last = sim->now + delay;
	post(sim, from, to, from_home, msg, delay);
	if (!sim->mended && sim_chance(sim, sim->config.twice))
		post(sim, from, to, from_home, msg,
		     delay + sim_random(sim, sim->config.reorder ? 300 * MS : 5 * MS));
}

/* ------------------------------------------------------------------ sessions */

static void notice(struct sim *sim, uint32_t at, uint32_t other)
{
	struct sim_node *node = &sim->node[at];

	if (!node->home)
		return;
	xpmd_home_disconnect(node->home, other + 1);
	xpmd_replica_disconnect(node->replica, sim_clock(sim, at), other + 1);
	sim_node_touch(sim, at);
}

static void connect_later(struct sim *sim, uint32_t a, uint32_t b);

static void connect_one(struct sim *sim, uint32_t at, uint32_t other)
{
	struct sim_node *node = &sim->node[at];
	uint32_t epoch;

	/* What was granted to its earlier daemon may have died with that. */
	if (sim->node[other].knows[at] && sim->node[other].knows[at] != node->incarnation)
		sim_may_lose(sim, other, at);
	sim->node[other].knows[at] = node->incarnation;
	epoch = xpmd_home_connect(sim->node[other].home, sim_clock(sim, other), at + 1,
				  node->incarnation);
	if (sim_chance(sim, 500))
		epoch = 0;	/* not told */
	xpmd_replica_connect(node->replica, sim_clock(sim, at), other + 1,
			     sim->node[other].incarnation, epoch, sim_lease);
}

static void try_connect(struct sim *sim, struct sim_event *event)
{
	uint32_t a = event->node, b = event->segment;
	struct sim_link *link = link_of(sim, a, b);

	link->noticing = false;
	if (link->up || sim->node[a].dead || sim->node[b].dead)
		return;
	if (!sim->node[a].home || !sim->node[b].home || is_cut(sim, a, b) || is_cut(sim, b, a)) {
		connect_later(sim, a, b);
		return;
	}
	link->up = true;
	link->session++;
	memset(arrival[a][b], 0, sizeof(arrival[a][b]));
	memset(arrival[b][a], 0, sizeof(arrival[b][a]));
	sim_say(sim, "session %u-%u", a, b);
	connect_one(sim, a, b);
	connect_one(sim, b, a);
	sim_node_touch(sim, a);
	sim_node_touch(sim, b);
}

static void connect_later(struct sim *sim, uint32_t a, uint32_t b)
{
	struct sim_link *link = link_of(sim, a, b);

	if (link->noticing)
		return;
	link->noticing = true;
	sim_at(sim, MS + sim_random(sim, 60 * MS), try_connect, a, b);
}

static void noticed(struct sim *sim, struct sim_event *event)
{
	notice(sim, event->node, event->segment);
}

static void break_session(struct sim *sim, uint32_t a, uint32_t b)
{
	struct sim_link *link = link_of(sim, a, b);

	if (!link->up)
		return;
	sim_say(sim, "session %u-%u ends", a, b);
	link->up = false;
	sim_at(sim, sim_random(sim, 2 * MS), noticed, a, b);
	sim_at(sim, sim_random(sim, 2 * MS), noticed, b, a);
	link->noticing = true;
	sim_at(sim, 3 * MS + sim_random(sim, 60 * MS), try_connect, a, b);
}

void sim_net_down(struct sim *sim, uint32_t node)
{
	for (uint32_t other = 0; other < sim->config.nodes; other++)
		if (other != node)
			break_session(sim, node, other);
}

void sim_net_up(struct sim *sim, uint32_t a, uint32_t b)
{
	if (!link_of(sim, a, b)->up)
		connect_later(sim, a, b);
}

/* -------------------------------------------------------------------- trouble */

static void mend(struct sim *sim, struct sim_event *event)
{
	struct sim_link *link = link_of(sim, event->node, event->segment);

	link->cut[0] = link->cut[1] = false;
	link->slow = 0;
	sim_say(sim, "%u-%u is whole", event->node, event->segment);
}

static void cut_noticed(struct sim *sim, struct sim_event *event)
{
	struct sim_link *link = link_of(sim, event->node, event->segment);

	if (link->session == event->a && (link->cut[0] || link->cut[1]))
		break_session(sim, event->node, event->segment);
}

static void cut(struct sim *sim, struct sim_event *event)
{
	struct sim_link *link = link_of(sim, event->node, event->segment);

	if (sim->mended)
		return;
	link->cut[0] = event->a != 1;
	link->cut[1] = event->a != 2;
	sim_say(sim, "%u-%u is cut (%u)", event->node, event->segment, (uint32_t)event->a);
}

static void trouble(struct sim *sim, struct sim_event *event)
{
	uint32_t a = (uint32_t)sim_random(sim, sim->config.nodes);
	uint32_t b = (uint32_t)sim_random(sim, sim->config.nodes);
	uint32_t how = (uint32_t)sim_random(sim, 5);
	uint64_t wait = 0;

	(void)event;
	if (sim->mended)
		return;
	sim_at(sim, 50 * MS + sim_random(sim, 900 * MS), trouble, 0, 0);
	if (a == b)
		return;
	if (!how) {
		break_session(sim, a, b);
		return;
	}
	if (how == 4) {
		link_of(sim, a, b)->slow = sim_random(sim, 300 * MS);
		wait = sim_random(sim, 800 * MS);
	}
	sim_at(sim, wait, cut, a, b)->a = how;
	sim_at(sim, wait + 10 * MS + sim_random(sim, 1200 * MS), mend, a, b);
	sim_at(sim, wait + 100 * MS + sim_random(sim, 400 * MS), cut_noticed, a, b)->a =
		link_of(sim, a, b)->session;
}

void sim_net_begin(struct sim *sim)
{
	memset(arrival, 0, sizeof(arrival));
	for (uint32_t a = 0; a < sim->config.nodes; a++)
		for (uint32_t b = a + 1; b < sim->config.nodes; b++)
			connect_later(sim, a, b);
	if (sim->config.cuts)
		sim_at(sim, sim_random(sim, 500 * MS), trouble, 0, 0);
}

void sim_net_mend(struct sim *sim)
{
	for (uint32_t a = 0; a < sim->config.nodes; a++)
		for (uint32_t b = a + 1; b < sim->config.nodes; b++) {
			sim->link[a][b].cut[0] = sim->link[a][b].cut[1] = false;
			sim->link[a][b].slow = 0;
			sim_net_up(sim, a, b);
		}
}
