// SPDX-License-Identifier: GPL-2.0-or-later
/* Does the log leave out what comes too often, say so, and nothing else? */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "check_main.h"

static time_t later;

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	int rc = __real_clock_gettime(clock, now);

	now->tv_sec += later;
	return rc;
}

static char *written;
static int file, saved;

static void begin(void)
{
	file = memfd_create("log", MFD_CLOEXEC);
	saved = dup(STDERR_FILENO);
	ck_assert_int_ge(dup2(file, STDERR_FILENO), 0);
	unsetenv("JOURNAL_STREAM");
	xpmd_log_open("test", LOG_INFO);
}

static void end(void)
{
	off_t size = lseek(file, 0, SEEK_END);

	ck_assert_int_ge(dup2(saved, STDERR_FILENO), 0);
	written = calloc(1, (size_t)size + 1);
	ck_assert_int_eq(pread(file, written, (size_t)size, 0), size);
}

static int lines_with(const char *text)
{
	int n = 0;

	for (const char *at = written; (at = strstr(at, text)); at += strlen(text))
		n++;
	return n;
}

static void open_denied(uint32_t partition)
{
	xpmd_log_of(LOG_NOTICE, partition, 7, "partition %u does not get it", partition);
}

START_TEST(limits)
{
	begin();
	for (int i = 0; i < 1000; i++) {
		open_denied(2);
		if (i < 5)
			open_denied(3);		/* another one's lines are its own */
		xpmd_log_of(LOG_ERR, 2, 7, "page %d is lost", i);
	}
	later = 11;
	open_denied(2);
	open_denied(3);
	end();
	ck_assert_int_eq(lines_with("partition 2 does not"), 21);
	ck_assert_int_eq(lines_with("partition 3 does not"), 6);
	ck_assert_int_eq(lines_with("is lost"), 1000);
	ck_assert_int_eq(lines_with("980 lines like the next were left out"), 1);
	ck_assert_int_eq(lines_with("left out"), 1);
	free(written);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");

	add_case(suite, "limits", limits);
	return run_suite(suite);
}
