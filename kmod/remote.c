// SPDX-License-Identifier: GPL-2.0-only
/*
 * Remote segments: got from the daemon, forgotten by it.
 *
 * To a permit, its attachments and insert.c a remote segment is a segment like others,
 * of addresses that begin at 0, with an address_space and a reverse map; it has no
 * owner here, and no notifier.  What VALID means in its map stands in replica.c.
 *
 * Life: made by the first GET that the daemon grants, found by its id from then on, by
 * other GETs and by the daemon; withdrawn and dead when the daemon forgets it (FORGET).
 * That is after the module has told it that nobody has a permit any more (RELEASE), or
 * when home has lost the segment.  Its pages are freed then; the rest with the last
 * permit.  Who got a permit that was granted and died before it had it, is a user, too:
 * so the daemon is told of the end of what it has granted.
 *
 * The users are counted under the channel's lock: RELEASE is told only if there is none
 * at the moment in which it is read.
 */
#include "remote.h"

#include <linux/cred.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/rhashtable.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

#include "ask.h"
#include "id.h"
#include "lease.h"
#include "replica.h"
#include "stats.h"
#include "trace.h"

static struct rhashtable table;
static DEFINE_MUTEX(table_lock);	/* additions and removals */
/* All that are not freed; the module stays until there is none. */
static atomic_t nr_remotes = ATOMIC_INIT(0);

bool xpm_remote_is_foreign(s64 segid)
{
	u32 here = xpm_channel_partition();
	u32 home = xpm_partition_of(segid);

	return here && home && home != here && segid > 0;
}

/* ------------------------------------------------------- notices */

static bool fill_release(struct xpm_notice *notice, struct xpmem_ctl_record *record)
{
	record->type = XPMEM_CTL_RELEASE;
	record->segid = notice->remote->segment.id.value;
	return !notice->remote->users && !READ_ONCE(notice->remote->segment.dead);
}

static void told_release(struct xpm_notice *notice)
{
}

static bool fill_drop(struct xpm_notice *notice, struct xpmem_ctl_record *record)
{
	struct xpm_remote *remote = notice->remote;

	record->type = XPMEM_CTL_DROP;
	record->segid = remote->segment.id.value;
	record->first = remote->drop_first;
	record->count = remote->drop_end - remote->drop_first;
	/* RELEASE says the same, and more. */
	if (remote->drop_all && remote->users && !atomic_read(&remote->segment.attachments)) {
		record->first = 0;
		record->count = xpm_segment_last(&remote->segment) + 1;
	}
	return record->count && !READ_ONCE(remote->segment.dead);
}

static void told_drop(struct xpm_notice *notice)
{
	notice->remote->drop_first = 0;
	notice->remote->drop_end = 0;
	notice->remote->drop_all = false;
}

/* With the channel's lock; who is dead has cancelled its notices, or will. */
static void notify(struct xpm_remote *remote, struct xpm_notice *notice)
{
	if (!READ_ONCE(remote->segment.dead))
		xpm_channel_notify(notice);
}

void xpm_remote_unwanted(struct xpm_remote *remote, unsigned long first, unsigned long end)
{
	xpm_channel_lock();
	if (remote->drop_first == remote->drop_end) {
		remote->drop_first = first;
		remote->drop_end = end;
		notify(remote, &remote->drop);
	} else if (first <= remote->drop_end && end >= remote->drop_first) {
		/* One record a segment: what does not touch it is said another time. */
		remote->drop_first = min(remote->drop_first, first);
		remote->drop_end = max(remote->drop_end, end);
	}
	xpm_channel_unlock();
}

void xpm_remote_detached(struct xpm_remote *remote)
{
	xpm_channel_lock();
	remote->drop_all = true;
	notify(remote, &remote->drop);
	xpm_channel_unlock();
}

void xpm_remote_unuse(struct xpm_remote *remote)
{
	xpm_channel_lock();
	if (!--remote->users)
		notify(remote, &remote->release);
	xpm_channel_unlock();
}

