/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xpm_rmap_notifier: who must hear before the owner's pages change.
 *
 * Whoever holds something of an owner's page (a page table entry, a copy on
 * another partition) marks the page in the segment's reverse map.  One subscriber
 * stands for each of the marks EXTERNAL and REMOTE:
 *
 *  EXTERNAL  attachments of this node (zap.c)
 *  REMOTE    recalls of what other partitions have
 *
 * The VM's invalidation (notifier.c) revokes the range, so that nothing new is
 * handed out, and calls those subscribers whose mark it found: first issue() of
 * all, then wait() of those that asked for it, so that the waits overlap.
 *
 * Contexts.  issue(), wait() and release() may sleep.  All but release() may be
 * called in reclaim, with locks held that reclaim or a truncation holds (of the
 * page, and i_mmap_rwsem or anon_vma), and the mmap_lock of the owner: so they
 * must not allocate with anything that reclaims, and must not wait for what needs
 * these.  They are called concurrently, for the same pages too.  The module holds
 * no lock of its own but an SRCU read section.
 */
#ifndef XPM_RMAP_NOTIFIER_H
#define XPM_RMAP_NOTIFIER_H

#include <linux/completion.h>
#include <linux/mmu_notifier.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "channel.h"
#include "rmap.h"

struct xpm_segment;

/* Pages that are about to change */
struct xpm_rmap_range {
	struct xpm_segment *segment;
	s64 segid;
	unsigned long first;		/* [first, last], pages of the segment */
	unsigned long last;
	unsigned long wide_first;	/* the same, see xpm_rmap_widen() */
	unsigned long wide_last;
	enum mmu_notifier_event event;	/* why, as the VM says it */
	/*
	 * Current reclaims memory: the pages' content stays what it is, and
	 * nobody but it should have to wait for long.
	 */
	bool reclaim;
	/*
	 * The same may be said of others: the pages' content stays what it is, or
	 * goes with the knowledge of who has copies.
	 */
	bool content_stays;

	/* notifier.c, under rmap.lock: pages marked REMOTE since it began, if any */
	struct list_head link;		/* in segment->changes */
	unsigned long marked_first;
	unsigned long marked_last;
};

/* A subscriber's own, from issue() to the end of wait(); on the caller's stack */
struct xpm_rmap_wait {
	const struct xpm_rmap_range *range;
	union {
		struct {
			struct work_struct work;
			struct completion done;
		};
		struct xpm_question question;
	};
};

enum xpm_rmap_answer {
	XPM_RMAP_GONE,		/* nothing of the range is held any more */
	XPM_RMAP_WAIT,		/* will be gone when wait() returns */
	/*
	 * Copies are held on, which do not depend on the frame and are told of
	 * the next change too: the mark stays.  For range->content_stays alone.
	 */
	XPM_RMAP_KEPT,
};

/* Every operation is mandatory. */
struct xpm_rmap_notifier_ops {
	const char *name;		/* in tracepoints */

	/* Begins to take away what is held of the range; does not wait for it. */
	enum xpm_rmap_answer (*issue)(const struct xpm_rmap_range *range,
				      struct xpm_rmap_wait *wait);
	/*
	 * Waits for what issue() began.  When it returns, nothing of the range is
	 * held, whoever had to be declared dead for that.  It comes to an end in
	 * bounded time, and soon when current is killed.  A task that exits
	 * (PF_EXITING) gets no signal any more: there the time is the only bound.
	 */
	void (*wait)(const struct xpm_rmap_range *range, struct xpm_rmap_wait *wait);
	/*
	 * In place of the two where the VM may not sleep (the OOM reaper): true
	 * when nothing of the range is held, false refuses, and the VM leaves the
	 * range alone until it may sleep.
	 */
	bool (*invalidate_nonblock)(const struct xpm_rmap_range *range);
	/*
	 * The segment is dead, removed by its owner or with it; called when it
	 * has marked pages, with nothing held.  All that is held of it is gone
	 * when this returns.  May come twice, also at once.
	 */
	void (*release)(struct xpm_segment *segment);
};

/*
 * Subscribes for @mark, XPM_RMAP_EXTERNAL or XPM_RMAP_REMOTE.  From here calls
 * come, for pages that have the mark.  EINVAL: an operation is missing or there
 * is no such mark; EBUSY: the mark has its subscriber.  @ops stays where it is
 * until it is unsubscribed.
 */
int xpm_rmap_notifier_register(unsigned int mark, const struct xpm_rmap_notifier_ops *ops);

/*
 * Ends it and waits for calls under way: their caller must not be inside one.
 * The subscriber has let go of all pages before; marks that are left are dropped
 * as the pages change.
 */
void xpm_rmap_notifier_unregister(unsigned int mark, const struct xpm_rmap_notifier_ops *ops);

/*
 * Marks the pages of [first, last] that are VALID as REMOTE and returns their
 * number, or -ENOENT when there is no such segment.  A page that is not marked
 * may change without a call.
 */
long xpm_rmap_notifier_mark_remote(s64 segid, unsigned long first, unsigned long last);

int xpm_rmap_notifier_init(void);
void xpm_rmap_notifier_exit(void);

/*
 * For notifier.c.  @marks are those of the range; the first returns those that
 * are to be forgotten, the second whether nothing is held.
 */
unsigned int xpm_rmap_notifier_invalidate(const struct xpm_rmap_range *range, unsigned int marks);
bool xpm_rmap_notifier_invalidate_nonblock(const struct xpm_rmap_range *range, unsigned int marks);
void xpm_rmap_notifier_release(struct xpm_segment *segment, unsigned int marks);

#endif /* XPM_RMAP_NOTIFIER_H */
