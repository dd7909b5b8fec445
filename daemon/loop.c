// SPDX-License-Identifier: GPL-2.0-or-later
#include "loop.h"

#include <stdint.h>

int xpmd_loop(sd_event *event, void (*turn)(void *ctx), void *ctx)
{
	int rc, status;

	while (sd_event_get_state(event) != SD_EVENT_FINISHED) {
		rc = sd_event_run(event, UINT64_MAX);
		if (rc < 0)
			return rc;
		if (sd_event_get_state(event) != SD_EVENT_FINISHED)
			turn(ctx);
	}
	rc = sd_event_get_exit_code(event, &status);
	return rc < 0 ? rc : status;
}
