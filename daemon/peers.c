// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A partition is in no position to ask for more than it was permitted: the cores check
 * messages, the exporter attachments.  What is decided here is an OPEN, in this order:
 * who the user is (identity.h), what the administrator lets that partition have at
 * most, and what the module says to that user, as it would to one of its own.
 */
#include "peers.h"

#include "config.h"
#include "daemon.h"
#include "exporter.h"
#include "home.h"
#include "importer.h"
#include "kchannel.h"
#include "log.h"
#include "replica.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct xpmd_peers {
	struct xpmd *d;
	unsigned int up;	/* partitions with a session */
};

const struct xpmd_partition *xpmd_peers_find(const struct xpmd *d, uint32_t number)
{
	for (size_t i = 0; i < d->config->nr_partitions; i++)
		if (d->config->partitions[i].number == number)
			return &d->config->partitions[i];
	return NULL;
}

unsigned int xpmd_peers_up(const struct xpmd *d)
{
	return d->peers->up;
}

/* ---- Sessions */

static void hello(void *ctx, struct xpmd_hello *hello)
{
	struct xpmd_peers *peers = ctx;
	const struct xpmd_config *config = peers->d->config;
	uint64_t now = xpmd_now();

	*hello = (struct xpmd_hello){
		.partition = config->number,
		.incarnation = peers->d->incarnation,
		.lease_ns = config->lease_ms * 1000000ULL,
		.skew_ns = config->skew_ms * 1000000ULL,
		.grace_ns = peers->d->grace_until > now ? peers->d->grace_until - now : 0,
	};
}

static void up(void *ctx, uint32_t partition, const struct xpmd_hello *other)
{
	struct xpmd_peers *peers = ctx;
	struct xpmd *d = peers->d;

	peers->up++;
	xpmd_home_connect(d->home, xpmd_now(), partition, other->incarnation);
	xpmd_importer_up(d->importer, partition, other);
}

static void down(void *ctx, uint32_t partition, const char *why)
{
	struct xpmd_peers *peers = ctx;
	struct xpmd *d = peers->d;

	(void)why;	/* the transport has logged it */
	peers->up--;
	xpmd_identity_forget(d->identity, partition);
	xpmd_home_disconnect(d->home, partition);
	xpmd_importer_down(d->importer, partition);
}

static void message(void *ctx, uint32_t partition, const struct xpmd_msg *msg)
{
	struct xpmd_peers *peers = ctx;
	struct xpmd *d = peers->d;

	switch (msg->type) {
	case XPMD_READ:
	case XPMD_WRITE:
	case XPMD_TAKEN:
	case XPMD_GIVE:
	case XPMD_RENEW:
	case XPMD_RECLAIM:
	case XPMD_INSTALLED:
	case XPMD_LEAVE:
	case XPMD_ENDED:
		xpmd_home_message(d->home, xpmd_now(), partition, msg);
		return;
	case XPMD_GRANT:
	case XPMD_DENY:
	case XPMD_TAKE:
	case XPMD_GIVEN:
	case XPMD_RENEWED:
	case XPMD_FENCED:
	case XPMD_RECLAIMED:
	case XPMD_GONE:
	case XPMD_LEFT:
	case XPMD_END:
		xpmd_replica_message(d->replica, xpmd_now(), partition, msg);
		return;
	case XPMD_TYPE_MAX:
		return;
	}
}

/* ---- Opening segments of this partition */

static void answer_open(struct xpmd *d, uint32_t partition, const struct xpmd_open *open,
			int error, uint64_t pages)
{
	struct xpmd_opened opened = {
		.id = open->id, .segid = open->segid, .error = (uint32_t)-error,
		.pages = error ? 0 : pages,
	};

	if (error)
		xpmd_log_of(LOG_NOTICE, partition, open->segid,
			    "partition %u does not get segment %llx: %s", partition,
			    (unsigned long long)open->segid, strerror(-error));
	xpmd_transport_opened(d->transport, partition, &opened);
}

static void known(void *ctx, uint32_t partition, const struct xpmd_open *open, uint32_t error,
		  const struct xpmd_auth_user *user)
{
	struct xpmd *d = ctx;
	const struct xpmd_partition *policy = xpmd_peers_find(d, partition);
	uint64_t pages = 0;
	int rc = -(int)error;

	if (rc == 0)
		rc = xpmd_kchannel_check(d->channel, open->segid, open->write, user->uid, user->gid,
					user->groups, user->nr_groups);
	if (rc == 0)
		rc = xpmd_exporter_permit(d->exporter, partition, open->segid, open->write,
					  policy->pages_max, &pages);
	answer_open(d, partition, open, rc, pages);
}

static void proved(void *ctx, uint64_t number, uint32_t partition, uint32_t error,
		   const char *credential)
{
	struct xpmd *d = ctx;

	xpmd_importer_proved(d->importer, number, partition, error, credential);
}

const struct xpmd_identity_ops xpmd_peers_identity_ops = { proved, known };

static void open_segment(void *ctx, uint32_t partition, const struct xpmd_open *open)
{
	struct xpmd_peers *peers = ctx;
	struct xpmd *d = peers->d;

	if (open->write && xpmd_peers_find(d, partition)->read_only)
		answer_open(d, partition, open, -EACCES, 0);
	else
		xpmd_identity_know(d->identity, partition, open);
}

static void challenge(void *ctx, uint32_t partition, uint64_t id)
{
	struct xpmd_peers *peers = ctx;

	xpmd_identity_challenge(peers->d->identity, partition, id);
}

static void attach(void *ctx, uint32_t partition, const struct xpmd_attach *attach)
{
	struct xpmd_peers *peers = ctx;

	xpmd_exporter_attach(peers->d->exporter, partition, attach);
}

static void close_segment(void *ctx, uint32_t partition, const struct xpmd_close *close)
{
	struct xpmd_peers *peers = ctx;

	xpmd_exporter_close(peers->d->exporter, partition, close->segid);
}

/* ---- Answers to this partition's errands */

static void challenged(void *ctx, uint32_t partition, uint64_t id, const uint8_t nonce[32])
{
	struct xpmd_peers *peers = ctx;

	xpmd_importer_challenged(peers->d->importer, partition, id, nonce);
}

static void opened(void *ctx, uint32_t partition, const struct xpmd_opened *opened)
{
	struct xpmd_peers *peers = ctx;

	xpmd_importer_opened(peers->d->importer, partition, opened);
}

static void attached(void *ctx, uint32_t partition, const struct xpmd_attached *attached)
{
	struct xpmd_peers *peers = ctx;

	xpmd_importer_attached(peers->d->importer, partition, attached);
}

const struct xpmd_session_ops xpmd_peers_session_ops = {
	.hello = hello,
	.up = up,
	.down = down,
	.message = message,
	.challenge = challenge,
	.challenged = challenged,
	.open = open_segment,
	.opened = opened,
	.attach = attach,
	.attached = attached,
	.close = close_segment,
};

int xpmd_peers_new(struct xpmd_peers **ret, struct xpmd *d)
{
	struct xpmd_peers *peers = calloc(1, sizeof(*peers));

	if (!peers)
		return -ENOMEM;
	peers->d = d;
	*ret = peers;
	return 0;
}

void xpmd_peers_free(struct xpmd_peers *peers)
{
	free(peers);
}
