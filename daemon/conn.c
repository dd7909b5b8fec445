// SPDX-License-Identifier: GPL-2.0-or-later
/* Connections; see conn.h. */
#include "conn.h"

#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* What one connection reads before another's turn: URGENT has the whole time it needs. */
#define BUDGET_URGENT	(1024 * 1024)
#define BUDGET_BULK	(256 * 1024)

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata);

/* ----------------------------------------------------------------- work */

static void need(struct xpmd_conn *conn)
{
	struct xpmd_conns *conns = conn->conns;

	if (!conn->needed)
		TAILQ_INSERT_TAIL(&conns->work, conn, entry);
	conn->needed = true;
	if (!conns->busy)
		sd_event_source_set_enabled(conns->later, SD_EVENT_ONESHOT);
}

static bool may_read(const struct xpmd_conn *conn)
{
	return !conn->paused &&
	       !(conn->state == XPMD_CONN_OPEN && conn->conns->held[conn->channel]);
}

static void update_events(struct xpmd_conn *conn)
{
	uint32_t events = conn->wants;

	if (conn->state >= XPMD_CONN_GREETING && may_read(conn))
		events |= EPOLLIN;
	if (conn->state < XPMD_CONN_DEAD)
		sd_event_source_set_io_events(conn->io, events);
}

static void die(struct xpmd_conn *conn, const char *format, va_list arguments)
{
	if (conn->state == XPMD_CONN_DEAD)
		return;
	vsnprintf(conn->why, sizeof(conn->why), format, arguments);
	conn->state = XPMD_CONN_DEAD;
	sd_event_source_set_enabled(conn->io, SD_EVENT_OFF);
	need(conn);
}

void xpmd_conn_fail(struct xpmd_conn *conn, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	die(conn, format, arguments);
	va_end(arguments);
}

void xpmd_conn_refuse(struct xpmd_conn *conn, enum xpmem_proto_reason bye, const char *format, ...)
{
	struct xpmd_wire_frame frame = {
		.type = XPMEM_PROTO_BYE,
		.channel = conn->channel,
		.bye = bye,
	};
	const uint8_t *bytes;
	uint32_t events;
	va_list arguments;
	size_t length;
	ssize_t done;

	if (conn->state == XPMD_CONN_DEAD)
		return;
	/* As far as it goes without waiting: it is a courtesy. */
	if (conn->state >= XPMD_CONN_GREETING && xpmd_conn_send(conn, &frame) == 0)
		while ((length = xpmd_queue_peek(&conn->queue, &bytes))) {
			done = xpmd_tls_write(conn->tls, bytes, length, &events);
			if (done <= 0)
				break;
			xpmd_queue_consume(&conn->queue, (size_t)done);
		}
	conn->refused = true;
	va_start(arguments, format);
	die(conn, format, arguments);
	va_end(arguments);
}

/* -------------------------------------------------------------- sending */

int xpmd_conn_send(struct xpmd_conn *conn, const struct xpmd_wire_frame *frame)
{
	uint8_t body[XPMD_WIRE_BODY_MAX];
	enum xpmd_wire_reason reason;
	size_t body_length, data_length;
	int rc;

	reason = xpmd_wire_encode(frame, body, &body_length, &data_length);
	if (reason) {
		xpmd_log(LOG_ERR, "a frame of type %d can't be sent: %s", frame->type,
			 xpmd_wire_text(reason));
		return -EMSGSIZE;
	}
	rc = xpmd_queue_append(&conn->queue, body, body_length,
			       data_length ? frame->msg.data : NULL, data_length);
	if (rc < 0)
		return rc;
	conn->frames_sent++;
	conn->bytes_sent += body_length + data_length;
	need(conn);
	return 0;
}

