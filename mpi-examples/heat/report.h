/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * report: what the run showed, for people on the screen and for programs as
 * JSON lines. Only rank 0 calls.
 */
#ifndef HEAT_REPORT_H
#define HEAT_REPORT_H

#include "plate.h"
#include "solver.h"
#include "tiling.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum way {
	WAY_MPI,
	WAY_XPMEM,
	WAY_MAX,
};

/* What each rank sends to rank 0; `field` pointers in it mean nothing there. */
struct rank_record {
	int pid;
	size_t bytes_shared;
	struct outcome outcome[WAY_MAX];
};

enum check {
	CHECK_IDENTICAL, /* both ways gave the same bits */
	CHECK_REPEATS,	 /* each repetition gave the same bits */
	CHECK_FINITE,	 /* no temperature is infinite or no number */
	CHECK_UNPINNED,	 /* no page was pinned */
	CHECK_MAX,
};

enum verdict {
	VERDICT_NOT_DONE,
	VERDICT_HELD,
	VERDICT_BROKEN,
};

struct report {
	const char *input;
	const struct plate *plate;
	const struct tiling *tiling;
	long steps;
	int repeat;
	double timestep; /* seconds */
	int ranks;
	const struct rank_record *records; /* one a rank */
	const double *field[WAY_MAX];	   /* NULL: did not run */

	/* Filled in by report_check(). */
	enum verdict verdicts[CHECK_MAX];
	char texts[CHECK_MAX][200];
	uint64_t checksum[WAY_MAX];
	double coldest, hottest, mean;
};

/* Makes all checks. True if none is broken. */
bool report_check(struct report *report);
void report_print(const struct report *report, FILE *file);
void report_write_json(const struct report *report, FILE *file);

/* FNV-1a, 64 bits. */
uint64_t report_checksum(const void *data, size_t size);

#endif
