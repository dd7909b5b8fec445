// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * report: checks, table and JSON lines. docs/mpi.md explains each line of
 * both; run-demo and the tests read the JSON, so its keys are an interface.
 */
#include "report.h"
#include "halo.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

static const struct halo_ops *const way_ops[WAY_MAX] = {
	[WAY_MPI] = &halo_mpi,
	[WAY_XPMEM] = &halo_xpmem,
};

static const char *const check_names[CHECK_MAX] = {
	[CHECK_IDENTICAL] = "identical",
	[CHECK_REPEATS] = "repeats",
	[CHECK_FINITE] = "finite",
	[CHECK_UNPINNED] = "unpinned",
};

static const char *const verdict_names[] = {
	[VERDICT_NOT_DONE] = "not done",
	[VERDICT_HELD] = "held",
	[VERDICT_BROKEN] = "broken",
};

static const char *const verdict_marks[] = {
	[VERDICT_NOT_DONE] = " -- ",
	[VERDICT_HELD] = " ok ",
	[VERDICT_BROKEN] = "FAIL",
};

uint64_t report_checksum(const void *data, size_t size)
{
	const unsigned char *byte = data;
	uint64_t sum = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ byte[i]) * 0x100000001b3ULL;
	return sum;
}

static size_t cell_count(const struct report *report)
{
	return (size_t)report->plate->cells_x * (size_t)report->plate->cells_y;
}

static bool ran(const struct report *report, enum way way)
{
	return report->field[way] != NULL;
}

