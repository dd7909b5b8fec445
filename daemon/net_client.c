// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The transport of xpmemd: sessions that xpmemd-net has.
 *
 * xpmemd-net reads what anybody sends, so whoever finds a mistake in it speaks with its
 * voice.  What it says is believed as far as a partition of the configuration would be:
 * frames are decoded and checked here as if they had just come from the network, numbers
 * of partitions must be in the configuration, sessions begin and end in order, text is
 * cleaned before it is logged.  A record that no xpmemd-net would send is not refused
 * alone: the process is ended.
 *
 * A session ends here when DOWN comes, when xpmemd-net dies, or when too much waits for
 * it.  down() is called from the event loop alone, as transport.h promises: what is found
 * inside a call is remembered (t->broken, peer->ending) and done by on_later().
 */
#define _GNU_SOURCE
#include "net_client.h"

#include "config.h"
#include "log.h"
#include "net_link.h"
#include "net_setup.h"
#include "transport_calls.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READY_USEC	10000000ull
#define WAIT_MIN_USEC	100000ull
#define WAIT_MAX_USEC	10000000ull
#define BUDGET_URGENT	(1024u * 1024u)	/* bytes of one turn */
#define BUDGET_BULK	(256u * 1024u)
#define QUEUE_MAX	(64u << 20)	/* with no send_limit: it does not read any more */
#define LOG_BURST	1000u
#define LOG_NSEC	10000000000ull

enum state {
	NET_NONE,
	NET_STARTING,		/* HELLO is to come */
	NET_SETTING_UP,		/* READY is */
	NET_READY,
};

struct peer {
	uint32_t session;		/* 0: none */
	bool ending;			/* down() is to be called */
	char why[128];			/* for that */
	uint64_t sent[2];		/* bytes of this session */
	uint8_t binding[32];
	struct xpmd_transport_counts before; /* of those that have died; denied: by us */
};

struct xpmd_transport {
	sd_event *event;
	struct xpmd_transport_config config;
	struct xpmd_net_config net;
	const struct xpmd_session_ops *ops;
	void *ctx;
	enum state state;
	struct xpmd_net_link links[2];	/* by channel */
	sd_event_source *io[2], *timer, *later;
	bool later_on;
	const struct xpmd_net_shared *shared;
	size_t shared_size;
	uint64_t refused_before;
	struct peer *peers;		/* as many as partitions, and in their order */
	uint32_t last_session;
	uint64_t wait_us;		/* before the next is started */
	const char *broken;		/* why it is to be ended */
	bool first;			/* the one without which nothing begins */
	char listens[XPMD_NET_LISTENS_MAX][96];
	struct xpmd_net_counts counts;
	uint64_t log_until;
	unsigned int logged, unlogged;
};

