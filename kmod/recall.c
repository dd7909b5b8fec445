// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recalls: before an owner's page changes, what other partitions have of it is taken
 * back.  The subscriber of xpm_rmap_notifier for the mark REMOTE.
 *
 * The daemon is asked (RECALL) and answers when no replica is left.  An owner waits
 * for that, for a bounded time whatever becomes of daemon and network:
 *
 *  - With a daemon, for lease + skew and a second: in that time it has the answer of
 *    every partition or has waited its lease out.  If it has not answered then, it is
 *    not to be trusted, and fenced: it can renew no lease from here on.
 *  - Without one, until all leases have run out: lease + skew after the last moment at
 *    which the daemon may have renewed one.
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

/* What a daemon may take beyond the leases */
#define SLACK_NS	NSEC_PER_SEC

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

/* Whether the wait is over, but for the answer; *deadline moves on when it passes */
static bool is_over(u64 *deadline, bool *late)
{
	u64 now = ktime_get_boottime_ns();

	if (!*late && now >= *deadline) {
		xpm_channel_fence();
		*late = true;
		*deadline = xpm_channel_leases_until();
	}
	return (*late || !xpm_channel_is_ready()) &&
	       now >= (*late ? *deadline : xpm_channel_leases_until());
}

/* Until when to sleep before the next look */
static u64 time_left(u64 deadline, bool late)
{
	u64 until = late || xpm_channel_is_ready() ? deadline :
						     min(deadline, xpm_channel_leases_until());
	u64 now = ktime_get_boottime_ns();

	return until > now ? until - now : 0;
}

/* Whether something has happened that a sleeper has to look at */
static bool is_news(const struct xpm_question *question, bool ready)
{
	return READ_ONCE(question->done) || ready != xpm_channel_is_ready();
}

static void await(struct xpm_question *question, bool killable)
{
	u64 deadline = ktime_get_boottime_ns() + xpm_channel_lease_ns() + SLACK_NS;
	bool late = false;

	while (!READ_ONCE(question->done) && !is_over(&deadline, &late)) {
		bool ready = xpm_channel_is_ready();
		long left = nsecs_to_jiffies(time_left(deadline, late)) + 1;

		if (!killable)
			wait_event_timeout(question->wait, is_news(question, ready), left);
		else if (wait_event_killable_timeout(question->wait, is_news(question, ready),
						     left) < 0)
			break;
	}
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
