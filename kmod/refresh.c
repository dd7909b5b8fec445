// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading what the owner maps into the rmap.
 *
 * Its page table is read under the table's lock, a leaf of the rmap at a time, and
 * what was read is stored under rmap.lock unless an invalidation came since the
 * first look (mmu_interval_read_begin).  hmm_range_fault() does the same reading at
 * several times the cost, and without telling whether an entry is dirty; it is asked
 * where the last two levels do not tell: hugetlbfs, whose tables processes share,
 * and entries of 1 GiB.
 *
 * What the owner maps by a huge entry is stored as a block of the rmap where all of
 * that entry is in the segment, else page by page; what it maps by an entry of 1 GiB as
 * 512 blocks, if the attacher may have one too.
 *
 * WRITABLE is what the owner maps writable and dirty, or what is made dirty here:
 * see dirty.h.
 */
#include "refresh.h"

#include <linux/dax.h>
#include <linux/hmm.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>

#include "dirty.h"
#include "notifier.h"
#include "owner.h"
#include "page_table.h"
#include "segment.h"
#include "stats.h"
#include "window.h"

/*
 * What is kept of an entry that was read is the entry itself: its frame, and these
 * bits.  ERROR: there is something that can't be shown; 0: nothing.
 */
#define ENTRY_VALID	_PAGE_PRESENT
#define ENTRY_WRITE	_PAGE_RW
#define ENTRY_DIRTY	_PAGE_DIRTY
#define ENTRY_ERROR	_PAGE_SPECIAL

static unsigned long entry_of(unsigned long pfn, bool writable, bool dirty)
{
	return pfn << PAGE_SHIFT | ENTRY_VALID | (writable ? ENTRY_WRITE : 0) |
	       (dirty ? ENTRY_DIRTY : 0);
}

static unsigned long frame_of(unsigned long entry)
{
	return (entry & PTE_PFN_MASK) >> PAGE_SHIFT;
}

static unsigned long entry_of_odd_pte(const struct xpm_reading *r, pte_t pte)
{
	/* pte_present() says yes to PROT_NONE, and pte_protnone() no without NUMA balancing. */
	if (!(pte_flags(pte) & _PAGE_PRESENT))
		return 0;
	if (pte_special(pte) ? !is_zero_pfn(pte_pfn(pte)) : !vma_is_dax(r->vma))
		return ENTRY_ERROR;
	return entry_of(pte_pfn(pte), pte_write(pte), pte_dirty(pte));
}

static unsigned long entry_of_pte(const struct xpm_reading *r, pte_t pte)
{
	if (likely((pte_flags(pte) & (_PAGE_PRESENT | _PAGE_SPECIAL | _PAGE_DEVMAP)) ==
		   _PAGE_PRESENT))
		return pte_val(pte);
	return entry_of_odd_pte(r, pte);
}

/* For the first page that a huge entry covers */
static unsigned long entry_of_pmd(const struct xpm_reading *r, pmd_t pmd)
{
	pmdval_t bits = pmd_flags(pmd);

	if ((bits & (_PAGE_PRESENT | _PAGE_PSE)) != (_PAGE_PRESENT | _PAGE_PSE))
		return 0;
	if (bits & _PAGE_DEVMAP && !vma_is_dax(r->vma))
		return ENTRY_ERROR;
	return entry_of(pmd_pfn(pmd), bits & _PAGE_RW, bits & _PAGE_DIRTY);
}

static unsigned long read_pmd(const struct xpm_reading *r, pmd_t *pmd)
{
	spinlock_t *lock = pmd_lock(r->vma->vm_mm, pmd);
	unsigned long entry = entry_of_pmd(r, *pmd);

	spin_unlock(lock);
	return entry;
}

/* Of pages of one leaf that follow each other; the bits that all of them have, and any */
struct entries {
	unsigned long all;
	unsigned long any;
	unsigned int nr;
	unsigned long of[XPM_LEAF_PAGES];
};

