// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xpmem trace: the module's tracepoints, as they happen.
 *
 * They are switched on in an instance of tracefs of this process's own, so nobody
 * else's tracing is disturbed, and it goes when the process ends: by itself, by the
 * reader of its output (SIGPIPE) or by a signal.  SIGKILL leaves it; the next trace
 * removes instances whose process is gone.
 */
#include "verbs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "files.h"

#define TRACING "/sys/kernel/tracing"
#define PREFIX "xpmem-trace-"
#define EVENTS_MAX 32

static struct {
	const char *events[EVENTS_MAX];
	size_t nr_events;
	const char *segid;
	unsigned long seconds, count;
	pid_t pid;
} args;

static const struct argp_option options[] = {
	{ "event", 'e', "NAME", 0, "Only this event, such as fault; can be repeated", 0 },
	{ "segid", 's', "SEGID", 0, "Only events of this segment", 0 },
	{ "pid", 'p', "PID", 0, "Only what this process, or thread, does", 0 },
	{ "seconds", 't', "N", 0, "End after so many seconds", 0 },
	{ "count", 'c', "N", 0, "End after so many events", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'e':
		if (args.nr_events == EVENTS_MAX || !*arg ||
		    arg[strspn(arg, "abcdefghijklmnopqrstuvwxyz_")])
			argp_error(state, "--event: there is no event '%s'", arg);
		args.events[args.nr_events++] = strncmp(arg, "xpmem_", 6) ? arg : arg + 6;
		return 0;
	case 's':
		cli_number(state, "--segid", arg, 0x7fffffffffffffffULL);
		args.segid = arg;
		return 0;
	case 'p':
		args.pid = (pid_t)cli_number(state, "--pid", arg, 0x7fffffff);
		return 0;
	case 't':
		args.seconds = cli_number(state, "--seconds", arg, 1000000);
		return 0;
	case 'c':
		args.count = cli_number(state, "--count", arg, 1000000000);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* ------------------------------------------------------------------- instance */

static char *instance;	/* its directory, while there is one */

static void remove_instance(void)
{
	if (!instance)
		return;
	rmdir(instance);
	free(instance);
	instance = NULL;
}

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	int error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
	return done;
}

static void remove_orphans(const char *instances)
{
	DIR *dir = opendir(instances);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const char *number = entry->d_name + sizeof(PREFIX) - 1;
		bool ours = !strncmp(entry->d_name, PREFIX, sizeof(PREFIX) - 1);
		long pid = ours ? strtol(number, NULL, 10) : 0;

		if (pid > 0 && kill((pid_t)pid, 0) && errno == ESRCH)
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	}
	if (dir)
		closedir(dir);
}

/* Switches one event on, or all of them; with the filter that was asked for */
static bool enable(const char *event)
{
	char *path = cli_format("%s/events/xpmem/%s%s/enable", instance, *event ? "xpmem_" : "",
				event);
	char *filter;
	bool done;

	if (args.segid && *event) {
		char *file = cli_format("%s/events/xpmem/xpmem_%s/filter", instance, event);
		bool by_id = !strcmp(event, "remove");

		filter = cli_format("%s == %s", by_id ? "id" : "segid", args.segid);
		done = write_text(file, filter);
		free(filter);
		free(file);
		if (!done) {
			cli_error("events %s do not tell of which segment they are", event);
			free(path);
			return false;
		}
	}
	done = write_text(path, "1");
	if (!done)
		cli_error(errno == ENOENT ? "there is no event '%s'" : "can't switch %s on", event);
	free(path);
	return done;
}

/* Of all events those that tell of which segment they are */
static bool enable_of_segment(void)
{
	char *path = cli_format("%s/events/xpmem", instance), *format, *text;
	DIR *dir = opendir(path);
	struct dirent *entry;
	bool done = dir;
	static const struct cli here = { .root = "" };

	while (done && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "xpmem_", 6))
			continue;
		format = cli_format("%s/%s/format", path, entry->d_name);
		text = file_read(&here, "%s", format);
		if ((text && strstr(text, " segid;")) || !strcmp(entry->d_name, "xpmem_remove"))
			done = enable(entry->d_name + 6);
		free(text);
		free(format);
	}
	if (dir)
		closedir(dir);
	free(path);
	return done;
}

static bool make_instance(const struct cli *cli)
{
	char *instances = file_path(cli, TRACING "/instances"), *path, number[16];
	bool done = true;

	remove_orphans(instances);
	instance = cli_format("%s/" PREFIX "%d", instances, (int)getpid());
	if (mkdir(instance, 0700)) {
		cli_error("%s: %s", instances, errno == EACCES || errno == EPERM
			  ? "only root may trace" : strerror(errno));
		free(instance);
		instance = NULL;
		free(instances);
		return false;
	}
	free(instances);
	path = cli_format("%s/events/xpmem", instance);
	if (access(path, F_OK)) {
		cli_error("the module is not loaded, or has no tracepoints");
		done = false;
	}
	free(path);
	if (done && args.pid) {
		path = cli_format("%s/set_event_pid", instance);
		snprintf(number, sizeof(number), "%d", (int)args.pid);
		done = write_text(path, number);
		if (!done)
			cli_error("process %d can't be traced", (int)args.pid);
		free(path);
	}
	for (size_t i = 0; i < args.nr_events && done; i++)
		done = enable(args.events[i]);
	if (done && !args.nr_events)
		done = args.segid ? enable_of_segment() : enable("");
	if (!done)
		remove_instance();
	return done;
}

