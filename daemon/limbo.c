// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Limbo.  When an owner unmaps or moves memory of which another partition has the only
 * copy, the module recalls it before, and the page comes back while the owner can't
 * take it.  The userfaultfd tells afterwards what it was: UNMAP, and the page is
 * dropped, or REMAP, and it is put where the memory is now.
 *
 * A window is open from the recall to the event.  A recall for which no event comes (an
 * exec or exit, whose memory is gone for good, or a truncated file of hugetlbfs) closes
 * by itself after a while; what is in limbo then is tried at its old place, where
 * nothing that traps is mapped any more or it belongs.
 *
 * Moved memory is no part of the segment any more, which is a range of addresses.  It
 * is still in the userfaultfd: a thread of the owner that touches it before its content
 * has come waits (@held, or behind the worker's jobs), as nothing may be put there
 * first.
 *
 * Who waits for a page where the memory was (a thread of the owner, or another process
 * that has it attached) is woken by the event: nothing comes there any more.
 */
#include "daemon.h"
#include "export.h"
#include "traps.h"
#include "worker.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW_NS	1000000000ULL
#define MOVE_NS		5000000000ULL

void xpmd_limbo_open(struct xpmd_export *export, uint64_t first, uint64_t count)
{
	struct xpmd_window *window = malloc(sizeof(*window));

	if (!window)
		xpmd_out_of_memory();
	*window = (struct xpmd_window){ export->windows, first, count, xpmd_now() + WINDOW_NS };
	export->windows = window;
}

static bool overlap(uint64_t a, uint64_t a_count, uint64_t b, uint64_t b_count)
{
	return a < b + b_count && b < a + a_count;
}

bool xpmd_limbo_covers(const struct xpmd_export *export, uint64_t first, uint64_t count)
{
	for (const struct xpmd_window *w = export->windows; w; w = w->next)
		if (overlap(first, count, w->first, w->count))
			return true;
	return false;
}

static void close_windows(struct xpmd_export *export, uint64_t first, uint64_t count)
{
	for (struct xpmd_window **at = &export->windows; *at; ) {
		struct xpmd_window *window = *at;

		if (!overlap(first, count, window->first, window->count)) {
			at = &window->next;
			continue;
		}
		*at = window->next;
		free(window);
	}
}

/* Threads that touched moved memory: at [to, + bytes) after what is stored there */
static void let_go(struct xpmd_export *export, uint64_t to, uint64_t bytes)
{
	struct xpmd_job *job;

	if (export->windows)
		return;
	while ((job = xpmd_jobs_take(&export->held))) {
		if (job->address >= to && job->address - to < bytes)
			xpmd_worker_queue_behind(export->worker, job);
		else
			xpmd_worker_queue(export->worker, job);
	}
}

bool xpmd_limbo_is_moved(const struct xpmd_export *export, uint64_t address)
{
	for (unsigned int m = 0; m < XPMD_MOVES; m++) {
		const struct xpmd_move *move = &export->moves[m];

		if (address >= move->to && address - move->to < move->bytes)
			return true;
	}
	return false;
}

/* Pages of the segment in [start, end); false: none */
static bool pages_of(const struct xpmd_export *export, uint64_t start, uint64_t end,
		     uint64_t *first_ret, uint64_t *count_ret)
{
	uint64_t last = xpmd_export_address(export, export->pages);

	if (start < export->start)
		start = export->start;
	if (end > last)
		end = last;
	if (start >= end)
		return false;
	*first_ret = (start - export->start) / XPMD_PAGE;
	*count_ret = (end - start + XPMD_PAGE - 1) / XPMD_PAGE;
	return true;
}

/* Page @i of @job goes to @address by a job of its own, which nobody waits for. */
static void send_after(struct xpmd_export *export, struct xpmd_job *job, uint32_t i,
		       uint64_t address)
{
	bool store = job->type == XPMD_JOB_STORE;
	struct xpmd_job *after = xpmd_job_new(job->type, job->segid, job->first + i, 1, store);

	if (!after)
		xpmd_out_of_memory();
	if (store)
		memcpy(after->data, (char *)job->data + (size_t)i * XPMD_PAGE, XPMD_PAGE);
	after->address = address;
	after->moved = true;
	xpmd_worker_queue(export->worker, after);
}

/*
 * What is being fetched is AWAY on behalf of that; and what is SHARED was recalled before,
 * or is so again.
 */
static void forget_away(struct xpmd_export *export, uint64_t first, uint64_t count)
{
	struct xpmd_traps *traps = xpmd_worker_traps(export->worker);

	for (uint64_t page = first; page < first + count; page++) {
		const struct xpmd_job *job = export->active;

		if (xpmd_traps_get(traps, page) != XPMD_TRAP_AWAY)
			continue;
		while (job && (job->type != XPMD_JOB_FETCH || page < job->first ||
			       page - job->first >= job->count))
			job = job->active_next;
		if (!job)
			xpmd_traps_change(traps, page, 1, XPMD_TRAP_AWAY, XPMD_TRAP_NONE);
	}
}

/* @to 0: dropped.  Jobs that have no page left end. */
static void take_out(struct xpmd_export *export, uint64_t first, uint64_t count, uint64_t from,
		     uint64_t to)
{
	for (struct xpmd_job **at = &export->limbo.head; *at; ) {
		struct xpmd_job *job = *at;

		for (uint32_t i = 0; i < job->count; i++) {
			uint64_t page = job->first + i;

			if (page < first || page - first >= count || !xpmd_job_is_live(job, i))
				continue;
			if (to)
				send_after(export, job, i,
					   xpmd_export_address(export, page) - from + to);
			xpmd_job_end_page(job, i);
		}
		if (xpmd_job_any_live(job)) {
			at = &job->next;
			continue;
		}
		xpmd_jobs_cut(&export->limbo, at);
		job->error = 0;
		xpmd_export_end(export, job);
		at = &export->limbo.head;	/* the core may have begun others */
	}
	forget_away(export, first, count);
}

void xpmd_limbo_moved(struct xpmd_export *export, uint64_t from, uint64_t to, uint64_t bytes)
{
	uint64_t first, count;

	if (!pages_of(export, from, from + bytes, &first, &count))
		return;
	export->moves[export->next_move++ % XPMD_MOVES] =
		(struct xpmd_move){ from, to, bytes, xpmd_now() + MOVE_NS };
	close_windows(export, first, count);
	take_out(export, first, count, from, to);
	xpmd_worker_wake(export->worker, from, bytes);
	let_go(export, to, bytes);
}

void xpmd_limbo_unmapped(struct xpmd_export *export, uint64_t start, uint64_t end)
{
	uint64_t first, count;

	if (!pages_of(export, start, end, &first, &count))
		return;
	close_windows(export, first, count);
	take_out(export, first, count, 0, 0);
	xpmd_worker_wake(export->worker, start, end - start);
	let_go(export, 0, 0);
}

bool xpmd_limbo_missed(struct xpmd_export *export, struct xpmd_job *job)
{
	if (job->moved || !xpmd_job_any_live(job))
		return false;
	if (xpmd_limbo_covers(export, job->first, job->count)) {
		xpmd_jobs_add(&export->limbo, job);
		return true;
	}
	for (uint32_t i = 0; i < job->count; i++) {
		uint64_t address = xpmd_export_address(export, job->first + i);

		for (unsigned int m = 0; m < XPMD_MOVES && xpmd_job_is_live(job, i); m++) {
			const struct xpmd_move *move = &export->moves[m];

			if (address < move->from || address - move->from >= move->bytes ||
			    xpmd_now() > move->until)
				continue;
			send_after(export, job, i, address - move->from + move->to);
			xpmd_job_end_page(job, i);
		}
	}
	return false;
}

uint64_t xpmd_limbo_tick(struct xpmd_export *export, uint64_t now)
{
	uint64_t next = UINT64_MAX;
	struct xpmd_job *job;
	bool closed = false;

	for (struct xpmd_window **at = &export->windows; *at; ) {
		struct xpmd_window *window = *at;

		if (window->until > now) {
			if (window->until < next)
				next = window->until;
			at = &window->next;
			continue;
		}
		*at = window->next;
		free(window);
		closed = true;
	}
	if (!closed)
		return next;
	for (struct xpmd_job **at = &export->limbo.head; *at; ) {
		job = *at;
		if (xpmd_limbo_covers(export, job->first, job->count)) {
			at = &job->next;
			continue;
		}
		xpmd_jobs_cut(&export->limbo, at);
		xpmd_worker_queue(export->worker, job);
	}
	let_go(export, 0, 0);
	return next;
}
