/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory of the owner: made, filled, and shown to peers.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "peer.h"

struct memory {
	enum source source;
	char *addr;
	size_t size;
	int fd;			/* of a memfd */
	xpmem_segid_t segid;	/* of XPMEM, 0 while it is no segment */
};

/*
 * Populated memory in pages of 4 KiB: anonymous for XPMEM, else a memfd.  Of a
 * memfd and a segment alike every byte is 1.  memory_make() makes no segment.
 */
struct memory memory_make(enum source source, size_t size);
/*
 * The same in pages of 2 MiB, as smaps confirms; false if the kernel has none to
 * give.  A memfd in such pages needs root.
 */
bool memory_make_huge(struct memory *memory, enum source source, size_t size);
/* Writes to each page again, as after MADV_DONTNEED */
void memory_fill(const struct memory *memory);
void memory_unmap(struct memory *memory);

/* A new segment instead of that it had, if it is XPMEM's: nobody has used it. */
void memory_share(struct memory *memory);
void memory_unshare(struct memory *memory);
/* A job with this memory, all of it, the rest 0; the memory is shared */
struct job memory_job(const struct memory *memory,
		      struct answer (*run)(const struct job *job));

#endif /* MEMORY_H */
