// SPDX-License-Identifier: GPL-2.0-or-later
/* The simulator's engine: events, chance, clocks, and the serial order.  See sim.h. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Two clocks may differ by 1 % each, which is 8 ms of a lease; with a timer that is late
 * by up to 20 ms and the daemon's, by 1 ms, that stays inside the skew.
 */
const uint64_t sim_lease = 400 * MS, sim_skew = 40 * MS, sim_late = 20 * MS;

enum xpmd_mutant xpmd_mutant;

/* ------------------------------------------------------------------- reporting */

void sim_say(struct sim *sim, const char *format, ...)
{
	va_list args;

	if (!sim->tracing)
		return;
	printf("%10.3f ", (double)sim->now / 1e6);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

void sim_fail(struct sim *sim, const char *format, ...)
{
	va_list args;

	if (sim->failed)
		return;
	sim->failed = true;
	va_start(args, format);
	vsnprintf(sim->failure, sizeof(sim->failure), format, args);
	va_end(args);
	sim_say(sim, "FAILED: %s", sim->failure);
}

/* ---------------------------------------------------------------------- chance */

uint64_t sim_random(struct sim *sim, uint64_t below)
{
	uint64_t z = sim->random += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	z ^= z >> 31;
	return below ? z % below : 0;
}

bool sim_chance(struct sim *sim, uint32_t of_1000)
{
	return sim_random(sim, 1000) < of_1000;
}

/* ---------------------------------------------------------------------- clocks */

uint64_t sim_clock(const struct sim *sim, uint32_t node)
{
	const struct sim_node *n = &sim->node[node];

	return n->offset + sim->now + (uint64_t)((int64_t)(sim->now / 1000) * n->rate / 1000);
}

uint64_t sim_until(const struct sim *sim, uint32_t node, uint64_t when)
{
	uint64_t now = sim_clock(sim, node);

	return when <= now ? 0 :
			     (uint64_t)((double)(when - now) /
					(1.0 + (double)sim->node[node].rate / 1e6)) +
				     2;
}

/* ---------------------------------------------------------------------- events */

static bool earlier(const struct sim_event *a, const struct sim_event *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

struct sim_event *sim_at(struct sim *sim, uint64_t delay, sim_fn *fn, uint32_t node,
			 uint32_t segment)
{
	struct sim_event *event = calloc(1, sizeof(*event));
	uint32_t i = sim->events++;

	if (sim->events > sim->heap_size) {
		sim->heap_size = sim->heap_size ? sim->heap_size * 2 : 1024;
		sim->heap = realloc(sim->heap, sim->heap_size * sizeof(struct sim_event *));
	}
	if (!event || !sim->heap)
		abort();
	event->at = sim->now + delay;
	event->order = ++sim->order;
	event->fn = fn;
	event->node = node;
	event->segment = segment;
	for (; i && earlier(event, sim->heap[(i - 1) / 2]); i = (i - 1) / 2)
		sim->heap[i] = sim->heap[(i - 1) / 2];
	sim->heap[i] = event;
	return event;
}

static struct sim_event *next_event(struct sim *sim)
{
	struct sim_event *first, *last;
	uint32_t i = 0;

	if (!sim->events)
		return NULL;
	first = sim->heap[0];
	last = sim->heap[--sim->events];
	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= sim->events)
			break;
		if (child + 1 < sim->events && earlier(sim->heap[child + 1], sim->heap[child]))
			child++;
		if (!earlier(sim->heap[child], last))
			break;
		sim->heap[i] = sim->heap[child];
		i = child;
	}
	if (sim->events)
		sim->heap[i] = last;
	return first;
}

/* ---------------------------------------------------------------- serial order */

void sim_fill(uint8_t *data, uint64_t value)
{
	for (uint32_t i = 0; i < XPMD_PAGE; i += 512)
		memcpy(data + i, &value, sizeof(value));
}

uint64_t sim_value(struct sim *sim, const uint8_t *data)
{
	uint64_t value, other;

	memcpy(&value, data, sizeof(value));
	for (uint32_t i = 512; i < XPMD_PAGE; i += 512) {
		memcpy(&other, data + i, sizeof(other));
		if (other != value)
			sim_fail(sim, "a page is of two values, %llu and %llu",
				 (unsigned long long)value, (unsigned long long)other);
	}
	return value;
}

