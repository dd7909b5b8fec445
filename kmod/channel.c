// SPDX-License-Identifier: GPL-2.0-only
/*
 * Questions to xpmemd: asked by who needs another partition, read by the daemon,
 * answered by it.
 *
 * A question is part of what waits for its answer, so nothing is allocated when one
 * is asked: a recall may come in reclaim.  It is found by its id, a number that is
 * never used again, so an answer that comes too late finds nothing.  Who waits
 * withdraws it in the end, whatever has happened; from then on nobody looks at it.
 *
 * States of a question:
 *
 *	asked ---- queued ----> read ----> done
 *	             ^           |
 *	             '-----------'  the daemon has gone, another one says HELLO
 *
 * A GET or ATTACH is done, with ENOTCONN, when the daemon goes.
 *
 * States of the daemon: CLOSED, OPEN (it has to say HELLO), READY, and FENCED: it has
 * not read a recall in the time in which it must answer.  A fenced one counts as gone and
 * was killed, but has not closed its descriptor yet.
 *
 * One spinlock protects all of it, as the daemon reads one record after the other.
 */
#include "channel.h"

#include <linux/hashtable.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/pagemap.h>
#include <linux/pid.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "remote.h"
#include "stats.h"

enum state {
	CLOSED,
	OPEN,
	READY,
	FENCED,
};

static DEFINE_SPINLOCK(lock);		/* all below */
static enum state state;
static struct pid *daemon;		/* held, unless CLOSED */
static u32 partition;
static unsigned int partition_users;
static u64 lease_ns, skew_ns, fault_ns, replica_limit;
static u64 leases_until;
static u64 last_id;
static u64 incarnation;
static DEFINE_HASHTABLE(questions, 8);
/* In this order: a recall must not wait for faults, whose answers may wait for it. */
static LIST_HEAD(urgent);
static LIST_HEAD(notices);
static LIST_HEAD(ordinary);

/* It has not answered in time, nor shown since that it lives. */
static bool suspect;
static struct {
	s64 segid;
	u64 until;			/* it is to be read by then; 0: nobody waits */
	bool queued;
	bool again;			/* and once more then: see xpm_channel_unmapped() */
} unmap;

static DECLARE_WAIT_QUEUE_HEAD(readable);
static void watch_unmap(struct work_struct *work);
static DECLARE_DELAYED_WORK(unmap_work, watch_unmap);

void xpm_channel_init(void)
{
	incarnation = get_random_u64();
}

void xpm_channel_exit(void)
{
	cancel_delayed_work_sync(&unmap_work);
}

void xpm_channel_lock(void)
	__acquires(&lock)
{
	spin_lock(&lock);
}

void xpm_channel_unlock(void)
	__releases(&lock)
{
	spin_unlock(&lock);
}

/* ---------------------------------------------------- questions */

static bool is_urgent(const struct xpm_question *question)
{
	return question->record.type >= XPMEM_CTL_RECALL;
}

/* Whether it is worth nothing without the daemon that is there now */
static bool is_fleeting(const struct xpm_question *question)
{
	return question->record.type == XPMEM_CTL_GET || question->record.type == XPMEM_CTL_ATTACH;
}

void xpm_question_init(struct xpm_question *question, u32 type)
{
	memset(question, 0, sizeof(*question));
	question->record.type = type;
	INIT_LIST_HEAD(&question->queued);
	init_waitqueue_head(&question->wait);
}

static void queue(struct xpm_question *question)
{
	list_add_tail(&question->queued, is_urgent(question) ? &urgent : &ordinary);
}

static void finish(struct xpm_question *question, int error)
{
	list_del_init(&question->queued);
	question->error = error;
	question->done = true;
	wake_up_all(&question->wait);
}

int xpm_channel_ask(struct xpm_question *question)
{
	int err = 0;

	spin_lock(&lock);
	if (state != READY && is_fleeting(question)) {
		err = -ENOTCONN;
	} else {
		question->record.id = ++last_id;
		hash_add(questions, &question->node, last_id);
		queue(question);
	}
	spin_unlock(&lock);
	if (!err)
		wake_up_interruptible(&readable);
	return err;
}

static bool try_withdraw(struct xpm_question *question)
{
	bool withdrawn;

	spin_lock(&lock);
	withdrawn = !question->pinned;
	if (withdrawn) {
		list_del_init(&question->queued);
		hash_del(&question->node);
	}
	spin_unlock(&lock);
	return withdrawn;
}

void xpm_channel_withdraw(struct xpm_question *question)
{
	wait_event(question->wait, try_withdraw(question));
}

