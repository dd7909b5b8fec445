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
	bool running;		/* a thread is at it */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct closing *head, **tail = &head;
static unsigned int pending;

static unsigned int threads_of(uid_t uid)
{
	unsigned int n = 0;

	for (const struct closing *c = head; c; c = c->next)
		n += c->running && c->uid == uid;
	return n;
}

/* The oldest whose user has not all threads that he may */
static struct closing *next_one(void)
{
	for (struct closing *c = head; c; c = c->next)
		if (!c->running && threads_of(c->uid) < THREADS_PER_USER)
			return c;
	return NULL;
}

static void forget(struct closing *closing)
{
	struct closing **at = &head;

	while (*at != closing)
		at = &(*at)->next;
	*at = closing->next;
	if (!*at)
		tail = at;
	pending--;
	free(closing);
}

static void *run(void *argument)
{
	struct closing *closing = argument;

	pthread_mutex_lock(&lock);
	while (closing) {
		pthread_mutex_unlock(&lock);
		close(closing->fd);
		pthread_mutex_lock(&lock);
		forget(closing);
		closing = next_one();
		if (closing)
			closing->running = true;
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
	*tail = closing;
	tail = &closing->next;
	pending++;
	/* Also those for which there could be no thread when they came */
	while ((closing = next_one())) {
		closing->running = true;
		if (xpmd_thread_start(run, closing) == 0)
			continue;
		closing->running = false;
		break;
	}
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