/* One more, whom @get was granted */
static void use(struct xpm_remote *remote, const struct xpmem_ctl_record *get)
{
	u32 flags = get->flags & XPMEM_CTL_WRITE;

	xpm_channel_lock();
	remote->users++;
	if (!remote->opened || flags > remote->opener_flags) {
		remote->opener_uid = get->uid;
		remote->opener_gid = get->gid;
		remote->opener_flags = flags;
		remote->opened = true;
	}
	xpm_channel_unlock();
}

void xpm_remote_tell_unused(void)
{
	struct xpm_remote *remote;
	s64 next = 0;

	while ((remote = xpm_remote_next(next))) {
		next = remote->segment.id.value + 1;
		xpm_channel_lock();
		if (!remote->users)
			notify(remote, &remote->release);
		xpm_channel_unlock();
		xpm_remote_put(remote);
	}
}

/* ------------------------------------------------------- objects */

static void notice_init(struct xpm_notice *notice, struct xpm_remote *remote,
			bool (*fill)(struct xpm_notice *notice, struct xpmem_ctl_record *record),
			void (*told)(struct xpm_notice *notice))
{
	INIT_LIST_HEAD(&notice->queued);
	notice->remote = remote;
	notice->fill = fill;
	notice->told = told;
}

/* With one reference; its size is not known yet. */
static struct xpm_remote *remote_alloc(struct xpm_home *home)
{
	struct xpm_remote *remote = kzalloc(sizeof(*remote), GFP_KERNEL_ACCOUNT);

	if (!remote)
		return NULL;
	xpm_segment_init_remote(&remote->segment);
	remote->home = home;
	INIT_LIST_HEAD(&remote->of_home);
	remote->memcg = get_mem_cgroup_from_mm(current->mm);
	xpm_rmap_init(&remote->segment.rmap, 0, 0);
	mutex_init(&remote->lock);
	xa_init(&remote->replicas);
	spin_lock_init(&remote->asks_lock);
	INIT_LIST_HEAD(&remote->asks);
	init_waitqueue_head(&remote->changed);
	notice_init(&remote->release, remote, fill_release, told_release);
	notice_init(&remote->drop, remote, fill_drop, told_drop);
	/* Its id has this partition's peer in it, which must not become our number. */
	xpm_channel_partition_get();
	atomic_inc(&nr_remotes);
	return remote;
}

static void remote_free_rcu(struct rcu_head *rcu)
{
	struct xpm_segment *segment = container_of(rcu, struct xpm_segment, rcu);

	kfree(xpm_remote_of(segment));
	if (atomic_dec_and_test(&nr_remotes))
		wake_up_var(&nr_remotes);
}

/* Inside any lock; nobody can find it but by RCU, and nobody can come to hold it. */
void xpm_remote_free(struct xpm_remote *remote)
{
	WARN_ON(mapping_mapped(&remote->segment.mapping));
	WARN_ON(!xa_empty(&remote->replicas) || !list_empty(&remote->asks));
	xa_destroy(&remote->replicas);
	xpm_rmap_destroy(&remote->segment.rmap);
	mem_cgroup_put(remote->memcg);
	xpm_channel_partition_put();
	call_rcu(&remote->segment.rcu, remote_free_rcu);
}

struct xpm_remote *xpm_remote_find(s64 segid)
{
	struct xpm_remote *remote = NULL;
	struct xpm_id *found;

	rcu_read_lock();
	found = xpm_id_find(&table, segid);
	if (found) {
		remote = container_of(found, struct xpm_remote, segment.id);
		if (!kref_get_unless_zero(&remote->segment.ref))
			remote = NULL;
	}
	rcu_read_unlock();
	return remote;
}

struct xpm_remote *xpm_remote_next(s64 segid)
{
	struct xpm_remote *next = NULL, *remote;
	struct rhashtable_iter iter;
	struct xpm_id *id;

	rhashtable_walk_enter(&table, &iter);
	rhashtable_walk_start(&iter);
	while ((id = rhashtable_walk_next(&iter))) {
		if (IS_ERR(id) || id->value < segid)
			continue;
		remote = container_of(id, struct xpm_remote, segment.id);
		if (next && next->segment.id.value <= id->value)
			continue;
		if (!kref_get_unless_zero(&remote->segment.ref))
			continue;
		swap(next, remote);
		/* A put may free, which is by RCU and does not sleep. */
		if (remote)
			xpm_remote_put(remote);
	}
	rhashtable_walk_stop(&iter);
	rhashtable_walk_exit(&iter);
	return next;
}

