// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whatever the owner does to memory that another partition has: what does that one see
 * then?
 *
 *	owner_events [ranks: see cluster.h; two of them]
 *
 * For each event, and each state in which rank 1 can have the page, rank 0 starts a
 * process that makes a segment.  Rank 1 loads from two pages of it, and with EXCLUSIVE
 * stores to the first.  Then the owner does it, and when it has done it rank 1 loads and
 * stores, with SIGBUS caught.  The table `events` says what each must see.
 *
 * --hugetlb 1 does all of it with a page of hugetlb, too.
 */
#include "cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define HUGE		(2UL << 20)
#define PAGES		16		/* that others may have */
#define FIRST		5UL		/* of the two, in them */
#define SECOND		9UL

#define BY_OWNER	0x1111		/* what the owner stored before */
#define BESIDE		0x1010		/* and to the second page */
#define BY_REMOTE	0x2222		/* what rank 1 stored, if it has the page EXCLUSIVE */
#define BY_EVENT	0x3333		/* what the owner stored in the event, or after it */
#define STORED_LATER	0x4444		/* what rank 1 stores at the end */

/* What a load sees */
enum sight {
	NOTHING,	/* nobody asks */
	DATA,		/* what was stored last: by the owner, or by rank 1 if it has */
	ZERO,
	NEW,		/* BY_EVENT */
	BUS,		/* SIGBUS */
};

struct owner {
	char *memory;
	size_t size;
	volatile uint64_t *page;
	volatile uint64_t *second;
	int report;		/* the end of a pipe: see struct report */
};

struct report {
	uint64_t value;		/* that the owner, or its child, sees afterwards */
	uint64_t second;
	uint64_t ns;		/* that it took */
};

static void say(const struct owner *owner, const volatile uint64_t *page,
		const volatile uint64_t *second, uint64_t since)
{
	struct report report = { .ns = 0 };

	if (page) {
		report.value = *page;
		report.second = *second;
	}
	report.ns = cluster_now() - since;

	check(write(owner->report, &report, sizeof(report)) == sizeof(report));
}

/* -------------------------------------------------------------------- events */

static void do_munmap(struct owner *owner)
{
	uint64_t since = cluster_now();

	check(!munmap(owner->memory, owner->size));
	say(owner, NULL, NULL, since);
}

static void do_dontneed(struct owner *owner)
{
	uint64_t since = cluster_now();

	check(!madvise(owner->memory, owner->size, MADV_DONTNEED));
	say(owner, owner->page, owner->second, since);
}

