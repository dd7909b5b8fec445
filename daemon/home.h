/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The home's side of the coherence protocol: who has which page of the segments of
 * this partition's processes.  See coherence.h.
 *
 * Operations begin something and return; what ends later comes back by a call of
 * xpmd_home_*.  They are called from inside any xpmd_home_* call and must not call
 * one themselves.
 *
 * Operations of a segment are carried out in the order in which they began.
 *
 * Recalls, of the kernel, end without anything that needs the owner: neither fetch()
 * nor store() is waited for.  A page that is recalled while one of these is under way
 * is marked so, and what it brings is thrown away or repeated.
 */
#ifndef XPMD_HOME_H
#define XPMD_HOME_H

#include "coherence.h"

struct xpmd_home;

struct xpmd_home_config {
	uint64_t incarnation;
	uint64_t lease_ns;
	uint64_t skew_ns;
	uint64_t grace_until;	/* nothing is granted before */
	uint32_t peers_max;
	uint64_t pages_max;	/* of the directory, of all segments; 0: no limit */
	uint32_t spare_txns;	/* that requests leave to recalls: each takes up to 64 pages */
};

/* What became of a page whose only copy was on a partition that was evicted */
enum xpmd_lost {
	XPMD_LOST_SIGBUS,
	XPMD_LOST_LAST_COPY,	/* what the home had when it gave it away */
};

struct xpmd_home_ops {
	void (*send)(void *ctx, uint32_t peer, const struct xpmd_msg *msg);

	/*
	 * Make the owner's stores (SHARED) or accesses (EXCLUSIVE) of the pages trap,
	 * and read them.  Ends by xpmd_home_fetched().  Pages the owner does not have
	 * are populated first; a fetch may end short, by at least one page.
	 */
	void (*fetch)(void *ctx, uint64_t op, int64_t segid, uint64_t first, uint32_t count,
		      enum xpmd_state state);
	/*
	 * Put pages that came back to the owner, its stores trapping if @state is
	 * SHARED, else nothing; wakes who waits for them.  Ends by xpmd_home_stored().
	 * The data is the caller's until the call returns.
	 */
	void (*store)(void *ctx, uint64_t op, int64_t segid, uint64_t first, uint32_t count,
		      const void *data, enum xpmd_state state);
	/*
	 * Nobody has replicas: let the owner's stores pass, put zeros where the owner
	 * has nothing, and wake who waits.  No end is told.
	 */
	void (*release)(void *ctx, uint64_t op, int64_t segid, uint64_t first, uint32_t count);
	/* The only copy is gone.  Ends by xpmd_home_stored() */
	void (*lost)(void *ctx, uint64_t op, int64_t segid, uint64_t first, uint32_t count);
	/*
	 * The kernel drops pages of an operation that is under way.  A store must not
	 * put them any more, nor lost() take them: what comes there is new.  A fetch
	 * EXCLUSIVE must not take them from the owner any more (it may end short, with
	 * ECANCELED); if it has, or can't know, it ends as if nothing had happened.
	 * NULL: operations are never late.
	 */
	void (*cancel)(void *ctx, int64_t segid, uint64_t first, uint32_t count);
	/* The answer to xpmd_home_recall() */
	void (*recalled)(void *ctx, uint64_t recall);
	/*
	 * A lease is about to be renewed: before the message that says so.  False: not
	 * now, as there is a recall that the core has not been told of.
	 */
	bool (*beat)(void *ctx);
	/* For the log and the counters: a partition was evicted */
	void (*evicted)(void *ctx, uint32_t peer, uint32_t epoch, uint64_t pages_lost);
	/* For a trace; NULL: none */
	void (*trace)(void *ctx, int64_t segid, uint64_t page, const char *event, uint32_t peer);
};

struct xpmd_home *xpmd_home_new(const struct xpmd_home_config *config,
				const struct xpmd_home_ops *ops, void *ctx);
