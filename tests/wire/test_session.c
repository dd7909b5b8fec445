// SPDX-License-Identifier: GPL-2.0-or-later
/* Sessions between transports of one process over loopback. */
#include "certificates.h"
#include "peers.h"
#include "tls.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

/* Segments of partition 1 and 2 */
#define SEGID_1 ((int64_t)1 << 51 | 77)
#define SEGID_2 ((int64_t)2 << 51 | 77)

static struct peer a, b, c;

/* Partition 1 listens, 2 connects, by keys 'a' + variant */
static void start_pair(int variant_1, int variant_2)
{
	peers_begin();
	peer_init(&a, 1);
	peer_knows(&a, 2, "two", NULL, make_key("one.key", variant_1));
	ck_assert_int_eq(peer_start(&a), 0);
	peer_init(&b, 2);
	peer_knows(&b, 1, "one", a.address, make_key("two.key", variant_2));
	ck_assert_int_eq(peer_start(&b), 0);
}

static void stop_pair(void)
{
	peer_stop(&a);
	peer_stop(&b);
	peers_end();
}

START_TEST(psk)
{
	uint8_t binding_a[32], binding_b[32], none[32] = { 0 };

	start_pair(0, 0);
	ck_assert_int_eq(xpmd_transport_binding(a.transport, 2, binding_a), -ENOTCONN);
	run_until(a.ups && b.ups);
	ck_assert(xpmd_transport_is_up(a.transport, 2));
	ck_assert(xpmd_transport_is_up(b.transport, 1));
	ck_assert_uint_eq(a.other.incarnation, 1002);
	ck_assert_uint_eq(b.other.incarnation, 1001);
	ck_assert_uint_eq(a.other.lease_ns, 3000000000);
	ck_assert_uint_eq(a.other.grace_ns, 7);
	ck_assert_int_eq(xpmd_transport_binding(a.transport, 2, binding_a), 0);
	ck_assert_int_eq(xpmd_transport_binding(b.transport, 1, binding_b), 0);
	ck_assert_mem_eq(binding_a, binding_b, 32);
	ck_assert_mem_ne(binding_a, none, 32);
	stop_pair();
}
END_TEST


/* Neither ever has a session, and both say why. */
static void expect_no_session(const char *why)
{
	run_until(strstr(log_text, why));
	run_for(300);
	ck_assert_uint_eq(a.ups + b.ups, 0);
	ck_assert_uint_gt(refused(&a, 0) + refused(&a, 2) + refused(&b, 1), 0);
}

START_TEST(wrong_key)
{
	start_pair(0, 1);
	expect_no_session("pre-shared key is another");
	ck_assert_uint_gt(refused(&a, 2), 0);
	stop_pair();
}
END_TEST

/* 3 has the right key of 2, and is none that 1 knows. */
START_TEST(unknown_partition)
{
	peers_begin();
	peer_init(&a, 1);
	peer_knows(&a, 2, "two", NULL, make_key("one.key", 0));
	ck_assert_int_eq(peer_start(&a), 0);
	peer_init(&b, 3);
	peer_knows(&b, 1, "one", a.address, make_key("two.key", 0));
	ck_assert_int_eq(peer_start(&b), 0);
	expect_no_session("there is no key for the identity \"xpmem:3\"");
	ck_assert_uint_gt(refused(&a, 0), 0);
	stop_pair();
}
END_TEST

/* 1 calls what it takes for 2, and it is 3, which has the same key. */
START_TEST(another_answers)
{
	peers_begin();
	peer_init(&b, 3);
	peer_knows(&b, 1, "one", NULL, make_key("three.key", 0));
	ck_assert_int_eq(peer_start(&b), 0);
	peer_init(&a, 1);
	peer_knows(&a, 2, "two", b.address, make_key("one.key", 0));
	ck_assert_int_eq(peer_start(&a), 0);
	expect_no_session("it is not partition 1, or speaks to 2");
	ck_assert_uint_gt(refused(&b, 1), 0);
	stop_pair();
}
END_TEST

/* Sent back to where it came from: the key fits, the number does not. */
START_TEST(reflected)
{
	peers_begin();
	peer_init(&b, 9);
	peer_knows(&b, 8, "eight", NULL, make_key("eight.key", 0));
	ck_assert_int_eq(peer_start(&b), 0);
	peer_init(&a, 9);
	peer_knows(&a, 8, "eight", b.address, make_key("nine.key", 0));
	ck_assert_int_eq(peer_start(&a), 0);
	run_until(strstr(log_text, "there is no key for the identity \"xpmem:9\""));
	ck_assert_uint_eq(a.ups + b.ups, 0);
	stop_pair();
}
END_TEST