int xpm_channel_wait(struct xpm_question *question)
{
	long left = wait_event_killable_timeout(question->wait, READ_ONCE(question->done),
						nsecs_to_jiffies(xpm_channel_fault_ns()) + 1);

	if (left < 0)
		return -EINTR;
	return left ? question->error : -ETIMEDOUT;
}

static struct xpm_question *find(u64 id)
{
	struct xpm_question *question;

	hash_for_each_possible(questions, question, node, id)
		if (question->record.id == id && !question->done && !question->pinned)
			return question;
	return NULL;
}

struct xpm_question *xpm_channel_pin(u64 id)
{
	struct xpm_question *question;

	spin_lock(&lock);
	suspect = false;
	question = find(id);
	if (question)
		question->pinned = true;
	spin_unlock(&lock);
	return question;
}

void xpm_channel_unpin(struct xpm_question *question, bool done, int error)
{
	spin_lock(&lock);
	question->pinned = false;
	if (done)
		finish(question, error);
	else
		wake_up_all(&question->wait);	/* who wants to withdraw */
	spin_unlock(&lock);
}

int xpm_channel_answer(u64 id, int error)
{
	struct xpm_question *question = xpm_channel_pin(id);

	if (!question)
		return -ENOENT;
	xpm_channel_unpin(question, true, error);
	return 0;
}

void xpm_channel_notify(struct xpm_notice *notice)
{
	lockdep_assert_held(&lock);
	if (list_empty(&notice->queued)) {
		/* Not the last reference: its caller has one. */
		xpm_remote_hold(notice->remote);
		list_add_tail(&notice->queued, &notices);
	}
	wake_up_interruptible(&readable);
}

void xpm_channel_cancel(struct xpm_notice *notice)
{
	bool queued;

	spin_lock(&lock);
	queued = !list_empty(&notice->queued);
	list_del_init(&notice->queued);
	spin_unlock(&lock);
	if (queued)
		xpm_remote_put(notice->remote);
}

/* --------------------------------------------------- the daemon */

u32 xpm_channel_partition(void)
{
	return READ_ONCE(partition);
}

u32 xpm_channel_partition_get(void)
{
	u32 number;

	spin_lock(&lock);
	number = partition;
	partition_users += !!number;
	spin_unlock(&lock);
	return number;
}

void xpm_channel_partition_put(void)
{
	spin_lock(&lock);
	partition_users--;
	spin_unlock(&lock);
}

bool xpm_channel_is_ready(void)
{
	return READ_ONCE(state) == READY;
}

bool xpm_channel_is_daemon(void)
{
	/* Compared, not looked at: who is it, is alive. */
	return READ_ONCE(daemon) == task_tgid(current);
}

u64 xpm_channel_fault_ns(void)
{
	return READ_ONCE(fault_ns);
}

u64 xpm_channel_replica_limit(void)
{
	return READ_ONCE(replica_limit);
}

u64 xpm_channel_lease_ns(void)
{
	return READ_ONCE(lease_ns) + READ_ONCE(skew_ns);
}

u64 xpm_channel_leases_until(void)
{
	return READ_ONCE(leases_until);
}

int xpm_channel_open(void)
{
	int err = -EBUSY;

	spin_lock(&lock);
	if (state == CLOSED) {
		WRITE_ONCE(state, OPEN);
		WRITE_ONCE(daemon, get_pid(task_tgid(current)));
		err = 0;
	}
	spin_unlock(&lock);
	return err;
}

/* Whoever waits looks again at what it waits for. */
static void leave(enum state to)
{
	struct xpm_question *question;
	int i;

	WRITE_ONCE(state, to);
	unmap.until = 0;
	unmap.queued = false;
	unmap.again = false;
	suspect = false;
	hash_for_each(questions, i, question, node) {
		if (is_fleeting(question) && !question->pinned && !question->done)
			finish(question, -ENOTCONN);
		else
			wake_up_all(&question->wait);
	}
}

void xpm_channel_close(void)
{
	struct pid *gone;

	spin_lock(&lock);
	leave(CLOSED);
	gone = daemon;
	WRITE_ONCE(daemon, NULL);
	spin_unlock(&lock);
	put_pid(gone);
}

/* What it has not read is overdue: who is to be killed, with a reference, or NULL */
static struct pid *fence(void)
{
	if (state != READY)
		return NULL;
	leave(FENCED);
	return get_pid(daemon);
}

static void kill_hung(struct pid *hung)
{
	if (!hung)
		return;
	xpm_stats_add(XPM_STAT_FENCES, 1);
	pr_warn("xpmem: xpmemd does not read what it is told: it is cut off and killed\n");
	/* What else it holds, owners' userfaultfds above all, it lets go of by that alone. */
	kill_pid(hung, SIGKILL, 1);
	put_pid(hung);
	wake_up_interruptible(&readable);
}

