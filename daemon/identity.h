/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who the user is: shown to another partition, or by it.  What auth.h asks another
 * process for comes back here with the number of the request; this remembers who waits
 * for it.
 */
#ifndef XPMD_IDENTITY_H
#define XPMD_IDENTITY_H

#include "auth.h"
#include "transport.h"

struct xpmd;
struct xpmd_identity;

struct xpmd_identity_ops {
	/* Of xpmd_identity_prove(); @error: positive, or 0 with the credential */
	void (*proved)(void *ctx, uint64_t number, uint32_t partition, uint32_t error,
		       const char *credential);
	/* Of xpmd_identity_know(); @open has no credential any more */
	void (*known)(void *ctx, uint32_t partition, const struct xpmd_open *open,
		      uint32_t error, const struct xpmd_auth_user *user);
};

/* Forks: see xpmd_auth_new().  -errno */
int xpmd_identity_new(struct xpmd_identity **ret, const char *munge_socket);
/* When the event loop and those who ask are there */
int xpmd_identity_start(struct xpmd_identity *identity, struct xpmd *d,
			const struct xpmd_identity_ops *ops);
void xpmd_identity_free(struct xpmd_identity *identity);

struct xpmd_proof {
	uint64_t number;	/* the caller's */
	uint32_t partition;	/* to which it is to be shown */
	int64_t segid;
	bool write;
	uint32_t uid, gid;
	uint8_t nonce[32];	/* of that partition */
};

/* Ends by ops->proved, also from inside */
void xpmd_identity_prove(struct xpmd_identity *identity, const struct xpmd_proof *proof);
/* A partition asks for a nonce, and gets one. */
void xpmd_identity_challenge(struct xpmd_identity *identity, uint32_t partition, uint64_t id);
/* Who asks for a segment, by that partition's policy.  Ends by ops->known, also from inside */
void xpmd_identity_know(struct xpmd_identity *identity, uint32_t partition,
			const struct xpmd_open *open);
/* The session of a partition ended: whoever it asked for waits for nothing any more. */
void xpmd_identity_forget(struct xpmd_identity *identity, uint32_t partition);

#endif /* XPMD_IDENTITY_H */
