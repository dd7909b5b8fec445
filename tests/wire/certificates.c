// SPDX-License-Identifier: GPL-2.0-or-later
/* See certificates.h. */
#include "certificates.h"

#include "check_main.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

struct authority {
	EVP_PKEY *key;
	X509 *certificate;
};

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ck_assert_ptr_nonnull(extension);
	ck_assert_int_eq(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static X509 *make(const char *cn, EVP_PKEY *key, X509 *issuer)
{
	static long serial;
	X509 *certificate = X509_new();
	X509_NAME *name = X509_get_subject_name(certificate);

	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : name);
	X509_set_pubkey(certificate, key);
	return certificate;
}

static void write_certificate(X509 *certificate, const char *path)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(PEM_write_X509(file, certificate), 1);
	fclose(file);
}

struct authority *authority_new(const char *file)
{
	struct authority *authority = calloc(1, sizeof(*authority));

	authority->key = EVP_EC_gen("P-256");
	authority->certificate = make("authority", authority->key, NULL);
	add_extension(authority->certificate, authority->certificate, NID_basic_constraints,
		      "critical,CA:TRUE");
	ck_assert_int_gt(X509_sign(authority->certificate, authority->key, EVP_sha256()), 0);
	write_certificate(authority->certificate, file);
	return authority;
}

void authority_free(struct authority *authority)
{
	EVP_PKEY_free(authority->key);
	X509_free(authority->certificate);
	free(authority);
}

void authority_issue(struct authority *authority, const char *cn, const char *san,
		     const char *certificate_file, const char *key_file)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = make(cn, key, authority->certificate);
	FILE *file;

	if (san)
		add_extension(certificate, authority->certificate, NID_subject_alt_name, san);
	ck_assert_int_gt(X509_sign(certificate, authority->key, EVP_sha256()), 0);
	write_certificate(certificate, certificate_file);
	file = fopen(key_file, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(file);
	EVP_PKEY_free(key);
	X509_free(certificate);
}
