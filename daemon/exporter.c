// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Between the home's core, which knows pages and partitions, and the owner, where a
 * page is an address, a protection and a userfaultfd.
 *
 * What the core begins becomes a job (job.h) and ends in on_results().  An operation
 * of a segment whose helper is not connected waits for it: the helper connects again
 * by itself, and the core's recalls do not wait for operations.
 */
#include "exporter.h"

#include "config.h"
#include "daemon.h"
#include "export.h"
#include "kchannel.h"
#include "log.h"
#include "owner.h"
#include "trace.h"
#include "traps.h"
#include "uapi/xpmem_ioctl.h"
#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STORE_TRIES	1000
#define TRAP_WAIT_NS	5000000000ULL

struct xpmd_export *xpmd_export_find(const struct xpmd_exporter *exporter, int64_t segid)
{
	for (struct xpmd_export *export = exporter->exports; export; export = export->next)
		if (export->segid == segid && !export->dead)
			return export;
	return NULL;
}

uint64_t xpmd_export_address(const struct xpmd_export *export, uint64_t page)
{
	return export->start + page * XPMD_PAGE;
}

/* ---- Jobs */

static void activate(struct xpmd_export *export, struct xpmd_job *job)
{
	job->active_next = export->active;
	job->active_at = &export->active;
	if (export->active)
		export->active->active_at = &job->active_next;
	export->active = job;
}

static void deactivate(struct xpmd_job *job)
{
	if (!job->active_at)
		return;
	*job->active_at = job->active_next;
	if (job->active_next)
		job->active_next->active_at = job->active_at;
	job->active_at = NULL;
}

void xpmd_export_queue(struct xpmd_export *export, struct xpmd_job *job)
{
	if ((job->type == XPMD_JOB_STORE || job->type == XPMD_JOB_LOST) && !job->moved &&
	    xpmd_limbo_covers(export, job->first, job->count))
		xpmd_jobs_add(&export->limbo, job);
	else
		xpmd_worker_queue(export->worker, job);
}

void xpmd_export_end(struct xpmd_export *export, struct xpmd_job *job)
{
	struct xpmd *d = export->exporter->d;
	uint64_t now = xpmd_now();

	deactivate(job);
	if (job->op && job->type == XPMD_JOB_FETCH)
		xpmd_home_fetched(d->home, now, job->op, job->error, job->done, job->data);
	else if (job->op && job->type != XPMD_JOB_RELEASE)
		xpmd_home_stored(d->home, now, job->op, job->error);
	xpmd_job_free(job);
}

struct xpmd_job *xpmd_export_job(enum xpmd_job_type type, uint64_t op, int64_t segid,
				 uint64_t first, uint32_t count, uint32_t pages)
{
	struct xpmd_job *job = xpmd_job_new(type, segid, first, count, pages);

	if (!job)
		xpmd_out_of_memory();
	job->op = op;
	job->since = xpmd_now();
	return job;
}

static void begin(struct xpmd_exporter *exporter, struct xpmd_job *job)
{
	struct xpmd_export *export = xpmd_export_find(exporter, job->segid);

	if (!export) {
		/* Not from in here: the core is told by the loop. */
		job->error = ENOENT;
		xpmd_results_post(&exporter->results, job);
		return;
	}
	job->address = xpmd_export_address(export, job->first);
	activate(export, job);
	xpmd_export_queue(export, job);
}

void xpmd_export_ask(struct xpmd_export *export, struct xpmd_job *job)
{
	static const uint32_t types[] = {
		[XPMD_NEXT_TRAP] = XPMEM_OWNER_TRAP,
		[XPMD_NEXT_SPLIT] = XPMEM_OWNER_SPLIT,
		[XPMD_NEXT_GIVE_UP] = XPMEM_OWNER_GIVE_UP,
		[XPMD_NEXT_LOST] = XPMEM_OWNER_LOST,
	};
	uint64_t pages = job->type == XPMD_JOB_TRAP ? job->count64
			 : job->then == XPMD_NEXT_GIVE_UP ? job->done
			 : job->then == XPMD_NEXT_SPLIT ? 1 : job->count;
	struct xpmem_owner_packet packet = {
		.type = types[job->then], .id = job->number, .segid = export->segid,
		.first = job->address, .count = pages * XPMD_PAGE,
	};

	if (export->owner && export->welcomed)
		xpmd_owner_send(export->owner, &packet);
}

