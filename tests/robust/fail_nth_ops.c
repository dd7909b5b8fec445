// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The operations of the fail-nth test: what is prepared, what is done with an
 * allocation failing, and what must be true after it.
 */
#include "fail_nth.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (OWNER_PAGES * PAGE)
#define FIRST 3			/* the page that is accessed */
#define PREFAULT_FIRST 60	/* and so many pages, of both leaves */
#define PREFAULT_SIZE (8 * PAGE)
#define WRITTEN 0x7772697474656eULL

static int device = -1;
static int64_t segid, apid;
static char *mine;		/* memory that this process makes a segment of */
static void *at;		/* the attachment */
static void *target;		/* where it is moved to */
static uint64_t seen;
static size_t done;

static volatile uint64_t *word(unsigned int page)
{
	return (volatile uint64_t *)((char *)at + page * PAGE);
}

/* ------------------------------------------------------ preparing, cleaning */

static void open_device(void)
{
	device = device_open_raw();
	check(device >= 0);
}

static void close_device(void)
{
	if (device >= 0)
		close(device);
	device = -1;
}

static void set_up_make(void)
{
	open_device();
	mine = map_anon(SIZE);
	segid = 0;
}

static void set_up_remove(void)
{
	set_up_make();
	check(raw_make(device, mine, SIZE, 0600, &segid) == 0);
}

static void clean_make(void)
{
	close_device();
	munmap(mine, SIZE);
}

static void get_owners(enum owner_memory memory, bool touched)
{
	open_device();
	owner_fresh(memory, touched);
	apid = 0;
}

static void set_up_get(void)
{
	get_owners(OWNER_ANON, true);
}

static void set_up_attach(void)
{
	set_up_get();
	check(raw_get(device, told->segid, true, &apid) == 0);
	at = NULL;
}

static void set_up_hint(void)
{
	set_up_attach();
	at = map_anon(SIZE);
}

static void attach(enum owner_memory memory, bool touched)
{
	get_owners(memory, touched);
	check(raw_get(device, told->segid, true, &apid) == 0);
	at = NULL;
	check(raw_attach(device, apid, 0, SIZE, &at) == 0);
}

static void set_up_fault(void)
{
	attach(OWNER_ANON, true);
}

static void set_up_first_touch(void)
{
	attach(OWNER_ANON, false);
}

static void set_up_shmem(void)
{
	attach(OWNER_SHMEM, false);
}

static void set_up_cow(void)
{
	attach(OWNER_ANON, true);
	owner_keep_copy();
}

static void set_up_upgrade(void)
{
	set_up_cow();
	/* Now the entry is there, read-only. */
	check(access_read(word(FIRST), &seen) == 0 && seen == owner_value(FIRST));
}

static void set_up_swapped(void)
{
	attach(OWNER_ANON, true);
	owner_pageout();
}

static void set_up_mapped(void)
{
	attach(OWNER_ANON, true);
	check(raw_prefault(device, at, SIZE, true, &done) == 0);
}

static void clean(void)
{
	/* Closing unmaps what is attached; a hint that failed may have left a hole. */
	close_device();
	if (at)
		munmap(at, SIZE);
	owner_clean();
}

/* --------------------------------------------------------------- verifying */

/* All that is attached reads as the owner's memory, or SIGBUS where it has none */
static void verify_reads(bool touched)
{
	for (unsigned int i = 0; i < OWNER_PAGES; i++) {
		uint64_t wanted = touched ? owner_value(i) : 0;
		uint64_t value;

		check(access_read(word(i), &value) == 0);
		if (value != wanted && value != WRITTEN)
			fail("page %u reads %llx", i, (unsigned long long)value);
	}
}

static void verify_make(int result)
{
	check(result ? !segid : segid > 0);
	if (!result)
		check(raw_remove(device, segid) == 0);
}

static void verify_remove(int result)
{
	check(raw_get(device, segid, true, &apid) == (result ? 0 : -ENOENT));
}

static void verify_get(int result)
{
	check(result ? !apid : apid > 0);
	check(raw_get(device, told->segid, false, &apid) == 0);
}

static void verify_attach(int result)
{
	if (!result)
		verify_reads(true);
}

