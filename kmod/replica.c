// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replicas: pages of this partition with what other partitions' pages contain.
 *
 * A replica is an entry of remote->replicas: the page, and its state.
 *
 *	       INSTALL                  INSTALL without data
 *	absent ---------> SHARED ---------------------------> EXCLUSIVE
 *	   |  '--------------------------------------------->  |  |
 *	   |                 ^---------------------------------'  |
 *	   |                       TAKE to SHARED                 |
 *	   '<-------------- TAKE to NONE, or eviction if SHARED --'
 *
 * Changes are made by one at a time (remote->lock).  While one takes replicas away
 * they are BUSY: there, but nobody can come to use them.
 *
 * Nobody uses a replica but through the reverse map of the remote segment, where what
 * may be used is VALID.  To become VALID, under rmap.lock held for writing, a page has
 * to be in the table, not BUSY, and the home's lease good.  To take one away is:
 *
 *  1. under rmap.lock, held for writing: BUSY in the table, revoked in the map;
 *  2. page tables are emptied of it: unmap_mapping_pages() also waits for the TLBs;
 *  3. what it contains is copied, or the page freed.
 *
 * So after step 2 there is no access, and after step 1 none can begin: no store is lost
 * between an EXCLUSIVE page's last store and its copy, and no page is freed that
 * somebody sees.  insert.c makes entries of what is VALID as it does for the pages of
 * an owner; who upgrades SHARED to EXCLUSIVE leaves the frame as it is.
 *
 * Pages are allocated by who faults and charged to it.  What comes without a fault is
 * charged to the memory cgroup of who got the segment first.  The table is charged to
 * nobody: it is less than a sixtieth of that, and the daemon must not run into the limit
 * of others.
 */
#include "replica.h"

#include <linux/bitmap.h>
#include <linux/highmem.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "lease.h"
#include "remote.h"
#include "shrink.h"
#include "stats.h"
#include "trace.h"
#include "window.h"
#include "zap.h"

/* Tags of the pointers in the table: what the XArray can have */
#define SHARED		0UL
#define EXCLUSIVE	1UL
#define BUSY		3UL

#define TAKE_MAX	512U

static atomic_long_t nr_replicas;

unsigned long xpm_replica_count(void)
{
	return atomic_long_read(&nr_replicas);
}

static void count(struct xpm_remote *remote, long replicas, long shared)
{
	atomic_long_add(replicas, &nr_replicas);
	atomic_long_add(replicas, &remote->nr_replicas);
	atomic_long_add(shared, &remote->nr_shared);
	xpm_stats_add(XPM_STAT_REPLICAS, replicas);
}

/* --------------------------------------------------------- pages */

struct xpm_pages *xpm_pages_alloc(unsigned int count, gfp_t flags)
{
	/*
	 * Not charged: it lives as long as one fault, and who is at its cgroup's limit would
	 * be killed for it instead of giving up pages.
	 */
	struct xpm_pages *pages = kmalloc(struct_size(pages, page, count), GFP_KERNEL);
	gfp_t gfp = GFP_KERNEL_ACCOUNT | flags;
	struct page *page;

	if (!pages)
		return NULL;
	for (pages->count = 0; pages->count < count; pages->page[pages->count++] = page) {
		page = alloc_page(gfp);
		if (!page)
			break;
		/* The others would be welcome. */
		gfp = GFP_KERNEL_ACCOUNT | __GFP_NORETRY | __GFP_NOWARN;
	}
	if (pages->count)
		return pages;
	kfree(pages);
	return NULL;
}

void xpm_pages_free(struct xpm_pages *pages)
{
	if (!pages)
		return;
	while (pages->count)
		__free_page(pages->page[--pages->count]);
	kfree(pages);
}

/* One of @pages, or one more, charged to who has the segment; NULL: no memory */
static struct page *page_of(struct xpm_remote *remote, struct xpm_pages *pages)
{
	struct mem_cgroup *old;
	struct page *page;

	if (pages && pages->count)
		return pages->page[--pages->count];
	old = set_active_memcg(remote->memcg);
	page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_NORETRY | __GFP_NOWARN);
	set_active_memcg(old);
	return page;
}

/* -------------------------------------------------------- looking */

static unsigned long tag_of(void *entry)
{
	return xa_pointer_tag(entry);
}

static struct page *page_in(void *entry)
{
	return xa_untag_pointer(entry);
}

