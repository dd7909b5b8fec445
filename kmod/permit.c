// SPDX-License-Identifier: GPL-2.0-only
/*
 * Permits: getting and releasing them.
 *
 * A permit is checked once, when it is got.  It stays good when the segment's
 * mode or the caller's credentials change, as an open file does.
 *
 * Its attachments are mappings of a file of the permit's own, opened for
 * reading alone where the permit is read-only: so the VM itself refuses to map
 * it writable, or to make it writable later.  The file's f_mapping is the
 * segment's.  It is in no descriptor table, so nothing but attach maps it.
 */
#include "permit.h"

#include <linux/file.h>
#include <linux/mm.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>

#include "attachment.h"
#include "process.h"
#include "remote.h"
#include "segment.h"
#include "stats.h"
#include "trace.h"
#include "user.h"
#include "zap.h"

static struct rhashtable table;

int xpm_permit_init(void)
{
	return xpm_id_table_init(&table);
}

void xpm_permit_exit(void)
{
	rhashtable_destroy(&table);
}

static void put_segment(struct xpm_segment *segment)
{
	if (segment->remote)
		xpm_remote_unuse(xpm_remote_of(segment));
	xpm_segment_put(segment);
}

static void permit_free(struct kref *ref)
{
	struct xpm_permit *permit = container_of(ref, struct xpm_permit, ref);

	WARN_ON(!list_empty(&permit->attachments) || permit->file);
	if (permit->leftover)
		xpm_process_leftover_gone(permit->process);
	atomic_dec(&permit->segment->permits);
	put_segment(permit->segment);
	xpm_user_uncharge(permit->user, XPM_RESOURCE_PERMIT);
	xpm_stats_add(XPM_STAT_PERMITS, -1);
	kfree_rcu(permit, rcu);		/* xpm_permit_find() may look at it */
}

void xpm_permit_put(struct xpm_permit *permit)
{
	kref_put(&permit->ref, permit_free);
}

struct xpm_permit *xpm_permit_find(struct xpm_process *process, s64 id)
{
	struct xpm_permit *permit;
	struct xpm_id *found;

	if (id <= 0)
		return ERR_PTR(-EINVAL);
	rcu_read_lock();
	found = xpm_id_find(&table, id);
	permit = found ? container_of(found, struct xpm_permit, id) : ERR_PTR(-ENOENT);
	if (!IS_ERR(permit) && permit->process != process)
		permit = ERR_PTR(-EACCES);
	if (!IS_ERR(permit) && !kref_get_unless_zero(&permit->ref))
		permit = ERR_PTR(-ENOENT);
	rcu_read_unlock();
	return permit;
}

/* One that current may get, with a reference, and a user if it is remote */
static struct xpm_segment *find_segment(s64 segid, bool writable)
{
	struct xpm_segment *segment;
	int err = 0;

	if (xpm_remote_is_foreign(segid))
		return xpm_remote_get(segid, writable);
	segment = xpm_segment_find(segid);
	if (IS_ERR(segment))
		return segment;
	if (xpm_segment_is_dead(segment))
		err = -ENOENT;
	else if (!xpm_segment_permits(segment, writable))
		err = -EACCES;
	if (!err)
		return segment;
	xpm_segment_put(segment);
	return ERR_PTR(err);
}

long xpm_permit_get(struct xpm_process *process, struct xpmem_ioc_get *req)
{
	struct xpm_segment *segment;
	struct xpm_permit *permit;
	struct xpm_user *user;
	bool writable = req->flags & XPMEM_GET_RDWR;
	int err;

	if (req->flags & ~(XPMEM_GET_RDONLY | XPMEM_GET_RDWR))
		return -EOPNOTSUPP;
	if (hweight32(req->flags) != 1)
		return -EINVAL;
	segment = find_segment(req->segid, writable);
	if (IS_ERR(segment))
		return PTR_ERR(segment);

	user = xpm_user_charge(XPM_RESOURCE_PERMIT);
	err = PTR_ERR(user);
	if (IS_ERR(user))
		goto err_segment;
	err = -ENOMEM;
	permit = kzalloc(sizeof(*permit), GFP_KERNEL_ACCOUNT);
	if (!permit)
		goto err_user;
	permit->user = user;
	kref_init(&permit->ref);
	permit->process = process;
	permit->segment = segment;
	permit->writable = writable;
	spin_lock_init(&permit->lock);
	INIT_LIST_HEAD(&permit->attachments);

	mutex_lock(&process->lock);
	err = xpm_id_publish_serial(&table, &permit->id);
	if (err)
		goto err_lock;
	req->out_apid = permit->id.value;
	list_add_tail(&permit->link, &process->permits);
	atomic_inc(&segment->permits);
	mutex_unlock(&process->lock);
	xpm_stats_add(XPM_STAT_PERMITS, 1);
	xpm_stats_add(XPM_STAT_GETS, 1);
	trace_xpmem_get(req->segid, req->out_apid, writable);
	return 0;

err_lock:
	mutex_unlock(&process->lock);
	kfree(permit);
err_user:
	xpm_user_uncharge(user, XPM_RESOURCE_PERMIT);
err_segment:
	put_segment(segment);
	return err;
}

long xpm_permit_release(struct xpm_process *process, s64 id)
{
	struct xpm_permit *permit = xpm_permit_find(process, id);
	bool found;

	if (IS_ERR(permit))
		return PTR_ERR(permit);

	/* Of two threads that release it at once, one finds it. */
	mutex_lock(&process->lock);
	found = !list_empty(&permit->link);
	list_del_init(&permit->link);
	mutex_unlock(&process->lock);
	if (found)
		xpm_permit_kill(permit);
	xpm_permit_put(permit);
	return found ? 0 : -ENOENT;
}

struct file *xpm_permit_file(struct xpm_permit *permit)
{
	struct file *file, *spare = NULL;

again:
	spin_lock(&permit->lock);
	if (permit->dead) {
		file = ERR_PTR(-ENOENT);
	} else {
		if (!permit->file)
			swap(permit->file, spare);
		file = permit->file;
		if (file)
			get_file(file);
	}
	spin_unlock(&permit->lock);
	if (spare)
		fput(spare);
	if (file)
		return file;

	spare = xpm_attachment_file(permit);
	if (IS_ERR(spare))
		return spare;
	goto again;
}

void xpm_permit_kill(struct xpm_permit *permit)
{
	struct xpm_segment *segment = permit->segment;
	struct file *file;

	xpm_id_withdraw(&table, &permit->id);
	trace_xpmem_release(permit->id.value);

	spin_lock(&permit->lock);
	WRITE_ONCE(permit->dead, true);
	file = permit->file;
	permit->file = NULL;
	spin_unlock(&permit->lock);

	if (!xpm_attachment_unmap_all(permit)) {
		/*
		 * Mappings stay behind: an insertion that has not seen the mark
		 * is over when the lock was ours once.
		 */
		write_lock(&segment->rmap.lock);
		write_unlock(&segment->rmap.lock);
		xpm_zap_all(segment);
		permit->leftover = true;
		xpm_process_leftover(permit->process);
	}
	if (file)
		fput(file);
	xpm_permit_put(permit);
}
