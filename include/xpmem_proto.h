/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What xpmemd of two partitions say to each other, as bytes.  This file is the
 * reference; daemon/coherence.h tells what the coherence messages mean.
 *
 * Connections.  A session is two TLS 1.3 connections over TCP or AF_VSOCK, both made by
 * the same side, the client: first URGENT, then BULK.  No earlier TLS, no early data,
 * no session tickets.  Either
 *
 *  - a pre-shared key of the two partitions (RFC 8446, external PSK with
 *    psk_dhe_ke, SHA-256).  The identity that the client offers is "xpmem:" and
 *    its own partition number in decimal; or
 *  - certificates of both sides, each with the name of its partition as a dNSName
 *    in the subjectAltName (no wildcards, the subject's CN does not count), signed
 *    by the authority that both have configured.
 *
 * Opening.  The client sends HELLO on URGENT, with a token of zeros.  The server answers
 * with its HELLO, in which there is a new random token.  The client opens BULK and sends
 * HELLO with that token there, the server repeats its own HELLO there with that token,
 * and the session is up, at the server when it has sent that and at the client when
 * it has received it.  The server may send frames on URGENT from then on: before the
 * client has seen the HELLO on BULK.  In HELLO the numbers of both partitions must be
 * those that were authenticated, @magic and @version those below, and no unknown bit
 * set in @features.
 *
 * When both sides connect at the same time the session whose client has the lower
 * number stays: that partition refuses the other's HELLO once it has sent its own, and
 * the other drops its own connection when it receives a HELLO.
 *
 * Frames.  Little endian, without padding between frames.  Every frame begins with a
 * header, which is followed by the rest of its type's structure and then by what the
 * structure says follows.  All bytes and bits that have no meaning here are 0, and who
 * receives something else ends the session, as for every other mistake; before that
 * it may send BYE.  Types that the receiver does not know are a mistake too: what is
 * new gets a feature bit.
 *
 * Fabric.  When both HELLOs have XPMEM_PROTO_FEATURE_FABRIC, pages may pass an RDMA
 * fabric.  The server tells by FABRIC where it listens there, and the client connects,
 * with the token below as the private data of its request; it may try again.  Who is
 * connected says so by FABRIC, and the other may from then on send frames that have
 * XPMEM_PROTO_FETCH: in the place of pages is struct xpmem_proto_fetch.  The receiver
 * reads the pages from the sender's memory, and then deals with the frame; later ones of
 * the same channel wait.  It tells by FETCHED that it has read, upon which the sender ends
 * the registration of that memory.  When the connection breaks, the session ends.
 *
 * What passes the fabric is sealed: encrypted by AES-128-GCM.  32 bytes of the TLS
 * exporter of the URGENT connection, label "EXPORTER-xpmem-fabric", no context, are the
 * key (16 bytes) and the token (16 bytes).  The nonce is 4 bytes, little endian, of
 * 2 when the client sends, 0 when the server does, and 1 more on BULK; and then @number
 * of struct xpmem_proto_fetch as there.  There is no additional data.
 *
 * The end of either connection ends the session.  There is no keep-alive here:
 * coherence messages renew leases more often than that.
 *
 * Numbers of partitions are 1..4095; a segment's id has that of its home in bits
 * 62..51.  Pages are of 4096 bytes and counted from the segment's start; @first + @count
 * is at most 2^52.  Errors are errno values as in Linux' asm-generic headers, 1..4095.
 *
 * Users.  Who asks for a segment in OPEN proves the user with a MUNGE credential that
 * was encoded by that user, of the payload
 *
 *	SHA-256 of
 *	the 12 bytes "xpmem-open-1"
 *	binding, 32 bytes: TLS exporter (RFC 8446, 7.5) of the URGENT connection, label
 *		"EXPORTER-xpmem-user", no context
 *	nonce, 32 bytes: of the CHALLENGE with the same id; good for one OPEN
 *	segid, 8 bytes, little endian
 *	access, 1 byte: the low byte of @flags of OPEN
 */
#ifndef XPMEM_PROTO_H
#define XPMEM_PROTO_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define XPMEM_PROTO_MAGIC	0x314d5058u	/* "XPM1" */
#define XPMEM_PROTO_VERSION	1u
#define XPMEM_PROTO_PORT	7474
#define XPMEM_PROTO_FEATURE_FABRIC (1ull << 0)
#define XPMEM_PROTO_FEATURES	XPMEM_PROTO_FEATURE_FABRIC /* bits that have a meaning */

#define XPMEM_PROTO_PAGE	4096u
#define XPMEM_PROTO_PAGES_MAX	256u		/* of a frame */
#define XPMEM_PROTO_CREDENTIAL_MAX 4096u	/* with the 0 at its end */
#define XPMEM_PROTO_ERRNO_MAX	4095u
#define XPMEM_PROTO_TIME_MAX	(3600ull * 1000000000ull)

#define XPMEM_PROTO_IDENTITY	"xpmem:"
#define XPMEM_PROTO_EXPORTER	"EXPORTER-xpmem-user"
#define XPMEM_PROTO_PAYLOAD	"xpmem-open-1"
#define XPMEM_PROTO_FABRIC_EXPORTER "EXPORTER-xpmem-fabric"

/* Little endian */
typedef uint16_t xpmem_le16;
typedef uint32_t xpmem_le32;
typedef uint64_t xpmem_le64;

enum xpmem_proto_type {
	/* struct xpmem_proto_pages, and data for GRANT, TAKEN and GIVE */
	XPMEM_PROTO_READ = 1,
	XPMEM_PROTO_WRITE,
	XPMEM_PROTO_GRANT,
	XPMEM_PROTO_DENY,
	XPMEM_PROTO_TAKE,
	XPMEM_PROTO_TAKEN,
	XPMEM_PROTO_GIVE,
	XPMEM_PROTO_GIVEN,
	XPMEM_PROTO_RENEW,
	XPMEM_PROTO_RENEWED,
	XPMEM_PROTO_FENCED,
	XPMEM_PROTO_RECLAIM,
	XPMEM_PROTO_RECLAIMED,
	XPMEM_PROTO_GONE,
	XPMEM_PROTO_INSTALLED,
	XPMEM_PROTO_LEAVE,
	XPMEM_PROTO_LEFT,
	XPMEM_PROTO_END,
	XPMEM_PROTO_ENDED,

	XPMEM_PROTO_HELLO = 64,		/* struct xpmem_proto_hello */
	XPMEM_PROTO_BYE,		/* struct xpmem_proto_bye */
	XPMEM_PROTO_ASK_CHALLENGE,	/* struct xpmem_proto_challenge, nonce 0; to the home */
	XPMEM_PROTO_CHALLENGE,		/* struct xpmem_proto_challenge: its answer */
	XPMEM_PROTO_OPEN,		/* struct xpmem_proto_open, and the credential */
	XPMEM_PROTO_OPENED,		/* struct xpmem_proto_opened */
	XPMEM_PROTO_ATTACH,		/* struct xpmem_proto_attach */
	XPMEM_PROTO_ATTACHED,		/* struct xpmem_proto_attached */
	XPMEM_PROTO_CLOSE,		/* struct xpmem_proto_close */
	XPMEM_PROTO_FABRIC,		/* struct xpmem_proto_fabric */
	XPMEM_PROTO_FETCHED,		/* struct xpmem_proto_fetched */
};

/* Why a session ends, in BYE */
enum xpmem_proto_reason {
	XPMEM_PROTO_BYE_NONE,		/* the daemon ends */
	XPMEM_PROTO_BYE_FRAME,		/* a frame can't be understood */
	XPMEM_PROTO_BYE_VERSION,	/* magic or version of HELLO */
	XPMEM_PROTO_BYE_FEATURES,	/* unknown bits of HELLO */
	XPMEM_PROTO_BYE_IDENTITY,	/* HELLO names others than were authenticated */
	XPMEM_PROTO_BYE_TOKEN,		/* no session waits for this BULK connection */
	XPMEM_PROTO_BYE_BUSY,		/* the other connection of the two stays */
	XPMEM_PROTO_BYE_REPLACED,	/* a new session of the same partition has begun */
	XPMEM_PROTO_BYE_QUEUE,		/* too much is waiting for this partition */
	XPMEM_PROTO_BYE_FABRIC,		/* the connection on the fabric is broken */
	XPMEM_PROTO_BYE_MAX,
};

/* flags of the header */
#define XPMEM_PROTO_BULK	(1u << 0)	/* of a frame on BULK */
#define XPMEM_PROTO_FETCH	(1u << 1)	/* its pages are to be read from the fabric */

/**
 * struct xpmem_proto_header - beginning of every frame
 * @length: bytes of the frame, with this header and all that follows
 * @type: enum xpmem_proto_type
 * @flags: the channel, and for GRANT, TAKEN and GIVE XPMEM_PROTO_FETCH
 * @reserved: 0
 */
struct xpmem_proto_header {
	xpmem_le32 length;
	xpmem_le16 type;
	uint8_t flags;
	uint8_t reserved;
};

/**
 * struct xpmem_proto_pages - coherence message
 * @incarnation: of the sender's daemon, as in its HELLO
 * @id: of the question, and of its answer
 * @segid: segment; 0 in RENEW, RENEWED, FENCED, LEAVE, LEFT, END and ENDED
 * @first: page
 * @count: pages, at most XPMEM_PROTO_PAGES_MAX; at least 1 in READ, WRITE, GRANT, TAKE,
 *	GIVE, RECLAIM and INSTALLED
 * @gen: generation of the page at home
 * @epoch: of the partition that is not home, as its home counts
 * @error: errno or 0
 * @state: 0 none, 1 shared, 2 exclusive
 * @more: GRANT: so many pages behind these are granted by another one of this @id, which
 *	may come first; 0 in others.  With @count at most XPMEM_PROTO_PAGES_MAX
 * @mask: bit i % 64 of word i / 64: data has page first + i; 0 but in GRANT, TAKEN and
 *	GIVE.  Only of the first @count pages.
 *
 * As many pages follow as there are bits in @mask, in their order; or, with
 * XPMEM_PROTO_FETCH, struct xpmem_proto_fetch.
 */
struct xpmem_proto_pages {
	struct xpmem_proto_header header;
	xpmem_le64 incarnation;
	xpmem_le64 id;
	xpmem_le64 segid;
	xpmem_le64 first;
	xpmem_le32 count;
	xpmem_le32 gen;
	xpmem_le32 epoch;
	xpmem_le32 error;
	xpmem_le32 state;
	xpmem_le32 more;
	xpmem_le64 mask[XPMEM_PROTO_PAGES_MAX / 64];
};

/**
 * struct xpmem_proto_hello - first frame in each direction of a connection
 * @magic: XPMEM_PROTO_MAGIC
 * @version: XPMEM_PROTO_VERSION
 * @partition: the sender's
 * @to: the receiver's
 * @features: bits of what the sender may use; none but XPMEM_PROTO_FEATURES
 * @incarnation: of the sender's daemon, random, not 0; the same on both connections
 * @lease_ns: how long its grants hold without word from it, 1..XPMEM_PROTO_TIME_MAX
 * @skew_ns: and how much later it counts on their end, at most XPMEM_PROTO_TIME_MAX
 * @grace_ns: for how long from now on it grants nothing, at most 2 XPMEM_PROTO_TIME_MAX
 * @token: see above
 */
struct xpmem_proto_hello {
	struct xpmem_proto_header header;
	xpmem_le32 magic;
	xpmem_le32 version;
	xpmem_le32 partition;
	xpmem_le32 to;
	xpmem_le64 features;
	xpmem_le64 incarnation;
	xpmem_le64 lease_ns;
	xpmem_le64 skew_ns;
	xpmem_le64 grace_ns;
	uint8_t token[16];
};

/**
 * struct xpmem_proto_bye - last frame of the sender
 * @reason: enum xpmem_proto_reason
 * @reserved: 0
 */
struct xpmem_proto_bye {
	struct xpmem_proto_header header;
	xpmem_le32 reason;
	xpmem_le32 reserved;
};

/**
 * struct xpmem_proto_challenge - what an OPEN's credential must be made of
 * @id: of ASK_CHALLENGE, repeated in CHALLENGE, and that of the OPEN to come
 * @nonce: random
 */
struct xpmem_proto_challenge {
	struct xpmem_proto_header header;
	xpmem_le64 id;
	uint8_t nonce[32];
};

/* flags of OPEN */
#define XPMEM_PROTO_OPEN_WRITE	(1u << 0)

/**
 * struct xpmem_proto_open - a user of the sender asks for a segment of the receiver
 * @id: repeated in OPENED
 * @segid: segment
 * @flags: XPMEM_PROTO_OPEN_*
 * @uid: of the user, for homes that trust this partition about it
 * @gid:
 * @credential: bytes of what follows, 1..XPMEM_PROTO_CREDENTIAL_MAX
 *
 * The credential follows, characters 0x21..0x7e with a 0 at the end; there may be none,
 * which leaves the 0.
 */
struct xpmem_proto_open {
	struct xpmem_proto_header header;
	xpmem_le64 id;
	xpmem_le64 segid;
	xpmem_le32 flags;
	xpmem_le32 uid;
	xpmem_le32 gid;
	xpmem_le32 credential;
};

/**
 * struct xpmem_proto_opened - answer to OPEN
 * @id: of it
 * @segid: of it
 * @error: errno, or 0: the partition may have pages of the segment from now on
 * @reserved: 0
 * @pages: length of the segment; 0 with an error
 */
struct xpmem_proto_opened {
	struct xpmem_proto_header header;
	xpmem_le64 id;
	xpmem_le64 segid;
	xpmem_le32 error;
	xpmem_le32 reserved;
	xpmem_le64 pages;
};

/**
 * struct xpmem_proto_attach - whether pages can be had at all
 * @id: repeated in ATTACHED
 * @segid: segment
 * @first: page
 * @count: pages, at least 1, any number
 */
struct xpmem_proto_attach {
	struct xpmem_proto_header header;
	xpmem_le64 id;
	xpmem_le64 segid;
	xpmem_le64 first;
	xpmem_le64 count;
};

/**
 * struct xpmem_proto_attached - answer to ATTACH
 * @id: of it
 * @error: errno or 0
 * @reserved: 0
 */
struct xpmem_proto_attached {
	struct xpmem_proto_header header;
	xpmem_le64 id;
	xpmem_le32 error;
	xpmem_le32 reserved;
};

/**
 * struct xpmem_proto_close - the sender has no permit for a segment any more
 * @segid: segment
 */
struct xpmem_proto_close {
	struct xpmem_proto_header header;
	xpmem_le64 segid;
};

/**
 * struct xpmem_proto_fetch - where the pages of a frame are
 * @address: in the sender's memory, as its fabric counts
 * @key: of that memory
 * @number: of this frame among those of the sender with XPMEM_PROTO_FETCH on the same
 *	channel, from 1
 * @length: bytes, at least one page, as @mask says
 * @reserved: 0
 * @tag: of their seal
 */
struct xpmem_proto_fetch {
	xpmem_le64 address;
	xpmem_le64 key;
	xpmem_le64 number;
	xpmem_le32 length;
	xpmem_le32 reserved;
	uint8_t tag[16];
};

/* state of FABRIC */
#define XPMEM_PROTO_FABRIC_LISTENS	1u	/* of the server, with the rest */
#define XPMEM_PROTO_FABRIC_CONNECTED	2u	/* of both; the rest is 0 */

/**
 * struct xpmem_proto_fabric - about the connection on the fabric
 * @state: XPMEM_PROTO_FABRIC_*
 * @protocol: of the fabric, as libfabric numbers them (FI_PROTO_*)
 * @family: 4 or 6
 * @port: in the order of the host
 * @reserved: 0
 * @address: IPv4 (4 bytes, then 0) or IPv6
 */
struct xpmem_proto_fabric {
	struct xpmem_proto_header header;
	xpmem_le32 state;
	xpmem_le32 protocol;
	xpmem_le16 family;
	xpmem_le16 port;
	xpmem_le32 reserved;
	uint8_t address[16];
};

/**
 * struct xpmem_proto_fetched - the pages of a frame have been read
 * @number: of struct xpmem_proto_fetch; each is told, in order
 * @channel: that frame's, 0 or 1 (BULK)
 * @reserved: 0
 */
struct xpmem_proto_fetched {
	struct xpmem_proto_header header;
	xpmem_le64 number;
	xpmem_le32 channel;
	xpmem_le32 reserved;
};

#ifdef __cplusplus
#define XPMEM_PROTO_ASSERT(what) static_assert(what, #what)
#else
#define XPMEM_PROTO_ASSERT(what) _Static_assert(what, #what)
#endif
XPMEM_PROTO_ASSERT(sizeof(struct xpmem_proto_header) == 8);
XPMEM_PROTO_ASSERT(sizeof(struct xpmem_proto_pages) == 96);
XPMEM_PROTO_ASSERT(offsetof(struct xpmem_proto_pages, count) == 40);
XPMEM_PROTO_ASSERT(offsetof(struct xpmem_proto_pages, state) == 56);
XPMEM_PROTO_ASSERT(offsetof(struct xpmem_proto_pages, mask) == 64);
XPMEM_PROTO_ASSERT(sizeof(struct xpmem_proto_hello) == 80);
XPMEM_PROTO_ASSERT(offsetof(struct xpmem_proto_hello, features) == 24);
XPMEM_PROTO_ASSERT(offsetof(struct xpmem_proto_hello, token) == 64);
XPMEM_PROTO_ASSERT(sizeof(struct xpmem_proto_bye) == 16);
XPMEM_PROTO_ASSERT(sizeof(struct xpmem_proto_challenge) == 48);
XPMEM_PROTO_ASSERT(sizeof(struct xpmem_proto_open) == 40);
XPMEM_PROTO_ASSERT(offsetof(struct xpmem_proto_open, credential) == 36);
XPMEM_PROTO_ASSERT(sizeof(struct xpmem_proto_opened) == 40);
XPMEM_PROTO_ASSERT(offsetof(struct xpmem_proto_opened, pages) == 32);
XPMEM_PROTO_ASSERT(sizeof(struct xpmem_proto_attach) == 40);
XPMEM_PROTO_ASSERT(sizeof(struct xpmem_proto_attached) == 24);
XPMEM_PROTO_ASSERT(sizeof(struct xpmem_proto_close) == 16);
XPMEM_PROTO_ASSERT(sizeof(struct xpmem_proto_fetch) == 48);
XPMEM_PROTO_ASSERT(sizeof(struct xpmem_proto_fabric) == 40);
XPMEM_PROTO_ASSERT(offsetof(struct xpmem_proto_fabric, address) == 24);
XPMEM_PROTO_ASSERT(sizeof(struct xpmem_proto_fetched) == 24);

#endif /* XPMEM_PROTO_H */
