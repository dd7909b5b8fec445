// SPDX-License-Identifier: GPL-2.0-or-later
#include "identity.h"

#include "config.h"
#include "daemon.h"
#include "peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WAITING_EACH 256u	/* opens of one partition */

struct waiting {
	struct waiting *next;
	uint64_t id;		/* of the request to auth */
	uint32_t partition;
	bool proof;
	uint64_t number;	/* proof */
	struct xpmd_open open;	/* else */
};

struct xpmd_identity {
	struct xpmd *d;
	struct xpmd_auth *auth;
	const struct xpmd_identity_ops *ops;
	struct waiting *waiting;
	uint64_t next_id;
};

static struct waiting *add_waiting(struct xpmd_identity *identity, uint32_t partition)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting));

	if (!waiting)
		xpmd_out_of_memory();
	waiting->id = ++identity->next_id;
	waiting->partition = partition;
	waiting->next = identity->waiting;
	identity->waiting = waiting;
	return waiting;
}

static struct waiting *take_waiting(struct xpmd_identity *identity, uint64_t id)
{
	for (struct waiting **at = &identity->waiting; *at; at = &(*at)->next) {
		struct waiting *waiting = *at;

		if (waiting->id == id) {
			*at = waiting->next;
			return waiting;
		}
	}
	return NULL;
}

static void finish_proof(struct xpmd_identity *identity, uint64_t id, uint32_t error,
			 const char *credential)
{
	struct waiting *waiting = take_waiting(identity, id);

	if (!waiting)
		return;
	identity->ops->proved(identity->d, waiting->number, waiting->partition, error, credential);
	free(waiting);
}

static void finish_open(struct xpmd_identity *identity, uint64_t id, uint32_t error,
			const struct xpmd_auth_user *user)
{
	struct waiting *waiting = take_waiting(identity, id);

	if (!waiting)
		return;
	identity->ops->known(identity->d, waiting->partition, &waiting->open, error, user);
	free(waiting);
}

static void encoded(void *ctx, uint64_t id, uint32_t error, const char *credential)
{
	finish_proof(ctx, id, error, credential);
}

static void checked(void *ctx, uint64_t id, uint32_t error, const struct xpmd_auth_user *user)
{
	finish_open(ctx, id, error, user);
}

static void lost(void *ctx)
{
	struct xpmd_identity *identity = ctx;

	xpmd_fail(identity->d, "the process that asks munged has died");
}

static const struct xpmd_auth_ops auth_ops = { encoded, checked, lost };

int xpmd_identity_new(struct xpmd_identity **ret, const char *munge_socket)
{
	struct xpmd_identity *identity = calloc(1, sizeof(*identity));
	int rc;

	if (!identity)
		return -ENOMEM;
	rc = xpmd_auth_new(&identity->auth, munge_socket);
	if (rc < 0) {
		free(identity);
		return rc;
	}
	*ret = identity;
	return 0;
}

int xpmd_identity_start(struct xpmd_identity *identity, struct xpmd *d,
			const struct xpmd_identity_ops *ops)
{
	identity->d = d;
	identity->ops = ops;
	return xpmd_auth_attach(identity->auth, d->event, &auth_ops, identity);
}

void xpmd_identity_free(struct xpmd_identity *identity)
{
	struct waiting *waiting;

	if (!identity)
		return;
	while ((waiting = identity->waiting)) {
		identity->waiting = waiting->next;
		free(waiting);
	}
	xpmd_auth_free(identity->auth);
	free(identity);
}

void xpmd_identity_prove(struct xpmd_identity *identity, const struct xpmd_proof *proof)
{
	struct waiting *waiting = add_waiting(identity, proof->partition);
	uint64_t id = waiting->id;
	uint8_t binding[32], payload[32];
	int rc;

	waiting->proof = true;
	waiting->number = proof->number;
	rc = xpmd_transport_binding(identity->d->transport, proof->partition, binding);
	if (rc >= 0)
		rc = xpmd_auth_payload(payload, binding, proof->nonce, proof->segid, proof->write);
	if (rc >= 0)
		rc = xpmd_auth_encode(identity->auth, id, proof->uid, proof->gid, payload);
	if (rc < 0)
		finish_proof(identity, id, (uint32_t)-rc, NULL);
}

void xpmd_identity_challenge(struct xpmd_identity *identity, uint32_t partition, uint64_t id)
{
	uint8_t nonce[32];

	/* Without one the other end times out, as it does when it asks for too many. */
	if (xpmd_auth_challenge(identity->auth, xpmd_now(), partition, id, nonce) == 0)
		xpmd_transport_challenge(identity->d->transport, partition, id, nonce);
}

static unsigned int opens_of(const struct xpmd_identity *identity, uint32_t partition)
{
	unsigned int n = 0;

	for (const struct waiting *w = identity->waiting; w; w = w->next)
		n += w->partition == partition && !w->proof;
	return n;
}

void xpmd_identity_know(struct xpmd_identity *identity, uint32_t partition,
			const struct xpmd_open *open)
{
	const struct xpmd_partition *policy = xpmd_peers_find(identity->d, partition);
	bool many = opens_of(identity, partition) >= WAITING_EACH;
	struct waiting *waiting = add_waiting(identity, partition);
	uint64_t id = waiting->id;
	uint8_t binding[32];
	int rc = many ? -EBUSY : 0;

	waiting->open = *open;
	waiting->open.credential = "";
	if (rc == 0 && policy->users == XPMD_USERS_TRUST)
		rc = xpmd_auth_trust(identity->auth, id, open->uid, open->gid);
	else if (rc == 0)
		rc = xpmd_transport_binding(identity->d->transport, partition, binding);
	if (rc == 0 && policy->users != XPMD_USERS_TRUST)
		rc = xpmd_auth_check(identity->auth, xpmd_now(), id, partition, open, binding);
	if (rc < 0)
		finish_open(identity, id, (uint32_t)-rc, NULL);
}

void xpmd_identity_forget(struct xpmd_identity *identity, uint32_t partition)
{
	xpmd_auth_forget(identity->auth, partition);
	for (struct waiting **at = &identity->waiting; *at; ) {
		struct waiting *waiting = *at;

		if (waiting->partition != partition) {
			at = &waiting->next;
			continue;
		}
		*at = waiting->next;
		free(waiting);
	}
}
