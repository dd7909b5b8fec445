// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * TLS 1.3 by OpenSSL.
 *
 * One context serves all connections.  It has no tickets, no session cache, no early
 * data and no version but 1.3; TLS 1.3 has no renegotiation.  So every connection makes
 * a full handshake with an ephemeral exchange of its own, also those of pre-shared keys
 * (psk_dhe_ke): who gets a key later reads nothing of before.
 *
 * Identity.
 *  - Client, pre-shared key: the server has proved that it has the key of the pair.
 *  - Client, certificate: OpenSSL checks the server's chain and that its SAN has the
 *    partition's name.
 *  - Server: a client that offers a pre-shared key names its partition; the key is that
 *    of the named partition or there is none.  It is that partition then (@psk).
 *    A client that offers none must have a certificate of the authority.  Which
 *    partition it is its HELLO says, and xpmd_tls_is() compares the SAN with that
 *    one's name.
 * A partition with a key is never known by a certificate, nor one without by a key.
 * A key of a pair works in both directions, and the partition's own number is not among
 * the partitions, so a connection that is sent back to its maker finds no key.
 */
#include "tls.h"

#include "config.h"
#include "keys.h"
#include "log.h"
#include "xpmem_proto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define SUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519:P-256:P-384"
/* Records that were received are decrypted from here: fewer calls of the kernel */
#define READ_BUFFER (64 * 1024)

/* To OpenSSL a key is an old session, and a server that verifies must say of which kind. */
static const unsigned char id_context[] = "xpmemd";
static const unsigned char psk_suite[] = { 0x13, 0x01 }; /* TLS_AES_128_GCM_SHA256 */

struct pair {
	const struct xpmd_partition *partition;
	struct xpmd_key key;
};

struct xpmd_tls_context {
	SSL_CTX *ssl;
	uint32_t self;
	char identity[32];
	bool certificates;
	struct pair *pairs;	/* of the partitions that have keys */
	size_t nr_pairs;
};

struct xpmd_tls {
	struct xpmd_tls_context *context;
	SSL *ssl;
	const struct xpmd_partition *partition; /* that we connect to; NULL: accepted */
	const struct xpmd_partition *psk; /* whose key the client named */
	bool up, failed;
	char why[200];
};

static struct xpmd_tls *tls_of(SSL *ssl)
{
	return SSL_get_app_data(ssl);
}

static const struct pair *find_pair(const struct xpmd_tls_context *context,
				    const struct xpmd_partition *partition)
{
	size_t i;

	for (i = 0; i < context->nr_pairs; i++)
		if (context->pairs[i].partition == partition)
			return &context->pairs[i];
	return NULL;
}

/* ------------------------------------------------------ pre-shared keys */

static SSL_SESSION *psk_session(SSL *ssl, const struct xpmd_key *key)
{
	const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, psk_suite);
	SSL_SESSION *session = SSL_SESSION_new();

	if (session && cipher &&
	    SSL_SESSION_set1_master_key(session, key->bytes, key->length) &&
	    SSL_SESSION_set_cipher(session, cipher) &&
	    SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION))
		return session;
	SSL_SESSION_free(session);
	return NULL;
}

/* Client: which key, and as whom.  May be asked twice: the server may want another group. */
static int use_psk(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *idlen,
		   SSL_SESSION **ret)
{
	struct xpmd_tls *tls = tls_of(ssl);
	const struct pair *pair = find_pair(tls->context, tls->partition);

	*id = NULL;
	*idlen = 0;
	*ret = NULL;
	if (!pair)
		return 1;
	if (md && EVP_MD_get_type(md) != NID_sha256)
		return 0;
	*ret = psk_session(ssl, &pair->key);
	*id = (const unsigned char *)tls->context->identity;
	*idlen = strlen(tls->context->identity);
	return *ret != NULL;
}

/* Only as this daemon writes it: no sign, no leading 0, nothing after */
static const struct pair *find_identity(const struct xpmd_tls_context *context,
					const unsigned char *identity, size_t length)
{
	char expected[32];
	size_t i;

	for (i = 0; i < context->nr_pairs; i++) {
		snprintf(expected, sizeof(expected), XPMEM_PROTO_IDENTITY "%u",
			 context->pairs[i].partition->number);
		if (strlen(expected) == length && !memcmp(expected, identity, length))
			return &context->pairs[i];
	}
	return NULL;
}

/* What a stranger sends must not reach a terminal as it is. */
static void set_why_unknown(struct xpmd_tls *tls, const unsigned char *identity, size_t length)
{
	char text[64];
	size_t i;

	for (i = 0; i < length && i < sizeof(text) - 1; i++)
		text[i] = identity[i] > 0x20 && identity[i] < 0x7f ? (char)identity[i] : '?';
	text[i] = 0;
	snprintf(tls->why, sizeof(tls->why), "there is no key for the identity \"%s\"", text);
}

