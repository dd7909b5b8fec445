// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xpmemd's side of xpmemd-net: one that dies, one that was taken over by somebody, one
 * of another build.  The sessions themselves are test_session.c's and test_traffic.c's,
 * which run over it, too.
 */
#define _GNU_SOURCE
#include "log.h"
#include "net_link.h"
#include "net_process.h"
#include "pair.h"
#include "wire.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SESSION 7

/* ------------------------------------------------------- one that is real */

static uint64_t starts(const struct peer *peer)
{
	struct xpmd_net_counts counts;

	xpmd_net_client_counts(peer->transport, &counts);
	return counts.starts;
}

/* Sessions end, as if they had been cut, and there is another one soon. */
START_TEST(dies)
{
	struct xpmd_transport_counts counts;

	peers_begin();
	peer_init(&a, 1);
	peer_knows(&a, 2, "two", NULL, make_key("one.key", 0));
	ck_assert_int_eq(peer_start(&a), 0);
	ck_assert_int_eq(kill(find_process(), SIGKILL), 0);
	run_until(strstr(log_text, "was killed by signal 9"));
	run_until(starts(&a) == 2);
	peer_stop(&a);
	a.listen[0] = a.address;	/* of the first: it must be free again */
	ck_assert_int_eq(peer_start(&a), 0);
	peer_init(&b, 2);
	peer_knows(&b, 1, "one", a.address, make_key("two.key", 0));
	ck_assert_int_eq(peer_start(&b), 0);
	run_until(a.ups && b.ups);
	for (unsigned int i = 1; i <= 2; i++) {
		ck_assert_int_eq(kill(find_process(), SIGKILL), 0);
		run_until(a.downs == i && b.downs == i);
		run_until(a.ups == i + 1 && b.ups == i + 1);
	}
	/* What was counted before is not forgotten. */
	xpmd_transport_counts(a.transport, 2, &counts);
	ck_assert_uint_eq(counts.sessions, 3);
	stop_pair();
}
END_TEST

/* The process that starts it, and it, end with the daemon. */
START_TEST(ends_with_xpmemd)
{
	pid_t process;

	peers_begin();
	peer_init(&a, 1);
	peer_knows(&a, 2, "two", NULL, make_key("one.key", 0));
	ck_assert_int_eq(peer_start(&a), 0);
	process = find_process();
	ck_assert_int_gt(process, 0);
	/* As SIGKILL would leave it: nothing but closed descriptors */
	xpmd_transport_free(a.transport);
	for (int i = 0; i < 500 && !kill(process, 0); i++)
		usleep(10000);
	ck_assert_int_eq(kill(process, 0), -1);
	xpmd_net_start_free(a.start);
	peers_end();
}
END_TEST

/* What is left of the system to it */
START_TEST(sandbox)
{
	char path[64], root[256];
	ssize_t length;

	peers_begin();
	peer_init(&a, 1);
	peer_knows(&a, 2, "two", NULL, make_key("one.key", 0));
	ck_assert_int_eq(peer_start(&a), 0);
	expect_line("status", "\nNoNewPrivs:\t1\n");
	expect_line("status", "\nSeccomp:\t2\n");
	expect_line("status", "\nCapEff:\t0000000000000000\n");
	expect_line("status", "\nCapPrm:\t0000000000000000\n");
	expect_line("limits", "Max processes             0 ");
	if (geteuid() == 0) {
		expect_line("status", "\nUid:\t65534\t65534\t65534\t65534\n");
		expect_line("status", "\nGid:\t65534\t65534\t65534\t65534\n");
		expect_line("status", "\nGroups:\t \n");
		snprintf(path, sizeof(path), "/proc/%d/root", find_process());
		length = readlink(path, root, sizeof(root) - 1);
		ck_assert_int_gt(length, 0);
		root[length] = 0;
		ck_assert_msg(strstr(root, " (deleted)") != NULL, "its root is %s", root);
	}
	peer_stop(&a);
	peers_end();
}
END_TEST

