// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pages that pass a fabric, and who may read what there.  Needs a fabric at
 * XPMEM_TEST_FABRIC; libfabric's TCP is one.
 */
#define _GNU_SOURCE
#include "fabric.h"
#include "peers.h"
#include "seal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define SEGID_1 ((int64_t)1 << 51 | 77)
#define PAGES	64u
#define SECRET	"only who was given this may read it"

static struct peer a, b, c;
static uint8_t pages[PAGES * XPMD_PAGE] __attribute__((aligned(XPMD_PAGE)));
static uint64_t next_id;

static struct xpmd_fabric *fabric_of(const struct peer *peer, uint32_t partition)
{
	return xpmd_session_find(peer->transport, partition)->fabric;
}

static struct xpmd_transport_counts counts_of(const struct peer *peer, uint32_t partition)
{
	struct xpmd_transport_counts counts;

	xpmd_transport_counts(peer->transport, partition, &counts);
	return counts;
}

/* Every byte, and in which order they come */
static void check_message(struct peer *peer, const struct xpmd_msg *msg)
{
	const uint64_t *words = msg->data;
	size_t i;

	(void)peer;
	ck_assert_uint_eq(msg->id, next_id++);
	for (i = 0; words && i < (size_t)msg->count * XPMD_PAGE / 8; i++)
		if (words[i] != (msg->id << 32 | i))
			ck_abort_msg("message %llu differs at %zu", (unsigned long long)msg->id, i);
}

static int send_pages(enum xpmd_channel channel, uint64_t id, unsigned int count)
{
	struct xpmd_msg msg = {
		.type = XPMD_GRANT, .state = XPMD_SHARED, .incarnation = 1001, .id = id,
		.segid = SEGID_1, .first = 5, .count = count,
	};
	uint64_t *words = (uint64_t *)pages;
	size_t i;

	for (i = 0; i < (size_t)count * XPMD_PAGE / 8; i++)
		words[i] = id << 32 | i;
	for (i = 0; i < count; i++)
		msg.mask[i / 64] |= 1ull << i % 64;
	msg.data = pages;
	return xpmd_transport_send(a.transport, 2, channel, &msg);
}

/* The same without pages */
static int send_short(enum xpmd_channel channel, uint64_t id)
{
	struct xpmd_msg msg = {
		.type = XPMD_DENY, .error = 11, .incarnation = 1001, .id = id, .segid = SEGID_1,
		.first = 5, .count = 0,
	};

	return xpmd_transport_send(a.transport, 2, channel, &msg);
}

static void init_pair(void)
{
	peers_begin();
	if (!peers_fabric())
		ck_abort_msg("XPMEM_TEST_FABRIC is not set");
	peer_init(&a, 1);
	peer_knows(&a, 2, "two", NULL, make_key("one.key", 0));
	peer_init(&b, 2);
	next_id = 0;
}

static void start_pair(void)
{
	ck_assert_int_eq(peer_start(&a), 0);
	peer_knows(&b, 1, "one", a.address, make_key("two.key", 0));
	ck_assert_int_eq(peer_start(&b), 0);
}

static void pair_up(void)
{
	init_pair();
	start_pair();
	run_until(fabric_is_up(&a, 2) && fabric_is_up(&b, 1));
}

static void stop_pair(void)
{
	peer_stop(&b);
	peer_stop(&a);
	peers_end();
}

