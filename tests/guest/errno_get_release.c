// SPDX-License-Identifier: GPL-2.0-or-later
/* Do get and release refuse what they must, each with the errno of xpmem.h? */
#include "guest_test.h"

#include <errno.h>
#include <limits.h>

#define SIZE (4 * PAGE)
#define UNTOUCHED 4321

static xpmem_apid_t get(xpmem_segid_t segid, int flags)
{
	return xpmem_get(segid, flags, XPMEM_PERMIT_MODE, NULL);
}

static void bad_values(xpmem_segid_t segid)
{
	static const int flags[] = { 0, 3, 4, 5, 6, 8, 0x100, 0x102, INT_MAX, INT_MIN, -1, -2 };
	static const int types[] = { 0, 2, -1, INT_MIN, INT_MAX, 0x101 };

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		check_errno(get(segid, flags[i]), EINVAL);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		check_errno(xpmem_get(segid, XPMEM_RDWR, types[i], NULL), EINVAL);

	check_errno(get(0, XPMEM_RDWR), EINVAL);
	check_errno(get(-1, XPMEM_RDWR), EINVAL);
	check_errno(get(LLONG_MIN, XPMEM_RDWR), EINVAL);
	check_errno(get(-segid, XPMEM_RDWR), EINVAL);
	check_errno(get(1, XPMEM_RDWR), ENOENT);
	/* of no partition; what has the number of another one is asked there */
	check_errno(get(LLONG_MAX >> 12, XPMEM_RDWR), ENOENT);
	check_errno(get(segid ^ 1, XPMEM_RDWR), ENOENT);

	check_errno(xpmem_release(0), EINVAL);
	check_errno(xpmem_release(-1), EINVAL);
	check_errno(xpmem_release(LLONG_MIN), EINVAL);
	check_errno(xpmem_release(1), ENOENT);
	check_errno(xpmem_release(LLONG_MAX), ENOENT);
	/* the id of a segment is not that of a permit */
	check_errno(xpmem_release(segid), ENOENT);
}

/* permit_value is ignored, and one process may have many permits */
static void good_values(xpmem_segid_t segid)
{
	static const uintptr_t values[] = { 0, 0600, 0666, 01000, UINTPTR_MAX };
	xpmem_apid_t apid[5];

	for (int i = 0; i < 5; i++) {
		errno = UNTOUCHED;
		apid[i] = xpmem_get(segid, i % 2 ? XPMEM_RDONLY : XPMEM_RDWR, XPMEM_PERMIT_MODE,
				    (void *)values[i]);
		check(apid[i] > 0);
		check(errno == UNTOUCHED);
		for (int j = 0; j < i; j++)
			check(apid[i] != apid[j]);
	}
	for (int i = 0; i < 5; i++) {
		check_errno(get(apid[i], XPMEM_RDWR), ENOENT);
		check_errno(xpmem_release(apid[i] ^ 1), ENOENT);
		errno = UNTOUCHED;
		check(xpmem_release(apid[i]) == 0);
		check(errno == UNTOUCHED);
		check_errno(xpmem_release(apid[i]), ENOENT);
	}
}

static void attacher(int unused)
{
	(void)unused;
	bad_values(board->segid[0]);
	good_values(board->segid[0]);

	/* of its own and of another process, for reading and for writing */
	board->apid[1] = get_segment(board->segid[0], XPMEM_RDWR);
	check_errno(xpmem_release(board->apid[0]), EACCES);
	reach(1);
	await(2);

	/* removed: known no more; but a permit can be given back */
	check_errno(get(board->segid[0], XPMEM_RDWR), ENOENT);
	check_errno(get(board->segid[0], XPMEM_RDONLY), ENOENT);
	check(xpmem_release(board->apid[1]) == 0);
	check_errno(xpmem_release(board->apid[1]), ENOENT);
}

/* Another user's, with each mode that grants too little or enough */
static void stranger(int unused)
{
	(void)unused;
	become(1001, 1001);
	check_errno(get(board->segid[0], XPMEM_RDONLY), EACCES);
	check_errno(get(board->segid[0], XPMEM_RDWR), EACCES);
	/* what is wrong with the call is told first */
	check_errno(get(board->segid[0], 0), EINVAL);
	check_errno(get(board->segid[0] ^ 1, XPMEM_RDWR), ENOENT);
	check_errno(xpmem_release(board->apid[0]), EACCES);
	check_errno(xpmem_remove(board->segid[0]), EACCES);
}

int main(void)
{
	pid_t pid;

	test_begin(60);
	board->segid[0] = make_segment(map_anon(SIZE), SIZE);
	board->apid[0] = get_segment(board->segid[0], XPMEM_RDONLY);
	join(spawn(stranger, 0));
	pid = spawn(attacher, 0);
	await(1);
	check_errno(xpmem_release(board->apid[1]), EACCES);
	check(xpmem_remove(board->segid[0]) == 0);
	reach(2);
	join(pid);
	check(xpmem_release(board->apid[0]) == 0);
	return 0;
}
