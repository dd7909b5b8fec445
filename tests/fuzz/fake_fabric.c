// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * daemon/rma.h without a fabric, and daemon/seal.h without a seal: connections come up
 * in the next turn of the loop, what is read is there in the next but one, and
 * odd keys break them.
 */
#include "fake_fabric.h"
#include "rma.h"
#include "seal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

struct xpmd_rma {
	sd_event *event;
	const struct xpmd_rma_ops *ops;
	void *ctx;
};

struct xpmd_rma_request {
	struct xpmd_rma *rma;
};

struct xpmd_rma_link {
	const struct xpmd_rma_link_ops *ops;
	void *ctx;
	sd_event_source *up, *reads[XPMD_RMA_SLOTS], *down;
	unsigned int regions;
};

static struct xpmd_rma *the_one;

static void expect(bool what)
{
	if (!what)
		abort();
}

int xpmd_rma_new(struct xpmd_rma **ret, sd_event *event, const char *text,
		 const struct xpmd_rma_ops *ops, void *ctx)
{
	(void)text;
	the_one = calloc(1, sizeof(*the_one));
	*the_one = (struct xpmd_rma){ .event = event, .ops = ops, .ctx = ctx };
	*ret = the_one;
	return 0;
}

void xpmd_rma_free(struct xpmd_rma *rma)
{
	free(rma);
	the_one = NULL;
}

int xpmd_rma_address(const struct xpmd_rma *rma, struct xpmd_address *ret)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(1) };

	(void)rma;
	memset(ret, 0, sizeof(*ret));
	memcpy(&ret->bytes, &in, sizeof(in));
	ret->length = sizeof(in);
	return 0;
}

uint32_t xpmd_rma_protocol(const struct xpmd_rma *rma)
{
	(void)rma;
	return FAKE_PROTOCOL;
}

static int on_up(sd_event_source *source, void *userdata)
{
	struct xpmd_rma_link *link = userdata;

	(void)source;
	link->ops->up(link->ctx);
	return 0;
}

static int on_down(sd_event_source *source, void *userdata)
{
	struct xpmd_rma_link *link = userdata;

	(void)source;
	link->ops->down(link->ctx, "an odd key");
	return 0;
}

static int on_read_0(sd_event_source *source, void *userdata)
{
	struct xpmd_rma_link *link = userdata;

	(void)source;
	link->ops->read(link->ctx, 0);
	return 0;
}

static int on_read_1(sd_event_source *source, void *userdata)
{
	struct xpmd_rma_link *link = userdata;

	(void)source;
	link->ops->read(link->ctx, 1);
	return 0;
}

static struct xpmd_rma_link *new_link(struct xpmd_rma *rma, const struct xpmd_rma_link_ops *ops,
				      void *ctx)
{
	struct xpmd_rma_link *link = calloc(1, sizeof(*link));

	link->ops = ops;
	link->ctx = ctx;
	expect(sd_event_add_defer(rma->event, &link->up, on_up, link) >= 0 &&
	       sd_event_add_defer(rma->event, &link->down, on_down, link) >= 0 &&
	       sd_event_add_defer(rma->event, &link->reads[0], on_read_0, link) >= 0 &&
	       sd_event_add_defer(rma->event, &link->reads[1], on_read_1, link) >= 0);
	sd_event_source_set_enabled(link->down, SD_EVENT_OFF);
	sd_event_source_set_enabled(link->reads[0], SD_EVENT_OFF);
	sd_event_source_set_enabled(link->reads[1], SD_EVENT_OFF);
	return link;
}

int xpmd_rma_connect(struct xpmd_rma_link **ret, struct xpmd_rma *rma,
		     const struct xpmd_address *to, const void *hello, size_t length,
		     const struct xpmd_rma_link_ops *ops, void *ctx)
{
	(void)hello;
	expect(to->length && length <= XPMD_RMA_HELLO);
	*ret = new_link(rma, ops, ctx);
	return 0;
}

int xpmd_rma_accept(struct xpmd_rma_link **ret, struct xpmd_rma_request *request,
		    const struct xpmd_rma_link_ops *ops, void *ctx)
{
	*ret = new_link(request->rma, ops, ctx);
	return 0;
}

void xpmd_rma_link_free(struct xpmd_rma_link *link)
{
	if (!link)
		return;
	sd_event_source_disable_unref(link->up);
	sd_event_source_disable_unref(link->down);
	sd_event_source_disable_unref(link->reads[0]);
	sd_event_source_disable_unref(link->reads[1]);
	free(link);
}

int xpmd_rma_register(struct xpmd_rma_link *link, struct xpmd_rma_region *region, void *memory,
		      size_t length, bool remote)
{
	(void)remote;
	memset(memory, 0, length); /* all of it is there */
	*region = (struct xpmd_rma_region){ .mr = link, .address = (uintptr_t)memory, .key = 2 };
	link->regions++;
	return 0;
}

int xpmd_rma_unregister(struct xpmd_rma_link *link, struct xpmd_rma_region *region)
{
	expect(region->mr == link && link->regions--);
	region->mr = NULL;
	return 0;
}

int xpmd_rma_read(struct xpmd_rma_link *link, unsigned int slot,
		  const struct xpmd_rma_region *region, void *to, size_t length, uint64_t address,
		  uint64_t key)
{
	(void)address;
	expect(region->mr == link && slot < XPMD_RMA_SLOTS && length);
	memset(to, (int)key, length);
	sd_event_source_set_enabled(key & 1 ? link->down : link->reads[slot], SD_EVENT_ONESHOT);
	return 0;
}

void fake_fabric_knock(const void *hello, size_t length)
{
	struct xpmd_rma_request request = { .rma = the_one };

	if (the_one)
		the_one->ops->request(the_one->ctx, &request, hello, length);
}

/* ------------------------------------------------------------------ seals */

struct xpmd_seal {
	bool client;
};

struct xpmd_seal *xpmd_seal_new(const uint8_t key[XPMD_SEAL_KEY], bool client)
{
	(void)key;
	(void)client;
	return calloc(1, sizeof(struct xpmd_seal));
}

void xpmd_seal_free(struct xpmd_seal *seal)
{
	free(seal);
}

int xpmd_seal_close(struct xpmd_seal *seal, enum xpmd_channel channel, uint64_t number,
		    const void *data, size_t length, void *ret, uint8_t tag_ret[XPMD_SEAL_TAG])
{
	(void)channel;
	expect(seal && number);
	memcpy(ret, data, length);
	memset(tag_ret, 0, XPMD_SEAL_TAG);
	return 0;
}

int xpmd_seal_open(struct xpmd_seal *seal, enum xpmd_channel channel, uint64_t number, void *data,
		   size_t length, const uint8_t tag[XPMD_SEAL_TAG])
{
	uint8_t *bytes = data;

	(void)channel;
	expect(seal && number && length);
	bytes[length - 1]++;
	return tag[0] ? -EBADMSG : 0;
}