static char *in_directory(const char *name)
{
	return make_file(name, "", 0600);
}

static struct authority *authority;

static void certify(struct peer *peer, const char *name, const char *san, const char *ca)
{
	char file[64];

	snprintf(file, sizeof(file), "%s.crt", name);
	peer->config.certificate = in_directory(file);
	snprintf(file, sizeof(file), "%s.pem", name);
	peer->config.key = in_directory(file);
	peer->config.authority = ca;
	authority_issue(authority, name, san, peer->config.certificate, peer->config.key);
}

/* Partition 1, "one", listens; 2, "two", connects; with these SANs */
static void start_certified(const char *san_1, const char *san_2, const char *name_of_2)
{
	char *ca;

	peers_begin();
	ca = in_directory("ca.crt");
	authority = authority_new(ca);
	peer_init(&a, 1);
	certify(&a, "one", san_1, ca);
	peer_knows(&a, 2, name_of_2, NULL, NULL);
	ck_assert_int_eq(peer_start(&a), 0);
	peer_init(&b, 2);
	certify(&b, "two", san_2, ca);
	peer_knows(&b, 1, "one", a.address, NULL);
	ck_assert_int_eq(peer_start(&b), 0);
	authority_free(authority);
}

START_TEST(x509)
{
	uint8_t binding_a[32], binding_b[32];

	start_certified("DNS:one", "DNS:elsewhere,DNS:two", "two");
	run_until(a.ups && b.ups);
	ck_assert_int_eq(xpmd_transport_binding(a.transport, 2, binding_a), 0);
	ck_assert_int_eq(xpmd_transport_binding(b.transport, 1, binding_b), 0);
	ck_assert_mem_eq(binding_a, binding_b, 32);
	stop_pair();
}
END_TEST

START_TEST(x509_wrong_server)
{
	start_certified("DNS:other", "DNS:two", "two");
	expect_no_session("hostname mismatch");
	stop_pair();
}
END_TEST

START_TEST(x509_wrong_client)
{
	start_certified("DNS:one", "DNS:other", "two");
	expect_no_session("it is not partition 2");
	stop_pair();
}
END_TEST

/* The subject's CN is "two", and does not count; nor do wildcards. */
START_TEST(x509_common_name)
{
	start_certified("DNS:one", NULL, "two");
	expect_no_session("it is not partition 2");
	stop_pair();
}
END_TEST

START_TEST(x509_wildcard)
{
	start_certified("DNS:one", "DNS:*.cluster.example", "two.cluster.example");
	expect_no_session("it is not partition 2");
	stop_pair();
}
END_TEST

/* The same names, of an authority that nobody knows */
START_TEST(x509_other_authority)
{
	char *ca, *other;

	peers_begin();
	ca = in_directory("ca.crt");
	authority = authority_new(ca);
	peer_init(&a, 1);
	certify(&a, "one", "DNS:one", ca);
	authority_free(authority);
	peer_knows(&a, 2, "two", NULL, NULL);
	ck_assert_int_eq(peer_start(&a), 0);
	peer_init(&b, 2);
	other = in_directory("other.crt");
	authority = authority_new(other);
	certify(&b, "two", "DNS:two", ca); /* it believes the server, not the reverse */
	authority_free(authority);
	peer_knows(&b, 1, "one", a.address, NULL);
	ck_assert_int_eq(peer_start(&b), 0);
	run_until(refused(&a, 0) > 0);
	ck_assert_uint_eq(a.ups + b.ups, 0);
	stop_pair();
}
END_TEST

/* A partition that has a key is not known by a certificate, however good it is. */
START_TEST(x509_for_a_key)
{
	char *ca;

	peers_begin();
	ca = in_directory("ca.crt");
	authority = authority_new(ca);
	peer_init(&a, 1);
	certify(&a, "one", "DNS:one", ca);
	peer_knows(&a, 2, "two", NULL, make_key("one.key", 0));
	ck_assert_int_eq(peer_start(&a), 0);
	peer_init(&b, 2);
	certify(&b, "two", "DNS:two", ca);
	peer_knows(&b, 1, "one", a.address, NULL);
	ck_assert_int_eq(peer_start(&b), 0);
	authority_free(authority);
	expect_no_session("it is not partition 2");
	stop_pair();
}
END_TEST

