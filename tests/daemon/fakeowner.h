/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An owner in the test's process: real memory with a real userfaultfd, and a helper
 * thread that does what libxpmem's does, but for the questions it is not asked here.
 */
#ifndef FAKEOWNER_H
#define FAKEOWNER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fakeowner {
	int64_t segid;
	char *memory;
	uint64_t pages;
	int uffd, socket;
	pthread_t helper;
	_Atomic(unsigned int) traps, give_ups, losts, forks_answered;
	atomic_bool deaf;	/* reads questions and does nothing */
	atomic_bool dumb;	/* does as it is told and does not say so */
};

/* False: this kernel or user has no userfaultfd. */
bool fakeowner_can(void);
/* Maps and, without being registered yet, leaves alone @pages pages */
void fakeowner_map(struct fakeowner *owner, int64_t segid, uint64_t pages);
/* The error of WELCOME */
int fakeowner_connect(struct fakeowner *owner, const char *path);
void fakeowner_disconnect(struct fakeowner *owner);
void fakeowner_fork(struct fakeowner *owner);
void fakeowner_forked(struct fakeowner *owner);

uint64_t *fakeowner_word(const struct fakeowner *owner, uint64_t page);

#endif /* FAKEOWNER_H */
