// SPDX-License-Identifier: GPL-2.0-only
/* Users and their limits; see user.h. */
#include "user.h"

#include <linux/cred.h>
#include <linux/hashtable.h>
#include <linux/moduleparam.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/uidgid.h>

#include "stats.h"

struct xpm_user {
	struct hlist_node node;
	kuid_t uid;
	refcount_t ref;			/* one for each object charged */
	atomic_long_t count[XPM_NR_RESOURCES];
	struct rcu_head rcu;
};

/*
 * Far above what jobs need (a node of 256 ranks that all attach each other has
 * 65,536 permits), and far below what makes the node unusable.
 */
static unsigned int limits[XPM_NR_RESOURCES] = {
	[XPM_RESOURCE_SEGMENT] = 1 << 16,
	[XPM_RESOURCE_PERMIT] = 1 << 20,
	[XPM_RESOURCE_ATTACHMENT] = 1 << 22,
};

module_param_named(max_segments_per_user, limits[XPM_RESOURCE_SEGMENT], uint, 0644);
MODULE_PARM_DESC(max_segments_per_user, "segments a user can have (default 65536)");
module_param_named(max_permits_per_user, limits[XPM_RESOURCE_PERMIT], uint, 0644);
MODULE_PARM_DESC(max_permits_per_user, "permits a user can have (default 1048576)");
module_param_named(max_attachments_per_user, limits[XPM_RESOURCE_ATTACHMENT], uint, 0644);
MODULE_PARM_DESC(max_attachments_per_user, "attachments a user can have (default 4194304)");

static DEFINE_HASHTABLE(users, 6);
static DEFINE_SPINLOCK(users_lock);	/* changes of the table; look-ups by RCU */

/* Returns it with a reference; the lock or rcu_read_lock() is held. */
static struct xpm_user *find(kuid_t uid)
{
	struct xpm_user *user;

	hash_for_each_possible_rcu(users, user, node, __kuid_val(uid),
				   lockdep_is_held(&users_lock))
		if (uid_eq(user->uid, uid) && refcount_inc_not_zero(&user->ref))
			return user;
	return NULL;
}

static struct xpm_user *find_or_add(kuid_t uid)
{
	struct xpm_user *user, *fresh;

	rcu_read_lock();
	user = find(uid);
	rcu_read_unlock();
	if (user)
		return user;

	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return ERR_PTR(-ENOMEM);
	fresh->uid = uid;
	refcount_set(&fresh->ref, 1);
	spin_lock(&users_lock);
	user = find(uid);
	if (!user)
		hash_add_rcu(users, &fresh->node, __kuid_val(uid));
	spin_unlock(&users_lock);
	if (user) {
		kfree(fresh);
		return user;
	}
	xpm_stats_add(XPM_STAT_USERS, 1);
	return fresh;
}

static void put(struct xpm_user *user)
{
	if (!refcount_dec_and_test(&user->ref))
		return;
	spin_lock(&users_lock);
	hash_del_rcu(&user->node);
	spin_unlock(&users_lock);
	xpm_stats_add(XPM_STAT_USERS, -1);
	kfree_rcu(user, rcu);
}

struct xpm_user *xpm_user_charge(enum xpm_resource resource)
{
	struct xpm_user *user = find_or_add(current_uid());

	if (IS_ERR(user))
		return user;
	if (atomic_long_inc_return(&user->count[resource]) > READ_ONCE(limits[resource])) {
		xpm_user_uncharge(user, resource);
		return ERR_PTR(-ENOSPC);
	}
	return user;
}

void xpm_user_uncharge(struct xpm_user *user, enum xpm_resource resource)
{
	atomic_long_dec(&user->count[resource]);
	put(user);
}
