/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options: the command line. Rank 0 reads it and says what is wrong with it;
 * the others get the result as bytes, so the struct holds no pointer.
 */
#ifndef HEAT_OPTIONS_H
#define HEAT_OPTIONS_H

#include <limits.h>
#include <stdbool.h>

#define OPTIONS_NAME_MAX PATH_MAX

enum options_verdict {
	OPTIONS_RUN,
	OPTIONS_HELP,  /* help was printed, nothing to do */
	OPTIONS_WRONG, /* a message was printed */
};

/* Empty names: not asked for. */
struct options {
	char input[OPTIONS_NAME_MAX];
	char report[OPTIONS_NAME_MAX];
	char image[OPTIONS_NAME_MAX];
	char field[OPTIONS_NAME_MAX];
	bool run_mpi, run_xpmem;
	long steps; /* 0: as the input file says */
	int repeat;
	double patience; /* seconds */
};

enum options_verdict options_read(int argc, char **argv,
				  struct options *ret_options);

#endif
