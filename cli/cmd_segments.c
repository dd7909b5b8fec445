// SPDX-License-Identifier: GPL-2.0-or-later
/* xpmem segments: a line a segment. */
#include "verbs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numa.h"
#include "segments.h"
#include "table.h"

static struct {
	bool numa;
	bool by_uid, by_pid;
	unsigned int uid;
	pid_t pid;
} args;

static const struct argp_option options[] = {
	{ "numa", 'n', NULL, 0, "On which NUMA nodes the owner's pages are", 0 },
	{ "pid", 'p', "PID", 0, "Segments of this process only", 0 },
	{ "uid", 'u', "USER", 0, "Segments of this user only, a name or a number", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'n':
		args.numa = true;
		return 0;
	case 'p':
		args.by_pid = true;
		args.pid = (pid_t)cli_number(state, "--pid", arg, 0x7fffffff);
		return 0;
	case 'u':
		args.by_uid = true;
		args.uid = cli_user(state, arg);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static bool wanted(const struct segment *segment)
{
	return (!args.by_pid || segment->pid == args.pid) &&
	       (!args.by_uid || segment->uid == args.uid);
}

/* "0:1.5G 1:4.0K", "-" without any page, "?" where the caller may not ask */
static char *placement_text(const struct cli *cli, const struct segment *segment)
{
	struct placement placement;
	char *text, *more;

	if (numa_placement(cli, segment, &placement))
		return cli_format("?");
	text = cli_format("%s", placement.estimated ? "about" : "");
	for (int node = 0; node < placement.nodes; node++) {
		if (!placement.bytes[node])
			continue;
		more = cli_format("%s%s%d:%s", text, *text ? " " : "", node,
				  human_size(placement.bytes[node]));
		free(text);
		text = more;
	}
	if (!placement.nodes) {
		free(text);
		text = cli_format("-");
	}
	return text;
}

static void print_table(const struct cli *cli, const struct segments *segments)
{
	struct table *table = table_new(args.numa
		? "SEGID|>PID|USER|COMMAND|RANGE|>SIZE|MODE|>PERMITS|>ATTACHED|REMOTE|NUMA"
		: "SEGID|>PID|USER|COMMAND|RANGE|>SIZE|MODE|>PERMITS|>ATTACHED|REMOTE");

	for (size_t i = 0; i < segments->count; i++) {
		const struct segment *s = &segments->at[i];

		if (!wanted(s))
			continue;
		table_add(table, "%lld", s->segid);
		table_add(table, "%d", (int)s->pid);
		table_add(table, "%s", human_user(s->uid));
		table_add(table, "%s", s->command);
		table_add(table, "0x%" PRIx64 "-0x%" PRIx64, s->start, s->end);
		table_add(table, "%s", human_size(s->end - s->start));
		table_add(table, "0%03o", s->mode);
		table_add(table, "%lld", s->permits);
		table_add(table, "%lld", s->attachments);
		table_add(table, "%s", !segments->daemon ? "-" : s->remote ? "yes" : "no");
		if (args.numa) {
			char *text = placement_text(cli, s);

			table_add(table, "%s", text);
			free(text);
		}
	}
	table_print(table);
}

static json_t *placement_json(const struct cli *cli, const struct segment *segment)
{
	struct placement placement;
	json_t *list;

	if (numa_placement(cli, segment, &placement))
		return json_null();
	list = json_array();
	for (int node = 0; node < placement.nodes; node++)
		if (placement.bytes[node])
			json_array_append_new(list, json_pack("{s:i, s:I, s:b}", "node", node,
				"bytes", (json_int_t)placement.bytes[node],
				"estimated", placement.estimated));
	return list;
}

/* Ids are text: many a reader of JSON has no integers of 64 bits. */
static json_t *segment_json(const struct cli *cli, const struct segments *segments,
			    const struct segment *s)
{
	char *segid = cli_format("%lld", s->segid), *mode = cli_format("0%03o", s->mode);
	char *start = cli_format("0x%" PRIx64, s->start), *end = cli_format("0x%" PRIx64, s->end);
	json_t *json = json_pack("{s:s, s:i, s:i, s:I, s:s, s:s, s:s, s:I, s:s, s:I, s:I}",
				 "segid", segid, "partition", (int)segid_partition(s->segid),
				 "pid", (int)s->pid, "uid", (json_int_t)s->uid,
				 "command", s->command, "start", start, "end", end,
				 "bytes", (json_int_t)(s->end - s->start), "mode", mode,
				 "permits", (json_int_t)s->permits,
				 "attachments", (json_int_t)s->attachments);

	cli_checked(json);
	json_object_set_new(json, "remote",
			    segments->daemon ? json_boolean(s->remote) : json_null());
	for (int i = 0; i < COUNTS; i++)
		json_object_set_new(json, count_names[i], json_integer(s->count[i]));
	if (args.numa)
		json_object_set_new(json, "numa", placement_json(cli, s));
	free(segid);
	free(mode);
	free(start);
	free(end);
	return json;
}

static int run(struct cli *cli)
{
	struct segments segments;
	json_t *json, *list;
	int err = segments_read(cli, &segments);

	if (err) {
		cli_error("%s", err == -ENOENT ? "the module is not loaded" : strerror(-err));
		return CLI_WRONG;
	}
	segments_tell(&segments);
	if (!cli->json) {
		print_table(cli, &segments);
	} else {
		json = cli_json("segments");
		list = json_array();
		for (size_t i = 0; i < segments.count; i++)
			if (wanted(&segments.at[i]))
				json_array_append_new(list, segment_json(cli, &segments,
									 &segments.at[i]));
		json_object_set_new(json, "all", json_boolean(segments.all));
		json_object_set_new(json, "segments", list);
		cli_print_json(json, CLI_OK);
	}
	segments_free(&segments);
	return CLI_OK;
}

const struct cli_verb cmd_segments = {
	.name = "segments",
	.summary = "Who shares which memory",
	.doc = "Lists the segments of this machine; without root, those of one's own processes.",
	.options = options,
	.parser = parse,
	.run = run,
};