static void do_mremap(struct owner *owner)
{
	uint64_t since = cluster_now();
	char *hole = mmap(NULL, owner->size + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *moved;

	check(hole != MAP_FAILED);
	hole += -(uintptr_t)hole % HUGE;
	moved = mremap(owner->memory, owner->size, owner->size, MREMAP_MAYMOVE | MREMAP_FIXED,
		       hole);
	check(moved == hole);
	say(owner, (uint64_t *)(moved + FIRST * PAGE), (uint64_t *)(moved + SECOND * PAGE), since);
}

static void do_protect_read(struct owner *owner)
{
	uint64_t since = cluster_now();

	check(!mprotect(owner->memory, owner->size, PROT_READ));
	say(owner, owner->page, owner->second, since);
}

static void do_protect_none(struct owner *owner)
{
	uint64_t since = cluster_now();

	check(!mprotect(owner->memory, owner->size, PROT_NONE));
	say(owner, NULL, NULL, since);
}

static void do_load(struct owner *owner)
{
	say(owner, owner->page, owner->second, cluster_now());
}

static void do_store(struct owner *owner)
{
	uint64_t since = cluster_now();

	*owner->page = BY_EVENT;
	*owner->second = BY_EVENT;
	say(owner, owner->page, owner->second, since);
}

/* The child tells what it sees, after the parent has stored something else. */
static void do_fork(struct owner *owner)
{
	uint64_t since = cluster_now();
	int go[2];
	char byte;
	pid_t pid;

	check(!pipe(go));
	pid = fork();
	check(pid >= 0);
	if (!pid) {
		check(read(go[0], &byte, 1) == 1);
		say(owner, owner->page, owner->second, since);
		_exit(0);
	}
	*owner->page = BY_EVENT;
	check(write(go[1], "", 1) == 1);
	check(waitpid(pid, NULL, 0) == pid);
}

/* The pipe is closed by it; the parent sees that. */
static void do_exec(struct owner *owner)
{
	(void)owner;
	execlp("sleep", "sleep", "1000", NULL);
	fail("cannot execute sleep");
}

static void do_exit(struct owner *owner)
{
	(void)owner;
	_exit(0);
}

static void do_sigkill(struct owner *owner)
{
	(void)owner;
	raise(SIGKILL);
}

/*
 * What must be seen when it has been done.  A store of rank 1 to what it can't
 * store to raises SIGBUS, too.
 */
static const struct event {
	const char *name;
	void (*run)(struct owner *owner);
	enum sight owner;	/* at the same content's place, its child for fork */
	enum sight remote;
	bool store;		/* rank 1 may */
} events[] = {
	{ "munmap",	      do_munmap,       NOTHING, BUS,  false },
	{ "MADV_DONTNEED",    do_dontneed,     ZERO,	ZERO, true },
	{ "mremap away",      do_mremap,       DATA,	BUS,  false },
	{ "load",	      do_load,	       DATA,	DATA, true },
	{ "store",	      do_store,	       NEW,	NEW,  true },
	{ "mprotect to read", do_protect_read, DATA,	DATA, false },
	{ "mprotect to none", do_protect_none, NOTHING, BUS,  false },
	{ "fork",	      do_fork,	       DATA,	NEW,  true },
	{ "exec",	      do_exec,	       NOTHING, BUS,  false },
	{ "exit",	      do_exit,	       NOTHING, BUS,  false },
	{ "SIGKILL",	      do_sigkill,      NOTHING, BUS,  false },
};
#define EVENTS (sizeof(events) / sizeof(events[0]))

static uint64_t expected(enum sight sight, bool exclusive)
{
	return sight == DATA ? (exclusive ? BY_REMOTE : BY_OWNER) : sight == NEW ? BY_EVENT : 0;
}

/* In the second page, to which no other partition stores */
static uint64_t beside(const struct event *event, enum sight sight)
{
	if (event->run == do_store)
		return BY_EVENT;
	return sight == DATA || sight == NEW ? BESIDE : 0;
}

/* --------------------------------------------------------------------- rank 0 */

static void own(struct cluster *cluster, const struct event *event, bool huge, const char *name,
		int report)
{
	struct owner owner = { .report = report, .size = huge ? HUGE : PAGES * PAGE };
	char file[80];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	owner.memory = mmap(NULL, owner.size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | (huge ? MAP_HUGETLB : 0), -1, 0);
	if (owner.memory == MAP_FAILED)
		fail("no memory%s: %s", huge ? " of hugetlb" : "", strerror(errno));
	owner.page = (uint64_t *)(owner.memory + FIRST * PAGE);
	owner.second = (uint64_t *)(owner.memory + SECOND * PAGE);
	*owner.page = BY_OWNER;
	*owner.second = BESIDE;
	cluster_share(cluster, name, owner.memory, owner.size);
	snprintf(file, sizeof(file), "has.%s", name);
	free(cluster_await(cluster, file, NULL));
	event->run(&owner);
	for (;;)
		pause();
}

/* Returns whether the owner saw what it must. */
static bool owner_of(struct cluster *cluster, const struct event *event, bool exclusive,
		     bool huge, const char *name)
{
	struct report report = { .value = 0 };
	uint64_t since = cluster_now();
	bool good = true;
	char file[80];
	int pipes[2];
	pid_t pid;

	check(!pipe2(pipes, O_CLOEXEC));
	pid = fork();
	check(pid >= 0);
	if (!pid) {
		close(pipes[0]);
		own(cluster, event, huge, name, pipes[1]);
	}
	close(pipes[1]);
	/* Its end says that all of the owner's memory is gone. */
	if (read(pipes[0], &report, sizeof(report)) == sizeof(report))
		since = cluster_now() - report.ns;
	else
		check(event->owner == NOTHING);
	close(pipes[0]);
	if (event->run == do_exit || event->run == do_sigkill)
		check(waitpid(pid, NULL, 0) == pid);
	printf("%-17s %-9s %sowner: %.3f s", event->name, exclusive ? "EXCLUSIVE" : "SHARED",
	       huge ? "hugetlb " : "", (double)(cluster_now() - since) / 1e9);
	if (event->owner != NOTHING && report.value != expected(event->owner, exclusive)) {
		printf(", saw %#llx, must see %#llx: WRONG", (unsigned long long)report.value,
		       (unsigned long long)expected(event->owner, exclusive));
		good = false;
	}
	if (event->owner != NOTHING && report.second != beside(event, event->owner)) {
		printf(", saw %#llx beside it: WRONG", (unsigned long long)report.second);
		good = false;
	}
	printf("\n");
	fflush(stdout);
	snprintf(file, sizeof(file), "did.%s", name);
	cluster_publish(cluster, file, "", 0);
	snprintf(file, sizeof(file), "saw.%s", name);
	free(cluster_await(cluster, file, NULL));
	if (event->run != do_exit && event->run != do_sigkill) {
		kill(pid, SIGKILL);
		check(waitpid(pid, NULL, 0) == pid);
	}
	return good;
}

/* --------------------------------------------------------------------- rank 1 */

static sigjmp_buf access_failed;

static void on_sigbus(int signal)
{
	siglongjmp(access_failed, signal);
}

static int load(const volatile uint64_t *page, uint64_t *value_ret)
{
	int signal = sigsetjmp(access_failed, 1);

	if (!signal)
		*value_ret = *page;
	return signal;
}

static int store(volatile uint64_t *page, uint64_t value)
{
	int signal = sigsetjmp(access_failed, 1);

	if (!signal)
		*page = value;
	return signal;
}

static const char *sight_text(int signal, uint64_t value, char text[32])
{
	if (signal)
		return strsignal(signal);
	snprintf(text, 32, "%#llx", (unsigned long long)value);
	return text;
}

static bool remote_of(struct cluster *cluster, const struct event *event, bool exclusive,
		      bool huge, const char *name)
{
	char *memory = cluster_attach(cluster, name, 0, huge ? HUGE : PAGES * PAGE);
	volatile uint64_t *page = (uint64_t *)(memory + FIRST * PAGE);
	volatile uint64_t *second = (uint64_t *)(memory + SECOND * PAGE);
	uint64_t wanted = expected(event->remote, exclusive), value = 0;
	int loaded, stored;
	char file[80], text[32];
	bool good;

	check(!load(page, &value) && value == BY_OWNER);
	check(!load(second, &value) && value == BESIDE);
	if (exclusive)
		check(!store(page, BY_REMOTE) && !load(page, &value) && value == BY_REMOTE);
	snprintf(file, sizeof(file), "has.%s", name);
	cluster_publish(cluster, file, "", 0);
	snprintf(file, sizeof(file), "did.%s", name);
	free(cluster_await(cluster, file, NULL));

	loaded = load(second, &value);
	good = event->remote == BUS ? loaded == SIGBUS : !loaded && value == beside(event, event->remote);
	if (!good)
		printf("beside it: %s, must be %#llx\n", sight_text(loaded, value, text),
		       (unsigned long long)beside(event, event->remote));
	loaded = load(page, &value);
	stored = store(page, STORED_LATER);
	good &= event->remote == BUS ? loaded == SIGBUS : !loaded && value == wanted;
	good &= event->store ? !stored : stored == SIGBUS;
	printf("%-17s %-9s %sremote: load %s", event->name, exclusive ? "EXCLUSIVE" : "SHARED",
	       huge ? "hugetlb " : "", sight_text(loaded, value, text));
	printf(", store %s%s\n", stored ? strsignal(stored) : "done", good ? "" : ": WRONG");
	fflush(stdout);
	snprintf(file, sizeof(file), "saw.%s", name);
	cluster_publish(cluster, file, "", 0);
	check(!xpmem_detach(memory));
	return good;
}

static uint64_t hugetlb;

static void body(struct cluster *cluster)
{
	struct sigaction action = { .sa_handler = on_sigbus };
	bool good = true;
	char name[32];

	if (cluster->rank > 1)
		return;
	if (cluster->rank == 1)
		sigaction(SIGBUS, &action, NULL);
	for (unsigned int i = 0; i < EVENTS * (hugetlb ? 4 : 2); i++) {
		snprintf(name, sizeof(name), "event%u", i);
		good &= (cluster->rank ? remote_of : owner_of)(cluster, &events[i / 2 % EVENTS],
							       i & 1, i >= EVENTS * 2, name);
	}
	if (!good)
		_exit(1);
}

int main(int argc, char **argv)
{
	static const struct cluster_option options[] = {
		{ "hugetlb", &hugetlb, "N: with pages of hugetlb, too, if it is not 0" },
		{ NULL, NULL, NULL },
	};
	struct cluster cluster;

	cluster_begin(&cluster, argc, argv, options);
	if (cluster.mode == CLUSTER_PLAIN)
		cluster_skip("a file that all map has no owner");
	if (cluster.ranks < 2)
		fail("it takes two ranks");
	return cluster_run(&cluster, body);
}
