// SPDX-License-Identifier: GPL-2.0-or-later
/* See cluster.h. */
#include "cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
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

/*
 * The programs also run with a library that does not know remote segments, on one
 * partition: so it is looked for when the program starts.
 */
#ifndef XPMEM_REMOTE_WRITE
#define XPMEM_REMOTE_WRITE (1U << 0)
#endif
extern int xpmem_make_remote(void *vaddr, size_t size, int permit_type, void *permit_value,
			     unsigned int flags, xpmem_segid_t *segid_ret) __attribute__((weak));

static int this_rank = -1;

_Noreturn void cluster_fail(const char *file, int line, const char *format, ...)
{
	int error = errno;
	char message[512];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	dprintf(STDERR_FILENO, "rank %d: %s:%d: %s (errno %d, %s)\n", this_rank, file, line,
		message, error, strerror(error));
	_exit(1);
}

_Noreturn void cluster_skip(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "skipped: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	_exit(CLUSTER_SKIP);
}

/* ------------------------------------------------------------------- options */

static void usage(const char *program, const struct cluster_option *options)
{
	fprintf(stderr,
		"usage: %s [OPTION N]...\n"
		"  --ranks N      processes on all partitions (default 2)\n"
		"  --here A-B     those that this program is to start (default: all)\n"
		"  --local        all partitions are one: ordinary segments\n"
		"  --plain        the same, and no module: files that all map\n"
		"  --seconds N    after which it failed (default 300)\n"
		"  --seed N       for what is chosen at random (default: of the clock)\n",
		program);
	for (; options && options->name; options++)
		fprintf(stderr, "  --%-12s %s\n", options->name, options->help);
	exit(2);
}

static uint64_t number(const char *text, const char *program, const struct cluster_option *options)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 0);

	if (*end || end == text)
		usage(program, options);
	return value;
}

static void make_exchange(struct cluster *cluster)
{
	const char *path = getenv("XPMEM_EXCHANGE");

	if (path) {
		if (strlen(path) >= sizeof(cluster->exchange))
			fail("XPMEM_EXCHANGE is too long");
		strcpy(cluster->exchange, path);
		return;
	}
	if (cluster->first || cluster->last != cluster->ranks - 1)
		fail("ranks are elsewhere: XPMEM_EXCHANGE must name a directory that all see");
	strcpy(cluster->exchange, "/tmp/xpmem-cluster.XXXXXX");
	if (!mkdtemp(cluster->exchange))
		fail("cannot make %s", cluster->exchange);
}

void cluster_begin(struct cluster *cluster, int argc, char **argv,
		   const struct cluster_option *options)
{
	struct option known[24] = {
		{ "ranks", required_argument, NULL, 'r' },
		{ "here", required_argument, NULL, 'h' },
		{ "local", no_argument, NULL, 'l' },
		{ "plain", no_argument, NULL, 'p' },
		{ "seconds", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'S' },
	};
	int n = 6, option;

	*cluster = (struct cluster){
		.ranks = 2, .first = -1, .rank = -1, .seconds = 300, .seed = cluster_now(),
	};
	for (const struct cluster_option *own = options; own && own->name; own++)
		known[n++] = (struct option){ own->name, required_argument, NULL,
					      (int)(1000 + (own - options)) };
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (option >= 1000)
			*options[option - 1000].value = number(optarg, argv[0], options);
		else if (option == 'r')
			cluster->ranks = (int)number(optarg, argv[0], options);
		else if (option == 'h') {
			if (sscanf(optarg, "%d-%d", &cluster->first, &cluster->last) != 2)
				usage(argv[0], options);
		} else if (option == 'l')
			cluster->mode = CLUSTER_LOCAL;
		else if (option == 'p')
			cluster->mode = CLUSTER_PLAIN;
		else if (option == 's')
			cluster->seconds = (unsigned int)number(optarg, argv[0], options);
		else if (option == 'S')
			cluster->seed = number(optarg, argv[0], options);
		else
			usage(argv[0], options);
	}
	if (cluster->first < 0) {
		cluster->first = 0;
		cluster->last = cluster->ranks - 1;
	}
	if (optind != argc || cluster->ranks < 1 || cluster->ranks > CLUSTER_RANKS ||
	    cluster->first > cluster->last || cluster->last >= cluster->ranks)
		usage(argv[0], options);
	if (cluster->mode == CLUSTER_REMOTE && !xpmem_make_remote)
		cluster_skip("the library knows no remote segments");
	if (cluster->mode != CLUSTER_PLAIN && xpmem_version() < 0)
		cluster_skip("the module is not loaded");
	make_exchange(cluster);
	printf("seed %llu\n", (unsigned long long)cluster->seed);
}

static void remove_exchange(const struct cluster *cluster)
{
	char command[300];

	if (getenv("XPMEM_EXCHANGE"))
		return;
	snprintf(command, sizeof(command), "rm -rf '%s'", cluster->exchange);
	if (system(command))
		fprintf(stderr, "cannot remove %s\n", cluster->exchange);
}

static int rank_of(const struct cluster *cluster, const pid_t *pids, pid_t pid)
{
	int rank = cluster->first;

	while (rank < cluster->last && pids[rank] != pid)
		rank++;
	return rank;
}

