/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /dev/xpmem-ctl: records come out of it in the event loop, requests go into it from
 * any thread.  Requests return 0 or -errno, as xpmem_ctl.h says of each.
 */
#ifndef XPMD_KCHANNEL_H
#define XPMD_KCHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "coherence.h"
#include "uapi/xpmem_ctl.h"

struct xpmd_config;
struct xpmd_kchannel;

struct xpmd_kchannel_ops {
	void (*record)(void *ctx, const struct xpmem_ctl_record *record);
	/* The module said something nobody understands, or nothing any more. */
	void (*broken)(void *ctx, int error);
};

struct xpmd_kchannel_hello {
	uint64_t incarnation;
	uint64_t grace_until;
};

/* Opens it and says HELLO; no record is given out before xpmd_kchannel_start(). */
int xpmd_kchannel_new(struct xpmd_kchannel **ret, const struct xpmd_config *config,
		     struct xpmd_kchannel_hello *hello_ret);
int xpmd_kchannel_start(struct xpmd_kchannel *channel, sd_event *event,
		       const struct xpmd_kchannel_ops *ops, void *ctx);
void xpmd_kchannel_free(struct xpmd_kchannel *channel);

/* @error: positive.  -ENOENT: nobody waits any more */
int xpmd_kchannel_complete(struct xpmd_kchannel *channel, uint64_t id, uint32_t error,
			  uint64_t value);
/* -EAGAIN: there is a recall to be read before */
int xpmd_kchannel_beat(struct xpmd_kchannel *channel);

int xpmd_kchannel_segment(struct xpmd_kchannel *channel, int64_t segid,
			 struct xpmem_ctl_segment *ret);
int xpmd_kchannel_check(struct xpmd_kchannel *channel, int64_t segid, bool write, uint32_t uid,
		       uint32_t gid, const uint32_t *groups, uint32_t nr_groups);
int xpmd_kchannel_mark(struct xpmd_kchannel *channel, int64_t segid, uint64_t first, uint64_t count,
		      uint32_t mark);
/* @buffer: page aligned.  *done_ret is set on errors, too. */
int xpmd_kchannel_copy(struct xpmd_kchannel *channel, int64_t segid, uint64_t first, uint64_t count,
		      uint32_t flags, void *buffer, uint64_t *done_ret);

/* @id 0: nobody's fault.  @data needs no alignment.  Pages installed, or -errno */
int xpmd_kchannel_install(struct xpmd_kchannel *channel, uint64_t id, int64_t segid, uint64_t first,
			 uint32_t count, enum xpmd_state state, const void *data);
int xpmd_kchannel_take(struct xpmd_kchannel *channel, int64_t segid, uint64_t first, uint32_t count,
		      enum xpmd_state state, uint64_t exclusive_ret[XPMD_MAX_PAGES / 64],
		      uint64_t present_ret[XPMD_MAX_PAGES / 64], void *data);
int xpmd_kchannel_lease(struct xpmd_kchannel *channel, uint32_t home, uint64_t until);
/* @unused: -EBUSY if somebody here has got it (again) */
int xpmd_kchannel_forget(struct xpmd_kchannel *channel, int64_t segid, bool unused);
/* For whom a remote segment was opened, and its lease.  -ENOTTY: the module does not know */
int xpmd_kchannel_opener(struct xpmd_kchannel *channel, int64_t segid,
			 struct xpmem_ctl_opener *ret);

/* What an earlier daemon left: marks of this home (@marked), or replicas */
int xpmd_kchannel_list(struct xpmd_kchannel *channel, bool marked,
		      void (*range)(void *ctx, const struct xpmem_ctl_range *range), void *ctx);

struct xpmd_kchannel_counts {
	uint64_t records[XPMEM_CTL_UNMAP + 1];	/* by type */
	uint64_t refused;
};
void xpmd_kchannel_counts(const struct xpmd_kchannel *channel, struct xpmd_kchannel_counts *counts);

#endif /* XPMD_KCHANNEL_H */
