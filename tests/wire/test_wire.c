// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames (daemon/wire.c): every type there and back, every truncation, every byte
 * changed in every way that matters, and the mistakes by their names.
 */
#include "check_main.h"
#include "wire.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SEGID ((int64_t)9 << 51 | 0x123456789)

static uint8_t data[4 * XPMD_PAGE];
static uint8_t body[XPMD_WIRE_BODY_MAX];
static size_t body_length, data_length;

static struct xpmd_wire_frame message(enum xpmem_proto_type type)
{
	struct xpmd_wire_frame frame = {
		.type = type,
		.msg = {
			.type = (enum xpmd_type)type,
			.epoch = 0x11223344,
			.incarnation = 0x1020304050607080,
			.id = 0xa1a2a3a4a5a6a7a8,
			.first = 0x123456789a,
			.count = 70,
			.gen = 0x55667788,
			.segid = SEGID,
		},
	};

	if (type == XPMEM_PROTO_RENEW || type == XPMEM_PROTO_RENEWED ||
	    type == XPMEM_PROTO_FENCED || type >= XPMEM_PROTO_LEAVE)
		frame.msg.segid = 0;
	if (type == XPMEM_PROTO_GRANT || type == XPMEM_PROTO_TAKEN || type == XPMEM_PROTO_GIVE) {
		frame.msg.state = XPMD_EXCLUSIVE;
		frame.msg.mask[0] = 1ull << 63 | 5;
		frame.msg.mask[1] = 1 << 5;
		frame.msg.data = data;
	}
	if (type == XPMEM_PROTO_GRANT)
		frame.msg.more = 186;
	if (type == XPMEM_PROTO_DENY)
		frame.msg.error = EACCES;
	return frame;
}

