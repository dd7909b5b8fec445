// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entries of 1 GiB, where the kernel knows them in mappings of frames.
 *
 * They are made where a GiB of the segment lies at congruent addresses in the owner
 * and in one mapping of the attacher, and is 512 VALID blocks of the rmap with their
 * frames in a row: memory that the owner has in such pages itself (hugetlbfs, device
 * DAX), which is read into the rmap at once, or other memory that happens to lie so.
 *
 * Such an entry stands where else a table would.  When ->fault is called the VM has
 * put a table there, and tables stay; so the entry is made before, by ->huge_fault.
 *
 * It can only be taken away whole.  To an invalidation xpm_rmap_widen() sees.  An
 * attacher that splits, moves or protects its mapping finds VM code that is not made
 * for that: mremap() takes the entry for a bad table, which it clears without a flush,
 * a split leaves it in both halves.  These tell us first (->open, ->mprotect), with
 * mmap_lock held for writing, and there the entries are taken out.  What is accessed
 * next is put back by a fault, as it is VALID.
 *
 * Nobody takes page references through it, for the same two reasons as with 2 MiB, see
 * insert.c.
 */
#include "giant.h"

#include <linux/mm.h>

#include "attachment.h"
#include "compat/compat.h"
#include "insert.h"
#include "owner.h"
#include "page_table.h"
#include "permit.h"
#include "refresh.h"
#include "segment.h"

static struct xpm_segment *segment_of(struct vm_area_struct *vma)
{
	return xpm_attachment_of(vma)->permit->segment;
}

static unsigned long address_of(struct vm_area_struct *vma, unsigned long index)
{
	return vma->vm_start + ((index - vma->vm_pgoff) << PAGE_SHIFT);
}

bool xpm_giant_fits(struct vm_area_struct *vma, unsigned long target)
{
	struct xpm_segment *segment = segment_of(vma);
	unsigned long first = xpm_rmap_giant_first(&segment->rmap, target);
	unsigned long addr;
	pud_t *pud;

	if (!xpm_giant_entries() || segment->remote ||
	    !xpm_rmap_in_giant(&segment->rmap, target) || first < vma->vm_pgoff ||
	    first + XPM_GIANT_PAGES > vma->vm_pgoff + vma_pages(vma))
		return false;
	addr = address_of(vma, first);
	if (addr & ~PUD_MASK)
		return false;
	pud = xpm_pud_of(vma->vm_mm, addr);
	return pud && (pud_none(READ_ONCE(*pud)) || xpm_pud_is_huge(READ_ONCE(*pud)));
}

struct xpm_window xpm_giant_window(struct vm_area_struct *vma, unsigned long target, bool write)
{
	struct xpm_window w = xpm_window_from(vma, target, target + 1, write);

	w.giant = true;
	return w;
}

/* With attachment->tables held for writing, and rmap.lock for reading */
static int try_insert(struct vm_area_struct *vma, struct xpm_window *w, unsigned int *entries)
{
	struct xpm_attachment *attachment = xpm_attachment_of(vma);
	struct xpm_permit *permit = attachment->permit;
	struct xpm_rmap *rmap = &permit->segment->rmap;
	unsigned long first = xpm_rmap_giant_first(rmap, w->target);
	unsigned long addr = address_of(vma, first);
	struct mm_struct *mm = vma->vm_mm;
	pud_t *pud = xpm_pud_of(mm, addr);
	unsigned long pfn;
	spinlock_t *lock;	/* of the table with *pud */
	bool writable;
	int err = 0;

	if (permit->segment->dead || READ_ONCE(permit->dead))
		return -ENOENT;
	if (!xpm_rmap_find(rmap, w->target, &pfn, &writable) || (w->write && !writable))
		return -EAGAIN;
	if (!xpm_rmap_find_giant(rmap, w->target, &pfn, &writable) || (w->write && !writable))
		return -ERANGE;
	writable = writable && vma->vm_flags & VM_WRITE;

	WRITE_ONCE(attachment->giants, true);
	xpm_rmap_map_giant(rmap, w->target);
	lock = pud_lock(mm, pud);
	if (pud_none(*pud) || (xpm_pud_is_huge(*pud) && writable && !pud_write(*pud))) {
		WARN_ON_ONCE(!pud_none(*pud) && pud_pfn(*pud) != pfn);
		set_pud_at(mm, addr, pud, xpm_pud_make(pfn, vma, writable));
		*entries = XPM_GIANT_PAGES;
	} else if (!xpm_pud_is_huge(*pud)) {
		err = -ERANGE;
	}
	spin_unlock(lock);
	xpm_rmap_reference_giant(rmap, w->target);
	if (!err) {
		w->mapped = first + XPM_GIANT_PAGES - w->target;
		w->huge = true;
	}
	return err;
}

