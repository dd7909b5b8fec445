/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page tables: finding an entry of the last three levels and locking it, which the
 * VM does not export as such.  The mmap_lock of the address space is held for
 * reading at least, and the address is in a mapping: so tables above a table of
 * entries stay, and that may vanish only where the VM has RCU delay its end.
 */
#ifndef XPM_PAGE_TABLE_H
#define XPM_PAGE_TABLE_H

#include <linux/mm.h>

#include "compat/compat.h"

/* The entry that covers 1 GiB, or NULL when a level above is absent */
static __always_inline pud_t *xpm_pud_of(struct mm_struct *mm, unsigned long addr)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;

	if (pgd_none(READ_ONCE(*pgd)) || pgd_bad(READ_ONCE(*pgd)))
		return NULL;
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(READ_ONCE(*p4d)) || p4d_bad(READ_ONCE(*p4d)))
		return NULL;
	return pud_offset(p4d, addr);
}

static inline bool xpm_pud_is_huge(pud_t pud)
{
	return pud_present(pud) && pud_leaf(pud);
}

/* The entry that covers 2 MiB, or NULL when a level above is absent or an entry itself */
static __always_inline pmd_t *xpm_pmd_of(struct mm_struct *mm, unsigned long addr)
{
	pud_t *pud = xpm_pud_of(mm, addr);

	if (!pud)
		return NULL;
	/* A huge entry is a bad one, in the words of pud_bad(). */
	if (pud_none(READ_ONCE(*pud)) || pud_bad(READ_ONCE(*pud)))
		return NULL;
	return pmd_offset(pud, addr);
}

static inline bool xpm_pmd_is_huge(pmd_t pmd)
{
	return pmd_present(pmd) && pmd_leaf(pmd);
}

/* Whether there is neither a table nor anything else; may change at once */
static inline bool xpm_pmd_is_empty(pmd_t *pmd)
{
	return pmd_none(READ_ONCE(*pmd));
}

/*
 * Locks the table of @pmd and returns the entry of @addr; NULL without a lock when
 * it is no table.
 */
static inline pte_t *xpm_pte_lock(struct mm_struct *mm, pmd_t *pmd, unsigned long addr,
				  spinlock_t **lock)
{
	pmd_t now;

	rcu_read_lock();
	now = READ_ONCE(*pmd);
	if (!pmd_none(now) && !pmd_bad(now)) {
		*lock = pte_lockptr(mm, &now);
		spin_lock(*lock);
		if (pmd_same(now, READ_ONCE(*pmd)))
			return pte_offset_kernel(&now, addr);
		spin_unlock(*lock);
	}
	rcu_read_unlock();
	return NULL;
}

static inline void xpm_pte_unlock(spinlock_t *lock)
{
	spin_unlock(lock);
	rcu_read_unlock();
}

#endif /* XPM_PAGE_TABLE_H */
