/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS of one transport's connections: who is at the other end, and that nobody else
 * reads or writes.  Knows partitions, keys and certificates; nothing of frames.
 *
 * Works on sockets that do not block.  A call that can't go on says which event to wait
 * for; one that failed leaves a reason.  After a failure only xpmd_tls_why() and
 * xpmd_tls_free() may be called.
 */
#ifndef XPMD_TLS_H
#define XPMD_TLS_H

#include <sys/types.h>

#include "transport.h"

struct xpmd_tls_context;
struct xpmd_tls;		/* of one connection */

/* 0 or -errno, with the log told why.  The configuration must stay. */
int xpmd_tls_context_new(struct xpmd_tls_context **ret,
			 const struct xpmd_transport_config *config);
void xpmd_tls_context_free(struct xpmd_tls_context *context);

/* A connection to @partition, or (0) one that was accepted.  NULL: no memory */
struct xpmd_tls *xpmd_tls_new(struct xpmd_tls_context *context, int fd,
			      const struct xpmd_partition *partition);
/* Tells the other end, if it can do so without waiting; the socket is the caller's. */
void xpmd_tls_free(struct xpmd_tls *tls);

/* 1: done; 0: wait for *@events_ret (EPOLLIN or EPOLLOUT); -errno */
int xpmd_tls_handshake(struct xpmd_tls *tls, uint32_t *events_ret);
/*
 * Bytes, or 0 and what to wait for, or -errno; -EPIPE: the other end is gone.  A write
 * that has to wait must be repeated with the same bytes, and may have more after them.
 */
ssize_t xpmd_tls_read(struct xpmd_tls *tls, void *buffer, size_t size, uint32_t *events_ret);
ssize_t xpmd_tls_write(struct xpmd_tls *tls, const void *buffer, size_t size,
		       uint32_t *events_ret);
/* Something was received that read has not given yet. */
bool xpmd_tls_has_more(const struct xpmd_tls *tls);

/* Whether the other end has proved to be @partition, by the means configured for it */
bool xpmd_tls_is(const struct xpmd_tls *tls, const struct xpmd_partition *partition);
/* Who the other end says it is, for the log, or NULL; of it nothing need be proved. */
const struct xpmd_partition *xpmd_tls_claim(const struct xpmd_tls *tls);
const char *xpmd_tls_why(const struct xpmd_tls *tls);
int xpmd_tls_binding(struct xpmd_tls *tls, uint8_t binding[32]);
/* The same of another label, for the fabric: which nobody tells anybody */
int xpmd_tls_fabric_secret(struct xpmd_tls *tls, uint8_t *secret, size_t length);

#endif /* XPMD_TLS_H */
