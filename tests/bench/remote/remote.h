/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xpmem-bench-remote: what memory of another partition costs.
 *
 * It is started once on each partition, at about the same time, with the same
 * arguments but for its number.  Partition 1 is home: it owns the memory, says what
 * is to be done (link.h) and reports rows (result.h).  The others attach.
 *
 * A figure means something beside that of its floor (floor.h) alone: the same bytes by
 * TCP between the same partitions.  Both are measured in short rounds that take turns,
 * so that whatever else the machine does befalls both.  There are two clocks:
 *
 *  - "time" gives what each operation took, of which p50 and p99 are reported.  The
 *    ratio is the median of the rounds' ratios of p50.
 *  - "instructions" counts what all partitions execute for an operation, kernels,
 *    daemons and programs together, whoever else is busy on the machine (meter.h).
 *
 * Memory is new for each round: a segment of which nobody has had a page.
 */
#ifndef REMOTE_H
#define REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../bench.h"
#include "../result.h"
#include "link.h"
#include "xpmem.h"

#define PARTITIONS_MAX	17
#define LOADS		50000	/* of WORK_LOCAL: a short piece, see docs/guest.md */

struct remote {
	unsigned int partition;		/* this one's number; 1 is home */
	unsigned int partitions;
	const char *address[PARTITIONS_MAX + 1]; /* by number */
	unsigned int port;		/* links; floors use the two after it */
	unsigned int each;		/* operations of a round */
	unsigned int idle_seconds;
	pid_t daemon;			/* of this partition */
	const char *control;		/* its socket */
};

/* Set before any section runs */
extern struct remote remote;

/* At home.  They return when the others wait for orders again. */
typedef void remote_section_fn(void);

remote_section_fn remote_fault, remote_sweep, remote_recall, remote_serve, remote_idle,
	remote_local, remote_directory;

/* ---- What is measured, and beside what */

struct item {
	struct samples work;	/* instructions an operation, of each round */
	struct spread time;	/* of each operation */
};

/*
 * A round of @count operations: all partitions together executed @busy instructions, and
 * each operation took its @ns (NULL: they were not timed one by one).
 */
void item_add(struct item *item, uint64_t busy, const uint64_t *ns, size_t count);
/*
 * A row; @unit of @row is set.  With "time" a goal is one of p50, and @tail is that of
 * p99 as a multiple of p50, in a row of its own (0: none).
 */
void item_report(const struct row *row, const struct item *item, const struct item *reference,
		 double tail);
void item_free(struct item *item);

/*
 * All that @count operations of @order cost, which one guest does; its outcome in
 * @outcome
 */
void item_measure(struct item *item, unsigned int guest, const struct order *order,
		  struct outcome *outcome);

/* ---- The owner's memory */

struct range {
	char *addr;
	size_t size;
	xpmem_segid_t segid;
};

/* Populated pages of 4 KiB, for reading and writing, attached by guests 2..@last */
struct range range_new(size_t pages, unsigned int last);
void range_free(struct range *range, unsigned int last);

/* ---- The parts of guests; ns and count of @outcome are theirs to fill in */

void guest_attach(const struct order *order);
void guest_detach(void);
void guest_touch(const struct order *order, struct outcome *outcome);
void guest_sweep(const struct order *order, struct outcome *outcome);
void guest_local(const struct order *order, struct outcome *outcome);
void guest_idle(const struct order *order, struct outcome *outcome);

#endif /* REMOTE_H */
