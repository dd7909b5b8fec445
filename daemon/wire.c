// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The codec; see wire.h.  Encoding checks by decoding what it has written: what one
 * end sends the other understands, and there is one place for the rules.
 */
#include "wire.h"

#include <endian.h>
#include <string.h>

#define PAGE_LIMIT (1ull << 52)

static_assert((int)XPMEM_PROTO_READ == XPMD_READ && (int)XPMEM_PROTO_GRANT == XPMD_GRANT &&
	      (int)XPMEM_PROTO_TAKEN == XPMD_TAKEN && (int)XPMEM_PROTO_RENEWED == XPMD_RENEWED &&
	      (int)XPMEM_PROTO_INSTALLED == XPMD_INSTALLED &&
	      (int)XPMEM_PROTO_ENDED + 1 == XPMD_TYPE_MAX,
	      "types of coherence messages are those of coherence.h");
static_assert(XPMEM_PROTO_PAGES_MAX == XPMD_MAX_PAGES && XPMEM_PROTO_PAGE == XPMD_PAGE,
	      "pages are those of coherence.h");

static const char *const texts[XPMD_WIRE_REASON_MAX] = {
	[XPMD_WIRE_OK] = "no mistake",
	[XPMD_WIRE_LENGTH] = "its length is not that of its type",
	[XPMD_WIRE_TYPE] = "its type is unknown",
	[XPMD_WIRE_CHANNEL] = "it is of the other channel",
	[XPMD_WIRE_RESERVED] = "a reserved field is not 0",
	[XPMD_WIRE_STATE] = "its state is unknown",
	[XPMD_WIRE_COUNT] = "its count of pages is out of bounds",
	[XPMD_WIRE_RANGE] = "its pages are out of bounds",
	[XPMD_WIRE_ERRNO] = "its error is no errno",
	[XPMD_WIRE_MASK] = "its mask is not of its pages",
	[XPMD_WIRE_DATA] = "its data is not of its mask",
	[XPMD_WIRE_SEGID] = "its segment can't be",
	[XPMD_WIRE_MAGIC] = "it is not of xpmemd",
	[XPMD_WIRE_VERSION] = "its protocol version is unknown",
	[XPMD_WIRE_FEATURES] = "it has unknown features",
	[XPMD_WIRE_PARTITION] = "its partition number is out of bounds",
	[XPMD_WIRE_INCARNATION] = "its incarnation is 0",
	[XPMD_WIRE_TIME] = "its lease is out of bounds",
	[XPMD_WIRE_BYE] = "its reason is unknown",
	[XPMD_WIRE_FLAGS] = "its flags are unknown",
	[XPMD_WIRE_CREDENTIAL] = "its credential is malformed",
	[XPMD_WIRE_PAGES] = "its size does not fit its error",
	[XPMD_WIRE_FETCH] = "what is to be fetched is not of its mask",
	[XPMD_WIRE_FABRIC] = "its fabric is unknown",
};

static const char *const bye_texts[XPMEM_PROTO_BYE_MAX] = {
	[XPMEM_PROTO_BYE_NONE] = "its daemon ends",
	[XPMEM_PROTO_BYE_FRAME] = "it did not understand a frame",
	[XPMEM_PROTO_BYE_VERSION] = "it does not know this version of the protocol",
	[XPMEM_PROTO_BYE_FEATURES] = "it does not know a feature of this daemon",
	[XPMEM_PROTO_BYE_IDENTITY] = "it authenticated another partition than HELLO named",
	[XPMEM_PROTO_BYE_TOKEN] = "no session of it waits for this connection",
	[XPMEM_PROTO_BYE_BUSY] = "its own connection stays",
	[XPMEM_PROTO_BYE_REPLACED] = "a new session has begun",
	[XPMEM_PROTO_BYE_QUEUE] = "too much was waiting for this partition",
	[XPMEM_PROTO_BYE_FABRIC] = "its connection on the fabric is broken",
};

const char *xpmd_wire_text(enum xpmd_wire_reason reason)
{
	return reason < XPMD_WIRE_REASON_MAX ? texts[reason] : "unknown";
}

