// SPDX-License-Identifier: GPL-2.0-or-later
/* What is said in a session: frames of all kinds, wrong ones, long ones, too many. */
#include "pair.h"
#include "tls.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct xpmd_msg message(enum xpmd_type type, int64_t segid)
{
	return (struct xpmd_msg){
		.type = type,
		.epoch = 3,
		.incarnation = 1002,
		.id = 17,
		.segid = segid,
		.first = 5,
		.count = 1,
	};
}

START_TEST(frames)
{
	struct xpmd_msg msg = message(XPMD_READ, SEGID_1);
	struct xpmd_open open = { .id = 4, .segid = SEGID_1, .write = true,
				  .credential = "MUNGE:abc:", .uid = 1000, .gid = 100 };
	struct xpmd_opened opened = { .id = 4, .segid = SEGID_1, .pages = 1 << 20 };
	struct xpmd_attach attach = { .id = 5, .segid = SEGID_1, .first = 1, .count = 1 << 19 };
	struct xpmd_attached attached = { .id = 5, .error = EOPNOTSUPP };
	struct xpmd_transport_counts counts;
	uint8_t nonce[32];
	char *longest;

	memset(nonce, 0x5a, sizeof(nonce));
	start_pair(0, 0);
	ck_assert_int_eq(xpmd_transport_send(b.transport, 1, XPMD_URGENT, &msg), -ENOTCONN);
	ck_assert_int_eq(xpmd_transport_send(b.transport, 4, XPMD_URGENT, &msg), -ENOTCONN);
	run_until(a.ups && b.ups);
	ck_assert_int_eq(xpmd_transport_send(b.transport, 1, XPMD_URGENT, &msg), 0);
	ck_assert_int_eq(xpmd_transport_ask_challenge(b.transport, 1, 4), 0);
	ck_assert_int_eq(xpmd_transport_open(b.transport, 1, &open), 0);
	ck_assert_int_eq(xpmd_transport_attach(b.transport, 1, &attach), 0);
	ck_assert_int_eq(xpmd_transport_close_segment(b.transport, 1, SEGID_1), 0);
	run_until(a.closes == 1);
	ck_assert_uint_eq(a.messages, 1);
	ck_assert_mem_eq(&a.msg, &msg, sizeof(msg));
	ck_assert_uint_eq(a.challenges, 1);
	ck_assert_uint_eq(a.challenge_id, 4);
	ck_assert_uint_eq(a.opens, 1);
	ck_assert_str_eq(a.credential, open.credential);
	ck_assert(a.open.write && a.open.uid == 1000 && a.open.gid == 100 &&
		  a.open.segid == SEGID_1 && a.open.id == 4);
	ck_assert_uint_eq(a.attaches, 1);
	ck_assert_mem_eq(&a.attach, &attach, sizeof(attach));
	ck_assert(a.close.segid == SEGID_1);
	ck_assert_int_eq(xpmd_transport_challenge(a.transport, 2, 4, nonce), 0);
	ck_assert_int_eq(xpmd_transport_opened(a.transport, 2, &opened), 0);
	ck_assert_int_eq(xpmd_transport_attached(a.transport, 2, &attached), 0);
	xpmd_transport_flush(a.transport);
	run_until(b.attacheds == 1);
	ck_assert_uint_eq(b.challenged, 1);
	ck_assert_mem_eq(b.nonce, nonce, 32);
	ck_assert(b.opened.id == 4 && b.opened.segid == SEGID_1 && b.opened.pages == 1 << 20);
	ck_assert(b.attached.id == 5 && b.attached.error == EOPNOTSUPP);
	xpmd_transport_counts(b.transport, 1, &counts);
	if (!peers_fabric()) { /* of which there are frames, too */
		ck_assert_uint_eq(counts.frames_sent, 7);
		ck_assert_uint_eq(counts.frames_received, 5);
	}
	ck_assert_uint_eq(counts.sessions, 1);
	/* What is wrong is not sent, and hurts nothing. */
	longest = malloc(5000);
	memset(longest, 'x', 4999);
	longest[4999] = 0;
	open.credential = longest;
	ck_assert_int_eq(xpmd_transport_open(b.transport, 1, &open), -EINVAL);
	longest[4095] = 0;
	ck_assert_int_eq(xpmd_transport_open(b.transport, 1, &open), 0);
	run_until(a.opens == 2);
	ck_assert_str_eq(a.credential, longest);
	free(longest);
	ck_assert_uint_eq(a.downs + b.downs, 0);
	stop_pair();
}
END_TEST

