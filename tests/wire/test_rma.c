// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections on a fabric whose end takes as long as the kernel likes: nobody waits for it.
 * daemon/rma.c is a part of this file, with an fi_close() of its own.
 */
#define _GNU_SOURCE
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_rma.h>

#include <pthread.h>

static pthread_mutex_t stuck = PTHREAD_MUTEX_INITIALIZER;
static _Atomic unsigned int closed;

static int close_when_free(struct fid *fid)
{
	if (fid->fclass == FI_CLASS_EP) {
		pthread_mutex_lock(&stuck);
		closed++;
		pthread_mutex_unlock(&stuck);
	}
	return fi_close(fid);
}

#define fi_close close_when_free
#include "rma.c"
#undef fi_close

#include "peers.h"

/* A connection: the end that asks, and the one that is asked */
static struct {
	struct xpmd_rma_link *ends[2];
	unsigned int up;
} pairs[CLOSINGS_MAX + 1], *now;

static void on_up(void *ctx)
{
	(void)ctx;
	now->up++;
}

static void on_read(void *ctx, unsigned int slot)
{
	(void)ctx;
	(void)slot;
}

static void on_down(void *ctx, const char *why)
{
	(void)ctx;
	ck_abort_msg("a connection ended: %s", why);
}

static const struct xpmd_rma_link_ops link_ops = { on_up, on_read, on_down };

static void on_request(void *ctx, struct xpmd_rma_request *request, const void *hello,
		       size_t length)
{
	(void)ctx;
	(void)hello;
	(void)length;
	ck_assert_int_eq(xpmd_rma_accept(&now->ends[1], request, &link_ops, NULL), 0);
}

static int ask(struct xpmd_rma *from, const struct xpmd_address *to)
{
	return xpmd_rma_connect(&now->ends[0], from, to, "hello", 5, &link_ops, NULL);
}

static void meet(struct xpmd_rma *from, const struct xpmd_address *to)
{
	ck_assert_int_eq(ask(from, to), 0);
	run_until(now->up == 2);
}

static void part(void)
{
	xpmd_rma_link_free(now->ends[0]);
	xpmd_rma_link_free(now->ends[1]);
}

START_TEST(stuck_end)
{
	static const struct xpmd_rma_ops ops = { on_request };
	struct xpmd_rma *asks, *asked;
	struct xpmd_address address;

	peers_begin();
	ck_assert_int_eq(xpmd_rma_new(&asks, event, "tcp://127.0.0.1:0", &ops, NULL), 0);
	ck_assert_int_eq(xpmd_rma_new(&asked, event, "tcp://127.0.0.1:0", &ops, NULL), 0);
	ck_assert_int_eq(xpmd_rma_address(asked, &address), 0);
	/* Each is opened and given up while those before it can't be closed. */
	pthread_mutex_lock(&stuck);
	for (now = pairs; now < &pairs[CLOSINGS_MAX]; now++) {
		meet(asks, &address);
		part();
	}
	ck_assert_uint_eq(closed, 0);
	/* But not without end: they have descriptors that others need. */
	ck_assert_int_eq(ask(asks, &address), -EBUSY);
	pthread_mutex_unlock(&stuck);
	run_until(closed == 2 * CLOSINGS_MAX && !ask(asks, &address));
	run_until(now->up == 2);
	part();
	xpmd_rma_free(asks);
	xpmd_rma_free(asked);
	ck_assert_uint_eq(closed, 2 * CLOSINGS_MAX + 2);
	peers_end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rma");

	add_case(suite, "stuck_end", stuck_end);
	return run_suite(suite);
}
