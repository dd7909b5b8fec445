// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writes down what ranks read from and wrote to shared registers, and when, for
 * linearize to judge.
 *
 *	history [--operations N] [--registers N] [--writes PERCENT] [--pause N] [--drift PPM]
 *
 * A register is 8 bytes of a page that a rank shares; 8 registers have a page in common.
 * Every rank does operations on all ranks' registers, chosen at random; each
 * write has a value that no other write has, 0 is what a register is at first.  A line of
 * the files history.RANK in the exchange directory is
 *
 *	w PROCESS REGISTER VALUE START END      written; END -: it was not seen to end
 *	r PROCESS REGISTER VALUE START END      read
 *	x PROCESS REGISTER START                it raised SIGBUS: its content may be lost
 *
 * Times are rank 0's clock, in nanoseconds.  Where that is another partition's, its
 * clock is asked over TCP ($XPMEM_CLOCK, host:port of rank 0, which listens there)
 * before and after the operations: when the answer T came between t0 and t1 of the own
 * clock, that was T - t1 to T - t0 behind.  Between the two measurements these bounds
 * widen by the drift that two clocks may have.  START is the earliest that the start
 * can have been, END the latest: so an operation is never taken for shorter than it
 * was, and whatever linearize refuses was really wrong.
 *
 * A store is over when other processors can see it, which takes a fence on x86; a load
 * must not begin before its START.
 */
#include "cluster.h"

#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_PAGE		8	/* registers, far apart */
#define STRIDE		(PAGE / IN_PAGE / sizeof(uint64_t))

static uint64_t operations = 10000, registers = 32, writes = 40, pause_us = 20, drift_ppm = 500;

struct op {
	uint64_t value;
	uint64_t start, end;	/* own clock; end 0: it raised SIGBUS */
	uint32_t reg;
	bool write;
};

/* ------------------------------------------------------------------- clocks */

/* rank 0's clock less the own, at @at of the own */
struct offset {
	int64_t low, high;
	int64_t at;
};

static int clock_socket(bool listens)
{
	char host[128], *colon;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_family = AF_INET }, *info;
	int fd, one = 1;

	snprintf(host, sizeof(host), "%s", getenv("XPMEM_CLOCK"));
	colon = strchr(host, ':');
	if (!colon)
		fail("XPMEM_CLOCK must be host:port");
	*colon = 0;
	check(!getaddrinfo(host, colon + 1, &hints, &info));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(fd >= 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (listens) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		check(!bind(fd, info->ai_addr, info->ai_addrlen));
		check(!listen(fd, 64));
	} else {
		/* rank 0 may not be there yet */
		while (connect(fd, info->ai_addr, info->ai_addrlen)) {
			close(fd);
			usleep(100000);
			fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
			check(fd >= 0);
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	}
	freeaddrinfo(info);
	return fd;
}

static void *tell_one(void *arg)
{
	int fd = (int)(intptr_t)arg;
	uint64_t now;

	while (recv(fd, &now, sizeof(now), MSG_WAITALL) == sizeof(now)) {
		now = cluster_now();
		if (send(fd, &now, sizeof(now), MSG_NOSIGNAL) != sizeof(now))
			break;
	}
	close(fd);
	return NULL;
}

static void *tell_clock(void *arg)
{
	int fd = (int)(intptr_t)arg, client;
	pthread_t thread;

	while ((client = accept(fd, NULL, NULL)) >= 0) {
		check(!pthread_create(&thread, NULL, tell_one, (void *)(intptr_t)client));
		pthread_detach(thread);
	}
	return NULL;
}

/* The narrowest bounds of many answers */
static struct offset measure(const struct cluster *cluster)
{
	struct offset best = { .low = INT64_MIN / 2, .high = INT64_MAX / 2 };
	int fd;

	if (!cluster->first)		/* rank 0's clock */
		return (struct offset){ .at = (int64_t)cluster_now() };
	fd = clock_socket(false);
	for (int i = 0; i < 200; i++) {
		uint64_t t0 = cluster_now(), theirs = t0, t1;

		check(send(fd, &theirs, sizeof(theirs), MSG_NOSIGNAL) == sizeof(theirs));
		check(recv(fd, &theirs, sizeof(theirs), MSG_WAITALL) == sizeof(theirs));
		t1 = cluster_now();
		if ((int64_t)(t1 - t0) >= best.high - best.low)
			continue;
		best.low = (int64_t)(theirs - t1);
		best.high = (int64_t)(theirs - t0);
		best.at = (int64_t)t1;
	}
	close(fd);
	return best;
}

static int64_t drift(int64_t time)
{
	return (int64_t)((double)(time < 0 ? -time : time) * (double)drift_ppm / 1e6) +
	       (drift_ppm ? 1 : 0);
}

/* The earliest, or latest, that @own of the own clock is on rank 0's */
static int64_t reference(const struct offset of[2], uint64_t own, bool latest, bool same)
{
	int64_t at = (int64_t)own, bound[2];

	if (same)
		return at;
	for (int i = 0; i < 2; i++)
		bound[i] = latest ? of[i].high + drift(at - of[i].at) :
				    of[i].low - drift(at - of[i].at);
	if (latest)
		return at + (bound[0] < bound[1] ? bound[0] : bound[1]);
	return at + (bound[0] > bound[1] ? bound[0] : bound[1]);
}

