// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What ./run-demo tells of two partitions.
 *
 *	story [ranks: see cluster.h; three of them]
 *
 * Rank 0, the owner, and rank 1, its neighbour, are on one partition, rank 2, the
 * visitor, is on another, which at the end of the story loses its power: then it
 * publishes the file "power" and waits to be gone.  Whoever started it there must see to
 * that, and publish "gone" just before.
 *
 * The story is a table of steps, which all ranks go through together: the one whose step
 * it is does it, and says what it saw; the owner prints that.  What must be so is
 * collected as lines that begin with "[ ok ]" or "[FAIL]", printed last.
 */
#include "cluster.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LEASE_S		3.1	/* with the skew: the daemon's default */
#define LATE_S		1.0	/* that a busy machine may add to a bound */
#define TOGETHER_NS	500000000ULL
#define WIDTH		96
#define INDENT		35

#define LENT	"written by the owner"
#define ANSWER	"written by the visitor"
#define SECOND	"the second page"
#define RENEWED	"new memory at the old address"
#define BEFORE	"as it was before the visitor had it"
#define ALONE	"stored by the visitor alone"
#define HERS	"memory of partition 2"
#define AFTER	"written when partition 2 was dead"

enum who {
	OWNER,
	NEIGHBOUR,
	VISITOR,
	RANKS,
};

/* The owner's pages */
enum {
	PAGE_TALK,	/* both read and write it */
	PAGE_COUNT,	/* a counter */
	PAGE_GONE,	/* is unmapped */
	PAGE_LOST,	/* only the visitor has it when it dies */
	PAGES,
};

struct story {
	struct cluster *cluster;
	char *pages;	/* the owner's, attached by the others */
	char *kept;	/* the owner's page with XPMEM_REMOTE_LAST_COPY */
	char *hers;	/* the visitor's, attached by the neighbour */
	uint64_t began;
	char text[300];	/* what the step saw */
	bool held;
};

static const char *const names[RANKS] = {
	[OWNER] = "partition 1, owner",
	[NEIGHBOUR] = "partition 1, neighbour",
	[VISITOR] = "partition 2, visitor",
};

