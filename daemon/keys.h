/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pre-shared keys of pairs of partitions.  A key file has one line: 64 to 128
 * hexadecimal digits (32 to 64 bytes), as "openssl rand -hex 32" writes it.  It must be
 * a regular file of root's or of the daemon's own user, and nobody else may have any
 * access to it.
 */
#ifndef XPMD_KEYS_H
#define XPMD_KEYS_H

#include <stddef.h>
#include <stdint.h>

#define XPMD_KEY_MIN 32
#define XPMD_KEY_MAX 64

struct xpmd_key {
	size_t length;
	uint8_t bytes[XPMD_KEY_MAX];
};

/* 0, or -errno with the log told what is wrong with the file.  Takes @fd. */
int xpmd_key_read(struct xpmd_key *ret, const char *path, int fd);
/* Leaves nothing of the key in memory. */
void xpmd_key_forget(struct xpmd_key *key);

#endif /* XPMD_KEYS_H */