void xpm_channel_overdue(const struct xpm_question *question)
{
	struct pid *hung = NULL;

	spin_lock(&lock);
	if (!question->done && !list_empty(&question->queued))
		hung = fence();
	else if (!question->done && state == READY)
		suspect = true;
	spin_unlock(&lock);
	kill_hung(hung);
}

static u64 patience(void)
{
	return lease_ns + skew_ns + XPM_CHANNEL_SLACK_NS;
}

/*
 * What is left of lease + skew + 50 ms, in which an owner goes on, when the daemon has not
 * answered in time; with a lease of more than 3 s in proportion.
 */
static u64 last_patience(void)
{
	return max_t(u64, div_u64(lease_ns, 60), 2 * XPM_CHANNEL_SLACK_NS) - XPM_CHANNEL_SLACK_NS;
}

static void look_at_unmap(u64 after_ns)
{
	mod_delayed_work(system_wq, &unmap_work, nsecs_to_jiffies(after_ns) + 1);
}

/*
 * That the daemon reads this does not say that it reads the userfaultfd, where the event
 * comes a moment later.  So it is told again when half of its time is over: who reads that
 * has read the other, too, in the same turn of its loop.
 */
void xpm_channel_unmapped(s64 segid)
{
	bool told = false;
	u64 now, until;

	spin_lock(&lock);
	if (state == READY) {
		now = ktime_get_boottime_ns();
		until = now + (suspect ? last_patience() : patience());
		told = !unmap.queued || until < unmap.until;
		unmap.again = true;
	}
	if (told) {
		unmap.segid = segid;
		unmap.until = until;
		unmap.queued = true;
		look_at_unmap(until - now);
	}
	spin_unlock(&lock);
	if (told)
		wake_up_interruptible(&readable);
}

static void watch_unmap(struct work_struct *work)
{
	struct pid *hung = NULL;
	bool told = false;
	u64 now;

	spin_lock(&lock);
	now = ktime_get_boottime_ns();
	if (unmap.queued && now >= unmap.until) {
		hung = fence();
	} else if (unmap.until) {
		told = !unmap.queued;
		unmap.queued = true;
		look_at_unmap(now < unmap.until ? unmap.until - now : 0);
	}
	spin_unlock(&lock);
	kill_hung(hung);
	if (told)
		wake_up_interruptible(&readable);
}

int xpm_channel_check(void)
{
	switch (READ_ONCE(state)) {
	case READY:
		return 0;
	case FENCED:
		return -ESHUTDOWN;
	default:
		return -ENOTCONN;
	}
}

static void queue_unanswered(void)
{
	struct xpm_question *question;
	int i;

	hash_for_each(questions, i, question, node) {
		if (!question->done && list_empty(&question->queued))
			queue(question);
		wake_up_all(&question->wait);
	}
}

int xpm_channel_hello(struct xpmem_ctl_hello *hello)
{
	int err = 0;

	if (hello->flags)
		return -EOPNOTSUPP;
	if (!hello->partition || hello->partition > XPMEM_PARTITION_MAX)
		return -EINVAL;
	/* Nobody waits for longer than somebody may want to. */
	if (!hello->lease_ms || hello->lease_ms > 60 * MSEC_PER_SEC ||
	    hello->skew_ms > 10 * MSEC_PER_SEC ||
	    !hello->fault_ms || hello->fault_ms > 600 * MSEC_PER_SEC)
		return -EINVAL;

	spin_lock(&lock);
	if (state == FENCED) {
		err = -ESHUTDOWN;
	} else if (partition != hello->partition && partition_users) {
		err = -EBUSY;
	} else {
		WRITE_ONCE(partition, hello->partition);
		WRITE_ONCE(lease_ns, (u64)hello->lease_ms * NSEC_PER_MSEC);
		WRITE_ONCE(skew_ns, (u64)hello->skew_ms * NSEC_PER_MSEC);
		WRITE_ONCE(fault_ns, (u64)hello->fault_ms * NSEC_PER_MSEC);
		WRITE_ONCE(replica_limit, hello->replica_limit);
		hello->out_grace_until = leases_until;
		hello->out_incarnation = incarnation;
		if (state == OPEN) {
			WRITE_ONCE(state, READY);
			queue_unanswered();
		}
	}
	spin_unlock(&lock);
	return err;
}