static void ask_and_wait(struct xpmd_export *export, struct xpmd_job *job)
{
	xpmd_jobs_add(&export->asked, job);
	xpmd_export_ask(export, job);
}

/* ---- Operations of the core */

static void op_send(void *ctx, uint32_t peer, const struct xpmd_msg *msg)
{
	struct xpmd_exporter *exporter = ctx;

	/* Without a session it is lost, as on any network: the core says it again. */
	(void)xpmd_transport_send(exporter->d->transport, peer,
				  xpmd_msg_is_bulk(msg) ? XPMD_BULK : XPMD_URGENT, msg);
}

static void op_fetch(void *ctx, uint64_t op, int64_t segid, uint64_t first, uint32_t count,
		     enum xpmd_state state)
{
	struct xpmd_job *job = xpmd_export_job(XPMD_JOB_FETCH, op, segid, first, count, count);

	job->state = state;
	begin(ctx, job);
}

static void op_store(void *ctx, uint64_t op, int64_t segid, uint64_t first, uint32_t count,
		     const void *data, enum xpmd_state state)
{
	struct xpmd_job *job = xpmd_export_job(XPMD_JOB_STORE, op, segid, first, count, count);

	memcpy(job->data, data, (size_t)count * XPMD_PAGE);
	job->state = state;
	begin(ctx, job);
}

static void op_release(void *ctx, uint64_t op, int64_t segid, uint64_t first, uint32_t count)
{
	begin(ctx, xpmd_export_job(XPMD_JOB_RELEASE, op, segid, first, count, 0));
}

static void op_lost(void *ctx, uint64_t op, int64_t segid, uint64_t first, uint32_t count)
{
	xpmd_log_of(LOG_ERR, 0, segid, "pages %llu..%llu are lost with the partition that had them",
		    (unsigned long long)first, (unsigned long long)(first + count - 1));
	begin(ctx, xpmd_export_job(XPMD_JOB_LOST, op, segid, first, count, 0));
}

static void op_cancel(void *ctx, int64_t segid, uint64_t first, uint32_t count)
{
	struct xpmd_export *export = xpmd_export_find(ctx, segid);

	for (struct xpmd_job *job = export ? export->active : NULL; job; job = job->active_next) {
		if (job->first >= first + count || first >= job->first + job->count)
			continue;
		if (job->type == XPMD_JOB_FETCH)
			atomic_store(&job->cancelled, true);
		for (uint32_t i = 0; i < job->count; i++)
			if (job->first + i >= first && job->first + i < first + count)
				xpmd_job_end_page(job, i);
	}
}

static bool is_in_recall(const struct xpmd_recall *recall, uint64_t page)
{
	return page >= recall->first && page - recall->first < recall->count;
}

/*
 * Nobody has any of the pages, and the module has forgotten its marks.  What was SHARED
 * is the owner's, and does not become so again by a job that is under way; what was AWAY
 * is being put back, unless it is dropped.
 */
static void untrap(struct xpmd_export *export, const struct xpmd_recall *recall)
{
	struct xpmd_traps *traps = xpmd_worker_traps(export->worker);
	uint64_t count = recall->count;

	for (struct xpmd_job *job = export->active; job; job = job->active_next)
		for (uint32_t i = 0; i < job->count; i++)
			if (is_in_recall(recall, job->first + i))
				xpmd_job_recall_page(job, i);
	if (recall->first >= export->pages)
		return;
	if (count > export->pages - recall->first)
		count = export->pages - recall->first;
	xpmd_traps_change(traps, recall->first, count, XPMD_TRAP_SHARED, XPMD_TRAP_NONE);
	if (recall->reason == XPMEM_CTL_REASON_CLEAR)
		xpmd_traps_change(traps, recall->first, count, XPMD_TRAP_AWAY, XPMD_TRAP_NONE);
}

