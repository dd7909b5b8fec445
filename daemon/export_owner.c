// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What owners' helpers and userfaultfds say, and what that means for the segment.
 *
 * A fault of the owner is the core's when the page is SHARED or AWAY (traps.h), else
 * the resolver's.  Both looks are at the page's trap, not at the directory: a fetch has
 * the owner populate the page, and that fault must be resolved while the directory has
 * the page in a transaction.
 */
#include "export.h"

#include "daemon.h"
#include "kchannel.h"
#include "log.h"
#include "owner.h"
#include "traps.h"
#include "worker.h"

#include <errno.h>
#include <string.h>

#define OWN_RECALL	(1ULL << 63)	/* ids of recalls that are not the module's */
#define FETCH_TRIES	16

static struct xpmd_export *overlapping(const struct xpmd_exporter *exporter,
				       const struct xpmd_export *of)
{
	for (struct xpmd_export *e = exporter->exports; e; e = e->next)
		if (e != of && !e->dead && e->pid == of->pid && e->owner &&
		    e->start < xpmd_export_address(of, of->pages) &&
		    of->start < xpmd_export_address(e, e->pages))
			return e;
	return NULL;
}

static int owner_hello(void *ctx, struct xpmd_owner *owner, int64_t segid, pid_t pid,
		       struct xpmd_uffd *uffd, void **export_ret, char *text)
{
	struct xpmd_exporter *exporter = ctx;
	struct xpmem_ctl_segment segment;
	struct xpmd_export *export;
	int rc = xpmd_kchannel_segment(exporter->d->channel, segid, &segment);

	if (rc == 0 && segment.out_pid != (uint32_t)pid) {
		strcpy(text, "the segment is another process's");
		return -EACCES;
	}
	if (rc == 0)
		rc = xpmd_export_know(exporter, segid, &export);
	if (rc == -EOPNOTSUPP)
		strcpy(text, "the segment is not shared");
	if (rc < 0)
		return rc;
	if (overlapping(exporter, export)) {
		strcpy(text, "another shared segment of the process has a part of it");
		return -EBUSY;
	}
	if (export->owner)
		xpmd_owner_close(export->owner);
	export->owner = owner;
	export->welcomed = false;
	xpmd_worker_connect(export->worker, uffd);
	xpmd_log_of(LOG_DEBUG, 0, segid, "owner %d is connected", pid);
	*export_ret = export;
	return 0;
}

/* What an earlier helper owes is asked again. */
static void owner_welcomed(void *ctx, void *of)
{
	struct xpmd_export *export = of;

	(void)ctx;
	export->welcomed = true;
	for (struct xpmd_job *job = export->asked.head; job; job = job->next)
		xpmd_export_ask(export, job);
}

static void owner_gone(void *ctx, void *of)
{
	struct xpmd_export *export = of;
	struct xpmd_exporter *exporter = ctx;

	export->owner = NULL;
	xpmd_worker_connect(export->worker, NULL);
	if (export->frozen) {
		export->frozen = false;
		xpmd_home_thaw(exporter->d->home, xpmd_now(), export->segid);
	}
}

void xpmd_export_trapped(struct xpmd_export *export, struct xpmd_job *job, uint32_t error,
			 const char *text)
{
	if (error)
		xpmd_log_of(LOG_NOTICE, job->partition, export->segid,
			    "partition %u can't attach: process %d: %s%s%s", job->partition,
			    export->pid, strerror((int)error), *text ? ": " : "", text);
	xpmd_export_attached(export->exporter, job->partition, job->request, error);
	xpmd_job_free(job);
}

static void give_up_answered(struct xpmd_export *export, struct xpmd_job *job, uint32_t error)
{
	if (!error) {
		job->then = XPMD_NEXT_DONE;
		xpmd_export_end(export, job);
		return;
	}
	/* EAGAIN: not as it was when it was copied; anything else: it can't be. */
	job->undo = error != EAGAIN || ++job->tries >= FETCH_TRIES;
	job->error = error;
	xpmd_worker_queue_again(export->worker, job);
}

static void split_answered(struct xpmd_export *export, struct xpmd_job *job, uint32_t error)
{
	job->error = error;
	if (!error)
		export->split++;
	else
		job->undo = error != EAGAIN || ++job->tries >= FETCH_TRIES;
	xpmd_worker_queue_again(export->worker, job);
}

static void owner_answer(void *ctx, void *of, uint64_t id, uint32_t error, const char *text)
{
	struct xpmd_export *export = of;
	struct xpmd_job **at = &export->asked.head, *job;

	(void)ctx;
	while (*at && (*at)->number != id)
		at = &(*at)->next;
	if (!*at)
		return;		/* asked twice, as the helper connected anew */
	job = xpmd_jobs_cut(&export->asked, at);
	if (job->type == XPMD_JOB_TRAP) {
		xpmd_export_trapped(export, job, error, text);
		return;
	}
	if (error && error != EAGAIN)
		xpmd_log_of(LOG_NOTICE, 0, export->segid, "process %d: pages %llu..: %s%s%s",
			    export->pid, (unsigned long long)job->first, strerror((int)error),
			    *text ? ": " : "", text);
	if (job->then == XPMD_NEXT_GIVE_UP) {
		give_up_answered(export, job, error);
		return;
	}
	if (job->then == XPMD_NEXT_SPLIT) {
		split_answered(export, job, error);
		return;
	}
	job->helped = true;
	xpmd_worker_queue_again(export->worker, job);
}

