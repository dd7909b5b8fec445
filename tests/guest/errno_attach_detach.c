// SPDX-License-Identifier: GPL-2.0-or-later
/* Do attach and detach refuse what they must, each with the errno of xpmem.h? */
#include "guest_test.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

/* As large as what clients attach at once */
#define SIZE (8UL << 20)
#define UNTOUCHED 4321

static char *memory;

static void *attach(xpmem_apid_t apid, int64_t offset, uint64_t size, uint64_t vaddr)
{
	struct xpmem_addr addr = { .apid = apid, .offset = offset };

	return xpmem_attach(addr, size, (void *)(uintptr_t)vaddr);
}

static void refused(xpmem_apid_t apid, int64_t offset, uint64_t size)
{
	errno = 0;
	if (attach(apid, offset, size, 0) != (void *)-1 || errno != EINVAL)
		fail("attach of offset 0x%lx size 0x%lx is not EINVAL", offset, size);
}

static void bad_ranges(xpmem_apid_t apid)
{
	static const int64_t offsets[] = {
		0, PAGE, SIZE - PAGE, SIZE, SIZE + PAGE, 1LL << 32, 1LL << 47, 1LL << 62,
		LLONG_MAX - PAGE + 1, LLONG_MIN, -(int64_t)PAGE, -(int64_t)SIZE,
	};
	static const uint64_t sizes[] = {
		0, 1, PAGE - 1, PAGE, PAGE + 1, SIZE - PAGE, SIZE, SIZE + 1, SIZE + PAGE,
		1ULL << 32, 1ULL << 47, 1ULL << 62, LLONG_MAX, 1ULL << 63, (1ULL << 63) + PAGE,
		-PAGE, -PAGE - 1, -PAGE + 1, -SIZE, -2 * SIZE, SIZE_MAX - 1, SIZE_MAX,
	};

	/* each offset with each size, against arithmetic that can't wrap */
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
			unsigned __int128 end = (unsigned __int128)sizes[j] + PAGE - 1;
			void *addr;

			end -= end % PAGE;
			end += offsets[i];
			if (offsets[i] < 0 || !sizes[j] || end > SIZE) {
				refused(apid, offsets[i], sizes[j]);
				continue;
			}
			addr = attach(apid, offsets[i], sizes[j], 0);
			check(addr != (void *)-1);
			check(xpmem_detach(addr) == 0);
		}
	}
	/* alignment of the offset */
	for (int64_t offset = 1; offset < (int64_t)PAGE; offset *= 2) {
		refused(apid, offset, PAGE);
		refused(apid, PAGE - offset, PAGE);
		refused(apid, -offset, PAGE);
	}
	/* alignment of the address, with room for it */
	for (uint64_t shift = 1; shift < PAGE; shift *= 2)
		check_errno(attach(apid, 0, PAGE, (uintptr_t)memory + shift), EINVAL);
}

/* What is attached, and no page more */
static void rounding(xpmem_apid_t apid)
{
	static const uint64_t sizes[] = { 1, PAGE - 1, PAGE, PAGE + 1, SIZE / 2 + 1, SIZE - 1, SIZE };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t whole = (sizes[i] + PAGE - 1) / PAGE * PAGE;
		/* a place of which nothing else is mapped */
		char *place = mmap(NULL, SIZE + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		char *addr;

		check(place != MAP_FAILED);
		errno = UNTOUCHED;
		addr = attach(apid, 0, sizes[i], (uintptr_t)place);
		check(addr == place);
		check(errno == UNTOUCHED);
		check(!differs(addr, whole, 1));
		check(try_read(addr + whole, NULL) == SIGSEGV);
		check(xpmem_detach(addr + whole - 1) == 0);
		check(try_read(addr, NULL) == SIGSEGV);
		check(try_read(addr + whole - PAGE, NULL) == SIGSEGV);
		check(munmap(place, SIZE + PAGE) == 0);
	}
}

static void hints(xpmem_apid_t apid, uint64_t max_address)
{
	char *here = map_anon(4 * PAGE);
	uint64_t bad[] = { 1ULL << 63, 0xffff888000000000, max_address, -PAGE };

	/* replaces what is there, and nothing beside it */
	fill(here, 4 * PAGE, 9);
	check(attach(apid, PAGE, 2 * PAGE, (uintptr_t)here + PAGE) == here + PAGE);
	check(!memcmp(here + PAGE, memory + PAGE, 2 * PAGE));
	check(!differs(here, PAGE, 9));
	check(try_read(here + 3 * PAGE, NULL) == 0);
	check(xpmem_detach(here + 2 * PAGE) == 0);
	check(try_read(here + PAGE, NULL) == SIGSEGV);
	check(try_read(here + 2 * PAGE, NULL) == SIGSEGV);
	check(!differs(here, PAGE, 9));

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_errno(attach(apid, 0, PAGE, bad[i]), ENOMEM);
	/* the hint is an address, its end is not */
	check_errno(attach(apid, 0, 2 * PAGE, max_address - PAGE), ENOMEM);
	check(munmap(here, 4 * PAGE) == 0);
}

