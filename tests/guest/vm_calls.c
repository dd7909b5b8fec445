// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does memory stay right, and the kernel well, whatever system call a process
 * makes on an attachment?
 *
 * Attached pages have no reference and no page behind them that the VM may look
 * at.  Calls that need one must fail; calls that need none must work; and after
 * each the attachment shows what the owner has, and nothing is owned by the
 * call still.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (8 * PAGE)

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

static char *memory, *at;
static xpmem_apid_t apid;

/* The attachment is whole, and the owner's memory is as it was. */
static void right(const char *after)
{
	if (differs(at, SIZE, 1))
		fail("wrong after %s", after);
	at[5 * PAGE] ^= 1;
	if (memory[5 * PAGE] != at[5 * PAGE])
		fail("not the owner's memory after %s", after);
	at[5 * PAGE] ^= 1;
}

static void fresh(void)
{
	xpmem_detach(at);
	at = attach_at(apid, 0, SIZE);
	right("attach");
}

static void all_advice(void)
{
	char name[32];

	for (int touched = 0; touched < 2; touched++) {
		for (int advice = -1; advice < 130; advice++) {
			xpmem_detach(at);
			at = attach_at(apid, 0, SIZE);
			if (touched)
				right("attach");
			madvise(at, SIZE, advice);
			madvise(at + PAGE, 2 * PAGE, advice);
			snprintf(name, sizeof(name), "madvise %d", advice);
			right(name);
		}
	}
	/* what must not be: fork copying it, pages poisoned or thrown away */
	fresh();
	check(madvise(at, SIZE, MADV_DOFORK) == -1);
	check(madvise(at, PAGE, MADV_REMOVE) == -1);
	check(madvise(at, PAGE, MADV_HWPOISON) == -1);
	check(madvise(at, PAGE, MADV_SOFT_OFFLINE) == -1);
	check(madvise(at, SIZE, MADV_DODUMP) == -1);
	right("madvise");
}

static void locking_and_syncing(void)
{
	unsigned char resident[SIZE / PAGE];

	fresh();
	check(mlock(at, SIZE) == 0);
	right("mlock");
	check(mlock2(at + PAGE, PAGE, MLOCK_ONFAULT) == 0);
	check(munlock(at, SIZE) == 0);
	right("munlock");
	check(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
	right("mlockall");
	fresh();
	check(munlockall() == 0);
	check(msync(at, SIZE, MS_ASYNC) == 0);
	msync(at, SIZE, MS_SYNC);
	msync(at, SIZE, MS_SYNC | MS_INVALIDATE);
	right("msync");
	mincore(at, SIZE, resident);
	right("mincore");
	check(write_file("/proc/self/clear_refs", "1"));
	check(write_file("/proc/self/clear_refs", "3"));
	check(write_file("/proc/self/clear_refs", "4"));
	right("clear_refs");
	syscall(SYS_mbind, at, SIZE, 2L, (unsigned long[]){ 1 }, 64L, 3L);
	right("mbind");
}

static void moving(void)
{
	void *pages[] = { at, at + PAGE, at + 5 * PAGE };
	int nodes[] = { 0, 0, 0 }, status[] = { 1234, 1234, 1234 };

	fresh();
	pages[0] = at;
	syscall(SYS_move_pages, 0, 3L, pages, NULL, status, 0);
	right("move_pages, asking");
	/* the owner's pages are not the attacher's to move */
	syscall(SYS_move_pages, 0, 3L, pages, nodes, status, 1 << 1 /* MPOL_MF_MOVE */);
	for (int i = 0; i < 3; i++)
		check(status[i] < 0);
	right("move_pages");
	syscall(SYS_remap_file_pages, at, PAGE, 0, 0, 0);
	right("remap_file_pages");
}

/* System calls that read and write it as the program would, and others */
static void input_and_output(void)
{
	struct iovec local = { .iov_base = map_anon(PAGE), .iov_len = PAGE };
	struct iovec remote = { .iov_base = at, .iov_len = PAGE };
	char path[] = "/run/tmp/vm_calls.XXXXXX", name[64];
	char *aligned = map_anon(SIZE);
	int fds[2], file, mem, direct;

	fresh();
	remote.iov_base = at;
	check(process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == -1);
	check(process_vm_writev(getpid(), &local, 1, &remote, 1, 0) == -1);
	mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	/* As a debugger does it, which works */
	check(pread(mem, local.iov_base, PAGE, (off_t)(uintptr_t)at) == PAGE);
	check(!memcmp(local.iov_base, at, PAGE));
	check(pwrite(mem, local.iov_base, PAGE, (off_t)(uintptr_t)at) == PAGE);
	close(mem);
	right("foreign access");

	file = mkstemp(path);
	check(file >= 0);
	check(pwrite(file, at, SIZE, 0) == SIZE);
	memset(at, 0, SIZE);
	check(pread(file, at, SIZE, 0) == SIZE);
	right("read and write");
	close(file);
	unlink(path);
	direct = direct_file("vm_calls");
	if (direct >= 0) {
		/* Blocks with data: a hole is read without the disk, which works. */
		check(pwrite(direct, aligned, SIZE, 0) == SIZE);
		check_errno(pwrite(direct, at, SIZE, 0), EFAULT);
		check_errno(pread(direct, at, SIZE, 0), EFAULT);
		close(direct);
		right("direct I/O");
	}
	check(pipe(fds) == 0);
	check(write(fds[1], at, PAGE) == PAGE);
	check(read(fds[0], at, PAGE) == PAGE);
	check(vmsplice(fds[1], &remote, 1, 0) == -1);
	right("pipe");
	snprintf(name, sizeof(name), "/proc/self/map_files/%lx-%lx", (uintptr_t)at,
		 (uintptr_t)at + SIZE);
	check(open(name, O_RDWR | O_CLOEXEC) == -1);
	right("map_files");
}

static void userfaults(void)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)at, SIZE } };

	if (fd < 0)
		return;
	check(ioctl(fd, UFFDIO_API, &api) == 0);
	for (reg.mode = 1; reg.mode < 8; reg.mode++)
		check(ioctl(fd, UFFDIO_REGISTER, &reg) == -1);
	close(fd);
	right("userfaultfd");
}