/* Adds those of the pages of [addr, end), which one huge entry or table covers. */
static void read_table(const struct xpm_reading *r, unsigned long addr, unsigned long end,
		       struct entries *entries)
{
	unsigned long all = entries->all, any = entries->any, entry = 0;
	unsigned long *of = entries->of + entries->nr;
	struct mm_struct *mm = r->vma->vm_mm;
	pmd_t *pmd = xpm_pmd_of(mm, addr);
	spinlock_t *lock;
	pte_t *ptep;

	entries->nr += (end - addr) >> PAGE_SHIFT;
	if (pmd && !xpm_pmd_is_empty(pmd)) {
		ptep = xpm_pte_lock(mm, pmd, addr, &lock);
		if (ptep) {
			for (; addr < end; addr += PAGE_SIZE) {
				entry = entry_of_pte(r, *ptep++);
				all &= entry;
				any |= entry;
				*of++ = entry;
			}
			xpm_pte_unlock(lock);
			entries->all = all;
			entries->any = any;
			return;
		}
		entry = read_pmd(r, pmd);
	}
	entries->all &= entry;
	entries->any |= entry;
	for (; addr < end; addr += PAGE_SIZE)
		*of++ = entry & ENTRY_VALID ? entry + (addr & ~PMD_MASK) : entry;
}

/* Those of [first, last], all of one leaf; false: nothing can be shown */
static bool read_leaf(const struct xpm_reading *r, unsigned long first, unsigned long last,
		      struct entries *entries)
{
	unsigned long addr = xpm_segment_address(r->segment, first);
	unsigned long end = xpm_segment_address(r->segment, last + 1);

	entries->all = ~0UL;
	entries->any = 0;
	entries->nr = 0;
	while (addr < end) {
		unsigned long next = min((addr | ~PMD_MASK) + 1, end);

		read_table(r, addr, next, entries);
		addr = next;
	}
	return entries->any & (ENTRY_VALID | ENTRY_ERROR);
}

static inline bool is_writable(const struct xpm_reading *r, unsigned long entry,
			       unsigned long index)
{
	if (!(entry & ENTRY_WRITE))
		return false;
	return likely(entry & ENTRY_DIRTY) ||
	       xpm_make_dirty(page_folio(pfn_to_page(frame_of(entry))),
			      r->w->write && index == r->w->target);
}

/* Under rmap.lock: 0 when what was read since the first look is still so */
static int still_so(const struct xpm_reading *r)
{
	if (r->segment->dead)
		return -ENOENT;
	return mmu_interval_read_retry(&r->segment->notifier, r->seq) ? -EAGAIN : 0;
}

/* Whether all are VALID, and all with the same right, with nothing to be made dirty */
static bool are_alike(const struct entries *entries)
{
	return entries->all & ENTRY_VALID &&
	       (!(entries->any & ENTRY_WRITE) ||
		(entries->all & ENTRY_WRITE && entries->all & ENTRY_DIRTY));
}

static void store_entries(const struct xpm_reading *r, struct xpm_leaf *leaf,
			  unsigned long first, const struct entries *entries)
{
	unsigned long *pfn = leaf->pfn + (first & (XPM_LEAF_PAGES - 1));
	u64 bit = xpm_leaf_bit(first), valid = 0, writable = 0;
	unsigned int i;

	if (are_alike(entries)) {
		for (i = 0; i < entries->nr; i++)
			pfn[i] = frame_of(entries->of[i]);
		valid = xpm_leaf_mask(first, first + entries->nr - 1);
		xpm_leaf_mark_valid(leaf, valid, entries->all & ENTRY_WRITE ? valid : 0);
		return;
	}
	for (i = 0; i < entries->nr; i++, bit <<= 1) {
		unsigned long entry = entries->of[i];

		if (!(entry & ENTRY_VALID))
			continue;
		pfn[i] = frame_of(entry);
		valid |= bit;
		if (is_writable(r, entry, first + i))
			writable |= bit;
	}
	xpm_leaf_mark_valid(leaf, valid, writable);
}

