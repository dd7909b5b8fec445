/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The module of a partition under test, and processes that attach: both sides of
 * xpmem_ctl.h without page tables.  All calls wait for what they ask for, ten seconds
 * at most, and fail the test then.
 */
#ifndef MODULE_H
#define MODULE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "uapi/xpmem_ctl.h"

#define MODULE_PAGES	1024	/* of a segment, at most */
#define MODULE_SEGMENTS	4
#define MODULE_ANSWERS	64

struct home_segment {		/* of a process of this partition */
	int64_t segid;
	char *start;
	uint64_t pages;
	uint32_t flags, mode, uid, gid, pid;
	uint8_t marks[MODULE_PAGES];	/* XPMEM_PAGE_* */
};

struct remote_segment {		/* of another's */
	int64_t segid;
	bool permits;			/* somebody has one */
	uint64_t length;
	uint32_t flags, uid, gid;	/* of who got it last */
	uint8_t state[MODULE_PAGES];
	char *data;
};

struct answer {
	uint64_t id;
	uint32_t error;
	uint64_t value;
	bool installed;
};

struct module {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char path[108];
	int listener, records;
	struct home_segment home[MODULE_SEGMENTS];
	struct remote_segment remote[MODULE_SEGMENTS];
	struct answer answers[MODULE_ANSWERS];
	unsigned int next_answer;
	uint64_t next_id;
	uint64_t grace_until;
	uint64_t lease[8];		/* until, by partition */
	unsigned int beats, installs, takes, hellos;
	unsigned int hold;		/* XPMEM_CTL_NR_, the next such request; 0: none */
	bool held;
	uint64_t last_lease;
};

void module_start(struct module *m, const char *path);

/* Home */
struct home_segment *module_share(struct module *m, int64_t segid, void *start, uint64_t pages,
				  uint32_t flags);
/* As an invalidation does: returns when the daemon says that no replica is left */
void module_recall(struct module *m, int64_t segid, uint64_t first, uint64_t count,
		   uint32_t reason);
void module_gone(struct module *m, int64_t segid);
/* The same of one that the module does not find by its id any more */
void module_gone_unknown(struct module *m, int64_t segid);
unsigned int module_mark(struct module *m, int64_t segid, uint64_t page);
/*
 * The next request with number @nr is done, and answered when it is let go.  Of copies one
 * that has nothing populated.
 */
void module_hold(struct module *m, unsigned int nr);
void module_await_held(struct module *m);
void module_let_go(struct module *m);

/* Elsewhere; errors are negative */
int64_t module_get(struct module *m, int64_t segid, bool write);	/* bytes */
int module_attach(struct module *m, int64_t segid, uint64_t first, uint64_t count);
int module_load(struct module *m, int64_t segid, uint64_t page, uint64_t *value_ret);
int module_store(struct module *m, int64_t segid, uint64_t page, uint64_t value);
unsigned int module_state(struct module *m, int64_t segid, uint64_t page);
void module_drop(struct module *m, int64_t segid, uint64_t first, uint64_t count);
/* @again: a process has got it again by the time the daemon hears */
void module_release(struct module *m, int64_t segid, bool again);

/* The process itself has the page, without asking anybody. */
bool is_present(const char *address);

#endif /* MODULE_H */
