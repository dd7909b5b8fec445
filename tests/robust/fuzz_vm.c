// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the fuzzer does to attachments and arenas with the calls of the VM, and
 * what it does with descriptors and processes.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static struct attached *some_attached(struct fuzzer *fuzzer)
{
	return &fuzzer->worker->attached[pick(&fuzzer->random, ATTACHMENTS)];
}

uintptr_t some_address(struct fuzzer *fuzzer)
{
	struct attached *it = some_attached(fuzzer);
	unsigned int pages = it->pages;

	switch (pick(&fuzzer->random, 16)) {
	case 0:
		return (uintptr_t)odd_number(&fuzzer->random);
	case 1:
		return (uintptr_t)fuzzer->worker->arena + pick(&fuzzer->random, ARENA_PAGES) * PAGE;
	default:
		return it->at + (pages ? pick(&fuzzer->random, pages) : 0) * PAGE +
		       pick(&fuzzer->random, 512) * 8;
	}
}

/* Part of an attachment, as it was when it was made */
static bool some_part(struct fuzzer *fuzzer, char **at, size_t *size)
{
	struct attached *it = some_attached(fuzzer);
	unsigned int pages = it->pages, first;

	if (!pages || !it->at)
		return false;
	first = pick(&fuzzer->random, pages);
	*at = (char *)it->at + first * PAGE;
	*size = (1 + pick(&fuzzer->random, pages - first)) * PAGE;
	return true;
}

static void load(struct fuzzer *fuzzer)
{
	uint64_t value = 0;
	int signal = access_read((volatile uint64_t *)(some_address(fuzzer) & -8UL), &value);

	fuzz_count(KIND_load, !signal);
	if (!signal && fuzzer->worker->role != ROLE_ROOT &&
	    fuzz_hash(value) == fuzz_shared->witness_hash)
		fuzz_finding("a user who may not has read the witness");
}

static void store(struct fuzzer *fuzzer)
{
	struct attached *it = some_attached(fuzzer);
	unsigned int pages = it->pages;
	uintptr_t at = it->at;
	bool good;

	if (!at || !pages || !it->writable)
		return;
	at += pick(&fuzzer->random, pages) * PAGE + pick(&fuzzer->random, 512) * 8;
	switch (pick(&fuzzer->random, 8)) {
	case 0:		/* the kernel stores, and faults in by itself */
		good = syscall(SYS_futex, at, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 1, 1UL, at,
			       FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0)) >= 0;
		break;
	case 1:
		good = pread(fuzzer->worker->memfd, (void *)at, 8, 0) == 8;
		break;
	default:
		good = !access_write((volatile uint64_t *)at, random_bits(&fuzzer->random));
	}
	fuzz_count(KIND_store, good);
}

static void move(struct fuzzer *fuzzer, char *at, size_t size)
{
	static const int flags[] = {
		0, MREMAP_MAYMOVE, MREMAP_MAYMOVE | 4 /* DONTUNMAP */,
	};
	size_t new_size = once_in(&fuzzer->random, 2) ?
				  size :
				  (1 + pick(&fuzzer->random, 64)) * PAGE;
	void *moved = mremap(at, size, new_size, flags[pick(&fuzzer->random, 3)]);

	fuzz_count(KIND_mremap, moved != MAP_FAILED);
	if (moved != MAP_FAILED) {
		struct attached *it = some_attached(fuzzer);

		it->writable = false;
		it->at = (uintptr_t)moved;
		it->pages = (unsigned int)(new_size / PAGE);
	}
}

/* All pieces of advice but those that take pages out of the machine */
static int advice(struct fuzzer *fuzzer)
{
	return (int)pick(&fuzzer->random, 27);
}

