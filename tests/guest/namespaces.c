// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Do user and pid namespaces change nothing but what they should?
 *
 * CAP_IPC_OWNER of a user namespace opens the segments that were made in that
 * namespace or below it, and no other.  Pid namespaces change the numbers in
 * /proc/xpmem/segments and nothing else.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (4 * PAGE)
/* User n of the inner namespace is user BASE + n outside */
#define BASE 100000

/* Who owns the segments of the board, and where each was made */
enum { IN_OUTER, AS_INNER_USER_IN_OUTER, IN_INNER, IN_INNERMOST, PLACES };

/* ----------------------------------------------------- user namespaces */

static void become_in(const char *namespace, uid_t uid)
{
	int fd = open(namespace, O_RDONLY | O_CLOEXEC);

	check(fd >= 0);
	check(setns(fd, CLONE_NEWUSER) == 0);
	close(fd);
	check(setgroups(0, NULL) == 0);
	/* As its root first: who is no user of it keeps capabilities in a change. */
	check(setresuid(0, 0, 0) == 0);
	check(setresgid(uid, uid, uid) == 0);
	check(setresuid(uid, uid, uid) == 0);
	/* A change of user clears both; without the second /proc/<pid> is root's. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 1);
}

/* Maps [0, count) of the child's new namespace to [first, first + count) of here */
static void write_maps(pid_t pid, int first, int count)
{
	static const char *const files[] = { "gid_map", "uid_map" };

	for (int i = 0; i < 2; i++) {
		char path[64], map[64];

		snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
		snprintf(map, sizeof(map), "0 %d %d", first, count);
		check(write_file(path, map));
	}
}

/* A process that is a new user namespace, and does no more */
static void hold_namespace(int number)
{
	if (unshare(CLONE_NEWUSER))
		skip("no user namespaces");
	atomic_store(&board->count[number], 1);
	await(100);
}

static void own(int place)
{
	char *memory = map_anon(SIZE);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fill(memory, SIZE, (uint64_t)place);
	board->segid[place] = make_segment(memory, SIZE);
	board->addr[place] = memory;
	count_up(10);
	await(99);
	/* what the attachers wrote */
	for (int i = 1; i < 64; i++)
		if (board->value[place] >> i & 1)
			check(memory[PAGE + i] == i);
}

/* The paths of the two namespaces, of which the second is in the first */
static char inner[64], innermost[64];

static void owner(int place)
{
	switch (place) {
	case IN_OUTER:
		become(1000, 1000);
		break;
	case AS_INNER_USER_IN_OUTER:
		become(BASE + 5, BASE + 5);
		break;
	case IN_INNER:
		become_in(inner, 5);
		break;
	case IN_INNERMOST:
		become_in(innermost, 5);
		break;
	}
	own(place);
}

/* Each user, and which places' segments of mode 0600 are open to it */
static const struct {
	const char *name;
	const char *namespace;
	uid_t uid;
	unsigned int open;
} users[] = {
	{ "root", NULL, 0,
	  1 << IN_OUTER | 1 << AS_INNER_USER_IN_OUTER | 1 << IN_INNER | 1 << IN_INNERMOST },
	{ "the owner outside", NULL, 1000, 1 << IN_OUTER },
	{ "a user outside", NULL, 1001, 0 },
	/* the same kuid, whatever the namespace */
	{ "the inner owner's number outside", NULL, BASE + 5,
	  1 << AS_INNER_USER_IN_OUTER | 1 << IN_INNER },
	{ "the inner owner", inner, 5, 1 << AS_INNER_USER_IN_OUTER | 1 << IN_INNER },
	{ "an inner user", inner, 6, 0 },
	{ "inner root", inner, 0, 1 << IN_INNER | 1 << IN_INNERMOST },
	{ "innermost root", innermost, 0, 1 << IN_INNERMOST },
	{ "an innermost user", innermost, 6, 0 },
};
#define USERS (int)(sizeof(users) / sizeof(users[0]))

static void user(int number)
{
	if (users[number].namespace)
		become_in(users[number].namespace, users[number].uid);
	else if (users[number].uid)
		become(users[number].uid, users[number].uid);
	for (int place = 0; place < PLACES; place++) {
		bool open = users[number].open >> place & 1;
		xpmem_apid_t apid;
		char *at;

		errno = 0;
		apid = xpmem_get(board->segid[place], XPMEM_RDWR, XPMEM_PERMIT_MODE, NULL);
		if (!open) {
			if (apid != -1 || errno != EACCES)
				fail("%s: segment %d: not EACCES", users[number].name, place);
			continue;
		}
		if (apid < 0)
			fail("%s may not have segment %d", users[number].name, place);
		at = attach_at(apid, 0, SIZE);
		check(!differs(at, PAGE, (uint64_t)place));
		at[PAGE + number + 1] = (char)(number + 1);
		board->value[place] |= 2UL << number;
	}
}

static pid_t namespace_holder(int number, int first, int count)
{
	pid_t pid = spawn(hold_namespace, number);

	await_count(number, 1);
	write_maps(pid, first, count);
	return pid;
}

/* Makes the innermost namespace from inside the inner one, as its root */
static void hold_innermost(int unused)
{
	pid_t pid;

	(void)unused;
	become_in(inner, 0);
	pid = namespace_holder(1, 1000, 1000);
	board->value[10] = (uint64_t)pid;
	reach(1);
	join(pid);
}

static void user_namespaces(void)
{
	pid_t holders[2], owners[PLACES];

	holders[0] = namespace_holder(0, BASE, 65536);
	snprintf(inner, sizeof(inner), "/proc/%d/ns/user", holders[0]);
	holders[1] = spawn(hold_innermost, 0);
	await(1);
	snprintf(innermost, sizeof(innermost), "/proc/%d/ns/user", (int)board->value[10]);
	for (int place = 0; place < PLACES; place++)
		owners[place] = spawn(owner, place);
	await_count(10, PLACES);
	for (int i = 0; i < USERS; i++)
		join(spawn(user, i));
	reach(99);
	for (int place = 0; place < PLACES; place++)
		join(owners[place]);
	reach(100);
	for (int i = 0; i < 2; i++)
		join(holders[i]);
}

/* ------------------------------------------------------ pid namespaces */

/* The tgid that /proc/xpmem/segments has for the segment, -1 without a line */
static int listed_tgid(xpmem_segid_t segid)
{
	FILE *file = fopen("/proc/xpmem/segments", "re");
	long long id;
	char line[256];
	int tgid = -1, found;

	check(file);
	check(fgets(line, sizeof(line), file));
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lli %d", &id, &found) == 2 && id == segid) {
			check(tgid == -1);
			tgid = found;
		}
	}
	fclose(file);
	return tgid;
}

