// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sessions; see session.h, and include/xpmem_proto.h for what is said.
 *
 * A session ends in one place, end().  It is called from the event loop alone, never
 * from inside a call of the transport: a connection that can't go on is DEAD and comes
 * here from the list of work.
 */
#include "session.h"

#include "fabric.h"
#include "log.h"
#include "transport_calls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#define USEC_PER_MSEC	1000ull
#define SETUP_USEC	(5000 * USEC_PER_MSEC)
#define WAIT_MIN_USEC	(100 * USEC_PER_MSEC)
#define WAIT_MAX_USEC	(5000 * USEC_PER_MSEC)
#define TIMER_SLACK_USEC (10 * USEC_PER_MSEC)

static const struct xpmd_conn_ops session_conn_ops;
static const uint8_t no_token[XPMD_TOKEN_BYTES];

struct xpmd_session *xpmd_session_find(const struct xpmd_transport *t, uint32_t partition)
{
	size_t i;

	for (i = 0; i < t->config->nr_partitions; i++)
		if (t->config->partitions[i].number == partition)
			return &t->sessions[i];
	return NULL;
}

static void set_timer(struct xpmd_session *session, uint64_t usec)
{
	sd_event_source_set_time_relative(session->timer, usec);
	sd_event_source_set_enabled(session->timer, SD_EVENT_ONESHOT);
}

/* Longer each time, and never at the same moment as everybody else */
static void wait_to_dial(struct xpmd_session *session)
{
	uint32_t noise = 0;

	if (!session->has_address) {
		sd_event_source_set_enabled(session->timer, SD_EVENT_OFF);
		return;
	}
	if (RAND_bytes((unsigned char *)&noise, sizeof(noise)) != 1)
		noise = 0;
	set_timer(session, session->wait_us + noise % (session->wait_us / 2 + 1));
	session->wait_us *= 2;
	if (session->wait_us > WAIT_MAX_USEC)
		session->wait_us = WAIT_MAX_USEC;
}

static void drop_conn(struct xpmd_session *session, enum xpmd_channel channel)
{
	struct xpmd_conn *conn = session->conn[channel];

	if (!conn)
		return;
	session->conn[channel] = NULL;
	session->counts.sent[channel] += conn->bytes_sent;
	session->counts.received[channel] += conn->bytes_received;
	session->counts.frames_sent += conn->frames_sent;
	session->counts.frames_received += conn->frames_received;
	xpmd_conn_free(conn);
}

/* The same failure to connect is told once, not each time it is tried. */
static void log_end(struct xpmd_session *session, bool was_up, const char *why)
{
	bool again = !was_up && !strcmp(session->last_why, why);

	snprintf(session->last_why, sizeof(session->last_why), "%s", was_up ? "" : why);
	xpmd_log_of(again ? LOG_DEBUG : was_up ? LOG_WARNING : LOG_NOTICE,
		    session->partition->number, 0, "partition %u: %s: %s",
		    session->partition->number, was_up ? "session ended" : "no session", why);
}

static void end(struct xpmd_session *session, const char *why)
{
	struct xpmd_transport *t = session->transport;
	bool was_up = session->state == XPMD_SESSION_UP;

	if (session->state == XPMD_SESSION_IDLE)
		return;
	session->state = XPMD_SESSION_IDLE;
	xpmd_fabric_end(session);
	drop_conn(session, XPMD_URGENT);
	drop_conn(session, XPMD_BULK);
	OPENSSL_cleanse(session->token, sizeof(session->token));
	if (why)
		log_end(session, was_up, why);
	wait_to_dial(session);
	if (was_up)
		t->ops->down(t->ctx, session->partition->number, why);
}

/* The next connection of a session that this side makes: 0 or -errno */
static int dial(struct xpmd_session *session)
{
	enum xpmd_channel channel = session->conn[XPMD_URGENT] ? XPMD_BULK : XPMD_URGENT;
	const struct xpmd_address *address = &session->address;
	struct xpmd_conn *conn;
	int fd, rc;

	fd = socket(address->bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address->bytes, address->length) < 0 &&
	    errno != EINPROGRESS) {
		rc = -errno;
		close(fd);
		return rc;
	}
	rc = xpmd_conn_new(&conn, &session->transport->conns, fd, session->partition, channel);
	if (rc < 0)
		return rc;
	conn->owner = session;
	conn->ops = &session_conn_ops;
	session->conn[channel] = conn;
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct xpmd_session *session = userdata;
	int rc;

	(void)source;
	(void)usec;
	if (session->state == XPMD_SESSION_DIALLING || session->state == XPMD_SESSION_ANSWERING) {
		end(session, "it took too long");
		return 0;
	}
	session->state = XPMD_SESSION_DIALLING;
	session->dialled = true;
	set_timer(session, SETUP_USEC);
	rc = dial(session);
	if (rc < 0)
		end(session, strerror(-rc));
	return 0;
}

