// SPDX-License-Identifier: GPL-2.0-or-later
/* xpmem partitions: the other Linux instances, as the daemon knows them. */
#include "verbs.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon.h"
#include "table.h"

static void print_table(const struct cli *cli, const json_t *partitions)
{
	struct table *table = table_new(">NUMBER|NAME|ADDRESS|USERS|ACCESS|>SENT|>RECEIVED|STATE");
	json_t *entry;
	size_t index;

	json_array_foreach(partitions, index, entry) {
		const char *address = daemon_text(entry, "address");
		bool read_only = json_is_true(json_object_get(entry, "read_only"));
		bool up = json_is_true(json_object_get(entry, "up"));
		bool fabric = json_is_true(json_object_get(entry, "fabric_up"));

		table_add(table, "%lld", daemon_number(entry, "number"));
		table_add(table, "%s", daemon_text(entry, "name"));
		table_add(table, "%s", *address ? address : "-");
		table_add(table, "%s", daemon_text(entry, "users"));
		table_add(table, "%s", read_only ? "r" : "rw");
		table_add(table, "%s", human_size((uint64_t)daemon_number(entry, "bytes_sent")));
		table_add(table, "%s",
			  human_size((uint64_t)daemon_number(entry, "bytes_received")));
		table_add(table, "%s", coloured(cli->colour, up ? COLOUR_GREEN : COLOUR_RED,
						!up	 ? "down" :
						  fabric ? "up, fabric" :
							   "up"));
	}
	table_print(table);
}

static int run(struct cli *cli)
{
	json_t *answer, *json;
	int err;

	answer = daemon_ask(cli, "partitions", &err);
	if (!answer) {
		cli_error("%s", daemon_why(err));
		return CLI_WRONG;
	}
	if (cli->json) {
		json = cli_json("partitions");
		json_object_update_missing(json, answer);
		cli_print_json(json, CLI_OK);
	} else {
		print_table(cli, json_object_get(answer, "partitions"));
	}
	json_decref(answer);
	return CLI_OK;
}

const struct cli_verb cmd_partitions = {
	.name = "partitions",
	.summary = "The other partitions, and whether they are up",
	.doc = "Lists the partitions that xpmemd is connected with. For root.",
	.run = run,
};
