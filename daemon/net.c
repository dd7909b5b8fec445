// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xpmemd-net: the process that others on the network speak with.  It has the sockets, TLS
 * and the keys, and reads frames; it knows nothing of memory, of the module, or of users.
 * net_record.h is what it says to xpmemd, which it serves until that ends.
 *
 * In the order of its life: it is told what to do, listens, gives up all that it does not
 * need for the rest, and runs the transport.
 */
#define _GNU_SOURCE
#include "config.h"
#include "log.h"
#include "loop.h"
#include "net_http.h"
#include "net_link.h"
#include "net_sandbox.h"
#include "privilege.h"
#include "rma.h"
#include "transport_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_USEC	100000u
#define SETUP_MSEC	10000
#define ALARM_SECONDS	30		/* of processor time, in which the event loop comes round */
#define ALARM_USEC	5000000ull
#define HOLD_BYTES	(8u << 20)	/* xpmemd does not read: nothing more for it */
#define GO_ON_BYTES	(1u << 20)
#define PUBLISHED	8u		/* partitions whose numbers are told in a turn, in turn */
#define MEMORY_BASE	(256ull << 20)
#define MEMORY_EACH	(16ull << 20)	/* of a partition, beside what waits for it */
#define DESCRIPTORS_BASE 192u
/* More with a fabric, and of each partition on it: its rings, what libfabric has, a thread */
#define FABRIC_MEMORY_BASE (128ull << 20)
#define FABRIC_MEMORY_EACH (24ull << 20)
#define FABRIC_DESCRIPTORS_BASE 64u
#define FABRIC_DESCRIPTORS_EACH 32u
#define FABRIC_THREADS_BASE 64u	/* some may still look for a way that is not there */

struct file {
	char *path;
	int fd;
};

struct of_session {
	uint32_t number;		/* 0: none */
	uint64_t taken[2];		/* bytes of FRAMEs in it */
};

static struct net {
	sd_event *event;
	struct xpmd_net_link links[2];
	struct xpmd_net_setup setup;
	struct xpmd_net_shared *shared;
	struct xpmd_transport_config config;
	struct xpmd_transport *transport;
	struct xpmd_net_http *http;
	struct of_session *sessions;	/* in the order of the partitions */
	uint32_t last_session;
	size_t next_published;
	sd_event_source *io[2];
	struct file *files;
	size_t nr_files;
	char **listen;
	size_t nr_listen;
	struct xpmd_partition *partitions;
	size_t nr_partitions;
	size_t on_fabric;		/* of them */
	bool complete;			/* BEGIN has come */
} net = { .links = { { .fd = -1 }, { .fd = -1 } } };

static _Noreturn void quit(void)
{
	if (net.links[XPMD_URGENT].fd >= 0 && net.links[XPMD_URGENT].memory)
		xpmd_net_link_flush(&net.links[XPMD_URGENT]);
	/* Without the work of exit(), for which system calls are not there any more. */
	_exit(EXIT_FAILURE);
}

/* ------------------------------------------------------------------ log */

static void send_log(int priority, uint32_t partition, int64_t segid, const char *format,
		     va_list arguments)
{
	struct xpmd_net_head head = {
		.type = XPMD_NET_LOG,
		.session = (uint32_t)(priority & LOG_PRIMASK),
		.partition = partition,
		.value = (uint64_t)segid,
	};
	struct xpmd_net_link *link = &net.links[XPMD_URGENT];
	char text[XPMD_NET_TEXT_MAX];

	if (head.session == LOG_DEBUG && !net.setup.debug)
		return;
	vsnprintf(text, sizeof(text), format, arguments);
	if (!link->memory)
		fprintf(stderr, "xpmemd-net: %s\n", text);
	else if (xpmd_net_link_send(link, &head, text, strlen(text) + 1, NULL, 0) < 0)
		quit();
}

void xpmd_log(int priority, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	send_log(priority, 0, 0, format, arguments);
	va_end(arguments);
}

void xpmd_log_of(int priority, uint32_t partition, int64_t segid, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	send_log(priority, partition, segid, format, arguments);
	va_end(arguments);
}

/* ------------------------------------------------------------ to xpmemd */