/* One frame of each type, as an array that ends with type 0 */
static const struct xpmd_wire_frame *frames(void)
{
	static struct xpmd_wire_frame all[40];
	struct xpmd_wire_frame *frame = all;
	enum xpmem_proto_type type;

	for (type = XPMEM_PROTO_READ; type <= XPMEM_PROTO_ENDED; type++) {
		*frame = message(type);
		frame->channel = type % 2 ? XPMD_BULK : XPMD_URGENT;
		frame++;
	}
	frame->type = XPMEM_PROTO_HELLO;
	frame->hello.to = 4095;
	frame->hello.hello = (struct xpmd_hello){
		.partition = 1,
		.incarnation = ~0ull,
		.lease_ns = 3000000000,
		.skew_ns = 100000000,
		.grace_ns = 2 * XPMEM_PROTO_TIME_MAX,
	};
	memset(frame->hello.token, 0x77, sizeof(frame->hello.token));
	frame++;
	frame->type = XPMEM_PROTO_BYE;
	frame->bye = XPMEM_PROTO_BYE_QUEUE;
	frame++;
	frame->type = XPMEM_PROTO_ASK_CHALLENGE;
	frame->challenge.id = 0x8877665544332211;
	frame++;
	frame->type = XPMEM_PROTO_CHALLENGE;
	frame->challenge.id = 0x8877665544332211;
	memset(frame->challenge.nonce, 0x99, sizeof(frame->challenge.nonce));
	frame++;
	frame->type = XPMEM_PROTO_OPEN;
	frame->open = (struct xpmd_open){
		.id = 3, .segid = SEGID, .write = true, .credential = "MUNGE:AwQFAAA==:",
		.uid = 1000, .gid = ~0u,
	};
	frame++;
	frame->type = XPMEM_PROTO_OPEN;
	frame->open = (struct xpmd_open){ .id = 3, .segid = SEGID, .credential = "" };
	frame++;
	frame->type = XPMEM_PROTO_OPENED;
	frame->opened = (struct xpmd_opened){ .id = 3, .segid = SEGID, .pages = 1ull << 52 };
	frame++;
	frame->type = XPMEM_PROTO_OPENED;
	frame->opened = (struct xpmd_opened){ .id = 3, .segid = SEGID, .error = EACCES };
	frame++;
	frame->type = XPMEM_PROTO_ATTACH;
	frame->attach = (struct xpmd_attach){ .id = 4, .segid = SEGID, .first = 0,
					      .count = 1ull << 52 };
	frame++;
	frame->type = XPMEM_PROTO_ATTACHED;
	frame->attached = (struct xpmd_attached){ .id = 4, .error = EOPNOTSUPP };
	frame++;
	frame->type = XPMEM_PROTO_CLOSE;
	frame->close.segid = SEGID;
	frame++;
	frame->type = XPMEM_PROTO_FABRIC;
	frame->fabric = (struct xpmd_wire_fabric){
		.state = XPMEM_PROTO_FABRIC_LISTENS, .protocol = 0x11223344, .family = 4,
		.port = 7475, .address = { 192, 0, 2, 1 },
	};
	frame++;
	frame->type = XPMEM_PROTO_FABRIC;
	frame->fabric = (struct xpmd_wire_fabric){
		.state = XPMEM_PROTO_FABRIC_LISTENS, .family = 6, .port = 1,
	};
	memset(frame->fabric.address, 0x42, sizeof(frame->fabric.address));
	frame++;
	frame->type = XPMEM_PROTO_FABRIC;
	frame->fabric.state = XPMEM_PROTO_FABRIC_CONNECTED;
	frame++;
	frame->type = XPMEM_PROTO_FETCHED;
	frame->fetched.number = 1ull << 40;
	frame->fetched.channel = XPMD_BULK;
	frame++;
	/* The last: others of its type come before. */
	*frame = message(XPMEM_PROTO_GIVE);
	frame->channel = XPMD_BULK;
	frame->msg.data = NULL;
	frame->fetch = (struct xpmd_wire_fetch){
		.address = 0x7f0012345000, .key = 0xfedcba9876543210, .number = 7,
		.length = 4 * XPMD_PAGE,
	};
	memset(frame->fetch.tag, 0x33, sizeof(frame->fetch.tag));
	frame++;
	frame->type = 0;
	return all;
}

static void encode(const struct xpmd_wire_frame *frame)
{
	memset(body, 0xee, sizeof(body));
	ck_assert_int_eq(xpmd_wire_encode(frame, body, &body_length, &data_length), XPMD_WIRE_OK);
}

static enum xpmd_wire_reason decode(struct xpmd_wire_frame *ret)
{
	return xpmd_wire_decode(ret, body, body_length, data_length ? data : NULL, data_length);
}

static void expect_same(const struct xpmd_wire_frame *frame, const struct xpmd_wire_frame *other)
{
	struct xpmd_wire_frame left = *frame, right = *other;

	if (frame->type == XPMEM_PROTO_OPEN) {
		ck_assert_str_eq(frame->open.credential, other->open.credential);
		left.open.credential = right.open.credential = NULL;
	}
	ck_assert_msg(!memcmp(&left, &right, sizeof(left)), "type %d", frame->type);
}

START_TEST(round_trips)
{
	const struct xpmd_wire_frame *frame;
	struct xpmd_wire_frame decoded;
	struct xpmd_wire_head head;
	unsigned int n = 0;

	for (frame = frames(); frame->type; frame++, n++) {
		encode(frame);
		ck_assert_int_eq(xpmd_wire_head(&head, body), XPMD_WIRE_OK);
		ck_assert_int_eq(head.type, frame->type);
		ck_assert_int_eq(head.channel, frame->channel);
		ck_assert_uint_eq(head.body, body_length);
		ck_assert_uint_eq(head.data, data_length);
		/* in 32 bits, little endian, at the beginning */
		ck_assert_uint_eq(body[0] | body[1] << 8 | body[2] << 16 | (uint32_t)body[3] << 24,
				  body_length + data_length);
		ck_assert_int_eq(decode(&decoded), XPMD_WIRE_OK);
		expect_same(frame, &decoded);
	}
	ck_assert_uint_eq(n, 35);
}
END_TEST

