/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gate: lets ranks go at the same moment, for what is measured after it.
 *
 * MPI_Barrier() would do, but what its messages cost depends on the path of
 * Open MPI, and it is not over for all at once. This is a counter in a shared
 * window of MPI, the same for all ways and independent of XPMEM. Who comes last
 * goes on without another look; who waits gives the processor away.
 */
#ifndef TRANSFER_GATE_H
#define TRANSFER_GATE_H

#include <mpi.h>
#include <stdint.h>

struct gate_words;

struct gate {
	MPI_Comm comm;
	MPI_Win window;
	struct gate_words *words;
	uint64_t passed;  /* times this rank's group went through */
	uint32_t woken;	  /* times the sleepers were woken */
	int ranks, spins; /* spins: looks between two yields */
};

/* Collective. MPI ends the run where there is no such window. */
void gate_create(MPI_Comm comm, struct gate *ret_gate);
void gate_destroy(struct gate *gate);

/*
 * Of all ranks, `ranks` call gate_pass() and then gate_wake(), the others
 * gate_sleep(), which costs no time and returns when one of the first has called
 * gate_wake().
 */
void gate_pass(struct gate *gate, int ranks);
void gate_wake(struct gate *gate, int rank);
void gate_sleep(struct gate *gate, int ranks);

/* Nanoseconds, the same clock for all ranks. */
int64_t gate_clock(void);

/* Looks to take between two yields, when `ranks` ranks share our processors. */
int gate_spins(int ranks);

#endif
