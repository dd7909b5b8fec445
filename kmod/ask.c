// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asking for pages of other partitions, in a fault.
 *
 * Of the faults for one page the first asks, and the others wait for its answer.  A
 * fault for a page that would come along with what another has asked for, and that only
 * wants to read it, waits for that one too.  Whoever has waited looks again, and asks
 * himself if there is still nothing.
 *
 * Who asks brings the pages for the answer along (struct xpm_pages), so that they are
 * charged to it, and so that the daemon does not have to find memory for them.
 *
 * A replica that is there but can't be used, as its home's lease is over or it is just
 * being taken away, is waited for without a question.
 */
#include "ask.h"

#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/page_counter.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "channel.h"
#include "lease.h"
#include "remote.h"
#include "replica.h"
#include "stats.h"
#include "trace.h"
#include "window.h"

/* Pages of one question; what the largest window of a fault gives is brought by several */
#define ASK_MAX		128U

/* What is given up for these, at a time, when there is no memory */
#define EVICT_PAGES	256U

/* Of a memory cgroup's room, what each processor may have set aside for itself */
#define ROOM_PAGES	64U

/*
 * Page tables and more that mapping the answer takes.  What is freed is set aside by the
 * processor that frees it, and another one is not given that in time: it kills somebody.
 * Only what is more than that is there for all.
 */
#define SPARE_PAGES	(ROOM_PAGES + 4)

struct xpm_ask {
	struct xpm_question question;
	struct list_head link;		/* in remote->asks */
	unsigned long first;
	unsigned int count;
	bool write;
};

/* Whether its answer may be what a fault for page @index wants; asks_lock is held. */
static bool serves(const struct xpm_ask *ask, unsigned long index, bool write)
{
	if (index == ask->first)
		return true;
	return !write && index > ask->first && index - ask->first < ask->count;
}

static struct xpm_ask *find(struct xpm_remote *remote, unsigned long index, bool write)
{
	struct xpm_ask *ask;

	list_for_each_entry(ask, &remote->asks, link)
		if (serves(ask, index, write))
			return ask;
	return NULL;
}

static bool is_asked(struct xpm_remote *remote, unsigned long index, bool write)
{
	bool asked;

	spin_lock(&remote->asks_lock);
	asked = find(remote, index, write);
	spin_unlock(&remote->asks_lock);
	return asked;
}

/*
 * How many pages are worth asking for.  Who goes on in sequence: those of the window from
 * the target on that are not here, and to write, so many are taken from others only
 * when the sequence has been one for a while.  Anybody else: the one.  What comes along
 * is mapped with it in one go on a node, but is sent from another partition page by page,
 * and whose next page is anywhere waits behind it.
 */
static unsigned int pages_wanted(struct xpm_remote *remote, const struct xpm_window *w)
{
	unsigned long pages = w->last - w->target + 1;

	if (!w->ahead || (w->write && pages <= XPM_WINDOW_FIRST))
		return 1;
	return 1 + xpm_replica_absent(remote, w->target + 1,
				      min_t(unsigned long, pages, ASK_MAX) - 1);
}

/* Whether current may come to the limit of its memory cgroup, or of one around it, with these */
static bool is_near_limit(unsigned int pages)
{
	bool near = false;
#ifdef CONFIG_MEMCG
	struct mem_cgroup *memcg;
	unsigned long limit;

	pages += SPARE_PAGES + ROOM_PAGES * num_online_cpus();
	rcu_read_lock();
	for (memcg = mem_cgroup_from_task(current); memcg && !near;
	     memcg = parent_mem_cgroup(memcg)) {
		limit = min(READ_ONCE(memcg->memory.max), READ_ONCE(memcg->memory.high));
		near = page_counter_read(&memcg->memory) + pages > limit;
	}
	rcu_read_unlock();
#endif
	return near;
}

/*
 * Pages for the answer.  A memory cgroup at its limit does not ask shrinkers, so what the
 * same segment has here is given up first: SHARED pages at once; EXCLUSIVE ones are the
 * daemon's to give back, for which the fault waits as it does for an answer.  The spare
 * ones are freed, all at once, before the answer is mapped; where there is room enough
 * nobody needs them.  *count: of how many the answer may be
 */
static struct xpm_pages *pages_alloc(struct xpm_remote *remote, const struct xpm_window *w,
				     unsigned int *count, long *left)
{
	unsigned long at = w->last + 1;
	struct xpm_pages *pages;

	if (!is_near_limit(*count)) {
		pages = xpm_pages_alloc(*count, __GFP_NORETRY | __GFP_NOWARN);
		if (pages) {
			*count = pages->count;
			return pages;
		}
	}
	while (*left > 0) {
		pages = xpm_pages_alloc(*count + SPARE_PAGES, __GFP_NORETRY | __GFP_NOWARN);
		if (pages && pages->count > SPARE_PAGES) {
			*count = pages->count - SPARE_PAGES;
			return pages;
		}
		xpm_pages_free(pages);
		if (fatal_signal_pending(current))
			return NULL;
		if (!atomic_long_read(&remote->nr_replicas))
			break;
		if (!xpm_replica_evict(remote, &at, EVICT_PAGES))
			*left -= 1 - schedule_timeout_killable(1);
	}
	*count = 1;
	return xpm_pages_alloc(1 + SPARE_PAGES, 0);
}

