/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef XPMD_TRANSPORT_CALLS_H
#define XPMD_TRANSPORT_CALLS_H

#include "wire.h"

/* Of the transport that is linked: what xpmd_transport_send() gives */
int xpmd_transport_frame(struct xpmd_transport *t, uint32_t partition,
			 struct xpmd_wire_frame *frame);

/* That another partition does not get what it asked for */
bool xpmd_transport_is_denial(const struct xpmd_wire_frame *frame);

/* The operation that @frame of partition @other is; all types but HELLO and BYE */
void xpmd_transport_dispatch(const struct xpmd_session_ops *ops, void *ctx, uint32_t other,
			     const struct xpmd_wire_frame *frame);

#endif /* XPMD_TRANSPORT_CALLS_H */
