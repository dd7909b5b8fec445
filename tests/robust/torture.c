// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does what attachers see stay the owner's memory, whatever the owners, the VM
 * and SIGKILL do, all at once and for long?
 *
 * Three peers that own and attach, a checker and a stressor (torture.h) run
 * until the time is up; peers are killed at random and started anew.  Every
 * word that is read is judged (torture_oracle.c).  The first finding ends the
 * run with exit status 1; what was found, where, and the seed are told.  The
 * seed decides what each thread does; how the threads meet is up to the machine.
 *
 *	torture [--minutes N] [--seed N]
 */
#include "torture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRESS_SECONDS 10
/* Nobody stands still for so long, also under emulation with a debug kernel */
#define STILL_SECONDS 180
/* What a run of a minute does many times over, and less than this is no run */
#define LEAST_READS 5000
#define CGROUP "/sys/fs/cgroup/torture"

#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

struct shared *shared;

static pid_t checker, stressor;

void finding(const char *format, ...)
{
	char message[900];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (atomic_fetch_add(&shared->findings, 1) < 10)
		dprintf(STDERR_FILENO, "finding after %.1f s, seed %llu: %s\n",
			now() - shared->start, (unsigned long long)shared->seed, message);
	shared->stop = true;
}

/* ---------------------------------------------------------------- stressor */

static void write_cgroup(unsigned int slot, const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), CGROUP "/%u/%s", slot, file);
	write_file(path, text);
}

static uint64_t cgroup_usage(unsigned int slot)
{
	char path[128];

	snprintf(path, sizeof(path), CGROUP "/%u/memory.current", slot);
	return access(path, R_OK) ? 0 : read_number(path, NULL);
}

/* A limit below what is used: the kernel reclaims, by max kills when it can't. */
static void limit(uint64_t *random, unsigned int slot, const char *file)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu",
		 (unsigned long long)cgroup_usage(slot) / (1 + pick(random, 3)));
	write_cgroup(slot, file, text);
	usleep(pick(random, 200000));
	write_cgroup(slot, file, "max");
}

static void read_all(pid_t pid, const char *file)
{
	char path[64], text[4096];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	while (read(fd, text, sizeof(text)) > 0)
		;
	close(fd);
}

static void write_of(pid_t pid, const char *file, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	write_file(path, text);
}

static void remote_pageout(uint64_t *random, pid_t pid, uintptr_t arena)
{
	struct iovec where = {
		.iov_base = (void *)(arena + pick(random, ARENA_PAGES - 64) * PAGE),
		.iov_len = 64 * PAGE,
	};
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		return;
	syscall(SYS_process_madvise, fd, &where, 1UL, once_in(random, 2) ? MADV_PAGEOUT : MADV_COLD,
		0);
	close(fd);
}

static void split(pid_t pid, uintptr_t arena)
{
	char text[100];

	snprintf(text, sizeof(text), "%d,0x%lx,0x%lx", pid, (unsigned long)arena,
		 (unsigned long)(arena + 512 * PAGE));
	write_file("/sys/kernel/debug/split_huge_pages", text);
}

static void stress(uint64_t *random)
{
	static const char *const maps[] = { "smaps", "numa_maps", "maps", "status", "pagemap" };
	static const enum count what[] = {
		COUNT_drop_caches, COUNT_compact, COUNT_reclaim, COUNT_reclaim, COUNT_high,
		COUNT_max, COUNT_split, COUNT_remote_pageout, COUNT_remote_pageout,
		COUNT_migrate, COUNT_clear_refs, COUNT_maps,
	};
	enum count it = what[pick(random, sizeof(what) / sizeof(what[0]))];
	unsigned int slot = pick(random, PEERS);
	pid_t pid = shared->peer[slot].pid;
	uintptr_t arena = shared->peer[slot].arena;
	unsigned long from = 1, to = 2;

	if (!shared->peer[slot].incarnation)
		return;
	switch (it) {
	case COUNT_drop_caches:
		write_file("/proc/sys/vm/drop_caches", "3");
		break;
	case COUNT_compact:
		write_file("/proc/sys/vm/compact_memory", "1");
		break;
	case COUNT_reclaim:
		write_cgroup(slot, "memory.reclaim", "4M");
		break;
	case COUNT_high:
		limit(random, slot, "memory.high");
		break;
	case COUNT_max:
		/* Rarely: it kills, and those who are killed can't be tortured. */
		if (!once_in(random, 8))
			return;
		limit(random, slot, "memory.max");
		break;
	case COUNT_split:
		split(pid, arena);
		break;
	case COUNT_remote_pageout:
		remote_pageout(random, pid, arena);
		break;
	case COUNT_migrate:
		syscall(SYS_migrate_pages, pid, 8UL, once_in(random, 2) ? &from : &to, &to);
		break;
	case COUNT_clear_refs:
		write_of(pid, "clear_refs", once_in(random, 2) ? "1" : "4");
		break;
	default:
		/* pagemap of all addresses is endless; the rest is short. */
		read_all(pid, maps[pick(random, 4)]);
		break;
	}
	count(it);
}

