// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segments: making, finding and removing them, and who may get one.
 *
 * Life: allocated, its notifier inserted, then published in the id table (from
 * here nothing can fail); killed by its owner's request or teardown; freed when
 * the last permit is gone too.  Permits and mappings keep a dead segment's
 * structure, nothing of the owner's memory.
 */
#include "segment.h"

#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/rhashtable.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "aging.h"
#include "channel.h"
#include "notifier.h"
#include "process.h"
#include "remote.h"
#include "share.h"
#include "stats.h"
#include "trace.h"
#include "user.h"
#include "xpm.h"

static struct rhashtable table;

/*
 * The zap of an attacher runs inside an invalidation that may hold the
 * i_mmap_rwsem of the file behind the owner's memory: two classes.  Who nests
 * them the other way round is mm_take_all_locks() alone; see process.c.
 */
static struct lock_class_key i_mmap_key;

/* The VM looks at the operations of any file mapping (MADV_WILLNEED does). */
static const struct address_space_operations no_aops;

int xpm_segment_init(void)
{
	return xpm_id_table_init(&table);
}

void xpm_segment_exit(void)
{
	rhashtable_destroy(&table);
}

/* xpm_segment_find() and xpm_segment_for_each() may look at it until then. */
static void segment_free_rcu(struct rcu_head *rcu)
{
	struct xpm_segment *segment = container_of(rcu, struct xpm_segment, rcu);

	put_cred(segment->cred);
	put_pid(segment->tgid);
	kfree(segment);
}

static void init_mapping(struct xpm_segment *segment)
{
	address_space_init_once(&segment->mapping);
	segment->mapping.a_ops = &no_aops;
	lockdep_set_class(&segment->mapping.i_mmap_rwsem, &i_mmap_key);
}

void xpm_segment_init_remote(struct xpm_segment *segment)
{
	kref_init(&segment->ref);
	segment->remote = true;
	INIT_LIST_HEAD(&segment->changes);
	init_mapping(segment);
}

static void segment_free(struct kref *ref)
{
	struct xpm_segment *segment = container_of(ref, struct xpm_segment, ref);

	if (segment->remote) {
		xpm_remote_free(xpm_remote_of(segment));
		return;
	}
	xpm_share_free(segment);
	WARN_ON(mapping_mapped(&segment->mapping));
	xpm_rmap_destroy(&segment->rmap);
	mmdrop(segment->mm);
	xpm_process_put(segment->process);
	call_rcu(&segment->rcu, segment_free_rcu);
}

void xpm_segment_put(struct xpm_segment *segment)
{
	kref_put(&segment->ref, segment_free);
}

bool xpm_segment_is_dead(struct xpm_segment *segment)
{
	return READ_ONCE(segment->dead) ||
	       (!segment->remote && !atomic_read(&segment->mm->mm_users));
}

struct xpm_segment *xpm_segment_find(s64 id)
{
	struct xpm_segment *segment = ERR_PTR(-ENOENT);
	struct xpm_id *found;

	if (id <= 0)
		return ERR_PTR(-EINVAL);
	rcu_read_lock();
	found = xpm_id_find(&table, id);
	if (found && kref_get_unless_zero(&container_of(found, struct xpm_segment, id)->ref))
		segment = container_of(found, struct xpm_segment, id);
	rcu_read_unlock();
	return segment;
}

int xpm_segment_for_each(int (*show)(struct xpm_segment *segment, void *data), void *data)
{
	struct rhashtable_iter iter;
	unsigned int seen = 0;
	struct xpm_id *id;
	int err = 0;

	rhashtable_walk_enter(&table, &iter);
	rhashtable_walk_start(&iter);
	while (!err && (id = rhashtable_walk_next(&iter))) {
		/* -EAGAIN: the table grew; the walk began anew. */
		if (!IS_ERR(id))
			err = show(container_of(id, struct xpm_segment, id), data);
		if (++seen % 256 == 0) {
			rhashtable_walk_stop(&iter);
			cond_resched();
			rhashtable_walk_start(&iter);
		}
	}
	rhashtable_walk_stop(&iter);
	rhashtable_walk_exit(&iter);
	return err;
}

bool xpm_segment_permits(struct xpm_segment *segment, bool write)
{
	unsigned int granted = segment->mode & xpm_permit_mask();
	unsigned int wanted = write ? 06 : 04;

	if (uid_eq(current_euid(), segment->cred->euid))
		granted >>= 6;
	else if (in_egroup_p(segment->cred->egid))
		granted >>= 3;
	if ((granted & wanted) == wanted)
		return true;
	return ns_capable(segment->cred->user_ns, CAP_IPC_OWNER);
}