static uint64_t now_of(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* -1: not in the configuration */
static ssize_t find(const struct xpmd_transport *t, uint32_t partition)
{
	for (size_t i = 0; i < t->config.nr_partitions; i++)
		if (t->config.partitions[i].number == partition)
			return (ssize_t)i;
	return -1;
}

static uint64_t shared_value(const uint64_t *value)
{
	return __atomic_load_n(value, __ATOMIC_ACQUIRE);
}

static void need_later(struct xpmd_transport *t)
{
	t->later_on = true;
	sd_event_source_set_enabled(t->later, SD_EVENT_ONESHOT);
}

/* What it was needed for is done already, mostly: it would be a turn of the loop. */
static void need_no_later(struct xpmd_transport *t)
{
	if (!t->later_on || t->broken)
		return;
	for (size_t i = 0; i < t->config.nr_partitions; i++)
		if (t->peers[i].ending)
			return;
	t->later_on = false;
	sd_event_source_set_enabled(t->later, SD_EVENT_OFF);
}

/* ------------------------------------------------------------- the end */

static void add_numbers(const struct xpmd_transport *t, size_t i,
			struct xpmd_transport_counts *counts)
{
	const struct xpmd_net_numbers *numbers = &t->shared->partitions[i];

	for (unsigned int c = 0; c < 2; c++) {
		counts->sent[c] += shared_value(&numbers->sent[c]);
		counts->received[c] += shared_value(&numbers->received[c]);
	}
	counts->frames_sent += shared_value(&numbers->frames_sent);
	counts->frames_received += shared_value(&numbers->frames_received);
	counts->refused += shared_value(&numbers->refused);
	counts->sessions += shared_value(&numbers->sessions);
	counts->fabric_sent += shared_value(&numbers->fabric_sent);
	counts->fabric_received += shared_value(&numbers->fabric_received);
}

static void forget_shared(struct xpmd_transport *t)
{
	if (!t->shared)
		return;
	for (size_t i = 0; i < t->config.nr_partitions; i++)
		add_numbers(t, i, &t->peers[i].before);
	t->refused_before += shared_value(&t->shared->refused);
	munmap((void *)(uintptr_t)t->shared, t->shared_size);
	t->shared = NULL;
}

static void close_links(struct xpmd_transport *t)
{
	for (unsigned int i = 0; i < 2; i++) {
		t->io[i] = sd_event_source_disable_unref(t->io[i]);
		xpmd_net_link_destroy(&t->links[i]);
	}
	forget_shared(t);
	t->state = NET_NONE;
}

static void end_peer(struct xpmd_transport *t, size_t i, const char *why)
{
	struct peer *peer = &t->peers[i];

	if (!peer->session)
		return;
	peer->session = 0;
	peer->ending = false;
	explicit_bzero(peer->binding, sizeof(peer->binding));
	t->ops->down(t->ctx, t->config.partitions[i].number, why);
}

static void set_timer(struct xpmd_transport *t, uint64_t usec)
{
	sd_event_source_set_time_relative(t->timer, usec);
	sd_event_source_set_enabled(t->timer, SD_EVENT_ONESHOT);
}

/* Its process is no more, or is ended now: its sessions are cut. */
static void lose(struct xpmd_transport *t, const char *why)
{
	bool was_ready = t->state == NET_READY;
	unsigned int sessions = 0;

	if (t->state == NET_NONE)
		return;
	for (size_t i = 0; i < t->config.nr_partitions; i++)
		sessions += t->peers[i].session != 0;
	t->broken = NULL;
	close_links(t);
	xpmd_net_start_kill(t->net.start);
	if (xpmd_net_start_is_program(t->net.start) && !t->first) {
		xpmd_log(LOG_ERR, "xpmemd-net %s: %s; %u sessions are cut; another one in %u ms",
			 was_ready ? "is gone" : "did not begin", why, sessions,
			 (unsigned int)(t->wait_us / 1000));
		set_timer(t, t->wait_us);
		t->wait_us = t->wait_us * 2 < WAIT_MAX_USEC ? t->wait_us * 2 : WAIT_MAX_USEC;
	} else {
		xpmd_log(LOG_ERR, "xpmemd-net %s: %s; %u sessions are cut",
			 was_ready ? "is gone" : "did not begin", why, sessions);
		sd_event_source_set_enabled(t->timer, SD_EVENT_OFF);
	}
	for (size_t i = 0; i < t->config.nr_partitions; i++)
		end_peer(t, i, "xpmemd-net has ended");
}

/* It said what it never says. */
static void refuse(struct xpmd_transport *t, const char *why)
{
	t->counts.refused++;
	lose(t, why);
}

/* ------------------------------------------------------- its beginning */

static int on_link(sd_event_source *source, int fd, uint32_t revents, void *userdata);

static int add_link(struct xpmd_transport *t, enum xpmd_channel channel, int fd)
{
	int rc = xpmd_net_link_init(&t->links[channel], fd);

	if (rc < 0)
		return rc;
	rc = sd_event_add_io(t->event, &t->io[channel], fd, EPOLLIN, on_link, t);
	if (rc >= 0 && channel == XPMD_BULK)
		rc = sd_event_source_set_priority(t->io[channel], SD_EVENT_PRIORITY_NORMAL + 1);
	return rc;
}

/* A process that is connected by @fd, which may be -errno */
static void begin(struct xpmd_transport *t, int fd)
{
	if (fd >= 0)
		t->counts.starts++;
	t->state = NET_STARTING;
	t->last_session = 0;
	if (fd < 0 || add_link(t, XPMD_URGENT, fd) < 0)
		lose(t, strerror(fd < 0 ? -fd : ENOMEM));
	else
		set_timer(t, READY_USEC);
}

static void on_came(void *ctx, int fd)
{
	struct xpmd_transport *t = ctx;

	if (t->state == NET_NONE) {
		begin(t, fd);
		return;
	}
	xpmd_log(LOG_WARNING, "a second xpmemd-net is refused");
	close(fd);
}

static const struct xpmd_net_start_ops start_ops = { on_came };

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct xpmd_transport *t = userdata;

	(void)source;
	(void)usec;
	if (t->state == NET_NONE)
		begin(t, xpmd_net_start_one(t->net.start));
	else if (t->state == NET_READY)
		t->wait_us = WAIT_MIN_USEC;	/* it has lived for a while */
	else
		lose(t, "it does not get ready");
	return 0;
}

