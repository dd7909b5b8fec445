// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test module: the subscriber of xpm_rmap_notifier for REMOTE pages, which stands
 * for other partitions that have copies of a page.
 *
 * User space marks pages REMOTE and says how the subscriber behaves: whether a
 * recall is held, and until when.  What was called is counted, so that a test
 * knows when somebody waits and that nobody did.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "rmap_notifier.h"

#include "recall.h"

static DECLARE_WAIT_QUEUE_HEAD(behaviour_changed);
static unsigned int behaviour;

static DEFINE_SPINLOCK(counts_lock);
static struct recall_counts counts;

static bool subscribed;
static DEFINE_MUTEX(subscribed_lock);

static bool behaves(unsigned int bits)
{
	return READ_ONCE(behaviour) & bits;
}

static void count(__u64 *what, s64 by)
{
	spin_lock(&counts_lock);
	*what += by;
	spin_unlock(&counts_lock);
}

static void count_range(__u64 *what, const struct xpm_rmap_range *range)
{
	spin_lock(&counts_lock);
	++*what;
	counts.segid = range->segid;
	counts.first = range->first;
	counts.last = range->last;
	counts.event = range->event;
	spin_unlock(&counts_lock);
}

static enum xpm_rmap_answer recall_issue(const struct xpm_rmap_range *range,
					 struct xpm_rmap_wait *wait)
{
	count_range(&counts.issues, range);
	if (range->reclaim)
		count(&counts.reclaims, 1);
	if (behaves(RECALL_HOLD_ISSUE)) {
		count(&counts.issuing, 1);
		if (wait_event_killable(behaviour_changed, !behaves(RECALL_HOLD_ISSUE)))
			count(&counts.killed, 1);
		count(&counts.issuing, -1);
	}
	if (range->reclaim && behaves(RECALL_KEEP_RECLAIM))
		return XPM_RMAP_KEPT;
	return behaves(RECALL_GONE) ? XPM_RMAP_GONE : XPM_RMAP_WAIT;
}

/* Whoever is killed goes on as if the other side had been fenced. */
static void recall_wait(const struct xpm_rmap_range *range, struct xpm_rmap_wait *wait)
{
	count(&counts.waits, 1);
	if (!behaves(RECALL_HOLD))
		return;
	count(&counts.waiting, 1);
	if (behaves(RECALL_STUBBORN))
		wait_event_timeout(behaviour_changed, !behaves(RECALL_HOLD), 10 * HZ);
	else if (wait_event_killable(behaviour_changed, !behaves(RECALL_HOLD)))
		count(&counts.killed, 1);
	count(&counts.waiting, -1);
}

static bool recall_nonblock(const struct xpm_rmap_range *range)
{
	bool gone = !behaves(RECALL_HOLD);

	count_range(&counts.nonblocks, range);
	if (!gone)
		count(&counts.refusals, 1);
	return gone;
}

static void recall_release(struct xpm_segment *segment)
{
	count(&counts.releases, 1);
}

static const struct xpm_rmap_notifier_ops recall_ops = {
	.name = "recall",
	.issue = recall_issue,
	.wait = recall_wait,
	.invalidate_nonblock = recall_nonblock,
	.release = recall_release,
};

static int subscribe(void)
{
	int err;

	mutex_lock(&subscribed_lock);
	err = xpm_rmap_notifier_register(XPM_RMAP_REMOTE, &recall_ops);
	subscribed |= !err;
	mutex_unlock(&subscribed_lock);
	return err;
}

static void unsubscribe(void)
{
	mutex_lock(&subscribed_lock);
	if (subscribed)
		xpm_rmap_notifier_unregister(XPM_RMAP_REMOTE, &recall_ops);
	subscribed = false;
	mutex_unlock(&subscribed_lock);
}

/* A registration that must be refused; 0 is the failure of the test. */
static int try_bad(enum recall_try what)
{
	static struct xpm_rmap_notifier_ops ops;
	unsigned int mark = XPM_RMAP_REMOTE;
	int err;

	ops = recall_ops;
	switch (what) {
	case RECALL_TRY_EXTERNAL:
		mark = XPM_RMAP_EXTERNAL;
		break;
	case RECALL_TRY_NO_MARK:
		mark = 0;
		break;
	case RECALL_TRY_TWO_MARKS:
		mark = XPM_RMAP_EXTERNAL | XPM_RMAP_REMOTE;
		break;
	case RECALL_TRY_UNKNOWN_MARK:
		mark = 1U << 31;
		break;
	case RECALL_TRY_NO_NAME:
		ops.name = NULL;
		break;
	case RECALL_TRY_NO_ISSUE:
		ops.issue = NULL;
		break;
	case RECALL_TRY_NO_WAIT:
		ops.wait = NULL;
		break;
	case RECALL_TRY_NO_NONBLOCK:
		ops.invalidate_nonblock = NULL;
		break;
	case RECALL_TRY_NO_RELEASE:
		ops.release = NULL;
		break;
	default:
		break;
	}
	err = xpm_rmap_notifier_register(mark, &ops);
	if (!err)
		xpm_rmap_notifier_unregister(mark, &ops);
	return err;
}

static long recall_try(unsigned long what)
{
	switch (what) {
	case RECALL_TRY_SUBSCRIBE:
		return subscribe();
	case RECALL_TRY_UNSUBSCRIBE:
		unsubscribe();
		return 0;
	}
	return what < RECALL_TRIES ? try_bad(what) : -ENOTTY;
}

static long recall_mark(void __user *arg)
{
	struct recall_mark mark;

	if (copy_from_user(&mark, arg, sizeof(mark)))
		return -EFAULT;
	mark.pages = xpm_rmap_notifier_mark_remote(mark.segid, mark.first, mark.last);
	if (mark.pages < 0)
		return mark.pages;
	return copy_to_user(arg, &mark, sizeof(mark)) ? -EFAULT : 0;
}

static long recall_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct recall_counts now;

	switch (cmd) {
	case RECALL_MARK:
		return recall_mark((void __user *)arg);
	case RECALL_BEHAVE:
		WRITE_ONCE(behaviour, arg);
		wake_up_all(&behaviour_changed);
		return 0;
	case RECALL_COUNTS:
		spin_lock(&counts_lock);
		now = counts;
		spin_unlock(&counts_lock);
		return copy_to_user((void __user *)arg, &now, sizeof(now)) ? -EFAULT : 0;
	case RECALL_TRY:
		return recall_try(arg);
	}
	return -ENOTTY;
}

/* A test that dies holds nobody up. */
static int recall_close(struct inode *inode, struct file *file)
{
	WRITE_ONCE(behaviour, 0);
	wake_up_all(&behaviour_changed);
	return 0;
}

static const struct file_operations recall_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = recall_ioctl,
	.release = recall_close,
};

static struct miscdevice recall_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "recall",
	.fops = &recall_fops,
	.mode = 0600,
};

static int __init recall_init(void)
{
	int err = subscribe();

	if (err)
		return err;
	err = misc_register(&recall_device);
	if (err)
		unsubscribe();
	return err;
}

static void __exit recall_exit(void)
{
	misc_deregister(&recall_device);
	unsubscribe();
}

module_init(recall_init);
module_exit(recall_exit);

MODULE_DESCRIPTION("A subscriber for remote pages, for the tests of xpmem");
MODULE_LICENSE("GPL");
