/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GET /metrics: the counters as Prometheus reads them. */
#ifndef XPMD_METRICS_H
#define XPMD_METRICS_H

struct xpmd;
struct xpmd_metrics;

/* At d->config->metrics, which is there */
int xpmd_metrics_new(struct xpmd_metrics **ret, struct xpmd *d);
void xpmd_metrics_free(struct xpmd_metrics *metrics);

#endif /* XPMD_METRICS_H */