/* ---------------------------------------------------------- its records */

static void on_hello(struct xpmd_transport *t)
{
	const char *version = xpmd_net_link_text(&t->links[XPMD_URGENT]);
	int fds[2] = { -1, -1 }, memory = -1, rc = -EIO;
	struct xpmd_hello hello = { 0 };

	if (t->state != NET_STARTING || !version) {
		refuse(t, "HELLO out of turn");
		return;
	}
	if (strcmp(version, XPMEM_VERSION)) {
		lose(t, "it is of another version than xpmemd");
		return;
	}
	t->shared_size = sizeof(*t->shared) +
			 t->config.nr_partitions * sizeof(t->shared->partitions[0]);
	if (xpmd_net_pair(fds) == 0)
		memory = xpmd_net_share(&t->shared, t->shared_size);
	if (memory >= 0)
		rc = add_link(t, XPMD_BULK, fds[0]);
	t->state = NET_SETTING_UP;
	t->ops->hello(t->ctx, &hello);
	if (rc >= 0)
		rc = xpmd_net_setup(&t->links[XPMD_URGENT], &t->config, &t->net, &hello, fds[1],
				    memory);
	if (fds[1] >= 0)
		close(fds[1]);
	if (memory >= 0)
		close(memory);
	if (rc < 0)
		lose(t, strerror(-rc));
}

static void on_ready(struct xpmd_transport *t)
{
	if (t->state != NET_SETTING_UP) {
		refuse(t, "READY out of turn");
		return;
	}
	t->state = NET_READY;
	set_timer(t, WAIT_MAX_USEC);
	xpmd_log(t->counts.starts > 1 ? LOG_NOTICE : LOG_INFO, "xpmemd-net is ready");
}

/* What is logged is of one line, and no terminal is told anything by it. */
static void clean(char *to, size_t size, const char *from)
{
	size_t i;

	for (i = 0; from[i] && i < size - 1; i++)
		to[i] = from[i] >= 0x20 && from[i] < 0x7f ? from[i] : '?';
	to[i] = 0;
}

static void on_log(struct xpmd_transport *t, const struct xpmd_net_head *head)
{
	const char *text = xpmd_net_link_text(&t->links[XPMD_URGENT]);
	uint64_t now = now_of(CLOCK_MONOTONIC);
	char line[XPMD_NET_TEXT_MAX];

	if (!text || head->session > LOG_DEBUG ||
	    (head->partition && find(t, head->partition) < 0)) {
		refuse(t, "a line for the log that is none");
		return;
	}
	if (now >= t->log_until) {
		if (t->unlogged)
			xpmd_log(LOG_WARNING, "%u more lines of xpmemd-net are left out",
				 t->unlogged);
		t->logged = t->unlogged = 0;
		t->log_until = now + LOG_NSEC;
	}
	if (t->logged >= LOG_BURST) {
		t->unlogged++;
		return;
	}
	t->logged++;
	clean(line, sizeof(line), text);
	xpmd_log_of((int)head->session, head->partition, (int64_t)head->value, "%s", line);
}

