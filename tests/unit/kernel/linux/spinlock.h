/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A lock that knows whether it is held, so that the rules can be asserted. */
#ifndef KERNEL_SHIM_SPINLOCK_H
#define KERNEL_SHIM_SPINLOCK_H

#include <assert.h>
#include <stdbool.h>

typedef struct {
	bool held;
} spinlock_t;

static inline void spin_lock_init(spinlock_t *lock)
{
	lock->held = false;
}

static inline void spin_lock(spinlock_t *lock)
{
	assert(!lock->held);
	lock->held = true;
}

static inline void spin_unlock(spinlock_t *lock)
{
	assert(lock->held);
	lock->held = false;
}

#define lockdep_assert_held(lock) assert((lock)->held)

#endif /* KERNEL_SHIM_SPINLOCK_H */
