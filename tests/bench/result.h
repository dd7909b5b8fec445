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
#include <stddef.h>
#include <stdint.h>

#define MAX_SAMPLES 32

struct samples {
	unsigned int count;
	double value[MAX_SAMPLES];
};

/*
 * What single operations took, in rounds: those of what is measured and those of what
 * it is compared with take turns.
 */
struct spread {
	size_t count, room;
	double *value;
	struct samples p50;	/* of each round */
};

/* What is to be reached */
enum goal {
	GOAL_NONE,
	GOAL_NS,	/* at most so many nanoseconds of a clock that counts */
	GOAL_BYTES,	/* at most so many bytes */
	GOAL_VALUE,	/* at most so much, in the row's unit */
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

void spread_add(struct spread *spread, const uint64_t *ns, size_t count);
/* Nearest rank */
double spread_percentile(const struct spread *spread, double percent);
void spread_free(struct spread *spread);

/* @reference: NULL when there is nothing to compare with */
void report(const struct row *row, const struct samples *value, const struct samples *reference);
/* p50 and p99 of all; the ratio is the median of those of the rounds' p50. */
void report_spread(const struct row *row, const struct spread *value,
		   const struct spread *reference);
void report_value(const struct row *row, double value);
/* Says why a row is not there. */
void leave_out(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes what was reported.  @note: what was measured, a word of the caller's or NULL. */
bool results_write(const char *path, const char *note);

#endif /* RESULT_H */