/* What it needs and can't have is told, and nothing is begun. */
START_TEST(cannot_begin)
{
	peers_begin();
	peer_init(&a, 1);
	peer_knows(&a, 2, "two", NULL, make_file("one.key", "short\n", 0600));
	ck_assert_int_lt(peer_start(&a), 0);
	ck_assert_ptr_nonnull(strstr(log_text, "not 64 to 128 hexadecimal"));
	ck_assert_ptr_nonnull(strstr(log_text, "xpmemd-net did not begin"));
	peer_init(&a, 1);
	a.listen[0] = "tcp://192.0.2.77:7474";
	peer_knows(&a, 2, "two", NULL, make_key("two.key", 0));
	ck_assert_int_lt(peer_start(&a), 0);
	ck_assert_ptr_nonnull(strstr(log_text, "tcp://192.0.2.77:7474: "));
	peers_end();
}
END_TEST

/* -------------------------------------------------- one that is taken over */

static struct fake {
	struct xpmd_net_link links[2];
	struct xpmd_net_shared *shared;
} fake;

static char socket_path[128];

static int connect_fake(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, socket_path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void say(enum xpmd_channel channel, const struct xpmd_net_head *head, const void *body,
		size_t length)
{
	ck_assert_int_eq(xpmd_net_link_send(&fake.links[channel], head, body, length, NULL, 0), 0);
	ck_assert_int_eq(xpmd_net_link_flush(&fake.links[channel]), 0);
}

static void say_text(uint16_t type, const char *text)
{
	const struct xpmd_net_head head = { .type = type };

	say(XPMD_URGENT, &head, text, strlen(text) + 1);
}

/* A process that has connected, and was told all; not READY yet */
static void fake_begin(void)
{
	unsigned int nr_fds = 0;
	int fds[2], rc = 0;

	if (fake.links[XPMD_URGENT].memory)
		for (unsigned int i = 0; i < 2; i++)
			xpmd_net_link_destroy(&fake.links[i]);
	ck_assert_int_eq(xpmd_net_link_init(&fake.links[XPMD_URGENT], connect_fake()), 0);
	fake.links[XPMD_BULK] = (struct xpmd_net_link){ .fd = -1 };
	TAILQ_INIT(&fake.links[XPMD_BULK].pieces);
	say_text(XPMD_NET_HELLO, XPMEM_VERSION);
	do {
		run_for(1);
		rc = xpmd_net_link_receive(&fake.links[XPMD_URGENT], fds, 2, &nr_fds);
		ck_assert_int_ge(rc, 0);
		if (rc && fake.links[XPMD_URGENT].head.type == XPMD_NET_SETUP) {
			ck_assert_uint_eq(nr_fds, 2);
			ck_assert_int_eq(xpmd_net_link_init(&fake.links[XPMD_BULK], fds[0]), 0);
			fake.shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0);
			ck_assert_ptr_ne(fake.shared, MAP_FAILED);
			/* Who shrinks it would make xpmemd's next look at it its last. */
			ck_assert_int_eq(ftruncate(fds[1], 0), -1);
			close(fds[1]);
		} else if (rc && nr_fds) {
			close(fds[0]);
		}
	} while (!rc || fake.links[XPMD_URGENT].head.type != XPMD_NET_BEGIN);
}

static bool is_up(void)
{
	struct xpmd_net_counts counts;

	xpmd_net_client_counts(a.transport, &counts);
	return counts.up;
}

static void fake_ready(void)
{
	const struct xpmd_net_head head = { .type = XPMD_NET_READY };

	fake_begin();
	say(XPMD_URGENT, &head, NULL, 0);
	run_until(is_up());
}

static struct xpmd_net_up hello_of(uint32_t partition, uint32_t to)
{
	const struct xpmd_wire_frame frame = {
		.type = XPMEM_PROTO_HELLO,
		.hello = { .hello = { .partition = partition, .incarnation = 9, .lease_ns = 1 },
			   .to = to },
	};
	struct xpmd_net_up up = { .binding = { 1, 2, 3 } };
	size_t body_length, data_length;

	ck_assert_int_eq(xpmd_wire_encode(&frame, &up.hello, &body_length, &data_length), 0);
	return up;
}