int cluster_run(struct cluster *cluster, void (*body)(struct cluster *cluster))
{
	pid_t parent = getpid(), pids[CLUSTER_RANKS], pid;
	int status, rank, result = 0;

	fflush(NULL);
	for (rank = cluster->first; rank <= cluster->last; rank++) {
		pid = fork();
		check(pid >= 0);
		pids[rank] = pid;
		if (pid && cluster->on_started)
			cluster->on_started(cluster, rank, pid);
		if (pid)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		this_rank = cluster->rank = rank;
		alarm(cluster->seconds);
		body(cluster);
		fflush(NULL);
		_exit(0);
	}
	for (int left = cluster->last - cluster->first + 1; left; left--) {
		pid = wait(&status);
		check(pid > 0);
		if (WIFEXITED(status) && !WEXITSTATUS(status))
			continue;
		if (WIFEXITED(status) && WEXITSTATUS(status) == CLUSTER_SKIP && !result) {
			result = CLUSTER_SKIP;
			continue;
		}
		rank = rank_of(cluster, pids, pid);
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && cluster->on_killed) {
			cluster->on_killed(cluster, rank);
			continue;
		}
		if (WIFSIGNALED(status))
			fprintf(stderr, "rank %d was ended by signal %d (%s)\n", rank,
				WTERMSIG(status), strsignal(WTERMSIG(status)));
		result = 1;
		/* the others may wait for it */
		for (rank = cluster->first; rank <= cluster->last; rank++)
			if (pids[rank] != pid)
				kill(pids[rank], SIGTERM);
	}
	remove_exchange(cluster);
	return result;
}

/* --------------------------------------------------------------------- files */

void cluster_publish(const struct cluster *cluster, const char *name, const void *data,
		     size_t size)
{
	char path[300], temporary[320];
	const char *at = data;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", cluster->exchange, name);
	snprintf(temporary, sizeof(temporary), "%s.%d", path, cluster->rank);
	if (!access(path, F_OK))
		fail("%s is there from an earlier run: the exchange directory must be empty", path);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		fail("cannot make %s", temporary);
	while (size) {
		ssize_t n = write(fd, at, size);

		check(n > 0);
		at += n;
		size -= (size_t)n;
	}
	check(!close(fd));
	check(!rename(temporary, path));
}

void *cluster_await(const struct cluster *cluster, const char *name, size_t *size_ret)
{
	char path[300];
	struct stat stat;
	size_t done = 0;
	char *data;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", cluster->exchange, name);
	while ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0) {
		if (errno != ENOENT)
			fail("cannot open %s", path);
		usleep(2000);
	}
	check(!fstat(fd, &stat));
	data = calloc(1, (size_t)stat.st_size + 1);
	check(data);
	while (done < (size_t)stat.st_size) {
		ssize_t n = read(fd, data + done, (size_t)stat.st_size - done);

		check(n > 0);
		done += (size_t)n;
	}
	close(fd);
	if (size_ret)
		*size_ret = done;
	return data;
}

void cluster_meet(const struct cluster *cluster, const char *name)
{
	char file[100];

	snprintf(file, sizeof(file), "meet.%s.%d", name, cluster->rank);
	cluster_publish(cluster, file, "", 0);
	for (int rank = 0; rank < cluster->ranks; rank++) {
		snprintf(file, sizeof(file), "meet.%s.%d", name, rank);
		free(cluster_await(cluster, file, NULL));
	}
}

/* -------------------------------------------------------------------- memory */

static void *map_file(const struct cluster *cluster, const char *what, int rank, size_t size,
		      void *hint, int flags)
{
	char path[300];
	void *addr;
	int fd;

	snprintf(path, sizeof(path), "%s/memory.%s.%d", cluster->exchange, what, rank);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	check(fd >= 0);
	check(!ftruncate(fd, (off_t)size));
	addr = mmap(hint, size, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);
	check(addr != MAP_FAILED);
	close(fd);
	return addr;
}

xpmem_segid_t cluster_share(const struct cluster *cluster, const char *what, void *addr,
			    size_t size)
{
	xpmem_segid_t segid = 1;
	char name[64], text[32];
	int error;

	if (cluster->mode == CLUSTER_PLAIN) {
		map_file(cluster, what, cluster->rank, size, addr, MAP_FIXED);
	} else if (cluster->mode == CLUSTER_LOCAL) {
		segid = xpmem_make(addr, size, XPMEM_PERMIT_MODE, (void *)0600);
		check(segid > 0);
	} else {
		error = xpmem_make_remote(addr, size, XPMEM_PERMIT_MODE, (void *)0600,
					  XPMEM_REMOTE_WRITE, &segid);
		if (error)
			fail("xpmem_make_remote gave %d", error);
	}
	snprintf(name, sizeof(name), "segid.%s.%d", what, cluster->rank);
	snprintf(text, sizeof(text), "%lld\n", (long long)segid);
	cluster_publish(cluster, name, text, strlen(text));
	return segid;
}

void *cluster_try_attach(const struct cluster *cluster, const char *what, int rank, size_t size,
			 int *error_ret)
{
	struct xpmem_addr where = { .offset = 0 };
	char name[64], *text;
	xpmem_segid_t segid;
	void *addr;

	snprintf(name, sizeof(name), "segid.%s.%d", what, rank);
	text = cluster_await(cluster, name, NULL);
	segid = strtoll(text, NULL, 10);
	free(text);
	if (cluster->mode == CLUSTER_PLAIN)
		return map_file(cluster, what, rank, size, NULL, 0);
	where.apid = xpmem_get(segid, XPMEM_RDWR, XPMEM_PERMIT_MODE, NULL);
	if (where.apid < 0) {
		*error_ret = errno;
		return NULL;
	}
	addr = xpmem_attach(where, size, NULL);
	if (addr == (void *)-1) {
		*error_ret = errno;
		return NULL;
	}
	return addr;
}

void *cluster_attach(const struct cluster *cluster, const char *what, int rank, size_t size)
{
	int error = 0;
	void *addr = cluster_try_attach(cluster, what, rank, size, &error);

	if (!addr) {
		errno = error;
		fail("rank %d's memory can't be attached", rank);
	}
	return addr;
}

/* -------------------------------------------------------------------- others */

uint64_t cluster_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t cluster_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}