START_TEST(seals)
{
	uint8_t key[XPMD_SEAL_KEY] = "a key", tag[XPMD_SEAL_TAG], sealed[XPMD_PAGE], copy[XPMD_PAGE];
	struct xpmd_seal *client = xpmd_seal_new(key, true), *server = xpmd_seal_new(key, false);

	memset(pages, 'x', XPMD_PAGE);
	ck_assert_int_eq(xpmd_seal_close(client, XPMD_BULK, 7, pages, XPMD_PAGE, sealed, tag), 0);
	ck_assert_mem_ne(sealed, pages, 64);
#define OPEN(who, channel, number) ({						\
	memcpy(copy, sealed, sizeof(copy));					\
	xpmd_seal_open(who, channel, number, copy, sizeof(copy), tag);		\
})
	ck_assert_int_eq(OPEN(server, XPMD_BULK, 7), 0);
	ck_assert_mem_eq(copy, pages, XPMD_PAGE);
	/* Another number, channel or direction, or a bit of it: not what was sealed */
	ck_assert_int_eq(OPEN(server, XPMD_BULK, 8), -EBADMSG);
	ck_assert_int_eq(OPEN(server, XPMD_URGENT, 7), -EBADMSG);
	ck_assert_int_eq(OPEN(client, XPMD_BULK, 7), -EBADMSG);
	sealed[4000] ^= 1;
	ck_assert_int_eq(OPEN(server, XPMD_BULK, 7), -EBADMSG);
	sealed[4000] ^= 1;
	tag[0] ^= 1;
	ck_assert_int_eq(OPEN(server, XPMD_BULK, 7), -EBADMSG);
	xpmd_seal_free(client);
	xpmd_seal_free(server);
}
END_TEST

/* Pages come by the fabric, all else by TLS, and each channel's in the order it was sent. */
START_TEST(order)
{
	struct xpmd_transport_counts counts;
	unsigned int i;

	pair_up();
	b.on_message = check_message;
	for (i = 0; i < 300; i++) {
		ck_assert_int_eq(i % 3 == 1 ? send_short(XPMD_URGENT, i) :
				 send_pages(XPMD_URGENT, i, 1 + i % 7), 0);
		if (i % 50 == 0)
			ck_assert_int_ge(sd_event_run(event, 0), 0);
	}
	run_until(b.messages == 300);
	counts = counts_of(&a, 2);
	ck_assert_uint_ge(counts.fabric_sent, 100 * XPMD_PAGE);
	ck_assert_uint_eq(counts.fabric_sent, counts_of(&b, 1).fabric_received);
	ck_assert_uint_eq(counts.fabric_received, 0);
	ck_assert_uint_lt(counts.sent[0] + counts.fabric_sent, b.data_bytes + 300 * 256 + 4096);
	/* And what was fetched is nobody's any more. */
	run_until(!fabric_of(&a, 2)->rings[XPMD_URGENT].count);
	stop_pair();
}
END_TEST

/* From the side that is not home, too, and less than the least goes by TLS. */
START_TEST(both_ways)
{
	struct xpmd_msg msg = {
		.type = XPMD_GIVE, .state = XPMD_EXCLUSIVE, .incarnation = 1002, .id = 1,
		.segid = SEGID_1, .count = 4, .mask[0] = 15, .data = pages,
	};

	init_pair();
	a.config.fabric_min = b.config.fabric_min = 4 * XPMD_PAGE;
	start_pair();
	run_until(fabric_is_up(&a, 2) && fabric_is_up(&b, 1));
	ck_assert_int_eq(xpmd_transport_send(b.transport, 1, XPMD_BULK, &msg), 0);
	run_until(a.messages == 1);
	ck_assert_uint_eq(counts_of(&a, 2).fabric_received, 4 * XPMD_PAGE);
	msg.mask[0] = 7;
	ck_assert_int_eq(xpmd_transport_send(b.transport, 1, XPMD_BULK, &msg), 0);
	run_until(a.messages == 2);
	ck_assert_uint_eq(counts_of(&a, 2).fabric_received, 4 * XPMD_PAGE);
	stop_pair();
}
END_TEST

/* What @peer reads with that address and key: the session ends, and it has read nothing. */
static void expect_unreadable(struct peer *peer, uint32_t home, uint64_t address, uint64_t key)
{
	struct xpmd_fabric *fabric = fabric_of(peer, home);
	unsigned int downs = peer->downs;
	uint8_t *buffer = fabric->session->conn[XPMD_URGENT]->data;

	memset(buffer, 0x11, XPMD_PAGE);
	memset(pages, 0x11, XPMD_PAGE);
	ck_assert_int_eq(xpmd_rma_read(fabric->link, XPMD_URGENT,
				       &fabric->fetches[XPMD_URGENT].region, buffer, XPMD_PAGE,
				       address, key), 0);
	while (peer->downs == downs) {
		ck_assert_mem_eq(buffer, pages, XPMD_PAGE);
		ck_assert_int_ge(sd_event_run(event, 1000000), 0);
		if (!fabric->up)
			break;
	}
	run_until(peer->downs == downs + 1);
	ck_assert_ptr_nonnull(strstr(peer->why, "fabric"));
}

