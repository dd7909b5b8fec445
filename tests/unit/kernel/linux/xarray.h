/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An XArray as a sorted list of what is in it. */
#ifndef KERNEL_SHIM_XARRAY_H
#define KERNEL_SHIM_XARRAY_H

#include <limits.h>

#include "slab.h"
#include "types.h"

struct shim_slot {
	unsigned long index;
	void *entry;
	bool mark;
};

struct xarray {
	struct shim_slot *slots;
	size_t count;
};

#define XA_FLAGS_ACCOUNT 0U

/* There is one mark. */
typedef enum { XA_MARK_0 } xa_mark_t;

void xa_init_flags(struct xarray *xa, unsigned int flags);
void xa_destroy(struct xarray *xa);
void *xa_load(struct xarray *xa, unsigned long index);
/* -EBUSY when the place is taken */
int xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp);
void *xa_erase(struct xarray *xa, unsigned long index);
/* The first entry at *index or after it and up to last, or NULL */
void *xa_find_from(struct xarray *xa, unsigned long *index, unsigned long last);

/* A mark of what is there; setting one where nothing is does nothing */
void xa_set_mark(struct xarray *xa, unsigned long index, xa_mark_t mark);
void xa_clear_mark(struct xarray *xa, unsigned long index, xa_mark_t mark);
/* The first marked entry at *index or after it, or after it alone */
void *xa_find(struct xarray *xa, unsigned long *index, unsigned long last, xa_mark_t mark);
void *xa_find_after(struct xarray *xa, unsigned long *index, unsigned long last, xa_mark_t mark);

/* The body may erase the entry it is at, as in the kernel. */
#define xa_for_each_range(xa, index, entry, first, last) \
	for ((index) = (first), (entry) = xa_find_from(xa, &(index), last); (entry); \
	     (entry) = (index)++ == ULONG_MAX ? NULL : xa_find_from(xa, &(index), last))
#define xa_for_each(xa, index, entry) xa_for_each_range(xa, index, entry, 0UL, ULONG_MAX)

#endif /* KERNEL_SHIM_XARRAY_H */