/*
 * What came back and is not in the owner yet is nowhere else, if this daemon dies: it goes
 * on being AWAY to the module, so the next one knows that it is lost.  A mark that
 * comes before the answer stays.  The worker, which clears it when it has put the page
 * there, may do so meanwhile.
 */
static void keep_away(struct xpmd_export *export, struct xpmd_job *job, uint32_t i)
{
	struct xpmd_kchannel *channel = export->exporter->d->channel;
	uint32_t after = job->state == XPMD_SHARED ? XPMEM_MARK_REMOTE : XPMEM_MARK_CLEAR;

	if (!xpmd_job_is_live(job, i))
		return;
	xpmd_kchannel_mark(channel, export->segid, job->first + i, 1, XPMEM_MARK_AWAY);
	if (!xpmd_job_is_live(job, i))
		xpmd_kchannel_mark(channel, export->segid, job->first + i, 1, after);
}

static void keep_all_away(struct xpmd_export *export, const struct xpmd_recall *recall)
{
	for (struct xpmd_job *job = export->active; job; job = job->active_next)
		for (uint32_t i = 0; i < job->count && job->type == XPMD_JOB_STORE; i++)
			if (is_in_recall(recall, job->first + i))
				keep_away(export, job, i);
}

static bool is_active(const struct xpmd_export *export, uint64_t page)
{
	for (const struct xpmd_job *job = export->active; job; job = job->active_next)
		if (page >= job->first && page - job->first < job->count)
			return true;
	return false;
}

/*
 * What is AWAY without being put back is lost, and stays so until the owner drops it: which
 * the module tells of what is marked.
 */
static void keep_lost(struct xpmd_export *export, const struct xpmd_recall *recall)
{
	struct xpmd_traps *traps = xpmd_worker_traps(export->worker);

	for (uint64_t i = 0; i < recall->count && recall->first + i < export->pages; i++)
		if (xpmd_traps_get(traps, recall->first + i) == XPMD_TRAP_AWAY &&
		    !is_active(export, recall->first + i))
			xpmd_kchannel_mark(export->exporter->d->channel, export->segid,
					   recall->first + i, 1, XPMEM_MARK_AWAY);
}

static void op_recalled(void *ctx, uint64_t id)
{
	struct xpmd_exporter *exporter = ctx;
	struct xpmd_recall **at = &exporter->recalls, *recall;
	struct xpmd_export *export;

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	recall = *at;
	if (!recall)
		return;
	*at = recall->next;
	export = xpmd_export_find(exporter, recall->segid);
	if (recall->fork) {
		struct xpmem_owner_packet packet = {
			.type = XPMEM_OWNER_ANSWER, .id = recall->question, .segid = recall->segid,
		};

		if (export && export->owner)
			xpmd_owner_send(export->owner, &packet);
	} else {
		if (export && recall->gone)
			export->dead = true;
		else if (export)
			untrap(export, recall);
		if (export && recall->reason == XPMEM_CTL_REASON_PROTECT) {
			keep_all_away(export, recall);
			keep_lost(export, recall);
		}
		xpmd_kchannel_complete(exporter->d->channel, recall->id, 0, 0);
	}
	free(recall);
}

static bool op_beat(void *ctx)
{
	struct xpmd_exporter *exporter = ctx;

	return xpmd_kchannel_beat(exporter->d->channel) == 0;
}

static void op_evicted(void *ctx, uint32_t peer, uint32_t epoch, uint64_t pages_lost)
{
	(void)ctx;
	xpmd_log_of(pages_lost ? LOG_ERR : LOG_WARNING, peer, 0,
		    "partition %u did not answer until its lease ran out, and is evicted (epoch %u); %llu pages of which it had the only copy are lost",
		    peer, epoch, (unsigned long long)pages_lost);
}

