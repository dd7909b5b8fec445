/* SPDX-License-Identifier: GPL-2.0-only */
/* A process that opened /dev/xpmem: the owner of segments and permits. */
#ifndef XPM_PROCESS_H
#define XPM_PROCESS_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

#include "aging.h"

struct seq_file;

struct xpm_process {
	struct mmu_notifier mn;		/* one an mm */
	struct mm_struct *mm;		/* mm_count held; names the process */
	struct kref ref;		/* the notifier's, a queued teardown's, segments' */
	struct work_struct teardown;
	struct xpm_aging aging;		/* the segments by address */
	atomic_t recalls;		/* notifier.c: invalidations that may wait for long */

	struct mutex unmap_lock;	/* attachment.c: one thread unmaps at a time */
	struct mutex lock;		/* all below */
	unsigned int files;		/* open device files */
	unsigned int nr_segments;	/* in the list */
	bool ready;			/* see process.c: no more mm_take_all_locks() */
	struct list_head segments;	/* xpm_segment.link */
	struct list_head permits;	/* xpm_permit.link */

	spinlock_t leftover_lock;	/* both below */
	unsigned int leftovers;		/* dead permits that still have mappings */
	bool kept;			/* the notifier, for their sake */
};

/*
 * Each segment of a process costs every invalidation of the process, reclaim's
 * too, a call; an MPI rank makes less than ten.
 */
#define XPM_MAX_SEGMENTS	1024

int xpm_process_init(void);
void xpm_process_exit(void);

/* For open and release of the device; current is the process that opens. */
struct xpm_process *xpm_process_open(void);
void xpm_process_close(struct xpm_process *process);

/* For segments, which may outlive all else of their process */
static inline void xpm_process_hold(struct xpm_process *process)
{
	kref_get(&process->ref);
}

void xpm_process_put(struct xpm_process *process);

/* A permit was killed and has mappings in use; and at last it has none. */
void xpm_process_leftover(struct xpm_process *process);
void xpm_process_leftover_gone(struct xpm_process *process);

/* What it has, for fdinfo of its descriptors */
void xpm_process_show(struct xpm_process *process, struct seq_file *seq);

static inline bool xpm_process_is_current(struct xpm_process *process)
{
	return current->mm == process->mm;
}

#endif /* XPM_PROCESS_H */
