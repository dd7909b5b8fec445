// SPDX-License-Identifier: GPL-2.0-or-later
/* A fabric that xpmemd-net has: what it may have for it, and what xpmemd hears of it. */
#define _GNU_SOURCE
#include "net_process.h"
#include "pair.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define PAGES 64u

static uint8_t pages[PAGES * XPMD_PAGE];

static struct xpmd_transport_counts counts_of(const struct peer *peer, uint32_t partition)
{
	struct xpmd_transport_counts counts;

	xpmd_transport_counts(peer->transport, partition, &counts);
	return counts;
}

static void check_pages(struct peer *peer, const struct xpmd_msg *msg)
{
	(void)peer;
	ck_assert_mem_eq(msg->data, pages, sizeof(pages));
}

static void send_pages(uint64_t id)
{
	struct xpmd_msg msg = {
		.type = XPMD_GRANT, .state = XPMD_SHARED, .incarnation = 1001, .id = id,
		.segid = SEGID_1, .count = PAGES, .mask[0] = UINT64_MAX, .data = pages,
	};

	memset(pages, (int)id, sizeof(pages));
	ck_assert_int_eq(xpmd_transport_send(a.transport, 2, XPMD_URGENT, &msg), 0);
}

static void start_checked(void)
{
	start_pair(0, 0);
	b.on_message = check_pages;
	pair_is_up();
}

/* Pages pass it in both processes' name, and xpmemd has the numbers. */
START_TEST(counted)
{
	start_checked();
	for (uint64_t id = 1; id <= 8; id++) {
		send_pages(id);
		run_until(b.messages == id);
	}
	run_until(counts_of(&a, 2).fabric_sent == 8 * sizeof(pages));
	run_until(counts_of(&b, 1).fabric_received == 8 * sizeof(pages));
	ck_assert_uint_eq(counts_of(&a, 2).fabric_received, 0);
	ck_assert_uint_lt(counts_of(&a, 2).sent[0], sizeof(pages));
	stop_pair();
	ck_assert_ptr_nonnull(strstr(log_text, "connected on the fabric"));
}
END_TEST

/* Whatever dies is counted as not connected, what it has sent as sent. */
START_TEST(dies)
{
	unsigned int seen;

	start_checked();
	send_pages(1);
	run_until(b.messages == 1);
	run_until(counts_of(&a, 2).fabric_sent + counts_of(&b, 1).fabric_received ==
		  2 * sizeof(pages));
	ck_assert_int_eq(kill(find_process(), SIGKILL), 0);
	run_until(a.downs == 1 && b.downs == 1);
	ck_assert(!fabric_is_up(&a, 2) && !fabric_is_up(&b, 1));
	ck_assert_uint_eq(counts_of(&a, 2).fabric_sent, sizeof(pages));
	ck_assert_uint_eq(counts_of(&b, 1).fabric_received, sizeof(pages));
	run_until(a.ups == 2 && b.ups == 2);
	run_until(fabric_is_up(&a, 2) && fabric_is_up(&b, 1));
	seen = b.messages;
	send_pages(2);
	run_until(b.messages == seen + 1);
	run_until(counts_of(&a, 2).fabric_sent == 2 * sizeof(pages));
	stop_pair();
}
END_TEST

/* More than without one is left to it, and no more than that. */
START_TEST(sandbox)
{
	start_checked();
	expect_line("status", "\nNoNewPrivs:\t1\n");
	expect_line("status", "\nSeccomp:\t2\n");
	expect_line("status", "\nCapEff:\t0000000000000000\n");
	expect_line("status", "\nCapPrm:\t0000000000000000\n");
	if (geteuid() == 0) {
		expect_line("status", "\nUid:\t65534\t65534\t65534\t65534\n");
		expect_line("status", "\nGid:\t65534\t65534\t65534\t65534\n");
		expect_line("status", "\nGroups:\t \n");
		expect_line("limits", "Max processes             65 ");
	}
	stop_pair();
}
END_TEST

/* One that can't be opened is told, and is no reason not to begin; nothing is left open for it. */
START_TEST(not_there)
{
	peers_begin();
	peer_init(&a, 1);
	a.config.fabric = "tcp://192.0.2.77:7475";
	peer_knows(&a, 2, "two", NULL, make_key("one.key", 0));
	ck_assert_int_eq(peer_start(&a), 0);
	ck_assert_ptr_nonnull(strstr(log_text, "fabric tcp://192.0.2.77:7475: "));
	ck_assert_ptr_nonnull(strstr(log_text, "going on without the fabric"));
	expect_line("limits", "Max processes             0 ");
	peer_init(&b, 2);
	peer_knows(&b, 1, "one", a.address, make_key("two.key", 0));
	b.on_message = check_pages;
	ck_assert_int_eq(peer_start(&b), 0);
	run_until(a.ups && b.ups);
	send_pages(1);
	run_until(b.messages == 1);
	ck_assert(!fabric_is_up(&a, 2) && !fabric_is_up(&b, 1));
	ck_assert_uint_eq(counts_of(&a, 2).fabric_sent, 0);
	stop_pair();
}
END_TEST

/* What xpmemd would never say to it ends it before it begins. */
START_TEST(wrong_setup)
{
	static const char *const wrong[] = { "tcp://0.0.0.0:7475", "tcp://beta:1", "nothing" };

	peers_begin();
	for (unsigned int i = 0; i < 4; i++) {
		char name[] = "0.key";

		name[0] = (char)('0' + i);
		peer_init(&a, 1);
		peer_knows(&a, 2, "two", NULL, make_key(name, 0));
		if (i < 3)
			a.config.fabric = wrong[i];
		else
			a.config.fabric_min = 1;
		log_text[0] = 0;
		ck_assert_int_lt(peer_start(&a), 0);
		ck_assert_ptr_nonnull(strstr(log_text, "xpmemd-net did not begin"));
	}
	peers_end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_fabric");

	add_case(suite, "counted", counted);
	add_case(suite, "dies", dies);
	add_case(suite, "sandbox", sandbox);
	add_case(suite, "not_there", not_there);
	add_case(suite, "wrong_setup", wrong_setup);
	return run_suite(suite);
}
