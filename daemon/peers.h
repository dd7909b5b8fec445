/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemons of other partitions say, given to those it is for; and the opening
 * of this partition's segments for their users.
 */
#ifndef XPMD_PEERS_H
#define XPMD_PEERS_H

#include "identity.h"
#include "transport.h"

struct xpmd;
struct xpmd_partition;
struct xpmd_peers;

/* Operations of the transport; their context is the peers. */
extern const struct xpmd_session_ops xpmd_peers_session_ops;
/* And of the identity, of which it is the daemon */
extern const struct xpmd_identity_ops xpmd_peers_identity_ops;

int xpmd_peers_new(struct xpmd_peers **ret, struct xpmd *d);
void xpmd_peers_free(struct xpmd_peers *peers);

/* NULL: not in the configuration */
const struct xpmd_partition *xpmd_peers_find(const struct xpmd *d, uint32_t number);
unsigned int xpmd_peers_up(const struct xpmd *d);

#endif /* XPMD_PEERS_H */
