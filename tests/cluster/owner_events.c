// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whatever the owner does to memory that another partition has: what does that one see
 * then?
 *
 *	owner_events [ranks: see cluster.h; two of them]
 *
 * For each event, and each state in which rank 1 can have the page, rank 0 starts a
 * process that makes a segment of a page.  Rank 1 loads from it (SHARED), or stores to it
 * (EXCLUSIVE).  Then the owner does it, and when it has done it rank 1 loads and
 * stores, with SIGBUS caught.  The table `events` says what each must see.
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

#define BY_OWNER	0x1111		/* what the owner stored before */
#define BY_REMOTE	0x2222		/* what rank 1 stored, if it has the page EXCLUSIVE */
#define AFTER_FORK	0x3333		/* what the owner stored after it */
#define STORED_LATER	0x4444		/* what rank 1 stores at the end */

/* What a load sees */
enum sight {
	NOTHING,	/* nobody asks */
	DATA,		/* what was stored last: by the owner, or by rank 1 if it has */
	ZERO,
	NEW,		/* AFTER_FORK */
	BUS,		/* SIGBUS */
};

struct owner {
	volatile uint64_t *page;
	int report;		/* the end of a pipe: see struct report */
};

struct report {
	uint64_t value;		/* that the owner, or its child, sees afterwards */
	uint64_t ns;		/* that it took */
};

static void say(const struct owner *owner, uint64_t value, uint64_t since)
{
	struct report report = { .value = value, .ns = cluster_now() - since };

	check(write(owner->report, &report, sizeof(report)) == sizeof(report));
}

/* -------------------------------------------------------------------- events */

static void do_munmap(struct owner *owner)
{
	uint64_t since = cluster_now();

	check(!munmap((void *)owner->page, PAGE));
	say(owner, 0, since);
}

static void do_dontneed(struct owner *owner)
{
	uint64_t since = cluster_now();

	check(!madvise((void *)owner->page, PAGE, MADV_DONTNEED));
	say(owner, *owner->page, since);
}

static void do_mremap(struct owner *owner)
{
	uint64_t since = cluster_now();
	void *hole = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile uint64_t *moved = mremap((void *)owner->page, PAGE, PAGE,
					  MREMAP_MAYMOVE | MREMAP_FIXED, hole);

	check(moved == hole);
	say(owner, *moved, since);
}

static void do_protect_read(struct owner *owner)
{
	uint64_t since = cluster_now();

	check(!mprotect((void *)owner->page, PAGE, PROT_READ));
	say(owner, *owner->page, since);
}

static void do_protect_none(struct owner *owner)
{
	uint64_t since = cluster_now();

	check(!mprotect((void *)owner->page, PAGE, PROT_NONE));
	say(owner, 0, since);
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
		say(owner, *owner->page, since);
		_exit(0);
	}
	*owner->page = AFTER_FORK;
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
	return sight == DATA ? (exclusive ? BY_REMOTE : BY_OWNER) : sight == NEW ? AFTER_FORK : 0;
}

/* --------------------------------------------------------------------- rank 0 */

static void own(struct cluster *cluster, const struct event *event, const char *name, int report)
{
	struct owner owner = { .report = report };
	char file[80];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	owner.page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(owner.page != MAP_FAILED);
	*owner.page = BY_OWNER;
	cluster_share(cluster, name, (void *)owner.page, PAGE);
	snprintf(file, sizeof(file), "has.%s", name);
	free(cluster_await(cluster, file, NULL));
	event->run(&owner);
	for (;;)
		pause();
}

/* Returns whether the owner saw what it must. */
static bool owner_of(struct cluster *cluster, const struct event *event, bool exclusive,
		     const char *name)
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
		own(cluster, event, name, pipes[1]);
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
	printf("%-17s %-9s owner: %.3f s", event->name, exclusive ? "EXCLUSIVE" : "SHARED",
	       (double)(cluster_now() - since) / 1e9);
	if (event->owner != NOTHING && report.value != expected(event->owner, exclusive)) {
		printf(", saw %#llx, must see %#llx: WRONG", (unsigned long long)report.value,
		       (unsigned long long)expected(event->owner, exclusive));
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
		      const char *name)
{
	volatile uint64_t *page = cluster_attach(cluster, name, 0, PAGE);
	uint64_t wanted = expected(event->remote, exclusive), value = 0;
	int loaded, stored;
	char file[80], text[32];
	bool good;

	check(!load(page, &value) && value == BY_OWNER);
	if (exclusive)
		check(!store(page, BY_REMOTE) && !load(page, &value) && value == BY_REMOTE);
	snprintf(file, sizeof(file), "has.%s", name);
	cluster_publish(cluster, file, "", 0);
	snprintf(file, sizeof(file), "did.%s", name);
	free(cluster_await(cluster, file, NULL));

	loaded = load(page, &value);
	stored = store(page, STORED_LATER);
	good = event->remote == BUS ? loaded == SIGBUS : !loaded && value == wanted;
	good &= event->store ? !stored : stored == SIGBUS;
	printf("%-17s %-9s remote: load %s", event->name, exclusive ? "EXCLUSIVE" : "SHARED",
	       sight_text(loaded, value, text));
	printf(", store %s%s\n", stored ? strsignal(stored) : "done", good ? "" : ": WRONG");
	fflush(stdout);
	snprintf(file, sizeof(file), "saw.%s", name);
	cluster_publish(cluster, file, "", 0);
	check(!xpmem_detach((void *)page));
	return good;
}

static void body(struct cluster *cluster)
{
	struct sigaction action = { .sa_handler = on_sigbus };
	bool good = true;
	char name[32];

	if (cluster->rank > 1)
		return;
	if (cluster->rank == 1)
		sigaction(SIGBUS, &action, NULL);
	for (unsigned int i = 0; i < EVENTS * 2; i++) {
		snprintf(name, sizeof(name), "event%u", i);
		good &= (cluster->rank ? remote_of : owner_of)(cluster, &events[i / 2], i & 1,
							       name);
	}
	if (!good)
		_exit(1);
}

int main(int argc, char **argv)
{
	struct cluster cluster;

	cluster_begin(&cluster, argc, argv, NULL);
	if (cluster.mode == CLUSTER_PLAIN)
		cluster_skip("a file that all map has no owner");
	if (cluster.ranks < 2)
		fail("it takes two ranks");
	return cluster_run(&cluster, body);
}
