// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * data: a pattern that costs little, as it is computed many times more often than
 * it is transferred.
 */
#include "data.h"

#include <string.h>

/* 64-bit multiplication spreads the position; the top bits are the number. */
static double element(uint64_t start, size_t i)
{
	return (double)((start + (uint64_t)i * 0x9e3779b97f4a7c15u) >> 44);
}

static uint64_t start_of(int rank, int repetition)
{
	return (uint64_t)(rank + 1) * 0xbf58476d1ce4e5b9u +
	       (uint64_t)(repetition + 1) * 0x94d049bb133111ebu;
}

void data_fill(double *to, size_t count, int rank, int repetition)
{
	uint64_t start = start_of(rank, repetition);

	for (size_t i = 0; i < count; i++)
		to[i] = element(start, i);
}

size_t data_check(const double *data, size_t count, int first, int last,
		  int repetition, double *ret_expected)
{
	for (size_t i = 0; i < count; i++) {
		double expected = 0.0;

		for (int rank = first; rank <= last; rank++)
			expected += element(start_of(rank, repetition), i);
		if (memcmp(&data[i], &expected, sizeof(expected)) != 0) {
			*ret_expected = expected;
			return i;
		}
	}
	return count;
}

uint64_t data_checksum(const double *data, size_t count, uint64_t sum)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t bits;

		memcpy(&bits, &data[i], sizeof(bits));
		sum = (sum ^ bits) * 0x100000001b3u;
		sum ^= sum >> 29;
	}
	return sum;
}
