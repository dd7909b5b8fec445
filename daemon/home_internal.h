/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the home's side (home*.c) share.
 *
 * Words.  A transaction has a range of pages of one segment, each of which names it in
 * its entry; a page is in one at most.  Its pages are alike (same state, same sharers
 * or holder and generation), and what it does it does with all of them:
 *
 *   taking   TAKE was sent to the peers in @pending
 *   working  @nr_ops operations of the owner's side are under way
 *   idle     xpmd_home_step() decides what is next, or ends it
 *
 * It serves one request (@req), of a peer or of the owner, or none: then it takes pages
 * for a recall or stores what came back.  Requests for its pages wait in its queue, in
 * order; those that a recall, freeze or grace keeps waiting do so in the segment's.
 *
 * A page is remote while somebody may have it: SHARED, EXCLUSIVE with a holder, or
 * found and not yet resolved.  It becomes remote by a grant only, and no page is
 * granted that an active recall covers, so a recall counts its remote pages once, and
 * is over when as many have left.
 *
 * Calls from outside end with xpmd_home_settle(), which answers recalls that are over
 * and starts requests that can go on; nothing else does, so no function is entered
 * again from inside itself.
 */
#ifndef XPMD_HOME_INTERNAL_H
#define XPMD_HOME_INTERNAL_H

#include "directory.h"
#include "home.h"

#define MS		1000000ull
#define NEVER		UINT64_MAX
#define HOME_BUCKETS	256u

/* Flags of an entry */
#define PAGE_FOUND	(1u << 0) /* marked by an earlier daemon, nobody has claimed it */
#define PAGE_KEEP	(1u << 1) /* recalled while an operation is under way: content kept */
#define PAGE_DROP	(1u << 2) /* ... content dropped */
#define PAGE_INSTALLED	(1u << 3) /* EXCLUSIVE, and the holder said so */

struct home_request {
	struct home_request *next;
	struct home_segment *segment;
	uint64_t id;
	uint64_t incarnation;
	uint64_t first;
	uint32_t count;
	uint32_t epoch;
	uint32_t slot;		/* XPMD_OWNER: the owner */
	bool write;
	bool has;		/* it says that it has the first page SHARED */
};

struct home_queue {
	struct home_request *head, **tail;
};

struct home_txn {
	struct home_segment *segment;	/* NULL: free */
	uint64_t first;
	uint32_t count;
	uint32_t index;
	struct home_request *req;
	bool served;			/* the owner has what it waited for */
	bool insist;			/* SHARED is not enough */

	struct home_txn *prev, *next;	/* of those that take; free ones by next */
	uint64_t take_id;
	enum xpmd_state take_to;
	uint32_t pending;		/* set of peers; not empty: taking */
	uint32_t take_gen;
	uint32_t hold_gen;		/* EXCLUSIVE: at which the holder got it */
	uint64_t since;			/* what is waited for began to be */
	uint64_t next_send;
	uint32_t sent;

	uint32_t nr_ops;
	bool fetching;
	enum xpmd_state fetch_state;
	uint64_t op_first, op_last;	/* ids it has used */
	struct home_queue queue;
};

struct home_recall {
	struct home_recall *next;
	uint64_t id;
	uint64_t first, end;
	uint64_t since;
	uint64_t remaining;	/* pages that are remote */
	bool keep;
	bool freeze;		/* operations are waited for */
	bool remove;		/* the segment ends with it */
	bool short_of;		/* TAKEs are still to be begun */
};

struct home_segment {
	struct home_segment *next;
	struct home_segment *next_recheck;
	bool recheck;			/* a recall of it may be over */
	int64_t segid;
	struct xpmd_table table;
	enum xpmd_lost lost;
	bool frozen;
	bool dying;
	uint64_t nr_txns;
	uint64_t busy;		/* operations under way that change the owner's memory */
	struct home_recall *recalls;
	struct home_queue blocked;
	uint64_t *readers, *writers;	/* permits, by slot */
};

