// SPDX-License-Identifier: GPL-2.0-or-later
/* Can an administrator take a segment out, nobody else, and does all go on after it? */
#include "guest_test.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

#include "xpmem_ioctl.h"

#define SIZE (8 * PAGE)
#define USER 65534
#define LIMIT 2

static int drain(xpmem_segid_t segid, uint32_t flags)
{
	struct xpmem_ioc_drain req = { sizeof(req), flags, segid };

	return ioctl(device_fd(), XPMEM_IOC_DRAIN, &req);
}

static void owner(int unused)
{
	char *memory = map_anon(SIZE);

	(void)unused;
	become(USER, USER);
	fill(memory, SIZE, 1);
	board->segid[0] = make_segment(memory, SIZE);
	board->segid[1] = make_segment(memory, SIZE);
	reach(1);
	await(2);
	/* not even its own owner may by this call */
	check_errno(drain(board->segid[1], 0), EACCES);
	reach(3);
	await(4);
	/* it is alive, and has its memory and its other segment */
	check(!differs(memory, SIZE, 1));
	check_errno(xpmem_remove(board->segid[0]), ENOENT);
	check(xpmem_remove(board->segid[1]) == 0);
	/* it is counted no more: as many as the user may have can be made again */
	for (int i = 0; i < LIMIT; i++)
		board->segid[2 + i] = make_segment(memory, SIZE);
	check_errno(xpmem_make(memory, SIZE, XPMEM_PERMIT_MODE, (void *)0600), ENOSPC);
	reach(5);
}

/* Many at once, against the owner's own removal: one of both finds it */
static void remover(int unused)
{
	char *memory = map_anon(SIZE);
	int round;

	(void)unused;
	for (round = 0; round < 200; round++) {
		int before = board->count[0];

		board->segid[3] = make_segment(memory, SIZE);
		meet(2);
		if (xpmem_remove(board->segid[3]) == 0)
			board->count[0]++;
		else
			check(errno == ENOENT);
		meet(2);
		check(board->count[0] + board->count[1] == round + 1 &&
		      board->count[0] - before <= 1);
		meet(2);
	}
}

static void race(void)
{
	pid_t pid = spawn(remover, 0);
	int round;

	for (round = 0; round < 200; round++) {
		meet(2);
		if (drain(board->segid[3], 0) == 0)
			board->count[1]++;
		else
			check(errno == ENOENT);
		meet(2);
		meet(2);
	}
	join(pid);
}

int main(void)
{
	xpmem_apid_t apid, other;
	char *at, *second;
	pid_t pid;

	test_begin(60);
	check(xpmem_version() > 0);
	set_until_exit("/sys/module/xpmem/parameters/max_segments_per_user", "2");
	pid = spawn(owner, 0);
	await(1);
	apid = get_segment(board->segid[0], XPMEM_RDWR);
	other = get_segment(board->segid[1], XPMEM_RDWR);
	at = attach_at(apid, 0, SIZE);
	second = attach_at(other, 0, SIZE);
	check(!differs(at, SIZE, 1) && !differs(second, SIZE, 1));
	reach(2);
	await(3);

	check_errno(drain(board->segid[0], 1), EOPNOTSUPP);
	check_errno(drain(0, 0), EINVAL);
	check_errno(drain(apid ^ 1, 0), ENOENT);
	check(!differs(at, SIZE, 1));
	check(drain(board->segid[0], 0) == 0);
	check_errno(drain(board->segid[0], 0), ENOENT);
	check_errno(xpmem_get(board->segid[0], XPMEM_RDWR, XPMEM_PERMIT_MODE, NULL), ENOENT);
	/* pages touched before, too */
	check(try_read(at, NULL) == SIGBUS);
	check(try_write(at + PAGE, 1) == SIGBUS);
	check(!differs(second, SIZE, 1));
	reach(4);
	await(5);
	join(pid);
	check(xpmem_detach(at) == 0);
	check(xpmem_release(apid) == 0);
	check(xpmem_release(other) == 0);

	race();
	return 0;
}
