/* SPDX-License-Identifier: GPL-2.0-only */
/* A permit: one process's right to a segment. */
#ifndef XPM_PERMIT_H
#define XPM_PERMIT_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/spinlock.h>

#include "id.h"
#include "xpmem_ioctl.h"

struct xpm_process;
struct xpm_segment;
struct xpm_user;

struct xpm_permit {
	struct xpm_id id;
	struct kref ref;
	struct list_head link;		/* in process->permits, under its lock */
	struct xpm_process *process;	/* good until killed; longer if leftover */
	struct xpm_segment *segment;	/* held */
	struct xpm_user *user;		/* charged */
	bool writable;
	bool leftover;			/* dead, and counted by the process */

	spinlock_t lock;		/* all below */
	bool dead;			/* also read under segment->rmap.lock */
	struct file *file;		/* what attachments map; made by the first */
	struct list_head attachments;	/* xpm_attachment.link */
	unsigned int nr_attachments;	/* in the list */
	struct rcu_head rcu;
};

int xpm_permit_init(void);
void xpm_permit_exit(void);

/* Requests; see xpmem_ioctl.h */
long xpm_permit_get(struct xpm_process *process, struct xpmem_ioc_get *req);
long xpm_permit_release(struct xpm_process *process, s64 id);

/*
 * The process's permit with this id, with a reference; ENOENT when there is
 * none, EACCES when it is another process's.
 */
struct xpm_permit *xpm_permit_find(struct xpm_process *process, s64 id);
void xpm_permit_put(struct xpm_permit *permit);

static inline void xpm_permit_hold(struct xpm_permit *permit)
{
	kref_get(&permit->ref);
}

/* The file that attachments of the permit map, with a reference. */
struct file *xpm_permit_file(struct xpm_permit *permit);

/*
 * Makes the permit dead: its id is unknown and its attachments are unmapped
 * where current is their process, else every access to them raises SIGBUS.
 * Drops the process's reference.  The caller took it off the process's list.
 */
void xpm_permit_kill(struct xpm_permit *permit);

#endif /* XPM_PERMIT_H */
