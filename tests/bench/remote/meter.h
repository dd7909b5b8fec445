/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many instructions this partition has executed for something.
 *
 * In a guest whose clock counts instructions (docs/guest.md) time that passes while its
 * processor is idle is no work of anybody, and how much of it passes depends on the
 * other guests and on the host.  So a process of the lowest priority, the soak, counts
 * in a loop of two instructions from before the daemon was started on: the processor is
 * never idle, and what is executed by all others, interrupts included, is the time that
 * has passed less twice what the soak has counted.
 *
 * It also keeps the clock from jumping to the next timer when there is nothing else to
 * do, which would be past the end of each lease.
 */
#ifndef METER_H
#define METER_H

#include <stdint.h>

/* Counts in the file @path, which is made */
_Noreturn void meter_soak(const char *path);

/* @path: the soak's; NULL: with a clock that tells time meter_busy() is 0 */
void meter_begin(const char *path);
uint64_t meter_busy(void);

#endif /* METER_H */