static void op_trace(void *ctx, int64_t segid, uint64_t page, const char *event, uint32_t peer)
{
	struct xpmd_exporter *exporter = ctx;

	xpmd_trace_event(exporter->d->trace, "home", segid, page, event, peer);
}

const struct xpmd_home_ops xpmd_exporter_home_ops = {
	.send = op_send,
	.fetch = op_fetch,
	.store = op_store,
	.release = op_release,
	.lost = op_lost,
	.cancel = op_cancel,
	.recalled = op_recalled,
	.beat = op_beat,
	.evicted = op_evicted,
	.trace = op_trace,
};

/* ---- What comes back from workers */

/* The owner's fault at a page that is not fresh; all of a page of hugetlb's are meant. */
void xpmd_export_fault(struct xpmd_export *export, uint64_t page, bool write)
{
	struct xpmd *d = export->exporter->d;
	struct xpmd_traps *traps = xpmd_worker_traps(export->worker);
	uint64_t at, end;

	if (!xpmd_worker_huge(export->worker, xpmd_export_address(export, page), &at, &end)) {
		xpmd_home_owner_fault(d->home, xpmd_now(), export->segid, page, write);
		return;
	}
	for (; at < end; at++)
		if (xpmd_traps_get(traps, at) != XPMD_TRAP_NONE)
			xpmd_home_owner_fault(d->home, xpmd_now(), export->segid, at, write);
}

static void store_came_back(struct xpmd_export *export, struct xpmd_job *job)
{
	if (job->error == ENOENT && xpmd_limbo_missed(export, job))
		return;
	if (job->error == ENOMEM && xpmd_job_any_live(job) && ++job->tries < STORE_TRIES) {
		/* The owner's group is at its limit; its accesses wait meanwhile. */
		if (job->tries == 1)
			xpmd_log_of(LOG_WARNING, 0, export->segid,
				    "process %d has no memory for pages that come back",
				    export->pid);
		xpmd_worker_queue(export->worker, job);
		return;
	}
	if (job->error == ENOENT || job->error == ESRCH)
		job->error = 0;		/* nothing is there any more that could have it */
	else if (job->error)
		xpmd_log_of(LOG_ERR, 0, export->segid,
			    "pages %llu..%llu can't be put back into process %d and are lost: %s",
			    (unsigned long long)job->first,
			    (unsigned long long)(job->first + job->count - 1), export->pid,
			    strerror((int)job->error));
	xpmd_export_end(export, job);
}

/* Whether one more page of hugetlb may become pages of 4 KiB, for this owner's user */
static bool may_split(struct xpmd_export *export)
{
	const struct xpmd_exporter *exporter = export->exporter;
	uint64_t limit = exporter->d->config->hugetlb_per_user, pages = 1;

	for (const struct xpmd_export *e = exporter->exports; e; e = e->next)
		if (!e->dead && e->uid == export->uid)
			pages += e->split;
	if (!export->uid || pages * XPMD_HUGE <= limit)
		return true;
	if (!export->split_told)
		xpmd_log_of(LOG_WARNING, 0, export->segid,
			    "process %d: what others store to in hugetlb memory of user %u is refused from now on: hugetlb_per_user of xpmemd.conf (%llu bytes) is reached",
			    export->pid, export->uid, (unsigned long long)limit);
	export->split_told = true;
	return false;
}

