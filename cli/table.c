// SPDX-License-Identifier: GPL-2.0-or-later
/* See table.h. */
#include "table.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define COLUMNS_MAX 16

struct table {
	size_t columns;
	bool right[COLUMNS_MAX];
	int width[COLUMNS_MAX];
	char **cells;	/* the titles, then row by row */
	size_t used, size;
};

static void add_cell(struct table *table, char *text)
{
	size_t column = table->used % table->columns;
	int width = (int)strlen(text);

	if (width > table->width[column])
		table->width[column] = width;
	if (table->used == table->size) {
		table->size = table->size ? 2 * table->size : 256;
		table->cells = cli_checked(realloc(table->cells,
						   table->size * sizeof(*table->cells)));
	}
	table->cells[table->used++] = text;
}

struct table *table_new(const char *titles)
{
	struct table *table = cli_checked(calloc(1, sizeof(*table)));
	char *copy = cli_format("%s", titles), *at = copy, *title;

	for (const char *c = titles; c; c = (c = strchr(c, '|')) ? c + 1 : NULL)
		table->columns++;
	for (size_t i = 0; i < table->columns; i++) {
		title = strsep(&at, "|");
		table->right[i] = *title == '>';
		add_cell(table, cli_format("%s", title + table->right[i]));
	}
	free(copy);
	return table;
}

void table_add(struct table *table, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	add_cell(table, cli_checked(text));
}

void table_print(struct table *table)
{
	for (size_t i = 0; i < table->used; i++) {
		size_t column = i % table->columns;
		int width = table->width[column];
		bool last = column == table->columns - 1;

		if (table->right[column])
			printf("%*s", width, table->cells[i]);
		else
			printf("%-*s", last ? 0 : width, table->cells[i]);
		fputs(last ? "\n" : "  ", stdout);
		free(table->cells[i]);
	}
	free(table->cells);
	free(table);
}

static char *buffer(void)
{
	static char buffers[8][64];
	static unsigned int next;

	return buffers[next++ % 8];
}

const char *human_size(uint64_t bytes)
{
	static const char units[] = "BKMGTPE";
	double value = (double)bytes;
	char *text = buffer();
	int unit = 0;

	while (value >= 1000 && units[unit + 1]) {
		value /= 1024;
		unit++;
	}
	if (unit && value < 9.95)
		snprintf(text, 64, "%.1f%c", value, units[unit]);
	else
		snprintf(text, 64, "%.0f%c", value, units[unit]);
	return text;
}

const char *human_user(unsigned int uid)
{
	const struct passwd *user = getpwuid(uid);
	char *text = buffer();

	if (user && strlen(user->pw_name) < 32)
		snprintf(text, 64, "%s", user->pw_name);
	else
		snprintf(text, 64, "%u", uid);
	return text;
}

const char *coloured(bool colour, enum colour which, const char *plain)
{
	char *text;

	if (!colour)
		return plain;
	text = buffer();
	snprintf(text, 64, "\033[%dm%s\033[0m", which, plain);
	return text;
}