static void detach(xpmem_apid_t apid)
{
	char *place = map_anon(PAGE);
	char *shared = mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *addr;
	int on_stack;

	/* another kind of mapping, and that stays */
	check_errno(xpmem_detach(place), EINVAL);
	check_errno(xpmem_detach(shared), EINVAL);
	check_errno(xpmem_detach(&on_stack), EINVAL);
	check_errno(xpmem_detach((void *)(uintptr_t)detach), EINVAL);
	check(try_write(place, 1) == 0);
	check(try_read(shared, NULL) == 0);

	/* nothing mapped is no error, aligned or not */
	check(munmap(place, PAGE) == 0);
	errno = UNTOUCHED;
	check(xpmem_detach(place) == 0);
	check(xpmem_detach(place + 17) == 0);
	check(xpmem_detach(NULL) == 0);
	check(xpmem_detach((void *)PAGE) == 0);
	check(xpmem_detach((void *)0xffff888000000000) == 0);
	check(xpmem_detach((void *)0xffffffff81000000) == 0);
	check(xpmem_detach((void *)UINTPTR_MAX) == 0);
	addr = attach(apid, 0, 3 * PAGE, 0);
	check(addr != (void *)-1);
	check(xpmem_detach(addr + 2 * PAGE + 17) == 0);
	check(xpmem_detach(addr) == 0);
	check(errno == UNTOUCHED);
}

static void attacher(int unused)
{
	xpmem_apid_t apid = get_segment(board->segid[0], XPMEM_RDWR);
	xpmem_apid_t apid_short = get_segment(board->segid[1], XPMEM_RDONLY);
	struct xpmem_info info;
	char *addr;

	(void)unused;
	check(xpmem_query(&info, sizeof(info)) == 0);
	memory = map_anon(SIZE);
	fill(memory, SIZE, 1);

	bad_ranges(apid);
	rounding(apid);
	hints(apid, info.max_address);
	detach(apid);
	/* a segment in the middle of memory that is mapped all around it */
	refused(apid_short, 0, 3 * PAGE);
	refused(apid_short, 0, 2 * PAGE + 1);
	refused(apid_short, PAGE, PAGE + 1);
	refused(apid_short, 2 * PAGE, 1);
	refused(apid_short, -(int64_t)PAGE, PAGE);

	check_errno(attach(0, 0, PAGE, 0), EINVAL);
	check_errno(attach(-1, 0, PAGE, 0), EINVAL);
	check_errno(attach(LLONG_MIN, 0, PAGE, 0), EINVAL);
	check_errno(attach(1, 0, PAGE, 0), ENOENT);
	check_errno(attach(LLONG_MAX, 0, PAGE, 0), ENOENT);
	check_errno(attach(apid ^ 1, 0, PAGE, 0), ENOENT);
	/* the id of a segment is not that of a permit */
	check_errno(attach(board->segid[0], 0, PAGE, 0), ENOENT);
	check_errno(attach(board->apid[0], 0, PAGE, 0), EACCES);

	addr = attach_at(apid, 0, PAGE);
	reach(1);
	await(2);
	check_errno(attach(apid, 0, PAGE, 0), ENOENT);
	check_errno(attach(apid, 0, PAGE, (uintptr_t)memory), ENOENT);
	check(!differs(memory, SIZE, 1));
	check(try_read(addr, NULL) == SIGBUS);
	check(xpmem_detach(addr) == 0);
	check(xpmem_release(apid) == 0);
	check_errno(attach(apid, 0, PAGE, 0), ENOENT);
	check(xpmem_release(apid_short) == 0);
}

int main(void)
{
	pid_t pid;

	test_begin(120);
	memory = map_anon(SIZE);
	fill(memory, SIZE, 1);
	board->segid[0] = make_segment(memory, SIZE);
	board->segid[1] = make_segment(memory + PAGE, 2 * PAGE);
	board->apid[0] = get_segment(board->segid[0], XPMEM_RDWR);
	pid = spawn(attacher, 0);
	await(1);
	check(xpmem_remove(board->segid[0]) == 0);
	reach(2);
	join(pid);
	return 0;
}
