// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xpmemd's side of xpmemd-net, from the first packet: one for which somebody else speaks.
 * The input is a program: an operation a byte, some followed by arguments.
 *
 * sources: daemon/net_client.c daemon/net_link.c daemon/net_setup.c
 * sources: daemon/transport_calls.c daemon/wire.c
 * sources: tests/fuzz/checked_session.c
 */
#define _GNU_SOURCE
#include "checked_session.h"
#include "config.h"
#include "net_client.h"
#include "net_link.h"
#include "wire.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static sd_event *event;
static const struct xpmd_net_start_ops *came_ops;
static void *came_ctx;
static struct xpmd_net_link links[2];
static struct xpmd_net_shared *shared;
static uint32_t session;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* ---------------------------------------------- net_start.h, of this process */

int xpmd_net_start_attach(struct xpmd_net_start *start, sd_event *loop,
			  const struct xpmd_net_start_ops *ops, void *ctx)
{
	(void)start;
	(void)loop;
	came_ops = ops;
	came_ctx = ctx;
	return 0;
}

void xpmd_net_start_detach(struct xpmd_net_start *start)
{
	(void)start;
}

bool xpmd_net_start_is_program(const struct xpmd_net_start *start)
{
	(void)start;
	return false;
}

int xpmd_net_start_one(struct xpmd_net_start *start)
{
	(void)start;
	return -1;
}

void xpmd_net_start_kill(struct xpmd_net_start *start)
{
	(void)start;
}

/* ----------------------------------------------------------- operations */

static void on_down(void *ctx, uint32_t partition, const char *why)
{
	(void)ctx;
	expect(is_up && partition == 2);
	seen += strlen(why);
	is_up = false;
}

static void on_message(void *ctx, uint32_t partition, const struct xpmd_msg *msg)
{
	struct xpmd_msg answer = { .type = XPMD_RENEWED, .id = msg->id, .incarnation = 11 };

	(void)ctx;
	expect(is_up && partition == 2);
	check_message(msg);
	expect((uintptr_t)msg->data % XPMD_PAGE == 0);
	xpmd_transport_send(transport, 2, XPMD_URGENT, &answer);
}

static void on_challenge(void *ctx, uint32_t partition, uint64_t id)
{
	static const uint8_t nonce[32];

	(void)ctx;
	expect(is_up);
	xpmd_transport_challenge(transport, partition, id, nonce);
}

static const struct xpmd_session_ops ops = {
	CHECKED_SESSION_OPS,
	.down = on_down,
	.message = on_message,
	.challenge = on_challenge,
};

static void write_metrics(void *ctx, FILE *to)
{
	(void)ctx;
	fprintf(to, "%40000d\n", 1);
}

/* ------------------------------------------------------------- the other */

static void turn(void)
{
	unsigned int i;

	for (i = 0; i < 100 && sd_event_run(event, 0) > 0; i++)
		;
}

static void hang_up(void)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		if (links[i].memory)
			xpmd_net_link_destroy(&links[i]);
	if (shared)
		munmap(shared, 4096);
	shared = NULL;
	turn();
}

static void say(unsigned int channel, const struct xpmd_net_head *head, const void *body,
		size_t body_length, const void *data, size_t data_length)
{
	if (!links[channel].memory)
		return;
	expect(!xpmd_net_link_send(&links[channel], head, body, body_length, data, data_length));
	xpmd_net_link_flush(&links[channel]);
	turn();
}

/* What xpmemd says is read, and its descriptors taken. */
static void listen_to(void)
{
	unsigned int nr_fds;
	int fds[2], rc;

	while (links[XPMD_URGENT].memory &&
	       ((rc = xpmd_net_link_receive(&links[XPMD_URGENT], fds, 2, &nr_fds)) > 0 ||
		links[XPMD_URGENT].more)) {
		if (rc > 0 && nr_fds == 2 && !shared) {
			expect(!xpmd_net_link_init(&links[XPMD_BULK], fds[0]));
			shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0);
			expect(shared != MAP_FAILED);
			close(fds[1]);
		} else if (rc > 0) {
			while (nr_fds)
				close(fds[--nr_fds]);
		}
	}
}

static void begin(void)
{
	static const struct xpmd_net_head hello = { .type = XPMD_NET_HELLO };
	int ends[2];

	hang_up();
	expect(!xpmd_net_pair(ends));
	came_ops->came(came_ctx, ends[0]);
	expect(!xpmd_net_link_init(&links[XPMD_URGENT], ends[1]));
	say(XPMD_URGENT, &hello, XPMEM_VERSION, sizeof(XPMEM_VERSION), NULL, 0);
	listen_to();
}