/* Server: the key of whom the client says to be */
static int find_psk(SSL *ssl, const unsigned char *identity, size_t length, SSL_SESSION **ret)
{
	struct xpmd_tls *tls = tls_of(ssl);
	const struct pair *pair = find_identity(tls->context, identity, length);

	*ret = NULL;
	if (!pair) {
		set_why_unknown(tls, identity, length);
		return 0;
	}
	*ret = psk_session(ssl, &pair->key);
	tls->psk = pair->partition;
	return *ret != NULL;
}

/* ------------------------------------------------------------- context */

static int log_ssl(const char *what, const char *file)
{
	const char *why = ERR_reason_error_string(ERR_peek_last_error());

	xpmd_log(LOG_ERR, "%s %s: %s", what, file ? file : "", why ? why : "can't be read");
	ERR_clear_error();
	return -EINVAL;
}

static int open_file(const struct xpmd_transport_config *config, const char *what,
		     const char *path)
{
	int fd = config->open_file ? config->open_file(config->open_ctx, path)
				   : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0) {
		fd = config->open_file ? fd : -errno;
		xpmd_log(LOG_ERR, "%s %s: %s", what, path, strerror(-fd));
	}
	return fd;
}

static int load_keys(struct xpmd_tls_context *context, const struct xpmd_transport_config *config)
{
	size_t i;
	int rc;

	context->pairs = calloc(config->nr_partitions + 1, sizeof(*context->pairs));
	if (!context->pairs)
		return -ENOMEM;
	for (i = 0; i < config->nr_partitions; i++) {
		const struct xpmd_partition *partition = &config->partitions[i];
		struct pair *pair = &context->pairs[context->nr_pairs];

		if (!partition->key_file)
			continue;
		rc = open_file(config, "key file", partition->key_file);
		if (rc >= 0)
			rc = xpmd_key_read(&pair->key, partition->key_file, rc);
		if (rc < 0)
			return rc;
		pair->partition = partition;
		context->nr_pairs++;
	}
	return 0;
}

static int open_bio(BIO **ret, const struct xpmd_transport_config *config, const char *what,
		    const char *path)
{
	int fd = open_file(config, what, path);

	if (fd < 0)
		return fd;
	*ret = BIO_new_fd(fd, BIO_CLOSE);
	if (*ret)
		return 0;
	close(fd);
	return -ENOMEM;
}

/* The first is the partition's, the rest lead to the authority. */
static int load_chain(SSL_CTX *ssl, BIO *bio)
{
	X509 *certificate = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
	int good = certificate && SSL_CTX_use_certificate(ssl, certificate) == 1;

	X509_free(certificate);
	while (good && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		good = SSL_CTX_add0_chain_cert(ssl, certificate) == 1;
		if (!good)
			X509_free(certificate);
	}
	if (good)
		ERR_clear_error();	/* that of the end of the file */
	return good;
}

static int load_private(SSL_CTX *ssl, BIO *bio)
{
	/* No phrase: nobody is there to type one. */
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"");
	int good = key && SSL_CTX_use_PrivateKey(ssl, key) == 1 &&
		   SSL_CTX_check_private_key(ssl) == 1;

	EVP_PKEY_free(key);
	return good;
}

static int load_authority(SSL_CTX *ssl, BIO *bio)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ssl);
	X509 *certificate;
	int good = 0;

	while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		good = X509_STORE_add_cert(store, certificate) == 1;
		X509_free(certificate);
		if (!good)
			return 0;
	}
	if (good)
		ERR_clear_error();
	return good;
}

static int load_certificates(struct xpmd_tls_context *context,
			     const struct xpmd_transport_config *config)
{
	const struct {
		const char *what, *path;
		int (*load)(SSL_CTX *ssl, BIO *bio);
	} files[] = {
		{ "certificate", config->certificate, load_chain },
		{ "key of the certificate", config->key, load_private },
		{ "authority", config->authority, load_authority },
	};
	BIO *bio;
	size_t i;
	int rc;

	if (!config->certificate && !config->key && !config->authority)
		return 0;
	if (!config->certificate || !config->key || !config->authority) {
		xpmd_log(LOG_ERR, "certificate, key and authority belong together: one is missing");
		return -EINVAL;
	}
	for (i = 0; i < sizeof(files) / sizeof(*files); i++) {
		rc = open_bio(&bio, config, files[i].what, files[i].path);
		if (rc < 0)
			return rc;
		rc = files[i].load(context->ssl, bio) ? 0 : log_ssl(files[i].what, files[i].path);
		BIO_free(bio);
		if (rc < 0)
			return rc;
	}
	context->certificates = true;
	return 0;
}

