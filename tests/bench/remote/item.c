// SPDX-License-Identifier: GPL-2.0-or-later
/* What is measured, and the memory for it; see remote.h. */
#include "remote.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "meter.h"
#include "xpmem.h"
#include "xpmem_ext.h"

void item_add(struct item *item, uint64_t busy, const uint64_t *ns, size_t count)
{
	samples_add(&item->work, (double)busy / (double)count);
	if (ns)
		spread_add(&item->time, ns, count);
}

void item_report(const struct row *row, const struct item *item, const struct item *reference,
		 double tail)
{
	struct samples p99 = { .count = 1 }, p50 = { .count = 1 };
	struct row at_most = *row;
	char name[48], text[80];

	if (settings.counted || !item->time.count) {
		report(row, &item->work, reference ? &reference->work : NULL);
		return;
	}
	report_spread(row, &item->time, reference ? &reference->time : NULL);
	if (!(tail > 0))
		return;
	snprintf(name, sizeof(name), "%s.p99", row->name);
	snprintf(text, sizeof(text), "%s, p99", row->text);
	at_most.name = name;
	at_most.text = text;
	at_most.reference = "p50";
	at_most.goal = GOAL_RATIO;
	at_most.limit = tail;
	p50.value[0] = spread_percentile(&item->time, 50);
	p99.value[0] = spread_percentile(&item->time, 99);
	report(&at_most, &p99, &p50);
}

void item_free(struct item *item)
{
	spread_free(&item->time);
}

void item_measure(struct item *item, unsigned int guest, const struct order *order,
		  struct outcome *outcome)
{
	uint64_t before = meter_busy();

	order_run(guest, order, outcome);
	item_add(item, meter_busy() - before + outcome->busy, outcome->ns, outcome->count);
}

/* --------------------------------------------------------------------- memory */

struct range range_new(size_t pages, unsigned int last)
{
	struct range range = { .size = pages * PAGE };
	struct order attach = { .work = WORK_ATTACH, .size = range.size };
	int err;

	range.addr = mmap(NULL, range.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	if (range.addr == MAP_FAILED || madvise(range.addr, range.size, MADV_NOHUGEPAGE))
		fatal("no memory");
	memset(range.addr, 1, range.size);
	err = xpmem_make_remote(range.addr, range.size, XPMEM_PERMIT_MODE, (void *)0600,
				XPMEM_REMOTE_WRITE, &range.segid);
	if (err) {
		errno = -err;
		fatal("xpmem_make_remote");
	}
	attach.segid = range.segid;
	order_all(last, &attach);
	return range;
}

void range_free(struct range *range, unsigned int last)
{
	static const struct order detach = { .work = WORK_DETACH };

	order_all(last, &detach);
	if (xpmem_remove(range->segid))
		fatal("xpmem_remove");
	munmap(range->addr, range->size);
}
