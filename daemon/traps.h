/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was done to each page of a segment in its owner, a byte a page, in chunks that
 * appear when they are written.  It says which accesses of the owner are somebody's
 * business: the directory can't, for it does not know how far a worker has come.
 *
 *   NONE       nothing: a page that is missing is fresh, one that is write-protected
 *              was left so
 *   FETCHING   a worker is about to trap stores; a missing page is still fresh
 *   SHARED     stores trap
 *   AWAY       every access traps; the owner has not got the page
 *
 * And with each of them, whether the page is part of one of hugetlb: learned when
 * something is done to it, and forgotten when it is none any more.
 *
 * Read by any thread without a lock; changed under the lock.  Who resolves a fault at
 * once must hold the lock from looking here until the owner has its page: else the
 * page could be given away in between.
 */
#ifndef XPMD_TRAPS_H
#define XPMD_TRAPS_H

#include <stdbool.h>
#include <stdint.h>

enum xpmd_trap {
	XPMD_TRAP_NONE,
	XPMD_TRAP_FETCHING,
	XPMD_TRAP_SHARED,
	XPMD_TRAP_AWAY,
};

struct xpmd_traps;

struct xpmd_traps *xpmd_traps_new(uint64_t pages);
void xpmd_traps_free(struct xpmd_traps *traps);
void xpmd_traps_lock(struct xpmd_traps *traps);
void xpmd_traps_unlock(struct xpmd_traps *traps);

enum xpmd_trap xpmd_traps_get(const struct xpmd_traps *traps, uint64_t page);
/* -ENOMEM, with nothing changed; never for pages that once were something but NONE */
int xpmd_traps_set(struct xpmd_traps *traps, uint64_t first, uint64_t count, enum xpmd_trap to);
/* Those that are @from become @to; needs no memory. */
void xpmd_traps_change(struct xpmd_traps *traps, uint64_t first, uint64_t count,
		       enum xpmd_trap from, enum xpmd_trap to);

/* Needs no lock.  Forgetting needs no memory; else -ENOMEM */
int xpmd_traps_set_huge(struct xpmd_traps *traps, uint64_t first, uint64_t count, bool huge);
bool xpmd_traps_is_huge(const struct xpmd_traps *traps, uint64_t page);

#endif /* XPMD_TRAPS_H */