/* --------------------------------------------------------------- operations */

static sigjmp_buf access_failed;

static void on_sigbus(int signal)
{
	siglongjmp(access_failed, signal);
}

static void do_op(volatile uint64_t *at, struct op *volatile op)
{
	op->start = cluster_now();
	op->end = 0;
	if (sigsetjmp(access_failed, 1))
		return;
	atomic_thread_fence(memory_order_seq_cst);
	if (op->write)
		*at = op->value;
	else
		op->value = *at;
	atomic_thread_fence(memory_order_seq_cst);
	op->end = cluster_now();
}

static void print(FILE *out, const struct cluster *cluster, const struct op *op,
		  const struct offset of[2])
{
	bool same = !cluster->first;
	int64_t start = reference(of, op->start, false, same);
	int64_t end = reference(of, op->end, true, same);

	if (!op->end) {
		if (op->write)
			fprintf(out, "w %d %u %" PRIu64 " %" PRId64 " -\n", cluster->rank, op->reg,
				op->value, start);
		fprintf(out, "x %d %u %" PRId64 "\n", cluster->rank, op->reg, start);
		return;
	}
	fprintf(out, "%c %d %u %" PRIu64 " %" PRId64 " %" PRId64 "\n", op->write ? 'w' : 'r',
		cluster->rank, op->reg, op->value, start, end);
}

static void body(struct cluster *cluster)
{
	size_t size = (registers + IN_PAGE - 1) / IN_PAGE * PAGE, length;
	void *own = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sigaction action = { .sa_handler = on_sigbus };
	volatile uint64_t *memory[CLUSTER_RANKS];
	struct op *ops = calloc(operations, sizeof(*ops));
	uint64_t random = cluster->seed + (uint64_t)cluster->rank, done = 0;
	bool several = getenv("XPMEM_CLOCK") != NULL;
	struct offset of[2];
	char name[32], *text;
	pthread_t thread;
	FILE *out;

	check(own != MAP_FAILED && ops);
	if (!cluster->rank && several)
		check(!pthread_create(&thread, NULL, tell_clock,
				      (void *)(intptr_t)clock_socket(true)));
	cluster_share(cluster, "all", own, size);
	for (int rank = 0; rank < cluster->ranks; rank++)
		memory[rank] = rank == cluster->rank ?
				       own :
				       cluster_attach(cluster, "all", rank, size);
	sigaction(SIGBUS, &action, NULL);
	of[0] = measure(cluster);
	cluster_meet(cluster, "attached");

	for (; done < operations; done++) {
		struct op *op = &ops[done];
		uint64_t at = cluster_random(&random) % registers;
		int rank = (int)(cluster_random(&random) % (uint64_t)cluster->ranks);

		op->reg = (uint32_t)((uint64_t)rank * registers + at);
		op->write = cluster_random(&random) % 100 < writes;
		op->value = ((uint64_t)cluster->rank + 1) << 40 | (done + 1);
		do_op(memory[rank] + at * STRIDE, op);
		if (pause_us && cluster_random(&random) % 4 == 0)
			usleep((useconds_t)(cluster_random(&random) % pause_us));
	}

	of[1] = measure(cluster);
	out = open_memstream(&text, &length);
	check(out);
	for (uint64_t i = 0; i < done; i++)
		print(out, cluster, &ops[i], of);
	check(!fclose(out));
	snprintf(name, sizeof(name), "history.%d", cluster->rank);
	cluster_publish(cluster, name, text, length);
	/* nobody's memory goes before all have read it */
	cluster_meet(cluster, "done");
	if (cluster->first)
		fprintf(stderr, "rank %d: the clock was known to %" PRId64 " and %" PRId64 " ns\n",
			cluster->rank, of[0].high - of[0].low, of[1].high - of[1].low);
}

int main(int argc, char **argv)
{
	static const struct cluster_option options[] = {
		{ "operations", &operations, "of each rank (default 10000)" },
		{ "registers", &registers, "that each rank shares (default 32)" },
		{ "writes", &writes, "of 100 operations (default 40)" },
		{ "pause", &pause_us, "longest pause between operations, in us (default 20)" },
		{ "drift", &drift_ppm, "of clocks, parts in a million (default 500)" },
		{ NULL, NULL, NULL },
	};
	struct cluster cluster;

	cluster_begin(&cluster, argc, argv, options);
	if (cluster.last - cluster.first + 1 < cluster.ranks && !getenv("XPMEM_CLOCK"))
		fail("ranks are elsewhere: XPMEM_CLOCK must be host:port of rank 0's partition");
	if (!getenv("XPMEM_EXCHANGE"))
		fail("XPMEM_EXCHANGE must name the directory for the histories");
	if (!registers || operations >= 1ULL << 40)
		fail("there must be registers, and fewer operations");
	return cluster_run(&cluster, body);
}
