// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xpmem-bench-home - what the daemon of a home costs, all on one machine
 *
 *	xpmem-bench-home [--json FILE] [--note TEXT] [--clock WHAT] [--peers N] [--rounds N]
 *		[--each N]
 *
 * --clock instructions: the clock counts them (vm run --icount).  All is on one machine
 * there, with one processor that is never idle, so what an operation takes is what all
 * have executed for it.
 *
 * No module and no guest: a daemon (device.c) watches memory of this process by a real
 * userfaultfd, and up to 64 partitions (peers.h) connect to it by real TLS over
 * loopback.  What the module does is not in the figures, nor what an attaching
 * partition's processes wait for; wake-ups, system calls, TLS and the directory are.
 * Floors are answered by one process that waits for all connections at once, as the
 * peers are one thread.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../bench.h"
#include "../../result.h"
#include "../floor.h"
#include "../usage.h"
#include "owner.h"
#include "peers.h"

#define PEERS_MAX	64
#define EACH_MAX	1000
#define PAGES		65536u
#define FLOOR_PORT	7610	/* and the two after it */

struct settings settings = { .rounds = 10, .memory = PAGES * PAGE };

static struct owner owner;
static unsigned int peers = PEERS_MAX, each = 50;
static const char *unit = "ns";
static struct floor *floors[PEERS_MAX][2];
static uint64_t ns[PEERS_MAX * EACH_MAX];

/* Pages that nobody has had yet */
static uint64_t fresh(uint64_t count)
{
	static uint64_t next;
	uint64_t first = next;

	next += count;
	if (next > PAGES) {
		errno = 0;
		fatal("there are not enough pages for so many rounds");
	}
	return first;
}

/* ---- A page goes to another partition */

static void request(struct spread *spread, bool counts, bool tls)
{
	static char buffer[FLOOR_CHUNK];

	for (unsigned int i = 0; i < each; i++) {
		uint64_t start = now_ns();

		floor_request(floors[0][tls], PAGE, buffer);
		ns[i] = now_ns() - start;
	}
	if (counts)
		spread_add(spread, ns, each);
}

static void measure_fault(void)
{
	struct spread tcp = { 0 }, tls = { 0 }, fault = { 0 };
	struct row row = { .unit = unit, .reference = "raw TCP" };

	for (unsigned int round = 0; round <= settings.rounds; round++) {
		request(&tcp, round, false);
		request(&tls, round, true);
		peers_load(1, fresh(each), 0, each, ns);
		if (round)
			spread_add(&fault, ns, each);
	}
	row.name = "home.floor";
	row.text = "4 KiB by raw TCP";
	report_spread(&row, &tcp, NULL);
	row.name = "home.floor.tls";
	row.text = "4 KiB by TLS";
	row.goal = GOAL_RATIO;
	row.limit = 1.25;
	report_spread(&row, &tls, &tcp);
	row.name = "home.fault";
	row.text = "a page to another partition's daemon";
	row.goal = GOAL_NONE;
	report_spread(&row, &fault, &tcp);
	row.name = "home.fault.tls";
	row.reference = "TLS";
	report_spread(&row, &fault, &tls);
	spread_free(&tcp);
	spread_free(&tls);
	spread_free(&fault);
}

/* ---- Many partitions load at the same time */

static void measure_serve(void)
{
	for (unsigned int n = 1; n <= peers && n <= 16; n *= 2) {
		struct samples time = { 0 }, cpu = { 0 };

		for (unsigned int round = 0; round <= settings.rounds; round++) {
			uint64_t start = now_ns(), before = usage_cpu_ns(owner.daemon);
			size_t count = (each * 4 + n - 1) / n;

			peers_load(n, fresh(n * count), count, count, NULL);
			if (!round)
				continue;
			samples_add(&time, (double)(now_ns() - start) / (double)(n * count));
			samples_add(&cpu, (double)(usage_cpu_ns(owner.daemon) - before) /
						  (double)(n * count));
		}
		report(&(struct row){
			       .name = "home.serve",
			       .text = "the daemon's part of a load",
			       .unit = settings.counted ? unit : "ns of CPU",
			       .n = n, .of = "partitions",
		       }, &cpu, NULL);
		report(&(struct row){
			       .name = "home.serve.time",
			       .text = settings.counted ? "all that is executed for a load" :
							  "time of a load, of all",
			       .unit = unit,
			       .n = n, .of = "partitions",
		       }, &time, NULL);
	}
}

/* ---- The owner stores */

static void fan_out(struct spread *spread, bool counts, unsigned int n, bool tls)
{
	char answer[FLOOR_REQUEST];

	for (unsigned int i = 0; i < each; i++) {
		uint64_t start = now_ns();

		for (unsigned int peer = 0; peer < n; peer++)
			floor_ask(floors[peer][tls], sizeof(answer));
		for (unsigned int peer = 0; peer < n; peer++)
			floor_answer(floors[peer][tls], sizeof(answer), answer);
		ns[i] = now_ns() - start;
	}
	if (counts)
		spread_add(spread, ns, each);
}

