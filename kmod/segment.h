/* SPDX-License-Identifier: GPL-2.0-only */
/* A segment: a range of the owner's addresses that others may attach. */
#ifndef XPM_SEGMENT_H
#define XPM_SEGMENT_H

#include <linux/fs.h>
#include <linux/interval_tree.h>
#include <linux/kref.h>
#include <linux/mmu_notifier.h>
#include <linux/workqueue.h>

#include "id.h"
#include "rmap.h"
#include "xpmem_ioctl.h"

struct seq_file;
struct xpm_share;
struct xpm_process;
struct xpm_user;

struct xpm_segment {
	struct xpm_id id;
	struct kref ref;
	struct list_head link;		/* in process->segments, under its lock */
	struct xpm_process *process;	/* held */
	struct xpm_user *user;		/* charged, until killed */
	struct pid *tgid;		/* who made it */
	struct mm_struct *mm;		/* mm_count held */
	unsigned long start;		/* [start, end) of the owner's addresses */
	unsigned long end;
	umode_t mode;
	const struct cred *cred;	/* the owner's, when it was made */

	struct mmu_interval_notifier notifier;
	/*
	 * Every attachment is a mapping of this, page offset = page of the
	 * segment: its i_mmap tree answers who maps an owner address.
	 */
	struct address_space mapping;
	struct xpm_rmap rmap;
	bool dead;			/* under rmap.lock: nothing is inserted */
	bool remote;			/* part of a struct xpm_remote: no owner here */
	bool numbered;			/* has this partition's number in its id */

	struct xpm_share *share;	/* share.c: what others may have of it, or NULL */
	struct list_head changes;	/* xpm_rmap_range.link, under rmap.lock */

	struct interval_tree_node span;	/* aging.c: in process->aging until killed */
	struct work_struct aging_work;
	struct work_struct bury_work;	/* notifier.c */

	/* What happened, for who looks at it */
	atomic_long_t faults;		/* that mapped something */
	atomic_long_t fault_pages;
	u64 invalidations;		/* under rmap.lock */
	atomic_t permits;
	atomic_t attachments;
	atomic_long_t zaps;
	atomic_long_t recalls;
	atomic_long_t aged;

	struct rcu_head rcu;
};

int xpm_segment_init(void);
void xpm_segment_exit(void);

/* Requests; see xpmem_ioctl.h */
long xpm_segment_make(struct xpm_process *process, struct xpmem_ioc_make *req);
long xpm_segment_remove(struct xpm_process *process, s64 id);
/* The same whoever made it; the caller may do that. */
long xpm_segment_drain(s64 id);

/* For remote.c, of a zeroed structure: what permits and attachments want of a segment */
void xpm_segment_init_remote(struct xpm_segment *segment);

/* The live segment with this id, with a reference, or an error pointer. */
struct xpm_segment *xpm_segment_find(s64 id);
void xpm_segment_put(struct xpm_segment *segment);

static inline void xpm_segment_hold(struct xpm_segment *segment)
{
	kref_get(&segment->ref);
}

/*
 * Calls @show for every live segment until it returns something else than 0,
 * which is called inside rcu_read_lock(); a table that is changed meanwhile may be
 * seen in part, or in part twice.
 */
int xpm_segment_for_each(int (*show)(struct xpm_segment *segment, void *data), void *data);

/*
 * Whether its owner took it away or is gone.  The second is seen here before the
 * teardown has come to it.  False may be over at once; faults look again.
 */
bool xpm_segment_is_dead(struct xpm_segment *segment);

/* Whether current may get it for reading, or (@write) reading and writing */
bool xpm_segment_permits(struct xpm_segment *segment, bool write);

/*
 * Makes the segment dead: its id is unknown, every access through an attachment
 * raises SIGBUS.  Drops the owner's reference.  The caller took it off the
 * process's list, so it comes once.  Sleeps.
 */
void xpm_segment_kill(struct xpm_segment *segment);

/*
 * Pages are counted from the segment's start, in the rmap and as page offsets of
 * attachments, whose /proc/<pid>/maps thus tells nothing of the owner's addresses.
 */
static inline unsigned long xpm_segment_last(struct xpm_segment *segment)
{
	return ((segment->end - segment->start) >> PAGE_SHIFT) - 1;
}

static inline unsigned long xpm_segment_address(struct xpm_segment *segment, unsigned long index)
{
	return segment->start + (index << PAGE_SHIFT);
}

/* The page of an address in [start, end) */
static inline unsigned long xpm_segment_index(struct xpm_segment *segment, unsigned long addr)
{
	return (addr - segment->start) >> PAGE_SHIFT;
}

#endif /* XPM_SEGMENT_H */
