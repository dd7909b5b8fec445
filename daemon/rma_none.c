// SPDX-License-Identifier: GPL-2.0-or-later
/* What rma.h has in a build without libfabric: a configuration that wants it is refused. */
#include "rma.h"

#include "log.h"

#include <errno.h>

int xpmd_rma_load(const char *text)
{
	xpmd_log(LOG_ERR, "fabric %s: %s", text, xpmd_rma_check(text));
	return -EOPNOTSUPP;
}

int xpmd_rma_new(struct xpmd_rma **ret, sd_event *event, const char *text,
		 const struct xpmd_rma_ops *ops, void *ctx)
{
	(void)ret;
	(void)event;
	(void)ops;
	(void)ctx;
	return xpmd_rma_load(text);
}

/* There is no xpmd_rma, and so none of the rest is ever called with one. */
void xpmd_rma_free(struct xpmd_rma *rma)
{
	(void)rma;
}

int xpmd_rma_address(const struct xpmd_rma *rma, struct xpmd_address *ret)
{
	(void)rma;
	(void)ret;
	return -EOPNOTSUPP;
}

uint32_t xpmd_rma_protocol(const struct xpmd_rma *rma)
{
	(void)rma;
	return 0;
}

int xpmd_rma_connect(struct xpmd_rma_link **ret, struct xpmd_rma *rma,
		     const struct xpmd_address *to, const void *hello, size_t length,
		     const struct xpmd_rma_link_ops *ops, void *ctx)
{
	(void)ret;
	(void)rma;
	(void)to;
	(void)hello;
	(void)length;
	(void)ops;
	(void)ctx;
	return -EOPNOTSUPP;
}

int xpmd_rma_accept(struct xpmd_rma_link **ret, struct xpmd_rma_request *request,
		    const struct xpmd_rma_link_ops *ops, void *ctx)
{
	(void)ret;
	(void)request;
	(void)ops;
	(void)ctx;
	return -EOPNOTSUPP;
}

void xpmd_rma_link_free(struct xpmd_rma_link *link)
{
	(void)link;
}

int xpmd_rma_register(struct xpmd_rma_link *link, struct xpmd_rma_region *region, void *memory,
		      size_t length, bool remote)
{
	(void)link;
	(void)region;
	(void)memory;
	(void)length;
	(void)remote;
	return -EOPNOTSUPP;
}

int xpmd_rma_unregister(struct xpmd_rma_link *link, struct xpmd_rma_region *region)
{
	(void)link;
	(void)region;
	return -EOPNOTSUPP;
}

int xpmd_rma_read(struct xpmd_rma_link *link, unsigned int slot,
		  const struct xpmd_rma_region *region, void *to, size_t length, uint64_t address,
		  uint64_t key)
{
	(void)link;
	(void)slot;
	(void)region;
	(void)to;
	(void)length;
	(void)address;
	(void)key;
	return -EOPNOTSUPP;
}
