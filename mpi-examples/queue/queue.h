/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * queue: jobs from many ranks to one, through its memory.
 *
 * The worker owns the queue. It has a lane for each rank that submits: that one
 * writes the lane's jobs and their count, the worker its answers and how many it
 * has given. Each writes pages of its own and polls the other's:
 *
 *	submitter's pages            worker's pages
 *	  submitted (count)            answered (count)
 *	  job[LANE_JOBS]               answer[LANE_JOBS]
 *
 * A count is stored with release after what it counts, and loaded with acquire. So
 * one word is the flag for all before it, whoever wrote it and wherever that rank
 * runs. Job n and its answer are in place n modulo LANE_JOBS; a submitter has no
 * more than LANE_JOBS jobs without having taken their answers.
 */
#ifndef QUEUE_H
#define QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUEUE_MAGIC 0x7175657565313031ULL
#define QUEUE_PAGE  4096
#define LANE_JOBS   64

/* The numbers of [first, first + count), to be hashed and the hashes summed up */
struct job {
	uint64_t first;
	uint64_t count;
};

struct lane {
	_Alignas(QUEUE_PAGE) _Atomic uint64_t submitted;
	struct job job[LANE_JOBS];
	_Alignas(QUEUE_PAGE) _Atomic uint64_t answered;
	uint64_t answer[LANE_JOBS];
};

struct queue {
	_Alignas(QUEUE_PAGE) uint64_t magic;
	uint64_t lanes;
	struct lane lane[];
};

static inline size_t queue_bytes(size_t lanes)
{
	return sizeof(struct queue) + lanes * sizeof(struct lane);
}

/* In memory of queue_bytes(@lanes) zeroes, page aligned */
void queue_init(struct queue *queue, size_t lanes);
bool queue_is_one(const struct queue *queue);

/* For one submitter a lane; the counts are its own. */
struct submitter {
	struct lane *lane;
	uint64_t submitted;
	uint64_t taken;
};

bool submitter_put(struct submitter *s, const struct job *job);	/* false: the lane is full */
bool submitter_take(struct submitter *s, uint64_t *ret_answer); /* false: not yet */

/* Answers what is there of a lane; returns the number of jobs. */
unsigned int worker_serve(struct lane *lane);

uint64_t job_answer(const struct job *job);

#endif
