// SPDX-License-Identifier: GPL-2.0-only
/* The window of a fault; see window.h. */
#include "window.h"

#include <linux/minmax.h>
#include <linux/mm.h>

unsigned int xpm_reaches_for(unsigned long pages)
{
	return clamp(pages / XPM_REACH_PAGES, 1UL, (unsigned long)XPM_REACHES);
}

void xpm_reaches_init(struct xpm_reaches *reaches, unsigned int nr, unsigned long first)
{
	unsigned int i;

	reaches->faults = 0;
	reaches->nr = nr;
	for (i = 0; i < nr; i++)
		reaches->reach[i] = (struct xpm_reach){
			/* None goes on beyond the last page there can be. */
			.first = i ? ULONG_MAX : first,
			.next = i ? ULONG_MAX : first,
			.pages = XPM_WINDOW_FIRST / 2,
		};
}

struct xpm_reach *xpm_reach_of(struct xpm_reaches *reaches, unsigned long target)
{
	struct xpm_reach *reach, *found = reaches->reach;
	u32 now = READ_ONCE(reaches->faults) + 1;

	for (reach = reaches->reach; reach < reaches->reach + reaches->nr; reach++) {
		unsigned long first = READ_ONCE(reach->first);

		if (target - first + 1 <= READ_ONCE(reach->next) - first + 1) {
			found = reach;
			break;
		}
		if (now - READ_ONCE(reach->used) > now - READ_ONCE(found->used))
			found = reach;
	}
	WRITE_ONCE(reaches->faults, now);
	WRITE_ONCE(found->used, now);
	return found;
}

/* The window [first, last] as far as @vma and the table of the target go */
static struct xpm_window clip(struct vm_area_struct *vma, unsigned long target,
			      unsigned long first, unsigned long last, bool write)
{
	unsigned long address = vma->vm_start + ((target - vma->vm_pgoff) << PAGE_SHIFT);
	unsigned long low = max(address & PMD_MASK, vma->vm_start);
	unsigned long high = min((address | ~PMD_MASK), vma->vm_end - 1);

	return (struct xpm_window){
		.address = address,
		.first = max(first, target - ((address - low) >> PAGE_SHIFT)),
		.last = min(last, target + ((high - address) >> PAGE_SHIFT)),
		.target = target,
		.write = write,
	};
}

struct xpm_window xpm_window_of_fault(struct vm_area_struct *vma, struct xpm_reach *reach,
				      unsigned long target, bool write)
{
	unsigned int pages = READ_ONCE(reach->pages);
	unsigned long first;
	struct xpm_window w;

	if (target == READ_ONCE(reach->next)) {
		pages = min(2 * pages, (unsigned int)XPM_WINDOW_MAX);
		w = clip(vma, target, target, target + pages - 1, write);
		w.ahead = true;
	} else if (target + 1 == READ_ONCE(reach->first)) {
		pages = min(2 * pages, (unsigned int)XPM_WINDOW_MAX);
		first = target - min(target, pages - 1UL);
		w = clip(vma, target, first, target, write);
	} else {
		WRITE_ONCE(reach->ahead, 0);
		pages = max(pages / 2, (unsigned int)XPM_WINDOW_MIN);
		first = target - min(target, pages / 2UL);
		w = clip(vma, target, first, first + pages - 1, write);
	}
	WRITE_ONCE(reach->pages, pages);
	WRITE_ONCE(reach->first, w.first);
	WRITE_ONCE(reach->next, w.last + 1);
	return w;
}

void xpm_reach_extend(struct xpm_reach *reach, unsigned long next)
{
	WRITE_ONCE(reach->next, next);
}

unsigned int xpm_reach_ahead(struct xpm_reach *reach, const struct xpm_window *w)
{
	unsigned int ahead = READ_ONCE(reach->ahead);

	xpm_reach_extend(reach, w->target + w->mapped);
	WRITE_ONCE(reach->pages, XPM_WINDOW_MAX);
	WRITE_ONCE(reach->ahead, ahead ? min(2 * ahead, (unsigned int)XPM_WINDOW_AHEAD) : 4);
	return ahead;
}

struct xpm_window xpm_window_from(struct vm_area_struct *vma, unsigned long target,
				  unsigned long end, bool write)
{
	struct xpm_window w = clip(vma, target, target, min(end - 1, target + XPM_WINDOW_MAX - 1),
				   write);

	w.ahead = true;
	return w;
}

struct xpm_window xpm_window_within(struct vm_area_struct *vma, const struct xpm_window *w)
{
	struct xpm_window within = clip(vma, w->target, w->first, w->last, w->write);

	within.giant = w->giant;
	within.ahead = w->ahead;
	return within;
}

void xpm_window_shrink(struct xpm_window *w)
{
	unsigned long first = w->target & ~(XPM_WINDOW_MIN - 1UL);

	w->first = max(w->first, first);
	w->last = min(w->last, first + XPM_WINDOW_MIN - 1);
}