struct home_peer {
	uint32_t number;
	uint32_t epoch;
	uint64_t incarnation;
	bool connected;
	bool leaving;		/* its daemon ends: it gets nothing */
	bool ended;		/* it has answered END */
	uint64_t deadline;	/* it can use nothing after */
	uint64_t renew_id, renew_at; /* a RENEW that is not answered yet; id 0: none */
	uint64_t exclusive;	/* pages it has */
	uint32_t waiting;	/* requests */
};

struct xpmd_home {
	struct xpmd_home_config config;
	const struct xpmd_home_ops *ops;
	void *ctx;
	uint64_t now;
	bool grace;

	struct home_segment *segments[HOME_BUCKETS];
	struct home_segment *recheck;
	struct home_peer *peer;		/* by slot */
	uint32_t peers;
	uint16_t slot[4096];		/* of a partition, plus 1 */
	struct xpmd_sets sets;

	struct home_txn **txn;		/* by index, from 1 */
	uint32_t nr_txns, txns_free;
	uint64_t chunks;		/* of all tables */
	struct home_txn *free_txns, *takes;
	struct home_recall *free_recalls;
	uint32_t recalls_free;
	struct home_request *free_requests; /* for the owner, when there is no memory */
	void **copy;			/* by index, from 1; free ones hold the next's index */
	uint32_t copies, copies_free;
	uint64_t copies_used;

	struct home_queue ready;
	bool short_of;			/* a recall waits for a transaction */
	bool resume;			/* ... and one ended */
	bool starved;			/* the owner waits for a transaction */
	bool renewals;			/* a RENEW may be answered */
	bool ending;		/* nobody gets anything any more */
	uint64_t end_id, end_due;
	uint64_t take_id, op;
	uint64_t trimmed;
	struct xpmd_home_counts counts;
};

/* home.c */
struct home_segment *xpmd_home_segment(const struct xpmd_home *home, int64_t segid);
struct home_segment *xpmd_home_each(const struct xpmd_home *home, struct home_segment *after);
void xpmd_home_recheck(struct xpmd_home *home, struct home_segment *segment);
void xpmd_home_enter(struct xpmd_home *home, uint64_t now);
void xpmd_home_settle(struct xpmd_home *home);
void xpmd_home_trace(struct xpmd_home *home, const struct home_segment *segment, uint64_t page,
		     const char *event, uint32_t slot);
void xpmd_home_send(struct xpmd_home *home, uint32_t slot, struct xpmd_msg *msg);

/* home_request.c */
void xpmd_home_put(struct home_queue *queue, struct home_request *req);
void xpmd_home_splice(struct home_queue *to, struct home_queue *from);
void xpmd_home_free_request(struct xpmd_home *home, struct home_request *req);
bool xpmd_home_valid(const struct xpmd_home *home, const struct home_request *req);
void xpmd_home_start(struct xpmd_home *home, struct home_request *req);
void xpmd_home_ask(struct xpmd_home *home, uint32_t slot, const struct xpmd_msg *msg);
void xpmd_home_deny(struct xpmd_home *home, uint32_t slot, uint64_t id, int64_t segid,
		    uint64_t first, uint32_t error);
void xpmd_home_resolve_lost(struct xpmd_home *home, struct home_txn *txn,
			    struct xpmd_entry *entry);
void xpmd_home_step(struct xpmd_home *home, struct home_txn *txn);
bool xpmd_home_forward(struct xpmd_home *home, struct home_txn *txn, struct xpmd_entry *entry,
		       const void *data);

/* home_txn.c */
struct home_txn *xpmd_home_begin(struct xpmd_home *home, struct home_segment *segment,
				 uint64_t first, uint32_t count);
