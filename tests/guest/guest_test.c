// SPDX-License-Identifier: GPL-2.0-or-later
/* See guest_test.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct board *board;

static unsigned int time_limit;

/* One write a message: processes of a test fail at the same time. */
_Noreturn void guest_fail(const char *file, int line, const char *format, ...)
{
	int error = errno;
	char message[512];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	dprintf(STDERR_FILENO, "%s:%d: %s (errno %d, %s)\n", file, line, message, error,
		strerror(error));
	exit(1);
}

_Noreturn void guest_skip(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "skipped: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(GUEST_TEST_SKIP);
}

void guest_check_errno(const char *file, int line, const char *call, long result, int error,
		       int wanted)
{
	if (result == -1 && error == wanted)
		return;
	errno = error;
	if (result != -1)
		guest_fail(file, line, "%s returned %ld, wanted -1 with errno %d", call, result,
			   wanted);
	guest_fail(file, line, "%s: wanted errno %d (%s)", call, wanted, strerror(wanted));
}

/* Kernels that check themselves take several times as long. */
unsigned int slowness(void)
{
	const char *slow = getenv("XPMEM_TEST_SLOW");
	int factor = slow ? atoi(slow) : 1;

	return factor > 1 ? (unsigned int)factor : 1;
}

void test_begin(unsigned int seconds)
{
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	check(board != MAP_FAILED);
	time_limit = seconds * slowness();
	alarm(time_limit);
}

void reach(int step)
{
	atomic_store(&board->step, step);
}

/* Who waits for others does not go on waiting when one of its own has failed. */
static void look_for_failed(void)
{
	siginfo_t child = { 0 };

	if (waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) || !child.si_pid)
		return;
	if (child.si_code == CLD_EXITED && child.si_status == GUEST_TEST_SKIP)
		exit(GUEST_TEST_SKIP);
	if (child.si_code != CLD_EXITED)
		fail("process %d was killed by signal %d (%s)", child.si_pid, child.si_status,
		     strsignal(child.si_status));
	if (child.si_status)
		fail("process %d failed", child.si_pid);
}

void guest_pause(void)
{
	look_for_failed();
	usleep(1000);
}

void await(int step)
{
	await_that(atomic_load(&board->step) >= step);
}

void await_count(int counter, int count)
{
	await_that(atomic_load(&board->count[counter]) >= count);
}

void count_up(int counter)
{
	atomic_fetch_add(&board->count[counter], 1);
}

void meet(int processes)
{
	int before = atomic_fetch_add(&board->met, 1);

	await_that(atomic_load(&board->met) / processes > before / processes);
}

uint64_t milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