uint32_t sim_find(struct sim *sim, int64_t segid)
{
	for (uint32_t s = 0; s < sim->config.segments; s++)
		if (sim->segment[s].segid == segid)
			return s;
	sim_fail(sim, "there is no segment %lld", (long long)segid);
	return 0;
}

void sim_may_lose(struct sim *sim, uint32_t home, uint32_t node)
{
	for (uint32_t s = 0; s < sim->config.segments; s++)
		for (uint64_t page = 0; page < sim->segment[s].pages; page++) {
			uint32_t holder;

			if (sim->segment[s].home != home || !sim->node[home].home)
				continue;
			xpmd_home_page(sim->node[home].home, sim->segment[s].segid, page, &holder,
				       NULL);
			sim->segment[s].page[page].may_lose |= holder == node + 1;
		}
}

bool sim_usable(const struct sim *sim, uint32_t node, uint32_t segment, uint64_t page)
{
	const struct sim_node *n = &sim->node[node];

	return !n->dead && n->page[segment][page].state != XPMD_NONE &&
	       n->usable[sim->segment[segment].home];
}

void sim_load(struct sim *sim, uint32_t segment, uint64_t page, uint64_t value, const char *who,
	      uint32_t node)
{
	struct sim_page *p = &sim->segment[segment].page[page];
	uint64_t now = p->now;

	sim->loads++;
	if (value != now && p->may_lose && sim->segment[segment].lost == XPMD_LOST_LAST_COPY) {
		/* It went on from here to there without a stay at its owner. */
		p->now = value;
		p->may_lose = false;
		sim->losses++;
	} else if (value != now)
		sim_fail(sim, "%s of %u loads %llu from page %llu of %u, which is %llu", who, node,
			 (unsigned long long)value, (unsigned long long)page, segment,
			 (unsigned long long)now);
}

uint64_t sim_store(struct sim *sim, uint32_t segment, uint64_t page, uint64_t value,
		   const char *who, uint32_t node)
{
	sim_load(sim, segment, page, value, who, node);
	sim->loads--;
	sim->stores++;
	sim->segment[segment].page[page].now = ++sim->value;
	sim_say(sim, "%s of %u stores %llu to page %llu of %u", who, node,
		(unsigned long long)sim->value, (unsigned long long)page, segment);
	return sim->value;
}

/* One who can write, or any number who can read */
static void check_page(struct sim *sim, uint32_t s, uint64_t page)
{
	const struct sim_segment *segment = &sim->segment[s];
	const struct sim_page *owner = &segment->page[page];
	uint32_t readers = 0, writers = 0;

	if (owner->present && !sim->node[segment->home].dead) {
		readers++;
		writers += !owner->wp;
	}
	for (uint32_t node = 0; node < sim->config.nodes; node++) {
		if (node == segment->home || !sim_usable(sim, node, s, page))
			continue;
		readers++;
		writers += sim->node[node].page[s][page].state == XPMD_EXCLUSIVE;
	}
	if (writers && readers > 1)
		sim_fail(sim, "page %llu of %u has %u writers and %u readers",
			 (unsigned long long)page, s, writers, readers - writers);
}

static void check(struct sim *sim)
{
	for (uint32_t s = 0; s < sim->config.segments; s++)
		for (uint64_t page = 0; page < sim->segment[s].pages; page++)
			check_page(sim, s, page);
}

/* ------------------------------------------------------------------------ runs */

static bool somebody_waits(struct sim *sim)
{
	for (uint32_t s = 0; s < sim->config.segments; s++)
		if (sim_owner_waits(sim, s))
			return true;
	for (uint32_t node = 0; node < sim->config.nodes; node++)
		if (!sim->node[node].dead && sim_attach_waits(sim, node))
			return true;
	return false;
}

static void report_waiting(struct sim *sim)
{
	for (uint32_t s = 0; s < sim->config.segments; s++) {
		const struct sim_segment *segment = &sim->segment[s];

		if (segment->removed)
			continue;
		for (uint32_t t = 0; t < SIM_THREADS; t++)
			if (segment->thread[t].waiting && !sim->node[segment->home].dead)
				sim_fail(sim, "the owner of %u waits for page %llu for ever", s,
					 (unsigned long long)segment->thread[t].page);
		if (segment->changing && !sim->node[segment->home].dead)
			sim_fail(sim, "the kernel waits for ever to change %u", s);
		for (uint32_t node = 0; node < sim->config.nodes; node++)
			for (uint32_t t = 0; t < SIM_THREADS; t++) {
				const struct sim_thread *thread = &sim->node[node].thread[s][t];

				if (thread->waiting && !sim->node[node].dead &&
				    !sim->node[segment->home].dead)
					sim_fail(sim, "node %u waits for page %llu of %u for ever",
						 node, (unsigned long long)thread->page, s);
			}
	}
}