/* A partition is home of its own segments alone. */
START_TEST(not_home)
{
	struct xpmd_msg msg = message(XPMD_TAKE, SEGID_1);

	start_pair(0, 0);
	run_until(a.ups && b.ups);
	ck_assert_int_eq(xpmd_transport_send(b.transport, 1, XPMD_URGENT, &msg), 0);
	run_until(a.downs == 1 && b.downs == 1);
	ck_assert_uint_eq(a.messages, 0);
	ck_assert_uint_eq(refused(&a, 2), 1);
	ck_assert_ptr_nonnull(strstr(a.why, "a segment of another partition"));
	/* BYE said so */
	ck_assert_ptr_nonnull(strstr(b.why, "did not understand a frame"));
	run_until(a.ups == 2 && b.ups == 2);
	msg = message(XPMD_READ, SEGID_2);
	ck_assert_int_eq(xpmd_transport_send(b.transport, 1, XPMD_URGENT, &msg), 0);
	run_until(a.downs == 2 && b.downs == 2);
	ck_assert_uint_eq(a.messages, 0);
	stop_pair();
}
END_TEST

/* ---------------------------------- a partition that has the key and no manners */

struct evil {
	struct xpmd_tls_context *context;
	struct xpmd_tls *tls;
	int fd;
};

/* A connection of partition 2, after TLS */
static void evil_begin(struct evil *evil)
{
	uint32_t events;
	int rc;

	ck_assert_int_eq(xpmd_tls_context_new(&evil->context, &b.config), 0);
	evil->fd = connect_plainly(&a);
	fcntl(evil->fd, F_SETFL, O_NONBLOCK);
	evil->tls = xpmd_tls_new(evil->context, evil->fd, &b.partitions[0]);
	while (!(rc = xpmd_tls_handshake(evil->tls, &events)))
		run_for(1);
	ck_assert_int_eq(rc, 1);
}

static void evil_end(struct evil *evil)
{
	xpmd_tls_free(evil->tls);
	xpmd_tls_context_free(evil->context);
	close(evil->fd);
}

static void evil_send(struct evil *evil, const struct xpmd_wire_frame *frame)
{
	uint8_t body[XPMD_WIRE_BODY_MAX];
	size_t length, more;
	uint32_t events;

	ck_assert_int_eq(xpmd_wire_encode(frame, body, &length, &more), XPMD_WIRE_OK);
	ck_assert_int_eq(xpmd_tls_write(evil->tls, body, length, &events), (ssize_t)length);
}

/* Sends it and waits until @peer has taken it as a frame of partition 2. */
static void evil_tell(struct evil *evil, const struct peer *peer,
		      const struct xpmd_wire_frame *frame)
{
	struct xpmd_transport_counts counts;
	uint64_t had;

	xpmd_transport_counts(peer->transport, 2, &counts);
	had = counts.frames_received;
	evil_send(evil, frame);
	run_until((xpmd_transport_counts(peer->transport, 2, &counts),
		   counts.frames_received > had));
}

static struct xpmd_wire_frame evil_hello(enum xpmd_channel channel, uint32_t partition)
{
	return (struct xpmd_wire_frame){
		.type = XPMEM_PROTO_HELLO,
		.channel = channel,
		.hello = {
			.hello = { .partition = partition, .incarnation = 22, .lease_ns = 1 },
			.to = 1,
		},
	};
}

/* What partition 2 sends on a connection of its own, and why that is refused */
static void expect_evil(const struct xpmd_wire_frame *frame, const char *why)
{
	struct evil evil;

	log_text[0] = 0;
	evil_begin(&evil);
	evil_send(&evil, frame);
	run_until(strstr(log_text, why));
	evil_end(&evil);
}

