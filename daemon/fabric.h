/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages of a session that pass an RDMA fabric, and not TLS.
 *
 * The sender seals them (seal.h) into its ring of staging memory, registers that part of
 * it, and sends the frame with its address and key over TLS.  The receiver reads, and
 * only then deals with the frame; it says FETCHED, and the sender unregisters.  So
 *
 *  - a key opens one frame's pages, as they were when it was sent, for the partition to
 *    which they were sent, from then until they were fetched or the session ends;
 *  - what is registered is a copy that is sealed: no page of an owner, nothing of another
 *    session, nothing that was not sent to that partition by then.  A partition that
 *    does not say FETCHED goes on to see what it was given, for three leases at most;
 *  - FETCHED precedes, on URGENT, all that the receiver says of these pages: with a
 *    partition that behaves keys end before the grant does.
 *
 * While pages are read their channel waits, renewals of leases with it: what is not
 * read within a quarter of a lease is not waited for, so that the session can begin
 * again before leases end, which are renewed three times in one.
 *
 * The connection on the fabric is made when the session is up, which does not wait for
 * it, and all goes by TLS until both ends are connected.  So does what is short, and what
 * finds no room in the ring.  One that can't be made is tried again, later each time;
 * one that breaks ends the session, which begins again without and tries the same.
 *
 * Calls with a session that has no fabric do nothing.
 */
#ifndef XPMD_FABRIC_H
#define XPMD_FABRIC_H

#include "rma.h"
#include "session.h"

#define XPMD_RING_BYTES		(4u << 20)	/* of a channel */
#define XPMD_RING_EXPORTS	64u

/* The pages of a frame, while the other end may read them */
struct xpmd_export_pages {
	struct xpmd_rma_region region;
	uint64_t number;
	size_t end;		/* in the ring, where those after it begin */
};

/* Staging memory of a channel: a queue, as FETCHED comes in order */
struct xpmd_ring {
	uint8_t *memory;
	size_t begin, end;	/* of what is in use; the same: nothing, or all */
	struct xpmd_export_pages exports[XPMD_RING_EXPORTS];
	unsigned int first, count;
	uint64_t sent;		/* the last number */
	uint64_t since;		/* FETCHED came last, or could have first */
};

/* What is read from the other end */
struct xpmd_fetch {
	struct xpmd_rma_region region; /* the connection's buffer */
	struct xpmd_conn *conn;	/* NULL: nothing */
	struct xpmd_wire_fetch what;
	size_t have;		/* of its length */
	uint64_t since;		/* something of it came last */
	uint64_t received;	/* the last number */
};

struct xpmd_fabric {
	struct xpmd_session *session;
	bool agreed;		/* both ends have the feature, and the session is up */
	bool up, other_up;
	bool lost;		/* it was up, and is not */
	struct xpmd_rma_link *link;
	struct xpmd_seal *seal;
	uint8_t token[XPMD_TOKEN_BYTES];
	struct xpmd_address to;	/* length 0: not told yet */
	struct xpmd_ring rings[2]; /* by channel */
	struct xpmd_fetch fetches[2];
	uint64_t lease_us;
	sd_event_source *timer;	/* to connect, or that it takes too long; up: to look at times */
	uint64_t wait_us, not_before; /* of the next connection */
	uint64_t up_at;
	char last_why[160];
};

int xpmd_fabric_init(struct xpmd_session *session);
void xpmd_fabric_destroy(struct xpmd_session *session);

/* For HELLO */
uint64_t xpmd_fabric_features(const struct xpmd_session *session);
void xpmd_fabric_begin(struct xpmd_session *session);
/* Before the session's connections are freed */
void xpmd_fabric_end(struct xpmd_session *session);
/* FABRIC and FETCHED */
void xpmd_fabric_frame(struct xpmd_session *session, struct xpmd_conn *conn,
		       const struct xpmd_wire_frame *frame);
/* The other end found it broken. */
void xpmd_fabric_suspect(struct xpmd_session *session);

/* A message that is to be sent: takes its pages, or leaves them to TLS */
void xpmd_fabric_stage(struct xpmd_session *session, struct xpmd_wire_frame *frame);
/* The last that was staged is not sent after all. */
void xpmd_fabric_unstage(struct xpmd_session *session, const struct xpmd_wire_frame *frame);
/* A message has come whose pages are to be fetched. */
void xpmd_fabric_fetch(struct xpmd_session *session, struct xpmd_conn *conn,
		       const struct xpmd_wire_frame *frame);

#endif /* XPMD_FABRIC_H */
