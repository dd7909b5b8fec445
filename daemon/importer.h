/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The attaching partition's side outside its core: segments of others that processes
 * here have a permit for.
 */
#ifndef XPMD_IMPORTER_H
#define XPMD_IMPORTER_H

#include "replica.h"
#include "transport.h"
#include "uapi/xpmem_ctl.h"

struct xpmd;
struct xpmd_importer;

/* Operations of the replica's core; their context is the importer. */
extern const struct xpmd_replica_ops xpmd_importer_replica_ops;

int xpmd_importer_new(struct xpmd_importer **ret, struct xpmd *d);
void xpmd_importer_free(struct xpmd_importer *importer);
/* What an earlier daemon had */
int xpmd_importer_start(struct xpmd_importer *importer);

/* GET, ATTACH, FAULT, DROP and RELEASE */
void xpmd_importer_record(struct xpmd_importer *importer, const struct xpmem_ctl_record *record);
uint64_t xpmd_importer_tick(struct xpmd_importer *importer, uint64_t now);

/* Of sessions; home is a partition. */
void xpmd_importer_up(struct xpmd_importer *importer, uint32_t home,
		      const struct xpmd_hello *hello);
void xpmd_importer_down(struct xpmd_importer *importer, uint32_t home);
void xpmd_importer_challenged(struct xpmd_importer *importer, uint32_t home, uint64_t id,
			      const uint8_t nonce[32]);
/* A credential for an errand; @error: positive, or 0 */
void xpmd_importer_proved(struct xpmd_importer *importer, uint64_t number, uint32_t home,
			  uint32_t error, const char *credential);
void xpmd_importer_opened(struct xpmd_importer *importer, uint32_t home,
			  const struct xpmd_opened *opened);
void xpmd_importer_attached(struct xpmd_importer *importer, uint32_t home,
			    const struct xpmd_attached *attached);

/* Pages go back to their homes, as the daemon ends; nothing more is asked for. */
void xpmd_importer_leave(struct xpmd_importer *importer);

/* For the control socket */
struct xpmd_import_info {
	int64_t segid;
	uint32_t home;
	uint64_t pages;		/* 0: not known */
	uint32_t uid;
	bool write;
};
void xpmd_importer_each(const struct xpmd_importer *importer,
			void (*one)(void *ctx, const struct xpmd_import_info *info), void *ctx);

#endif /* XPMD_IMPORTER_H */
