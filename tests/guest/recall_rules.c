// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Are the rules of registration kept: all operations, one subscriber a mark, and
 * an end that waits for calls under way?
 */
#include "guest_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "recall_test.h"

#define SIZE (8 * PAGE)

static void refusals(void)
{
	static const struct {
		enum recall_try what;
		int error;
	} tries[] = {
		{ RECALL_TRY_SECOND, EBUSY },
		{ RECALL_TRY_EXTERNAL, EBUSY },
		{ RECALL_TRY_NO_MARK, EINVAL },
		{ RECALL_TRY_TWO_MARKS, EINVAL },
		{ RECALL_TRY_UNKNOWN_MARK, EINVAL },
		{ RECALL_TRY_NO_NAME, EINVAL },
		{ RECALL_TRY_NO_ISSUE, EINVAL },
		{ RECALL_TRY_NO_WAIT, EINVAL },
		{ RECALL_TRY_NO_NONBLOCK, EINVAL },
		{ RECALL_TRY_NO_RELEASE, EINVAL },
	};

	/* with the mark taken, and with the mark free */
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
			int wanted = tries[i].error;

			if (round && tries[i].what == RECALL_TRY_SECOND)
				wanted = 0;
			if (recall_try(tries[i].what) != -wanted)
				fail("registration %d: %d, not %d", tries[i].what,
				     recall_try(tries[i].what), -wanted);
		}
		check(recall_try(RECALL_TRY_UNSUBSCRIBE) == 0);
	}
	check(recall_try(RECALL_TRY_SUBSCRIBE) == 0);
}

static void owner(int unused)
{
	char *memory = map_anon(SIZE);

	(void)unused;
	memset(memory, 1, SIZE);
	board->segid[0] = make_segment(memory, SIZE);
	reach(1);
	await(2);
	check(munmap(memory, SIZE / 2) == 0);
	reach(3);
	await(4);
	/* there is no subscriber any more */
	check(munmap(memory + SIZE / 2, SIZE / 2) == 0);
}

static void unsubscriber(int unused)
{
	(void)unused;
	count_up(0);
	check(recall_try(RECALL_TRY_UNSUBSCRIBE) == 0);
	count_up(1);
}

static void end_waits(void)
{
	pid_t pids[2];
	char *at;

	pids[0] = spawn(owner, 0);
	await(1);
	at = attach_at(get_segment(board->segid[0], XPMEM_RDWR), 0, SIZE);
	check(*at == 1);
	recall_mark(board->segid[0], 0, 7);
	recall_behave(RECALL_HOLD);
	reach(2);
	recall_await_waiting();
	pids[1] = spawn(unsubscriber, 0);
	await_count(0, 1);
	/* long enough for a grace period that waits for nobody */
	for (uint64_t end = milliseconds() + 500; milliseconds() < end;)
		guest_pause();
	if (atomic_load(&board->count[1]))
		fail("unregistering did not wait for a call under way");
	check(recall_counts().waiting == 1);
	recall_behave(0);
	await(3);
	join(pids[1]);
	reach(4);
	join(pids[0]);
	check(recall_try(RECALL_TRY_SUBSCRIBE) == 0);
}

int main(void)
{
	test_begin(60);
	recall_load();
	/* The module that is subscribed is in use. */
	check_errno(syscall(SYS_delete_module, "xpmem", O_NONBLOCK), EWOULDBLOCK);
	refusals();
	end_waits();
	return 0;
}