static void came_back(struct xpmd_export *export, struct xpmd_job *job)
{
	switch (job->then) {
	case XPMD_NEXT_FAULT:
		xpmd_export_fault(export, job->first, job->write);
		xpmd_job_free(job);
		return;
	case XPMD_NEXT_GIVE_UP:
		if (atomic_load(&job->cancelled)) {
			job->undo = true;
			job->error = ECANCELED;
			xpmd_worker_queue_again(export->worker, job);
			return;
		}
		job->gave = job->done;
		ask_and_wait(export, job);
		return;
	case XPMD_NEXT_SPLIT:
		if (!may_split(export)) {
			job->undo = true;
			job->error = EDQUOT;
			xpmd_worker_queue_again(export->worker, job);
			return;
		}
		ask_and_wait(export, job);
		return;
	case XPMD_NEXT_TRAP:
	case XPMD_NEXT_LOST:
		ask_and_wait(export, job);
		return;
	case XPMD_NEXT_DONE:
		break;
	}
	if (job->type == XPMD_JOB_FETCH && job->error == EOPNOTSUPP && !export->unable_told) {
		xpmd_log_of(LOG_NOTICE, 0, export->segid,
			    "process %d: pages %llu.. are of memory that can't be trapped, or of hugetlb pages of another size than 2 MiB: others get SIGBUS there",
			    export->pid, (unsigned long long)job->first);
		export->unable_told = true;
	}
	if (job->type == XPMD_JOB_STORE)
		store_came_back(export, job);
	else
		xpmd_export_end(export, job);
}

static void free_export(struct xpmd_export *export)
{
	struct xpmd_window *window;
	struct xpmd_permit *permit;

	if (export->owner)
		xpmd_owner_close(export->owner);
	xpmd_worker_stop(export->worker);
	/* The core waits for what it began. */
	xpmd_results_post_all(&export->exporter->results, &export->asked, ENOENT);
	xpmd_results_post_all(&export->exporter->results, &export->limbo, ENOENT);
	xpmd_jobs_free(&export->held);
	while ((window = export->windows)) {
		export->windows = window->next;
		free(window);
	}
	while ((permit = export->permits)) {
		export->permits = permit->next;
		free(permit);
	}
	free(export);
}

static void sweep(struct xpmd_exporter *exporter)
{
	for (struct xpmd_export **at = &exporter->exports; *at; ) {
		struct xpmd_export *export = *at;

		if (!export->dead) {
			at = &export->next;
			continue;
		}
		*at = export->next;
		free_export(export);
	}
}

static int on_results(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
	struct xpmd_exporter *exporter = ctx;
	struct xpmd_job *next, *job = xpmd_results_take(&exporter->results);

	(void)source;
	(void)fd;
	(void)revents;
	for (; job; job = next) {
		struct xpmd_export *export = xpmd_export_find(exporter, job->segid);
		struct xpmd_export nowhere = { .exporter = exporter };

		next = job->next;
		job->next = NULL;
		if (export) {
			came_back(export, job);
		} else if (job->type == XPMD_JOB_TRAP) {
			xpmd_export_attached(exporter, job->partition, job->request, ENOENT);
			xpmd_job_free(job);
		} else {
			job->active_at = NULL;	/* the list went with the segment */
			xpmd_export_end(&nowhere, job);
		}
	}
	return 0;
}

/* ---- Segments */

static int add_export(struct xpmd_exporter *exporter, int64_t segid,
		      const struct xpmem_ctl_segment *segment, struct xpmd_export **ret)
{
	struct xpmd *d = exporter->d;
	struct xpmd_export *export = calloc(1, sizeof(*export));
	int rc = -ENOMEM;

	if (!export)
		return rc;
	export->exporter = exporter;
	export->segid = segid;
	export->start = segment->out_start;
	export->pages = segment->out_length / XPMD_PAGE;
	export->pid = (int)segment->out_pid;
	export->uid = segment->out_uid;
	export->lost = segment->out_flags & XPMEM_SHARE_LAST_COPY ? XPMD_LOST_LAST_COPY
								  : d->config->lost;
	xpmd_jobs_init(&export->asked);
	xpmd_jobs_init(&export->limbo);
	xpmd_jobs_init(&export->held);
	rc = xpmd_worker_new(&export->worker, d->channel, segid, export->start, export->pages,
			     &exporter->results);
	if (rc < 0) {
		free(export);
		return rc;
	}
	rc = xpmd_home_add_segment(d->home, segid, export->pages, export->lost);
	if (rc < 0) {
		xpmd_worker_stop(export->worker);
		free(export);
		return rc;
	}
	export->next = exporter->exports;
	exporter->exports = export;
	*ret = export;
	return 0;
}

