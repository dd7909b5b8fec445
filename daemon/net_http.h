/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Metrics for who asks by HTTP.  The numbers are xpmemd's: for each request, or several
 * at once, it is asked for the text.
 */
#ifndef XPMD_NET_HTTP_H
#define XPMD_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include <systemd/sd-event.h>

struct xpmd_net_http;

struct xpmd_net_http_ops {
	/* Answered by xpmd_net_http_text(), and not asked again until then */
	void (*ask)(void *ctx);
};

/* @address: "ADDRESS:PORT", which was checked.  0, or -errno with the log told why */
int xpmd_net_http_new(struct xpmd_net_http **ret, sd_event *event, const char *address,
		      const struct xpmd_net_http_ops *ops, void *ctx);
void xpmd_net_http_free(struct xpmd_net_http *http);
/* A part of the text, and whether it was not the last */
void xpmd_net_http_text(struct xpmd_net_http *http, const char *part, size_t length, bool more);

#endif /* XPMD_NET_HTTP_H */
