/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libfabric, which is loaded when a fabric is to be used and not before: the libraries
 * that come with it take ten times as long to begin as all else of xpmemd-net, which
 * may have to be there again before a lease ends.
 *
 * These are the calls of it that are functions of the library; the others are inline.
 */
#ifndef XPMD_RMA_LIBRARY_H
#define XPMD_RMA_LIBRARY_H

#include <rdma/fabric.h>

struct xpmd_rma_library {
	int (*getinfo)(uint32_t version, const char *node, const char *service, uint64_t flags,
		       const struct fi_info *hints, struct fi_info **info);
	void (*freeinfo)(struct fi_info *info);
	struct fi_info *(*dupinfo)(const struct fi_info *info);
	int (*fabric)(struct fi_fabric_attr *attr, struct fid_fabric **fabric, void *context);
	const char *(*strerror)(int error);
};

/* Set by xpmd_rma_library_load(), and good from then on, in all threads */
extern struct xpmd_rma_library xpmd_rma_library;

/* 0, also when it is loaded already; or -ENOSYS, with *why_ret what is wrong */
int xpmd_rma_library_load(const char **why_ret);

#endif /* XPMD_RMA_LIBRARY_H */
