/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * data: what the buffers hold, and whether they hold what they must.
 *
 * Element i of a rank's data in a repetition is a whole number below 2^20, in a
 * double. So sums over all ranks are exact whatever the order of adding, and a
 * result is right when it is the expected one to the last bit. Each repetition,
 * rank and position gives other numbers: what is left of an earlier repetition, or
 * stands a page too far, is wrong.
 */
#ifndef TRANSFER_DATA_H
#define TRANSFER_DATA_H

#include <stddef.h>
#include <stdint.h>

/* Sums stay below 2^53 with so many ranks. */
#define DATA_RANKS_MAX (1 << 30)

void data_fill(double *to, size_t count, int rank, int repetition);

/*
 * Compare with the sums of the ranks [first, last]. Returns `count`, or the
 * first position that is not as it must be; then *ret_expected is what it is
 * not.
 */
size_t data_check(const double *data, size_t count, int first, int last,
		  int repetition, double *ret_expected);

/* Bits of all elements, in order, on top of `sum` (0 to begin with). */
uint64_t data_checksum(const double *data, size_t count, uint64_t sum);

#endif
