// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A fetch, step by step.  MARK comes first: whatever the owner does to the page from
 * then on is recalled, and a fetch of a page that was recalled is thrown away by the
 * core.  Then the page is populated (before Linux 6.4 a page that was never there
 * can't be write-protected), protected, and copied once more without populating: if it
 * is still there, what was copied can't change without a trap.
 *
 * A range that lies in two of the owner's mappings is refused whole by older kernels:
 * it is done again by single pages, or ends short.
 */
#include "worker.h"

#include "kchannel.h"
#include "thread.h"
#include "traps.h"
#include "uffd.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define FETCH_TRIES	16
#define NO_MEMORY_NS	10000000
#define NO_BLOCK	UINT64_MAX

struct queue {
	struct xpmd_jobs jobs;
	sem_t more;	/* a condition would wake up whoever might want the lock, too, each time */
};

struct xpmd_worker {
	pthread_mutex_t lock;
	struct queue work, resolve;
	struct xpmd_uffd *uffd;
	bool stop;
	unsigned int refs;		/* the loop and the threads */
	struct xpmd_kchannel *channel;
	struct xpmd_traps *traps;
	struct xpmd_results *results;
	int64_t segid;
	uint64_t start, pages;
	struct xpmd_jobs waiting;	/* the worker's, while the helper splits */
	_Atomic(uint64_t) splitting;	/* address of a page of hugetlb, or NO_BLOCK */
};

static atomic_uint nr_threads;

static uint64_t bytes(uint64_t pages)
{
	return pages * XPMD_PAGE;
}

/* ---- Pages of hugetlb: protected as wholes, and given up only after they were split */

struct block {
	uint64_t address;	/* XPMD_HUGE from here on */
	uint64_t first, end;	/* pages of the segment in it; none: first is end */
};

static struct block block_at(const struct xpmd_worker *worker, uint64_t address)
{
	struct block block = { .address = address & ~(XPMD_HUGE - 1) };
	uint64_t end = worker->start + bytes(worker->pages);

	if (block.address >= end || block.address + XPMD_HUGE <= worker->start)
		return block;
	if (block.address > worker->start)
		block.first = (block.address - worker->start) / XPMD_PAGE;
	block.end = (block.address + XPMD_HUGE - worker->start) / XPMD_PAGE;
	if (block.end > worker->pages)
		block.end = worker->pages;
	return block;
}

static bool is_huge(const struct xpmd_worker *worker, uint64_t address)
{
	struct block block = block_at(worker, address);

	return block.first < block.end && xpmd_traps_is_huge(worker->traps, block.first);
}

static int set_huge(struct xpmd_worker *worker, const struct block *block, bool huge)
{
	return xpmd_traps_set_huge(worker->traps, block->first, block->end - block->first, huge);
}

static bool any_is_trapped(const struct xpmd_worker *worker, const struct block *block)
{
	for (uint64_t page = block->first; page < block->end; page++)
		if (xpmd_traps_get(worker->traps, page) != XPMD_TRAP_NONE)
			return true;
	return false;
}

/* How many pages from the first on are of one page of hugetlb, or of none */
static uint32_t alike(const struct xpmd_worker *worker, const struct xpmd_job *job)
{
	struct block block = block_at(worker, job->address);
	uint32_t n = 1;

	if (is_huge(worker, job->address))
		return job->count < block.end - job->first ? job->count
							   : (uint32_t)(block.end - job->first);
	while (n < job->count && !is_huge(worker, job->address + bytes(n)))
		n++;
	return n;
}

/*
 * *@count pages; it becomes less if they are not alike.  What is known of the first may
 * be of memory that was there before; that there is hugetlb is known before a store of
 * the owner can trap.
 */
static int protect(struct xpmd_worker *worker, struct xpmd_uffd *uffd, uint64_t address,
		   uint64_t *count)
{
	struct block block = block_at(worker, address);
	uint64_t left = (block.address + XPMD_HUGE - address) / XPMD_PAGE;
	int rc = -ENOENT;

	if (is_huge(worker, address))
		rc = xpmd_uffd_protect(uffd, block.address, XPMD_HUGE, true);
	if (rc == -ENOENT) {
		set_huge(worker, &block, false);
		rc = xpmd_uffd_protect(uffd, address, bytes(*count), true);
		if (rc != -EINVAL)
			return rc;
		rc = set_huge(worker, &block, true);
		if (rc == 0)
			rc = xpmd_uffd_protect(uffd, block.address, XPMD_HUGE, true);
		if (rc < 0)
			set_huge(worker, &block, false);
	}
	if (rc == 0 && *count > left)
		*count = left;
	return rc == -EINVAL ? -EOPNOTSUPP : rc; /* of 1 GiB */
}

/* False: some part of it is somebody's business, or the helper is at it. */
static bool unprotect_block(struct xpmd_worker *worker, struct xpmd_uffd *uffd,
			    const struct block *block)
{
	if (atomic_load(&worker->splitting) == block->address || any_is_trapped(worker, block))
		return false;
	xpmd_uffd_protect(uffd, block->address, XPMD_HUGE, false);
	xpmd_uffd_wake(uffd, block->address, XPMD_HUGE);
	return true;
}

/*
 * Pages are NONE already.  False: one is of a page of hugetlb that stays protected; an
 * earlier daemon may have known that it is one.
 */
static bool unprotect(struct xpmd_worker *worker, struct xpmd_uffd *uffd, uint64_t address,
		      uint64_t count)
{
	uint64_t end = address + bytes(count), n;
	bool all = true;

	for (uint64_t at = address; at < end; at += bytes(n)) {
		struct block block = block_at(worker, at);
		uint64_t left = (block.address + XPMD_HUGE - at) / XPMD_PAGE;
		int rc;

		n = (end - at) / XPMD_PAGE < left ? (end - at) / XPMD_PAGE : left;
		rc = is_huge(worker, at) ? -EINVAL : xpmd_uffd_protect(uffd, at, bytes(n), false);
		if (rc == -EINVAL) {
			set_huge(worker, &block, true);
			all &= unprotect_block(worker, uffd, &block);
			continue;
		}
		if (rc == 0)
			continue;	/* which has woken up who waits there */
		if (rc == -ENOENT && n > 1)
			for (uint64_t i = 0; i < n; i++)
				xpmd_uffd_protect(uffd, at + bytes(i), XPMD_PAGE, false);
		xpmd_uffd_wake(uffd, at, bytes(n));
	}
	return all;
}

/* ---- The worker's jobs */

/*
 * What the page was before the fetch.  If it was recalled since, nobody has it, and the
 * module knows no mark of before: nothing.
 */
static enum xpmd_trap before(struct xpmd_job *job, uint32_t i)
{
	return xpmd_job_is_recalled(job, i) ? XPMD_TRAP_NONE : (enum xpmd_trap)job->before[i];
}

/*
 * Pages [@from, @from + @count) of the job become SHARED.  The loop says first that they
 * are recalled, and looks at their traps then.
 */
static void set_shared(struct xpmd_worker *worker, struct xpmd_job *job, uint32_t from,
		       uint32_t count)
{
	for (uint32_t i = from; i < from + count; i++) {
		if (!xpmd_job_is_recalled(job, i))
			xpmd_traps_set(worker->traps, job->first + i, 1, XPMD_TRAP_SHARED);
		if (xpmd_job_is_recalled(job, i))
			xpmd_traps_set(worker->traps, job->first + i, 1, XPMD_TRAP_NONE);
	}
}

static int begin_fetch(struct xpmd_worker *worker, struct xpmd_job *job)
{
	int rc = 0;

	xpmd_traps_lock(worker->traps);
	for (uint32_t i = 0; i < job->count; i++) {
		if (!job->again)
			job->before[i] = (uint8_t)xpmd_traps_get(worker->traps, job->first + i);
		if (before(job, i) != XPMD_TRAP_SHARED && rc == 0)
			rc = xpmd_traps_set(worker->traps, job->first + i, 1, XPMD_TRAP_FETCHING);
	}
	xpmd_traps_unlock(worker->traps);
	job->again = true;
	return rc;
}

/*
 * Pages from @from on are as they were before.  One that was AWAY had been recalled
 * since: it is the owner's again.
 */
static void undo_fetch(struct xpmd_worker *worker, struct xpmd_uffd *uffd, struct xpmd_job *job,
		       uint32_t from)
{
	for (uint32_t i = from; i < job->count; i++) {
		uint64_t page = job->first + i;

		if (before(job, i) == XPMD_TRAP_SHARED) {
			xpmd_kchannel_mark(worker->channel, job->segid, page, 1, XPMEM_MARK_REMOTE);
			xpmd_traps_lock(worker->traps);
			set_shared(worker, job, i, 1);
			xpmd_traps_unlock(worker->traps);
			continue;
		}
		xpmd_traps_lock(worker->traps);
		xpmd_traps_set(worker->traps, page, 1, XPMD_TRAP_NONE);
		xpmd_traps_unlock(worker->traps);
		xpmd_kchannel_mark(worker->channel, job->segid, page, 1, XPMEM_MARK_CLEAR);
		unprotect(worker, uffd, job->address + bytes(i), 1);
	}
}

/* Pages that are trapped already and still there need but one copy. */
static bool fetch_again(struct xpmd_worker *worker, struct xpmd_job *job)
{
	uint64_t done;

	for (uint32_t i = 0; i < job->count; i++)
		if (before(job, i) != XPMD_TRAP_SHARED)
			return false;
	xpmd_kchannel_copy(worker->channel, job->segid, job->first, job->count, 0, job->data, &done);
	job->done = (uint32_t)done;
	return done > 0;
}

/* Pages that are trapped and copied, 0 with job->error set, or with it 0: ask the helper */
static uint64_t trap_and_copy(struct xpmd_worker *worker, struct xpmd_uffd *uffd,
			      struct xpmd_job *job)
{
	uint64_t populated, done = 0;
	int rc;

	job->error = 0;
	for (unsigned int tries = 0; tries < FETCH_TRIES; tries++) {
		rc = xpmd_kchannel_copy(worker->channel, job->segid, job->first,
				       alike(worker, job),
				       XPMEM_COPY_POPULATE |
				       (job->state == XPMD_EXCLUSIVE ? XPMEM_COPY_WRITABLE : 0),
				       job->data, &populated);
		if (!populated && rc == -EAGAIN)
			continue;
		if (!populated) {
			job->error = rc ? (uint32_t)-rc : EIO;
			return 0;
		}
		rc = protect(worker, uffd, job->address, &populated);
		if (rc == -ENOENT && populated > 1) {
			populated = 1;
			rc = protect(worker, uffd, job->address, &populated);
		}
		if (rc == -ENOENT && !job->helped)
			return 0;
		if (rc < 0) {
			job->error = rc == -ENOENT ? EOPNOTSUPP : (uint32_t)-rc;
			return 0;
		}
		rc = xpmd_kchannel_copy(worker->channel, job->segid, job->first, populated, 0,
				       job->data, &done);
		if (done)
			return done;
		if (rc != -EAGAIN) {
			job->error = rc ? (uint32_t)-rc : EIO;
			return 0;
		}
	}
	job->error = EAGAIN;
	return 0;
}

/*
 * The helper did not do as it was asked, or died and was asked again: pages that it gave
 * up all the same are in the job alone.  Before anything takes them for fresh ones.
 */
static void give_back(struct xpmd_uffd *uffd, struct xpmd_job *job)
{
	uint64_t done;

	for (uint32_t i = 0; i < job->gave; i++)
		if (xpmd_job_is_live(job, i))
			xpmd_uffd_copy(uffd, job->address + bytes(i), (char *)job->data + bytes(i),
				       XPMD_PAGE, true, &done);
	job->gave = 0;
}

/* What nobody has is the owner's to store to, as it was before. */
static void unprotect_parts(struct xpmd_worker *worker, struct xpmd_uffd *uffd,
			    const struct block *block)
{
	uint64_t from = block->address, end = block->address + XPMD_HUGE;

	for (uint64_t page = block->first; page <= block->end; page++) {
		uint64_t at = page < block->end ? worker->start + bytes(page) : end;

		if (page < block->end && xpmd_traps_get(worker->traps, page) == XPMD_TRAP_NONE)
			continue;
		if (at > from)
			xpmd_uffd_protect(uffd, from, at - from, false);
		from = at + XPMD_PAGE;
	}
}

/* Those that waited are next. */
static void work_on(struct xpmd_worker *worker)
{
	pthread_mutex_lock(&worker->lock);
	if (worker->waiting.head) {
		*worker->waiting.tail = worker->work.jobs.head;
		if (worker->work.jobs.head)
			worker->waiting.tail = worker->work.jobs.tail;
		worker->work.jobs.head = worker->waiting.head;
		worker->work.jobs.tail = worker->waiting.tail;
		xpmd_jobs_init(&worker->waiting);
	}
	pthread_mutex_unlock(&worker->lock);
}

/* The helper has split it, or nothing has changed.  The resolver left threads waiting. */
static void end_split(struct xpmd_worker *worker, struct xpmd_uffd *uffd, struct xpmd_job *job,
		      bool split)
{
	struct block block = block_at(worker, job->address);

	job->splitting = false;
	if (split)
		set_huge(worker, &block, false);
	atomic_store(&worker->splitting, NO_BLOCK);
	if (xpmd_traps_get(worker->traps, job->first) == XPMD_TRAP_NONE)
		xpmd_kchannel_mark(worker->channel, job->segid, job->first, 1, XPMEM_MARK_CLEAR);
	if (split)
		unprotect_parts(worker, uffd, &block);
	else
		unprotect_block(worker, uffd, &block);
	xpmd_uffd_wake(uffd, block.address, XPMD_HUGE);
	work_on(worker);
}

/*
 * The only copy of a part of a page of hugetlb can't be elsewhere, as the owner loses the
 * whole or nothing: the helper makes pages of 4 KiB of it.  From here to end_split() it
 * stays protected, by this alone: what is not any more is how the helper knows that it
 * changed.  So other fetches of it wait.  And it is marked: who unmaps or drops it has to
 * wait for an answer, which the helper, between its last look and what it does, has not.
 */
static void begin_split(struct xpmd_worker *worker, struct xpmd_uffd *uffd, struct xpmd_job *job)
{
	struct block block = block_at(worker, job->address);
	uint64_t done = 0;
	int rc;

	/* The resolver that does not see it has unprotected what it wanted to. */
	xpmd_traps_lock(worker->traps);
	atomic_store(&worker->splitting, block.address);
	xpmd_traps_unlock(worker->traps);
	rc = xpmd_kchannel_mark(worker->channel, job->segid, job->first, 1, XPMEM_MARK_REMOTE);
	if (rc == 0)
		rc = xpmd_kchannel_copy(worker->channel, job->segid, job->first, 1,
				       XPMEM_COPY_POPULATE | XPMEM_COPY_WRITABLE, job->data, &done);
	if (done || rc == -EAGAIN)
		rc = xpmd_uffd_protect(uffd, block.address, XPMD_HUGE, true);
	else if (rc == 0)
		rc = -EIO;
	if (rc == 0) {
		job->splitting = true;
		job->then = XPMD_NEXT_SPLIT;
		return;
	}
	end_split(worker, uffd, job, false);
	if (rc == -ENOENT && !job->helped)
		job->then = XPMD_NEXT_TRAP;
	else
		job->error = rc == -ENOENT || rc == -EINVAL ? EOPNOTSUPP : (uint32_t)-rc;
}

/* Whether the fetch has to wait for another one's split */
static bool must_wait(const struct xpmd_worker *worker, const struct xpmd_job *job)
{
	uint64_t splitting = atomic_load(&worker->splitting);

	if (job->type != XPMD_JOB_FETCH || job->splitting || job->undo || splitting == NO_BLOCK)
		return false;
	return job->state == XPMD_EXCLUSIVE || (job->address < splitting + XPMD_HUGE &&
						job->address + bytes(job->count) > splitting);
}

static void fetch(struct xpmd_worker *worker, struct xpmd_uffd *uffd, struct xpmd_job *job)
{
	uint64_t done;
	int rc;

	if (job->splitting)
		end_split(worker, uffd, job, !job->error);
	give_back(uffd, job);
	job->done = 0;
	if (job->undo) {
		if (job->again)
			undo_fetch(worker, uffd, job, 0);
		return;
	}
	if (job->state == XPMD_EXCLUSIVE && is_huge(worker, job->address)) {
		begin_split(worker, uffd, job);
		return;
	}
	rc = begin_fetch(worker, job);
	if (rc == 0 && job->state == XPMD_SHARED && fetch_again(worker, job))
		return;
	if (rc == 0)
		rc = xpmd_kchannel_mark(worker->channel, job->segid, job->first, job->count,
				       XPMEM_MARK_REMOTE);
	if (rc < 0) {
		job->error = (uint32_t)-rc;
		undo_fetch(worker, uffd, job, 0);
		return;
	}
	done = trap_and_copy(worker, uffd, job);
	if (!done && !job->error) {
		job->then = XPMD_NEXT_TRAP;
		return;
	}
	if (done && job->state == XPMD_EXCLUSIVE && is_huge(worker, job->address)) {
		undo_fetch(worker, uffd, job, 0);
		job->again = false;
		begin_split(worker, uffd, job);
		return;
	}
	if (done && job->state == XPMD_EXCLUSIVE) {
		rc = xpmd_kchannel_mark(worker->channel, job->segid, job->first, done,
				       XPMEM_MARK_AWAY);
		if (rc < 0) {
			job->error = (uint32_t)-rc;
			done = 0;
		}
	}
	job->done = (uint32_t)done;
	undo_fetch(worker, uffd, job, job->done);
	if (!done)
		return;
	xpmd_traps_lock(worker->traps);
	if (job->state == XPMD_EXCLUSIVE)
		xpmd_traps_set(worker->traps, job->first, done, XPMD_TRAP_AWAY);
	else
		set_shared(worker, job, 0, (uint32_t)done);
	xpmd_traps_unlock(worker->traps);
	if (job->state == XPMD_EXCLUSIVE)
		job->then = XPMD_NEXT_GIVE_UP;
}

/*
 * Puts live pages back and clears their bits.  ENOENT: nothing is mapped there, or
 * nothing that traps, any more; such pages stay live, and the loop knows whether they
 * moved.
 */
static void store(struct xpmd_worker *worker, struct xpmd_uffd *uffd, struct xpmd_job *job)
{
	bool share = job->state == XPMD_SHARED && !job->moved;
	uint64_t done;
	int rc;

	job->error = 0;
	for (uint32_t i = 0; i < job->count; i++) {
		if (!xpmd_job_is_live(job, i))
			continue;
		rc = xpmd_uffd_copy(uffd, job->address + bytes(i),
				    (char *)job->data + bytes(i), XPMD_PAGE, share, &done);
		if (rc == -EEXIST) {
			/* The owner's own page is newer than anything that comes back. */
			rc = share ? xpmd_uffd_protect(uffd, job->address + bytes(i), XPMD_PAGE,
						       true) : 0;
		}
		if (rc == 0)
			xpmd_job_end_page(job, i);
		else
			job->error = (uint32_t)-rc;
	}
	if (job->error == ENOMEM)	/* it will be tried again */
		nanosleep(&(struct timespec){ 0, NO_MEMORY_NS }, NULL);
	if (!job->moved) {
		xpmd_kchannel_mark(worker->channel, job->segid, job->first, job->count,
				  share ? XPMEM_MARK_REMOTE : XPMEM_MARK_CLEAR);
		xpmd_traps_lock(worker->traps);
		if (share)
			set_shared(worker, job, 0, job->count);
		else
			xpmd_traps_set(worker->traps, job->first, job->count, XPMD_TRAP_NONE);
		xpmd_traps_unlock(worker->traps);
	}
	xpmd_uffd_wake(uffd, job->address, bytes(job->count));
}

static void release(struct xpmd_worker *worker, struct xpmd_uffd *uffd, struct xpmd_job *job)
{
	xpmd_traps_lock(worker->traps);
	xpmd_traps_set(worker->traps, job->first, job->count, XPMD_TRAP_NONE);
	xpmd_traps_unlock(worker->traps);
	xpmd_kchannel_mark(worker->channel, job->segid, job->first, job->count, XPMEM_MARK_CLEAR);
	unprotect(worker, uffd, job->address, job->count);
}

static void lose(struct xpmd_worker *worker, struct xpmd_uffd *uffd, struct xpmd_job *job)
{
	uint64_t count = job->count;
	int rc = 0;

	job->error = 0;
	for (uint32_t i = 0; i < job->count && !job->helped; i++) {
		if (!xpmd_job_is_live(job, i))
			continue;
		rc = xpmd_uffd_poison(uffd, job->address + bytes(i), XPMD_PAGE);
		if (rc == -EINVAL || rc == -ENOTTY)
			break;
	}
	if (rc == -EINVAL || rc == -ENOTTY) {
		/* Only over what is still there to be lost: else the owner has new memory. */
		if (protect(worker, uffd, job->address, &count) == 0) {
			job->then = XPMD_NEXT_LOST;
			return;
		}
	}
	if (!job->moved)
		release(worker, uffd, job);
	xpmd_uffd_wake(uffd, job->address, bytes(job->count));
}

/* ---- The resolver's jobs, each of one page */

static void zero_huge(struct xpmd_uffd *uffd, uint64_t address)
{
	void *zeros = mmap(NULL, XPMD_HUGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t done;

	if (zeros == MAP_FAILED)
		return;
	address &= ~(XPMD_HUGE - 1);
	xpmd_uffd_copy(uffd, address, zeros, XPMD_HUGE, false, &done);
	xpmd_uffd_wake(uffd, address, XPMD_HUGE);
	munmap(zeros, XPMD_HUGE);
}

static void resolve(struct xpmd_worker *worker, struct xpmd_uffd *uffd, struct xpmd_job *job)
{
	enum xpmd_trap trap;

	job->then = XPMD_NEXT_DONE;
	xpmd_traps_lock(worker->traps);
	trap = job->moved ? XPMD_TRAP_NONE : xpmd_traps_get(worker->traps, job->first);
	if (job->type == XPMD_JOB_ZERO && trap <= XPMD_TRAP_FETCHING) {
		if (xpmd_uffd_zero(uffd, job->address, XPMD_PAGE) == -EINVAL)
			zero_huge(uffd, job->address);
		else
			xpmd_uffd_wake(uffd, job->address, XPMD_PAGE);
	} else if (job->type != XPMD_JOB_UNPROTECT || trap != XPMD_TRAP_NONE ||
		   !unprotect(worker, uffd, job->address, 1)) {
		job->then = XPMD_NEXT_FAULT;
	}
	xpmd_traps_unlock(worker->traps);
}

static void work(struct xpmd_worker *worker, struct xpmd_uffd *uffd, struct xpmd_job *job)
{
	job->then = XPMD_NEXT_DONE;
	switch (job->type) {
	case XPMD_JOB_FETCH:
		fetch(worker, uffd, job);
		break;
	case XPMD_JOB_STORE:
		store(worker, uffd, job);
		break;
	case XPMD_JOB_RELEASE:
		release(worker, uffd, job);
		break;
	case XPMD_JOB_LOST:
		lose(worker, uffd, job);
		break;
	default:
		resolve(worker, uffd, job);
	}
}

/* ---- Threads */

/* Called with the lock, which the last one drops with the rest. */
static void put_and_unlock(struct xpmd_worker *worker)
{
	bool last = --worker->refs == 0;

	pthread_mutex_unlock(&worker->lock);
	if (!last)
		return;
	xpmd_uffd_put(worker->uffd);
	xpmd_traps_free(worker->traps);
	sem_destroy(&worker->work.more);
	sem_destroy(&worker->resolve.more);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
}

static void run(struct xpmd_worker *worker, struct queue *queue,
		void (*one)(struct xpmd_worker *, struct xpmd_uffd *, struct xpmd_job *))
{
	struct xpmd_uffd *uffd;
	struct xpmd_job *job;

	pthread_mutex_lock(&worker->lock);
	while (!worker->stop) {
		if (!worker->uffd || !queue->jobs.head) {
			pthread_mutex_unlock(&worker->lock);
			sem_wait(&queue->more);		/* and if it was interrupted: looks again */
			pthread_mutex_lock(&worker->lock);
			continue;
		}
		job = xpmd_jobs_take(&queue->jobs);
		if (must_wait(worker, job)) {
			xpmd_jobs_add(&worker->waiting, job);
			continue;
		}
		uffd = xpmd_uffd_get(worker->uffd);
		pthread_mutex_unlock(&worker->lock);
		one(worker, uffd, job);
		xpmd_uffd_put(uffd);
		xpmd_results_post(worker->results, job);
		pthread_mutex_lock(&worker->lock);
	}
	put_and_unlock(worker);
	atomic_fetch_sub(&nr_threads, 1);
}

static void *work_thread(void *argument)
{
	struct xpmd_worker *worker = argument;

	run(worker, &worker->work, work);
	return NULL;
}

static void *resolve_thread(void *argument)
{
	struct xpmd_worker *worker = argument;

	run(worker, &worker->resolve, resolve);
	return NULL;
}

static int start_thread(struct xpmd_worker *worker, void *(*function)(void *))
{
	int rc;

	pthread_mutex_lock(&worker->lock);
	rc = xpmd_thread_start(function, worker);
	if (rc == 0) {
		worker->refs++;
		atomic_fetch_add(&nr_threads, 1);
	}
	pthread_mutex_unlock(&worker->lock);
	return rc;
}

int xpmd_worker_new(struct xpmd_worker **ret, struct xpmd_kchannel *channel, int64_t segid,
		    uint64_t start, uint64_t pages, struct xpmd_results *results)
{
	struct xpmd_worker *worker = calloc(1, sizeof(*worker));
	int rc;

	if (!worker)
		return -ENOMEM;
	worker->traps = xpmd_traps_new(pages);
	if (!worker->traps) {
		free(worker);
		return -ENOMEM;
	}
	pthread_mutex_init(&worker->lock, NULL);
	sem_init(&worker->work.more, 0, 0);
	sem_init(&worker->resolve.more, 0, 0);
	xpmd_jobs_init(&worker->work.jobs);
	xpmd_jobs_init(&worker->resolve.jobs);
	xpmd_jobs_init(&worker->waiting);
	worker->refs = 1;
	worker->channel = channel;
	worker->results = results;
	worker->segid = segid;
	worker->start = start;
	worker->pages = pages;
	atomic_init(&worker->splitting, NO_BLOCK);
	rc = start_thread(worker, work_thread);
	if (rc == 0)
		rc = start_thread(worker, resolve_thread);
	if (rc < 0) {
		xpmd_worker_stop(worker);
		return rc;
	}
	*ret = worker;
	return 0;
}

static void wake_threads(struct xpmd_worker *worker)
{
	sem_post(&worker->work.more);
	sem_post(&worker->resolve.more);
}

void xpmd_worker_stop(struct xpmd_worker *worker)
{
	if (!worker)
		return;
	pthread_mutex_lock(&worker->lock);
	worker->stop = true;
	xpmd_results_post_all(worker->results, &worker->work.jobs, ENOENT);
	xpmd_results_post_all(worker->results, &worker->resolve.jobs, ENOENT);
	xpmd_results_post_all(worker->results, &worker->waiting, ENOENT);
	wake_threads(worker);
	put_and_unlock(worker);
}

void xpmd_worker_connect(struct xpmd_worker *worker, struct xpmd_uffd *uffd)
{
	struct xpmd_uffd *before;

	pthread_mutex_lock(&worker->lock);
	before = worker->uffd;
	worker->uffd = uffd ? xpmd_uffd_get(uffd) : NULL;
	wake_threads(worker);
	pthread_mutex_unlock(&worker->lock);
	xpmd_uffd_put(before);
}

void xpmd_worker_wake(struct xpmd_worker *worker, uint64_t address, uint64_t bytes)
{
	pthread_mutex_lock(&worker->lock);
	if (worker->uffd)
		xpmd_uffd_wake(worker->uffd, address, bytes);
	pthread_mutex_unlock(&worker->lock);
}

static struct queue *queue_of(struct xpmd_worker *worker, const struct xpmd_job *job)
{
	if (job->type == XPMD_JOB_ZERO || job->type == XPMD_JOB_UNPROTECT)
		return &worker->resolve;
	return &worker->work;
}

void xpmd_worker_queue(struct xpmd_worker *worker, struct xpmd_job *job)
{
	struct queue *queue = queue_of(worker, job);

	pthread_mutex_lock(&worker->lock);
	xpmd_jobs_add(&queue->jobs, job);
	pthread_mutex_unlock(&worker->lock);
	sem_post(&queue->more);	/* after it: who wakes up takes it at once */
}

void xpmd_worker_queue_behind(struct xpmd_worker *worker, struct xpmd_job *job)
{
	pthread_mutex_lock(&worker->lock);
	xpmd_jobs_add(&worker->work.jobs, job);
	pthread_mutex_unlock(&worker->lock);
	sem_post(&worker->work.more);
}

void xpmd_worker_queue_again(struct xpmd_worker *worker, struct xpmd_job *job)
{
	struct queue *queue = queue_of(worker, job);

	pthread_mutex_lock(&worker->lock);
	xpmd_jobs_add_first(&queue->jobs, job);
	pthread_mutex_unlock(&worker->lock);
	sem_post(&queue->more);
}

struct xpmd_traps *xpmd_worker_traps(struct xpmd_worker *worker)
{
	return worker->traps;
}

bool xpmd_worker_huge(const struct xpmd_worker *worker, uint64_t address, uint64_t *first_ret,
		      uint64_t *end_ret)
{
	struct block block = block_at(worker, address);

	*first_ret = block.first;
	*end_ret = block.end;
	return is_huge(worker, address);
}

unsigned int xpmd_worker_threads(void)
{
	return atomic_load(&nr_threads);
}
