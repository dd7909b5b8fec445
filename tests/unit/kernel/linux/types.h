/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stand-ins for what kmod/rmap.c takes from the kernel, so that it builds and
 * runs on the host: correct and slow. Types, and small things of many headers.
 */
#ifndef KERNEL_SHIM_TYPES_H
#define KERNEL_SHIM_TYPES_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t u64;
typedef int64_t s64;

#define container_of(pointer, type, member) \
	((type *)((char *)(pointer) - offsetof(type, member)))
#define min(a, b) ({ __typeof__(a) min_a = (a); __typeof__(b) min_b = (b); min_a < min_b ? min_a : min_b; })
#define max(a, b) ({ __typeof__(a) max_a = (a); __typeof__(b) max_b = (b); max_a > max_b ? max_a : max_b; })

#endif /* KERNEL_SHIM_TYPES_H */
