// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Do stores through an attachment of a mapped ext4 file reach the file, while
 * the kernel writes it back and cleans its pages again and again?
 */
#include "guest_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGES 256
#define SIZE (PAGES * PAGE)
#define ROUNDS 20

static void attacher(int unused)
{
	uint64_t *memory;

	(void)unused;
	await(1);
	memory = attach_at(get_segment(board->segid[0], XPMEM_RDWR), 0, SIZE);
	for (int round = 0; round < ROUNDS; round++) {
		await(2 + 2 * round);
		fill(memory, SIZE, 100 + (uint64_t)round);
		reach(3 + 2 * round);
	}
}

int main(void)
{
	const char *disk = getenv("XPMEM_DISK");
	char path[256];
	char *memory, *buffer;
	pid_t pid;
	int fd;

	test_begin(120);
	if (!disk)
		skip("the guest has no disk");
	snprintf(path, sizeof(path), "%s/writeback-XXXXXX", disk);
	fd = mkstemp(path);
	check(fd >= 0 && ftruncate(fd, SIZE) == 0);
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(memory != MAP_FAILED);
	board->segid[0] = make_segment(memory, SIZE);
	pid = spawn(attacher, 0);
	buffer = map_anon(SIZE);
	reach(1);
	for (int round = 0; round < ROUNDS; round++) {
		reach(2 + 2 * round);
		/* Some rounds clean pages while the attacher writes them. */
		for (int i = 0; round % 2 && i < 3; i++)
			check(fdatasync(fd) == 0);
		await(3 + 2 * round);
		check(fsync(fd) == 0);
		/* From the disk: the page cache is dropped, and asked past it. */
		check(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
		check(write_file("/proc/sys/vm/drop_caches", "1"));
		check(pread(fd, buffer, SIZE, 0) == (ssize_t)SIZE);
		if (differs(buffer, SIZE, 100 + (uint64_t)round))
			fail("round %d: byte %#lx of the file is not what the attacher stored", round,
			     (unsigned long)((const char *)differs(buffer, SIZE, 100 + (uint64_t)round) -
					     buffer));
	}
	join(pid);
	check(xpmem_remove(board->segid[0]) == 0);
	munmap(memory, SIZE);
	/* Nothing but the disk has it now. */
	check(write_file("/proc/sys/vm/drop_caches", "1"));
	check(pread(fd, buffer, SIZE, 0) == (ssize_t)SIZE);
	check(!differs(buffer, SIZE, 100 + ROUNDS - 1));
	unlink(path);
	return 0;
}
