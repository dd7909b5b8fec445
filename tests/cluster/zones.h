/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether what was read from and written to one register can be put in one order, each
 * operation at some moment between its start and its end (it is linearizable), when no
 * value is written twice.  See Gibbons and Korach, "Testing shared memories", 1997.
 *
 * A value with its write and its reads is a cluster.  All of a cluster must be done
 * together: after the write nothing else is written until the last read.  With f the
 * earliest end and s the latest start in it,
 *
 *	cluster A must come before B if f(A) < s(B)
 *
 * since something of A had ended when something of B began.  The register is
 * linearizable if and only if each value that is read was written, by a write that did
 * not begin after the read had ended, and no two clusters must come before one
 * another.  A cluster with f < s occupies [f, s] alone (forward zones); another
 * conflicts with it if it is in there.  Sorting finds that in n log n.
 */
#ifndef ZONES_H
#define ZONES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZONES_NEVER	INT64_MAX	/* the end of what was never seen to end */

struct zones_op {
	uint64_t value;		/* 0: what the register was at first */
	int64_t start, end;
	uint32_t process;
	bool write;
};

struct zones_fault {
	const char *what;	/* NULL: there is none */
	struct zones_op a, b;	/* operations that show it */
};

/*
 * Judges the operations of one register, and sorts them.  Reads that did not end are
 * to be left out, writes that did not have ZONES_NEVER: they may or may not have
 * happened.  False: *fault_ret says why; errno ENOMEM and no fault: no memory.
 */
bool zones_check(struct zones_op *ops, size_t n, struct zones_fault *fault_ret);

#endif /* ZONES_H */
