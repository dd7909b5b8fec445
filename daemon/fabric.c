// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See fabric.h.  What ends the session goes through xpmd_conn_refuse() and
 * xpmd_conn_fail(), so that it ends in one place and never inside of a call; that
 * place calls xpmd_fabric_end(), which frees the connection on the fabric before the
 * buffers that are read into.
 */
#include "fabric.h"

#include "log.h"
#include "seal.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <openssl/crypto.h>

#define USEC_PER_SEC	1000000ull
#define SETUP_USEC	(10 * USEC_PER_SEC)
#define TIMER_SLACK_USEC 10000u
#define WAIT_MIN_USEC	(1 * USEC_PER_SEC)
#define LOST_USEC	(USEC_PER_SEC / 2)
#define WAIT_MAX_USEC	(300 * USEC_PER_SEC)
#define CHUNK		(64u << 10)	/* read at once, so that slow is not taken for broken */
#define LOOKS		6u		/* at times, in a lease */

static const struct xpmd_rma_link_ops link_ops;

static uint64_t now_us(const struct xpmd_fabric *fabric)
{
	uint64_t now = 0;

	sd_event_now(fabric->session->transport->event, CLOCK_MONOTONIC, &now);
	return now;
}

static void set_timer(struct xpmd_fabric *fabric, uint64_t usec)
{
	sd_event_source_set_time_relative(fabric->timer, usec);
	sd_event_source_set_enabled(fabric->timer, SD_EVENT_ONESHOT);
}

static void wait_longer(struct xpmd_fabric *fabric)
{
	uint64_t now = now_us(fabric);

	if (fabric->up_at && now - fabric->up_at > WAIT_MAX_USEC)
		fabric->wait_us = WAIT_MIN_USEC;
	fabric->up_at = 0;
	fabric->not_before = now + fabric->wait_us;
	fabric->wait_us *= 2;
	if (fabric->wait_us > WAIT_MAX_USEC)
		fabric->wait_us = WAIT_MAX_USEC;
}

/* The session ends.  A fabric is nobody's misdeed: it does not count as one. */
static void broken(struct xpmd_fabric *fabric, const char *why)
{
	struct xpmd_conn *conn = fabric->session->conn[XPMD_URGENT];

	fabric->up = false;
	if (conn->state == XPMD_CONN_DEAD)
		return;
	wait_longer(fabric);
	xpmd_conn_refuse(conn, XPMEM_PROTO_BYE_FABRIC, "the fabric's connection: %s", why);
	conn->refused = false;
}

/* Times are looked at as long as something is waited for. */
static void look_later(struct xpmd_fabric *fabric)
{
	int enabled;

	if (sd_event_source_get_enabled(fabric->timer, &enabled) >= 0 && enabled == SD_EVENT_OFF)
		set_timer(fabric, fabric->lease_us / LOOKS);
}

/* --------------------------------------------------------------- memory */

static struct xpmd_export_pages *oldest(struct xpmd_ring *ring)
{
	return ring->count ? &ring->exports[ring->first] : NULL;
}

/* Where @length bytes can be, at once; they are in use when commit() has been called. */
static uint8_t *reserve(const struct xpmd_ring *ring, size_t length)
{
	if (ring->count == XPMD_RING_EXPORTS || length > XPMD_RING_BYTES)
		return NULL;
	if (!ring->count)
		return ring->memory;
	if (ring->end > ring->begin)
		return XPMD_RING_BYTES - ring->end >= length ? ring->memory + ring->end :
		       ring->begin >= length		     ? ring->memory :
							       NULL;
	return ring->begin - ring->end >= length ? ring->memory + ring->end : NULL;
}

static void commit(struct xpmd_ring *ring, struct xpmd_export_pages *export, const uint8_t *where,
		   size_t length)
{
	export->number = ++ring->sent;
	export->end = (size_t)(where - ring->memory) + length;
	if (!ring->count++)
		ring->begin = 0;
	ring->end = export->end;
}

/* Registered memory is given up in the order in which it was staged. */
static int release(struct xpmd_fabric *fabric, struct xpmd_ring *ring)
{
	struct xpmd_export_pages *export = oldest(ring);
	int rc = xpmd_rma_unregister(fabric->link, &export->region);

	ring->begin = export->end;
	ring->first = (ring->first + 1) % XPMD_RING_EXPORTS;
	ring->count--;
	return rc;
}

