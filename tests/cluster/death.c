// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A partition dies, of whose memory others have pages, and which has pages of theirs.
 *
 *	death --bound-ms N --fault-ms N [ranks: see cluster.h; two of them]
 *
 * Rank 1 has pages of rank 0's segment SHARED and EXCLUSIVE, and rank 0 has some of rank
 * 1's.  Then rank 1 has its machine lose power (/run/vm/leave of a guest).  When rank 0
 * hears nothing more of it (datagrams to $XPMEM_CLOCK, host:port of rank 0), it does to each page what an owner may do, each in a thread of its own, all
 * at once, and says how long that took: --bound-ms, which is lease + skew + 50 ms, at
 * most.  Time in which its own partition did not run is subtracted (clock.h).  What it
 * has of rank 1's memory it uses on, until that raises SIGBUS.
 */
#include "clock.h"
#include "cluster.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS		1000000ull
#define BY_OWNER	0x1111		/* what rank 0 stored before */
#define BY_OTHER	0x2222		/* what the other stored, if it has the page EXCLUSIVE */
#define LATER		0x3333		/* what rank 0 stores after the death */
#define BEAT_US		10000		/* between two datagrams */
#define SILENCE_S	3		/* after which rank 1 is dead, and not only slow */

static uint64_t bound_ms = 3150, fault_ms = 10000;
static _Atomic(uint64_t) late;

enum has {
	SHARED,
	EXCLUSIVE,
};

enum outcome {
	NO_MATTER,	/* a call */
	OWNERS,		/* BY_OWNER is loaded */
	BUS,
	ZERO,
	STORED,		/* LATER is stored, and loaded */
	OTHER,		/* anything else is loaded */
};

typedef enum outcome deed_fn(volatile uint64_t *page);

static __thread sigjmp_buf access_failed;

static void on_sigbus(int signal)
{
	siglongjmp(access_failed, signal);
}

static enum outcome do_load(volatile uint64_t *page)
{
	uint64_t value;

	if (sigsetjmp(access_failed, 1))
		return BUS;
	value = *page;
	return value == BY_OWNER ? OWNERS : value == 0 ? ZERO : value == LATER ? STORED : OTHER;
}

static enum outcome do_store(volatile uint64_t *page)
{
	if (sigsetjmp(access_failed, 1))
		return BUS;
	*page = LATER;
	return do_load(page);
}

static enum outcome do_munmap(volatile uint64_t *page)
{
	check(!munmap((void *)page, PAGE));
	return NO_MATTER;
}

static enum outcome do_dontneed(volatile uint64_t *page)
{
	check(!madvise((void *)page, PAGE, MADV_DONTNEED));
	return NO_MATTER;
}

static enum outcome do_protect(volatile uint64_t *page)
{
	check(!mprotect((void *)page, PAGE, PROT_READ));
	return NO_MATTER;
}

static enum outcome do_move(volatile uint64_t *page)
{
	void *hole = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(hole != MAP_FAILED);
	check(mremap((void *)page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, hole) == hole);
	return NO_MATTER;
}

/* What is done to page i of rank 0's memory, which rank 1 has as @has */
static const struct deed {
	const char *name;
	deed_fn *run;
	enum has has;
	bool last_copy;		/* in the segment that has it */
	enum outcome outcome;
	deed_fn *then;		/* by the same thread */
	enum outcome then_outcome;
} deeds[] = {
	{ "load", do_load, SHARED, false, OWNERS, NULL, NO_MATTER },
	{ "store", do_store, SHARED, false, STORED, NULL, NO_MATTER },
	{ "munmap", do_munmap, SHARED, false, NO_MATTER, NULL, NO_MATTER },
	{ "MADV_DONTNEED", do_dontneed, SHARED, false, NO_MATTER, do_load, ZERO },
	{ "mprotect", do_protect, SHARED, false, NO_MATTER, do_load, OWNERS },
	{ "mremap", do_move, SHARED, false, NO_MATTER, NULL, NO_MATTER },
	{ "load", do_load, EXCLUSIVE, false, BUS, do_store, BUS },
	{ "store", do_store, EXCLUSIVE, false, BUS, do_load, BUS },
	{ "munmap", do_munmap, EXCLUSIVE, false, NO_MATTER, NULL, NO_MATTER },
	{ "MADV_DONTNEED", do_dontneed, EXCLUSIVE, false, NO_MATTER, do_store, STORED },
	{ "mprotect", do_protect, EXCLUSIVE, false, NO_MATTER, do_load, BUS },
	{ "mremap", do_move, EXCLUSIVE, false, NO_MATTER, NULL, NO_MATTER },
	{ "load", do_load, EXCLUSIVE, true, OWNERS, do_store, STORED },
	{ "store", do_store, EXCLUSIVE, true, STORED, NULL, NO_MATTER },
	{ "mprotect", do_protect, EXCLUSIVE, true, NO_MATTER, do_load, OWNERS },
};
#define DEEDS (sizeof(deeds) / sizeof(deeds[0]))