const char *xpmd_wire_bye_text(enum xpmem_proto_reason reason)
{
	return reason < XPMEM_PROTO_BYE_MAX ? bye_texts[reason] : "unknown";
}

bool xpmd_wire_is_msg(enum xpmem_proto_type type)
{
	return type >= XPMEM_PROTO_READ && type <= XPMEM_PROTO_ENDED;
}

static bool has_data(enum xpmem_proto_type type)
{
	return type == XPMEM_PROTO_GRANT || type == XPMEM_PROTO_TAKEN || type == XPMEM_PROTO_GIVE;
}

/* Of all segments of a home */
static bool is_of_home(enum xpmem_proto_type type)
{
	switch (type) {
	case XPMEM_PROTO_RENEW:
	case XPMEM_PROTO_RENEWED:
	case XPMEM_PROTO_FENCED:
	case XPMEM_PROTO_LEAVE:
	case XPMEM_PROTO_LEFT:
	case XPMEM_PROTO_END:
	case XPMEM_PROTO_ENDED:
		return true;
	default:
		return false;
	}
}

static bool needs_pages(enum xpmem_proto_type type)
{
	switch (type) {
	case XPMEM_PROTO_READ:
	case XPMEM_PROTO_WRITE:
	case XPMEM_PROTO_GRANT:
	case XPMEM_PROTO_TAKE:
	case XPMEM_PROTO_GIVE:
	case XPMEM_PROTO_RECLAIM:
	case XPMEM_PROTO_INSTALLED:
		return true;
	default:
		return false;
	}
}

/* Bytes of a type's structure; 0: there is no such type */
static size_t size_of(unsigned int type)
{
	switch (type) {
	case XPMEM_PROTO_READ ... XPMEM_PROTO_ENDED:
		return sizeof(struct xpmem_proto_pages);
	case XPMEM_PROTO_HELLO:
		return sizeof(struct xpmem_proto_hello);
	case XPMEM_PROTO_BYE:
		return sizeof(struct xpmem_proto_bye);
	case XPMEM_PROTO_ASK_CHALLENGE:
	case XPMEM_PROTO_CHALLENGE:
		return sizeof(struct xpmem_proto_challenge);
	case XPMEM_PROTO_OPEN:
		return sizeof(struct xpmem_proto_open);
	case XPMEM_PROTO_OPENED:
		return sizeof(struct xpmem_proto_opened);
	case XPMEM_PROTO_ATTACH:
		return sizeof(struct xpmem_proto_attach);
	case XPMEM_PROTO_ATTACHED:
		return sizeof(struct xpmem_proto_attached);
	case XPMEM_PROTO_CLOSE:
		return sizeof(struct xpmem_proto_close);
	case XPMEM_PROTO_FABRIC:
		return sizeof(struct xpmem_proto_fabric);
	case XPMEM_PROTO_FETCHED:
		return sizeof(struct xpmem_proto_fetched);
	default:
		return 0;
	}
}

enum xpmd_wire_reason xpmd_wire_head(struct xpmd_wire_head *ret, const void *bytes)
{
	struct xpmem_proto_header header;
	size_t length, size;
	unsigned int type;

	memcpy(&header, bytes, sizeof(header));
	length = le32toh(header.length);
	type = le16toh(header.type);
	size = size_of(type);
	if (!size)
		return XPMD_WIRE_TYPE;
	if (header.flags & ~(XPMEM_PROTO_BULK | (has_data(type) ? XPMEM_PROTO_FETCH : 0)) ||
	    header.reserved)
		return XPMD_WIRE_RESERVED;
	if (length < size)
		return XPMD_WIRE_LENGTH;
	*ret = (struct xpmd_wire_head){
		.type = type,
		.channel = header.flags & XPMEM_PROTO_BULK ? XPMD_BULK : XPMD_URGENT,
		.body = size,
	};
	length -= size;
	if (type == XPMEM_PROTO_OPEN) {
		if (length < 1 || length > XPMEM_PROTO_CREDENTIAL_MAX)
			return XPMD_WIRE_LENGTH;
		ret->body += length;
	} else if (header.flags & XPMEM_PROTO_FETCH) {
		if (length != sizeof(struct xpmem_proto_fetch))
			return XPMD_WIRE_LENGTH;
		ret->body += length;
		ret->fetch = true;
	} else if (has_data(type)) {
		if (length > XPMD_WIRE_DATA_MAX || length % XPMD_PAGE)
			return XPMD_WIRE_LENGTH;
		ret->data = length;
	} else if (length) {
		return XPMD_WIRE_LENGTH;
	}
	return XPMD_WIRE_OK;
}