static void on_listens(struct xpmd_transport *t, const struct xpmd_net_head *head)
{
	const char *text = xpmd_net_link_text(&t->links[XPMD_URGENT]);

	if (t->state != NET_SETTING_UP || !text || head->value >= XPMD_NET_LISTENS_MAX ||
	    strlen(text) >= sizeof(t->listens[0])) {
		refuse(t, "a listener that is none");
		return;
	}
	clean(t->listens[head->value], sizeof(t->listens[0]), text);
}

static void on_up(struct xpmd_transport *t, size_t i, const struct xpmd_net_head *head)
{
	const struct xpmd_net_up *up = xpmd_net_link_body(&t->links[XPMD_URGENT]);
	uint32_t partition = head->partition;
	struct peer *peer = &t->peers[i];
	struct xpmd_wire_frame frame;

	if (head->body != sizeof(*up) || head->data || head->session <= t->last_session ||
	    peer->session ||
	    xpmd_wire_decode(&frame, &up->hello, sizeof(up->hello), NULL, 0) ||
	    frame.type != XPMEM_PROTO_HELLO || frame.hello.to != t->config.self ||
	    frame.hello.hello.partition != partition) {
		refuse(t, "a session that can't be");
		return;
	}
	t->last_session = head->session;
	peer->session = head->session;
	peer->sent[0] = peer->sent[1] = 0;
	memcpy(peer->binding, up->binding, sizeof(peer->binding));
	t->ops->up(t->ctx, partition, &frame.hello.hello);
}

static void on_down(struct xpmd_transport *t, size_t i, const struct xpmd_net_head *head)
{
	const char *text = xpmd_net_link_text(&t->links[XPMD_URGENT]);
	char why[XPMD_NET_TEXT_MAX];

	if (!text) {
		refuse(t, "an end without a reason");
		return;
	}
	clean(why, sizeof(why), text);
	if (t->peers[i].session == head->session)
		end_peer(t, i, why);
	else
		t->counts.stale++;
}

static int on_link_of(struct xpmd_transport *t, enum xpmd_channel channel, bool until_ready);

static void on_frame(struct xpmd_transport *t, size_t i, enum xpmd_channel channel)
{
	struct xpmd_net_link *link = &t->links[channel];
	struct xpmd_net_head head = link->head;
	struct xpmd_wire_frame frame;
	enum xpmd_wire_reason reason;

	reason = xpmd_wire_decode(&frame, xpmd_net_link_body(link), head.body,
				  xpmd_net_link_data(link), head.data);
	if (reason || xpmd_wire_is_of_session(&frame) || frame.channel != channel ||
	    !xpmd_wire_may_say(&frame, t->config.self, head.partition)) {
		refuse(t, reason ? xpmd_wire_text(reason) : "a frame that may not be said");
		return;
	}
	/* The session's beginning is on URGENT, and was said before this. */
	if (channel == XPMD_BULK && head.session > t->last_session)
		on_link_of(t, XPMD_URGENT, false);
	if (t->state != NET_READY)
		return;
	if (t->peers[i].session == head.session && !t->peers[i].ending)
		xpmd_transport_dispatch(t->ops, t->ctx, head.partition, &frame);
	else
		t->counts.stale++;
}

static void on_metrics(struct xpmd_transport *t)
{
	struct xpmd_net_head head = { .type = XPMD_NET_METRICS };
	size_t length = 0, part;
	char *text = NULL;
	FILE *file;

	if (!t->net.metrics || t->links[XPMD_URGENT].queued > QUEUE_MAX) {
		refuse(t, t->net.metrics ? "it does not read" :
					   "metrics are asked for, and not configured");
		return;
	}
	file = open_memstream(&text, &length);
	if (file) {
		t->net.write_metrics(t->net.ctx, file);
		fclose(file);
	}
	for (size_t at = 0; at <= length; at += part ? part : 1) {
		part = length - at < XPMD_NET_BODY_MAX ? length - at : XPMD_NET_BODY_MAX;
		head.value = at + part < length;
		if (xpmd_net_link_send(&t->links[XPMD_URGENT], &head, text + at, part, NULL,
				       0) < 0) {
			t->broken = "no memory for it";
			break;
		}
		if (!head.value)
			break;
	}
	free(text);
	need_later(t);
}

