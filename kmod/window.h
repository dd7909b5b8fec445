/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The window of a fault: the pages that are handled together, and the one of them
 * that must be.
 *
 * All of a window is in one table of the attacher.  An attachment remembers several
 * sequences of faults, as threads go through different parts of it.  A fault where
 * one of them ended gets a window of twice the size of its last, from there on, and
 * one just before where that began (memcpy() may go backwards) one of twice that
 * size up to there; any other takes the sequence that was not gone on with for
 * longest, and gets half the size of that one's last, with it in the middle.  A huge entry
 * counts as a window of the largest size, and is followed by 4, 8 and then 16 others
 * while faults go on in sequence.
 */
#ifndef XPM_WINDOW_H
#define XPM_WINDOW_H

#include <linux/mm_types.h>

/*
 * Pages; the largest is a table.  In the smallest is all of a message of 64 KiB, whichever
 * end of it is read first, and wherever it lies.
 */
#define XPM_WINDOW_MAX		512
#define XPM_WINDOW_MIN		32
#define XPM_WINDOW_FIRST	64

/* Huge entries that one fault makes beyond its own, at most */
#define XPM_WINDOW_AHEAD	16

/* Sequences that an attachment remembers at most: one for so many of its pages */
#define XPM_REACHES		8
#define XPM_REACH_PAGES		64

struct xpm_window {
	unsigned long address;	/* where the attacher maps the target */
	unsigned long first;
	unsigned long last;
	unsigned long target;
	bool write;
	bool giant;		/* an entry of 1 GiB is wanted, and nothing else */
	bool ahead;		/* who goes on in sequence, or says so, wants what is behind it */
	/* Out of insert */
	unsigned long mapped;	/* pages, from the target on */
	bool huge;		/* by a huge entry */
};

/* What is remembered of a sequence: of its last fault */
struct xpm_reach {
	unsigned long first;	/* of its window */
	unsigned long next;	/* page that would continue it */
	u16 pages;
	u16 ahead;
	u32 used;		/* when that was, counted in faults of the attachment */
};

/* All of an attachment, at its end; threads may overwrite each other's */
struct xpm_reaches {
	u32 faults;
	unsigned int nr;
	struct xpm_reach reach[];
};

/* How many an attachment of @pages has */
unsigned int xpm_reaches_for(unsigned long pages);

/* @first: page of the segment that the attachment begins with */
void xpm_reaches_init(struct xpm_reaches *reaches, unsigned int nr, unsigned long first);

/* The one that page @target is in or next to, else the one to be replaced */
struct xpm_reach *xpm_reach_of(struct xpm_reaches *reaches, unsigned long target);

/* For a fault of page @target of the segment, which @vma shows */
struct xpm_window xpm_window_of_fault(struct vm_area_struct *vma, struct xpm_reach *reach,
				      unsigned long target, bool write);

/* The fault made a huge entry; returns how many more are worth making */
unsigned int xpm_reach_ahead(struct xpm_reach *reach, const struct xpm_window *w);
/* What was mapped ends before page @next. */
void xpm_reach_extend(struct xpm_reach *reach, unsigned long next);

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
