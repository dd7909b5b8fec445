/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * failure: how a program of many processes ends with one message.
 *
 * A rank that finds something wrong must not just return: the others would
 * wait for it in the next collective call for ever. Two ways out exist here.
 *
 * - Where all ranks pass the same point (set-up, results) a rank notes what
 *   went wrong in a struct failure and carries on to failure_agree(). There
 *   the ranks learn whether any of them failed; the message of the lowest
 *   one is printed once, and all get the same exit code.
 * - In a time loop nobody meets anybody. failure_abort() prints its message
 *   and has MPI end every rank.
 */
#ifndef EXAMPLES_FAILURE_H
#define EXAMPLES_FAILURE_H

#include <mpi.h>

/* The exit codes of the examples; docs/mpi.md lists those of heat. */
enum exit_code {
	EXIT_OK = 0,
	EXIT_CHECK = 1,	  /* it ran, but a check did not hold */
	EXIT_USAGE = 2,	  /* command line */
	EXIT_INPUT = 3,	  /* input file */
	EXIT_RANKS = 4,	  /* these ranks can't do this */
	EXIT_XPMEM = 5,	  /* no XPMEM here: module, device, permission */
	EXIT_RUNTIME = 6, /* memory, files, a neighbour that is gone */
	EXIT_PATH = 7,	  /* MPI does not move data the way it was told to */
};

#define FAILURE_TEXT_MAX 512

struct failure {
	int code; /* an enum exit_code, EXIT_OK for none */
	char text[FAILURE_TEXT_MAX];
};

/* Note a failure, the first one stays. Returns the code that stands. */
int failure_set(struct failure *failure, enum exit_code code,
		const char *format, ...) __attribute__((format(printf, 3, 4)));

/*
 * Collective. Returns EXIT_OK on all ranks, or the code of the lowest failed
 * rank on all ranks, after rank 0 has printed that rank's message.
 */
int failure_agree(MPI_Comm comm, const struct failure *failure);

/* Not collective: print and end the whole run. */
_Noreturn void failure_abort(MPI_Comm comm, enum exit_code code,
			     const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