void xpmd_home_free(struct xpmd_home *home);

/* Segments that are shared.  0 or -EEXIST, -ENOMEM */
int xpmd_home_add_segment(struct xpmd_home *home, int64_t segid, uint64_t pages,
			  enum xpmd_lost lost);
/* The module said GONE: all replicas are taken, then ops->recalled(recall). */
void xpmd_home_remove_segment(struct xpmd_home *home, uint64_t now, int64_t segid,
			      uint64_t recall);
/* Found marked by an earlier daemon (LIST_MARKED): whoever reclaims may have it. */
void xpmd_home_found(struct xpmd_home *home, int64_t segid, uint64_t first, uint64_t count,
		     enum xpmd_state state);

/* What a partition may do with a segment, as decided at its OPEN; false takes it back */
int xpmd_home_permit(struct xpmd_home *home, uint32_t peer, int64_t segid, bool write,
		     bool granted);

/*
 * A session with a partition began, of this incarnation of its daemon; returns its
 * epoch.  And it ended: nothing is taken back before its lease has run out.
 */
uint32_t xpmd_home_connect(struct xpmd_home *home, uint64_t now, uint32_t peer,
			   uint64_t incarnation);
void xpmd_home_disconnect(struct xpmd_home *home, uint32_t peer);

/* A message from a partition.  @msg->data is the caller's. */
void xpmd_home_message(struct xpmd_home *home, uint64_t now, uint32_t peer,
		       const struct xpmd_msg *msg);

/* The owner, or an attacher of its own partition through it, waits for a page. */
void xpmd_home_owner_fault(struct xpmd_home *home, uint64_t now, int64_t segid, uint64_t page,
			   bool write);
/*
 * The kernel is about to change pages.  @keep: their content stays (PROTECT), and
 * what was EXCLUSIVE is to be stored; else it is dropped.
 */
void xpmd_home_recall(struct xpmd_home *home, uint64_t now, uint64_t recall, int64_t segid,
		      uint64_t first, uint64_t count, bool keep);
/*
 * All pages home and stored, and none given away EXCLUSIVE until thaw; ends by
 * recalled().  Unlike a recall it waits for operations.
 */
void xpmd_home_freeze(struct xpmd_home *home, uint64_t now, uint64_t recall, int64_t segid);
void xpmd_home_thaw(struct xpmd_home *home, uint64_t now, int64_t segid);

/*
 * Ends of operations.  @count is what was done, from the first page on; @error a
 * positive errno of the page after it.
 */
void xpmd_home_fetched(struct xpmd_home *home, uint64_t now, uint64_t op, uint32_t error,
		       uint32_t count, const void *data);
void xpmd_home_stored(struct xpmd_home *home, uint64_t now, uint64_t op, uint32_t error);

/* Does what is due; returns when to be called again at the latest. */
uint64_t xpmd_home_tick(struct xpmd_home *home, uint64_t now);

/*
 * The daemon is asked to end: nothing is granted any more.  When it has ended, nothing is
 * on its way to or from other partitions that would be lost with this daemon, but what
 * partitions have that do not answer; operations may still be under way.
 */
void xpmd_home_end_all(struct xpmd_home *home, uint64_t now);
bool xpmd_home_has_ended(const struct xpmd_home *home);

/* For pictures, metrics and tests */
struct xpmd_home_counts {
	uint64_t reads, writes, grants, denials, takes, gives, recalls, evictions, lost_pages;
	uint64_t pages_shared, pages_exclusive, directory_bytes, waiting;
	uint64_t recall_ns_max;		/* longest recall */
};
void xpmd_home_counts(const struct xpmd_home *home, struct xpmd_home_counts *counts);
enum xpmd_state xpmd_home_page(const struct xpmd_home *home, int64_t segid, uint64_t page,
			       uint32_t *holder_ret, uint32_t *sharers_ret);

#endif /* XPMD_HOME_H */