/* A partition that keeps a key reads nothing with it when the grant has been fetched. */
START_TEST(key_ends)
{
	struct xpmd_rma_region region;
	uint8_t *where;

	pair_up();
	b.on_message = check_message;
	ck_assert_int_eq(send_pages(XPMD_URGENT, 0, 2), 0);
	region = fabric_of(&a, 2)->rings[XPMD_URGENT].exports[0].region;
	where = fabric_of(&a, 2)->rings[XPMD_URGENT].memory;
	run_until(b.messages == 1);
	run_until(!fabric_of(&a, 2)->rings[XPMD_URGENT].count);
	memcpy(where, SECRET, sizeof(SECRET));
	expect_unreadable(&b, 1, region.address, region.key);
	run_until(a.ups == 2 && b.ups == 2);
	stop_pair();
}
END_TEST

/* Nor does it with that of another partition, while that may. */
START_TEST(key_of_another)
{
	static uint8_t secret[XPMD_PAGE] __attribute__((aligned(XPMD_PAGE))) = SECRET;
	struct xpmd_rma_region region;
	struct xpmd_fabric *fabric;

	init_pair();
	peer_knows(&a, 3, "three", NULL, make_key("one-three.key", 1));
	start_pair();
	peer_init(&c, 3);
	peer_knows(&c, 1, "one", a.address, make_key("three.key", 1));
	ck_assert_int_eq(peer_start(&c), 0);
	run_until(fabric_is_up(&a, 2) && fabric_is_up(&b, 1) && fabric_is_up(&a, 3) &&
		  fabric_is_up(&c, 1));
	ck_assert_int_eq(xpmd_rma_register(fabric_of(&a, 3)->link, &region, secret, sizeof(secret),
					   true), 0);
	expect_unreadable(&b, 1, region.address, region.key);
	ck_assert_uint_eq(c.downs, 0);
	/* It is a key, though: who may reads. */
	fabric = fabric_of(&c, 1);
	ck_assert_int_eq(xpmd_rma_read(fabric->link, XPMD_URGENT,
				       &fabric->fetches[XPMD_URGENT].region,
				       fabric->session->conn[XPMD_URGENT]->data, XPMD_PAGE,
				       region.address, region.key), 0);
	run_until(!memcmp(fabric->session->conn[XPMD_URGENT]->data, SECRET, sizeof(SECRET)));
	ck_assert_uint_eq(c.downs, 0);
	peer_stop(&c);
	stop_pair();
}
END_TEST

/* What the fabric sees has nothing of the pages. */
START_TEST(sealed)
{
	const struct xpmd_ring *ring;

	pair_up();
	ck_assert_int_eq(send_pages(XPMD_BULK, 0, 4), 0);
	ring = &fabric_of(&a, 2)->rings[XPMD_BULK];
	ck_assert_uint_eq(ring->count, 1);
	ck_assert_uint_ne(ring->exports[0].region.key, 0);
	ck_assert_ptr_null(memmem(ring->memory, 4 * XPMD_PAGE, pages + 64, 32));
	run_until(b.messages == 1);
	stop_pair();
}
END_TEST

/* What can't be sent is not lent either, and nothing else is harmed. */
START_TEST(not_sent)
{
	struct xpmd_msg msg = {
		.type = XPMD_GRANT, .state = XPMD_SHARED, .segid = SEGID_1, .count = 4,
		.mask[0] = 31, .data = pages,
	};
	struct xpmd_ring *ring;

	pair_up();
	b.on_message = check_message;
	ring = &fabric_of(&a, 2)->rings[XPMD_URGENT];
	ck_assert_int_eq(send_pages(XPMD_URGENT, 0, 4), 0);
	ck_assert_int_eq(xpmd_transport_send(a.transport, 2, XPMD_URGENT, &msg), -EINVAL);
	ck_assert_uint_eq(ring->count, 1);
	ck_assert_int_eq(send_pages(XPMD_URGENT, 1, 4), 0);
	ck_assert_uint_eq(ring->count, 2);
	ck_assert_uint_eq(ring->end, 8 * XPMD_PAGE);
	run_until(b.messages == 2);
	ck_assert_uint_eq(counts_of(&b, 1).fabric_received, 8 * XPMD_PAGE);
	ck_assert_uint_eq(a.downs, 0);
	stop_pair();
}
END_TEST

