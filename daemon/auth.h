/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who a user of another partition is.
 *
 * The partition that asks shows its home a MUNGE credential, made as that user, whose
 * payload binds it to this session, this request, this segment and this access:
 * xpmem_proto.h has it byte by byte.  So a credential that is seen, kept, or made for
 * something else opens nothing, whatever of it munged at home would accept.
 *
 *	asks		challenge -> CHALLENGE -> xpmd_auth_encode -> encoded() -> OPEN
 *	home		xpmd_auth_challenge ^        xpmd_auth_check -> checked() -> OPENED
 *
 * munged and the name service answer when they do: they are asked by another process
 * (credential.h), and the answer is an operation, called from the event loop, once for
 * each call that returned 0.  @id is the caller's, and any.
 */
#ifndef XPMD_AUTH_H
#define XPMD_AUTH_H

#include "transport.h"

struct xpmd_auth;

struct xpmd_auth_user {
	uint32_t uid, gid;
	uint32_t nr_groups;
	const uint32_t *groups;	/* at home; until the operation returns */
};

struct xpmd_auth_ops {
	/* @error: errno, positive; or 0 with the rest */
	void (*encoded)(void *ctx, uint64_t id, uint32_t error, const char *credential);
	void (*checked)(void *ctx, uint64_t id, uint32_t error, const struct xpmd_auth_user *user);
	/* The process has died; nothing can be asked any more, and what was is answered EIO. */
	void (*lost)(void *ctx);
};

/*
 * Forks the process: call it before anything is secret and before there is a second
 * thread.  @munge_socket NULL: munged's default.  0 or -errno
 */
int xpmd_auth_new(struct xpmd_auth **ret, const char *munge_socket);
/* From now on the rest may be called. */
int xpmd_auth_attach(struct xpmd_auth *auth, sd_event *event, const struct xpmd_auth_ops *ops,
		     void *ctx);
/* Calls no operation. */
void xpmd_auth_free(struct xpmd_auth *auth);

/*
 * Times are CLOCK_BOOTTIME's, in nanoseconds.
 *
 * At home: a nonce for the OPEN with @id of @partition; 0, -EBUSY or -EIO.  And all that
 * @partition has are void: its session has ended.
 */
int xpmd_auth_challenge(struct xpmd_auth *auth, uint64_t now, uint32_t partition, uint64_t id,
			uint8_t nonce[32]);
void xpmd_auth_forget(struct xpmd_auth *auth, uint32_t partition);

/*
 * At home: whose is the credential of @open?  Uses the nonce of @open->id up.  0 and
 * checked(), or -ESTALE (no nonce, or not any more), -EACCES (no credential), -EBUSY, -EPIPE.
 * checked() has EACCES for every credential that is not right, which the log knows more of.
 */
int xpmd_auth_check(struct xpmd_auth *auth, uint64_t now, uint64_t id, uint32_t partition,
		    const struct xpmd_open *open, const uint8_t binding[32]);
/* The same with the word of the other daemon: looks the groups up.  Ends by checked(). */
int xpmd_auth_trust(struct xpmd_auth *auth, uint64_t id, uint32_t uid, uint32_t gid);

/* The other side: a credential of the user.  Ends by encoded(). */
int xpmd_auth_encode(struct xpmd_auth *auth, uint64_t id, uint32_t uid, uint32_t gid,
		     const uint8_t payload[32]);

/* What a credential must be of */
int xpmd_auth_payload(uint8_t ret[32], const uint8_t binding[32], const uint8_t nonce[32],
		      int64_t segid, bool write);

#endif /* XPMD_AUTH_H */
