/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Other processes, and the work they are given.
 *
 * A peer is a child of the owner that waits for jobs, does them one at a time and
 * answers.  It is the same program, so a job names the function to run.  A peer
 * that dies ends the owner as failed.
 */
#ifndef PEER_H
#define PEER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "xpmem.h"

enum source {
	SOURCE_XPMEM,
	SOURCE_MEMFD,
};

struct answer {
	uint64_t ns[4];
};

struct job {
	struct answer (*run)(const struct job *job);
	/* the memory to look at; memory_job() fills these in */
	enum source source;
	xpmem_segid_t segid;	/* XPMEM */
	pid_t owner;		/* memfd: whose descriptor */
	int fd;
	size_t offset;
	size_t size;
	/* of a job that is done in parts or repeated */
	size_t stride;
	size_t count;
	unsigned int flags;	/* a job's own */
};

struct peer {
	pid_t pid;
	int fd;
};

struct peer peer_start(void);
struct answer peer_run(const struct peer *peer, const struct job *job);
/* The same in two halves, for jobs that go on meanwhile */
void peer_begin(const struct peer *peer, const struct job *job);
struct answer peer_end(const struct peer *peer);
/* Has it exit, and waits for that; in two halves */
void peer_stop(struct peer *peer);
void peer_dismiss(const struct peer *peer);
void peer_wait(const struct peer *peer);

#endif /* PEER_H */
