// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory that can't be shown to others (devices, secrets, others' memory): do
 * attachers get SIGBUS there, however often, and see what takes its place, and
 * SIGBUS again when it comes back?
 *
 *   event_refused [KIND]
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAP_RW (PROT_READ | PROT_WRITE)

/* Each maps a page at an address and returns whether the guest has such. */

static bool map_secret(void *addr)
{
	static int fd = -1;

	if (fd < 0) {
		fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
		if (fd < 0 || ftruncate(fd, PAGE))
			return false;
	}
	if (mmap(addr, PAGE, MAP_RW, MAP_SHARED | MAP_FIXED, fd, 0) != addr)
		return false;
	*(volatile uint64_t *)addr = 1;
	return true;
}

static bool map_attachment(void *addr)
{
	static xpmem_apid_t apid;
	struct xpmem_addr where = { 0 };

	if (!apid)
		apid = get_segment(make_segment(map_anon(PAGE), PAGE), XPMEM_RDWR);
	where.apid = apid;
	check(xpmem_attach(where, PAGE, addr) == addr);
	*(volatile uint64_t *)addr = 1;
	return true;
}

static bool map_device(const char *path, void *addr, off_t offset)
{
	static int fd = -1;
	void *mapped = MAP_FAILED;

	if (fd < 0)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		mapped = mmap(addr, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, offset);
	return mapped == addr && try_read(addr, NULL) == 0;
}

static bool map_physical(void *addr)
{
	return map_device("/dev/mem", addr, 0xf0000);
}

static bool map_hpet(void *addr)
{
	return map_device("/dev/hpet", addr, 0);
}

static const struct kind {
	const char *name;
	bool (*map)(void *addr);
} kinds[] = {
	{ "memfd-secret", map_secret },
	{ "attachment", map_attachment },
	{ "device-memory", map_physical },
	{ "device-registers", map_hpet },
};

static char *memory;
static char *seen;

/* The middle one of three pages; its neighbours can be shown. */
static void expect(bool there)
{
	size_t done;
	uint64_t value;

	check(try_read(seen, &value) == 0 && value == 11);
	for (int i = 0; i < 2; i++) {
		check(try_read(seen + PAGE, NULL) == (there ? 0 : SIGBUS));
		check(try_write(seen + PAGE, 22) == (there ? 0 : SIGBUS));
	}
	check(try_read(seen + 2 * PAGE, &value) == 0 && value == 33);
	if (there)
		return;
	check(xpmem_prefault(seen, 3 * PAGE, 0, &done) < 0 && done == PAGE);
}

static void attacher(int unused)
{
	(void)unused;
	seen = attach_at(get_segment(board->segid[0], XPMEM_RDWR), 0, 3 * PAGE);
	for (int step = 0; step < 3; step++) {
		await(2 * step + 1);
		expect(step == 1);
		reach(2 * step + 2);
	}
}

static void fill_in(void)
{
	check(mmap(memory + PAGE, PAGE, MAP_RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	      memory + PAGE);
}

static void owner(int number)
{
	pid_t pid;

	memory = map_anon(3 * PAGE);
	*(uint64_t *)(void *)memory = 11;
	*(uint64_t *)(void *)(memory + 2 * PAGE) = 33;
	if (!kinds[number].map(memory + PAGE)) {
		printf("cell %s access skip not in this guest\n", kinds[number].name);
		exit(GUEST_TEST_SKIP);
	}
	atomic_store(&board->step, 0);
	board->segid[0] = make_segment(memory, 3 * PAGE);
	pid = spawn(attacher, 0);
	reach(1);
	await(2);
	printf("cell %s access ok\n", kinds[number].name);
	fill_in();
	reach(3);
	await(4);
	check(*(volatile uint64_t *)(void *)(memory + PAGE) == 22);
	printf("cell %s replaced ok\n", kinds[number].name);
	check(kinds[number].map(memory + PAGE));
	reach(5);
	await(6);
	join(pid);
	printf("cell %s put-back ok\n", kinds[number].name);
}

int main(int argc, char **argv)
{
	bool good = true;

	test_begin(60);
	for (int i = 0; i < (int)(sizeof(kinds) / sizeof(kinds[0])); i++) {
		int status;

		if (argc > 1 && strcmp(argv[1], kinds[i].name))
			continue;
		check(waitpid(spawn(owner, i), &status, 0) > 0);
		if (status && (!WIFEXITED(status) || WEXITSTATUS(status) != GUEST_TEST_SKIP)) {
			printf("cell %s access failed\n", kinds[i].name);
			good = false;
		}
	}
	return !good;
}
