/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process that makes and reads MUNGE credentials, and looks groups up.
 *
 * libmunge and the name service wait for other daemons, and a credential is of the user
 * whose process asks for it.  So the daemon forks this process when it begins, while it
 * has one thread and nothing to hide, and asks it by packets of a socket.  It keeps the
 * capabilities to become another user and no other, and does nothing itself: for each
 * request it forks a child, which becomes the user (to make a credential) or gives up
 * the rest of its capabilities (to read one), has a few seconds, and answers through a
 * pipe of its own.  What a child says is its request's answer and can be no other's.
 *
 * The process ends when the daemon does.
 */
#ifndef XPMD_CREDENTIAL_H
#define XPMD_CREDENTIAL_H

#include <stdint.h>
#include <sys/types.h>

#include "xpmem_proto.h"

#define XPMD_CREDENTIAL_GROUPS	8192u	/* further groups of a user */
#define XPMD_CREDENTIAL_JOBS	16u	/* requests under way */
#define XPMD_CREDENTIAL_SECONDS	5u
#define XPMD_CREDENTIAL_TTL	300u	/* which is also how far clocks may differ */

enum xpmd_credential_kind {
	XPMD_CREDENTIAL_ENCODE = 1,	/* of @uid and @gid, of @payload */
	XPMD_CREDENTIAL_DECODE,		/* and look the user's groups up */
	XPMD_CREDENTIAL_GROUPS_OF,	/* of @uid and @gid */
};

struct xpmd_credential_request {
	uint64_t id;
	uint32_t kind;
	uint32_t uid, gid;
	uint8_t payload[32];
	char credential[XPMEM_PROTO_CREDENTIAL_MAX];
};

struct xpmd_credential_reply {
	uint64_t id;
	uint32_t kind;
	uint32_t error;			/* errno, positive */
	uint32_t uid, gid;
	uint32_t ttl;
	uint32_t payload_length;	/* as it was, also when longer */
	uint8_t payload[32];
	char why[120];
	uint32_t nr_groups;
	union {				/* as much of it as is used */
		char credential[XPMEM_PROTO_CREDENTIAL_MAX];
		uint32_t groups[XPMD_CREDENTIAL_GROUPS];
	};
};

/*
 * Forks it; the answer is its process id, or -errno.  Requests are sent to and replies
 * received from *@fd_ret, each in one packet.
 */
pid_t xpmd_credential_fork(int *fd_ret, const char *munge_socket);

#endif /* XPMD_CREDENTIAL_H */