/* Sessions have greater numbers each time. */
static uint32_t fake_session(void)
{
	static uint32_t number = SESSION;
	struct xpmd_net_head head = { .type = XPMD_NET_UP, .partition = 2, .session = ++number };
	struct xpmd_net_up up = hello_of(2, 1);
	unsigned int ups = a.ups;

	fake_ready();
	say(XPMD_URGENT, &head, &up, sizeof(up));
	run_until(a.ups == ups + 1);
	ck_assert(xpmd_transport_is_up(a.transport, 2));
	return number;
}

static void fake_start_of(uid_t uid)
{
	struct xpmd_net_config net = { .uid = uid };

	peers_begin();
	peer_init(&a, 1);
	a.listen[0] = NULL;
	peer_knows(&a, 2, "two", NULL, make_key("one.key", 0));
	snprintf(socket_path, sizeof(socket_path), "%s/net", directory);
	ck_assert_int_eq(xpmd_net_start_socket(&a.start, socket_path, uid), 0);
	net.start = a.start;
	ck_assert_int_eq(peer_start_with(&a, &net), 0);
}

static void fake_start(void)
{
	fake_start_of(geteuid());
}

static void fake_stop(void)
{
	for (unsigned int i = 0; i < 2; i++)
		xpmd_net_link_destroy(&fake.links[i]);
	peer_stop(&a);
	peers_end();
}

static uint64_t refusals(void)
{
	struct xpmd_net_counts counts;

	xpmd_net_client_counts(a.transport, &counts);
	return counts.refused;
}

/* What was just said ends it, for that reason, and its session. */
static void expect_end(const char *why)
{
	static uint64_t expected;
	bool had_session = a.is_up[2];
	unsigned int downs = a.downs;

	expected++;
	run_until(!is_up());
	ck_assert_msg(strstr(log_text, why) != NULL, "not \"%s\":\n%s", why, log_text);
	ck_assert_uint_eq(refusals(), expected);
	ck_assert_uint_eq(a.downs, downs + had_session);
	ck_assert(!xpmd_transport_is_up(a.transport, 2));
	log_text[0] = 0;
}

/* Records that the beginning does not allow */
START_TEST(out_of_turn)
{
	struct xpmd_net_head head = { .type = XPMD_NET_READY };
	struct xpmd_net_up up = hello_of(2, 1);

	fake_start();
	ck_assert_int_eq(xpmd_net_link_init(&fake.links[XPMD_URGENT], connect_fake()), 0);
	say(XPMD_URGENT, &head, NULL, 0);
	run_until(refusals() == 1);
	ck_assert_ptr_nonnull(strstr(log_text, "READY out of turn"));
	xpmd_net_link_destroy(&fake.links[XPMD_URGENT]);
	fake_begin();
	head = (struct xpmd_net_head){ .type = XPMD_NET_UP, .partition = 2, .session = 1 };
	say(XPMD_URGENT, &head, &up, sizeof(up));
	run_until(refusals() == 2);
	ck_assert_ptr_nonnull(strstr(log_text, "a session out of turn"));
	fake_begin();
	say_text(XPMD_NET_HELLO, XPMEM_VERSION);
	run_until(refusals() == 3);
	fake_ready();
	head = (struct xpmd_net_head){ .type = XPMD_NET_READY };
	say(XPMD_URGENT, &head, NULL, 0);
	run_until(refusals() == 4);
	ck_assert_uint_eq(a.ups + a.downs, 0);
	fake_stop();
}
END_TEST

START_TEST(other_version)
{
	fake_start();
	ck_assert_int_eq(xpmd_net_link_init(&fake.links[XPMD_URGENT], connect_fake()), 0);
	say_text(XPMD_NET_HELLO, "0.1");
	run_until(strstr(log_text, "of another version"));
	ck_assert(!is_up());
	fake_stop();
}
END_TEST

START_TEST(wrong_user)
{
	char byte;
	int fd;

	fake_start_of(geteuid() + 1);
	fd = connect_fake();
	run_until(strstr(log_text, "is not xpmemd-net: refused"));
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
	close(fd);
	ck_assert(!is_up());
	peer_stop(&a);
	peers_end();
}
END_TEST

