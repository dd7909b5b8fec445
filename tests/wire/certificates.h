/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Certificates for the tests of sessions, made by OpenSSL when they are wanted. */
#ifndef CERTIFICATES_H
#define CERTIFICATES_H

struct authority;	/* a key and a certificate that sign */

struct authority *authority_new(const char *file);
void authority_free(struct authority *authority);
/* A certificate and its key; @san such as "DNS:blue", @cn the subject's name */
void authority_issue(struct authority *authority, const char *cn, const char *san,
		     const char *certificate_file, const char *key_file);

#endif /* CERTIFICATES_H */