static void say_up(uint8_t what)
{
	struct xpmd_net_head head = {
		.type = XPMD_NET_UP, .partition = 2, .session = ++session,
	};
	struct xpmd_wire_frame frame = {
		.type = XPMEM_PROTO_HELLO,
		.hello = { .hello = { .partition = what & 1 ? 3 : 2, .incarnation = 22,
				      .lease_ns = 1 },
			   .to = 1 },
	};
	struct xpmd_net_up up = { .binding = { 1 } };
	size_t body_length, data_length;

	expect(!xpmd_wire_encode(&frame, &up.hello, &body_length, &data_length));
	say(XPMD_URGENT, &head, &up, sizeof(up), NULL, 0);
}

static size_t say_message(unsigned int channel, const uint8_t *bytes, size_t size)
{
	static const uint8_t pages[XPMD_WIRE_DATA_MAX];
	struct xpmd_net_head head = {
		.type = XPMD_NET_FRAME, .partition = 2, .session = session,
	};
	struct xpmd_wire_frame frame = {
		.type = size ? bytes[0] % 20 : 1,
		.channel = channel,
	};
	uint8_t body[XPMD_WIRE_BODY_MAX];
	size_t body_length, data_length;

	frame.msg = (struct xpmd_msg){
		.type = (enum xpmd_type)frame.type,
		.state = size > 1 ? bytes[1] % 3 : 0,
		.segid = size > 2 && bytes[2] % 4 ? SEGID_1 : SEGID_2,
		.count = size > 3 ? bytes[3] + 1u : 1,
		.id = 1,
		.incarnation = 22,
		.data = pages,
	};
	if (size > 2 && bytes[2] == 0xff)
		frame.msg.segid = 0;
	if (size > 4)
		memset(frame.msg.mask, bytes[4], frame.msg.count >= 256 ? 32 : 1);
	if (!xpmd_wire_encode(&frame, body, &body_length, &data_length))
		say(channel, &head, body, body_length, pages, data_length);
	return size < 5 ? size : 5;
}

/* One packet, as it is */
static void say_raw(unsigned int channel, const uint8_t *bytes, size_t size)
{
	if (links[channel].memory)
		(void)!send(links[channel].fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	turn();
}

/* A record with a right head, and any body */
static void say_any(unsigned int channel, const uint8_t *bytes, size_t size)
{
	struct xpmd_net_head head = { .partition = 2, .session = session };

	if (size < 4)
		return;
	head.type = bytes[0];
	head.partition = bytes[1] & 7;
	if (bytes[2])
		head.session = bytes[2];
	head.value = bytes[3];
	say(channel, &head, bytes + 4, size - 4, NULL, 0);
}

static void run_program(const uint8_t *bytes, size_t size)
{
	const struct xpmd_net_head ready = { .type = XPMD_NET_READY };
	struct xpmd_msg msg = { .type = XPMD_DENY, .segid = SEGID_1, .incarnation = 1 };

	while (size) {
		unsigned int op = bytes[0] & 15, channel = bytes[0] >> 4 & 1;
		size_t used = 0;

		bytes++;
		size--;
		switch (op) {
		case 0 ... 2:
		case 3 ... 6:
			used = size && bytes[0] + 1u < size ? bytes[0] + 1u : size;
			if (used && op < 3)
				say_raw(channel, bytes + 1, used - 1);
			else if (used)
				say_any(channel, bytes + 1, used - 1);
			break;
		case 7:
			begin();
			break;
		case 8:
			say(XPMD_URGENT, &ready, NULL, 0, NULL, 0);
			break;
		case 9:
			used = size ? 1 : 0;
			say_up(used ? bytes[0] : 0);
			break;
		case 10 ... 11:
			used = say_message(channel, bytes, size);
			break;
		case 12:
			hang_up();
			break;
		case 13:
			if (shared)
				memset(shared, size ? bytes[0] : 0xff, 256);
			break;
		case 14:
			msg.error = 1;
			xpmd_transport_send(transport, 2, XPMD_URGENT, &msg);
			xpmd_transport_flush(transport);
			break;
		default:
			listen_to();
			turn();
			break;
		}
		bytes += used;
		size -= used;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const char *const nowhere[] = { NULL };
	struct xpmd_partition partition = { .number = 2, .name = (char *)"two" };
	const struct xpmd_transport_config config = {
		.self = 1, .self_name = "one", .listen = nowhere, .partitions = &partition,
		.nr_partitions = 1, .send_limit = 1 << 20,
	};
	const struct xpmd_net_config net = {
		.metrics = "127.0.0.1:1", .write_metrics = write_metrics,
	};

	if (!event)
		expect(sd_event_new(&event) >= 0);
	is_up = false;
	session = 0;
	expect(!xpmd_net_client_new(&transport, event, &config, &net, &ops, NULL));
	begin();
	run_program(bytes, size);
	hang_up();
	expect(!is_up && !xpmd_transport_is_up(transport, 2));
	xpmd_transport_free(transport);
	transport = NULL;
	turn();
	return 0;
}
