/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * report: figures on the screen and in a file of comma separated values, whose
 * columns mpi-examples/README.md explains. Only rank 0 calls.
 */
#ifndef TRANSFER_REPORT_H
#define TRANSFER_REPORT_H

#include "measure.h"
#include "options.h"

#include <stdio.h>

struct report {
	FILE *csv; /* NULL: none */
	const struct options *options;
	int ranks;
};

int report_open(const struct options *options, int ranks,
		struct report *ret_report, struct failure *failure);
void report_add(struct report *report, enum operation operation, size_t bytes,
		enum way way, const struct result *result);
int report_close(struct report *report, struct failure *failure);

#endif