static int check_partitions(const struct xpmd_tls_context *context,
			    const struct xpmd_transport_config *config)
{
	size_t i;

	for (i = 0; i < config->nr_partitions; i++) {
		const struct xpmd_partition *partition = &config->partitions[i];

		if (partition->key_file || (context->certificates && partition->name))
			continue;
		xpmd_log(LOG_ERR, "partition %u has no key file, and there is no certificate",
			 partition->number);
		return -EINVAL;
	}
	return 0;
}

static int set_up(struct xpmd_tls_context *context)
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_method());

	context->ssl = ssl;
	if (!ssl || SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(ssl, SUITES) != 1 ||
	    SSL_CTX_set1_groups_list(ssl, GROUPS) != 1 ||
	    SSL_CTX_set_num_tickets(ssl, 0) != 1 || SSL_CTX_set_max_early_data(ssl, 0) != 1 ||
	    SSL_CTX_set_recv_max_early_data(ssl, 0) != 1)
		return log_ssl("TLS", NULL);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ssl, 1);
	SSL_CTX_set_default_read_buffer_len(ssl, READ_BUFFER);
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_psk_use_session_callback(ssl, use_psk);
	SSL_CTX_set_psk_find_session_callback(ssl, find_psk);
	return 0;
}

int xpmd_tls_context_new(struct xpmd_tls_context **ret, const struct xpmd_transport_config *config)
{
	struct xpmd_tls_context *context = calloc(1, sizeof(*context));
	int rc;

	if (!context)
		return -ENOMEM;
	context->self = config->self;
	snprintf(context->identity, sizeof(context->identity), XPMEM_PROTO_IDENTITY "%u",
		 config->self);
	rc = set_up(context);
	if (!rc)
		rc = load_certificates(context, config);
	if (!rc)
		rc = load_keys(context, config);
	if (!rc)
		rc = check_partitions(context, config);
	if (rc < 0) {
		xpmd_tls_context_free(context);
		return rc;
	}
	*ret = context;
	return 0;
}

void xpmd_tls_context_free(struct xpmd_tls_context *context)
{
	size_t i;

	if (!context)
		return;
	for (i = 0; i < context->nr_pairs; i++)
		xpmd_key_forget(&context->pairs[i].key);
	free(context->pairs);
	SSL_CTX_free(context->ssl);
	free(context);
}

/* --------------------------------------------------------- connections */

