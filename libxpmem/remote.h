/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Segments that other partitions can attach: remote.c, and its two threads.
 *
 *  helper (helper.c)  does to the owner's memory what xpmemd asks for.  It is the
 *                     thread that called XPMEM_IOC_SHARE.  It may wait: for the
 *                     mmap_lock, and for events of the userfaultfd to be read.
 *  link (link.c)      talks to xpmemd, connects again when it has gone, and reads the
 *                     events as long as nobody else does.  It never waits for the
 *                     helper or for memory.
 *
 * What a thread that calls the library wants, it writes to @want and kicks the link;
 * what it gets is in @held and @started.  The helper gets one question at a time, in
 * @job.  Whoever waits for one of these words does so with word_wait.
 *
 * Descriptors.  The two threads have a descriptor table of their own
 * (CLOSE_RANGE_UNSHARE), with nothing in it but what they opened.  So the
 * application can't close what it did not open, a child has no copy that would keep a
 * userfaultfd alive, and the process's descriptors are those it had.
 *
 * Memory.  All that the threads touch while they serve is in the arena, the data of
 * this library, or that of the C library, and none of it is ever trapped (own.c).
 * They allocate nothing then.
 */
#ifndef XPMEM_REMOTE_H
#define XPMEM_REMOTE_H

#include "maps.h"
#include "xpmem.h"
#include "xpmem_owner.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

/* ---- Ranges of addresses that were given up and may still be elsewhere. */

#define AWAY_MAX 256

/*
 * One thread writes.  When there are more than AWAY_MAX, two become one with what is
 * between them.
 */
struct away {
	_Atomic uint32_t count;
	struct {
		_Atomic uintptr_t start;
		_Atomic uintptr_t end;
	} range[AWAY_MAX];
};

void away_add(struct away *away, uintptr_t start, uintptr_t end);

/*
 * Where memory of these ranges is missing in this process have accesses raise
 * SIGBUS: what was there can't be had any more.
 */
void away_raise_sigbus(const struct away *away);

/* ---- The words. */

/* Returns when *@word is not @value, or at @deadline (word_clock(), or -1). */
void word_wait(_Atomic uint32_t *word, uint32_t value, int64_t deadline);
void word_set(_Atomic uint32_t *word, uint32_t value);
/* Of CLOCK_BOOTTIME. */
int64_t word_clock(void);

enum {
	WANT_SERVE, /* serve, connecting as often as needed */
	WANT_HOLD,  /* and keep all pages at home; @held tells when they are */
	WANT_APART, /* no connection */
	WANT_END    /* nor threads */
};

enum {
	HELD_NOT_YET,
	HELD,
	HELD_REFUSED
};

enum {
	JOB_NONE,
	JOB_ASKED, /* the helper's: @question; it writes @answer and @text */
	JOB_DONE,  /* the link's */
	JOB_END	   /* the helper ends */
};

/* @started: 0: not yet; else STARTED, plus an errno when it failed */
#define STARTED 0x10000U

struct remote {
	/* of remote.c, under its lock */
	struct remote *next;
	int own; /* number of own_add */
	size_t size;

	/* does not change while the threads run */
	xpmem_segid_t segid;
	uintptr_t start; /* of the segment */
	uintptr_t end;
	uintptr_t page;
	uint32_t share;
	struct sockaddr_un daemon;
	char *link_stack;
	size_t stack_size;
	pthread_t helper;
	pthread_t link;

	/* descriptors, of the threads' own table */
	int userfault;
	int pagemap;
	int lost; /* an empty file: every access to a mapping of it is SIGBUS */
	int kicks;

	_Atomic uint32_t want;
	_Atomic uint32_t held;
	_Atomic uint32_t started;
	_Atomic uint32_t fork_ms;
	_Atomic bool gone; /* xpmemd: there is no such segment */
	_Atomic uint32_t job;
	struct xpmem_owner_packet question;
	struct xpmem_owner_packet answer;
	char text[XPMEM_OWNER_TEXT];
	size_t text_length;

	struct away away;
};

/* Let the link look at the words. */
void link_kick(const struct remote *remote);

/* Bodies of the threads; the helper starts the link. */
void *helper_main(void *remote);
void *link_main(void *remote);

/* Start a thread on [stack, stack + size).  Returns 0 or -errno. */
int remote_start_thread(pthread_t *thread_ret, char *stack, size_t size,
			void *(*body)(void *remote), struct remote *remote);

/* Answer @question.  What it returns is @answer.error. */
uint32_t helper_answer(struct remote *remote);

/* bits of /proc/PID/pagemap */
#define PAGE_PRESENT (UINT64_C(3) << 62) /* or swapped out */
#define PAGE_TRAPPED (UINT64_C(1) << 57) /* write-protected by a userfaultfd */

/* For the helper's: the text of the answer is the mapping's line. */
void helper_say(struct remote *remote, const struct maps_entry *entry);
/*
 * Do all pages of the range have, or lack, one of the bits?  Returns 1 or 0, or
 * -errno.
 */
int helper_all_pages(const struct remote *remote, uintptr_t start,
		     uintptr_t end, uint64_t bits, bool have);

/* SPLIT: of the page of hugetlb that @at is in.  Returns 0 or -errno. */
int helper_split(struct remote *remote, uintptr_t at);

/* An empty file whose size can't change.  Returns a descriptor or -errno. */
int open_lost(void);

/* ---- For api.c and ext.c. */

int remote_make(void *vaddr, size_t size, int permit_type, void *permit_value,
		uint32_t share, xpmem_segid_t *segid_ret);

/*
 * Returns 0 when @segid is no segment of remote_make in this process, else 1, and
 * then *@rc_ret is 0 or -errno, of XPMEM_IOC_REMOVE.
 */
int remote_remove(xpmem_segid_t segid, int *rc_ret);

#endif /* XPMEM_REMOTE_H */
