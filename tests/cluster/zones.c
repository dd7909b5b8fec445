// SPDX-License-Identifier: GPL-2.0-or-later
/* See zones.h. */
#include "zones.h"

#include <errno.h>
#include <stdlib.h>

struct zone {
	int64_t f, s;		/* earliest end, latest start */
	size_t f_of, s_of;	/* of which operations */
};

static int by_value(const void *a, const void *b)
{
	const struct zones_op *x = a, *y = b;

	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	return (int)y->write - (int)x->write;	/* the write first */
}

static int by_f(const void *a, const void *b)
{
	const struct zone *x = a, *y = b;

	return x->f < y->f ? -1 : x->f > y->f;
}

static bool found(struct zones_fault *fault, const char *what, const struct zones_op *a,
		  const struct zones_op *b)
{
	*fault = (struct zones_fault){ .what = what, .a = *a, .b = *b };
	return false;
}

/* The zone of the cluster ops[0..n), its write first */
static bool zone_of(const struct zones_op *ops, size_t first, size_t n, struct zone *zone,
		    struct zones_fault *fault)
{
	const struct zones_op *write = &ops[first];

	*zone = (struct zone){ .f = INT64_MAX, .s = INT64_MIN, .f_of = first, .s_of = first };
	if (!write->value) {
		zone->f = INT64_MIN;	/* written before all */
	} else if (!write->write) {
		return found(fault, "a value is read that nobody wrote", write, write);
	}
	for (size_t i = first; i < first + n; i++) {
		if (ops[i].write && (i > first || !write->value))
			return found(fault, "a value is written twice", write, &ops[i]);
		if (!ops[i].write && write->value && ops[i].end < write->start)
			return found(fault, "a value is read before it is written", &ops[i], write);
		if (ops[i].end < zone->f) {
			zone->f = ops[i].end;
			zone->f_of = i;
		}
		if (ops[i].start > zone->s) {
			zone->s = ops[i].start;
			zone->s_of = i;
		}
	}
	return true;
}

/* The last of the sorted, disjoint zones that begins before @when, or NULL */
static const struct zone *last_before(const struct zone *zones, size_t n, int64_t when)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (zones[middle].f < when)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &zones[low - 1] : NULL;
}

static bool judge(const struct zones_op *ops, struct zone *forward, size_t nr_forward,
		  const struct zone *backward, size_t nr_backward, struct zones_fault *fault)
{
	if (nr_forward)
		qsort(forward, nr_forward, sizeof(*forward), by_f);
	for (size_t i = 1; i < nr_forward; i++)
		if (forward[i].f < forward[i - 1].s)
			return found(fault, "two values are there in turns",
				     &ops[forward[i - 1].s_of], &ops[forward[i].f_of]);
	for (size_t i = 0; i < nr_backward; i++) {
		const struct zone *around = last_before(forward, nr_forward, backward[i].s);

		if (around && backward[i].f < around->s)
			return found(fault, "an old value is read after a new one",
				     &ops[around->s_of], &ops[backward[i].f_of]);
	}
	return true;
}

bool zones_check(struct zones_op *ops, size_t n, struct zones_fault *fault_ret)
{
	struct zone *zones = malloc((n + 1) * sizeof(*zones));
	size_t nr_forward = 0, nr_backward = 0;
	bool good = true;

	*fault_ret = (struct zones_fault){ .what = NULL };
	if (!zones) {
		errno = ENOMEM;
		return false;
	}
	if (n)
		qsort(ops, n, sizeof(*ops), by_value);
	for (size_t first = 0, next; first < n && good; first = next) {
		struct zone zone;

		for (next = first + 1; next < n && ops[next].value == ops[first].value;)
			next++;
		good = zone_of(ops, first, next - first, &zone, fault_ret);
		/* forward ones from the front, backward ones from the back */
		if (zone.f < zone.s)
			zones[nr_forward++] = zone;
		else
			zones[n - nr_backward++] = zone;
	}
	good = good && judge(ops, zones, nr_forward, zones + n + 1 - nr_backward, nr_backward,
			     fault_ret);
	free(zones);
	return good;
}