enum xpm_replica_answer xpm_replica_look(struct xpm_remote *remote, unsigned long index,
					 bool write)
{
	void *entry = xa_load(&remote->replicas, index);

	if (!entry)
		return XPM_REPLICA_ABSENT;
	if (tag_of(entry) == BUSY || !xpm_lease_is_good(remote->home))
		return XPM_REPLICA_WAIT;
	return write && tag_of(entry) != EXCLUSIVE ? XPM_REPLICA_ABSENT : XPM_REPLICA_HERE;
}

unsigned int xpm_replica_absent(struct xpm_remote *remote, unsigned long index,
				unsigned int limit)
{
	unsigned long found = index;

	if (!limit || !xa_find(&remote->replicas, &found, index + limit - 1, XA_PRESENT))
		return limit;
	return found - index;
}

unsigned int xpm_replica_next(struct xpm_remote *remote, unsigned long *first,
			      unsigned long *count)
{
	unsigned long at, tag = 0;
	void *entry;

	*count = 0;
	mutex_lock(&remote->lock);	/* none is BUSY */
	xa_for_each_start(&remote->replicas, at, entry, *first) {
		if (!*count) {
			*first = at;
			tag = tag_of(entry);
		} else if (at != *first + *count || tag_of(entry) != tag) {
			break;
		}
		++*count;
		cond_resched();
	}
	mutex_unlock(&remote->lock);
	if (!*count)
		return XPMEM_PAGE_NONE;
	return tag == EXCLUSIVE ? XPMEM_PAGE_EXCLUSIVE : XPMEM_PAGE_SHARED;
}

/* -------------------------------------------------------- showing */

/* What is there of [first, last], all in one leaf */
static int refresh_leaf(struct xpm_remote *remote, unsigned long first, unsigned long last)
{
	struct xpm_rmap *rmap = &remote->segment.rmap;
	struct xpm_leaf *leaf;
	unsigned long at;
	void *entry;
	int err = xpm_rmap_reserve(rmap, first);

	if (err)
		return err;
	write_lock(&rmap->lock);
	leaf = xpm_rmap_leaf(rmap, first);
	if (remote->segment.dead)
		err = -ENOENT;
	else if (leaf && xpm_lease_is_good(remote->home))
		xa_for_each_range(&remote->replicas, at, entry, first, last)
			if (tag_of(entry) != BUSY)
				xpm_leaf_store(leaf, at, page_to_pfn(page_in(entry)),
					       tag_of(entry) == EXCLUSIVE);
	xpm_rmap_trim(rmap, first);
	write_unlock(&rmap->lock);
	return err;
}

int xpm_replica_refresh(struct xpm_remote *remote, const struct xpm_window *w)
{
	unsigned long first = w->first, last, at;
	int err = 0;

	for (; first <= w->last && !err; first = last + 1) {
		last = min(first | (XPM_LEAF_PAGES - 1), w->last);
		at = first;
		if (xa_find(&remote->replicas, &at, last, XA_PRESENT))
			err = refresh_leaf(remote, first, last);
	}
	return err;
}

/*
 * Steps 1 and 2 of the head for what is revoked already; the marks found then say
 * whether page tables may have it.
 */
static void empty(struct xpm_remote *remote, unsigned long first, unsigned long last,
		  unsigned int marks)
{
	struct xpm_rmap *rmap = &remote->segment.rmap;

	if (!(marks & XPM_RMAP_EXTERNAL))
		return;
	xpm_zap(&remote->segment, first, last);
	write_lock(&rmap->lock);
	while (xpm_rmap_forget(rmap, &first, last, XPM_RMAP_EXTERNAL))
		cond_resched_rwlock_write(&rmap->lock);
	write_unlock(&rmap->lock);
}

void xpm_replica_hide_all(struct xpm_remote *remote)
{
	struct xpm_rmap *rmap = &remote->segment.rmap;
	unsigned long first = 0, last = xpm_segment_last(&remote->segment);
	unsigned int marks = 0;

	write_lock(&rmap->lock);
	while (xpm_rmap_revoke(rmap, &first, last, &marks))
		cond_resched_rwlock_write(&rmap->lock);
	write_unlock(&rmap->lock);
	/*
	 * Whatever the marks are: who takes replicas away at the same time may have
	 * revoked a page and not have come to its zap.
	 */
	empty(remote, 0, last, XPM_RMAP_EXTERNAL);
}

/* ----------------------------------------------------- installing */

