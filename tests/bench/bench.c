// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xpmem-bench - what XPMEM costs, measured through the historic API
 *
 *	xpmem-bench [OPTION...] [SECTION...]
 *
 *	--list		the sections, and what they measure
 *	--json FILE	writes the figures there, too
 *	--note TEXT	goes into the JSON: what library and module are measured
 *	--clock WHAT	"instructions": the clock counts them (vm run --icount), so
 *			goals in nanoseconds are judged; "time" (default)
 *	--rounds N	rounds that count (5), after one that does not
 *	--quick		a quarter of the memory, smaller series
 *	--large		teardown of up to 900,000 attachments
 *
 * Without SECTION all but threads are run, which needs more than one CPU.  It uses
 * what xpmem.h had before this project, so LD_LIBRARY_PATH chooses the library that
 * is measured; of the newer calls it uses those that the library has.  It is run as
 * root.  The exit status is 1 when a section could not be measured.
 *
 * Each section is a process (bench.h).
 */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "result.h"
#include "xpmem.h"

struct settings settings = { .rounds = 5, .memory = 64 * MIB };

static const struct {
	const char *name;
	const char *what;
	section_fn *run;
	bool by_name;	/* not run unless named */
} sections[] = {
	{ "touch", "first access to a page, prefault, detach of touched memory", section_touch, 0 },
	{ "calls", "attach, detach, get, release", section_calls, 0 },
	{ "sizes", "attach, read and detach by size", section_sizes, 0 },
	{ "owner", "the owner's calls on attached memory", section_owner, 0 },
	{ "attachers", "first read with 1 to 64 attachers", section_attachers, 0 },
	{ "exports", "the owner's unrelated mmap and munmap", section_exports, 0 },
	{ "teardown", "end of many attachments, and who waits meanwhile", section_teardown, 0 },
	{ "memory", "kernel memory a page", section_memory, 0 },
	{ "threads", "1 to 8 threads in one attachment", section_threads, 1 },
};

#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

static bool run_section(section_fn *run)
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		fatal("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run();
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		fatal("waitpid");
	if (WIFSIGNALED(status))
		fprintf(stderr, "xpmem-bench: ended by signal %d, %s\n", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	return !status;
}

static void list(void)
{
	for (size_t i = 0; i < SECTIONS; i++)
		printf("%-10s %s%s\n", sections[i].name, sections[i].what,
		       sections[i].by_name ? "; by name only" : "");
}

static unsigned int find(const char *name)
{
	for (unsigned int i = 0; i < SECTIONS; i++)
		if (!strcmp(name, sections[i].name))
			return i;
	errno = 0;
	fatal("no section is called %s; see --list", name);
}

static bool parse_clock(const char *word)
{
	if (strcmp(word, "instructions") && strcmp(word, "time")) {
		errno = 0;
		fatal("--clock is instructions or time, not %s", word);
	}
	return !strcmp(word, "instructions");
}

static unsigned int parse_rounds(const char *word)
{
	char *end;
	unsigned long rounds = strtoul(word, &end, 10);

	if (*end || rounds < 1 || rounds > MAX_SAMPLES) {
		errno = 0;
		fatal("--rounds is 1 to %d, not %s", MAX_SAMPLES, word);
	}
	return (unsigned int)rounds;
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		{ "list", no_argument, NULL, 'l' },
		{ "json", required_argument, NULL, 'j' },
		{ "note", required_argument, NULL, 'n' },
		{ "clock", required_argument, NULL, 'c' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "quick", no_argument, NULL, 'q' },
		{ "large", no_argument, NULL, 'L' },
		{ 0 },
	};
	const char *json = NULL, *note = NULL;
	bool wanted[SECTIONS] = { false };
	int option, status = 0;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'l':
			list();
			return 0;
		case 'j':
			json = optarg;
			break;
		case 'n':
			note = optarg;
			break;
		case 'c':
			settings.counted = parse_clock(optarg);
			break;
		case 'r':
			settings.rounds = parse_rounds(optarg);
			break;
		case 'q':
			settings.quick = true;
			settings.memory = 16 * MIB;
			break;
		case 'L':
			settings.large = true;
			break;
		default:
			return 2;
		}
	}
	for (size_t i = 0; i < SECTIONS; i++)
		wanted[i] = optind == argc && !sections[i].by_name;
	for (; optind < argc; optind++)
		wanted[find(argv[optind])] = true;

	if (xpmem_version() < 0)
		fatal("no XPMEM to measure");
	results_begin();
	for (size_t i = 0; i < SECTIONS; i++) {
		if (!wanted[i])
			continue;
		printf("%s: %s\n", sections[i].name, sections[i].what);
		if (!run_section(sections[i].run)) {
			fprintf(stderr, "xpmem-bench: section %s failed\n", sections[i].name);
			status = 1;
		}
	}
	if (json && !results_write(json, note))
		fatal("can't write %s", json);
	return status;
}