static void on_record(struct xpmd_transport *t, enum xpmd_channel channel)
{
	const struct xpmd_net_head head = t->links[channel].head;
	bool of_session = head.type == XPMD_NET_UP || head.type == XPMD_NET_DOWN ||
			  head.type == XPMD_NET_FRAME;
	ssize_t i = of_session ? find(t, head.partition) : -1;

	if (channel == XPMD_BULK && head.type != XPMD_NET_FRAME) {
		refuse(t, "a record of another socket");
	} else if (of_session && (i < 0 || t->state != NET_READY || !head.session)) {
		refuse(t, i < 0 ? "an unknown partition" : "a session out of turn");
	} else {
		switch (head.type) {
		case XPMD_NET_HELLO:
			on_hello(t);
			return;
		case XPMD_NET_READY:
			on_ready(t);
			return;
		case XPMD_NET_LISTENS:
			on_listens(t, &head);
			return;
		case XPMD_NET_LOG:
			on_log(t, &head);
			return;
		case XPMD_NET_METRICS:
			on_metrics(t);
			return;
		case XPMD_NET_UP:
			on_up(t, (size_t)i, &head);
			return;
		case XPMD_NET_DOWN:
			on_down(t, (size_t)i, &head);
			return;
		case XPMD_NET_FRAME:
			on_frame(t, (size_t)i, channel);
			return;
		default:
			refuse(t, "a record of an unknown type");
		}
	}
}

static void update_events(struct xpmd_transport *t, enum xpmd_channel channel)
{
	uint32_t events = EPOLLIN;

	if (t->links[channel].blocked)
		events |= EPOLLOUT;
	if (t->io[channel])
		sd_event_source_set_io_events(t->io[channel], events);
}

static int on_link_of(struct xpmd_transport *t, enum xpmd_channel channel, bool until_ready)
{
	size_t budget = channel == XPMD_BULK ? BUDGET_BULK : BUDGET_URGENT;
	struct xpmd_net_link *link = &t->links[channel];

	while (t->state != NET_NONE) {
		int rc = xpmd_net_link_receive(link, NULL, 0, NULL);
		size_t length = rc > 0 ? sizeof(link->head) + link->head.body + link->head.data : 0;

		if (rc == -EBADMSG)
			refuse(t, "what it says is no record");
		else if (rc < 0)
			lose(t, "its process has ended");
		else if (rc > 0)
			on_record(t, channel);
		if (t->state == NET_NONE || rc < 0 || !link->more || length >= budget ||
		    (until_ready && t->state == NET_READY))
			break;
		budget -= length;
	}
	return 0;
}

static int on_link(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct xpmd_transport *t = userdata;
	enum xpmd_channel channel = source == t->io[XPMD_BULK] ? XPMD_BULK : XPMD_URGENT;

	(void)fd;
	if (revents & EPOLLOUT)
		xpmd_transport_flush(t);
	if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
		on_link_of(t, channel, false);
	return 0;
}

/* What was found inside of calls, and what was queued by them */
static int on_later(sd_event_source *source, void *userdata)
{
	struct xpmd_transport *t = userdata;

	(void)source;
	t->later_on = false;
	if (t->broken && t->state != NET_NONE)
		lose(t, t->broken);
	for (size_t i = 0; i < t->config.nr_partitions; i++)
		if (t->peers[i].ending)
			end_peer(t, i, t->peers[i].why);
	xpmd_transport_flush(t);
	return 0;
}

/* --------------------------------------------------------- begin, end */