static void flush(struct xpmd_conn *conn)
{
	size_t length, budget = conn->channel == XPMD_BULK ? BUDGET_BULK : BUDGET_URGENT;
	const uint8_t *bytes;
	uint32_t events;
	ssize_t done;

	conn->wants &= ~(uint32_t)EPOLLOUT;
	while ((length = xpmd_queue_peek(&conn->queue, &bytes))) {
		if (!budget) {
			conn->wants |= EPOLLOUT;
			break;
		}
		done = xpmd_tls_write(conn->tls, bytes, length, &events);
		if (done < 0) {
			xpmd_conn_fail(conn, "%s", xpmd_tls_why(conn->tls));
			return;
		}
		if (!done) {
			conn->wants |= events & EPOLLOUT;
			break;
		}
		xpmd_queue_consume(&conn->queue, (size_t)done);
		budget -= (size_t)done < budget ? (size_t)done : budget;
	}
	update_events(conn);
}

/* ------------------------------------------------------------ receiving */

static void deliver(struct xpmd_conn *conn)
{
	struct xpmd_wire_frame frame;
	enum xpmd_wire_reason reason;

	reason = xpmd_wire_decode(&frame, conn->body, conn->head.body, conn->data,
				  conn->head.data + conn->fetched);
	if (!reason && conn->head.fetch && !conn->fetched) {
		xpmd_conn_pause(conn, true);
		conn->ops->fetch(conn, &frame);
		return;
	}
	conn->bytes_received += conn->head.body + conn->head.data;
	conn->frames_received++;
	conn->body_have = conn->data_have = conn->fetched = 0;
	/* Its pages are here: from now on it is a frame like any other. */
	frame.fetch = (struct xpmd_wire_fetch){ 0 };
	if (!reason) {
		conn->ops->frame(conn, &frame);
		return;
	}
	xpmd_conn_refuse(conn,
			 reason == XPMD_WIRE_MAGIC || reason == XPMD_WIRE_VERSION ?
				 XPMEM_PROTO_BYE_VERSION :
			 reason == XPMD_WIRE_FEATURES ? XPMEM_PROTO_BYE_FEATURES :
							XPMEM_PROTO_BYE_FRAME,
			 "a frame of type %d is malformed: %s", conn->head.type,
			 xpmd_wire_text(reason));
}

/* The header is there. */
static void begin_frame(struct xpmd_conn *conn)
{
	enum xpmd_wire_reason reason = xpmd_wire_head(&conn->head, conn->body);

	if (!reason && conn->state >= XPMD_CONN_OPEN && conn->head.channel != conn->channel)
		reason = XPMD_WIRE_CHANNEL;
	if (reason)
		xpmd_conn_refuse(conn, XPMEM_PROTO_BYE_FRAME, "a frame is malformed: %s",
				 xpmd_wire_text(reason));
	else if (conn->state == XPMD_CONN_GREETING && conn->head.type != XPMEM_PROTO_HELLO &&
		 conn->head.type != XPMEM_PROTO_BYE)
		xpmd_conn_refuse(conn, XPMEM_PROTO_BYE_FRAME, "its first frame is no HELLO");
}

/* Where the next bytes of the frame go; 0: it is complete */
static size_t next_bytes(struct xpmd_conn *conn, uint8_t **ret)
{
	size_t body = conn->body_have < XPMD_WIRE_HEAD ? XPMD_WIRE_HEAD : conn->head.body;

	if (conn->body_have < body) {
		*ret = conn->body + conn->body_have;
		return body - conn->body_have;
	}
	*ret = conn->data + conn->data_have;
	return conn->head.data - conn->data_have;
}

static void receive(struct xpmd_conn *conn)
{
	size_t length, budget = conn->channel == XPMD_BULK ? BUDGET_BULK : BUDGET_URGENT;
	uint32_t events;
	uint8_t *where;
	ssize_t done;

	conn->reading = false;
	if (conn->fetched && conn->state < XPMD_CONN_DEAD && may_read(conn))
		deliver(conn);
	while (conn->state < XPMD_CONN_DEAD && may_read(conn)) {
		if (!budget) {
			conn->reading = true;
			need(conn);
			break;
		}
		length = next_bytes(conn, &where);
		done = xpmd_tls_read(conn->tls, where, length, &events);
		if (done < 0) {
			xpmd_conn_fail(conn, "%s", xpmd_tls_why(conn->tls));
			break;
		}
		if (!done) {
			conn->wants |= events & EPOLLOUT;
			break;
		}
		budget -= (size_t)done < budget ? (size_t)done : budget;
		if (conn->body_have < XPMD_WIRE_HEAD) {
			conn->body_have += (size_t)done;
			if (conn->body_have == XPMD_WIRE_HEAD)
				begin_frame(conn);
		} else if (conn->body_have < conn->head.body) {
			conn->body_have += (size_t)done;
		} else {
			conn->data_have += (size_t)done;
		}
		if (conn->state < XPMD_CONN_DEAD && conn->body_have >= XPMD_WIRE_HEAD &&
		    conn->body_have == conn->head.body && conn->data_have == conn->head.data) {
			deliver(conn);
			/* Asking the kernel would mostly give nothing; epoll tells if not. */
			if (!xpmd_tls_has_more(conn->tls))
				break;
		}
	}
	update_events(conn);
}

