/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Remote segments: what this partition keeps of a segment whose owner is on another
 * one, its home.  See remote.c; the pages are replica.c's.
 */
#ifndef XPM_REMOTE_H
#define XPM_REMOTE_H

#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include "channel.h"
#include "segment.h"

struct mem_cgroup;
struct xpm_home;

/*
 * A segment to permits, attachments and insert.c: VALID in its reverse map are the
 * replicas that may be used now, WRITABLE those of them that are EXCLUSIVE.
 */
struct xpm_remote {
	struct xpm_segment segment;
	struct xpm_home *home;		/* good for ever */
	struct list_head of_home;	/* in home->remotes, until forgotten */
	struct mem_cgroup *memcg;	/* of who made it; held */

	struct mutex lock;		/* replica.c: who changes replicas */
	struct xarray replicas;		/* by page, see replica.c */
	atomic_long_t nr_replicas;
	atomic_long_t nr_shared;	/* of these */

	spinlock_t asks_lock;
	struct list_head asks;		/* xpm_ask.link: faults that wait, see ask.c */
	wait_queue_head_t changed;	/* an ask is over, there may be what was not */

	unsigned long evict_at;		/* shrink.c, under home->lock */

	/* Under the channel's lock */
	unsigned int users;		/* permits, and GETs that have been granted */
	u32 opener_uid;			/* of the first, or the first for writing */
	u32 opener_gid;
	u32 opener_flags;		/* XPMEM_CTL_WRITE */
	bool opened;			/* there is one */
	struct xpm_notice release;	/* nobody is left */
	struct xpm_notice drop;		/* pages [drop_first, drop_end) are not wanted */
	bool drop_all;			/* or all, if nobody attaches it again */
	unsigned long drop_first;
	unsigned long drop_end;

	/* What happened */
	atomic_long_t asked;
	atomic_long_t installed;
	atomic_long_t taken;
};

int xpm_remote_init(void);
void xpm_remote_exit(void);

/* The remote segment of a permit's segment, which is one */
static inline struct xpm_remote *xpm_remote_of(struct xpm_segment *segment)
{
	return container_of(segment, struct xpm_remote, segment);
}

static inline void xpm_remote_hold(struct xpm_remote *remote)
{
	xpm_segment_hold(&remote->segment);
}

static inline void xpm_remote_put(struct xpm_remote *remote)
{
	xpm_segment_put(&remote->segment);
}

/* For segment.c: the last reference is gone. */
void xpm_remote_free(struct xpm_remote *remote);

/* Whether the id is that of another partition's segment */
bool xpm_remote_is_foreign(s64 segid);

/*
 * Asks the home for a permit of current's; returns the segment with a reference and
 * one user.  Sleeps, may be killed.
 */
struct xpm_segment *xpm_remote_get(s64 segid, bool write);
/* A user less */
void xpm_remote_unuse(struct xpm_remote *remote);
/* The module wants to be rid of the pages [first, end): says so, if that can be said now */
void xpm_remote_unwanted(struct xpm_remote *remote, unsigned long first, unsigned long end);
/* The last attachment is gone, any lock may be held. */
void xpm_remote_detached(struct xpm_remote *remote);

/* Asks the home whether the pages may be attached: 0, or an error of the attach */
int xpm_remote_attach(struct xpm_remote *remote, unsigned long first, unsigned long count);

/* With a reference, or NULL */
struct xpm_remote *xpm_remote_find(s64 segid);
/* That with the lowest id of at least @segid, the same */
struct xpm_remote *xpm_remote_next(s64 segid);

/* Tells a new daemon what the one before it was told and may not have come to do. */
void xpm_remote_tell_unused(void);

/* Requests of the daemon; see xpmem_ctl.h */
/* The answer to a GET: 0, -ENOENT, -EINVAL */
int xpm_remote_granted(u64 id, u64 size);
/* @unused: only if it has no user, else -EBUSY */
long xpm_remote_forget(s64 segid, bool unused);
long xpm_remote_list(struct xpmem_ctl_list *req);
long xpm_remote_opener(struct xpmem_ctl_opener *req);

#endif /* XPM_REMOTE_H */
