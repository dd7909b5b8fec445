// SPDX-License-Identifier: GPL-2.0-or-later
#include "metrics.h"

#include "config.h"
#include "counters.h"
#include "daemon.h"
#include "transport.h"

#include <inttypes.h>
#include <string.h>

static void write_counter(void *ctx, const struct xpmd_counter *counter)
{
	const char *suffix = counter->gauge ? "" : "_total";

	if (strcmp(counter->group, "records") == 0) {
		fprintf(ctx, "xpmemd_records_total{type=\"%s\"} %" PRIu64 "\n", counter->name,
			counter->value);
		return;
	}
	fprintf(ctx, "# HELP xpmemd_%s_%s%s %s\n# TYPE xpmemd_%s_%s%s %s\nxpmemd_%s_%s%s %" PRIu64 "\n",
		counter->group, counter->name, suffix, counter->help, counter->group,
		counter->name, suffix, counter->gauge ? "gauge" : "counter", counter->group,
		counter->name, suffix, counter->value);
}

static struct xpmd_transport_counts counts_of(const struct xpmd *d, size_t partition)
{
	struct xpmd_transport_counts counts;

	xpmd_transport_counts(d->transport, d->config->partitions[partition].number, &counts);
	return counts;
}

static void write_partitions(FILE *file, const struct xpmd *d)
{
	static const char *const names[] = { "urgent", "bulk" };

	fprintf(file, "# HELP xpmemd_partition_up Whether there is a session\n"
		      "# TYPE xpmemd_partition_up gauge\n");
	for (size_t i = 0; i < d->config->nr_partitions; i++)
		fprintf(file, "xpmemd_partition_up{partition=\"%s\"} %d\n",
			d->config->partitions[i].name,
			xpmd_transport_is_up(d->transport, d->config->partitions[i].number));
	fprintf(file, "# HELP xpmemd_partition_refused_total Connections and frames that were refused\n"
		      "# TYPE xpmemd_partition_refused_total counter\n");
	for (size_t i = 0; i < d->config->nr_partitions; i++)
		fprintf(file, "xpmemd_partition_refused_total{partition=\"%s\"} %" PRIu64 "\n",
			d->config->partitions[i].name, counts_of(d, i).refused);
	fprintf(file, "# HELP xpmemd_partition_denied_total Segments that it asked for and did not get\n"
		      "# TYPE xpmemd_partition_denied_total counter\n");
	for (size_t i = 0; i < d->config->nr_partitions; i++)
		fprintf(file, "xpmemd_partition_denied_total{partition=\"%s\"} %" PRIu64 "\n",
			d->config->partitions[i].name, counts_of(d, i).denied);
	fprintf(file, "# HELP xpmemd_transport_bytes_total Bytes of a channel\n"
		      "# TYPE xpmemd_transport_bytes_total counter\n");
	for (size_t i = 0; i < d->config->nr_partitions; i++) {
		struct xpmd_transport_counts counts = counts_of(d, i);

		for (unsigned int c = 0; c < 2; c++)
			fprintf(file,
				"xpmemd_transport_bytes_total{partition=\"%s\",channel=\"%s\",direction=\"sent\"} %" PRIu64 "\n"
				"xpmemd_transport_bytes_total{partition=\"%s\",channel=\"%s\",direction=\"received\"} %" PRIu64 "\n",
				d->config->partitions[i].name, names[c], counts.sent[c],
				d->config->partitions[i].name, names[c], counts.received[c]);
	}
}

/* Of the partitions that are to be reached by one */
static void write_fabric(FILE *file, const struct xpmd *d)
{
	if (!d->config->fabric)
		return;
	fprintf(file, "# HELP xpmemd_fabric_up Whether pages can pass the fabric\n"
		      "# TYPE xpmemd_fabric_up gauge\n");
	for (size_t i = 0; i < d->config->nr_partitions; i++)
		if (d->config->partitions[i].fabric)
			fprintf(file, "xpmemd_fabric_up{partition=\"%s\"} %d\n",
				d->config->partitions[i].name, counts_of(d, i).fabric_up);
	fprintf(file, "# HELP xpmemd_fabric_bytes_total Bytes of pages that passed the fabric\n"
		      "# TYPE xpmemd_fabric_bytes_total counter\n");
	for (size_t i = 0; i < d->config->nr_partitions; i++) {
		const struct xpmd_partition *p = &d->config->partitions[i];
		struct xpmd_transport_counts counts = counts_of(d, i);

		if (p->fabric)
			fprintf(file,
				"xpmemd_fabric_bytes_total{partition=\"%s\",direction=\"sent\"} %" PRIu64 "\n"
				"xpmemd_fabric_bytes_total{partition=\"%s\",direction=\"received\"} %" PRIu64 "\n",
				p->name, counts.fabric_sent, p->name, counts.fabric_received);
	}
}

void xpmd_metrics_write(const struct xpmd *d, FILE *to)
{
	write_partitions(to, d);
	write_fabric(to, d);
	xpmd_counters_each(d, write_counter, to);
}
