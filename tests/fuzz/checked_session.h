/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user of sessions in fuzzers: of partition 1, with partition 2.  Whatever the input
 * does, what reaches it must be in order and within its bounds; it answers what is to be
 * answered.
 */
#ifndef CHECKED_SESSION_H
#define CHECKED_SESSION_H

#include "transport.h"

#define SEGID_1 ((int64_t)1 << 51 | 7) /* of the transport */
#define SEGID_2 ((int64_t)2 << 51 | 7) /* of the other side */

extern struct xpmd_transport *transport;
extern bool is_up;
extern uint64_t seen;		/* so that nothing that is read is optimized away */

void expect(bool what);

/* What is in a message that was let through; its pages are read. */
void check_message(const struct xpmd_msg *msg);

/* Operations of struct xpmd_session_ops that are the same in all fuzzers */
void checked_hello(void *ctx, struct xpmd_hello *hello);
void checked_up(void *ctx, uint32_t partition, const struct xpmd_hello *other);
void checked_challenged(void *ctx, uint32_t partition, uint64_t id, const uint8_t nonce[32]);
void checked_open(void *ctx, uint32_t partition, const struct xpmd_open *open);
void checked_opened(void *ctx, uint32_t partition, const struct xpmd_opened *opened);
void checked_attach(void *ctx, uint32_t partition, const struct xpmd_attach *attach);
void checked_attached(void *ctx, uint32_t partition, const struct xpmd_attached *attached);
void checked_close(void *ctx, uint32_t partition, const struct xpmd_close *close_);

#define CHECKED_SESSION_OPS						\
	.hello = checked_hello, .up = checked_up,			\
	.challenged = checked_challenged, .open = checked_open,		\
	.opened = checked_opened, .attach = checked_attach,		\
	.attached = checked_attached, .close = checked_close

#endif /* CHECKED_SESSION_H */
