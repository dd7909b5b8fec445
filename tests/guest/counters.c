// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Do /proc/xpmem and the fdinfo of a descriptor tell what there is and what
 * happened, and tell it to nobody who should not know?
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNTERS "/proc/xpmem/counters"
#define SEGMENTS "/proc/xpmem/segments"
#define PAGES 16
#define SIZE (PAGES * PAGE)

static const char *const current[] = {
	"segments", "permits", "attachments", "processes", "users", "leaves", "blocks",
	"remotes", "replicas",
};
static const char *const totals[] = {
	"makes", "gets", "attaches", "faults", "fault_pages", "refreshes", "populates",
	"invalidations", "invalidated_external", "refused_nonblock", "zaps", "recalls", "aged",
	"accesses", "fences", "copies", "asks", "installs", "takes", "lease_ends", "evictions",
};
#define CURRENT (int)(sizeof(current) / sizeof(current[0]))
#define TOTALS (int)(sizeof(totals) / sizeof(totals[0]))

static uint64_t counter(const char *name)
{
	return read_number(COUNTERS, name);
}

/* A line of segments, without its id */
struct line {
	int tgid;
	unsigned int uid, gid, mode;
	unsigned long start, end;
	long permits, attachments, faults, fault_pages, invalidations, zaps, recalls, aged;
};

static bool find_line(xpmem_segid_t segid, struct line *l)
{
	FILE *file = fopen(SEGMENTS, "re");
	bool found = false;
	char text[512];
	long long id;

	check(file);
	check(fgets(text, sizeof(text), file));
	check(!strcmp(text, "segid tgid uid gid mode start end permits attachments faults "
			    "fault_pages invalidations zaps recalls aged\n"));
	while (fgets(text, sizeof(text), file)) {
		struct line this;
		int n = sscanf(text, "%lli %d %u %u %o %lx %lx %ld %ld %ld %ld %ld %ld %ld %ld",
			       &id, &this.tgid, &this.uid, &this.gid, &this.mode, &this.start,
			       &this.end, &this.permits, &this.attachments, &this.faults,
			       &this.fault_pages, &this.invalidations, &this.zaps, &this.recalls,
			       &this.aged);

		if (n != 15)
			fail("a line is odd: %s", text);
		if (id == segid) {
			check(!found);
			*l = this;
			found = true;
		}
	}
	fclose(file);
	return found;
}

static uint64_t fdinfo(pid_t pid, int fd, const char *key, char *rest, size_t size)
{
	char path[64], text[256];
	uint64_t value = UINT64_MAX;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
	file = fopen(path, "re");
	check(file);
	while (fgets(text, sizeof(text), file)) {
		size_t length = strlen(key);

		if (strncmp(text, key, length) || text[length] != ':' || text[length + 1] != '\t')
			continue;
		check(value == UINT64_MAX);
		value = strtoull(text + length + 2, NULL, 0);
		if (rest)
			snprintf(rest, size, "%s", text + length + 2);
	}
	fclose(file);
	if (value == UINT64_MAX)
		fail("%s has no %s", path, key);
	return value;
}

static void owner(int unused)
{
	char *memory = map_anon(SIZE);

	(void)unused;
	become(1000, 1001);
	/* for its parent to read its fdinfo; a change of user forbids it */
	memset(memory, 1, SIZE);
	board->addr[0] = memory;
	board->segid[0] = xpmem_make(memory, SIZE, XPMEM_PERMIT_MODE, (void *)0640);
	check(board->segid[0] > 0);
	board->value[0] = (uint64_t)device_fd();
	reach(1);
	await(2);
	check(munmap(memory, PAGE) == 0);
	reach(3);
	await(4);
	check(xpmem_remove(board->segid[0]) == 0);
	reach(5);
	await(6);
}

static void nobody(int unused)
{
	char text[64];
	int fd;

	(void)unused;
	become(65534, 65534);
	check_errno(open(SEGMENTS, O_RDONLY), EACCES);
	fd = open(COUNTERS, O_RDONLY | O_CLOEXEC);
	check(fd >= 0 && read(fd, text, sizeof(text)) > 0);
	close(fd);
	fd = open("/proc/xpmem/global_pages", O_RDONLY | O_CLOEXEC);
	check(fd >= 0 && read(fd, text, sizeof(text)) > 0);
	/* the addresses of a process are not for all */
	snprintf(text, sizeof(text), "/proc/%d/fdinfo/%d", (int)board->value[1],
		 (int)board->value[0]);
	check_errno(open(text, O_RDONLY), EACCES);
	check(!write_file(COUNTERS, "0"));
}