/* ---------------------------------------------------------------- HELLO */

static int send_hello(struct xpmd_session *session, struct xpmd_conn *conn,
		      const uint8_t token[XPMD_TOKEN_BYTES])
{
	struct xpmd_transport *t = session->transport;
	struct xpmd_wire_frame frame = {
		.type = XPMEM_PROTO_HELLO,
		.channel = conn->channel,
	};

	t->ops->hello(t->ctx, &frame.hello.hello);
	frame.hello.hello.partition = t->config->self;
	frame.hello.hello.features |= xpmd_fabric_features(session);
	frame.hello.to = session->partition->number;
	memcpy(frame.hello.token, token, XPMD_TOKEN_BYTES);
	xpmd_transport_tune(conn->fd, frame.hello.hello.lease_ns);
	return xpmd_conn_send(conn, &frame);
}

static void up(struct xpmd_session *session)
{
	struct xpmd_transport *t = session->transport;

	session->state = XPMD_SESSION_UP;
	session->wait_us = WAIT_MIN_USEC;
	session->last_why[0] = 0;
	session->counts.sessions++;
	sd_event_source_set_enabled(session->timer, SD_EVENT_OFF);
	xpmd_log_of(LOG_NOTICE, session->partition->number, 0, "partition %u: session began%s",
		    session->partition->number, session->dialled ? "" : ", it called");
	t->ops->up(t->ctx, session->partition->number, &session->other);
	xpmd_fabric_begin(session);
	if (session->dialled && session->conn[XPMD_URGENT])
		xpmd_conn_pause(session->conn[XPMD_URGENT], false);
}

/* Client: the server's HELLO */
static void greeted(struct xpmd_session *session, struct xpmd_conn *conn,
		    const struct xpmd_wire_frame *frame)
{
	const struct xpmd_hello *hello = &frame->hello.hello;
	bool bulk = conn->channel == XPMD_BULK;
	int rc;

	if (frame->channel != conn->channel || hello->partition != session->partition->number ||
	    frame->hello.to != session->transport->config->self) {
		xpmd_conn_refuse(conn, XPMEM_PROTO_BYE_IDENTITY,
				 "it is partition %u and speaks to %u, not what was called",
				 hello->partition, frame->hello.to);
		return;
	}
	if (bulk ? CRYPTO_memcmp(frame->hello.token, session->token, XPMD_TOKEN_BYTES) ||
			   hello->incarnation != session->other.incarnation :
		   !memcmp(frame->hello.token, no_token, XPMD_TOKEN_BYTES)) {
		xpmd_conn_refuse(conn, XPMEM_PROTO_BYE_TOKEN, "its token is wrong");
		return;
	}
	if (xpmd_conn_open(conn) < 0) {
		xpmd_conn_fail(conn, "no memory");
		return;
	}
	if (bulk) {
		up(session);
		return;
	}
	session->other = *hello;
	memcpy(session->token, frame->hello.token, XPMD_TOKEN_BYTES);
	/* It may send as soon as it is up, which is before we are. */
	xpmd_conn_pause(conn, true);
	rc = dial(session);
	if (rc < 0)
		xpmd_conn_fail(conn, "%s", strerror(-rc));
}

/* Server: why the HELLO of a stranger is refused, or none */
static enum xpmem_proto_reason check_stranger(struct xpmd_session *session,
					      struct xpmd_stranger *stranger,
					      const struct xpmd_wire_frame *frame)
{
	struct xpmd_transport *t = stranger->transport;
	const struct xpmd_hello *hello = &frame->hello.hello;
	bool bulk = frame->channel == XPMD_BULK;

	if (!session || frame->hello.to != t->config->self ||
	    !xpmd_tls_is(stranger->conn->tls, session->partition))
		return XPMEM_PROTO_BYE_IDENTITY;
	if (bulk)
		return session->state == XPMD_SESSION_ANSWERING && !session->conn[XPMD_BULK] &&
				       session->other.incarnation == hello->incarnation &&
				       !CRYPTO_memcmp(frame->hello.token, session->token,
						      XPMD_TOKEN_BYTES) ?
			       XPMEM_PROTO_BYE_NONE :
			       XPMEM_PROTO_BYE_TOKEN;
	if (memcmp(frame->hello.token, no_token, XPMD_TOKEN_BYTES))
		return XPMEM_PROTO_BYE_TOKEN;
	if (!session->dialled || t->config->self > hello->partition)
		return XPMEM_PROTO_BYE_NONE;
	if (session->state == XPMD_SESSION_DIALLING && session->conn[XPMD_URGENT] &&
	    session->conn[XPMD_URGENT]->state >= XPMD_CONN_GREETING)
		return XPMEM_PROTO_BYE_BUSY;
	if (session->state == XPMD_SESSION_UP && session->other.incarnation == hello->incarnation)
		return XPMEM_PROTO_BYE_BUSY;
	return XPMEM_PROTO_BYE_NONE;
}