static int store_leaf(const struct xpm_reading *r, unsigned long first,
		      const struct entries *entries)
{
	struct xpm_rmap *rmap = &r->segment->rmap;
	struct xpm_leaf *leaf;
	int err;

	err = xpm_rmap_reserve(rmap, first);
	if (err)
		return err;
	write_lock(&rmap->lock);
	leaf = xpm_rmap_leaf(rmap, first);
	err = leaf ? still_so(r) : -EAGAIN;
	if (!err)
		store_entries(r, leaf, first, entries);
	/* Reserved for nothing */
	if (leaf && !leaf->valid)
		xpm_rmap_trim(rmap, first);
	write_unlock(&rmap->lock);
	return err;
}

static int refresh_pages(const struct xpm_reading *r, unsigned long first, unsigned long last)
{
	unsigned long target = r->w->target;
	struct entries entries;
	unsigned long end;
	int err = 0;

	for (; first <= last && !err; first = end + 1) {
		end = min(first | (XPM_LEAF_PAGES - 1), last);
		if (!read_leaf(r, first, end, &entries))
			continue;
		if (target >= first && target <= end &&
		    entries.of[target - first] & ENTRY_ERROR)
			return -EFAULT;
		err = store_leaf(r, first, &entries);
	}
	return err;
}

static int store_page(const struct xpm_reading *r, unsigned long index, unsigned long entry)
{
	struct entries one;

	one.all = entry;
	one.any = entry;
	one.nr = 1;
	one.of[0] = entry;
	return store_leaf(r, index, &one);
}

/* @entry: of the block's first page */
static int store_block(const struct xpm_reading *r, unsigned long entry)
{
	struct xpm_rmap *rmap = &r->segment->rmap;
	struct xpm_block *block;
	int err;

	err = xpm_rmap_reserve_block(rmap, r->w->target);
	if (err)
		return err;
	write_lock(&rmap->lock);
	block = xpm_rmap_block(rmap, r->w->target);
	err = block ? still_so(r) : -EAGAIN;
	if (!err)
		xpm_block_store(block, frame_of(entry), is_writable(r, entry, r->w->target));
	if (block && !block->valid)
		xpm_rmap_trim(rmap, r->w->target);
	write_unlock(&rmap->lock);
	return err;
}

/* All blocks of a giant; @entry: of its first page */
static int store_giant(const struct xpm_reading *r, unsigned long entry)
{
	struct xpm_rmap *rmap = &r->segment->rmap;
	unsigned long first = xpm_rmap_giant_first(rmap, r->w->target), at;
	struct xpm_block *block;
	int err = 0;

	for (at = 0; at < XPM_GIANT_PAGES && !err; at += XPM_BLOCK_PAGES)
		err = xpm_rmap_reserve_block(rmap, first + at);
	write_lock(&rmap->lock);
	if (!err)
		err = still_so(r);
	for (at = 0; at < XPM_GIANT_PAGES; at += XPM_BLOCK_PAGES) {
		block = xpm_rmap_block(rmap, first + at);
		if (!err && block)
			xpm_block_store(block, frame_of(entry) + at,
					is_writable(r, entry + (at << PAGE_SHIFT), first + at));
		/* Reserved for nothing */
		if (block && !block->valid)
			xpm_rmap_trim(rmap, first + at);
		/* Trimmed by somebody else, since it was reserved */
		if (!block && !err)
			err = -EAGAIN;
	}
	write_unlock(&rmap->lock);
	return err;
}

static bool in_mapping(const struct xpm_reading *r, unsigned long first, unsigned long size)
{
	unsigned long start = xpm_segment_address(r->segment, first);

	return start >= r->vma->vm_start && start + size <= r->vma->vm_end;
}