/* One partition by key, another by certificate, at the same listener */
START_TEST(mixed)
{
	char *ca;

	peers_begin();
	ca = in_directory("ca.crt");
	authority = authority_new(ca);
	peer_init(&a, 1);
	certify(&a, "one", "DNS:one", ca);
	peer_knows(&a, 2, "two", NULL, make_key("one.key", 0));
	peer_knows(&a, 3, "three", NULL, NULL);
	ck_assert_int_eq(peer_start(&a), 0);
	peer_init(&b, 2);
	peer_knows(&b, 1, "one", a.address, make_key("two.key", 0));
	ck_assert_int_eq(peer_start(&b), 0);
	peer_init(&c, 3);
	certify(&c, "three", "DNS:three", ca);
	peer_knows(&c, 1, "one", a.address, NULL);
	ck_assert_int_eq(peer_start(&c), 0);
	authority_free(authority);
	run_until(xpmd_transport_is_up(b.transport, 1) && xpmd_transport_is_up(c.transport, 1));
	peer_stop(&c);
	stop_pair();
}
END_TEST

/* What the key file must be */
START_TEST(key_files)
{
	static const struct {
		const char *text;
		unsigned int mode;
		const char *why;
	} wrong[] = {
		{ "", 0600, "not 64 to 128 hexadecimal" },
		{ "00112233445566778899aabbccddeeff\n", 0600, "not 64 to 128 hexadecimal" },
		{ "00112233445566778899aabbccddeeff00112233445566778899aabbccddee\n", 0600,
		  "not 64 to 128 hexadecimal" },
		{ "00112233445566778899aabbccddeeff00112233445566778899aabbccddeegg\n", 0600,
		  "not hexadecimal" },
		{ "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", 0640,
		  "others may have access" },
		{ "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", 0604,
		  "others may have access" },
	};
	char name[32];
	unsigned int i;

	peers_begin();
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		snprintf(name, sizeof(name), "key%u", i);
		peer_init(&a, 1);
		peer_knows(&a, 2, "two", NULL, make_file(name, wrong[i].text, wrong[i].mode));
		log_text[0] = 0;
		ck_assert_int_lt(peer_start(&a), 0);
		ck_assert_msg(strstr(log_text, wrong[i].why) != NULL, "%u: %s", i, log_text);
	}
	peer_init(&a, 1);
	peer_knows(&a, 2, "two", NULL, "/does/not/exist");
	ck_assert_int_eq(peer_start(&a), -ENOENT);
	peer_init(&a, 1);
	peer_knows(&a, 2, "two", NULL, NULL); /* neither key nor certificate */
	ck_assert_int_eq(peer_start(&a), -EINVAL);
	peer_init(&a, 1);
	peer_knows(&a, 1, "self", NULL, make_key("self.key", 0));
	ck_assert_int_eq(peer_start(&a), -EINVAL);
	peers_end();
}
END_TEST

START_TEST(plaintext)
{
	static const char garbage[] = "GET / HTTP/1.1\r\nHost: one\r\n\r\n";
	char answer[64];
	int fd, i;

	start_pair(0, 0);
	run_until(a.ups && b.ups);
	for (i = 0; i < 3; i++) {
		fd = connect_plainly(&a);
		ck_assert_int_gt(send(fd, garbage, sizeof(garbage), MSG_NOSIGNAL), 0);
		run_until(refused(&a, 0) == (uint64_t)i + 1);
		/* Closed, and nothing was told but that */
		while (recv(fd, answer, sizeof(answer), 0) > 0)
			;
		close(fd);
	}
	ck_assert_uint_eq(a.downs, 0);
	ck_assert(xpmd_transport_is_up(a.transport, 2));
	stop_pair();
}
END_TEST

/* One that knows TLS, and has @version at most and nothing to show */
static void expect_refusal(int version, const char *why)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	uint64_t before = refused(&a, 0);
	int fd = connect_plainly(&a);
	char answer[16];

	log_text[0] = 0;
	SSL_set_max_proto_version(ssl, version);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	SSL_set_fd(ssl, fd);
	SSL_set_connect_state(ssl);
	while (refused(&a, 0) == before) {
		(void)SSL_read(ssl, answer, sizeof(answer));
		run_for(1);
	}
	ck_assert_msg(strstr(log_text, why) != NULL, "%s", log_text);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
}

START_TEST(tls_without_identity)
{
	char *ca;

	start_pair(0, 0);
	expect_refusal(TLS1_2_VERSION, "unsupported protocol");
	expect_refusal(TLS1_3_VERSION, "no suitable signature algorithm");
	peer_stop(&a);
	peer_stop(&b);
	/* The same with a listener that has a certificate to show */
	ca = in_directory("ca.crt");
	authority = authority_new(ca);
	peer_init(&a, 1);
	certify(&a, "one", "DNS:one", ca);
	authority_free(authority);
	peer_knows(&a, 2, "two", NULL, NULL);
	ck_assert_int_eq(peer_start(&a), 0);
	expect_refusal(TLS1_2_VERSION, "unsupported protocol");
	expect_refusal(TLS1_3_VERSION, "peer did not return a certificate");
	peer_stop(&a);
	peers_end();
}
END_TEST

