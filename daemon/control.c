// SPDX-License-Identifier: GPL-2.0-or-later
#include "control.h"

#include "config.h"
#include "counters.h"
#include "daemon.h"
#include "exporter.h"
#include "importer.h"
#include "kchannel.h"
#include "log.h"
#include "owner.h"
#include "peers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <jansson.h>

#define LINE_BYTES	1024
#define CLIENTS_MAX	16u

struct client {
	struct client *next, **at;
	struct xpmd_control *control;
	sd_event_source *source;
	int fd;
	size_t length;
	char line[LINE_BYTES];
};

struct xpmd_control {
	struct xpmd *d;
	char *path;
	int fd;
	sd_event_source *source;
	struct client *clients;
	unsigned int nr_clients;
};

static json_t *json_id(int64_t id)
{
	char text[20];

	snprintf(text, sizeof(text), "%" PRIx64, (uint64_t)id);
	return json_string(text);
}

static json_t *json_count(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *get_status(struct xpmd *d)
{
	uint64_t now = xpmd_now();

	return json_pack("{s:s, s:i, s:s, s:o, s:o, s:o, s:i, s:i, s:i}",
			 "version", XPMEM_VERSION,
			 "partition", (int)d->config->number,
			 "name", d->config->name,
			 "incarnation", json_id((int64_t)d->incarnation),
			 "uptime_ms", json_count((now - d->started) / 1000000),
			 "grace_ms", json_count(d->grace_until > now
						? (d->grace_until - now) / 1000000 : 0),
			 "partitions_up", (int)xpmd_peers_up(d),
			 "partitions", (int)d->config->nr_partitions,
			 "owners", (int)xpmd_owners_connected(xpmd_exporter_owners(d->exporter)));
}

static json_t *get_partitions(struct xpmd *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->config->nr_partitions; i++) {
		const struct xpmd_partition *p = &d->config->partitions[i];
		struct xpmd_transport_counts counts;

		xpmd_transport_counts(d->transport, p->number, &counts);
		json_array_append_new(list, json_pack(
			"{s:i, s:s, s:s?, s:b, s:s, s:b, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o}",
			"number", (int)p->number,
			"name", p->name,
			"address", p->address,
			"up", xpmd_transport_is_up(d->transport, p->number),
			"users", p->users == XPMD_USERS_TRUST ? "trust" : "munge",
			"read_only", p->read_only,
			"pages_max", json_count(p->pages_max),
			"bytes_sent", json_count(counts.sent[0] + counts.sent[1]),
			"bytes_received", json_count(counts.received[0] + counts.received[1]),
			"fabric_up", counts.fabric_up,
			"fabric_bytes_sent", json_count(counts.fabric_sent),
			"fabric_bytes_received", json_count(counts.fabric_received),
			"refused", json_count(counts.refused),
			"denied", json_count(counts.denied)));
	}
	return json_pack("{s:o}", "partitions", list);
}

static void add_segment(void *ctx, const struct xpmd_export_info *info)
{
	json_array_append_new(ctx, json_pack(
		"{s:o, s:o, s:i, s:b, s:s, s:i}",
		"segid", json_id(info->segid),
		"pages", json_count(info->pages),
		"pid", info->pid,
		"connected", info->connected,
		"lost", info->lost == XPMD_LOST_LAST_COPY ? "last-copy" : "sigbus",
		"permits", (int)info->permits));
}

static json_t *get_segments(struct xpmd *d)
{
	json_t *list = json_array();

	xpmd_exporter_each(d->exporter, add_segment, list);
	return json_pack("{s:o}", "segments", list);
}

static void add_remote(void *ctx, const struct xpmd_import_info *info)
{
	json_array_append_new(ctx, json_pack(
		"{s:o, s:i, s:o, s:i, s:b}",
		"segid", json_id(info->segid),
		"partition", (int)info->home,
		"pages", json_count(info->pages),
		"uid", (int)info->uid,
		"write", info->write));
}

static json_t *get_remote(struct xpmd *d)
{
	json_t *list = json_array();

	xpmd_importer_each(d->importer, add_remote, list);
	return json_pack("{s:o}", "segments", list);
}

static void add_counter(void *ctx, const struct xpmd_counter *counter)
{
	json_t *groups = ctx, *group = json_object_get(groups, counter->group);

	if (!group) {
		group = json_object();
		json_object_set_new(groups, counter->group, group);
	}
	json_object_set_new(group, counter->name, json_count(counter->value));
}

static json_t *get_counters(struct xpmd *d)
{
	json_t *groups = json_object();

	xpmd_counters_each(d, add_counter, groups);
	return groups;
}