/* ------------------------------------------------------------ decoding */

static bool is_segid(int64_t segid)
{
	return segid > 0 && segid >> 51;
}

static enum xpmd_wire_reason check_mask(const struct xpmd_msg *msg, size_t data_length)
{
	size_t pages = 0;
	unsigned int i;

	for (i = 0; i < XPMD_MAX_PAGES / 64; i++) {
		uint64_t valid;

		if (!msg->mask[i])
			continue;
		if (msg->count >= (i + 1) * 64)
			valid = ~0ull;
		else if (msg->count <= i * 64)
			valid = 0;
		else
			valid = ~0ull >> ((i + 1) * 64 - msg->count);
		if (msg->mask[i] & ~valid)
			return XPMD_WIRE_MASK;
		pages += (unsigned int)__builtin_popcountll(msg->mask[i]);
	}
	if (pages && !has_data((enum xpmem_proto_type)msg->type))
		return XPMD_WIRE_MASK;
	return pages * XPMD_PAGE == data_length ? XPMD_WIRE_OK : XPMD_WIRE_DATA;
}

/* @data_length: of what was fetched, or 0 */
static enum xpmd_wire_reason decode_fetch(struct xpmd_wire_frame *ret, const void *bytes,
					  size_t data_length)
{
	struct xpmem_proto_fetch wire;

	memcpy(&wire, bytes, sizeof(wire));
	ret->fetch = (struct xpmd_wire_fetch){
		.address = le64toh(wire.address),
		.key = le64toh(wire.key),
		.number = le64toh(wire.number),
		.length = le32toh(wire.length),
	};
	memcpy(ret->fetch.tag, wire.tag, sizeof(wire.tag));
	if (wire.reserved)
		return XPMD_WIRE_RESERVED;
	if (!ret->fetch.number || !ret->fetch.length || check_mask(&ret->msg, ret->fetch.length))
		return XPMD_WIRE_FETCH;
	return data_length && data_length != ret->fetch.length ? XPMD_WIRE_LENGTH : XPMD_WIRE_OK;
}

static enum xpmd_wire_reason decode_pages(struct xpmd_wire_frame *ret, const void *body, bool fetch,
					  const void *data, size_t data_length)
{
	struct xpmem_proto_pages wire;
	struct xpmd_msg *msg = &ret->msg;
	unsigned int i;

	memcpy(&wire, body, sizeof(wire));
	*msg = (struct xpmd_msg){
		.type = (enum xpmd_type)ret->type,
		.error = le32toh(wire.error),
		.epoch = le32toh(wire.epoch),
		.incarnation = le64toh(wire.incarnation),
		.id = le64toh(wire.id),
		.segid = (int64_t)le64toh(wire.segid),
		.first = le64toh(wire.first),
		.count = le32toh(wire.count),
		.gen = le32toh(wire.gen),
		.more = le32toh(wire.more),
		.data = data_length ? data : NULL,
	};
	for (i = 0; i < XPMD_MAX_PAGES / 64; i++)
		msg->mask[i] = le64toh(wire.mask[i]);
	if (msg->more && ret->type != XPMEM_PROTO_GRANT)
		return XPMD_WIRE_RESERVED;
	if (le32toh(wire.state) > XPMD_EXCLUSIVE)
		return XPMD_WIRE_STATE;
	msg->state = le32toh(wire.state);
	if (msg->error > XPMEM_PROTO_ERRNO_MAX)
		return XPMD_WIRE_ERRNO;
	if (msg->count > XPMD_MAX_PAGES || (!msg->count && needs_pages(ret->type)))
		return XPMD_WIRE_COUNT;
	if (msg->more > XPMD_MAX_PAGES - msg->count)
		return XPMD_WIRE_COUNT;
	if (msg->first > PAGE_LIMIT - msg->count)
		return XPMD_WIRE_RANGE;
	if (is_of_home(ret->type) ? msg->segid != 0 : !is_segid(msg->segid))
		return XPMD_WIRE_SEGID;
	if (fetch)
		return decode_fetch(ret, (const char *)body + sizeof(wire), data_length);
	return check_mask(msg, data_length);
}