static void verify_fault(int result)
{
	check(result || seen == owner_value(FIRST));
	verify_reads(true);
}

static void verify_zero(int result)
{
	check(result || seen == 0);
	verify_reads(false);
}

static void verify_write(int result)
{
	uint64_t value = owner_peek(FIRST);

	check(value == (result ? owner_value(FIRST) : WRITTEN));
	verify_reads(true);
}

static void verify_first_write(int result)
{
	check(owner_peek(FIRST) == (result ? 0 : WRITTEN));
	verify_reads(false);
}

static void verify_prefault(int result)
{
	check(done <= PREFAULT_SIZE && done % PAGE == 0);
	check(result || done == PREFAULT_SIZE);
	verify_reads(false);
}

static void verify_detach(int result)
{
	if (result)
		verify_reads(true);
	else
		check(access_read(word(FIRST), &seen) == SIGSEGV);
}

/* Release takes the right away for certain; a mapping may be left, of nothing. */
static void verify_release(int result)
{
	if (result)
		verify_reads(true);
	else
		check(access_read(word(FIRST), &seen) != 0);
}

static void verify_part(int result)
{
	check(access_read(word(FIRST + 1), &seen) == 0 && seen == owner_value(FIRST + 1));
	check(access_read(word(FIRST), &seen) == (result ? 0 : SIGSEGV));
}

static void verify_fork(int result)
{
	(void)result;
	verify_reads(true);
}

static void verify_dontneed(int result)
{
	check(access_read(word(FIRST), &seen) == 0);
	check(seen == (result ? owner_value(FIRST) : 0));
	check(access_read(word(64), &seen) == 0 && seen == owner_value(64));
}

static void verify_hole(int result)
{
	check(access_read(word(64), &seen) == (result ? 0 : SIGBUS));
	check(access_read(word(63), &seen) == 0 && seen == owner_value(63));
}

static void verify_protected(int result)
{
	check(access_write(word(64), WRITTEN) == (result ? 0 : SIGBUS));
	check(access_write(word(63), WRITTEN) == 0 && owner_peek(63) == WRITTEN);
}

static void verify_gone(int result)
{
	check(access_read(word(FIRST), &seen) == (result ? 0 : SIGBUS));
}

/* -------------------------------------------------------------- operations */

static int do_make(void)
{
	return raw_make(device, mine, SIZE, 0600, &segid);
}

static int do_remove(void)
{
	return raw_remove(device, segid);
}

static int do_get(void)
{
	return raw_get(device, told->segid, true, &apid);
}

static int do_attach(void)
{
	return raw_attach(device, apid, 0, SIZE, &at);
}

static int do_read(void)
{
	return access_read(word(FIRST), &seen);
}

static int do_write(void)
{
	return access_write(word(FIRST), WRITTEN);
}

static int do_prefault(void)
{
	return raw_prefault(device, (char *)at + PREFAULT_FIRST * PAGE, PREFAULT_SIZE, true, &done);
}

static int do_detach(void)
{
	return raw_detach(device, (char *)at + PAGE);
}

static int do_release(void)
{
	return raw_release(device, apid);
}

static int do_munmap_part(void)
{
	return munmap((char *)at + FIRST * PAGE, PAGE) ? -errno : 0;
}

static void set_up_mremap(void)
{
	set_up_mapped();
	target = map_anon(SIZE);
}

static int do_mremap(void)
{
	void *moved = mremap(at, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, target);

	if (moved == MAP_FAILED)
		return -errno;
	at = moved;
	return 0;
}

static void clean_mremap(void)
{
	if (at != target)
		munmap(target, SIZE);
	clean();
}

static int do_fork(void)
{
	long pid = syscall(SYS_fork);

	if (!pid)
		_exit(0);
	return pid < 0 ? -errno : 0;
}

static void clean_fork(void)
{
	while (waitpid(0, NULL, WNOHANG | __WNOTHREAD) > 0)
		;
	clean();
}

static int do_close(void)
{
	int fd = device;

	device = -1;
	return close(fd) ? -errno : 0;
}

