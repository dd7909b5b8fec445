// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * check: do all bytes arrive, whichever way an MPI library takes?
 *
 *	mpirun -n RANKS check [MAX-BYTES]
 *
 * Messages of many sizes and kinds of memory, memory that is replaced between messages,
 * collectives, one-sided operations. Ends with one line of what was compared; the first
 * wrong byte ends all ranks with status 1.
 */
#include "data.h"
#include "end.h"

#include <alloca.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define STACK_MOST (64UL << 10)

static const size_t sizes[] = {
	1,     7,     255,   256,    257,     4095,    4096,	4097,	  16384,
	32768, 32769, 65536, 262144, 1048576, 1048577, 4194304, 16777216,
};

static int rank, ranks, next, previous;
static unsigned long long compared;

static void want(const char *what, const void *in, size_t bytes, uint64_t seed)
{
	size_t at = data_wrong(in, bytes, seed);

	if (at != bytes) {
		fprintf(stderr, "rank %d: %s of %zu bytes: byte %zu is wrong\n",
			rank, what, bytes, at);
		MPI_Abort(MPI_COMM_WORLD, 1);
	}
	compared++;
}

static void *get_memory(size_t bytes)
{
	void *memory = malloc(bytes);

	if (memory == NULL)
		data_die("no memory, bytes", (long long)bytes);
	return memory;
}

/* ------------------------------------------------------------ messages */

/* To the next rank, from the previous one, both at once */
static void pass(const char *what, void *out, void *in, size_t bytes,
		 uint64_t seed)
{
	MPI_Request requests[2];

	data_fill(out, bytes, seed + (uint64_t)rank);
	memset(in, 0, bytes);
	MPI_Irecv(in, (int)bytes, MPI_BYTE, previous, 1, MPI_COMM_WORLD,
		  &requests[0]);
	MPI_Isend(out, (int)bytes, MPI_BYTE, next, 1, MPI_COMM_WORLD,
		  &requests[1]);
	MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
	want(what, in, bytes, seed + (uint64_t)previous);
	/* The sender's is its own again. */
	want(what, out, bytes, seed + (uint64_t)rank);
}

static void pass_stack(size_t bytes)
{
	char *out = alloca(bytes), *in = alloca(bytes);

	pass("message from the stack", out, in, bytes, 20);
}

/* Many under way, received in another order than sent */
static void pass_many(char *out, char *in, size_t bytes)
{
	enum {
		MANY = 8
	};
	MPI_Request requests[2 * MANY];
	size_t part = bytes / MANY;
	int i;

	if (part == 0)
		return;
	for (i = 0; i < MANY; i++)
		data_fill(out + (size_t)i * part, part,
			  (uint64_t)(100 * i + rank));
	memset(in, 0, bytes);
	for (i = 0; i < MANY; i++)
		MPI_Isend(out + (size_t)i * part, (int)part, MPI_BYTE, next, i,
			  MPI_COMM_WORLD, &requests[i]);
	for (i = MANY - 1; i >= 0; i--)
		MPI_Irecv(in + (size_t)i * part, (int)part, MPI_BYTE, previous,
			  i, MPI_COMM_WORLD, &requests[MANY + i]);
	MPI_Waitall(2 * MANY, requests, MPI_STATUSES_IGNORE);
	for (i = 0; i < MANY; i++)
		want("one of many messages", in + (size_t)i * part, part,
		     (uint64_t)(100 * i + previous));
}

