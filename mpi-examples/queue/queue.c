// SPDX-License-Identifier: GPL-2.0-or-later
#include "queue.h"

void queue_init(struct queue *queue, size_t lanes)
{
	queue->lanes = lanes;
	queue->magic = QUEUE_MAGIC;
}

bool queue_is_one(const struct queue *queue)
{
	return queue->magic == QUEUE_MAGIC;
}

bool submitter_put(struct submitter *s, const struct job *job)
{
	if (s->submitted - s->taken == LANE_JOBS)
		return false;
	s->lane->job[s->submitted % LANE_JOBS] = *job;
	s->submitted++;
	atomic_store_explicit(&s->lane->submitted, s->submitted,
			      memory_order_release);
	return true;
}

bool submitter_take(struct submitter *s, uint64_t *ret_answer)
{
	if (s->taken == s->submitted ||
	    atomic_load_explicit(&s->lane->answered, memory_order_acquire) <=
		    s->taken)
		return false;
	*ret_answer = s->lane->answer[s->taken % LANE_JOBS];
	s->taken++;
	return true;
}

unsigned int worker_serve(struct lane *lane)
{
	uint64_t done =
		atomic_load_explicit(&lane->answered, memory_order_relaxed);
	uint64_t all =
		atomic_load_explicit(&lane->submitted, memory_order_acquire);
	unsigned int served = 0;

	for (; done < all; served++) {
		lane->answer[done % LANE_JOBS] =
			job_answer(&lane->job[done % LANE_JOBS]);
		done++;
		atomic_store_explicit(&lane->answered, done,
				      memory_order_release);
	}
	return served;
}

uint64_t job_answer(const struct job *job)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < job->count; i++) {
		uint64_t x = (job->first + i) * 0x9e3779b97f4a7c15ULL;

		x ^= x >> 31;
		sum += x * 0xbf58476d1ce4e5b9ULL;
	}
	return sum;
}
