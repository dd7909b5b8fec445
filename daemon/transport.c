// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * All sessions of this partition: listening, strangers, and the calls of transport.h.
 *
 * A stranger is a connection that was accepted and whose HELLO has not come.  Anybody on
 * the network can be one, so there are few, each has little time and memory, and who
 * comes when there are too many takes the place of the oldest.  What they do wrong is
 * counted; only some of it is logged.
 */
#define _GNU_SOURCE
#include "session.h"

#include "fabric.h"
#include "log.h"
#include "transport_calls.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#define STRANGERS_MAX	64
#define STRANGER_USEC	5000000ull
#define BACKLOG		128
#define LOG_BURST	10
#define LOG_NSEC	10000000000ull

/* ------------------------------------------------------------- refusals */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void xpmd_transport_refused(struct xpmd_transport *t, struct xpmd_session *session,
			    const char *from, const char *why)
{
	uint64_t now = now_ns();
	uint32_t partition = session ? session->partition->number : 0;

	if (session)
		session->counts.refused++;
	else
		t->refused++;
	if (now >= t->log_until) {
		if (t->unlogged)
			xpmd_log(LOG_WARNING, "%u more connections were refused", t->unlogged);
		t->logged = t->unlogged = 0;
		t->log_until = now + LOG_NSEC;
	}
	if (t->logged >= LOG_BURST) {
		t->unlogged++;
		return;
	}
	t->logged++;
	if (partition)
		xpmd_log_of(LOG_WARNING, partition, 0, "partition %u%s%s: refused: %s", partition,
			    from ? " from " : "", from ? from : "", why);
	else
		xpmd_log(LOG_WARNING, "connection from %s: refused: %s", from ? from : "?", why);
}

/* ------------------------------------------------------------ strangers */

void xpmd_stranger_free(struct xpmd_stranger *stranger)
{
	struct xpmd_transport *t = stranger->transport;

	TAILQ_REMOVE(&t->strangers, stranger, entry);
	t->nr_strangers--;
	sd_event_source_disable_unref(stranger->timer);
	xpmd_conn_free(stranger->conn);
	free(stranger);
}

static void stranger_ready(struct xpmd_conn *conn)
{
	(void)conn; /* the client speaks first */
}

static void stranger_frame(struct xpmd_conn *conn, const struct xpmd_wire_frame *frame)
{
	if (frame->type == XPMEM_PROTO_BYE)
		xpmd_conn_fail(conn, "it said: %s", xpmd_wire_bye_text(frame->bye));
	else
		xpmd_session_greet(conn->owner, frame);
}

static void stranger_dead(struct xpmd_conn *conn)
{
	struct xpmd_stranger *stranger = conn->owner;
	struct xpmd_transport *t = stranger->transport;
	const struct xpmd_partition *claim = xpmd_tls_claim(conn->tls);

	if (conn->refused)
		xpmd_transport_refused(t, claim ? xpmd_session_find(t, claim->number) : NULL,
				       stranger->from, conn->why);
	else
		xpmd_log(LOG_DEBUG, "connection from %s: %s", stranger->from, conn->why);
	xpmd_stranger_free(stranger);
}

static const struct xpmd_conn_ops stranger_conn_ops = {
	.ready = stranger_ready,
	.frame = stranger_frame,
	.dead = stranger_dead,
};

static int on_stranger_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct xpmd_stranger *stranger = userdata;

	(void)source;
	(void)usec;
	xpmd_transport_refused(stranger->transport, NULL, stranger->from, "no HELLO in time");
	xpmd_stranger_free(stranger);
	return 0;
}

static void add_stranger(struct xpmd_transport *t, int fd, const struct xpmd_address *from)
{
	struct xpmd_stranger *stranger;

	if (t->nr_strangers >= STRANGERS_MAX) {
		stranger = TAILQ_FIRST(&t->strangers);
		xpmd_transport_refused(t, NULL, stranger->from, "too many wait for their HELLO");
		xpmd_stranger_free(stranger);
	}
	stranger = calloc(1, sizeof(*stranger));
	if (!stranger) {
		close(fd);
		return;
	}
	stranger->transport = t;
	xpmd_address_format(from, stranger->from);
	TAILQ_INSERT_TAIL(&t->strangers, stranger, entry);
	t->nr_strangers++;
	if (xpmd_conn_new(&stranger->conn, &t->conns, fd, NULL, XPMD_URGENT) < 0 ||
	    sd_event_add_time_relative(t->event, &stranger->timer, CLOCK_MONOTONIC, STRANGER_USEC,
				       0, on_stranger_timer, stranger) < 0) {
		xpmd_stranger_free(stranger);
		return;
	}
	stranger->conn->owner = stranger;
	stranger->conn->ops = &stranger_conn_ops;
}

