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

void stop_pair(void)
{
	peer_stop(&a);
	peer_stop(&b);
	peers_end();
}