static int do_proc(void)
{
	static const char *const files[] = {
		"/proc/xpmem/counters", "/proc/xpmem/segments", "/proc/xpmem/global_pages",
	};
	char text[512];

	for (unsigned int i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int fd = open(files[i], O_RDONLY | O_CLOEXEC);
		ssize_t got;

		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return -errno;
		while ((got = read(fd, text, sizeof(text))) > 0)
			;
		if (got < 0) {
			got = -errno;
			close(fd);
			return (int)got;
		}
		close(fd);
	}
	return 0;
}

static int do_fdinfo(void)
{
	char path[64], text[4096];
	ssize_t got;
	int fd, err;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", device);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	got = read(fd, text, sizeof(text));
	err = got < 0 ? -errno : 0;
	close(fd);
	return err;
}

/* ---------------------------------------- operations of children and owner */

static int open_only(void)
{
	device = device_open_raw();
	return device < 0 ? device : 0;
}

/* A process that has never opened the device: registration is part of it. */
static struct outcome elsewhere_open(unsigned int nth)
{
	pid_t pid = fork();

	check(pid >= 0);
	if (!pid) {
		injection_begin();
		told->outcome = armed(open_only, nth);
		if (told->outcome.result)
			check(device_open_raw() >= 0);
		_exit(0);
	}
	join(pid);
	return told->outcome;
}

/* Owns, attaches, tells that it is ready, and ends */
_Noreturn static void live_and_end(unsigned int nth, int ready)
{
	int64_t theirs = told->segid;

	injection_begin();
	set_up_remove();
	check(raw_get(device, theirs, true, &apid) == 0);
	at = NULL;
	check(raw_attach(device, apid, 0, SIZE, &at) == 0);
	check(raw_prefault(device, at, SIZE, true, &done) == 0);
	check(raw_get(device, segid, true, &apid) == 0);
	at = NULL;
	check(raw_attach(device, apid, 0, SIZE, &at) == 0);
	check(access_write(word(FIRST), WRITTEN) == 0);
	check(write(ready, "", 1) == 1);
	if (nth) {
		arm(nth);
		syscall(SYS_exit_group, 0);
	}
	for (;;)
		pause();
}

static struct outcome end_child(unsigned int nth, bool killed)
{
	struct outcome outcome = { 0 };
	siginfo_t info;
	int ready[2];
	pid_t pid;
	char byte;