/* Works within a process; between processes it needs the page, and fails. */
static void futexes(void)
{
	uint32_t *word = (uint32_t *)(void *)at;

	fresh();
	check_errno(syscall(SYS_futex, word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, *word + 1, NULL, 0, 0),
		    EAGAIN);
	check(syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0, 0, 0) == 0);
	/* not touched, and changed by the kernel itself: adds 0 */
	xpmem_detach(at);
	at = attach_at(apid, 0, SIZE);
	word = (uint32_t *)(void *)(at + PAGE);
	check(syscall(SYS_futex, word, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 1, 1L, word + 1,
		      FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 0)) >= 0);
	check_errno(syscall(SYS_futex, word, FUTEX_WAIT, *word + 1, NULL, 0, 0), EFAULT);
	right("futex");
}

static void fork_and_trace(void)
{
	int status;
	pid_t pid;

	fresh();
	check(madvise(at, SIZE, MADV_DOFORK) == -1);
	pid = fork();
	check(pid >= 0);
	if (!pid)
		_exit(try_read(at, NULL) != SIGSEGV || try_write(at, 1) != SIGSEGV);
	check(waitpid(pid, &status, 0) == pid && status == 0);
	right("fork");
	pid = fork();
	check(pid >= 0);
	if (!pid) {
		at = attach_at(get_segment(board->segid[0], XPMEM_RDWR), 0, SIZE);
		right("attach");
		board->addr[0] = at;
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		right("ptrace");
		_exit(0);
	}
	check(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	errno = 0;
	check(ptrace(PTRACE_PEEKDATA, pid, board->addr[0], 0) == *(long *)(void *)at && !errno);
	check(ptrace(PTRACE_POKEDATA, pid, board->addr[0], *(long *)(void *)at) == 0);
	check(ptrace(PTRACE_CONT, pid, 0, 0) == 0);
	check(waitpid(pid, &status, 0) == pid && status == 0);
}

/* What describes memory describes this, too. */
static void reports(void)
{
	static const char *const files[] = {
		"/proc/self/maps", "/proc/self/smaps", "/proc/self/smaps_rollup",
		"/proc/self/numa_maps", "/proc/self/status", "/proc/xpmem/global_pages",
	};
	char text[4096];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int fd = open(files[i], O_RDONLY | O_CLOEXEC);

		while (fd >= 0 && read(fd, text, sizeof(text)) > 0)
			;
		close(fd);
	}
	page_frame(at);
	right("reports");
}

static void attacher(int unused)
{
	(void)unused;
	apid = get_segment(board->segid[0], XPMEM_RDWR);
	at = attach_at(apid, 0, SIZE);
	all_advice();
	locking_and_syncing();
	moving();
	fresh();
	userfaults();
	input_and_output();
	futexes();
	fork_and_trace();
	reports();
	check(xpmem_release(apid) == 0);
}

int main(void)
{
	test_begin(120);
	/* shared, so that the attacher can compare the two */
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(memory != MAP_FAILED);
	fill(memory, SIZE, 1);
	board->segid[0] = make_segment(memory, SIZE);
	join(spawn(attacher, 0));
	check(!differs(memory, SIZE, 1));
	return 0;
}