static int wait_until_ready(struct xpmd_transport *t)
{
	uint64_t until = now_of(CLOCK_MONOTONIC) + READY_USEC * 1000;

	t->first = true;
	begin(t, xpmd_net_start_one(t->net.start));
	while (t->state != NET_NONE && t->state != NET_READY) {
		struct pollfd poll_fd = { .fd = t->links[XPMD_URGENT].fd, .events = POLLIN };
		uint64_t now = now_of(CLOCK_MONOTONIC);

		if (now >= until || poll(&poll_fd, 1, (int)((until - now) / 1000000) + 1) < 0)
			lose(t, "it does not get ready");
		else if (poll_fd.revents)
			on_link_of(t, XPMD_URGENT, true);
	}
	t->first = false;
	return t->state == NET_READY ? 0 : -EIO;
}

int xpmd_net_client_new(struct xpmd_transport **ret, sd_event *event,
			const struct xpmd_transport_config *config,
			const struct xpmd_net_config *net, const struct xpmd_session_ops *ops,
			void *ctx)
{
	struct xpmd_transport *t = calloc(1, sizeof(*t));
	int rc = -ENOMEM;

	if (!t)
		return -ENOMEM;
	t->event = sd_event_ref(event);
	t->config = *config;
	t->net = *net;
	t->ops = ops;
	t->ctx = ctx;
	t->wait_us = WAIT_MIN_USEC;
	t->links[0].fd = t->links[1].fd = -1;
	TAILQ_INIT(&t->links[0].pieces);
	TAILQ_INIT(&t->links[1].pieces);
	signal(SIGPIPE, SIG_IGN);
	t->peers = calloc(config->nr_partitions + 1, sizeof(*t->peers));
	if (t->peers)
		rc = sd_event_add_time_relative(event, &t->timer, CLOCK_MONOTONIC, 0, 0, on_timer,
						t);
	if (rc >= 0)
		rc = sd_event_source_set_enabled(t->timer, SD_EVENT_OFF);
	if (rc >= 0)
		rc = sd_event_add_defer(event, &t->later, on_later, t);
	if (rc >= 0)
		rc = sd_event_source_set_enabled(t->later, SD_EVENT_OFF);
	if (rc >= 0)
		rc = xpmd_net_start_attach(net->start, event, &start_ops, t);
	if (rc >= 0 && xpmd_net_start_is_program(net->start))
		rc = wait_until_ready(t);
	if (rc < 0) {
		xpmd_transport_free(t);
		return rc;
	}
	*ret = t;
	return 0;
}

void xpmd_transport_free(struct xpmd_transport *t)
{
	if (!t)
		return;
	xpmd_net_start_detach(t->net.start);
	close_links(t);
	sd_event_source_disable_unref(t->timer);
	sd_event_source_disable_unref(t->later);
	sd_event_unref(t->event);
	free(t->peers);
	free(t);
}

/* --------------------------------------------------------------- calls */

/* From inside a call: the session is no more, and its down() comes later. */
static void end_later(struct xpmd_transport *t, size_t i, const char *why)
{
	struct xpmd_net_head head = {
		.type = XPMD_NET_END,
		.partition = t->config.partitions[i].number,
		.session = t->peers[i].session,
	};

	if (xpmd_net_link_send(&t->links[XPMD_URGENT], &head, why, strlen(why) + 1, NULL, 0) < 0)
		t->broken = "no memory for it";
	snprintf(t->peers[i].why, sizeof(t->peers[i].why), "%s", why);
	t->peers[i].ending = true;
	need_later(t);
}

/* What was sent in this session, less what xpmemd-net says that it has passed on */
static uint64_t waiting(const struct xpmd_transport *t, size_t i, enum xpmd_channel channel)
{
	uint64_t done = shared_value(&t->shared->partitions[i].done[channel]);
	uint64_t sent = t->peers[i].sent[channel];

	return done < sent ? sent - done : 0;
}

