/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Orders of home to the other partitions, by a TCP connection each, and their outcomes.
 */
#ifndef LINK_H
#define LINK_H

#include <stdint.h>

#define OUTCOMES_MAX 4096

enum work {
	WORK_END,	/* and exit */
	WORK_ATTACH,	/* @segid, of @size bytes */
	WORK_DETACH,
	WORK_TOUCH,	/* a load (or store: @flags) of page @first, + @stride, ...; @count */
	WORK_SWEEP,	/* a load of each page of @size bytes: one figure */
	WORK_LOCAL,	/* LOADS loads of one page, @count times; @flags: of own memory */
	WORK_REQUEST,	/* @count requests for @size bytes of home's floor; @flags: by TLS */
	WORK_METER,	/* nothing: what was executed until now */
	WORK_IDLE,	/* wait @count seconds: what the daemon executed meanwhile */
};

struct order {
	uint32_t work;
	uint32_t flags;
	int64_t segid;
	uint64_t size;
	uint64_t first, stride, count;
};

struct outcome {
	uint64_t busy;		/* instructions: of the order, or WORK_METER: of all */
	uint64_t count;		/* of ns that are there */
	uint64_t ns[OUTCOMES_MAX];
};

/* Home: until all guests have come.  Guests: until home is there */
void link_begin(void);

void order_begin(unsigned int guest, const struct order *order);
void order_end(unsigned int guest, struct outcome *outcome);
void order_run(unsigned int guest, const struct order *order, struct outcome *outcome);
/* To guests 2..@last, at the same time; what comes back is of no interest */
void order_all(unsigned int last, const struct order *order);

/* A guest: what it is told until it is the end */
void link_serve(void);

#endif /* LINK_H */
