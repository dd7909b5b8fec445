/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where an xpmemd-net comes from.
 *
 * Either xpmemd starts it.  It has given up what that takes by the time it has to do so
 * again, so it forks a small process for this when it begins, which is told to start
 * a program on one end of a socket, and to kill it; it tells how that ended.
 *
 * Or somebody else does (systemd, as a service of its own), and it connects to a socket
 * of xpmemd, which looks at the user of who does.
 */
#ifndef XPMD_NET_START_H
#define XPMD_NET_START_H

#include <stdbool.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

struct xpmd_net_start;

struct xpmd_net_start_ops {
	/* One has connected; the callee has @fd. */
	void (*came)(void *ctx, int fd);
};

/*
 * Forks: while there is one thread, and privilege.  @program NULL: "xpmemd-net" in the
 * directory of this program, or in that of the installation.  0, or -errno with the log
 * told why.
 */
int xpmd_net_start_program(struct xpmd_net_start **ret, const char *program);
/* @uid: whose connections are taken */
int xpmd_net_start_socket(struct xpmd_net_start **ret, const char *path, uid_t uid);
/* Ends what was started. */
void xpmd_net_start_free(struct xpmd_net_start *start);

/* In the event loop from now on.  0 or -errno */
int xpmd_net_start_attach(struct xpmd_net_start *start, sd_event *event,
			  const struct xpmd_net_start_ops *ops, void *ctx);
void xpmd_net_start_detach(struct xpmd_net_start *start);

/* Whether xpmemd starts it; if not, one comes by itself. */
bool xpmd_net_start_is_program(const struct xpmd_net_start *start);
/* A new one; the one of before is killed.  The socket to it, or -errno */
int xpmd_net_start_one(struct xpmd_net_start *start);
void xpmd_net_start_kill(struct xpmd_net_start *start);

/*
 * The user that xpmemd-net is to be: @name's, or the caller's own when that is not root.
 * 0, or -errno with the log told why
 */
int xpmd_net_start_user(const char *name, uid_t *uid_ret, gid_t *gid_ret);

#endif /* XPMD_NET_START_H */