START_TEST(evil_client)
{
	struct xpmd_wire_frame frame;
	struct evil evil, second;

	peers_begin();
	peer_init(&a, 1);
	peer_knows(&a, 2, "two", NULL, make_key("one.key", 0));
	peer_knows(&a, 3, "three", NULL, make_key("three.key", 1));
	ck_assert_int_eq(peer_start(&a), 0);
	peer_init(&b, 2);
	peer_knows(&b, 1, "one", a.address, make_key("two.key", 0));

	frame = (struct xpmd_wire_frame){ .type = XPMEM_PROTO_CLOSE, .close.segid = SEGID_1 };
	expect_evil(&frame, "its first frame is no HELLO");
	frame = evil_hello(XPMD_URGENT, 3);
	expect_evil(&frame, "it is not partition 3");
	frame = evil_hello(XPMD_URGENT, 4);
	expect_evil(&frame, "it is not partition 4");
	frame = evil_hello(XPMD_URGENT, 2);
	frame.hello.token[0] = 1;
	expect_evil(&frame, "its token is wrong");
	frame = evil_hello(XPMD_BULK, 2);
	expect_evil(&frame, "its token is wrong");

	/* A right HELLO, and then a BULK connection that guesses the token */
	evil_begin(&evil);
	frame = evil_hello(XPMD_URGENT, 2);
	evil_tell(&evil, &a, &frame);
	frame = evil_hello(XPMD_BULK, 2);
	memset(frame.hello.token, 0x42, sizeof(frame.hello.token));
	expect_evil(&frame, "its token is wrong");
	/* What it says before the session is up ends it. */
	frame = (struct xpmd_wire_frame){ .type = XPMEM_PROTO_CLOSE, .close.segid = SEGID_1 };
	evil_send(&evil, &frame);
	run_until(strstr(log_text, "before the session is up"));
	evil_end(&evil);

	/* A second HELLO on the same connection, and one on another, which replaces it */
	evil_begin(&evil);
	frame = evil_hello(XPMD_URGENT, 2);
	evil_tell(&evil, &a, &frame);
	evil_begin(&second);
	evil_tell(&second, &a, &frame);
	log_text[0] = 0;
	evil_send(&second, &frame);
	run_until(strstr(log_text, "a second HELLO"));
	evil_end(&evil);
	evil_end(&second);
	ck_assert_uint_eq(a.ups + a.downs + a.closes, 0);
	ck_assert_uint_eq(refused(&a, 0), 0);
	ck_assert_uint_eq(refused(&a, 3), 0);
	ck_assert_uint_eq(refused(&a, 2), 8);
	peer_stop(&a);
	peers_end();
}
END_TEST

/* ------------------------------------------------------------ long data */

#define BIG_PAGES	256u
#define BIG_MESSAGES	PEERS_MUCH(64u)	/* of 1 MiB */
#define ROUNDS		PEERS_MUCH(3000u)

static uint8_t pages[BIG_PAGES * XPMD_PAGE] __attribute__((aligned(8)));

static void fill(uint64_t id)
{
	uint64_t *words = (uint64_t *)pages;
	size_t i;

	for (i = 0; i < sizeof(pages) / 8; i++)
		words[i] = id << 32 | i;
}

static void check_data(struct peer *peer, const struct xpmd_msg *msg)
{
	const uint64_t *words = msg->data;
	size_t i;

	(void)peer;
	if (!msg->data)
		return;
	/* So that the module can take them as they are */
	ck_assert_uint_eq((uintptr_t)msg->data % XPMD_PAGE, 0);
	for (i = 0; i < sizeof(pages) / 8; i++)
		if (words[i] != (msg->id << 32 | i))
			ck_abort_msg("message %llu differs at %zu", (unsigned long long)msg->id, i);
}

static struct xpmd_msg big_message(uint64_t id)
{
	struct xpmd_msg msg = message(XPMD_GRANT, SEGID_1);

	msg.state = XPMD_SHARED;
	msg.id = id;
	msg.count = BIG_PAGES;
	memset(msg.mask, 0xff, sizeof(msg.mask));
	msg.data = pages;
	fill(id);
	return msg;
}

START_TEST(large)
{
	struct xpmd_msg msg;
	uint64_t id = 0;

	start_pair(0, 0);
	b.on_message = check_data;
	pair_is_up();
	while (id < BIG_MESSAGES) {
		int rc;

		msg = big_message(id);
		rc = xpmd_transport_send(a.transport, 2, XPMD_BULK, &msg);
		if (rc == -ENOBUFS) {
			ck_assert_int_ge(sd_event_run(event, 5000000), 0);
			continue;
		}
		ck_assert_int_eq(rc, 0);
		id++;
	}
	run_until(b.messages == BIG_MESSAGES);
	ck_assert_uint_eq(b.data_bytes, (uint64_t)BIG_MESSAGES << 20);
	ck_assert_uint_eq(b.msg.id, BIG_MESSAGES - 1);
	expect_on_fabric(4 * sizeof(pages));
	stop_pair();
}
END_TEST

/* Half of the pages, those with odd numbers: data is of the mask */
START_TEST(sparse)
{
	struct xpmd_msg msg = message(XPMD_GRANT, SEGID_1);

	start_pair(0, 0);
	pair_is_up();
	msg.state = XPMD_EXCLUSIVE;
	msg.count = 100;
	msg.mask[0] = 0xaaaaaaaaaaaaaaaa;
	msg.mask[1] = 0xaaaaaaaaa;
	msg.data = pages;
	ck_assert_int_eq(xpmd_transport_send(a.transport, 2, XPMD_URGENT, &msg), 0);
	run_until(b.messages == 1);
	ck_assert_uint_eq(b.data_bytes, 50 * XPMD_PAGE);
	expect_on_fabric(50 * XPMD_PAGE);
	msg.mask[1] |= 1ull << 63;
	ck_assert_int_eq(xpmd_transport_send(a.transport, 2, XPMD_URGENT, &msg), -EINVAL);
	ck_assert(xpmd_transport_is_up(a.transport, 2));
	stop_pair();
}
END_TEST

