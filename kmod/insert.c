// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mapping what is VALID into an attacher's page table.
 *
 * Entries are written in runs, with their table's lock held once a window, and
 * rmap.lock for reading: insertions, of whichever attachers, do not wait for each
 * other.  What takes VALID away holds it for writing.
 *
 * Where the owner has a huge entry (a block in the rmap), and the attachment shows
 * all of it at an address that is congruent, the attacher gets a huge entry.
 * Otherwise its pages are mapped as small ones.
 *
 * A huge entry has no page reference either, and none must be taken through it:
 * a page with a reference of the attacher would outlive the permit, and be shared
 * with a child that the owner forks.  get_user_pages() refuses the mapping
 * (VM_PFNMAP); get_user_pages_fast() looks at entries alone and is refused by what
 * xpm_pmd_make() puts into them.
 *
 * A table is allocated by apply_to_page_range(), which complains about a huge entry
 * in its place.  So who allocates one holds attachment->tables for reading, and who
 * puts in a huge entry for writing.
 *
 * Entries of 1 GiB are the matter of giant.c.
 */
#include "insert.h"

#include <linux/mm.h>
#include <linux/mm_inline.h>

#include "attachment.h"
#include "giant.h"
#include "page_table.h"
#include "permit.h"
#include "segment.h"
#include "stats.h"
#include "trace.h"
#include "window.h"

struct insertion {
	struct vm_area_struct *vma;
	struct xpm_rmap *rmap;
	struct xpm_window *w;
	pmd_t *pmd;		/* of the window, or NULL */
	bool congruent;		/* a huge entry can show what is around the target */
	pteval_t ro;		/* entries without their frame */
	pteval_t rw;
	unsigned int entries;	/* made or changed */
	bool hole;		/* after the target: w->mapped is final */
};

/* An entry that is there already, with the table's lock held: 1 when it was changed */
static int change_entry(struct insertion *in, pte_t *ptep, unsigned long addr,
			unsigned long pfn, bool writable)
{
	pte_t old = *ptep;

	/* A marker of the VM's, put there behind our back: no page here. */
	if (!pte_present(old))
		return -EFAULT;
	/* The invariant: what is there is what the owner maps. */
	if (WARN_ON_ONCE(pte_pfn(old) != pfn))
		return -EFAULT;
	if (!writable || pte_write(old))
		return 0;
	set_pte_at(in->vma->vm_mm, addr, ptep, __pte(in->rw | pfn << PAGE_SHIFT));
	return 1;
}

/*
 * Pages [index, index + pages), whose frames are at @pfn, or count up from *pfn.  The loop
 * is made once for each, in functions of their own, where its variables find registers.
 */
static __always_inline int insert_run(struct insertion *in, pte_t *ptep, unsigned long index,
				      unsigned int pages, const unsigned long *pfn,
				      bool contiguous, bool writable)
{
	unsigned long addr = xpm_window_address(in->w, index);
	pteval_t bits = writable ? in->rw : in->ro;
	struct mm_struct *mm = in->vma->vm_mm;
	pte_t *first = ptep, *end = ptep + pages;
	unsigned long frame = *pfn;
	unsigned int there = 0;
	int err = 0;

	for (;;) {
		if (likely(pte_none(*ptep))) {
			set_pte_at(mm, addr + ((ptep - first) << PAGE_SHIFT), ptep,
				   __pte(bits | frame << PAGE_SHIFT));
		} else {
			err = change_entry(in, ptep, addr + ((ptep - first) << PAGE_SHIFT),
					   frame, writable);
			if (err < 0)
				return err;
			there += !err;
		}
		if (++ptep == end)
			break;
		frame = contiguous ? frame + 1 : *++pfn;
	}
	in->entries += pages - there;
	return 0;
}

static noinline int insert_frames(struct insertion *in, pte_t *ptep, unsigned long index,
				  unsigned int pages, const unsigned long *pfn, bool writable)
{
	return insert_run(in, ptep, index, pages, pfn, false, writable);
}

static noinline int insert_contiguous(struct insertion *in, pte_t *ptep, unsigned long index,
				      unsigned int pages, unsigned long pfn, bool writable)
{
	return insert_run(in, ptep, index, pages, &pfn, true, writable);
}

