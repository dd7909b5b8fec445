/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An owner: this process's memory with a userfaultfd, and a daemon that watches it */
#ifndef HOST_OWNER_H
#define HOST_OWNER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct owner {
	int64_t segid;
	char *memory;
	size_t pages;
	char directory[64];
	unsigned int port;
	pid_t daemon;
};

/* Starts @program with a configuration for @peers others; returns when it listens. */
void owner_start(struct owner *owner, const char *program, size_t pages, unsigned int peers);
/* The key that it shares with each of them */
void owner_key_path(const struct owner *owner, char *path, size_t size);
/* Has the daemon trap the memory; after owner_start() */
void owner_connect(struct owner *owner);
void owner_stop(struct owner *owner);

#endif /* HOST_OWNER_H */