long xpm_segment_make(struct xpm_process *process, struct xpmem_ioc_make *req)
{
	struct xpm_segment *segment;
	struct xpm_user *user;
	u64 length = req->length;
	u32 partition;
	u64 end;
	int err;

	if (req->flags || req->reserved)
		return -EOPNOTSUPP;
	if (req->mode & ~0777)
		return -EINVAL;
	if (!req->vaddr && length == U64_MAX)
		length = TASK_SIZE;
	if (!length || !PAGE_ALIGNED(req->vaddr) || !PAGE_ALIGNED(length))
		return -EINVAL;
	if (check_add_overflow(req->vaddr, length, &end) || end > TASK_SIZE)
		return -EINVAL;

	user = xpm_user_charge(XPM_RESOURCE_SEGMENT);
	if (IS_ERR(user))
		return PTR_ERR(user);
	err = -ENOMEM;
	segment = kzalloc(sizeof(*segment), GFP_KERNEL_ACCOUNT);
	if (!segment)
		goto err_user;
	segment->user = user;
	kref_init(&segment->ref);
	segment->process = process;
	segment->start = req->vaddr;
	segment->end = end;
	segment->mode = req->mode;
	xpm_rmap_init(&segment->rmap, segment->start >> PAGE_SHIFT, xpm_segment_last(segment));
	INIT_LIST_HEAD(&segment->changes);
	init_mapping(segment);

	err = xpm_notifier_insert(segment, process->mm);
	if (err)
		goto err_alloc;
	segment->cred = get_current_cred();
	segment->tgid = get_pid(task_tgid(current));
	xpm_process_hold(process);
	segment->mm = process->mm;
	mmgrab(segment->mm);

	/*
	 * Both under the lock: as soon as the id is known, any thread of the
	 * owner may remove the segment by it.
	 */
	mutex_lock(&process->lock);
	err = -ENOSPC;
	if (process->nr_segments >= XPM_MAX_SEGMENTS)
		goto err_lock;
	partition = xpm_channel_partition_get();
	segment->numbered = partition;
	err = xpm_id_publish_random(&table, &segment->id, partition);
	if (err)
		goto err_partition;
	xpm_aging_insert(&process->aging, segment);
	req->out_segid = segment->id.value;
	list_add_tail(&segment->link, &process->segments);
	process->nr_segments++;
	mutex_unlock(&process->lock);
	xpm_stats_add(XPM_STAT_SEGMENTS, 1);
	xpm_stats_add(XPM_STAT_MAKES, 1);
	trace_xpmem_make(req->out_segid, req->vaddr, end, req->mode);
	return 0;

err_partition:
	if (partition)
		xpm_channel_partition_put();
err_lock:
	mutex_unlock(&process->lock);
	xpm_notifier_remove(segment);
	xpm_segment_put(segment);
	goto err_user;
err_alloc:
	kfree(segment);
err_user:
	xpm_user_uncharge(user, XPM_RESOURCE_SEGMENT);
	return err;
}

/* Of two threads that remove it at once, or a teardown, one finds it. */
static long take_out(struct xpm_segment *segment)
{
	struct xpm_process *process = segment->process;
	bool found;

	mutex_lock(&process->lock);
	found = !list_empty(&segment->link);
	list_del_init(&segment->link);
	process->nr_segments -= found;
	mutex_unlock(&process->lock);
	if (found)
		xpm_segment_kill(segment);
	return found ? 0 : -ENOENT;
}

long xpm_segment_remove(struct xpm_process *process, s64 id)
{
	struct xpm_segment *segment = xpm_segment_find(id);
	long ret;

	if (IS_ERR(segment))
		return PTR_ERR(segment);
	ret = segment->process == process ? take_out(segment) : -EACCES;
	xpm_segment_put(segment);
	return ret;
}

long xpm_segment_drain(s64 id)
{
	struct xpm_segment *segment = xpm_segment_find(id);
	long ret;

	if (IS_ERR(segment))
		return PTR_ERR(segment);
	ret = take_out(segment);
	xpm_segment_put(segment);
	return ret;
}

void xpm_segment_kill(struct xpm_segment *segment)
{
	xpm_id_withdraw(&table, &segment->id);
	xpm_aging_remove(&segment->process->aging, segment);
	xpm_notifier_kill(segment);
	xpm_share_end(segment);
	if (segment->numbered)
		xpm_channel_partition_put();
	xpm_user_uncharge(segment->user, XPM_RESOURCE_SEGMENT);
	xpm_stats_add(XPM_STAT_SEGMENTS, -1);
	trace_xpmem_remove(segment->id.value);
	xpm_segment_put(segment);
}
