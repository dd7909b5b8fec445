// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace.h"

#include "daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct xpmd_trace {
	FILE *file;
};

int xpmd_trace_open(struct xpmd_trace **ret, const char *path)
{
	struct xpmd_trace *trace = malloc(sizeof(*trace));

	if (!trace)
		return -ENOMEM;
	trace->file = fopen(path, "ae");
	if (!trace->file) {
		int error = errno;

		free(trace);
		return -error;
	}
	/* Whole lines, at once: what led to a crash is what is looked for. */
	setvbuf(trace->file, NULL, _IOLBF, 0);
	/* The file may have the trace of an earlier life; of what that had nothing is known. */
	xpmd_trace_event(trace, "home", 0, 0, "start", 0);
	xpmd_trace_event(trace, "replica", 0, 0, "start", 0);
	*ret = trace;
	return 0;
}

void xpmd_trace_close(struct xpmd_trace *trace)
{
	if (!trace)
		return;
	fclose(trace->file);
	free(trace);
}

void xpmd_trace_event(struct xpmd_trace *trace, const char *side, int64_t segid, uint64_t page,
		      const char *event, uint32_t partition)
{
	if (trace)
		fprintf(trace->file, "%" PRIu64 " %s %" PRIx64 " %" PRIu64 " %s %" PRIu32 "\n",
			xpmd_now(), side, (uint64_t)segid, page, event, partition);
}
