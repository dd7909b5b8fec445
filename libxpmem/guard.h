/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a thread is protected from while it holds a lock of the library.
 *
 *  - signals are blocked: a handler may call the library, or fork, and would
 *    wait for the thread that it interrupted;
 *  - cancellation is disabled: open, close and the like are cancellation points.
 */
#ifndef XPMEM_GUARD_H
#define XPMEM_GUARD_H

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

struct guard {
	sigset_t signals;
	int cancel;
};

static inline void guard_lock(pthread_mutex_t *lock, struct guard *guard)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &guard->signals);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &guard->cancel);
	pthread_mutex_lock(lock);
}

static inline void guard_unlock(pthread_mutex_t *lock,
				const struct guard *guard)
{
	int ignored;

	pthread_mutex_unlock(lock);
	pthread_setcancelstate(guard->cancel, &ignored);
	pthread_sigmask(SIG_SETMASK, &guard->signals, NULL);
}

#endif /* XPMEM_GUARD_H */
