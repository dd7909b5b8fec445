/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows: what was measured.  They are printed as they are reported, and kept in memory
 * that all processes share, from which the first one writes them.
 *
 * docs/performance.md describes the JSON.
 */
#ifndef RESULT_H
#define RESULT_H

#include <stdbool.h>

#define MAX_SAMPLES 32

struct samples {
	unsigned int count;
	double value[MAX_SAMPLES];
};

/* What is to be reached */
enum goal {
	GOAL_NONE,
	GOAL_NS,	/* at most so many nanoseconds of a clock that counts */
	GOAL_BYTES,	/* at most so many bytes */
	GOAL_RATIO,	/* at most this many times the reference */
};

struct row {
	const char *name;	/* unique together with n */
	const char *text;
	const char *unit;
	double n;		/* of a series: how many; 0: no series */
	const char *of;		/* what n counts */
	const char *reference;	/* what it is compared with; NULL: "memfd" */
	enum goal goal;
	double limit;
};

/* Before the first process is forked */
void results_begin(void);

void samples_add(struct samples *samples, double value);
double samples_least(const struct samples *samples);

/* @reference: NULL when there is nothing to compare with */
void report(const struct row *row, const struct samples *value, const struct samples *reference);
void report_value(const struct row *row, double value);
/* Says why a row is not there. */
void leave_out(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes what was reported.  @note: what was measured, a word of the caller's or NULL. */
bool results_write(const char *path, const char *note);

#endif /* RESULT_H */
