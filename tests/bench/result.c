// SPDX-License-Identifier: GPL-2.0-or-later
/* See result.h. */
#include "result.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench.h"
#include "xpmem.h"

#define MAX_ROWS 256
#define FORMAT	 1	/* of the JSON */

struct result {
	char name[48];
	char text[80];
	char unit[32];
	char of[16];
	char reference_name[32];
	char left_out[160];	/* why, or empty */
	double n;
	double value, median;
	double reference, reference_median;	/* NAN: none */
	double ratio;			/* NAN: that of the two */
	double p99, reference_p99;	/* of a spread: NAN if it is none */
	size_t samples;
	unsigned int rounds;
	enum goal goal;
	double limit;
};

static struct {
	unsigned int count;
	struct result result[MAX_ROWS];
} *table;

void results_begin(void)
{
	table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	if (table == MAP_FAILED)
		fatal("no memory for results");
}

static struct result *add(const char *name)
{
	struct result *result;

	if (table->count == MAX_ROWS) {
		errno = 0;
		fatal("more than %d rows", MAX_ROWS);
	}
	result = &table->result[table->count++];
	snprintf(result->name, sizeof(result->name), "%s", name);
	result->reference = result->ratio = result->p99 = result->reference_p99 = NAN;
	return result;
}

/* ---------------------------------------------------------------- samples */

void samples_add(struct samples *samples, double value)
{
	if (samples->count < MAX_SAMPLES)
		samples->value[samples->count++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const struct samples *samples)
{
	struct samples sorted = *samples;

	qsort(sorted.value, sorted.count, sizeof(sorted.value[0]), compare);
	return (sorted.value[(sorted.count - 1) / 2] + sorted.value[sorted.count / 2]) / 2;
}

double samples_least(const struct samples *samples)
{
	double least = samples->value[0];

	for (unsigned int i = 1; i < samples->count; i++)
		least = fmin(least, samples->value[i]);
	return least;
}

void spread_add(struct spread *spread, const uint64_t *ns, size_t count)
{
	struct spread round = { 0 };

	if (spread->count + count > spread->room) {
		spread->room = 2 * (spread->count + count);
		spread->value = realloc(spread->value, spread->room * sizeof(double));
		if (!spread->value)
			fatal("no memory for samples");
	}
	for (size_t i = 0; i < count; i++)
		spread->value[spread->count++] = (double)ns[i];
	round.count = count;
	round.value = spread->value + spread->count - count;
	if (count)
		samples_add(&spread->p50, spread_percentile(&round, 50));
}

double spread_percentile(const struct spread *spread, double percent)
{
	double *sorted = malloc(spread->count * sizeof(double)), value;
	size_t rank = (size_t)ceil(percent / 100 * (double)spread->count);

	if (!sorted)
		fatal("no memory for samples");
	memcpy(sorted, spread->value, spread->count * sizeof(double));
	qsort(sorted, spread->count, sizeof(double), compare);
	value = sorted[rank ? rank - 1 : 0];
	free(sorted);
	return value;
}

void spread_free(struct spread *spread)
{
	free(spread->value);
	*spread = (struct spread){ 0 };
}

/* ------------------------------------------------------------------- print */

static double ratio_of(const struct result *result)
{
	return isnan(result->ratio) ? result->value / result->reference : result->ratio;
}

static bool met(const struct result *result)
{
	if (result->goal == GOAL_RATIO)
		return ratio_of(result) <= result->limit;
	return result->value <= result->limit;
}

/* Three digits that count, more for large numbers */
static const char *number(char *buffer, size_t size, double value)
{
	if (fabs(value) >= 100)
		snprintf(buffer, size, "%.0f", value);
	else if (fabs(value) >= 10)
		snprintf(buffer, size, "%.1f", value);
	else
		snprintf(buffer, size, "%.2f", value);
	return buffer;
}

static void print(const struct result *result)
{
	char text[112], value[32], reference[64] = "", ratio[32] = "", goal[64] = "";
	char digits[32];

	if (result->left_out[0]) {
		printf("  %-54s left out: %s\n", result->name, result->left_out);
		fflush(stdout);
		return;
	}
	snprintf(text, sizeof(text), "%s", result->text);
	if (result->n > 0)
		snprintf(text, sizeof(text), "%s, %.0f %s", result->text, result->n, result->of);
	number(value, sizeof(value), result->value);
	if (!isnan(result->reference)) {
		snprintf(reference, sizeof(reference), "%s %s", result->reference_name,
			 number(digits, sizeof(digits), result->reference));
		if (result->reference > 0)
			snprintf(ratio, sizeof(ratio), "%.3fx", ratio_of(result));
	}
	if (result->goal != GOAL_NONE)
		snprintf(goal, sizeof(goal), "%s%s %s",
			 number(digits, sizeof(digits), result->limit),
			 result->goal == GOAL_RATIO ? "x" : "", met(result) ? "met" : "NOT MET");
	printf("  %-54s %10s %-16s %-20s %9s  %s", text, value, result->unit, reference, ratio,
	       goal);
	if (!isnan(result->p99))
		printf("  (p99 %s, n %zu)", number(digits, sizeof(digits), result->p99),
		       result->samples);
	putchar('\n');
	fflush(stdout);
}

/* ---------------------------------------------------------------- reports */

static struct result *add_row(const struct row *row)
{
	struct result *result = add(row->name);

	snprintf(result->text, sizeof(result->text), "%s", row->text);
	snprintf(result->unit, sizeof(result->unit), "%s", row->unit);
	result->n = row->n;
	snprintf(result->of, sizeof(result->of), "%s", row->of ? row->of : "");
	/* A limit of so many nanoseconds is one of so many instructions. */
	if (row->goal != GOAL_NS || settings.counted)
		result->goal = row->goal;
	result->limit = row->limit;
	return result;
}

static void set_reference_name(struct result *result, const struct row *row)
{
	snprintf(result->reference_name, sizeof(result->reference_name), "%s",
		 row->reference ? row->reference : "memfd");
}

void report(const struct row *row, const struct samples *value, const struct samples *reference)
{
	struct result *result = add_row(row);

	result->value = samples_least(value);
	result->median = median(value);
	result->rounds = value->count;
	if (reference) {
		set_reference_name(result, row);
		result->reference = samples_least(reference);
		result->reference_median = median(reference);
	}
	print(result);
}

void report_spread(const struct row *row, const struct spread *value,
		   const struct spread *reference)
{
	struct result *result = add_row(row);
	struct samples ratios = { 0 };

	result->value = result->median = spread_percentile(value, 50);
	result->p99 = spread_percentile(value, 99);
	result->samples = value->count;
	result->rounds = value->p50.count;
	if (reference) {
		set_reference_name(result, row);
		result->reference = result->reference_median = spread_percentile(reference, 50);
		result->reference_p99 = spread_percentile(reference, 99);
		for (unsigned int i = 0; i < value->p50.count && i < reference->p50.count; i++)
			samples_add(&ratios, value->p50.value[i] / reference->p50.value[i]);
		result->ratio = median(&ratios);
	}
	print(result);
}

void report_value(const struct row *row, double value)
{
	struct samples samples = { .count = 1, .value = { value } };

	report(row, &samples, NULL);
}

void leave_out(const char *name, const char *format, ...)
{
	struct result *result = add(name);
	va_list args;

	va_start(args, format);
	vsnprintf(result->left_out, sizeof(result->left_out), format, args);
	va_end(args);
	print(result);
}

/* -------------------------------------------------------------------- JSON */

/* Takes the value; there is one of everything that is told, or the program ends. */
static void put(json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, value))
		fatal("no JSON of %s", name);
}