static void configure(struct sim *sim)
{
	struct sim_config *config = &sim->config;
	uint64_t kind = sim_random(sim, 8);

	config->nodes = 2 + (uint32_t)sim_random(sim, SIM_NODES - 1);
	config->segments = 1 + (uint32_t)sim_random(sim, SIM_SEGMENTS);
	config->pages = 1 + (uint32_t)sim_random(sim, SIM_PAGES);
	config->changes = sim_chance(sim, 850);
	config->freezes = sim_chance(sim, 400);
	config->removals = sim_chance(sim, 200);
	config->delay = 100 * US + sim_random(sim, sim_chance(sim, 500) ? MS : 10 * MS);
	config->reorder = sim_chance(sim, 500);
	config->hold = sim_chance(sim, 500) ? sim_random(sim, 2 * MS) : 0;
	config->duration = 2500 * MS;
	/* One run of eight is calm, and nobody may be evicted in it. */
	if (kind) {
		config->drop = kind & 1 ? (uint32_t)sim_random(sim, 100) : 0;
		config->twice = sim_chance(sim, 500) ? (uint32_t)sim_random(sim, 100) : 0;
		config->cuts = kind & 2;
		config->restarts = kind & 4;
		config->ends = sim_chance(sim, 500);
		config->deaths = sim_chance(sim, 300);
		config->losses = true;
	} else {
		/* But daemons may be asked to end. */
		config->reorder = false;
		config->ends = sim_chance(sim, 500);
	}
}

static void begin(struct sim *sim)
{
	for (uint32_t n = 0; n < sim->config.nodes; n++) {
		sim->node[n].rate = (int64_t)sim_random(sim, 20000) - 10000;
		sim->node[n].offset = SEC + sim_random(sim, 1000 * SEC);
	}
	for (uint32_t s = 0; s < sim->config.segments; s++) {
		struct sim_segment *segment = &sim->segment[s];

		segment->home = s % sim->config.nodes;
		segment->segid = (int64_t)(segment->home + 1) << 51 | (s + 1);
		segment->pages = sim->config.pages;
		segment->lost = sim_chance(sim, 500) ? XPMD_LOST_LAST_COPY : XPMD_LOST_SIGBUS;
		segment->ops_tail = &segment->ops;
	}
	for (uint32_t n = 0; n < sim->config.nodes; n++)
		sim_node_begin(sim, n);
	for (uint32_t s = 0; s < sim->config.segments; s++) {
		sim_owner_begin(sim, s);
		for (uint32_t n = 0; n < sim->config.nodes; n++)
			if (n != sim->segment[s].home)
				sim_attach_begin(sim, n, s);
	}
	sim_net_begin(sim);
}

void sim_run(struct sim *sim, uint64_t seed, bool trace)
{
	uint64_t end;
	struct sim_event *event;

	memset(sim, 0, sizeof(*sim));
	sim->seed = seed;
	sim->random = seed * 0xd1342543de82ef95ull + 1;
	sim->tracing = trace;
	configure(sim);
	begin(sim);
	end = sim->config.duration;

	while (!sim->failed && (event = next_event(sim))) {
		if (!sim->mended && event->at >= sim->config.duration) {
			sim->now = sim->config.duration;
			sim_say(sim, "all is mended");
			sim->mended = true;
			sim_net_mend(sim);
			for (uint32_t n = 0; n < sim->config.nodes; n++)
				sim_node_mend(sim, n);
			end = sim->now + 8 * SEC;
		}
		if (sim->mended && (event->at >= end || !somebody_waits(sim))) {
			report_waiting(sim);
			free(event->p);
			free(event);
			break;
		}
		sim->now = event->at;
		event->fn(sim, event);
		free(event->p);
		free(event);
		sim->steps++;
		check(sim);
	}
	while ((event = next_event(sim))) {
		free(event->p);
		free(event);
	}
	free(sim->heap);
	sim->heap = NULL;
	for (uint32_t n = 0; n < sim->config.nodes; n++)
		sim_node_end(sim, n);
	for (uint32_t s = 0; s < sim->config.segments; s++)
		for (struct sim_op *op = sim->segment[s].ops, *next; op; op = next) {
			next = op->next;
			free(op->data);
			free(op);
		}
}