static void send_record(enum xpmd_channel channel, const struct xpmd_net_head *head,
			const void *body, size_t body_length, const void *data, size_t data_length)
{
	/* Without memory for what it says it would be another that xpmemd believes in. */
	if (xpmd_net_link_send(&net.links[channel], head, body, body_length, data, data_length) < 0)
		quit();
}

static void flush_link(enum xpmd_channel channel)
{
	struct xpmd_net_link *link = &net.links[channel];
	bool was_blocked = link->blocked;

	if (link->queued && xpmd_net_link_flush(link) < 0)
		_exit(EXIT_SUCCESS);
	if (link->blocked != was_blocked)
		sd_event_source_set_io_events(net.io[channel],
					      link->blocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static size_t index_of(uint32_t partition)
{
	size_t i = 0;

	while (i < net.nr_partitions && net.partitions[i].number != partition)
		i++;
	return i;
}

static void publish_one(size_t i)
{
	struct xpmd_net_numbers *numbers = &net.shared->partitions[i];
	uint32_t partition = net.partitions[i].number;
	struct xpmd_transport_counts counts;

	xpmd_transport_counts(net.transport, partition, &counts);
#define TELL(to, value) __atomic_store_n(&(to), value, __ATOMIC_RELEASE)
	for (unsigned int c = 0; c < 2; c++) {
		uint64_t queued = xpmd_transport_queued(net.transport, partition, c);
		uint64_t taken = net.sessions[i].taken[c];

		TELL(numbers->sent[c], counts.sent[c]);
		TELL(numbers->received[c], counts.received[c]);
		TELL(numbers->done[c], taken > queued ? taken - queued : 0);
	}
	TELL(numbers->frames_sent, counts.frames_sent);
	TELL(numbers->frames_received, counts.frames_received);
	TELL(numbers->refused, counts.refused);
	TELL(numbers->sessions, counts.sessions);
	TELL(numbers->fabric_sent, counts.fabric_sent);
	TELL(numbers->fabric_received, counts.fabric_received);
	TELL(numbers->fabric_up, counts.fabric_up);
}

static void on_frame(void *ctx, uint32_t partition, const struct xpmd_wire_frame *frame)
{
	size_t i = index_of(partition);
	struct xpmd_net_head head = {
		.type = XPMD_NET_FRAME,
		.partition = partition,
		.session = net.sessions[i].number,
	};
	uint8_t body[XPMD_WIRE_BODY_MAX];
	size_t body_length, data_length;

	(void)ctx;
	/* A session that could not begin, and has not ended yet */
	if (!head.session)
		return;
	/* It was decoded a moment ago, so it can be encoded. */
	if (xpmd_wire_encode(frame, body, &body_length, &data_length))
		quit();
	send_record(frame->channel, &head, body, body_length,
		    data_length ? frame->msg.data : NULL, data_length);
	/* Somebody waits for it: xpmemd is to be awake before the turn is over. */
	if (frame->channel == XPMD_URGENT && !net.links[XPMD_URGENT].blocked) {
		publish_one(i);
		flush_link(XPMD_URGENT);
	}
}

static void on_hello(void *ctx, struct xpmd_hello *hello)
{
	struct timespec ts;
	uint64_t now;

	(void)ctx;
	clock_gettime(CLOCK_BOOTTIME, &ts);
	now = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	*hello = (struct xpmd_hello){
		.partition = net.setup.self,
		.incarnation = net.setup.incarnation,
		.lease_ns = net.setup.lease_ns,
		.skew_ns = net.setup.skew_ns,
		.grace_ns = net.setup.grace_until > now ? net.setup.grace_until - now : 0,
		.features = net.setup.features,
	};
}

static void on_up(void *ctx, uint32_t partition, const struct xpmd_hello *other)
{
	size_t i = index_of(partition), body_length, data_length;
	struct xpmd_net_head head = { .type = XPMD_NET_UP, .partition = partition };
	struct xpmd_wire_frame frame = {
		.type = XPMEM_PROTO_HELLO, .hello = { .hello = *other, .to = net.setup.self },
	};
	struct xpmd_net_up up;

	(void)ctx;
	if (xpmd_wire_encode(&frame, &up.hello, &body_length, &data_length) ||
	    xpmd_transport_binding(net.transport, partition, up.binding) < 0) {
		xpmd_transport_end(net.transport, partition, "it ended while it began");
		return;
	}
	net.sessions[i] = (struct of_session){ .number = ++net.last_session };
	for (unsigned int c = 0; c < 2; c++)
		__atomic_store_n(&net.shared->partitions[i].done[c], 0, __ATOMIC_RELEASE);
	head.session = net.last_session;
	send_record(XPMD_URGENT, &head, &up, sizeof(up), NULL, 0);
}

static void on_down(void *ctx, uint32_t partition, const char *why)
{
	struct of_session *session = &net.sessions[index_of(partition)];
	struct xpmd_net_head head = {
		.type = XPMD_NET_DOWN, .partition = partition, .session = session->number,
	};

	(void)ctx;
	if (session->number)
		send_record(XPMD_URGENT, &head, why, strlen(why) + 1, NULL, 0);
	session->number = 0;
}

static const struct xpmd_session_ops session_ops = {
	.hello = on_hello,
	.up = on_up,
	.down = on_down,
	.frame = on_frame,
};

static void ask_metrics(void *ctx)
{
	const struct xpmd_net_head head = { .type = XPMD_NET_METRICS };

	(void)ctx;
	send_record(XPMD_URGENT, &head, NULL, 0, NULL, 0);
}

static const struct xpmd_net_http_ops http_ops = { ask_metrics };

/* ---------------------------------------------------------- from xpmemd */

static void take_frame(enum xpmd_channel channel, size_t i)
{
	const struct xpmd_net_link *link = &net.links[channel];
	struct xpmd_wire_frame frame;

	if (xpmd_wire_decode(&frame, xpmd_net_link_body(link), link->head.body,
			     xpmd_net_link_data(link), link->head.data) ||
	    xpmd_wire_is_of_session(&frame))
		quit();
	/* A session that ends has no use for it. */
	if (xpmd_transport_frame(net.transport, link->head.partition, &frame) == 0)
		net.sessions[i].taken[channel] += link->head.body + link->head.data;
}

static void take_record(enum xpmd_channel channel)
{
	const struct xpmd_net_link *link = &net.links[channel];
	size_t i = index_of(link->head.partition);
	bool is_now = i < net.nr_partitions && link->head.session &&
		      net.sessions[i].number == link->head.session;
	const char *why;

	switch (link->head.type) {
	case XPMD_NET_FRAME:
		if (is_now)
			take_frame(channel, i);
		break;
	case XPMD_NET_END:
		why = xpmd_net_link_text(link);
		if (is_now && why)
			xpmd_transport_end(net.transport, link->head.partition, why);
		break;
	case XPMD_NET_METRICS:
		if (net.http)
			xpmd_net_http_text(net.http, xpmd_net_link_body(link), link->head.body,
					   link->head.value != 0);
		break;
	default:
		quit();
	}
}

static int on_link(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	enum xpmd_channel channel = source == net.io[XPMD_BULK] ? XPMD_BULK : XPMD_URGENT;
	size_t budget = channel == XPMD_BULK ? 256 * 1024 : 1024 * 1024, length;
	struct xpmd_net_link *link = &net.links[channel];
	int rc;

	(void)fd;
	(void)userdata;
	if (!(revents & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return 0;
	do {
		rc = xpmd_net_link_receive(link, NULL, 0, NULL);
		if (rc < 0)
			_exit(rc == -EPIPE ? EXIT_SUCCESS : EXIT_FAILURE);
		length = rc ? sizeof(link->head) + link->head.body + link->head.data : 0;
		if (rc)
			take_record(channel);
		budget -= length < budget ? length : budget;
	} while (link->more && budget);
	xpmd_transport_flush(net.transport);
	return 0;
}

/* ---------------------------------------------------------- after a turn */

static void publish(void)
{
	struct xpmd_transport_counts counts;

	for (size_t n = 0; n < PUBLISHED && n < net.nr_partitions; n++) {
		publish_one(net.next_published);
		net.next_published = (net.next_published + 1) % net.nr_partitions;
	}
	xpmd_transport_counts(net.transport, 0, &counts);
	TELL(net.shared->refused, counts.refused);
}

/* Who does not read is not sent more, nor is more received for it. */
static void hold_back(enum xpmd_channel channel)
{
	const struct xpmd_net_link *link = &net.links[channel];

	if (link->queued > HOLD_BYTES)
		xpmd_transport_hold(net.transport, channel, true);
	else if (link->queued < GO_ON_BYTES)
		xpmd_transport_hold(net.transport, channel, false);
}

static void on_turn(void *userdata)
{
	(void)userdata;
	/* Who hears of something finds it counted. */
	publish();
	flush_link(XPMD_URGENT);
	xpmd_transport_flush(net.transport);
	flush_link(XPMD_BULK);
	hold_back(XPMD_URGENT);
	hold_back(XPMD_BULK);
}

/* Whoever makes it turn in a circle, it does not do so for long: SIGPROF ends it. */
static int on_alarm(sd_event_source *source, uint64_t usec, void *userdata)
{
	const struct itimerval timer = { .it_value.tv_sec = ALARM_SECONDS };

	(void)usec;
	(void)userdata;
	setitimer(ITIMER_PROF, &timer, NULL);
	sd_event_source_set_time_relative(source, ALARM_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ------------------------------------------------------------ beginning */

static int open_file(void *ctx, const char *path)
{
	(void)ctx;
	for (size_t i = 0; i < net.nr_files; i++)
		if (net.files[i].fd >= 0 && !strcmp(net.files[i].path, path)) {
			int fd = net.files[i].fd;

			/* One file may be several partitions'. */
			net.files[i].fd = -1;
			return fd;
		}
	return -ENOENT;
}

static void *grow(void *list, size_t count, size_t size)
{
	list = reallocarray(list, count + 1, size);
	if (!list)
		quit();
	return list;
}

static char *copy_of(const char *text)
{
	char *copy = strdup(text ? text : "");

	if (!copy || !text)
		quit();
	return copy;
}

/* What xpmemd has checked when it read it, once more */
static bool fabric_is_right(const struct xpmd_net_setup *setup)
{
	if (!memchr(setup->fabric, 0, sizeof(setup->fabric)))
		return false;
	if (!setup->fabric[0])
		return true;
	return !xpmd_rma_check(setup->fabric) && setup->fabric_min >= XPMD_PAGE &&
	       setup->fabric_min <= XPMD_WIRE_DATA_MAX;
}

static void take_setup(const struct xpmd_net_link *link, const int *fds, unsigned int nr_fds)
{
	size_t size;
	void *memory;

	if (link->head.body != sizeof(net.setup) || nr_fds != 2 || net.shared)
		quit();
	memcpy(&net.setup, xpmd_net_link_body(link), sizeof(net.setup));
	if (!fabric_is_right(&net.setup))
		quit();
	size = sizeof(*net.shared) + net.setup.partitions * sizeof(net.shared->partitions[0]);
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0);
	close(fds[1]);
	if (memory == MAP_FAILED || xpmd_net_link_init(&net.links[XPMD_BULK], fds[0]) < 0)
		quit();
	net.shared = memory;
}

static void take_partition(const struct xpmd_net_link *link)
{
	char *strings[3];
	const char *text = xpmd_net_link_body(link), *end = text + link->head.body;
	bool fabric = link->head.value & XPMD_NET_HAS_FABRIC;

	if (link->head.value & ~(uint64_t)XPMD_NET_HAS_ALL ||
	    (fabric && !(net.shared && net.setup.fabric[0])))
		quit();
	for (unsigned int i = 0; i < 3; i++) {
		strings[i] = NULL;
		if (!(link->head.value >> i & 1))
			continue;
		if (!memchr(text, 0, (size_t)(end - text)))
			quit();
		strings[i] = copy_of(text);
		text += strlen(text) + 1;
	}
	net.partitions = grow(net.partitions, net.nr_partitions, sizeof(*net.partitions));
	net.partitions[net.nr_partitions++] = (struct xpmd_partition){
		.number = link->head.partition,
		.name = strings[0],
		.address = strings[1],
		.key_file = strings[2],
		.fabric = fabric,
	};
	net.on_fabric += fabric;
}

/* xpmemd is believed; but what can't be is not made into something. */
static void take_beginning(const struct xpmd_net_link *link, const int *fds, unsigned int nr_fds)
{
	switch (link->head.type) {
	case XPMD_NET_SETUP:
		take_setup(link, fds, nr_fds);
		return;
	case XPMD_NET_FILE:
		if (nr_fds != 1)
			quit();
		net.files = grow(net.files, net.nr_files, sizeof(*net.files));
		net.files[net.nr_files++] = (struct file){
			.path = copy_of(xpmd_net_link_text(link)), .fd = fds[0],
		};
		return;
	case XPMD_NET_LISTEN:
		net.listen = grow(net.listen, net.nr_listen + 1, sizeof(*net.listen));
		net.listen[net.nr_listen++] = copy_of(xpmd_net_link_text(link));
		net.listen[net.nr_listen] = NULL;
		return;
	case XPMD_NET_PARTITION:
		take_partition(link);
		return;
	case XPMD_NET_BEGIN:
		net.complete = net.shared && net.nr_partitions == net.setup.partitions;
		if (net.complete)
			return;
		/* fall through */
	default:
		quit();
	}
}

static void be_told(void)
{
	struct xpmd_net_link *link = &net.links[XPMD_URGENT];
	const struct xpmd_net_head hello = { .type = XPMD_NET_HELLO };

	send_record(XPMD_URGENT, &hello, XPMEM_VERSION, sizeof(XPMEM_VERSION), NULL, 0);
	if (xpmd_net_link_flush(link) < 0)
		quit();
	while (!net.complete) {
		struct pollfd poll_fd = { .fd = link->fd, .events = POLLIN };
		unsigned int nr_fds;
		int fds[2], rc = xpmd_net_link_receive(link, fds, 2, &nr_fds);

		if (rc < 0 || (rc == 0 && poll(&poll_fd, 1, SETUP_MSEC) <= 0))
			quit();
		if (rc > 0)
			take_beginning(link, fds, nr_fds);
	}
}

static const char *or_none(const char *text)
{
	return *text ? text : NULL;
}

static int begin_transport(void)
{
	static const char *const nowhere[] = { NULL };
	int rc = -ENOMEM;

	net.config = (struct xpmd_transport_config){
		.self = net.setup.self,
		.self_name = net.setup.self_name,
		.listen = net.listen ? (const char *const *)net.listen : nowhere,
		.partitions = net.partitions,
		.nr_partitions = net.nr_partitions,
		.certificate = or_none(net.setup.certificate),
		.key = or_none(net.setup.key),
		.authority = or_none(net.setup.authority),
		/* xpmemd counts what waits, and a little later than it is here. */
		.send_limit = net.setup.send_limit ? net.setup.send_limit * 2 : 0,
		.open_file = open_file,
		.fabric = or_none(net.setup.fabric),
		.fabric_min = net.setup.fabric_min,
	};
	net.sessions = calloc(net.nr_partitions + 1, sizeof(*net.sessions));
	if (net.sessions)
		rc = xpmd_transport_new(&net.transport, net.event, &net.config, &session_ops, NULL);
	if (rc >= 0 && net.setup.metrics[0])
		rc = xpmd_net_http_new(&net.http, net.event, net.setup.metrics, &http_ops, NULL);
	for (size_t i = 0; i < net.nr_files; i++)
		if (net.files[i].fd >= 0)
			close(net.files[i].fd);
	return rc;
}

static int begin_loop(void)
{
	sd_event_source *timer;
	int rc = 0;

	for (unsigned int i = 0; i < 2 && rc >= 0; i++)
		rc = sd_event_add_io(net.event, &net.io[i], net.links[i].fd, EPOLLIN, on_link,
				     NULL);
	if (rc >= 0)
		rc = sd_event_source_set_priority(net.io[XPMD_BULK], SD_EVENT_PRIORITY_NORMAL + 1);
	if (rc >= 0)
		rc = sd_event_add_time_relative(net.event, &timer, CLOCK_MONOTONIC, 0, 0, on_alarm,
						NULL);
	return rc;
}

static void tell_ready(void)
{
	struct xpmd_net_head head = { .type = XPMD_NET_LISTENS };
	char address[96];

	for (size_t i = 0; i < net.nr_listen && i < XPMD_NET_LISTENS_MAX; i++) {
		if (xpmd_transport_address(net.transport, i, address, sizeof(address)) < 0)
			continue;
		head.value = i;
		send_record(XPMD_URGENT, &head, address, strlen(address) + 1, NULL, 0);
	}
	head = (struct xpmd_net_head){ .type = XPMD_NET_READY };
	send_record(XPMD_URGENT, &head, NULL, 0, NULL, 0);
}

/* xpmemd may not be there yet, or again. */
static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path)) {
		fprintf(stderr, "xpmemd-net: %s: %s\n", path,
			strerror(fd < 0 ? errno : ENAMETOOLONG));
		exit(EXIT_FAILURE);
	}
	strcpy(address.sun_path, path);
	while (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		usleep(CONNECT_USEC);
	return fd;
}

static int find_xpmemd(int argc, char **argv)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	socklen_t length = sizeof(int);
	int option, type = 0, fd = -1;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (option) {
		case 's':
			fd = connect_to(optarg);
			break;
		case 'V':
			printf("xpmemd-net %s\n", XPMEM_VERSION);
			exit(EXIT_SUCCESS);
		case 'h':
			printf("usage: xpmemd-net [--socket=PATH]\n"
			       "Has the network for xpmemd, which starts it; see xpmemd(8).\n");
			exit(EXIT_SUCCESS);
		default:
			exit(EXIT_FAILURE);
		}
	if (fd >= 0)
		return fd;
	if (getsockopt(XPMD_NET_FD, SOL_SOCKET, SO_TYPE, &type, &length) < 0 ||
	    type != SOCK_SEQPACKET) {
		fprintf(stderr, "xpmemd-net is started by xpmemd, or needs --socket=PATH\n");
		exit(EXIT_FAILURE);
	}
	/* It is xpmemd that has to hear of these first, and then ends this. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	return XPMD_NET_FD;
}

/*
 * Locks itself in, and listens on the fabric: the kernel lets a fabric's devices be used by
 * who has opened them as the very same, so they are opened when nothing of that changes
 * any more, and before the last fence, with which no library is loaded.
 */
static int enter_sandbox(void)
{
	uint64_t limit = net.setup.send_limit ? net.setup.send_limit : 1ull << 30;
	uint64_t partitions = net.nr_partitions;
	struct xpmd_net_sandbox sandbox = {
		.uid = net.setup.uid,
		.gid = net.setup.gid,
		.descriptors = DESCRIPTORS_BASE + 2 * partitions + net.nr_listen,
		.memory = MEMORY_BASE + partitions * (MEMORY_EACH + 4 * limit),
		.fabric = net.on_fabric && xpmd_net_sandbox_takes_fabric() &&
			  !xpmd_rma_load(net.setup.fabric),
	};
	int rc;

	if (sandbox.fabric) {
		sandbox.descriptors += FABRIC_DESCRIPTORS_BASE +
				       FABRIC_DESCRIPTORS_EACH * net.on_fabric;
		sandbox.memory += FABRIC_MEMORY_BASE + FABRIC_MEMORY_EACH * net.on_fabric;
		sandbox.threads = FABRIC_THREADS_BASE + net.on_fabric;
	}
	rc = xpmd_net_sandbox_begin(&sandbox);
	if (rc >= 0 && sandbox.fabric && xpmd_transport_listen_fabric(net.transport) < 0)
		sandbox.fabric = false;
	if (rc >= 0 && net.on_fabric && !sandbox.fabric)
		xpmd_log(LOG_ERR, "going on without the fabric: pages go by TLS");
	return rc < 0 ? rc : xpmd_net_sandbox_end(&sandbox);
}

int main(int argc, char **argv)
{
	int rc;

	prctl(PR_SET_NAME, "xpmemd-net", 0, 0, 0);
	rc = xpmd_net_link_init(&net.links[XPMD_URGENT], find_xpmemd(argc, argv));
	if (rc < 0)
		return EXIT_FAILURE;
	fcntl(net.links[XPMD_URGENT].fd, F_SETFD, FD_CLOEXEC);
	be_told();
	xpmd_privilege_pin(net.links[XPMD_URGENT].fd != XPMD_NET_FD);
	rc = sd_event_new(&net.event);
	if (rc >= 0)
		rc = begin_transport();
	if (rc >= 0)
		rc = begin_loop();
	if (rc >= 0)
		rc = enter_sandbox();
	if (rc < 0)
		quit();
	tell_ready();
	xpmd_loop(net.event, on_turn, NULL);
	quit();
}