/* TLS may have bytes of which the socket knows nothing any more. */
static void read_again(struct xpmd_conn *conn)
{
	if (conn->state == XPMD_CONN_DEAD)
		return;
	update_events(conn);
	conn->reading = may_read(conn);
	if (conn->reading)
		need(conn);
}

void xpmd_conn_pause(struct xpmd_conn *conn, bool paused)
{
	conn->paused = paused;
	read_again(conn);
}

void xpmd_conn_held(struct xpmd_conn *conn)
{
	if (conn->state >= XPMD_CONN_GREETING)
		read_again(conn);
}

void xpmd_conn_fetched(struct xpmd_conn *conn, size_t length)
{
	if (conn->state == XPMD_CONN_DEAD)
		return;
	conn->fetched = length;
	xpmd_conn_pause(conn, false);
}

/* --------------------------------------------------------------- events */

static void shake(struct xpmd_conn *conn)
{
	uint32_t events = EPOLLIN;
	int rc = xpmd_tls_handshake(conn->tls, &events);

	if (rc < 0) {
		conn->refused = rc == -EPROTO;
		xpmd_conn_fail(conn, "%s", xpmd_tls_why(conn->tls));
		return;
	}
	if (!rc) {
		conn->wants = events;
		update_events(conn);
		return;
	}
	conn->wants = 0;
	conn->state = XPMD_CONN_GREETING;
	update_events(conn);
	conn->ops->ready(conn);
	/* The frames that came with the end of the handshake */
	if (conn->state < XPMD_CONN_DEAD)
		receive(conn);
}

static void connected(struct xpmd_conn *conn)
{
	socklen_t length = sizeof(int);
	int error = 0;

	if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		error = errno;
	if (error) {
		xpmd_conn_fail(conn, "%s", strerror(error));
		return;
	}
	conn->state = XPMD_CONN_SHAKING;
	shake(conn);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct xpmd_conn *conn = userdata;
	struct xpmd_conns *conns = conn->conns;

	(void)source;
	(void)fd;
	conns->busy++;
	switch (conn->state) {
	case XPMD_CONN_CONNECTING:
		connected(conn);
		break;
	case XPMD_CONN_SHAKING:
		shake(conn);
		break;
	case XPMD_CONN_GREETING:
	case XPMD_CONN_OPEN:
		if (!may_read(conn) && revents & (EPOLLHUP | EPOLLERR)) {
			/* Nobody reads, and epoll would tell it for ever. */
			xpmd_conn_fail(conn, "the connection was cut");
			break;
		}
		if (revents & EPOLLOUT)
			flush(conn);
		if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
			receive(conn);
		break;
	case XPMD_CONN_DEAD:
		break;
	}
	xpmd_conns_work(conns);
	conns->busy--;
	if (!TAILQ_EMPTY(&conns->work))
		sd_event_source_set_enabled(conns->later, SD_EVENT_ONESHOT);
	return 0;
}

/* What is on the list now; what is added meanwhile has to wait for the next turn. */
void xpmd_conns_work(struct xpmd_conns *conns)
{
	struct xpmd_conn *conn;
	unsigned int n = 0;

	conns->busy++;
	TAILQ_FOREACH(conn, &conns->work, entry)
		n++;
	while (n-- && (conn = TAILQ_FIRST(&conns->work))) {
		TAILQ_REMOVE(&conns->work, conn, entry);
		conn->needed = false;
		if (conn->state == XPMD_CONN_DEAD) {
			conn->ops->dead(conn);
			continue;
		}
		if (conn->reading)
			receive(conn);
		if (conn->state == XPMD_CONN_GREETING || conn->state == XPMD_CONN_OPEN)
			flush(conn);
	}
	conns->busy--;
	if (!conns->busy && !TAILQ_EMPTY(&conns->work))
		sd_event_source_set_enabled(conns->later, SD_EVENT_ONESHOT);
}

