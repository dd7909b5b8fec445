// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sessions, from the first byte after TLS: another partition that does anything on any
 * number of connections.  The input is a program: an operation a byte, some followed by
 * arguments.  The first byte says whether the other side is the client or the server,
 * and whether there is a fabric.
 *
 * sources: daemon/wire.c daemon/conn.c daemon/session.c daemon/transport.c
 * sources: daemon/transport_calls.c daemon/address.c daemon/queue.c daemon/fabric.c
 * sources: tests/fuzz/fake_tls.c tests/fuzz/fake_fabric.c tests/fuzz/checked_session.c
 */
#define _GNU_SOURCE
#include "checked_session.h"
#include "config.h"
#include "fake_fabric.h"
#include "wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNS	4

static sd_event *event;
static int conns[CONNS], listener = -1;
static uint8_t token[16], bytes_read[1 << 16];
static bool has_fabric;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* ----------------------------------------------------------- operations */

static void on_down(void *ctx, uint32_t partition, const char *why)
{
	(void)ctx;
	expect(is_up && partition == 2 && *why);
	is_up = false;
}

static void on_message(void *ctx, uint32_t partition, const struct xpmd_msg *msg)
{
	struct xpmd_msg answer = { .type = XPMD_RENEWED, .id = msg->id, .incarnation = 11 };

	(void)ctx;
	expect(is_up && partition == 2);
	check_message(msg);
	xpmd_transport_send(transport, 2, XPMD_URGENT, &answer);
	if (msg->type != XPMD_READ)
		return;
	answer = *msg;
	answer.type = XPMD_GRANT;
	answer.mask[0] = 1;
	answer.data = bytes_read;
	xpmd_transport_send(transport, 2, msg->id % 2 ? XPMD_URGENT : XPMD_BULK, &answer);
}

static void on_challenge(void *ctx, uint32_t partition, uint64_t id)
{
	(void)ctx;
	expect(is_up);
	xpmd_transport_challenge(transport, partition, id, bytes_read);
}

static const struct xpmd_session_ops ops = {
	CHECKED_SESSION_OPS,
	.down = on_down,
	.message = on_message,
	.challenge = on_challenge,
};

/* ------------------------------------------------------- the other side */

static void turn(void)
{
	unsigned int i;

	for (i = 0; i < 100 && sd_event_run(event, 0) > 0; i++)
		;
}

static void hang_up(unsigned int i)
{
	struct linger none = { .l_onoff = 1 };

	if (conns[i] >= 0) {
		/* Thousands of these would have no ports left otherwise. */
		turn();
		setsockopt(conns[i], SOL_SOCKET, SO_LINGER, &none, sizeof(none));
		close(conns[i]);
	}
	conns[i] = -1;
}

