// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Do loads and stores of several partitions behave as if there were one memory?
 *
 *	litmus [--iterations N] [--delay N] [--test N] [ranks: see cluster.h]
 *
 * A litmus test has up to four roles, each a few loads and stores of one or two
 * variables, and an outcome that a machine with one memory and x86 processors never
 * shows.  Programs of one partition see the rules of x86 (TSO): a store may be
 * seen late, by all others at once.  A page that travels does not change that, since a
 * processor that waits for one has done all its earlier stores.
 *
 * Every role runs on one rank, another in each round; so do the homes of the
 * variables: on different pages of different ranks, or in one page.  A round is INSTANCES
 * instances of the test, in words of the same pages, which a role goes through
 * without meeting the others: where they race is up to the pages and to random delays.
 * Before the next round all ranks meet and read what is left in the variables.
 *
 * Values carry the round, so what an earlier round left is not taken for
 * something else: a load gives what this round stores (1 or 2), or exactly what all saw
 * at the end of the last one (0), or else it is corrupt, which is always a failure.
 * Loads are judged from files that ranks publish, not through the memory under test.
 *
 * Exit status 1 if any forbidden or corrupt outcome was seen.
 */
#include "cluster.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ROLES		4
#define REGS		4
#define INSTANCES	128
#define WORDS		512	/* of a page */
#define PAGES		4	/* of a rank: for meeting, two apart, one together */
#define CORRUPT		3	/* as a value: not of this round, nor what was there */
#define UNSEEN		4	/* not this rank's to see */

struct step {
	char what;		/* W(var, value), R(var, register), F: mfence, 0: the end */
	int var;
	int arg;
};

#define W(var, value)	{ 'W', var, value }
#define R(var, reg)	{ 'R', var, reg }
#define F		{ 'F', 0, 0 }
enum { X, Y };

/* What became of an instance: registers, and what was left in the variables */
struct outcome {
	int r[REGS];
	int x, y;
};

static bool corr(const struct outcome *o) { return o->r[0] == 1 && o->r[1] == 0; }
static bool corw(const struct outcome *o) { return o->r[0] == 1 || (o->r[0] == 2 && o->x == 2); }
static bool cowr(const struct outcome *o) { return !o->r[0] || (o->r[0] == 2 && o->x == 1); }
static bool coww(const struct outcome *o)
{
	return o->x != 2 || o->r[0] > o->r[1];
}
static bool mp(const struct outcome *o) { return o->r[0] == 1 && o->r[1] == 0; }
static bool sb(const struct outcome *o) { return o->r[0] == 0 && o->r[1] == 0; }
static bool lb(const struct outcome *o) { return o->r[0] == 1 && o->r[1] == 1; }
static bool iriw(const struct outcome *o)
{
	return o->r[0] == 1 && o->r[1] == 0 && o->r[2] == 1 && o->r[3] == 0;
}
static bool wrc(const struct outcome *o) { return o->r[0] == 1 && o->r[1] == 1 && o->r[2] == 0; }
static bool two_two_w(const struct outcome *o) { return o->x == 1 && o->y == 1; }
static bool s(const struct outcome *o) { return o->r[0] == 1 && o->x == 2; }
static bool r(const struct outcome *o) { return o->r[0] == 0 && o->y == 2; }

