// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * halo_xpmem: the borders are read where they are, in the neighbour's memory.
 *
 * Each rank makes its block (grid.h) one segment, which those of other partitions
 * can attach, too, if there are any, and tells all ranks the id by MPI, which is the last message there is until the end of the run. It attaches
 * the block of each neighbour for reading. From then on the neighbour's border
 * cells are loaded like any other: a row by memcpy(), a column by one load a
 * row, without a pack, a send, a receive or an unpack.
 *
 * Order. Rank A publishes by storing n + 1 into its own head's `progress` with
 * release, when its field of step n is complete. B loads that word with acquire
 * until it is at least n + 1; then all that A stored up to step n is visible to
 * B's loads. This one word also keeps the fields apart. There are two, so A
 * overwrites its field of step n - 1 when it computes step n + 1, and does so
 * only after it saw n + 1 from all its neighbours. A neighbour publishes that
 * after it computed step n, for which it read A's field of n - 1: it needs it
 * no more. Neighbours look at each other both ways, so nobody is ever more than
 * one step ahead of a neighbour and two fields are enough.
 *
 *	     A                                  B
 *	compute field n                    compute field n
 *	progress = n + 1 (release)         progress = n + 1 (release)
 *	wait for B's >= n + 1 (acquire)    wait for A's >= n + 1 (acquire)
 *	load B's border of field n         load A's border of field n
 *	compute n + 1 over n - 1           compute n + 1 over n - 1
 *
 * Nobody writes another's memory, so all attachments are read-only.
 *
 * When a neighbour dies, its attachment raises SIGBUS at the next access; when
 * it hangs, its progress stands still. The first is caught, the second is
 * bounded by the patience given to open(). Both end the run with a message.
 */
#include "halo.h"

#include "nodes.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xpmem.h>
#include <xpmem_ext.h>

/* A word that one process stores and another loads must need no lock. */
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_LONG_LOCK_FREE == 2,
	       "64-bit atomics must be lock-free between processes");

/*
 * A neighbour in step is done within microseconds: look that often before the
 * processor is given away, and that often with yields before the clock is read.
 */
#define SPINS  500
#define YIELDS 64

/* Seconds: how far apart ranks lose patience, how long MPI_Abort() may take. */
#define GIVE_UP_APART 0.2
#define ABORT_TAKES   10

/* What a rank tells the others about its block. */
struct invitation {
	long long segid;
	unsigned long long bytes;
	unsigned long long stride;
	unsigned long long field_offset[2];
	int nx, ny;
};

struct neighbour {
	int rank;	      /* -1: the plate ends here */
	xpmem_apid_t apid;    /* -1: none yet */
	unsigned char *block; /* their block in our addresses */
	struct grid theirs;   /* their layout, `block` as seen here */
};

struct halo_shared {
	struct halo halo;
	struct neighbour neighbour[SIDE_MAX];
	xpmem_segid_t segid; /* -1: none yet */
	int spins;
	bool apart; /* some ranks are on another partition */
};

/*
 * What the SIGBUS handler knows. It can't be told whom it serves, so this is
 * static and one halo is open at a time. Entries are complete before an access
 * can fault on them.
 */
static struct {
	const unsigned char *begin, *end;
	char text[120];
	size_t length;
} watched[SIDE_MAX];
static struct grid_head *own_head;
static struct sigaction old_sigbus;

static struct halo_shared *to_shared(struct halo *halo)
{
	return (struct halo_shared *)halo;
}

/*
 * An access to an attachment that faulted can't go on and there is nothing to
 * repair: write the text made beforehand. mpirun, which saw the neighbour die,
 * ends the rest; to leave at once would take this rank's memory from its own
 * neighbours, and they would blame it. Any other SIGBUS is not ours, and comes
 * again with the old action.
 */
static void on_sigbus(int number, siginfo_t *info, void *context)
{
	const unsigned char *at = info->si_addr;

	(void)context;
	for (int i = 0; i < SIDE_MAX; i++) {
		ssize_t written;

		if (at < watched[i].begin || at >= watched[i].end)
			continue;
		atomic_store_explicit(&own_head->gave_up, 1,
				      memory_order_relaxed);
		written = write(STDERR_FILENO, watched[i].text,
				watched[i].length);
		(void)written;
		sleep(ABORT_TAKES);
		_exit(EXIT_RUNTIME);
	}
	sigaction(number, &old_sigbus, NULL);
}

