/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether the events of a daemon's trace are transitions of coherence.pml; transitions.h
 * has the table.  A trace is of one daemon, or of one after the other if each begins
 * with "start"; its lines are
 *
 *	TIME SIDE SEGID PAGE EVENT PARTITION
 *
 * with SIDE home or replica, SEGID hexadecimal, and the partition at the other end.
 */
#ifndef CONFORM_H
#define CONFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFORM_WHY	200

struct conform;

struct conform *conform_new(void);
void conform_free(struct conform *conform);
/* One line; false: @why says what is wrong with it, and nothing has changed */
bool conform_line(struct conform *conform, const char *line, char why[CONFORM_WHY]);
/* How often each line of the tables was used, for a summary: home's, then replica's */
const uint64_t *conform_used(const struct conform *conform, size_t *home_ret, size_t *replica_ret);

#endif /* CONFORM_H */