static void check_modes(void)
{
	struct stat file;

	check(stat(SEGMENTS, &file) == 0 && (file.st_mode & 0777) == 0400);
	check(stat(COUNTERS, &file) == 0 && (file.st_mode & 0777) == 0444);
	check(stat("/proc/xpmem/global_pages", &file) == 0 && (file.st_mode & 0777) == 0444);
}

static void check_fdinfo(pid_t pid, int permits, int attachments, int pages)
{
	char rest[256], wanted[256];
	int fd = (int)board->value[0];

	check(fdinfo(pid, fd, "xpmem-segments", NULL, 0) == 1);
	check(fdinfo(pid, fd, "xpmem-permits", NULL, 0) == 0);
	check(fdinfo(pid, fd, "xpmem-attachments", NULL, 0) == 0);
	fdinfo(pid, fd, "xpmem-segment", rest, sizeof(rest));
	snprintf(wanted, sizeof(wanted),
		 "%lld 0x%lx-0x%lx 0640 permits=%d attachments=%d faults=%d pages=%d "
		 "invalidations=",
		 (long long)board->segid[0], (unsigned long)board->addr[0],
		 (unsigned long)board->addr[0] + SIZE, permits, attachments, pages ? 1 : 0, pages);
	if (strncmp(rest, wanted, strlen(wanted)))
		fail("fdinfo has '%s', not '%s'", rest, wanted);
}

/* An address that SIZE can be attached at, and one table shows: for a fault's window */
static void *one_table(void)
{
	const uintptr_t table = 2 << 20;
	char *reserved = map_anon(2 * table);
	uintptr_t start = ((uintptr_t)reserved + table - 1) & ~(table - 1);

	check(munmap(reserved, 2 * table) == 0);
	return (void *)start;
}

int main(void)
{
	uint64_t before[CURRENT], total[TOTALS];
	struct line line;
	xpmem_apid_t apid;
	pid_t pid;
	char *at;

	test_begin(60);
	check_modes();
	/* what tests before left to be freed later */
	await_that(!counter("attachments") && !counter("segments") && !counter("processes"));
	for (int i = 0; i < CURRENT; i++)
		before[i] = counter(current[i]);
	for (int i = 0; i < TOTALS; i++)
		total[i] = counter(totals[i]);
	pid = spawn(owner, 0);
	await(1);
	board->value[1] = (uint64_t)pid;
	join(spawn(nobody, 0));
	check(find_line(board->segid[0], &line));
	check(line.tgid == pid && line.uid == 1000 && line.gid == 1001 && line.mode == 0640);
	check(line.start == (unsigned long)board->addr[0] && line.end == line.start + SIZE);
	check(!line.permits && !line.attachments && !line.faults && !line.fault_pages);
	check(counter("segments") == 1 && counter("users") == 1);
	check_fdinfo(pid, 0, 0, 0);

	apid = get_segment(board->segid[0], XPMEM_RDWR);
	at = try_attach(apid, SIZE, one_table());
	check(at != (void *)-1);
	attach_at(apid, 0, PAGE);
	check(*(volatile char *)at == 1);
	check(find_line(board->segid[0], &line));
	check(line.permits == 1 && line.attachments == 2);
	check(line.faults == 1 && line.fault_pages == PAGES);
	check(counter("permits") == 1 && counter("attachments") == 2);
	check(counter("processes") == 2 && counter("leaves") == 1 && counter("users") == 2);
	check_fdinfo(pid, 1, 2, PAGES);
	check(fdinfo(getpid(), device_fd(), "xpmem-segments", NULL, 0) == 0);
	check(fdinfo(getpid(), device_fd(), "xpmem-permits", NULL, 0) == 1);
	check(fdinfo(getpid(), device_fd(), "xpmem-attachments", NULL, 0) == 2);

	reach(2);
	await(3);
	check(find_line(board->segid[0], &line));
	check(line.invalidations >= 1 && line.zaps >= 1 && !line.recalls);
	check(counter("makes") == total[0] + 1 && counter("gets") == total[1] + 1);
	check(counter("attaches") == total[2] + 2);
	check(counter("faults") == total[3] + 1 && counter("fault_pages") == total[4] + PAGES);
	check(counter("refreshes") > total[5]);
	check(counter("populates") == total[6]);
	check(counter("invalidations") > total[7] && counter("invalidated_external") > total[8]);
	check(counter("refused_nonblock") == total[9]);
	check(counter("zaps") > total[10] && counter("recalls") == total[11]);

	reach(4);
	await(5);
	check(!find_line(board->segid[0], &line));
	check(xpmem_release(apid) == 0);
	check(fdinfo(getpid(), device_fd(), "xpmem-attachments", NULL, 0) == 0);
	reach(6);
	join(pid);
	/* this process still is one */
	check(close(device_fd()) == 0);
	for (int i = 0; i < CURRENT; i++)
		await_that(counter(current[i]) == before[i]);
	return 0;
}
