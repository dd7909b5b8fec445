// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does what a process shares last as long as its address space, and no event in
 * the life of an attacher, a child or a single thread disturb it?
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (100 * PAGE)

extern char **environ;

static char *memory;

enum { EXITS, IS_KILLED, EXECS, RETURNS, ENDS };

static void attacher(int end)
{
	xpmem_apid_t apid = get_segment(board->segid[0], XPMEM_RDWR);
	char *at = attach_at(apid, 0, SIZE);
	uint64_t *word = (uint64_t *)(void *)(at + 50 * PAGE);

	check(!differs(at, SIZE, 1));
	*word = *word;
	switch (end) {
	case EXITS:
		_exit(0);
	case IS_KILLED:
		raise(SIGKILL);
		break;
	case EXECS:
		execl("/bin/true", "true", (char *)NULL);
		fail("exec");
	}
}

/* Attachers come and go, and the owner's memory is no other's business. */
static void attacher_ends(void)
{
	for (int end = 0; end < ENDS; end++) {
		int status;
		pid_t pid = spawn(attacher, end);

		check(waitpid(pid, &status, 0) == pid);
		check(end == IS_KILLED ? WTERMSIG(status) == SIGKILL : status == 0);
		check(!differs(memory, SIZE, 1));
	}
}

/* As a shell does it, while another looks on */
static void children_of_owner(void)
{
	char *const argv[] = { "true", NULL };
	int status;
	pid_t pid;

	for (int i = 0; i < 5; i++) {
		check(posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) == 0);
		check(waitpid(pid, &status, 0) == pid && status == 0);
		pid = vfork();
		check(pid >= 0);
		if (!pid)
			_exit(3);
		check(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3);
		pid = fork();
		check(pid >= 0);
		if (!pid) {
			/* its own copy: nobody sees what it does with it */
			memset(memory, 0x55, SIZE);
			_exit(4);
		}
		check(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 4);
	}
}

/* Sees a counter of the owner change as long as the owner changes it */
static void watcher(int unused)
{
	xpmem_apid_t apid = get_segment(board->segid[0], XPMEM_RDWR);
	volatile uint64_t *at = attach_at(apid, 0, SIZE);
	volatile uint64_t *far = at + SIZE / sizeof(*at) - 1;

	(void)unused;
	for (int turn = 1; turn <= 6; turn++) {
		await(2 * turn);
		check(at[0] == (uint64_t)turn);
		far[0] = turn;
		reach(2 * turn + 1);
	}
	/* now the last thread ends */
	await(100);
	check(try_read((char *)at, NULL) == SIGBUS);
	check(try_write((char *)far, 1) == SIGBUS);
	check_errno(xpmem_get(board->segid[0], XPMEM_RDWR, XPMEM_PERMIT_MODE, NULL), ENOENT);
	check(xpmem_release(apid) == 0);
}

/* The owner changes the word, the watcher answers in the other one. */
static void take_turn(int turn)
{
	volatile uint64_t *words = (volatile uint64_t *)(void *)memory;

	words[0] = turn;
	reach(2 * turn);
	await(2 * turn + 1);
	check(words[SIZE / sizeof(*words) - 1] == (uint64_t)turn);
}

static void *makes_and_ends(void *unused)
{
	(void)unused;
	/* the segment is the process's, not the thread's */
	memory = map_anon(SIZE);
	board->segid[0] = make_segment(memory, SIZE);
	return NULL;
}

static void *last_thread(void *main_thread)
{
	pthread_t thread;

	check(pthread_join(*(pthread_t *)main_thread, NULL) == 0);
	take_turn(3);
	/* another thread comes and goes with no main thread there */
	check(pthread_create(&thread, NULL, (void *(*)(void *))(uintptr_t)children_of_owner,
			     NULL) == 0);
	check(pthread_join(thread, NULL) == 0);
	take_turn(4);
	usleep(50000);
	take_turn(5);
	children_of_owner();
	take_turn(6);
	_exit(0);
}

static void threaded_owner(int unused)
{
	static pthread_t self;
	pthread_t thread;

	(void)unused;
	check(pthread_create(&thread, NULL, makes_and_ends, NULL) == 0);
	check(pthread_join(thread, NULL) == 0);
	reach(1);
	take_turn(1);
	children_of_owner();
	take_turn(2);
	self = pthread_self();
	check(pthread_create(&thread, NULL, last_thread, &self) == 0);
	pthread_exit(NULL);
}

int main(void)
{
	pid_t owner, other;

	test_begin(60);
	memory = map_anon(SIZE);
	fill(memory, SIZE, 1);
	board->segid[0] = make_segment(memory, SIZE);
	attacher_ends();
	children_of_owner();
	check(!differs(memory, SIZE, 1));
	join(spawn(attacher, RETURNS));

	owner = spawn(threaded_owner, 0);
	await(1);
	other = spawn(watcher, 0);
	join(owner);
	reach(100);
	join(other);
	return 0;
}