_Noreturn void stressor_run(void)
{
	uint64_t random = seed_of(shared->seed, CHECKER + 1, 0, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!shared->stop) {
		stress(&random);
		usleep(pick(&random, 20000));
	}
	_exit(0);
}

/* ------------------------------------------------------- peers come and go */

static void peer_start(unsigned int slot)
{
	struct peer_state *peer = &shared->peer[slot];
	pid_t parent = getpid();
	char text[16];
	pid_t pid;

	peer->started++;
	pid = fork();
	check(pid >= 0);
	if (!pid) {
		snprintf(text, sizeof(text), "%d", getpid());
		write_cgroup(slot, "cgroup.procs", text);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(0);
		peer_run(slot);
	}
	peer->pid = pid;
}

static void peer_kill(unsigned int slot)
{
	struct peer_state *peer = &shared->peer[slot];

	/* From here on whoever gets SIGBUS knows why. */
	peer->incarnation = 0;
	check(kill(peer->pid, SIGKILL) == 0);
	check(waitpid(peer->pid, NULL, 0) == peer->pid);
	peer->pid = 0;
	count(COUNT_kill);
}

/* Who has ended by itself: the OOM killer's victim, or a failure */
static void look_for_dead(void)
{
	siginfo_t info = { 0 };
	int status;

	while (!waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid) {
		pid_t pid = info.si_pid;
		unsigned int slot;

		for (slot = 0; slot < PEERS; slot++)
			if (shared->peer[slot].pid == pid)
				break;
		if (slot < PEERS)
			shared->peer[slot].incarnation = 0;
		check(waitpid(pid, &status, 0) == pid);
		if (slot < PEERS && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
			count(COUNT_oom);
			peer_start(slot);
		} else if (!shared->stop) {
			finding("process %d (slot %u) has ended by itself with status %x", pid,
				slot, status);
		}
		info.si_pid = 0;
	}
}

/* ---------------------------------------------------------------- progress */

static void print_counts(void)
{
	static const char *const names[] = {
#define X(name) #name,
		COUNTS(X)
#undef X
	};

	for (unsigned int i = 0; i < COUNT_MAX; i++)
		printf("%s %llu%s", names[i], (unsigned long long)shared->count[i],
		       i + 1 < COUNT_MAX ? (i % 8 == 7 ? "\n" : ", ") : "\n");
}

static void progress(void)
{
	printf("%5.0f s: %llu reads, %llu writes, %llu SIGBUS, %llu attaches, %llu kills\n",
	       now() - shared->start, (unsigned long long)shared->count[COUNT_read],
	       (unsigned long long)shared->count[COUNT_write],
	       (unsigned long long)shared->count[COUNT_sigbus],
	       (unsigned long long)shared->count[COUNT_attach],
	       (unsigned long long)shared->count[COUNT_kill]);
}

/* Every peer's owner makes rounds, or is new; else the kernel tells where all wait. */
static void look_for_still(void)
{
	static uint64_t ticks[PEERS];
	static uint32_t started[PEERS];
	static double since[PEERS];

	for (unsigned int slot = 0; slot < PEERS; slot++) {
		struct peer_state *peer = &shared->peer[slot];

		if (peer->ticks != ticks[slot] || peer->started != started[slot]) {
			ticks[slot] = peer->ticks;
			started[slot] = peer->started;
			since[slot] = now();
		} else if (now() - since[slot] > STILL_SECONDS) {
			write_file("/proc/sysrq-trigger", "w");
			finding("peer %u stands still for %d s", slot, STILL_SECONDS);
		}
	}
}

/* ------------------------------------------------------------ setting, end */

struct setting {
	const char *path;
	const char *wanted;
	char before[64];
};

static struct setting settings[] = {
	{ "/sys/kernel/mm/ksm/run", "1", "" },
	{ "/sys/kernel/mm/ksm/sleep_millisecs", "20", "" },
	{ "/sys/kernel/mm/ksm/pages_to_scan", "500", "" },
	{ "/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs", "100", "" },
	{ "/sys/kernel/mm/transparent_hugepage/khugepaged/alloc_sleep_millisecs", "100", "" },
	{ "/proc/sys/kernel/numa_balancing", "1", "" },
};

