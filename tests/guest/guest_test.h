/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest test is made of.
 *
 * A guest test is a program that answers one question about the loaded module.
 * It exits 0 when the answer is the right one, 1 when it is not, and 77 when
 * the guest lacks what the question needs; what went wrong is on stderr.  It is
 * run as root, in a guest of its own or after others, so it leaves nothing
 * behind.
 *
 * Owner and attachers are processes.  The test's first process makes what they
 * share (struct board), forks them with spawn() and collects them with join(),
 * which fails the test when one of them failed.  Processes take turns through
 * the board: reach(n) says that step n is done, await(n) waits for it.
 *
 * No test waits for ever: whoever hangs is killed by its alarm, which is a
 * failure.
 */
#ifndef GUEST_TEST_H
#define GUEST_TEST_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "xpmem.h"
#include "xpmem_ext.h"

#define GUEST_TEST_SKIP 77
#define PAGE 4096UL

/* Ends the process as failed, with the place and a message */
#define fail(...) guest_fail(__FILE__, __LINE__, __VA_ARGS__)
/* The condition must hold; errno is told when it does not */
#define check(condition) \
	do { \
		if (!(condition)) \
			guest_fail(__FILE__, __LINE__, "not so: %s", #condition); \
	} while (0)
/* The call must fail, with this errno: check_errno(xpmem_remove(0), EINVAL) */
#define check_errno(call, wanted) \
	do { \
		long guest_result; \
\
		errno = 0; \
		guest_result = (long)(call); \
		guest_check_errno(__FILE__, __LINE__, #call, guest_result, errno, wanted); \
	} while (0)
/* Ends the process: the guest can't show it */
#define skip(...) guest_skip(__VA_ARGS__)

_Noreturn void guest_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
_Noreturn void guest_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
void guest_check_errno(const char *file, int line, const char *call, long result, int error,
		       int wanted);

/* Memory that all processes of the test share, zero at first */
struct board {
	_Atomic int step;
	_Atomic int count[16];
	_Atomic int met;
	_Atomic bool stop;
	xpmem_segid_t segid[64];
	xpmem_apid_t apid[64];
	void *addr[64];
	uint64_t value[64];
};

extern struct board *board;

/*
 * First call of main: sets up the board and the alarm (seconds, times what
 * XPMEM_TEST_SLOW says)
 */
void test_begin(unsigned int seconds);

void reach(int step);
void await(int step);
/* The same with one of the board's counters, for any number of processes */
void count_up(int counter);
void await_count(int counter, int count);
/* Waits for what no process of the test can tell; the alarm bounds it */
#define await_that(condition) \
	do { \
		while (!(condition)) \
			guest_pause(); \
	} while (0)
void guest_pause(void);
/* Returns when so many processes have called it, time after time the same ones */
void meet(int processes);
uint64_t milliseconds(void);
/* Factor for all times that a test bounds: above 1 on kernels full of checks */
unsigned int slowness(void);

/* Runs @body in a child; the child's exit status is that of the test's part */
pid_t spawn(void (*body)(int arg), int arg);
/* Waits for a child that must exit 0 */
void join(pid_t pid);
/* Kills a child with SIGKILL and collects it */
void kill_and_join(pid_t pid);
/* Threads of one process: so many of each body, up to one without body */
struct crew {
	void *(*body)(void *unused);
	int threads;
};
/* Starts them and waits for their ends */
void run_crew(const struct crew *crew);
/*
 * Two processes, numbered 0 and 1, against each other for so many seconds, when
 * board->stop is set.  Process n does two things again and again and counts
 * them in counters n and 2 + n; each must have been done.  meet(2) is theirs.
 */
void run_pair(void (*process)(int number), unsigned int seconds, const char *first,
	      const char *second);
/* Becomes this user and group, with no supplementary group, for good */
void become(uid_t uid, gid_t gid);

/* Both limits, of RLIMIT_ kind */
void set_limit(int resource, rlim_t value);

/* What an access did: 0, or the signal it raised (SIGBUS, SIGSEGV) */
int try_read(const volatile void *addr, uint64_t *value);
int try_write(volatile void *addr, uint64_t value);

/* Private anonymous memory, zero, page aligned; never fails */
void *map_anon(size_t size);
/* Small pages alone there; some kernels have no others */
void no_huge_pages(void *addr, size_t size);
/* Fills every 8 bytes with a value that depends on the place and the seed */
void fill(void *addr, size_t size, uint64_t seed);
/* The first place that differs from fill(), or NULL */
const void *differs(const void *addr, size_t size, uint64_t seed);

/* make + get + attach in one, each must succeed */
xpmem_segid_t make_segment(void *addr, size_t size);
xpmem_apid_t get_segment(xpmem_segid_t segid, int flags);
void *attach_at(xpmem_apid_t apid, off_t offset, size_t size);
/* From the segment's start, may fail: (void *)-1 with errno */
void *try_attach(xpmem_apid_t apid, size_t size, void *hint);
/* The descriptor of /dev/xpmem that the library has */
int device_fd(void);

/*
 * The kernel keeps pages on their way to the LRU in a list a CPU, with a
 * reference; such a page can't be paged out, shared or not.  This ties the
 * process, and who it forks later, to one CPU and has the kernel drain its list.
 */
void settle_pages(void);

/* From /proc/self/pagemap: the page frame, 0 when not present (needs root) */
uint64_t page_frame(const void *addr);
bool page_is_swapped(const void *addr);

/* A new file that direct I/O works on, without a name any more; -1: there is no disk */
int direct_file(const char *name);

/* Writes a string to a file of /proc or /sys; false with errno when it fails */
bool write_file(const char *path, const char *text);
/*
 * The same for the time of the test: the process that calls it puts the old text
 * back when it exits or its alarm comes.  At most 8 files.
 */
void set_until_exit(const char *path, const char *text);
/* Reads a number at the start of a file, or after "key " in one; fails the test */
uint64_t read_number(const char *path, const char *key);

/*
 * Memory cgroups, below the root's, by name.  One is removed when the process
 * that made it exits; by then nobody may be in it.
 */
void cgroup_make(const char *name);
void cgroup_enter(const char *name);
/* The path of one of its files, good until the next call */
const char *cgroup_file(const char *name, const char *file);

#endif /* GUEST_TEST_H */
