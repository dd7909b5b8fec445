// SPDX-License-Identifier: GPL-2.0-or-later
/* Seals; see seal.h. */
#include "seal.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#define NONCE		12
#define FROM_CLIENT	2u

struct xpmd_seal {
	EVP_CIPHER_CTX *close, *open;
	bool client;
};

static void make_nonce(uint8_t nonce[NONCE], bool from_client, enum xpmd_channel channel,
		       uint64_t number)
{
	uint32_t first = htole32((from_client ? FROM_CLIENT : 0) | (channel == XPMD_BULK));

	number = htole64(number);
	memcpy(nonce, &first, sizeof(first));
	memcpy(nonce + sizeof(first), &number, sizeof(number));
}

struct xpmd_seal *xpmd_seal_new(const uint8_t key[XPMD_SEAL_KEY], bool client)
{
	struct xpmd_seal *seal = calloc(1, sizeof(*seal));

	if (!seal)
		return NULL;
	seal->client = client;
	seal->close = EVP_CIPHER_CTX_new();
	seal->open = EVP_CIPHER_CTX_new();
	if (seal->close && seal->open &&
	    EVP_EncryptInit_ex(seal->close, EVP_aes_128_gcm(), NULL, key, NULL) == 1 &&
	    EVP_DecryptInit_ex(seal->open, EVP_aes_128_gcm(), NULL, key, NULL) == 1)
		return seal;
	ERR_clear_error();
	xpmd_seal_free(seal);
	return NULL;
}

void xpmd_seal_free(struct xpmd_seal *seal)
{
	if (!seal)
		return;
	EVP_CIPHER_CTX_free(seal->close);
	EVP_CIPHER_CTX_free(seal->open);
	free(seal);
}

int xpmd_seal_close(struct xpmd_seal *seal, enum xpmd_channel channel, uint64_t number,
		    const void *data, size_t length, void *ret, uint8_t tag_ret[XPMD_SEAL_TAG])
{
	uint8_t nonce[NONCE];
	int done, more;

	make_nonce(nonce, seal->client, channel, number);
	if (EVP_EncryptInit_ex(seal->close, NULL, NULL, NULL, nonce) == 1 &&
	    EVP_EncryptUpdate(seal->close, ret, &done, data, (int)length) == 1 &&
	    EVP_EncryptFinal_ex(seal->close, (unsigned char *)ret + done, &more) == 1 &&
	    EVP_CIPHER_CTX_ctrl(seal->close, EVP_CTRL_AEAD_GET_TAG, XPMD_SEAL_TAG, tag_ret) == 1)
		return 0;
	ERR_clear_error();
	return -EIO;
}

int xpmd_seal_open(struct xpmd_seal *seal, enum xpmd_channel channel, uint64_t number, void *data,
		   size_t length, const uint8_t tag[XPMD_SEAL_TAG])
{
	uint8_t nonce[NONCE], expected[XPMD_SEAL_TAG];
	int done, more;

	make_nonce(nonce, !seal->client, channel, number);
	memcpy(expected, tag, sizeof(expected));
	if (EVP_DecryptInit_ex(seal->open, NULL, NULL, NULL, nonce) == 1 &&
	    EVP_CIPHER_CTX_ctrl(seal->open, EVP_CTRL_AEAD_SET_TAG, XPMD_SEAL_TAG, expected) == 1 &&
	    EVP_DecryptUpdate(seal->open, data, &done, data, (int)length) == 1 &&
	    EVP_DecryptFinal_ex(seal->open, (unsigned char *)data + done, &more) == 1)
		return 0;
	ERR_clear_error();
	return -EBADMSG;
}
