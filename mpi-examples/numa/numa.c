// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where memory that others have attached lives, and what it is to move it meanwhile.
 *
 *	mpicc -O2 -o numa numa.c -lxpmem -lnuma
 *	mpirun -n 2 ./numa [MIB [PAUSE-SECONDS]]
 *
 * Rank 0 has the memory and runs on the first NUMA node, rank 1 attaches it once and runs on
 * the last. Rank 0 moves its pages to that node and back; rank 1 reads a word of each cache line
 * after each move, twice: the first time finds where the pages are now. After each move there is
 * a pause, in which others can look: xpmem segments --numa.
 */
#include <mpi.h>
#include <numa.h>
#include <numaif.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <xpmem.h>

#define LINE 64

static int rank;

struct memory {
	char *at;
	size_t size, page, pages;
};

static void need(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	MPI_Abort(MPI_COMM_WORLD, 1);
}

static void want(int ok, const char *what)
{
	if (ok)
		return;
	if (rank == 0)
		fprintf(stderr, "numa: %s\n", what);
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Abort(MPI_COMM_WORLD, 2);
}

static int first_node(void)
{
	int node = 0;

	while (!numa_bitmask_isbitset(numa_all_nodes_ptr, (unsigned int)node))
		node++;
	return node;
}

static int last_node(void)
{
	int node = numa_max_node();

	while (!numa_bitmask_isbitset(numa_all_nodes_ptr, (unsigned int)node))
		node--;
	return node;
}

static uint64_t word_of(size_t line)
{
	return line * 0x9e3779b97f4a7c15 + 1;
}

static void move(const struct memory *memory, int node)
{
	void **pages = calloc(memory->pages, sizeof(*pages));
	int *nodes = calloc(memory->pages, sizeof(*nodes));
	int *status = calloc(memory->pages, sizeof(*status));
	size_t i;

	need(pages && nodes && status, "calloc");
	for (i = 0; i < memory->pages; i++) {
		pages[i] = memory->at + i * memory->page;
		nodes[i] = node;
	}
	need(move_pages(0, memory->pages, pages, nodes, status, MPOL_MF_MOVE) >=
		     0,
	     "move_pages");
	free(pages);
	free(nodes);
	free(status);
}

/*
 * How many pages are on a node. move_pages() would tell it of each page, but not of those
 * that the kernel's NUMA balancing has just made inaccessible to see who uses them.
 */
static size_t pages_on(const struct memory *memory, int node)
{
	FILE *maps = fopen("/proc/self/numa_maps", "re");
	char *line = NULL, *at, word[32];
	size_t size = 0, count = 0;

	need(maps != NULL, "/proc/self/numa_maps");
	snprintf(word, sizeof(word), " N%d=", node);
	while (getline(&line, &size, maps) > 0)
		if (strtoul(line, NULL, 16) == (uintptr_t)memory->at) {
			at = strstr(line, word);
			count = at ? strtoul(at + strlen(word), NULL, 10) : 0;
		}
	free(line);
	fclose(maps);
	return count;
}

/* Nanoseconds a page, all words being what they should be */
static double read_all(const struct memory *memory)
{
	struct timespec start, end;
	uint64_t wrong = 0, word;
	size_t i;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 0; i < memory->size / LINE; i++) {
		memcpy(&word, memory->at + i * LINE, sizeof(word));
		wrong |= word ^ word_of(i);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	if (wrong) {
		fprintf(stderr, "numa: rank %d read what nobody wrote\n", rank);
		MPI_Abort(MPI_COMM_WORLD, 1);
	}
	return ((double)(end.tv_sec - start.tv_sec) * 1e9 +
		(double)(end.tv_nsec - start.tv_nsec)) /
	       (double)memory->pages;
}