static int map_rings(struct xpmd_fabric *fabric)
{
	unsigned int i;

	for (i = XPMD_URGENT; i <= XPMD_BULK; i++) {
		struct xpmd_ring *ring = &fabric->rings[i];
		void *memory;

		if (ring->memory)
			continue;
		memory = mmap(NULL, XPMD_RING_BYTES, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory == MAP_FAILED)
			return -ENOMEM;
		ring->memory = memory;
	}
	return 0;
}

/* -------------------------------------------------------------- sending */

static size_t page_bytes(const struct xpmd_msg *msg)
{
	size_t length = 0;
	unsigned int i;

	for (i = 0; i < XPMD_MAX_PAGES / 64; i++)
		length += (size_t)__builtin_popcountll(msg->mask[i]) * XPMD_PAGE;
	return length;
}

void xpmd_fabric_stage(struct xpmd_session *session, struct xpmd_wire_frame *frame)
{
	struct xpmd_fabric *fabric = session->fabric;
	struct xpmd_export_pages *export;
	struct xpmd_ring *ring;
	uint8_t *where, tag[XPMD_SEAL_TAG];
	size_t length;
	int rc;

	if (!fabric || !fabric->up || !fabric->other_up || !xpmd_wire_is_msg(frame->type) ||
	    !frame->msg.data)
		return;
	length = page_bytes(&frame->msg);
	if (!length || length < session->transport->config->fabric_min)
		return;
	ring = &fabric->rings[frame->channel];
	where = reserve(ring, length);
	if (!where)
		return;
	export = &ring->exports[(ring->first + ring->count) % XPMD_RING_EXPORTS];
	rc = xpmd_seal_close(fabric->seal, frame->channel, ring->sent + 1, frame->msg.data, length,
			     where, tag);
	if (!rc)
		rc = xpmd_rma_register(fabric->link, &export->region, where, length, true);
	if (rc < 0) {
		/* Sealed with this number once: it must never be again. */
		ring->sent++;
		xpmd_log_of(LOG_DEBUG, session->partition->number, 0,
			    "partition %u: pages can't be shown on the fabric: %s",
			    session->partition->number, strerror(-rc));
		return;
	}
	if (!ring->count)
		ring->since = now_us(fabric);
	commit(ring, export, where, length);
	look_later(fabric);
	frame->fetch = (struct xpmd_wire_fetch){
		.address = export->region.address,
		.key = export->region.key,
		.number = export->number,
		.length = (uint32_t)length,
	};
	memcpy(frame->fetch.tag, tag, sizeof(tag));
	session->counts.fabric_sent += length;
}

void xpmd_fabric_unstage(struct xpmd_session *session, const struct xpmd_wire_frame *frame)
{
	struct xpmd_fabric *fabric = session->fabric;
	struct xpmd_export_pages *export;
	struct xpmd_ring *ring;

	if (!fabric || !frame->fetch.length)
		return;
	ring = &fabric->rings[frame->channel];
	ring->count--;
	export = &ring->exports[(ring->first + ring->count) % XPMD_RING_EXPORTS];
	if (ring->count)
		ring->end = ring->exports[(ring->first + ring->count - 1) % XPMD_RING_EXPORTS].end;
	session->counts.fabric_sent -= frame->fetch.length;
	/* Its number stays used: it was sealed with it. */
	if (xpmd_rma_unregister(fabric->link, &export->region) < 0)
		broken(fabric, "memory can't be taken back");
}

static void fetched(struct xpmd_fabric *fabric, struct xpmd_conn *conn,
		    const struct xpmd_wire_frame *frame)
{
	struct xpmd_ring *ring = &fabric->rings[frame->fetched.channel];
	const struct xpmd_export_pages *export = oldest(ring);

	if (!export || export->number != frame->fetched.number) {
		xpmd_conn_refuse(conn, XPMEM_PROTO_BYE_FRAME, "it fetched what was not sent");
		return;
	}
	ring->since = now_us(fabric);
	if (release(fabric, ring) < 0)
		broken(fabric, "memory can't be taken back");
}

/* ------------------------------------------------------------- fetching */