static int queue_frame(struct xpmd_transport *t, size_t i, const struct xpmd_wire_frame *frame,
		       const uint8_t *body, size_t body_length, size_t data_length)
{
	uint64_t limit = t->config.send_limit, before = waiting(t, i, frame->channel);
	size_t max = limit > QUEUE_MAX ? limit : QUEUE_MAX;
	struct xpmd_net_link *link = &t->links[frame->channel];
	struct xpmd_net_head head = {
		.type = XPMD_NET_FRAME,
		.partition = t->config.partitions[i].number,
		.session = t->peers[i].session,
	};
	char why[128];

	/* What is longer than the limit alone goes when there is nothing else. */
	if (limit && before && before + body_length + data_length > limit) {
		if (frame->channel == XPMD_BULK)
			return -ENOBUFS;
		snprintf(why, sizeof(why), "%llu bytes wait for it, which is too much",
			 (unsigned long long)before);
		end_later(t, i, why);
		return -ENOTCONN;
	}
	if (link->queued > max || xpmd_net_link_send(link, &head, body, body_length,
						     frame->msg.data, data_length) < 0) {
		if (frame->channel == XPMD_BULK)
			return -ENOBUFS;
		t->broken = link->queued > max ? "it does not read" : "no memory for it";
		need_later(t);
		return -ENOTCONN;
	}
	t->peers[i].sent[frame->channel] += body_length + data_length;
	need_later(t);
	return 0;
}

int xpmd_transport_frame(struct xpmd_transport *t, uint32_t partition,
			 struct xpmd_wire_frame *frame)
{
	uint8_t body[XPMD_WIRE_BODY_MAX];
	size_t body_length, data_length;
	enum xpmd_wire_reason reason;
	ssize_t i = find(t, partition);

	if (i < 0 || t->state != NET_READY || !t->peers[i].session || t->peers[i].ending ||
	    t->broken)
		return -ENOTCONN;
	reason = xpmd_wire_encode(frame, body, &body_length, &data_length);
	if (reason) {
		xpmd_log(LOG_ERR, "a frame of type %d can't be sent: %s", frame->type,
			 xpmd_wire_text(reason));
		return -EINVAL;
	}
	t->peers[i].before.denied += xpmd_transport_is_denial(frame);
	return queue_frame(t, (size_t)i, frame, body, body_length, data_length);
}

/* That a link is gone is heard from the event loop. */
void xpmd_transport_flush(struct xpmd_transport *t)
{
	for (unsigned int i = 0; i < 2; i++) {
		bool was_blocked = t->links[i].blocked;

		if (t->links[i].fd < 0 || !t->links[i].queued)
			continue;
		xpmd_net_link_flush(&t->links[i]);
		if (t->links[i].blocked != was_blocked)
			update_events(t, i);
	}
	need_no_later(t);
}

int xpmd_transport_binding(struct xpmd_transport *t, uint32_t partition, uint8_t binding[32])
{
	ssize_t i = find(t, partition);

	if (i < 0 || !xpmd_transport_is_up(t, partition))
		return -ENOTCONN;
	memcpy(binding, t->peers[i].binding, 32);
	return 0;
}

void xpmd_transport_counts(const struct xpmd_transport *t, uint32_t partition,
			   struct xpmd_transport_counts *counts)
{
	ssize_t i = find(t, partition);

	*counts = (struct xpmd_transport_counts){ 0 };
	if (i >= 0) {
		*counts = t->peers[i].before;
		if (t->shared) {
			add_numbers(t, (size_t)i, counts);
			counts->fabric_up = xpmd_transport_is_up(t, partition) &&
					    shared_value(&t->shared->partitions[i].fabric_up);
		}
	} else if (!partition) {
		counts->refused = t->refused_before;
		if (t->shared)
			counts->refused += shared_value(&t->shared->refused);
	}
}

bool xpmd_transport_is_up(const struct xpmd_transport *t, uint32_t partition)
{
	ssize_t i = find(t, partition);

	return i >= 0 && t->state == NET_READY && t->peers[i].session && !t->peers[i].ending &&
	       !t->broken;
}

int xpmd_transport_address(const struct xpmd_transport *t, size_t index, char *text, size_t size)
{
	if (index >= XPMD_NET_LISTENS_MAX || !t->listens[index][0])
		return -ENOENT;
	snprintf(text, size, "%s", t->listens[index]);
	return 0;
}

void xpmd_net_client_counts(const struct xpmd_transport *t, struct xpmd_net_counts *counts)
{
	*counts = t->counts;
	counts->up = t->state == NET_READY;
}
