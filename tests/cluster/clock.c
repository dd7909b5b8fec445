// SPDX-License-Identifier: GPL-2.0-or-later
/* See clock.h. */
#include "clock.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICK_US 2000
#define LATE_NS 25000000ull

uint64_t clock_drift_ppm = 500;

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

void clock_serve(void)
{
	pthread_t thread;

	check(!pthread_create(&thread, NULL, tell_clock, (void *)(intptr_t)clock_socket(true)));
}

/* The narrowest bounds of many answers */
struct clock_offset clock_measure(const struct cluster *cluster)
{
	struct clock_offset best = { .low = INT64_MIN / 2, .high = INT64_MAX / 2 };
	int fd;

	if (!cluster->first)		/* rank 0's clock */
		return (struct clock_offset){ .at = (int64_t)cluster_now() };
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
	return (int64_t)((double)(time < 0 ? -time : time) * (double)clock_drift_ppm / 1e6) +
	       (clock_drift_ppm ? 1 : 0);
}

int64_t clock_reference(const struct clock_offset of[2], uint64_t own, bool latest, bool same)
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

static void *watch(void *arg)
{
	_Atomic(uint64_t) *late = arg;
	uint64_t last = cluster_now(), now;

	for (;; last = now) {
		usleep(TICK_US);
		now = cluster_now();
		if (now - last > LATE_NS)
			atomic_fetch_add(late, now - last - TICK_US * 1000ull);
	}
	return NULL;
}

void clock_watch(_Atomic(uint64_t) *late)
{
	pthread_t thread;

	check(!pthread_create(&thread, NULL, watch, late));
}
