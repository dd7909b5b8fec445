/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who the user is: shown to another partition, or by it.  Both take a while (munged,
 * the name service) and end by a call from the loop, or from inside.
 */
#ifndef XPMD_IDENTITY_H
#define XPMD_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "transport.h"

struct xpmd;

struct xpmd_proof {
	uint64_t number;	/* the caller's */
	uint32_t partition;	/* to which it is to be shown */
	int64_t segid;
	bool write;
	uint32_t uid, gid;
	uint8_t nonce[32];	/* of that partition */
};

/* @error: positive, or 0 with the credential */
typedef void xpmd_proved_fn(void *ctx, uint64_t number, uint32_t partition, uint32_t error,
			    const char *credential);
void xpmd_identity_prove(struct xpmd *d, const struct xpmd_proof *proof, xpmd_proved_fn *proved,
			 void *ctx);

/* A partition asks for a nonce: it gets one. */
void xpmd_identity_challenge(struct xpmd *d, uint32_t partition, uint64_t id);

struct xpmd_user {
	uint32_t uid, gid;
	uint32_t nr_groups;
	const uint32_t *groups;
};

/* Who asks for a segment, by the partition's policy; @error: positive, or 0 with @user */
typedef void xpmd_known_fn(void *ctx, uint32_t partition, const struct xpmd_open *open,
			   uint32_t error, const struct xpmd_user *user);
void xpmd_identity_know(struct xpmd *d, uint32_t partition, const struct xpmd_open *open,
			xpmd_known_fn *known, void *ctx);

#endif /* XPMD_IDENTITY_H */