static void use(xpmem_segid_t segid, uint64_t seed)
{
	char *at = attach_at(get_segment(segid, XPMEM_RDWR), 0, SIZE);

	check(!differs(at, SIZE, seed));
	fill(at, SIZE, seed + 1);
}

static void expect_tgid(const char *who, int tgid, int wanted)
{
	if (tgid != wanted)
		fail("%s sees tgid %d, not %d", who, tgid, wanted);
}

/* First process of a new pid namespace, with a /proc of its own */
static void inside(int unused)
{
	char *memory = map_anon(SIZE);

	(void)unused;
	check(getpid() == 1);
	check(unshare(CLONE_NEWNS) == 0);
	check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	check(mount("proc", "/proc", "proc", 0, NULL) == 0);
	fill(memory, SIZE, 10);
	board->segid[1] = make_segment(memory, SIZE);
	expect_tgid("the inner owner", listed_tgid(board->segid[1]), 1);
	expect_tgid("who can't name the outer owner", listed_tgid(board->segid[0]), 0);
	use(board->segid[0], 20);
	reach(201);
	while (atomic_load(&board->step) < 202)
		usleep(1000);
	check(!differs(memory, SIZE, 11));
}

/* The parent of the namespace, for which its first process is @board->value[0] */
static void outside(int unused)
{
	pid_t pid;

	(void)unused;
	check(unshare(CLONE_NEWPID) == 0);
	pid = fork();
	check(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		inside(0);
		exit(0);
	}
	board->value[0] = (uint64_t)pid;
	join(pid);
}

static void pid_namespaces(void)
{
	char *memory = map_anon(SIZE);
	pid_t pid;

	fill(memory, SIZE, 20);
	board->segid[0] = make_segment(memory, SIZE);
	expect_tgid("the owner", listed_tgid(board->segid[0]), getpid());
	pid = spawn(outside, 0);
	await(201);
	check(!differs(memory, SIZE, 21));
	expect_tgid("who is outside", listed_tgid(board->segid[1]), (int)board->value[0]);
	expect_tgid("the owner", listed_tgid(board->segid[0]), getpid());
	use(board->segid[1], 10);
	reach(202);
	join(pid);
	await_that(listed_tgid(board->segid[1]) == -1);
	check(xpmem_remove(board->segid[0]) == 0);
	check(listed_tgid(board->segid[0]) == -1);
}

int main(void)
{
	test_begin(60);
	user_namespaces();
	pid_namespaces();
	return 0;
}
