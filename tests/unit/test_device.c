// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The one descriptor of the device: who opens it, when, and who closes it.
 * The rules that are tested are those at the top of libxpmem/device.c.
 */
#include "check_main.h"
#include "fakedev.h"
#include "xpmem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 16

int xpmem_init(void);

static pthread_barrier_t barrier;

static void open_is_slow(void)
{
	usleep(20000);
}

static void *call_version(void *failures)
{
	pthread_barrier_wait(&barrier);
	if (xpmem_version() != FAKE_VERSION)
		atomic_fetch_add((atomic_int *)failures, 1);
	return NULL;
}

/* Let THREADS threads call at the same time; return how many calls failed. */
static int call_from_all_threads(void)
{
	static atomic_int failures;
	pthread_t threads[THREADS];
	int i;

	pthread_barrier_init(&barrier, NULL, THREADS);
	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, call_version,
						&failures),
				 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&barrier);
	return failures;
}

/* Wait for a child that shall exit with 0. */
static void expect_success(pid_t child)
{
	int status;

	ck_assert_int_gt(child, 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		      "child's wait status is %#x", status);
}

/* fork without fork handlers, as bare clone callers do it */
static pid_t bare_clone(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

/* A file that is not the device, at number @fd.  Returns its inode. */
static ino_t put_file_at(int fd)
{
	char path[] = "/tmp/xpmem-test-XXXXXX";
	int file = mkstemp(path);
	struct stat st;

	ck_assert_int_ge(file, 0);
	unlink(path);
	if (file != fd) {
		ck_assert_int_eq(dup2(file, fd), fd);
		close(file);
	}
	ck_assert_int_eq(fstat(fd, &st), 0);
	return st.st_ino;
}

static ino_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

START_TEST(opened_by_first_call)
{
	ck_assert_int_eq(fake_opens, 0);
	ck_assert_int_eq(xpmem_init(), 0);
	ck_assert_int_eq(xpmem_version(), FAKE_VERSION);
	ck_assert_int_eq(xpmem_version(), FAKE_VERSION);
	ck_assert_int_eq(fake_opens, 1);
	ck_assert_int_eq(fake_requests, 2);
}
END_TEST

START_TEST(opened_once_by_many_threads)
{
	fake_in_open = open_is_slow;
	ck_assert_int_eq(call_from_all_threads(), 0);
	ck_assert_int_eq(fake_opens, 1);
	ck_assert_int_eq(fake_count(NULL), 1);
}
END_TEST

START_TEST(close_on_exec)
{
	int fd = -1;

	ck_assert_int_eq(xpmem_init(), 0);
	ck_assert_int_eq(fake_count(&fd), 1);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
}
END_TEST

START_TEST(open_is_tried_again)
{
	fake_open_errno = ENOENT;
	ck_assert_int_eq(xpmem_version(), -1);
	ck_assert_int_eq(errno, ENOENT);
	fake_open_errno = 0;
	ck_assert_int_eq(xpmem_version(), FAKE_VERSION);
	ck_assert_int_eq(fake_opens, 2);
}
END_TEST

START_TEST(open_errno)
{
	static const struct {
		int open, call;
	} cases[] = {
		{ ENOENT, ENOENT }, { ENXIO, ENOENT },	{ ENODEV, ENOENT },
		{ EACCES, EACCES }, { EMFILE, EMFILE }, { ENFILE, ENFILE },
		{ ENOMEM, ENOMEM },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_open_errno = cases[i].open;
		errno = 0;
		ck_assert_int_eq(xpmem_init(), -1);
		ck_assert_int_eq(errno, cases[i].call);
	}
}
END_TEST

/* Somebody wrote to /dev/xpmem while the module was not loaded. */
START_TEST(device_is_a_file)
{
	char path[] = "/tmp/xpmem-test-XXXXXX";
	int file = mkstemp(path), next;

	ck_assert_int_ge(file, 0);
	fake_path = path;
	errno = 0;
	ck_assert_int_eq(xpmem_init(), -1);
	ck_assert_int_eq(errno, ENOENT);
	unlink(path);
	/* and it was closed */
	next = dup(file);
	ck_assert_int_eq(next, file + 1);
}
END_TEST

static void interrupted_once(void)
{
	fake_open_errno = fake_opens == 1 ? EINTR : 0;
}

START_TEST(open_survives_eintr)
{
	fake_in_open = interrupted_once;
	ck_assert_int_eq(xpmem_init(), 0);
	ck_assert_int_eq(fake_opens, 2);
}
END_TEST

START_TEST(fork_child_reopens)
{
	int fd = -1;
	pid_t child;

	ck_assert_int_eq(xpmem_init(), 0);
	fake_count(&fd);
	child = fork();
	if (child == 0) {
		/* closed before fork returned, so that nothing keeps the
		 * parent's file open after the parent's exit */
		if (fake_count(NULL) != 0)
			_exit(1);
		if (xpmem_version() != FAKE_VERSION)
			_exit(2);
		if (fake_opens != 2 || fake_requests != 1)
			_exit(3);
		_exit(fake_count(NULL) != 1);
	}
	expect_success(child);
	/* and the parent goes on with what it had */
	ck_assert_int_eq(xpmem_version(), FAKE_VERSION);
	ck_assert_int_eq(fake_opens, 1);
	ck_assert_int_eq(inode_of(fd) != 0, 1);
}
END_TEST

START_TEST(fork_before_first_call)
{
	pid_t child = fork();

	if (child == 0)
		_exit(xpmem_version() != FAKE_VERSION || fake_opens != 1);
	expect_success(child);
	ck_assert_int_eq(fake_opens, 0);
}
END_TEST

START_TEST(fork_of_fork)
{
	pid_t child;

	ck_assert_int_eq(xpmem_init(), 0);
	child = fork();
	if (child == 0) {
		pid_t grandchild;
		int status;

		if (xpmem_version() != FAKE_VERSION)
			_exit(1);
		grandchild = fork();
		if (grandchild == 0)
			_exit(xpmem_version() != FAKE_VERSION ||
			      fake_count(NULL) != 1);
		waitpid(grandchild, &status, 0);
		_exit(status != 0 || fake_count(NULL) != 1);
	}
	expect_success(child);
}
END_TEST

START_TEST(fork_leaves_errno)
{
	pid_t child;

	ck_assert_int_eq(xpmem_init(), 0);
	errno = 123;
	child = fork();
	if (child == 0)
		_exit(errno != 123);
	expect_success(child);
}
END_TEST

START_TEST(fork_restores_signal_mask)
{
	sigset_t mask;
	pid_t child;

	ck_assert_int_eq(xpmem_init(), 0);
	child = fork();
	sigfillset(&mask);
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	if (child == 0)
		_exit(sigismember(&mask, SIGUSR1));
	expect_success(child);
	ck_assert_int_eq(sigismember(&mask, SIGUSR1), 0);
}
END_TEST

/* The kernel says 2004; the application must not see it. */
START_TEST(bare_clone_child_reopens)
{
	pid_t child;

	ck_assert_int_eq(xpmem_init(), 0);
	child = bare_clone();
	if (child == 0) {
		errno = 0;
		if (xpmem_version() != FAKE_VERSION || errno != 0)
			_exit(1);
		if (fake_opens != 2 || fake_requests != 2)
			_exit(2);
		_exit(fake_count(NULL) != 1);
	}
	expect_success(child);
}
END_TEST

/*
 * All threads find the descriptor to be another process's at the same time.
 * One replaces it, mostly at the same number; the others must not take the new
 * one for the old one.
 */
START_TEST(noproc_in_many_threads)
{
	int round;

	ck_assert_int_eq(xpmem_init(), 0);
	for (round = 1; round <= 200; round++) {
		fake_disown();
		ck_assert_int_eq(call_from_all_threads(), 0);
		ck_assert_int_eq(fake_opens, 1 + round);
		ck_assert_int_eq(fake_count(NULL), 1);
	}
}
END_TEST

static int always_noproc(unsigned long cmd, void *arg)
{
	(void)cmd;
	(void)arg;
	return -XPMEM_ERRNO_NOPROC;
}

START_TEST(noproc_for_ever_ends)
{
	fake_answer = always_noproc;
	ck_assert_int_eq(xpmem_version(), -1);
	ck_assert_int_eq(errno, XPMEM_ERRNO_NOPROC);
	ck_assert_int_le(fake_requests, 8);
	ck_assert_int_le(fake_count(NULL), 1);
}
END_TEST

START_TEST(closed_number)
{
	int fd = -1;

	ck_assert_int_eq(xpmem_init(), 0);
	fake_count(&fd);
	close(fd);
	errno = 0;
	ck_assert_int_eq(xpmem_version(), FAKE_VERSION);
	ck_assert_int_eq(errno, 0);
	ck_assert_int_eq(fake_opens, 2);
	ck_assert_int_eq(fake_count(NULL), 1);
}
END_TEST

START_TEST(reused_number_is_not_closed)
{
	ino_t inode;
	int fd = -1;

	ck_assert_int_eq(xpmem_init(), 0);
	fake_count(&fd);
	inode = put_file_at(fd);
	ck_assert_int_eq(xpmem_version(), FAKE_VERSION);
	ck_assert(inode_of(fd) == inode);
	ck_assert_int_eq(fake_opens, 2);
}
END_TEST

START_TEST(number_reused_by_other_device)
{
	struct stat st;
	int fd = -1, zero;

	ck_assert_int_eq(xpmem_init(), 0);
	fake_count(&fd);
	zero = open("/dev/zero", O_RDONLY);
	ck_assert_int_eq(dup2(zero, fd), fd);
	close(zero);
	ck_assert_int_eq(xpmem_version(), FAKE_VERSION);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(stat("/dev/zero", &st), 0);
	ck_assert(inode_of(fd) == st.st_ino);
}
END_TEST

START_TEST(reused_number_is_not_closed_by_fork)
{
	ino_t inode;
	int fd = -1;
	pid_t child;

	ck_assert_int_eq(xpmem_init(), 0);
	fake_count(&fd);
	inode = put_file_at(fd);
	child = fork();
	if (child == 0) {
		if (inode_of(fd) != inode)
			_exit(1);
		if (xpmem_version() != FAKE_VERSION)
			_exit(2);
		_exit(inode_of(fd) != inode);
	}
	expect_success(child);
}
END_TEST

/* A daemon that closes all it finds, as closefrom(3) does, and goes on. */
START_TEST(daemon_closes_all)
{
	pid_t child;

	ck_assert_int_eq(xpmem_init(), 0);
	child = bare_clone();
	if (child == 0) {
		int fd;

		for (fd = 3; fd < 256; fd++)
			close(fd);
		put_file_at(3);
		if (xpmem_version() != FAKE_VERSION)
			_exit(1);
		_exit(inode_of(3) == 0);
	}
	expect_success(child);
}
END_TEST

/* An error of the module is the module's: nothing is opened anew. */
static int no_such_thing(unsigned long cmd, void *arg)
{
	(void)cmd;
	(void)arg;
	return -ENOENT;
}

START_TEST(error_is_not_repeated)
{
	fake_answer = no_such_thing;
	ck_assert_int_eq(xpmem_remove(5), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(fake_requests, 1);
	ck_assert_int_eq(fake_opens, 1);
}
END_TEST

static atomic_int in_open;

static void say_so_and_be_slow(void)
{
	in_open = 1;
	usleep(100000);
}

static void *call_init(void *unused)
{
	(void)unused;
	xpmem_init();
	return NULL;
}

/* The child must not inherit a lock that nobody in it will ever release. */
START_TEST(fork_while_another_thread_opens)
{
	pthread_t thread;
	pid_t child;

	fake_in_open = say_so_and_be_slow;
	ck_assert_int_eq(pthread_create(&thread, NULL, call_init, NULL), 0);
	while (!in_open)
		sched_yield();
	child = fork();
	if (child == 0) {
		alarm(5);
		_exit(xpmem_version() != FAKE_VERSION);
	}
	expect_success(child);
	pthread_join(thread, NULL);
	ck_assert_int_eq(xpmem_version(), FAKE_VERSION);
	ck_assert_int_eq(fake_opens, 1);
}
END_TEST

static atomic_int stop;

static void *keep_calling(void *failures)
{
	while (!stop) {
		if (xpmem_version() != FAKE_VERSION)
			atomic_fetch_add((atomic_int *)failures, 1);
	}
	return NULL;
}

static void *keep_disowning(void *unused)
{
	(void)unused;
	while (!stop) {
		fake_disown();
		usleep(100);
	}
	return NULL;
}

/* Children of a process whose threads are busy in the library all the time. */
START_TEST(fork_from_busy_process)
{
	static atomic_int failures;
	pthread_t threads[4];
	int i;

	for (i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, keep_calling, &failures);
	pthread_create(&threads[3], NULL, keep_disowning, NULL);
	for (i = 0; i < 200; i++) {
		pid_t child = fork();

		if (child == 0) {
			alarm(5);
			_exit(xpmem_version() != FAKE_VERSION ||
			      fake_count(NULL) != 1);
		}
		expect_success(child);
	}
	stop = 1;
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	/* a thread can find its descriptor disowned four times running, so
	 * failures of the parent's threads are no error of the library */
}
END_TEST

static atomic_int handled;

static void call_in_handler(int signal)
{
	(void)signal;
	handled = xpmem_version() == FAKE_VERSION ? 1 : -1;
}

static void raise_in_open(void)
{
	fake_in_open = NULL;
	raise(SIGUSR1);
}

START_TEST(signal_handler_calls_while_opening)
{
	signal(SIGUSR1, call_in_handler);
	fake_in_open = raise_in_open;
	ck_assert_int_eq(xpmem_version(), FAKE_VERSION);
	ck_assert_int_eq(handled, 1);
	ck_assert_int_eq(fake_opens, 1);
}
END_TEST

static void fork_in_handler(int signal)
{
	pid_t child = fork();
	int status = -1;

	(void)signal;
	if (child == 0)
		_exit(xpmem_version() != FAKE_VERSION);
	waitpid(child, &status, 0);
	handled = status == 0 ? 1 : -1;
}

START_TEST(signal_handler_forks_while_opening)
{
	signal(SIGUSR1, fork_in_handler);
	fake_in_open = raise_in_open;
	ck_assert_int_eq(xpmem_version(), FAKE_VERSION);
	ck_assert_int_eq(handled, 1);
}
END_TEST

static void be_cancelled(void)
{
	fake_in_open = NULL;
	pthread_cancel(pthread_self());
	pthread_testcancel(); /* the real open does that */
}

START_TEST(cancelled_while_opening)
{
	pthread_t thread;

	fake_in_open = be_cancelled;
	ck_assert_int_eq(pthread_create(&thread, NULL, call_init, NULL), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(xpmem_version(), FAKE_VERSION);
	ck_assert_int_eq(fake_opens, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("device");

	add_case(suite, "opened_by_first_call", opened_by_first_call);
	add_case(suite, "opened_once_by_many_threads",
		 opened_once_by_many_threads);
	add_case(suite, "close_on_exec", close_on_exec);
	add_case(suite, "open_is_tried_again", open_is_tried_again);
	add_case(suite, "open_errno", open_errno);
	add_case(suite, "device_is_a_file", device_is_a_file);
	add_case(suite, "open_survives_eintr", open_survives_eintr);
	add_case(suite, "fork_child_reopens", fork_child_reopens);
	add_case(suite, "fork_before_first_call", fork_before_first_call);
	add_case(suite, "fork_of_fork", fork_of_fork);
	add_case(suite, "fork_leaves_errno", fork_leaves_errno);
	add_case(suite, "fork_restores_signal_mask", fork_restores_signal_mask);
	add_case(suite, "bare_clone_child_reopens", bare_clone_child_reopens);
	add_case(suite, "noproc_in_many_threads", noproc_in_many_threads);
	add_case(suite, "noproc_for_ever_ends", noproc_for_ever_ends);
	add_case(suite, "closed_number", closed_number);
	add_case(suite, "reused_number_is_not_closed",
		 reused_number_is_not_closed);
	add_case(suite, "number_reused_by_other_device",
		 number_reused_by_other_device);
	add_case(suite, "reused_number_is_not_closed_by_fork",
		 reused_number_is_not_closed_by_fork);
	add_case(suite, "daemon_closes_all", daemon_closes_all);
	add_case(suite, "error_is_not_repeated", error_is_not_repeated);
	add_case(suite, "fork_while_another_thread_opens",
		 fork_while_another_thread_opens);
	add_case(suite, "fork_from_busy_process", fork_from_busy_process);
	add_case(suite, "signal_handler_calls_while_opening",
		 signal_handler_calls_while_opening);
	add_case(suite, "signal_handler_forks_while_opening",
		 signal_handler_forks_while_opening);
	add_case(suite, "cancelled_while_opening", cancelled_while_opening);
	return run_suite(suite);
}