/* Whether all that a huge entry can cover around the target is in segment and mapping */
static bool in_block(const struct xpm_reading *r)
{
	const struct xpm_rmap *rmap = &r->segment->rmap;

	return xpm_rmap_in_block(rmap, r->w->target) &&
	       in_mapping(r, xpm_rmap_block_first(rmap, r->w->target), PMD_SIZE);
}

static bool in_giant(const struct xpm_reading *r)
{
	const struct xpm_rmap *rmap = &r->segment->rmap;

	return xpm_rmap_in_giant(rmap, r->w->target) &&
	       in_mapping(r, xpm_rmap_giant_first(rmap, r->w->target), PUD_SIZE);
}

/* What only the VM itself can read: the target, and the block or giant it is in */
static int refresh_by_hmm(const struct xpm_reading *r)
{
	unsigned long addr = xpm_segment_address(r->segment, r->w->target);
	unsigned long target = r->w->target;
	unsigned long found = 0, entry;
	struct hmm_range range = {
		.notifier = &r->segment->notifier,
		.notifier_seq = r->seq,
		.start = addr,
		.end = addr + PAGE_SIZE,
		.hmm_pfns = &found,
	};
	int err = hmm_range_fault(&range);

	if (err)
		return err == -EBUSY ? -EAGAIN : err;
	if (found & HMM_PFN_ERROR)
		return -EFAULT;
	if (!(found & HMM_PFN_VALID))
		return 0;
	/* Huge pages of hugetlbfs are never cleaned nor reclaimed. */
	entry = entry_of(page_to_pfn(hmm_pfn_to_page(found)), found & HMM_PFN_WRITE,
			 is_vm_hugetlb_page(r->vma));
	if (r->w->giant && hmm_pfn_to_map_order(found) >= XPM_GIANT_SHIFT && in_giant(r))
		return store_giant(r, entry - ((target - xpm_rmap_giant_first(&r->segment->rmap,
									       target))
					       << PAGE_SHIFT));
	if (hmm_pfn_to_map_order(found) < XPM_BLOCK_SHIFT || !in_block(r))
		return store_page(r, target, entry);
	return store_block(r, entry - ((target - xpm_rmap_block_first(&r->segment->rmap, target))
				       << PAGE_SHIFT));
}

/* Finds the mapping of the owner that the target is in, and begins the reading in it */
static int begin(struct xpm_reading *r, unsigned long addr)
{
	if (!r->vma || addr < r->vma->vm_start || addr >= r->vma->vm_end) {
		r->vma = vma_lookup(r->segment->mm, addr);
		if (!r->vma)
			return -EFAULT;
		if (!xpm_owner_can_show(r->vma))
			return -EOPNOTSUPP;
	}
	if (r->seq)
		return 0;
	/* It waits, and should not for a recall. */
	if (xpm_notifier_recalls(r->segment))
		return -EINPROGRESS;
	r->seq = mmu_interval_read_begin(&r->segment->notifier);
	return 0;
}

int xpm_refresh(struct xpm_reading *r, const struct xpm_window *w)
{
	struct xpm_segment *segment = r->segment;
	unsigned long addr = xpm_segment_address(segment, w->target);
	unsigned long entry, first, last;
	pmd_t *pmd;
	int err;

	err = begin(r, addr);
	if (err)
		return err;
	r->w = w;
	xpm_stats_add(XPM_STAT_REFRESHES, 1);

	pmd = xpm_pmd_of(segment->mm, addr);
	if (is_vm_hugetlb_page(r->vma) || !pmd)
		return refresh_by_hmm(r);
	if (xpm_pmd_is_huge(READ_ONCE(*pmd)) && in_block(r)) {
		entry = read_pmd(r, pmd);
		if (entry & ENTRY_VALID)
			return store_block(r, entry);
	}
	first = max(xpm_segment_address(segment, w->first), r->vma->vm_start);
	last = min(xpm_segment_address(segment, w->last) + PAGE_SIZE, r->vma->vm_end) - 1;
	return refresh_pages(r, xpm_segment_index(segment, first),
			     xpm_segment_index(segment, last));
}
