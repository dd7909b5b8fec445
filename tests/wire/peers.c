// SPDX-License-Identifier: GPL-2.0-or-later
/* See peers.h.  The log of the transport is this file's: nothing is written by it. */
#define _GNU_SOURCE
#include "peers.h"

#include "address.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

sd_event *event;
char directory[] = "/tmp/xpmem-test-XXXXXX";
char log_text[65536];
static size_t log_length;
static char *paths[32];
static unsigned int nr_paths;

static void append_log(const char *format, va_list arguments)
{
	int length;

	if (!log_text[0]) /* also when a test has emptied it */
		log_length = 0;
	length = vsnprintf(log_text + log_length, sizeof(log_text) - log_length, format,
			   arguments);
	log_length += (size_t)length;
	if (log_length > sizeof(log_text) - 2)
		log_length = sizeof(log_text) - 2;
	log_text[log_length++] = '\n';
	log_text[log_length] = 0;
}

void xpmd_log(int priority, const char *format, ...)
{
	va_list arguments;

	(void)priority;
	va_start(arguments, format);
	append_log(format, arguments);
	va_end(arguments);
}

void xpmd_log_of(int priority, uint32_t partition, int64_t segid, const char *format, ...)
{
	va_list arguments;

	(void)priority;
	(void)partition;
	(void)segid;
	va_start(arguments, format);
	append_log(format, arguments);
	va_end(arguments);
}

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void run_for(unsigned int ms)
{
	uint64_t deadline = now_ms() + ms;

	while (now_ms() < deadline)
		ck_assert_int_ge(sd_event_run(event, 5000), 0);
}

static bool is_vsock(void)
{
	const char *transport = getenv("XPMEM_TEST_TRANSPORT");

	return transport && !strcmp(transport, "vsock");
}

unsigned int patience(void)
{
	const char *text = getenv("XPMEM_TEST_PATIENCE");

	return text && atoi(text) > 0 ? (unsigned int)atoi(text) : 1;
}

const char *nobody_there(void)
{
	return is_vsock() ? "Connection reset by peer" : "Connection refused";
}

/* AF_VSOCK finds no free port by itself that could be told before. */
static void any_address(char *text, size_t size)
{
	static unsigned int port;

	if (!is_vsock()) {
		snprintf(text, size, "tcp://127.0.0.1:0");
		return;
	}
	if (!port)
		port = 1024 + (unsigned int)getpid() * 16;
	snprintf(text, size, "vsock://1:%u", port++);
}

void peers_begin(void)
{
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_ge(sd_event_new(&event), 0);
}