/* The connection becomes the session's, and the stranger is no more. */
static struct xpmd_conn *adopt(struct xpmd_session *session, struct xpmd_stranger *stranger,
			       enum xpmd_channel channel)
{
	struct xpmd_conn *conn = stranger->conn;

	stranger->conn = NULL;
	xpmd_stranger_free(stranger);
	conn->owner = session;
	conn->ops = &session_conn_ops;
	conn->channel = channel;
	session->conn[channel] = conn;
	return conn;
}

static void answer(struct xpmd_session *session, struct xpmd_stranger *stranger,
		   const struct xpmd_hello *hello)
{
	struct xpmd_conn *conn;

	/* What was not up yet gives way without a word. */
	end(session, session->state == XPMD_SESSION_UP ? "the other end began a new one" : NULL);
	conn = adopt(session, stranger, XPMD_URGENT);
	session->state = XPMD_SESSION_ANSWERING;
	session->dialled = false;
	session->other = *hello;
	set_timer(session, SETUP_USEC);
	if (RAND_bytes(session->token, XPMD_TOKEN_BYTES) != 1 || xpmd_conn_open(conn) < 0 ||
	    send_hello(session, conn, session->token) < 0)
		xpmd_conn_fail(conn, "no memory for a session");
}

void xpmd_session_greet(struct xpmd_stranger *stranger, const struct xpmd_wire_frame *frame)
{
	struct xpmd_transport *t = stranger->transport;
	const struct xpmd_hello *hello = &frame->hello.hello;
	struct xpmd_session *session = xpmd_session_find(t, hello->partition);
	struct xpmd_conn *conn = stranger->conn;
	enum xpmem_proto_reason reason;

	reason = check_stranger(session, stranger, frame);
	switch (reason) {
	case XPMEM_PROTO_BYE_NONE:
		break;
	case XPMEM_PROTO_BYE_IDENTITY:
		xpmd_conn_refuse(conn, reason, "it is not partition %u, or speaks to %u",
				 hello->partition, frame->hello.to);
		return;
	case XPMEM_PROTO_BYE_BUSY:
		xpmd_conn_refuse(conn, reason, "partition %u: our own connection stays",
				 hello->partition);
		conn->refused = false;
		return;
	default:
		xpmd_conn_refuse(conn, reason, "partition %u: its token is wrong",
				 hello->partition);
		return;
	}
	if (frame->channel == XPMD_URGENT) {
		answer(session, stranger, hello);
		return;
	}
	conn = adopt(session, stranger, XPMD_BULK);
	if (xpmd_conn_open(conn) < 0 || send_hello(session, conn, session->token) < 0) {
		xpmd_conn_fail(conn, "no memory for a session");
		return;
	}
	up(session);
}

/* --------------------------------------------------------------- frames */

static void on_frame(struct xpmd_conn *conn, const struct xpmd_wire_frame *frame)
{
	struct xpmd_session *session = conn->owner;

	if (frame->type == XPMEM_PROTO_BYE) {
		if (frame->bye == XPMEM_PROTO_BYE_FABRIC)
			xpmd_fabric_suspect(session);
		xpmd_conn_fail(conn, "the other end said: %s", xpmd_wire_bye_text(frame->bye));
		return;
	}
	if (frame->type == XPMEM_PROTO_HELLO) {
		if (conn->state == XPMD_CONN_GREETING)
			greeted(session, conn, frame);
		else
			xpmd_conn_refuse(conn, XPMEM_PROTO_BYE_FRAME, "a second HELLO");
		return;
	}
	if (session->state != XPMD_SESSION_UP) {
		xpmd_conn_refuse(conn, XPMEM_PROTO_BYE_FRAME,
				 "a frame of type %d before the session is up", frame->type);
		return;
	}
	if (!xpmd_wire_may_say(frame, session->transport->config->self,
			       session->partition->number)) {
		xpmd_conn_refuse(conn, XPMEM_PROTO_BYE_FRAME,
				 "a frame of type %d about a segment of another partition",
				 frame->type);
		return;
	}
	if (frame->type == XPMEM_PROTO_FABRIC || frame->type == XPMEM_PROTO_FETCHED)
		xpmd_fabric_frame(session, conn, frame);
	else
		xpmd_transport_dispatch(session->transport->ops, session->transport->ctx,
					session->partition->number, frame);
}