/* Bits set from the lowest on */
static unsigned int ones(u64 mask)
{
	return ~mask ? __ffs64(~mask) : 64;
}

/* Those of @valid from @index on, their frames at @pfn */
static int insert_pages(struct insertion *in, pte_t *ptep, unsigned long index,
			const unsigned long *pfn, u64 valid, u64 writable)
{
	unsigned int at = 0, pages;
	int err = 0;

	while (valid && !err) {
		bool rw = writable & 1;

		pages = valid & 1 ? ones(rw ? valid & writable : valid & ~writable) :
				    __ffs64(valid);
		if (valid & 1)
			err = insert_frames(in, ptep + at, index + at, pages, pfn + at, rw);
		at += pages;
		valid = pages < 64 ? valid >> pages : 0;
		writable = pages < 64 ? writable >> pages : 0;
	}
	return err;
}

/* Adds pages [index, ...] of @mask to those that are mapped from the target on */
static void count_mapped(struct insertion *in, unsigned long index, unsigned int pages, u64 mask)
{
	unsigned int skip = index < in->w->target ? in->w->target - index : 0;
	unsigned int run;

	if (in->hole || skip >= pages)
		return;
	run = ones(mask >> skip);
	in->w->mapped += run;
	in->hole = run < pages - skip;
}

/* What is VALID in the leaf of @first, up to page @last of it */
static int insert_leaf(struct insertion *in, pte_t *ptep, unsigned long first,
		       unsigned long last)
{
	struct xpm_leaf *leaf = xpm_rmap_leaf(in->rmap, first);
	unsigned int shift = first & (XPM_LEAF_PAGES - 1);
	u64 valid, writable = 0;
	int err;

	if (!leaf) {
		in->hole |= first > in->w->target;
		return 0;
	}
	valid = leaf->valid & xpm_leaf_mask(first, last);
	if (in->vma->vm_flags & VM_WRITE)
		writable = leaf->writable & valid;
	xpm_leaf_map_external(leaf, valid);
	err = insert_pages(in, ptep, first, leaf->pfn + shift, valid >> shift, writable >> shift);
	xpm_leaf_reference(leaf, valid);
	count_mapped(in, first, last - first + 1,
		     (in->w->write ? writable : valid) >> shift);
	return err;
}

/* A part of a block, as small pages */
static int insert_part(struct insertion *in, pte_t *ptep, struct xpm_block *block,
		       unsigned long first, unsigned long last)
{
	unsigned long pfn = block->pfn + (first - xpm_rmap_block_first(in->rmap, first));
	int err;

	xpm_block_map_external(block);
	err = insert_contiguous(in, ptep, first, last - first + 1, pfn,
				block->writable && in->vma->vm_flags & VM_WRITE);
	xpm_block_reference(block);
	in->w->mapped = last - in->w->target + 1;
	return err;
}

/* With the table there, and rmap.lock held */
static int insert_small(struct insertion *in, pte_t *ptep, struct xpm_block *block)
{
	pgprot_t ro = vm_get_page_prot(in->vma->vm_flags & ~VM_WRITE);
	pgprot_t rw = vm_get_page_prot(in->vma->vm_flags);
	struct xpm_window *w = in->w;
	unsigned long first = w->first, last;
	int err = 0;

	in->ro = pte_val(pte_mkspecial(pte_mkyoung(pfn_pte(0, ro))));
	in->rw = pte_val(pte_mkspecial(pte_mkdirty(pte_mkyoung(pfn_pte(0, rw)))));

	if (block) {
		last = xpm_rmap_block_first(in->rmap, w->target) + XPM_BLOCK_PAGES - 1;
		first = max(w->first, last - XPM_BLOCK_PAGES + 1);
		return insert_part(in, ptep + (first - w->first), block, first,
				   min(w->last, last));
	}
	for (; first <= w->last && !err; first = last + 1) {
		last = min(first | (XPM_LEAF_PAGES - 1), w->last);
		err = insert_leaf(in, ptep + (first - w->first), first, last);
	}
	return err;
}

