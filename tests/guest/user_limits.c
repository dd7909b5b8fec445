// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Are segments, permits and attachments bounded for each user, whatever the
 * number of its processes and namespaces, and is all given back that is counted?
 *
 * Workers of several users take and give on command, so that each case stands
 * in one place: who takes how much, and who is refused.
 */
#include "guest_test.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PARAMETERS "/sys/module/xpmem/parameters/"
#define LIMIT 10
#define MANY 64
#define ONE_USER 1000
#define OTHER_USER 1001

enum kind { SEGMENT, PERMIT, ATTACHMENT, KINDS };
enum { TAKE, GIVE, CHANGE_USER, NEW_NAMESPACE, LEAVE };

static const char *const kind_names[KINDS] = { "segments", "permits", "attachments" };

struct request {
	int what;
	int number;
};

struct worker {
	pid_t pid;
	int fd;
};

/* ------------------------------------------------------------- worker */

static enum kind kind;
static char *memory;
static xpmem_apid_t base;
static long taken[MANY];
static int used;

static long take_one(void)
{
	void *at;

	errno = 0;
	switch (kind) {
	case SEGMENT:
		return xpmem_make(memory, PAGE, XPMEM_PERMIT_MODE, (void *)0600);
	case PERMIT:
		return xpmem_get(board->segid[0], XPMEM_RDWR, XPMEM_PERMIT_MODE, NULL);
	default:
		at = try_attach(base, PAGE, NULL);
		return at == (void *)-1 ? -1 : (long)at;
	}
}

static int give_one(long id)
{
	switch (kind) {
	case SEGMENT:
		return xpmem_remove(id);
	case PERMIT:
		return xpmem_release(id);
	default:
		return xpmem_detach((void *)id);
	}
}

/* How many it got; less than asked for only for ENOSPC */
static int take(int number)
{
	int got = 0;

	while (got < number) {
		long id = take_one();

		if (id == -1) {
			check(errno == ENOSPC);
			break;
		}
		check(used < MANY);
		taken[used++] = id;
		got++;
	}
	return got;
}

static int answer(const struct request *request)
{
	int number = request->number;

	switch (request->what) {
	case TAKE:
		return take(number);
	case GIVE:
		for (int i = 0; i < number; i++)
			check(used && give_one(taken[--used]) == 0);
		return number;
	case CHANGE_USER:
		/* root is kept in the saved id, and the way back with it */
		check(setresuid(0, 0, 0) == 0);
		check(setresuid((uid_t)number, (uid_t)number, 0) == 0);
		return 0;
	case NEW_NAMESPACE:
		return unshare(CLONE_NEWUSER) ? -errno : 0;
	default:
		exit(0);
	}
}

