// SPDX-License-Identifier: GPL-2.0-or-later
/* Sessions between transports of one process over loopback: who gets one, and when. */
#include "certificates.h"
#include "pair.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

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
	ck_assert_uint_gt(a.other.grace_ns, 0);
	ck_assert_uint_le(a.other.grace_ns, PEERS_GRACE_NS);
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
	run_until(strstr(log_text, why));
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
	run_until(strstr(log_text, "too many wait for their HELLO"));
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
	const char *not_there = nobody_there();
	const char *line = log_text;

	while ((line = strstr(line, failure))) {
		line += sizeof(failure) - 1;
		ck_assert_msg(!strncmp(line, not_there, strlen(not_there)), "%s", log_text);
	}
}

#ifdef XPMEMD_NET	/* where each beginning is that of a process */
#define BEGINNINGS 6
#else
#define BEGINNINGS 20
#endif

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
	for (i = 0; i < BEGINNINGS; i++) {
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
#ifndef XPMEMD_NET	/* another process says what is wrong, by its log alone */
	add_case(suite, "key_files", key_files);
#else
	(void)key_files;
#endif
	add_case(suite, "plaintext", plaintext);
	add_case(suite, "tls_without_identity", tls_without_identity);
	add_case(suite, "silent_strangers", silent_strangers);
	add_case(suite, "unknown_feature", unknown_feature);
	add_case(suite, "reconnect", reconnect);
	add_case(suite, "listener_dies", listener_dies);
	add_case(suite, "both_call", both_call);
	return run_suite(suite);
}