/* Every second block of 64 bytes, to a contiguous receiver */
static void pass_vector(char *out, char *in, size_t bytes)
{
	size_t blocks = bytes / 128, i;
	MPI_Datatype vector;

	if (blocks == 0)
		return;
	MPI_Type_vector((int)blocks, 64, 128, MPI_BYTE, &vector);
	MPI_Type_commit(&vector);
	for (i = 0; i < blocks; i++)
		data_fill(out + i * 128, 64, 7 * i + (uint64_t)rank);
	memset(in, 0, bytes);
	MPI_Sendrecv(out, 1, vector, next, 2, in, (int)(blocks * 64), MPI_BYTE,
		     previous, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	for (i = 0; i < blocks; i++)
		want("block of a vector", in + i * 64, 64,
		     7 * i + (uint64_t)previous);
	MPI_Type_free(&vector);
}

/*
 * Libraries keep what they have attached. Here other memory takes the place of what
 * they attached, at the same address, in each of the ways that programs have.
 */
static void pass_replaced(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t length = (bytes + page - 1) / page * page;
	char *out = data_map(NULL, length), *in = data_map(NULL, length);
	char *at = out;

	pass("message", out, in, bytes, 30);
	if (munmap(out, length) != 0)
		data_die("munmap of bytes", (long long)length);
	out = data_map(at, length);
	pass("message from memory mapped anew", out, in, bytes, 31);
	if (madvise(out, length, MADV_DONTNEED) != 0)
		data_die("MADV_DONTNEED of bytes", (long long)length);
	pass("message from emptied memory", out, in, bytes, 32);
	if (mprotect(in, length, PROT_READ) != 0 ||
	    mprotect(in, length, PROT_READ | PROT_WRITE) != 0)
		data_die("mprotect of bytes", (long long)length);
	pass("message to protected and unprotected memory", out, in, bytes, 33);
	if (mremap(out, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, in) !=
	    (void *)in)
		data_die("mremap of bytes", (long long)length);
	out = data_map(at, length);
	pass("message to moved memory", out, in, bytes, 34);
	/* The other way round, for what was attached for reading */
	pass("message from moved memory", in, out, bytes, 35);
	munmap(out, length);
	munmap(in, length);
}

/* ---------------------------------------------------------- collectives */

static void spread(char *memory, char *other, size_t bytes)
{
	size_t part = bytes / (size_t)ranks;
	int i, count = (int)part;

	for (i = 0; i < ranks; i++) {
		if (rank == i)
			data_fill(memory, bytes, (uint64_t)(40 + i));
		else
			memset(memory, 0, bytes);
		MPI_Bcast(memory, (int)bytes, MPI_BYTE, i, MPI_COMM_WORLD);
		want("broadcast", memory, bytes, (uint64_t)(40 + i));
	}
	if (part == 0)
		return;
	for (i = 0; i < ranks; i++)
		data_fill(memory + (size_t)i * part, part,
			  (uint64_t)(1000 * rank + i));
	memset(other, 0, bytes);
	MPI_Alltoall(memory, count, MPI_BYTE, other, count, MPI_BYTE,
		     MPI_COMM_WORLD);
	for (i = 0; i < ranks; i++)
		want("alltoall", other + (size_t)i * part, part,
		     (uint64_t)(1000 * i + rank));

	data_fill(memory, part, (uint64_t)(50 + rank));
	memset(other, 0, bytes);
	MPI_Allgather(memory, count, MPI_BYTE, other, count, MPI_BYTE,
		      MPI_COMM_WORLD);
	for (i = 0; i < ranks; i++)
		want("allgather", other + (size_t)i * part, part,
		     (uint64_t)(50 + i));

	memset(memory, 0, part);
	MPI_Scatter(other, count, MPI_BYTE, memory, count, MPI_BYTE, ranks - 1,
		    MPI_COMM_WORLD);
	want("scatter", memory, part, (uint64_t)(50 + rank));
	memset(other, 0, bytes);
	MPI_Gather(memory, count, MPI_BYTE, other, count, MPI_BYTE, 0,
		   MPI_COMM_WORLD);
	if (rank == 0)
		for (i = 0; i < ranks; i++)
			want("gather", other + (size_t)i * part, part,
			     (uint64_t)(50 + i));
}

/* Sums of 64-bit words wrap, and are the same in every order. */
static void want_sums(const char *what, const char *in, size_t from,
		      size_t words)
{
	uint64_t sum, word;
	size_t i;
	int r;

	for (i = 0; i < words; i++) {
		sum = 0;
		for (r = 0; r < ranks; r++)
			sum += data_word((uint64_t)(60 + r), (from + i) * 8);
		memcpy(&word, in + i * 8, 8);
		if (word != sum)
			data_die(what, (long long)i);
	}
	compared++;
}

static void sum(char *memory, char *other, size_t bytes)
{
	size_t words = bytes / 8, part = words / (size_t)ranks;
	int count = (int)words;

	if (words == 0)
		return;
	data_fill(memory, words * 8, (uint64_t)(60 + rank));
	memset(other, 0, bytes);
	MPI_Allreduce(memory, other, count, MPI_UINT64_T, MPI_SUM,
		      MPI_COMM_WORLD);
	want_sums("allreduce, word", other, 0, words);
	memset(other, 0, bytes);
	MPI_Reduce(memory, other, count, MPI_UINT64_T, MPI_SUM, ranks - 1,
		   MPI_COMM_WORLD);
	if (rank == ranks - 1)
		want_sums("reduce, word", other, 0, words);
	if (part == 0)
		return;
	MPI_Reduce_scatter_block(memory, other, (int)part, MPI_UINT64_T,
				 MPI_SUM, MPI_COMM_WORLD);
	want_sums("reduce_scatter_block, word", other, (size_t)rank * part,
		  part);
}

/* ----------------------------------------------------------- one-sided */

static void one_sided(size_t bytes)
{
	uint64_t add = 1, old, *counter;
	char *memory, *mine;
	MPI_Win window, counters;

	mine = get_memory(bytes);
	MPI_Win_allocate((MPI_Aint)bytes, 1, MPI_INFO_NULL, MPI_COMM_WORLD,
			 &memory, &window);
	MPI_Win_fence(0, window);
	data_fill(mine, bytes, (uint64_t)(70 + rank));
	MPI_Put(mine, (int)bytes, MPI_BYTE, next, 0, (int)bytes, MPI_BYTE,
		window);
	MPI_Win_fence(0, window);
	want("put", memory, bytes, (uint64_t)(70 + previous));
	memset(mine, 0, bytes);
	MPI_Win_fence(0, window);
	MPI_Get(mine, (int)bytes, MPI_BYTE, next, 0, (int)bytes, MPI_BYTE,
		window);
	MPI_Win_fence(0, window);
	want("get", mine, bytes, (uint64_t)(70 + rank));
	MPI_Win_free(&window);
	free(mine);

	MPI_Win_allocate(8, 8, MPI_INFO_NULL, MPI_COMM_WORLD, &counter,
			 &counters);
	MPI_Win_lock(MPI_LOCK_EXCLUSIVE, rank, 0, counters);
	*counter = 0;
	MPI_Win_unlock(rank, counters);
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Win_lock_all(0, counters);
	for (int i = 0; i < 100; i++) {
		MPI_Fetch_and_op(&add, &old, MPI_UINT64_T, 0, 0, MPI_SUM,
				 counters);
		MPI_Win_flush(0, counters);
	}
	MPI_Win_unlock_all(counters);
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, counters);
	MPI_Get(&old, 1, MPI_UINT64_T, 0, 0, 1, MPI_UINT64_T, counters);
	MPI_Win_unlock(0, counters);
	if (old != 100 * (uint64_t)ranks)
		data_die("fetch_and_op, sum", (long long)old);
	compared++;
	MPI_Win_free(&counters);
}