int xpm_giant_insert(struct vm_area_struct *vma, struct xpm_window *w, unsigned int *entries)
{
	struct xpm_attachment *attachment = xpm_attachment_of(vma);
	struct xpm_rmap *rmap = &attachment->permit->segment->rmap;
	int err;

	if (!xpm_giant_fits(vma, w->target))
		return -ERANGE;
	down_write(&attachment->tables);
	read_lock(&rmap->lock);
	err = try_insert(vma, w, entries);
	read_unlock(&rmap->lock);
	up_write(&attachment->tables);
	return err;
}

int xpm_giant_insert_or_refresh(struct vm_area_struct *vma, struct xpm_window *w)
{
	struct xpm_segment *segment = segment_of(vma);
	struct xpm_reading reading = { .segment = segment };
	int err = xpm_insert(vma, w);

	/* Of what is VALID in small pieces the owner may have more than was read. */
	if (err != -EAGAIN && err != -ERANGE)
		return err;
	if (xpm_owner_lock(segment, vma->vm_mm))
		return err;
	err = -ERANGE;
	if (xpm_owner_has_giants(segment, w))
		err = xpm_refresh(&reading, w) ?: xpm_insert(vma, w);
	xpm_owner_unlock(segment, vma->vm_mm);
	return err;
}

unsigned long xpm_giant_place(struct file *file, unsigned long length, unsigned long page,
			      unsigned long flags)
{
	unsigned long before = -(page << PAGE_SHIFT) & ~PUD_MASK;	/* the first whole GiB */
	unsigned long place;

	if (!xpm_giant_entries() || length < PUD_SIZE || length - PUD_SIZE < before ||
	    length > ULONG_MAX - PUD_SIZE)
		return -ENOMEM;
	place = mm_get_unmapped_area(current->mm, file, 0, length + PUD_SIZE, 0, flags);
	if (IS_ERR_VALUE(place))
		return place;
	return place + (-(place + before) & ~PUD_MASK);
}

/* Out of one mapping */
static void take_out(struct vm_area_struct *vma)
{
	unsigned long addr = ALIGN(vma->vm_start, PUD_SIZE);
	pud_t *pud;

	for (; addr >= vma->vm_start && addr < vma->vm_end && vma->vm_end - addr >= PUD_SIZE;
	     addr += PUD_SIZE) {
		pud = xpm_pud_of(vma->vm_mm, addr);
		if (pud && xpm_pud_is_huge(*pud))
			zap_vma_ptes(vma, addr, PUD_SIZE);
	}
}

/*
 * All of the attachment, as ->open is told the new mapping, which is not in its place
 * yet, and not the one that it comes from.
 */
void xpm_giant_take_out(struct vm_area_struct *vma)
{
	VMA_ITERATOR(vmi, vma->vm_mm, 0);
	struct xpm_attachment *attachment = xpm_attachment_of(vma);
	struct vm_area_struct *part;

	if (!READ_ONCE(attachment->giants))
		return;
	mmap_assert_write_locked(vma->vm_mm);
	for_each_vma(vmi, part)
		if (xpm_attachment_of(part) == attachment)
			take_out(part);
	WRITE_ONCE(attachment->giants, false);
}
