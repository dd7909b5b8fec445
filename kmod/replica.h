/* SPDX-License-Identifier: GPL-2.0-only */
/* Replicas: the pages that this partition has of others' segments; see replica.c */
#ifndef XPM_REPLICA_H
#define XPM_REPLICA_H

#include <linux/types.h>

#include "xpmem_ctl.h"

struct page;
struct xpm_pages;
struct xpm_remote;
struct xpm_window;

/* Pages for an answer, allocated by who asks, who is charged for them */
struct xpm_pages {
	unsigned int count;
	struct page *page[];
};

/* At most @count pages, at least one, the first one with @flags besides; NULL: no memory */
struct xpm_pages *xpm_pages_alloc(unsigned int count, gfp_t flags);
void xpm_pages_free(struct xpm_pages *pages);

/* What a fault finds */
enum xpm_replica_answer {
	XPM_REPLICA_HERE,	/* with the rights wanted */
	XPM_REPLICA_ABSENT,	/* or without them */
	XPM_REPLICA_WAIT,	/* is here, and can't be used: no lease, or it is being taken */
};

/* Of page @index; may be over at once */
enum xpm_replica_answer xpm_replica_look(struct xpm_remote *remote, unsigned long index,
					 bool write);
/* How many pages from @index on, up to @limit, are absent */
unsigned int xpm_replica_absent(struct xpm_remote *remote, unsigned long index,
				unsigned int limit);

/*
 * Makes VALID what there is of the window, if the lease is good.  0, whether there is
 * anything or not; -ENOENT: the segment is dead; -ENOMEM.
 */
int xpm_replica_refresh(struct xpm_remote *remote, const struct xpm_window *w);

/* From here nobody uses any replica, until one is refreshed: see lease.c.  Sleeps. */
void xpm_replica_hide_all(struct xpm_remote *remote);
/* Frees all; the segment is dead, and hidden */
void xpm_replica_free_all(struct xpm_remote *remote);

/*
 * Frees up to @pages SHARED replicas from *at on, and says of EXCLUSIVE ones that they
 * are not wanted; returns how many were freed.  Does not wait for who changes replicas.
 */
unsigned long xpm_replica_evict(struct xpm_remote *remote, unsigned long *at,
				unsigned long pages);

/* Requests of the daemon; see xpmem_ctl.h */
long xpm_replica_install(struct xpmem_ctl_install *req);
long xpm_replica_take(struct xpmem_ctl_take *req);

/*
 * The first run of replicas in the same state at *first or after it: returns its
 * XPMEM_PAGE_ state, and pages in *count; XPMEM_PAGE_NONE: there is none.
 */
unsigned int xpm_replica_next(struct xpm_remote *remote, unsigned long *first,
			      unsigned long *count);

/* How many there are, of all remote segments */
unsigned long xpm_replica_count(void);

#endif /* XPM_REPLICA_H */