static enum xpmd_wire_reason decode_hello(struct xpmd_wire_frame *ret, const void *body)
{
	struct xpmem_proto_hello wire;
	struct xpmd_hello *hello = &ret->hello.hello;

	memcpy(&wire, body, sizeof(wire));
	*hello = (struct xpmd_hello){
		.partition = le32toh(wire.partition),
		.incarnation = le64toh(wire.incarnation),
		.lease_ns = le64toh(wire.lease_ns),
		.skew_ns = le64toh(wire.skew_ns),
		.grace_ns = le64toh(wire.grace_ns),
		.features = le64toh(wire.features),
	};
	ret->hello.to = le32toh(wire.to);
	memcpy(ret->hello.token, wire.token, sizeof(wire.token));
	if (le32toh(wire.magic) != XPMEM_PROTO_MAGIC)
		return XPMD_WIRE_MAGIC;
	if (le32toh(wire.version) != XPMEM_PROTO_VERSION)
		return XPMD_WIRE_VERSION;
	if (hello->features & ~XPMEM_PROTO_FEATURES)
		return XPMD_WIRE_FEATURES;
	if (!hello->partition || hello->partition > 4095 || !ret->hello.to || ret->hello.to > 4095)
		return XPMD_WIRE_PARTITION;
	if (!hello->incarnation)
		return XPMD_WIRE_INCARNATION;
	if (!hello->lease_ns || hello->lease_ns > XPMEM_PROTO_TIME_MAX ||
	    hello->skew_ns > XPMEM_PROTO_TIME_MAX || hello->grace_ns > 2 * XPMEM_PROTO_TIME_MAX)
		return XPMD_WIRE_TIME;
	return XPMD_WIRE_OK;
}

static enum xpmd_wire_reason decode_bye(struct xpmd_wire_frame *ret, const void *body)
{
	struct xpmem_proto_bye wire;

	memcpy(&wire, body, sizeof(wire));
	if (wire.reserved)
		return XPMD_WIRE_RESERVED;
	if (le32toh(wire.reason) >= XPMEM_PROTO_BYE_MAX)
		return XPMD_WIRE_BYE;
	ret->bye = le32toh(wire.reason);
	return XPMD_WIRE_OK;
}

static enum xpmd_wire_reason decode_challenge(struct xpmd_wire_frame *ret, const void *body)
{
	static const uint8_t none[sizeof(ret->challenge.nonce)];
	struct xpmem_proto_challenge wire;

	memcpy(&wire, body, sizeof(wire));
	ret->challenge.id = le64toh(wire.id);
	memcpy(ret->challenge.nonce, wire.nonce, sizeof(wire.nonce));
	if (ret->type == XPMEM_PROTO_ASK_CHALLENGE && memcmp(wire.nonce, none, sizeof(none)))
		return XPMD_WIRE_RESERVED;
	return XPMD_WIRE_OK;
}

static enum xpmd_wire_reason decode_open(struct xpmd_wire_frame *ret, const void *body,
					 size_t body_length)
{
	const char *credential = (const char *)body + sizeof(struct xpmem_proto_open);
	size_t length = body_length - sizeof(struct xpmem_proto_open), i;
	struct xpmem_proto_open wire;
	uint32_t flags;

	memcpy(&wire, body, sizeof(wire));
	flags = le32toh(wire.flags);
	ret->open = (struct xpmd_open){
		.id = le64toh(wire.id),
		.segid = (int64_t)le64toh(wire.segid),
		.write = flags & XPMEM_PROTO_OPEN_WRITE,
		.credential = credential,
		.uid = le32toh(wire.uid),
		.gid = le32toh(wire.gid),
	};
	if (!is_segid(ret->open.segid))
		return XPMD_WIRE_SEGID;
	if (flags & ~XPMEM_PROTO_OPEN_WRITE)
		return XPMD_WIRE_FLAGS;
	if (le32toh(wire.credential) != length || credential[length - 1])
		return XPMD_WIRE_CREDENTIAL;
	for (i = 0; i < length - 1; i++)
		if (credential[i] < 0x21 || credential[i] > 0x7e)
			return XPMD_WIRE_CREDENTIAL;
	return XPMD_WIRE_OK;
}