static void read_chunk(struct xpmd_fabric *fabric, unsigned int channel)
{
	struct xpmd_fetch *fetch = &fabric->fetches[channel];
	size_t length = fetch->what.length - fetch->have;
	int rc;

	if (length > CHUNK)
		length = CHUNK;
	fetch->since = now_us(fabric);
	look_later(fabric);
	rc = xpmd_rma_read(fabric->link, channel, &fetch->region, fetch->conn->data + fetch->have,
			   length, fetch->what.address + fetch->have, fetch->what.key);
	fetch->have += length;
	if (rc < 0)
		broken(fabric, strerror(-rc));
}

void xpmd_fabric_fetch(struct xpmd_session *session, struct xpmd_conn *conn,
		       const struct xpmd_wire_frame *frame)
{
	struct xpmd_fabric *fabric = session->fabric;
	struct xpmd_fetch *fetch;

	if (fabric && fabric->lost) {
		broken(fabric, fabric->last_why);
		return;
	}
	if (!fabric || !fabric->up) {
		xpmd_conn_refuse(conn, XPMEM_PROTO_BYE_FABRIC,
				 "pages on a fabric that is not connected");
		return;
	}
	fetch = &fabric->fetches[frame->channel];
	if (frame->fetch.number <= fetch->received) {
		xpmd_conn_refuse(conn, XPMEM_PROTO_BYE_FRAME, "its pages have come before");
		return;
	}
	fetch->received = frame->fetch.number;
	fetch->what = frame->fetch;
	fetch->have = 0;
	fetch->conn = conn;
	read_chunk(fabric, frame->channel);
}

static void on_read(void *ctx, unsigned int channel)
{
	struct xpmd_fabric *fabric = ctx;
	struct xpmd_session *session = fabric->session;
	struct xpmd_fetch *fetch = &fabric->fetches[channel];
	struct xpmd_conn *conn = fetch->conn, *urgent = session->conn[XPMD_URGENT];
	struct xpmd_wire_frame frame = {
		.type = XPMEM_PROTO_FETCHED,
		.channel = XPMD_URGENT,
		.fetched = { .number = fetch->what.number, .channel = (enum xpmd_channel)channel },
	};

	if (!conn)
		return;
	if (fetch->have < fetch->what.length) {
		read_chunk(fabric, channel);
		xpmd_conns_work(&session->transport->conns);
		return;
	}
	fetch->conn = NULL;
	if (xpmd_seal_open(fabric->seal, (enum xpmd_channel)channel, fetch->what.number, conn->data,
			   fetch->what.length, fetch->what.tag) < 0) {
		xpmd_conn_refuse(conn, XPMEM_PROTO_BYE_FABRIC, "pages from the fabric are not its");
		wait_longer(fabric);
	} else if (xpmd_conn_send(urgent, &frame) < 0) {
		xpmd_conn_fail(urgent, "no memory for what it is to be sent");
	} else {
		session->counts.fabric_received += fetch->what.length;
		xpmd_conn_fetched(conn, fetch->what.length);
	}
	xpmd_conns_work(&session->transport->conns);
}

/* ------------------------------------------------------------ connecting */

/* None came to be, which hurts nobody: what fails the same way again is not told again. */
static void not_connected(struct xpmd_fabric *fabric, const char *why)
{
	const struct xpmd_session *session = fabric->session;
	bool again = !strcmp(fabric->last_why, why);

	snprintf(fabric->last_why, sizeof(fabric->last_why), "%s", why);
	xpmd_log_of(again ? LOG_DEBUG : LOG_WARNING, session->partition->number, 0,
		    "partition %u: no connection on the fabric: %s", session->partition->number,
		    why);
	xpmd_rma_link_free(fabric->link);
	fabric->link = NULL;
	if (!session->dialled)
		return;
	wait_longer(fabric);
	set_timer(fabric, fabric->not_before - now_us(fabric));
}

static void on_down(void *ctx, const char *why)
{
	struct xpmd_fabric *fabric = ctx;

	if (!fabric->up) {
		not_connected(fabric, why);
		return;
	}
	/*
	 * It breaks, or the session ends and this is heard of first: TLS will tell.  From now
	 * on pages are sent by TLS.
	 */
	snprintf(fabric->last_why, sizeof(fabric->last_why), "%s", why);
	fabric->up = false;
	fabric->lost = true;
	set_timer(fabric, LOST_USEC);
}

/* The buffers of the session's connections are where is read into. */
static int register_buffers(struct xpmd_fabric *fabric)
{
	unsigned int i;
	int rc = 0;

	for (i = XPMD_URGENT; i <= XPMD_BULK && !rc; i++)
		rc = xpmd_rma_register(fabric->link, &fabric->fetches[i].region,
				       fabric->session->conn[i]->data, XPMD_WIRE_DATA_MAX, false);
	return rc;
}

