/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loop: an event, then what it made due */
#ifndef XPMD_LOOP_H
#define XPMD_LOOP_H

#include <systemd/sd-event.h>

/*
 * Until sd_event_exit(): its status, or -errno.  @turn is called after each event.
 *
 * sd_event_loop() with an event source of type "post" would do the same, but looks for
 * more events before it, and once more after it: two calls of the kernel that mostly
 * find nothing, while another partition waits for what @turn sends.
 */
int xpmd_loop(sd_event *event, void (*turn)(void *ctx), void *ctx);

#endif /* XPMD_LOOP_H */