/* A segment that is shared, known or not: its owner may not have connected yet. */
int xpmd_export_know(struct xpmd_exporter *exporter, int64_t segid, struct xpmd_export **ret)
{
	struct xpmem_ctl_segment segment;
	int rc;

	*ret = xpmd_export_find(exporter, segid);
	if (*ret)
		return 0;
	rc = xpmd_kchannel_segment(exporter->d->channel, segid, &segment);
	if (rc < 0)
		return rc;
	if (!(segment.out_flags & (XPMEM_SHARE_READ | XPMEM_SHARE_WRITE)))
		return -EOPNOTSUPP;
	return add_export(exporter, segid, &segment, ret);
}

static struct xpmd_permit *find_permit(const struct xpmd_export *export, uint32_t partition)
{
	struct xpmd_permit *permit = export->permits;

	while (permit && permit->partition != partition)
		permit = permit->next;
	return permit;
}

static uint64_t pages_open(const struct xpmd_exporter *exporter, uint32_t partition,
			   const struct xpmd_export *except)
{
	uint64_t pages = 0;

	for (struct xpmd_export *export = exporter->exports; export; export = export->next)
		if (export != except && !export->dead && find_permit(export, partition))
			pages += export->pages;
	return pages;
}

int xpmd_exporter_permit(struct xpmd_exporter *exporter, uint32_t partition, int64_t segid,
			 bool write, uint64_t pages_max, uint64_t *pages_ret)
{
	struct xpmd_export *export;
	struct xpmd_permit *permit;
	int rc = xpmd_export_know(exporter, segid, &export);

	if (rc < 0)
		return rc;
	if (pages_max && pages_open(exporter, partition, export) + export->pages > pages_max)
		return -EDQUOT;
	permit = find_permit(export, partition);
	if (!permit) {
		permit = calloc(1, sizeof(*permit));
		if (!permit)
			return -ENOMEM;
		permit->partition = partition;
		permit->next = export->permits;
		export->permits = permit;
	}
	permit->write |= write;
	rc = xpmd_home_permit(exporter->d->home, partition, segid, permit->write, true);
	if (rc < 0)
		return rc;
	*pages_ret = export->pages;
	return 0;
}

void xpmd_exporter_close(struct xpmd_exporter *exporter, uint32_t partition, int64_t segid)
{
	struct xpmd_export *export = xpmd_export_find(exporter, segid);

	if (!export)
		return;
	for (struct xpmd_permit **at = &export->permits; *at; at = &(*at)->next) {
		struct xpmd_permit *permit = *at;

		if (permit->partition != partition)
			continue;
		*at = permit->next;
		free(permit);
		xpmd_home_permit(exporter->d->home, partition, segid, false, false);
		return;
	}
}

void xpmd_export_attached(struct xpmd_exporter *exporter, uint32_t partition, uint64_t id,
			  uint32_t error)
{
	struct xpmd_attached attached = { .id = id, .error = error };

	xpmd_transport_attached(exporter->d->transport, partition, &attached);
}

void xpmd_exporter_attach(struct xpmd_exporter *exporter, uint32_t partition,
			  const struct xpmd_attach *attach)
{
	struct xpmd_export *export = xpmd_export_find(exporter, attach->segid);
	struct xpmd_job *job;
	uint32_t error = 0;

	if (!export)
		error = ENOENT;
	else if (!find_permit(export, partition))
		error = EACCES;
	else if (!attach->count || attach->first >= export->pages ||
		 attach->count > export->pages - attach->first)
		error = EINVAL;
	if (error) {
		xpmd_export_attached(exporter, partition, attach->id, error);
		return;
	}
	job = xpmd_export_job(XPMD_JOB_TRAP, 0, attach->segid, attach->first, 0, 0);
	job->then = XPMD_NEXT_TRAP;
	job->address = xpmd_export_address(export, attach->first);
	job->count64 = attach->count;
	job->partition = partition;
	job->request = attach->id;
	ask_and_wait(export, job);
}

