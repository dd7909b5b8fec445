// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A message is put together on the stack and written with one call, so that lines of
 * several threads do not mix and the log works when memory is short.
 */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-journal.h>

#define LINE_MAX_BYTES 1024

/* So many lines of one kind about one partition in so long; of errors, all */
#define LIMIT_LINES	20u
#define LIMIT_SECONDS	10
#define LIMITS		128u

static const char *log_name = "xpmemd";
static int log_priority = LOG_INFO;
static int log_to_journal;

/* systemd tells in JOURNAL_STREAM which descriptor the journal reads: "DEVICE:INODE". */
static int stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2)
		return 0;
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void xpmd_log_open(const char *name, int priority)
{
	log_name = name;
	log_priority = priority;
	log_to_journal = stderr_is_journal();
}

static void write_line(int priority, const char *text)
{
	static const char *const words[] = {
		"emergency", "alert", "critical", "error", "warning", "notice", "info", "debug",
	};
	char line[LINE_MAX_BYTES + 128], when[32];
	struct timespec now;
	struct tm tm;
	int length;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	length = snprintf(line, sizeof(line), "%s.%03ldZ %s[%d] %s: %s\n", when,
			  now.tv_nsec / 1000000, log_name, (int)getpid(),
			  words[priority & LOG_PRIMASK], text);
	if (length >= (int)sizeof(line))
		length = sizeof(line) - 1;
	if (write(STDERR_FILENO, line, (size_t)length) < 0)
		return; /* nobody is left to tell */
}

static void write_journal(int priority, uint32_t partition, int64_t segid, const char *text)
{
	char fields[5][LINE_MAX_BYTES + 16];
	struct iovec iov[5];
	int n = 0;

	snprintf(fields[n++], sizeof(fields[0]), "MESSAGE=%s", text);
	snprintf(fields[n++], sizeof(fields[0]), "PRIORITY=%d", priority & LOG_PRIMASK);
	snprintf(fields[n++], sizeof(fields[0]), "SYSLOG_IDENTIFIER=%s", log_name);
	if (partition)
		snprintf(fields[n++], sizeof(fields[0]), "XPMEM_PARTITION=%u", partition);
	if (segid)
		snprintf(fields[n++], sizeof(fields[0]), "XPMEM_SEGID=%lld", (long long)segid);
	for (int i = 0; i < n; i++)
		iov[i] = (struct iovec){ fields[i], strlen(fields[i]) };
	if (sd_journal_sendv(iov, n) < 0)
		write_line(priority, text);
}

/*
 * What others can bring about as often as they like must not fill the disk.  A kind of
 * line is its format.  Two that have the same place in the table forget each other.
 * Returns how many lines were left out before this one; -1: it is left out, too.
 */
static int limit_line(const char *format, uint32_t partition)
{
	static struct limit {
		const char *format;
		uint32_t partition;
		time_t since;
		unsigned int lines;
	} limits[LIMITS];
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct limit *limit = &limits[((uintptr_t)format * 31 + partition) % LIMITS];
	struct timespec now;
	int left_out = 0;

	clock_gettime(CLOCK_MONOTONIC, &now);
	pthread_mutex_lock(&lock);
	if (limit->format != format || limit->partition != partition ||
	    now.tv_sec - limit->since >= LIMIT_SECONDS) {
		if (limit->format == format && limit->partition == partition &&
		    limit->lines > LIMIT_LINES)
			left_out = (int)(limit->lines - LIMIT_LINES);
		*limit = (struct limit){ format, partition, now.tv_sec, 0 };
	}
	if (++limit->lines > LIMIT_LINES)
		left_out = -1;
	pthread_mutex_unlock(&lock);
	return left_out;
}

static void write_text(int priority, uint32_t partition, int64_t segid, const char *text)
{
	if (log_to_journal)
		write_journal(priority, partition, segid, text);
	else
		write_line(priority, text);
}

static void write_message(int priority, uint32_t partition, int64_t segid, const char *format,
			  va_list arguments)
{
	char text[LINE_MAX_BYTES];
	int left_out = 0;

	if ((priority & LOG_PRIMASK) > log_priority)
		return;
	if ((priority & LOG_PRIMASK) > LOG_ERR)
		left_out = limit_line(format, partition);
	if (left_out < 0)
		return;
	if (left_out) {
		snprintf(text, sizeof(text), "%d lines like the next were left out", left_out);
		write_text(priority, partition, segid, text);
	}
	vsnprintf(text, sizeof(text), format, arguments);
	write_text(priority, partition, segid, text);
}

void xpmd_log(int priority, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_message(priority, 0, 0, format, arguments);
	va_end(arguments);
}

void xpmd_log_of(int priority, uint32_t partition, int64_t segid, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_message(priority, partition, segid, format, arguments);
	va_end(arguments);
}