u64 xpm_channel_beat(bool renews)
{
	u64 now = ktime_get_boottime_ns();

	spin_lock(&lock);
	suspect = false;
	if (renews && !list_empty(&urgent))
		now = 0;
	else if (state == READY)
		WRITE_ONCE(leases_until, max(leases_until, now + lease_ns + skew_ns));
	spin_unlock(&lock);
	return now;
}

/* ------------------------------------------------------ reading */

static bool is_readable(void)
{
	struct xpmem_ctl_record unused;
	struct xpm_notice *notice;

	if (!list_empty(&urgent) || !list_empty(&ordinary) || unmap.queued || state != READY)
		return true;
	list_for_each_entry(notice, &notices, queued)
		if (notice->fill(notice, &unused))
			return true;
	return false;
}

/* Whether there is a record, or an error to be told */
static bool may_read(void)
{
	bool may;

	spin_lock(&lock);
	may = is_readable();
	spin_unlock(&lock);
	return may;
}

/* To a page that must be there, as a spinlock is held: false when it is not */
static bool give(void __user *to, const struct xpmem_ctl_record *record)
{
	unsigned long left;

	pagefault_disable();
	left = __copy_to_user_inatomic(to, record, sizeof(*record));
	pagefault_enable();
	return !left;
}

enum delivery {
	DELIVERED,
	NOTHING,
	NO_PAGE,
};

static enum delivery deliver_question(struct list_head *from, void __user *to)
{
	struct xpm_question *question =
		list_first_entry_or_null(from, struct xpm_question, queued);

	if (!question)
		return NOTHING;
	if (!give(to, &question->record))
		return NO_PAGE;
	list_del_init(&question->queued);
	return DELIVERED;
}

static enum delivery deliver_unmapped(void __user *to)
{
	struct xpmem_ctl_record record = {
		.type = XPMEM_CTL_UNMAP,
		.segid = unmap.segid,
	};

	if (!unmap.queued)
		return NOTHING;
	if (!give(to, &record))
		return NO_PAGE;
	unmap.queued = false;
	unmap.until = unmap.again ? ktime_get_boottime_ns() + patience() : 0;
	if (unmap.again)
		look_at_unmap(patience() / 2);
	unmap.again = false;
	return DELIVERED;
}

/* *gone: whose reference is to be dropped without the lock, or NULL */
static enum delivery deliver_notice(void __user *to, struct xpm_remote **gone)
{
	struct xpm_notice *notice =
		list_first_entry_or_null(&notices, struct xpm_notice, queued);
	struct xpmem_ctl_record record = {};
	bool worth_it;

	*gone = NULL;
	if (!notice)
		return NOTHING;
	worth_it = notice->fill(notice, &record);
	if (worth_it && !give(to, &record))
		return NO_PAGE;
	notice->told(notice);
	list_del_init(&notice->queued);
	*gone = notice->remote;
	return worth_it ? DELIVERED : NOTHING;
}

static enum delivery deliver(void __user *to)
{
	struct xpm_remote *gone;
	enum delivery delivery;

	do {
		spin_lock(&lock);
		suspect = false;
		gone = NULL;
		delivery = deliver_question(&urgent, to);
		if (delivery == NOTHING)
			delivery = deliver_unmapped(to);
		if (delivery == NOTHING)
			delivery = deliver_notice(to, &gone);
		if (delivery == NOTHING && !gone)
			delivery = deliver_question(&ordinary, to);
		spin_unlock(&lock);
		if (gone)
			xpm_remote_put(gone);
	} while (delivery == NOTHING && gone);
	return delivery;
}

ssize_t xpm_channel_read(char __user *buffer, size_t size, bool nonblock)
{
	size_t length = sizeof(struct xpmem_ctl_record), done = 0;
	int err;

	if (size < length)
		return -EINVAL;
	while (size - done >= length) {
		err = xpm_channel_check();
		if (err)
			return done ?: err;
		if (fault_in_writeable(buffer + done, length))
			return done ?: -EFAULT;
		switch (deliver(buffer + done)) {
		case DELIVERED:
			done += length;
			break;
		case NO_PAGE:
			break;
		case NOTHING:
			if (done)
				return done;
			if (nonblock)
				return -EAGAIN;
			if (wait_event_interruptible(readable, may_read()))
				return -ERESTARTSYS;
		}
	}
	return done;
}

__poll_t xpm_channel_poll(struct file *file, struct poll_table_struct *table)
{
	__poll_t events = 0;

	poll_wait(file, &readable, table);
	if (xpm_channel_check() == -ESHUTDOWN)
		return EPOLLERR | EPOLLHUP;
	if (may_read())
		events = EPOLLIN | EPOLLRDNORM;
	return events;
}
