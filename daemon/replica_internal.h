/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the replica's side (replica*.c) share.
 *
 * Words.  A request is a READ or WRITE under way: of one page that is waited for (its
 * first), and others that would be welcome.  When the first has come it stays open for
 * a while, for the others.  A parcel is data of pages that were EXCLUSIVE here and were
 * taken from the processes: on its way home, in TAKEN or GIVE, until GIVEN.
 *
 * Of the fields of struct xpmd_entry: state and gen are of what is installed, set is
 * when that was (in units of 1024 ns, truncated).
 */
#ifndef XPMD_REPLICA_INTERNAL_H
#define XPMD_REPLICA_INTERNAL_H

#include "directory.h"
#include "replica.h"

#define MS		1000000ull
#define NEVER		UINT64_MAX
#define NR_RENEWALS	8u
#define REPLICA_BUCKETS	256u

/* Flags of an entry: an earlier daemon had it, and the home has not confirmed it */
#define PAGE_RECLAIM	(1u << 0)
/* To be given back when that is so, or when the home's next daemon has confirmed it */
#define PAGE_UNWANTED	(1u << 1)

struct replica_fault {
	struct replica_fault *next;
	uint64_t id;
	uint64_t page;
	bool write;
};

struct replica_request {
	struct replica_request *next;
	struct replica_segment *segment;
	uint64_t id;
	uint64_t first;
	uint32_t count;
	bool write;
	bool sent;		/* to this session */
	bool served;		/* the first page has come */
	bool rest_came;		/* before the first page did */
	uint64_t due;		/* to be repeated, or forgotten if it was served */
	uint32_t tries;
	struct replica_fault *faults;	/* at the first page; served: at those behind it */
	uint32_t floor[];	/* by page: grants of earlier generations are void; 0: none */
};

struct replica_parcel {
	struct replica_parcel *next;
	struct xpmd_msg msg;	/* TAKEN or GIVE, with the data */
	uint64_t due;
	uint32_t tries;
};

/* A TAKE of pages that were granted just now */
struct replica_held {
	struct replica_held *next;
	struct xpmd_msg msg;
	uint64_t due;
};

struct replica_segment {
	struct replica_segment *next;
	struct replica_segment *all_next, **all_at;
	struct replica_home *home;
	int64_t segid;
	struct xpmd_table table;
	struct replica_request *requests;
	uint64_t reclaims;	/* pages to be reclaimed */
	bool leaving;		/* nobody here has a permit: ends when they are */
	uint64_t reclaim_due;
	uint32_t reclaim_tries;
};

struct replica_home {
	struct replica_home *next;
	uint32_t number;
	uint32_t epoch;		/* 0: not known */
	uint64_t incarnation;
	bool connected;
	uint64_t lease_ns;
	uint64_t lease_until;	/* of this incarnation's leases */
	uint64_t usable_until;	/* what the module was told last */
	struct {
		uint64_t id, sent;
	} renewal[NR_RENEWALS];
	uint32_t next_renewal;
	uint64_t renew_due;
	uint32_t renew_tries;	/* since the last answer */
	uint64_t reclaims;	/* of all its segments */
	bool blocked;		/* requests wait for GIVEN */
	bool ending;		/* its daemon has said END */
	bool left;		/* ... and answered LEAVE */
	uint64_t leave_id, leave_due;
	struct replica_parcel *parcels;
	struct replica_held *held;
};

struct xpmd_replica {
	struct xpmd_replica_config config;
	const struct xpmd_replica_ops *ops;
	void *ctx;
	uint64_t now;
	uint64_t id;
	bool leaving;		/* this daemon ends */
	struct replica_home *homes;
	struct replica_segment *segments[REPLICA_BUCKETS];
	struct replica_segment *all;	/* they, as each turn looks at them */
	uint8_t *scratch;	/* XPMD_MAX_PAGES pages */
	struct xpmd_replica_counts counts;
};

/* The intervals after which what is not answered is repeated */
static inline uint64_t xpmd_replica_again(uint64_t now, uint32_t tries)
{
	return now + (tries == 1 ? 50 : tries == 2 ? 200 : 1000) * MS;
}

/* replica.c */
struct replica_segment *xpmd_replica_segment(const struct xpmd_replica *replica, int64_t segid);
struct replica_segment *xpmd_replica_each(const struct xpmd_replica *replica,
					  struct replica_segment *after);
void xpmd_replica_send(struct xpmd_replica *replica, struct replica_home *home,
		       struct xpmd_msg *msg);
void xpmd_replica_trace(struct xpmd_replica *replica, struct replica_home *home, int64_t segid,
			uint64_t page, const char *event);
void xpmd_replica_end_segment(struct xpmd_replica *replica, struct replica_segment *segment);
bool xpmd_replica_is_empty(const struct replica_segment *segment);
void xpmd_replica_reclaimed_all(struct xpmd_replica *replica, struct replica_home *home);

/* replica_request.c */
void xpmd_replica_ask(struct xpmd_replica *replica, struct replica_request *req);
void xpmd_replica_ask_again(struct xpmd_replica *replica, struct replica_request *req);
void xpmd_replica_grant(struct xpmd_replica *replica, struct replica_home *home,
			const struct xpmd_msg *msg);
void xpmd_replica_denied(struct xpmd_replica *replica, struct replica_home *home,
			 const struct xpmd_msg *msg);
void xpmd_replica_fail_all(struct xpmd_replica *replica, struct replica_segment *segment,
			   uint32_t error);
uint64_t xpmd_replica_requests_tick(struct xpmd_replica *replica, struct replica_segment *segment);
void xpmd_replica_raise(struct replica_segment *segment, uint64_t first, uint32_t count,
			uint32_t gen);

/* replica_take.c */
void xpmd_replica_take(struct xpmd_replica *replica, struct replica_home *home,
		       const struct xpmd_msg *msg);
void xpmd_replica_given(struct xpmd_replica *replica, struct replica_home *home,
			const struct xpmd_msg *msg);
bool xpmd_replica_giving(const struct replica_home *home, int64_t segid, uint64_t page);
void xpmd_replica_take_all(struct xpmd_replica *replica, struct replica_segment *segment,
			   bool shared_only);
uint64_t xpmd_replica_drop_parcels(struct replica_home *home);
void xpmd_replica_give_back(struct xpmd_replica *replica, struct replica_segment *segment,
			    uint64_t first, uint64_t count);
void xpmd_replica_reclaim(struct xpmd_replica *replica, struct replica_segment *segment);
void xpmd_replica_reclaimed(struct xpmd_replica *replica, struct replica_home *home,
			    const struct xpmd_msg *msg);
uint64_t xpmd_replica_parcels_tick(struct xpmd_replica *replica, struct replica_home *home);

/* replica_end.c */
void xpmd_replica_home_ends(struct xpmd_replica *replica, struct replica_home *home,
			    const struct xpmd_msg *msg);
void xpmd_replica_left(struct replica_home *home, const struct xpmd_msg *msg);
uint64_t xpmd_replica_leave_tick(struct xpmd_replica *replica);

#endif /* XPMD_REPLICA_INTERNAL_H */