static void on_up(void *ctx)
{
	struct xpmd_fabric *fabric = ctx;
	struct xpmd_session *session = fabric->session;
	struct xpmd_conn *conn = session->conn[XPMD_URGENT];
	struct xpmd_wire_frame frame = {
		.type = XPMEM_PROTO_FABRIC,
		.channel = XPMD_URGENT,
		.fabric.state = XPMEM_PROTO_FABRIC_CONNECTED,
	};
	int rc;

	sd_event_source_set_enabled(fabric->timer, SD_EVENT_OFF);
	rc = map_rings(fabric);
	if (!rc)
		rc = register_buffers(fabric);
	if (rc < 0) {
		/* The connection stays, as its end would be the session's, and is not used. */
		xpmd_log_of(LOG_WARNING, session->partition->number, 0,
			    "partition %u: memory for the fabric: %s", session->partition->number,
			    strerror(-rc));
		return;
	}
	fabric->up = true;
	fabric->up_at = now_us(fabric);
	fabric->last_why[0] = 0;
	xpmd_log_of(LOG_NOTICE, session->partition->number, 0,
		    "partition %u: connected on the fabric", session->partition->number);
	if (xpmd_conn_send(conn, &frame) < 0)
		xpmd_conn_fail(conn, "no memory for what it is to be sent");
}

static const struct xpmd_rma_link_ops link_ops = {
	.up = on_up,
	.read = on_read,
	.down = on_down,
};

static void dial(struct xpmd_fabric *fabric)
{
	struct xpmd_transport *t = fabric->session->transport;
	int rc = xpmd_rma_connect(&fabric->link, t->rma, &fabric->to, fabric->token,
				  sizeof(fabric->token), &link_ops, fabric);

	if (rc < 0)
		not_connected(fabric, strerror(-rc));
	else
		set_timer(fabric, SETUP_USEC);
}

static void wait_until(uint64_t *wait, uint64_t now, uint64_t end)
{
	uint64_t usec = end > now ? end - now : 0;

	if (usec < *wait)
		*wait = usec;
}

/* Up: what takes too long, or NULL */
static const char *look(struct xpmd_fabric *fabric)
{
	uint64_t now = now_us(fabric), wait = UINT64_MAX;
	unsigned int i;

	for (i = XPMD_URGENT; i <= XPMD_BULK; i++) {
		const struct xpmd_fetch *fetch = &fabric->fetches[i];
		struct xpmd_ring *ring = &fabric->rings[i];
		uint64_t read_by = fetch->since + fabric->lease_us / 4, fetched_by;

		/* It has not been told yet, that is TCP's matter. */
		if (fabric->session->conn[i]->queue.length)
			ring->since = now;
		fetched_by = ring->since + fabric->lease_us * 3;
		if (fetch->conn && now > read_by)
			return "pages can't be read";
		if (ring->count && now > fetched_by)
			return "pages are not fetched";
		if (fetch->conn)
			wait_until(&wait, now, read_by);
		if (ring->count)
			wait_until(&wait, now, fetched_by);
	}
	if (wait != UINT64_MAX) {
		/* Others may begin meanwhile. */
		wait_until(&wait, now, now + fabric->lease_us / LOOKS);
		set_timer(fabric, wait + 1);
	}
	return NULL;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct xpmd_fabric *fabric = userdata;

	(void)source;
	(void)usec;
	if (!fabric->agreed)
		return 0;
	if (fabric->lost) {
		broken(fabric, fabric->last_why);
		xpmd_conns_work(&fabric->session->transport->conns);
	} else if (fabric->up) {
		const char *why = look(fabric);

		if (!why)
			return 0;
		broken(fabric, why);
		xpmd_conns_work(&fabric->session->transport->conns);
	} else if (fabric->link) {
		not_connected(fabric, "it took too long");
	} else {
		dial(fabric);
	}
	return 0;
}