/* Rank 0 moves the pages, rank 1 reads. */
static void step(const char *what, const struct memory *memory, int node,
		 int first, int last, unsigned int pause_seconds)
{
	double took[2];

	if (rank == 0) {
		size_t on_first, on_last;

		if (node >= 0)
			move(memory, node);
		on_first = pages_on(memory, first);
		on_last = pages_on(memory, last);
		MPI_Barrier(MPI_COMM_WORLD);
		MPI_Recv(took, 2, MPI_DOUBLE, 1, 0, MPI_COMM_WORLD,
			 MPI_STATUS_IGNORE);
		printf("%-26s %8zu %8zu %10.0f %10.0f\n", what, on_first,
		       on_last, took[0], took[1]);
		fflush(stdout);
	} else {
		MPI_Barrier(MPI_COMM_WORLD);
		took[0] = read_all(memory);
		took[1] = read_all(memory);
		MPI_Send(took, 2, MPI_DOUBLE, 0, 0, MPI_COMM_WORLD);
	}
	sleep(pause_seconds);
}

int main(int argc, char **argv)
{
	struct memory memory = { .page = (size_t)sysconf(_SC_PAGESIZE) };
	unsigned long mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 16;
	unsigned int pause_seconds =
		argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 10) : 0;
	struct xpmem_addr addr = { 0 };
	xpmem_segid_t segid = 0;
	int ranks, first, last;
	char to_last[32];
	size_t i;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	want(ranks == 2 && mib > 0 && mib <= 1UL << 20,
	     "usage: mpirun -n 2 ./numa [MIB [PAUSE-SECONDS]]");
	want(numa_available() >= 0, "this kernel has no NUMA");
	first = first_node();
	last = last_node();
	want(first != last,
	     "this machine, or this job, has one NUMA node only");
	memory.size = mib << 20;
	memory.pages = memory.size / memory.page;

	/* A node without processors is memory alone: then rank 1 stays where it is. */
	numa_run_on_node(rank == 0 ? first : last);
	if (rank == 0) {
		memory.at = mmap(NULL, memory.size, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		need(memory.at != MAP_FAILED, "mmap");
		madvise(memory.at, memory.size, MADV_NOHUGEPAGE);
		for (i = 0; i < memory.size / LINE; i++) {
			uint64_t word = word_of(i);

			memcpy(memory.at + i * LINE, &word, sizeof(word));
		}
		segid = xpmem_make(memory.at, memory.size, XPMEM_PERMIT_MODE,
				   (void *)0600);
		need(segid > 0, "xpmem_make");
	}
	MPI_Bcast(&segid, (int)sizeof(segid), MPI_BYTE, 0, MPI_COMM_WORLD);
	if (rank == 1) {
		addr.apid =
			xpmem_get(segid, XPMEM_RDONLY, XPMEM_PERMIT_MODE, NULL);
		need(addr.apid > 0, "xpmem_get");
		memory.at = xpmem_attach(addr, memory.size, NULL);
		need(memory.at != (void *)-1, "xpmem_attach");
	} else {
		printf("%lu MiB of rank 0, on node %d; rank 1, on node %d, attached them once\n",
		       mib, first, last);
		printf("%-26s %8s %8s   rank 1 reads, ns a page\n", "",
		       "pages on", "pages on");
		printf("%-26s %8d %8d %10s %10s\n", "", first, last, "first",
		       "again");
	}

	step("as the owner touched them", &memory, -1, first, last,
	     pause_seconds);
	snprintf(to_last, sizeof(to_last), "moved to node %d", last);
	step(to_last, &memory, last, first, last, pause_seconds);
	snprintf(to_last, sizeof(to_last), "moved back to node %d", first);
	step(to_last, &memory, first, first, last, pause_seconds);

	if (rank == 1)
		need(xpmem_detach(memory.at) == 0 &&
			     xpmem_release(addr.apid) == 0,
		     "xpmem_detach");
	MPI_Barrier(MPI_COMM_WORLD);
	if (rank == 0)
		need(xpmem_remove(segid) == 0, "xpmem_remove");
	MPI_Finalize();
	return 0;
}
