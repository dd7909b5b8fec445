/* SPDX-License-Identifier: GPL-2.0-only */
/* What /dev/recall does; see recall.c */
#ifndef RECALL_H
#define RECALL_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct recall_mark {
	__s64 segid;
	__u64 first;
	__u64 last;	/* inclusive */
	__s64 pages;	/* out: how many are REMOTE now */
};

/* How the subscriber behaves: bits, all 0 at first */
#define RECALL_HOLD		(1 << 0) /* wait() until this is cleared or current killed */
#define RECALL_STUBBORN		(1 << 1) /* with RECALL_HOLD: deaf to signals, for 10 s */
#define RECALL_HOLD_ISSUE	(1 << 2) /* issue() until this is cleared or current killed */
#define RECALL_GONE		(1 << 3) /* issue() says that nothing is held */
#define RECALL_KEEP_RECLAIM	(1 << 4) /* issue() says that copies are held on, in reclaim */

struct recall_counts {
	__u64 issues;
	__u64 waits;	/* begun */
	__u64 issuing;	/* that are held in issue() now */
	__u64 waiting;	/* that are held in wait() now */
	__u64 killed;	/* ended by a signal */
	__u64 reclaims;	/* issues whose range was for reclaim */
	__u64 nonblocks;
	__u64 refusals;	/* of these */
	__u64 releases;
	/* of the last issue or nonblock */
	__s64 segid;
	__u64 first;
	__u64 last;
	__u64 event;
};

/* What register and unregister are asked to do, for RECALL_TRY */
enum recall_try {
	RECALL_TRY_SUBSCRIBE,
	RECALL_TRY_UNSUBSCRIBE,
	/* Each must be refused; a registration that is not is undone. */
	RECALL_TRY_SECOND,		/* REMOTE again */
	RECALL_TRY_EXTERNAL,		/* which is the module's own */
	RECALL_TRY_NO_MARK,
	RECALL_TRY_TWO_MARKS,
	RECALL_TRY_UNKNOWN_MARK,
	RECALL_TRY_NO_NAME,
	RECALL_TRY_NO_ISSUE,
	RECALL_TRY_NO_WAIT,
	RECALL_TRY_NO_NONBLOCK,
	RECALL_TRY_NO_RELEASE,
	RECALL_TRIES,
};

#define RECALL_MARK	_IOWR('r', 1, struct recall_mark)
#define RECALL_BEHAVE	_IO('r', 2)		/* argument: the bits */
#define RECALL_COUNTS	_IOR('r', 3, struct recall_counts)
#define RECALL_TRY	_IO('r', 4)		/* argument: enum recall_try */

#endif /* RECALL_H */
