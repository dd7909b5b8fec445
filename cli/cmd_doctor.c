// SPDX-License-Identifier: GPL-2.0-or-later
/* xpmem doctor: what is not as it should be, and the one thing to do about each. */
#include "verbs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "doctor.h"
#include "table.h"

static const struct check *const parts[] = {
	checks_of_module, checks_of_node, checks_of_users, checks_of_daemon,
};

static struct finding finding(int state, const char *fix, const char *format, va_list args)
{
	struct finding made = { .state = state, .fix = fix ? cli_format("%s", fix) : NULL };

	if (vasprintf(&made.what, format, args) < 0)
		made.what = NULL;
	cli_checked(made.what);
	return made;
}

struct finding finding_ok(const char *format, ...)
{
	struct finding made;
	va_list args;

	va_start(args, format);
	made = finding(FINDING_OK, NULL, format, args);
	va_end(args);
	return made;
}

struct finding finding_unknown(const char *format, ...)
{
	struct finding made;
	va_list args;

	va_start(args, format);
	made = finding(FINDING_UNKNOWN, NULL, format, args);
	va_end(args);
	return made;
}

struct finding finding_wrong(const char *fix, const char *format, ...)
{
	struct finding made;
	va_list args;

	va_start(args, format);
	made = finding(FINDING_WRONG, fix, format, args);
	va_end(args);
	return made;
}

static const char *const state_names[] = { "ok", "wrong", "unknown" };

static void print_finding(const struct cli *cli, const char *name, const struct finding *found)
{
	static const enum colour colours[] = { COLOUR_GREEN, COLOUR_RED, COLOUR_YELLOW };
	const char *state = state_names[found->state];

	printf("%s%*s %-14s %s\n", coloured(cli->colour, colours[found->state], state),
	       found->state == FINDING_OK ? 5 : found->state == FINDING_WRONG ? 2 : 0, "", name,
	       found->what);
	if (found->fix)
		printf("%23s%s\n", "", found->fix);
}

static int run(struct cli *cli)
{
	json_t *json = cli_json("doctor"), *list = json_array();
	int wrong = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		for (const struct check *check = parts[i]; check->name; check++) {
			struct finding found = check->run(cli);

			wrong += found.state == FINDING_WRONG;
			if (cli->json)
				json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s?}",
					"check", check->name, "state", state_names[found.state],
					"what", found.what, "fix", found.fix));
			else
				print_finding(cli, check->name, &found);
			free(found.what);
			free(found.fix);
		}
	}
	json_object_set_new(json, "wrong", json_integer(wrong));
	json_object_set_new(json, "checks", list);
	if (cli->json)
		cli_print_json(json, CLI_OK);
	else
		json_decref(json);
	return wrong ? CLI_WRONG : CLI_OK;
}

const struct cli_verb cmd_doctor = {
	.name = "doctor",
	.summary = "What is not as it should be, and what to do",
	.doc = "Looks at everything that XPMEM needs. Exit status 1: something is wrong.",
	.run = run,
};
