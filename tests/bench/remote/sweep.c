// SPDX-License-Identifier: GPL-2.0-or-later
/* All pages of a range in sequence, beside a stream of as many bytes; and what stays. */
#include "remote.h"

#include "meter.h"

static struct outcome outcome;

static void measure(struct item *item, bool counts, const struct order *order)
{
	uint64_t before = meter_busy(), pages = settings.memory / PAGE;
	struct item none = { 0 };

	order_run(2, order, &outcome);
	outcome.ns[0] /= pages;
	if (!counts)
		item = &none;
	samples_add(&item->work, (double)(meter_busy() - before + outcome.busy) / (double)pages);
	spread_add(&item->time, outcome.ns, 1);
	item_free(&none);
}

void remote_sweep(void)
{
	struct item tcp = { 0 }, tls = { 0 }, sweep = { 0 };
	struct row row = {
		.unit = settings.counted ? "instr. a page" : "ns a page",
		.reference = "raw TCP",
	};

	for (unsigned int round = 0; round <= settings.rounds; round++) {
		struct range range = range_new(settings.memory / PAGE, 2);
		struct order order = { .work = WORK_REQUEST, .size = range.size, .count = 1 };

		measure(&tcp, false, &order);	/* until what the range has begun is over */
		measure(&tcp, round, &order);
		order.flags = 1;
		measure(&tls, round, &order);
		order = (struct order){ .work = WORK_SWEEP, .size = range.size };
		measure(&sweep, round, &order);
		range_free(&range, 2);
	}
	row.name = "sweep.floor";
	row.text = "stream of 256 KiB by raw TCP";
	item_report(&row, &tcp, NULL, 0);
	row.name = "sweep.floor.tls";
	row.text = "stream of 256 KiB by TLS";
	item_report(&row, &tls, &tcp, 0);
	row.name = "sweep";
	row.text = "loads in sequence";
	row.goal = GOAL_RATIO;
	row.limit = 1 / 0.6;	/* 60 % of the speed */
	item_report(&row, &sweep, &tcp, 0);
	row.name = "sweep.tls";
	row.reference = "TLS";
	row.goal = GOAL_NONE;
	item_report(&row, &sweep, &tls, 0);
	item_free(&tcp);
	item_free(&tls);
	item_free(&sweep);
}

void remote_local(void)
{
	struct order order = { .work = WORK_LOCAL, .count = settings.rounds };
	struct samples own = { 0 }, attached = { 0 };
	struct range range = range_new(1, 2);

	order_run(2, &order, &outcome);
	for (uint64_t i = 0; i < outcome.count; i++)
		samples_add(&attached, (double)outcome.ns[i] / LOADS);
	order.flags = 1;
	order_run(2, &order, &outcome);
	for (uint64_t i = 0; i < outcome.count; i++)
		samples_add(&own, (double)outcome.ns[i] / LOADS);
	range_free(&range, 2);
	report(&(struct row){
		       .name = "local", .text = "load after the fault",
		       .unit = settings.counted ? "instr. a load" : "ns a load",
		       .reference = "own memory",
		       .goal = settings.counted ? GOAL_RATIO : GOAL_NONE, .limit = 1,
	       }, &attached, &own);
}
