/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * data: bytes that tell where they should be, and how a rank gives up.
 */
#ifndef DATA_H
#define DATA_H

#include <mpi.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static inline uint64_t data_word(uint64_t seed, uint64_t at)
{
	return (seed + 1) * 0x9e3779b97f4a7c15 ^ (at + 1) * 0xd6e8feb86659fd93;
}

/* Every 8 bytes are others, in every message. */
static inline void data_fill(void *to, size_t bytes, uint64_t seed)
{
	char *at = to;
	uint64_t word;
	size_t i;

	for (i = 0; i + 8 <= bytes; i += 8) {
		word = data_word(seed, i);
		memcpy(at + i, &word, 8);
	}
	word = data_word(seed, i);
	memcpy(at + i, &word, bytes - i);
}

/* The first byte that is wrong, or BYTES */
static inline size_t data_wrong(const void *in, size_t bytes, uint64_t seed)
{
	const char *at = in;
	uint64_t word;
	size_t i;

	for (i = 0; i + 8 <= bytes; i += 8) {
		word = data_word(seed, i);
		if (memcmp(at + i, &word, 8) != 0)
			break;
	}
	for (; i < bytes; i++) {
		word = data_word(seed, i & ~(size_t)7);
		if (((const char *)&word)[i & 7] != at[i])
			break;
	}
	return i;
}

static inline _Noreturn void data_die(const char *what, long long number)
{
	int rank;

	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	fprintf(stderr, "rank %d: %s: %lld\n", rank, what, number);
	MPI_Abort(MPI_COMM_WORLD, 1);
	__builtin_unreachable();
}

/* Memory that nobody has had before, at AT if that is not NULL */
static inline void *data_map(void *at, size_t bytes)
{
	void *memory = mmap(at, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS |
				    (at != NULL ? MAP_FIXED_NOREPLACE : 0),
			    -1, 0);

	if (memory == MAP_FAILED)
		data_die("mmap of bytes", (long long)bytes);
	return memory;
}

#endif
