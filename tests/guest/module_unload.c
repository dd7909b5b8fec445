// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does the module stay while anything of it is in use, and go when nothing is?
 *
 * XPMEM_KO names the module's file: with it the module is unloaded and loaded
 * again; without it only refusals are looked at, so that the module stays for
 * the tests that follow.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *module;
static int fd;

static int unload(void)
{
	return syscall(SYS_delete_module, "xpmem", O_NONBLOCK);
}

static void refused(void)
{
	errno = 0;
	check(unload() == -1 && (errno == EWOULDBLOCK || errno == EBUSY));
}

static void load(void)
{
	int file = open(module, O_RDONLY | O_CLOEXEC);

	check(file >= 0);
	check(syscall(SYS_finit_module, file, "", 0) == 0);
	close(file);
	for (int i = 0; access("/dev/xpmem", R_OK | W_OK) != 0; i++) {
		check(i < 100);
		usleep(50000);
	}
}

/* Everything was given back: it goes, and comes back as new. */
static void unload_and_load(void)
{
	if (!module)
		return;
	/* the last close of others may be a moment away */
	for (int i = 0; unload() != 0; i++) {
		if (i == 100)
			fail("the module is in use by nobody");
		usleep(20000);
	}
	check(access("/dev/xpmem", F_OK) != 0);
	check(access("/proc/xpmem", F_OK) != 0);
	check_errno(xpmem_version(), ENOENT);
	load();
}

static void open_descriptor(void)
{
	fd = open("/dev/xpmem", O_RDWR | O_CLOEXEC);
	check(fd >= 0);
	refused();
	check(close(fd) == 0);
	unload_and_load();
}

/* The library's descriptor and all it stands for, in a process that ends */
static void uses_all(int tidy)
{
	char *memory = map_anon(100 * PAGE);
	xpmem_apid_t apid;
	char *at;

	fill(memory, 100 * PAGE, 1);
	board->segid[0] = make_segment(memory, 100 * PAGE);
	refused();
	apid = get_segment(board->segid[0], XPMEM_RDWR);
	at = attach_at(apid, 0, 100 * PAGE);
	check(!differs(at, 100 * PAGE, 1));
	refused();
	/* given back or not, at the end */
	if (tidy) {
		check(xpmem_release(apid) == 0);
		check(xpmem_remove(board->segid[0]) == 0);
		refused();
	}
}

/* Closing tears down: no mapping is left that would hold the module. */
static void closes_all(int unused)
{
	char *memory = map_anon(PAGE);
	char *at = attach_at(get_segment(make_segment(memory, PAGE), XPMEM_RDWR), 0, PAGE);

	(void)unused;
	check(try_read(at, NULL) == 0);
	for (int i = 3; i < 64; i++)
		close(i);
	check(try_read(at, NULL) == SIGSEGV);
	unload_and_load();
	/* the library finds the new one */
	check(xpmem_remove(make_segment(memory, PAGE)) == 0);
}

static void closes_late(int unused)
{
	(void)unused;
	while (!atomic_load(&board->stop))
		usleep(1000);
}

/*
 * The last close is another process's, which can't unmap the attachments here:
 * these stay, show nothing, and hold the module until they are unmapped.
 */
static void closed_elsewhere(int unused)
{
	char *memory = map_anon(4 * PAGE);
	xpmem_apid_t apid;
	char *at;
	pid_t pid;

	(void)unused;
	apid = get_segment(make_segment(memory, 4 * PAGE), XPMEM_RDWR);
	at = attach_at(apid, 0, 4 * PAGE);
	check(try_read(at, NULL) == 0);
	/* copies of all, the device among them, that the library does not close */
	for (int i = 3; i < 64; i++)
		fcntl(i, F_DUPFD, 100);
	atomic_store(&board->stop, false);
	pid = spawn(closes_late, 0);
	for (int i = 3; i < 300; i++)
		close(i);
	check(try_read(at, NULL) == 0);
	refused();
	atomic_store(&board->stop, true);
	join(pid);
	check(try_read(at, NULL) == SIGBUS);
	check(try_read(at + 3 * PAGE, NULL) == SIGBUS);
	if (module)
		refused();
	check(munmap(at, 2 * PAGE) == 0);
	if (module)
		refused();
	check(munmap(at + 2 * PAGE, 2 * PAGE) == 0);
	unload_and_load();
}

static void killed(int tidy)
{
	uses_all(tidy);
	raise(SIGKILL);
}

int main(void)
{
	int status;
	pid_t pid;

	test_begin(120);
	module = getenv("XPMEM_KO");
	for (int round = 0; round < 3; round++) {
		open_descriptor();
		for (int tidy = 0; tidy < 2; tidy++) {
			join(spawn(uses_all, tidy));
			unload_and_load();
			pid = spawn(killed, tidy);
			check(waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGKILL);
			unload_and_load();
		}
		join(spawn(closes_all, 0));
		join(spawn(closed_elsewhere, 0));
		unload_and_load();
	}
	return 0;
}
