/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One connection: a socket, TLS on it, and frames in both directions.
 *
 *	CONNECTING -> SHAKING -> GREETING -> OPEN
 *	     \___________\__________\_________\___-> DEAD
 *
 * In GREETING nothing but HELLO and BYE is received, and little memory is spent.  Who
 * owns the connection makes it OPEN.  A connection becomes DEAD at any time, also inside
 * a call from above, and is handed to its owner from the event loop (ops->dead), once,
 * who frees it.
 *
 * What is to be done is remembered and done by xpmd_conns_work(): at the
 * end of each event of a connection, and from the event loop when somebody else has
 * queued something.  So many small frames of one wake-up become one record.
 */
#ifndef XPMD_CONN_H
#define XPMD_CONN_H

#include "queue.h"
#include "tls.h"
#include "wire.h"

struct xpmd_conn;

struct xpmd_conn_ops {
	void (*ready)(struct xpmd_conn *conn);	/* GREETING */
	void (*frame)(struct xpmd_conn *conn, const struct xpmd_wire_frame *frame);
	/* OPEN: its pages are elsewhere.  Nothing is read until xpmd_conn_fetched(). */
	void (*fetch)(struct xpmd_conn *conn, const struct xpmd_wire_frame *frame);
	void (*dead)(struct xpmd_conn *conn);
};

enum xpmd_conn_state {
	XPMD_CONN_CONNECTING,
	XPMD_CONN_SHAKING,
	XPMD_CONN_GREETING,
	XPMD_CONN_OPEN,
	XPMD_CONN_DEAD,
};

/* All connections of a transport */
struct xpmd_conns {
	sd_event *event;
	struct xpmd_tls_context *tls;
	TAILQ_HEAD(, xpmd_conn) work;
	sd_event_source *later;
	unsigned int busy;		/* inside an event of a connection */
	bool held[2];			/* by channel: nothing is read once a session is open */
};

struct xpmd_conn {
	struct xpmd_conns *conns;
	const struct xpmd_conn_ops *ops; /* of who owns it */
	void *owner;
	enum xpmd_conn_state state;
	enum xpmd_channel channel;
	int fd;
	struct xpmd_tls *tls;
	sd_event_source *io;
	TAILQ_ENTRY(xpmd_conn) entry;
	bool needed;			/* is on the list of work */
	bool reading;			/* there is more to be read at once */
	bool paused;			/* nothing is read */
	bool refused;			/* DEAD for what the other end did, not for its absence */
	uint32_t wants;			/* what TLS waits for: EPOLLIN, EPOLLOUT */
	char why[256];			/* DEAD */

	struct xpmd_wire_head head;	/* of the frame that is received */
	size_t body_have, data_have;
	size_t fetched;			/* bytes of pages that came from elsewhere */
	uint8_t body[XPMD_WIRE_BODY_MAX];
	uint8_t *data;			/* page aligned; NULL before OPEN */

	struct xpmd_queue queue;
	uint64_t bytes_sent, bytes_received, frames_sent, frames_received;
};

int xpmd_conns_init(struct xpmd_conns *conns, sd_event *event, struct xpmd_tls_context *tls);
void xpmd_conns_destroy(struct xpmd_conns *conns);
void xpmd_conns_work(struct xpmd_conns *conns);
/* Sends what is queued, and nothing else: no operation is called. */
void xpmd_conns_flush(struct xpmd_conns *conns);

/*
 * Takes @fd, also when it fails.  To @partition, to which @fd is being connected, or
 * (NULL) accepted.  The caller sets its owner, and its ops before the event loop goes on.
 */
int xpmd_conn_new(struct xpmd_conn **ret, struct xpmd_conns *conns, int fd,
		  const struct xpmd_partition *partition, enum xpmd_channel channel);
void xpmd_conn_free(struct xpmd_conn *conn);

/* HELLO was right: frames of every type from now on.  0 or -ENOMEM */
int xpmd_conn_open(struct xpmd_conn *conn);
void xpmd_conn_pause(struct xpmd_conn *conn, bool paused);
/* conns->held of its channel has changed. */
void xpmd_conn_held(struct xpmd_conn *conn);
/* The pages of the frame of ops->fetch() are in conn->data. */
void xpmd_conn_fetched(struct xpmd_conn *conn, size_t length);
/* 0, -ENOMEM, -EMSGSIZE (the frame itself is wrong, the log knows why) */
int xpmd_conn_send(struct xpmd_conn *conn, const struct xpmd_wire_frame *frame);

/* The other end is gone, or did something wrong (@bye tells it what). */
void xpmd_conn_fail(struct xpmd_conn *conn, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void xpmd_conn_refuse(struct xpmd_conn *conn, enum xpmem_proto_reason bye, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif /* XPMD_CONN_H */
