/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Other partitions, all in one thread of this process: the daemon's own transport and
 * its replica side, with nothing where the module would be.
 */
#ifndef HOST_PEERS_H
#define HOST_PEERS_H

#include <stddef.h>
#include <stdint.h>

/* @count partitions that call home at @port; returns when all have the segment. */
void peers_start(unsigned int count, unsigned int port, const char *key_file, int64_t segid,
		 size_t pages);
/*
 * Peers 0 to @peers - 1 load @count pages each, one after the other: peer i from @first +
 * i * @apart on.  @ns: what each load took, peers * count, or NULL
 */
void peers_load(unsigned int peers, uint64_t first, uint64_t apart, size_t count, uint64_t *ns);
/* From now on home may go. */
void peers_end(void);
/* Ends the thread, which has what the process's end frees. */
void peers_stop(void);

#endif /* HOST_PEERS_H */
