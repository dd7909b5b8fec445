// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The daemon's side of authentication: nonces, what a credential must say, and the
 * requests that wait for the process of credential.h.
 *
 * At most XPMD_CREDENTIAL_JOBS requests are with it, and of one local user no more than
 * some, as he can delay his own; the rest wait in line here, not longer than anybody
 * would wait for them.
 */
#include "auth.h"

#include "credential.h"
#include "log.h"
#include "nonce.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#define REQUESTS_MAX	2048u
#define OF_USER_MAX	4u
#define WAIT_NS		10000000000ull

struct request {
	TAILQ_ENTRY(request) entry;
	uint64_t id;			/* the caller's; message.id is ours */
	uint64_t since;
	bool sent;
	uint32_t partition;		/* for the log */
	struct xpmd_credential_request message;
};

struct xpmd_auth {
	int fd;
	pid_t pid;
	sd_event_source *io;
	const struct xpmd_auth_ops *ops;
	void *ctx;
	uint64_t last_id;
	TAILQ_HEAD(, request) requests;
	unsigned int nr_requests, nr_sent;
	struct xpmd_nonces nonces;
	struct xpmd_credential_reply reply;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int xpmd_auth_payload(uint8_t ret[32], const uint8_t binding[32], const uint8_t nonce[32],
		      int64_t segid, bool write)
{
	struct {
		char what[12];
		uint8_t binding[32], nonce[32];
		uint8_t segid[8];
		uint8_t access;
	} said;
	uint64_t little = htole64((uint64_t)segid);
	unsigned int length;

	static_assert(sizeof(said) == 12 + 32 + 32 + 8 + 1, "as in xpmem_proto.h, no padding");
	static_assert(sizeof(XPMEM_PROTO_PAYLOAD) == sizeof(said.what) + 1, "without its 0");
	memcpy(said.what, XPMEM_PROTO_PAYLOAD, sizeof(said.what));
	memcpy(said.binding, binding, 32);
	memcpy(said.nonce, nonce, 32);
	memcpy(said.segid, &little, 8);
	said.access = write ? XPMEM_PROTO_OPEN_WRITE : 0;
	return EVP_Digest(&said, sizeof(said), ret, &length, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}

/* ------------------------------------------------------------- requests */

static void answer(struct xpmd_auth *auth, struct request *request, uint32_t error)
{
	struct xpmd_auth_user user = {
		.uid = auth->reply.uid,
		.gid = auth->reply.gid,
		.nr_groups = auth->reply.nr_groups,
		.groups = auth->reply.groups,
	};
	uint32_t kind = request->message.kind;
	uint64_t id = request->id;

	TAILQ_REMOVE(&auth->requests, request, entry);
	auth->nr_requests--;
	auth->nr_sent -= request->sent;
	free(request);
	if (kind == XPMD_CREDENTIAL_ENCODE)
		auth->ops->encoded(auth->ctx, id, error, error ? NULL : auth->reply.credential);
	else
		auth->ops->checked(auth->ctx, id, error, error ? NULL : &user);
}

static bool is_turn_of(const struct xpmd_auth *auth, const struct request *request)
{
	const struct request *other;
	unsigned int n = 0;

	if (request->sent)
		return false;
	if (request->message.kind != XPMD_CREDENTIAL_ENCODE)
		return true;
	TAILQ_FOREACH(other, &auth->requests, entry)
		n += other->sent && other->message.kind == XPMD_CREDENTIAL_ENCODE &&
		     other->message.uid == request->message.uid;
	return n < OF_USER_MAX;
}

/* Calls no operation: it is called from inside the calls of auth.h. */
static void send_next(struct xpmd_auth *auth)
{
	struct request *request;

	TAILQ_FOREACH(request, &auth->requests, entry) {
		if (auth->nr_sent >= XPMD_CREDENTIAL_JOBS)
			return;
		if (!is_turn_of(auth, request))
			continue;
		/* It cannot be full of so few; if it ends, EOF comes to on_reply. */
		if (send(auth->fd, &request->message, sizeof(request->message),
			 MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			return;
		request->sent = true;
		auth->nr_sent++;
	}
}

static int add(struct xpmd_auth *auth, uint64_t id, uint32_t partition,
	       const struct xpmd_credential_request *message)
{
	struct request *request;

	if (auth->fd < 0)
		return -EPIPE;
	if (auth->nr_requests >= REQUESTS_MAX)
		return -EBUSY;
	request = calloc(1, sizeof(*request));
	if (!request)
		return -ENOMEM;
	request->id = id;
	request->since = now_ns();
	request->partition = partition;
	request->message = *message;
	request->message.id = ++auth->last_id;
	TAILQ_INSERT_TAIL(&auth->requests, request, entry);
	auth->nr_requests++;
	send_next(auth);
	return 0;
}

/* -------------------------------------------------------------- replies */

/* Whether the credential is of what was asked; @request->message.payload is that. */
static const char *mistake(const struct request *request, const struct xpmd_credential_reply *reply)
{
	if (reply->payload_length != sizeof(reply->payload) ||
	    CRYPTO_memcmp(reply->payload, request->message.payload, sizeof(reply->payload)))
		return "it is of another session, request, segment or access";
	if (reply->ttl > XPMD_CREDENTIAL_TTL)
		return "it is valid for too long";
	return NULL;
}

static void take_reply(struct xpmd_auth *auth, size_t length)
{
	struct xpmd_credential_reply *reply = &auth->reply;
	struct request *request;
	const char *why;
	uint32_t error;

	if (length < offsetof(struct xpmd_credential_reply, credential))
		return;
	TAILQ_FOREACH(request, &auth->requests, entry)
		if (request->sent && request->message.id == reply->id)
			break;
	if (!request || reply->kind != request->message.kind)
		return;
	error = reply->error;
	why = error ? reply->why : NULL;
	if (!error && reply->kind == XPMD_CREDENTIAL_DECODE) {
		why = mistake(request, reply);
		error = why ? EACCES : 0;
	}
	if (error && request->partition)
		xpmd_log_of(LOG_WARNING, request->partition, 0,
			    "partition %u: a credential is refused: %s", request->partition, why);
	else if (error)
		xpmd_log(LOG_WARNING, "user %u: %s", request->message.uid, why);
	answer(auth, request, error);
}

static void lose(struct xpmd_auth *auth)
{
	struct request *request;

	sd_event_source_disable_unref(auth->io);
	auth->io = NULL;
	close(auth->fd);
	auth->fd = -1;
	xpmd_log(LOG_ERR, "the process that knows users has died");
	while ((request = TAILQ_FIRST(&auth->requests)))
		answer(auth, request, EIO);
	auth->ops->lost(auth->ctx);
}

static void end_late(struct xpmd_auth *auth)
{
	struct request *request;
	uint64_t now = now_ns();

	/* Those that were sent end by themselves; the order is that of their times. */
	for (;;) {
		TAILQ_FOREACH(request, &auth->requests, entry)
			if (!request->sent)
				break;
		if (!request || now - request->since < WAIT_NS)
			return;
		answer(auth, request, ETIMEDOUT);
	}
}

static int on_reply(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct xpmd_auth *auth = userdata;
	ssize_t length;

	(void)source;
	(void)revents;
	length = recv(fd, &auth->reply, sizeof(auth->reply), MSG_DONTWAIT);
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (length <= 0) {
		lose(auth);
		return 0;
	}
	take_reply(auth, (size_t)length);
	end_late(auth);
	if (auth->fd >= 0)
		send_next(auth);
	return 0;
}

/* --------------------------------------------------------------- calls */

int xpmd_auth_new(struct xpmd_auth **ret, const char *munge_socket)
{
	struct xpmd_auth *auth = calloc(1, sizeof(*auth));

	if (!auth)
		return -ENOMEM;
	TAILQ_INIT(&auth->requests);
	auth->pid = xpmd_credential_fork(&auth->fd, munge_socket);
	if (auth->pid < 0) {
		int rc = auth->pid;

		free(auth);
		return rc;
	}
	*ret = auth;
	return 0;
}

int xpmd_auth_attach(struct xpmd_auth *auth, sd_event *event, const struct xpmd_auth_ops *ops,
		     void *ctx)
{
	auth->ops = ops;
	auth->ctx = ctx;
	return sd_event_add_io(event, &auth->io, auth->fd, EPOLLIN, on_reply, auth);
}

void xpmd_auth_free(struct xpmd_auth *auth)
{
	struct request *request;

	if (!auth)
		return;
	sd_event_source_disable_unref(auth->io);
	while ((request = TAILQ_FIRST(&auth->requests))) {
		TAILQ_REMOVE(&auth->requests, request, entry);
		free(request);
	}
	if (auth->fd >= 0)
		close(auth->fd);
	/* It ends when it sees that. */
	waitpid(auth->pid, NULL, 0);
	OPENSSL_cleanse(&auth->nonces, sizeof(auth->nonces));
	free(auth);
}

int xpmd_auth_challenge(struct xpmd_auth *auth, uint64_t now, uint32_t partition, uint64_t id,
			uint8_t nonce[32])
{
	return xpmd_nonce_make(&auth->nonces, now, partition, id, nonce);
}

void xpmd_auth_forget(struct xpmd_auth *auth, uint32_t partition)
{
	xpmd_nonce_forget(&auth->nonces, partition);
}

int xpmd_auth_check(struct xpmd_auth *auth, uint64_t now, uint64_t id, uint32_t partition,
		    const struct xpmd_open *open, const uint8_t binding[32])
{
	struct xpmd_credential_request message = { .kind = XPMD_CREDENTIAL_DECODE };
	size_t length = strlen(open->credential);
	uint8_t nonce[32];
	int rc;

	rc = xpmd_nonce_use(&auth->nonces, now, partition, open->id, nonce);
	if (rc < 0)
		return rc;
	if (!length || length >= sizeof(message.credential))
		return -EACCES;
	memcpy(message.credential, open->credential, length);
	rc = xpmd_auth_payload(message.payload, binding, nonce, open->segid, open->write);
	return rc < 0 ? rc : add(auth, id, partition, &message);
}

int xpmd_auth_trust(struct xpmd_auth *auth, uint64_t id, uint32_t uid, uint32_t gid)
{
	struct xpmd_credential_request message = {
		.kind = XPMD_CREDENTIAL_GROUPS_OF,
		.uid = uid,
		.gid = gid,
	};

	return add(auth, id, 0, &message);
}

int xpmd_auth_encode(struct xpmd_auth *auth, uint64_t id, uint32_t uid, uint32_t gid,
		     const uint8_t payload[32])
{
	struct xpmd_credential_request message = {
		.kind = XPMD_CREDENTIAL_ENCODE,
		.uid = uid,
		.gid = gid,
	};

	memcpy(message.payload, payload, sizeof(message.payload));
	return add(auth, id, 0, &message);
}
