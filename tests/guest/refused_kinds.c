// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Is memory that can't be shown refused when it is attached or prefaulted, and
 * by SIGBUS when it comes to be where an attachment is?
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The part of the owner's memory that is of the kind, ordinary memory around it */
#define BEFORE (2 * PAGE)
#define PART PAGE
#define AFTER (2 * PAGE)
#define SIZE (BEFORE + PART + AFTER)

enum { SECRET, ATTACHED, DEVICE, VVAR, KINDS };
static const char *const names[KINDS] = {
	"memfd_secret", "an attachment", "/dev/mem", "[vvar]",
};

/* Maps a page of the kind at @at; false: the guest has none */
static bool map_kind(int kind, void *at)
{
	int fd = -1;
	void *got = MAP_FAILED;

	switch (kind) {
	case SECRET:
		fd = (int)syscall(447, 0);
		if (fd < 0)
			return false;
		check(ftruncate(fd, PART) == 0);
		got = mmap(at, PART, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
		break;
	case ATTACHED:
		got = try_attach(get_segment(board->segid[1], XPMEM_RDWR), PART, at);
		break;
	case DEVICE:
		/* what is below 1 MiB may be looked at, the BIOS is there */
		fd = open("/dev/mem", O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return false;
		got = mmap(at, PART, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0xf0000);
		break;
	}
	if (got != at)
		fail("%s can't be mapped", names[kind]);
	if (fd >= 0)
		close(fd);
	/* the owner has it */
	check(try_read(at, NULL) == 0);
	return true;
}

/* [vvar] is where the kernel put it. */
static char *vvar(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned long start = 0, found = 0;
	char line[256];

	check(file);
	while (fgets(line, sizeof(line), file))
		if (strstr(line, "[vvar]") && sscanf(line, "%lx-", &start) == 1)
			found = start;
	fclose(file);
	return (char *)found;
}

static void witness(int unused)
{
	char *memory = map_anon(PART);

	(void)unused;
	*memory = 1;
	board->segid[1] = make_segment(memory, PART);
	reach(1);
	await(1000);
}

/* Steps of a kind: made, and then the part becomes ordinary, of the kind, no more */
static void owner(int kind)
{
	char *memory, *part;

	if (kind == VVAR) {
		memory = vvar();
		if (!memory) {
			reach(20);
			return;
		}
		/* where it is: with what is around it; one page of a whole address space */
		board->segid[0] = make_segment(NULL, XPMEM_MAXADDR_SIZE);
		board->addr[0] = memory;
		reach(10);
		await(11);
		return;
	}
	memory = map_anon(SIZE);
	part = memory + BEFORE;
	memset(memory, 3, SIZE);
	if (!map_kind(kind, part)) {
		reach(20);
		return;
	}
	board->addr[0] = (void *)BEFORE;
	board->segid[0] = make_segment(memory, SIZE);
	reach(10);
	await(11);
	check(mmap(part, PART, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		   0) == part);
	*part = 4;
	reach(12);
	await(13);
	check(map_kind(kind, part));
	reach(14);
	await(15);
	check(munmap(part, PART) == 0);
	reach(16);
	await(17);
}

static void *attach(xpmem_apid_t apid, off_t offset, size_t size)
{
	struct xpmem_addr where = { .apid = apid, .offset = offset };

	return xpmem_attach(where, size, NULL);
}

static void attacher(int kind)
{
	xpmem_apid_t apid[2];
	off_t part;
	size_t done;
	char *at;

	await(10);
	if (atomic_load(&board->step) == 20)
		return;
	part = (off_t)board->addr[0];
	apid[0] = get_segment(board->segid[0], XPMEM_RDWR);
	apid[1] = get_segment(board->segid[0], XPMEM_RDONLY);
	for (int i = 0; i < 2; i++)
		check_errno(attach(apid[i], part, PART), EOPNOTSUPP);
	if (kind == VVAR) {
		reach(11);
		return;
	}

	/* A range with ordinary memory in it is attached, and shows that. */
	at = attach_at(apid[0], 0, SIZE);
	check(at[0] == 3 && at[BEFORE - 1] == 3 && at[BEFORE + PART] == 3);
	check(try_read(at + BEFORE, NULL) == SIGBUS);
	check(try_write(at + BEFORE, 1) == SIGBUS);
	check(xpmem_prefault(at + BEFORE, PART, 0, &done) == -EOPNOTSUPP && done == 0);
	check(xpmem_prefault(at + BEFORE, PART, XPMEM_PREFAULT_WRITE, &done) == -EOPNOTSUPP);
	check(xpmem_prefault(at, SIZE, 0, &done) == -EOPNOTSUPP && done == BEFORE);

	reach(11);
	await(12);
	check(at[BEFORE] == 4);
	check(xpmem_prefault(at, SIZE, XPMEM_PREFAULT_WRITE, &done) == 0 && done == SIZE);
	check(*(char *)attach_at(apid[0], part, PART) == 4);

	/* It comes to be under an attachment that is there. */
	reach(13);
	await(14);
	check(try_read(at + BEFORE, NULL) == SIGBUS);
	check(xpmem_prefault(at, SIZE, 0, &done) == -EOPNOTSUPP && done == BEFORE);
	check_errno(attach(apid[0], part, PART), EOPNOTSUPP);

	/* Nothing is another matter than what can't be shown. */
	reach(15);
	await(16);
	check(try_read(at + BEFORE, NULL) == SIGBUS);
	check(xpmem_prefault(at, SIZE, 0, &done) == -EFAULT && done == BEFORE);
	check(try_read(attach_at(apid[0], part, PART), NULL) == SIGBUS);
	reach(17);
}

int main(void)
{
	pid_t witness_pid;
	int ran = 0;

	test_begin(60);
	witness_pid = spawn(witness, 0);
	await(1);
	for (int kind = 0; kind < KINDS; kind++) {
		pid_t pids[2];

		atomic_store(&board->step, 1);
		pids[0] = spawn(owner, kind);
		pids[1] = spawn(attacher, kind);
		join(pids[1]);
		join(pids[0]);
		printf("%s: %s\n", names[kind],
		       atomic_load(&board->step) == 20 ? "the guest has none" : "refused");
		ran += atomic_load(&board->step) != 20;
	}
	reach(1000);
	join(witness_pid);
	return ran ? 0 : GUEST_TEST_SKIP;
}