/* Messages for which the fabric has room, and that do not wait in the queue then */
static unsigned int on_fabric(void)
{
#ifdef XPMEMD_NET
	return 0;	/* where they are queued nothing is known of it */
#else
	return peers_fabric() ? 4 : 0;
#endif
}

/* In check_data of BULK nothing is read for a while; URGENT must not care. */
START_TEST(bulk_is_full)
{
	struct xpmd_msg msg, urgent = message(XPMD_DENY, SEGID_1);
	unsigned int queued = 0, before;
	int rc;

	urgent.error = EACCES;
	start_pair(0, 0);
	pair_is_up();
	/* Nothing runs the loop meanwhile: all of it queues, up to the limit. */
	for (;;) {
		msg = big_message(queued);
		rc = xpmd_transport_send(a.transport, 2, XPMD_BULK, &msg);
		if (rc < 0)
			break;
		queued++;
	}
	ck_assert_int_eq(rc, -ENOBUFS);
	ck_assert_uint_eq(queued, PEERS_LIMIT_MIB - 1 + on_fabric()); /* with their headers */
	ck_assert(xpmd_transport_is_up(a.transport, 2));
	b.on_message = check_data;
	ck_assert_int_eq(xpmd_transport_send(a.transport, 2, XPMD_URGENT, &urgent), 0);
	run_until(b.msg.type == XPMD_DENY);
	before = b.messages;
	ck_assert_uint_lt(before, queued / 2);
	run_until(b.messages == queued + 1);
	/* And it takes more again. */
	msg = big_message(1);
	ck_assert_int_eq(xpmd_transport_send(a.transport, 2, XPMD_BULK, &msg), 0);
	run_until(b.messages == queued + 2);
	stop_pair();
}
END_TEST

/* URGENT is never refused: its session ends. */
START_TEST(urgent_is_full)
{
	struct xpmd_msg msg;
	unsigned int queued = 0;
	int rc;

	start_pair(0, 0);
	pair_is_up();
	do {
		msg = big_message(queued++);
		rc = xpmd_transport_send(a.transport, 2, XPMD_URGENT, &msg);
	} while (!rc && queued < 1000);
	ck_assert_int_eq(rc, -ENOTCONN);
	ck_assert(!xpmd_transport_is_up(a.transport, 2));
	/* Not from inside the call: who sends is not told while it does. */
	ck_assert_uint_eq(a.downs, 0);
	run_until(a.downs == 1 && b.downs == 1);
	run_until(a.ups == 2 && b.ups == 2);
	stop_pair();
}
END_TEST

/* Answers that are sent from inside the operation, one after the other */
static void answer_message(struct peer *peer, const struct xpmd_msg *msg)
{
	struct xpmd_msg reply = *msg;

	if (peer == &a && msg->type == XPMD_READ) {
		reply.type = XPMD_DENY;
		reply.error = EAGAIN;
		ck_assert_int_eq(xpmd_transport_send(a.transport, 2, XPMD_URGENT, &reply), 0);
	} else if (peer == &b && msg->id < ROUNDS) {
		reply.type = XPMD_READ;
		reply.error = 0;
		reply.id++;
		ck_assert_int_eq(xpmd_transport_send(b.transport, 1, XPMD_URGENT, &reply), 0);
	}
}

START_TEST(ping_pong)
{
	struct xpmd_msg msg = message(XPMD_READ, SEGID_1);

	start_pair(0, 0);
	a.on_message = b.on_message = answer_message;
	pair_is_up();
	msg.id = 1;
	ck_assert_int_eq(xpmd_transport_send(b.transport, 1, XPMD_URGENT, &msg), 0);
	run_until(b.messages == ROUNDS);
	ck_assert_uint_eq(a.messages, ROUNDS);
	ck_assert_uint_eq(b.msg.id, ROUNDS);
	stop_pair();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("traffic");

	add_case(suite, "frames", frames);
	add_case(suite, "not_home", not_home);
	add_case(suite, "evil_client", evil_client);
	add_case(suite, "large", large);
	add_case(suite, "sparse", sparse);
	add_case(suite, "bulk_is_full", bulk_is_full);
	add_case(suite, "urgent_is_full", urgent_is_full);
	add_case(suite, "ping_pong", ping_pong);
	return run_suite(suite);
}
