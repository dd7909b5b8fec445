// SPDX-License-Identifier: GPL-2.0-only
/*
 * The chain of who must hear before the owner's pages change; see
 * rmap_notifier.h.
 *
 * A call runs inside an SRCU read section, which may sleep; what it delays is
 * unregistering a subscriber alone.  (The VM's own chain of mmu_notifier is
 * inside one SRCU section of the whole kernel, which every exiting process waits
 * for.  So the sleeping calls come from an interval notifier, which is not.)
 */
#include "rmap_notifier.h"

#include <linux/export.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/srcu.h>

#include "segment.h"
#include "stats.h"
#include "trace.h"

#define NR_MARKS	2

/* By number of the mark's bit */
static const struct xpm_rmap_notifier_ops __rcu *chain[NR_MARKS];
static DEFINE_MUTEX(chain_lock);	/* changes of it */
static struct srcu_struct chain_srcu;

static int mark_number(unsigned int mark)
{
	return hweight32(mark) == 1 && __ffs(mark) < NR_MARKS ? __ffs(mark) : -1;
}

int xpm_rmap_notifier_register(unsigned int mark, const struct xpm_rmap_notifier_ops *ops)
{
	int i = mark_number(mark);
	int err = 0;

	if (i < 0 || !ops->name || !ops->issue || !ops->wait ||
	    !ops->invalidate_nonblock || !ops->release)
		return -EINVAL;
	mutex_lock(&chain_lock);
	if (rcu_access_pointer(chain[i]))
		err = -EBUSY;
	else
		rcu_assign_pointer(chain[i], ops);
	mutex_unlock(&chain_lock);
	return err;
}
EXPORT_SYMBOL_GPL(xpm_rmap_notifier_register);

void xpm_rmap_notifier_unregister(unsigned int mark, const struct xpm_rmap_notifier_ops *ops)
{
	int i = mark_number(mark);

	if (WARN_ON(i < 0))
		return;
	mutex_lock(&chain_lock);
	if (!WARN_ON(rcu_access_pointer(chain[i]) != ops))
		RCU_INIT_POINTER(chain[i], NULL);
	mutex_unlock(&chain_lock);
	synchronize_srcu(&chain_srcu);
}
EXPORT_SYMBOL_GPL(xpm_rmap_notifier_unregister);

long xpm_rmap_notifier_mark_remote(s64 segid, unsigned long first, unsigned long last)
{
	struct xpm_segment *segment = xpm_segment_find(segid);
	long pages;

	if (IS_ERR(segment))
		return -ENOENT;
	write_lock(&segment->rmap.lock);
	pages = xpm_rmap_set_remote(&segment->rmap, first, min(last, xpm_segment_last(segment)));
	write_unlock(&segment->rmap.lock);
	xpm_segment_put(segment);
	return pages;
}
EXPORT_SYMBOL_GPL(xpm_rmap_notifier_mark_remote);

static const struct xpm_rmap_notifier_ops *subscriber(int i, unsigned int marks)
{
	return marks & 1U << i ? srcu_dereference(chain[i], &chain_srcu) : NULL;
}

/* Pass 2 for one subscriber */
static void wait_for(const struct xpm_rmap_notifier_ops *ops, int i,
		     const struct xpm_rmap_range *range, struct xpm_rmap_wait *wait)
{
	ktime_t start = ktime_get();

	ops->wait(range, wait);
	if (1U << i != XPM_RMAP_EXTERNAL) {
		atomic_long_inc(&range->segment->recalls);
		xpm_stats_add(XPM_STAT_RECALLS, 1);
	}
	trace_xpmem_recall(range, ops->name, ktime_to_ns(ktime_sub(ktime_get(), start)));
}

unsigned int xpm_rmap_notifier_invalidate(const struct xpm_rmap_range *range, unsigned int marks)
{
	const struct xpm_rmap_notifier_ops *ops[NR_MARKS];
	struct xpm_rmap_wait wait[NR_MARKS];
	enum xpm_rmap_answer answer[NR_MARKS];
	int i, idx = srcu_read_lock(&chain_srcu);

	for (i = 0; i < NR_MARKS; i++) {
		ops[i] = subscriber(i, marks);
		answer[i] = ops[i] ? ops[i]->issue(range, &wait[i]) : XPM_RMAP_GONE;
	}
	for (i = 0; i < NR_MARKS; i++) {
		if (answer[i] == XPM_RMAP_WAIT)
			wait_for(ops[i], i, range, &wait[i]);
		/* Else the mark would become that of other memory. */
		if (answer[i] == XPM_RMAP_KEPT && !WARN_ON_ONCE(!range->content_stays))
			marks &= ~(1U << i);
	}
	srcu_read_unlock(&chain_srcu, idx);
	return marks;
}

bool xpm_rmap_notifier_invalidate_nonblock(const struct xpm_rmap_range *range, unsigned int marks)
{
	int i, idx = srcu_read_lock(&chain_srcu);
	bool gone = true;

	for (i = 0; i < NR_MARKS && gone; i++) {
		const struct xpm_rmap_notifier_ops *ops = subscriber(i, marks);

		gone = !ops || ops->invalidate_nonblock(range);
	}
	srcu_read_unlock(&chain_srcu, idx);
	return gone;
}

void xpm_rmap_notifier_release(struct xpm_segment *segment, unsigned int marks)
{
	int i, idx = srcu_read_lock(&chain_srcu);

	for (i = 0; i < NR_MARKS; i++) {
		const struct xpm_rmap_notifier_ops *ops = subscriber(i, marks);

		if (ops)
			ops->release(segment);
	}
	srcu_read_unlock(&chain_srcu, idx);
}

int xpm_rmap_notifier_init(void)
{
	return init_srcu_struct(&chain_srcu);
}

void xpm_rmap_notifier_exit(void)
{
	cleanup_srcu_struct(&chain_srcu);
}
