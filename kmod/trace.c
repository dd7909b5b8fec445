// SPDX-License-Identifier: GPL-2.0-only
/* The tracepoints of trace.h, made once. */
#include <linux/mmu_notifier.h>
#include <linux/string.h>

#define CREATE_TRACE_POINTS
#include "trace.h"
