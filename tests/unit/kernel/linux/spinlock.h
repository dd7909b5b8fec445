/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lock that knows whether and how it is held, so that the rules can be asserted,
 * and a count of all that are, inside which nothing may sleep.
 */
#ifndef KERNEL_SHIM_SPINLOCK_H
#define KERNEL_SHIM_SPINLOCK_H

#include <assert.h>
#include <stdbool.h>

typedef struct {
	int readers;
	bool writer;
} rwlock_t;

extern int shim_locks;

static inline void rwlock_init(rwlock_t *lock)
{
	lock->readers = 0;
	lock->writer = false;
}

static inline void read_lock(rwlock_t *lock)
{
	assert(!lock->writer);
	lock->readers++;
	shim_locks++;
}

static inline void read_unlock(rwlock_t *lock)
{
	assert(lock->readers && shim_locks);
	lock->readers--;
	shim_locks--;
}

static inline void write_lock(rwlock_t *lock)
{
	assert(!lock->writer && !lock->readers);
	lock->writer = true;
	shim_locks++;
}

static inline void write_unlock(rwlock_t *lock)
{
	assert(lock->writer && shim_locks);
	lock->writer = false;
	shim_locks--;
}

#define lockdep_assert_held(lock) assert((lock)->writer || (lock)->readers)
#define lockdep_assert_held_write(lock) assert((lock)->writer)

#endif /* KERNEL_SHIM_SPINLOCK_H */