/* Somebody on the fabric changes a bit: nobody gets the pages. */
START_TEST(altered)
{
	pair_up();
	ck_assert_int_eq(send_pages(XPMD_URGENT, 0, 4), 0);
	fabric_of(&a, 2)->rings[XPMD_URGENT].memory[3 * XPMD_PAGE] ^= 1;
	run_until(a.downs == 1 && b.downs == 1);
	ck_assert_uint_eq(b.messages, 0);
	ck_assert_ptr_nonnull(strstr(b.why, "pages from the fabric are not its"));
	ck_assert_uint_eq(refused(&b, 1), 1);
	run_until(a.ups == 2 && b.ups == 2);
	stop_pair();
}
END_TEST

struct knocker {
	unsigned int ups, downs;
};

static void knocker_up(void *ctx)
{
	((struct knocker *)ctx)->ups++;
}

static void knocker_read(void *ctx, unsigned int slot)
{
	(void)ctx;
	(void)slot;
}

static void knocker_down(void *ctx, const char *why)
{
	(void)why;
	((struct knocker *)ctx)->downs++;
}

static void no_request(void *ctx, struct xpmd_rma_request *request, const void *hello,
		       size_t length)
{
	(void)ctx;
	(void)request;
	(void)hello;
	(void)length;
}

/* Who has no token of a session is not connected to, whatever it says. */
START_TEST(strangers)
{
	static const struct xpmd_rma_link_ops link_ops = { knocker_up, knocker_read, knocker_down };
	static const struct xpmd_rma_ops ops = { no_request };
	static const size_t lengths[] = { 0, 8, 16, 32 };
	uint8_t hello[32] = { 0 };
	struct knocker knocker = { 0 };
	struct xpmd_rma_link *link;
	struct xpmd_address address;
	struct xpmd_rma *rma;
	unsigned int i;

	pair_up();
	ck_assert_int_eq(xpmd_rma_new(&rma, event, peers_fabric(), &ops, NULL), 0);
	ck_assert_int_eq(xpmd_rma_address(a.transport->rma, &address), 0);
	for (i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		ck_assert_int_eq(xpmd_rma_connect(&link, rma, &address, hello, lengths[i],
						  &link_ops, &knocker), 0);
		run_until(knocker.downs == i + 1);
		xpmd_rma_link_free(link);
	}
	/* Not even with the token: its session is connected. */
	memcpy(hello, fabric_of(&a, 2)->token, XPMD_TOKEN_BYTES);
	ck_assert_int_eq(xpmd_rma_connect(&link, rma, &address, hello, XPMD_TOKEN_BYTES, &link_ops,
					  &knocker), 0);
	run_until(knocker.downs == i + 1);
	xpmd_rma_link_free(link);
	/* Nobody is there: given up while a thread looks, or later */
	((struct sockaddr_in *)&address.bytes)->sin_port = htons(1);
	ck_assert_int_eq(xpmd_rma_connect(&link, rma, &address, hello, 16, &link_ops, &knocker), 0);
	xpmd_rma_link_free(link);
	ck_assert_uint_eq(knocker.ups, 0);
	ck_assert_uint_eq(refused(&a, 0), 4);
	ck_assert_uint_eq(refused(&a, 2), 1);
	ck_assert_uint_eq(a.downs + b.downs, 0);
	ck_assert(fabric_is_up(&a, 2));
	xpmd_rma_free(rma);
	stop_pair();
}
END_TEST

