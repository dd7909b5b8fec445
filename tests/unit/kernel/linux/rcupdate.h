/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RCU of one thread: outside of a read section every grace period is over. */
#ifndef KERNEL_SHIM_RCUPDATE_H
#define KERNEL_SHIM_RCUPDATE_H

#include <assert.h>

#include "types.h"

struct rcu_head {
	void *unused;
};

extern int shim_rcu_readers;

static inline void rcu_read_lock(void)
{
	shim_rcu_readers++;
}

static inline void rcu_read_unlock(void)
{
	assert(shim_rcu_readers);
	shim_rcu_readers--;
}

static inline void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	assert(!shim_rcu_readers);
	func(head);
}

static inline void rcu_barrier(void)
{
}

#endif /* KERNEL_SHIM_RCUPDATE_H */
