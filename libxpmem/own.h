/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory that the library's threads need to do their work.  It can't be trapped: they
 * would wait for themselves.
 */
#ifndef XPMEM_OWN_H
#define XPMEM_OWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As many as a process can have segments. */
#define OWN_MAX 1024

/* Find the data of this library and of the C library.  Before all else. */
void own_setup(void);

/* Callers hold a lock.  Returns a number for own_remove, or -1: there are OWN_MAX. */
int own_add(uintptr_t start, size_t size);
void own_remove(int number);

/* From any thread, with no lock. */
bool own_overlaps(uintptr_t start, uintptr_t end);

#endif /* XPMEM_OWN_H */