static json_t *answer(struct xpmd *d, const char *line)
{
	static const struct {
		const char *name;
		json_t *(*get)(struct xpmd *d);
	} commands[] = {
		{ "status", get_status },
		{ "partitions", get_partitions },
		{ "segments", get_segments },
		{ "remote", get_remote },
		{ "counters", get_counters },
	};
	json_t *request = json_loads(line, 0, NULL), *reply = NULL;
	const char *command = json_string_value(json_object_get(request, "command"));

	for (size_t i = 0; command && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(command, commands[i].name) == 0)
			reply = commands[i].get(d);
	if (!reply)
		reply = json_pack("{s:s}", "error",
				  command ? "no such command" : "no {\"command\": NAME}");
	json_decref(request);
	return reply;
}

static void end(struct client *client)
{
	*client->at = client->next;
	if (client->next)
		client->next->at = client->at;
	client->control->nr_clients--;
	sd_event_source_disable_unref(client->source);
	close(client->fd);
	free(client);
}

/* False: the client does not read; it is not waited for. */
static bool reply_to(struct client *client, const char *line)
{
	json_t *reply = answer(client->control->d, line);
	char *text = json_dumps(reply, JSON_COMPACT);
	size_t length = text ? strlen(text) : 0;
	bool sent = false;

	json_decref(reply);
	if (text) {
		text[length] = '\n';	/* in the place of the final 0 */
		sent = send(client->fd, text, length + 1, MSG_NOSIGNAL | MSG_DONTWAIT) ==
		       (ssize_t)length + 1;
	}
	free(text);
	return sent;
}

static int on_client(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
	struct client *client = ctx;
	ssize_t n = recv(fd, client->line + client->length,
			 sizeof(client->line) - 1 - client->length, MSG_DONTWAIT);
	char *end_of_line;

	(void)source;
	(void)revents;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		end(client);
		return 0;
	}
	client->length += (size_t)n;
	client->line[client->length] = '\0';
	while ((end_of_line = strchr(client->line, '\n'))) {
		*end_of_line = '\0';
		if (!reply_to(client, client->line)) {
			end(client);
			return 0;
		}
		client->length -= (size_t)(end_of_line + 1 - client->line);
		memmove(client->line, end_of_line + 1, client->length + 1);
	}
	if (client->length == sizeof(client->line) - 1 || strlen(client->line) != client->length)
		end(client);	/* no request is that long, or holds a 0 */
	return 0;
}

static int on_connection(sd_event_source *source, int listener, uint32_t revents, void *ctx)
{
	struct xpmd_control *control = ctx;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int buffer = 4 << 20;
	struct client *client;

	(void)source;
	(void)revents;
	if (fd < 0)
		return 0;
	client = control->nr_clients < CLIENTS_MAX ? calloc(1, sizeof(*client)) : NULL;
	if (!client) {
		close(fd);
		return 0;
	}
	/* An answer goes out at once or not at all. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	client->control = control;
	client->fd = fd;
	client->next = control->clients;
	client->at = &control->clients;
	if (client->next)
		client->next->at = &client->next;
	control->clients = client;
	control->nr_clients++;
	if (sd_event_add_io(control->d->event, &client->source, fd, EPOLLIN, on_client, client) < 0)
		end(client);
	return 0;
}

static int bind_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t mask;
	int fd, error = 0;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	unlink(path);
	mask = umask(0177);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 16) < 0)
		error = errno;
	umask(mask);
	if (error) {
		close(fd);
		return -error;
	}
	return fd;
}

int xpmd_control_new(struct xpmd_control **ret, struct xpmd *d)
{
	struct xpmd_control *control = calloc(1, sizeof(*control));
	int rc = -ENOMEM;

	if (!control)
		return rc;
	control->d = d;
	control->fd = -1;
	control->path = strdup(d->config->control_socket);
	if (!control->path)
		goto err;
	rc = bind_socket(control->path);
	if (rc < 0) {
		xpmd_log(LOG_ERR, "control socket %s: %s", control->path, strerror(-rc));
		goto err;
	}
	control->fd = rc;
	rc = sd_event_add_io(d->event, &control->source, control->fd, EPOLLIN, on_connection,
			     control);
	if (rc < 0)
		goto err;
	*ret = control;
	return 0;
err:
	xpmd_control_free(control);
	return rc;
}

void xpmd_control_free(struct xpmd_control *control)
{
	if (!control)
		return;
	while (control->clients)
		end(control->clients);
	sd_event_source_disable_unref(control->source);
	if (control->fd >= 0) {
		close(control->fd);
		unlink(control->path);
	}
	free(control->path);
	free(control);
}
