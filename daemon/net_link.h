/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One of the two sockets between xpmemd and xpmemd-net: records out, by a queue, and
 * records in.  Knows their lengths and nothing of what they say.
 */
#ifndef XPMD_NET_LINK_H
#define XPMD_NET_LINK_H

#include <sys/queue.h>

#include "net_record.h"

struct xpmd_net_piece;

struct xpmd_net_link {
	int fd;
	bool blocked;			/* the socket takes no more now */
	TAILQ_HEAD(xpmd_net_pieces, xpmd_net_piece) pieces;
	size_t queued;			/* bytes */
	uint8_t *memory;		/* head, body and data of what is received */
	struct xpmd_net_head head;
	size_t have;			/* of its data */
	bool more;
};

/* Where the body is, and the data, which is page aligned after a body of this length */
#define XPMD_NET_ALIGNED_BODY	sizeof(struct xpmem_proto_pages)

/* A pair of them that does not block: 0 or -errno */
int xpmd_net_pair(int fds[2]);
/* Takes @fd, also when it fails. */
int xpmd_net_link_init(struct xpmd_net_link *link, int fd);
void xpmd_net_link_destroy(struct xpmd_net_link *link);

/*
 * Queues a record: 0 or -ENOMEM.  @head's type, partition, session and value are the
 * caller's, the rest is set here.
 */
int xpmd_net_link_send(struct xpmd_net_link *link, const struct xpmd_net_head *head,
		       const void *body, size_t body_length, const void *data, size_t data_length);
/* 0, also when the socket is full (blocked); or -errno: the other end is gone */
int xpmd_net_link_flush(struct xpmd_net_link *link);

/*
 * 1: link->head is a record, of whose lengths everything is right; it is there until the
 * next call.  0: none now.  -EPIPE: the other end is gone.  -EBADMSG: it is no record.
 * Descriptors that come are closed unless @fds has room for them: @nr_fds_ret.
 */
int xpmd_net_link_receive(struct xpmd_net_link *link, int *fds, unsigned int fds_max,
			  unsigned int *nr_fds_ret);
const void *xpmd_net_link_body(const struct xpmd_net_link *link);
const void *xpmd_net_link_data(const struct xpmd_net_link *link);
/* The body is a string, and nothing after it */
const char *xpmd_net_link_text(const struct xpmd_net_link *link);

#endif /* XPMD_NET_LINK_H */