/* Calls of the kernel that read and write memory by themselves */
static void io(struct fuzzer *fuzzer, char *at, size_t size)
{
	struct timespec soon = { .tv_nsec = 1000000 };
	int pipes[2];
	struct iovec here = { .iov_base = at, .iov_len = size };
	struct iovec there = { .iov_base = fuzzer->alias, .iov_len = 64 };
	long done = -1;

	switch (pick(&fuzzer->random, 6)) {
	case 0:
		done = pwrite(fuzzer->worker->memfd, at, 64, 0);
		break;
	case 1:
		done = process_vm_readv(getpid(), &there, 1, &here, 1, 0);
		break;
	case 2:		/* not private: the kernel looks for the page behind it */
		done = syscall(SYS_futex, at, FUTEX_WAKE, 1, NULL, NULL, 0);
		break;
	case 3:
		done = syscall(SYS_futex, at, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0x66757a7a, &soon,
			       NULL, 0);
		break;
	case 4:
		if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK))
			break;
		done = vmsplice(pipes[1], &here, 1, SPLICE_F_NONBLOCK);
		close(pipes[0]);
		close(pipes[1]);
		break;
	default:
		done = mincore(at, PAGE, (unsigned char *)fuzzer->alias);
		break;
	}
	fuzz_count(KIND_io, done >= 0);
}

static void peek(const char *at)
{
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	uint64_t value;

	if (fd < 0)
		return;
	fuzz_count(KIND_peek, pread(fd, &value, sizeof(value), (off_t)(uintptr_t)at) > 0);
	close(fd);
}

static void policy(struct fuzzer *fuzzer, char *at, size_t size)
{
	unsigned long nodes = 1 + pick(&fuzzer->random, 3);

	fuzz_count(KIND_policy, !syscall(SYS_mbind, at, size, pick(&fuzzer->random, 5), &nodes, 8UL,
					 pick(&fuzzer->random, 4)));
}

static void register_uffd(struct fuzzer *fuzzer, char *at, size_t size)
{
	struct uffdio_register req = {
		.range = { .start = (uintptr_t)at, .len = size },
		.mode = 1 + pick(&fuzzer->random, 3),
	};

	if (fuzzer->worker->uffd < 0)
		return;
	fuzz_count(KIND_register_uffd, !ioctl(fuzzer->worker->uffd, UFFDIO_REGISTER, &req));
	/* It must not stay: nobody answers for these addresses. */
	ioctl(fuzzer->worker->uffd, UFFDIO_UNREGISTER, &req.range);
}

