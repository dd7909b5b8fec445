// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The server has no thread: its epoll descriptor is one of the loop's, which writes the
 * few lines without waiting for anybody.  Slow clients are libmicrohttpd's, and few.
 * Who has asked is suspended until the text is here.
 */
#include "net_http.h"

#include "log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <microhttpd.h>

#define CONNECTIONS_MAX	16u
#define TIMEOUT_SECONDS	10u
#define TEXT_MAX	(4u << 20)

struct xpmd_net_http {
	struct MHD_Daemon *server;
	sd_event_source *source, *timer;
	const struct xpmd_net_http_ops *ops;
	void *ctx;
	struct MHD_Connection *waiting[CONNECTIONS_MAX];
	unsigned int nr_waiting;
	char *text;		/* as far as it has come */
	size_t length;
	bool complete;
};

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned int status,
			       const char *text, size_t length)
{
	struct MHD_Response *response;
	enum MHD_Result rc;

	response = MHD_create_response_from_buffer(length, (void *)(uintptr_t)text,
						   MHD_RESPMEM_MUST_COPY);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", "text/plain; version=0.0.4");
	rc = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return rc;
}

/* Called again for the same request when its connection goes on */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **connection_ctx)
{
	static const char hint[] = "/metrics is what is here\n";
	struct xpmd_net_http *http = ctx;

	(void)version;
	(void)upload;
	if (*upload_size || strcmp(method, "GET") != 0)
		return MHD_NO;
	if (strcmp(url, "/metrics") != 0)
		return respond(connection, MHD_HTTP_NOT_FOUND, hint, strlen(hint));
	if (*connection_ctx)
		return http->complete ? respond(connection, MHD_HTTP_OK, http->text, http->length)
				      : MHD_NO;
	if (http->nr_waiting == CONNECTIONS_MAX)
		return MHD_NO;
	*connection_ctx = http;
	MHD_suspend_connection(connection);
	http->waiting[http->nr_waiting++] = connection;
	if (http->nr_waiting == 1) {
		http->length = 0;
		http->complete = false;
		http->ops->ask(http->ctx);
	}
	return MHD_YES;
}

/* Connections time out by themselves only when the server is run. */
static void set_timer(struct xpmd_net_http *http)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(http->server, &ms) != MHD_YES) {
		sd_event_source_set_enabled(http->timer, SD_EVENT_OFF);
		return;
	}
	sd_event_source_set_time_relative(http->timer, ms * 1000);
	sd_event_source_set_enabled(http->timer, SD_EVENT_ONESHOT);
}

static int on_epoll(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
	struct xpmd_net_http *http = ctx;

	(void)source;
	(void)fd;
	(void)revents;
	MHD_run(http->server);
	set_timer(http);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *ctx)
{
	(void)usec;
	return on_epoll(source, -1, 0, ctx);
}

void xpmd_net_http_text(struct xpmd_net_http *http, const char *part, size_t length, bool more)
{
	char *text;

	if (!http->nr_waiting)
		return;
	text = http->length + length < TEXT_MAX ? realloc(http->text, http->length + length + 1)
						: NULL;
	if (text) {
		http->text = text;
		memcpy(text + http->length, part, length);
		http->length += length;
	}
	if (more)
		return;
	http->complete = text != NULL;
	while (http->nr_waiting)
		MHD_resume_connection(http->waiting[--http->nr_waiting]);
	MHD_run(http->server);
	set_timer(http);
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

int xpmd_net_http_new(struct xpmd_net_http **ret, sd_event *event, const char *at,
		      const struct xpmd_net_http_ops *ops, void *ctx)
{
	struct xpmd_net_http *http = calloc(1, sizeof(*http));
	unsigned int flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;
	const union MHD_DaemonInfo *info;
	struct sockaddr_storage address;
	int rc = -ENOMEM;

	if (!http)
		return rc;
	http->ops = ops;
	http->ctx = ctx;
	parse(at, &address);
	if (address.ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	http->server = MHD_start_daemon(flags, 0, NULL, NULL, on_request, http,
					MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
					MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
					MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_SECONDS,
					MHD_OPTION_END);
	if (!http->server) {
		rc = errno ? -errno : -EADDRINUSE;
		xpmd_log(LOG_ERR, "metrics at %s: %s", at, strerror(-rc));
		goto err;
	}
	info = MHD_get_daemon_info(http->server, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info) {
		rc = -EOPNOTSUPP;
		goto err;
	}
	rc = sd_event_add_io(event, &http->source, info->epoll_fd, EPOLLIN, on_epoll, http);
	if (rc >= 0)
		rc = sd_event_add_time(event, &http->timer, CLOCK_MONOTONIC, 0, 0, on_timer, http);
	if (rc < 0)
		goto err;
	*ret = http;
	return 0;
err:
	xpmd_net_http_free(http);
	return rc;
}

void xpmd_net_http_free(struct xpmd_net_http *http)
{
	if (!http)
		return;
	sd_event_source_disable_unref(http->source);
	sd_event_source_disable_unref(http->timer);
	if (http->server)
		MHD_stop_daemon(http->server);
	free(http->text);
	free(http);
}
