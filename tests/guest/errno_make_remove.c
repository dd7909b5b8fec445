// SPDX-License-Identifier: GPL-2.0-or-later
/* Do make and remove refuse what they must, each with the errno of xpmem.h? */
#include "guest_test.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>

#define SIZE (4 * PAGE)
#define UNTOUCHED 4321

/* The call succeeds and leaves errno alone */
#define succeeds(condition) \
	do { \
		errno = UNTOUCHED; \
		check(condition); \
		check(errno == UNTOUCHED); \
	} while (0)

static uint64_t max_address;

static xpmem_segid_t make(uint64_t vaddr, uint64_t size, int type, uint64_t value)
{
	return xpmem_make((void *)(uintptr_t)vaddr, size, type, (void *)(uintptr_t)value);
}

static void make_and_remove(uint64_t vaddr, uint64_t size)
{
	xpmem_segid_t segid;

	succeeds((segid = make(vaddr, size, XPMEM_PERMIT_MODE, 0600)) > 0);
	succeeds(xpmem_remove(segid) == 0);
	check_errno(xpmem_remove(segid), ENOENT);
}

static void types_and_values(uint64_t vaddr)
{
	static const int types[] = { 0, 2, 3, -1, 0x101, INT_MIN, INT_MAX };
	static const uint64_t values[] = {
		01000, 01600, 04755, 0x10000, 1ULL << 32 | 0600, 1ULL << 63, UINT64_MAX,
		(uint64_t)-0600,
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		check_errno(make(vaddr, SIZE, types[i], 0600), EINVAL);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		check_errno(make(vaddr, SIZE, XPMEM_PERMIT_MODE, values[i]), EINVAL);
	for (uint64_t mode = 0; mode <= 0777; mode++) {
		xpmem_segid_t segid = make(vaddr, SIZE, XPMEM_PERMIT_MODE, mode);

		check(segid > 0);
		check(xpmem_remove(segid) == 0);
	}
}

static void ranges(uint64_t vaddr)
{
	const struct {
		uint64_t vaddr;
		uint64_t size;
	} bad[] = {
		{ vaddr, 0 },
		{ 0, 0 },
		/* alignment: nothing is rounded */
		{ vaddr, 1 },
		{ vaddr, PAGE - 1 },
		{ vaddr, PAGE + 1 },
		{ vaddr, SIZE - 8 },
		{ vaddr + 1, PAGE },
		{ vaddr + 8, SIZE },
		{ vaddr + PAGE / 2, PAGE },
		{ vaddr + PAGE - 1, PAGE + 1 },
		{ 0, SIZE_MAX - 1 },
		/* the end is past the last address */
		{ 0, max_address + PAGE },
		{ PAGE, max_address },
		{ max_address, PAGE },
		{ max_address - PAGE, 2 * PAGE },
		{ vaddr, max_address },
		{ vaddr, SIZE_MAX },
		{ PAGE, SIZE_MAX },
		{ 0, SIZE_MAX - PAGE + 1 },
		{ 0, 1ULL << 63 },
		/* it wraps */
		{ vaddr, -vaddr },
		{ vaddr, PAGE - vaddr },
		{ PAGE, -PAGE },
		{ PAGE, -PAGE + PAGE },
		{ -PAGE, PAGE },
		{ -PAGE, 2 * PAGE },
		{ 1ULL << 63, 1ULL << 63 },
		/* kernel addresses */
		{ 0xffff888000000000, PAGE },
		{ 0xffffffff81000000, PAGE },
		{ 0x0000800000000000, PAGE },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		errno = 0;
		if (make(bad[i].vaddr, bad[i].size, XPMEM_PERMIT_MODE, 0600) != -1 ||
		    errno != EINVAL)
			fail("make(0x%lx, 0x%lx) is not EINVAL", bad[i].vaddr, bad[i].size);
	}

	make_and_remove(vaddr, PAGE);
	make_and_remove(vaddr, SIZE);
	/* nothing need be mapped */
	make_and_remove(0, PAGE);
	make_and_remove(PAGE, PAGE);
	make_and_remove(0, XPMEM_MAXADDR_SIZE);
	make_and_remove(0, max_address);
	make_and_remove(max_address - PAGE, PAGE);
	make_and_remove(PAGE, max_address - PAGE);
}

/* The same range any number of times, and each its own segment */
static void duplicates(uint64_t vaddr)
{
	xpmem_segid_t segid[50];

	for (int i = 0; i < 50; i++) {
		segid[i] = make(vaddr, SIZE, XPMEM_PERMIT_MODE, 0600);
		check(segid[i] > 0);
		for (int j = 0; j < i; j++)
			check(segid[j] != segid[i]);
	}
	for (int i = 0; i < 50; i += 2)
		check(xpmem_remove(segid[i]) == 0);
	for (int i = 0; i < 50; i++) {
		if (i % 2)
			check(xpmem_remove(segid[i]) == 0);
		check_errno(xpmem_remove(segid[i]), ENOENT);
	}
}

static void other(int unused)
{
	(void)unused;
	check_errno(xpmem_remove(board->segid[0]), EACCES);
	/* the id of a permit is not that of a segment */
	board->apid[0] = get_segment(board->segid[0], XPMEM_RDWR);
	check_errno(xpmem_remove(board->apid[0]), ENOENT);
	check(xpmem_release(board->apid[0]) == 0);
}

int main(void)
{
	struct xpmem_info info;
	uint64_t vaddr;

	test_begin(60);
	vaddr = (uintptr_t)map_anon(SIZE);
	check(xpmem_query(&info, sizeof(info)) == 0);
	max_address = info.max_address;

	types_and_values(vaddr);
	ranges(vaddr);
	duplicates(vaddr);

	check_errno(xpmem_remove(0), EINVAL);
	check_errno(xpmem_remove(-1), EINVAL);
	check_errno(xpmem_remove(LLONG_MIN), EINVAL);
	check_errno(xpmem_remove(LLONG_MAX), ENOENT);
	check_errno(xpmem_remove(1), ENOENT);

	board->segid[0] = make_segment((void *)(uintptr_t)vaddr, SIZE);
	check_errno(xpmem_remove(board->segid[0] ^ 1), ENOENT);
	join(spawn(other, 0));
	succeeds(xpmem_remove(board->segid[0]) == 0);
	check_errno(xpmem_remove(board->segid[0]), ENOENT);
	return 0;
}