/* One end alone is configured for it. */
START_TEST(one_end)
{
	init_pair();
	a.partitions[0].fabric = false;
	start_pair();
	run_until(a.ups && b.ups);
	run_until(strstr(log_text, "partition 1 has no fabric: pages go by TLS"));
	b.on_message = check_message;
	ck_assert_int_eq(send_pages(XPMD_URGENT, 0, PAGES), 0);
	run_until(b.messages == 1);
	ck_assert_uint_eq(counts_of(&a, 2).fabric_sent, 0);
	ck_assert(!fabric_is_up(&b, 1));
	stop_pair();
}
END_TEST

/* A fabric for a partition, and none of one's own */
START_TEST(no_fabric)
{
	static const char *const wrong[] = {
		"verbs://0.0.0.0:7475", "verbs://nowhere:7475", "udp://127.0.0.1:7475",
		"127.0.0.1:7475", "tcp://[::]:1", "",
	};
	unsigned int i;

	init_pair();
	a.config.fabric = NULL;
	ck_assert_int_eq(peer_start(&a), -EINVAL);
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		a.config.fabric = wrong[i];
		ck_assert_ptr_nonnull(xpmd_rma_check(wrong[i]));
		ck_assert_int_eq(peer_start(&a), -EINVAL);
	}
	a.config.fabric = "tcp://203.0.113.77:7475";	/* nobody's here */
	ck_assert_int_lt(peer_start(&a), 0);
	ck_assert_ptr_nonnull(strstr(log_text, "fabric tcp://203.0.113.77:7475: "));
	peers_end();
}
END_TEST

/* It breaks: the session ends and begins again, by TLS alone, and then with it. */
START_TEST(breaks)
{
	struct xpmd_fabric *fabric;

	pair_up();
	b.on_message = check_message;
	ck_assert_int_eq(send_pages(XPMD_BULK, 0, 8), 0);
	run_until(b.messages == 1);
	fabric = fabric_of(&b, 1);
	xpmd_rma_link_free(fabric->link);
	fabric->link = NULL;
	fabric->up = false;
	sd_event_source_set_enabled(fabric->timer, SD_EVENT_OFF);
	run_until(a.downs == 1 && b.downs == 1);
	ck_assert_ptr_nonnull(strstr(a.why, "the fabric's connection"));
	ck_assert_ptr_nonnull(strstr(b.why, "its connection on the fabric is broken"));
	ck_assert_uint_eq(refused(&a, 2) + refused(&b, 1), 0);
	run_until(a.ups == 2 && b.ups == 2);
	ck_assert(!fabric_is_up(&a, 2));
	ck_assert_int_eq(send_pages(XPMD_BULK, 1, 8), 0);
	run_until(b.messages == 2);
	ck_assert_uint_eq(counts_of(&a, 2).fabric_sent, 8 * XPMD_PAGE);
	run_until(fabric_is_up(&a, 2) && fabric_is_up(&b, 1));
	ck_assert_int_eq(send_pages(XPMD_BULK, 2, 8), 0);
	run_until(b.messages == 3);
	ck_assert_uint_eq(counts_of(&a, 2).fabric_sent, 16 * XPMD_PAGE);
	stop_pair();
}
END_TEST

/* The other end lives and does not read: its memory is not lent for ever. */
START_TEST(not_fetched)
{
	uint64_t began;

	init_pair();
	a.lease_ns = 300000000;
	start_pair();
	run_until(fabric_is_up(&a, 2) && fabric_is_up(&b, 1));
	xpmd_conn_pause(xpmd_session_find(b.transport, 1)->conn[XPMD_BULK], true);
	began = now_ms();
	ck_assert_int_eq(send_pages(XPMD_BULK, 0, 8), 0);
	run_until(a.downs == 1);
	ck_assert_uint_ge(now_ms() - began, 850);
	ck_assert_uint_lt(now_ms() - began, 3000);
	ck_assert_ptr_nonnull(strstr(a.why, "pages are not fetched"));
	stop_pair();
}
END_TEST

/*
 * What can't be read holds its channel up for a quarter of a lease, so that of one that was
 * renewed a third before there is enough left for another session.
 */
