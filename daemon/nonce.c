// SPDX-License-Identifier: GPL-2.0-or-later
/* Nonces; see nonce.h.  A search of a thousand is nothing beside what follows it. */
#include "nonce.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

static void drop(struct xpmd_nonce *nonce)
{
	OPENSSL_cleanse(nonce, sizeof(*nonce));
}

int xpmd_nonce_make(struct xpmd_nonces *nonces, uint64_t now, uint32_t partition, uint64_t id,
		    uint8_t ret[32])
{
	struct xpmd_nonce *nonce, *place = NULL;
	unsigned int of_partition = 0;

	for (nonce = nonces->all; nonce < nonces->all + XPMD_NONCES; nonce++) {
		if (nonce->partition && now >= nonce->expires)
			drop(nonce);
		if (nonce->partition == partition && nonce->id == id)
			drop(nonce);	/* asked again: the one before is void */
		if (!nonce->partition)
			place = nonce;
		of_partition += nonce->partition == partition;
	}
	if (!place || of_partition >= XPMD_NONCES_EACH)
		return -EBUSY;
	if (RAND_bytes(place->bytes, sizeof(place->bytes)) != 1)
		return -EIO;
	place->partition = partition;
	place->id = id;
	place->expires = now + XPMD_NONCE_NS;
	memcpy(ret, place->bytes, sizeof(place->bytes));
	return 0;
}

int xpmd_nonce_use(struct xpmd_nonces *nonces, uint64_t now, uint32_t partition, uint64_t id,
		   uint8_t ret[32])
{
	struct xpmd_nonce *nonce;
	int rc;

	for (nonce = nonces->all; nonce < nonces->all + XPMD_NONCES; nonce++) {
		if (nonce->partition != partition || nonce->id != id)
			continue;
		rc = now < nonce->expires ? 0 : -ESTALE;
		if (!rc)
			memcpy(ret, nonce->bytes, sizeof(nonce->bytes));
		drop(nonce);
		return rc;
	}
	return -ESTALE;
}

void xpmd_nonce_forget(struct xpmd_nonces *nonces, uint32_t partition)
{
	struct xpmd_nonce *nonce;

	for (nonce = nonces->all; nonce < nonces->all + XPMD_NONCES; nonce++)
		if (nonce->partition == partition)
			drop(nonce);
}