static const struct test {
	const char *name;
	int regs, vars;
	struct step role[ROLES][4];
	bool (*matches)(const struct outcome *outcome);
	bool allowed;		/* x86 may show it */
} tests[] = {
	{ "CoRR", 2, 1, { { W(X, 1) }, { R(X, 0), R(X, 1) } }, corr, false },
	{ "CoRW", 1, 1, { { R(X, 0), W(X, 1) }, { W(X, 2) } }, corw, false },
	{ "CoWR", 1, 1, { { W(X, 1), R(X, 0) }, { W(X, 2) } }, cowr, false },
	{ "CoWW", 2, 1, { { W(X, 1), W(X, 2) }, { R(X, 0), R(X, 1) } }, coww, false },
	{ "MP", 2, 2, { { W(X, 1), W(Y, 1) }, { R(Y, 0), R(X, 1) } }, mp, false },
	{ "SB", 2, 2, { { W(X, 1), R(Y, 0) }, { W(Y, 1), R(X, 1) } }, sb, true },
	{ "SB+mfence", 2, 2, { { W(X, 1), F, R(Y, 0) }, { W(Y, 1), F, R(X, 1) } }, sb, false },
	{ "LB", 2, 2, { { R(X, 0), W(Y, 1) }, { R(Y, 1), W(X, 1) } }, lb, false },
	{ "IRIW", 4, 2,
	  { { W(X, 1) }, { W(Y, 1) }, { R(X, 0), R(Y, 1) }, { R(Y, 2), R(X, 3) } }, iriw, false },
	{ "WRC", 3, 2, { { W(X, 1) }, { R(X, 0), W(Y, 1) }, { R(Y, 1), R(X, 2) } }, wrc, false },
	{ "2+2W", 0, 2, { { W(X, 1), W(Y, 2) }, { W(Y, 1), W(X, 2) } }, two_two_w, false },
	{ "S", 1, 2, { { W(X, 2), W(Y, 1) }, { R(Y, 0), W(X, 1) } }, s, false },
	{ "R+mfence", 1, 2, { { W(X, 1), F, W(Y, 1) }, { W(Y, 2), F, R(X, 0) } }, r, false },
};
#define TESTS (sizeof(tests) / sizeof(tests[0]))

static uint64_t iterations = 100 * INSTANCES, max_delay = 200, only = UINT64_MAX;
/* For the test of this program: some loads give what nobody stored. */
static uint64_t break_loads;

static struct cluster *cluster;
static volatile uint64_t *memory[CLUSTER_RANKS];
/* what every variable had at the end of the round that used it last */
static uint64_t left[CLUSTER_RANKS][PAGES * WORDS];
static uint64_t round_of_all;	/* all tests' */
static const struct test *test;
static uint64_t rounds;
static pthread_barrier_t here;
static uint64_t loaded[REGS][INSTANCES];

struct record {
	uint8_t r[REGS], x, y;
};
static struct record *records;

/* ---------------------------------------------------------------- where what is */

static int rank_of_role(int role, uint64_t round)
{
	return (int)(((uint64_t)role + round) % (uint64_t)cluster->ranks);
}

static size_t place(int var, int instance, uint64_t round, int *home_ret)
{
	uint64_t ranks = (uint64_t)cluster->ranks, turn = round / ranks;
	bool together = turn / ranks & 1;

	*home_ret = (int)((turn + (together ? 0 : (uint64_t)var)) % ranks);
	return (size_t)(together ? 3 : 1 + var) * WORDS + (size_t)instance * 4 + (size_t)var;
}

static volatile uint64_t *variable(int var, int instance, uint64_t round)
{
	int home;
	size_t at = place(var, instance, round, &home);

	return memory[home] + at;
}

static uint64_t *left_in(int var, int instance, uint64_t round)
{
	int home;
	size_t at = place(var, instance, round, &home);

	return &left[home][at];
}

/* --------------------------------------------------------------------- running */

/* Some delays are so long that others run meanwhile. */
static void delay(uint64_t *random)
{
	if (!max_delay)
		return;
	if (cluster_random(random) % 32 == 0)
		usleep((useconds_t)(cluster_random(random) % max_delay));
	for (volatile uint64_t i = cluster_random(random) % max_delay; i; i--)
		;
}

/* All ranks: each says how often it has been here, and looks at the others. */
static void meet_all(void)
{
	static uint64_t met;

	memory[cluster->rank][0] = ++met;
	for (int rank = 0; rank < cluster->ranks; rank++)
		for (unsigned int n = 1; memory[rank][0] < met; n++)
			if (n % 64)
				sched_yield();
			else
				usleep(200);
	atomic_thread_fence(memory_order_seq_cst);
}