/* ----------------------------------------------------------- GET */

/* Gives @fresh its size and id, unless there is one; a reference and a user more */
static struct xpm_remote *publish(struct xpm_remote *fresh, const struct xpmem_ctl_record *get,
				  u64 size)
{
	struct xpm_segment *segment = &fresh->segment;
	struct xpm_remote *remote;
	s64 segid = get->segid;
	int err;

	mutex_lock(&table_lock);
	remote = xpm_remote_find(segid);
	if (remote && remote->segment.end != size) {
		xpm_remote_put(remote);
		remote = ERR_PTR(-EINVAL);
	} else if (!remote) {
		segment->end = size;
		segment->rmap.last = xpm_segment_last(segment);
		err = xpm_id_publish(&table, &segment->id, segid);
		remote = err ? ERR_PTR(err) : fresh;
	}
	if (!IS_ERR(remote)) {
		/* Found or fresh, one reference is the caller's ... */
		use(remote, get);
		if (remote == fresh) {
			/* ... and one that of the table. */
			xpm_remote_hold(remote);
			mutex_lock(&remote->home->lock);
			list_add_tail(&remote->of_home, &remote->home->remotes);
			mutex_unlock(&remote->home->lock);
			xpm_stats_add(XPM_STAT_REMOTES, 1);
		}
	}
	mutex_unlock(&table_lock);
	return remote;
}

int xpm_remote_granted(u64 id, u64 size)
{
	struct xpm_question *question = xpm_channel_pin(id);
	struct xpm_remote *remote;

	if (!question)
		return -ENOENT;
	if (question->record.type != XPMEM_CTL_GET) {
		xpm_channel_unpin(question, true, 0);
		return 0;
	}
	if (!size || !PAGE_ALIGNED(size) || size > TASK_SIZE) {
		xpm_channel_unpin(question, false, 0);
		return -EINVAL;
	}
	remote = publish(question->remote, &question->record, size);
	if (IS_ERR(remote)) {
		xpm_channel_unpin(question, false, 0);
		return PTR_ERR(remote);
	}
	if (remote != question->remote)
		xpm_remote_put(question->remote);
	question->remote = remote;
	xpm_channel_unpin(question, true, 0);
	return 0;
}

struct xpm_segment *xpm_remote_get(s64 segid, bool write)
{
	struct xpm_home *home = xpm_lease_home(xpm_partition_of(segid));
	struct xpm_question question;
	int err;

	if (IS_ERR(home))
		return ERR_CAST(home);
	xpm_question_init(&question, XPMEM_CTL_GET);
	question.record.flags = write ? XPMEM_CTL_WRITE : 0;
	question.record.segid = segid;
	question.record.uid = from_kuid(&init_user_ns, current_euid());
	question.record.gid = from_kgid(&init_user_ns, current_egid());
	question.record.pid = task_tgid_nr(current);
	question.remote = remote_alloc(home);
	if (!question.remote)
		return ERR_PTR(-ENOMEM);
	err = xpm_channel_ask(&question);
	if (!err) {
		err = xpm_channel_wait(&question);
		xpm_channel_withdraw(&question);
	}
	/* It may have come just before it was withdrawn. */
	if (question.done && !question.error)
		return &question.remote->segment;
	xpm_remote_put(question.remote);
	return ERR_PTR(err);
}

int xpm_remote_attach(struct xpm_remote *remote, unsigned long first, unsigned long count)
{
	struct xpm_question question;
	int err;

	xpm_question_init(&question, XPMEM_CTL_ATTACH);
	question.record.segid = remote->segment.id.value;
	question.record.first = first;
	question.record.count = count;
	question.record.pid = task_tgid_nr(current);
	err = xpm_channel_ask(&question);
	if (err)
		return err;
	err = xpm_channel_wait(&question);
	xpm_channel_withdraw(&question);
	return err;
}

