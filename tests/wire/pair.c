// SPDX-License-Identifier: GPL-2.0-or-later
#include "pair.h"

struct peer a, b, c;

void start_pair(int variant_1, int variant_2)
{
	peers_begin();
	peer_init(&a, 1);
	peer_knows(&a, 2, "two", NULL, make_key("one.key", variant_1));
	ck_assert_int_eq(peer_start(&a), 0);
	peer_init(&b, 2);
	peer_knows(&b, 1, "one", a.address, make_key("two.key", variant_2));
	ck_assert_int_eq(peer_start(&b), 0);
}

void pair_is_up(void)
{
	run_until(a.ups && b.ups);
	if (peers_fabric())
		run_until(fabric_is_up(&a, 2) && fabric_is_up(&b, 1));
}

void expect_on_fabric(uint64_t bytes)
{
	struct xpmd_transport_counts counts;

	xpmd_transport_counts(a.transport, 2, &counts);
	if (!peers_fabric())
		ck_assert_uint_eq(counts.fabric_sent, 0);
	/* It is told a little later than what was sent where a process is between. */
	while (peers_fabric() && counts.fabric_sent < bytes) {
		run_for(1);
		xpmd_transport_counts(a.transport, 2, &counts);
	}
}

void stop_pair(void)
{
	peer_stop(&a);
	peer_stop(&b);
	peers_end();
}
