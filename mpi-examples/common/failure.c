// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * failure: one message and one exit code for all ranks; failure.h has the
 * theory. Only failure_abort() may be called by a rank on its own.
 */
#include "failure.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int failure_set(struct failure *failure, enum exit_code code,
		const char *format, ...)
{
	va_list args;

	if (failure->code != EXIT_OK)
		return failure->code;
	failure->code = code;
	va_start(args, format);
	vsnprintf(failure->text, sizeof(failure->text), format, args);
	va_end(args);
	return failure->code;
}

int failure_agree(MPI_Comm comm, const struct failure *failure)
{
	struct failure told = *failure;
	int rank, lowest;

	MPI_Comm_rank(comm, &rank);
	lowest = failure->code != EXIT_OK ? rank : INT_MAX;
	MPI_Allreduce(MPI_IN_PLACE, &lowest, 1, MPI_INT, MPI_MIN, comm);
	if (lowest == INT_MAX)
		return EXIT_OK;

	MPI_Bcast(&told, (int)sizeof(told), MPI_BYTE, lowest, comm);
	/* An empty text: rank 0 has said it already (command line). */
	if (rank == 0 && told.text[0] != '\0') {
		fflush(stdout);
		if (lowest == 0)
			fprintf(stderr, "%s: %s\n",
				program_invocation_short_name, told.text);
		else
			fprintf(stderr, "%s: rank %d: %s\n",
				program_invocation_short_name, lowest,
				told.text);
	}
	return told.code;
}

void failure_abort(MPI_Comm comm, enum exit_code code, const char *format, ...)
{
	char text[FAILURE_TEXT_MAX];
	va_list args;
	int rank;

	MPI_Comm_rank(comm, &rank);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "%s: rank %d: %s\n", program_invocation_short_name,
		rank, text);
	fflush(stderr);
	MPI_Abort(comm, code);
	/* MPI_Abort() is not declared as one that stays away. */
	_Exit(code);
}