/* Whether an entry of 2 MiB could show the block of the target, if there is one */
static bool is_congruent(const struct insertion *in)
{
	unsigned long first = xpm_rmap_block_first(in->rmap, in->w->target);
	unsigned long last = first + XPM_BLOCK_PAGES - 1;
	struct vm_area_struct *vma = in->vma;

	return xpm_huge_entries() && xpm_rmap_in_block(in->rmap, in->w->target) &&
	       first >= vma->vm_pgoff && last < vma->vm_pgoff + vma_pages(vma) &&
	       !(xpm_window_address(in->w, first) & ~PMD_MASK);
}

/* The same for a place that is empty or huge; false: it is a table now */
static bool insert_huge(struct insertion *in, struct xpm_block *block)
{
	unsigned long first = xpm_rmap_block_first(in->rmap, in->w->target);
	bool writable = block->writable && in->vma->vm_flags & VM_WRITE;
	struct vm_area_struct *vma = in->vma;
	pmd_t *pmd = in->pmd;
	bool there, done = true;
	spinlock_t *lock;

	xpm_block_map_external(block);
	lock = pmd_lock(vma->vm_mm, pmd);
	there = !pmd_none(*pmd);
	if (!there || (xpm_pmd_is_huge(*pmd) && writable && !pmd_write(*pmd))) {
		WARN_ON_ONCE(there && pmd_pfn(*pmd) != block->pfn);
		set_pmd_at(vma->vm_mm, xpm_window_address(in->w, first), pmd,
			   xpm_pmd_make(block->pfn, vma, writable));
		in->entries += XPM_BLOCK_PAGES;
	} else {
		done = xpm_pmd_is_huge(*pmd);
	}
	spin_unlock(lock);
	xpm_block_reference(block);
	if (done) {
		in->w->mapped = first + XPM_BLOCK_PAGES - in->w->target;
		in->w->huge = true;
	}
	return done;
}

/* Whether the target is VALID with the rights wanted; *block: by which, or NULL */
static bool is_valid(const struct insertion *in, struct xpm_block **block)
{
	const struct xpm_window *w = in->w;
	u64 bit = xpm_leaf_bit(w->target);
	struct xpm_leaf *leaf;

	*block = xpm_rmap_block(in->rmap, w->target);
	if (*block && (*block)->valid && (!w->write || (*block)->writable))
		return true;
	*block = NULL;
	leaf = xpm_rmap_leaf(in->rmap, w->target);
	return leaf && leaf->valid & bit && (!w->write || leaf->writable & bit);
}

/* Whether there is a place for a huge entry, or one */
static bool may_be_huge(const struct insertion *in)
{
	return in->congruent && in->pmd &&
	       (xpm_pmd_is_empty(in->pmd) || xpm_pmd_is_huge(READ_ONCE(*in->pmd)));
}

/*
 * One try; @may_huge: attachment->tables is held for writing.  *table: the caller has
 * to see to it that there is one, and come again.
 */
static int try_insert(struct insertion *in, bool may_huge, bool *table)
{
	struct xpm_permit *permit = xpm_attachment_of(in->vma)->permit;
	struct mm_struct *mm = in->vma->vm_mm;
	struct xpm_block *block;
	spinlock_t *lock;
	int err = -EAGAIN;
	pte_t *ptep;

	*table = false;
	in->w->mapped = 0;
	read_lock(&in->rmap->lock);
	if (permit->segment->dead || READ_ONCE(permit->dead)) {
		err = -ENOENT;
		goto out;
	}
	if (!is_valid(in, &block))
		goto out;
	if (block && may_huge && insert_huge(in, block)) {
		err = 0;
		goto out;
	}
	*table = !in->pmd || xpm_pmd_is_empty(in->pmd);
	if (*table)
		goto out;
	ptep = xpm_pte_lock(mm, in->pmd, xpm_window_address(in->w, in->w->first), &lock);
	if (ptep) {
		err = insert_small(in, ptep, block);
		xpm_pte_unlock(lock);
	} else {
		/*
		 * A huge entry that came meanwhile, or whose block is no more VALID
		 * and which is being taken out: the access will see when repeated.
		 */
		err = 0;
	}
out:
	read_unlock(&in->rmap->lock);
	return err;
}