/* Who says nothing has little time, and does not keep others out. */
START_TEST(silent_strangers)
{
	int fds[70], i;

	peers_begin();
	peer_init(&a, 1);
	peer_knows(&a, 2, "two", NULL, make_key("one.key", 0));
	ck_assert_int_eq(peer_start(&a), 0);
	for (i = 0; i < 70; i++) {
		fds[i] = connect_plainly(&a);
		run_for(1);
	}
	run_until(refused(&a, 0) >= 6);
	ck_assert_ptr_nonnull(strstr(log_text, "too many wait for their HELLO"));
	peer_init(&b, 2);
	peer_knows(&b, 1, "one", a.address, make_key("two.key", 0));
	ck_assert_int_eq(peer_start(&b), 0);
	run_until(a.ups && b.ups);
	run_until(refused(&a, 0) >= 70);
	for (i = 0; i < 70; i++)
		close(fds[i]);
	stop_pair();
}
END_TEST

START_TEST(unknown_feature)
{
	peers_begin();
	peer_init(&a, 1);
	peer_knows(&a, 2, "two", NULL, make_key("one.key", 0));
	ck_assert_int_eq(peer_start(&a), 0);
	peer_init(&b, 2);
	b.features = 1ull << 63;
	peer_knows(&b, 1, "one", a.address, make_key("two.key", 0));
	ck_assert_int_eq(peer_start(&b), 0);
	/* It can't even be said: encoding refuses what the other would. */
	run_until(strstr(log_text, "unknown features"));
	run_for(200);
	ck_assert_uint_eq(a.ups + b.ups, 0);
	stop_pair();
}
END_TEST

/* The daemon of 2 dies and comes back, with another incarnation. */
START_TEST(reconnect)
{
	start_pair(0, 0);
	run_until(a.ups && b.ups);
	peer_stop(&b);
	run_until(a.downs == 1);
	ck_assert(!xpmd_transport_is_up(a.transport, 2));
	b.incarnation++;
	ck_assert_int_eq(peer_start(&b), 0);
	run_until(a.ups == 2 && b.ups == 2);
	ck_assert_uint_eq(a.other.incarnation, 1003);
	ck_assert_uint_eq(a.downs, 1);
	ck_assert_uint_eq(b.downs, 0);
	stop_pair();
}
END_TEST

/* That of 1, which listens, dies: 2 calls until it is back at the same address. */
START_TEST(listener_dies)
{
	start_pair(0, 0);
	run_until(a.ups && b.ups);
	peer_stop(&a);
	run_until(b.downs == 1);
	run_for(500);
	a.listen[0] = a.address;
	ck_assert_int_eq(peer_start(&a), 0);
	run_until(a.ups == 2 && b.ups == 2);
	stop_pair();
}
END_TEST

/*
 * 1, whose number is lower, has no connection that fails, but while 2 does not listen
 * yet: the session is its own, or it gave its own up for that of 2.
 */
static void expect_lower_wins(void)
{
	static const char failure[] = "partition 2: no session: ";
	static const char not_there[] = "Connection refused";
	const char *line = log_text;

	while ((line = strstr(line, failure))) {
		line += sizeof(failure) - 1;
		ck_assert_msg(!strncmp(line, not_there, sizeof(not_there) - 1), "%s", log_text);
	}
}