/* The bytes of two frames, as somebody else would write them */
START_TEST(bytes)
{
	static const uint8_t take[] = {
		96, 0, 0, 0, 5, 0, 0, 0, 0x80, 0x70, 0x60, 0x50, 0x40, 0x30, 0x20, 0x10,
		0xa8, 0xa7, 0xa6, 0xa5, 0xa4, 0xa3, 0xa2, 0xa1, 0x89, 0x67, 0x45, 0x23, 1, 0, 0x48, 0,
		0x9a, 0x78, 0x56, 0x34, 0x12, 0, 0, 0, 70, 0, 0, 0, 0x88, 0x77, 0x66, 0x55,
		0x44, 0x33, 0x22, 0x11, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	};
	static const uint8_t close[] = {
		16, 0, 0, 0, 72, 0, 1, 0, 0x89, 0x67, 0x45, 0x23, 1, 0, 0x48, 0,
	};
	struct xpmd_wire_frame frame = message(XPMEM_PROTO_TAKE);

	frame.msg.state = XPMD_SHARED;
	encode(&frame);
	ck_assert_uint_eq(body_length, sizeof(take));
	ck_assert_mem_eq(body, take, sizeof(take));
	frame = (struct xpmd_wire_frame){ .type = XPMEM_PROTO_CLOSE, .channel = XPMD_BULK,
					  .close.segid = SEGID };
	encode(&frame);
	ck_assert_uint_eq(body_length, sizeof(close));
	ck_assert_mem_eq(body, close, sizeof(close));
}
END_TEST

/* In a buffer of exactly that length, so that the sanitizer sees one byte too many. */
START_TEST(truncations)
{
	const struct xpmd_wire_frame *frame;
	struct xpmd_wire_frame decoded;
	size_t length;
	uint8_t *copy;

	for (frame = frames(); frame->type; frame++) {
		encode(frame);
		for (length = 0; length < body_length; length++) {
			copy = malloc(length ? length : 1);
			memcpy(copy, body, length);
			ck_assert_int_eq(xpmd_wire_decode(&decoded, copy, length, data,
							  data_length), XPMD_WIRE_LENGTH);
			free(copy);
		}
		for (length = 0; length < data_length; length += 512)
			ck_assert_int_eq(xpmd_wire_decode(&decoded, body, body_length, data,
							  length), XPMD_WIRE_LENGTH);
		ck_assert_int_eq(xpmd_wire_decode(&decoded, body, body_length + 1, data,
						  data_length), XPMD_WIRE_LENGTH);
		ck_assert_int_eq(xpmd_wire_decode(&decoded, body, body_length, data,
						  data_length + XPMD_PAGE), XPMD_WIRE_LENGTH);
	}
}
END_TEST

/* What is understood has no byte without a meaning: it encodes to the same again. */
static void expect_harmless(void)
{
	uint8_t again[XPMD_WIRE_BODY_MAX];
	struct xpmd_wire_frame decoded;
	size_t length, more;

	if (decode(&decoded) != XPMD_WIRE_OK)
		return;
	if (xpmd_wire_is_msg(decoded.type)) {
		ck_assert_uint_le(decoded.msg.count, XPMD_MAX_PAGES);
		ck_assert_uint_le(decoded.msg.state, XPMD_EXCLUSIVE);
		ck_assert_uint_le(decoded.msg.error, 4095);
	}
	ck_assert_int_eq(xpmd_wire_encode(&decoded, again, &length, &more), XPMD_WIRE_OK);
	ck_assert_uint_eq(length, body_length);
	ck_assert_uint_eq(more, data_length);
	ck_assert_mem_eq(again, body, length);
}

