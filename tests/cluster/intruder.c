// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A partition whose daemon is the enemy's: it has the right key, speaks the protocol,
 * and says what no xpmemd would.
 *
 *	intruder SELF HOME ADDRESS KEY-FILE SEGID OTHER-SEGID [MUNGE-SOCKET]
 *
 * SELF and HOME are numbers of partitions.  SEGID and OTHER-SEGID are segments of HOME that
 * the user who runs this may have; with a socket of munged that is proved, else said.
 * Each attempt prints a line: what was tried, a colon, and what the home answered.  The
 * memory of SEGID must be what it was; whoever made it knows.  Exit status 0: all was
 * tried, whatever came of it; 1: it could not be.
 */
#include "auth.h"
#include "config.h"
#include "transport.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <munge.h>

#define WAIT_NS	 10000000000ULL
#define QUIET_NS 500000000ULL
#define FORGED	 32
#define INCARNATION 4711U

struct intruder {
	sd_event *event;
	struct xpmd_transport *transport;
	uint32_t home;
	int64_t segid, other;
	const char *munge_socket;
	uint64_t last_id;
	uint32_t epoch;

	/* What the home answered last */
	unsigned int ups, downs, answers;
	uint64_t answer_id;
	enum xpmd_type answer_type;	/* 0: not a message */
	uint32_t error;
	uint8_t nonce[32];
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

_Noreturn static void give_up(const char *why)
{
	fprintf(stderr, "intruder: %s\n", why);
	exit(1);
}

static void tell(const char *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void tell(const char *answer, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(": %s\n", answer);
	fflush(stdout);
}

/* ------------------------------------------------------- what is answered */

static void on_hello(void *ctx, struct xpmd_hello *hello)
{
	(void)ctx;
	*hello = (struct xpmd_hello){
		.incarnation = INCARNATION, .lease_ns = 3000000000ULL, .skew_ns = 100000000ULL,
	};
}

static void on_up(void *ctx, uint32_t partition, const struct xpmd_hello *other)
{
	struct intruder *in = ctx;

	(void)partition;
	(void)other;
	in->ups++;
}

static void on_down(void *ctx, uint32_t partition, const char *why)
{
	struct intruder *in = ctx;

	(void)partition;
	(void)why;
	in->downs++;
}

static void answered(struct intruder *in, uint64_t id, enum xpmd_type type, uint32_t error)
{
	if (id != in->last_id)
		return;
	in->answers++;
	in->answer_id = id;
	in->answer_type = type;
	in->error = error;
}

static void on_message(void *ctx, uint32_t partition, const struct xpmd_msg *msg)
{
	struct intruder *in = ctx;

	(void)partition;
	switch (msg->type) {
	case XPMD_GRANT:
	case XPMD_DENY:
	case XPMD_GIVEN:
	case XPMD_RENEWED:
	case XPMD_FENCED:
	case XPMD_RECLAIMED:
		in->epoch = msg->epoch;
		answered(in, msg->type == XPMD_FENCED ? in->last_id : msg->id, msg->type,
			 msg->error);
		return;
	default:
		/* Of the other daemon as a replica, which counts another epoch and other requests */
		return;
	}
}

static void on_challenge(void *ctx, uint32_t partition, uint64_t id)
{
	(void)ctx;
	(void)partition;
	(void)id;
}

static void on_challenged(void *ctx, uint32_t partition, uint64_t id, const uint8_t nonce[32])
{
	struct intruder *in = ctx;

	(void)partition;
	memcpy(in->nonce, nonce, sizeof(in->nonce));
	answered(in, id, 0, 0);
}

static void on_open(void *ctx, uint32_t partition, const struct xpmd_open *open)
{
	(void)ctx;
	(void)partition;
	(void)open;
}

static void on_opened(void *ctx, uint32_t partition, const struct xpmd_opened *opened)
{
	(void)partition;
	answered(ctx, opened->id, 0, opened->error);
}

static void on_attach(void *ctx, uint32_t partition, const struct xpmd_attach *attach)
{
	(void)ctx;
	(void)partition;
	(void)attach;
}

static void on_attached(void *ctx, uint32_t partition, const struct xpmd_attached *attached)
{
	(void)partition;
	answered(ctx, attached->id, 0, attached->error);
}

static void on_close(void *ctx, uint32_t partition, const struct xpmd_close *close)
{
	(void)ctx;
	(void)partition;
	(void)close;
}

static const struct xpmd_session_ops ops = {
	.hello = on_hello,
	.up = on_up,
	.down = on_down,
	.message = on_message,
	.challenge = on_challenge,
	.challenged = on_challenged,
	.open = on_open,
	.opened = on_opened,
	.attach = on_attach,
	.attached = on_attached,
	.close = on_close,
};

/* Runs until one of both has changed; false: neither has, for so long. */
static bool run(struct intruder *in, const unsigned int *what, unsigned int before, uint64_t ns)
{
	uint64_t until = now_ns() + ns;
	unsigned int downs = in->downs;

	while (*what == before && in->downs == downs && now_ns() < until) {
		xpmd_transport_flush(in->transport);
		if (sd_event_run(in->event, 20000) < 0)
			give_up("the event loop does not run");
	}
	return *what != before || in->downs != downs;
}

/* What came of the last attempt, in words */
static const char *outcome(struct intruder *in, unsigned int before, uint64_t wait)
{
	unsigned int downs = in->downs;

	if (!run(in, &in->answers, before, wait))
		return "no answer";
	if (in->downs != downs)
		return "the session was ended";
	if (in->error)
		return strerrorname_np((int)in->error);
	if (in->answer_type == XPMD_FENCED)
		return "told that it was evicted";
	if (in->answer_type == XPMD_GIVEN)
		return "taken note of";
	return in->answer_type == XPMD_GRANT ? "GRANTED" : "granted";
}

static void connect_to_home(struct intruder *in)
{
	if (!xpmd_transport_is_up(in->transport, in->home) && !run(in, &in->ups, in->ups, WAIT_NS))
		give_up("no session with the home");
}

/* ------------------------------------------------------------- attempts */

static const char *open_with(struct intruder *in, uint64_t id, int64_t segid, bool write,
			     const char *credential, uint32_t uid)
{
	struct xpmd_open open = {
		.id = id, .segid = segid, .write = write, .credential = credential,
		.uid = uid, .gid = uid,
	};
	unsigned int before = in->answers;

	in->last_id = id;
	if (xpmd_transport_open(in->transport, in->home, &open) < 0)
		give_up("OPEN can't be sent");
	return outcome(in, before, WAIT_NS);
}

static const char *open_as(struct intruder *in, int64_t segid, bool write, uint32_t uid)
{
	return open_with(in, in->last_id + 1, segid, write, "", uid);
}

static const char *say_in(struct intruder *in, uint32_t epoch, struct xpmd_msg msg, uint64_t wait)
{
	unsigned int before = in->answers;

	msg.id = ++in->last_id;
	msg.incarnation = INCARNATION;
	msg.epoch = epoch;
	if (xpmd_transport_send(in->transport, in->home, XPMD_URGENT, &msg) < 0)
		return "can't be sent";
	return outcome(in, before, wait);
}

/* As one who has a lease */
static const char *say(struct intruder *in, struct xpmd_msg msg, uint64_t wait)
{
	say_in(in, 0, (struct xpmd_msg){ .type = XPMD_RENEW }, WAIT_NS);
	if (in->answer_type != XPMD_RENEWED)
		give_up("no lease");
	return say_in(in, in->epoch, msg, wait);
}

static const char *ask(struct intruder *in, enum xpmd_type type, int64_t segid, uint64_t first)
{
	return say(in, (struct xpmd_msg){ .type = type, .segid = segid, .first = first, .count = 1 },
		   WAIT_NS);
}

static const char *attach(struct intruder *in, int64_t segid, uint64_t count)
{
	struct xpmd_attach request = { .id = ++in->last_id, .segid = segid, .count = count };
	unsigned int before = in->answers;

	if (xpmd_transport_attach(in->transport, in->home, &request) < 0)
		give_up("ATTACH can't be sent");
	return outcome(in, before, WAIT_NS);
}

/* A page that it says it has, with other content */
static const char *give(struct intruder *in, enum xpmd_type type)
{
	static char data[XPMD_PAGE];

	memset(data, 0xee, sizeof(data));
	return say(in,
		   (struct xpmd_msg){ .type = type, .segid = in->segid, .count = 1, .gen = 1,
				      .state = type == XPMD_RECLAIM ? XPMD_EXCLUSIVE : XPMD_NONE,
				      .mask = { type == XPMD_RECLAIM ? 0 : 1 },
				      .data = type == XPMD_RECLAIM ? NULL : data },
		   QUIET_NS);
}

static const char *forge_segids(struct intruder *in)
{
	const char *answer = "ENOENT";
	uint64_t random = now_ns();

	for (int i = 0; i < FORGED && !strcmp(answer, "ENOENT"); i++) {
		int64_t low = in->segid ^ (int64_t)1 << i;

		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		if (i >= FORGED / 2)
			low = (int64_t)in->home << 51 | (int64_t)(random >> 13);
		if (low != in->other && low != in->segid)
			answer = open_as(in, low, false, getuid());
	}
	return answer;
}

static void by_protocol(struct intruder *in)
{
	uint32_t me = getuid();

	struct xpmd_msg read = { .type = XPMD_READ, .segid = in->segid, .count = 1 };

	tell(say_in(in, 4711, read, WAIT_NS), "read a page with an epoch of its own");
	tell(ask(in, XPMD_READ, in->segid, 0), "read a page of a segment that was not opened");
	tell(attach(in, in->segid, 1), "attach it");
	tell(open_as(in, in->segid, false, 0), "open it as root");
	tell(open_as(in, in->segid, false, me + 1), "open it as another user");
	tell(forge_segids(in), "open %d made-up numbers of the home", FORGED);
	tell(open_as(in, in->segid, false, me), "open it for reading as its user");
	tell(ask(in, XPMD_WRITE, in->segid, 0), "write a page of it");
	tell(ask(in, XPMD_READ, in->segid, 1 << 20), "read a page past its end");
	tell(ask(in, XPMD_READ, in->other, 0), "read a page of another segment");
	tell(attach(in, in->segid, 1 << 20), "attach more than there is");
	tell(give(in, XPMD_GIVE), "give back a page that it never had, changed");
	tell(give(in, XPMD_TAKEN), "the same as an answer to a TAKE that never was");
	tell(give(in, XPMD_RECLAIM), "claim to have had it to write before");
	tell(ask(in, XPMD_READ, (int64_t)(in->home + 1) << 51 | 5, 0),
	     "read a page of a third partition's segment");
	connect_to_home(in);
	tell(say(in, (struct xpmd_msg){ .type = XPMD_TAKE, .segid = in->segid, .count = 1 }, WAIT_NS),
	     "take a page from its own home");
	connect_to_home(in);
	xpmd_transport_close_segment(in->transport, in->home, in->segid);
	tell(ask(in, XPMD_READ, in->segid, 0), "read a page of a segment that it has closed");
}

/* A credential of this user for what was challenged last, by another munged if so wished */
static char *prove(const struct intruder *in, int64_t segid, bool write)
{
	munge_ctx_t munge = munge_ctx_create();
	uint8_t binding[32], payload[32];
	char *credential = NULL;

	if (xpmd_transport_binding(in->transport, in->home, binding) < 0 ||
	    xpmd_auth_payload(payload, binding, in->nonce, segid, write) < 0 ||
	    munge_ctx_set(munge, MUNGE_OPT_SOCKET, in->munge_socket) != EMUNGE_SUCCESS ||
	    munge_encode(&credential, munge, payload, sizeof(payload)) != EMUNGE_SUCCESS)
		give_up("no credential");
	munge_ctx_destroy(munge);
	return credential;
}

static uint64_t challenge(struct intruder *in)
{
	unsigned int before = in->answers;

	in->last_id++;
	if (xpmd_transport_ask_challenge(in->transport, in->home, in->last_id) < 0 ||
	    !run(in, &in->answers, before, WAIT_NS))
		give_up("no challenge");
	return in->last_id;
}

static void by_munge(struct intruder *in)
{
	uint64_t id = challenge(in);
	char *good = prove(in, in->segid, false), *later;
	char spoiled[5000];

	tell(open_with(in, id + 1, in->segid, false, good, 0), "open with a request that was not challenged");
	tell(open_with(in, id, in->segid, false, good, 0), "open with a credential");
	tell(open_with(in, id, in->segid, false, good, 0), "the same once more");
	id = challenge(in);
	tell(open_with(in, id, in->segid, false, good, 0), "that credential for a new challenge");
	id = challenge(in);
	later = prove(in, in->segid, false);
	tell(open_with(in, id, in->other, false, later, 0), "a credential of one segment for another");
	free(later);
	id = challenge(in);
	later = prove(in, in->segid, false);
	tell(open_with(in, id, in->segid, true, later, 0), "a credential to read, for writing");
	snprintf(spoiled, sizeof(spoiled), "%s", later);
	free(later);
	spoiled[strlen(spoiled) / 2] ^= 1;
	id = challenge(in);
	tell(open_with(in, id, in->segid, false, spoiled, 0), "a credential with one bit changed");
	id = challenge(in);
	tell(open_with(in, id, in->segid, false, "", 0), "no credential, and the user's number");
	free(good);
}

int main(int argc, char **argv)
{
	static struct xpmd_partition home = { .name = (char *)"home" };
	static const char *const listen[] = { NULL };
	struct xpmd_transport_config config = {
		.self_name = "intruder", .listen = listen, .partitions = &home,
		.nr_partitions = 1, .send_limit = 1 << 20,
	};
	struct intruder in = { .answers = 0 };

	if (argc < 7 || argc > 8)
		give_up("SELF HOME ADDRESS KEY-FILE SEGID OTHER-SEGID [MUNGE-SOCKET]");
	config.self = (uint32_t)strtoul(argv[1], NULL, 10);
	in.home = home.number = (uint32_t)strtoul(argv[2], NULL, 10);
	home.address = argv[3];
	home.key_file = argv[4];
	in.segid = strtoll(argv[5], NULL, 10);
	in.other = strtoll(argv[6], NULL, 10);
	in.munge_socket = argv[7];
	if (sd_event_default(&in.event) < 0 ||
	    xpmd_transport_new(&in.transport, in.event, &config, &ops, &in) < 0)
		give_up("no transport");
	connect_to_home(&in);
	if (in.munge_socket)
		by_munge(&in);
	else
		by_protocol(&in);
	xpmd_transport_free(in.transport);
	sd_event_unref(in.event);
	return 0;
}
