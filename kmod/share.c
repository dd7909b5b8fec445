// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sharing: segments of this partition that others may have, by their owner's wish, and
 * what the daemon may ask and say of these.  It reaches nothing else: of a segment that
 * is not shared it learns what /proc/xpmem/segments tells.
 *
 * MARK comes before the daemon copies a page or has its owner give it up, and what
 * changes a marked page asks the daemon first (recall.c).  So there is no moment at
 * which a copy is out and a change is not told.  A mark that is set while a change is
 * under way is of a copy that is made afterwards, as copies are made of VALID pages
 * alone: it survives the end of that change (notifier.c: forget_remote).
 */
#include "share.h"

#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

#include "channel.h"
#include "process.h"
#include "recall.h"
#include "rmap_notifier.h"
#include "xpm.h"

#define MAX_GROUPS	65536

static int share(struct xpm_segment *segment, u32 flags)
{
	struct xpm_share *share = segment->share;
	struct pid *old;
	int err;

	if (!share) {
		share = kzalloc(sizeof(*share), GFP_KERNEL_ACCOUNT);
		if (!share)
			return -ENOMEM;
		err = xpm_recall_begin();
		if (err) {
			kfree(share);
			return err;
		}
	}
	old = share->helper;
	WRITE_ONCE(share->helper, get_pid(task_pid(current)));
	WRITE_ONCE(share->flags, flags | (flags & XPMEM_SHARE_WRITE ? XPMEM_SHARE_READ : 0));
	/* Whoever sees it, sees it whole; it stays as long as the segment. */
	smp_store_release(&segment->share, share);
	put_pid(old);
	return 0;
}

long xpm_share(struct xpm_process *process, struct xpmem_ioc_share *req)
{
	struct xpm_segment *segment;
	long err;

	if (req->flags & ~(XPMEM_SHARE_READ | XPMEM_SHARE_WRITE | XPMEM_SHARE_LAST_COPY))
		return -EOPNOTSUPP;
	if (!(req->flags & (XPMEM_SHARE_READ | XPMEM_SHARE_WRITE)))
		return -EINVAL;
	segment = xpm_segment_find(req->segid);
	if (IS_ERR(segment))
		return PTR_ERR(segment);
	err = -EACCES;
	if (segment->process != process)
		goto out;
	err = -ENOTCONN;
	if (!segment->numbered)
		goto out;
	mutex_lock(&process->lock);
	err = list_empty(&segment->link) ? -ENOENT : share(segment, req->flags);
	mutex_unlock(&process->lock);
out:
	xpm_segment_put(segment);
	return err;
}

void xpm_share_end(struct xpm_segment *segment)
{
	if (!segment->share)
		return;
	xpm_recall_gone(segment);
	xpm_recall_end();
}

void xpm_share_free(struct xpm_segment *segment)
{
	if (!segment->share)
		return;
	put_pid(segment->share->helper);
	kfree(segment->share);
}

/* ---------------------------------------------- for the daemon */

static struct xpm_segment *find(s64 segid)
{
	struct xpm_segment *segment = segid > 0 ? xpm_segment_find(segid) : ERR_PTR(-ENOENT);

	if (!IS_ERR(segment) && xpm_segment_is_dead(segment)) {
		xpm_segment_put(segment);
		segment = ERR_PTR(-ENOENT);
	}
	return segment;
}

struct xpm_segment *xpm_share_find(s64 segid)
{
	struct xpm_segment *segment = find(segid);

	/* see share() */
	if (!IS_ERR(segment) && !smp_load_acquire(&segment->share)) {
		xpm_segment_put(segment);
		segment = ERR_PTR(-EOPNOTSUPP);
	}
	return segment;
}

long xpm_share_segment(struct xpmem_ctl_segment *req)
{
	struct xpm_segment *segment = find(req->segid);
	struct xpm_share *share;

	if (IS_ERR(segment))
		return PTR_ERR(segment);
	share = smp_load_acquire(&segment->share);	/* see share() */
	req->out_flags = share ? READ_ONCE(share->flags) : 0;
	req->out_start = segment->start;
	req->out_length = segment->end - segment->start;
	req->out_mode = segment->mode;
	req->out_uid = from_kuid(&init_user_ns, segment->cred->euid);
	req->out_gid = from_kgid(&init_user_ns, segment->cred->egid);
	req->out_pid = pid_nr(segment->tgid);
	xpm_segment_put(segment);
	return 0;
}