static enum xpmd_wire_reason decode_opened(struct xpmd_wire_frame *ret, const void *body)
{
	struct xpmem_proto_opened wire;

	memcpy(&wire, body, sizeof(wire));
	ret->opened = (struct xpmd_opened){
		.id = le64toh(wire.id),
		.segid = (int64_t)le64toh(wire.segid),
		.error = le32toh(wire.error),
		.pages = le64toh(wire.pages),
	};
	if (wire.reserved)
		return XPMD_WIRE_RESERVED;
	if (!is_segid(ret->opened.segid))
		return XPMD_WIRE_SEGID;
	if (ret->opened.error > XPMEM_PROTO_ERRNO_MAX)
		return XPMD_WIRE_ERRNO;
	if (!ret->opened.error == !ret->opened.pages || ret->opened.pages > PAGE_LIMIT)
		return XPMD_WIRE_PAGES;
	return XPMD_WIRE_OK;
}

static enum xpmd_wire_reason decode_attach(struct xpmd_wire_frame *ret, const void *body)
{
	struct xpmem_proto_attach wire;

	memcpy(&wire, body, sizeof(wire));
	ret->attach = (struct xpmd_attach){
		.id = le64toh(wire.id),
		.segid = (int64_t)le64toh(wire.segid),
		.first = le64toh(wire.first),
		.count = le64toh(wire.count),
	};
	if (!is_segid(ret->attach.segid))
		return XPMD_WIRE_SEGID;
	if (!ret->attach.count)
		return XPMD_WIRE_COUNT;
	if (ret->attach.first > PAGE_LIMIT || ret->attach.count > PAGE_LIMIT - ret->attach.first)
		return XPMD_WIRE_RANGE;
	return XPMD_WIRE_OK;
}

static enum xpmd_wire_reason decode_attached(struct xpmd_wire_frame *ret, const void *body)
{
	struct xpmem_proto_attached wire;

	memcpy(&wire, body, sizeof(wire));
	ret->attached.id = le64toh(wire.id);
	ret->attached.error = le32toh(wire.error);
	if (wire.reserved)
		return XPMD_WIRE_RESERVED;
	return ret->attached.error > XPMEM_PROTO_ERRNO_MAX ? XPMD_WIRE_ERRNO : XPMD_WIRE_OK;
}

static enum xpmd_wire_reason decode_close(struct xpmd_wire_frame *ret, const void *body)
{
	struct xpmem_proto_close wire;

	memcpy(&wire, body, sizeof(wire));
	ret->close.segid = (int64_t)le64toh(wire.segid);
	return is_segid(ret->close.segid) ? XPMD_WIRE_OK : XPMD_WIRE_SEGID;
}

static bool is_zero(const uint8_t *bytes, size_t length)
{
	while (length)
		if (bytes[--length])
			return false;
	return true;
}

static enum xpmd_wire_reason decode_fabric(struct xpmd_wire_frame *ret, const void *body)
{
	struct xpmd_wire_fabric *fabric = &ret->fabric;
	struct xpmem_proto_fabric wire;