void peers_end(void)
{
	struct dirent *entry;
	DIR *dir = opendir(directory);

	while ((entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	rmdir(directory);
	while (nr_paths)
		free(paths[--nr_paths]);
	sd_event_unref(event);
}

char *make_file(const char *name, const char *text, unsigned int mode)
{
	char *path;
	int fd;

	ck_assert_int_gt(asprintf(&path, "%s/%s", directory, name), 0);
	ck_assert_uint_lt(nr_paths, sizeof(paths) / sizeof(*paths));
	paths[nr_paths++] = path;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

char *make_key(const char *name, int variant)
{
	char text[66];

	memset(text, 'a' + variant, 64);
	text[64] = '\n';
	text[65] = 0;
	return make_file(name, text, 0600);
}

/* ----------------------------------------------------------- operations */

static void on_hello(void *ctx, struct xpmd_hello *hello)
{
	struct peer *peer = ctx;

	*hello = (struct xpmd_hello){
		.partition = peer->number,
		.incarnation = peer->incarnation,
		.lease_ns = peer->lease_ns,
		.skew_ns = 100000000,
		.grace_ns = PEERS_GRACE_NS,
		.features = peer->features,
	};
}

static void on_up(void *ctx, uint32_t partition, const struct xpmd_hello *other)
{
	struct peer *peer = ctx;

	ck_assert_uint_eq(partition, other->partition);
	if (partition <= PEERS_MAX) {
		ck_assert(!peer->is_up[partition]);
		peer->is_up[partition] = true;
	}
	peer->ups++;
	peer->other = *other;
}

static void on_down(void *ctx, uint32_t partition, const char *why)
{
	struct peer *peer = ctx;

	if (partition <= PEERS_MAX) {
		ck_assert(peer->is_up[partition]);
		peer->is_up[partition] = false;
	}
	peer->downs++;
	snprintf(peer->why, sizeof(peer->why), "%s", why);
}

static void on_message(void *ctx, uint32_t partition, const struct xpmd_msg *msg)
{
	struct peer *peer = ctx;
	unsigned int i;

	(void)partition;
	peer->messages++;
	peer->msg = *msg;
	for (i = 0; i < 4; i++)
		peer->data_bytes += (uint64_t)__builtin_popcountll(msg->mask[i]) * XPMD_PAGE;
	if (peer->on_message)
		peer->on_message(peer, msg);
}

static void on_challenge(void *ctx, uint32_t partition, uint64_t id)
{
	struct peer *peer = ctx;

	(void)partition;
	peer->challenges++;
	peer->challenge_id = id;
}

static void on_challenged(void *ctx, uint32_t partition, uint64_t id, const uint8_t nonce[32])
{
	struct peer *peer = ctx;

	(void)partition;
	peer->challenged++;
	peer->challenge_id = id;
	memcpy(peer->nonce, nonce, 32);
}

static void on_open(void *ctx, uint32_t partition, const struct xpmd_open *open)
{
	struct peer *peer = ctx;

	(void)partition;
	peer->opens++;
	peer->open = *open;
	snprintf(peer->credential, sizeof(peer->credential), "%s", open->credential);
}

static void on_opened(void *ctx, uint32_t partition, const struct xpmd_opened *opened)
{
	struct peer *peer = ctx;

	(void)partition;
	peer->openeds++;
	peer->opened = *opened;
}

static void on_attach(void *ctx, uint32_t partition, const struct xpmd_attach *attach)
{
	struct peer *peer = ctx;

	(void)partition;
	peer->attaches++;
	peer->attach = *attach;
}

static void on_attached(void *ctx, uint32_t partition, const struct xpmd_attached *attached)
{
	struct peer *peer = ctx;

	(void)partition;
	peer->attacheds++;
	peer->attached = *attached;
}

static void on_close(void *ctx, uint32_t partition, const struct xpmd_close *close_)
{
	struct peer *peer = ctx;

	(void)partition;
	peer->closes++;
	peer->close = *close_;
}

static const struct xpmd_session_ops ops = {
	.hello = on_hello,
	.up = on_up,
	.down = on_down,
	.message = on_message,
	.challenge = on_challenge,
	.challenged = on_challenged,
	.open = on_open,
	.opened = on_opened,
	.attach = on_attach,
	.attached = on_attached,
	.close = on_close,
};

/* --------------------------------------------------------------- peers */

void peer_init(struct peer *peer, uint32_t number)
{
	*peer = (struct peer){
		.number = number, .incarnation = 1000 + number, .lease_ns = 3000000000,
	};
	any_address(peer->listen_text, sizeof(peer->listen_text));
	peer->listen[0] = peer->listen_text;
	peer->config = (struct xpmd_transport_config){
		.self = number,
		.self_name = "self",
		.listen = peer->listen,
		.partitions = peer->partitions,
		.send_limit = PEERS_LIMIT_MIB << 20,
		.fabric = peers_fabric(),
		.fabric_min = XPMD_PAGE,
	};
}

const char *peers_fabric(void)
{
	return getenv("XPMEM_TEST_FABRIC");
}

bool fabric_is_up(const struct peer *peer, uint32_t partition)
{
	struct xpmd_transport_counts counts;

	xpmd_transport_counts(peer->transport, partition, &counts);
	return counts.fabric_up;
}

struct xpmd_partition *peer_knows(struct peer *peer, uint32_t number, const char *name,
				  const char *address, char *key_file)
{
	struct xpmd_partition *partition = &peer->partitions[peer->config.nr_partitions++];

	*partition = (struct xpmd_partition){
		.number = number,
		.name = (char *)name,
		.address = (char *)address,
		.key_file = key_file,
		.fabric = peers_fabric() != NULL,
	};
	return partition;
}

#ifdef XPMEMD_NET
int peer_start_with(struct peer *peer, const struct xpmd_net_config *net)
{
	return xpmd_net_client_new(&peer->transport, event, &peer->config, net, &ops, peer);
}

/* The transport is another process's: that of net_client.h. */
static int new_transport(struct peer *peer)
{
	struct xpmd_net_config net = { 0 };
	int rc = xpmd_net_start_program(&peer->start, XPMEMD_NET);

	if (rc < 0)
		return rc;
	net.start = peer->start;
	ck_assert_int_eq(xpmd_net_start_user("nobody", &net.uid, &net.gid), 0);
	rc = peer_start_with(peer, &net);
	if (rc < 0) {
		xpmd_net_start_free(peer->start);
		peer->start = NULL;
	}
	return rc;
}
#else
static int new_transport(struct peer *peer)
{
	int rc = xpmd_transport_new(&peer->transport, event, &peer->config, &ops, peer);

	if (!rc)
		rc = xpmd_transport_listen_fabric(peer->transport);
	if (rc < 0)
		peer_stop(peer);
	return rc;
}
#endif

int peer_start(struct peer *peer)
{
	int rc = new_transport(peer);

	if (!rc && peer->config.listen[0])
		ck_assert_int_eq(xpmd_transport_address(peer->transport, 0, peer->address,
							sizeof(peer->address)), 0);
	return rc;
}

void peer_stop(struct peer *peer)
{
	xpmd_transport_free(peer->transport);
	peer->transport = NULL;
#ifdef XPMEMD_NET
	xpmd_net_start_free(peer->start);
	peer->start = NULL;
#endif
	memset(peer->is_up, 0, sizeof(peer->is_up));
}

uint64_t refused(const struct peer *peer, uint32_t partition)
{
	struct xpmd_transport_counts counts;

	xpmd_transport_counts(peer->transport, partition, &counts);
	return counts.refused;
}

int connect_plainly(const struct peer *peer)
{
	struct xpmd_address address;
	int fd;

	ck_assert_int_eq(xpmd_address_parse(&address, peer->address), 0);
	fd = socket(address.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address.bytes, address.length), 0);
	return fd;
}