static void owner_fork(void *ctx, void *of, uint64_t id)
{
	struct xpmd_exporter *exporter = ctx;
	struct xpmd_export *export = of;
	struct xpmd_recall *recall;

	recall = xpmd_export_recall(exporter, OWN_RECALL | ++exporter->next_fork, export->segid);
	recall->fork = true;
	recall->question = id;
	export->frozen = true;
	xpmd_home_freeze(exporter->d->home, xpmd_now(), recall->id, export->segid);
}

static void owner_forked(void *ctx, void *of)
{
	struct xpmd_exporter *exporter = ctx;
	struct xpmd_export *export = of;

	export->frozen = false;
	xpmd_home_thaw(exporter->d->home, xpmd_now(), export->segid);
}

static bool is_in(const struct xpmd_export *export, uint64_t address)
{
	uint64_t first, end;

	return (address >= export->start && address < xpmd_export_address(export, export->pages)) ||
	       xpmd_worker_huge(export->worker, address, &first, &end);
}

static struct xpmd_export *export_at(struct xpmd_export *export, uint64_t address)
{
	struct xpmd_export *e = export;

	if (is_in(e, address))
		return e;
	for (e = export->exporter->exports; e; e = e->next)
		if (!e->dead && e->pid == export->pid && is_in(e, address))
			return e;
	return NULL;
}

static void owner_faults(void *ctx, void *of, uint64_t address, bool missing, bool write)
{
	struct xpmd_export *export = of, *at = export_at(of, address);
	enum xpmd_trap trap = XPMD_TRAP_NONE;
	struct xpmd_job *job;
	uint64_t page = 0;

	(void)ctx;
	if (at) {
		uint64_t first, end;
		bool huge = xpmd_worker_huge(at->worker, address, &first, &end);

		/* Of one of hugetlb the kernel tells the beginning, maybe before the segment's. */
		page = address > at->start ? (address - at->start) / XPMD_PAGE : 0;
		trap = xpmd_traps_get(xpmd_worker_traps(at->worker), page);
		if (missing ? trap >= XPMD_TRAP_SHARED : trap != XPMD_TRAP_NONE || huge) {
			/* SHARED, and yet not there: all must let go of what it was. */
			xpmd_export_fault(at, page, write || trap == XPMD_TRAP_SHARED);
			if (trap != XPMD_TRAP_NONE)
				return;
		}
		export = at;
	}
	job = xpmd_export_job(missing ? XPMD_JOB_ZERO : XPMD_JOB_UNPROTECT, 0, export->segid, page, 1, 0);
	job->address = address;
	job->moved = !at;
	job->write = write;
	if (!at && missing && export->windows)
		xpmd_jobs_add(&export->held, job);
	else if (!at && missing && xpmd_limbo_is_moved(export, address))
		xpmd_worker_queue_behind(export->worker, job);
	else
		xpmd_worker_queue(export->worker, job);
}

static void owner_moved(void *ctx, void *of, uint64_t from, uint64_t to, uint64_t bytes)
{
	struct xpmd_export *export = of;

	(void)ctx;
	for (struct xpmd_export *e = export->exporter->exports; e; e = e->next)
		if (!e->dead && e->pid == export->pid)
			xpmd_limbo_moved(e, from, to, bytes);
}

/* Pages of 4 KiB took the place of one of hugetlb: what others have stays as it is. */
static bool is_split(const struct xpmd_export *export, uint64_t start, uint64_t end)
{
	for (const struct xpmd_job *job = export->asked.head; job; job = job->next)
		if (job->then == XPMD_NEXT_SPLIT && start == (job->address & ~(XPMD_HUGE - 1)) &&
		    end == start + XPMD_HUGE)
			return true;
	return false;
}

static void owner_unmapped(void *ctx, void *of, uint64_t start, uint64_t end)
{
	struct xpmd_export *export = of;

	(void)ctx;
	if (is_split(export, start, end))
		return;
	for (struct xpmd_export *e = export->exporter->exports; e; e = e->next)
		if (!e->dead && e->pid == export->pid)
			xpmd_limbo_unmapped(e, start, end);
}

const struct xpmd_owner_ops xpmd_export_owner_ops = {
	.hello = owner_hello,
	.welcomed = owner_welcomed,
	.answer = owner_answer,
	.fork = owner_fork,
	.forked = owner_forked,
	.fault = owner_faults,
	.moved = owner_moved,
	.unmapped = owner_unmapped,
	.gone = owner_gone,
};
