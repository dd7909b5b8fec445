/* SPDX-License-Identifier: GPL-2.0-only */
/* Telling reclaim which pages attachments use: see aging.c */
#ifndef XPM_AGING_H
#define XPM_AGING_H

#include <linux/interval_tree.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct xpm_segment;

/* A process's segments by address.  The lock is taken with page table locks held. */
struct xpm_aging {
	spinlock_t lock;
	struct rb_root_cached segments;
};

int xpm_aging_init(void);
void xpm_aging_exit(void);

void xpm_aging_setup(struct xpm_aging *aging);

/* The second waits for nobody: a call that has found the segment holds it. */
void xpm_aging_insert(struct xpm_aging *aging, struct xpm_segment *segment);
void xpm_aging_remove(struct xpm_aging *aging, struct xpm_segment *segment);

/*
 * Whether some attachment used a page of the owner's [start, end) since the last
 * xpm_aging_clear() of it, by at least one attachment of at least one segment.
 * Any spinlock may be held.
 */
bool xpm_aging_is_young(struct xpm_aging *aging, unsigned long start, unsigned long end);
/* The same, and begins anew */
bool xpm_aging_clear(struct xpm_aging *aging, unsigned long start, unsigned long end);

#endif /* XPM_AGING_H */