/* ---------------------------------------------------------------------- lines */

struct event {
	char *command, *name, *fields;
	int pid, cpu;
	double time;
};

/* "   command-123   [001] d..1.  55.123456: xpmem_fault: segid=1 page=2" */
static bool read_event(char *line, struct event *event)
{
	char *bracket = strstr(line, " ["), *dash, *colon;
	int used = 0;

	if (!bracket || strncmp(line, "CPU:", 4) == 0)
		return false;
	*bracket = 0;
	dash = strrchr(line, '-');
	if (!dash || sscanf(bracket + 2, "%d] %*s %lf:%n", &event->cpu, &event->time, &used) != 2)
		return false;
	*dash = 0;
	event->pid = (int)strtol(dash + 1, NULL, 10);
	event->command = line + strspn(line, " ");
	event->name = bracket + 2 + used;
	event->name += strspn(event->name, " ");
	colon = strstr(event->name, ": ");
	if (!used || !colon)
		return false;
	*colon = 0;
	event->fields = colon + 2;
	if (!strncmp(event->name, "xpmem_", 6))
		event->name += 6;
	return true;
}

/* Ids and addresses are text, other numbers are numbers. */
static json_t *field_json(const char *name, const char *value)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(value, &end, 10);
	if (*end || end == value || errno || !strcmp(name, "segid") || !strcmp(name, "apid") ||
	    !strcmp(name, "id"))
		return json_string(value);
	return json_integer(number);
}

static void print_event(const struct cli *cli, struct event *event)
{
	json_t *json, *fields;

	if (!cli->json) {
		printf("%.6f %s-%d [%d] %s %s\n", event->time, event->command, event->pid,
		       event->cpu, event->name, event->fields);
		return;
	}
	fields = json_object();
	for (char *save, *word = strtok_r(event->fields, " ", &save); word;
	     word = strtok_r(NULL, " ", &save)) {
		char *value = strchr(word, '=');

		if (!value)
			continue;
		*value++ = 0;
		json_object_set_new(fields, word, field_json(word, value));
	}
	json = json_pack("{s:f, s:s, s:i, s:i, s:s, s:o}", "time", event->time,
			 "command", event->command, "pid", event->pid, "cpu", event->cpu,
			 "event", event->name, "fields", fields);
	json_dumpf(json, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(json);
}

struct reader {
	const struct cli *cli;
	char buffer[65536];
	size_t used;
	unsigned long seen;
};

static bool enough(const struct reader *reader)
{
	return (args.count && reader->seen >= args.count) || ferror(stdout);
}

/* What is there of trace_pipe; false: no more is wanted, or to be had. */
static bool read_some(struct reader *reader, int fd)
{
	ssize_t length = read(fd, reader->buffer + reader->used,
			      sizeof(reader->buffer) - 1 - reader->used);
	char *line = reader->buffer, *end;
	struct event event;

	if (length <= 0)
		return length < 0 && (errno == EAGAIN || errno == EINTR);
	reader->used += (size_t)length;
	reader->buffer[reader->used] = 0;
	while ((end = strchr(line, '\n')) && !enough(reader)) {
		*end = 0;
		if (read_event(line, &event)) {
			print_event(reader->cli, &event);
			reader->seen++;
		}
		line = end + 1;
	}
	reader->used -= (size_t)(line - reader->buffer);
	memmove(reader->buffer, line, reader->used);
	if (reader->used == sizeof(reader->buffer) - 1)
		reader->used = 0;	/* no line is that long */
	fflush(stdout);
	return !enough(reader);
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static int follow(const struct cli *cli, int signals)
{
	struct reader *reader = cli_checked(calloc(1, sizeof(*reader)));
	char *path = cli_format("%s/trace_pipe", instance);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	long long end = now_ms() + (long long)args.seconds * 1000, left = -1;
	struct pollfd fds[2] = { { fd, POLLIN, 0 }, { signals, POLLIN, 0 } };
	int ret = CLI_OK;

	reader->cli = cli;
	if (fd < 0) {
		cli_error("%s: %s", path, strerror(errno));
		ret = CLI_WRONG;
	}
	while (fd >= 0) {
		if (args.seconds && (left = end - now_ms()) <= 0) {
			read_some(reader, fd);	/* the last ones */
			break;
		}
		/* trace_pipe wakes who polls it only when a page is full: look now and then */
		if (poll(fds, 2, left < 0 || left > 200 ? 200 : (int)left) < 0 && errno != EINTR)
			break;
		if (fds[1].revents || !read_some(reader, fd))
			break;
	}
	if (fd >= 0)
		close(fd);
	free(path);
	free(reader);
	return ret;
}

static int run(struct cli *cli)
{
	sigset_t set;
	int signals, ret = CLI_WRONG;

	/* Signals are read, so that nothing ends before the instance is removed. */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (signals < 0 || atexit(remove_instance)) {
		cli_error("%s", strerror(errno));
		return CLI_WRONG;
	}
	if (make_instance(cli)) {
		ret = follow(cli, signals);
		remove_instance();
	}
	close(signals);
	return ret;
}

const struct cli_verb cmd_trace = {
	.name = "trace",
	.summary = "What happens, event by event",
	.doc = "Prints the module's tracepoints as they are hit, until it is interrupted. For "
	       "root.",
	.options = options,
	.parser = parse,
	.run = run,
};
