// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xpmem drain: segments are taken out as if their owners had removed them.
 *
 * Owners go on.  Processes that have them attached go on until they next touch what
 * they attached, which raises SIGBUS.  Segments that are made meanwhile are looked for
 * again until there is none, so that a process can't outrun it for long.
 */
#include "verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "files.h"
#include "segments.h"
#include "table.h"
#include "xpmem_ioctl.h"

#define ROUNDS_MAX 10

static struct {
	bool by_segid, by_uid, by_pid, dry_run;
	unsigned int uid;
	pid_t pid;
	long long segid;
} args;

static const struct argp_option options[] = {
	{ "segid", 's', "SEGID", 0, "This segment", 0 },
	{ "pid", 'p', "PID", 0, "All segments of this process", 0 },
	{ "uid", 'u', "USER", 0, "All segments of this user", 0 },
	{ "dry-run", 'd', NULL, 0, "Only say which ones", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 's':
		args.by_segid = true;
		args.segid = (long long)cli_number(state, "--segid", arg, 0x7fffffffffffffffULL);
		return 0;
	case 'p':
		args.by_pid = true;
		args.pid = (pid_t)cli_number(state, "--pid", arg, 0x7fffffff);
		return 0;
	case 'u':
		args.by_uid = true;
		args.uid = cli_user(state, arg);
		return 0;
	case 'd':
		args.dry_run = true;
		return 0;
	case ARGP_KEY_END:
		if (args.by_segid + args.by_pid + args.by_uid != 1)
			argp_error(state, "one of --segid, --pid and --uid is needed");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static bool wanted(const struct segment *segment)
{
	return args.by_segid ? segment->segid == args.segid :
	       args.by_pid ? segment->pid == args.pid : segment->uid == args.uid;
}

static const char *why(int err)
{
	switch (err) {
	case EACCES:
		return "only root of the machine may do that";
	case ENOTTY:
		return "the loaded module can't do that";
	}
	return strerror(err);
}

struct drained {
	json_t *list;
	size_t count, failed;
};

static void drain(const struct cli *cli, int fd, const struct segment *segment,
		  struct drained *drained)
{
	struct xpmem_ioc_drain req = { sizeof(req), 0, segment->segid };
	char *segid;

	/* ENOENT: its owner was faster */
	if (fd >= 0 && ioctl(fd, XPMEM_IOC_DRAIN, &req) && errno != ENOENT) {
		cli_error("segment %lld: %s", segment->segid, why(errno));
		drained->failed++;
		return;
	}
	drained->count++;
	segid = cli_format("%lld", segment->segid);
	json_array_append_new(drained->list, json_pack("{s:s, s:i, s:I, s:s, s:I}", "segid", segid,
		"pid", (int)segment->pid, "uid", (json_int_t)segment->uid,
		"command", segment->command, "attachments", (json_int_t)segment->attachments));
	free(segid);
	if (!cli->json)
		printf("%s segment %lld of %s, %d (%s), with %lld attachments\n",
		       args.dry_run ? "would take" : "took", segment->segid,
		       human_user(segment->uid), (int)segment->pid, segment->command,
		       segment->attachments);
}

/* How many there were */
static size_t drain_round(const struct cli *cli, int fd, struct drained *drained)
{
	struct segments segments;
	size_t found = 0;
	int err = segments_read(cli, &segments);

	if (err || !segments.all) {
		cli_error("%s", err == -ENOENT ? "the module is not loaded" :
			  err ? strerror(-err) : why(EACCES));
		drained->failed++;
		segments_free(&segments);
		return 0;
	}
	for (size_t i = 0; i < segments.count && !drained->failed; i++) {
		if (!wanted(&segments.at[i]))
			continue;
		drain(cli, fd, &segments.at[i], drained);
		found++;
	}
	segments_free(&segments);
	return found;
}

static int run(struct cli *cli)
{
	struct drained drained = { json_array(), 0, 0 };
	char *path = file_path(cli, "/dev/xpmem");
	json_t *json;
	int fd = -1, rounds;

	if (!args.dry_run) {
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0) {
			cli_error("%s: %s", path, strerror(errno));
			drained.failed++;
		}
	}
	free(path);
	for (rounds = 0; rounds < ROUNDS_MAX && !drained.failed; rounds++)
		if (!drain_round(cli, fd, &drained) || args.dry_run)
			break;
	if (rounds == ROUNDS_MAX) {
		cli_error("there are new ones again and again");
		drained.failed++;
	} else if (args.by_segid && !drained.count && !drained.failed) {
		cli_error("there is no segment %lld", args.segid);
		drained.failed++;
	}
	if (fd >= 0)
		close(fd);
	if (cli->json) {
		json = cli_json("drain");
		json_object_set(json, "segments", drained.list);
		json_object_set_new(json, "dry_run", json_boolean(args.dry_run));
		cli_print_json(json, CLI_OK);
	}
	json_decref(drained.list);
	return drained.failed ? CLI_WRONG : CLI_OK;
}

const struct cli_verb cmd_drain = {
	.name = "drain",
	.summary = "Take segments out without ending a process",
	.doc = "Takes segments out as if their owners had removed them. Who has them attached gets "
	       "SIGBUS when it next touches them; owners go on. For root.",
	.options = options,
	.parser = parse,
	.run = run,
};
