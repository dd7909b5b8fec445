// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Attachments: mappings of "[xpmem]" in /proc/<pid>/maps say where and how much, and
 * the fdinfo of the process which segment is at an address.
 *
 * fdinfo has one address of each attachment.  Of one that was split the other parts
 * are told by what stands before them: same file, next address, next offset.
 */
#include "segments.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "process.h"

struct permit {
	long long apid, segid;
};

struct place {
	long long apid;
	uint64_t addr;
};

/* What a process has, by its fdinfo */
struct has {
	struct permit *permits;
	struct place *places;
	size_t nr_permits, nr_places;
};

static void read_fdinfo(char *text, struct has *has)
{
	long long apid, segid;
	uint64_t addr;
	char *line;

	while ((line = text_next_line(&text))) {
		if (sscanf(line, "xpmem-permit: %lld segid=%lld", &apid, &segid) == 2) {
			has->permits = cli_checked(realloc(has->permits,
				(has->nr_permits + 1) * sizeof(*has->permits)));
			has->permits[has->nr_permits++] = (struct permit){ apid, segid };
		} else if (sscanf(line, "xpmem-attachment: %lld addr=0x%" SCNx64, &apid,
				  &addr) == 2) {
			has->places = cli_checked(realloc(has->places,
				(has->nr_places + 1) * sizeof(*has->places)));
			has->places[has->nr_places++] = (struct place){ apid, addr };
		}
	}
}

static long long segid_of(const struct has *has, long long apid)
{
	for (size_t i = 0; i < has->nr_permits; i++)
		if (has->permits[i].apid == apid)
			return has->permits[i].segid;
	return 0;
}

static void find_permit(struct attachment *this, const struct attachment *before,
			const struct has *has)
{
	for (size_t i = 0; i < has->nr_places && !this->apid; i++)
		if (has->places[i].addr == this->start)
			this->apid = has->places[i].apid;
	if (!this->apid && before && before->end == this->start &&
	    before->offset + (before->end - before->start) == this->offset)
		this->apid = before->apid;
	if (!this->apid && has->nr_permits == 1)
		this->apid = has->permits[0].apid;
	this->segid = segid_of(has, this->apid);
}

static void visit(const struct cli *cli, pid_t pid, void *ctx)
{
	struct attachments *attachments = ctx;
	char *maps = file_read(cli, "/proc/%d/maps", (int)pid), *at = maps, *line, *info;
	size_t first = attachments->count;
	struct has has = { 0 };
	uint64_t start, end, offset;
	char flags[8];

	if (!maps) {
		attachments->unreadable += errno == EACCES || errno == EPERM;
		return;
	}
	if (!strstr(maps, "[xpmem]\n")) {
		free(maps);
		return;
	}
	info = process_fdinfo(cli, pid);
	if (info)
		read_fdinfo(info, &has);
	free(info);
	while ((line = text_next_line(&at))) {
		size_t length = strlen(line);

		if (length < 7 || strcmp(line + length - 7, "[xpmem]") ||
		    sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64, &start, &end, flags,
			   &offset) != 4)
			continue;
		if (!(attachments->count & (attachments->count - 1)))
			attachments->at = cli_checked(realloc(attachments->at,
				(attachments->count ? 2 * attachments->count : 1) *
				sizeof(*attachments->at)));
		struct attachment *this = &attachments->at[attachments->count];

		memset(this, 0, sizeof(*this));
		this->pid = pid;
		this->start = start;
		this->end = end;
		this->offset = offset;
		this->writable = flags[1] == 'w';
		process_user(cli, pid, &this->uid);
		process_command(cli, pid, this->command, sizeof(this->command));
		find_permit(this, attachments->count > first ? this - 1 : NULL, &has);
		attachments->count++;
	}
	free(has.permits);
	free(has.places);
	free(maps);
}

static int by_process(const void *one, const void *other)
{
	const struct attachment *a = one, *b = other;

	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	return a->start < b->start ? -1 : a->start > b->start;
}

void attachments_read(const struct cli *cli, struct attachments *attachments)
{
	memset(attachments, 0, sizeof(*attachments));
	process_each(cli, visit, attachments);
	if (attachments->count)
		qsort(attachments->at, attachments->count, sizeof(*attachments->at), by_process);
}

void attachments_free(struct attachments *attachments)
{
	free(attachments->at);
	memset(attachments, 0, sizeof(*attachments));
}
