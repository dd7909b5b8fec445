/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The segments of this machine, and who attaches them.
 *
 * Root reads /proc/xpmem/segments.  Others read the fdinfo of the processes they may
 * trace, which are their own: @all says which of both it was.
 */
#ifndef CLI_SEGMENTS_H
#define CLI_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli.h"

/* What happened to a segment; in this order in counter_names */
enum {
	COUNT_FAULTS,
	COUNT_FAULT_PAGES,
	COUNT_INVALIDATIONS,
	COUNT_ZAPS,
	COUNT_RECALLS,
	COUNT_AGED,
	COUNTS,
};

extern const char *const count_names[COUNTS];

struct segment {
	long long segid;
	pid_t pid;		/* 0: not in this pid namespace */
	unsigned int uid, gid, mode;
	uint64_t start, end;
	long long permits, attachments;
	long long count[COUNTS];
	bool remote;		/* other partitions may have it */
	char command[32];
};

struct segments {
	struct segment *at;
	size_t count;
	bool all;
	bool daemon;		/* has told which are remote */
};

/* 0, or a negative errno: ENOENT: the module is not loaded */
int segments_read(const struct cli *cli, struct segments *segments);
/* Tells the user, on standard error, if it is not all. */
void segments_tell(const struct segments *segments);
void segments_free(struct segments *segments);
const struct segment *segments_find(const struct segments *segments, long long segid);

/* Bits 62..51 of a segid: 0 where there was no daemon */
unsigned int segid_partition(long long segid);

struct attachment {
	pid_t pid;
	unsigned int uid;
	char command[32];
	uint64_t start, end, offset;	/* offset: bytes from the segment's first one */
	bool writable;
	long long segid, apid;		/* 0: can't be told */
};

struct attachments {
	struct attachment *at;
	size_t count;
	size_t unreadable;	/* processes that the caller may not look at */
};

void attachments_read(const struct cli *cli, struct attachments *attachments);
void attachments_free(struct attachments *attachments);

/* One line of words, none of them empty: how many, at most @max; writes zeros */
size_t split_words(char *line, char **words, size_t max);

#endif /* CLI_SEGMENTS_H */