START_TEST(corruptions)
{
	static const uint8_t flips[] = { 1, 2, 4, 8, 16, 32, 64, 128, 0xff };
	const struct xpmd_wire_frame *frame;
	unsigned int value;
	size_t i, j;

	for (frame = frames(); frame->type; frame++) {
		encode(frame);
		for (i = 0; i < body_length; i++) {
			uint8_t old = body[i];

			for (j = 0; j < sizeof(flips); j++) {
				body[i] = old ^ flips[j];
				expect_harmless();
			}
			for (value = 0; value < 256; value += i < XPMD_WIRE_HEAD ? 1 : 51) {
				body[i] = (uint8_t)value;
				expect_harmless();
			}
			body[i] = old;
		}
	}
}
END_TEST

/* A change of one field, and what it is called */
START_TEST(reasons)
{
	static const struct {
		enum xpmem_proto_type type;
		size_t offset, size;
		uint64_t value;
		enum xpmd_wire_reason reason;
	} mistakes[] = {
#define PAGES(field) offsetof(struct xpmem_proto_pages, field), \
		sizeof(((struct xpmem_proto_pages *)0)->field)
#define OF(name, field) offsetof(struct xpmem_proto_##name, field), \
		sizeof(((struct xpmem_proto_##name *)0)->field)
		{ XPMEM_PROTO_READ, OF(header, type), 0, XPMD_WIRE_TYPE },
		{ XPMEM_PROTO_READ, OF(header, type), XPMEM_PROTO_ENDED + 1, XPMD_WIRE_TYPE },
		{ XPMEM_PROTO_READ, OF(header, type), 63, XPMD_WIRE_TYPE },
		{ XPMEM_PROTO_READ, OF(header, type), 75, XPMD_WIRE_TYPE },
		{ XPMEM_PROTO_READ, OF(header, type), 0x101, XPMD_WIRE_TYPE },
		{ XPMEM_PROTO_READ, OF(header, length), 95, XPMD_WIRE_LENGTH },
		{ XPMEM_PROTO_READ, OF(header, length), 97, XPMD_WIRE_LENGTH },
		{ XPMEM_PROTO_READ, OF(header, length), 0xffffffff, XPMD_WIRE_LENGTH },
		{ XPMEM_PROTO_READ, OF(header, length), 96 + 4096, XPMD_WIRE_LENGTH },
		{ XPMEM_PROTO_GRANT, OF(header, length), 96 + 257 * 4096, XPMD_WIRE_LENGTH },
		{ XPMEM_PROTO_GRANT, OF(header, length), 96 + 4095, XPMD_WIRE_LENGTH },
		{ XPMEM_PROTO_READ, OF(header, flags), 2, XPMD_WIRE_RESERVED },
		{ XPMEM_PROTO_GRANT, OF(header, flags), 4, XPMD_WIRE_RESERVED },
		{ XPMEM_PROTO_GRANT, OF(header, flags), 2, XPMD_WIRE_LENGTH },
		{ XPMEM_PROTO_READ, OF(header, reserved), 1, XPMD_WIRE_RESERVED },
		{ XPMEM_PROTO_READ, PAGES(more), 1, XPMD_WIRE_RESERVED },
		{ XPMEM_PROTO_GRANT, PAGES(more), 256, XPMD_WIRE_COUNT },
		{ XPMEM_PROTO_READ, PAGES(state), 3, XPMD_WIRE_STATE },
		{ XPMEM_PROTO_READ, PAGES(state), 0x10000, XPMD_WIRE_STATE },
		{ XPMEM_PROTO_READ, PAGES(count), 0, XPMD_WIRE_COUNT },
		{ XPMEM_PROTO_TAKE, PAGES(count), 257, XPMD_WIRE_COUNT },
		{ XPMEM_PROTO_TAKEN, PAGES(count), 0xffffffff, XPMD_WIRE_COUNT },
		{ XPMEM_PROTO_READ, PAGES(first), (1ull << 52) - 69, XPMD_WIRE_RANGE },
		{ XPMEM_PROTO_READ, PAGES(first), ~0ull, XPMD_WIRE_RANGE },
		{ XPMEM_PROTO_DENY, PAGES(error), 4096, XPMD_WIRE_ERRNO },
		{ XPMEM_PROTO_READ, PAGES(mask[0]), 1, XPMD_WIRE_MASK },
		{ XPMEM_PROTO_GRANT, PAGES(mask[1]), 1 << 6, XPMD_WIRE_MASK },
		{ XPMEM_PROTO_GRANT, PAGES(mask[3]), 1, XPMD_WIRE_MASK },
		{ XPMEM_PROTO_GRANT, PAGES(mask[1]), 0, XPMD_WIRE_DATA },
		{ XPMEM_PROTO_GRANT, PAGES(mask[1]), 3, XPMD_WIRE_DATA },
		{ XPMEM_PROTO_READ, PAGES(segid), 0, XPMD_WIRE_SEGID },
		{ XPMEM_PROTO_READ, PAGES(segid), 77, XPMD_WIRE_SEGID },
		{ XPMEM_PROTO_READ, PAGES(segid), 1ull << 63 | SEGID, XPMD_WIRE_SEGID },
		{ XPMEM_PROTO_RENEW, PAGES(segid), SEGID, XPMD_WIRE_SEGID },
		{ XPMEM_PROTO_LEAVE, PAGES(segid), SEGID, XPMD_WIRE_SEGID },
		{ XPMEM_PROTO_ENDED, PAGES(count), 257, XPMD_WIRE_COUNT },
		{ XPMEM_PROTO_HELLO, OF(hello, magic), 0x324d5058, XPMD_WIRE_MAGIC },
		{ XPMEM_PROTO_HELLO, OF(hello, version), 2, XPMD_WIRE_VERSION },
		{ XPMEM_PROTO_HELLO, OF(hello, features), 2, XPMD_WIRE_FEATURES },
		{ XPMEM_PROTO_HELLO, OF(hello, features), 1ull << 63, XPMD_WIRE_FEATURES },
		{ XPMEM_PROTO_HELLO, OF(hello, partition), 0, XPMD_WIRE_PARTITION },
		{ XPMEM_PROTO_HELLO, OF(hello, partition), 4096, XPMD_WIRE_PARTITION },
		{ XPMEM_PROTO_HELLO, OF(hello, to), 0, XPMD_WIRE_PARTITION },
		{ XPMEM_PROTO_HELLO, OF(hello, to), 0x10001, XPMD_WIRE_PARTITION },
		{ XPMEM_PROTO_HELLO, OF(hello, incarnation), 0, XPMD_WIRE_INCARNATION },
		{ XPMEM_PROTO_HELLO, OF(hello, lease_ns), 0, XPMD_WIRE_TIME },
		{ XPMEM_PROTO_HELLO, OF(hello, lease_ns), XPMEM_PROTO_TIME_MAX + 1, XPMD_WIRE_TIME },
		{ XPMEM_PROTO_HELLO, OF(hello, skew_ns), ~0ull, XPMD_WIRE_TIME },
		{ XPMEM_PROTO_HELLO, OF(hello, grace_ns), ~0ull, XPMD_WIRE_TIME },
		{ XPMEM_PROTO_BYE, OF(bye, reason), XPMEM_PROTO_BYE_MAX, XPMD_WIRE_BYE },
		{ XPMEM_PROTO_BYE, OF(bye, reserved), 1, XPMD_WIRE_RESERVED },
		{ XPMEM_PROTO_ASK_CHALLENGE, OF(challenge, nonce[31]), 1, XPMD_WIRE_RESERVED },
		{ XPMEM_PROTO_OPEN, OF(open, segid), 77, XPMD_WIRE_SEGID },
		{ XPMEM_PROTO_OPEN, OF(open, flags), 2, XPMD_WIRE_FLAGS },
		{ XPMEM_PROTO_OPEN, OF(open, credential), 16, XPMD_WIRE_CREDENTIAL },
		{ XPMEM_PROTO_OPEN, OF(open, credential), 18, XPMD_WIRE_CREDENTIAL },
		{ XPMEM_PROTO_OPEN, 40 + 3, 1, '\n', XPMD_WIRE_CREDENTIAL },
		{ XPMEM_PROTO_OPEN, 40 + 3, 1, 0, XPMD_WIRE_CREDENTIAL },
		{ XPMEM_PROTO_OPEN, 40 + 3, 1, 0x80, XPMD_WIRE_CREDENTIAL },
		{ XPMEM_PROTO_OPEN, 40 + 16, 1, 'x', XPMD_WIRE_CREDENTIAL },
		{ XPMEM_PROTO_OPEN, OF(header, length), 40, XPMD_WIRE_LENGTH },
		{ XPMEM_PROTO_OPEN, OF(header, length), 40 + 4097, XPMD_WIRE_LENGTH },
		{ XPMEM_PROTO_OPENED, OF(opened, segid), -1ull, XPMD_WIRE_SEGID },
		{ XPMEM_PROTO_OPENED, OF(opened, error), 4096, XPMD_WIRE_ERRNO },
		{ XPMEM_PROTO_OPENED, OF(opened, error), 1, XPMD_WIRE_PAGES },
		{ XPMEM_PROTO_OPENED, OF(opened, pages), 0, XPMD_WIRE_PAGES },
		{ XPMEM_PROTO_OPENED, OF(opened, pages), (1ull << 52) + 1, XPMD_WIRE_PAGES },
		{ XPMEM_PROTO_OPENED, OF(opened, reserved), 1, XPMD_WIRE_RESERVED },
		{ XPMEM_PROTO_ATTACH, OF(attach, segid), 0, XPMD_WIRE_SEGID },
		{ XPMEM_PROTO_ATTACH, OF(attach, count), 0, XPMD_WIRE_COUNT },
		{ XPMEM_PROTO_ATTACH, OF(attach, first), 1, XPMD_WIRE_RANGE },
		{ XPMEM_PROTO_ATTACH, OF(attach, first), ~0ull, XPMD_WIRE_RANGE },
		{ XPMEM_PROTO_ATTACH, OF(attach, count), ~0ull, XPMD_WIRE_RANGE },
		{ XPMEM_PROTO_ATTACHED, OF(attached, error), 4096, XPMD_WIRE_ERRNO },
		{ XPMEM_PROTO_ATTACHED, OF(attached, reserved), 1, XPMD_WIRE_RESERVED },
		{ XPMEM_PROTO_CLOSE, OF(close, segid), 0, XPMD_WIRE_SEGID },
		{ XPMEM_PROTO_FABRIC, OF(fabric, state), 0, XPMD_WIRE_FABRIC },
		{ XPMEM_PROTO_FABRIC, OF(fabric, state), 3, XPMD_WIRE_FABRIC },
		{ XPMEM_PROTO_FABRIC, OF(fabric, state), XPMEM_PROTO_FABRIC_CONNECTED,
		  XPMD_WIRE_RESERVED },
		{ XPMEM_PROTO_FABRIC, OF(fabric, family), 5, XPMD_WIRE_FABRIC },
		{ XPMEM_PROTO_FABRIC, OF(fabric, port), 0, XPMD_WIRE_FABRIC },
		{ XPMEM_PROTO_FABRIC, OF(fabric, reserved), 1, XPMD_WIRE_RESERVED },
		{ XPMEM_PROTO_FABRIC, OF(fabric, address[4]), 1, XPMD_WIRE_RESERVED },
		{ XPMEM_PROTO_FETCHED, OF(fetched, number), 0, XPMD_WIRE_FETCH },
		{ XPMEM_PROTO_FETCHED, OF(fetched, channel), 2, XPMD_WIRE_CHANNEL },
		{ XPMEM_PROTO_FETCHED, OF(fetched, reserved), 1, XPMD_WIRE_RESERVED },
	};
	const struct xpmd_wire_frame *frame;
	struct xpmd_wire_frame decoded;
	enum xpmd_wire_reason reason;
	uint64_t value;
	size_t i;

	for (i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
		for (frame = frames(); frame->type != mistakes[i].type; frame++)
			;
		encode(frame);
		value = htole64(mistakes[i].value);
		memcpy(body + mistakes[i].offset, &value, mistakes[i].size);
		reason = decode(&decoded);
		ck_assert_msg(reason == mistakes[i].reason, "mistake %zu: %s, not %s", i,
			      xpmd_wire_text(reason), xpmd_wire_text(mistakes[i].reason));
	}
}
END_TEST

/* A frame whose pages are elsewhere: nothing but they can be missing, or come. */
START_TEST(fetch)
{
	static const struct {
		size_t offset, size;
		uint64_t value;
		enum xpmd_wire_reason reason;
	} mistakes[] = {
		{ OF(fetch, number), 0, XPMD_WIRE_FETCH },
		{ OF(fetch, length), 0, XPMD_WIRE_FETCH },
		{ OF(fetch, length), 3 * XPMD_PAGE, XPMD_WIRE_FETCH },
		{ OF(fetch, length), 4 * XPMD_PAGE + 1, XPMD_WIRE_FETCH },
		{ OF(fetch, length), 0xffffffff, XPMD_WIRE_FETCH },
		{ OF(fetch, reserved), 1, XPMD_WIRE_RESERVED },
	};
	const struct xpmd_wire_frame *frame = frames();
	struct xpmd_wire_frame decoded, none;
	size_t i;

	while (!frame->fetch.length)
		frame++;
	encode(frame);
	ck_assert_uint_eq(body_length, 96 + 48);
	ck_assert_uint_eq(data_length, 0);
	ck_assert_int_eq(decode(&decoded), XPMD_WIRE_OK);
	ck_assert_ptr_null(decoded.msg.data);
	ck_assert_int_eq(xpmd_wire_decode(&decoded, body, body_length, data, sizeof(data)),
			 XPMD_WIRE_OK);
	ck_assert_ptr_eq(decoded.msg.data, data);
	ck_assert_int_eq(xpmd_wire_decode(&decoded, body, body_length, data, XPMD_PAGE),
			 XPMD_WIRE_LENGTH);
	for (i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
		uint64_t value = htole64(mistakes[i].value);
		enum xpmd_wire_reason reason;

		encode(frame);
		memcpy(body + sizeof(struct xpmem_proto_pages) + mistakes[i].offset, &value,
		       mistakes[i].size);
		reason = decode(&decoded);
		ck_assert_msg(reason == mistakes[i].reason, "mistake %zu: %s", i,
			      xpmd_wire_text(reason));
	}
	/* No page, nothing to fetch */
	none = *frame;
	memset(none.msg.mask, 0, sizeof(none.msg.mask));
	ck_assert_int_eq(xpmd_wire_encode(&none, body, &body_length, &data_length),
			 XPMD_WIRE_FETCH);
}
END_TEST

/* Nothing leaves that would be refused */
START_TEST(encoding_refuses)
{
	struct xpmd_wire_frame frame = message(XPMEM_PROTO_GRANT);
	char credential[XPMEM_PROTO_CREDENTIAL_MAX + 2];

	frame.msg.data = NULL;
	ck_assert_int_eq(xpmd_wire_encode(&frame, body, &body_length, &data_length),
			 XPMD_WIRE_DATA);
	frame = message(XPMEM_PROTO_GRANT);
	frame.msg.count = 69;
	ck_assert_int_eq(xpmd_wire_encode(&frame, body, &body_length, &data_length),
			 XPMD_WIRE_MASK);
	frame = message(XPMEM_PROTO_READ);
	frame.msg.count = 0;
	ck_assert_int_eq(xpmd_wire_encode(&frame, body, &body_length, &data_length),
			 XPMD_WIRE_COUNT);
	frame.type = 0;
	ck_assert_int_eq(xpmd_wire_encode(&frame, body, &body_length, &data_length),
			 XPMD_WIRE_TYPE);
	memset(credential, 'x', sizeof(credential));
	credential[XPMEM_PROTO_CREDENTIAL_MAX] = 0;
	frame = (struct xpmd_wire_frame){ .type = XPMEM_PROTO_OPEN,
					  .open = { .segid = SEGID, .credential = credential } };
	ck_assert_int_eq(xpmd_wire_encode(&frame, body, &body_length, &data_length),
			 XPMD_WIRE_CREDENTIAL);
	credential[XPMEM_PROTO_CREDENTIAL_MAX - 1] = 0;
	ck_assert_int_eq(xpmd_wire_encode(&frame, body, &body_length, &data_length), XPMD_WIRE_OK);
	ck_assert_uint_eq(body_length, XPMD_WIRE_BODY_MAX);
}
END_TEST

/* Every number of pages, and the mask of all of them */
START_TEST(masks)
{
	static uint8_t most[XPMD_WIRE_DATA_MAX];
	struct xpmd_wire_frame frame = message(XPMEM_PROTO_GIVE), decoded;
	unsigned int count, i;

	frame.msg.data = most;
	for (count = 1; count <= XPMD_MAX_PAGES; count++) {
		frame.msg.count = count;
		for (i = 0; i < 4; i++)
			frame.msg.mask[i] = count >= i * 64 + 64 ? ~0ull :
					    count > i * 64 ? (1ull << (count - i * 64)) - 1 : 0;
		ck_assert_int_eq(xpmd_wire_encode(&frame, body, &body_length, &data_length),
				 XPMD_WIRE_OK);
		ck_assert_uint_eq(data_length, count * XPMD_PAGE);
		ck_assert_int_eq(xpmd_wire_decode(&decoded, body, body_length, most, data_length),
				 XPMD_WIRE_OK);
		ck_assert_ptr_eq(decoded.msg.data, most);
		if (count == XPMD_MAX_PAGES)
			break;
		frame.msg.mask[count / 64] |= 1ull << count % 64;
		ck_assert_int_eq(xpmd_wire_encode(&frame, body, &body_length, &data_length),
				 XPMD_WIRE_MASK);
	}
}
END_TEST

START_TEST(texts)
{
	int i, j;

	for (i = 0; i < XPMD_WIRE_REASON_MAX; i++) {
		ck_assert_ptr_nonnull(xpmd_wire_text(i));
		for (j = 0; j < i; j++)
			ck_assert_str_ne(xpmd_wire_text(i), xpmd_wire_text(j));
	}
	for (i = 0; i < XPMEM_PROTO_BYE_MAX; i++)
		ck_assert_ptr_nonnull(xpmd_wire_bye_text(i));
	ck_assert_str_eq(xpmd_wire_text(XPMD_WIRE_REASON_MAX), "unknown");
	ck_assert_str_eq(xpmd_wire_bye_text(XPMEM_PROTO_BYE_MAX), "unknown");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wire");

	add_case(suite, "round_trips", round_trips);
	add_case(suite, "bytes", bytes);
	add_case(suite, "truncations", truncations);
	add_case(suite, "corruptions", corruptions);
	add_case(suite, "reasons", reasons);
	add_case(suite, "fetch", fetch);
	add_case(suite, "encoding_refuses", encoding_refuses);
	add_case(suite, "masks", masks);
	add_case(suite, "texts", texts);
	return run_suite(suite);
}