static void run_role(int role, uint64_t round, uint64_t *random)
{
	for (int i = 0; i < INSTANCES; i++) {
		const struct step *step = test->role[role];

		delay(random);
		for (int n = 0; n < 4 && step->what; n++, step++) {
			if (step->what == 'W')
				*variable(step->var, i, round) =
					(round_of_all + round + 1) << 3 | (uint64_t)step->arg;
			else if (step->what == 'R')
				loaded[step->arg][i] = *variable(step->var, i, round);
			else
				atomic_thread_fence(memory_order_seq_cst);
			if (cluster_random(random) % 4 == 0)
				delay(random);
		}
		if (break_loads && i == 7)
			for (int reg = 0; reg < test->regs; reg++)
				loaded[reg][i] = *left_in(0, i, round) ^ 1;
	}
}

static uint8_t value_of(uint64_t seen, uint64_t before, uint64_t round)
{
	if (seen == before)
		return 0;
	if (seen >> 3 == round_of_all + round + 1 && (seen & 7) <= 2)
		return seen & 7;
	return CORRUPT;
}

/* Between two meetings nobody stores. */
static void judge(uint64_t round)
{
	for (int i = 0; i < INSTANCES; i++) {
		struct record *record = &records[round * INSTANCES + (uint64_t)i];

		memset(record, UNSEEN, sizeof(*record));
		for (int role = 0; role < ROLES; role++)
			for (int n = 0; n < 4; n++) {
				const struct step *step = &test->role[role][n];

				if (step->what == 'R' &&
				    rank_of_role(role, round) == cluster->rank)
					record->r[step->arg] =
						value_of(loaded[step->arg][i],
							 *left_in(step->var, i, round), round);
			}
		for (int var = 0; var < test->vars; var++) {
			uint64_t *before = left_in(var, i, round);
			uint64_t now = *variable(var, i, round);

			*(var == X ? &record->x : &record->y) = value_of(now, *before, round);
			*before = now;
		}
	}
}

static void *worker(void *arg)
{
	int role = (int)(intptr_t)arg;
	uint64_t random = cluster->seed + (uint64_t)(role * 1000 + cluster->rank);

	for (uint64_t round = 0; round < rounds; round++) {
		pthread_barrier_wait(&here);
		if (rank_of_role(role, round) == cluster->rank)
			run_role(role, round, &random);
		pthread_barrier_wait(&here);
		if (!role) {
			meet_all();
			judge(round);
			meet_all();
		}
	}
	return NULL;
}

/* --------------------------------------------------------------------- results */

/* Puts together what each rank saw of an instance; false: they disagree about what is left */
static bool join(struct record *all, const struct record *of)
{
	for (int reg = 0; reg < REGS; reg++)
		if (of->r[reg] != UNSEEN)
			all->r[reg] = of->r[reg];
	if (all->x == UNSEEN && all->y == UNSEEN) {
		all->x = of->x;
		all->y = of->y;
	}
	return all->x == of->x && all->y == of->y;
}