/* ------------------------------------------------------------ listening */

static int on_listener(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct xpmd_listener *listener = userdata;
	struct xpmd_address from = { .length = sizeof(from.bytes) };
	int client;

	(void)source;
	(void)revents;
	client = accept4(fd, (struct sockaddr *)&from.bytes, &from.length,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (client >= 0)
		add_stranger(listener->transport, client, &from);
	return 0;
}

/*
 * What a connection of a lease of @lease_ns needs: small frames at once, and an end when
 * the other one does not answer for three leases, with something to send or without.
 */
void xpmd_transport_tune(int fd, uint64_t lease_ns)
{
	unsigned int user_ms = (unsigned int)(lease_ns / 1000000 * 3);
	int one = 1, count = 3, seconds;

	if (user_ms < 3000)
		user_ms = 3000;
	seconds = (int)(user_ms / 3000);
	/* AF_VSOCK has none of these and needs none: a host knows of its guests. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_ms, sizeof(user_ms));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
}

static int listen_at(struct xpmd_listener *listener, const char *text)
{
	struct xpmd_address address;
	int rc, one = 1;

	rc = xpmd_address_parse(&address, text);
	if (rc < 0) {
		xpmd_log(LOG_ERR, "listen: \"%s\" is no address%s", text,
			 rc == -ENODEV ? " here: there is no such interface" : "");
		return rc;
	}
	listener->fd = socket(address.bytes.ss_family,
			      SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0)
		goto err;
	if (address.bytes.ss_family != AF_VSOCK)
		setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (address.bytes.ss_family == AF_INET6)
		setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(listener->fd, (struct sockaddr *)&address.bytes, address.length) < 0 ||
	    listen(listener->fd, BACKLOG) < 0)
		goto err;
	return sd_event_add_io(listener->transport->event, &listener->io, listener->fd, EPOLLIN,
			       on_listener, listener);
err:
	rc = -errno;
	xpmd_log(LOG_ERR, "listen: %s: %s", text, strerror(-rc));
	return rc;
}

static int listen_all(struct xpmd_transport *t)
{
	const char *const *listen = t->config->listen;
	size_t n = 0, i;
	int rc;

	while (listen && listen[n])
		n++;
	t->listeners = calloc(n + 1, sizeof(*t->listeners));
	if (!t->listeners)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		t->listeners[i] = (struct xpmd_listener){ .transport = t, .fd = -1 };
		t->nr_listeners++;
		rc = listen_at(&t->listeners[i], listen[i]);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---------------------------------------------------------- begin, end */

static int check_numbers(const struct xpmd_transport_config *config)
{
	size_t i, j;

	if (!config->self || config->self > 4095)
		goto err;
	for (i = 0; i < config->nr_partitions; i++) {
		uint32_t number = config->partitions[i].number;

		if (!number || number > 4095 || number == config->self)
			goto err;
		for (j = 0; j < i; j++)
			if (config->partitions[j].number == number)
				goto err;
	}
	return 0;
err:
	xpmd_log(LOG_ERR, "partitions need numbers of 1 to 4095, each its own");
	return -EINVAL;
}

static int init_sessions(struct xpmd_transport *t)
{
	size_t i;
	int rc;

	t->sessions = calloc(t->config->nr_partitions + 1, sizeof(*t->sessions));
	if (!t->sessions)
		return -ENOMEM;
	for (i = 0; i < t->config->nr_partitions; i++) {
		rc = xpmd_session_init(&t->sessions[i], t, &t->config->partitions[i]);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int xpmd_transport_new(struct xpmd_transport **ret, sd_event *event,
		       const struct xpmd_transport_config *config,
		       const struct xpmd_session_ops *ops, void *ctx)
{
	struct xpmd_transport *t;
	int rc;

	rc = check_numbers(config);
	if (rc < 0)
		return rc;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->event = sd_event_ref(event);
	t->config = &t->own_config;
	t->own_config = *config;
	t->ops = ops;
	t->ctx = ctx;
	TAILQ_INIT(&t->strangers);
	signal(SIGPIPE, SIG_IGN);
	rc = xpmd_tls_context_new(&t->tls, t->config);
	if (!rc)
		rc = xpmd_conns_init(&t->conns, event, t->tls);
	if (rc >= 0)
		rc = init_sessions(t);
	if (rc >= 0)
		rc = listen_all(t);
	if (rc < 0) {
		xpmd_transport_free(t);
		return rc;
	}
	*ret = t;
	return 0;
}

void xpmd_transport_free(struct xpmd_transport *t)
{
	struct xpmd_stranger *stranger;
	size_t i;

	if (!t)
		return;
	for (i = 0; i < t->nr_listeners; i++) {
		sd_event_source_disable_unref(t->listeners[i].io);
		if (t->listeners[i].fd >= 0)
			close(t->listeners[i].fd);
	}
	while ((stranger = TAILQ_FIRST(&t->strangers)))
		xpmd_stranger_free(stranger);
	for (i = 0; t->sessions && i < t->config->nr_partitions; i++)
		xpmd_session_destroy(&t->sessions[i]);
	xpmd_rma_free(t->rma);
	xpmd_conns_destroy(&t->conns);
	xpmd_tls_context_free(t->tls);
	sd_event_unref(t->event);
	free(t->listeners);
	free(t->sessions);
	free(t);
}

/* --------------------------------------------------------------- calls */

int xpmd_transport_frame(struct xpmd_transport *t, uint32_t partition,
			 struct xpmd_wire_frame *frame)
{
	struct xpmd_session *session = xpmd_session_find(t, partition);

	if (!session)
		return -ENOTCONN;
	session->counts.denied += xpmd_transport_is_denial(frame);
	return xpmd_session_send(session, frame);
}

void xpmd_transport_flush(struct xpmd_transport *t)
{
	if (!t->conns.busy)
		xpmd_conns_flush(&t->conns);
}

int xpmd_transport_binding(struct xpmd_transport *t, uint32_t partition, uint8_t binding[32])
{
	struct xpmd_session *session = xpmd_session_find(t, partition);

	if (!session || session->state != XPMD_SESSION_UP)
		return -ENOTCONN;
	return xpmd_tls_binding(session->conn[XPMD_URGENT]->tls, binding);
}

void xpmd_transport_counts(const struct xpmd_transport *t, uint32_t partition,
			   struct xpmd_transport_counts *counts)
{
	const struct xpmd_session *session = xpmd_session_find(t, partition);
	unsigned int i;

	memset(counts, 0, sizeof(*counts));
	if (!session) {
		counts->refused = partition ? 0 : t->refused;
		return;
	}
	*counts = session->counts;
	counts->fabric_up = session->fabric && session->fabric->up && session->fabric->other_up;
	for (i = XPMD_URGENT; i <= XPMD_BULK; i++) {
		const struct xpmd_conn *conn = session->conn[i];

		if (!conn)
			continue;
		counts->sent[i] += conn->bytes_sent;
		counts->received[i] += conn->bytes_received;
		counts->frames_sent += conn->frames_sent;
		counts->frames_received += conn->frames_received;
	}
}

bool xpmd_transport_is_up(const struct xpmd_transport *t, uint32_t partition)
{
	const struct xpmd_session *session = xpmd_session_find(t, partition);

	return session && session->state == XPMD_SESSION_UP &&
	       session->conn[XPMD_URGENT]->state == XPMD_CONN_OPEN &&
	       session->conn[XPMD_BULK]->state == XPMD_CONN_OPEN;
}

uint64_t xpmd_transport_queued(const struct xpmd_transport *t, uint32_t partition,
			       enum xpmd_channel channel)
{
	const struct xpmd_session *session = xpmd_session_find(t, partition);

	return session && session->conn[channel] ? session->conn[channel]->queue.length : 0;
}

void xpmd_transport_hold(struct xpmd_transport *t, enum xpmd_channel channel, bool hold)
{
	size_t i;

	if (t->conns.held[channel] == hold)
		return;
	t->conns.held[channel] = hold;
	for (i = 0; i < t->config->nr_partitions; i++)
		if (t->sessions[i].conn[channel])
			xpmd_conn_held(t->sessions[i].conn[channel]);
}

void xpmd_transport_end(struct xpmd_transport *t, uint32_t partition, const char *why)
{
	struct xpmd_session *session = xpmd_session_find(t, partition);

	if (session && session->state == XPMD_SESSION_UP)
		xpmd_conn_fail(session->conn[XPMD_URGENT], "%s", why);
}

int xpmd_transport_address(const struct xpmd_transport *t, size_t index, char *text, size_t size)
{
	struct xpmd_address address = { .length = sizeof(address.bytes) };
	char formatted[XPMD_ADDRESS_TEXT];

	if (index >= t->nr_listeners ||
	    getsockname(t->listeners[index].fd, (struct sockaddr *)&address.bytes,
			&address.length) < 0)
		return -ENOENT;
	xpmd_address_format(&address, formatted);
	snprintf(text, size, "%s", formatted);
	return 0;
}
