// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recalls: before an owner's page changes, what other partitions have of it is taken
 * back.  The subscriber of xpm_rmap_notifier for the mark REMOTE.
 *
 * The daemon is asked (RECALL) and answers when no replica is left.  An owner waits
 * for that no longer than lease + skew, whatever becomes of daemon and network: who has
 * the page is renewed no lease from the moment on at which the daemon has read the
 * question, and nobody is before, as the module refuses its BEAT while there is one that
 * it has not read.  So the leases of all who have the page have run out by then.
 *
 *  - A daemon that has read it may answer later.  It goes on with the recall, and gives
 *    nobody the page before it is done.  Or it hangs: an owner that unmaps needs it once
 *    more, see xpm_channel_unmapped().
 *  - One that has not, hangs, or has just begun.  It may hold marks for true that are
 *    forgotten now: it is fenced, and killed.
 *  - Without one the wait ends when all leases have run out, which may be before.
 *
 * Either way no replica is in use when the owner goes on.  A thread of the owner that
 * is killed does not wait: its process is about to lose everything, which is told as
 * the end of the segment.  One of another process (which truncates a file) does, as
 * what it leaves behind would be wrong for good.
 *
 * A change that leaves the content as it is (range->content_stays) recalls nothing:
 * replicas are copies, not mappings.  So reclaim never waits for the network.
 */
#include "recall.h"

#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "channel.h"
#include "rmap_notifier.h"
#include "segment.h"
#include "share.h"

static DEFINE_MUTEX(users_lock);
static unsigned int users;

static u32 reason_of(enum mmu_notifier_event event)
{
	switch (event) {
	case MMU_NOTIFY_UNMAP:
	case MMU_NOTIFY_RELEASE:
		return XPMEM_CTL_REASON_UNMAP;
	case MMU_NOTIFY_CLEAR:
		return XPMEM_CTL_REASON_CLEAR;
	default:
		return XPMEM_CTL_REASON_PROTECT;
	}
}

/* Until when to wait, with a daemon or without */
static u64 wait_until(u64 deadline, bool ready)
{
	return ready ? deadline : min(deadline, xpm_channel_leases_until());
}

/* Whether something has happened that a sleeper has to look at */
static bool is_news(const struct xpm_question *question, bool ready)
{
	return READ_ONCE(question->done) || ready != xpm_channel_is_ready();
}

static void await(struct xpm_question *question, bool killable)
{
	u64 deadline = ktime_get_boottime_ns() + xpm_channel_lease_ns() + XPM_CHANNEL_SLACK_NS;
	long ret = 0;

	while (!READ_ONCE(question->done) && ret >= 0) {
		bool ready = xpm_channel_is_ready();
		u64 until = wait_until(deadline, ready), now = ktime_get_boottime_ns();
		long left;

		if (now >= until)
			break;
		left = nsecs_to_jiffies(until - now) + 1;
		if (killable)
			ret = wait_event_killable_timeout(question->wait, is_news(question, ready),
							  left);
		else
			wait_event_timeout(question->wait, is_news(question, ready), left);
	}
	/* Who is killed leaves the answer to the end of its process. */
	if (ret >= 0)
		xpm_channel_overdue(question);
}

static void ask_and_await(struct xpm_question *question, const struct xpm_segment *segment)
{
	xpm_channel_ask(question);
	await(question, current->mm == segment->mm);
	xpm_channel_withdraw(question);
}

static enum xpm_rmap_answer recall_issue(const struct xpm_rmap_range *range,
					 struct xpm_rmap_wait *wait)
{
	struct xpm_question *question = &wait->question;

	if (range->content_stays)
		return XPM_RMAP_KEPT;
	xpm_question_init(question, XPMEM_CTL_RECALL);
	question->record.segid = range->segid;
	question->record.first = range->first;
	question->record.count = range->last - range->first + 1;
	question->record.reason = reason_of(range->event);
	xpm_channel_ask(question);
	return XPM_RMAP_WAIT;
}

static void recall_wait(const struct xpm_rmap_range *range, struct xpm_rmap_wait *wait)
{
	await(&wait->question, current->mm == range->segment->mm);
	xpm_channel_withdraw(&wait->question);
}

static bool recall_nonblock(const struct xpm_rmap_range *range)
{
	return false;
}

static void gone(struct xpm_segment *segment)
{
	struct xpm_question question;

	if (!segment->share)
		return;
	WRITE_ONCE(segment->share->gone, true);
	xpm_question_init(&question, XPMEM_CTL_GONE);
	question.record.segid = segment->id.value;
	question.record.count = xpm_segment_last(segment) + 1;
	ask_and_await(&question, segment);
}

static const struct xpm_rmap_notifier_ops recall_ops = {
	.name = "partitions",
	.issue = recall_issue,
	.wait = recall_wait,
	.invalidate_nonblock = recall_nonblock,
	.release = gone,
};

void xpm_recall_gone(struct xpm_segment *segment)
{
	/* Without a mark nobody has a page; a daemon that is not there will ask. */
	if (!READ_ONCE(segment->share->gone) && xpm_channel_is_ready())
		gone(segment);
}

int xpm_recall_begin(void)
{
	int err = 0;

	mutex_lock(&users_lock);
	if (!users)
		err = xpm_rmap_notifier_register(XPM_RMAP_REMOTE, &recall_ops);
	users += !err;
	mutex_unlock(&users_lock);
	return err;
}

void xpm_recall_end(void)
{
	mutex_lock(&users_lock);
	if (!--users)
		xpm_rmap_notifier_unregister(XPM_RMAP_REMOTE, &recall_ops);
	mutex_unlock(&users_lock);
}
