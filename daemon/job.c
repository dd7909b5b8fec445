// SPDX-License-Identifier: GPL-2.0-or-later
#include "job.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct xpmd_job *xpmd_job_new(enum xpmd_job_type type, int64_t segid, uint64_t first,
			      uint32_t count, uint32_t pages)
{
	static atomic_uint_least64_t numbers;
	struct xpmd_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	if (pages && posix_memalign(&job->data, XPMD_PAGE, (size_t)pages * XPMD_PAGE)) {
		free(job);
		return NULL;
	}
	job->number = atomic_fetch_add(&numbers, 1) + 1;
	job->type = type;
	job->segid = segid;
	job->first = first;
	job->count = count;
	for (uint32_t i = 0; i < count && i < XPMD_MAX_PAGES; i++)
		job->live[i / 64] |= 1ULL << (i % 64);
	return job;
}

void xpmd_job_free(struct xpmd_job *job)
{
	if (!job)
		return;
	free(job->data);
	free(job);
}

void xpmd_jobs_init(struct xpmd_jobs *jobs)
{
	jobs->head = NULL;
	jobs->tail = &jobs->head;
}

void xpmd_jobs_add(struct xpmd_jobs *jobs, struct xpmd_job *job)
{
	job->next = NULL;
	*jobs->tail = job;
	jobs->tail = &job->next;
}

void xpmd_jobs_add_first(struct xpmd_jobs *jobs, struct xpmd_job *job)
{
	job->next = jobs->head;
	jobs->head = job;
	if (!job->next)
		jobs->tail = &job->next;
}

struct xpmd_job *xpmd_jobs_cut(struct xpmd_jobs *jobs, struct xpmd_job **at)
{
	struct xpmd_job *job = *at;

	*at = job->next;
	if (!job->next)
		jobs->tail = at;
	job->next = NULL;
	return job;
}

struct xpmd_job *xpmd_jobs_take(struct xpmd_jobs *jobs)
{
	return jobs->head ? xpmd_jobs_cut(jobs, &jobs->head) : NULL;
}

void xpmd_jobs_free(struct xpmd_jobs *jobs)
{
	struct xpmd_job *job;

	while ((job = xpmd_jobs_take(jobs)))
		xpmd_job_free(job);
}

bool xpmd_job_is_live(struct xpmd_job *job, uint32_t i)
{
	return atomic_load(&job->live[i / 64]) >> (i % 64) & 1;
}

void xpmd_job_end_page(struct xpmd_job *job, uint32_t i)
{
	atomic_fetch_and(&job->live[i / 64], ~(1ULL << (i % 64)));
}

bool xpmd_job_any_live(struct xpmd_job *job)
{
	for (size_t i = 0; i < XPMD_MAX_PAGES / 64; i++)
		if (atomic_load(&job->live[i]))
			return true;
	return false;
}

bool xpmd_job_is_recalled(struct xpmd_job *job, uint32_t i)
{
	return atomic_load(&job->recalled[i / 64]) >> (i % 64) & 1;
}

void xpmd_job_recall_page(struct xpmd_job *job, uint32_t i)
{
	atomic_fetch_or(&job->recalled[i / 64], 1ULL << (i % 64));
}

int xpmd_results_init(struct xpmd_results *results)
{
	pthread_mutex_init(&results->lock, NULL);
	xpmd_jobs_init(&results->jobs);
	results->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return results->fd < 0 ? -errno : 0;
}

void xpmd_results_destroy(struct xpmd_results *results)
{
	xpmd_jobs_free(&results->jobs);
	if (results->fd >= 0)
		close(results->fd);
	pthread_mutex_destroy(&results->lock);
}

void xpmd_results_post(struct xpmd_results *results, struct xpmd_job *job)
{
	static const uint64_t one = 1;
	bool told;

	pthread_mutex_lock(&results->lock);
	told = results->jobs.head;
	xpmd_jobs_add(&results->jobs, job);
	pthread_mutex_unlock(&results->lock);
	/* Who takes those before it takes this one, too.  2^64 - 2 are never posted. */
	if (!told && write(results->fd, &one, sizeof(one)) < 0)
		return;
}

void xpmd_results_post_all(struct xpmd_results *results, struct xpmd_jobs *jobs, uint32_t error)
{
	struct xpmd_job *job;

	while ((job = xpmd_jobs_take(jobs))) {
		job->error = error;
		job->done = 0;
		xpmd_results_post(results, job);
	}
}

struct xpmd_job *xpmd_results_take(struct xpmd_results *results)
{
	struct xpmd_job *first;

	pthread_mutex_lock(&results->lock);
	first = results->jobs.head;
	xpmd_jobs_init(&results->jobs);
	pthread_mutex_unlock(&results->lock);
	return first;
}
