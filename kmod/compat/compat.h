/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All that differs between the kernels this module is built for.
 *
 * Nothing outside this directory asks which kernel it is.  Each shim has one
 * line that says what changed and when; distributions backport, so a feature
 * that can be seen in the headers is asked for by name, not by version.
 */
#ifndef XPM_COMPAT_H
#define XPM_COMPAT_H

#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/version.h>

#if !IS_ENABLED(CONFIG_HMM_MIRROR)
#error "xpmem needs a kernel with CONFIG_HMM_MIRROR"
#endif
#if !IS_ENABLED(CONFIG_MMU_NOTIFIER)
#error "xpmem needs a kernel with CONFIG_MMU_NOTIFIER"
#endif
/*
 * What is not tested is refused.  A port has to look at insert_pte() of fault.c:
 * where stale read-only TLB entries are not dropped by the fault itself (arm64),
 * making an entry writable in place takes a flush.
 */
#ifndef CONFIG_X86_64
#error "xpmem is for x86-64 kernels"
#endif

/*
 * 6.6: shadow stacks.  The owner can't store to them, although their entries
 * look writable.
 */
#ifdef VM_SHADOW_STACK
#define XPM_VM_SHADOW_STACK VM_SHADOW_STACK
#else
#define XPM_VM_SHADOW_STACK 0UL
#endif

/* 6.3: vm_flags became read-only, vm_flags_set() and vm_flags_clear() came */
static inline void xpm_vma_set_flags(struct vm_area_struct *vma, unsigned long set,
				     unsigned long clear)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_mod(vma, set, clear);
#else
	vma->vm_flags = (vma->vm_flags & ~clear) | set;
#endif
}

/* Write-back, the type that attachments have; x86 has its bits all zero for that. */
static inline bool xpm_vma_is_cached(struct vm_area_struct *vma)
{
	return !(pgprot_val(vma->vm_page_prot) & _PAGE_CACHE_MASK);
}

/* Whether the VM takes huge entries out of mappings of frames */
static inline bool xpm_huge_entries(void)
{
	return IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) && has_transparent_hugepage();
}

/*
 * A huge entry that nobody takes a page reference through.  6.12: entries can be
 * special.  Before, get_user_pages_fast() looks a "devmap" entry's device up, finds
 * that ordinary memory has none, and leaves it alone; everything else treats such an
 * entry of a mapping of frames as any huge one.
 */
static inline pmd_t xpm_pmd_make(unsigned long pfn, struct vm_area_struct *vma, bool writable)
{
	pgprot_t prot = vm_get_page_prot(writable ? vma->vm_flags : vma->vm_flags & ~VM_WRITE);
	pmd_t pmd = pmd_mkyoung(pmd_mkhuge(pfn_pmd(pfn, prot)));

#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
	pmd = pmd_mkspecial(pmd);
#else
	pmd = pmd_mkdevmap(pmd);
#endif
	return writable ? pmd_mkdirty(pmd) : pmd;
}

/*
 * Whether there can be entries of 1 GiB in mappings of frames.  6.12: they can be
 * special, and the VM asks such a mapping for them (->huge_fault).  Before, it does
 * not ask, and mprotect() takes one for a bad table.
 */
#ifdef CONFIG_ARCH_SUPPORTS_PUD_PFNMAP
static inline bool xpm_giant_entries(void)
{
	return xpm_huge_entries() && boot_cpu_has(X86_FEATURE_GBPAGES);
}

static inline pud_t xpm_pud_make(unsigned long pfn, struct vm_area_struct *vma, bool writable)
{
	pgprot_t prot = vm_get_page_prot(writable ? vma->vm_flags : vma->vm_flags & ~VM_WRITE);
	pud_t pud = pud_mkspecial(pud_mkyoung(pud_mkhuge(pfn_pud(pfn, prot))));

	return writable ? pud_mkdirty(pud) : pud;
}

/*
 * Whether a fault holds the lock of its mapping instead of mmap_lock; if so, drops it:
 * it has to return VM_FAULT_RETRY, and comes again with the other.
 */
static inline bool xpm_fault_drop_vma_lock(struct vm_fault *vmf)
{
	if (!(vmf->flags & FAULT_FLAG_VMA_LOCK))
		return false;
	release_fault_lock(vmf);
	return true;
}
#else
static inline bool xpm_giant_entries(void)
{
	return false;
}
#endif

/*
 * Whether somebody holds mmap_lock for writing, asked by who holds it in one way or the
 * other.  6.10: the bit has a name, and there is a function with PREEMPT_RT.
 */
static inline bool xpm_mmap_is_write_locked(struct mm_struct *mm)
{
#ifdef CONFIG_PREEMPT_RT
	return atomic_read(&mm->mmap_lock.rwbase.readers) == WRITER_BIAS;
#else
	return atomic_long_read(&mm->mmap_lock.count) & 1;
#endif
}

/* A free place for @length bytes, congruent to page @page modulo 2 MiB if they span that */
static inline unsigned long xpm_place_congruent(struct file *file, unsigned long addr,
						unsigned long length, unsigned long page,
						unsigned long flags)
{
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	return thp_get_unmapped_area(file, addr, length, page, flags);
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	/* 6.10: a function instead of a pointer in the mm_struct */
	return mm_get_unmapped_area(current->mm, file, addr, length, page, flags);
#else
	return current->mm->get_unmapped_area(file, addr, length, page, flags);
#endif
}

/*
 * A thread of the process whose address space it is, or NULL; rcu_read_lock() is
 * held.  The kernel keeps track of that with CONFIG_MEMCG alone.
 */
static inline struct task_struct *xpm_mm_task(struct mm_struct *mm)
{
#ifdef CONFIG_MEMCG
	return rcu_dereference(mm->owner);
#else
	return NULL;
#endif
}

/* 6.13: hrtimer_setup() instead of hrtimer_init() and an assignment */
static inline void xpm_hrtimer_setup(struct hrtimer *timer,
				     enum hrtimer_restart (*fn)(struct hrtimer *timer),
				     clockid_t clock, enum hrtimer_mode mode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(timer, fn, clock, mode);
#else
	hrtimer_init(timer, clock, mode);
	timer->function = fn;
#endif
}

/* 6.7: the kernel allocates shrinkers.  NULL: no memory. */
static inline struct shrinker *
xpm_shrinker_register(const char *name,
		      unsigned long (*count)(struct shrinker *, struct shrink_control *),
		      unsigned long (*scan)(struct shrinker *, struct shrink_control *))
{
	struct shrinker *shrinker;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	shrinker = shrinker_alloc(0, "%s", name);
#else
	shrinker = kzalloc(sizeof(*shrinker), GFP_KERNEL);
#endif
	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->seeks = DEFAULT_SEEKS;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	shrinker_register(shrinker);
#else
	if (register_shrinker(shrinker, "%s", name)) {
		kfree(shrinker);
		return NULL;
	}
#endif
	return shrinker;
}

static inline void xpm_shrinker_unregister(struct shrinker *shrinker)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	shrinker_free(shrinker);
#else
	unregister_shrinker(shrinker);
	kfree(shrinker);
#endif
}

#endif /* XPM_COMPAT_H */