static void watch_neighbour(const struct halo_shared *s, enum side side,
			    const unsigned char *block, size_t bytes, int rank)
{
	int length = snprintf(
		watched[side].text, sizeof(watched[side].text),
		"heat: rank %d: SIGBUS: the memory of rank %d is gone (did it die?)\n",
		s->halo.rank, rank);

	watched[side].length = (size_t)length;
	watched[side].end = block + bytes;
	watched[side].begin = block;
}

static void catch_sigbus(const struct grid *grid)
{
	struct sigaction action = {
		.sa_sigaction = on_sigbus,
		.sa_flags = SA_SIGINFO,
	};

	memset(watched, 0, sizeof(watched));
	own_head = grid_head(grid);
	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, &old_sigbus);
}

static void release_sigbus(void)
{
	sigaction(SIGBUS, &old_sigbus, NULL);
}

/* The device is where things go wrong in practice, so say more there. */
static void explain_version(struct failure *failure, int error)
{
	if (error == ENOENT || error == ENXIO || error == ENODEV)
		failure_set(
			failure, EXIT_XPMEM,
			"xpmem: cannot open /dev/xpmem: %s; is the module loaded?",
			strerror(error));
	else if (error == EACCES || error == EPERM)
		failure_set(failure, EXIT_XPMEM,
			    "xpmem: cannot open /dev/xpmem: %s; may this user?",
			    strerror(error));
	else
		failure_set(failure, EXIT_XPMEM, "xpmem_version: %s",
			    strerror(error));
}

static int make_segment(struct halo_shared *s, struct failure *failure)
{
	struct grid *grid = s->halo.grid;
	double start = MPI_Wtime();
	int error;

	/* Version first: its failure is surely the device's, not the block's. */
	if (xpmem_version() < 0) {
		explain_version(failure, errno);
		return -1;
	}
	if (s->apart) {
		error = -xpmem_make_remote(grid->block, grid->bytes,
					   XPMEM_PERMIT_MODE, (void *)0600, 0,
					   &s->segid);
	} else {
		s->segid = xpmem_make(grid->block, grid->bytes,
				      XPMEM_PERMIT_MODE, (void *)0600);
		error = s->segid == -1 ? errno : 0;
	}
	if (error != 0) {
		s->segid = -1;
		failure_set(failure, EXIT_XPMEM, "%s of %zu bytes: %s",
			    s->apart ? "xpmem_make_remote" : "xpmem_make",
			    grid->bytes, strerror(error));
		return -1;
	}
	s->halo.setup.make = MPI_Wtime() - start;
	s->halo.setup.segid = (long long)s->segid;
	return 0;
}

static int fault_in(struct halo_shared *s, const struct neighbour *n,
		    struct failure *failure)
{
	double start = MPI_Wtime();
	int error = xpmem_prefault(n->block, n->theirs.bytes, 0, NULL);

	/* A module without the call just faults page by page later. */
	if (error != 0 && error != -EOPNOTSUPP) {
		failure_set(failure, EXIT_XPMEM,
			    "xpmem_prefault of rank %d's block: %s", n->rank,
			    strerror(-error));
		return -1;
	}
	s->halo.setup.touch += MPI_Wtime() - start;
	return 0;
}

static int attach_neighbour(struct halo_shared *s, enum side side,
			    const struct invitation *invitation,
			    struct failure *failure)
{
	struct neighbour *n = &s->neighbour[side];
	struct xpmem_addr addr = { .offset = 0 };
	const struct grid_head *head;
	double start = MPI_Wtime();
	double got;
	void *block;

	n->apid = xpmem_get(invitation->segid, XPMEM_RDONLY, XPMEM_PERMIT_MODE,
			    NULL);
	if (n->apid == -1) {
		failure_set(failure, EXIT_XPMEM,
			    "xpmem_get of rank %d's segment 0x%llx: %s",
			    n->rank, (unsigned long long)invitation->segid,
			    strerror(errno));
		return -1;
	}
	got = MPI_Wtime();

	addr.apid = n->apid;
	block = xpmem_attach(addr, invitation->bytes, NULL);
	if (block == (void *)-1) {
		failure_set(failure, EXIT_XPMEM,
			    "xpmem_attach of rank %d's %llu bytes: %s", n->rank,
			    invitation->bytes, strerror(errno));
		return -1;
	}
	s->halo.setup.get += got - start;
	s->halo.setup.attach += MPI_Wtime() - got;

