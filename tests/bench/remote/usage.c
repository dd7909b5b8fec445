// SPDX-License-Identifier: GPL-2.0-or-later
/* See usage.h. */
#include "usage.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../bench.h"

static uint64_t process_ns(pid_t pid)
{
	char path[64], file[64 + 272];
	uint64_t ns, sum = 0;
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	if (!tasks)
		fatal("%s: --daemon is not what runs here", path);
	while ((entry = readdir(tasks))) {
		FILE *stat;

		snprintf(file, sizeof(file), "%s/%s/schedstat", path, entry->d_name);
		stat = entry->d_name[0] == '.' ? NULL : fopen(file, "re");
		if (!stat)
			continue;
		if (fscanf(stat, "%" SCNu64, &ns) == 1)
			sum += ns;
		fclose(stat);
	}
	closedir(tasks);
	return sum;
}

uint64_t usage_cpu_ns(pid_t pid)
{
	char path[64];
	uint64_t sum = process_ns(pid);
	FILE *children;
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	children = fopen(path, "re");
	if (!children)
		fatal("%s", path);
	while (fscanf(children, "%d", &child) == 1)
		sum += usage_cpu_ns(child);
	fclose(children);
	return sum;
}

uint64_t usage_memory(pid_t pid)
{
	char path[64], line[256];
	uint64_t kib = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	file = fopen(path, "re");
	if (!file)
		fatal("%s: --daemon is not what runs here", path);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Anonymous: %" SCNu64 " kB", &kib) == 1)
			break;
	fclose(file);
	return kib << 10;
}

uint64_t usage_messages(void)
{
	FILE *ss = popen("ss -tinH state established '( sport = :7474 or dport = :7474 )'", "re");
	uint64_t sum = 0, n;
	char line[1024], *at;

	while (ss && fgets(line, sizeof(line), ss)) {
		at = strstr(line, " data_segs_out:");
		if (at && sscanf(at, " data_segs_out:%" SCNu64, &n) == 1)
			sum += n;
	}
	if (!ss || pclose(ss))
		fatal("ss");
	return sum;
}

uint64_t usage_counter(const char *path, const char *name)
{
	static const char question[] = "{\"command\": \"counters\"}\n";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char reply[8192] = "", key[64];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t length = 0;
	uint64_t value;
	ssize_t n;
	char *at;

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    send(fd, question, sizeof(question) - 1, MSG_NOSIGNAL) < 0)
		fatal("%s", path);
	while (!strchr(reply, '\n') &&
	       (n = recv(fd, reply + length, sizeof(reply) - 1 - length, 0)) > 0)
		length += (size_t)n;
	close(fd);
	snprintf(key, sizeof(key), "\"%s\":", name);
	at = strstr(reply, key);
	if (!at || sscanf(at + strlen(key), "%" SCNu64, &value) != 1) {
		errno = 0;
		fatal("%s tells no %s", path, name);
	}
	return value;
}