static void conclude(struct report *report, enum check check,
		     enum verdict verdict, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void conclude(struct report *report, enum check check,
		     enum verdict verdict, const char *format, ...)
{
	va_list args;

	report->verdicts[check] = verdict;
	va_start(args, format);
	vsnprintf(report->texts[check], sizeof(report->texts[check]), format,
		  args);
	va_end(args);
}

static void check_identical(struct report *report)
{
	const double *a = report->field[WAY_MPI];
	const double *b = report->field[WAY_XPMEM];
	size_t cells = cell_count(report);
	size_t first = 0;
	int x, y;

	if (a == NULL || b == NULL) {
		conclude(report, CHECK_IDENTICAL, VERDICT_NOT_DONE,
			 "only one way was run, nothing to compare");
		return;
	}
	if (memcmp(a, b, cells * sizeof(*a)) == 0) {
		conclude(report, CHECK_IDENTICAL, VERDICT_HELD,
			 "both ways agree to the last bit in all %zu cells",
			 cells);
		return;
	}
	while (memcmp(&a[first], &b[first], sizeof(*a)) == 0)
		first++;
	x = (int)(first % (size_t)report->plate->cells_x);
	y = (int)(first / (size_t)report->plate->cells_x);
	conclude(
		report, CHECK_IDENTICAL, VERDICT_BROKEN,
		"the ways differ, first in cell (%d, %d) of rank %d: %.17g by mpi, %.17g by xpmem",
		x, y, tiling_owner(report->tiling, x, y), a[first], b[first]);
}

static void check_repeats(struct report *report)
{
	bool agree = true;

	if (report->repeat == 1) {
		conclude(report, CHECK_REPEATS, VERDICT_NOT_DONE,
			 "each way was run once");
		return;
	}
	for (int way = 0; way < WAY_MAX; way++)
		if (ran(report, way) &&
		    !report->records[0].outcome[way].repeats_agree)
			agree = false;
	conclude(report, CHECK_REPEATS, agree ? VERDICT_HELD : VERDICT_BROKEN,
		 agree ? "each of %d repetitions gave the same bits" :
			 "the %d repetitions did not all give the same bits",
		 report->repeat);
}

static void check_finite(struct report *report)
{
	const double *field =
		report->field[ran(report, WAY_XPMEM) ? WAY_XPMEM : WAY_MPI];
	size_t cells = cell_count(report);
	double sum = 0.0;

	report->coldest = field[0];
	report->hottest = field[0];
	for (size_t i = 0; i < cells; i++) {
		if (!isfinite(field[i])) {
			conclude(report, CHECK_FINITE, VERDICT_BROKEN,
				 "cell %zu holds %g", i, field[i]);
			return;
		}
		if (field[i] < report->coldest)
			report->coldest = field[i];
		if (field[i] > report->hottest)
			report->hottest = field[i];
		sum += field[i];
	}
	report->mean = sum / (double)cells;
	conclude(report, CHECK_FINITE, VERDICT_HELD,
		 "%.2f to %.2f degrees Celsius, %.2f in the mean",
		 report->coldest, report->hottest, report->mean);
}

static void check_unpinned(struct report *report)
{
	const struct pins *last = &report->records[0].outcome[WAY_XPMEM].during;

	if (!ran(report, WAY_XPMEM)) {
		conclude(report, CHECK_UNPINNED, VERDICT_NOT_DONE,
			 "nothing was shared");
		return;
	}
	for (int rank = 0; rank < report->ranks; rank++) {
		const struct outcome *outcome =
			&report->records[rank].outcome[WAY_XPMEM];

		if (outcome->during.process_kib > outcome->before.process_kib) {
			conclude(report, CHECK_UNPINNED, VERDICT_BROKEN,
				 "VmPin of rank %d went from %ld to %ld KiB",
				 rank, outcome->before.process_kib,
				 outcome->during.process_kib);
			return;
		}
	}
	if (last->module_pages > 0)
		conclude(report, CHECK_UNPINNED, VERDICT_BROKEN,
			 "the module says it pinned %ld pages",
			 last->module_pages);
	else if (last->module_pages < 0)
		conclude(
			report, CHECK_UNPINNED, VERDICT_HELD,
			"nothing pinned: VmPin did not grow on any rank (no /proc/xpmem/global_pages here)");
	else
		conclude(
			report, CHECK_UNPINNED, VERDICT_HELD,
			"nothing pinned: VmPin did not grow on any rank, the module counts 0 pinned pages");
}

bool report_check(struct report *report)
{
	bool held = true;

	for (int way = 0; way < WAY_MAX; way++)
		if (ran(report, way))
			report->checksum[way] = report_checksum(
				report->field[way],
				cell_count(report) * sizeof(double));
	check_identical(report);
	check_repeats(report);
	check_finite(report);
	check_unpinned(report);
	for (int check = 0; check < CHECK_MAX; check++)
		if (report->verdicts[check] == VERDICT_BROKEN)
			held = false;
	return held;
}

/* The mean over ranks of the time spent in halos; waiting is part of it. */
static double mean_halo(const struct report *report, enum way way)
{
	double sum = 0.0;

	for (int rank = 0; rank < report->ranks; rank++)
		sum += report->records[rank].outcome[way].halo;
	return sum / report->ranks;
}

static size_t bytes_a_step(const struct report *report)
{
	size_t bytes = 0;

	for (int rank = 0; rank < report->ranks; rank++) {
		struct tile tile = tiling_tile(report->tiling, rank);

		bytes += halo_bytes(&tile);
	}
	return bytes;
}

static bool has_attached(const struct report *report, int reader, int owner)
{
	const struct halo_setup *setup =
		&report->records[reader].outcome[WAY_XPMEM].setup;

	for (int side = 0; side < SIDE_MAX; side++)
		if (setup->attached[side] == owner)
			return true;
	return false;
}

static void print_shares(const struct report *report, FILE *file)
{
	fprintf(file, "\nWho shares what\n");
	fprintf(file, "  %4s %8s  %-12s %-18s %10s  %s\n", "rank", "pid",
		"cells", "segid", "KiB", "attached by rank");
	for (int rank = 0; rank < report->ranks; rank++) {
		const struct rank_record *record = &report->records[rank];
		struct tile tile = tiling_tile(report->tiling, rank);
		char cells[32];
		bool none = true;

		snprintf(cells, sizeof(cells), "%d x %d", tile.nx, tile.ny);
		fprintf(file, "  %4d %8d  %-12s 0x%016llx %10zu ", rank,
			record->pid, cells,
			(unsigned long long)record->outcome[WAY_XPMEM]
				.setup.segid,
			record->bytes_shared / 1024);
		for (int reader = 0; reader < report->ranks; reader++) {
			if (!has_attached(report, reader, rank))
				continue;
			fprintf(file, " %d", reader);
			none = false;
		}
		fprintf(file, "%s\n", none ? " nobody" : "");
	}
}

enum cost {
	COST_RUN,
	COST_STEP,
	COST_HALO,
	COST_MAKE,
	COST_GET,
	COST_ATTACH,
	COST_TOUCH,
	COST_MAX,
};

/* In seconds. Set-up: the slowest rank. */
static double cost_of(const struct report *report, enum way way, enum cost cost)
{
	double steps = (double)report->steps;
	double slowest = 0.0;

	switch (cost) {
	case COST_RUN:
		return report->records[0].outcome[way].slowest;
	case COST_STEP:
		return report->records[0].outcome[way].slowest / steps;
	case COST_HALO:
		return mean_halo(report, way) / steps;
	default:
		break;
	}
	for (int rank = 0; rank < report->ranks; rank++) {
		const struct halo_setup *setup =
			&report->records[rank].outcome[way].setup;
		const double times[COST_MAX] = {
			[COST_MAKE] = setup->make,
			[COST_GET] = setup->get,
			[COST_ATTACH] = setup->attach,
			[COST_TOUCH] = setup->touch,
		};

		if (times[cost] > slowest)
			slowest = times[cost];
	}
	return slowest;
}

static void print_costs(const struct report *report, FILE *file)
{
	static const char *const labels[COST_MAX] = {
		[COST_RUN] = "all steps",
		[COST_STEP] = "one step",
		[COST_HALO] = "  its halo, waiting included",
		[COST_MAKE] = "set-up: make",
		[COST_GET] = "        get",
		[COST_ATTACH] = "        attach",
		[COST_TOUCH] = "        first touch",
	};

	fprintf(file, "\nWhat it cost (microseconds%s)\n",
		report->repeat > 1 ? ", best repetition" : "");
	fprintf(file, "  %-30s", "");
	for (int way = 0; way < WAY_MAX; way++)
		if (ran(report, way))
			fprintf(file, " %14s", way_ops[way]->title);
	fputc('\n', file);
	for (int cost = 0; cost < COST_MAX; cost++) {
		fprintf(file, "  %-30s", labels[cost]);
		for (int way = 0; way < WAY_MAX; way++) {
			if (!ran(report, way))
				continue;
			if (way == WAY_MPI && cost > COST_MAKE)
				fprintf(file, " %14s", "-");
			else
				fprintf(file, " %14.1f",
					cost_of(report, way, cost) * 1e6);
		}
		fputc('\n', file);
	}
	fprintf(file, "  halo of all ranks: %zu bytes a step\n",
		bytes_a_step(report));
	if (ran(report, WAY_MPI) && ran(report, WAY_XPMEM))
		fprintf(file,
			"  XPMEM takes %.2f of the time of MPI messages\n",
			cost_of(report, WAY_XPMEM, COST_RUN) /
				cost_of(report, WAY_MPI, COST_RUN));
}

void report_print(const struct report *report, FILE *file)
{
	const struct plate *plate = report->plate;

	fprintf(file, "heat: %s (%s)\n", plate->title, report->input);
	fprintf(file,
		"  %d x %d cells on %g x %g mm, %ld steps of %.4g ms, %d rank%s as %d x %d\n",
		plate->cells_x, plate->cells_y, plate->width, plate->height,
		report->steps, report->timestep * 1e3, report->ranks,
		report->ranks == 1 ? "" : "s", report->tiling->across,
		report->tiling->down);
	if (ran(report, WAY_XPMEM))
		print_shares(report, file);
	print_costs(report, file);

	fprintf(file, "\nChecks\n");
	for (int check = 0; check < CHECK_MAX; check++)
		fprintf(file, "  [%s] %s\n",
			verdict_marks[report->verdicts[check]],
			report->texts[check]);
	for (int way = 0; way < WAY_MAX; way++)
		if (ran(report, way))
			fprintf(file,
				"  checksum of the result, %-13s %016" PRIx64
				"\n",
				way_ops[way]->title, report->checksum[way]);
}

static void json_string(FILE *file, const char *text)
{
	fputc('"', file);
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(file, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			fprintf(file, "\\u%04x", c);
		else
			fputc(c, file);
	}
	fputc('"', file);
}

static void json_rank(const struct report *report, int rank, FILE *file)
{
	const struct rank_record *record = &report->records[rank];
	const struct outcome *shared = &record->outcome[WAY_XPMEM];
	struct tile tile = tiling_tile(report->tiling, rank);

	fprintf(file,
		"{\"kind\":\"rank\",\"rank\":%d,\"pid\":%d,\"x0\":%d,\"y0\":%d,\"nx\":%d,\"ny\":%d",
		rank, record->pid, tile.x0, tile.y0, tile.nx, tile.ny);
	for (int way = 0; way < WAY_MAX; way++)
		if (ran(report, way))
			fprintf(file,
				",\"%s_seconds\":%.9f,\"%s_halo_seconds\":%.9f",
				way_ops[way]->name, record->outcome[way].total,
				way_ops[way]->name, record->outcome[way].halo);
	if (ran(report, WAY_XPMEM)) {
		const char *comma = "";

		fprintf(file,
			",\"segid\":\"0x%llx\",\"bytes_shared\":%zu,\"bytes_attached\":%zu,\"attached_by\":[",
			(unsigned long long)shared->setup.segid,
			record->bytes_shared, shared->setup.bytes_attached);
		for (int reader = 0; reader < report->ranks; reader++) {
			if (!has_attached(report, reader, rank))
				continue;
			fprintf(file, "%s%d", comma, reader);
			comma = ",";
		}
		fprintf(file,
			"],\"make_seconds\":%.9f,\"get_seconds\":%.9f,\"attach_seconds\":%.9f,\"touch_seconds\":%.9f,\"vmpin_kib_before\":%ld,\"vmpin_kib\":%ld",
			shared->setup.make, shared->setup.get,
			shared->setup.attach, shared->setup.touch,
			shared->before.process_kib, shared->during.process_kib);
	}
	fprintf(file, "}\n");
}

void report_write_json(const struct report *report, FILE *file)
{
	const struct plate *plate = report->plate;
	bool broken = false;

	fprintf(file, "{\"kind\":\"run\",\"input\":");
	json_string(file, report->input);
	fprintf(file, ",\"title\":");
	json_string(file, plate->title);
	fprintf(file,
		",\"cells_x\":%d,\"cells_y\":%d,\"steps\":%ld,\"timestep_seconds\":%.9g,\"repeat\":%d,\"ranks\":%d,\"across\":%d,\"down\":%d,\"halo_bytes_per_step\":%zu}\n",
		plate->cells_x, plate->cells_y, report->steps, report->timestep,
		report->repeat, report->ranks, report->tiling->across,
		report->tiling->down, bytes_a_step(report));
	for (int rank = 0; rank < report->ranks; rank++)
		json_rank(report, rank, file);
	for (int way = 0; way < WAY_MAX; way++) {
		if (!ran(report, way))
			continue;
		fprintf(file,
			"{\"kind\":\"way\",\"way\":\"%s\",\"seconds\":%.9f,\"step_seconds\":%.9f,\"halo_step_seconds\":%.9f,\"checksum\":\"%016" PRIx64
			"\"}\n",
			way_ops[way]->name, cost_of(report, way, COST_RUN),
			cost_of(report, way, COST_STEP),
			cost_of(report, way, COST_HALO), report->checksum[way]);
	}
	if (ran(report, WAY_XPMEM)) {
		const struct outcome *outcome =
			&report->records[0].outcome[WAY_XPMEM];

		fprintf(file,
			"{\"kind\":\"pins\",\"module_pages\":%ld,\"node_pages_before\":%ld,\"node_pages\":%ld}\n",
			outcome->during.module_pages,
			outcome->before.node_pages, outcome->during.node_pages);
	}
	if (report->verdicts[CHECK_FINITE] == VERDICT_HELD)
		fprintf(file,
			"{\"kind\":\"result\",\"coldest\":%.6f,\"hottest\":%.6f,\"mean\":%.6f}\n",
			report->coldest, report->hottest, report->mean);
	for (int check = 0; check < CHECK_MAX; check++) {
		fprintf(file,
			"{\"kind\":\"check\",\"check\":\"%s\",\"verdict\":\"%s\",\"text\":",
			check_names[check],
			verdict_names[report->verdicts[check]]);
		json_string(file, report->texts[check]);
		fprintf(file, "}\n");
		if (report->verdicts[check] == VERDICT_BROKEN)
			broken = true;
	}
	fprintf(file, "{\"kind\":\"verdict\",\"held\":%s}\n",
		broken ? "false" : "true");
}