static bool expect_name(struct xpmd_tls *tls)
{
	/* With a key there is no certificate to be seen, and none will do. */
	if (find_pair(tls->context, tls->partition))
		return true;
	SSL_set_hostflags(tls->ssl, X509_CHECK_FLAG_NO_WILDCARDS |
					    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	return SSL_set1_host(tls->ssl, tls->partition->name) == 1;
}

struct xpmd_tls *xpmd_tls_new(struct xpmd_tls_context *context, int fd,
			      const struct xpmd_partition *partition)
{
	struct xpmd_tls *tls = calloc(1, sizeof(*tls));

	if (!tls)
		return NULL;
	tls->context = context;
	tls->partition = partition;
	tls->ssl = SSL_new(context->ssl);
	if (!tls->ssl || SSL_set_fd(tls->ssl, fd) != 1 || SSL_set_app_data(tls->ssl, tls) != 1 ||
	    !(partition ? expect_name(tls) :
			  SSL_set_session_id_context(tls->ssl, id_context, sizeof(id_context)))) {
		tls->failed = true;
		xpmd_tls_free(tls);
		return NULL;
	}
	if (partition)
		SSL_set_connect_state(tls->ssl);
	else
		SSL_set_accept_state(tls->ssl);
	return tls;
}

void xpmd_tls_free(struct xpmd_tls *tls)
{
	if (!tls)
		return;
	if (tls->up && !tls->failed)
		SSL_shutdown(tls->ssl);
	ERR_clear_error();
	SSL_free(tls->ssl);
	free(tls);
}

static void explain(struct xpmd_tls *tls, int error, int saved_errno)
{
	unsigned long code = ERR_peek_error();
	long verify = SSL_get_verify_result(tls->ssl);
	const char *why = ERR_reason_error_string(code);

	if (tls->why[0])
		return;
	if (error == SSL_ERROR_SSL && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED)
		why = X509_verify_cert_error_string(verify);
	else if (error == SSL_ERROR_SSL && ERR_GET_REASON(code) == SSL_R_BINDER_DOES_NOT_VERIFY)
		why = "its pre-shared key is another";
	else if (error == SSL_ERROR_SYSCALL)
		why = saved_errno ? strerror(saved_errno) : "the connection was cut";
	else if (error == SSL_ERROR_ZERO_RETURN)
		why = "the other end closed the connection";
	snprintf(tls->why, sizeof(tls->why), "%s", why ? why : "TLS failed");
}

/* What became of a call that returned @rc <= 0: 0, or -errno */
static int outcome(struct xpmd_tls *tls, int rc, uint32_t *events_ret)
{
	int saved_errno = errno, error = SSL_get_error(tls->ssl, rc);

	switch (error) {
	case SSL_ERROR_WANT_READ:
		*events_ret = EPOLLIN;
		return 0;
	case SSL_ERROR_WANT_WRITE:
		*events_ret = EPOLLOUT;
		return 0;
	}
	explain(tls, error, saved_errno);
	ERR_clear_error();
	/* After a clean end of theirs OpenSSL can still write ours. */
	tls->failed = error != SSL_ERROR_ZERO_RETURN;
	return error == SSL_ERROR_SSL ? -EPROTO : -EPIPE;
}

/*
 * A server that has certificates may have answered without the pre-shared key that was
 * offered; then its certificate was checked, but it is not how it is known.
 */
static int check_means(struct xpmd_tls *tls)
{
	bool by_key = SSL_session_reused(tls->ssl);

	if (!tls->partition) {
		if (!by_key)
			tls->psk = NULL;
		if (by_key || SSL_get0_peer_certificate(tls->ssl))
			return 0;
		snprintf(tls->why, sizeof(tls->why), "it has neither key nor certificate");
		return -EPROTO;
	}
	if (by_key == !!find_pair(tls->context, tls->partition))
		return 0;
	snprintf(tls->why, sizeof(tls->why), "it does not know the pre-shared key");
	return -EPROTO;
}

int xpmd_tls_handshake(struct xpmd_tls *tls, uint32_t *events_ret)
{
	int rc;

	ERR_clear_error();
	errno = 0;
	rc = SSL_do_handshake(tls->ssl);
	if (rc != 1)
		return outcome(tls, rc, events_ret);
	rc = check_means(tls);
	if (rc < 0)
		return rc;
	tls->up = true;
	return 1;
}

/* To forget errors costs more than to see that there are none. */
static void begin_call(void)
{
	if (ERR_peek_error())
		ERR_clear_error();
	errno = 0;
}

ssize_t xpmd_tls_read(struct xpmd_tls *tls, void *buffer, size_t size, uint32_t *events_ret)
{
	size_t done;
	int rc;

	begin_call();
	rc = SSL_read_ex(tls->ssl, buffer, size, &done);
	return rc == 1 ? (ssize_t)done : outcome(tls, rc, events_ret);
}

ssize_t xpmd_tls_write(struct xpmd_tls *tls, const void *buffer, size_t size, uint32_t *events_ret)
{
	size_t done;
	int rc;

	begin_call();
	rc = SSL_write_ex(tls->ssl, buffer, size, &done);
	return rc == 1 ? (ssize_t)done : outcome(tls, rc, events_ret);
}

bool xpmd_tls_has_more(const struct xpmd_tls *tls)
{
	return SSL_has_pending(tls->ssl);
}

bool xpmd_tls_is(const struct xpmd_tls *tls, const struct xpmd_partition *partition)
{
	X509 *certificate;

	if (!tls->up)
		return false;
	if (tls->partition)
		return tls->partition == partition;
	if (partition->key_file || tls->psk)
		return partition->key_file && tls->psk == partition;
	certificate = SSL_get0_peer_certificate(tls->ssl);
	return certificate && SSL_get_verify_result(tls->ssl) == X509_V_OK &&
	       X509_check_host(certificate, partition->name, 0,
			       X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
			       NULL) == 1;
}

const struct xpmd_partition *xpmd_tls_claim(const struct xpmd_tls *tls)
{
	return tls->partition ? tls->partition : tls->psk;
}

const char *xpmd_tls_why(const struct xpmd_tls *tls)
{
	return tls->why;
}

static int export_key(struct xpmd_tls *tls, const char *label, uint8_t *ret, size_t length)
{
	if (!tls->up || SSL_export_keying_material(tls->ssl, ret, length, label, strlen(label),
						   NULL, 0, 0) != 1) {
		ERR_clear_error();
		return -ENOTCONN;
	}
	return 0;
}

int xpmd_tls_binding(struct xpmd_tls *tls, uint8_t binding[32])
{
	return export_key(tls, XPMEM_PROTO_EXPORTER, binding, 32);
}

int xpmd_tls_fabric_secret(struct xpmd_tls *tls, uint8_t *secret, size_t length)
{
	return export_key(tls, XPMEM_PROTO_FABRIC_EXPORTER, secret, length);
}
