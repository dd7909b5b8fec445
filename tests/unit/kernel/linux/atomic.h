/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Atomic words, which are plain ones as all here is one thread. */
#ifndef KERNEL_SHIM_ATOMIC_H
#define KERNEL_SHIM_ATOMIC_H

#include "types.h"

typedef struct {
	int value;
} atomic_t;

typedef struct {
	s64 value;
} atomic64_t;

static inline int atomic_read(const atomic_t *word)
{
	return word->value;
}

static inline void atomic_set(atomic_t *word, int value)
{
	word->value = value;
}

static inline int atomic_xchg(atomic_t *word, int value)
{
	int old = word->value;

	word->value = value;
	return old;
}

static inline s64 atomic64_read(const atomic64_t *word)
{
	return word->value;
}

static inline void atomic64_or(s64 mask, atomic64_t *word)
{
	word->value |= mask;
}

static inline void atomic64_andnot(s64 mask, atomic64_t *word)
{
	word->value &= ~mask;
}

static inline void atomic64_set(atomic64_t *word, s64 value)
{
	word->value = value;
}

static inline s64 atomic64_xchg(atomic64_t *word, s64 value)
{
	s64 old = word->value;

	word->value = value;
	return old;
}

#endif /* KERNEL_SHIM_ATOMIC_H */
