// SPDX-License-Identifier: GPL-2.0-or-later
/* What partitions other than home do; see remote.h. */
#include "remote.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "usage.h"
#include "xpmem.h"

static xpmem_apid_t apid;
static char *attached;

void guest_attach(const struct order *order)
{
	struct xpmem_addr whole;

	apid = xpmem_get(order->segid, XPMEM_RDWR, XPMEM_PERMIT_MODE, NULL);
	if (apid < 0)
		fatal("xpmem_get");
	whole = (struct xpmem_addr){ .apid = apid };
	attached = xpmem_attach(whole, order->size, NULL);
	if (attached == (void *)-1)
		fatal("xpmem_attach");
}

void guest_detach(void)
{
	if (xpmem_detach(attached) || xpmem_release(apid))
		fatal("xpmem_detach");
}

void guest_touch(const struct order *order, struct outcome *outcome)
{
	for (uint64_t i = 0; i < order->count; i++) {
		char *at = attached + (order->first + i * order->stride) * PAGE;
		uint64_t start = now_ns();

		if (order->flags)
			write_page(at);
		else
			read_page(at);
		outcome->ns[outcome->count++] = now_ns() - start;
	}
}

void guest_sweep(const struct order *order, struct outcome *outcome)
{
	uint64_t start = now_ns();

	for (uint64_t at = 0; at < order->size; at += PAGE)
		read_page(attached + at);
	outcome->ns[outcome->count++] = now_ns() - start;
}

/* The page has come before the clock is looked at. */
void guest_local(const struct order *order, struct outcome *outcome)
{
	char *page = attached;

	if (order->flags) {
		page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (page == MAP_FAILED)
			fatal("no memory");
		write_page(page);
	}
	read_page(page);
	for (uint64_t round = 0; round < order->count; round++) {
		uint64_t start = now_ns();

		for (unsigned int i = 0; i < LOADS; i++)
			read_page(page + i % PAGE);
		outcome->ns[outcome->count++] = now_ns() - start;
	}
	if (order->flags)
		munmap(page, PAGE);
}

void guest_idle(const struct order *order, struct outcome *outcome)
{
	uint64_t before = usage_cpu_ns(remote.daemon);

	sleep((unsigned int)order->count);
	outcome->ns[outcome->count++] = usage_cpu_ns(remote.daemon) - before;
}