/* Both have the other's address and begin at the same moment, again and again. */
START_TEST(both_call)
{
	unsigned int i;

	peers_begin();
	peer_init(&a, 1);
	peer_init(&b, 2);
	peer_knows(&a, 2, "two", NULL, make_key("one.key", 0));
	peer_knows(&b, 1, "one", NULL, make_key("two.key", 0));
	ck_assert_int_eq(peer_start(&a), 0);
	ck_assert_int_eq(peer_start(&b), 0);
	a.listen[0] = a.address;
	b.listen[0] = b.address;
	a.partitions[0].address = b.address;
	b.partitions[0].address = a.address;
	peer_stop(&a);
	peer_stop(&b);
	for (i = 0; i < 20; i++) {
		a.ups = a.downs = b.ups = b.downs = 0;
		log_text[0] = 0;
		ck_assert_int_eq(peer_start(&a), 0);
		if (i % 2)
			run_for(i);
		ck_assert_int_eq(peer_start(&b), 0);
		run_until(xpmd_transport_is_up(a.transport, 2) &&
			  xpmd_transport_is_up(b.transport, 1));
		run_for(100);
		/* It stays: one session, and no second thoughts. */
		ck_assert_uint_eq(a.ups, 1);
		ck_assert_uint_eq(b.ups, 1);
		ck_assert_uint_eq(a.downs + b.downs, 0);
		expect_lower_wins();
		peer_stop(&a);
		peer_stop(&b);
	}
	peers_end();
}
END_TEST

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
	ck_assert_uint_eq(counts.frames_sent, 7);
	ck_assert_uint_eq(counts.frames_received, 5);
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
	evil_send(&evil, &frame);
	run_for(50);
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
	evil_send(&evil, &frame);
	evil_begin(&second);
	evil_send(&second, &frame);
	run_for(50);
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
#define BIG_MESSAGES	64u	/* of 1 MiB */

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
	run_until(a.ups && b.ups);
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
	ck_assert_uint_eq(b.data_bytes, 64ull << 20);
	ck_assert_uint_eq(b.msg.id, BIG_MESSAGES - 1);
	stop_pair();
}
END_TEST

/* Half of the pages, those with odd numbers: data is of the mask */
START_TEST(sparse)
{
	struct xpmd_msg msg = message(XPMD_GRANT, SEGID_1);

	start_pair(0, 0);
	run_until(a.ups && b.ups);
	msg.state = XPMD_EXCLUSIVE;
	msg.count = 100;
	msg.mask[0] = 0xaaaaaaaaaaaaaaaa;
	msg.mask[1] = 0xaaaaaaaaa;
	msg.data = pages;
	ck_assert_int_eq(xpmd_transport_send(a.transport, 2, XPMD_URGENT, &msg), 0);
	run_until(b.messages == 1);
	ck_assert_uint_eq(b.data_bytes, 50 * XPMD_PAGE);
	msg.mask[1] |= 1ull << 63;
	ck_assert_int_eq(xpmd_transport_send(a.transport, 2, XPMD_URGENT, &msg), -EINVAL);
	ck_assert(xpmd_transport_is_up(a.transport, 2));
	stop_pair();
}
END_TEST

/* In check_data of BULK nothing is read for a while; URGENT must not care. */
START_TEST(bulk_is_full)
{
	struct xpmd_msg msg, urgent = message(XPMD_DENY, SEGID_1);
	unsigned int queued = 0, before;
	int rc;

	urgent.error = EACCES;
	start_pair(0, 0);
	run_until(a.ups && b.ups);
	/* Nothing runs the loop meanwhile: all of it queues, up to the limit. */
	for (;;) {
		msg = big_message(queued);
		rc = xpmd_transport_send(a.transport, 2, XPMD_BULK, &msg);
		if (rc < 0)
			break;
		queued++;
	}
	ck_assert_int_eq(rc, -ENOBUFS);
	ck_assert_uint_eq(queued, 63); /* with their headers, of 64 MiB */
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
	run_until(a.ups && b.ups);
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
	} else if (peer == &b && msg->id < 3000) {
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
	run_until(a.ups && b.ups);
	msg.id = 1;
	ck_assert_int_eq(xpmd_transport_send(b.transport, 1, XPMD_URGENT, &msg), 0);
	run_until(b.messages == 3000);
	ck_assert_uint_eq(a.messages, 3000);
	ck_assert_uint_eq(b.msg.id, 3000);
	stop_pair();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("session");

	add_case(suite, "psk", psk);
	add_case(suite, "wrong_key", wrong_key);
	add_case(suite, "unknown_partition", unknown_partition);
	add_case(suite, "another_answers", another_answers);
	add_case(suite, "reflected", reflected);
	add_case(suite, "x509", x509);
	add_case(suite, "x509_wrong_server", x509_wrong_server);
	add_case(suite, "x509_wrong_client", x509_wrong_client);
	add_case(suite, "x509_common_name", x509_common_name);
	add_case(suite, "x509_wildcard", x509_wildcard);
	add_case(suite, "x509_other_authority", x509_other_authority);
	add_case(suite, "x509_for_a_key", x509_for_a_key);
	add_case(suite, "mixed", mixed);
	add_case(suite, "key_files", key_files);
	add_case(suite, "plaintext", plaintext);
	add_case(suite, "tls_without_identity", tls_without_identity);
	add_case(suite, "silent_strangers", silent_strangers);
	add_case(suite, "unknown_feature", unknown_feature);
	add_case(suite, "reconnect", reconnect);
	add_case(suite, "listener_dies", listener_dies);
	add_case(suite, "both_call", both_call);
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
