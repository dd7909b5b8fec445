/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All that the daemon counts, in one list, for the control socket and the metrics. */
#ifndef XPMD_COUNTERS_H
#define XPMD_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

struct xpmd;

struct xpmd_counter {
	const char *group;	/* "home", "replica", "net", "transport", "records" */
	const char *name;
	const char *help;
	bool gauge;		/* may fall */
	uint64_t value;
};

void xpmd_counters_each(const struct xpmd *d,
			void (*one)(void *ctx, const struct xpmd_counter *counter), void *ctx);

#endif /* XPMD_COUNTERS_H */