static const char *const outcome_text[] = { "done", "what the owner stored last", "SIGBUS", "0",
					    "stored", "what it must not see" };
static const char *const has_text[] = { "SHARED", "EXCLUSIVE" };

static uint8_t *segment[2];	/* [last_copy]: each has all pages, most of them not used */
static pthread_barrier_t at_once;
static _Atomic(bool) bad;
static _Atomic(uint64_t) worst;

static volatile uint64_t *page_of(uint8_t *const memory[2], unsigned int i)
{
	return (void *)(memory[deeds[i].last_copy] + i * PAGE);
}

static void *do_deed(void *arg)
{
	const struct deed *deed = arg;
	volatile uint64_t *page = page_of(segment, (unsigned int)(deed - deeds));
	enum outcome outcome, then = NO_MATTER;
	uint64_t since, was_late, took, not_running;
	bool good;

	pthread_barrier_wait(&at_once);
	was_late = atomic_load(&late);
	since = cluster_now();
	outcome = deed->run(page);
	took = cluster_now() - since;
	not_running = atomic_load(&late) - was_late;
	if (deed->then)
		then = deed->then(page);
	took -= not_running < took ? not_running : took;
	good = outcome == deed->outcome && then == deed->then_outcome && took <= bound_ms * MS;
	printf("%-13s %-9s%s: %.3f s (not running: %.3f), %s%s%s%s\n", deed->name,
	       has_text[deed->has], deed->last_copy ? " last copy" : "", (double)took / 1e9,
	       (double)not_running / 1e9, outcome_text[outcome], deed->then ? ", then " : "",
	       deed->then ? outcome_text[then] : "", good ? "" : ": WRONG");
	if (!good)
		atomic_store(&bad, true);
	if (took > atomic_load(&worst))
		atomic_store(&worst, took);
	return NULL;
}

/* ------------------------------------------------ what rank 0 has of rank 1's */

struct use {
	volatile uint64_t *page;
	bool store;
};

/* Goes on while it can; SIGBUS must come, and not before the lease ends. */
static void *use_on(void *arg)
{
	const struct use *use = arg;
	uint64_t since, last, now;
	bool good;

	since = last = now = cluster_now();
	for (;;) {
		enum outcome outcome = use->store ? do_store(use->page) : do_load(use->page);

		now = cluster_now();
		if (outcome == BUS)
			break;
		last = now;
		usleep(2000);
	}
	/*
	 * The death was before: a lease after that nothing can be used.  The kernel's timers
	 * are late by up to an eighth of what they are set to.
	 */
	good = last - since <= bound_ms * MS &&
	       now - last <= (fault_ms + fault_ms / 8 + 1000) * MS + atomic_load(&late);
	printf("home dead: %s for %.3f s more, SIGBUS %.3f s later%s\n",
	       use->store ? "stores" : "loads", (double)(last - since) / 1e9,
	       (double)(now - last) / 1e9, good ? "" : ": WRONG");
	if (!good)
		atomic_store(&bad, true);
	return NULL;
}

/*
 * In a process of its own, as faults of one that unmaps wait for that.  It says on @ready
 * that it has the pages, and begins when @go is readable.
 */
static _Noreturn void use_other(const struct cluster *cluster, int ready, int go)
{
	volatile uint64_t *other = cluster_attach(cluster, "other", 1, 2 * PAGE);
	struct use uses[] = { { other, false }, { other + PAGE / sizeof(*other), true } };
	pthread_t threads[2];
	char byte;

	check(do_load(uses[0].page) == OWNERS && do_store(uses[1].page) == STORED);
	check(write(ready, "", 1) == 1 && read(go, &byte, 1) == 1);
	for (int i = 0; i < 2; i++)
		check(!pthread_create(&threads[i], NULL, use_on, &uses[i]));
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	fflush(stdout);
	_exit(bad);
}

/* ------------------------------------------------------------------ datagrams */

static int datagrams(bool receives)
{
	struct timeval silence = { .tv_sec = SILENCE_S };
	struct sockaddr_in address = { .sin_family = AF_INET };
	char host[128], *colon;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	check(fd >= 0);
	snprintf(host, sizeof(host), "%s", getenv("XPMEM_CLOCK"));
	colon = strchr(host, ':');
	if (!colon)
		fail("XPMEM_CLOCK must be host:port");
	*colon = 0;
	address.sin_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		fail("XPMEM_CLOCK must have the host's address");
	if (receives)
		check(!setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence)));
	check(!(receives ? bind : connect)(fd, (struct sockaddr *)&address, sizeof(address)));
	return fd;
}