	check(pipe(ready) == 0);
	pid = fork();
	check(pid >= 0);
	if (!pid)
		live_and_end(killed ? 0 : nth, ready[1]);
	close(ready[1]);
	check(read(ready[0], &byte, 1) == 1);
	close(ready[0]);
	if (killed) {
		arm_other(pid, nth);
		check(kill(pid, SIGKILL) == 0);
	}
	check(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
	outcome.injected = other_was_injected(pid);
	check(waitpid(pid, NULL, 0) == pid);
	check(info.si_code == (killed ? CLD_KILLED : CLD_EXITED));
	return outcome;
}

static struct outcome elsewhere_exit(unsigned int nth)
{
	return end_child(nth, false);
}

static struct outcome elsewhere_kill(unsigned int nth)
{
	return end_child(nth, true);
}

static struct outcome elsewhere_owner_fork(unsigned int nth)
{
	return owner_armed(OWNER_FORK, nth);
}

static struct outcome elsewhere_owner_dontneed(unsigned int nth)
{
	return owner_armed(OWNER_DONTNEED, nth);
}

static struct outcome elsewhere_owner_munmap(unsigned int nth)
{
	return owner_armed(OWNER_MUNMAP, nth);
}

static struct outcome elsewhere_owner_mprotect(unsigned int nth)
{
	return owner_armed(OWNER_MPROTECT, nth);
}

static struct outcome elsewhere_owner_remove(unsigned int nth)
{
	return owner_armed(OWNER_REMOVE, nth);
}

static struct outcome elsewhere_owner_close(unsigned int nth)
{
	return owner_armed(OWNER_CLOSE, nth);
}

static void clean_owner_exit(void)
{
	close_device();
	munmap(at, SIZE);
	owner_start();
}

#define HERE(what, before, after, cleaning) \
	.name = #what, .set_up = before, .here = do_##what, .verify = after, .clean = cleaning
#define OWNERS(title, what, after) \
	.name = title, .set_up = set_up_mapped, .elsewhere = elsewhere_owner_##what, \
	.verify = after, .clean = clean

const struct operation operations[] = {
	{ .name = "open", .elsewhere = elsewhere_open, .may_fail = true },
	{ HERE(make, set_up_make, verify_make, clean_make),
	  .may_fail = true, .changes_nothing = true },
	{ HERE(remove, set_up_remove, verify_remove, clean_make),
	  .may_fail = true, .changes_nothing = true },
	{ HERE(get, set_up_get, verify_get, clean), .may_fail = true, .changes_nothing = true },
	{ HERE(attach, set_up_attach, verify_attach, clean),
	  .may_fail = true, .changes_nothing = true },
	{ .name = "attach-hint", .set_up = set_up_hint, .here = do_attach,
	  .verify = NULL, .clean = clean, .may_fail = true, .changes_nothing = true },
	{ HERE(read, set_up_fault, verify_fault, clean), .may_signal = true },
	{ HERE(write, set_up_fault, verify_write, clean), .may_signal = true },
	{ .name = "first-read", .set_up = set_up_first_touch, .here = do_read,
	  .verify = verify_zero, .clean = clean, .may_signal = true },
	{ .name = "first-write", .set_up = set_up_first_touch, .here = do_write,
	  .verify = verify_first_write, .clean = clean, .may_signal = true },
	{ .name = "shmem-write", .set_up = set_up_shmem, .here = do_write,
	  .verify = verify_first_write, .clean = clean, .may_signal = true },
	{ .name = "cow-write", .set_up = set_up_cow, .here = do_write,
	  .verify = verify_write, .clean = clean, .may_signal = true },
	{ .name = "cow-upgrade", .set_up = set_up_upgrade, .here = do_write,
	  .verify = verify_write, .clean = clean, .may_signal = true },
	{ .name = "swapped-read", .set_up = set_up_swapped, .here = do_read,
	  .verify = verify_fault, .clean = clean, .may_signal = true },
	{ HERE(prefault, set_up_first_touch, verify_prefault, clean), .may_fail = true },
	{ HERE(detach, set_up_mapped, verify_detach, clean),
	  .may_fail = true, .changes_nothing = true },
	{ HERE(release, set_up_mapped, verify_release, clean), .may_fail = true },
	{ .name = "munmap-part", .set_up = set_up_mapped, .here = do_munmap_part,
	  .verify = verify_part, .clean = clean, .may_fail = true, .changes_nothing = true },
	{ HERE(mremap, set_up_mremap, verify_fork, clean_mremap), .may_fail = true },
	{ HERE(fork, set_up_mapped, verify_fork, clean_fork),
	  .may_fail = true, .changes_nothing = true },
	{ HERE(close, set_up_mapped, NULL, clean) },
	{ .name = "exit", .set_up = set_up_mapped, .elsewhere = elsewhere_exit,
	  .verify = verify_fork, .clean = clean },
	{ .name = "kill", .set_up = set_up_mapped, .elsewhere = elsewhere_kill,
	  .verify = verify_fork, .clean = clean },
	{ OWNERS("owner-fork", fork, verify_fork), .may_fail = true },
	{ OWNERS("owner-dontneed", dontneed, verify_dontneed), .may_fail = true },
	{ OWNERS("owner-munmap", munmap, verify_hole), .may_fail = true },
	{ OWNERS("owner-mprotect", mprotect, verify_protected), .may_fail = true },
	{ OWNERS("owner-remove", remove, verify_gone), .may_fail = true },
	{ OWNERS("owner-close", close, verify_gone) },
	{ .name = "owner-exit", .set_up = set_up_mapped, .elsewhere = owner_exit,
	  .verify = verify_gone, .clean = clean_owner_exit },
	{ HERE(proc, set_up_mapped, NULL, clean), .may_fail = true },
	{ HERE(fdinfo, set_up_mapped, NULL, clean), .may_fail = true },
};

const unsigned int nr_operations = sizeof(operations) / sizeof(operations[0]);