/* The class of permission bits that a user has, as a shift; or an error */
static int class_of(const struct xpm_segment *segment, const struct xpmem_ctl_check *req)
{
	u32 egid = from_kgid(&init_user_ns, segment->cred->egid);
	u32 *groups, i;
	int class = 0;

	if (req->uid == from_kuid(&init_user_ns, segment->cred->euid))
		return 6;
	if (req->gid == egid)
		return 3;
	if (!req->nr_groups)
		return 0;
	groups = vmemdup_user(u64_to_user_ptr(req->groups), req->nr_groups * sizeof(*groups));
	if (IS_ERR(groups))
		return PTR_ERR(groups);
	for (i = 0; i < req->nr_groups && !class; i++)
		class = groups[i] == egid ? 3 : 0;
	kvfree(groups);
	return class;
}

static int check(const struct xpm_segment *segment, const struct xpmem_ctl_check *req)
{
	bool write = req->flags & XPMEM_CTL_WRITE;
	unsigned int granted = segment->mode & xpm_permit_mask();
	unsigned int wanted = write ? 06 : 04;
	int class;

	if (write && !(READ_ONCE(segment->share->flags) & XPMEM_SHARE_WRITE))
		return -EOPNOTSUPP;
	class = class_of(segment, req);
	if (class < 0)
		return class;
	return (granted >> class & wanted) == wanted ? 0 : -EACCES;
}

long xpm_share_check(struct xpmem_ctl_check *req)
{
	struct xpm_segment *segment;
	long err;

	if (req->flags & ~XPMEM_CTL_WRITE || req->reserved)
		return -EOPNOTSUPP;
	if (req->nr_groups > MAX_GROUPS)
		return -EINVAL;
	segment = xpm_share_find(req->segid);
	if (IS_ERR(segment))
		return PTR_ERR(segment);
	err = check(segment, req);
	xpm_segment_put(segment);
	return err;
}

/* ---------------------------------------------------------- MARK */

/* Those who are just changing some of the pages do not forget the mark; lock held */
static void tell_recalls(struct xpm_segment *segment, unsigned long first, unsigned long last)
{
	struct xpm_rmap_range *range;

	list_for_each_entry(range, &segment->changes, link) {
		unsigned long from = max(first, range->first), to = min(last, range->last);

		if (from > to)
			continue;
		if (range->marked_first > range->marked_last) {
			range->marked_first = from;
			range->marked_last = to;
		} else {
			range->marked_first = min(range->marked_first, from);
			range->marked_last = max(range->marked_last, to);
		}
	}
}

/* Pages of one leaf */
static int mark_leaf(struct xpm_segment *segment, unsigned long first, unsigned long last,
		     bool away)
{
	struct xpm_rmap *rmap = &segment->rmap;
	bool marked, dead;
	int err;

	do {
		err = xpm_rmap_reserve(rmap, first);
		if (err)
			return err;
		write_lock(&rmap->lock);
		dead = segment->dead;
		marked = !dead && xpm_rmap_mark_remote(rmap, first, last, away);
		if (marked)
			tell_recalls(segment, first, last);
		if (dead)
			xpm_rmap_trim(rmap, first);
		write_unlock(&rmap->lock);
	} while (!marked && !dead);
	return dead ? -ENOENT : 0;
}

static int mark(struct xpm_segment *segment, unsigned long first, unsigned long last, bool away)
{
	unsigned long end;
	int err = 0;

	for (; first <= last && !err; first = end + 1) {
		end = min(first | (XPM_LEAF_PAGES - 1), last);
		err = fatal_signal_pending(current) ? -EINTR :
						      mark_leaf(segment, first, end, away);
		cond_resched();
	}
	return err;
}

