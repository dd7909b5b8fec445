// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See segments.h.  The columns of /proc/xpmem/segments are found by their names, so
 * that modules which have more of them can be read, too.
 */
#include "segments.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "files.h"
#include "process.h"

const char *const count_names[COUNTS] = {
	"faults", "fault_pages", "invalidations", "zaps", "recalls", "aged",
};

unsigned int segid_partition(long long segid)
{
	return (unsigned long long)segid >> 51 & 0xfff;
}

size_t split_words(char *line, char **words, size_t max)
{
	size_t count = 0;

	for (char *save, *word = strtok_r(line, " \t", &save); word && count < max;
	     word = strtok_r(NULL, " \t", &save))
		words[count++] = word;
	return count;
}

static struct segment *add(struct segments *segments)
{
	if (!(segments->count & (segments->count - 1)))
		segments->at = cli_checked(realloc(segments->at,
			(segments->count ? 2 * segments->count : 1) * sizeof(*segments->at)));
	memset(&segments->at[segments->count], 0, sizeof(*segments->at));
	return &segments->at[segments->count++];
}

const struct segment *segments_find(const struct segments *segments, long long segid)
{
	for (size_t i = 0; i < segments->count; i++)
		if (segments->at[i].segid == segid)
			return &segments->at[i];
	return NULL;
}

void segments_tell(const struct segments *segments)
{
	if (!segments->all)
		cli_error("only your own processes are shown; root sees all");
}

void segments_free(struct segments *segments)
{
	free(segments->at);
	memset(segments, 0, sizeof(*segments));
}

/* ------------------------------------------------------- /proc/xpmem/segments */

static void set_column(struct segment *segment, const char *name, const char *word)
{
	if (!strcmp(name, "segid"))
		segment->segid = strtoll(word, NULL, 10);
	else if (!strcmp(name, "tgid"))
		segment->pid = (pid_t)strtol(word, NULL, 10);
	else if (!strcmp(name, "uid"))
		segment->uid = (unsigned int)strtoul(word, NULL, 10);
	else if (!strcmp(name, "gid"))
		segment->gid = (unsigned int)strtoul(word, NULL, 10);
	else if (!strcmp(name, "mode"))
		segment->mode = (unsigned int)strtoul(word, NULL, 8);
	else if (!strcmp(name, "start"))
		segment->start = strtoull(word, NULL, 16);
	else if (!strcmp(name, "end"))
		segment->end = strtoull(word, NULL, 16);
	else if (!strcmp(name, "permits"))
		segment->permits = strtoll(word, NULL, 10);
	else if (!strcmp(name, "attachments"))
		segment->attachments = strtoll(word, NULL, 10);
	for (int i = 0; i < COUNTS; i++)
		if (!strcmp(name, count_names[i]))
			segment->count[i] = strtoll(word, NULL, 10);
}

#define COLUMNS_MAX 32

static void read_table(char *text, struct segments *segments)
{
	char *names[COLUMNS_MAX], *words[COLUMNS_MAX], *line = text_next_line(&text);
	size_t columns = line ? split_words(line, names, COLUMNS_MAX) : 0;

	while ((line = text_next_line(&text))) {
		/* A line that is cut off is none. */
		if (split_words(line, words, COLUMNS_MAX) != columns || !columns)
			continue;
		struct segment *segment = add(segments);

		for (size_t i = 0; i < columns; i++)
			set_column(segment, names[i], words[i]);
	}
}

/* --------------------------------------------------------------------- fdinfo */

/* "xpmem-segment:\tID 0xSTART-0xEND 0MODE permits=N attachments=N faults=N ..." */
static void read_fdinfo_line(char *line, pid_t pid, unsigned int uid, struct segments *segments)
{
	unsigned int mode;
	uint64_t start, end;
	long long segid;
	char *words[16];
	int used;

	if (sscanf(line, "xpmem-segment: %lld 0x%" SCNx64 "-0x%" SCNx64 " %o%n", &segid, &start,
		   &end, &mode, &used) != 4 || segments_find(segments, segid))
		return;
	struct segment *segment = add(segments);

	segment->segid = segid;
	segment->pid = pid;
	segment->uid = uid;
	segment->start = start;
	segment->end = end;
	segment->mode = mode;
	for (size_t i = 0, n = split_words(line + used, words, 16); i < n; i++) {
		char *value = strchr(words[i], '=');

		if (!value)
			continue;
		*value++ = 0;
		set_column(segment, strcmp(words[i], "pages") ? words[i] : "fault_pages", value);
	}
}

static void visit(const struct cli *cli, pid_t pid, void *ctx)
{
	char *text = process_fdinfo(cli, pid), *at = text, *line;
	unsigned int uid;

	if (text && process_user(cli, pid, &uid))
		while ((line = text_next_line(&at)))
			read_fdinfo_line(line, pid, uid, ctx);
	free(text);
}

/* -------------------------------------------------------------------- of both */

/* What is shared with other partitions is known to the daemon. */
static void ask_daemon(const struct cli *cli, struct segments *segments)
{
	json_t *answer, *entry;
	size_t index;
	int err;

	answer = daemon_ask(cli, "segments", &err);
	segments->daemon = answer;
	json_array_foreach(json_object_get(answer, "segments"), index, entry) {
		long long segid = strtoll(daemon_text(entry, "segid"), NULL, 16);

		for (size_t i = 0; i < segments->count; i++)
			if (segments->at[i].segid == segid)
				segments->at[i].remote = true;
	}
	json_decref(answer);
}

static int by_process(const void *one, const void *other)
{
	const struct segment *a = one, *b = other;

	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->segid < b->segid ? -1 : a->segid > b->segid;
}

int segments_read(const struct cli *cli, struct segments *segments)
{
	char *text = file_read(cli, "/proc/xpmem/segments");
	int err = errno;

	memset(segments, 0, sizeof(*segments));
	if (text) {
		segments->all = true;
		read_table(text, segments);
		free(text);
	} else if (err == EACCES) {
		process_each(cli, visit, segments);
	} else {
		return -err;
	}
	for (size_t i = 0; i < segments->count; i++)
		process_command(cli, segments->at[i].pid, segments->at[i].command,
				sizeof(segments->at[i].command));
	if (segments->count)
		qsort(segments->at, segments->count, sizeof(*segments->at), by_process);
	ask_daemon(cli, segments);
	return 0;
}