	n->block = block;
	watch_neighbour(s, side, block, invitation->bytes, n->rank);
	n->theirs = (struct grid){
		.tile = { .nx = invitation->nx, .ny = invitation->ny },
		.stride = invitation->stride,
		.bytes = invitation->bytes,
		.field_offset = {
			invitation->field_offset[0],
			invitation->field_offset[1],
		},
		.block = block,
	};
	if (fault_in(s, n, failure) != 0)
		return -1;

	head = grid_head(&n->theirs);
	if (head->magic != GRID_MAGIC || head->rank != n->rank) {
		failure_set(failure, EXIT_XPMEM,
			    "segment 0x%llx does not show rank %d's grid",
			    (unsigned long long)invitation->segid, n->rank);
		return -1;
	}
	s->halo.setup.bytes_attached += n->theirs.bytes;
	s->halo.setup.attached[side] = n->rank;
	return 0;
}

/* Undo, in any state of opening. Not collective. */
static void drop(struct halo_shared *s)
{
	for (int side = 0; side < SIDE_MAX; side++) {
		struct neighbour *n = &s->neighbour[side];

		if (n->block != NULL)
			xpmem_detach(n->block);
		if (n->apid != -1)
			xpmem_release(n->apid);
	}
	if (s->segid != -1)
		xpmem_remove(s->segid);
	free(s);
}

static struct halo_shared *new_shared(MPI_Comm comm, bool apart,
				      struct grid *grid, double patience)
{
	struct halo_shared *s = calloc(1, sizeof(*s));
	int ranks;

	if (s == NULL)
		return NULL;
	s->halo = (struct halo){
		.ops = &halo_xpmem,
		.comm = comm,
		.grid = grid,
		.patience = patience,
	};
	s->apart = apart;
	MPI_Comm_rank(comm, &s->halo.rank);
	MPI_Comm_size(comm, &ranks);
	/* Spinning takes the processor from whom we wait for if there are few. */
	s->spins = ranks <= sysconf(_SC_NPROCESSORS_ONLN) ? SPINS : 1;
	s->segid = -1;
	for (int side = 0; side < SIDE_MAX; side++) {
		s->halo.setup.attached[side] = -1;
		s->neighbour[side] = (struct neighbour){
			.rank = grid->tile.neighbour[side],
			.apid = -1,
		};
	}
	return s;
}

static int shared_open(MPI_Comm comm, struct grid *grid, double patience,
		       struct halo **ret_halo)
{
	struct failure failure = { 0 };
	bool apart = nodes_are_several(comm);
	struct halo_shared *s = new_shared(comm, apart, grid, patience);
	struct invitation *invitations = NULL;
	struct invitation mine = {
		.segid = -1,
		.bytes = grid->bytes,
		.stride = grid->stride,
		.field_offset = { grid->field_offset[0],
				  grid->field_offset[1] },
		.nx = grid->tile.nx,
		.ny = grid->tile.ny,
	};
	int ranks, code;

	MPI_Comm_size(comm, &ranks);
	invitations = calloc((size_t)ranks, sizeof(*invitations));
	if (s == NULL || invitations == NULL)
		failure_set(&failure, EXIT_RUNTIME, "no memory for the halo");
	else if (make_segment(s, &failure) == 0)
		mine.segid = (long long)s->segid;
	code = failure_agree(comm, &failure);
	if (code != EXIT_OK)
		goto err_drop;

	MPI_Allgather(&mine, (int)sizeof(mine), MPI_BYTE, invitations,
		      (int)sizeof(mine), MPI_BYTE, comm);
	catch_sigbus(grid);
	for (enum side side = 0; side < SIDE_MAX; side++) {
		int other = s->neighbour[side].rank;

		if (other >= 0 && attach_neighbour(s, side, &invitations[other],
						   &failure) != 0)
			break;
	}
	code = failure_agree(comm, &failure);
	if (code != EXIT_OK)
		goto err_release_sigbus;

	free(invitations);
	*ret_halo = &s->halo;
	return EXIT_OK;

err_release_sigbus:
	release_sigbus();
err_drop:
	free(invitations);
	if (s != NULL)
		drop(s);
	return code;
}

