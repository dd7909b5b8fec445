// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The owner stores to pages of which N partitions have copies.  The floor is a message
 * of 64 bytes to each of N, one of 64 bytes back from each, all waited for.
 */
#include "remote.h"

#include <stdio.h>

#include "floor.h"
#include "meter.h"

static struct outcome outcome;
static uint64_t ns[OUTCOMES_MAX];
static struct floor *floors[PARTITIONS_MAX + 1][2];

/* Of a round: asking all what they have executed costs about as much as one of them. */
static unsigned int each(void)
{
	return settings.counted ? 5 * remote.each : remote.each;
}

static uint64_t busy_of_all(unsigned int last)
{
	static const struct order order = { .work = WORK_METER };
	uint64_t busy = meter_busy();

	for (unsigned int guest = 2; settings.counted && guest <= last; guest++) {
		order_run(guest, &order, &outcome);
		busy += outcome.busy;
	}
	return busy;
}

static void fan_out(unsigned int last, bool tls)
{
	char answer[FLOOR_REQUEST];

	for (unsigned int guest = 2; guest <= last; guest++)
		floor_ask(floors[guest][tls], sizeof(answer));
	for (unsigned int guest = 2; guest <= last; guest++)
		floor_answer(floors[guest][tls], sizeof(answer), answer);
}

static void measure_floor(struct item *item, bool counts, unsigned int last, bool tls)
{
	struct item none = { 0 };
	uint64_t before = busy_of_all(last), start;

	for (unsigned int i = 0; i < each(); i++) {
		start = now_ns();
		fan_out(last, tls);
		ns[i] = now_ns() - start;
	}
	item_add(counts ? item : &none, busy_of_all(last) - before, ns, each());
	item_free(&none);
}

/* @write: others have copies, and the owner stores.  Else one has it alone, and it loads. */
static void measure_recall(struct item *item, bool counts, unsigned int last, bool write)
{
	struct range range = range_new(each(), last);
	struct order touch = {
		.work = WORK_TOUCH, .stride = 1, .count = each(), .flags = !write,
	};
	struct item none = { 0 };
	uint64_t before, start;

	order_all(last, &touch);
	before = busy_of_all(last);
	for (unsigned int i = 0; i < each(); i++) {
		start = now_ns();
		if (write)
			write_page(range.addr + i * PAGE);
		else
			read_page(range.addr + i * PAGE);
		ns[i] = now_ns() - start;
	}
	item_add(counts ? item : &none, busy_of_all(last) - before, ns, each());
	item_free(&none);
	range_free(&range, last);
}

static void connect_all(void)
{
	for (unsigned int guest = 2; guest <= remote.partitions; guest++)
		for (unsigned int tls = 0; tls < 2; tls++)
			floors[guest][tls] = floor_connect(remote.address[guest], remote.port, tls);
}

static void report_one(const char *name, const char *text, unsigned int n, const struct item *item,
		       const struct item *reference, double limit)
{
	item_report(&(struct row){
			    .name = name, .text = text, .n = n, .of = "partitions",
			    .unit = settings.counted ? "instructions" : "ns",
			    .reference = "raw TCP",
			    .goal = limit > 0 ? GOAL_RATIO : GOAL_NONE, .limit = limit,
		    }, item, reference, 0);
}

void remote_recall(void)
{
	connect_all();
	for (unsigned int last = 2; last <= remote.partitions; last++) {
		struct item tcp = { 0 }, tls = { 0 }, store = { 0 }, load = { 0 };

		for (unsigned int round = 0; round <= settings.rounds; round++) {
			measure_floor(&tcp, round, last, false);
			measure_floor(&tls, round, last, true);
			measure_recall(&store, round, last, true);
			if (last == 2)
				measure_recall(&load, round, last, false);
		}
		report_one("recall.floor", "64 bytes there and back, raw TCP", last - 1, &tcp,
			   NULL, 0);
		report_one("recall.floor.tls", "64 bytes there and back, TLS", last - 1, &tls,
			   &tcp, 0);
		report_one("recall", "the owner's store to a shared page", last - 1, &store, &tcp,
			   1.5);
		if (last == 2)
			report_one("recall.exclusive", "the owner's load of a page that is away", 0,
				   &load, &tcp, 0);
		item_free(&tcp);
		item_free(&tls);
		item_free(&store);
		item_free(&load);
	}
}