/* Which way Open MPI took, told by its own variable after MPI_Init */
static void tell_mechanism(void)
{
	int index, count, value, item, i, length, bind, scope, verbosity;
	MPI_T_cvar_handle handle;
	MPI_Datatype datatype;
	MPI_T_enum values;
	char name[64];

	if (MPI_T_init_thread(MPI_THREAD_SINGLE, &index) != MPI_SUCCESS)
		return;
	length = sizeof(name);
	if (MPI_T_cvar_get_index("btl_vader_single_copy_mechanism", &index) !=
		    MPI_SUCCESS ||
	    MPI_T_cvar_get_info(index, name, &length, &verbosity, &datatype,
				&values, NULL, NULL, &bind,
				&scope) != MPI_SUCCESS ||
	    datatype != MPI_INT ||
	    MPI_T_cvar_handle_alloc(index, NULL, &handle, &count) !=
		    MPI_SUCCESS)
		goto out;
	MPI_T_cvar_read(handle, &value);
	MPI_T_cvar_handle_free(&handle);
	for (i = 0; length = sizeof(name),
	    MPI_T_enum_get_item(values, i, &item, name, &length) == MPI_SUCCESS;
	     i++)
		if (item == value)
			printf("check: btl_vader_single_copy_mechanism is %s\n",
			       name);
out:
	MPI_T_finalize();
}

int main(int argc, char **argv)
{
	size_t most = sizes[sizeof(sizes) / sizeof(*sizes) - 1], size, i;
	unsigned long long all;
	char *end = "";

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	if (argc > 1)
		most = strtoul(argv[1], &end, 10);
	if (argc > 2 || *end != '\0' || ranks < 2)
		data_die("usage: mpirun -n RANKS check [MAX-BYTES]; ranks",
			 ranks);
	if (rank == 0)
		tell_mechanism();
	next = (rank + 1) % ranks;
	previous = (rank + ranks - 1) % ranks;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		char *memory, *other;

		size = sizes[i];
		if (size > most)
			break;
		memory = get_memory(size);
		other = get_memory(size);
		pass("message", memory, other, size, 10);
		if (size <= STACK_MOST)
			pass_stack(size);
		pass_many(memory, other, size);
		pass_vector(memory, other, size);
		pass_replaced(size);
		spread(memory, other, size);
		sum(memory, other, size);
		one_sided(size);
		free(memory);
		free(other);
	}
	MPI_Allreduce(&compared, &all, 1, MPI_UNSIGNED_LONG_LONG, MPI_SUM,
		      MPI_COMM_WORLD);
	if (rank == 0)
		printf("check: %d ranks, 1 to %zu bytes: %llu comparisons, all equal\n",
		       ranks, most, all);
	end_together(rank, ranks);
	return 0;
}