static void settings_change(void)
{
	for (unsigned int i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		FILE *file = fopen(settings[i].path, "re");

		if (!file)
			continue;
		if (fscanf(file, "%63s", settings[i].before) != 1)
			settings[i].before[0] = '\0';
		fclose(file);
		write_file(settings[i].path, settings[i].wanted);
	}
}

static void settings_restore(void)
{
	for (unsigned int i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (settings[i].before[0])
			write_file(settings[i].path, settings[i].before);
	/* Merged pages are taken apart; 0 would leave them. */
	write_file("/sys/kernel/mm/ksm/run", "2");
	if (settings[0].before[0])
		write_file(settings[0].path, settings[0].before);
}

static void cgroups_make(void)
{
	char path[128];

	if (mkdir(CGROUP, 0755))
		return;
	write_file(CGROUP "/cgroup.subtree_control", "+memory");
	for (unsigned int slot = 0; slot < PEERS; slot++) {
		snprintf(path, sizeof(path), CGROUP "/%u", slot);
		mkdir(path, 0755);
	}
}

static void cgroups_remove(void)
{
	char path[128];

	for (unsigned int slot = 0; slot < PEERS; slot++) {
		snprintf(path, sizeof(path), CGROUP "/%u", slot);
		rmdir(path);
	}
	rmdir(CGROUP);
}

/* All end within the limit, or they are where SIGKILL does not reach. */
static void collect_all(void)
{
	double limit = now() + STILL_SECONDS;
	bool killed = false;

	for (;;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0)
			return;
		if (pid)
			continue;
		if (!killed && now() > limit - STILL_SECONDS / 2) {
			for (unsigned int slot = 0; slot < PEERS; slot++)
				if (shared->peer[slot].pid)
					kill(shared->peer[slot].pid, SIGKILL);
			kill(checker, SIGKILL);
			kill(stressor, SIGKILL);
			killed = true;
		}
		if (now() > limit) {
			write_file("/proc/sysrq-trigger", "w");
			finding("processes do not end");
			return;
		}
		usleep(10000);
	}
}

static pid_t start(void (*body)(void))
{
	pid_t pid = fork();

	check(pid >= 0);
	if (!pid)
		body();
	return pid;
}

int main(int argc, char **argv)
{
	struct robust_options options = robust_options(argc, argv, 20);
	const char *disk = getenv("XPMEM_DISK");
	struct counters before = counters_now();
	double next_progress, next_kill;
	uint64_t random;

	test_begin(options.minutes * 60 + 3 * STILL_SECONDS);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	check(shared != MAP_FAILED);
	shared->seed = options.seed;
	shared->start = now();
	shared->end = shared->start + options.minutes * 60;
	snprintf(shared->directory, sizeof(shared->directory), "%s", disk ? disk : "/tmp");
	printf("torture: %u minutes, seed %llu, files in %s\n", options.minutes,
	       (unsigned long long)options.seed, shared->directory);
	random = seed_of(options.seed, CHECKER + 2, 0, 0);

	settings_change();
	cgroups_make();
	for (unsigned int slot = 0; slot < PEERS; slot++)
		peer_start(slot);
	checker = start(checker_run);
	stressor = start(stressor_run);

	next_progress = now() + PROGRESS_SECONDS;
	next_kill = now() + 5;
	while (!shared->stop && now() < shared->end) {
		usleep(20000);
		look_for_dead();
		look_for_still();
		if (now() > next_kill) {
			unsigned int slot = pick(&random, PEERS);

			/* Also while it is still starting; mostly it has had its time. */
			peer_kill(slot);
			peer_start(slot);
			next_kill = now() + 0.2 + pick(&random, 8000) / 1000.0;
		}
		if (now() > next_progress) {
			progress();
			next_progress = now() + PROGRESS_SECONDS;
		}
	}
	shared->stop = true;
	collect_all();
	cgroups_remove();
	settings_restore();
	/* A machine that stood still has shown nothing. */
	if (shared->count[COUNT_read] < LEAST_READS || shared->count[COUNT_attach] < PEERS)
		finding("hardly anything was done");
	if (!counters_settle(&before))
		finding("the module has not come back to what it had");
	print_counts();
	printf("torture: %.0f s, %llu checked reads, %u findings, seed %llu\n",
	       now() - shared->start,
	       (unsigned long long)(shared->count[COUNT_read] + shared->count[COUNT_own_read] +
				    shared->count[COUNT_peek] + shared->count[COUNT_vm_readv]),
	       shared->findings, (unsigned long long)options.seed);
	return shared->findings != 0;
}
