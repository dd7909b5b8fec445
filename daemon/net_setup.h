/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How xpmemd tells a new xpmemd-net what it needs. */
#ifndef XPMD_NET_SETUP_H
#define XPMD_NET_SETUP_H

#include "net_client.h"
#include "net_link.h"

/* All of it, which may take some milliseconds: 0 or -errno */
int xpmd_net_setup(struct xpmd_net_link *link, const struct xpmd_transport_config *config,
		   const struct xpmd_net_config *net, const struct xpmd_hello *hello, int bulk,
		   int memory);
/* The memory that both have: its descriptor, or -errno */
int xpmd_net_share(const struct xpmd_net_shared **ret, size_t size);

#endif /* XPMD_NET_SETUP_H */
