// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The smallest MPI program that shares memory by XPMEM: rank 1 reads and changes a string
 * that is in rank 0's memory.
 *
 *	mpicc -o hello hello.c -lxpmem
 *	mpirun -n 2 ./hello
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xpmem.h>

static void need(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	MPI_Abort(MPI_COMM_WORLD, 1);
}

/* Whole pages, as segments are made of them */
static char *share(size_t size, xpmem_segid_t *ret_segid)
{
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	need(memory != MAP_FAILED, "mmap");
	*ret_segid = xpmem_make(memory, size, XPMEM_PERMIT_MODE, (void *)0600);
	need(*ret_segid > 0, "xpmem_make");
	return memory;
}

static char *attach(xpmem_segid_t segid, size_t size, xpmem_apid_t *ret_apid)
{
	struct xpmem_addr addr = { 0 };
	char *memory;

	addr.apid = xpmem_get(segid, XPMEM_RDWR, XPMEM_PERMIT_MODE, NULL);
	need(addr.apid > 0, "xpmem_get");
	memory = xpmem_attach(addr, size, NULL);
	need(memory != (void *)-1, "xpmem_attach");
	*ret_apid = addr.apid;
	return memory;
}

int main(int argc, char **argv)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	xpmem_segid_t segid = 0;
	xpmem_apid_t apid;
	char *memory = NULL;
	int rank, ranks;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	if (ranks != 2) {
		fprintf(stderr,
			"hello: run it with 2 ranks: mpirun -n 2 ./hello\n");
		MPI_Abort(MPI_COMM_WORLD, 2);
	}

	if (rank == 0) {
		memory = share(size, &segid);
		strcpy(memory, "written by rank 0");
	}
	/* A segid is a number; here it goes by message. */
	MPI_Bcast(&segid, (int)sizeof(segid), MPI_BYTE, 0, MPI_COMM_WORLD);
	if (rank == 1) {
		memory = attach(segid, size, &apid);
		printf("rank 1 reads:  %s\n", memory);
		strcpy(memory, "changed by rank 1");
		need(xpmem_detach(memory) == 0, "xpmem_detach");
		need(xpmem_release(apid) == 0, "xpmem_release");
	}
	/* The owner looks, and takes its memory back, when rank 1 is done. */
	MPI_Barrier(MPI_COMM_WORLD);
	if (rank == 0) {
		printf("rank 0 reads:  %s\n", memory);
		need(xpmem_remove(segid) == 0, "xpmem_remove");
	}
	MPI_Finalize();
	return 0;
}
