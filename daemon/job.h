/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A job is something done to pages of an owner, which may have to wait for the
 * owner's mmap_lock and so is never done by the event loop.  It goes from the loop to
 * the segment's worker (worker.h) and comes back, more than once when the owner's
 * helper has a part in it: at every moment it is in one place, and whoever took it
 * from there may change it.
 */
#ifndef XPMD_JOB_H
#define XPMD_JOB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "coherence.h"

#define XPMD_HUGE	(2ull << 20)	/* bytes of a page of hugetlb that can be split */

enum xpmd_job_type {
	XPMD_JOB_FETCH,		/* trap and read; EXCLUSIVE: and have it given up */
	XPMD_JOB_STORE,		/* put pages back */
	XPMD_JOB_RELEASE,	/* trap no more */
	XPMD_JOB_LOST,		/* accesses raise SIGBUS */
	XPMD_JOB_TRAP,		/* of an attachment: the helper's alone */
	XPMD_JOB_ZERO,		/* of the resolver: a missing page that is fresh */
	XPMD_JOB_UNPROTECT,	/* of the resolver: a write-protected page nobody has */
};

/* Where it goes on when it comes back from the worker */
enum xpmd_job_next {
	XPMD_NEXT_DONE,		/* @error and @done say how */
	XPMD_NEXT_TRAP,		/* the helper is to register the pages; then again */
	XPMD_NEXT_SPLIT,	/* the helper is to split a page of hugetlb; then again */
	XPMD_NEXT_GIVE_UP,	/* the helper is to give the pages up; then it is done */
	XPMD_NEXT_LOST,		/* the helper is to map what raises SIGBUS; then done */
	XPMD_NEXT_FAULT,	/* resolver: not fresh after all */
};

struct xpmd_job {
	struct xpmd_job *next;
	struct xpmd_job *active_next, **active_at; /* the loop's, of operations */
	uint64_t number;	/* never used twice; the helper's answer has it */
	enum xpmd_job_type type;
	enum xpmd_job_next then;
	int64_t segid;
	uint64_t op;		/* of the home's core; 0: nobody waits for it */
	uint64_t first;
	uint32_t count;
	uint64_t address;	/* of the owner; of page first, or where it moved */
	bool moved;		/* address is not of the segment */
	enum xpmd_state state;
	uint32_t error;		/* positive */
	uint32_t done;		/* pages */
	bool write;		/* ZERO, UNPROTECT: what the owner tried */
	bool helped;		/* the helper did what it was asked to: TRAP, or LOST */
	bool again;		/* FETCH: not for the first time, @before stands */
	bool splitting;		/* FETCH: NEXT_SPLIT was asked for; @error is its answer */
	bool undo;		/* FETCH: the helper could not give the pages up, or split */
	uint32_t gave;		/* FETCH: pages the helper was asked to give up: what is
				 * missing of them is in @data */
	unsigned int tries;
	uint8_t before[XPMD_MAX_PAGES];	/* FETCH: enum xpmd_trap */
	/* Pages still to be done, FETCH: not dropped; the loop may clear bits any time */
	_Atomic(uint64_t) live[XPMD_MAX_PAGES / 64];
	/* FETCH, STORE: recalled meanwhile, and nobody has them; the loop may set bits any time */
	_Atomic(uint64_t) recalled[XPMD_MAX_PAGES / 64];
	atomic_bool cancelled;	/* FETCH: recalled meanwhile, not to be given up */
	void *data;		/* count pages, aligned */
	/* TRAP: whom to tell; pages are count64 then */
	uint64_t count64;
	uint32_t partition;
	uint64_t request;
	uint64_t since;		/* when it was to be done first */
};

struct xpmd_jobs {
	struct xpmd_job *head, **tail;
};

/* Of all pages; @pages: of data, 0: none.  NULL: no memory */
struct xpmd_job *xpmd_job_new(enum xpmd_job_type type, int64_t segid, uint64_t first,
			      uint32_t count, uint32_t pages);
void xpmd_job_free(struct xpmd_job *job);

void xpmd_jobs_init(struct xpmd_jobs *jobs);
void xpmd_jobs_add(struct xpmd_jobs *jobs, struct xpmd_job *job);
void xpmd_jobs_add_first(struct xpmd_jobs *jobs, struct xpmd_job *job);
struct xpmd_job *xpmd_jobs_take(struct xpmd_jobs *jobs);
/* Takes the job at *@at out; for loops over a list */
struct xpmd_job *xpmd_jobs_cut(struct xpmd_jobs *jobs, struct xpmd_job **at);
void xpmd_jobs_free(struct xpmd_jobs *jobs);

bool xpmd_job_is_live(struct xpmd_job *job, uint32_t i);
void xpmd_job_end_page(struct xpmd_job *job, uint32_t i);
bool xpmd_job_any_live(struct xpmd_job *job);
bool xpmd_job_is_recalled(struct xpmd_job *job, uint32_t i);
void xpmd_job_recall_page(struct xpmd_job *job, uint32_t i);

/*
 * Jobs on their way back: any thread posts, the loop takes all when @fd, an eventfd that
 * nobody reads, becomes readable once more: it is watched with EPOLLET.
 */
struct xpmd_results {
	pthread_mutex_t lock;
	struct xpmd_jobs jobs;
	int fd;
};

int xpmd_results_init(struct xpmd_results *results);
void xpmd_results_destroy(struct xpmd_results *results);
void xpmd_results_post(struct xpmd_results *results, struct xpmd_job *job);
/* All of @jobs, which were not done: @error, positive, says why */
void xpmd_results_post_all(struct xpmd_results *results, struct xpmd_jobs *jobs, uint32_t error);
/* The first of a list */
struct xpmd_job *xpmd_results_take(struct xpmd_results *results);

#endif /* XPMD_JOB_H */