static json_t *json_row(const struct result *result)
{
	json_t *row = json_object();

	put(row, "name", json_string(result->name));
	if (result->left_out[0]) {
		put(row, "left_out", json_string(result->left_out));
		return row;
	}
	if (result->n > 0) {
		put(row, "n", json_integer((json_int_t)result->n));
		put(row, "of", json_string(result->of));
	}
	put(row, "text", json_string(result->text));
	put(row, "unit", json_string(result->unit));
	put(row, "rounds", json_integer(result->rounds));
	put(row, "value", json_real(result->value));
	put(row, "median", json_real(result->median));
	if (!isnan(result->p99)) {
		put(row, "p99", json_real(result->p99));
		put(row, "samples", json_integer((json_int_t)result->samples));
	}
	if (!isnan(result->ratio))
		put(row, "ratio", json_real(result->ratio));
	if (!isnan(result->reference_p99))
		put(row, "reference_p99", json_real(result->reference_p99));
	if (!isnan(result->reference)) {
		put(row, "reference_name", json_string(result->reference_name));
		put(row, "reference", json_real(result->reference));
		put(row, "reference_median", json_real(result->reference_median));
	}
	if (result->goal != GOAL_NONE) {
		put(row, result->goal == GOAL_RATIO ? "limit_ratio" : "limit",
		    json_real(result->limit));
		put(row, "met", json_boolean(met(result)));
	}
	return row;
}

/* Of the module, as sysfs tells it; "" when it doesn't */
static json_t *module_version(void)
{
	FILE *file = fopen("/sys/module/xpmem/srcversion", "re");
	char line[64] = "";

	if (file && fgets(line, sizeof(line), file))
		line[strcspn(line, "\n")] = 0;
	if (file)
		fclose(file);
	return json_string(line);
}

bool results_write(const char *path, const char *note)
{
	json_t *all = json_object(), *rows = json_array();
	struct utsname host;
	int err;

	uname(&host);
	put(all, "format", json_integer(FORMAT));
	put(all, "what", json_string(note ? note : ""));
	put(all, "kernel", json_string(host.release));
	put(all, "module_srcversion", module_version());
	put(all, "version", json_integer(xpmem_version()));
	put(all, "cpus", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
	put(all, "clock", json_string(settings.counted ? "instructions" : "time"));
	put(all, "memory", json_integer((json_int_t)settings.memory));
	for (unsigned int i = 0; i < table->count; i++)
		if (json_array_append_new(rows, json_row(&table->result[i])))
			fatal("no JSON of %s", table->result[i].name);
	put(all, "rows", rows);
	err = json_dump_file(all, path, JSON_INDENT(2));
	json_decref(all);
	return !err;
}
