// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xpmem-bench-remote - what memory of another partition costs
 *
 *	xpmem-bench-remote --partition N --addresses A,B,... [OPTION...] [SECTION...]
 *	xpmem-bench-remote --soak FILE
 *
 *	--list		the sections, and what they measure
 *	--partition N	this one's number; 1 is home, and has the results
 *	--addresses A,B	IPv4 addresses of partitions 1, 2, ...
 *	--port N	the first of three that are used (7600)
 *	--daemon PID	this partition's xpmemd, for what it uses by itself
 *	--control PATH	its control socket
 *	--json FILE	writes the figures there, too
 *	--note TEXT	goes into the JSON
 *	--meter FILE	count instructions, by the soak that counts in FILE
 *	--soak FILE	is that soak
 *	--rounds N	rounds that count (10), after one that does not
 *	--each N	operations of a round (20)
 *	--pages N	of a sweep (4096)
 *	--seconds N	of doing nothing, for the section idle (10)
 *
 * Without SECTION all are run.  It is run as root, on all partitions with the same
 * SECTIONs.  The exit status is 1 when a section could not be measured.
 */
#include "remote.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "floor.h"
#include "meter.h"

struct settings settings = { .rounds = 10, .memory = 4096 * PAGE };
struct remote remote = { .port = 7600, .each = 20, .idle_seconds = 10 };

static const struct {
	const char *name;
	const char *what;
	remote_section_fn *run;
} sections[] = {
	{ "fault", "a load or store of a page that is elsewhere", remote_fault },
	{ "sweep", "pages in sequence", remote_sweep },
	{ "recall", "the owner's access to pages that others have", remote_recall },
	{ "serve", "faults of several partitions at one home", remote_serve },
	{ "local", "loads of a page that has come", remote_local },
	{ "directory", "memory that the daemon needs for shared pages", remote_directory },
	{ "idle", "what daemons do when nobody asks for anything", remote_idle },
};

#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

static _Noreturn void wrong(const char *what, const char *word)
{
	errno = 0;
	fatal("%s, not %s", what, word);
}

static unsigned int parse_number(const char *option, const char *word, unsigned int low,
				 unsigned int high)
{
	char *end, text[64];
	unsigned long number = strtoul(word, &end, 10);

	if (*end || number < low || number > high) {
		snprintf(text, sizeof(text), "--%s is %u to %u", option, low, high);
		wrong(text, word);
	}
	return (unsigned int)number;
}

static void parse_addresses(char *word)
{
	for (char *at = strtok(word, ","); at; at = strtok(NULL, ",")) {
		if (remote.partitions == PARTITIONS_MAX)
			wrong("--addresses are at most 17", at);
		remote.address[++remote.partitions] = at;
	}
}

static size_t find(const char *name)
{
	for (size_t i = 0; i < SECTIONS; i++)
		if (!strcmp(name, sections[i].name))
			return i;
	wrong("a section that --list has", name);
}

static void home(const bool wanted[SECTIONS], const char *json, const char *note)
{
	static const struct order end = { .work = WORK_END };

	results_begin();
	for (size_t i = 0; i < SECTIONS; i++) {
		if (!wanted[i])
			continue;
		printf("%s: %s\n", sections[i].name, sections[i].what);
		fflush(stdout);
		sections[i].run();
		/* What has been measured is not lost with what comes. */
		if (json && !results_write(json, note))
			fatal("can't write %s", json);
	}
	for (unsigned int guest = 2; guest <= remote.partitions; guest++)
		order_begin(guest, &end);
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		{ "list", no_argument, NULL, 'l' },
		{ "partition", required_argument, NULL, 'p' },
		{ "addresses", required_argument, NULL, 'a' },
		{ "port", required_argument, NULL, 'P' },
		{ "daemon", required_argument, NULL, 'd' },
		{ "control", required_argument, NULL, 'c' },
		{ "json", required_argument, NULL, 'j' },
		{ "note", required_argument, NULL, 'n' },
		{ "meter", required_argument, NULL, 'm' },
		{ "soak", required_argument, NULL, 's' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "each", required_argument, NULL, 'e' },
		{ "pages", required_argument, NULL, 'g' },
		{ "seconds", required_argument, NULL, 'S' },
		{ 0 },
	};
	const char *json = NULL, *note = NULL, *meter = NULL;
	bool wanted[SECTIONS] = { false };
	int option, index = 0;

	while ((option = getopt_long(argc, argv, "", known, &index)) != -1) {
		const char *name = known[index].name;

		switch (option) {
		case 'l':
			for (size_t i = 0; i < SECTIONS; i++)
				printf("%-10s %s\n", sections[i].name, sections[i].what);
			return 0;
		case 'p':
			remote.partition = parse_number(name, optarg, 1, PARTITIONS_MAX);
			break;
		case 'a':
			parse_addresses(optarg);
			break;
		case 'P':
			remote.port = parse_number(name, optarg, 1, 65533);
			break;
		case 'd':
			remote.daemon = (pid_t)parse_number(name, optarg, 1, 1u << 30);
			break;
		case 'c':
			remote.control = optarg;
			break;
		case 'j':
			json = optarg;
			break;
		case 'n':
			note = optarg;
			break;
		case 'm':
			meter = optarg;
			settings.counted = true;
			break;
		case 's':
			meter_soak(optarg);
		case 'r':
			settings.rounds = parse_number(name, optarg, 1, MAX_SAMPLES);
			break;
		case 'e':
			remote.each = parse_number(name, optarg, 1, OUTCOMES_MAX / 5);
			break;
		case 'g':
			settings.memory = parse_number(name, optarg, 512, 1u << 20) * PAGE;
			break;
		case 'S':
			remote.idle_seconds = parse_number(name, optarg, 1, 3600);
			break;
		default:
			return 2;
		}
	}
	for (size_t i = 0; i < SECTIONS; i++)
		wanted[i] = optind == argc;
	for (; optind < argc; optind++)
		wanted[find(argv[optind])] = true;
	if (remote.partitions < 2 || !remote.partition || remote.partition > remote.partitions) {
		errno = 0;
		fatal("say with --partition and --addresses who this is and who is there");
	}
	floor_serve(remote.port);
	meter_begin(meter);
	link_begin();
	if (remote.partition == 1)
		home(wanted, json, note);
	else
		link_serve();
	return 0;
}