/* The other side calls, or takes the call */
static void connect_one(unsigned int i, const struct sockaddr_in *in)
{
	hang_up(i);
	if (listener >= 0) {
		conns[i] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
		return;
	}
	conns[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (connect(conns[i], (const struct sockaddr *)in, sizeof(*in)) < 0)
		turn();
}

static void send_bytes(unsigned int i, const void *bytes, size_t length)
{
	if (conns[i] >= 0)
		(void)!send(conns[i], bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void send_frame(unsigned int i, const struct xpmd_wire_frame *frame)
{
	static const uint8_t pages[XPMD_WIRE_DATA_MAX];
	uint8_t body[XPMD_WIRE_BODY_MAX];
	size_t body_length, data_length;

	if (xpmd_wire_encode(frame, body, &body_length, &data_length))
		return;
	send_bytes(i, body, body_length);
	send_bytes(i, pages, data_length);
}

/* A right HELLO; the token is what was last received in one */
static void send_hello(unsigned int i, enum xpmd_channel channel, bool with_token)
{
	struct xpmd_wire_frame frame = {
		.type = XPMEM_PROTO_HELLO,
		.channel = channel,
		.hello = {
			.hello = { .partition = 2, .incarnation = 22, .lease_ns = 1 },
			.to = 1,
		},
	};

	if (has_fabric)
		frame.hello.hello.features = XPMEM_PROTO_FEATURE_FABRIC;
	if (with_token)
		memcpy(frame.hello.token, token, sizeof(token));
	send_frame(i, &frame);
}

static void read_token(unsigned int i)
{
	ssize_t length = -1;

	if (conns[i] >= 0)
		length = recv(conns[i], bytes_read, sizeof(bytes_read), MSG_DONTWAIT);
	if (length >= (ssize_t)sizeof(struct xpmem_proto_hello) &&
	    bytes_read[4] == XPMEM_PROTO_HELLO)
		memcpy(token, bytes_read + offsetof(struct xpmem_proto_hello, token),
		       sizeof(token));
}

/* A message that is right but for what the input says */
static size_t send_message(unsigned int i, const uint8_t *bytes, size_t size)
{
	struct xpmd_wire_frame frame = {
		.type = size ? bytes[0] % 20 : 1,
		.channel = i % 2 ? XPMD_BULK : XPMD_URGENT,
	};

	frame.msg = (struct xpmd_msg){
		.type = (enum xpmd_type)frame.type,
		.state = size > 1 ? bytes[1] % 3 : 0,
		.segid = size > 2 && bytes[2] % 4 ? SEGID_1 : SEGID_2,
		.count = size > 3 ? bytes[3] + 1u : 1,
		.id = 1,
	};
	if (size > 2 && bytes[2] == 0xff)
		frame.msg.segid = 0;
	if (size > 4)
		frame.msg.mask[0] = bytes[4];
	frame.msg.data = bytes;	/* send_frame has pages of its own */
	if (size > 5 && bytes[5])
		frame.fetch = (struct xpmd_wire_fetch){
			.key = bytes[5],
			.number = bytes[5] & 7,
			.length = (uint32_t)__builtin_popcount(bytes[4]) * XPMD_PAGE,
			.tag = { bytes[5] & 8 },
		};
	send_frame(i, &frame);
	return size < 6 ? size : 6;
}

/* What it says of the fabric, or does there */
static size_t send_fabric(unsigned int i, const uint8_t *bytes, size_t size)
{
	struct xpmd_wire_frame frame = { .type = XPMEM_PROTO_FABRIC };
	unsigned int what = size ? bytes[0] : 0;

	switch (what % 4) {
	case 0:
		fake_fabric_knock(bytes_read + (what & 4 ? 0 : sizeof(bytes_read) - 32), what / 8);
		break;
	case 1:
		frame.fabric = (struct xpmd_wire_fabric){
			.state = XPMEM_PROTO_FABRIC_LISTENS, .protocol = what / 4, .family = 4,
			.port = 1,
		};
		send_frame(i, &frame);
		break;
	case 2:
		frame.fabric.state = XPMEM_PROTO_FABRIC_CONNECTED;
		send_frame(i, &frame);
		break;
	default:
		frame.type = XPMEM_PROTO_FETCHED;
		frame.fetched.number = what / 8;
		frame.fetched.channel = what & 4 ? XPMD_BULK : XPMD_URGENT;
		send_frame(i, &frame);
		break;
	}
	return size ? 1 : 0;
}

static void run_program(const uint8_t *bytes, size_t size, const struct sockaddr_in *in)
{
	while (size) {
		unsigned int op = bytes[0] & 15, i = bytes[0] >> 4 & 3;
		size_t used = 0;

		bytes++;
		size--;
		switch (op) {
		case 0 ... 5:	/* as they are */
			used = size && bytes[0] + 1u < size ? bytes[0] + 1u : size;
			if (used)
				send_bytes(i, bytes + 1, used - 1);
			break;
		case 6:
			send_hello(i, XPMD_URGENT, listener >= 0);
			break;
		case 7:
			send_hello(i, XPMD_BULK, true);
			break;
		case 8:
		case 9:
			used = send_message(i, bytes, size);
			break;
		case 10:
			hang_up(i);
			break;
		case 11:
			connect_one(i, in);
			break;
		case 12:
			read_token(i);
			break;
		case 13:
			xpmd_transport_flush(transport);
			break;
		case 14:
			used = send_fabric(i, bytes, size);
			break;
		default:
			turn();
			break;
		}
		bytes += used;
		size -= used;
		if (op >= 6)
			turn();
	}
}

static int bind_any(struct sockaddr_in *in)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	socklen_t length = sizeof(*in);

	*in = (struct sockaddr_in){ .sin_family = AF_INET };
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	expect(!bind(fd, (struct sockaddr *)in, sizeof(*in)) && !listen(fd, 8) &&
	       !getsockname(fd, (struct sockaddr *)in, &length));
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const char *const listen_at[] = { "tcp://127.0.0.1:0", NULL };
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct xpmd_partition partition = { .number = 2, .name = (char *)"two" };
	struct xpmd_transport_config config = {
		.self = 1, .partitions = &partition, .nr_partitions = 1, .send_limit = 1 << 20,
		.fabric = "fake", .fabric_min = 1,
	};
	char address[64];
	unsigned int i;

	if (!size)
		return 0;
	if (!event)
		expect(sd_event_new(&event) >= 0);
	is_up = false;
	has_fabric = bytes[0] & 2;
	partition.fabric = has_fabric;
	memset(token, 0x5a, sizeof(token));
	for (i = 0; i < CONNS; i++)
		conns[i] = -1;
	if (bytes[0] & 1) {
		listener = bind_any(&in);
		snprintf(address, sizeof(address), "tcp://127.0.0.1:%u", ntohs(in.sin_port));
		partition.address = address;
	} else {
		config.listen = listen_at;
	}
	expect(!xpmd_transport_new(&transport, event, &config, &ops, NULL));
	expect(!xpmd_transport_listen_fabric(transport));
	if (listener < 0) {
		expect(!xpmd_transport_address(transport, 0, address, sizeof(address)));
		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		in.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
	}
	turn();
	run_program(bytes + 1, size - 1, &in);
	for (i = 0; i < CONNS; i++)
		hang_up(i);
	if (listener >= 0)
		close(listener);
	listener = -1;
	turn();
	xpmd_transport_free(transport);
	transport = NULL;
	turn();
	return 0;
}
