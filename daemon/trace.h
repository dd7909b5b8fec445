/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cores' events as lines, which a program compares with the protocol's model:
 *
 *	TIME SIDE SEGID PAGE EVENT PARTITION
 *
 * TIME is CLOCK_BOOTTIME in nanoseconds, SIDE "home" or "replica", SEGID hexadecimal.
 * coherence.h says what the events are.
 */
#ifndef XPMD_TRACE_H
#define XPMD_TRACE_H

#include <stdint.h>

struct xpmd_trace;

int xpmd_trace_open(struct xpmd_trace **ret, const char *path);
void xpmd_trace_close(struct xpmd_trace *trace);
/* @trace may be NULL. */
void xpmd_trace_event(struct xpmd_trace *trace, const char *side, int64_t segid, uint64_t page,
		      const char *event, uint32_t partition);

#endif /* XPMD_TRACE_H */