void xpmd_home_shrink(struct xpmd_home *home, struct home_txn *txn, uint32_t count);
void xpmd_home_end(struct xpmd_home *home, struct home_txn *txn);
void xpmd_home_trim(struct xpmd_home *home);
bool xpmd_home_reserve(struct xpmd_home *home);
struct home_txn *xpmd_home_txn_of_op(const struct xpmd_home *home, uint64_t op);
bool xpmd_home_alike(const struct xpmd_home *home, const struct xpmd_entry *a,
		     const struct xpmd_entry *b);
bool xpmd_home_remote(const struct xpmd_entry *entry);
void xpmd_home_left(struct xpmd_home *home, struct home_segment *segment, uint64_t page);
void xpmd_home_to_home(struct xpmd_home *home, struct home_segment *segment, uint64_t page,
		       struct xpmd_entry *entry);
void xpmd_home_take(struct xpmd_home *home, struct home_txn *txn, enum xpmd_state to,
		    uint32_t except, uint64_t since);
void xpmd_home_send_take(struct xpmd_home *home, struct home_txn *txn, uint32_t slot);
void xpmd_home_taken(struct xpmd_home *home, struct home_txn *txn, uint32_t slot,
		     const struct xpmd_msg *msg);
uint64_t xpmd_home_op(struct xpmd_home *home, struct home_txn *txn);
void xpmd_home_store(struct xpmd_home *home, struct home_txn *txn, uint64_t first, uint32_t count,
		     const void *data, enum xpmd_state state);
void xpmd_home_lose(struct xpmd_home *home, struct home_txn *txn, uint64_t page,
		    struct xpmd_entry *entry, uint32_t slot);
bool xpmd_home_set_copy(struct xpmd_home *home, struct xpmd_entry *entry, const void *data);
void xpmd_home_free_copy(struct xpmd_home *home, struct xpmd_entry *entry);
void xpmd_home_drop_set(struct xpmd_home *home, struct xpmd_entry *entry);

/* home_recall.c */
struct home_recall *xpmd_home_covering(const struct home_segment *segment, uint64_t first,
				       uint64_t end);
bool xpmd_home_dropping(const struct home_segment *segment, uint64_t page);
uint64_t xpmd_home_recall_since(const struct home_segment *segment, uint64_t first, uint64_t end,
				uint64_t now);
struct home_recall *xpmd_home_recall_new(struct xpmd_home *home);
void xpmd_home_recall_begin(struct xpmd_home *home, struct home_segment *segment,
			    struct home_recall *recall);
void xpmd_home_recall_pool(struct xpmd_home *home);
void xpmd_home_recall_resume(struct xpmd_home *home);
void xpmd_home_recall_end(struct xpmd_home *home, struct home_segment *segment);
bool xpmd_home_recall_txn(struct xpmd_home *home, struct home_txn *txn);

/* home_lease.c */
void xpmd_home_renew(struct xpmd_home *home, uint32_t slot, const struct xpmd_msg *msg);
void xpmd_home_renewals(struct xpmd_home *home);
uint64_t xpmd_home_evict_at(const struct xpmd_home *home, const struct home_txn *txn,
			    uint32_t slot);
void xpmd_home_evict(struct xpmd_home *home, uint32_t slot);
void xpmd_home_give(struct xpmd_home *home, uint32_t slot, const struct xpmd_msg *msg);
void xpmd_home_installed(struct xpmd_home *home, uint32_t slot, const struct xpmd_msg *msg);
void xpmd_home_reclaim(struct xpmd_home *home, uint32_t slot, const struct xpmd_msg *msg);
void xpmd_home_restarted(struct xpmd_home *home, uint32_t slot);
void xpmd_home_grace_end(struct xpmd_home *home);

/* home_end.c */
void xpmd_home_leave(struct xpmd_home *home, uint32_t slot, const struct xpmd_msg *msg);
void xpmd_home_ended(struct xpmd_home *home, uint32_t slot, const struct xpmd_msg *msg);
uint64_t xpmd_home_end_tick(struct xpmd_home *home);

#endif /* XPMD_HOME_INTERNAL_H */
