/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be counted, as Prometheus reads it; xpmemd-net has the server (net_http.h). */
#ifndef XPMD_METRICS_H
#define XPMD_METRICS_H

#include <stdio.h>

struct xpmd;

void xpmd_metrics_write(const struct xpmd *d, FILE *to);

#endif /* XPMD_METRICS_H */
