// SPDX-License-Identifier: GPL-2.0-or-later
#include "checked_session.h"

#include "log.h"

#include <stdlib.h>
#include <string.h>

struct xpmd_transport *transport;
bool is_up;
uint64_t seen;

void xpmd_log(int priority, const char *format, ...)
{
	(void)priority;
	(void)format;
}

void xpmd_log_of(int priority, uint32_t partition, int64_t segid,
		 const char *format, ...)
{
	(void)priority;
	(void)partition;
	(void)segid;
	(void)format;
}

void expect(bool what)
{
	if (!what)
		abort();
}

void check_message(const struct xpmd_msg *msg)
{
	const uint8_t *data = msg->data;
	unsigned int i, pages = 0;

	expect(msg->count <= XPMD_MAX_PAGES && msg->state <= XPMD_EXCLUSIVE);
	for (i = 0; i < XPMD_MAX_PAGES; i++)
		pages += msg->mask[i / 64] >> i % 64 & 1;
	expect(!pages == !data);
	for (i = 0; i < pages * XPMD_PAGE; i += 512)
		seen += data[i];
}

void checked_hello(void *ctx, struct xpmd_hello *hello)
{
	(void)ctx;
	*hello = (struct xpmd_hello){ .incarnation = 11, .lease_ns = 3000000000 };
}

void checked_up(void *ctx, uint32_t partition, const struct xpmd_hello *other)
{
	(void)ctx;
	expect(!is_up && partition == 2 && other->partition == 2 &&
	       other->incarnation);
	is_up = true;
}

void checked_challenged(void *ctx, uint32_t partition, uint64_t id,
			const uint8_t nonce[32])
{
	(void)ctx;
	(void)partition;
	expect(is_up);
	seen += id + nonce[31];
}

void checked_open(void *ctx, uint32_t partition, const struct xpmd_open *open)
{
	struct xpmd_opened opened = { .id = open->id, .segid = open->segid, .pages = 1 };

	(void)ctx;
	expect(is_up && open->segid >> 51 == 1 &&
	       strlen(open->credential) < 4096);
	xpmd_transport_opened(transport, partition, &opened);
}

void checked_opened(void *ctx, uint32_t partition,
		    const struct xpmd_opened *opened)
{
	(void)ctx;
	(void)partition;
	expect(is_up && opened->segid >> 51 == 2 &&
	       !opened->error == !!opened->pages);
}

void checked_attach(void *ctx, uint32_t partition,
		    const struct xpmd_attach *attach)
{
	struct xpmd_attached attached = { .id = attach->id };

	(void)ctx;
	expect(is_up && attach->segid >> 51 == 1);
	xpmd_transport_attached(transport, partition, &attached);
}

void checked_attached(void *ctx, uint32_t partition,
		      const struct xpmd_attached *attached)
{
	(void)ctx;
	(void)partition;
	expect(is_up);
	seen += attached->error;
}

void checked_close(void *ctx, uint32_t partition,
		   const struct xpmd_close *close_)
{
	(void)ctx;
	(void)partition;
	expect(is_up && close_->segid >> 51 == 1);
}
