// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Faults: a page that is at home, and has not been here.
 *
 * Pages are chosen so that it is known for how many of them the attaching module asks.
 * A load in no sequence has a window of 16 pages or more that is aligned to its size, of
 * which those from the page on may be asked for: none but the page when it is the last of
 * 64, 15 or 31 more when it is the one in their middle.
 */
#include "remote.h"

#include "meter.h"

#define BLOCK	64	/* pages, of which one is touched */

static struct outcome outcome;

static struct order touch(unsigned int block, unsigned int page, bool write)
{
	return (struct order){
		.work = WORK_TOUCH, .flags = write, .count = remote.each,
		.first = (uint64_t)block * BLOCK + page, .stride = BLOCK,
	};
}

static struct order request(bool tls)
{
	return (struct order){
		.work = WORK_REQUEST, .flags = tls, .count = remote.each, .size = PAGE,
	};
}

static struct row row(const char *name, const char *text, const char *reference, double limit)
{
	return (struct row){
		.name = name, .text = text, .reference = reference,
		.unit = settings.counted ? "instructions" : "ns",
		.goal = limit > 0 ? GOAL_RATIO : GOAL_NONE, .limit = limit,
	};
}

static const struct row *use(struct row it)
{
	static struct row kept;

	kept = it;
	return &kept;
}

void remote_fault(void)
{
	struct item tcp = { 0 }, tls = { 0 }, alone = { 0 }, anywhere = { 0 }, store = { 0 };
	struct item none;

	for (unsigned int round = 0; round <= settings.rounds; round++) {
		struct range range = range_new((size_t)3 * remote.each * BLOCK, 2);
		struct item *items[] = { &none, &tcp, &tls, &alone, &anywhere, &store };
		struct order orders[] = {
			request(false),		/* until what the range has begun is over */
			request(false),
			request(true),
			touch(0, BLOCK - 1, false),
			touch(remote.each, BLOCK / 2, false),
			touch(2 * remote.each, 0, true),
		};

		for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
			none = (struct item){ 0 };
			item_measure(round ? items[i] : &none, 2, &orders[i], &outcome);
			item_free(&none);
		}
		range_free(&range, 2);
	}
	item_report(use(row("fault.floor", "4 KiB by raw TCP", NULL, 0)), &tcp, NULL, 0);
	item_report(use(row("fault.floor.tls", "4 KiB by TLS", "raw TCP", 1.25)), &tls, &tcp, 0);
	item_report(use(row("fault.load", "load of a page", "raw TCP", 2)), &alone, &tcp, 3);
	item_report(use(row("fault.load.tls", "load of a page", "TLS", 0)), &alone, &tls, 0);
	item_report(use(row("fault.anywhere", "load, what is behind it is not here", "one alone", 1.05)),
		    &anywhere, &alone, 0);
	item_report(use(row("fault.store", "store to a page", "raw TCP", 0)), &store, &tcp, 3);
	item_free(&tcp);
	item_free(&tls);
	item_free(&alone);
	item_free(&anywhere);
	item_free(&store);
}

/*
 * The same load of pages by 1, 2, ... partitions at the same time, each in its own part:
 * what home executes for each of them, or how many it serves in a time
 */
void remote_serve(void)
{
	static struct outcome one;

	for (unsigned int last = 2; last <= remote.partitions; last++) {
		struct samples work = { 0 }, ns = { 0 };
		unsigned int n = last - 1;

		for (unsigned int round = 0; round <= settings.rounds; round++) {
			struct range range = range_new((size_t)n * remote.each * BLOCK, last);
			uint64_t start = now_ns(), before = meter_busy(), busy, time;

			for (unsigned int guest = 2; guest <= last; guest++) {
				struct order order = touch((guest - 2) * remote.each, BLOCK - 1,
							   false);

				order_begin(guest, &order);
			}
			for (unsigned int guest = 2; guest <= last; guest++)
				order_end(guest, &one);
			busy = meter_busy() - before;
			time = now_ns() - start;
			if (round) {
				samples_add(&work, (double)busy / n / remote.each);
				samples_add(&ns, (double)time / n / remote.each);
			}
			range_free(&range, last);
		}
		report(&(struct row){
			       .name = "serve",
			       .text = settings.counted ? "home's part of a fault" :
							  "time a fault, of all partitions",
			       .unit = settings.counted ? "instructions" : "ns",
			       .n = n, .of = "partitions",
		       }, settings.counted ? &work : &ns, NULL);
	}
}