/* A page with the content of @from, of the daemon; an error pointer */
static struct page *filled_page(struct xpm_remote *remote, struct xpm_pages *pages,
				const void __user *from)
{
	struct page *page = page_of(remote, pages);
	unsigned long left;
	void *to;

	if (!page)
		return ERR_PTR(-ENOMEM);
	to = kmap_local_page(page);
	left = copy_from_user(to, from, PAGE_SIZE);
	kunmap_local(to);
	if (!left)
		return page;
	__free_page(page);
	return ERR_PTR(-EFAULT);
}

/* 0, or -EBUSY: there is one */
static int add(struct xpm_remote *remote, unsigned long index, struct page *page,
	       unsigned long tag)
{
	int err;

	mutex_lock(&remote->lock);
	if (READ_ONCE(remote->segment.dead)) {
		err = -ENOENT;
	} else if (!xpm_lease_is_good(remote->home)) {
		err = -ESTALE;
	} else {
		err = xa_insert(&remote->replicas, index, xa_tag_pointer(page, tag), GFP_KERNEL);
		if (!err)
			count(remote, 1, tag == SHARED);
	}
	mutex_unlock(&remote->lock);
	return err;
}

static long install_data(struct xpm_remote *remote, struct xpmem_ctl_install *req,
			 struct xpm_pages *pages)
{
	unsigned long tag = req->state == XPMEM_PAGE_EXCLUSIVE ? EXCLUSIVE : SHARED;
	struct page *page;
	int err = 0;

	for (; req->out_count < req->count && !err; req->out_count += !err) {
		if (fatal_signal_pending(current))
			return -EINTR;
		page = filled_page(remote, pages,
				   u64_to_user_ptr(req->buffer + req->out_count * PAGE_SIZE));
		if (IS_ERR(page))
			return PTR_ERR(page);
		err = add(remote, req->first + req->out_count, page, tag);
		if (err)
			__free_page(page);
		cond_resched();
	}
	return err;
}

/* SHARED pages become EXCLUSIVE, all or none; those that are mapped, writable */
static long install_upgrade(struct xpm_remote *remote, struct xpmem_ctl_install *req)
{
	unsigned long first = req->first, last = first + req->count - 1;
	struct xpm_rmap *rmap = &remote->segment.rmap;
	unsigned long at;
	long err = 0;
	void *entry;

	mutex_lock(&remote->lock);
	if (READ_ONCE(remote->segment.dead))
		err = -ENOENT;
	else if (!xpm_lease_is_good(remote->home))
		err = -ESTALE;
	for (at = first; at <= last && !err; at++) {
		entry = xa_load(&remote->replicas, at);
		if (!entry || tag_of(entry) != SHARED)
			err = -ENOENT;
	}
	for (at = first; at <= last && !err; at++) {
		entry = xa_load(&remote->replicas, at);
		write_lock(&rmap->lock);
		xa_store(&remote->replicas, at, xa_tag_pointer(page_in(entry), EXCLUSIVE),
			 GFP_NOWAIT);
		write_unlock(&rmap->lock);
		cond_resched();
	}
	if (!err) {
		count(remote, 0, -(long)req->count);
		req->out_count = req->count;
	}
	mutex_unlock(&remote->lock);
	return err;
}

/* The pages that who asked has brought along, if this is the answer to a fault */
static struct xpm_pages *pages_of_question(u64 id, s64 segid)
{
	struct xpm_question *question = id ? xpm_channel_pin(id) : NULL;
	struct xpm_pages *pages = NULL;

	if (!question)
		return NULL;
	if (question->record.type == XPMEM_CTL_FAULT && question->record.segid == segid)
		swap(pages, question->pages);
	xpm_channel_unpin(question, false, 0);
	return pages;
}

static long install(struct xpm_remote *remote, struct xpmem_ctl_install *req)
{
	struct xpm_pages *pages;
	long err;

	if (!req->buffer)
		return install_upgrade(remote, req);
	pages = pages_of_question(req->id, req->segid);
	err = install_data(remote, req, pages);
	xpm_pages_free(pages);
	/* What could not be installed belongs to nobody. */
	return (err == -ENOMEM && req->out_count) || err == -EBUSY ? 0 : err;
}

static bool is_within(const struct xpm_remote *remote, u64 first, u64 count)
{
	u64 last = (remote->segment.end - 1) >> PAGE_SHIFT;

	return count && first <= last && count - 1 <= last - first;
}

