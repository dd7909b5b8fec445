// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pins: reads three counters from /proc. The node-wide one counts whatever
 * else runs, so it is told, but no check depends on it. Never fails: what is
 * not there reads -1.
 */
#include "pins.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number behind `key` at the beginning of a line. */
static long number_behind(const char *path, const char *key)
{
	FILE *file = fopen(path, "re");
	char line[256];
	long value = -1;

	if (file == NULL)
		return -1;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		value = strtol(line + strlen(key), NULL, 10);
		break;
	}
	fclose(file);
	return value;
}

struct pins pins_read(void)
{
	long acquired = number_behind("/proc/vmstat", "nr_foll_pin_acquired ");
	long released = number_behind("/proc/vmstat", "nr_foll_pin_released ");

	return (struct pins){
		.process_kib = number_behind("/proc/self/status", "VmPin:"),
		.module_pages = number_behind("/proc/xpmem/global_pages",
					      "all pages pinned by XPMEM:"),
		.node_pages =
			acquired < 0 || released < 0 ? -1 : acquired - released,
	};
}
