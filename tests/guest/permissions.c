// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who gets a segment: does each user, in each group, with each mode, under each
 * permit_mask, get exactly what the bits grant?
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define MASK "/sys/module/xpmem/parameters/permit_mask"
#define OWNER 1000

static const unsigned int modes[] = {
	0600, 0400, 0200, 0060, 0040, 0020, 0006, 0004, 0002, 0666, 0444, 0222,
	0640, 0664, 0066, 0111, 0777, 0000,
};
#define MODES (sizeof(modes) / sizeof(modes[0]))

enum { IN_EGID, IN_GROUPS, NAMESPACE, CAPABLE };

static const struct {
	uid_t uid;
	gid_t gid;
	int how;
	int class; /* shift of the bits that are this one's; -1: not asked */
} users[] = {
	{ OWNER, OWNER, IN_EGID, 6 },
	{ OWNER, 1001, IN_EGID, 6 },	  /* the owner's bits, not others' */
	{ 1001, OWNER, IN_EGID, 3 },
	{ 1001, 1001, IN_GROUPS, 3 },	  /* a supplementary group */
	{ 1001, 1001, IN_EGID, 0 },
	{ 1001, 1001, NAMESPACE, 0 },	  /* root of its own namespace is nobody */
	{ 1001, 1001, CAPABLE, -1 },	  /* CAP_IPC_OWNER and nothing else */
	{ 0, 0, IN_EGID, -1 },
};
#define USERS (sizeof(users) / sizeof(users[0]))

static unsigned int mask;
static pid_t tester;
static char old_mask[16];

static void owner(int unused)
{
	char *memory = map_anon(PAGE);

	(void)unused;
	become(OWNER, OWNER);
	for (size_t i = 0; i < MODES; i++) {
		board->segid[i] = xpmem_make(memory, PAGE, XPMEM_PERMIT_MODE,
					     (void *)(uintptr_t)modes[i]);
		check(board->segid[i] > 0);
	}
	reach(1);
	await(2);
}

static void drop_to(size_t user)
{
	gid_t group = OWNER;

	if (users[user].how == IN_GROUPS) {
		check(setgroups(1, &group) == 0);
		check(setresgid(1001, 1001, 1001) == 0);
		check(setresuid(1001, 1001, 1001) == 0);
		return;
	}
	if (users[user].how == CAPABLE)
		check(prctl(PR_SET_KEEPCAPS, 1) == 0);
	become(users[user].uid, users[user].gid);
	if (users[user].how == CAPABLE) {
		/* version 3, effective, permitted, inheritable; bit 15 */
		uint32_t header[2] = { 0x20080522, 0 };
		uint32_t sets[6] = { 1U << 15, 1U << 15 };

		check(syscall(126, header, sets) == 0);
	}
	if (users[user].how == NAMESPACE && unshare(CLONE_NEWUSER) != 0)
		skip("no user namespaces");
}

static void user(int number)
{
	drop_to(number);
	for (size_t i = 0; i < MODES; i++) {
		for (int flags = XPMEM_RDONLY; flags <= XPMEM_RDWR; flags++) {
			unsigned int wanted = flags == XPMEM_RDONLY ? 4 : 6;
			bool granted = users[number].class < 0 ||
				((modes[i] & mask) >> users[number].class & wanted) == wanted;
			xpmem_apid_t apid = xpmem_get(board->segid[i], flags, XPMEM_PERMIT_MODE,
						      NULL);

			if (granted != (apid > 0) || (!granted && errno != EACCES))
				fail("user %d mode 0%o mask 0%o flags %d: wanted %s", number,
				     modes[i], mask, flags, granted ? "a permit" : "EACCES");
		}
	}
}

static void set_mask(unsigned int value)
{
	char text[16];

	snprintf(text, sizeof(text), "0%o", value);
	check(write_file(MASK, text));
	check(read_number(MASK, NULL) == value);
	mask = value;
}

static void restore_mask(void)
{
	if (getpid() == tester && !write_file(MASK, old_mask))
		fprintf(stderr, "permit_mask stays changed\n");
}

/* Not bits, or not all of them permission bits: refused, and as it was */
static void bad_masks(void)
{
	static const char *const bad[] = {
		"01000", "abc", "-1", "", " ", "0x200", "4096", "0600 0600", "08",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		errno = 0;
		if (*bad[i] && write_file(MASK, bad[i]))
			fail("permit_mask can be '%s'", bad[i]);
		check(!*bad[i] || errno == EINVAL);
		check(read_number(MASK, NULL) == mask);
	}
}

static void unprivileged(int unused)
{
	(void)unused;
	become(OWNER, OWNER);
	check(!write_file(MASK, "0666"));
	check(errno == EACCES);
}

/* What was got stays good; the mask is for the next who asks. */
static void keeper(int unused)
{
	xpmem_apid_t apid;

	(void)unused;
	become(1001, 1001);
	apid = get_segment(board->segid[9], XPMEM_RDWR);
	atomic_store(&board->count[0], 1);
	while (atomic_load(&board->count[0]) != 2)
		usleep(200);
	check_errno(xpmem_get(board->segid[9], XPMEM_RDWR, XPMEM_PERMIT_MODE, NULL), EACCES);
	check(try_write(attach_at(apid, 0, PAGE), 1) == 0);
}

int main(void)
{
	static const unsigned int masks[] = { 0666, 0644, 0060, 0006, 0777, 0000, 0600 };
	pid_t owner_pid, pid;

	test_begin(120);
	tester = getpid();
	mask = read_number(MASK, NULL);
	snprintf(old_mask, sizeof(old_mask), "0%o", mask);
	check(atexit(restore_mask) == 0);
	check(mask == 0600);

	owner_pid = spawn(owner, 0);
	await(1);
	/* at first as the module is loaded */
	for (size_t i = 0; i < USERS; i++)
		join(spawn(user, i));
	for (size_t m = 0; m < sizeof(masks) / sizeof(masks[0]); m++) {
		set_mask(masks[m]);
		for (size_t i = 0; i < USERS; i++)
			join(spawn(user, i));
	}
	bad_masks();
	join(spawn(unprivileged, 0));

	set_mask(0666);
	pid = spawn(keeper, 0);
	while (!atomic_load(&board->count[0]))
		usleep(200);
	set_mask(0600);
	atomic_store(&board->count[0], 2);
	join(pid);
	reach(2);
	join(owner_pid);
	return 0;
}