/* ---- Records of the module */

struct xpmd_recall *xpmd_export_recall(struct xpmd_exporter *exporter, uint64_t id, int64_t segid)
{
	struct xpmd_recall *recall = calloc(1, sizeof(*recall));

	if (!recall)
		xpmd_out_of_memory();
	recall->id = id;
	recall->segid = segid;
	recall->next = exporter->recalls;
	exporter->recalls = recall;
	return recall;
}

void xpmd_exporter_record(struct xpmd_exporter *exporter, const struct xpmem_ctl_record *record)
{
	struct xpmd *d = exporter->d;
	struct xpmd_export *export = xpmd_export_find(exporter, record->segid);
	struct xpmd_recall *recall;

	if (record->type == XPMEM_CTL_UNMAP)
		return;		/* the userfaultfd says more; it was to be read, not more */
	if (!export && xpmd_now() >= d->grace_until) {
		/* Nobody was ever given a page of it. */
		xpmd_kchannel_complete(d->channel, record->id, 0, 0);
		return;
	}
	recall = xpmd_export_recall(exporter, record->id, record->segid);
	if (!export) {
		recall->late = true;
		return;
	}
	if (record->type == XPMEM_CTL_GONE) {
		recall->gone = true;
		xpmd_home_remove_segment(d->home, xpmd_now(), record->segid, record->id);
		return;
	}
	recall->first = record->first;
	recall->count = record->count;
	recall->reason = record->reason;
	if (record->reason == XPMEM_CTL_REASON_UNMAP)
		xpmd_limbo_open(export, record->first, record->count);
	xpmd_home_recall(d->home, xpmd_now(), record->id, record->segid, record->first,
			 record->count, record->reason != XPMEM_CTL_REASON_CLEAR);
}

/* ---- Begin and end */

static void found(void *ctx, const struct xpmem_ctl_range *range)
{
	struct xpmd_exporter *exporter = ctx;
	enum xpmd_state state = range->state == XPMEM_PAGE_EXCLUSIVE ? XPMD_EXCLUSIVE : XPMD_SHARED;
	struct xpmd_export *export;

	if (!range->count || xpmd_export_know(exporter, range->segid, &export) < 0)
		return;
	if (range->first >= export->pages || range->count > export->pages - range->first)
		return;
	if (xpmd_traps_set(xpmd_worker_traps(export->worker), range->first, range->count,
			   state == XPMD_SHARED ? XPMD_TRAP_SHARED : XPMD_TRAP_AWAY) < 0)
		xpmd_out_of_memory();
	xpmd_home_found(exporter->d->home, range->segid, range->first, range->count, state);
}

int xpmd_exporter_new(struct xpmd_exporter **ret, struct xpmd *d)
{
	struct xpmd_exporter *exporter = calloc(1, sizeof(*exporter));
	int rc;

	if (!exporter)
		return -ENOMEM;
	exporter->d = d;
	rc = xpmd_results_init(&exporter->results);
	if (rc >= 0)
		rc = sd_event_add_io(d->event, &exporter->source, exporter->results.fd,
				     EPOLLIN | EPOLLET, on_results, exporter);
	if (rc < 0) {
		xpmd_exporter_free(exporter);
		return rc;
	}
	*ret = exporter;
	return 0;
}