/* There is one, and the second does not take its place. */
START_TEST(second)
{
	char byte;
	int fd;

	fake_start();
	fake_session();
	fd = connect_fake();
	run_until(strstr(log_text, "a second xpmemd-net is refused"));
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
	close(fd);
	ck_assert(xpmd_transport_is_up(a.transport, 2));
	fake_stop();
}
END_TEST

START_TEST(evil_sessions)
{
	struct xpmd_net_head head = { .type = XPMD_NET_UP, .partition = 3, .session = 1000 };
	struct xpmd_net_up up = hello_of(2, 1);
	uint32_t session;

	fake_start();
	fake_ready();
	say(XPMD_URGENT, &head, &up, sizeof(up));	/* nobody knows 3 */
	expect_end("an unknown partition");
	head.partition = 2;
	fake_ready();
	up = hello_of(3, 1);				/* 2, that says it is 3 */
	say(XPMD_URGENT, &head, &up, sizeof(up));
	expect_end("a session that can't be");
	fake_ready();
	up = hello_of(2, 4);				/* not with us */
	say(XPMD_URGENT, &head, &up, sizeof(up));
	expect_end("a session that can't be");
	fake_ready();
	up = hello_of(2, 1);
	up.hello.lease_ns = 0;
	say(XPMD_URGENT, &head, &up, sizeof(up));
	expect_end("a session that can't be");
	fake_ready();
	up = hello_of(2, 1);
	say(XPMD_URGENT, &head, &up, sizeof(up.hello));	/* without the binding */
	expect_end("a session that can't be");
	fake_ready();
	head.session = 0;
	say(XPMD_URGENT, &head, &up, sizeof(up));
	expect_end("a session out of turn");
	session = fake_session();
	head.session = session + 1;			/* a second one of the same */
	say(XPMD_URGENT, &head, &up, sizeof(up));
	expect_end("a session that can't be");
	head.session = fake_session();
	head.type = XPMD_NET_DOWN;
	say(XPMD_URGENT, &head, "over", 5);
	run_until(!a.is_up[2]);
	head.type = XPMD_NET_UP;			/* with a number that was used */
	say(XPMD_URGENT, &head, &up, sizeof(up));
	expect_end("a session that can't be");
	head.session = fake_session();
	head.type = XPMD_NET_DOWN;
	say(XPMD_URGENT, &head, "no end", 6);
	expect_end("an end without a reason");
	fake_stop();
}
END_TEST

/* @frame, of partition 2, on @channel */
static void say_frame(enum xpmd_channel channel, uint32_t session,
		      const struct xpmd_wire_frame *frame, int flip)
{
	struct xpmd_net_head head = {
		.type = XPMD_NET_FRAME, .partition = 2, .session = session,
	};
	uint8_t body[XPMD_WIRE_BODY_MAX];
	size_t length, more;

	ck_assert_int_eq(xpmd_wire_encode(frame, body, &length, &more), 0);
	if (flip >= 0)
		body[flip] ^= 0x80;
	say(channel, &head, body, length);
}

static struct xpmd_wire_frame read_frame(int64_t segid)
{
	return (struct xpmd_wire_frame){
		.type = XPMEM_PROTO_READ,
		.msg = { .type = XPMD_READ, .segid = segid, .count = 1, .incarnation = 9,
			 .first = 1, .id = 1 },
	};
}

