/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nonces that this partition has given to others as a home: each is for one OPEN of
 * one partition with one id, and for a short time.  Pure but for the random numbers.
 */
#ifndef XPMD_NONCE_H
#define XPMD_NONCE_H

#include <stdbool.h>
#include <stdint.h>

#define XPMD_NONCES		1024u	/* outstanding, of all partitions */
#define XPMD_NONCES_EACH	256u	/* and of one: it can't use up all */
#define XPMD_NONCE_NS		30000000000ull

struct xpmd_nonce {
	uint32_t partition;		/* 0: free */
	uint64_t id;
	uint64_t expires;
	uint8_t bytes[32];
};

struct xpmd_nonces {
	struct xpmd_nonce all[XPMD_NONCES];
};

/* 0; -EBUSY: too many are outstanding; -EIO: no random numbers */
int xpmd_nonce_make(struct xpmd_nonces *nonces, uint64_t now, uint32_t partition, uint64_t id,
		    uint8_t ret[32]);
/* 0, and it is used up; -ESTALE: there is none, or it has expired */
int xpmd_nonce_use(struct xpmd_nonces *nonces, uint64_t now, uint32_t partition, uint64_t id,
		   uint8_t ret[32]);
/* All of a partition */
void xpmd_nonce_forget(struct xpmd_nonces *nonces, uint32_t partition);

#endif /* XPMD_NONCE_H */
