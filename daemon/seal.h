/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The seal of pages that pass a fabric: AES-128-GCM with a key of this session alone
 * (include/xpmem_proto.h), so that who is on the fabric neither reads nor changes them.
 * A number is used once a channel and direction.
 */
#ifndef XPMD_SEAL_H
#define XPMD_SEAL_H

#include "transport.h"

#define XPMD_SEAL_KEY	16
#define XPMD_SEAL_TAG	16

struct xpmd_seal;

/* @client: this side is the session's client.  NULL: no memory */
struct xpmd_seal *xpmd_seal_new(const uint8_t key[XPMD_SEAL_KEY], bool client);
void xpmd_seal_free(struct xpmd_seal *seal);

/* 0 or -EIO */
int xpmd_seal_close(struct xpmd_seal *seal, enum xpmd_channel channel, uint64_t number,
		    const void *data, size_t length, void *ret, uint8_t tag_ret[XPMD_SEAL_TAG]);
/* In place.  0, or -EBADMSG: it is not what the other side closed, and is no data. */
int xpmd_seal_open(struct xpmd_seal *seal, enum xpmd_channel channel, uint64_t number, void *data,
		   size_t length, const uint8_t tag[XPMD_SEAL_TAG]);

#endif /* XPMD_SEAL_H */
