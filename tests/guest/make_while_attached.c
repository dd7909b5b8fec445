// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does a process come through that makes its first segment while it has both an
 * attachment and the file behind the attached memory mapped, and another process
 * punches holes into that file?
 *
 * Registering a process's first notifier takes the locks of all its mapped
 * files in the order of addresses: here the segment's, then the file's.  The
 * hole takes the file's and waits until the attachment is emptied, which takes
 * the segment's.  A module that registers late hangs all three for good, and
 * with them every later registration on the machine.
 */
#include "guest_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define SECONDS 10
#define LOW ((void *)0x20000)
/* Files that are mapped in between: the more locks there, the longer is the first held. */
#define BETWEEN 256
#define MIDDLE ((char *)0x1000000)

static int fd, between[BETWEEN];

static void puncher(int unused)
{
	volatile char *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	(void)unused;
	check(memory != MAP_FAILED);
	*memory = 1;
	board->segid[0] = make_segment((void *)memory, PAGE);
	reach(1);
	while (!atomic_load(&board->stop)) {
		*memory = 1;
		check(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE) == 0);
		count_up(0);
	}
	await(2);	/* the reader's page is there as long as it reads */
}

/* Keeps the page external, so that each hole has to empty somebody. */
static void reader(int unused)
{
	volatile char *seen;

	(void)unused;
	await(1);
	seen = attach_at(get_segment(board->segid[0], XPMEM_RDONLY), 0, PAGE);
	while (!atomic_load(&board->stop))
		(void)*seen;
	reach(2);
}

static void maker(int unused)
{
	struct xpmem_addr where = { .apid = get_segment(board->segid[0], XPMEM_RDONLY) };

	(void)unused;
	/* below the file's mapping, so that its lock is taken first */
	check(xpmem_attach(where, PAGE, LOW) == LOW);
	check(try_read(LOW, NULL) == 0);
	for (int i = 0; i < BETWEEN; i++)
		check(mmap(MIDDLE + (uintptr_t)i * 2 * PAGE, PAGE, PROT_READ,
			   MAP_SHARED | MAP_FIXED_NOREPLACE, between[i], 0) != MAP_FAILED);
	check(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
	make_segment(map_anon(PAGE), PAGE);
	count_up(1);
}

int main(void)
{
	pid_t pids[2];

	test_begin(60);
	fd = memfd_create("make_while_attached", MFD_CLOEXEC);
	check(fd >= 0 && ftruncate(fd, PAGE) == 0);
	for (int i = 0; i < BETWEEN; i++) {
		between[i] = memfd_create("between", MFD_CLOEXEC);
		check(between[i] >= 0 && ftruncate(between[i], PAGE) == 0);
	}
	pids[0] = spawn(puncher, 0);
	pids[1] = spawn(reader, 0);
	await(1);
	for (time_t end = time(NULL) + SECONDS; time(NULL) < end;)
		join(spawn(maker, 0));
	atomic_store(&board->stop, true);
	join(pids[0]);
	join(pids[1]);
	printf("%d segments made, %d holes\n", atomic_load(&board->count[1]),
	       atomic_load(&board->count[0]));
	check(atomic_load(&board->count[1]) > 0 && atomic_load(&board->count[0]) > 0);
	return 0;
}