static void shared_start(struct halo *halo)
{
	atomic_store_explicit(&grid_head(halo->grid)->progress, 0,
			      memory_order_release);
}

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static bool has_reached(const struct neighbour *n, uint64_t progress)
{
	return atomic_load_explicit(&grid_head(&n->theirs)->progress,
				    memory_order_acquire) >= progress;
}

static bool neighbour_gave_up(const struct halo_shared *s)
{
	for (int side = 0; side < SIDE_MAX; side++)
		if (s->neighbour[side].rank >= 0 &&
		    atomic_load_explicit(
			    &grid_head(&s->neighbour[side].theirs)->gave_up,
			    memory_order_relaxed) != 0)
			return true;
	return false;
}

/*
 * One rank that stands still stops all. Who gives up first has the word: the
 * mark in its head goes from neighbour to neighbour, and who sees it is silent
 * and waits for its end.
 */
static _Noreturn void give_up(struct halo_shared *s, const struct neighbour *n,
			      uint64_t progress)
{
	bool late = neighbour_gave_up(s);

	atomic_store_explicit(&grid_head(s->halo.grid)->gave_up, 1,
			      memory_order_relaxed);
	if (late) {
		sleep(ABORT_TAKES);
		failure_abort(s->halo.comm, EXIT_RUNTIME,
			      "another rank gave up, but the run did not end");
	}
	failure_abort(
		s->halo.comm, EXIT_RUNTIME,
		"waited %g s for rank %d (pid %d) to finish step %llu: it stands still, or waits itself for one that does",
		s->halo.patience, n->rank, (int)grid_head(&n->theirs)->pid,
		(unsigned long long)progress - 1);
}

static void wait_for(struct halo_shared *s, const struct neighbour *n,
		     uint64_t progress)
{
	double deadline;

	for (int i = 0; i < s->spins; i++) {
		if (has_reached(n, progress))
			return;
		pause_briefly();
	}
	deadline = MPI_Wtime() + s->halo.patience +
		   GIVE_UP_APART * (s->halo.rank < 20 ? s->halo.rank : 20);
	do {
		for (int i = 0; i < YIELDS; i++) {
			if (has_reached(n, progress))
				return;
			sched_yield();
		}
	} while (MPI_Wtime() < deadline && !neighbour_gave_up(s));
	give_up(s, n, progress);
}

/* Border cells of `theirs` into the ghosts on `side` of `ours`. */
static void load_side(const struct grid *ours, const struct grid *theirs,
		      enum side side, long step)
{
	double *to = grid_field(ours, step);
	const double *from = grid_field(theirs, step);
	int nx = ours->tile.nx;
	int ny = ours->tile.ny;

	switch (side) {
	case WEST:
		for (int y = 0; y < ny; y++)
			to[grid_at(ours, -1, y)] =
				from[grid_at(theirs, theirs->tile.nx - 1, y)];
		break;
	case EAST:
		for (int y = 0; y < ny; y++)
			to[grid_at(ours, nx, y)] = from[grid_at(theirs, 0, y)];
		break;
	case NORTH:
		memcpy(&to[grid_at(ours, 0, -1)],
		       &from[grid_at(theirs, 0, theirs->tile.ny - 1)],
		       (size_t)nx * sizeof(double));
		break;
	default:
		memcpy(&to[grid_at(ours, 0, ny)], &from[grid_at(theirs, 0, 0)],
		       (size_t)nx * sizeof(double));
		break;
	}
}

static void shared_exchange(struct halo *halo, long step)
{
	struct halo_shared *s = to_shared(halo);
	uint64_t progress = (uint64_t)step + 1;

	atomic_store_explicit(&grid_head(halo->grid)->progress, progress,
			      memory_order_release);
	for (enum side side = 0; side < SIDE_MAX; side++) {
		const struct neighbour *n = &s->neighbour[side];

		if (n->rank < 0)
			continue;
		wait_for(s, n, progress);
		load_side(halo->grid, &n->theirs, side, step);
	}
}

static void shared_close(struct halo *halo)
{
	struct halo_shared *s = to_shared(halo);

	/* A removed segment raises SIGBUS in whom still reads it. */
	MPI_Barrier(halo->comm);
	release_sigbus();
	drop(s);
}

const struct halo_ops halo_xpmem = {
	.name = "xpmem",
	.title = "XPMEM",
	.open = shared_open,
	.start = shared_start,
	.exchange = shared_exchange,
	.close = shared_close,
};