static struct xpm_ask *ask_alloc(struct xpm_remote *remote, const struct xpm_window *w,
				 long *left)
{
	struct xpm_ask *ask = kmalloc(sizeof(*ask), GFP_KERNEL);	/* see xpm_pages_alloc() */

	if (!ask)
		return NULL;
	xpm_question_init(&ask->question, XPMEM_CTL_FAULT);
	ask->first = w->target;
	ask->count = pages_wanted(remote, w);
	ask->write = w->write;
	ask->question.pages = pages_alloc(remote, w, &ask->count, left);
	if (!ask->question.pages) {
		kfree(ask);
		return NULL;
	}
	ask->question.record.flags = w->write ? XPMEM_CTL_WRITE : 0;
	ask->question.record.segid = remote->segment.id.value;
	ask->question.record.first = ask->first;
	ask->question.record.count = ask->count;
	ask->question.record.pid = task_tgid_nr(current);
	return ask;
}

static void ask_free(struct xpm_ask *ask)
{
	xpm_pages_free(ask->question.pages);
	kfree(ask);
}

/* False: somebody was first. */
static bool ask_begin(struct xpm_remote *remote, struct xpm_ask *ask)
{
	bool first;

	spin_lock(&remote->asks_lock);
	first = !find(remote, ask->first, ask->write);
	if (first)
		list_add_tail(&ask->link, &remote->asks);
	spin_unlock(&remote->asks_lock);
	if (first)
		xpm_channel_ask(&ask->question);
	return first;
}

static void ask_end(struct xpm_remote *remote, struct xpm_ask *ask)
{
	xpm_channel_withdraw(&ask->question);
	spin_lock(&remote->asks_lock);
	list_del(&ask->link);
	spin_unlock(&remote->asks_lock);
	wake_up_all(&remote->changed);
}

/* 0, -ESTALE: worth asking again with the next lease, or an error */
static int ask_and_wait(struct xpm_remote *remote, const struct xpm_window *w, long *left)
{
	struct xpm_ask *ask = ask_alloc(remote, w, left);
	int err;

	if (!ask)
		return -ENOMEM;
	if (!ask_begin(remote, ask)) {
		ask_free(ask);
		return 0;
	}
	atomic_long_inc(&remote->asked);
	xpm_stats_add(XPM_STAT_ASKS, 1);
	trace_xpmem_ask(&ask->question.record);
	*left = wait_event_killable_timeout(ask->question.wait,
					    READ_ONCE(ask->question.done) ||
					    READ_ONCE(remote->segment.dead), *left);
	ask_end(remote, ask);
	if (ask->question.done && ask->question.error == -ESTALE)
		err = -ESTALE;
	else if (ask->question.done)
		err = ask->question.error ? -EFAULT : 0;
	else if (*left < 0)
		err = -EINTR;
	else
		err = *left ? 0 : -ETIMEDOUT;
	trace_xpmem_answer(&ask->question.record, err);
	ask_free(ask);
	return err;
}

/* Until somebody else's answer, or what keeps a replica from being used, is over */
static long wait_for_others(struct xpm_remote *remote, const struct xpm_window *w, long left)
{
	return wait_event_killable_timeout(remote->changed,
		READ_ONCE(remote->segment.dead) ||
		(xpm_replica_look(remote, w->target, w->write) != XPM_REPLICA_WAIT &&
		 !is_asked(remote, w->target, w->write)), left);
}

static long wait_for_lease(struct xpm_remote *remote, long left)
{
	return wait_event_killable_timeout(remote->changed,
		READ_ONCE(remote->segment.dead) || xpm_lease_is_good(remote->home), left);
}

int xpm_ask(struct xpm_remote *remote, const struct xpm_window *w, u64 timeout_ns)
{
	long left = nsecs_to_jiffies(timeout_ns) + 1;
	int err;

	while (left > 0) {
		if (READ_ONCE(remote->segment.dead))
			return -ENOENT;
		switch (xpm_replica_look(remote, w->target, w->write)) {
		case XPM_REPLICA_HERE:
			return 0;
		case XPM_REPLICA_ABSENT:
			if (is_asked(remote, w->target, w->write))
				break;
			err = ask_and_wait(remote, w, &left);
			if (err != -ESTALE)
				return err;
			left = wait_for_lease(remote, left);
			continue;
		case XPM_REPLICA_WAIT:
			break;
		}
		left = wait_for_others(remote, w, left);
	}
	return left ? -EINTR : -ETIMEDOUT;
}

void xpm_ask_wake_all(struct xpm_remote *remote)
{
	struct xpm_ask *ask;

	spin_lock(&remote->asks_lock);
	list_for_each_entry(ask, &remote->asks, link)
		wake_up_all(&ask->question.wait);
	spin_unlock(&remote->asks_lock);
	wake_up_all(&remote->changed);
}
