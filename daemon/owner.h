/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Helpers of owners on the owner socket (xpmem_owner.h): one connection a segment.  A
 * connection is refused, or accepted by ops->hello, once; what it says is checked here,
 * what it means is the exporter's.
 */
#ifndef XPMD_OWNER_H
#define XPMD_OWNER_H

#include <sys/types.h>

#include <systemd/sd-event.h>

#include "uffd.h"
#include "xpmem_owner.h"

struct xpmd_owner;
struct xpmd_owners;

struct xpmd_owner_ops {
	/*
	 * A helper of process @pid: 0, with *export_ret to be given to the others; or an
	 * errno, negative, and @text of XPMEM_OWNER_TEXT bytes.
	 */
	int (*hello)(void *ctx, struct xpmd_owner *owner, int64_t segid, pid_t pid,
		     struct xpmd_uffd *uffd, void **export_ret, char *text);
	/* It has heard that it is accepted, and may be asked. */
	void (*welcomed)(void *ctx, void *export);
	void (*answer)(void *ctx, void *export, uint64_t id, uint32_t error, const char *text);
	void (*fork)(void *ctx, void *export, uint64_t id);
	void (*forked)(void *ctx, void *export);
	void (*fault)(void *ctx, void *export, uint64_t address, bool missing, bool write);
	void (*moved)(void *ctx, void *export, uint64_t from, uint64_t to, uint64_t bytes);
	void (*unmapped)(void *ctx, void *export, uint64_t start, uint64_t end);
	/* The connection ended; @owner is no more when it returns. */
	void (*gone)(void *ctx, void *export);
};

/* @fork_ms: after so long a fork is answered at the latest */
int xpmd_owners_new(struct xpmd_owners **ret, sd_event *event, const char *path,
		    unsigned int segments_per_user, uint64_t fork_ms,
		    const struct xpmd_owner_ops *ops, void *ctx);
void xpmd_owners_free(struct xpmd_owners *owners);
void xpmd_owners_limit(struct xpmd_owners *owners, unsigned int segments_per_user);
unsigned int xpmd_owners_connected(const struct xpmd_owners *owners);

/* A question to the helper, or an answer.  Its death shows at the connection's end. */
void xpmd_owner_send(struct xpmd_owner *owner, const struct xpmem_owner_packet *packet);
/* Ends it, without ops->gone */
void xpmd_owner_close(struct xpmd_owner *owner);

#endif /* XPMD_OWNER_H */