	memcpy(&wire, body, sizeof(wire));
	*fabric = (struct xpmd_wire_fabric){
		.state = le32toh(wire.state),
		.protocol = le32toh(wire.protocol),
		.family = le16toh(wire.family),
		.port = le16toh(wire.port),
	};
	memcpy(fabric->address, wire.address, sizeof(wire.address));
	if (wire.reserved)
		return XPMD_WIRE_RESERVED;
	if (fabric->state == XPMEM_PROTO_FABRIC_CONNECTED)
		return fabric->protocol || fabric->family || fabric->port ||
				       !is_zero(wire.address, sizeof(wire.address)) ?
			       XPMD_WIRE_RESERVED :
			       XPMD_WIRE_OK;
	if (fabric->state != XPMEM_PROTO_FABRIC_LISTENS || !fabric->port ||
	    (fabric->family != 4 && fabric->family != 6))
		return XPMD_WIRE_FABRIC;
	return fabric->family == 4 && !is_zero(wire.address + 4, 12) ? XPMD_WIRE_RESERVED :
								       XPMD_WIRE_OK;
}

static enum xpmd_wire_reason decode_fetched(struct xpmd_wire_frame *ret, const void *body)
{
	struct xpmem_proto_fetched wire;

	memcpy(&wire, body, sizeof(wire));
	ret->fetched.number = le64toh(wire.number);
	if (wire.reserved)
		return XPMD_WIRE_RESERVED;
	if (le32toh(wire.channel) > XPMD_BULK)
		return XPMD_WIRE_CHANNEL;
	ret->fetched.channel = (enum xpmd_channel)le32toh(wire.channel);
	return ret->fetched.number ? XPMD_WIRE_OK : XPMD_WIRE_FETCH;
}

enum xpmd_wire_reason xpmd_wire_decode(struct xpmd_wire_frame *ret, const void *body,
				       size_t body_length, const void *data, size_t data_length)
{
	struct xpmd_wire_head head;
	enum xpmd_wire_reason reason;

	if (body_length < XPMD_WIRE_HEAD)
		return XPMD_WIRE_LENGTH;
	reason = xpmd_wire_head(&head, body);
	if (reason)
		return reason;
	if (head.body != body_length || (!head.fetch && head.data != data_length))
		return XPMD_WIRE_LENGTH;
	memset(ret, 0, sizeof(*ret));
	ret->type = head.type;
	ret->channel = head.channel;
	switch (head.type) {
	case XPMEM_PROTO_HELLO:
		return decode_hello(ret, body);
	case XPMEM_PROTO_BYE:
		return decode_bye(ret, body);
	case XPMEM_PROTO_ASK_CHALLENGE:
	case XPMEM_PROTO_CHALLENGE:
		return decode_challenge(ret, body);
	case XPMEM_PROTO_OPEN:
		return decode_open(ret, body, body_length);
	case XPMEM_PROTO_OPENED:
		return decode_opened(ret, body);
	case XPMEM_PROTO_ATTACH:
		return decode_attach(ret, body);
	case XPMEM_PROTO_ATTACHED:
		return decode_attached(ret, body);
	case XPMEM_PROTO_CLOSE:
		return decode_close(ret, body);
	case XPMEM_PROTO_FABRIC:
		return decode_fabric(ret, body);
	case XPMEM_PROTO_FETCHED:
		return decode_fetched(ret, body);
	default:
		return decode_pages(ret, body, head.fetch, data, data_length);
	}
}

/* ------------------------------------------------------------ encoding */

static void encode_fetch(const struct xpmd_wire_fetch *fetch, void *bytes)
{
	struct xpmem_proto_fetch wire = {
		.address = htole64(fetch->address),
		.key = htole64(fetch->key),
		.number = htole64(fetch->number),
		.length = htole32(fetch->length),
	};

	memcpy(wire.tag, fetch->tag, sizeof(wire.tag));
	memcpy(bytes, &wire, sizeof(wire));
}

static void encode_fabric(const struct xpmd_wire_fabric *fabric, struct xpmem_proto_fabric *ret)
{
	ret->state = htole32(fabric->state);
	ret->protocol = htole32(fabric->protocol);
	ret->family = htole16(fabric->family);
	ret->port = htole16(fabric->port);
	memcpy(ret->address, fabric->address, sizeof(ret->address));
}

