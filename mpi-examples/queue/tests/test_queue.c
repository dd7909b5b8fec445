// SPDX-License-Identifier: GPL-2.0-or-later
/* The queue without MPI: threads in place of ranks. */
#include "../queue.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#define JOBS 20000

static struct queue *new_queue(size_t lanes)
{
	struct queue *queue = aligned_alloc(QUEUE_PAGE, queue_bytes(lanes));

	ck_assert_ptr_nonnull(queue);
	for (size_t i = 0; i < queue_bytes(lanes); i++)
		((volatile char *)queue)[i] = 0;
	queue_init(queue, lanes);
	return queue;
}

/* Who writes what must not share a page: pages go from partition to partition. */
START_TEST(pages)
{
	ck_assert_uint_eq(offsetof(struct queue, lane) % QUEUE_PAGE, 0);
	ck_assert_uint_eq(offsetof(struct lane, answered) % QUEUE_PAGE, 0);
	ck_assert_uint_eq(sizeof(struct lane) % QUEUE_PAGE, 0);
}
END_TEST

START_TEST(full)
{
	struct queue *queue = new_queue(1);
	struct submitter s = { .lane = &queue->lane[0] };
	struct job job = { .first = 1, .count = 3 };
	uint64_t answer;

	ck_assert(!submitter_take(&s, &answer));
	for (int i = 0; i < LANE_JOBS; i++)
		ck_assert(submitter_put(&s, &job));
	ck_assert(!submitter_put(&s, &job));
	ck_assert_uint_eq(worker_serve(&queue->lane[0]), LANE_JOBS);
	ck_assert_uint_eq(worker_serve(&queue->lane[0]), 0);
	/* Its place is free when the answer is taken, not when it is there. */
	ck_assert(!submitter_put(&s, &job));
	ck_assert(submitter_take(&s, &answer));
	ck_assert_uint_eq(answer, job_answer(&job));
	ck_assert(submitter_put(&s, &job));
	free(queue);
}
END_TEST

static void *submit_all(void *arg)
{
	struct submitter s = { .lane = arg };
	uint64_t put = 0, taken = 0, wrong = 0, answer;

	while (taken < JOBS) {
		struct job job = { .first = put * 7, .count = 3 };

		if (put < JOBS && submitter_put(&s, &job))
			put++;
		if (submitter_take(&s, &answer)) {
			job.first = taken * 7;
			wrong += answer != job_answer(&job);
			taken++;
		}
	}
	return (void *)(uintptr_t)wrong;
}

START_TEST(threads)
{
	struct queue *queue = new_queue(3);
	pthread_t thread[3];
	uint64_t left = 3 * JOBS;

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, submit_all,
						&queue->lane[i]),
				 0);
	while (left > 0)
		for (int i = 0; i < 3; i++)
			left -= worker_serve(&queue->lane[i]);
	for (int i = 0; i < 3; i++) {
		void *wrong;

		pthread_join(thread[i], &wrong);
		ck_assert_ptr_null(wrong);
	}
	free(queue);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("queue");
	TCase *tcase = tcase_create("queue");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, pages);
	tcase_add_test(tcase, full);
	tcase_add_test(tcase, threads);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
