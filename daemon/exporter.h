/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The home's side outside its core: segments of this partition's processes that other
 * partitions may have, and what is done to their owners.
 */
#ifndef XPMD_EXPORTER_H
#define XPMD_EXPORTER_H

#include "home.h"
#include "transport.h"
#include "uapi/xpmem_ctl.h"

struct xpmd;
struct xpmd_exporter;
struct xpmd_owners;

/* Operations of the home's core; their context is the exporter. */
extern const struct xpmd_home_ops xpmd_exporter_home_ops;

int xpmd_exporter_new(struct xpmd_exporter **ret, struct xpmd *d);
/* After xpmd_exporter_stop(), and when no worker is left */
void xpmd_exporter_free(struct xpmd_exporter *exporter);
/* When all parts are there: what an earlier daemon left, and the owners' socket */
int xpmd_exporter_start(struct xpmd_exporter *exporter);
/* No owner is listened to any more: workers end. */
void xpmd_exporter_stop(struct xpmd_exporter *exporter);

/* Whether what was begun in owners' memory has come to its end */
bool xpmd_exporter_is_idle(const struct xpmd_exporter *exporter);

/* RECALL, GONE and UNMAP */
void xpmd_exporter_record(struct xpmd_exporter *exporter, const struct xpmem_ctl_record *record);
/* Does what is due; when to be called again */
uint64_t xpmd_exporter_tick(struct xpmd_exporter *exporter, uint64_t now);

/*
 * A partition may have a segment, the user having been checked: 0 with its pages, or
 * -errno.
 */
int xpmd_exporter_permit(struct xpmd_exporter *exporter, uint32_t partition, int64_t segid,
			 bool write, uint64_t pages_max, uint64_t *pages_ret);
void xpmd_exporter_close(struct xpmd_exporter *exporter, uint32_t partition, int64_t segid);
/* Answers by xpmd_transport_attached() */
void xpmd_exporter_attach(struct xpmd_exporter *exporter, uint32_t partition,
			  const struct xpmd_attach *attach);

struct xpmd_owners *xpmd_exporter_owners(struct xpmd_exporter *exporter);

/* For the control socket */
struct xpmd_export_info {
	int64_t segid;
	uint64_t pages;
	int pid;
	bool connected;
	enum xpmd_lost lost;
	unsigned int permits;
};
void xpmd_exporter_each(const struct xpmd_exporter *exporter,
			void (*one)(void *ctx, const struct xpmd_export_info *info), void *ctx);

#endif /* XPMD_EXPORTER_H */
