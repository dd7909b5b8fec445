// SPDX-License-Identifier: GPL-2.0-or-later
/* Can a permit for reading write by any way, or any attachment be executed? */
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
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (4 * PAGE)

static char *memory;

/* Whether maps says that @addr may be executed or (@what 'w') written */
static bool maps_say(const void *addr, char what)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	char line[512], rights[5];

	check(maps);
	while (fgets(line, sizeof(line), maps)) {
		check(sscanf(line, "%lx-%lx %4s", &start, &end, rights) == 3);
		if ((uintptr_t)addr >= start && (uintptr_t)addr < end) {
			fclose(maps);
			return strchr(rights, what) != NULL;
		}
	}
	fail("%p is not mapped", addr);
}

static void writes_by_the_kernel(char *at)
{
	struct iovec local = { .iov_base = memory, .iov_len = 8 };
	struct iovec remote = { .iov_base = at, .iov_len = 8 };
	int fds[2], mem;

	check(pipe(fds) == 0);
	check(write(fds[1], "12345678", 8) == 8);
	check_errno(read(fds[0], at, 8), EFAULT);
	close(fds[0]);
	close(fds[1]);
	check(process_vm_writev(getpid(), &local, 1, &remote, 1, 0) == -1);
	mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	check(mem >= 0);
	check(pwrite(mem, "12345678", 8, (off_t)(uintptr_t)at) == -1);
	close(mem);
	check(xpmem_prefault(at, PAGE, XPMEM_PREFAULT_WRITE, NULL) == -EACCES);
}

static void cannot_write(char *at, size_t size)
{
	check(try_write(at, 1) == SIGSEGV);
	check(try_read(at, NULL) == 0);
	check(try_write(at, 1) == SIGSEGV);
	check_errno(mprotect(at, size, PROT_READ | PROT_WRITE), EACCES);
	check_errno(mprotect(at, size, PROT_WRITE), EACCES);
	check_errno(mprotect(at, size, PROT_READ | PROT_EXEC), EACCES);
	check_errno(syscall(SYS_pkey_mprotect, at, size, PROT_READ | PROT_WRITE, -1), EACCES);
	syscall(SYS_remap_file_pages, at, size, 0, (uintptr_t)memory / PAGE, 0);
	check(!maps_say(at, 'w'));
	check(!maps_say(at, 'x'));
	writes_by_the_kernel(at);
	/* by way of no rights at all */
	check(mprotect(at, size, PROT_NONE) == 0);
	check(try_read(at, NULL) == SIGSEGV);
	check_errno(mprotect(at, size, PROT_READ | PROT_WRITE), EACCES);
	check(mprotect(at, size, PROT_READ) == 0);
	check(try_write(at, 1) == SIGSEGV);
}

/* A debugger writes where the program itself can't. */
static void poked(int unused)
{
	(void)unused;
	memory = attach_at(get_segment(board->segid[0], XPMEM_RDONLY), 0, SIZE);
	board->addr[0] = memory;
	check(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
	raise(SIGSTOP);
	check(!differs(memory, SIZE, 1));
}

static void debugger(void)
{
	pid_t pid = spawn(poked, 0);
	int status;

	check(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	check(ptrace(PTRACE_POKEDATA, pid, board->addr[0], 1L) == -1);
	check(ptrace(PTRACE_CONT, pid, 0, 0) == 0);
	join(pid);
}

static void never_executable(xpmem_apid_t readable, xpmem_apid_t writable)
{
	char *at = attach_at(writable, 0, SIZE);
	int old = personality(0xffffffff);

	check(try_write(at + 2 * PAGE, *(uint64_t *)(void *)(at + 2 * PAGE)) == 0);
	check_errno(mprotect(at, PAGE, PROT_EXEC), EACCES);
	check_errno(mprotect(at, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC), EACCES);
	check(!maps_say(at, 'x'));
	check(xpmem_detach(at) == 0);

	/* in which all that can be read can be executed, where it is allowed */
	check(old != -1 && personality(old | READ_IMPLIES_EXEC) != -1);
	at = attach_at(writable, 0, PAGE);
	check(!maps_say(at, 'x'));
	check(mprotect(at, PAGE, PROT_READ) == 0);
	check(!maps_say(at, 'x'));
	check(xpmem_detach(at) == 0);
	at = attach_at(readable, 0, PAGE);
	check(!maps_say(at, 'x'));
	check(xpmem_detach(at) == 0);
	check(personality(old) != -1);
}

static void attacher(int unused)
{
	xpmem_apid_t readable = get_segment(board->segid[0], XPMEM_RDONLY);
	xpmem_apid_t writable = get_segment(board->segid[0], XPMEM_RDWR);
	struct xpmem_addr where = { .apid = readable };
	char *at, *moved;

	(void)unused;
	at = attach_at(readable, 0, SIZE);
	check(!maps_say(at, 'w'));
	cannot_write(at, SIZE);
	cannot_write(at + PAGE, PAGE);

	/* moved, and over memory that can be written */
	check(xpmem_detach(at) == 0);
	at = attach_at(readable, 0, SIZE);
	moved = map_anon(SIZE);
	check(mremap(at, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, moved) == moved);
	cannot_write(moved, SIZE);
	check(xpmem_detach(moved) == 0);
	moved = map_anon(SIZE);
	check(xpmem_attach(where, SIZE, moved) == moved);
	cannot_write(moved, SIZE);
	/* over an attachment that can be */
	check(xpmem_detach(moved) == 0);
	moved = attach_at(writable, 0, SIZE);
	check(try_write(moved + PAGE, *(uint64_t *)(void *)(moved + PAGE)) == 0);
	check(xpmem_attach(where, PAGE, moved + PAGE) == moved + PAGE);
	cannot_write(moved + PAGE, PAGE);
	check(try_write(moved, *(uint64_t *)(void *)moved) == 0);
	check(xpmem_detach(moved) == 0);
	check(xpmem_detach(moved + PAGE) == 0);

	never_executable(readable, writable);
	check(xpmem_release(readable) == 0);
	check(xpmem_release(writable) == 0);
}

int main(void)
{
	test_begin(60);
	memory = map_anon(SIZE);
	fill(memory, SIZE, 1);
	board->segid[0] = make_segment(memory, SIZE);
	join(spawn(attacher, 0));
	check(!differs(memory, SIZE, 1));
	debugger();
	check(!differs(memory, SIZE, 1));
	return 0;
}