START_TEST(not_readable)
{
	struct xpmd_msg msg = {
		.type = XPMD_GIVE, .state = XPMD_EXCLUSIVE, .incarnation = 1002, .id = 1,
		.segid = SEGID_1, .count = 4, .mask[0] = 15, .data = pages,
	};
	struct xpmd_fetch *fetch;
	uint64_t began;

	init_pair();
	b.lease_ns = 9600000000;
	start_pair();
	run_until(fabric_is_up(&a, 2) && fabric_is_up(&b, 1));
	/* It reads, and that does not end. */
	fetch = &fabric_of(&b, 1)->fetches[XPMD_BULK];
	fetch->conn = xpmd_session_find(b.transport, 1)->conn[XPMD_BULK];
	sd_event_now(event, CLOCK_MONOTONIC, &fetch->since);
	began = now_ms();
	ck_assert_int_eq(xpmd_transport_send(b.transport, 1, XPMD_BULK, &msg), 0);
	run_until(b.downs == 1);
	ck_assert_uint_ge(now_ms() - began, 2390);
	ck_assert_uint_lt(now_ms() - began, 3100);
	ck_assert_ptr_nonnull(strstr(b.why, "pages can't be read"));
	run_until(a.ups == 2 && b.ups == 2);
	stop_pair();
}
END_TEST

/* What a partition with the key and without manners says of fabrics */
static void expect_refused(const struct xpmd_wire_frame *frame, const char *why)
{
	unsigned int ups = a.ups, downs = a.downs;

	ck_assert_int_eq(xpmd_conn_send(xpmd_session_find(b.transport, 1)->conn[frame->channel],
					frame), 0);
	run_until(a.downs == downs + 1);
	ck_assert_msg(strstr(a.why, why) != NULL, "%s, not %s", a.why, why);
	run_until(a.ups == ups + 1 && b.ups == ups + 1);
}

START_TEST(evil)
{
	struct xpmd_wire_frame fetched = {
		.type = XPMEM_PROTO_FETCHED, .fetched.number = 1,
	}, listens = {
		.type = XPMEM_PROTO_FABRIC,
		.fabric = { .state = XPMEM_PROTO_FABRIC_LISTENS, .family = 4, .port = 1 },
	}, pages_there = {
		.type = XPMEM_PROTO_GIVE,
		.msg = { .type = XPMD_GIVE, .segid = SEGID_1, .count = 1, .mask[0] = 1 },
		.fetch = { .address = 4096, .key = 1, .number = 1, .length = XPMD_PAGE },
	};

	init_pair();
	a.partitions[0].fabric = false;
	start_pair();
	run_until(a.ups && b.ups);
	expect_refused(&fetched, "a fabric that was not agreed on");
	expect_refused(&listens, "a fabric that was not agreed on");
	expect_refused(&pages_there, "a fabric that is not connected");
	stop_pair();
}
END_TEST

START_TEST(evil_agreed)
{
	struct xpmd_wire_frame fetched = {
		.type = XPMEM_PROTO_FETCHED, .fetched.number = 1,
	}, listens = {
		.type = XPMEM_PROTO_FABRIC,
		.fabric = { .state = XPMEM_PROTO_FABRIC_LISTENS, .family = 4, .port = 1 },
	};

	pair_up();
	expect_refused(&fetched, "it fetched what was not sent");
	expect_refused(&listens, "it tells an address");
	stop_pair();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fabric");

	add_case(suite, "seals", seals);
	add_case(suite, "order", order);
	add_case(suite, "both_ways", both_ways);
	add_case(suite, "key_ends", key_ends);
	add_case(suite, "key_of_another", key_of_another);
	add_case(suite, "sealed", sealed);
	add_case(suite, "not_sent", not_sent);
	add_case(suite, "altered", altered);
	add_case(suite, "strangers", strangers);
	add_case(suite, "one_end", one_end);
	add_case(suite, "no_fabric", no_fabric);
	add_case(suite, "breaks", breaks);
	add_case(suite, "not_fetched", not_fetched);
	add_case(suite, "not_readable", not_readable);
	add_case(suite, "evil", evil);
	add_case(suite, "evil_agreed", evil_agreed);
	return run_suite(suite);
}
