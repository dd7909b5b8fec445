// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does an attacher that outlives its owner, or the segment, get SIGBUS at every
 * access from then on, ENOENT for what is gone, and can it tidy up?
 *
 * The owner goes in every way there is.  From when its parent has collected it,
 * or it has said itself that it is through, all must be gone: there is no grace
 * period in which the old is still seen.
 */
#include "guest_test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Touched and untouched pages, in the window of one fault and beyond it */
#define PAGES 200
#define SIZE (PAGES * PAGE)
#define ROUNDS 10

enum { EXIT, KILLED, EXEC, CLOSE, REMOVE, EXIT_CHILD_STAYS, KILLED_CHILD_STAYS, WAYS };

static const char *const ways[] = {
	"exit", "SIGKILL", "exec", "close", "remove", "exit, a child keeps the descriptor",
	"SIGKILL, a child keeps the descriptor",
};

static int told[2];

/*
 * The kernel forks with the descriptor; that the library would close its copy
 * in the child is nothing to the module, so there is a second one here.
 */
static void keep_descriptor_in_child(void)
{
	int copy = dup(device_fd());
	pid_t pid;

	check(copy >= 0);
	pid = fork();
	check(pid >= 0);
	if (!pid) {
		/* its parent goes before it; it must not stay for ever */
		alarm(60);
		close(told[1]);
		while (!atomic_load(&board->stop))
			usleep(1000);
		_exit(0);
	}
	atomic_store(&board->count[0], pid);
}

static void owner(int way)
{
	char *memory = map_anon(SIZE);

	fill(memory, SIZE, 1);
	board->segid[0] = make_segment(memory, SIZE);
	if (way == EXIT_CHILD_STAYS || way == KILLED_CHILD_STAYS)
		keep_descriptor_in_child();
	reach(1);
	await(2);
	switch (way) {
	case KILLED:
	case KILLED_CHILD_STAYS:
		raise(SIGKILL);
		break;
	case EXEC:
		/* told[1] stays open, and the new program writes to it */
		dup2(told[1], 1);
		execl("/proc/self/exe", "owner_gone", "exec", (char *)NULL);
		fail("exec");
	case CLOSE:
		check(close(device_fd()) == 0);
		check(write(told[1], "x", 1) == 1);
		await(3);
		break;
	case REMOVE:
		check(xpmem_remove(board->segid[0]) == 0);
		check(write(told[1], "x", 1) == 1);
		await(3);
		break;
	}
	_exit(0);
}

static void is_gone(xpmem_apid_t apid, char *touched, char *untouched)
{
	struct xpmem_addr where = { .apid = apid };
	size_t done = 77;

	for (int page = 0; page < PAGES; page++)
		check(try_read(touched + page * PAGE, NULL) == SIGBUS);
	for (int page = 0; page < PAGES; page += 13) {
		check(try_write(touched + page * PAGE, 1) == SIGBUS);
		check(try_read(untouched + page * PAGE, NULL) == SIGBUS);
		check(try_write(untouched + page * PAGE, 1) == SIGBUS);
	}
	check_errno(xpmem_attach(where, PAGE, NULL), ENOENT);
	check_errno(xpmem_get(board->segid[0], XPMEM_RDWR, XPMEM_PERMIT_MODE, NULL), ENOENT);
	check(xpmem_prefault(touched, PAGE, 0, &done) == -ENOENT && done == 0);
	check_errno(xpmem_remove(board->segid[0]), ENOENT);

	check(xpmem_detach(untouched + 5 * PAGE) == 0);
	check(try_read(untouched, NULL) == SIGSEGV);
	check(xpmem_release(apid) == 0);
	check(try_read(touched, NULL) == SIGSEGV);
	check_errno(xpmem_release(apid), ENOENT);
}

static void attach_and_outlive(int way)
{
	xpmem_apid_t apid;
	char *touched, *untouched, byte;
	bool lives = way == EXEC || way == CLOSE || way == REMOVE;
	int status;
	pid_t pid;

	atomic_store(&board->step, 0);
	atomic_store(&board->stop, false);
	check(pipe(told) == 0);
	pid = spawn(owner, way);
	await(1);
	apid = get_segment(board->segid[0], XPMEM_RDWR);
	touched = attach_at(apid, 0, SIZE);
	untouched = attach_at(apid, 0, SIZE);
	check(!differs(touched, SIZE, 1));
	/* some for writing */
	touched[100 * PAGE] = touched[100 * PAGE];

	reach(2);
	if (lives)
		check(read(told[0], &byte, 1) == 1);
	else
		check(waitpid(pid, &status, 0) == pid);
	is_gone(apid, touched, untouched);

	reach(3);
	if (lives)
		check(waitpid(pid, &status, 0) == pid);
	check(way == KILLED || way == KILLED_CHILD_STAYS ? WTERMSIG(status) == SIGKILL :
							   status == 0);
	atomic_store(&board->stop, true);
	close(told[0]);
	close(told[1]);
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return write(1, "x", 1) != 1;
	test_begin(120);
	for (int round = 0; round < ROUNDS; round++) {
		for (int way = 0; way < WAYS; way++) {
			if (!round)
				fprintf(stderr, "owner: %s\n", ways[way]);
			attach_and_outlive(way);
		}
	}
	return 0;
}
