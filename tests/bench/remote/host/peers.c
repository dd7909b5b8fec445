// SPDX-License-Identifier: GPL-2.0-or-later
/* See peers.h. */
#include "peers.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "../../bench.h"
#include "config.h"
#include "log.h"
#include "replica.h"
#include "transport.h"

#define HOME		1u
#define LEASE_NS	3000000000ULL
#define TICK_USEC	100000

struct peer {
	struct xpmd_transport_config config;
	struct xpmd_transport *transport;
	struct xpmd_replica *replica;
	uint8_t *has;		/* pages */
	/* of peers_load() */
	uint64_t next, end, started;
	uint64_t *ns;
};

static struct {
	sd_event *event;
	sd_event_source *timer;
	struct peer *peer;
	unsigned int count;
	struct xpmd_partition home;
	int64_t segid;
	uint64_t pages;
	unsigned int ready, loading;
	atomic_bool ended, stop;
	pthread_t thread;
	int told;			/* eventfd: there is something to load */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct {
		unsigned int peers;
		uint64_t first, apart;
		size_t count;
		uint64_t *ns;
	} wanted;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static uint64_t boottime(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

static void change(unsigned int *what, int by)
{
	pthread_mutex_lock(&all.lock);
	*what += (unsigned int)by;
	pthread_cond_broadcast(&all.changed);
	pthread_mutex_unlock(&all.lock);
}

/* ---- Loads */

static void load(struct peer *peer)
{
	if (peer->next == peer->end) {
		change(&all.loading, -1);
		return;
	}
	peer->started = now_ns();
	xpmd_replica_fault(peer->replica, boottime(), 1, all.segid, peer->next, 1, false);
}

static void loaded(struct peer *peer)
{
	if (peer->ns)
		*peer->ns++ = now_ns() - peer->started;
	peer->next++;
}

/* ---- Operations of the core; the next load begins when this one's are over */

static void op_send(void *ctx, uint32_t home, const struct xpmd_msg *msg)
{
	struct peer *peer = ctx;

	(void)xpmd_transport_send(peer->transport, home,
				  xpmd_msg_is_bulk(msg) ? XPMD_BULK : XPMD_URGENT, msg);
}

static int op_install(void *ctx, uint64_t fault, int64_t segid, uint64_t first, uint32_t count,
		      enum xpmd_state state, const void *data)
{
	struct peer *peer = ctx;

	(void)segid;
	(void)state;
	(void)data;
	memset(peer->has + first, 1, count);
	if (fault)
		loaded(peer);
	return (int)count;
}

static int op_take(void *ctx, int64_t segid, uint64_t first, uint32_t count, enum xpmd_state state,
		   uint64_t *exclusive_ret, uint64_t *present_ret, void *data)
{
	struct peer *peer = ctx;

	(void)segid;
	(void)state;
	(void)exclusive_ret;	/* nothing is stored to here */
	(void)data;
	for (uint32_t i = 0; i < count; i++) {
		if (peer->has[first + i])
			present_ret[i / 64] |= 1ULL << i % 64;
		peer->has[first + i] = 0;
	}
	return 0;
}

static void op_fail(void *ctx, uint64_t fault, uint32_t error)
{
	(void)ctx;
	(void)fault;
	errno = (int)error;
	fatal("a page does not come");
}

static void op_lease(void *ctx, uint32_t home, uint64_t until)
{
	(void)ctx;
	(void)home;
	(void)until;
}

static void op_forget(void *ctx, int64_t segid)
{
	(void)ctx;
	(void)segid;
	errno = 0;
	fatal("the segment is gone");
}

static const struct xpmd_replica_ops replica_ops = {
	.send = op_send,
	.install = op_install,
	.take = op_take,
	.fail = op_fail,
	.lease = op_lease,
	.forget = op_forget,
};

/* ---- Sessions */

static void on_hello(void *ctx, struct xpmd_hello *hello)
{
	struct peer *peer = ctx;

	*hello = (struct xpmd_hello){
		.partition = peer->config.self, .incarnation = peer->config.self,
		.lease_ns = LEASE_NS, .skew_ns = LEASE_NS / 30,
	};
}

static void on_up(void *ctx, uint32_t partition, const struct xpmd_hello *other)
{
	struct peer *peer = ctx;
	struct xpmd_open open = {
		.id = 1, .segid = all.segid, .write = true, .credential = "",
	};

	xpmd_transport_open(peer->transport, partition, &open);
	xpmd_replica_connect(peer->replica, boottime(), partition, other->incarnation, 0,
			     other->lease_ns);
}

static void on_down(void *ctx, uint32_t partition, const char *why)
{
	(void)ctx;
	(void)partition;
	if (all.ended)
		return;
	errno = 0;
	fatal("the session ended: %s", why);
}

static void on_message(void *ctx, uint32_t partition, const struct xpmd_msg *msg)
{
	struct peer *peer = ctx;
	uint64_t before = peer->next;

	if (msg->type == XPMD_RENEW || msg->type == XPMD_READ)
		return;		/* this one has no segments */
	xpmd_replica_message(peer->replica, boottime(), partition, msg);
	if (peer->next != before)
		load(peer);
}

static void on_opened(void *ctx, uint32_t partition, const struct xpmd_opened *opened)
{
	struct peer *peer = ctx;
	struct xpmd_attach attach = { .id = 2, .segid = all.segid, .count = all.pages };

	if (opened->error) {
		errno = (int)opened->error;
		fatal("the segment is not given");
	}
	if (xpmd_replica_add_segment(peer->replica, HOME, all.segid, all.pages))
		fatal("no memory");
	xpmd_transport_attach(peer->transport, partition, &attach);
}

static void on_attached(void *ctx, uint32_t partition, const struct xpmd_attached *attached)
{
	(void)ctx;
	(void)partition;
	if (attached->error) {
		errno = (int)attached->error;
		fatal("the segment can't be attached");
	}
	change(&all.ready, 1);
}

static void on_other(void *ctx, uint32_t partition)
{
	(void)ctx;
	errno = 0;
	fatal("partition %u asks for what is not here", partition);
}

static void on_challenge(void *ctx, uint32_t partition, uint64_t id)
{
	(void)id;
	on_other(ctx, partition);
}

static void on_challenged(void *ctx, uint32_t partition, uint64_t id, const uint8_t nonce[32])
{
	(void)id;
	(void)nonce;
	on_other(ctx, partition);
}

static void on_open(void *ctx, uint32_t partition, const struct xpmd_open *open)
{
	(void)open;
	on_other(ctx, partition);
}

static void on_attach(void *ctx, uint32_t partition, const struct xpmd_attach *attach)
{
	(void)attach;
	on_other(ctx, partition);
}

static void on_close(void *ctx, uint32_t partition, const struct xpmd_close *close)
{
	(void)close;
	on_other(ctx, partition);
}

static const struct xpmd_session_ops session_ops = {
	.hello = on_hello,
	.up = on_up,
	.down = on_down,
	.message = on_message,
	.challenge = on_challenge,
	.challenged = on_challenged,
	.open = on_open,
	.opened = on_opened,
	.attach = on_attach,
	.attached = on_attached,
	.close = on_close,
};

/* ---- The thread */

static int on_turn(sd_event_source *source, void *unused)
{
	(void)source;
	(void)unused;
	for (unsigned int i = 0; i < all.count; i++)
		xpmd_transport_flush(all.peer[i].transport);
	return 0;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *unused)
{
	(void)usec;
	(void)unused;
	for (unsigned int i = 0; i < all.count; i++)
		xpmd_replica_tick(all.peer[i].replica, boottime());
	sd_event_source_set_time_relative(source, TICK_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_told(sd_event_source *source, int fd, uint32_t revents, void *unused)
{
	uint64_t value;

	(void)source;
	(void)revents;
	(void)unused;
	if (read(fd, &value, sizeof(value)) < 0)
		return 0;
	if (all.stop)
		return sd_event_exit(all.event, 0);
	for (unsigned int i = 0; i < all.wanted.peers; i++) {
		struct peer *peer = &all.peer[i];

		peer->next = all.wanted.first + i * all.wanted.apart;
		peer->end = peer->next + all.wanted.count;
		peer->ns = all.wanted.ns ? all.wanted.ns + i * all.wanted.count : NULL;
		load(peer);
	}
	return 0;
}

static void start_peer(struct peer *peer, unsigned int number)
{
	struct xpmd_replica_config config = {
		.incarnation = number, .lease_ns = LEASE_NS, .hold_ns = 0,
	};

	peer->config = (struct xpmd_transport_config){
		.self = number, .self_name = "peer", .partitions = &all.home, .nr_partitions = 1,
	};
	peer->has = calloc(all.pages, 1);
	peer->replica = xpmd_replica_new(&config, &replica_ops, peer);
	if (!peer->has || !peer->replica ||
	    xpmd_transport_new(&peer->transport, all.event, &peer->config, &session_ops, peer) < 0)
		fatal("no transport");
}

static void *run(void *unused)
{
	sd_event_source *source;

	(void)unused;
	if (sd_event_new(&all.event) < 0 ||
	    sd_event_add_post(all.event, &source, on_turn, NULL) < 0 ||
	    sd_event_add_io(all.event, &source, all.told, 1, on_told, NULL) < 0 ||
	    sd_event_add_time_relative(all.event, &all.timer, CLOCK_MONOTONIC, TICK_USEC, 0,
				       on_tick, NULL) < 0)
		fatal("no event loop");
	for (unsigned int i = 0; i < all.count; i++)
		start_peer(&all.peer[i], i + 2);
	sd_event_loop(all.event);
	if (!all.stop)
		fatal("the event loop ended");
	return NULL;
}

static void await(const unsigned int *what, unsigned int value)
{
	pthread_mutex_lock(&all.lock);
	while (*what != value)
		pthread_cond_wait(&all.changed, &all.lock);
	pthread_mutex_unlock(&all.lock);
}

void peers_start(unsigned int count, unsigned int port, const char *key_file, int64_t segid,
		 size_t pages)
{
	static char address[64];

	snprintf(address, sizeof(address), "tcp://127.0.0.1:%u", port);
	xpmd_log_open("peers", LOG_ERR);
	all.home = (struct xpmd_partition){
		.number = HOME, .name = (char *)"home", .address = address,
		.key_file = strdup(key_file),
	};
	all.segid = segid;
	all.pages = pages;
	all.count = count;
	all.peer = calloc(count, sizeof(*all.peer));
	all.told = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!all.peer || all.told < 0 || pthread_create(&all.thread, NULL, run, NULL))
		fatal("no thread");
	await(&all.ready, count);
}

static void tell(void)
{
	static const uint64_t one = 1;

	if (write(all.told, &one, sizeof(one)) < 0)
		fatal("eventfd");
}

void peers_load(unsigned int peers, uint64_t first, uint64_t apart, size_t count, uint64_t *ns)
{
	all.wanted.peers = peers;
	all.wanted.first = first;
	all.wanted.apart = apart;
	all.wanted.count = count;
	all.wanted.ns = ns;
	change(&all.loading, (int)peers);
	tell();
	await(&all.loading, 0);
}

void peers_end(void)
{
	all.ended = true;
}

void peers_stop(void)
{
	all.stop = true;
	tell();
	pthread_join(all.thread, NULL);
}
