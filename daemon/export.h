/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A segment that other partitions may have: of exporter.c, export_owner.c and limbo.c
 * alone, and of the loop's thread.
 *
 * An operation of the core is a job in @active until its end is told to the core; at
 * the same time it is in one more place: the worker's hands, @asked (the helper has to
 * do something; sent anew when it connects again), or @limbo.
 */
#ifndef XPMD_EXPORT_H
#define XPMD_EXPORT_H

#include "home.h"
#include "job.h"

struct xpmd;
struct xpmd_owner;
struct xpmd_owners;
struct xpmd_worker;

#define XPMD_MOVES 8

/* Pages whose memory is being unmapped or moved: nobody knows which before the event */
struct xpmd_window {
	struct xpmd_window *next;
	uint64_t first, count, until;
};

/* What was moved lately: a store may have been under way. */
struct xpmd_move {
	uint64_t from, to, bytes, until;
};

struct xpmd_permit {
	struct xpmd_permit *next;
	uint32_t partition;
	bool write;
};

struct xpmd_export {
	struct xpmd_export *next;
	struct xpmd_exporter *exporter;
	int64_t segid;
	uint64_t start, pages;
	int pid;
	uint32_t uid;
	uint64_t split;			/* pages of hugetlb that are of 4 KiB now */
	bool split_told, unable_told;	/* to the log */
	enum xpmd_lost lost;
	bool dead;			/* GONE is answered: to be freed */
	bool frozen;
	struct xpmd_owner *owner;	/* NULL: its helper is not connected */
	bool welcomed;			/* and may be asked */
	struct xpmd_worker *worker;
	struct xpmd_job *active;
	struct xpmd_jobs asked;
	struct xpmd_jobs limbo;		/* STORE and LOST of pages in a window */
	struct xpmd_jobs held;		/* missing pages outside, while a window is open */
	struct xpmd_window *windows;
	struct xpmd_move moves[XPMD_MOVES];
	unsigned int next_move;
	struct xpmd_permit *permits;
};

/* A question of the module, or a helper's FORK, that the core answers by recalled() */
struct xpmd_recall {
	struct xpmd_recall *next;
	uint64_t id;
	int64_t segid;
	uint64_t first, count;
	uint32_t reason;
	bool gone;
	bool late;			/* of a segment nobody knows: to be answered when an
					 * earlier daemon's leases have run out */
	bool fork;
	uint64_t question;		/* fork: the helper's id */
};

struct xpmd_exporter {
	struct xpmd *d;
	struct xpmd_export *exports;
	struct xpmd_recall *recalls;
	struct xpmd_results results;
	struct sd_event_source *source;
	struct xpmd_owners *owners;
	uint64_t next_fork;
};

struct xpmd_export *xpmd_export_find(const struct xpmd_exporter *exporter, int64_t segid);
uint64_t xpmd_export_address(const struct xpmd_export *export, uint64_t page);
/* To the worker, or to limbo while its pages' memory is in a window */
void xpmd_export_queue(struct xpmd_export *export, struct xpmd_job *job);
/* The job is over; the core is told, if it waits. */
void xpmd_export_end(struct xpmd_export *export, struct xpmd_job *job);

/* A job; does not fail */
struct xpmd_job *xpmd_export_job(enum xpmd_job_type type, uint64_t op, int64_t segid,
				 uint64_t first, uint32_t count, uint32_t pages);
/* Ask the helper, if there is one, for its part in the job: see job->then. */
void xpmd_export_ask(struct xpmd_export *export, struct xpmd_job *job);
/* A segment that is shared, known or not: its owner may not have connected yet. */
int xpmd_export_know(struct xpmd_exporter *exporter, int64_t segid, struct xpmd_export **ret);
/* A fault for the core; all of a page of hugetlb's are meant. */
void xpmd_export_fault(struct xpmd_export *export, uint64_t page, bool write);
struct xpmd_recall *xpmd_export_recall(struct xpmd_exporter *exporter, uint64_t id, int64_t segid);
void xpmd_export_attached(struct xpmd_exporter *exporter, uint32_t partition, uint64_t id,
			  uint32_t error);

/* ---- export_owner.c */

extern const struct xpmd_owner_ops xpmd_export_owner_ops;
/* An attachment elsewhere: the helper answered, or did not. */
void xpmd_export_trapped(struct xpmd_export *export, struct xpmd_job *job, uint32_t error,
			 const char *text);

/* ---- limbo.c */

/* Pages are about to be unmapped or moved. */
void xpmd_limbo_open(struct xpmd_export *export, uint64_t first, uint64_t count);
bool xpmd_limbo_covers(const struct xpmd_export *export, uint64_t first, uint64_t count);
void xpmd_limbo_moved(struct xpmd_export *export, uint64_t from, uint64_t to, uint64_t bytes);
void xpmd_limbo_unmapped(struct xpmd_export *export, uint64_t start, uint64_t end);
/* What is missing there may be on its way: the worker has it. */
bool xpmd_limbo_is_moved(const struct xpmd_export *export, uint64_t address);
/* A store found nothing mapped: true: it goes on elsewhere, or waits in limbo. */
bool xpmd_limbo_missed(struct xpmd_export *export, struct xpmd_job *job);
/* Windows of which no event came; when to be called again */
uint64_t xpmd_limbo_tick(struct xpmd_export *export, uint64_t now);

#endif /* XPMD_EXPORT_H */