static void await_death(int fd)
{
	char byte;

	while (recv(fd, &byte, 1, 0) == 1)
		;
	check(errno == EAGAIN);
	close(fd);
}

static _Noreturn void live_on(int fd)
{
	for (;;) {
		if (send(fd, "", 1, 0) != 1)
			check(errno == ECONNREFUSED);
		usleep(BEAT_US);
	}
}

/* --------------------------------------------------------------------- ranks */

static void share_last_copy(const struct cluster *cluster, void *addr, size_t size)
{
	xpmem_segid_t segid;
	char text[32];

	check(!xpmem_make_remote(addr, size, XPMEM_PERMIT_MODE, (void *)0600,
				 XPMEM_REMOTE_WRITE | XPMEM_REMOTE_LAST_COPY, &segid));
	snprintf(text, sizeof(text), "%lld\n", (long long)segid);
	cluster_publish(cluster, "segid.last.0", text, strlen(text));
}

static void *make_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(memory != MAP_FAILED);
	for (size_t at = 0; at < size; at += PAGE)
		*(uint64_t *)((char *)memory + at) = BY_OWNER;
	return memory;
}

static void survive(struct cluster *cluster)
{
	int fd = datagrams(true), ready[2], go[2], status;
	pthread_t threads[DEEDS];
	pid_t user;
	char byte;

	/* Before anything is shared: a fork would bring all pages home. */
	fflush(stdout);
	check(!pipe(ready) && !pipe(go));
	user = fork();
	check(user >= 0);
	if (!user) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		clock_watch(&late);
		use_other(cluster, ready[1], go[0]);
	}
	for (int i = 0; i < 2; i++)
		segment[i] = make_memory(DEEDS * PAGE);
	cluster_share(cluster, "first", segment[0], DEEDS * PAGE);
	share_last_copy(cluster, segment[1], DEEDS * PAGE);
	check(read(ready[0], &byte, 1) == 1);
	check(!pthread_barrier_init(&at_once, NULL, DEEDS + 1));
	for (unsigned int i = 0; i < DEEDS; i++)
		check(!pthread_create(&threads[i], NULL, do_deed, (void *)&deeds[i]));
	cluster_meet(cluster, "held");
	free(cluster_await(cluster, "dies", NULL));
	await_death(fd);
	check(write(go[1], "", 1) == 1);
	pthread_barrier_wait(&at_once);
	for (unsigned int i = 0; i < DEEDS; i++)
		pthread_join(threads[i], NULL);
	check(waitpid(user, &status, 0) == user);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		atomic_store(&bad, true);
	printf("owner's worst: %.3f s\n", (double)worst / 1e9);
	fflush(stdout);
	if (bad)
		_exit(1);
}

static void die(struct cluster *cluster)
{
	char *arguments[] = { "/run/vm/leave", "0", NULL };
	uint8_t *memory[2], *own = make_memory(2 * PAGE);
	pid_t pid;

	cluster_share(cluster, "other", own, 2 * PAGE);
	memory[0] = cluster_attach(cluster, "first", 0, DEEDS * PAGE);
	memory[1] = cluster_attach(cluster, "last", 0, DEEDS * PAGE);
	for (unsigned int i = 0; i < DEEDS; i++) {
		volatile uint64_t *page = page_of(memory, i);

		check(do_load(page) == OWNERS);
		if (deeds[i].has == EXCLUSIVE)
			*page = BY_OTHER;
	}
	cluster_meet(cluster, "held");
	cluster_publish(cluster, "dies", "", 0);
	/* This process lives, and has what it has, to the end; nor must it fork. */
	if (posix_spawn(&pid, arguments[0], NULL, NULL, arguments, NULL))
		fail("this machine can't be switched off: no /run/vm/leave");
	live_on(datagrams(false));
}

static void body(struct cluster *cluster)
{
	struct sigaction action = { .sa_handler = on_sigbus };

	sigaction(SIGBUS, &action, NULL);
	clock_watch(&late);
	if (cluster->rank == 0)
		survive(cluster);
	else
		die(cluster);
}

int main(int argc, char **argv)
{
	static const struct cluster_option options[] = {
		{ "bound-ms", &bound_ms, "lease + skew + 50 (default 3150)" },
		{ "fault-ms", &fault_ms, "until a fault that is not served ends (default 10000)" },
		{ NULL, NULL, NULL },
	};
	struct cluster cluster;

	cluster_begin(&cluster, argc, argv, options);
	if (cluster.mode != CLUSTER_REMOTE)
		cluster_skip("there must be two partitions");
	if (!getenv("XPMEM_CLOCK"))
		fail("XPMEM_CLOCK must be host:port of rank 0's partition");
	if (cluster.ranks != 2 || cluster.first != cluster.last)
		fail("it takes two ranks, each on a partition of its own");
	return cluster_run(&cluster, body);
}
