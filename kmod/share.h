/* SPDX-License-Identifier: GPL-2.0-only */
/* Segments that other partitions may have: see share.c */
#ifndef XPM_SHARE_H
#define XPM_SHARE_H

#include <linux/pid.h>
#include <linux/sched.h>

#include "segment.h"
#include "xpmem_ctl.h"
#include "xpmem_ioctl.h"

struct xpm_process;

/* What a segment has once its owner shares it, until it is freed */
struct xpm_share {
	u32 flags;			/* XPMEM_SHARE_* */
	bool gone;			/* the daemon knows that the segment is dead */
	struct pid *helper;		/* the owner's thread; held */
};

/* Request; see xpmem_ioctl.h */
long xpm_share(struct xpm_process *process, struct xpmem_ioc_share *req);

/* For segment.c: the segment was killed; and is freed. */
void xpm_share_end(struct xpm_segment *segment);
void xpm_share_free(struct xpm_segment *segment);

/* Whether current is the thread that gives pages up to other partitions */
static inline bool xpm_share_is_helper(const struct xpm_segment *segment)
{
	struct xpm_share *share = READ_ONCE(segment->share);

	/* Compared, not looked at: who is it, is alive. */
	return share && READ_ONCE(share->helper) == task_pid(current);
}

/* A live segment of this partition, with a reference: -ENOENT; -EOPNOTSUPP: not shared */
struct xpm_segment *xpm_share_find(s64 segid);

/* Requests of the daemon; see xpmem_ctl.h */
long xpm_share_segment(struct xpmem_ctl_segment *req);
long xpm_share_check(struct xpmem_ctl_check *req);
long xpm_share_mark(struct xpmem_ctl_mark *req);
long xpm_share_list(struct xpmem_ctl_list *req);

#endif /* XPM_SHARE_H */