/* @data_length gets that of the data that follows. */
static void encode_pages(const struct xpmd_wire_frame *frame, void *body, size_t *body_length,
			 size_t *data_length)
{
	const struct xpmd_msg *msg = &frame->msg;
	struct xpmem_proto_pages wire = {
		.incarnation = htole64(msg->incarnation),
		.id = htole64(msg->id),
		.segid = htole64((uint64_t)msg->segid),
		.first = htole64(msg->first),
		.count = htole32(msg->count),
		.gen = htole32(msg->gen),
		.epoch = htole32(msg->epoch),
		.error = htole32(msg->error),
		.state = htole32(msg->state),
		.more = htole32(msg->more),
	};
	unsigned int i;

	for (i = 0; i < XPMD_MAX_PAGES / 64; i++) {
		wire.mask[i] = htole64(msg->mask[i]);
		*data_length += (size_t)__builtin_popcountll(msg->mask[i]) * XPMD_PAGE;
	}
	memcpy(body, &wire, sizeof(wire));
	if (!frame->fetch.length)
		return;
	encode_fetch(&frame->fetch, (char *)body + sizeof(wire));
	*body_length += sizeof(struct xpmem_proto_fetch);
	*data_length = 0;
}

static void encode_hello(const struct xpmd_wire_frame *frame, void *body)
{
	const struct xpmd_hello *hello = &frame->hello.hello;
	struct xpmem_proto_hello wire = {
		.magic = htole32(XPMEM_PROTO_MAGIC),
		.version = htole32(XPMEM_PROTO_VERSION),
		.partition = htole32(hello->partition),
		.to = htole32(frame->hello.to),
		.features = htole64(hello->features),
		.incarnation = htole64(hello->incarnation),
		.lease_ns = htole64(hello->lease_ns),
		.skew_ns = htole64(hello->skew_ns),
		.grace_ns = htole64(hello->grace_ns),
	};

	memcpy(wire.token, frame->hello.token, sizeof(wire.token));
	memcpy(body, &wire, sizeof(wire));
}

static enum xpmd_wire_reason encode_open(const struct xpmd_wire_frame *frame, void *body,
					 size_t *body_length)
{
	const struct xpmd_open *open = &frame->open;
	size_t length = strnlen(open->credential, XPMEM_PROTO_CREDENTIAL_MAX) + 1;
	struct xpmem_proto_open wire = {
		.id = htole64(open->id),
		.segid = htole64((uint64_t)open->segid),
		.flags = htole32(open->write ? XPMEM_PROTO_OPEN_WRITE : 0),
		.uid = htole32(open->uid),
		.gid = htole32(open->gid),
		.credential = htole32((uint32_t)length),
	};

	if (length > XPMEM_PROTO_CREDENTIAL_MAX)
		return XPMD_WIRE_CREDENTIAL;
	memcpy(body, &wire, sizeof(wire));
	memcpy((char *)body + sizeof(wire), open->credential, length);
	*body_length += length;
	return XPMD_WIRE_OK;
}

/* The types whose structures have few fields */
static void encode_short(const struct xpmd_wire_frame *frame, void *body)
{
	union {
		struct xpmem_proto_bye bye;
		struct xpmem_proto_challenge challenge;
		struct xpmem_proto_opened opened;
		struct xpmem_proto_attach attach;
		struct xpmem_proto_attached attached;
		struct xpmem_proto_close close;
		struct xpmem_proto_fabric fabric;
		struct xpmem_proto_fetched fetched;
	} wire;

	memset(&wire, 0, sizeof(wire));
	switch (frame->type) {
	case XPMEM_PROTO_BYE:
		wire.bye.reason = htole32(frame->bye);
		break;
	case XPMEM_PROTO_CHALLENGE:
		memcpy(wire.challenge.nonce, frame->challenge.nonce, sizeof(wire.challenge.nonce));
		/* fall through */
	case XPMEM_PROTO_ASK_CHALLENGE:
		wire.challenge.id = htole64(frame->challenge.id);
		break;
	case XPMEM_PROTO_OPENED:
		wire.opened.id = htole64(frame->opened.id);
		wire.opened.segid = htole64((uint64_t)frame->opened.segid);
		wire.opened.error = htole32(frame->opened.error);
		wire.opened.pages = htole64(frame->opened.pages);
		break;
	case XPMEM_PROTO_ATTACH:
		wire.attach.id = htole64(frame->attach.id);
		wire.attach.segid = htole64((uint64_t)frame->attach.segid);
		wire.attach.first = htole64(frame->attach.first);
		wire.attach.count = htole64(frame->attach.count);
		break;
	case XPMEM_PROTO_ATTACHED:
		wire.attached.id = htole64(frame->attached.id);
		wire.attached.error = htole32(frame->attached.error);
		break;
	case XPMEM_PROTO_FABRIC:
		encode_fabric(&frame->fabric, &wire.fabric);
		break;
	case XPMEM_PROTO_FETCHED:
		wire.fetched.number = htole64(frame->fetched.number);
		wire.fetched.channel = htole32(frame->fetched.channel);
		break;
	default:
		wire.close.segid = htole64((uint64_t)frame->close.segid);
		break;
	}
	memcpy(body, &wire, size_of(frame->type));
}

