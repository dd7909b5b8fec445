/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options: the command line. Rank 0 reads it and says what is wrong with it;
 * the others get the result as bytes, so the struct holds no pointer.
 */
#ifndef TRANSFER_OPTIONS_H
#define TRANSFER_OPTIONS_H

#include "block.h"
#include "operation.h"
#include "path.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define OPTIONS_SIZE_MIN ((size_t)4 << 10)
#define OPTIONS_SIZE_MAX ((size_t)16 << 20)

enum options_verdict {
	OPTIONS_RUN,
	OPTIONS_HELP,  /* help was printed, nothing to do */
	OPTIONS_WRONG, /* a message was printed */
};

struct options {
	bool operations[OPERATION_MAX];
	bool ways[WAY_MAX];
	enum path path;	 /* PATH_NONE: not said, and WAY_MPI not wanted */
	size_t min, max; /* bytes, powers of two */
	int repeat;
	enum pages pages;
	bool prefault;
	char csv[PATH_MAX]; /* empty: none */
};

enum options_verdict options_read(int argc, char **argv,
				  struct options *ret_options);

#endif
