/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the robustness tests share, beside guest_test.h: arguments, random
 * numbers, the module's own counts, accesses that may raise a signal in any
 * thread, and requests without the library in between.
 */
#ifndef ROBUST_H
#define ROBUST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "guest_test.h"
#include "xpmem_ioctl.h"

struct robust_options {
	unsigned int minutes;
	uint64_t seed;
};

/* --minutes N, --seed N (0: from the clock); others end the program */
struct robust_options robust_options(int argc, char **argv, unsigned int minutes);

double now(void);

/* ------------------------------------------------------------- randomness */

/* Each thread has a state of its own, so what it does is up to its seed alone. */
uint64_t random_bits(uint64_t *state);
/* 0 .. n - 1 */
unsigned int pick(uint64_t *state, unsigned int n);
/* True once in n times */
bool once_in(uint64_t *state, unsigned int n);
/* A seed for a part of a run */
uint64_t seed_of(uint64_t seed, unsigned int a, unsigned int b, unsigned int c);

/* ----------------------------------------------------- the module's counts */

#define COUNTERS 6
#define COUNTER_LEAVES 5

/* What exists now: segments permits attachments processes users leaves */
struct counters {
	bool known;	/* the module shows them */
	long value[COUNTERS];
};

struct counters counters_now(void);
/*
 * Waits until the module has as much as @then, up to a limit: what is torn down
 * by a workqueue or after a grace period has no event to wait for.  What is
 * different then is printed.
 */
bool counters_settle(const struct counters *then);
/* The same but for leaves, of which a failed fault may leave an empty one */
bool counters_settle_objects(const struct counters *then);

/* ---------------------------------------------------------------- accesses */

/* For all threads of the process: they may then use those below. */
void access_begin(void);
/* 0, or the signal that it raised */
int access_read(const volatile uint64_t *addr, uint64_t *value);
int access_write(volatile uint64_t *addr, uint64_t value);
int access_copy(void *to, const void *from, size_t size);

/* ---------------------------------------------------------------- requests */

/* The descriptor or -errno */
int device_open_raw(void);
/* 0 or -errno each */
int raw_make(int fd, const void *addr, size_t size, unsigned int mode, int64_t *segid);
int raw_remove(int fd, int64_t segid);
int raw_get(int fd, int64_t segid, bool write, int64_t *apid);
int raw_release(int fd, int64_t apid);
/* *addr: hint and result */
int raw_attach(int fd, int64_t apid, uint64_t offset, size_t size, void **addr);
int raw_detach(int fd, const void *addr);
int raw_prefault(int fd, const void *addr, size_t size, bool write, size_t *done);

#endif /* ROBUST_H */
