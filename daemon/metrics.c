// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The server has no thread: its epoll descriptor is one of the loop's, which writes the
 * few lines without waiting for anybody.  So the counters need no lock.  Slow clients
 * are libmicrohttpd's, and few.
 */
#include "metrics.h"

#include "config.h"
#include "counters.h"
#include "daemon.h"
#include "log.h"
#include "transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>
#include <systemd/sd-event.h>

#define CONNECTIONS_MAX	16u
#define TIMEOUT_SECONDS	10u

struct xpmd_metrics {
	struct xpmd *d;
	struct MHD_Daemon *server;
	sd_event_source *source, *timer;
};

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

static void write_partitions(FILE *file, const struct xpmd *d)
{
	static const char *const names[] = { "urgent", "bulk" };

	fprintf(file, "# HELP xpmemd_partition_up Whether there is a session\n"
		      "# TYPE xpmemd_partition_up gauge\n");
	for (size_t i = 0; i < d->config->nr_partitions; i++)
		fprintf(file, "xpmemd_partition_up{partition=\"%s\"} %d\n",
			d->config->partitions[i].name,
			xpmd_transport_is_up(d->transport, d->config->partitions[i].number));
	fprintf(file, "# HELP xpmemd_transport_bytes_total Bytes of a channel\n"
		      "# TYPE xpmemd_transport_bytes_total counter\n");
	for (size_t i = 0; i < d->config->nr_partitions; i++) {
		struct xpmd_transport_counts counts;

		xpmd_transport_counts(d->transport, d->config->partitions[i].number, &counts);
		for (unsigned int c = 0; c < 2; c++)
			fprintf(file,
				"xpmemd_transport_bytes_total{partition=\"%s\",channel=\"%s\",direction=\"sent\"} %" PRIu64 "\n"
				"xpmemd_transport_bytes_total{partition=\"%s\",channel=\"%s\",direction=\"received\"} %" PRIu64 "\n",
				d->config->partitions[i].name, names[c], counts.sent[c],
				d->config->partitions[i].name, names[c], counts.received[c]);
	}
}

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned int status, char *text,
			       size_t length)
{
	struct MHD_Response *response;
	enum MHD_Result rc;

	response = MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, "Content-Type", "text/plain; version=0.0.4");
	rc = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return rc;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **connection_ctx)
{
	struct xpmd_metrics *metrics = ctx;
	size_t length = 0;
	char *text = NULL;
	FILE *file;

	(void)version;
	(void)upload;
	(void)connection_ctx;
	if (*upload_size || strcmp(method, "GET") != 0)
		return MHD_NO;
	file = open_memstream(&text, &length);
	if (!file)
		return MHD_NO;
	if (strcmp(url, "/metrics") == 0) {
		write_partitions(file, metrics->d);
		xpmd_counters_each(metrics->d, write_counter, file);
	} else {
		fprintf(file, "/metrics is what is here\n");
	}
	if (fclose(file) != 0) {
		free(text);
		return MHD_NO;
	}
	return respond(connection, strcmp(url, "/metrics") == 0 ? MHD_HTTP_OK : MHD_HTTP_NOT_FOUND,
		       text, length);
}

/* Connections time out by themselves only when the server is run. */
static void set_timer(struct xpmd_metrics *metrics)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(metrics->server, &ms) != MHD_YES) {
		sd_event_source_set_enabled(metrics->timer, SD_EVENT_OFF);
		return;
	}
	sd_event_source_set_time_relative(metrics->timer, ms * 1000);
	sd_event_source_set_enabled(metrics->timer, SD_EVENT_ONESHOT);
}

static int on_epoll(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
	struct xpmd_metrics *metrics = ctx;

	(void)source;
	(void)fd;
	(void)revents;
	MHD_run(metrics->server);
	set_timer(metrics);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *ctx)
{
	(void)usec;
	return on_epoll(source, -1, 0, ctx);
}

/* "ADDRESS:PORT", which xpmd_config_read() has checked */
static void parse(const char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	const char *colon = strrchr(text, ':');
	uint16_t port = htons((uint16_t)atoi(colon + 1));
	char host[INET6_ADDRSTRLEN + 2] = "";

	memset(ret, 0, sizeof(*ret));
	memcpy(host, text, (size_t)(colon - text) < sizeof(host) - 1 ? (size_t)(colon - text)
								     : sizeof(host) - 1);
	if (host[0] != '[') {
		in->sin_family = AF_INET;
		in->sin_port = port;
		inet_pton(AF_INET, host, &in->sin_addr);
		return;
	}
	host[strlen(host) - 1] = '\0';
	in6->sin6_family = AF_INET6;
	in6->sin6_port = port;
	inet_pton(AF_INET6, host + 1, &in6->sin6_addr);
}

int xpmd_metrics_new(struct xpmd_metrics **ret, struct xpmd *d)
{
	struct xpmd_metrics *metrics = calloc(1, sizeof(*metrics));
	const union MHD_DaemonInfo *info;
	struct sockaddr_storage address;
	unsigned int flags = MHD_USE_EPOLL;
	int rc = -ENOMEM;

	if (!metrics)
		return rc;
	metrics->d = d;
	parse(d->config->metrics, &address);
	if (address.ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	metrics->server = MHD_start_daemon(flags, 0, NULL, NULL, on_request, metrics,
					   MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
					   MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
					   MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_SECONDS,
					   MHD_OPTION_END);
	if (!metrics->server) {
		rc = errno ? -errno : -EADDRINUSE;
		xpmd_log(LOG_ERR, "metrics at %s: %s", d->config->metrics, strerror(-rc));
		goto err;
	}
	info = MHD_get_daemon_info(metrics->server, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info) {
		rc = -EOPNOTSUPP;
		goto err;
	}
	rc = sd_event_add_io(d->event, &metrics->source, info->epoll_fd, EPOLLIN, on_epoll, metrics);
	if (rc >= 0)
		rc = sd_event_add_time(d->event, &metrics->timer, CLOCK_MONOTONIC, 0, 0, on_timer,
				       metrics);
	if (rc < 0)
		goto err;
	*ret = metrics;
	return 0;
err:
	xpmd_metrics_free(metrics);
	return rc;
}

void xpmd_metrics_free(struct xpmd_metrics *metrics)
{
	if (!metrics)
		return;
	sd_event_source_disable_unref(metrics->source);
	sd_event_source_disable_unref(metrics->timer);
	if (metrics->server)
		MHD_stop_daemon(metrics->server);
	free(metrics);
}