int xpmd_exporter_start(struct xpmd_exporter *exporter)
{
	const struct xpmd_config *config = exporter->d->config;
	uint64_t fork_ms = 2 * ((uint64_t)config->lease_ms + config->skew_ms);
	int rc = xpmd_kchannel_list(exporter->d->channel, true, found, exporter);

	if (rc < 0) {
		xpmd_log(LOG_ERR, "the module does not tell what is marked: %s", strerror(-rc));
		return rc;
	}
	return xpmd_owners_new(&exporter->owners, exporter->d->event, config->owner_socket,
			       config->segments_per_user,
			       fork_ms > XPMEM_OWNER_FORK_MS ? fork_ms : XPMEM_OWNER_FORK_MS,
			       &xpmd_export_owner_ops, exporter);
}

bool xpmd_exporter_is_idle(const struct xpmd_exporter *exporter)
{
	for (const struct xpmd_export *export = exporter->exports; export; export = export->next)
		if (!export->dead && export->active)
			return false;
	return true;
}

void xpmd_exporter_stop(struct xpmd_exporter *exporter)
{
	xpmd_owners_free(exporter->owners);
	exporter->owners = NULL;
	for (struct xpmd_export *export = exporter->exports; export; export = export->next) {
		export->owner = NULL;
		export->dead = true;
	}
	sweep(exporter);
}

void xpmd_exporter_free(struct xpmd_exporter *exporter)
{
	struct xpmd_recall *recall;

	if (!exporter)
		return;
	xpmd_exporter_stop(exporter);
	while ((recall = exporter->recalls)) {
		exporter->recalls = recall->next;
		free(recall);
	}
	sd_event_source_disable_unref(exporter->source);
	xpmd_results_destroy(&exporter->results);
	free(exporter);
}

/* An attachment elsewhere does not wait for ever for a helper that is not connected. */
static uint64_t expire_traps(struct xpmd_export *export, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (struct xpmd_job **at = &export->asked.head; *at; ) {
		uint64_t until = (*at)->since + TRAP_WAIT_NS;

		if ((*at)->type != XPMD_JOB_TRAP || until > now) {
			if ((*at)->type == XPMD_JOB_TRAP && until < next)
				next = until;
			at = &(*at)->next;
			continue;
		}
		xpmd_export_trapped(export, xpmd_jobs_cut(&export->asked, at), ETIMEDOUT, "");
	}
	return next;
}

/* Segments that were gone before this daemon could ask what they were */
static uint64_t complete_late(struct xpmd_exporter *exporter, uint64_t now)
{
	uint64_t until = exporter->d->grace_until;
	bool any = false;

	for (struct xpmd_recall **at = &exporter->recalls; *at; ) {
		struct xpmd_recall *recall = *at;

		if (!recall->late || now < until) {
			any |= recall->late;
			at = &recall->next;
			continue;
		}
		*at = recall->next;
		xpmd_kchannel_complete(exporter->d->channel, recall->id, 0, 0);
		free(recall);
	}
	return any ? until : UINT64_MAX;
}

uint64_t xpmd_exporter_tick(struct xpmd_exporter *exporter, uint64_t now)
{
	uint64_t next = complete_late(exporter, now);

	sweep(exporter);
	for (struct xpmd_export *export = exporter->exports; export; export = export->next) {
		uint64_t limbo = xpmd_limbo_tick(export, now);
		uint64_t traps = expire_traps(export, now);

		if (limbo < next)
			next = limbo;
		if (traps < next)
			next = traps;
	}
	return next;
}

struct xpmd_owners *xpmd_exporter_owners(struct xpmd_exporter *exporter)
{
	return exporter->owners;
}

void xpmd_exporter_each(const struct xpmd_exporter *exporter,
			void (*one)(void *ctx, const struct xpmd_export_info *info), void *ctx)
{
	for (const struct xpmd_export *export = exporter->exports; export; export = export->next) {
		struct xpmd_export_info info = {
			.segid = export->segid, .pages = export->pages, .pid = export->pid,
			.connected = export->owner, .lost = export->lost,
		};

		for (const struct xpmd_permit *p = export->permits; p; p = p->next)
			info.permits++;
		if (!export->dead)
			one(ctx, &info);
	}
}
