/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xpmemd.conf(5), read with libConfuse.  Every mistake is told with its line. */
#ifndef XPMD_CONFIG_H
#define XPMD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "home.h"

enum xpmd_user_policy {
	XPMD_USERS_MUNGE,	/* a credential of the user */
	XPMD_USERS_TRUST,	/* the other daemon's word */
};

struct xpmd_partition {
	uint32_t number;
	char *name;
	char *address;		/* "tcp://..", "vsock://.."; NULL: it connects to us */
	char *key_file;		/* pre-shared key; NULL: by certificate */
	enum xpmd_user_policy users;
	bool read_only;		/* it gets no segment for writing */
	uint64_t pages_max;	/* it has at most, of all segments; 0: no limit */
	bool fabric;		/* pages to and from it pass the fabric */
};

struct xpmd_config {
	uint32_t number;	/* of this partition */
	char *name;
	char **listen;		/* NULL at the end */
	char *certificate, *key, *authority;
	uint32_t lease_ms, skew_ms, fault_ms;
	uint64_t replica_limit;
	uint64_t directory_pages;
	uint32_t segments_per_user;
	uint64_t hugetlb_per_user;	/* bytes that may become ordinary memory */
	enum xpmd_lost lost;
	char *owner_socket, *control_socket, *munge_socket;
	char *net_user;		/* that xpmemd-net becomes */
	char *metrics;		/* "ADDRESS:PORT" or NULL */
	char *fabric;		/* "verbs://ADDRESS:PORT" or NULL */
	uint64_t fabric_min;	/* bytes */
	struct xpmd_partition *partitions;
	size_t nr_partitions;
};

/* NULL, with what is wrong on standard error: "FILE:LINE: ..." */
struct xpmd_config *xpmd_config_read(const char *path);
void xpmd_config_free(struct xpmd_config *config);

#endif /* XPMD_CONFIG_H */