/* -------------------------------------------------------- FORGET */

/* The caller has taken it out of the table, and drops that reference. */
static void kill(struct xpm_remote *remote)
{
	struct xpm_segment *segment = &remote->segment;

	mutex_lock(&remote->home->lock);
	list_del_init(&remote->of_home);
	mutex_unlock(&remote->home->lock);
	write_lock(&segment->rmap.lock);
	WRITE_ONCE(segment->dead, true);
	write_unlock(&segment->rmap.lock);
	xpm_replica_hide_all(remote);
	xpm_replica_free_all(remote);
	xpm_ask_wake_all(remote);
	xpm_channel_cancel(&remote->release);
	xpm_channel_cancel(&remote->drop);
	xpm_stats_add(XPM_STAT_REMOTES, -1);
}

long xpm_remote_forget(s64 segid, bool unused)
{
	struct xpm_remote *remote;
	bool used = false;

	mutex_lock(&table_lock);
	remote = xpm_remote_find(segid);
	if (remote) {
		xpm_channel_lock();
		used = unused && remote->users;
		xpm_channel_unlock();
		if (!used)
			xpm_id_withdraw(&table, &remote->segment.id);
	}
	mutex_unlock(&table_lock);
	if (!remote)
		return -ENOENT;
	if (!used) {
		kill(remote);
		xpm_remote_put(remote);
	}
	xpm_remote_put(remote);
	return used ? -EBUSY : 0;
}

/* ---------------------------------------------------------- LIST */

/* The next range of the segment from *first on, which moves on; false: none */
static bool next_range(struct xpm_remote *remote, struct xpmem_ctl_list *req,
		       struct xpmem_ctl_range *range)
{
	unsigned long first = req->segid == range->segid ? req->first : 0, count;

	range->state = xpm_replica_next(remote, &first, &count);
	range->first = first;
	range->count = count;
	/* A segment that has nothing is told all the same, once. */
	if (!count)
		range->first = 0;
	return count || !(req->segid == range->segid && req->first);
}

long xpm_remote_list(struct xpmem_ctl_list *req)
{
	struct xpmem_ctl_range __user *ranges = u64_to_user_ptr(req->ranges);
	u64 room = req->count;
	struct xpm_remote *remote;

	if (req->flags)
		return -EOPNOTSUPP;
	if (req->segid < 0)
		return -EINVAL;
	req->count = 0;
	while (req->count < room && (remote = xpm_remote_next(req->segid))) {
		struct xpmem_ctl_range range = { .segid = remote->segment.id.value };
		bool more = next_range(remote, req, &range);

		xpm_remote_put(remote);
		if (fatal_signal_pending(current))
			return -EINTR;
		if (more) {
			if (copy_to_user(&ranges[req->count], &range, sizeof(range)))
				return -EFAULT;
			req->count++;
		}
		if (!range.count && range.segid == S64_MAX)
			break;
		req->segid = range.count ? range.segid : range.segid + 1;
		req->first = range.count ? range.first + range.count : 0;
	}
	return 0;
}

long xpm_remote_opener(struct xpmem_ctl_opener *req)
{
	struct xpm_remote *remote = xpm_remote_find(req->segid);

	if (!remote)
		return -ENOENT;
	xpm_channel_lock();
	req->out_flags = remote->opener_flags;
	req->out_uid = remote->opener_uid;
	req->out_gid = remote->opener_gid;
	xpm_channel_unlock();
	req->out_length = remote->segment.end;
	req->out_lease_until = READ_ONCE(remote->home->until);
	xpm_remote_put(remote);
	return 0;
}

int xpm_remote_init(void)
{
	xpm_channel_init();
	return xpm_id_table_init(&table);
}

/* Nobody has a permit, and no daemon is there. */
void xpm_remote_exit(void)
{
	struct xpm_remote *remote;

	while ((remote = xpm_remote_next(0))) {
		xpm_remote_forget(remote->segment.id.value, false);
		xpm_remote_put(remote);
	}
	wait_var_event(&nr_remotes, !atomic_read(&nr_remotes));
	rhashtable_destroy(&table);
	xpm_channel_exit();
}
