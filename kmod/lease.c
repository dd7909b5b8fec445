// SPDX-License-Identifier: GPL-2.0-only
/*
 * Leases: no replica can be used after its home may have given the page to others.
 *
 * A replica is used through page table entries, which are made from what is VALID in
 * the remote segment's reverse map.  A replica becomes VALID under rmap.lock, held for
 * writing, and only if the lease is good then (replica.c); insert.c makes entries of
 * what is VALID, with the lock held for reading.  At the end of the lease, for each
 * remote segment of the home,
 *
 *  1. under rmap.lock, held for writing, everything is revoked: no entry is made from
 *     here on, as nothing becomes VALID: the clock does not go back;
 *  2. page tables are emptied.
 *
 * So an entry is either there before step 1, and taken out in step 2, or it is not
 * made.  A lease that is renewed meanwhile makes step 2 take out more than it must,
 * which faults bring back.  Nothing here waits for the daemon, nor for a lock that is
 * held while somebody else is waited for: a stopped daemon keeps nobody's pages.
 *
 * CLOCK_BOOTTIME goes on while the machine sleeps.  Between the timer and the end of
 * step 2 pass the interrupt, the work (at high priority) and the emptying; home adds
 * its skew for that.
 *
 * Replicas themselves stay: home may have taken nothing back meanwhile, and an
 * EXCLUSIVE one is the only copy.
 */
#include "lease.h"

#include <linux/mm.h>
#include <linux/slab.h>

#include "channel.h"
#include "compat/compat.h"
#include "remote.h"
#include "replica.h"
#include "stats.h"
#include "trace.h"

static struct xpm_home *homes[XPMEM_PARTITION_MAX + 1];
static DEFINE_MUTEX(homes_lock);	/* additions */
static struct workqueue_struct *lease_wq;

/* The lease is over: nobody uses what the home has granted when this returns. */
static void end_lease(struct xpm_home *home)
{
	struct xpm_remote *remote;
	unsigned int segments = 0;

	mutex_lock(&home->lock);
	list_for_each_entry(remote, &home->remotes, of_home) {
		xpm_replica_hide_all(remote);
		segments++;
	}
	mutex_unlock(&home->lock);
	xpm_stats_add(XPM_STAT_LEASE_ENDS, 1);
	trace_xpmem_lease_end(home->partition, segments);
}

static void lease_work(struct work_struct *work)
{
	struct xpm_home *home = container_of(work, struct xpm_home, work);

	/* It was renewed, and the timer set anew. */
	if (!xpm_lease_is_good(home))
		end_lease(home);
}

static enum hrtimer_restart lease_timer(struct hrtimer *timer)
{
	queue_work(lease_wq, &container_of(timer, struct xpm_home, timer)->work);
	return HRTIMER_NORESTART;
}

struct xpm_home *xpm_lease_home(u32 partition)
{
	struct xpm_home *home;

	mutex_lock(&homes_lock);
	home = homes[partition];
	if (!home) {
		home = kzalloc(sizeof(*home), GFP_KERNEL);
		if (home) {
			home->partition = partition;
			xpm_hrtimer_setup(&home->timer, lease_timer, CLOCK_BOOTTIME,
					  HRTIMER_MODE_ABS);
			INIT_WORK(&home->work, lease_work);
			mutex_init(&home->lock);
			INIT_LIST_HEAD(&home->remotes);
			/* xpm_lease_next_home() sees it whole. */
			smp_store_release(&homes[partition], home);
		}
	}
	mutex_unlock(&homes_lock);
	return home ?: ERR_PTR(-ENOMEM);
}

struct xpm_home *xpm_lease_next_home(u32 partition)
{
	struct xpm_home *home = NULL;

	while (!home && ++partition <= XPMEM_PARTITION_MAX)
		home = smp_load_acquire(&homes[partition]);	/* see xpm_lease_home() */
	return home;
}

static void wake_faults(struct xpm_home *home)
{
	struct xpm_remote *remote;

	mutex_lock(&home->lock);
	list_for_each_entry(remote, &home->remotes, of_home)
		wake_up_all(&remote->changed);
	mutex_unlock(&home->lock);
}

long xpm_lease_set(u32 partition, u64 until)
{
	struct xpm_home *home;

	if (!partition || partition > XPMEM_PARTITION_MAX || partition == xpm_channel_partition())
		return -EINVAL;
	home = xpm_lease_home(partition);
	if (IS_ERR(home))
		return PTR_ERR(home);
	until = min_t(u64, until, KTIME_MAX);
	trace_xpmem_lease(partition, until);
	WRITE_ONCE(home->until, until);
	if (ktime_get_boottime_ns() < until) {
		hrtimer_start(&home->timer, ns_to_ktime(until), HRTIMER_MODE_ABS);
		wake_faults(home);
	} else {
		hrtimer_cancel(&home->timer);
		end_lease(home);
	}
	return 0;
}

int xpm_lease_init(void)
{
	lease_wq = alloc_workqueue("xpmem_lease", WQ_UNBOUND | WQ_HIGHPRI | WQ_MEM_RECLAIM, 0);
	return lease_wq ? 0 : -ENOMEM;
}

void xpm_lease_exit(void)
{
	u32 i;

	for (i = 1; i <= XPMEM_PARTITION_MAX; i++)
		if (homes[i])
			hrtimer_cancel(&homes[i]->timer);
	destroy_workqueue(lease_wq);
	for (i = 1; i <= XPMEM_PARTITION_MAX; i++)
		kfree(homes[i]);
}
