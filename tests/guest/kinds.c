// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Is memory of every kind the owner can have seen and written through an
 * attachment, and memory the owner may only read seen and never written?
 *
 *   kinds [NAME]   all, or one
 */
#include "guest_test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE (8UL << 20)
#define HUGE (2UL << 20)
#define MAP_RW (PROT_READ | PROT_WRITE)

static void *map_file_at(const char *directory, int prot, int flags)
{
	char path[256];
	char *fill_in;
	void *addr;
	int fd;

	snprintf(path, sizeof(path), "%s/kinds-XXXXXX", directory);
	fd = mkstemp(path);
	if (fd < 0)
		return NULL;
	unlink(path);
	check(ftruncate(fd, SIZE) == 0);
	fill_in = mmap(NULL, SIZE, MAP_RW, MAP_SHARED, fd, 0);
	check(fill_in != MAP_FAILED);
	fill(fill_in, SIZE, 1);
	munmap(fill_in, SIZE);
	addr = mmap(NULL, SIZE, prot, flags, fd, 0);
	check(addr != MAP_FAILED);
	close(fd);
	return addr;
}

static void *anonymous(void)
{
	return map_anon(SIZE);
}

static void *thp(void)
{
	char *addr = map_anon(SIZE + HUGE);

	addr = (char *)(((uintptr_t)addr + HUGE - 1) & ~(HUGE - 1));
	return madvise(addr, SIZE, MADV_HUGEPAGE) ? NULL : addr;
}

static void *map_or_null(int flags)
{
	void *addr = mmap(NULL, SIZE, MAP_RW, flags | MAP_ANONYMOUS, -1, 0);

	return addr == MAP_FAILED ? NULL : addr;
}

static void *hugetlb_private(void)
{
	return map_or_null(MAP_PRIVATE | MAP_HUGETLB);
}

static void *hugetlb_shared(void)
{
	return map_or_null(MAP_SHARED | MAP_HUGETLB);
}

static void *shared_anonymous(void)
{
	return map_or_null(MAP_SHARED);
}

static void *memfd(void)
{
	int fd = memfd_create("kinds", MFD_CLOEXEC);
	void *addr;

	check(fd >= 0 && ftruncate(fd, SIZE) == 0);
	addr = mmap(NULL, SIZE, MAP_RW, MAP_SHARED, fd, 0);
	check(addr != MAP_FAILED);
	close(fd);
	return addr;
}

static const char *disk(void)
{
	const char *path = getenv("XPMEM_DISK");

	return path ? path : "/nonexistent";
}

static void *tmpfs_shared(void)
{
	return map_file_at("/dev/shm", MAP_RW, MAP_SHARED);
}

static void *tmpfs_private(void)
{
	return map_file_at("/dev/shm", MAP_RW, MAP_PRIVATE);
}

static void *ext4_shared(void)
{
	return map_file_at(disk(), MAP_RW, MAP_SHARED);
}

static void *ext4_private(void)
{
	return map_file_at(disk(), MAP_RW, MAP_PRIVATE);
}

static void *ext4_read_only(void)
{
	return map_file_at(disk(), PROT_READ, MAP_SHARED);
}

static void *tmpfs_read_only(void)
{
	return map_file_at("/dev/shm", PROT_READ, MAP_PRIVATE);
}

static char data_section[SIZE] __attribute__((aligned(4096))) = { 1 };
static char bss_section[SIZE] __attribute__((aligned(4096)));

static void *data(void)
{
	return data_section;
}

static void *bss(void)
{
	return bss_section;
}

static void *stack(void)
{
	/* As much as the main thread's stack has anyway */
	return (void *)(((uintptr_t)__builtin_frame_address(0) - 64 * PAGE) & ~(PAGE - 1));
}

static const struct kind {
	const char *name;
	void *(*map)(void);	/* NULL: the guest does not have it */
	size_t size;
	bool read_only;		/* and filled with seed 1 */
} kinds[] = {
	{ "anonymous", anonymous, SIZE, false },
	{ "thp", thp, SIZE, false },
	{ "hugetlb-private", hugetlb_private, SIZE, false },
	{ "hugetlb-shared", hugetlb_shared, SIZE, false },
	{ "shared-anonymous", shared_anonymous, SIZE, false },
	{ "memfd", memfd, SIZE, false },
	{ "tmpfs-shared", tmpfs_shared, SIZE, false },
	{ "tmpfs-private", tmpfs_private, SIZE, false },
	{ "tmpfs-read-only", tmpfs_read_only, SIZE, true },
	{ "ext4-shared", ext4_shared, SIZE, false },
	{ "ext4-private", ext4_private, SIZE, false },
	{ "ext4-read-only", ext4_read_only, SIZE, true },
	{ "data", data, SIZE, false },
	{ "bss", bss, SIZE, false },
	{ "stack", stack, 16 * PAGE, false },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void attacher(int number)
{
	const struct kind *kind = &kinds[number];
	char *memory, *half;
	xpmem_apid_t apid;

	await(1);
	apid = get_segment(board->segid[0], XPMEM_RDWR);
	memory = attach_at(apid, 0, kind->size);
	if (kind->read_only) {
		check(!differs(memory, kind->size, 1));
		check(try_write(memory, 0) == SIGBUS);
		check(try_write(memory + kind->size - 8, 0) == SIGBUS);
		check(!differs(memory, kind->size, 1));
		reach(4);
		return;
	}

	/* The first half was touched by the owner, the second never. */
	check(!differs(memory, kind->size / 2, 2));
	fill(memory + kind->size / 2, kind->size / 2, 3);
	fill(memory, kind->size / 2, 4);
	reach(2);
	await(3);
	check(!differs(memory, kind->size, 5));
	/* A second attachment sees the same. */
	half = attach_at(apid, (off_t)(kind->size / 2), kind->size / 2);
	check(!memcmp(half, memory + kind->size / 2, kind->size / 2));
	reach(4);
}

static void share(int number)
{
	const struct kind *kind = &kinds[number];
	char *memory = kind->map();
	pid_t pid;

	if (!memory) {
		printf("%s: not in this guest\n", kind->name);
		return;
	}
	atomic_store(&board->step, 0);
	if (!kind->read_only)
		fill(memory, kind->size / 2, 2);
	board->segid[0] = make_segment(memory, kind->size);
	pid = spawn(attacher, number);
	reach(1);
	if (!kind->read_only) {
		await(2);
		check(!differs(memory, kind->size / 2, 4));
		check(!differs(memory + kind->size / 2, kind->size / 2, 3));
		fill(memory, kind->size, 5);
		reach(3);
	}
	await(4);
	join(pid);
	check(xpmem_remove(board->segid[0]) == 0);
	printf("%s: ok\n", kind->name);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	bool any = false;

	test_begin(300);
	for (size_t i = 0; i < KINDS; i++) {
		if (argc > 1 && strcmp(argv[1], kinds[i].name))
			continue;
		any = true;
		/* Each in a process of its own: the attacher inherits nothing else. */
		join(spawn(share, (int)i));
	}
	if (!any)
		fail("no kind of memory is called %s", argv[1]);
	return 0;
}
