// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replicas as the kernel's cache: what is SHARED can be had again from its home, so it
 * is freed when the VM asks for memory.  That takes no word with anybody: home's
 * directory may name this partition for longer, and is told when the daemon comes to
 * it (DROP).  An EXCLUSIVE replica is the only copy: the daemon is asked to give it back,
 * and takes it then.
 *
 * Pages are taken in stretches, in the order of segments and pages, from where the
 * last call ended.  Neither locks nor memory are waited for: this may run inside any
 * allocation.
 */
#include "shrink.h"

#include <linux/mm.h>
#include <linux/shrinker.h>
#include <linux/workqueue.h>

#include "channel.h"
#include "compat/compat.h"
#include "lease.h"
#include "remote.h"
#include "replica.h"

static struct shrinker *shrinker;

static unsigned long evict_of_home(struct xpm_home *home, unsigned long wanted)
{
	struct xpm_remote *remote;
	unsigned long freed = 0;

	if (!mutex_trylock(&home->lock))
		return 0;
	list_for_each_entry(remote, &home->remotes, of_home) {
		if (freed >= wanted)
			break;
		freed += xpm_replica_evict(remote, &remote->evict_at, wanted - freed);
	}
	mutex_unlock(&home->lock);
	return freed;
}

/* Returns how many were freed */
static unsigned long evict(unsigned long wanted)
{
	struct xpm_home *home = xpm_lease_next_home(0);
	unsigned long freed = 0;

	for (; home && freed < wanted; home = xpm_lease_next_home(home->partition))
		freed += evict_of_home(home, wanted - freed);
	return freed;
}

static unsigned long shrink_count(struct shrinker *unused, struct shrink_control *control)
{
	/* Of EXCLUSIVE ones none is freed by a scan, but it has them given back. */
	return xpm_replica_count();
}

static unsigned long shrink_scan(struct shrinker *unused, struct shrink_control *control)
{
	/* Emptying page tables may wait for what an allocation without it holds. */
	if (!(control->gfp_mask & __GFP_FS))
		return SHRINK_STOP;
	return evict(control->nr_to_scan) ?: SHRINK_STOP;
}

/* ---------------------------------------------------------- limit */

static void limit_work_fn(struct work_struct *work)
{
	unsigned long limit = xpm_channel_replica_limit() >> PAGE_SHIFT;
	unsigned long count;

	while (limit && (count = xpm_replica_count()) > limit) {
		/* The daemon gives the others back, or somebody is changing them. */
		if (!evict(count - limit))
			break;
		cond_resched();
	}
}

static DECLARE_WORK(limit_work, limit_work_fn);

void xpm_shrink_to_limit(void)
{
	unsigned long limit = xpm_channel_replica_limit() >> PAGE_SHIFT;

	if (limit && xpm_replica_count() > limit)
		schedule_work(&limit_work);
}

int xpm_shrink_init(void)
{
	shrinker = xpm_shrinker_register("xpmem-replicas", shrink_count, shrink_scan);
	return shrinker ? 0 : -ENOMEM;
}

void xpm_shrink_exit(void)
{
	xpm_shrinker_unregister(shrinker);
	cancel_work_sync(&limit_work);
}
