// SPDX-License-Identifier: GPL-2.0-or-later
/* xpmem attachments: who has whose memory mapped. */
#include "verbs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "segments.h"
#include "table.h"

static struct {
	bool by_uid, by_pid, by_owner;
	unsigned int uid;
	pid_t pid, owner;
} args;

static const struct argp_option options[] = {
	{ "pid", 'p', "PID", 0, "Attachments that this process has, only", 0 },
	{ "uid", 'u', "USER", 0, "Attachments that this user's processes have, only", 0 },
	{ "owner", 'o', "PID", 0, "Attachments of this process's memory only", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'p':
		args.by_pid = true;
		args.pid = (pid_t)cli_number(state, "--pid", arg, 0x7fffffff);
		return 0;
	case 'u':
		args.by_uid = true;
		args.uid = cli_user(state, arg);
		return 0;
	case 'o':
		args.by_owner = true;
		args.owner = (pid_t)cli_number(state, "--owner", arg, 0x7fffffff);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static bool wanted(const struct attachment *attachment, const struct segment *segment)
{
	return (!args.by_pid || attachment->pid == args.pid) &&
	       (!args.by_uid || attachment->uid == args.uid) &&
	       (!args.by_owner || (segment && segment->pid == args.owner));
}

static void print_table(const struct attachments *attachments, const struct segments *segments)
{
	struct table *table = table_new("SEGID|>OWNER|>PID|USER|COMMAND|RANGE|>SIZE|>OFFSET|MODE");

	for (size_t i = 0; i < attachments->count; i++) {
		const struct attachment *a = &attachments->at[i];
		const struct segment *s = segments_find(segments, a->segid);

		if (!wanted(a, s))
			continue;
		if (a->segid)
			table_add(table, "%lld", a->segid);
		else
			table_add(table, "?");
		if (s)
			table_add(table, "%d", (int)s->pid);
		else if (segid_partition(a->segid))
			table_add(table, "@%u", segid_partition(a->segid));
		else
			table_add(table, "?");
		table_add(table, "%d", (int)a->pid);
		table_add(table, "%s", human_user(a->uid));
		table_add(table, "%s", a->command);
		table_add(table, "0x%" PRIx64 "-0x%" PRIx64, a->start, a->end);
		table_add(table, "%s", human_size(a->end - a->start));
		table_add(table, "0x%" PRIx64, a->offset);
		table_add(table, "%s", a->writable ? "rw" : "r");
	}
	table_print(table);
}

static json_t *attachment_json(const struct attachment *a, const struct segment *s)
{
	char *segid = cli_format("%lld", a->segid);
	char *start = cli_format("0x%" PRIx64, a->start), *end = cli_format("0x%" PRIx64, a->end);
	json_t *json = json_pack("{s:s?, s:i, s:i, s:I, s:s, s:s, s:s, s:I, s:I, s:b}",
				 "segid", a->segid ? segid : NULL,
				 "partition", (int)segid_partition(a->segid),
				 "pid", (int)a->pid, "uid", (json_int_t)a->uid,
				 "command", a->command,
				 "start", start, "end", end,
				 "bytes", (json_int_t)(a->end - a->start),
				 "offset", (json_int_t)a->offset, "writable", a->writable);

	json_object_set_new(cli_checked(json), "owner", s ? json_integer(s->pid) : json_null());
	free(segid);
	free(start);
	free(end);
	return json;
}

static int run(struct cli *cli)
{
	struct attachments attachments;
	struct segments segments;
	json_t *json, *list;

	/* Without them owners are not known; the mappings are there all the same. */
	segments_read(cli, &segments);
	attachments_read(cli, &attachments);
	if (attachments.unreadable)
		cli_error("only your own processes are shown; root sees all");
	if (!cli->json) {
		print_table(&attachments, &segments);
	} else {
		json = cli_json("attachments");
		list = json_array();
		for (size_t i = 0; i < attachments.count; i++) {
			const struct attachment *a = &attachments.at[i];
			const struct segment *s = segments_find(&segments, a->segid);

			if (wanted(a, s))
				json_array_append_new(list, attachment_json(a, s));
		}
		json_object_set_new(json, "all", json_boolean(!attachments.unreadable));
		json_object_set_new(json, "attachments", list);
		cli_print_json(json, CLI_OK);
	}
	attachments_free(&attachments);
	segments_free(&segments);
	return CLI_OK;
}

const struct cli_verb cmd_attachments = {
	.name = "attachments",
	.summary = "Who has whose memory mapped",
	.doc = "Lists the attachments that processes have; without root, those of one's own.",
	.options = options,
	.parser = parse,
	.run = run,
};