START_TEST(evil_frames)
{
	/* What sessions say for themselves, and xpmemd-net keeps */
	const struct xpmd_wire_frame inner[] = {
		{ .type = XPMEM_PROTO_BYE, .bye = XPMEM_PROTO_BYE_BUSY },
		{ .type = XPMEM_PROTO_FABRIC, .fabric.state = XPMEM_PROTO_FABRIC_CONNECTED },
		{ .type = XPMEM_PROTO_FETCHED, .fetched.number = 1 },
		{ .type = XPMEM_PROTO_GIVE,
		  .msg = { .type = XPMD_GIVE, .segid = SEGID_1, .count = 1, .mask[0] = 1 },
		  .fetch = { .address = 4096, .key = 1, .number = 1, .length = XPMD_PAGE } },
	};
	struct xpmd_wire_frame frame = read_frame(SEGID_1), other;
	uint32_t session;

	fake_start();
	session = fake_session();
	say_frame(XPMD_URGENT, session, &frame, -1);
	run_until(a.messages == 1);
	say_frame(XPMD_URGENT, session - 1, &frame, -1);	/* of a session that has ended */
	say_frame(XPMD_URGENT, session, &frame, -1);
	run_until(a.messages == 2);
	for (unsigned int i = 0; i < sizeof(struct xpmem_proto_header); i++) {
		say_frame(XPMD_URGENT, session, &frame, (int)i);
		run_until(!is_up());
		ck_assert(!a.is_up[2]);
		session = fake_session();
	}
	log_text[0] = 0;
	a.messages = 0;
	say_frame(XPMD_BULK, session, &frame, -1);		/* of the other channel */
	run_until(strstr(log_text, "a frame that may not be said"));
	session = fake_session();
	other = read_frame(SEGID_2);				/* we are not its home */
	log_text[0] = 0;
	say_frame(XPMD_URGENT, session, &other, -1);
	run_until(strstr(log_text, "a frame that may not be said"));
	session = fake_session();
	for (unsigned int i = 0; i < sizeof(inner) / sizeof(*inner); i++) {
		log_text[0] = 0;
		say_frame(XPMD_URGENT, session, &inner[i], -1);
		run_until(strstr(log_text, "a frame that may not be said"));
		session = fake_session();
	}
	ck_assert_uint_eq(a.messages, 0);
	fake_stop();
}
END_TEST

/* Packets that are no records, or not where they should be */
START_TEST(evil_records)
{
	struct {
		struct xpmd_net_head head;
		char body[64];
	} packet = { .head = { .type = XPMD_NET_LOG, .length = 64, .body = 32 } };
	static const struct {
		uint32_t length, body, data;
		uint16_t type;
		size_t sent;
	} wrong[] = {
		{ 64, 32, 0, XPMD_NET_LOG, 20 },		/* not even a head */
		{ 65, 32, 0, XPMD_NET_LOG, 64 },
		{ 64, 33, 0, XPMD_NET_LOG, 64 },
		{ 64, 32, 4096, XPMD_NET_LOG, 64 },
		{ 64, 0xffffffe0, 0, XPMD_NET_LOG, 64 },
		{ 32, 0, 0xfffff000, XPMD_NET_FRAME, 32 },
		{ 64, 0, 32, XPMD_NET_REST, 64 },
	};
	struct xpmd_net_head head;
	unsigned int i;

	fake_start();
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		fake_session();
		packet.head.length = wrong[i].length;
		packet.head.body = wrong[i].body;
		packet.head.data = wrong[i].data;
		packet.head.type = wrong[i].type;
		ck_assert_int_gt(send(fake.links[i % 2].fd, &packet, wrong[i].sent, 0), 0);
		expect_end("no record");
	}
	fake_session();
	head = (struct xpmd_net_head){ .type = 99 };
	say(XPMD_URGENT, &head, NULL, 0);
	expect_end("an unknown type");
	fake_session();
	head.type = XPMD_NET_SETUP;		/* ours to say */
	say(XPMD_URGENT, &head, NULL, 0);
	expect_end("an unknown type");
	fake_session();
	head.type = XPMD_NET_METRICS;
	say(XPMD_URGENT, &head, NULL, 0);
	expect_end("metrics are asked for, and not configured");
	fake_session();
	head.type = XPMD_NET_LOG;
	say(XPMD_BULK, &head, "x", 2);
	expect_end("a record of another socket");
	fake_session();
	head.session = LOG_DEBUG + 1;
	say(XPMD_URGENT, &head, "x", 2);
	expect_end("a line for the log that is none");
	fake_session();
	head.session = LOG_ERR;
	head.partition = 5;
	say(XPMD_URGENT, &head, "x", 2);
	expect_end("a line for the log that is none");
	fake_session();
	head.partition = 0;
	say(XPMD_URGENT, &head, "not ended", 9);
	expect_end("a line for the log that is none");
	fake_begin();
	head = (struct xpmd_net_head){ .type = XPMD_NET_LISTENS, .value = XPMD_NET_LISTENS_MAX };
	say(XPMD_URGENT, &head, "x", 2);
	run_until(strstr(log_text, "a listener that is none"));
	fake_stop();
}
END_TEST