pid_t spawn(void (*body)(int arg), int arg)
{
	pid_t parent = getpid();
	pid_t pid;

	fflush(NULL);
	pid = fork();
	check(pid >= 0);
	if (pid)
		return pid;
	/* Nobody is left behind when the test ends early. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	alarm(time_limit);
	body(arg);
	exit(0);
}

void join(pid_t pid)
{
	int status;

	check(waitpid(pid, &status, 0) == pid);
	if (WIFSIGNALED(status))
		fail("process %d was killed by signal %d (%s)", pid, WTERMSIG(status),
		     strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status) == GUEST_TEST_SKIP)
		exit(GUEST_TEST_SKIP);
	if (WEXITSTATUS(status) != 0)
		fail("process %d failed", pid);
}

void kill_and_join(pid_t pid)
{
	int status;

	check(kill(pid, SIGKILL) == 0);
	check(waitpid(pid, &status, 0) == pid);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

void run_crew(const struct crew *crew)
{
	pthread_t threads[64];
	int started = 0;

	for (; crew->body; crew++) {
		for (int i = 0; i < crew->threads; i++) {
			check(started < 64);
			check(pthread_create(&threads[started], NULL, crew->body, NULL) == 0);
			started++;
		}
	}
	while (started)
		check(pthread_join(threads[--started], NULL) == 0);
}

void run_pair(void (*process)(int number), unsigned int seconds, const char *first,
	      const char *second)
{
	pid_t pids[2];

	for (int i = 0; i < 2; i++)
		pids[i] = spawn(process, i);
	for (uint64_t end = milliseconds() + seconds * 1000UL; milliseconds() < end;)
		guest_pause();
	atomic_store(&board->stop, true);
	for (int i = 0; i < 2; i++)
		join(pids[i]);
	for (int i = 0; i < 4; i++)
		if (!atomic_load(&board->count[i]))
			fail("process %d got through no round of %s", i % 2,
			     i < 2 ? first : second);
	printf("%d and %d rounds of %s, %d and %d of %s in %u s\n", atomic_load(&board->count[0]),
	       atomic_load(&board->count[1]), first, atomic_load(&board->count[2]),
	       atomic_load(&board->count[3]), second, seconds);
}

void set_limit(int resource, rlim_t value)
{
	check(setrlimit(resource, &(struct rlimit){ value, value }) == 0);
}

void become(uid_t uid, gid_t gid)
{
	check(setgroups(0, NULL) == 0);
	check(setresgid(gid, gid, gid) == 0);
	check(setresuid(uid, uid, uid) == 0);
	/* A change of user clears it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static sigjmp_buf access_failed;

static void access_handler(int signal)
{
	siglongjmp(access_failed, signal);
}

void settle_pages(void)
{
	char *scratch = map_anon(PAGE);
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	check(sched_setaffinity(0, sizeof(one), &one) == 0);
	*scratch = 1;
	check(madvise(scratch, PAGE, MADV_COLD) == 0);
	munmap(scratch, PAGE);
}

/* Runs one access with SIGBUS and SIGSEGV caught; for one thread at a time */
static int try_access(volatile uint64_t *addr, uint64_t *value, bool write)
{
	struct sigaction action = { .sa_handler = access_handler };
	struct sigaction old_bus, old_segv;
	int signal;

	sigaction(SIGBUS, &action, &old_bus);
	sigaction(SIGSEGV, &action, &old_segv);
	signal = sigsetjmp(access_failed, 1);
	if (!signal) {
		if (write)
			*addr = *value;
		else
			*value = *addr;
	}
	sigaction(SIGBUS, &old_bus, NULL);
	sigaction(SIGSEGV, &old_segv, NULL);
	return signal;
}

int try_read(const volatile void *addr, uint64_t *value)
{
	uint64_t unused;

	return try_access((volatile uint64_t *)addr, value ? value : &unused, false);
}

int try_write(volatile void *addr, uint64_t value)
{
	return try_access(addr, &value, true);
}

void *map_anon(size_t size)
{
	void *addr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(addr != MAP_FAILED);
	return addr;
}

void no_huge_pages(void *addr, size_t size)
{
	check(madvise(addr, size, MADV_NOHUGEPAGE) == 0 || errno == EINVAL);
}

static uint64_t pattern(size_t at, uint64_t seed)
{
	return (at + 1) * 0x9e3779b97f4a7c15ULL ^ seed;
}

void fill(void *addr, size_t size, uint64_t seed)
{
	uint64_t *words = addr;

	for (size_t i = 0; i < size / sizeof(*words); i++)
		words[i] = pattern(i, seed);
}

const void *differs(const void *addr, size_t size, uint64_t seed)
{
	const uint64_t *words = addr;

	for (size_t i = 0; i < size / sizeof(*words); i++)
		if (words[i] != pattern(i, seed))
			return &words[i];
	return NULL;
}

xpmem_segid_t make_segment(void *addr, size_t size)
{
	xpmem_segid_t segid = xpmem_make(addr, size, XPMEM_PERMIT_MODE, (void *)0600);

	check(segid > 0);
	return segid;
}

xpmem_apid_t get_segment(xpmem_segid_t segid, int flags)
{
	xpmem_apid_t apid = xpmem_get(segid, flags, XPMEM_PERMIT_MODE, NULL);

	check(apid > 0);
	return apid;
}

void *attach_at(xpmem_apid_t apid, off_t offset, size_t size)
{
	struct xpmem_addr where = { .apid = apid, .offset = offset };
	void *addr = xpmem_attach(where, size, NULL);

	check(addr != (void *)-1);
	return addr;
}

void *try_attach(xpmem_apid_t apid, size_t size, void *hint)
{
	struct xpmem_addr where = { .apid = apid };

	errno = 0;
	return xpmem_attach(where, size, hint);
}

int device_fd(void)
{
	for (int fd = 3; fd < 64; fd++) {
		char path[32], target[32] = {};

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, target, sizeof(target) - 1) > 0 && !strcmp(target, "/dev/xpmem"))
			return fd;
	}
	fail("the library has no descriptor of /dev/xpmem");
}