/* Returns how many outcomes were forbidden. */
static uint64_t results(void)
{
	uint64_t count[5][5][5][5][5][5] = { 0 };
	uint64_t forbidden = 0, differ = 0, shown = 0;
	struct record *of[CLUSTER_RANKS];

	for (int rank = 0; rank < cluster->ranks; rank++) {
		char name[64];
		size_t size;

		snprintf(name, sizeof(name), "litmus.%s.%d", test->name, rank);
		of[rank] = cluster_await(cluster, name, &size);
		check(size == rounds * INSTANCES * sizeof(struct record));
	}
	for (uint64_t i = 0; i < rounds * INSTANCES; i++) {
		struct record all;
		bool same = true;

		memset(&all, UNSEEN, sizeof(all));
		for (int rank = 0; rank < cluster->ranks; rank++)
			same &= join(&all, &of[rank][i]);
		differ += !same;
		count[all.r[0]][all.r[1]][all.r[2]][all.r[3]][all.x][all.y]++;
	}
	for (unsigned int n = 0; n < 5 * 5 * 5 * 5 * 5 * 5; n++) {
		uint64_t times = (&count[0][0][0][0][0][0])[n];
		const struct outcome o = {
			.r = { (int)(n / 3125), (int)(n / 625 % 5), (int)(n / 125 % 5),
			       (int)(n / 25 % 5) },
			.x = (int)(n / 5 % 5),
			.y = (int)(n % 5),
		};
		bool corrupt = false, bad;

		if (!times)
			continue;
		printf("%-10s", shown++ ? "" : test->name);
		for (int reg = 0; reg < REGS; reg++) {
			if (reg < test->regs)
				printf(" r%d=%c", reg, "012!?"[o.r[reg]]);
			else
				printf("     ");
			corrupt |= reg < test->regs && o.r[reg] >= CORRUPT;
		}
		printf("  x=%c", "012!?"[o.x]);
		printf(test->vars > 1 ? " y=%c" : "    ", "012!?"[o.y]);
		corrupt |= o.x >= CORRUPT || (test->vars > 1 && o.y >= CORRUPT);
		bad = corrupt || (test->matches(&o) && !test->allowed);
		printf(" %12llu %s\n", (unsigned long long)times,
		       corrupt			   ? "CORRUPT" :
		       bad			   ? "FORBIDDEN" :
		       test->matches(&o)	   ? "allowed by x86" :
						     "");
		if (bad)
			forbidden += times;
	}
	if (differ)
		printf("%-10s ranks differ about what is left: %llu times FORBIDDEN\n", test->name,
		       (unsigned long long)differ);
	for (int rank = 0; rank < cluster->ranks; rank++)
		free(of[rank]);
	return forbidden + differ;
}

static void body(struct cluster *of)
{
	void *own = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	uint64_t forbidden = 0;
	char name[64];

	cluster = of;
	check(own != MAP_FAILED);
	cluster_share(cluster, "all", own, PAGES * PAGE);
	for (int rank = 0; rank < cluster->ranks; rank++)
		memory[rank] = rank == cluster->rank ?
				       own :
				       cluster_attach(cluster, "all", rank, PAGES * PAGE);
	cluster_meet(cluster, "attached");

	rounds = (iterations + INSTANCES - 1) / INSTANCES;
	records = calloc(rounds * INSTANCES, sizeof(*records));
	check(records);
	check(!pthread_barrier_init(&here, NULL, ROLES));
	for (test = tests; test < tests + TESTS; test++) {
		pthread_t threads[ROLES];

		if (only != UINT64_MAX && test != tests + only)
			continue;
		for (int role = 0; role < ROLES; role++)
			check(!pthread_create(&threads[role], NULL, worker,
					      (void *)(intptr_t)role));
		for (int role = 0; role < ROLES; role++)
			check(!pthread_join(threads[role], NULL));
		round_of_all += rounds;
		snprintf(name, sizeof(name), "litmus.%s.%d", test->name, cluster->rank);
		cluster_publish(cluster, name, records, rounds * INSTANCES * sizeof(*records));
		if (!cluster->rank) {
			forbidden += results();
			fflush(stdout);
		}
	}
	cluster_meet(cluster, "done");
	if (!cluster->rank)
		printf("%llu iterations of each test on %d ranks: %llu forbidden\n",
		       (unsigned long long)(rounds * INSTANCES), cluster->ranks,
		       (unsigned long long)forbidden);
	fflush(stdout);
	if (forbidden)
		_exit(1);
}

int main(int argc, char **argv)
{
	static const struct cluster_option options[] = {
		{ "iterations", &iterations, "of each test (default 12800)" },
		{ "delay", &max_delay, "longest delay, in us or turns of a loop (default 200)" },
		{ "test", &only, "only the test with this number, from 0" },
		{ "break-loads", &break_loads, "1: falsify some loads, to test this program" },
		{ NULL, NULL, NULL },
	};
	struct cluster all;

	cluster_begin(&all, argc, argv, options);
	return cluster_run(&all, body);
}