static void tell(struct story *story, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void tell(struct story *story, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(story->text, sizeof(story->text), format, args);
	va_end(args);
}

/* -------------------------------------------------------- loads and stores */

static sigjmp_buf access_failed;

static void on_sigbus(int signal)
{
	siglongjmp(access_failed, signal);
}

/* What stands there, or the name of the signal that the load raised */
static const char *load(const char *from, char seen[PAGE])
{
	const volatile char *byte = from;
	size_t i = 0;

	if (sigsetjmp(access_failed, 1))
		return "SIGBUS";
	do
		seen[i] = byte[i];
	while (seen[i] && ++i < PAGE - 1);
	seen[i] = '\0';
	return seen;
}

static bool store(char *to, const char *text)
{
	volatile char *byte = to;

	if (sigsetjmp(access_failed, 1))
		return false;
	for (size_t i = 0; i <= strlen(text); i++)
		byte[i] = text[i];
	return true;
}

static char *page(const struct story *story, unsigned int number)
{
	return story->pages + number * PAGE;
}

static double seconds_since(uint64_t since)
{
	return (double)(cluster_now() - since) / 1e9;
}

/* Loads, and holds if that is what is wanted. */
static const char *look(struct story *story, const char *at, const char *wanted, double *took_ret)
{
	static char seen[PAGE];
	uint64_t since = cluster_now();
	const char *found = load(at, seen);

	*took_ret = seconds_since(since);
	story->held = !strcmp(found, wanted);
	return found;
}

static char *new_pages(size_t bytes)
{
	char *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(pages != MAP_FAILED);
	return pages;
}

/* ---------------------------------------------------------- one memory */

static void share(struct story *story)
{
	xpmem_segid_t segid;
	char text[32];
	int error;

	story->pages = new_pages(PAGES * PAGE);
	check(store(page(story, PAGE_TALK), LENT) && store(page(story, PAGE_GONE), SECOND));
	story->kept = new_pages(PAGE);
	check(store(story->kept, BEFORE));
	segid = cluster_share(story->cluster, "pages", story->pages, PAGES * PAGE);
	tell(story, "shares %d pages with xpmem_make_remote, stores \"" LENT "\"; tells the segment's number: %#llx",
	     PAGES, (unsigned long long)segid);
	error = xpmem_make_remote(story->kept, PAGE, XPMEM_PERMIT_MODE, (void *)0600,
				  XPMEM_REMOTE_WRITE | XPMEM_REMOTE_LAST_COPY, &segid);
	if (error)
		fail("xpmem_make_remote gave %d", error);
	snprintf(text, sizeof(text), "%lld\n", (long long)segid);
	cluster_publish(story->cluster, "segid.kept.0", text, strlen(text));
}

static void attach_there(struct story *story)
{
	uint64_t since = cluster_now();
	const char *seen;
	double took;

	story->pages = cluster_attach(story->cluster, "pages", OWNER, PAGES * PAGE);
	story->kept = cluster_attach(story->cluster, "kept", OWNER, PAGE);
	took = seconds_since(since);
	seen = look(story, page(story, PAGE_TALK), LENT, &(double){ 0 });
	tell(story, "attaches them in %.0f ms, with the calls of one machine; loads \"%s\"",
	     took * 1e3, seen);
}

static void store_there(struct story *story)
{
	story->held = store(page(story, PAGE_TALK), ANSWER);
	tell(story, "stores \"" ANSWER "\" in the same place");
}

static void load_here(struct story *story)
{
	double took;
	const char *seen = look(story, page(story, PAGE_TALK), ANSWER, &took);

	tell(story, "loads from its own memory: \"%s\"; the page came back in %.1f ms", seen,
	     took * 1e3);
}

static void load_beside(struct story *story)
{
	const char *seen;

	story->pages = cluster_attach(story->cluster, "pages", OWNER, PAGES * PAGE);
	seen = look(story, page(story, PAGE_TALK), ANSWER, &(double){ 0 });
	tell(story, "has the same segment attached, and loads \"%s\"", seen);
}

/* All three at once; each knows how often it did. */
static void count(struct story *story)
{
	_Atomic uint64_t *counter = (_Atomic uint64_t *)page(story, PAGE_COUNT);
	struct cluster *cluster = story->cluster;
	uint64_t mine = 0, sum = 0, counts[RANKS], until;
	char name[32];

	cluster_meet(cluster, "count");
	until = cluster_now() + TOGETHER_NS;
	do
		for (unsigned int i = 0; i < 64; i++, mine++)
			atomic_fetch_add(counter, 1);
	while (cluster_now() < until);
	snprintf(name, sizeof(name), "counted.%d", cluster->rank);
	cluster_publish(cluster, name, &mine, sizeof(mine));
	for (int rank = 0; rank < RANKS; rank++) {
		uint64_t *theirs;

		snprintf(name, sizeof(name), "counted.%d", rank);
		theirs = cluster_await(cluster, name, NULL);
		sum += counts[rank] = *theirs;
		free(theirs);
	}
	story->held = atomic_load(counter) == sum && counts[VISITOR] && counts[OWNER];
	tell(story, "all three add 1 to one counter for half a second, %llu, %llu and %llu times: it is %llu, %s",
	     (unsigned long long)counts[OWNER], (unsigned long long)counts[NEIGHBOUR],
	     (unsigned long long)counts[VISITOR], (unsigned long long)atomic_load(counter),
	     story->held ? "the sum" : "which is not the sum");
}

/* ------------------------------------------------ the owner takes it away */

static void load_second(struct story *story)
{
	const char *seen = look(story, page(story, PAGE_GONE), SECOND, &(double){ 0 });

	tell(story, "loads \"%s\", and now has a copy of that page", seen);
}

static void unmap(struct story *story)
{
	uint64_t since = cluster_now();
	double took;

	check(!munmap(page(story, PAGE_GONE), PAGE));
	took = seconds_since(since);
	story->held = took < LEASE_S + LATE_S;
	tell(story, "unmaps the page; munmap took %.1f ms, in which the copy was taken back",
	     took * 1e3);
}

static void load_unmapped(struct story *story)
{
	const char *seen = look(story, page(story, PAGE_GONE), "SIGBUS", &(double){ 0 });

	tell(story, "loads from it: %s%s", seen,
	     story->held ? ", as on one machine; not what was there before" : "");
}

static void map_again(struct story *story)
{
	void *at = page(story, PAGE_GONE);

	check(mmap(at, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		   0) == at);
	story->held = store(at, RENEWED);
	tell(story, "maps other memory there, and stores \"" RENEWED "\"");
}

static void load_again(struct story *story)
{
	const char *seen = look(story, page(story, PAGE_GONE), RENEWED, &(double){ 0 });

	tell(story, "loads once more: \"%s\"", seen);
}

/* ------------------------------------------------------ a partition dies */

static void take_along(struct story *story)
{
	const char *seen;

	story->held = store(page(story, PAGE_LOST), ALONE) && store(story->kept, ALONE);
	seen = look(story, page(story, PAGE_TALK), ANSWER, &(double){ 0 });
	story->hers = new_pages(PAGE);
	story->held &= store(story->hers, HERS);
	cluster_share(story->cluster, "hers", story->hers, PAGE);
	tell(story, "stores to two pages, which only it has then, reads \"%s\", and shares a page of its own",
	     seen);
}

static void attach_hers(struct story *story)
{
	const char *seen;

	story->hers = cluster_attach(story->cluster, "hers", VISITOR, PAGE);
	seen = look(story, story->hers, HERS, &(double){ 0 });
	tell(story, "attaches that one: \"%s\"", seen);
}

static void die(struct story *story)
{
	tell(story, "THE POWER OF PARTITION 2 FAILS");
}

static void store_shared(struct story *story)
{
	uint64_t since;
	double took;

	free(cluster_await(story->cluster, "gone", NULL));
	sleep(1);	/* it is gone in that time, and its lease is not over */
	since = cluster_now();
	story->held = store(page(story, PAGE_TALK), AFTER);
	took = seconds_since(since);
	story->held &= took < LEASE_S + LATE_S;
	tell(story, "stores to the page that the visitor could read: done after %.1f s, when its lease of %.1f s was over",
	     took, LEASE_S);
}

static void load_lost(struct story *story)
{
	const char *seen = look(story, page(story, PAGE_LOST), "SIGBUS", &(double){ 0 });

	tell(story, "loads from the page that the visitor alone had: %s%s", seen,
	     story->held ? "; what is lost is told, never replaced by something old" : "");
}

static void load_kept(struct story *story)
{
	const char *seen = look(story, story->kept, BEFORE, &(double){ 0 });

	tell(story, "loads from the other one, shared with XPMEM_REMOTE_LAST_COPY: \"%s\"", seen);
}

static void load_hers(struct story *story)
{
	double took;
	const char *seen = look(story, story->hers, "SIGBUS", &took);

	tell(story, "loads from the visitor's page: %s after %.1f s, in which partition 2 did not come back",
	     seen, took);
}

static void go_on(struct story *story)
{
	void *at = page(story, PAGE_LOST);
	double took;
	const char *seen;

	check(mmap(at, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		   0) == at);
	story->held = store(at, AFTER);
	seen = look(story, page(story, PAGE_TALK), AFTER, &took);
	tell(story, "maps new memory over what was lost, and goes on: \"%s\"", seen);
}

/* ------------------------------------------------------------- the story */

static const struct step {
	const char *scene;	/* this step begins it */
	const char *check;	/* what must be so, with the steps before that have none */
	void (*run)(struct story *story);
	enum who who;
	bool all;		/* everybody does it, and the owner tells */
} steps[] = {
	{ "One memory", NULL, share, OWNER, false },
	{ NULL, "a process of partition 2 reads memory of partition 1", attach_there, VISITOR, false },
	{ NULL, NULL, store_there, VISITOR, false },
	{ NULL, "the owner finds in its own memory what partition 2 stored", load_here, OWNER, false },
	{ NULL, NULL, load_beside, NEIGHBOUR, false },
	{ NULL, "atomic additions of three processes on two partitions: none is lost", count, OWNER, true },
	{ "The owner unmaps it under their feet", NULL, load_second, VISITOR, false },
	{ NULL, "munmap of shared memory returns", unmap, OWNER, false },
	{ NULL, "nobody reads what was unmapped: SIGBUS", load_unmapped, VISITOR, false },
	{ NULL, NULL, map_again, OWNER, false },
	{ NULL, "what is mapped there next is seen", load_again, VISITOR, false },
	{ "A partition is killed", NULL, take_along, VISITOR, false },
	{ NULL, NULL, attach_hers, NEIGHBOUR, false },
	{ NULL, NULL, die, VISITOR, false },
	{ NULL, "the owner waited for the dead partition no longer than its lease", store_shared, OWNER, false },
	{ NULL, "the only copy of a page is lost with it: SIGBUS", load_lost, OWNER, false },
	{ NULL, "or the last copy at home, where the owner chose that", load_kept, OWNER, false },
	{ NULL, "memory of the dead partition: SIGBUS, nobody hangs", load_hers, NEIGHBOUR, false },
	{ NULL, "the owner goes on", go_on, OWNER, false },
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

/* Lines of at most WIDTH columns, those after the first indented */
static void print_wrapped(const char *text)
{
	int column = INDENT;

	for (const char *word = text; *word; ) {
		int length = (int)strcspn(word, " ");

		if (word != text && column + 1 + length > WIDTH) {
			printf("\n%*s", INDENT, "");
			column = INDENT;
		} else if (word != text) {
			printf(" ");
			column++;
		}
		printf("%.*s", length, word);
		column += length;
		word += length + (word[length] == ' ');
	}
	printf("\n");
}

/* Does the step, or hears of it: a byte whether it held, and the text. */
static char *go_through(struct story *story, const struct step *step, size_t number)
{
	struct cluster *cluster = story->cluster;
	bool mine = cluster->rank == (int)step->who;
	char name[32], *said;

	story->held = true;
	if (mine || step->all)
		step->run(story);
	snprintf(name, sizeof(name), "step.%zu", number);
	if (mine) {
		char line[sizeof(story->text) + 1];

		snprintf(line, sizeof(line), "%c%s", story->held ? '+' : '-', story->text);
		cluster_publish(cluster, name, line, strlen(line));
	}
	said = cluster_await(cluster, name, NULL);
	if (cluster->rank == OWNER) {
		if (step->scene)
			printf("\n  %s\n", step->scene);
		printf("  %6.2f s  %-23s%s", seconds_since(story->began), names[step->who],
		       *said == '+' ? "" : "WRONG: ");
		print_wrapped(said + 1);
		fflush(stdout);
	}
	return said;
}

static void body(struct cluster *cluster)
{
	struct story story = { .cluster = cluster, .began = cluster_now() };
	struct sigaction action = { .sa_handler = on_sigbus };
	bool held[STEPS], good = true;

	sigaction(SIGBUS, &action, NULL);
	for (size_t i = 0; i < STEPS; i++) {
		char *said = go_through(&story, &steps[i], i);

		held[i] = *said == '+';
		good &= held[i];
		free(said);
		if (cluster->rank == VISITOR && steps[i].run == die) {
			cluster_publish(cluster, "power", "", 0);
			for (;;)
				pause();
		}
	}
	if (cluster->rank == OWNER) {
		bool all = true;

		for (size_t i = 0; i < STEPS; i++) {
			all &= held[i];
			if (!steps[i].check)
				continue;
			printf("[%s] %s\n", all ? " ok " : "FAIL", steps[i].check);
			all = true;
		}
	}
	if (!good)
		_exit(1);
}

int main(int argc, char **argv)
{
	struct cluster cluster;

	cluster_begin(&cluster, argc, argv, NULL);
	if (cluster.mode != CLUSTER_REMOTE)
		cluster_skip("it is of two partitions");
	if (cluster.ranks != RANKS)
		fail("it takes three ranks");
	return cluster_run(&cluster, body);
}
