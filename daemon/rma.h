/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections on an RDMA fabric, by libfabric, of which nothing is said elsewhere.  On
 * them an end reads memory that the other has registered, and nothing else happens.
 *
 * Each connection has a protection domain of its own: a key opens what was registered
 * for that connection, on that connection, and only until it is unregistered.
 *
 * All of it runs in the one thread of an event loop and never blocks.  What libfabric does
 * only while it waits, which is to find the way to another machine and to close a
 * connection, threads do that live as long as that takes.
 */
#ifndef XPMD_RMA_H
#define XPMD_RMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <systemd/sd-event.h>

#include "address.h"

#define XPMD_RMA_ADDRESS	"verbs://192.0.2.1:7475"	/* example */
#define XPMD_RMA_HELLO		32	/* bytes that come with a request to connect, at most */
#define XPMD_RMA_SLOTS		2	/* reads at a time */

struct xpmd_rma;		/* listens on the fabric */
struct xpmd_rma_link;		/* a connection */
struct xpmd_rma_request;	/* of somebody who connects; inside the operation alone */

/* Memory of a connection; the caller's, who puts nothing into it */
struct xpmd_rma_region {
	TAILQ_ENTRY(xpmd_rma_region) entry;
	void *mr;
	uint64_t address, key;	/* for the other end */
};

struct xpmd_rma_ops {
	/* Accept or refuse it */
	void (*request)(void *ctx, struct xpmd_rma_request *request, const void *hello,
			size_t length);
};

struct xpmd_rma_link_ops {
	void (*up)(void *ctx);
	void (*read)(void *ctx, unsigned int slot);
	/* Nothing comes after it.  Here, too, the link may be freed. */
	void (*down)(void *ctx, const char *why);
};

/* NULL, or why @text can't be an address: "verbs://...", "tcp://..."; rma_address.c */
const char *xpmd_rma_check(const char *text);
/* The same, and what it says; the provider is a constant. */
const char *xpmd_rma_parse(const char *text, const char **provider_ret, struct xpmd_address *ret);

/*
 * Loads what a fabric needs, which is to be done before files are out of reach: 0 or
 * -errno, with the log told why.
 */
int xpmd_rma_load(const char *text);

/* 0 or -errno, with the log told why; loads, too, if that was not done */
int xpmd_rma_new(struct xpmd_rma **ret, sd_event *event, const char *text,
		 const struct xpmd_rma_ops *ops, void *ctx);
/* After all of its connections */
void xpmd_rma_free(struct xpmd_rma *rma);
/* Where it listens, and what is spoken there: 0 or -errno */
int xpmd_rma_address(const struct xpmd_rma *rma, struct xpmd_address *ret);
uint32_t xpmd_rma_protocol(const struct xpmd_rma *rma);

/* 0 or -errno (EBUSY: too many can't be closed yet); the rest is told by up or down. */
int xpmd_rma_connect(struct xpmd_rma_link **ret, struct xpmd_rma *rma,
		     const struct xpmd_address *to, const void *hello, size_t length,
		     const struct xpmd_rma_link_ops *ops, void *ctx);
int xpmd_rma_accept(struct xpmd_rma_link **ret, struct xpmd_rma_request *request,
		    const struct xpmd_rma_link_ops *ops, void *ctx);
/* Its memory is the caller's again, and is unregistered. */
void xpmd_rma_link_free(struct xpmd_rma_link *link);

/*
 * Of a link that is up.  @remote: the other end may read it; else this one reads into it.
 * 0 or -errno
 */
int xpmd_rma_register(struct xpmd_rma_link *link, struct xpmd_rma_region *region, void *memory,
		      size_t length, bool remote);
/* When this fails the key may go on to open the memory, until the link is freed. */
int xpmd_rma_unregister(struct xpmd_rma_link *link, struct xpmd_rma_region *region);

/* Begins to read into @to, of @region; read or down tell the end.  0 or -errno */
int xpmd_rma_read(struct xpmd_rma_link *link, unsigned int slot,
		  const struct xpmd_rma_region *region, void *to, size_t length, uint64_t address,
		  uint64_t key);

#endif /* XPMD_RMA_H */
