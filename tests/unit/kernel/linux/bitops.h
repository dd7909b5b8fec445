/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_SHIM_BITOPS_H
#define KERNEL_SHIM_BITOPS_H

#include "types.h"

static inline unsigned int hweight64(u64 word)
{
	return (unsigned int)__builtin_popcountll(word);
}

static inline unsigned int __ffs64(u64 word)
{
	return (unsigned int)__builtin_ctzll(word);
}

#endif /* KERNEL_SHIM_BITOPS_H */
