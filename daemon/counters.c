// SPDX-License-Identifier: GPL-2.0-or-later
#include "counters.h"

#include "daemon.h"
#include "home.h"
#include "kchannel.h"
#include "net_client.h"
#include "record.h"
#include "replica.h"
#include "transport.h"

#define COUNT(group, counts, name, help) { group, #name, help, false, (counts).name }
#define GAUGE(group, counts, name, help) { group, #name, help, true, (counts).name }

static void each_of_home(const struct xpmd *d,
			 void (*one)(void *ctx, const struct xpmd_counter *counter), void *ctx)
{
	struct xpmd_home_counts c;

	xpmd_home_counts(d->home, &c);
	const struct xpmd_counter counters[] = {
		COUNT("home", c, reads, "Pages other partitions asked for, to read"),
		COUNT("home", c, writes, "Pages other partitions asked for, to write"),
		COUNT("home", c, grants, "Answers with pages"),
		COUNT("home", c, denials, "Answers with an error"),
		COUNT("home", c, takes, "Pages that were taken back"),
		COUNT("home", c, gives, "Pages that were given back"),
		COUNT("home", c, recalls, "Changes of the kernel that waited for other partitions"),
		COUNT("home", c, evictions, "Partitions that did not answer within their lease"),
		COUNT("home", c, lost_pages, "Pages whose only copy was on such a partition"),
		GAUGE("home", c, pages_shared, "Pages of which other partitions have copies"),
		GAUGE("home", c, pages_exclusive, "Pages that another partition alone has"),
		GAUGE("home", c, directory_bytes, "Memory of the directory"),
		GAUGE("home", c, waiting, "Requests that wait for a page"),
		GAUGE("home", c, recall_ns_max, "Longest wait of the kernel for other partitions, ns"),
	};

	for (unsigned int i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		one(ctx, &counters[i]);
}

static void each_of_replica(const struct xpmd *d,
			    void (*one)(void *ctx, const struct xpmd_counter *counter), void *ctx)
{
	struct xpmd_replica_counts c;

	xpmd_replica_counts(d->replica, &c);
	const struct xpmd_counter counters[] = {
		COUNT("replica", c, faults, "Accesses of processes that needed a page"),
		COUNT("replica", c, installed, "Pages that came"),
		COUNT("replica", c, failed, "Accesses that got an error"),
		COUNT("replica", c, taken, "Pages their homes took back"),
		COUNT("replica", c, given, "Pages that were given back"),
		COUNT("replica", c, fenced, "Times a home had evicted this partition"),
		COUNT("replica", c, retries, "Requests that were said again"),
		GAUGE("replica", c, pages, "Pages of other partitions"),
		GAUGE("replica", c, unconfirmed, "Messages with pages on their way home"),
		GAUGE("replica", c, waiting, "Accesses that wait for a page"),
	};

	for (unsigned int i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		one(ctx, &counters[i]);
}

static void each_of_net(const struct xpmd *d,
			void (*one)(void *ctx, const struct xpmd_counter *counter), void *ctx)
{
	struct xpmd_net_counts c;

	xpmd_net_client_counts(d->transport, &c);
	const struct xpmd_counter counters[] = {
		COUNT("net", c, starts, "Processes xpmemd-net there have been"),
		COUNT("net", c, refused, "Of them ended, as what they said could not be right"),
		COUNT("net", c, stale, "Records of sessions that had ended"),
		GAUGE("net", c, up, "Whether there is an xpmemd-net"),
	};

	for (unsigned int i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		one(ctx, &counters[i]);
}

static void each_of_transport(const struct xpmd *d,
			      void (*one)(void *ctx, const struct xpmd_counter *counter),
			      void *ctx)
{
	struct xpmd_transport_counts c;

	xpmd_transport_counts(d->transport, 0, &c);
	one(ctx, &(struct xpmd_counter){ "transport", "strangers_refused",
					 "Connections that were of no known partition", false,
					 c.refused });
}

void xpmd_counters_each(const struct xpmd *d,
			void (*one)(void *ctx, const struct xpmd_counter *counter), void *ctx)
{
	struct xpmd_kchannel_counts records;
	struct xpmd_counter counter = {
		.group = "records", .help = "Records of the module",
	};

	each_of_home(d, one, ctx);
	each_of_replica(d, one, ctx);
	each_of_net(d, one, ctx);
	each_of_transport(d, one, ctx);
	xpmd_kchannel_counts(d->channel, &records);
	for (unsigned int type = XPMEM_CTL_GET; type <= XPMEM_CTL_UNMAP; type++) {
		if (type > XPMEM_CTL_RELEASE && type < XPMEM_CTL_RECALL)
			continue;
		counter.name = xpmd_record_name(type);
		counter.value = records.records[type];
		one(ctx, &counter);
	}
}