/* The owner changes what it exports; the last pages are for userfaultfd */
static void change_arena(struct fuzzer *fuzzer)
{
	static const int prot[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	struct worker *worker = fuzzer->worker;
	unsigned int first = pick(&fuzzer->random, ANON_PAGES);
	size_t size = (1 + pick(&fuzzer->random, ANON_PAGES - first)) * PAGE;
	char *at = worker->arena + first * PAGE;
	int err = 0;

	switch (pick(&fuzzer->random, 8)) {
	case 0:
		err = mmap(at, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED;
		break;
	case 1:
		err = mprotect(at, size, prot[pick(&fuzzer->random, 3)]);
		break;
	case 2:
		err = fallocate(worker->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				(off_t)(pick(&fuzzer->random, MEMFD_PAGES) * PAGE), 4 * PAGE);
		break;
	case 3:
		err = ftruncate(worker->memfd, (off_t)(pick(&fuzzer->random, MEMFD_PAGES) * PAGE));
		err |= ftruncate(worker->memfd, MEMFD_PAGES * PAGE);
		break;
	case 4:		/* the pages that stall do so again */
		err = madvise(worker->arena + (ARENA_PAGES - UFFD_PAGES) * PAGE, UFFD_PAGES * PAGE,
			      MADV_DONTNEED);
		break;
	default:
		err = madvise(at, size, advice(fuzzer));
	}
	fuzz_count(KIND_arena, !err);
}

void fuzz_vm(struct fuzzer *fuzzer)
{
	static const int prot[] = {
		PROT_NONE, PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC,
	};
	size_t size;
	char *at;

	if (once_in(&fuzzer->random, 10)) {
		change_arena(fuzzer);
		return;
	}
	if (!some_part(fuzzer, &at, &size))
		return;
	switch (pick(&fuzzer->random, 26)) {
	case 0:
		fuzz_count(KIND_munmap, !munmap(at, size));
		break;
	case 1:
		fuzz_count(KIND_mprotect, !mprotect(at, size, prot[pick(&fuzzer->random, 5)]));
		break;
	case 2: case 3:
		move(fuzzer, at, size);
		break;
	case 4: case 5:
		fuzz_count(KIND_madvise, !madvise(at, size, advice(fuzzer)));
		break;
	case 6:
		fuzz_count(KIND_mlock, !mlock(at, size));
		munlock(at, size);
		break;
	case 7:
		fuzz_count(KIND_msync, !msync(at, size, MS_SYNC));
		break;
	case 8:
		fuzz_count(KIND_remap_file, !syscall(SYS_remap_file_pages, at, size, 0,
						     pick(&fuzzer->random, 64), 0));
		break;
	case 9: case 10:
		io(fuzzer, at, size);
		break;
	case 11:
		peek(at);
		break;
	case 12:
		policy(fuzzer, at, size);
		break;
	case 13:
		register_uffd(fuzzer, at, size);
		break;
	case 14: case 15: case 16: case 17: case 18: case 19:
		store(fuzzer);
		break;
	default:
		load(fuzzer);
		break;
	}
}

/* ------------------------------------------------ descriptors and processes */

static int take_fd(struct fuzzer *fuzzer, int new_fd)
{
	int old = atomic_exchange(&fuzzer->worker->fd[pick(&fuzzer->random, FDS)], new_fd);

	return old;
}

static void open_device(struct fuzzer *fuzzer)
{
	int fd = device_open_raw(), old;

	fuzz_count(KIND_open, fd >= 0);
	if (fd < 0) {
		if (fd != -EMFILE && fd != -ENOMEM && fd != -EINTR)
			fuzz_finding("open gave errno %d", -fd);
		return;
	}
	old = take_fd(fuzzer, fd);
	if (old >= 0)
		fuzz_count(KIND_close, !close(old));
}

static void dup_device(struct fuzzer *fuzzer)
{
	int fd = fcntl(fuzzer->worker->fd[pick(&fuzzer->random, FDS)], F_DUPFD_CLOEXEC, 20), old;

	fuzz_count(KIND_dup, fd >= 0);
	if (fd < 0)
		return;
	old = take_fd(fuzzer, fd);
	if (old >= 0)
		close(old);
}

union control {
	char space[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static void send_fd(struct fuzzer *fuzzer)
{
	int fd = fuzzer->worker->fd[pick(&fuzzer->random, FDS)], from = getpid();
	struct iovec data = { .iov_base = &from, .iov_len = sizeof(from) };
	union control control = { 0 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.space),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	fuzz_count(KIND_send_fd, sendmsg(fuzz_shared->socket[0], &message, MSG_DONTWAIT) > 0);
}

/* Another process's descriptor serves nothing, but its last close may be here. */
static void receive_fd(struct fuzzer *fuzzer)
{
	int from = 0, fd;
	struct iovec data = { .iov_base = &from, .iov_len = sizeof(from) };
	union control control = { 0 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.space),
	};
	struct cmsghdr *header;
	bool good = recvmsg(fuzz_shared->socket[1], &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) > 0;

	(void)fuzzer;
	fuzz_count(KIND_receive_fd, good);
	header = good ? CMSG_FIRSTHDR(&message) : NULL;
	if (!header || header->cmsg_type != SCM_RIGHTS)
		return;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	if (from != getpid())
		fuzz_foreign(fd, "another process has sent");
	close(fd);
}

static pid_t child_of(struct fuzzer *fuzzer)
{
	pid_t pid;

	/* Not the library's: its handlers may wait for what a thread holds. */
	pid = (pid_t)syscall(SYS_fork);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(20);
	}
	(void)fuzzer;
	return pid;
}

static void fork_child(struct fuzzer *fuzzer)
{
	pid_t pid = child_of(fuzzer);

	fuzz_count(KIND_fork, pid > 0);
	if (!pid) {
		uint64_t value;

		fuzz_foreign(fuzzer->worker->fd[pick(&fuzzer->random, FDS)], "fork has copied");
		/* It has the arena, and none of the attachments. */
		access_read((volatile uint64_t *)fuzzer->worker->arena, &value);
		access_read((volatile uint64_t *)some_attached(fuzzer)->at, &value);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void exec_child(struct fuzzer *fuzzer)
{
	char *const arguments[] = { (char *)(uintptr_t)"true", NULL };
	char *const environment[] = { NULL };
	pid_t pid = child_of(fuzzer);

	fuzz_count(KIND_exec, pid > 0);
	if (!pid) {
		int fd = device_open_raw();
		int64_t segid;

		/* What it made must go with its address space. */
		raw_make(fd, fuzzer->worker->arena, PAGE, 0666, &segid);
		fcntl(fd, F_SETFD, 0);
		execve("/bin/true", arguments, environment);
		_exit(1);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

/* A child that replaces what it is made of */
static void doomed_child(struct fuzzer *fuzzer)
{
	pid_t pid = child_of(fuzzer);

	fuzz_count(KIND_doomed, pid > 0);
	if (!pid) {
		struct worker *worker = fuzzer->worker;
		uintptr_t place[] = {
			(uintptr_t)doomed_child, (uintptr_t)&pid, (uintptr_t)worker,
			(uintptr_t)mmap, (uintptr_t)fuzz_shared & 0, (uintptr_t)worker->stack,
		};
		unsigned int which = pick(&fuzzer->random, 6);
		void *at = (void *)(place[which] & -PAGE);
		int64_t segid = fuzz_shared->segid[pick(&fuzzer->random, IDS)].id, apid;
		int fd = device_open_raw();

		/* The C library complains about a stack that was replaced. */
		close(STDERR_FILENO);
		/* Half of them show themselves their own memory, also over itself. */
		if (once_in(&fuzzer->random, 2))
			raw_make(fd, once_in(&fuzzer->random, 2) ? at : worker->arena, 4 * PAGE,
				 0600, &segid);
		if (!raw_get(fd, segid, true, &apid) && !raw_attach(fd, apid, 0, PAGE, &at)) {
			size_t done;
			uint64_t value;

			raw_prefault(fd, at, PAGE, true, &done);
			access_read(at, &value);
		}
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void procfs(struct fuzzer *fuzzer)
{
	static const char *const files[] = {
		"/proc/xpmem/counters", "/proc/xpmem/segments", "/proc/self/maps",
		"/proc/self/smaps", "/proc/self/numa_maps", NULL,
	};
	const char *name = files[pick(&fuzzer->random, 6)];
	char path[64] = "/proc/self/fdinfo/000", text[4096];
	int fd = fuzzer->worker->fd[pick(&fuzzer->random, FDS)];

	if (!name && fd >= 0 && fd < 1000) {
		size_t end = sizeof("/proc/self/fdinfo/") - 1;

		path[end] = (char)('0' + fd / 100);
		path[end + 1] = (char)('0' + fd / 10 % 10);
		path[end + 2] = (char)('0' + fd % 10);
		/* /proc takes no leading zeros */
		memmove(path + end, path + end + (fd >= 100 ? 0 : fd >= 10 ? 1 : 2), 4);
		name = path;
	}
	fd = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
	fuzz_count(KIND_procfs, fd >= 0);
	if (fd < 0)
		return;
	while (read(fd, text, sizeof(text)) > 0)
		;
	close(fd);
}

void fuzz_process(struct fuzzer *fuzzer)
{
	switch (pick(&fuzzer->random, 16)) {
	case 0: case 1: case 2: case 3:
		open_device(fuzzer);
		break;
	case 4: case 5:
		dup_device(fuzzer);
		break;
	case 6: case 7:
		send_fd(fuzzer);
		break;
	case 8: case 9:
		receive_fd(fuzzer);
		break;
	case 10: case 11:
		fork_child(fuzzer);
		break;
	case 12:
		exec_child(fuzzer);
		break;
	case 13:
		doomed_child(fuzzer);
		break;
	default:
		procfs(fuzzer);
		break;
	}
}
