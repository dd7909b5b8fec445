// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gate: a counter to pass, a futex to sleep at.
 */
#include "gate.h"

#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SPINS 500

/* Yields after which MPI gets a chance: a peer may wait for it to go on. */
#define YIELDS 4096

struct gate_words {
	_Alignas(128) _Atomic uint64_t arrived;
	_Alignas(128) _Atomic uint32_t woken;
};

/* MPI aligns a window to 8 bytes, in all processes in the same place of a page. */
#define WINDOW_BYTES \
	((MPI_Aint)(sizeof(struct gate_words) + _Alignof(struct gate_words)))

_Static_assert(ATOMIC_LONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2,
	       "atomics must be lock-free between processes");

int gate_spins(int ranks)
{
	cpu_set_t usable;

	return sched_getaffinity(0, sizeof(usable), &usable) == 0 &&
			       ranks <= CPU_COUNT(&usable) ?
		       SPINS :
		       1;
}

void gate_create(MPI_Comm comm, struct gate *ret_gate)
{
	struct gate gate = { .comm = comm };
	char *window;
	MPI_Aint bytes;
	int rank, unit;

	MPI_Comm_rank(comm, &rank);
	MPI_Comm_size(comm, &gate.ranks);
	gate.spins = gate_spins(gate.ranks);
	MPI_Win_allocate_shared(rank == 0 ? WINDOW_BYTES : 0, 1, MPI_INFO_NULL,
				comm, &window, &gate.window);
	MPI_Win_shared_query(gate.window, 0, &bytes, &unit, &window);
	window += -(uintptr_t)window % _Alignof(struct gate_words);
	gate.words = (struct gate_words *)window;
	if (rank == 0) {
		atomic_init(&gate.words->arrived, 0);
		atomic_init(&gate.words->woken, 0);
	}
	MPI_Barrier(comm);
	*ret_gate = gate;
}

void gate_destroy(struct gate *gate)
{
	MPI_Win_free(&gate->window);
}

static void let_mpi_go_on(struct gate *gate)
{
	int flag;

	MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, gate->comm, &flag,
		   MPI_STATUS_IGNORE);
}

void gate_pass(struct gate *gate, int ranks)
{
	_Atomic uint64_t *arrived = &gate->words->arrived;
	uint64_t all;

	gate->passed += (uint64_t)ranks;
	all = gate->passed;
	if (atomic_fetch_add_explicit(arrived, 1, memory_order_acq_rel) + 1 ==
	    all)
		return;
	for (unsigned int yields = 1;; yields++) {
		for (int i = 0; i < gate->spins; i++)
			if (atomic_load_explicit(arrived,
						 memory_order_acquire) >= all)
				return;
		sched_yield();
		if (yields % YIELDS == 0)
			let_mpi_go_on(gate);
	}
}

void gate_wake(struct gate *gate, int rank)
{
	gate->woken++;
	if (rank != 0)
		return;
	atomic_store_explicit(&gate->words->woken, gate->woken,
			      memory_order_release);
	syscall(SYS_futex, &gate->words->woken, FUTEX_WAKE, INT_MAX, NULL, NULL,
		0);
}

void gate_sleep(struct gate *gate, int ranks)
{
	uint32_t before = gate->woken++;

	gate->passed += (uint64_t)ranks;
	while (atomic_load_explicit(&gate->words->woken,
				    memory_order_acquire) == before)
		syscall(SYS_futex, &gate->words->woken, FUTEX_WAIT, before,
			NULL, NULL, 0);
}

int64_t gate_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
