/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the fail-nth test: injection, its operations, and the owner. */
#ifndef FAIL_NTH_H
#define FAIL_NTH_H

#include "robust.h"

/* --------------------------------------------------------------- injection */

/* What an operation did whose nth allocation was to fail */
struct outcome {
	int result;	/* 0, -errno, or the number of the signal it raised */
	bool injected;	/* it came as far as the nth */
};

/* Once a process, before the first armed() */
void injection_begin(void);
/* The nth allocation of @operation fails, and no other's */
struct outcome armed(int (*operation)(void), unsigned int nth);
/* For those that do not come back: armed until they end */
void arm(unsigned int nth);
void arm_other(pid_t pid, unsigned int nth);
/* Whether the dead child, which is still to be collected, came to its nth */
bool other_was_injected(pid_t pid);

/* --------------------------------------------------------------- the owner */

#define OWNER_PAGES 70		/* one leaf and part of another */

enum owner_memory {
	OWNER_ANON,
	OWNER_SHMEM,
};

enum owner_what {
	OWNER_FORK,
	OWNER_DONTNEED,		/* pages 0..63 */
	OWNER_MUNMAP,		/* page 64 */
	OWNER_MPROTECT,		/* page 64 becomes read-only */
	OWNER_REMOVE,
	OWNER_CLOSE,
};

/* Its answers, and what a child tells about its own operation */
struct told {
	struct outcome outcome;
	int64_t segid;
	uint64_t value;
};

extern struct told *told;

void owner_start(void);
void owner_stop(void);
/* New memory, one segment: told->segid.  Page i holds owner_value(i) or is untouched. */
void owner_fresh(enum owner_memory memory, bool touched);
uint64_t owner_value(unsigned int page);
uint64_t owner_peek(unsigned int page);
/* Forks a child that shares all pages copy on write, and in the end tells their change */
void owner_keep_copy(void);
void owner_pageout(void);
struct outcome owner_armed(enum owner_what what, unsigned int nth);
/* Ends with the nth allocation failing; owner_start() after that */
struct outcome owner_exit(unsigned int nth);
void owner_clean(void);

/* -------------------------------------------------------------- operations */

struct operation {
	const char *name;
	void (*set_up)(void);
	/* One of the two */
	int (*here)(void);
	struct outcome (*elsewhere)(unsigned int nth);
	/* What is true after it, whether it failed or not */
	void (*verify)(int result);
	void (*clean)(void);
	bool may_signal;	/* SIGBUS is how it fails */
	bool may_fail;		/* with ENOMEM, or EFAULT when a copy was made to fail */
	bool changes_nothing;	/* the module's counts are the same after a failure */
};

extern const struct operation operations[];
extern const unsigned int nr_operations;

#endif /* FAIL_NTH_H */