void xpmd_conns_flush(struct xpmd_conns *conns)
{
	struct xpmd_conn *conn, *next;

	for (conn = TAILQ_FIRST(&conns->work); conn; conn = next) {
		next = TAILQ_NEXT(conn, entry);
		if (conn->state != XPMD_CONN_GREETING && conn->state != XPMD_CONN_OPEN)
			continue;
		flush(conn);
		/* What else it needs, it needs later. */
		if (conn->state == XPMD_CONN_DEAD || conn->reading)
			continue;
		TAILQ_REMOVE(&conns->work, conn, entry);
		conn->needed = false;
	}
	if (TAILQ_EMPTY(&conns->work))
		sd_event_source_set_enabled(conns->later, SD_EVENT_OFF);
}

static int on_later(sd_event_source *source, void *userdata)
{
	(void)source;
	xpmd_conns_work(userdata);
	return 0;
}

int xpmd_conns_init(struct xpmd_conns *conns, sd_event *event, struct xpmd_tls_context *tls)
{
	int rc;

	*conns = (struct xpmd_conns){ .event = event, .tls = tls };
	TAILQ_INIT(&conns->work);
	rc = sd_event_add_defer(event, &conns->later, on_later, conns);
	if (rc < 0)
		return rc;
	return sd_event_source_set_enabled(conns->later, SD_EVENT_OFF);
}

void xpmd_conns_destroy(struct xpmd_conns *conns)
{
	sd_event_source_disable_unref(conns->later);
	conns->later = NULL;
}

/* ---------------------------------------------------------- begin, end */

int xpmd_conn_new(struct xpmd_conn **ret, struct xpmd_conns *conns, int fd,
		  const struct xpmd_partition *partition, enum xpmd_channel channel)
{
	struct xpmd_conn *conn = calloc(1, sizeof(*conn));
	int rc = -ENOMEM;

	if (!conn) {
		close(fd);
		return -ENOMEM;
	}
	conn->conns = conns;
	conn->fd = fd;
	conn->channel = channel;
	conn->state = partition ? XPMD_CONN_CONNECTING : XPMD_CONN_SHAKING;
	conn->wants = partition ? EPOLLOUT : EPOLLIN;
	if (xpmd_queue_init(&conn->queue) < 0)
		goto err;
	conn->tls = xpmd_tls_new(conns->tls, fd, partition);
	if (!conn->tls)
		goto err;
	rc = sd_event_add_io(conns->event, &conn->io, fd, conn->wants, on_io, conn);
	if (rc < 0)
		goto err;
	if (channel == XPMD_BULK)
		sd_event_source_set_priority(conn->io, SD_EVENT_PRIORITY_NORMAL + 1);
	*ret = conn;
	return 0;
err:
	xpmd_conn_free(conn);
	return rc;
}

int xpmd_conn_open(struct xpmd_conn *conn)
{
	void *data = mmap(NULL, XPMD_WIRE_DATA_MAX, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (data == MAP_FAILED)
		return -ENOMEM;
	conn->data = data;
	conn->state = XPMD_CONN_OPEN;
	if (conn->channel == XPMD_BULK)
		sd_event_source_set_priority(conn->io, SD_EVENT_PRIORITY_NORMAL + 1);
	return 0;
}

void xpmd_conn_free(struct xpmd_conn *conn)
{
	if (!conn)
		return;
	if (conn->needed)
		TAILQ_REMOVE(&conn->conns->work, conn, entry);
	sd_event_source_disable_unref(conn->io);
	xpmd_tls_free(conn->tls);
	close(conn->fd);
	if (conn->data)
		munmap(conn->data, XPMD_WIRE_DATA_MAX);
	xpmd_queue_destroy(&conn->queue);
	free(conn);
}
