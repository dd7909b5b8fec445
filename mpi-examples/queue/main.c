// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A work queue in the memory of rank 0. All other ranks, on this node or on other
 * partitions, attach it, store their jobs into it and poll for the answers; rank 0
 * polls its own memory for jobs and answers them. MPI tells the segment's id and ends
 * the run, nothing else.
 *
 *	mpirun -n RANKS queue [JOBS-OF-EACH-RANK [NUMBERS-OF-A-JOB]]
 */
#include "failure.h"
#include "nodes.h"
#include "queue.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xpmem.h>
#include <xpmem_ext.h>

/* Seconds after which a rank that saw nothing new ends the run */
#define PATIENCE 60.0

struct run {
	int rank, ranks;
	uint64_t jobs, numbers;
	bool apart; /* ranks are on several nodes */
	long long segid;
	struct queue *queue;
	size_t bytes;
	xpmem_apid_t apid;
};

static bool parse(const char *text, uint64_t *ret_number)
{
	char *end;

	errno = 0;
	*ret_number = strtoull(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *text != '-' &&
	       *ret_number > 0;
}

static void read_arguments(int argc, char **argv, struct run *run,
			   struct failure *failure)
{
	run->jobs = 1000;
	run->numbers = 1000;
	if (argc > 3 || (argc > 1 && !parse(argv[1], &run->jobs)) ||
	    (argc > 2 && !parse(argv[2], &run->numbers)))
		failure_set(failure, EXIT_USAGE,
			    "usage: queue [JOBS-OF-EACH-RANK [NUMBERS-OF-A-JOB]]");
	else if (run->ranks < 2)
		failure_set(failure, EXIT_RANKS,
			    "one rank has nobody to work for; start two or more");
}

static void make(struct run *run, struct failure *failure)
{
	xpmem_segid_t segid = -1;
	int err = 0;

	run->queue = mmap(NULL, run->bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (run->queue == MAP_FAILED) {
		run->queue = NULL;
		failure_set(failure, EXIT_RUNTIME, "no memory for the queue");
		return;
	}
	queue_init(run->queue, (size_t)run->ranks - 1);
	if (run->apart) {
		err = xpmem_make_remote(run->queue, run->bytes,
					XPMEM_PERMIT_MODE, (void *)0600,
					XPMEM_REMOTE_WRITE, &segid);
	} else {
		segid = xpmem_make(run->queue, run->bytes, XPMEM_PERMIT_MODE,
				   (void *)0600);
		err = segid == -1 ? -errno : 0;
	}
	if (err)
		failure_set(failure, EXIT_XPMEM, "%s of %zu bytes: %s",
			    run->apart ? "xpmem_make_remote" : "xpmem_make",
			    run->bytes, strerror(-err));
	run->segid = segid;
}

static void attach(struct run *run, struct failure *failure)
{
	struct xpmem_addr where = { .offset = 0 };
	void *at;

	run->apid = xpmem_get(run->segid, XPMEM_RDWR, XPMEM_PERMIT_MODE, NULL);
	if (run->apid == -1) {
		failure_set(failure, EXIT_XPMEM, "xpmem_get: %s",
			    strerror(errno));
		return;
	}
	where.apid = run->apid;
	at = xpmem_attach(where, run->bytes, NULL);
	if (at == (void *)-1) {
		failure_set(failure, EXIT_XPMEM, "xpmem_attach of %zu bytes: %s",
			    run->bytes, strerror(errno));
		return;
	}
	run->queue = at;
	if (!queue_is_one(run->queue))
		failure_set(failure, EXIT_XPMEM,
			    "what was attached is no queue");
}

static void keep_patience(double *since, bool progress)
{
	if (progress)
		*since = MPI_Wtime();
	else if (MPI_Wtime() - *since > PATIENCE)
		failure_abort(MPI_COMM_WORLD, EXIT_RUNTIME,
			      "nothing came for %g s: a rank is gone or stands still",
			      PATIENCE);
	else
		sched_yield();
}

static uint64_t work(struct run *run)
{
	uint64_t left = run->jobs * run->queue->lanes;
	double since = MPI_Wtime();

	while (left > 0) {
		uint64_t served = 0;

		for (uint64_t i = 0; i < run->queue->lanes; i++)
			served += worker_serve(&run->queue->lane[i]);
		left -= served;
		keep_patience(&since, served > 0);
	}
	return run->jobs * run->queue->lanes;
}

static uint64_t submit(struct run *run, struct failure *failure)
{
	struct submitter s = { .lane = &run->queue->lane[run->rank - 1] };
	double since = MPI_Wtime();
	uint64_t put = 0, right = 0, taken = 0;
	uint64_t base = (uint64_t)run->rank << 40;

	while (taken < run->jobs) {
		struct job job = { .count = run->numbers };
		bool progress = false;
		uint64_t answer;

		job.first = base + put * run->numbers;
		if (put < run->jobs && submitter_put(&s, &job)) {
			put++;
			progress = true;
		}
		if (submitter_take(&s, &answer)) {
			job.first = base + taken * run->numbers;
			right += answer == job_answer(&job);
			taken++;
			progress = true;
		}
		keep_patience(&since, progress);
	}
	if (right != run->jobs)
		failure_set(failure, EXIT_CHECK,
			    "rank %d: %llu of %llu answers are wrong", run->rank,
			    (unsigned long long)(run->jobs - right),
			    (unsigned long long)run->jobs);
	return right;
}

static int play(struct run *run)
{
	struct failure failure = { 0 };
	double start;
	uint64_t done;
	int code;

	run->bytes = queue_bytes((size_t)run->ranks - 1);
	if (run->rank == 0)
		make(run, &failure);
	code = failure_agree(MPI_COMM_WORLD, &failure);
	if (code != EXIT_OK)
		return code;
	MPI_Bcast(&run->segid, 1, MPI_LONG_LONG, 0, MPI_COMM_WORLD);
	if (run->rank != 0)
		attach(run, &failure);
	code = failure_agree(MPI_COMM_WORLD, &failure);
	if (code != EXIT_OK)
		return code;

	start = MPI_Wtime();
	done = run->rank == 0 ? work(run) : submit(run, &failure);
	code = failure_agree(MPI_COMM_WORLD, &failure);
	if (code == EXIT_OK && run->rank == 0)
		printf("queue: %llu jobs of %d ranks%s, all answers right, %.1f us a job\n",
		       (unsigned long long)done, run->ranks - 1,
		       run->apart ? ", some on other partitions" : "",
		       (MPI_Wtime() - start) * 1e6 / (double)done);
	return code;
}

static void clean_up(struct run *run)
{
	if (run->rank != 0 && run->queue != NULL)
		xpmem_detach(run->queue);
	if (run->apid > 0)
		xpmem_release(run->apid);
	/* Nobody reads it any more. */
	MPI_Barrier(MPI_COMM_WORLD);
	if (run->rank == 0 && run->segid > 0)
		xpmem_remove(run->segid);
	if (run->rank == 0 && run->queue != NULL)
		munmap(run->queue, run->bytes);
}

int main(int argc, char **argv)
{
	struct run run = { .segid = -1, .apid = -1 };
	struct failure failure = { 0 };
	int code;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &run.rank);
	MPI_Comm_size(MPI_COMM_WORLD, &run.ranks);
	read_arguments(argc, argv, &run, &failure);
	code = failure_agree(MPI_COMM_WORLD, &failure);
	if (code == EXIT_OK) {
		run.apart = nodes_are_several(MPI_COMM_WORLD);
		code = play(&run);
		clean_up(&run);
	}
	MPI_Finalize();
	return code;
}
