// SPDX-License-Identifier: GPL-2.0-or-later
/* Checks: xpmemd, its configuration, and the other partitions. */
#include "doctor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon.h"
#include "files.h"

static bool configured(const struct cli *cli)
{
	struct stat st;

	return file_stat(cli, DAEMON_CONFIG, &st);
}

static struct finding check_config(const struct cli *cli)
{
	char *path = file_path(cli, DAEMON_CONFIG);
	const char *const argv[] = { "xpmemd", "--check-config", path, NULL };
	struct finding found;
	char *text = NULL;
	int status = 0;

	if (!configured(cli)) {
		free(path);
		return finding_ok("there is no " DAEMON_CONFIG ": this machine is by itself");
	}
	text = program_output(cli, argv, true, &status);
	if (!text)
		found = finding_wrong("install it: package xpmemd",
				      DAEMON_CONFIG " is there, but xpmemd is not installed");
	else if (status)
		found = finding_wrong("correct that line; xpmemd --check-config tells whether it is good",
				      "%.*s", (int)strcspn(text, "\n"),
				      *text ? text : DAEMON_CONFIG " is not valid");
	else
		found = finding_ok(DAEMON_CONFIG " is valid");
	free(text);
	free(path);
	return found;
}

static struct finding check_daemon(const struct cli *cli)
{
	char *module = doctor_module_version(cli);
	struct finding found;
	json_t *status;
	int err;

	status = daemon_ask(cli, "status", &err);
	if (status && module && !doctor_same_release(module, daemon_text(status, "version")))
		found = finding_wrong("install module and daemon of the same release, load that "
				      "module, and systemctl restart xpmemd",
				      "xpmemd that runs is %s, the module %s",
				      daemon_text(status, "version"), module);
	else if (status)
		found = finding_ok("xpmemd %s runs: partition %lld %s",
				   daemon_text(status, "version"),
				   daemon_number(status, "partition"), daemon_text(status, "name"));
	else if (!configured(cli))
		found = finding_ok("xpmemd is not needed");
	else if (err == -EACCES)
		found = finding_unknown("%s", daemon_why(err));
	else
		found = finding_wrong("systemctl enable --now xpmemd; journalctl -u xpmemd says why "
				      "it ended", "%s", daemon_why(err));
	json_decref(status);
	free(module);
	return found;
}

static struct finding check_peers(const struct cli *cli)
{
	char *down = cli_format("%s", ""), *more, *fix;
	size_t index, count = 0;
	json_t *answer, *entry;
	struct finding found;
	int err;

	answer = daemon_ask(cli, "partitions", &err);
	json_array_foreach(json_object_get(answer, "partitions"), index, entry) {
		count++;
		if (json_is_true(json_object_get(entry, "up")))
			continue;
		more = cli_format("%s%s%s", down, *down ? ", " : "", daemon_text(entry, "name"));
		free(down);
		down = more;
	}
	if (!answer && !configured(cli)) {
		found = finding_ok("there are no other partitions");
	} else if (!answer) {
		found = finding_unknown("%s", daemon_why(err));
	} else if (*down) {
		fix = cli_format("there: xpmem doctor; here: journalctl -u xpmemd");
		found = finding_wrong(fix, "not connected: %s", down);
		free(fix);
	} else {
		found = finding_ok("all %zu other partitions are up", count);
	}
	json_decref(answer);
	free(down);
	return found;
}

const struct check checks_of_daemon[] = {
	{ "config", check_config },
	{ "daemon", check_daemon },
	{ "peers", check_peers },
	{ NULL, NULL },
};
