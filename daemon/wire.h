/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of include/xpmem_proto.h from and to the structures of coherence.h and
 * transport.h.  Pure: nothing is allocated, read or written but what is passed.
 *
 * A frame is its body, which is at most XPMD_WIRE_BODY_MAX bytes with the header, and
 * then its data: pages.  The two need not be next to each other, so that a receiver can
 * have the pages aligned.  Pages that are to be fetched from a fabric are no part of
 * the frame; they come to msg.data when they have been.
 *
 * Whatever the bytes, decoding gives a reason or a frame of which every length, count
 * and enumeration is in its bounds, and no byte was without a meaning: encoding that
 * frame gives the same bytes again.  What the values say of segments and partitions
 * is for the callee to judge.
 */
#ifndef XPMD_WIRE_H
#define XPMD_WIRE_H

#include "transport.h"

#include "xpmem_proto.h"

#define XPMD_WIRE_HEAD		sizeof(struct xpmem_proto_header)
#define XPMD_WIRE_BODY_MAX	(sizeof(struct xpmem_proto_open) + XPMEM_PROTO_CREDENTIAL_MAX)
#define XPMD_WIRE_DATA_MAX	((size_t)XPMD_PAGE * XPMD_MAX_PAGES)

enum xpmd_wire_reason {
	XPMD_WIRE_OK,
	XPMD_WIRE_LENGTH,	/* not that of its type */
	XPMD_WIRE_TYPE,
	XPMD_WIRE_CHANNEL,	/* of another channel than it came on */
	XPMD_WIRE_RESERVED,	/* what has no meaning is not 0 */
	XPMD_WIRE_STATE,
	XPMD_WIRE_COUNT,
	XPMD_WIRE_RANGE,	/* past the last page there can be */
	XPMD_WIRE_ERRNO,
	XPMD_WIRE_MASK,		/* not of these pages, or of a message without data */
	XPMD_WIRE_DATA,		/* not as long as the mask says */
	XPMD_WIRE_SEGID,	/* negative, or of no partition, or one where none belongs */
	XPMD_WIRE_MAGIC,
	XPMD_WIRE_VERSION,
	XPMD_WIRE_FEATURES,
	XPMD_WIRE_PARTITION,
	XPMD_WIRE_INCARNATION,
	XPMD_WIRE_TIME,
	XPMD_WIRE_BYE,
	XPMD_WIRE_FLAGS,
	XPMD_WIRE_CREDENTIAL,
	XPMD_WIRE_PAGES,
	XPMD_WIRE_FETCH,	/* not as long as the mask says, or not the first */
	XPMD_WIRE_FABRIC,
	XPMD_WIRE_REASON_MAX,
};

/* Where the pages of a message are; length 0: they follow it. */
struct xpmd_wire_fetch {
	uint64_t address, key, number;
	uint32_t length;
	uint8_t tag[16];
};

struct xpmd_wire_fabric {
	uint32_t state, protocol;
	uint16_t family, port;
	uint8_t address[16];
};

struct xpmd_wire_frame {
	enum xpmem_proto_type type;
	enum xpmd_channel channel;
	union {
		struct xpmd_msg msg;
		struct {
			struct xpmd_hello hello;
			uint32_t to;
			uint8_t token[16];
		} hello;
		enum xpmem_proto_reason bye;
		struct {
			uint64_t id;
			uint8_t nonce[32];
		} challenge;
		struct xpmd_open open;	/* the credential is in the body */
		struct xpmd_opened opened;
		struct xpmd_attach attach;
		struct xpmd_attached attached;
		struct xpmd_close close;
		struct xpmd_wire_fabric fabric;
		struct {
			uint64_t number;
			enum xpmd_channel channel;
		} fetched;
	};
	struct xpmd_wire_fetch fetch;
};

/* How long the parts of a frame are that begins with these XPMD_WIRE_HEAD bytes */
struct xpmd_wire_head {
	enum xpmem_proto_type type;
	enum xpmd_channel channel;
	size_t body;		/* with the header */
	size_t data;
	bool fetch;		/* more data is to be fetched */
};
enum xpmd_wire_reason xpmd_wire_head(struct xpmd_wire_head *ret, const void *bytes);

/*
 * @body, of @body_length bytes, with the header; @data of @data_length.  What is in the
 * frame points into both.  Of a frame to be fetched @data may be what was, of the length
 * it says; without (0), msg.data is NULL.
 */
enum xpmd_wire_reason xpmd_wire_decode(struct xpmd_wire_frame *ret, const void *body,
				       size_t body_length, const void *data, size_t data_length);

/*
 * Writes the body, of at most XPMD_WIRE_BODY_MAX bytes; the data is the frame's own
 * (msg.data), @data_length of it.  Gives the reason for which the frame would be refused.
 */
enum xpmd_wire_reason xpmd_wire_encode(const struct xpmd_wire_frame *frame, void *body,
				       size_t *body_length_ret, size_t *data_length_ret);

/*
 * Whether partition @other may say that to @self: the home of the segment, or the other
 * side.  Leases are of both, and name no segment.
 */
bool xpmd_wire_may_say(const struct xpmd_wire_frame *frame, uint32_t self, uint32_t other);
/* Whether it is said by sessions for themselves: HELLO, BYE, and all of fabrics */
bool xpmd_wire_is_of_session(const struct xpmd_wire_frame *frame);
bool xpmd_wire_is_msg(enum xpmem_proto_type type);
const char *xpmd_wire_text(enum xpmd_wire_reason reason);
const char *xpmd_wire_bye_text(enum xpmem_proto_reason reason);

#endif /* XPMD_WIRE_H */