/* Server: whoever it is, the token is that of a session, or it is nobody. */
static void on_request(void *ctx, struct xpmd_rma_request *request, const void *hello,
		       size_t length)
{
	struct xpmd_transport *t = ctx;
	struct xpmd_fabric *fabric = NULL;
	size_t i;
	int rc;

	for (i = 0; i < t->config->nr_partitions && length >= XPMD_TOKEN_BYTES; i++) {
		struct xpmd_session *session = &t->sessions[i];

		if (session->fabric && session->fabric->agreed && !session->dialled &&
		    !CRYPTO_memcmp(hello, session->fabric->token, XPMD_TOKEN_BYTES))
			fabric = session->fabric;
	}
	if (!fabric || fabric->up || fabric->lost) {
		xpmd_transport_refused(t, fabric ? fabric->session : NULL, "the fabric",
				       fabric ? "it is connected" : "no session waits for it");
		return;
	}
	/* The one before it did not come up at the other end. */
	xpmd_rma_link_free(fabric->link);
	fabric->link = NULL;
	rc = xpmd_rma_accept(&fabric->link, request, &link_ops, fabric);
	if (rc < 0)
		not_connected(fabric, strerror(-rc));
}

static const struct xpmd_rma_ops rma_ops = { .request = on_request };

int xpmd_transport_listen_fabric(struct xpmd_transport *t)
{
	const struct xpmd_transport_config *config = t->config;
	size_t i;

	for (i = 0; i < config->nr_partitions; i++) {
		if (!config->partitions[i].fabric)
			continue;
		if (config->fabric)
			return xpmd_rma_new(&t->rma, t->event, config->fabric, &rma_ops, t);
		xpmd_log(LOG_ERR, "partition %u is to be reached by a fabric, and there is none",
			 config->partitions[i].number);
		return -EINVAL;
	}
	return 0;
}

/* --------------------------------------------------------------- FABRIC */

static void send_address(struct xpmd_fabric *fabric)
{
	struct xpmd_session *session = fabric->session;
	struct xpmd_wire_frame frame = {
		.type = XPMEM_PROTO_FABRIC,
		.channel = XPMD_URGENT,
		.fabric = { .state = XPMEM_PROTO_FABRIC_LISTENS },
	};
	struct xpmd_address address;

	if (xpmd_rma_address(session->transport->rma, &address) < 0)
		return;
	frame.fabric.protocol = xpmd_rma_protocol(session->transport->rma);
	if (address.bytes.ss_family == AF_INET) {
		const struct sockaddr_in *in = (struct sockaddr_in *)&address.bytes;

		frame.fabric.family = 4;
		frame.fabric.port = ntohs(in->sin_port);
		memcpy(frame.fabric.address, &in->sin_addr, sizeof(in->sin_addr));
	} else {
		const struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address.bytes;

		frame.fabric.family = 6;
		frame.fabric.port = ntohs(in6->sin6_port);
		memcpy(frame.fabric.address, &in6->sin6_addr, sizeof(in6->sin6_addr));
	}
	if (xpmd_conn_send(session->conn[XPMD_URGENT], &frame) < 0)
		xpmd_conn_fail(session->conn[XPMD_URGENT], "no memory for what it is to be sent");
}

static void read_address(struct xpmd_address *ret, const struct xpmd_wire_fabric *wire)
{
	memset(ret, 0, sizeof(*ret));
	if (wire->family == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)&ret->bytes;

		in->sin_family = AF_INET;
		in->sin_port = htons(wire->port);
		memcpy(&in->sin_addr, wire->address, sizeof(in->sin_addr));
		ret->length = sizeof(*in);
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->bytes;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(wire->port);
		memcpy(&in6->sin6_addr, wire->address, sizeof(in6->sin6_addr));
		ret->length = sizeof(*in6);
	}
}

static void other_listens(struct xpmd_fabric *fabric, struct xpmd_conn *conn,
			  const struct xpmd_wire_fabric *wire)
{
	const struct xpmd_session *session = fabric->session;
	uint64_t now = now_us(fabric);

	if (!session->dialled || fabric->to.length) {
		xpmd_conn_refuse(conn, XPMEM_PROTO_BYE_FRAME, "it tells an address of its fabric");
		return;
	}
	read_address(&fabric->to, wire);
	if (wire->protocol != xpmd_rma_protocol(session->transport->rma))
		xpmd_log_of(LOG_WARNING, session->partition->number, 0,
			    "partition %u has another kind of fabric: pages go by TLS",
			    session->partition->number);
	else if (fabric->not_before > now)
		set_timer(fabric, fabric->not_before - now);
	else
		dial(fabric);
}