long xpm_replica_install(struct xpmem_ctl_install *req)
{
	struct xpm_remote *remote;
	long err = -EINVAL;

	req->out_count = 0;
	if ((req->state != XPMEM_PAGE_SHARED && req->state != XPMEM_PAGE_EXCLUSIVE) ||
	    !PAGE_ALIGNED(req->buffer) ||
	    (!req->buffer && req->state != XPMEM_PAGE_EXCLUSIVE))
		return -EINVAL;
	remote = xpm_remote_find(req->segid);
	if (!remote)
		return -ENOENT;
	if (is_within(remote, req->first, req->count))
		err = install(remote, req);
	xpm_shrink_to_limit();
	xpm_stats_add(XPM_STAT_INSTALLS, req->out_count);
	atomic_long_add(req->out_count, &remote->installed);
	trace_xpmem_install(req, err);
	/* Whoever waits looks, or asks again with the next lease; or has given up. */
	if ((!err || err == -ESTALE) && req->id)
		xpm_channel_answer(req->id, err);
	xpm_remote_put(remote);
	return err;
}

/* --------------------------------------------------------- taking */

struct taking {
	struct xpm_remote *remote;
	unsigned long first;
	unsigned int pages;
	bool to_none;
	DECLARE_BITMAP(present, TAKE_MAX);
	DECLARE_BITMAP(exclusive, TAKE_MAX);
	DECLARE_BITMAP(busy, TAKE_MAX);
};

static void set_tag(struct taking *take, unsigned int i, unsigned long tag)
{
	struct xarray *replicas = &take->remote->replicas;
	void *entry = xa_load(replicas, take->first + i);

	/* In place of another entry: this allocates nothing. */
	xa_store(replicas, take->first + i, xa_tag_pointer(page_in(entry), tag), GFP_NOWAIT);
}

/* Steps 1 and 2 */
static void begin_take(struct taking *take)
{
	struct xpm_rmap *rmap = &take->remote->segment.rmap;
	unsigned long first = take->first, last = first + take->pages - 1;
	unsigned int marks = 0;
	unsigned long at;
	void *entry;

	xa_for_each_range(&take->remote->replicas, at, entry, first, last) {
		__set_bit(at - take->first, take->present);
		if (tag_of(entry) == EXCLUSIVE)
			__set_bit(at - take->first, take->exclusive);
	}
	bitmap_copy(take->busy, take->to_none ? take->present : take->exclusive, TAKE_MAX);
	if (bitmap_empty(take->busy, TAKE_MAX))
		return;
	write_lock(&rmap->lock);
	for_each_set_bit(at, take->busy, TAKE_MAX)
		set_tag(take, at, BUSY);
	/* All of it, which is one walk; what stays SHARED comes back with a fault. */
	while (xpm_rmap_revoke(rmap, &first, last, &marks))
		;
	write_unlock(&rmap->lock);
	empty(take->remote, take->first, last, marks);
}

/* Step 3 of one page */
static void free_replica(struct taking *take, unsigned int i)
{
	struct xpm_rmap *rmap = &take->remote->segment.rmap;
	void *entry;

	write_lock(&rmap->lock);
	entry = xa_erase(&take->remote->replicas, take->first + i);
	write_unlock(&rmap->lock);
	__free_page(page_in(entry));
}

static void set_tags(struct taking *take, const unsigned long *pages, unsigned long tag)
{
	struct xpm_rmap *rmap = &take->remote->segment.rmap;
	unsigned int i;

	write_lock(&rmap->lock);
	for_each_set_bit(i, pages, TAKE_MAX)
		if (test_bit(i, take->busy))
			set_tag(take, i, tag);
	write_unlock(&rmap->lock);
}

static void end_take(struct taking *take)
{
	unsigned int exclusive = bitmap_weight(take->exclusive, TAKE_MAX);
	unsigned int present = bitmap_weight(take->present, TAKE_MAX);
	unsigned int i;

	if (take->to_none) {
		for_each_set_bit(i, take->present, TAKE_MAX)
			free_replica(take, i);
		count(take->remote, -(long)present, (long)exclusive - present);
	} else {
		set_tags(take, take->exclusive, SHARED);
		count(take->remote, 0, exclusive);
	}
}

/* The daemon's buffer is not there: nothing has happened. */
static void undo_take(struct taking *take)
{
	DECLARE_BITMAP(shared, TAKE_MAX);

	bitmap_andnot(shared, take->present, take->exclusive, TAKE_MAX);
	set_tags(take, take->exclusive, EXCLUSIVE);
	set_tags(take, shared, SHARED);
}

