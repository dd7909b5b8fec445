/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The window of a fault: the pages that are handled together, and the one of them
 * that must be.
 *
 * All of a window is in one table of the attacher.  A fault where the last one
 * of its attachment ended gets a window of twice that size from there on, and one
 * just before where that began (memcpy() may go backwards) one of twice that size
 * up to there; any other gets half the size, around it.  A huge entry counts as a window of the
 * largest size, and is followed by 2, 4, 8 and then 16 others while faults go on
 * in sequence.
 */
#ifndef XPM_WINDOW_H
#define XPM_WINDOW_H

#include <linux/mm_types.h>

/* Pages; the largest is a table, the smallest what the VM itself maps around a fault */
#define XPM_WINDOW_MAX		512
#define XPM_WINDOW_MIN		16
#define XPM_WINDOW_FIRST	64

/* Huge entries that one fault makes beyond its own, at most */
#define XPM_WINDOW_AHEAD	16

struct xpm_attachment;

struct xpm_window {
	unsigned long address;	/* where the attacher maps the target */
	unsigned long first;
	unsigned long last;
	unsigned long target;
	bool write;
	bool ahead;		/* who goes on in sequence, or says so, wants what is behind it */
	/* Out of insert */
	unsigned long mapped;	/* pages, from the target on */
	bool huge;		/* by a huge entry */
};

/* What an attachment remembers of its last fault; threads may overwrite each other's */
struct xpm_reach {
	unsigned long first;	/* of its window */
	unsigned long next;	/* page that would continue it */
	unsigned int pages;
	unsigned int ahead;
};

void xpm_reach_init(struct xpm_reach *reach, unsigned long first);

/* For a fault of page @target of the segment, which @vma shows */
struct xpm_window xpm_window_of_fault(struct vm_area_struct *vma, struct xpm_reach *reach,
				      unsigned long target, bool write);

/* The fault made a huge entry; returns how many more are worth making */
unsigned int xpm_reach_ahead(struct xpm_reach *reach, const struct xpm_window *w);
/* One of those was made */
void xpm_reach_extend(struct xpm_reach *reach, const struct xpm_window *w);

/* From @target on, but not the page of @end or further */
struct xpm_window xpm_window_from(struct vm_area_struct *vma, unsigned long target,
				  unsigned long end, bool write);

/* The same pages as far as @vma shows them, which shows the target */
struct xpm_window xpm_window_within(struct vm_area_struct *vma, const struct xpm_window *w);

/* No more than what a fault gets where nothing is known of the next */
void xpm_window_shrink(struct xpm_window *w);

static inline unsigned long xpm_window_address(const struct xpm_window *w, unsigned long index)
{
	return w->address + ((index - w->target) << PAGE_SHIFT);
}

#endif /* XPM_WINDOW_H */
