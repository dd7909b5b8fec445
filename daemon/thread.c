// SPDX-License-Identifier: GPL-2.0-or-later
#include "thread.h"

#include <pthread.h>
#include <signal.h>

#define STACK_BYTES	(256u << 10)

int xpmd_thread_start(void *(*function)(void *), void *argument)
{
	sigset_t all, before;
	pthread_attr_t attributes;
	pthread_t thread;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	rc = pthread_create(&thread, &attributes, function, argument);
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -rc;
}