static void on_fetch(struct xpmd_conn *conn, const struct xpmd_wire_frame *frame)
{
	xpmd_fabric_fetch(conn->owner, conn, frame);
}

static void on_ready(struct xpmd_conn *conn)
{
	struct xpmd_session *session = conn->owner;

	if (send_hello(session, conn, conn->channel == XPMD_BULK ? session->token : no_token) < 0)
		xpmd_conn_fail(conn, "HELLO can't be sent");
}

static void on_dead(struct xpmd_conn *conn)
{
	struct xpmd_session *session = conn->owner;
	char why[sizeof(conn->why)];

	memcpy(why, conn->why, sizeof(why));
	if (conn->refused)
		xpmd_transport_refused(session->transport, session, NULL, why);
	end(session, why);
}

static const struct xpmd_conn_ops session_conn_ops = {
	.ready = on_ready,
	.frame = on_frame,
	.fetch = on_fetch,
	.dead = on_dead,
};

/* -------------------------------------------------------------- from above */

int xpmd_session_send(struct xpmd_session *session, struct xpmd_wire_frame *frame)
{
	struct xpmd_conn *conn = session->conn[frame->channel];
	uint64_t limit = session->transport->config->send_limit;
	size_t length = sizeof(struct xpmem_proto_pages);
	unsigned int i;
	int rc;

	if (session->state != XPMD_SESSION_UP || conn->state != XPMD_CONN_OPEN)
		return -ENOTCONN;
	if (xpmd_wire_is_msg(frame->type))
		for (i = 0; i < XPMD_MAX_PAGES / 64; i++)
			length += (size_t)__builtin_popcountll(frame->msg.mask[i]) * XPMD_PAGE;
	/* What is longer than the limit alone goes when there is nothing else. */
	if (limit && conn->queue.length && conn->queue.length + length > limit) {
		if (frame->channel == XPMD_BULK)
			return -ENOBUFS;
		xpmd_conn_fail(conn, "%zu bytes wait for it, which is too much",
			       conn->queue.length);
		return -ENOTCONN;
	}
	xpmd_fabric_stage(session, frame);
	rc = xpmd_conn_send(conn, frame);
	if (rc < 0)
		xpmd_fabric_unstage(session, frame);
	if (rc == -ENOMEM && frame->channel == XPMD_BULK)
		return -ENOBUFS;
	if (rc == -ENOMEM) {
		xpmd_conn_fail(conn, "no memory for what it is to be sent");
		return -ENOTCONN;
	}
	return rc == -EMSGSIZE ? -EINVAL : rc;
}

int xpmd_session_init(struct xpmd_session *session, struct xpmd_transport *transport,
		      const struct xpmd_partition *partition)
{
	int rc;

	*session = (struct xpmd_session){
		.transport = transport,
		.partition = partition,
		.wait_us = WAIT_MIN_USEC,
	};
	if (partition->address) {
		rc = xpmd_address_parse(&session->address, partition->address);
		if (rc < 0) {
			xpmd_log(LOG_ERR, "partition %u: \"%s\" is no address%s", partition->number,
				 partition->address,
				 rc == -ENODEV ? " here: there is no such interface" : "");
			return rc;
		}
		session->has_address = true;
	}
	rc = sd_event_add_time_relative(transport->event, &session->timer, CLOCK_MONOTONIC, 0,
					TIMER_SLACK_USEC, on_timer, session);
	if (rc >= 0 && !session->has_address)
		rc = sd_event_source_set_enabled(session->timer, SD_EVENT_OFF);
	return rc < 0 ? rc : xpmd_fabric_init(session);
}

void xpmd_session_destroy(struct xpmd_session *session)
{
	xpmd_fabric_destroy(session);
	drop_conn(session, XPMD_URGENT);
	drop_conn(session, XPMD_BULK);
	sd_event_source_disable_unref(session->timer);
	OPENSSL_cleanse(session->token, sizeof(session->token));
}
