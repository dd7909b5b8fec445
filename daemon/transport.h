/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions with other partitions' daemons: authenticated, private, framed.
 *
 * A session is of two partitions, whoever connected.  It has two channels: URGENT
 * (faults, takes, renewals and their answers, in order) and BULK (pages that nobody
 * waits for, and give-backs), unordered to each other.  It exists when both are up
 * and HELLO has been exchanged, and ends as a whole.
 *
 * There are two of these interfaces.  transport.c is the real one: tls.c makes the
 * connections, over TCP or AF_VSOCK.  It runs in xpmemd-net.  net_client.c is what
 * xpmemd is linked with: it has no sockets but those to xpmemd-net.  Each runs in the one
 * thread of an sd-event loop and never blocks.
 */
#ifndef XPMD_TRANSPORT_H
#define XPMD_TRANSPORT_H

#include <systemd/sd-event.h>

#include "coherence.h"

struct xpmd_transport;
struct xpmd_partition;		/* config.h */
struct xpmd_wire_frame;		/* wire.h */

enum xpmd_channel {
	XPMD_URGENT,
	XPMD_BULK,
};

/* What HELLO tells of the other */
struct xpmd_hello {
	uint32_t partition;
	uint64_t incarnation;
	uint64_t lease_ns;
	uint64_t skew_ns;
	uint64_t grace_ns;	/* from now on, in which it grants nothing */
	uint64_t features;	/* bits; unknown ones are refused */
};

/* Opening a segment of the other: before any coherence message of it */
struct xpmd_open {
	uint64_t id;		/* repeated in the answer */
	int64_t segid;
	bool write;
	const char *credential;	/* MUNGE, of the user who asks; "" with policy "trust" */
	uint32_t uid, gid;	/* as the asking daemon says; used with policy "trust" alone */
};

struct xpmd_opened {
	uint64_t id;
	int64_t segid;
	uint32_t error;		/* errno, positive; 0 with the rest */
	uint64_t pages;
};

/* Before an attachment: whether the range can be trapped */
struct xpmd_attach {
	uint64_t id;
	int64_t segid;
	uint64_t first;
	uint64_t count;
};

struct xpmd_attached {
	uint64_t id;
	uint32_t error;
};

/* A partition has no permit of the segment any more. */
struct xpmd_close {
	int64_t segid;
};

/* What a session brings; data is the callee's until it returns. */
struct xpmd_session_ops {
	/* Of this end, asked before each HELLO and each frame's header */
	void (*hello)(void *ctx, struct xpmd_hello *hello);
	void (*up)(void *ctx, uint32_t partition, const struct xpmd_hello *other);
	void (*down)(void *ctx, uint32_t partition, const char *why);
	void (*message)(void *ctx, uint32_t partition, const struct xpmd_msg *msg);
	/* A nonce was asked for: a new one, which stands for one open, see auth.h */
	void (*challenge)(void *ctx, uint32_t partition, uint64_t id);
	void (*challenged)(void *ctx, uint32_t partition, uint64_t id, const uint8_t nonce[32]);
	void (*open)(void *ctx, uint32_t partition, const struct xpmd_open *open);
	void (*opened)(void *ctx, uint32_t partition, const struct xpmd_opened *opened);
	void (*attach)(void *ctx, uint32_t partition, const struct xpmd_attach *attach);
	void (*attached)(void *ctx, uint32_t partition, const struct xpmd_attached *attached);
	void (*close)(void *ctx, uint32_t partition, const struct xpmd_close *close);
	/* If there is one, it has all of these, from message() on, as they came (wire.h) */
	void (*frame)(void *ctx, uint32_t partition, const struct xpmd_wire_frame *frame);
};

struct xpmd_transport_config {
	uint32_t self;
	const char *self_name;
	const char *const *listen;	/* "tcp://ADDRESS:PORT", "vsock://CID:PORT"; NULL at the end */
	const struct xpmd_partition *partitions;
	size_t nr_partitions;
	const char *certificate, *key, *authority; /* files, or NULL: pre-shared keys alone */
	uint64_t send_limit;		/* bytes queued a channel; 0: no limit */
	/* How files of the configuration are opened: a descriptor or -errno; NULL: open(2) */
	int (*open_file)(void *ctx, const char *path);
	void *open_ctx;
	const char *fabric;		/* "verbs://ADDRESS:PORT", or NULL */
	uint64_t fabric_min;		/* bytes of pages of a message, fewer go by TLS */
};

