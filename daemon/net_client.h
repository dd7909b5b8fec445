/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What transport.h does not have of xpmemd's side of xpmemd-net: it is the transport of
 * another process.
 */
#ifndef XPMD_NET_CLIENT_H
#define XPMD_NET_CLIENT_H

#include <stdio.h>

#include "net_start.h"
#include "transport.h"

struct xpmd_net_config {
	struct xpmd_net_start *start;
	uint32_t uid, gid;		/* of xpmemd-net */
	const char *metrics;		/* "ADDRESS:PORT" where it serves them, or NULL */
	void (*write_metrics)(void *ctx, FILE *to);
	void *ctx;
	bool debug;			/* its messages for debugging are wanted, too */
};

/*
 * As xpmd_transport_new().  Where this process starts xpmemd-net, it waits for it to be
 * ready, so that what is wrong with addresses and keys is known at once.
 */
int xpmd_net_client_new(struct xpmd_transport **ret, sd_event *event,
			const struct xpmd_transport_config *config,
			const struct xpmd_net_config *net, const struct xpmd_session_ops *ops,
			void *ctx);

struct xpmd_net_counts {
	uint64_t starts;	/* of xpmemd-net, with the first */
	uint64_t refused;	/* of them ended, as what they said can't be right */
	uint64_t stale;		/* records of sessions that had ended */
	bool up;
};
void xpmd_net_client_counts(const struct xpmd_transport *t, struct xpmd_net_counts *counts);

#endif /* XPMD_NET_CLIENT_H */
