/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The attaching partition's side of the coherence protocol: what this partition has of
 * other partitions' segments.  See coherence.h.  The pages themselves are the module's;
 * operations are done when they return.
 */
#ifndef XPMD_REPLICA_H
#define XPMD_REPLICA_H

#include "coherence.h"

struct xpmd_replica;

struct xpmd_replica_config {
	uint64_t incarnation;
	uint64_t lease_ns;	/* shorter of this and what the home says */
	uint64_t hold_ns;	/* a page that was granted is not given back before */
};

struct xpmd_replica_ops {
	void (*send)(void *ctx, uint32_t home, const struct xpmd_msg *msg);
	/*
	 * Install pages, for fault @fault (0: nobody's); @data NULL: SHARED ones become
	 * EXCLUSIVE.  Returns how many were installed from the first on, or -errno.
	 */
	int (*install)(void *ctx, uint64_t fault, int64_t segid, uint64_t first, uint32_t count,
		       enum xpmd_state state, const void *data);
	/*
	 * Take [first, first + count) back to @state; fills the masks, and the data of
	 * what was EXCLUSIVE at its place in @data (count pages).  0 or -errno (the
	 * segment is unknown: nothing is there).
	 */
	int (*take)(void *ctx, int64_t segid, uint64_t first, uint32_t count,
		    enum xpmd_state state, uint64_t *exclusive_ret, uint64_t *present_ret,
		    void *data);
	/* Fault @fault can't be served: an errno, positive; 0: the access may be tried again */
	void (*fail)(void *ctx, uint64_t fault, uint32_t error);
	/* Until when pages of @home may be used; 0: not any more */
	void (*lease)(void *ctx, uint32_t home, uint64_t until);
	/* The segment is gone, or this partition may not have it any more. */
	void (*forget)(void *ctx, int64_t segid);
	void (*trace)(void *ctx, int64_t segid, uint64_t page, const char *event, uint32_t home);
};

struct xpmd_replica *xpmd_replica_new(const struct xpmd_replica_config *config,
				      const struct xpmd_replica_ops *ops, void *ctx);
void xpmd_replica_free(struct xpmd_replica *replica);

/*
 * A segment that a process here got from @home; 0 or -EEXIST, -ENOMEM.  And no process has
 * it any more: it stays until what this partition had of it is given back, or is added
 * again meanwhile.
 */
int xpmd_replica_add_segment(struct xpmd_replica *replica, uint32_t home, int64_t segid,
			     uint64_t pages);
void xpmd_replica_remove_segment(struct xpmd_replica *replica, uint64_t now, int64_t segid);
bool xpmd_replica_has_segment(const struct xpmd_replica *replica, int64_t segid);
/*
 * Pages an earlier daemon had (LIST), to be reclaimed when the home is there; and until
 * when the module lets them be used
 */
void xpmd_replica_found(struct xpmd_replica *replica, int64_t segid, uint64_t first,
			uint64_t count, enum xpmd_state state);
void xpmd_replica_lease_found(struct xpmd_replica *replica, uint32_t home, uint64_t until);

/* A session with a home began, and ended.  @epoch 0: not known, and asked for */
void xpmd_replica_connect(struct xpmd_replica *replica, uint64_t now, uint32_t home,
			  uint64_t incarnation, uint32_t epoch, uint64_t lease_ns);
void xpmd_replica_disconnect(struct xpmd_replica *replica, uint64_t now, uint32_t home);

void xpmd_replica_message(struct xpmd_replica *replica, uint64_t now, uint32_t home,
			  const struct xpmd_msg *msg);

/* The module's records FAULT and DROP */
void xpmd_replica_fault(struct xpmd_replica *replica, uint64_t now, uint64_t fault,
			int64_t segid, uint64_t first, uint32_t count, bool write);
void xpmd_replica_drop(struct xpmd_replica *replica, uint64_t now, int64_t segid,
		       uint64_t first, uint64_t count);

uint64_t xpmd_replica_tick(struct xpmd_replica *replica, uint64_t now);

/*
 * The daemon is asked to end: what can be given back is.  When it has left, nothing is on
 * its way that would be lost with this daemon; what the module still has is for the next.
 */
void xpmd_replica_leave_all(struct xpmd_replica *replica, uint64_t now);
bool xpmd_replica_has_left(const struct xpmd_replica *replica);

struct xpmd_replica_counts {
	uint64_t faults, installed, failed, taken, given, fenced, retries;
	uint64_t lost;		/* pages that were EXCLUSIVE here and are of no use any more */
	uint64_t pages, waiting;
	uint64_t unconfirmed;	/* messages with data that the home has not confirmed */
};
void xpmd_replica_counts(const struct xpmd_replica *replica, struct xpmd_replica_counts *counts);

#endif /* XPMD_REPLICA_H */