/* A log is read on terminals, and has an end. */
START_TEST(evil_log)
{
	struct xpmd_net_head head = { .type = XPMD_NET_LOG, .session = LOG_WARNING };
	unsigned int i, lines = 0;
	const char *at;

	fake_start();
	fake_session();
	say(XPMD_URGENT, &head, "red \033[31m\nforged", 17);
	run_until(strstr(log_text, "red ?[31m?forged"));
	log_text[0] = 0;
	for (i = 0; i < 3000; i++) {
		say(XPMD_URGENT, &head, "again", 6);
		if (i % 64 == 0)
			run_for(1);
	}
	run_for(200);
	for (at = log_text; (at = strstr(at, "again")); at++)
		lines++;
	ck_assert_uint_ge(lines, 500);
	ck_assert_uint_le(lines, 1000);
	ck_assert(is_up());
	fake_stop();
}
END_TEST

/* Numbers are only that: there is no fabric without a session, and more than one is one. */
START_TEST(evil_numbers)
{
	struct xpmd_transport_counts counts;

	fake_start();
	fake_ready();
	fake.shared->partitions[0].fabric_up = 77;
	fake.shared->partitions[0].fabric_sent = UINT64_MAX;
	xpmd_transport_counts(a.transport, 2, &counts);
	ck_assert(!counts.fabric_up);
	fake_session();
	fake.shared->partitions[0].fabric_up = 77;
	xpmd_transport_counts(a.transport, 2, &counts);
	ck_assert(counts.fabric_up);
	fake_stop();
}
END_TEST

/* It says that all was passed on, or less than nothing, and reads nothing. */
START_TEST(does_not_read)
{
	struct xpmd_msg bulk = { .type = XPMD_GRANT, .segid = SEGID_1, .state = XPMD_SHARED,
				 .incarnation = 5, .first = 1 };
	static uint8_t pages[256 * 4096];
	unsigned int i, sent = 0;
	int rc;

	fake_start();
	fake_session();
	bulk.count = 256;
	memset(bulk.mask, 0xff, sizeof(bulk.mask));
	bulk.data = pages;
	for (i = 0; i < 2; i++)
		fake.shared->partitions[0].done[i] = UINT64_MAX;
	do {
		rc = xpmd_transport_send(a.transport, 2, XPMD_BULK, &bulk);
		xpmd_transport_flush(a.transport);
	} while (!rc && ++sent < 1000);
	ck_assert_int_eq(rc, -ENOBUFS);
	ck_assert_uint_le(sent, 70);
	ck_assert(xpmd_transport_is_up(a.transport, 2));
	for (sent = 0; !rc || rc == -ENOBUFS; sent++) {
		ck_assert_uint_lt(sent, 1000);
		rc = xpmd_transport_send(a.transport, 2, XPMD_URGENT, &bulk);
		xpmd_transport_flush(a.transport);
	}
	ck_assert_int_eq(rc, -ENOTCONN);
	ck_assert_uint_eq(a.downs, 0);
	run_until(a.downs == 1);
	ck_assert_ptr_nonnull(strstr(log_text, "it does not read"));
	fake_stop();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net");

	add_case(suite, "dies", dies);
	add_case(suite, "ends_with_xpmemd", ends_with_xpmemd);
	add_case(suite, "sandbox", sandbox);
	add_case(suite, "cannot_begin", cannot_begin);
	add_case(suite, "out_of_turn", out_of_turn);
	add_case(suite, "other_version", other_version);
	add_case(suite, "wrong_user", wrong_user);
	add_case(suite, "second", second);
	add_case(suite, "evil_sessions", evil_sessions);
	add_case(suite, "evil_frames", evil_frames);
	add_case(suite, "evil_records", evil_records);
	add_case(suite, "evil_log", evil_log);
	add_case(suite, "evil_numbers", evil_numbers);
	add_case(suite, "does_not_read", does_not_read);
	return run_suite(suite);
}
