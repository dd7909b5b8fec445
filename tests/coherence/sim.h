/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A deterministic simulator of partitions: daemon/home.c and daemon/replica.c as they
 * are, around them a model of everything else.  One seed is one run, always the same.
 *
 * Nodes.  A node is a partition: a module, that outlives the daemon; a daemon with both
 * sides of the protocol; a clock that runs a little wrong; the owners of its segments
 * and processes that attach those of others.
 *
 *   sim.c           events, random numbers, clocks, what is checked
 *   sim_net.c       sessions, messages lost, doubled, late, out of order; cuts
 *   sim_owner.c     an owner's memory, its threads, its kernel's changes, and the part
 *                   of the daemon that works on it (fetch, store, release, lost)
 *   sim_attach.c    an attaching partition's module and threads
 *   sim_node.c      daemons, their restarts, the death of a partition
 *
 * Serial order.  Each page has one value, which each store replaces by one that was
 * never there before; each load, wherever it happens, must see it.  A page whose only
 * copy was in something that died may be lost: then it is SIGBUS, or with the policy
 * LAST_COPY an earlier value, from then on for everybody.
 */
#ifndef SIM_H
#define SIM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "home.h"
#include "mutant.h"
#include "replica.h"

#define US		1000ull
#define MS		1000000ull
#define SEC		1000000000ull

#define SIM_NODES	4u
#define SIM_SEGMENTS	2u
#define SIM_PAGES	6u
#define SIM_THREADS	2u	/* of an owner, and of a node for each foreign segment */

#define SIM_POISON	UINT64_MAX

struct sim;
struct sim_event;
typedef void sim_fn(struct sim *sim, struct sim_event *event);

struct sim_event {
	uint64_t at, order;
	sim_fn *fn;
	uint32_t node, segment;
	uint64_t a, b;
	void *p;		/* freed with the event */
};

/* A page of the owner's memory */
struct sim_page {
	bool present, wp;
	uint8_t mark;			/* XPMD_SHARED: REMOTE, XPMD_EXCLUSIVE: AWAY */
	uint64_t value;			/* while present */
	uint64_t now;			/* of the serial order; SIM_POISON: lost */
	bool may_lose;			/* the only copy may have died */
};

enum sim_change { SIM_CLEAR, SIM_PROTECT, SIM_MOVE };

enum sim_op_type { SIM_FETCH, SIM_STORE, SIM_RELEASE, SIM_LOST };

struct sim_op {
	struct sim_op *next;
	enum sim_op_type type;
	uint64_t id;
	uint64_t first;
	uint32_t count;
	enum xpmd_state state;
	uint32_t stage;
	bool gave_up;			/* fetch: GIVE_UP was sent */
	uint32_t cancelled;		/* mask of pages */
	uint8_t *data;
};

struct sim_thread {
	bool waiting;
	bool write;
	uint64_t page;
	uint64_t fault;			/* id, attaching threads */
	uint64_t since;
};

struct sim_segment {
	int64_t segid;
	uint32_t home;
	uint64_t pages;
	enum xpmd_lost lost;
	struct sim_page page[SIM_PAGES];
	struct sim_thread thread[SIM_THREADS];
	struct sim_op *ops, **ops_tail;	/* of the daemon's worker */
	bool working;

	/* What the owner's kernel is doing */
	bool changing, recalling;
	enum sim_change change;
	uint64_t change_first, change_count;
	uint64_t recall;
	uint64_t recall_begin;		/* when the daemon was told; 0: not */
	bool removing, removed;		/* the change is its end; it has ended */
	bool freezing;
	uint64_t freeze;
};

struct sim_replica {
	enum xpmd_state state;
	uint64_t value;
	uint64_t stamp;			/* of its installation */
};

struct sim_node {
	struct xpmd_home *home;		/* NULL: there is no daemon */
	struct xpmd_replica *replica;
	uint64_t incarnation;
	bool dead;			/* the whole partition */
	uint64_t ending;		/* its daemon was asked to end: the number of that */
	uint64_t came;			/* when its daemon began */
	int64_t rate;			/* of the clock, in ppm of too fast */
	uint64_t offset;
	uint64_t tick;			/* number of the timer that counts */
	bool tick_soon;
	uint64_t knows[SIM_NODES]; /* incarnations that its daemon has met */

	/* The module, as a home */
	uint64_t last_beat;		/* 0: never */
	/* ... and as one that attaches */
	struct sim_replica page[SIM_SEGMENTS][SIM_PAGES];
	bool usable[SIM_NODES];		/* by home */
	uint64_t fence[SIM_NODES];	/* number of the timer that counts */
	uint64_t lease[SIM_NODES];
	struct sim_thread thread[SIM_SEGMENTS][SIM_THREADS];
	bool forgot[SIM_SEGMENTS];	/* the segment is gone, and it knows */
};

