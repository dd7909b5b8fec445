// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xpmem top: which segments are busy.
 *
 * What a segment counts is read each interval and divided by the time since the last
 * look; a segment that is seen for the first time has no rate yet.
 */
#include "verbs.h"

#include <curses.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "segments.h"
#include "table.h"

enum sort { SORT_FAULTS, SORT_INVALIDATIONS, SORT_ATTACHMENTS, SORT_SIZE, SORT_PID, SORTS };

static const struct {
	const char *name;
	char key;
} sorts[SORTS] = {
	{ "faults", 'f' }, { "invalidations", 'i' }, { "attachments", 'a' }, { "size", 's' },
	{ "pid", 'p' },
};

static struct {
	unsigned long batch;
	unsigned long ms;
	enum sort sort;
} args = { .ms = 2000 };

static const struct argp_option options[] = {
	{ "batch", 'b', "N", 0, "Print N times and end, without a screen", 0 },
	{ "delay", 'd', "SECONDS", 0, "Time between two looks (2)", 0 },
	{ "sort", 's', "KEY", 0, "faults, invalidations, attachments, size or pid", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	double seconds;
	char *end;
	int i;

	switch (key) {
	case 'b':
		args.batch = cli_number(state, "--batch", arg, 1000000000);
		if (!args.batch)
			argp_error(state, "--batch wants a number from 1");
		return 0;
	case 'd':
		seconds = strtod(arg, &end);
		if (end == arg || *end || !(seconds >= 0.1 && seconds <= 3600))
			argp_error(state, "--delay wants seconds from 0.1 to 3600, not '%s'", arg);
		args.ms = (unsigned long)(seconds * 1000);
		return 0;
	case 's':
		for (i = 0; i < SORTS && strcmp(arg, sorts[i].name); i++)
			;
		if (i == SORTS)
			argp_error(state, "--sort can't be '%s'", arg);
		args.sort = (enum sort)i;
		return 0;
	case ARGP_KEY_END:
		if (!args.batch && !isatty(STDOUT_FILENO))
			argp_error(state, "standard output is no terminal: --batch N is needed");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

struct row {
	const struct segment *segment;
	double rate[COUNTS];
};

struct look {
	struct segments segments;
	struct timespec time;
	struct row *rows;
};

static double sort_value(const struct row *row)
{
	switch (args.sort) {
	case SORT_FAULTS:
		return row->rate[COUNT_FAULTS];
	case SORT_INVALIDATIONS:
		return row->rate[COUNT_INVALIDATIONS];
	case SORT_ATTACHMENTS:
		return (double)row->segment->attachments;
	case SORT_SIZE:
		return (double)(row->segment->end - row->segment->start);
	default:
		return -(double)row->segment->pid;
	}
}

/* The busiest first; among equals the one with the lower process */
static int by_value(const void *one, const void *other)
{
	const struct row *a = one, *b = other;
	double x = sort_value(a), y = sort_value(b);

	if (x != y)
		return x > y ? -1 : 1;
	if (a->segment->pid != b->segment->pid)
		return a->segment->pid < b->segment->pid ? -1 : 1;
	return a->segment->segid < b->segment->segid ? -1 : a->segment->segid > b->segment->segid;
}

static void sort_rows(struct look *look)
{
	if (look->segments.count)
		qsort(look->rows, look->segments.count, sizeof(*look->rows), by_value);
}

static int take_look(const struct cli *cli, const struct look *before, struct look *look)
{
	int err = segments_read(cli, &look->segments);
	double seconds;

	if (err)
		return err;
	clock_gettime(CLOCK_MONOTONIC, &look->time);
	seconds = (double)(look->time.tv_sec - before->time.tv_sec) +
		  (double)(look->time.tv_nsec - before->time.tv_nsec) / 1e9;
	look->rows = cli_checked(calloc(look->segments.count + 1, sizeof(*look->rows)));
	for (size_t i = 0; i < look->segments.count; i++) {
		const struct segment *this = &look->segments.at[i];
		const struct segment *old = segments_find(&before->segments, this->segid);

		look->rows[i].segment = this;
		for (int n = 0; old && n < COUNTS; n++)
			look->rows[i].rate[n] = (double)(this->count[n] - old->count[n]) / seconds;
	}
	sort_rows(look);
	return 0;
}

static void free_look(struct look *look)
{
	free(look->rows);
	segments_free(&look->segments);
}

/* ---------------------------------------------------------------------- batch */

static void print_look(const struct look *look)
{
	struct table *table = table_new(">PID|USER|COMMAND|>SIZE|>ATTACHED|>FAULTS/s|>PAGES/s|"
					">INVALIDATIONS/s|>ZAPS/s|>RECALLS/s|SEGID");

	for (size_t i = 0; i < look->segments.count; i++) {
		const struct row *row = &look->rows[i];
		const struct segment *s = row->segment;

		table_add(table, "%d", (int)s->pid);
		table_add(table, "%s", human_user(s->uid));
		table_add(table, "%s", s->command);
		table_add(table, "%s", human_size(s->end - s->start));
		table_add(table, "%lld", s->attachments);
		for (int n = 0; n < COUNT_AGED; n++)
			table_add(table, "%.0f", row->rate[n]);
		table_add(table, "%lld", s->segid);
	}
	table_print(table);
	putchar('\n');
	fflush(stdout);
}

static void dump_look(const struct look *look)
{
	json_t *json = cli_json("top"), *list = json_array();

	for (size_t i = 0; i < look->segments.count; i++) {
		const struct row *row = &look->rows[i];
		const struct segment *s = row->segment;
		char *segid = cli_format("%lld", s->segid);
		json_t *entry = json_pack("{s:s, s:i, s:I, s:s, s:I, s:I}", "segid", segid,
					  "pid", (int)s->pid, "uid", (json_int_t)s->uid,
					  "command", s->command,
					  "bytes", (json_int_t)(s->end - s->start),
					  "attachments", (json_int_t)s->attachments);
		json_t *rates = json_object();

		for (int n = 0; n < COUNTS; n++)
			json_object_set_new(rates, count_names[n], json_real(row->rate[n]));
		json_object_set_new(entry, "per_second", rates);
		json_array_append_new(list, entry);
		free(segid);
	}
	json_object_set_new(json, "all", json_boolean(look->segments.all));
	json_object_set_new(json, "segments", list);
	/* one line a look, to be read as it comes */
	json_dumpf(json, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(json);
}

/* --------------------------------------------------------------------- screen */

static void draw(const struct look *look)
{
	char line[512];
	int y = 0;

	erase();
	snprintf(line, sizeof(line), "xpmem top   %zu segments%s   sorted by %s",
		 look->segments.count, look->segments.all ? "" : " of your own",
		 sorts[args.sort].name);
	mvaddnstr(y++, 0, line, COLS);
	mvaddnstr(y++, 0, "q quits; f faults  i invalidations  a attachments  s size  p pid", COLS);
	attron(A_REVERSE);
	snprintf(line, sizeof(line), "%8s %-10s %-16s %8s %8s %9s %9s %9s %9s %-20s", "PID", "USER",
		 "COMMAND", "SIZE", "ATTACHED", "FAULTS/s", "PAGES/s", "INVAL/s", "ZAPS/s",
		 "SEGID");
	mvaddnstr(++y, 0, line, COLS);
	attroff(A_REVERSE);
	for (size_t i = 0; i < look->segments.count && ++y < LINES; i++) {
		const struct row *row = &look->rows[i];
		const struct segment *s = row->segment;

		snprintf(line, sizeof(line),
			 "%8d %-10.10s %-16.16s %8s %8lld %9.0f %9.0f %9.0f %9.0f %-20lld",
			 (int)s->pid, human_user(s->uid), s->command, human_size(s->end - s->start),
			 s->attachments, row->rate[COUNT_FAULTS], row->rate[COUNT_FAULT_PAGES],
			 row->rate[COUNT_INVALIDATIONS], row->rate[COUNT_ZAPS], s->segid);
		mvaddnstr(y, 0, line, COLS);
	}
	refresh();
}

/* False: the user has enough. */
static bool wait_for_key(struct look *look)
{
	int key;

	timeout((int)args.ms);
	while ((key = getch()) != ERR) {
		if (key == 'q' || key == 'Q')
			return false;
		for (int i = 0; i < SORTS; i++)
			if (key == sorts[i].key)
				args.sort = (enum sort)i;
		sort_rows(look);
		draw(look);
	}
	return true;
}

static void pause_ms(unsigned long ms)
{
	struct timespec time = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };

	while (nanosleep(&time, &time) && errno == EINTR)
		;
}

static int run(struct cli *cli)
{
	struct look before = { 0 }, look = { 0 };
	bool go_on = true;
	int err;

	err = take_look(cli, &before, &look);
	if (!err && args.batch)
		segments_tell(&look.segments);
	if (!err && !args.batch) {
		if (!initscr()) {
			cli_error("no screen");
			return CLI_WRONG;
		}
		cbreak();
		noecho();
		curs_set(0);
	}
	for (unsigned long n = 0; !err && go_on; n++) {
		if (!args.batch) {
			draw(&look);
			go_on = wait_for_key(&look);
		} else if (cli->json) {
			dump_look(&look);
		} else {
			print_look(&look);
		}
		if (!go_on || (args.batch && n + 1 == args.batch))
			break;
		if (args.batch)
			pause_ms(args.ms);
		free_look(&before);
		before = look;
		memset(&look, 0, sizeof(look));
		err = take_look(cli, &before, &look);
	}
	if (!args.batch && !isendwin())
		endwin();
	free_look(&before);
	free_look(&look);
	if (err) {
		cli_error("%s", err == -ENOENT ? "the module is not loaded" : strerror(-err));
		return CLI_WRONG;
	}
	return CLI_OK;
}

const struct cli_verb cmd_top = {
	.name = "top",
	.summary = "Which segments are busy, live",
	.doc = "Shows what happens to each segment in a second. Keys: q quits, f i a s p sort by "
	       "faults, invalidations, attachments, size, pid.",
	.options = options,
	.parser = parse,
	.run = run,
};
