// SPDX-License-Identifier: GPL-2.0-or-later
/* What there is without anybody's access: heartbeats, and the directory. */
#include "remote.h"

#include <unistd.h>

#include "usage.h"

#define FIRST	256u	/* pages */

static struct outcome outcome;

static void report_percent(const char *name, const char *text, uint64_t cpu_ns)
{
	report_value(&(struct row){
			     .name = name, .text = text, .unit = "% of a CPU",
			     .goal = GOAL_VALUE, .limit = 1,
		     }, (double)cpu_ns / 1e7 / remote.idle_seconds);
}

void remote_idle(void)
{
	struct order order = { .work = WORK_IDLE, .count = remote.idle_seconds };
	struct order touch = { .work = WORK_TOUCH, .stride = 1, .count = 16 };
	struct range range;
	uint64_t cpu, messages;

	if (!remote.daemon || settings.counted) {
		leave_out("idle", remote.daemon ? "leases are renewed by time" :
						  "--daemon was not given");
		return;
	}
	range = range_new(16, remote.partitions);
	order_all(remote.partitions, &touch);
	cpu = usage_cpu_ns(remote.daemon);
	messages = usage_messages();
	for (unsigned int guest = 2; guest <= remote.partitions; guest++)
		order_begin(guest, &order);
	sleep(remote.idle_seconds);
	cpu = usage_cpu_ns(remote.daemon) - cpu;
	messages = usage_messages() - messages;
	report_percent("idle.home", "home's daemon, idle", cpu);
	for (unsigned int guest = 2; guest <= remote.partitions; guest++) {
		order_end(guest, &outcome);
		if (guest == 2)
			report_percent("idle.other", "another's daemon, idle", outcome.ns[0]);
	}
	range_free(&range, remote.partitions);
	report_value(&(struct row){
			     .name = "idle.messages", .text = "messages that home sends, a peer",
			     .unit = "a second", .goal = GOAL_VALUE, .limit = 3,
		     }, (double)messages / remote.idle_seconds / (remote.partitions - 1));
}

void remote_directory(void)
{
	size_t pages = settings.memory / PAGE;
	struct order sweep = { .work = WORK_SWEEP, .size = settings.memory };
	struct range range;
	uint64_t bytes;

	if (!remote.control) {
		leave_out("directory", "--control was not given");
		return;
	}
	range = range_new(pages, 2);
	/* What there is for any page of the segment comes with the first ones. */
	sweep.size = FIRST * PAGE;
	order_all(2, &sweep);
	bytes = usage_counter(remote.control, "directory_bytes");
	sweep.size = settings.memory;
	order_all(2, &sweep);
	bytes = usage_counter(remote.control, "directory_bytes") - bytes;
	range_free(&range, 2);
	report_value(&(struct row){ .name = "directory", .text = "directory, each further page",
				    .unit = "bytes a page", .goal = GOAL_BYTES, .limit = 16 },
		     (double)bytes / (double)(pages - FIRST));
}