/* Serves its parent until that goes away */
static void worker(int uid, int fd)
{
	struct request request;

	check(setresgid(ONE_USER, ONE_USER, ONE_USER) == 0);
	check(setresuid((uid_t)uid, (uid_t)uid, 0) == 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	memory = map_anon(PAGE);
	used = 0;
	if (kind == ATTACHMENT)
		base = get_segment(board->segid[0], XPMEM_RDWR);
	while (read(fd, &request, sizeof(request)) == sizeof(request)) {
		int result = answer(&request);

		check(write(fd, &result, sizeof(result)) == sizeof(result));
	}
	exit(0);
}

/* --------------------------------------------------------------- test */

static int worker_fd;

static void worker_body(int uid)
{
	worker(uid, worker_fd);
}

static struct worker start(int uid)
{
	struct worker new;
	int fds[2];

	check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
	worker_fd = fds[1];
	new.pid = spawn(worker_body, uid);
	new.fd = fds[0];
	close(fds[1]);
	return new;
}

static void tell(const struct worker *who, int what, int number)
{
	struct request request = { what, number };

	check(write(who->fd, &request, sizeof(request)) == sizeof(request));
}

static int told(const struct worker *who)
{
	int result;

	if (read(who->fd, &result, sizeof(result)) != sizeof(result))
		fail("a worker of %s is gone", kind_names[kind]);
	return result;
}

static int ask(const struct worker *who, int what, int number)
{
	tell(who, what, number);
	return told(who);
}

static void expect(const struct worker *who, int asked, int got)
{
	int result = ask(who, TAKE, asked);

	if (result != got)
		fail("%s: asked for %d, got %d, not %d", kind_names[kind], asked, result, got);
}

static void give(const struct worker *who, int number)
{
	check(ask(who, GIVE, number) == number);
}

static void leave(const struct worker *who)
{
	tell(who, LEAVE, 0);
	join(who->pid);
	close(who->fd);
}

static void kill_worker(const struct worker *who)
{
	kill_and_join(who->pid);
	close(who->fd);
}

/* What exit gives back may come back a moment after it */
static void expect_back(const struct worker *who, int number)
{
	int got = 0;

	await_that((got += ask(who, TAKE, number - got)) == number);
	expect(who, 1, 0);
}

/* Begins a case: all that the last one's processes had is given back. */
static void all_back(void)
{
	for (int uid = ONE_USER; uid <= OTHER_USER; uid++) {
		struct worker a = start(uid);

		expect_back(&a, LIMIT);
		give(&a, LIMIT);
		leave(&a);
	}
}

/* Of two that take at once neither gets past the limit. */
static void at_once(void)
{
	struct worker a = start(ONE_USER), b = start(ONE_USER);

	for (int round = 0; round < 50; round++) {
		int got_a, got_b;

		tell(&a, TAKE, LIMIT);
		tell(&b, TAKE, LIMIT);
		got_a = told(&a);
		got_b = told(&b);
		if (got_a + got_b != LIMIT)
			fail("%s: %d and %d at once", kind_names[kind], got_a, got_b);
		tell(&a, GIVE, got_a);
		tell(&b, GIVE, got_b);
		check(told(&a) == got_a && told(&b) == got_b);
	}
	leave(&a);
	leave(&b);
}

static void shared_by_processes(void)
{
	struct worker a = start(ONE_USER), b = start(ONE_USER), other = start(OTHER_USER);

	expect(&a, 6, 6);
	expect(&b, 6, LIMIT - 6);
	expect(&a, 1, 0);
	/* another user has its own */
	expect(&other, LIMIT + 1, LIMIT);
	/* what one gives the other takes */
	give(&a, 2);
	expect(&b, 3, 2);
	give(&other, LIMIT);
	expect(&a, 1, 0);
	/* exit and SIGKILL give back, too */
	leave(&a);
	expect_back(&b, 4);
	kill_worker(&b);
	a = start(ONE_USER);
	expect_back(&a, LIMIT);
	give(&a, LIMIT);
	leave(&a);
	expect(&other, LIMIT + 1, LIMIT);
	leave(&other);
}

/* Who took as one user and gives as another: both counts are right after. */
static void change_of_user(void)
{
	struct worker a = start(ONE_USER), one = start(ONE_USER), other = start(OTHER_USER);

	expect(&a, 4, 4);
	ask(&a, CHANGE_USER, OTHER_USER);
	expect(&one, LIMIT, LIMIT - 4);
	/* as the other user it takes of that one's */
	expect(&a, 3, 3);
	expect(&other, LIMIT, LIMIT - 3);
	/* three of the other's, then four of the first's */
	give(&a, 3);
	expect(&other, 4, 3);
	give(&a, 4);
	expect(&other, 1, 0);
	expect(&one, LIMIT, 4);
	expect(&one, 1, 0);
	leave(&a);
	give(&one, LIMIT);
	give(&other, LIMIT);
	expect(&one, LIMIT + 1, LIMIT);
	expect(&other, LIMIT + 1, LIMIT);
	leave(&one);
	leave(&other);
}

/* A namespace gives a user other numbers, and no other self. */
static void namespace(void)
{
	struct worker a = start(ONE_USER), b = start(ONE_USER);
	char path[64], map[32];

	expect(&a, LIMIT, LIMIT);
	if (ask(&b, NEW_NAMESPACE, 0) == 0) {
		expect(&b, 1, 0);
		/* and as root of it */
		snprintf(map, sizeof(map), "0 %d 1", ONE_USER);
		snprintf(path, sizeof(path), "/proc/%d/uid_map", b.pid);
		check(write_file(path, map));
		expect(&b, 1, 0);
		give(&a, 3);
		expect(&b, LIMIT, 3);
		expect(&a, 1, 0);
	}
	leave(&a);
	leave(&b);
}

/* A new limit holds from now on, for what comes. */
static void changed_limit(const char *path)
{
	struct worker a = start(ONE_USER);

	expect(&a, LIMIT, LIMIT);
	check(write_file(path, "3"));
	expect(&a, 1, 0);
	give(&a, LIMIT - 3);
	expect(&a, 1, 0);
	give(&a, 1);
	expect(&a, 2, 1);
	check(write_file(path, "5"));
	expect(&a, 3, 2);
	check(write_file(path, "0"));
	expect(&a, 1, 0);
	give(&a, 5);
	expect(&a, 1, 0);
	check(write_file(path, "10"));
	expect(&a, LIMIT + 1, LIMIT);
	leave(&a);
}

/* An attachment is one whatever becomes of its mapping. */
static void parts_of_attachment(int unused)
{
	char *place = map_anon(PAGE);
	char *at, *other = NULL;

	(void)unused;
	become(ONE_USER, ONE_USER);
	base = get_segment(board->segid[0], XPMEM_RDWR);
	at = attach_at(base, 0, 8 * PAGE);
	for (int i = 1; i < LIMIT; i++)
		other = attach_at(base, 0, PAGE);
	check_errno(try_attach(base, PAGE, NULL), ENOSPC);
	/* two parts, three parts, moved, and less */
	check(munmap(at + 2 * PAGE, PAGE) == 0);
	check_errno(try_attach(base, PAGE, NULL), ENOSPC);
	check(mprotect(at + 4 * PAGE, PAGE, PROT_READ) == 0);
	check_errno(try_attach(base, PAGE, NULL), ENOSPC);
	check(mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
	check(munmap(at, 8 * PAGE) == 0);
	check_errno(try_attach(base, PAGE, NULL), ENOSPC);
	check(xpmem_detach(other) == 0);
	attach_at(base, 0, PAGE);
	check_errno(try_attach(base, PAGE, NULL), ENOSPC);
	check(xpmem_release(base) == 0);
	base = get_segment(board->segid[0], XPMEM_RDWR);
	for (int i = 0; i < LIMIT; i++)
		attach_at(base, 0, PAGE);
	check_errno(try_attach(base, PAGE, NULL), ENOSPC);
}

/* For all users to get */
static void owner(int unused)
{
	char *shared = map_anon(16 * PAGE);

	(void)unused;
	board->segid[0] = xpmem_make(shared, 16 * PAGE, XPMEM_PERMIT_MODE, (void *)0666);
	check(board->segid[0] > 0);
	reach(1);
	await(2);
}

int main(void)
{
	pid_t owner_pid;

	test_begin(120);
	set_until_exit(PARAMETERS "permit_mask", "0666");
	owner_pid = spawn(owner, 0);
	await(1);
	for (kind = 0; kind < KINDS; kind++) {
		char path[128];

		snprintf(path, sizeof(path), PARAMETERS "max_%s_per_user", kind_names[kind]);
		if (access(path, F_OK))
			fail("the module has no limit of %s", kind_names[kind]);
		set_until_exit(path, "10");
		all_back();
		shared_by_processes();
		all_back();
		at_once();
		all_back();
		change_of_user();
		all_back();
		namespace();
		all_back();
		changed_limit(path);
		all_back();
	}
	join(spawn(parts_of_attachment, 0));
	reach(2);
	join(owner_pid);
	return 0;
}
