/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The session with one other partition: two connections, and who may say what.
 *
 *	IDLE --> DIALLING (this side is the client) ---> UP --> IDLE
 *	    \--> ANSWERING (the other is) -------------/
 *
 * IDLE waits: for its time-out, then it dials if the partition has an address, or for
 * the other.  DIALLING and ANSWERING have a time-out, too.  A connection that was
 * accepted belongs to no session until its HELLO, and to the transport.
 *
 * When both dial, the session of which the lower number is the client stays.  The
 * lower one gives its own dialling up only as long as it has sent no HELLO: the other
 * end has not heard of it then.  Once it has, it refuses the other's, and the other
 * gives its own up when that HELLO arrives.  An UP session that the lower number has
 * dialled is not replaced by a HELLO of the same incarnation: it may be one that was
 * sent before.  If it is not, the other end has lost the session, and this one hears
 * of that from its sockets.
 */
#ifndef XPMD_SESSION_H
#define XPMD_SESSION_H

#include "address.h"
#include "config.h"
#include "conn.h"

#define XPMD_TOKEN_BYTES 16

struct xpmd_fabric;		/* fabric.h */
struct xpmd_rma;		/* rma.h */

enum xpmd_session_state {
	XPMD_SESSION_IDLE,
	XPMD_SESSION_DIALLING,
	XPMD_SESSION_ANSWERING,
	XPMD_SESSION_UP,
};

struct xpmd_session {
	struct xpmd_transport *transport;
	const struct xpmd_partition *partition;
	struct xpmd_address address;
	bool has_address;
	enum xpmd_session_state state;
	bool dialled;			/* this side is the client */
	struct xpmd_conn *conn[2];	/* by channel */
	uint8_t token[XPMD_TOKEN_BYTES];
	struct xpmd_hello other;
	sd_event_source *timer;		/* of dialling again, or of DIALLING, ANSWERING */
	uint64_t wait_us;		/* before dialling again */
	char last_why[256];		/* of the last failure that was logged */
	struct xpmd_transport_counts counts; /* of connections that have ended */
	struct xpmd_fabric *fabric;	/* or NULL */
};

/* A connection that was accepted and has not said who it is */
struct xpmd_stranger {
	struct xpmd_transport *transport;
	struct xpmd_conn *conn;
	sd_event_source *timer;
	char from[XPMD_ADDRESS_TEXT];
	TAILQ_ENTRY(xpmd_stranger) entry;
};

struct xpmd_listener {
	struct xpmd_transport *transport;
	int fd;
	sd_event_source *io;
};

struct xpmd_transport {
	sd_event *event;
	struct xpmd_transport_config own_config;
	const struct xpmd_transport_config *config; /* of it */
	const struct xpmd_session_ops *ops;
	void *ctx;
	struct xpmd_tls_context *tls;
	struct xpmd_rma *rma;		/* or NULL: no fabric */
	struct xpmd_conns conns;
	struct xpmd_session *sessions;	/* as many as partitions, and in their order */
	struct xpmd_listener *listeners;
	size_t nr_listeners;
	TAILQ_HEAD(, xpmd_stranger) strangers;
	unsigned int nr_strangers;
	uint64_t refused;		/* of nobody known */
	uint64_t log_until;		/* refusals that are logged: a few in some seconds */
	unsigned int logged, unlogged;
};

int xpmd_session_init(struct xpmd_session *session, struct xpmd_transport *transport,
		      const struct xpmd_partition *partition);
void xpmd_session_destroy(struct xpmd_session *session);

struct xpmd_session *xpmd_session_find(const struct xpmd_transport *t, uint32_t partition);
/* The first frame of an accepted connection.  The stranger is freed. */
void xpmd_session_greet(struct xpmd_stranger *stranger, const struct xpmd_wire_frame *frame);
/* 0 or what xpmd_transport_send() gives */
int xpmd_session_send(struct xpmd_session *session, struct xpmd_wire_frame *frame);

/* transport.c */
void xpmd_stranger_free(struct xpmd_stranger *stranger);
void xpmd_transport_tune(int fd, uint64_t lease_ns);
/* Counted and, unless there were too many, logged */
void xpmd_transport_refused(struct xpmd_transport *t, struct xpmd_session *session,
			    const char *from, const char *why);

#endif /* XPMD_SESSION_H */
