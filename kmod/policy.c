// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory placement by the owner's policy.
 *
 * A page that is first touched through an attachment is allocated in the owner,
 * by a thread of the attacher.  The VM looks at the policy of the owner's mapping
 * or file; where there is none, at that of the thread that runs, which is the
 * wrong one here.  So for as long as the fault of the owner's memory lasts, current
 * has a copy of the owner's policy, or where the owner has none a preference for
 * the node on which it runs.  Threads stay on their CPUs.
 *
 * When current's cpuset changes meanwhile, the copy follows, and current's own
 * policy does not until the next change.
 *
 * The nodes that current's cpuset does not allow are left out; if none is left,
 * current's own policy decides.
 *
 * Others may look at a task's policy with task_lock() held, and take a reference
 * that they drop later (/proc/<pid>/numa_maps).  The VM would free the copy into
 * its own cache with the last reference, so that one stays here, and the copy is
 * freed when no other is left.
 */
#include "policy.h"

#include <linux/mempolicy.h>
#include <linux/cpuset.h>
#include <linux/delay.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/nodemask.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/topology.h>

#include "compat/compat.h"

#ifdef CONFIG_NUMA

struct xpm_policy {
	struct mempolicy copy;
	struct mempolicy *own;		/* current's */
	struct list_head link;		/* in used, when others still look at it */
};

static LIST_HEAD(used);
static DEFINE_SPINLOCK(used_lock);

/* Fills in what the owner would allocate by; false: nothing to go by. */
static bool copy_of(struct mempolicy *copy, struct task_struct *owner)
{
	struct mempolicy *policy;

	task_lock(owner);
	policy = owner->mempolicy;
	if (policy && policy->mode != MPOL_LOCAL) {
		*copy = *policy;
	} else {
		copy->mode = MPOL_PREFERRED;
		copy->home_node = NUMA_NO_NODE;
		node_set(cpu_to_node(task_cpu(owner)), copy->nodes);
	}
	task_unlock(owner);

	atomic_set(&copy->refcnt, 1);
	nodes_and(copy->nodes, copy->nodes, cpuset_current_mems_allowed);
	return !nodes_empty(copy->nodes);
}

static void set_own(struct mempolicy *policy)
{
	task_lock(current);
	current->mempolicy = policy;
	task_unlock(current);
}

static void free_unused(void)
{
	struct xpm_policy *policy, *next;

	spin_lock(&used_lock);
	list_for_each_entry_safe(policy, next, &used, link) {
		if (atomic_read(&policy->copy.refcnt) == 1) {
			list_del(&policy->link);
			kfree(policy);
		}
	}
	spin_unlock(&used_lock);
}

struct xpm_policy *xpm_policy_enter(struct mm_struct *mm)
{
	struct xpm_policy *policy;
	struct task_struct *owner;
	bool found = false;

	if (num_online_nodes() == 1 || mm == current->mm)
		return NULL;
	policy = kzalloc(sizeof(*policy), GFP_KERNEL_ACCOUNT);
	if (!policy)
		return NULL;

	rcu_read_lock();
	owner = xpm_mm_task(mm);
	if (owner)
		found = copy_of(&policy->copy, owner);
	rcu_read_unlock();
	if (!found) {
		kfree(policy);
		return NULL;
	}
	policy->own = current->mempolicy;
	set_own(&policy->copy);
	return policy;
}

void xpm_policy_leave(struct xpm_policy *policy)
{
	if (!policy)
		return;
	/* No new reference comes after this. */
	set_own(policy->own);
	if (atomic_read(&policy->copy.refcnt) == 1) {
		kfree(policy);
		return;
	}
	spin_lock(&used_lock);
	list_add(&policy->link, &used);
	spin_unlock(&used_lock);
	free_unused();
}

void xpm_policy_exit(void)
{
	/* A reader of /proc holds one for no longer than it fills a buffer. */
	for (free_unused(); !list_empty(&used); free_unused())
		msleep(20);
}

#else

struct xpm_policy *xpm_policy_enter(struct mm_struct *mm)
{
	return NULL;
}

void xpm_policy_leave(struct xpm_policy *policy)
{
}

void xpm_policy_exit(void)
{
}

#endif