static void store(struct spread *spread, bool counts, unsigned int n, uint64_t first)
{
	peers_load(n, first, 0, each, NULL);
	for (unsigned int i = 0; i < each; i++) {
		uint64_t start = now_ns();

		write_page(owner.memory + (first + i) * PAGE);
		ns[i] = now_ns() - start;
	}
	if (counts)
		spread_add(spread, ns, each);
}

static void measure_recall(void)
{
	uint64_t first = fresh(each);

	for (unsigned int n = 1; n <= peers; n *= 2) {
		struct spread tcp = { 0 }, tls = { 0 }, recall = { 0 };
		struct row row = {
			.unit = unit, .reference = "raw TCP", .n = n, .of = "partitions",
		};

		for (unsigned int round = 0; round <= settings.rounds; round++) {
			fan_out(&tcp, round, n, false);
			fan_out(&tls, round, n, true);
			store(&recall, round, n, first);
		}
		row.name = "home.recall.floor";
		row.text = "64 bytes there and back, raw TCP";
		report_spread(&row, &tcp, NULL);
		row.name = "home.recall.floor.tls";
		row.text = "64 bytes there and back, TLS";
		report_spread(&row, &tls, &tcp);
		row.name = "home.recall";
		row.text = "the owner's store to a shared page";
		row.goal = GOAL_RATIO;
		row.limit = 1.5;
		report_spread(&row, &recall, &tcp);
		row.name = "home.recall.tls";
		row.reference = "TLS";
		row.goal = GOAL_NONE;
		report_spread(&row, &recall, &tls);
		spread_free(&tcp);
		spread_free(&tls);
		spread_free(&recall);
	}
}

/* ---- The directory */

static void measure_directory(void)
{
	size_t pages = 8192;
	uint64_t first, bytes, memory;
	char control[96];

	snprintf(control, sizeof(control), "%s/control", owner.directory);
	/* What there is for any page comes with the first ones. */
	peers_load(1, fresh(pages / 2), 0, pages / 2, NULL);
	first = fresh(pages);
	bytes = usage_counter(control, "directory_bytes");
	memory = usage_memory(owner.daemon);
	peers_load(1, first, 0, pages, NULL);
	bytes = usage_counter(control, "directory_bytes") - bytes;
	memory = usage_memory(owner.daemon) - memory;
	report_value(&(struct row){ .name = "home.directory", .text = "directory, each further page",
				    .unit = "bytes a page", .n = peers, .of = "partitions",
				    .goal = peers <= 32 ? GOAL_BYTES : GOAL_NONE, .limit = 16 },
		     (double)bytes / (double)pages);
	report_value(&(struct row){ .name = "home.directory.memory",
				    .text = "all that the daemon grows by",
				    .unit = "bytes a page", .n = peers, .of = "partitions" },
		     (double)(int64_t)memory / (double)pages);
}

static unsigned int parse(const char *option, const char *word, unsigned int high)
{
	char *end;
	unsigned long number = strtoul(word, &end, 10);

	if (*end || number < 1 || number > high) {
		errno = 0;
		fatal("--%s is 1 to %u, not %s", option, high, word);
	}
	return (unsigned int)number;
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		{ "json", required_argument, NULL, 'j' },
		{ "note", required_argument, NULL, 'n' },
		{ "clock", required_argument, NULL, 'c' },
		{ "peers", required_argument, NULL, 'p' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "each", required_argument, NULL, 'e' },
		{ 0 },
	};
	const char *json = NULL, *note = NULL;
	char key[96];
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'j':
			json = optarg;
			break;
		case 'n':
			note = optarg;
			break;
		case 'c':
			settings.counted = !strcmp(optarg, "instructions");
			if (!settings.counted && strcmp(optarg, "time")) {
				errno = 0;
				fatal("--clock is instructions or time, not %s", optarg);
			}
			unit = settings.counted ? "instructions" : "ns";
			break;
		case 'p':
			peers = parse("peers", optarg, PEERS_MAX);
			break;
		case 'r':
			settings.rounds = parse("rounds", optarg, MAX_SAMPLES);
			break;
		case 'e':
			each = parse("each", optarg, EACH_MAX);
			break;
		default:
			return 2;
		}
	}
	results_begin();
	floor_serve_all(FLOOR_PORT);
	for (unsigned int i = 0; i < peers; i++)
		for (unsigned int tls = 0; tls < 2; tls++)
			floors[i][tls] = floor_connect("127.0.0.1", FLOOR_PORT, tls);
	owner_start(&owner, XPMEMD, PAGES, peers);
	owner_connect(&owner);
	owner_key_path(&owner, key, sizeof(key));
	peers_start(peers, owner.port, key, owner.segid, PAGES);
	measure_fault();
	measure_serve();
	measure_recall();
	measure_directory();
	peers_end();
	owner_stop(&owner);
	peers_stop();
	if (json && !results_write(json, note))
		fatal("can't write %s", json);
	return 0;
}