enum xpmd_wire_reason xpmd_wire_encode(const struct xpmd_wire_frame *frame, void *body,
				       size_t *body_length_ret, size_t *data_length_ret)
{
	struct xpmem_proto_header header = { 0 };
	size_t body_length = size_of(frame->type), data_length = 0;
	struct xpmd_wire_frame decoded;
	enum xpmd_wire_reason reason;

	if (!body_length)
		return XPMD_WIRE_TYPE;
	if (xpmd_wire_is_msg(frame->type)) {
		encode_pages(frame, body, &body_length, &data_length);
		if (data_length && !frame->msg.data)
			return XPMD_WIRE_DATA;
	} else if (frame->type == XPMEM_PROTO_HELLO) {
		encode_hello(frame, body);
	} else if (frame->type == XPMEM_PROTO_OPEN) {
		reason = encode_open(frame, body, &body_length);
		if (reason)
			return reason;
	} else {
		encode_short(frame, body);
	}
	header.length = htole32((uint32_t)(body_length + data_length));
	header.type = htole16((uint16_t)frame->type);
	header.flags = frame->channel == XPMD_BULK ? XPMEM_PROTO_BULK : 0;
	if (xpmd_wire_is_msg(frame->type) && frame->fetch.length)
		header.flags |= XPMEM_PROTO_FETCH;
	memcpy(body, &header, sizeof(header));
	reason = xpmd_wire_decode(&decoded, body, body_length,
				  data_length ? frame->msg.data : NULL, data_length);
	if (reason)
		return reason;
	*body_length_ret = body_length;
	*data_length_ret = data_length;
	return XPMD_WIRE_OK;
}

bool xpmd_wire_is_of_session(const struct xpmd_wire_frame *frame)
{
	return frame->type == XPMEM_PROTO_HELLO || frame->type == XPMEM_PROTO_BYE ||
	       frame->type == XPMEM_PROTO_FABRIC || frame->type == XPMEM_PROTO_FETCHED ||
	       frame->fetch.length;
}

bool xpmd_wire_may_say(const struct xpmd_wire_frame *frame, uint32_t self, uint32_t other)
{
	switch (frame->type) {
	case XPMEM_PROTO_READ:
	case XPMEM_PROTO_WRITE:
	case XPMEM_PROTO_TAKEN:
	case XPMEM_PROTO_GIVE:
	case XPMEM_PROTO_RECLAIM:
	case XPMEM_PROTO_INSTALLED:
		return frame->msg.segid >> 51 == self;
	case XPMEM_PROTO_GRANT:
	case XPMEM_PROTO_DENY:
	case XPMEM_PROTO_TAKE:
	case XPMEM_PROTO_GIVEN:
	case XPMEM_PROTO_RECLAIMED:
	case XPMEM_PROTO_GONE:
		return frame->msg.segid >> 51 == other;
	case XPMEM_PROTO_OPEN:
		return frame->open.segid >> 51 == self;
	case XPMEM_PROTO_ATTACH:
		return frame->attach.segid >> 51 == self;
	case XPMEM_PROTO_CLOSE:
		return frame->close.segid >> 51 == self;
	case XPMEM_PROTO_OPENED:
		return frame->opened.segid >> 51 == other;
	default:
		return true;
	}
}