static uint64_t pagemap_entry(const void *addr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry;

	check(fd >= 0);
	check(pread(fd, &entry, sizeof(entry), (uintptr_t)addr / PAGE * sizeof(entry)) ==
	      sizeof(entry));
	close(fd);
	return entry;
}

uint64_t page_frame(const void *addr)
{
	uint64_t entry = pagemap_entry(addr);

	return entry >> 63 ? entry & ((1ULL << 55) - 1) : 0;
}

bool page_is_swapped(const void *addr)
{
	return pagemap_entry(addr) >> 62 & 1;
}

int direct_file(const char *name)
{
	const char *directory = getenv("XPMEM_DISK");
	char path[64];
	int fd;

	if (!directory) {
		printf("skipped: direct I/O, there is no disk\n");
		return -1;
	}
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
	check(fd >= 0);
	unlink(path);
	return fd;
}

bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t written;
	int error;

	if (fd < 0)
		return false;
	written = write(fd, text, strlen(text));
	error = errno;
	close(fd);
	errno = error;
	return written == (ssize_t)strlen(text);
}

uint64_t read_number(const char *path, const char *key)
{
	FILE *file = fopen(path, "re");
	char line[256];
	size_t length = key ? strlen(key) : 0;

	if (!file)
		fail("cannot read %s", path);
	while (fgets(line, sizeof(line), file)) {
		if (length && (strncmp(line, key, length) || line[length] != ' '))
			continue;
		fclose(file);
		return strtoull(line + length, NULL, 0);
	}
	fail("%s has no %s", path, key ? key : "line");
}

static struct {
	char path[128];
	char text[64];
} settings[8];
static int settings_used;
static pid_t settings_of;

static void restore_settings(void)
{
	if (getpid() != settings_of)
		return;
	while (settings_used) {
		settings_used--;
		if (!write_file(settings[settings_used].path, settings[settings_used].text))
			dprintf(STDERR_FILENO, "%s stays changed\n", settings[settings_used].path);
	}
}

/* The alarm of a process with settings: restores them, and goes on as it does */
static void restore_on_alarm(int signal)
{
	restore_settings();
	raise(signal);
}

void set_until_exit(const char *path, const char *text)
{
	struct sigaction action = { .sa_handler = restore_on_alarm, .sa_flags = SA_RESETHAND };
	FILE *file = fopen(path, "re");

	if (!file)
		fail("cannot read %s", path);
	if (settings_of != getpid()) {
		settings_of = getpid();
		settings_used = 0;
		check(atexit(restore_settings) == 0);
		check(sigaction(SIGALRM, &action, NULL) == 0);
	}
	check(settings_used < 8);
	check(fgets(settings[settings_used].text, sizeof(settings[0].text), file));
	fclose(file);
	snprintf(settings[settings_used].path, sizeof(settings[0].path), "%s", path);
	settings_used++;
	if (!write_file(path, text))
		fail("cannot write %s to %s", text, path);
}

#define CGROUPS "/sys/fs/cgroup"

static char cgroups[8][32];
static int cgroups_used;
static pid_t cgroups_of;

const char *cgroup_file(const char *name, const char *file)
{
	static char path[128];

	snprintf(path, sizeof(path), CGROUPS "/%s/%s", name, file);
	return path;
}

static void remove_cgroups(void)
{
	if (getpid() != cgroups_of)
		return;
	while (cgroups_used) {
		cgroups_used--;
		/* who has exited may be counted for a moment */
		for (int i = 0; rmdir(cgroup_file(cgroups[cgroups_used], "")) && i < 5000; i++)
			usleep(1000);
	}
}

void cgroup_make(const char *name)
{
	if (cgroups_of != getpid()) {
		cgroups_of = getpid();
		cgroups_used = 0;
		check(atexit(remove_cgroups) == 0);
	}
	check(cgroups_used < 8 && strlen(name) < sizeof(cgroups[0]));
	if (mkdir(cgroup_file(name, ""), 0755) && errno != EEXIST)
		fail("cannot make the cgroup %s", name);
	strcpy(cgroups[cgroups_used++], name);
	if (access(cgroup_file(name, "memory.current"), R_OK))
		skip("there is no memory controller");
}

void cgroup_enter(const char *name)
{
	if (!write_file(cgroup_file(name, "cgroup.procs"), "0"))
		fail("cannot enter the cgroup %s", name);
}
