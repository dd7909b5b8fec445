/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The torture test: what its processes share.  The oracle, that is, how a word
 * that was read is judged, is explained in torture_oracle.c.
 *
 * Words.  A peer is a process that owns an arena and attaches the arenas of all
 * peers, its own too.  It has three threads: the owner changes the arena, the
 * attacher attaches, reads and writes, the reader reads what the attacher has.
 * Peers are killed and started anew in their slot as the next incarnation.  The
 * checker attaches everything, for reading, and is never killed; neither is the
 * stressor, which has the kernel reclaim, migrate, compact and so on.
 */
#ifndef TORTURE_H
#define TORTURE_H

#include "robust.h"

#define PEERS 3
#define CHECKER PEERS			/* slot number of the checker */
#define WRITERS (PEERS + 1)		/* the owner's word, and one an attaching peer */
#define SEGMENTS 3			/* of a peer: the arena, a part of it, everything */
#define VIEWS 12			/* attachments of a process */

/* Regions of an arena, in this order; sizes in pages are in torture_events.c */
enum region {
	REGION_HUGE,			/* anonymous, transparent huge pages */
	REGION_HUGETLB,
	REGION_ANON,
	REGION_MEMFD,
	REGION_FILE,			/* shared mapping of a file on disk */
	REGION_PRIVATE,			/* private mapping of another */
	REGION_MAX,
};
#define ARENA_PAGES 1792U

#define COUNTS(X) \
	X(kill) X(oom) X(read) X(write) X(zero) X(sigbus) X(attach) X(detach) X(release) \
	X(unmap_part) X(move) X(protect_view) X(prefault) X(peek) X(vm_readv) X(advise_view) \
	X(own_read) X(own_write) X(dontneed) X(free) X(remap) X(hole) X(away) X(mprotect) \
	X(fork) X(remake) X(pageout) X(cold) X(mergeable) X(collapse) X(hugepage) X(move_pages) \
	X(mlock) X(populate) X(sync) X(punch) X(truncate) X(drop_caches) X(compact) X(reclaim) \
	X(high) X(max) X(split) X(remote_pageout) X(migrate) X(clear_refs) X(maps) X(sweep)

enum count {
#define X(name) COUNT_##name,
	COUNTS(X)
#undef X
	COUNT_MAX,
};

struct word_state {
	_Atomic uint32_t announced;	/* what may be in memory: no more than this */
	_Atomic uint64_t done;		/* epoch << 32 | generation: what must be there */
	_Atomic uint64_t cut;		/* epoch << 32 | generation: older is gone */
};

enum access {
	ACCESS_NONE,
	ACCESS_READ,
	ACCESS_WRITE,
	ACCESS_KEEP,			/* to oracle_open: as it was */
};

struct page_state {
	_Atomic uint32_t epoch;		/* odd while contents may be lost */
	_Atomic uint32_t access_seq;	/* odd while access changes */
	_Atomic uint8_t access;
	_Atomic uint8_t event;		/* the last, for the report */
	struct word_state word[WRITERS];
};

struct peer_state {
	_Atomic int pid;
	_Atomic uint32_t incarnation;	/* 0 until it is ready, and from before it is killed */
	_Atomic uint32_t started;	/* number of the last incarnation */
	_Atomic uint64_t ticks;		/* rounds of its owner thread */
	_Atomic uintptr_t arena;
	_Atomic int64_t segid[SEGMENTS];
	struct page_state page[ARENA_PAGES];
};

struct shared {
	uint64_t seed;
	double start, end;
	char directory[200];		/* for the files of arenas */
	_Atomic bool stop;
	_Atomic unsigned int findings;
	_Atomic uint64_t count[COUNT_MAX];
	struct peer_state peer[PEERS];
};

extern struct shared *shared;

static inline void count(enum count what)
{
	atomic_fetch_add_explicit(&shared->count[what], 1, memory_order_relaxed);
}

/* Says what was found, on one line, and has the run end */
void finding(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ----------------------------------------------------------------- oracle */

/* A way to an arena: the owner's own, or an attachment */
struct view {
	unsigned int slot;		/* of the owner */
	uint32_t incarnation;		/* of the owner */
	int segment;			/* -1: the owner itself */
	int64_t segid, apid;
	volatile uint64_t *at;
	unsigned int first, pages;	/* of the arena */
	bool writable;
};

/* What a read or write found out */
enum verdict {
	VERDICT_GOOD,
	VERDICT_NO_REASON,		/* a signal that nothing explains yet */
	VERDICT_BAD,
};

struct judgement {
	enum verdict verdict;
	const char *what;
	unsigned int page, writer;
	uint64_t value, floor, cut;
	uint32_t epoch, announced;
	uint64_t ticks;
	int signal;
};

struct judgement oracle_read(const struct view *view, unsigned int page, unsigned int writer);
/* The same for a value that another call read: @fetch returns 0 or what access_read does */
struct judgement oracle_fetch(const struct view *view, unsigned int page, unsigned int writer,
			      int (*fetch)(const struct view *, volatile uint64_t *, uint64_t *));
struct judgement oracle_write(const struct view *view, unsigned int page, unsigned int writer);
/* Reports what is bad; waits for the owner where that tells whether it is */
void oracle_report(const struct view *view, const struct judgement *judgement, const char *who);

/* The owner's side of it, each for [first, first + pages) */
void oracle_begin(struct peer_state *peer);
void oracle_lose(struct peer_state *peer, unsigned int first, unsigned int pages, int event);
/* @some_left: old contents may still be there */
void oracle_lost(struct peer_state *peer, unsigned int first, unsigned int pages, bool some_left);
void oracle_close(struct peer_state *peer, unsigned int first, unsigned int pages, int event);
void oracle_open(struct peer_state *peer, unsigned int first, unsigned int pages,
		 enum access access);

/* ------------------------------------------------------------------- roles */

_Noreturn void peer_run(unsigned int slot);
_Noreturn void checker_run(void);
_Noreturn void stressor_run(void);

/* torture_events.c, for the owner thread */
struct owner {
	unsigned int slot;
	struct peer_state *peer;
	struct view view;		/* of itself */
	uint64_t random;
	int fd[REGION_MAX];
	char *arena;
	int device;
	pid_t copy;			/* a forked child that watches its copy, or 0 */
};

/* Held where addresses of the process are free for a moment, and where some are taken */
void addresses_lock(void);
void addresses_unlock(void);

/* Where segment @segment starts in the arena, and its pages there */
void segment_place(unsigned int segment, unsigned int *first, unsigned int *pages);
void arena_make(struct owner *owner);
void arena_event(struct owner *owner);
enum region region_of(unsigned int page);
unsigned int region_first(enum region region);
unsigned int region_pages(enum region region);
/* One of [first, first + pages), mostly of the few where everybody meets */
unsigned int pick_page(uint64_t *random, unsigned int first, unsigned int pages);
/* One own word read and one written, where access allows */
void arena_use(struct owner *owner);
/* Pages that nobody but this process may change */
void canary_make(void);
void canary_check(const char *who);

#endif /* TORTURE_H */
