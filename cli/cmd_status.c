// SPDX-License-Identifier: GPL-2.0-or-later
/* xpmem status: what is there, in which version, how much, and how much there may be. */
#include "verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "files.h"
#include "library.h"
#include "table.h"

#define PARAMETERS "/sys/module/xpmem/parameters/"

static const struct {
	const char *name;		/* in /proc/xpmem/counters */
	const char *parameter;		/* its limit a user, or NULL */
} things[] = {
	{ "segments", "max_segments_per_user" },
	{ "permits", "max_permits_per_user" },
	{ "attachments", "max_attachments_per_user" },
	{ "processes", NULL },
	{ "users", NULL },
};

#define THINGS (sizeof(things) / sizeof(things[0]))

struct status {
	char *module;			/* version, or NULL: not loaded */
	char *permit_mask;
	struct library library;
	json_t *daemon;			/* its answer, or NULL */
	int daemon_err;
	char *counters;
	long long count[THINGS], limit[THINGS];	/* -1: not known, or none */
};

static void read_status(const struct cli *cli, struct status *status)
{
	memset(status, 0, sizeof(*status));
	status->module = file_line(cli, "/sys/module/xpmem/version");
	status->permit_mask = file_line(cli, PARAMETERS "permit_mask");
	library_find(cli, &status->library);
	status->daemon = daemon_ask(cli, "status", &status->daemon_err);
	status->counters = file_read(cli, "/proc/xpmem/counters");
	for (size_t i = 0; i < THINGS; i++) {
		char *path = cli_format(PARAMETERS "%s",
					things[i].parameter ? things[i].parameter : "none");

		status->limit[i] = file_number(cli, path, -1);
		if (!status->counters ||
		    !text_number(status->counters, things[i].name, &status->count[i]))
			status->count[i] = -1;
		free(path);
	}
}

static void free_status(struct status *status)
{
	free(status->module);
	free(status->permit_mask);
	free(status->counters);
	library_free(&status->library);
	json_decref(status->daemon);
}

static void print_text(const struct status *status)
{
	const struct library *library = &status->library;

	printf("%-12s %s\n", "command", XPMEM_CLI_VERSION);
	printf("%-12s %s\n", "module", status->module ? status->module : "not loaded");
	if (!library->path)
		printf("%-12s not found\n", "library");
	else
		printf("%-12s %s  %s\n", "library",
		       library->version ? library->version : "another project's", library->path);
	if (status->daemon)
		printf("%-12s %s  running for %llds, %lld of %lld partitions up\n", "daemon",
		       daemon_text(status->daemon, "version"),
		       daemon_number(status->daemon, "uptime_ms") / 1000,
		       daemon_number(status->daemon, "partitions_up"),
		       daemon_number(status->daemon, "partitions"));
	else
		printf("%-12s %s\n", "daemon", daemon_why(status->daemon_err));
	if (status->daemon)
		printf("%-12s %lld %s\n", "partition", daemon_number(status->daemon, "partition"),
		       daemon_text(status->daemon, "name"));
	if (status->permit_mask)
		printf("%-12s %s\n", "permit_mask", status->permit_mask);
	for (size_t i = 0; i < THINGS; i++) {
		if (status->count[i] < 0)
			continue;
		printf("%-12s %lld", things[i].name, status->count[i]);
		if (status->limit[i] >= 0)
			printf("  (a user may have %lld)", status->limit[i]);
		putchar('\n');
	}
}

static int print_json(const struct status *status)
{
	json_t *json = cli_json("status"), *counters = json_object(), *limits = json_object();
	char *copy = cli_format("%s", status->counters ? status->counters : ""), *at = copy;
	const struct library *library = &status->library;
	char name[64], *line;
	long long value;

	while ((line = text_next_line(&at)))
		if (sscanf(line, "%63s %lld", name, &value) == 2)
			json_object_set_new(counters, name, json_integer(value));
	free(copy);
	for (size_t i = 0; i < THINGS; i++)
		if (status->limit[i] >= 0)
			json_object_set_new(limits, things[i].parameter,
					    json_integer(status->limit[i]));
	json_object_set_new(json, "command", json_string(XPMEM_CLI_VERSION));
	json_object_set_new(json, "module", json_pack("s?", status->module));
	json_object_set_new(json, "permit_mask", json_pack("s?", status->permit_mask));
	json_object_set_new(json, "library", !library->path ? json_null() :
		json_pack("{s:s, s:s?}", "path", library->path, "version", library->version));
	json_object_set_new(json, "daemon", status->daemon ? json_incref(status->daemon)
							   : json_null());
	json_object_set_new(json, "counters", counters);
	json_object_set_new(json, "limits", limits);
	return cli_print_json(json, CLI_OK);
}

static int run(struct cli *cli)
{
	struct status status;
	int ret;

	read_status(cli, &status);
	ret = status.module ? CLI_OK : CLI_WRONG;
	if (cli->json)
		print_json(&status);
	else
		print_text(&status);
	free_status(&status);
	return ret;
}

const struct cli_verb cmd_status = {
	.name = "status",
	.summary = "Versions, counts and limits",
	.doc = "Tells what of XPMEM is there and how much it is used. Exit status 1: the module is "
	       "not loaded.",
	.run = run,
};