/*
 * Allocates the table of the target unless there is one, or a huge entry; -EEXIST: one
 * of 1 GiB.
 */
static int make_table(struct insertion *in, struct xpm_attachment *attachment)
{
	struct mm_struct *mm = in->vma->vm_mm;
	unsigned long addr = in->w->address;
	int err = 0;
	pud_t *pud;

	down_read(&attachment->tables);
	pud = xpm_pud_of(mm, addr);
	if (pud && xpm_pud_is_huge(READ_ONCE(*pud)))
		err = -EEXIST;
	else if (!in->pmd || xpm_pmd_is_empty(in->pmd))
		err = apply_to_page_range(mm, addr & PAGE_MASK, PAGE_SIZE, NULL, NULL);
	up_read(&attachment->tables);
	in->pmd = xpm_pmd_of(mm, addr);
	return err;
}

static int insert_window(struct vm_area_struct *vma, struct xpm_window *w, unsigned int *entries)
{
	struct xpm_attachment *attachment = xpm_attachment_of(vma);
	struct insertion in = {
		.vma = vma,
		.rmap = &attachment->permit->segment->rmap,
		.w = w,
		.pmd = xpm_pmd_of(vma->vm_mm, w->address),
	};
	bool may_huge, table;
	int err;

	in.congruent = is_congruent(&in);
	do {
		may_huge = may_be_huge(&in);
		if (may_huge)
			down_write(&attachment->tables);
		err = try_insert(&in, may_huge, &table);
		if (may_huge)
			up_write(&attachment->tables);
		if (table)
			err = make_table(&in, attachment);
	} while (table && !err);
	*entries = in.entries;
	/* Another thread was faster; what its entry shows is seen when the access repeats. */
	return err == -EEXIST ? 0 : err;
}

int xpm_insert(struct vm_area_struct *vma, struct xpm_window *w)
{
	struct xpm_segment *segment = xpm_attachment_of(vma)->permit->segment;
	unsigned int entries = 0;
	int err;

	lockdep_assert_held(&vma->vm_mm->mmap_lock);

	err = w->giant ? xpm_giant_insert(vma, w, &entries) : insert_window(vma, w, &entries);
	if (!err) {
		atomic_long_inc(&segment->faults);
		atomic_long_add(entries, &segment->fault_pages);
		xpm_stats_add(XPM_STAT_FAULTS, 1);
		xpm_stats_add(XPM_STAT_FAULT_PAGES, entries);
		trace_xpmem_fault(segment->id.value, w, entries, 0);
	}
	return err;
}

static void clear_table(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	pmd_t *pmd = xpm_pmd_of(mm, start);
	spinlock_t *lock;
	pte_t *ptep;

	/* The VM takes huge entries out well enough. */
	if (!pmd || xpm_pmd_is_empty(pmd))
		return;
	ptep = xpm_pte_lock(mm, pmd, start, &lock);
	if (!ptep)
		return;
	for (; start < end; start += PAGE_SIZE, ptep++)
		if (!pte_none(*ptep))
			pte_clear(mm, start, ptep);
	xpm_pte_unlock(lock);
}

/*
 * The flush of the TLBs is left to the VM, which has a rule for batches: who finds
 * that somebody else has a flush outstanding in the same address space flushes all
 * of it.  So an invalidation that comes meanwhile and finds no entry does, and so
 * does the VM here at the end.
 */
void xpm_insert_undo(struct vm_area_struct *vma)
{
	struct mm_struct *mm = vma->vm_mm;
	unsigned long start, end;

	lockdep_assert_held(&mm->mmap_lock);
	inc_tlb_flush_pending(mm);
	for (start = vma->vm_start; start < vma->vm_end; start = end) {
		end = min((start | ~PMD_MASK) + 1, vma->vm_end);
		clear_table(mm, start, end);
		cond_resched();
	}
	zap_vma_ptes(vma, vma->vm_start, PAGE_SIZE);
	dec_tlb_flush_pending(mm);
}
