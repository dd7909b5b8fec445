// SPDX-License-Identifier: GPL-2.0-or-later
/*
 *	conform FILE...
 *
 * Compares traces of daemons (xpmemd --trace) with the protocol's model, each for
 * itself.  Exit status: 0 all events are transitions of the model, 1 one is not (it is
 * said which), 2 a file can't be read.
 */
#include "conform.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The number of events, or -1: one was refused */
static int64_t check_file(const char *path)
{
	FILE *file = !strcmp(path, "-") ? stdin : fopen(path, "re");
	struct conform *conform;
	char line[256], why[CONFORM_WHY];
	int64_t number = 0;
	bool good = true;

	if (!file) {
		fprintf(stderr, "conform: %s: %s\n", path, strerror(errno));
		return -2;
	}
	conform = conform_new();
	while (good && fgets(line, sizeof(line), file)) {
		number++;
		good = conform_line(conform, line, why);
	}
	if (!good)
		printf("%s:%" PRId64 ": %s: %s", path, number, why, line);
	if (file != stdin)
		fclose(file);
	conform_free(conform);
	return good ? number : -1;
}

int main(int argc, char **argv)
{
	int64_t events = 0;
	int status = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: conform FILE...\n");
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		int64_t n = check_file(argv[i]);

		if (n < 0)
			status = n == -2 ? 2 : status ? status : 1;
		else
			events += n;
	}
	printf("%" PRId64 " events are transitions of the model\n", events);
	return status;
}