static int copy_out(struct taking *take, const struct xpmem_ctl_take *req)
{
	unsigned long left;
	unsigned int i;
	void *from;

	for_each_set_bit(i, take->exclusive, TAKE_MAX) {
		from = kmap_local_page(page_in(xa_load(&take->remote->replicas, take->first + i)));
		left = copy_to_user(u64_to_user_ptr(req->buffer + i * PAGE_SIZE), from, PAGE_SIZE);
		kunmap_local(from);
		if (left)
			return -EFAULT;
		cond_resched();
	}
	if (copy_to_user(u64_to_user_ptr(req->out_exclusive), take->exclusive,
			 sizeof(take->exclusive)) ||
	    copy_to_user(u64_to_user_ptr(req->out_present), take->present, sizeof(take->present)))
		return -EFAULT;
	return 0;
}

long xpm_replica_take(struct xpmem_ctl_take *req)
{
	struct taking take = {
		.first = req->first,
		.pages = req->count,
		.to_none = req->state == XPMEM_PAGE_NONE,
	};
	long err;

	BUILD_BUG_ON(sizeof(take.present) != 64);
	if ((req->state != XPMEM_PAGE_NONE && req->state != XPMEM_PAGE_SHARED) ||
	    req->count > TAKE_MAX || !PAGE_ALIGNED(req->buffer))
		return -EINVAL;
	take.remote = xpm_remote_find(req->segid);
	if (!take.remote)
		return -ENOENT;
	if (!is_within(take.remote, req->first, req->count)) {
		xpm_remote_put(take.remote);
		return -EINVAL;
	}
	if (mutex_lock_killable(&take.remote->lock)) {
		xpm_remote_put(take.remote);
		return -EINTR;
	}
	begin_take(&take);
	err = copy_out(&take, req);
	if (err)
		undo_take(&take);
	else
		end_take(&take);
	mutex_unlock(&take.remote->lock);
	wake_up_all(&take.remote->changed);

	if (!err) {
		unsigned int taken = bitmap_weight(take.busy, TAKE_MAX);

		xpm_stats_add(XPM_STAT_TAKES, taken);
		atomic_long_add(taken, &take.remote->taken);
	}
	trace_xpmem_take(req, bitmap_weight(take.present, TAKE_MAX),
			 bitmap_weight(take.exclusive, TAKE_MAX), err);
	xpm_remote_put(take.remote);
	return err;
}

/* ---------------------------------------------------- getting rid */

/*
 * Picks what of the stretch from take->first on can be freed, in all no more than
 * @pages with those that only the daemon can give back; returns the page after.
 */
static unsigned long pick(struct taking *take, unsigned long pages)
{
	unsigned long at, end = take->first;
	void *entry;

	xa_for_each_range(&take->remote->replicas, at, entry, take->first,
			  take->first + TAKE_MAX - 1) {
		if (!pages--)
			break;
		end = at + 1;
		if (tag_of(entry) != SHARED)
			continue;
		__set_bit(at - take->first, take->present);
		set_tag(take, at - take->first, BUSY);
		take->pages++;
	}
	bitmap_copy(take->busy, take->present, TAKE_MAX);
	return end;
}

unsigned long xpm_replica_evict(struct xpm_remote *remote, unsigned long *at,
				unsigned long pages)
{
	struct taking take = { .remote = remote, .to_none = true };
	struct xpm_rmap *rmap = &remote->segment.rmap;
	unsigned int marks = 0;
	unsigned long first, end;

	if (!mutex_trylock(&remote->lock))
		return 0;
	if (!xa_find(&remote->replicas, at, ULONG_MAX, XA_PRESENT)) {
		*at = 0;
		goto out;
	}
	take.first = *at;
	write_lock(&rmap->lock);
	end = pick(&take, pages);
	first = take.first;
	/* All of it, which is one walk; what stays comes back with a fault. */
	while (xpm_rmap_revoke(rmap, &first, end - 1, &marks))
		;
	write_unlock(&rmap->lock);
	empty(remote, take.first, end - 1, marks);
	end_take(&take);
	*at = end;
	xpm_remote_unwanted(remote, take.first, end);
	xpm_stats_add(XPM_STAT_EVICTIONS, take.pages);
out:
	mutex_unlock(&remote->lock);
	wake_up_all(&remote->changed);
	return take.pages;
}

void xpm_replica_free_all(struct xpm_remote *remote)
{
	long replicas = 0, shared = 0;
	unsigned long at;
	void *entry;

	mutex_lock(&remote->lock);
	xa_for_each(&remote->replicas, at, entry) {
		xa_erase(&remote->replicas, at);
		__free_page(page_in(entry));
		replicas++;
		shared += tag_of(entry) == SHARED;
		cond_resched();
	}
	count(remote, -replicas, -shared);
	mutex_unlock(&remote->lock);
}
