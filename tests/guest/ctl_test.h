/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests that play xpmemd: the requests of /dev/xpmem-ctl, and a home of another
 * partition that answers what is asked of it.
 */
#ifndef CTL_TEST_H
#define CTL_TEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "guest_test.h"
#include "xpmem_ctl.h"
#include "xpmem_ioctl.h"

/* Numbers of this partition and of the other one */
#define HERE		7
#define THERE		9
#define LEASE_MS	5000
#define SKEW_MS		100
#define FAULT_MS	20000

#define SECOND		1000000000ULL

/* The descriptor of the test's daemon, which is the process that called ctl_begin() */
extern int ctl;

/* Opens the device and says HELLO, with what stands above; ends with the process */
void ctl_begin(void);
void ctl_begin_with(uint32_t lease_ms, uint32_t fault_ms);
int ctl_open(void);
int ctl_hello(int fd, uint32_t number, struct xpmem_ctl_hello *hello);
void ctl_end(void);
/* In a process that was spawned: the descriptor is the daemon's alone. */
void ctl_not_ours(void);

/* An id of a segment of THERE; each call another one */
xpmem_segid_t ctl_foreign(void);

/* The next record but UNMAP, each in so many milliseconds; false: none */
bool ctl_next(struct xpmem_ctl_record *record, int milliseconds);
/* It must come, and be of this type */
struct xpmem_ctl_record ctl_expect(uint32_t type);
void ctl_expect_none(int milliseconds);

/* 0 or a negative errno */
int ctl_complete(uint64_t id, int error, uint64_t value);
int ctl_lease(uint32_t partition, uint64_t until);
int ctl_forget(xpmem_segid_t segid, uint32_t flags);
int ctl_mark(xpmem_segid_t segid, uint64_t first, uint64_t count, uint32_t flags);
/* How many pages were copied; *error the result */
uint64_t ctl_copy(xpmem_segid_t segid, uint64_t first, uint64_t count, void *buffer,
		  uint32_t flags, int *error);
/* Pages installed, or a negative errno */
int64_t ctl_install(uint64_t id, xpmem_segid_t segid, uint64_t first, uint64_t count,
		    uint32_t state, const void *buffer);
struct ctl_taken {
	uint64_t exclusive[8];
	uint64_t present[8];
};
int ctl_take(xpmem_segid_t segid, uint64_t first, uint64_t count, uint32_t state, void *buffer,
	     struct ctl_taken *taken);
/* The module's clock; nanoseconds */
uint64_t ctl_now(void);

/* Makes the caller's segment shared, and its thread the helper: 0 or a negative errno */
int share_segment(xpmem_segid_t segid, uint32_t flags);
/*
 * The same by a thread of its own, which then gives up what it is told to: [addr,
 * addr + size), by MADV_DONTNEED
 */
void helper_begin(xpmem_segid_t segid, uint32_t flags);
void helper_give_up(void *addr, size_t size);

/*
 * A home that gives what is asked for: a thread of the daemon answers GET, ATTACH, FAULT,
 * DROP and RELEASE of one segment, and RECALL and GONE of all.
 */
struct ctl_home {
	xpmem_segid_t segid;
	uint64_t pages;
	char *data;		/* what home has of them */
	_Atomic bool mute, muted;	/* does not answer */
	_Atomic bool shared_only;	/* never gives EXCLUSIVE: EFAULT */
	_Atomic int faults, upgrades, drops, releases, recalls, gone;
	_Atomic bool stop;
	/* Under its lock, which who takes pages holds, too */
	struct ctl_home_private *private;
};

void ctl_home_begin(struct ctl_home *home, uint64_t pages);
/* The same of a segment that there is already */
void ctl_home_begin_as(struct ctl_home *home, uint64_t pages, xpmem_segid_t segid);
/* Does not answer from now on, nor is just about to */
void ctl_home_mute(struct ctl_home *home);
void ctl_home_end(struct ctl_home *home);
/* Takes pages to a state, and writes what was EXCLUSIVE into data */
int ctl_home_take(struct ctl_home *home, uint64_t first, uint64_t count, uint32_t state);

#endif /* CTL_TEST_H */