void xpmd_fabric_frame(struct xpmd_session *session, struct xpmd_conn *conn,
		       const struct xpmd_wire_frame *frame)
{
	struct xpmd_fabric *fabric = session->fabric;

	if (!fabric || !fabric->agreed)
		xpmd_conn_refuse(conn, XPMEM_PROTO_BYE_FRAME,
				 "a frame of a fabric that was not agreed on");
	else if (frame->type == XPMEM_PROTO_FETCHED)
		fetched(fabric, conn, frame);
	else if (frame->fabric.state == XPMEM_PROTO_FABRIC_LISTENS)
		other_listens(fabric, conn, &frame->fabric);
	else
		fabric->other_up = true;
}

/* ---------------------------------------------------------- begin, end */

uint64_t xpmd_fabric_features(const struct xpmd_session *session)
{
	return session->fabric && session->transport->rma ? XPMEM_PROTO_FEATURE_FABRIC : 0;
}

void xpmd_fabric_begin(struct xpmd_session *session)
{
	struct xpmd_fabric *fabric = session->fabric;
	struct xpmd_transport *t = session->transport;
	uint8_t secret[XPMD_SEAL_KEY + XPMD_TOKEN_BYTES];
	struct xpmd_hello own;

	if (!fabric || !t->rma)
		return;
	if (!(session->other.features & XPMEM_PROTO_FEATURE_FABRIC)) {
		xpmd_log_of(LOG_NOTICE, session->partition->number, 0,
			    "partition %u has no fabric: pages go by TLS",
			    session->partition->number);
		return;
	}
	t->ops->hello(t->ctx, &own);
	fabric->lease_us = own.lease_ns / 1000;
	if (xpmd_tls_fabric_secret(session->conn[XPMD_URGENT]->tls, secret, sizeof(secret)) < 0)
		return;
	fabric->seal = xpmd_seal_new(secret, session->dialled);
	memcpy(fabric->token, secret + XPMD_SEAL_KEY, XPMD_TOKEN_BYTES);
	OPENSSL_cleanse(secret, sizeof(secret));
	if (!fabric->seal)
		return;
	fabric->agreed = true;
	if (!session->dialled)
		send_address(fabric);
}

void xpmd_fabric_end(struct xpmd_session *session)
{
	struct xpmd_fabric *fabric = session->fabric;
	unsigned int i;

	if (!fabric)
		return;
	xpmd_rma_link_free(fabric->link);
	fabric->link = NULL;
	fabric->agreed = fabric->up = fabric->other_up = fabric->lost = false;
	fabric->to.length = 0;
	xpmd_seal_free(fabric->seal);
	fabric->seal = NULL;
	OPENSSL_cleanse(fabric->token, sizeof(fabric->token));
	for (i = XPMD_URGENT; i <= XPMD_BULK; i++) {
		fabric->rings[i] = (struct xpmd_ring){ .memory = fabric->rings[i].memory };
		fabric->fetches[i] = (struct xpmd_fetch){ .conn = NULL };
	}
	sd_event_source_set_enabled(fabric->timer, SD_EVENT_OFF);
}

void xpmd_fabric_suspect(struct xpmd_session *session)
{
	if (session->fabric)
		wait_longer(session->fabric);
}

int xpmd_fabric_init(struct xpmd_session *session)
{
	struct xpmd_fabric *fabric;
	int rc;

	if (!session->partition->fabric)
		return 0;
	fabric = calloc(1, sizeof(*fabric));
	if (!fabric)
		return -ENOMEM;
	session->fabric = fabric;
	fabric->session = session;
	fabric->wait_us = WAIT_MIN_USEC;
	rc = sd_event_add_time_relative(session->transport->event, &fabric->timer, CLOCK_MONOTONIC,
					0, TIMER_SLACK_USEC, on_timer, fabric);
	return rc < 0 ? rc : sd_event_source_set_enabled(fabric->timer, SD_EVENT_OFF);
}

void xpmd_fabric_destroy(struct xpmd_session *session)
{
	struct xpmd_fabric *fabric = session->fabric;
	unsigned int i;

	if (!fabric)
		return;
	xpmd_fabric_end(session);
	for (i = XPMD_URGENT; i <= XPMD_BULK; i++)
		if (fabric->rings[i].memory)
			munmap(fabric->rings[i].memory, XPMD_RING_BYTES);
	sd_event_source_disable_unref(fabric->timer);
	free(fabric);
	session->fabric = NULL;
}
