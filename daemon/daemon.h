/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of the daemon, as they know each other.
 *
 *	module --channel--> exporter --> home core ----\
 *	                \-> importer --> replica core --+--> peers --> net client
 *	owners --owner----> exporter                                       |
 *	                                                        xpmemd-net: transport
 *
 * All of it runs in one event loop, but for the workers of owners (worker.h), and other
 * processes have the network (net.c) and users (credential.h).  A core is never called from inside an operation of its own.
 */
#ifndef XPMD_DAEMON_H
#define XPMD_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

struct xpmd {
	struct xpmd_config *config;
	const char *config_path;
	sd_event *event;
	uint64_t incarnation;		/* of this life of the daemon */
	uint64_t grace_until;
	uint64_t started;
	struct xpmd_trace *trace;	/* NULL: none */
	struct xpmd_kchannel *channel;
	struct xpmd_identity *identity;
	struct xpmd_net_start *net_start;
	struct xpmd_transport *transport;
	struct xpmd_home *home;
	struct xpmd_replica *replica;
	struct xpmd_exporter *exporter;
	struct xpmd_importer *importer;
	struct xpmd_peers *peers;
	struct xpmd_control *control;
};

/* CLOCK_BOOTTIME, as the module's */
uint64_t xpmd_now(void);

/* There is no memory, so what was asked for can't even be refused.  Does not return. */
void xpmd_out_of_memory(void) __attribute__((noreturn));

/* The daemon can't go on; it ends orderly. */
void xpmd_fail(struct xpmd *d, const char *why);

#endif /* XPMD_DAEMON_H */
