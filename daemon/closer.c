// SPDX-License-Identifier: GPL-2.0-or-later
#include "closer.h"

#include "daemon.h"
#include "thread.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS_PER_USER	4u

struct closing {
	struct closing *next;
	int fd;
	uid_t uid;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct closing *running;		/* each with a thread: few */
static struct closing *waiting, **waiting_tail = &waiting;
static unsigned int pending;		/* of both */

static bool may_run(uid_t uid)
{
	unsigned int n = 0;

	for (const struct closing *c = running; c; c = c->next)
		n += c->uid == uid;
	return n < THREADS_PER_USER;
}

static void add_running(struct closing *closing)
{
	closing->next = running;
	running = closing;
}

static void remove_running(const struct closing *closing)
{
	struct closing **at = &running;

	while (*at != closing)
		at = &(*at)->next;
	*at = closing->next;
}

static void add_waiting(struct closing *closing)
{
	closing->next = NULL;
	*waiting_tail = closing;
	waiting_tail = &closing->next;
}

/* The oldest whose user has not all threads that he may, or NULL */
static struct closing *take_waiting(void)
{
	struct closing **at = &waiting, *closing;

	while (*at && !may_run((*at)->uid))
		at = &(*at)->next;
	closing = *at;
	if (!closing)
		return NULL;
	*at = closing->next;
	if (!*at)
		waiting_tail = at;
	return closing;
}

static void *run(void *argument)
{
	struct closing *closing = argument;

	pthread_mutex_lock(&lock);
	while (closing) {
		pthread_mutex_unlock(&lock);
		close(closing->fd);
		pthread_mutex_lock(&lock);
		remove_running(closing);
		free(closing);
		pending--;
		closing = take_waiting();
		if (closing)
			add_running(closing);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

void xpmd_closer_close(int fd, uid_t uid)
{
	struct closing *closing = calloc(1, sizeof(*closing));

	if (!closing)
		xpmd_out_of_memory();
	closing->fd = fd;
	closing->uid = uid;
	pthread_mutex_lock(&lock);
	pending++;
	/* For which there can be no thread now, the next that ends is there. */
	if (may_run(uid) && xpmd_thread_start(run, closing) == 0)
		add_running(closing);
	else
		add_waiting(closing);
	pthread_mutex_unlock(&lock);
}

unsigned int xpmd_closer_pending(void)
{
	unsigned int n;

	pthread_mutex_lock(&lock);
	n = pending;
	pthread_mutex_unlock(&lock);
	return n;
}