/*
 * 0 or -errno, with the log told why.  What the configuration points to must stay.
 * SIGPIPE is ignored from then on.  Operations are called from the event loop alone, in
 * none of them may the transport be freed; freeing it calls none.
 */
int xpmd_transport_new(struct xpmd_transport **ret, sd_event *event,
		       const struct xpmd_transport_config *config,
		       const struct xpmd_session_ops *ops, void *ctx);
void xpmd_transport_free(struct xpmd_transport *transport);
/*
 * Of transport.c alone: listens on the fabric, if some partition is to be reached by it;
 * before the event loop runs.  The process must have become whom it stays: the kernel lets
 * only who has opened the fabric's devices use them, of the same user and with the same
 * capabilities.  0 or -errno, with the log told why; then all goes by TLS.
 */
int xpmd_transport_listen_fabric(struct xpmd_transport *transport);

/*
 * Queues; -ENOTCONN: no session; -ENOBUFS: BULK's queue is full.  URGENT is never
 * refused for that: a session whose queue grows past its limit ends.
 */
int xpmd_transport_send(struct xpmd_transport *t, uint32_t partition, enum xpmd_channel channel,
			const struct xpmd_msg *msg);
int xpmd_transport_ask_challenge(struct xpmd_transport *t, uint32_t partition, uint64_t id);
int xpmd_transport_challenge(struct xpmd_transport *t, uint32_t partition, uint64_t id,
			     const uint8_t nonce[32]);
int xpmd_transport_open(struct xpmd_transport *t, uint32_t partition, const struct xpmd_open *open);
int xpmd_transport_opened(struct xpmd_transport *t, uint32_t partition,
			  const struct xpmd_opened *opened);
int xpmd_transport_attach(struct xpmd_transport *t, uint32_t partition,
			  const struct xpmd_attach *attach);
int xpmd_transport_attached(struct xpmd_transport *t, uint32_t partition,
			    const struct xpmd_attached *attached);
int xpmd_transport_close_segment(struct xpmd_transport *t, uint32_t partition, int64_t segid);

/*
 * Sends what was queued, as much as goes without waiting; else that is done in the next
 * turn of the event loop.
 */
void xpmd_transport_flush(struct xpmd_transport *t);

/*
 * 32 bytes that both ends of the session with @partition know and nobody else (RFC
 * 5705 exporter): binds a credential to it.
 */
int xpmd_transport_binding(struct xpmd_transport *t, uint32_t partition, uint8_t binding[32]);

struct xpmd_transport_counts {
	uint64_t sent[2], received[2];		/* bytes, by channel */
	uint64_t frames_sent, frames_received, sessions;
	uint64_t refused;	/* connections, and what ended a session as it must not be said */
	uint64_t denied;	/* opens and attaches that were answered with an error */
	uint64_t fabric_sent, fabric_received;	/* bytes of pages */
	bool fabric_up;		/* pages can pass it, both ways */
};
/* @partition 0: what could not be said to be of any; refused alone counts there. */
void xpmd_transport_counts(const struct xpmd_transport *t, uint32_t partition,
			   struct xpmd_transport_counts *counts);
bool xpmd_transport_is_up(const struct xpmd_transport *t, uint32_t partition);
/* Bytes that a channel could not send yet */
uint64_t xpmd_transport_queued(const struct xpmd_transport *t, uint32_t partition,
			       enum xpmd_channel channel);
/* Nothing of that channel is received, of nobody, until told otherwise: who reads is slow. */
void xpmd_transport_hold(struct xpmd_transport *t, enum xpmd_channel channel, bool hold);
/* Ends a session, if there is one; down() is called from the event loop. */
void xpmd_transport_end(struct xpmd_transport *t, uint32_t partition, const char *why);
/* Where listener @index, of config->listen, really listens (port 0 is any); 0 or -ENOENT */
int xpmd_transport_address(const struct xpmd_transport *t, size_t index, char *text, size_t size);

#endif /* XPMD_TRANSPORT_H */
