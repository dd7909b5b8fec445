// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * report: a line a figure. The file may have lines of other runs already; its
 * first line, with the names of the columns, is written when it is empty.
 */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* The name of a way in the output */
static const char *way_name(const struct report *report, enum way way)
{
	static const char *const names[WAY_MAX] = {
		[WAY_STEADY] = "attached",
		[WAY_TOUCH] = "attached-touch",
		[WAY_ATTACH] = "attached-attach",
		[WAY_FRESH] = "attached-fresh",
	};

	if (way != WAY_MPI)
		return names[way];
	return report->options->path == PATH_CMA ? "mpi-cma" : "mpi-copy";
}

int report_open(const struct options *options, int ranks,
		struct report *ret_report, struct failure *failure)
{
	struct report report = { .options = options, .ranks = ranks };

	if (options->csv[0] != '\0') {
		report.csv = fopen(options->csv, "ae");
		if (report.csv == NULL)
			return failure_set(failure, EXIT_RUNTIME, "%s: %s",
					   options->csv, strerror(errno));
		fseek(report.csv, 0, SEEK_END);
		if (ftell(report.csv) == 0)
			fprintf(report.csv,
				"operation,bytes,ranks,way,pages,fault,repeat,best_ns,median_ns,cma_bytes,checksum\n");
	}
	printf("%-10s %9s %-15s %13s %13s %11s\n", "operation", "bytes", "way",
	       "best ns", "median ns", "CMA bytes");
	fflush(stdout);
	*ret_report = report;
	return EXIT_OK;
}

void report_add(struct report *report, enum operation operation, size_t bytes,
		enum way way, const struct result *result)
{
	const struct options *options = report->options;
	int ranks = operation_ranks(operation, report->ranks);

	printf("%-10s %9zu %-15s %13" PRId64 " %13" PRId64 " %11" PRIu64 "\n",
	       operation_names[operation], bytes, way_name(report, way),
	       result->best, result->median, result->cma_bytes);
	fflush(stdout);
	if (report->csv == NULL)
		return;
	fprintf(report->csv,
		"%s,%zu,%d,%s,%s,%s,%d,%" PRId64 ",%" PRId64 ",%" PRIu64
		",%016" PRIx64 "\n",
		operation_names[operation], bytes, ranks, way_name(report, way),
		pages_names[options->pages],
		!way_renews(way)  ? "none" :
		options->prefault ? "prefault" :
				    "load",
		options->repeat, result->best, result->median,
		result->cma_bytes, result->checksum);
}

int report_close(struct report *report, struct failure *failure)
{
	bool bad;

	if (report->csv == NULL)
		return EXIT_OK;
	bad = ferror(report->csv) != 0;
	if (fclose(report->csv) != 0 || bad)
		return failure_set(failure, EXIT_RUNTIME, "%s: %s",
				   report->options->csv, strerror(errno));
	return EXIT_OK;
}