static void clear(struct xpm_segment *segment, unsigned long first, unsigned long last)
{
	struct xpm_rmap *rmap = &segment->rmap;

	write_lock(&rmap->lock);
	while (xpm_rmap_clear_remote(rmap, &first, last))
		cond_resched_rwlock_write(&rmap->lock);
	write_unlock(&rmap->lock);
}

long xpm_share_mark(struct xpmem_ctl_mark *req)
{
	struct xpm_segment *segment;
	u64 last;
	long err = 0;

	if (req->flags & ~(XPMEM_MARK_REMOTE | XPMEM_MARK_AWAY | XPMEM_MARK_CLEAR))
		return -EOPNOTSUPP;
	if (hweight32(req->flags) != 1 || !req->count ||
	    check_add_overflow(req->first, req->count - 1, &last))
		return -EINVAL;
	segment = xpm_share_find(req->segid);
	if (IS_ERR(segment))
		return PTR_ERR(segment);
	xpm_channel_beat(false);
	if (last > xpm_segment_last(segment))
		err = -EINVAL;
	else if (req->flags == XPMEM_MARK_CLEAR)
		clear(segment, req->first, last);
	else
		err = mark(segment, req->first, last, req->flags == XPMEM_MARK_AWAY);
	xpm_segment_put(segment);
	return err;
}

/* --------------------------------------------------- LIST_MARKED */

struct search {
	s64 from;
	s64 found;
};

static int look_at(struct xpm_segment *segment, void *data)
{
	struct search *search = data;
	s64 id = segment->id.value;

	if (id >= search->from && (!search->found || id < search->found) &&
	    READ_ONCE(segment->share))
		search->found = id;
	return 0;
}

/* The shared segment with the lowest id of at least @from, with a reference, or NULL */
static struct xpm_segment *next_shared(s64 from)
{
	struct search search = { .from = from };
	struct xpm_segment *segment;

	for (;; search.from = search.found + 1, search.found = 0) {
		xpm_segment_for_each(look_at, &search);
		if (!search.found)
			return NULL;
		segment = xpm_share_find(search.found);
		if (!IS_ERR(segment))
			return segment;
		if (search.found == S64_MAX)
			return NULL;
	}
}

/* A run, of as many leaves as there are; false: no more */
static bool next_run(struct xpm_segment *segment, struct xpmem_ctl_range *run)
{
	struct xpm_rmap *rmap = &segment->rmap;
	unsigned long first = run->first, last, next, end;
	bool away, more;

	read_lock(&rmap->lock);
	more = xpm_rmap_next_remote(rmap, &first, &last, &away);
	run->first = first;
	run->state = more && away ? XPMEM_PAGE_EXCLUSIVE : XPMEM_PAGE_SHARED;
	next = last + 1;
	/* Bounded, as the lock is held */
	while (more && next <= rmap->last && next - first < (1UL << 20)) {
		bool same;

		first = next;
		if (!xpm_rmap_next_remote(rmap, &first, &end, &same) || first != next ||
		    same != away)
			break;
		last = end;
		next = end + 1;
		first = run->first;
	}
	read_unlock(&rmap->lock);
	run->count = more ? last - run->first + 1 : 0;
	return more;
}

long xpm_share_list(struct xpmem_ctl_list *req)
{
	struct xpmem_ctl_range __user *ranges = u64_to_user_ptr(req->ranges);
	u64 room = req->count;
	struct xpm_segment *segment;

	if (req->flags)
		return -EOPNOTSUPP;
	if (req->segid < 0)
		return -EINVAL;
	req->count = 0;
	while (req->count < room && (segment = next_shared(req->segid))) {
		struct xpmem_ctl_range run = { .segid = segment->id.value };
		bool more;

		run.first = req->segid == run.segid ? req->first : 0;
		more = run.first <= xpm_segment_last(segment) && next_run(segment, &run);
		xpm_segment_put(segment);
		if (fatal_signal_pending(current))
			return -EINTR;
		if (more) {
			if (copy_to_user(&ranges[req->count], &run, sizeof(run)))
				return -EFAULT;
			req->count++;
		}
		if (!more && run.segid == S64_MAX)
			break;
		req->segid = more ? run.segid : run.segid + 1;
		req->first = more ? run.first + run.count : 0;
		cond_resched();
	}
	return 0;
}
