/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the programs of this directory are made of.
 *
 * A program is started once on each partition, with the same arguments but for which
 * of the ranks are there:
 *
 *	litmus --ranks 4 --here 0-1        on one partition
 *	litmus --ranks 4 --here 2-3        on another
 *
 * and forks a process a rank.  Ranks find each other through files in the directory
 * that $XPMEM_EXCHANGE names, which all partitions see and which is empty at first; a
 * file is written under another name and renamed, so who sees it sees all of it.
 * Nothing else is assumed of the partitions, not even that their clocks agree.
 *
 * --local makes ordinary segments, for ranks that are all on one partition; --plain
 * uses files of the exchange directory that all map, and needs no module.
 *
 * A program exits 0 when what it asks is so, 1 when it is not (it said why on
 * stderr), 77 when it can't be asked here.  No rank waits for ever: after --seconds
 * an alarm ends it, which is a failure.
 */
#ifndef CLUSTER_H
#define CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "xpmem.h"
#include "xpmem_ext.h"

#define CLUSTER_RANKS	64
#define CLUSTER_SKIP	77
#define PAGE		4096UL

enum cluster_mode {
	CLUSTER_REMOTE,
	CLUSTER_LOCAL,
	CLUSTER_PLAIN,
};

struct cluster {
	enum cluster_mode mode;
	int ranks;		/* of all partitions */
	int first, last;	/* those that are here */
	int rank;		/* this process's; -1 before cluster_run() */
	unsigned int seconds;
	uint64_t seed;
	char exchange[200];
	/* May be NULL.  With the latter a rank that SIGKILL ended is no failure. */
	void (*on_started)(const struct cluster *cluster, int rank, pid_t pid);
	void (*on_killed)(const struct cluster *cluster, int rank);
};

/* An option of the program's own, with a number: its name without --, and where it goes */
struct cluster_option {
	const char *name;
	uint64_t *value;
	const char *help;
};

_Noreturn void cluster_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
#define fail(...) cluster_fail(__FILE__, __LINE__, __VA_ARGS__)
#define check(condition) \
	do { \
		if (!(condition)) \
			fail("not so: %s", #condition); \
	} while (0)
_Noreturn void cluster_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Reads the arguments; what is wrong with them ends the program with status 2. */
void cluster_begin(struct cluster *cluster, int argc, char **argv,
		   const struct cluster_option *options);
/* Forks the ranks that are here, and returns the program's exit status. */
int cluster_run(struct cluster *cluster, void (*body)(struct cluster *cluster));

/*
 * Files: a name is published once, by one rank, and found by as many as want it.
 * cluster_await() returns what is in it, which the caller frees, with a 0 behind it.
 */
void cluster_publish(const struct cluster *cluster, const char *name, const void *data,
		     size_t size);
void *cluster_await(const struct cluster *cluster, const char *name, size_t *size_ret);
/* Returns when all ranks have called it with this name. */
void cluster_meet(const struct cluster *cluster, const char *name);

/*
 * Shares the range with all ranks, who find it by a name; in CLUSTER_PLAIN what is shared
 * replaces it.  Returns the segment.
 */
xpmem_segid_t cluster_share(const struct cluster *cluster, const char *what, void *addr,
			    size_t size);
/* What another rank has shared */
void *cluster_attach(const struct cluster *cluster, const char *what, int rank, size_t size);
/* The same; NULL and the errno of xpmem_get or xpmem_attach when it fails */
void *cluster_try_attach(const struct cluster *cluster, const char *what, int rank, size_t size,
			 int *error_ret);

/* CLOCK_MONOTONIC, in nanoseconds */
uint64_t cluster_now(void);
/* A small generator, good enough to choose by */
uint64_t cluster_random(uint64_t *state);

#endif /* CLUSTER_H */