struct sim_link {
	bool up;
	uint64_t session;
	bool cut[2];			/* from the lower to the higher node, and back */
	bool noticing;
	uint64_t slow;		/* added to delays, at most */
};

struct sim_config {
	uint32_t nodes, segments, pages;
	uint32_t drop, twice;		/* of 1000 messages */
	uint64_t delay;			/* at most, of most messages */
	bool reorder;
	bool cuts, restarts, ends, deaths, changes, losses, freezes, removals;
	uint64_t hold;
	uint64_t duration;		/* until all is mended */
};

struct sim {
	uint64_t seed;
	uint64_t random;
	struct sim_config config;
	uint64_t now;
	uint64_t order;
	struct sim_event **heap;
	uint32_t events, heap_size;
	uint64_t steps;

	struct sim_node node[SIM_NODES];
	struct sim_segment segment[SIM_SEGMENTS];
	struct sim_link link[SIM_NODES][SIM_NODES];

	uint64_t value;			/* the last one stored */
	uint64_t id;
	bool mended;			/* nothing breaks any more, nothing new begins */
	bool tracing;
	bool failed;
	char failure[256];

	/* What was reached, so that a run that tests nothing is seen */
	uint64_t loads, stores, faults, recalls, evictions, restarts, ends, losses, sigbus, messages;
	uint64_t recall_max;
};

/* sim.c */
extern const uint64_t sim_lease, sim_skew, sim_late;
void sim_run(struct sim *sim, uint64_t seed, bool trace);
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_say(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t sim_random(struct sim *sim, uint64_t below);
bool sim_chance(struct sim *sim, uint32_t of_1000);
struct sim_event *sim_at(struct sim *sim, uint64_t delay, sim_fn *fn, uint32_t node,
			 uint32_t segment);
uint64_t sim_clock(const struct sim *sim, uint32_t node);
/* How long it is, in the world, until @node's clock shows @when */
uint64_t sim_until(const struct sim *sim, uint32_t node, uint64_t when);
bool sim_usable(const struct sim *sim, uint32_t node, uint32_t segment, uint64_t page);
void sim_load(struct sim *sim, uint32_t segment, uint64_t page, uint64_t value, const char *who,
	      uint32_t node);
uint64_t sim_store(struct sim *sim, uint32_t segment, uint64_t page, uint64_t value,
		   const char *who, uint32_t node);
void sim_fill(uint8_t *data, uint64_t value);
uint64_t sim_value(struct sim *sim, const uint8_t *data);
uint32_t sim_find(struct sim *sim, int64_t segid);
/* What @home says that @node has EXCLUSIVE may be lost. */
void sim_may_lose(struct sim *sim, uint32_t home, uint32_t node);

/* sim_net.c */
void sim_net_send(struct sim *sim, uint32_t from, uint32_t to, bool from_home,
		  const struct xpmd_msg *msg);
void sim_net_down(struct sim *sim, uint32_t node);
void sim_net_up(struct sim *sim, uint32_t a, uint32_t b);
void sim_net_begin(struct sim *sim);
void sim_net_mend(struct sim *sim);

/* sim_owner.c */
extern const struct xpmd_home_ops sim_home_ops;
void sim_owner_begin(struct sim *sim, uint32_t segment);
/* Its daemon; @loses: what others have, or had, may be lost by that */
void sim_owner_died(struct sim *sim, uint32_t segment, bool loses);
void sim_owner_came(struct sim *sim, uint32_t segment);
/* Whether the daemon of @node has operations under way */
bool sim_owner_works(const struct sim *sim, uint32_t node);
bool sim_owner_waits(const struct sim *sim, uint32_t segment);

/* sim_attach.c */
extern const struct xpmd_replica_ops sim_replica_ops;
void sim_attach_begin(struct sim *sim, uint32_t node, uint32_t segment);
void sim_attach_came(struct sim *sim, uint32_t node);
bool sim_attach_waits(const struct sim *sim, uint32_t node);

/* sim_node.c */
struct sim_context {
	struct sim *sim;
	uint32_t node;
};
extern struct sim_context sim_context[SIM_NODES];
void sim_node_begin(struct sim *sim, uint32_t node);
void sim_node_start(struct sim *sim, uint32_t node);
void sim_node_touch(struct sim *sim, uint32_t node);
void sim_node_mend(struct sim *sim, uint32_t node);
void sim_node_end(struct sim *sim, uint32_t node);

#endif /* SIM_H */
