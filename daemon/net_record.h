/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What xpmemd and xpmemd-net say to each other, on two SOCK_SEQPACKET sockets: URGENT,
 * with all that has to be in order, and BULK, so that nobody waits behind pages that
 * nobody waits for.  Both ends are of one build, on one machine.
 *
 * A record is a head, @body bytes, and @data bytes of pages.  What does not fit into
 * one packet goes on in packets of type REST, which follow it immediately.
 *
 * A session of the transport has a number here, which is never used twice in a life of
 * xpmemd-net and stands in every record that is about it: what is under way when
 * a session ends is of no other.
 *
 *	xpmemd-net		xpmemd
 *	HELLO -->		the version of the two is one
 *				<-- SETUP, FILE..., LISTEN..., PARTITION..., BEGIN
 *	READY, LISTENS... -->	it listens, and has given up what it could have of the system
 *	UP, DOWN, FRAME, LOG, METRICS -->
 *				<-- FRAME, END, METRICS
 *
 * FRAME has a frame of xpmem_proto.h as its body and data, and is decoded by wire.c at
 * both ends: xpmemd believes nothing that it has not checked itself.  The end of a
 * socket is the end of the process.
 *
 * Numbers that xpmemd wants to know at any time are in memory that both have, which only
 * xpmemd-net writes.
 */
#ifndef XPMD_NET_RECORD_H
#define XPMD_NET_RECORD_H

#include "wire.h"

#define XPMD_NET_FD		3	/* URGENT, of an xpmemd-net that xpmemd has started */
#define XPMD_NET_DATA_CHUNK	(32u * XPMD_PAGE) /* of one packet: less than a socket takes */
#define XPMD_NET_BODY_MAX	16384u
#define XPMD_NET_TEXT_MAX	1024u	/* of a log line, a reason, with the 0 at its end */
#define XPMD_NET_LISTENS_MAX	64u

enum xpmd_net_type {
	/* to xpmemd */
	XPMD_NET_HELLO = 1,	/* body: XPMEM_VERSION, with its 0 */
	XPMD_NET_READY,
	XPMD_NET_LISTENS,	/* @value: which listener; body: its address */
	XPMD_NET_LOG,		/* @session: priority; @value: segid; body: the line */
	XPMD_NET_UP,		/* body: struct xpmd_net_up */
	XPMD_NET_DOWN,		/* body: why */
	/* to xpmemd-net */
	XPMD_NET_SETUP = 32,	/* body: struct xpmd_net_setup; descriptors: BULK, memory */
	XPMD_NET_FILE,		/* body: path; descriptor: the file, open for reading */
	XPMD_NET_LISTEN,	/* body: address */
	XPMD_NET_PARTITION,	/* body: name, address, key file; with @value's bits */
	XPMD_NET_BEGIN,
	XPMD_NET_END,		/* of a session; body: why */
	/* both */
	XPMD_NET_FRAME = 64,
	XPMD_NET_REST,
	XPMD_NET_METRICS,	/* asked; or body: part of the text, @value: more comes */
};

/* @value of PARTITION: which of the strings are there; pages are to pass the fabric */
#define XPMD_NET_HAS_NAME	(1u << 0)
#define XPMD_NET_HAS_ADDRESS	(1u << 1)
#define XPMD_NET_HAS_KEY	(1u << 2)
#define XPMD_NET_HAS_FABRIC	(1u << 3)
#define XPMD_NET_HAS_ALL	((1u << 4) - 1)

struct xpmd_net_head {
	uint32_t length;	/* of this packet */
	uint16_t type;
	uint16_t more;		/* another packet has been sent with this one */
	uint32_t partition;
	uint32_t session;
	uint32_t body;
	uint32_t data;		/* of the record; of REST: in this packet */
	uint64_t value;
};

/* HELLO of the other partition, as on the wire, and what the session's users are bound to */
struct xpmd_net_up {
	struct xpmem_proto_hello hello;
	uint8_t binding[32];
};

struct xpmd_net_setup {
	uint32_t self;
	uint32_t uid, gid;	/* to become, where that is possible */
	uint32_t partitions;	/* that the memory is for */
	uint64_t send_limit;
	uint64_t incarnation, lease_ns, skew_ns, features;
	uint64_t grace_until;	/* CLOCK_BOOTTIME */
	uint32_t debug;		/* messages for debugging are wanted, too */
	uint32_t reserved;
	uint64_t fabric_min;	/* bytes */
	char self_name[64];
	char metrics[XPMD_NET_TEXT_MAX / 8]; /* address, or "" */
	char fabric[XPMD_NET_TEXT_MAX / 8]; /* the same */
	char certificate[4096], key[4096], authority[4096]; /* paths; "": none */
};

/* Of a partition, in the order of the configuration.  @done: of the session that is up */
struct xpmd_net_numbers {
	uint64_t sent[2], received[2], frames_sent, frames_received, refused, sessions;
	uint64_t done[2];	/* bytes of FRAMEs that were taken, less those that still wait */
	uint64_t fabric_sent, fabric_received;
	uint64_t fabric_up;	/* 0 or 1 */
};

struct xpmd_net_shared {
	uint64_t refused;	/* of nobody known */
	struct xpmd_net_numbers partitions[];
};

_Static_assert(sizeof(struct xpmd_net_head) == 32, "no padding");
_Static_assert(sizeof(struct xpmd_net_setup) <= XPMD_NET_BODY_MAX, "one record");

#endif /* XPMD_NET_RECORD_H */
