// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Judges histories of registers: is each register linearizable?
 *
 *	linearize FILE...
 *
 * The lines of the files are those of history.c, which see.  What is lost is missed, not
 * replaced: so all reads that ended are judged, also those of registers that raised
 * SIGBUS before or after.
 *
 * Exit status: 0 all are, 1 one is not (it is said which, and two operations that show
 * it), 2 a file can't be read.
 */
#include "zones.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct line {
	struct zones_op op;
	uint32_t reg;
};

static struct line *lines;
static size_t nr_lines, room;

static void add(const struct line *line)
{
	if (nr_lines == room) {
		room = room ? room * 2 : 4096;
		lines = realloc(lines, room * sizeof(*lines));
		if (!lines) {
			perror("linearize");
			exit(2);
		}
	}
	lines[nr_lines++] = *line;
}

static bool parse(const char *text, struct line *line)
{
	char what;
	uint32_t process, reg;
	uint64_t value;
	int64_t start;
	int at = 0;

	*line = (struct line){ .reg = 0 };
	if (sscanf(text, "%c %" SCNu32 " %" SCNu32 " %" SCNu64 " %" SCNd64 " %n", &what, &process,
		   &reg, &value, &start, &at) != 5 || !at || (what != 'w' && what != 'r'))
		return false;
	line->reg = reg;
	line->op = (struct zones_op){
		.value = value, .start = start, .process = process, .write = what == 'w',
	};
	if (text[at] == '-' && text[at + 1] == '\n' && what == 'w') {
		line->op.end = ZONES_NEVER;
		return true;
	}
	return sscanf(text + at, "%" SCNd64, &line->op.end) == 1 && line->op.end >= start;
}

static void read_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char text[160];
	struct line line;
	unsigned long number = 0;

	if (!file) {
		fprintf(stderr, "linearize: %s: %s\n", path, strerror(errno));
		exit(2);
	}
	while (fgets(text, sizeof(text), file)) {
		number++;
		if (!parse(text, &line)) {
			fprintf(stderr, "linearize: %s:%lu: not an operation: %s", path, number,
				text);
			exit(2);
		}
		add(&line);
	}
	fclose(file);
}

static int by_register(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->reg != y->reg)
		return x->reg < y->reg ? -1 : 1;
	return 0;
}

static void print_op(const char *indent, const struct zones_op *op)
{
	printf("%sprocess %" PRIu32 " %s %" PRIu64 ", %" PRId64 " to ", indent, op->process,
	       op->write ? "wrote" : "read", op->value, op->start);
	if (op->end == ZONES_NEVER)
		printf("?\n");
	else
		printf("%" PRId64 "\n", op->end);
}

int main(int argc, char **argv)
{
	size_t registers = 0, bad = 0;
	struct zones_op *ops;

	if (argc < 2) {
		fprintf(stderr, "usage: linearize FILE...\n");
		return 2;
	}
	for (int i = 1; i < argc; i++)
		read_file(argv[i]);
	if (nr_lines)
		qsort(lines, nr_lines, sizeof(*lines), by_register);
	ops = malloc((nr_lines + 1) * sizeof(*ops));
	if (!ops) {
		perror("linearize");
		return 2;
	}
	for (size_t first = 0, next; first < nr_lines; first = next) {
		struct zones_fault fault;
		size_t n;

		for (next = first + 1; next < nr_lines && lines[next].reg == lines[first].reg;)
			next++;
		n = next - first;
		for (size_t i = 0; i < n; i++)
			ops[i] = lines[first + i].op;
		registers++;
		if (zones_check(ops, n, &fault))
			continue;
		if (!fault.what) {
			perror("linearize");
			return 2;
		}
		bad++;
		printf("register %" PRIu32 ": %s\n", lines[first].reg, fault.what);
		print_op("  ", &fault.a);
		print_op("  ", &fault.b);
	}
	printf("%zu operations judged, %zu registers, %zu not linearizable\n", nr_lines, registers,
	       bad);
	free(ops);
	free(lines);
	return bad != 0;
}
