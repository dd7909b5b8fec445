// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * plate: the reader of the input file. docs/mpi.md describes the format.
 *
 * One statement a line: a keyword and its values, set apart by blanks. The
 * table at the end of this file says for each keyword how many values it
 * takes, whether it may come again and whether it must come. What stands
 * there is checked in one place, so no statement can be ignored, doubled or
 * forgotten without a message.
 *
 * A statement may use only what stands above it: materials before the patch
 * that names them, `plate` and `cells` before any rectangle. So each message
 * can name the line at fault and the reader never goes back.
 */
#include "plate.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX   8
#define FORMAT_NAME "heat-1"

struct reader {
	const char *name;
	int line;		 /* 0: no line is to blame */
	int edge_line[SIDE_MAX]; /* where each edge was given, 0: not yet */
	struct plate *plate;
	char *error;
	size_t error_size;
};

struct keyword {
	const char *name;
	int values_min, values_max;
	bool again; /* may stand on several lines */
	bool required;
	int (*read)(struct reader *reader, char **value, int count);
	const char *usage;
};

enum keyword_id {
	KEY_FORMAT,
	KEY_TITLE,
	KEY_PLATE,
	KEY_CELLS,
	KEY_AMBIENT,
	KEY_COOLING,
	KEY_EDGE,
	KEY_MATERIAL,
	KEY_BACKGROUND,
	KEY_PATCH,
	KEY_SOURCE,
	KEY_STEPS,
	KEY_TIMESTEP,
	KEYWORD_MAX,
};

const char *const side_names[SIDE_MAX] = {
	[WEST] = "west",
	[EAST] = "east",
	[NORTH] = "north",
	[SOUTH] = "south",
};

static int wrong(struct reader *reader, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int wrong(struct reader *reader, const char *format, ...)
{
	va_list args;
	int used;

	if (reader->line > 0)
		used = snprintf(reader->error, reader->error_size,
				"%s:%d: ", reader->name, reader->line);
	else
		used = snprintf(reader->error, reader->error_size,
				"%s: ", reader->name);
	if (used < 0 || (size_t)used >= reader->error_size)
		return -1;
	va_start(args, format);
	vsnprintf(reader->error + used, reader->error_size - (size_t)used,
		  format, args);
	va_end(args);
	return -1;
}

/* strtod() alone would also take "0x10", "inf" and "nan". */
static int read_number(struct reader *reader, const char *word,
		       const char *what, double min, double max,
		       double *ret_value)
{
	double value;
	char *end;

	if (word[strspn(word, "+-.0123456789eE")] != '\0')
		return wrong(reader, "%s: \"%s\" is not a number", what, word);
	errno = 0;
	value = strtod(word, &end);
	if (end == word || *end != '\0')
		return wrong(reader, "%s: \"%s\" is not a number", what, word);
	/* Too small to be told from 0 is ERANGE as well; ranges decide. */
	if (!isfinite(value) || value < min || value > max)
		return wrong(reader, "%s: %s is not within %g to %g", what,
			     word, min, max);
	*ret_value = value;
	return 0;
}

static int read_count(struct reader *reader, const char *word, const char *what,
		      long max, long *ret_value)
{
	char *end;
	long value;

	if (word[0] == '\0' || word[strspn(word, "0123456789")] != '\0')
		return wrong(reader, "%s: \"%s\" is not a whole number", what,
			     word);
	errno = 0;
	value = strtol(word, &end, 10);
	if (errno != 0 || value < 1 || value > max)
		return wrong(reader, "%s: %s is not within 1 to %ld", what,
			     word, max);
	*ret_value = value;
	return 0;
}

static int read_name(struct reader *reader, const char *word)
{
	size_t length = strlen(word);

	if (length > PLATE_NAME_MAX)
		return wrong(reader, "name \"%s\" has more than %d characters",
			     word, PLATE_NAME_MAX);
	if (length == 0)
		return wrong(reader, "a name is empty");
	if (word[strspn(word, "abcdefghijklmnopqrstuvwxyz"
			      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")] !=
	    '\0')
		return wrong(reader,
			     "name \"%s\": only letters, digits, - and _",
			     word);
	return 0;
}

static int find_material(struct reader *reader, const char *name)
{
	const struct plate *plate = reader->plate;

	for (int i = 0; i < plate->material_count; i++)
		if (strcmp(plate->materials[i].name, name) == 0)
			return i;
	return -1;
}

/* The first cell whose centre lies at or beyond `at`. */
static int first_cell(double at, double cell)
{
	return (int)ceil(at / cell - 0.5);
}

static int read_area(struct reader *reader, char **value, struct area *ret_area)
{
	const struct plate *plate = reader->plate;
	double x, y, width, height, cell_x, cell_y;
	struct area area;

	if (plate->cells_x == 0 || plate->width == 0.0)
		return wrong(
			reader,
			"a rectangle needs \"plate\" and \"cells\" above it");
	if (read_number(reader, value[0], "x", 0, plate->width, &x) ||
	    read_number(reader, value[1], "y", 0, plate->height, &y) ||
	    read_number(reader, value[2], "width", 0, plate->width, &width) ||
	    read_number(reader, value[3], "height", 0, plate->height, &height))
		return -1;

	/* Sums of decimal fractions: leave them a hair's breadth. */
	if (x + width > plate->width * (1 + 1e-12))
		return wrong(
			reader,
			"the rectangle ends at x = %g mm, the plate at %g mm",
			x + width, plate->width);
	if (y + height > plate->height * (1 + 1e-12))
		return wrong(
			reader,
			"the rectangle ends at y = %g mm, the plate at %g mm",
			y + height, plate->height);

	cell_x = plate->width / plate->cells_x;
	cell_y = plate->height / plate->cells_y;
	area = (struct area){
		.x0 = first_cell(x, cell_x),
		.x_end = first_cell(x + width, cell_x),
		.y0 = first_cell(y, cell_y),
		.y_end = first_cell(y + height, cell_y),
	};
	if (area.x_end > plate->cells_x)
		area.x_end = plate->cells_x;
	if (area.y_end > plate->cells_y)
		area.y_end = plate->cells_y;
	if (area.x0 >= area.x_end || area.y0 >= area.y_end)
		return wrong(
			reader,
			"the rectangle holds no cell's centre (a cell is %g x %g mm)",
			cell_x, cell_y);
	*ret_area = area;
	return 0;
}

static int read_format(struct reader *reader, char **value, int count)
{
	(void)count;
	if (strcmp(value[0], FORMAT_NAME) != 0)
		return wrong(
			reader,
			"format \"%s\" is unknown, this program reads \"%s\"",
			value[0], FORMAT_NAME);
	return 0;
}

static int read_title(struct reader *reader, char **value, int count)
{
	size_t length = strlen(value[0]);

	(void)count;
	if (length == 0)
		return wrong(reader, "the title is empty");
	if (length > PLATE_TITLE_MAX)
		return wrong(reader, "the title has more than %d characters",
			     PLATE_TITLE_MAX);
	memcpy(reader->plate->title, value[0], length + 1);
	return 0;
}

static int read_plate(struct reader *reader, char **value, int count)
{
	struct plate *plate = reader->plate;

	(void)count;
	if (read_number(reader, value[0], "width", 0.01, 10000,
			&plate->width) ||
	    read_number(reader, value[1], "height", 0.01, 10000,
			&plate->height) ||
	    read_number(reader, value[2], "thickness", 0.001, 1000,
			&plate->thickness))
		return -1;
	return 0;
}

static int read_cells(struct reader *reader, char **value, int count)
{
	long across, down;

	(void)count;
	if (read_count(reader, value[0], "cells across", PLATE_SIDE_CELLS_MAX,
		       &across) ||
	    read_count(reader, value[1], "cells down", PLATE_SIDE_CELLS_MAX,
		       &down))
		return -1;
	if (across * down > PLATE_CELLS_MAX)
		return wrong(reader, "%ld x %ld cells are more than %ld",
			     across, down, PLATE_CELLS_MAX);
	reader->plate->cells_x = (int)across;
	reader->plate->cells_y = (int)down;
	return 0;
}

static int read_celsius(struct reader *reader, const char *word,
			double *ret_value)
{
	return read_number(reader, word, "temperature", -273.15, 5000,
			   ret_value);
}

static int read_ambient(struct reader *reader, char **value, int count)
{
	(void)count;
	return read_celsius(reader, value[0], &reader->plate->ambient);
}

static int read_cooling(struct reader *reader, char **value, int count)
{
	(void)count;
	return read_number(reader, value[0], "cooling", 0, 1e6,
			   &reader->plate->cooling);
}

static int read_edge(struct reader *reader, char **value, int count)
{
	struct edge *edge;
	bool fixed;
	int side = 0;

	while (side < SIDE_MAX && strcmp(value[0], side_names[side]) != 0)
		side++;
	if (side == SIDE_MAX)
		return wrong(reader,
			     "edge \"%s\": must be west, east, north or south",
			     value[0]);
	if (reader->edge_line[side] != 0)
		return wrong(reader, "edge %s is given in line %d already",
			     value[0], reader->edge_line[side]);
	reader->edge_line[side] = reader->line;
	edge = &reader->plate->edges[side];
	fixed = strcmp(value[1], "fixed") == 0;
	if (!fixed && strcmp(value[1], "insulated") != 0)
		return wrong(reader,
			     "edge %s \"%s\": must be insulated or fixed",
			     value[0], value[1]);
	if (fixed && count != 3)
		return wrong(reader, "a fixed edge needs its temperature");
	if (!fixed && count != 2)
		return wrong(reader, "an insulated edge has no temperature");
	edge->fixed = fixed;
	return fixed ? read_celsius(reader, value[2], &edge->celsius) : 0;
}

static int read_material(struct reader *reader, char **value, int count)
{
	struct plate *plate = reader->plate;
	struct material *material;

	(void)count;
	if (read_name(reader, value[0]))
		return -1;
	if (find_material(reader, value[0]) >= 0)
		return wrong(reader, "material \"%s\" is given twice",
			     value[0]);
	if (plate->material_count == PLATE_MATERIALS_MAX)
		return wrong(reader, "more than %d materials",
			     PLATE_MATERIALS_MAX);
	material = &plate->materials[plate->material_count];
	if (read_number(reader, value[1], "conductivity", 1e-3, 1e4,
			&material->conductivity) ||
	    read_number(reader, value[2], "density", 0.1, 5e4,
			&material->density) ||
	    read_number(reader, value[3], "specific heat", 1, 5e4,
			&material->specific_heat))
		return -1;
	strcpy(material->name, value[0]);
	plate->material_count++;
	return 0;
}

static int read_known_material(struct reader *reader, const char *name,
			       int *ret_material)
{
	int material = find_material(reader, name);

	if (material < 0)
		return wrong(reader, "no material \"%s\" is given above", name);
	*ret_material = material;
	return 0;
}

static int read_background(struct reader *reader, char **value, int count)
{
	(void)count;
	return read_known_material(reader, value[0],
				   &reader->plate->background);
}

static int read_patch(struct reader *reader, char **value, int count)
{
	struct plate *plate = reader->plate;
	struct patch *patch;

	(void)count;
	if (plate->patch_count == PLATE_PATCHES_MAX)
		return wrong(reader, "more than %d patches", PLATE_PATCHES_MAX);
	patch = &plate->patches[plate->patch_count];
	if (read_known_material(reader, value[0], &patch->material) ||
	    read_area(reader, value + 1, &patch->area))
		return -1;
	plate->patch_count++;
	return 0;
}

static int read_source(struct reader *reader, char **value, int count)
{
	struct plate *plate = reader->plate;
	struct source *source;

	(void)count;
	if (plate->source_count == PLATE_SOURCES_MAX)
		return wrong(reader, "more than %d sources", PLATE_SOURCES_MAX);
	source = &plate->sources[plate->source_count];
	if (read_number(reader, value[0], "power", -1e6, 1e6, &source->watts) ||
	    read_area(reader, value + 1, &source->area))
		return -1;
	plate->source_count++;
	return 0;
}

static int read_steps(struct reader *reader, char **value, int count)
{
	(void)count;
	return read_count(reader, value[0], "steps", PLATE_STEPS_MAX,
			  &reader->plate->steps);
}

static int read_timestep(struct reader *reader, char **value, int count)
{
	(void)count;
	reader->plate->timestep_line = reader->line;
	if (strcmp(value[0], "auto") == 0)
		return 0;
	return read_number(reader, value[0], "timestep", 1e-9, 1e9,
			   &reader->plate->timestep);
}

static const struct keyword keywords[KEYWORD_MAX] = {
	[KEY_FORMAT] = { "format", 1, 1, false, true, read_format,
			 "format heat-1" },
	[KEY_TITLE] = { "title", 1, 1, false, true, read_title,
			"title \"TEXT\"" },
	[KEY_PLATE] = { "plate", 3, 3, false, true, read_plate,
			"plate WIDTH HEIGHT THICKNESS (mm)" },
	[KEY_CELLS] = { "cells", 2, 2, false, true, read_cells,
			"cells ACROSS DOWN" },
	[KEY_AMBIENT] = { "ambient", 1, 1, false, true, read_ambient,
			  "ambient CELSIUS" },
	[KEY_COOLING] = { "cooling", 1, 1, false, false, read_cooling,
			  "cooling W_PER_M2_K" },
	[KEY_EDGE] = { "edge", 2, 3, true, false, read_edge,
		       "edge SIDE insulated | edge SIDE fixed CELSIUS" },
	[KEY_MATERIAL] = { "material", 4, 4, true, true, read_material,
			   "material NAME CONDUCTIVITY DENSITY SPECIFIC_HEAT" },
	[KEY_BACKGROUND] = { "background", 1, 1, false, true, read_background,
			     "background MATERIAL" },
	[KEY_PATCH] = { "patch", 5, 5, true, false, read_patch,
			"patch MATERIAL X Y WIDTH HEIGHT" },
	[KEY_SOURCE] = { "source", 5, 5, true, false, read_source,
			 "source WATTS X Y WIDTH HEIGHT" },
	[KEY_STEPS] = { "steps", 1, 1, false, true, read_steps, "steps COUNT" },
	[KEY_TIMESTEP] = { "timestep", 1, 1, false, true, read_timestep,
			   "timestep auto | timestep MILLISECONDS" },
};

/*
 * Reads a line without its end into line[PLATE_LINE_MAX + 1]. Returns 1 for a
 * line, 0 at the end of the file, -1 when it is no line of text.
 */
static int read_line(struct reader *reader, FILE *file, char *line)
{
	int length = 0;
	int c = getc(file);

	if (c == EOF && !ferror(file))
		return 0;
	reader->line++;
	for (; c != EOF && c != '\n'; c = getc(file)) {
		if (c == '\r')
			return wrong(
				reader,
				"carriage return: lines must end as on Unix");
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return wrong(reader, "control character 0x%02x", c);
		if (length == PLATE_LINE_MAX)
			return wrong(reader,
				     "the line has more than %d characters",
				     PLATE_LINE_MAX);
		line[length++] = (char)c;
	}
	if (ferror(file)) {
		reader->line = 0;
		return wrong(reader, "can't be read: %s", strerror(errno));
	}
	line[length] = '\0';
	return 1;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Splits a line in place; returns the number of words or -1. */
static int split_line(struct reader *reader, char *line, char **word)
{
	int count = 0;

	for (;;) {
		while (is_blank(*line))
			line++;
		if (*line == '\0' || *line == '#')
			return count;
		if (count == WORDS_MAX)
			return wrong(reader, "too many values");
		if (*line == '"') {
			word[count++] = ++line;
			line = strchr(line, '"');
			if (line == NULL)
				return wrong(reader, "a quote is not closed");
			*line++ = '\0';
			if (*line != '\0' && *line != '#' && !is_blank(*line))
				return wrong(
					reader,
					"text right behind a closing quote");
			continue;
		}
		word[count++] = line;
		while (*line != '\0' && *line != '#' && !is_blank(*line)) {
			if (*line == '"')
				return wrong(reader, "a quote inside a word");
			line++;
		}
		if (*line == '#') {
			*line = '\0';
			return count;
		}
		if (*line != '\0')
			*line++ = '\0';
	}
}

static int read_statement(struct reader *reader, char **word, int count,
			  int seen[KEYWORD_MAX])
{
	const struct keyword *keyword;
	int id = 0;

	while (id < KEYWORD_MAX && strcmp(word[0], keywords[id].name) != 0)
		id++;
	if (id == KEYWORD_MAX)
		return wrong(reader, "unknown keyword \"%s\"", word[0]);
	keyword = &keywords[id];
	if (id != KEY_FORMAT && seen[KEY_FORMAT] == 0)
		return wrong(reader, "the first statement must be \"%s\"",
			     keywords[KEY_FORMAT].usage);
	if (seen[id] != 0 && !keyword->again)
		return wrong(reader, "\"%s\" is given in line %d already",
			     keyword->name, seen[id]);
	if (count - 1 < keyword->values_min || count - 1 > keyword->values_max)
		return wrong(reader, "%d value%s for \"%s\"; write: %s",
			     count - 1, count == 2 ? "" : "s", keyword->name,
			     keyword->usage);
	seen[id] = reader->line;
	return keyword->read(reader, word + 1, count - 1);
}

int plate_read(FILE *file, const char *name, struct plate *ret_plate,
	       char *error, size_t error_size)
{
	struct reader reader = {
		.name = name,
		.plate = ret_plate,
		.error = error,
		.error_size = error_size,
	};
	int seen[KEYWORD_MAX] = { 0 };
	char line[PLATE_LINE_MAX + 1];
	char *word[WORDS_MAX];
	int got;

	/* The struct travels as bytes; let the unused ones be the same too. */
	memset(ret_plate, 0, sizeof(*ret_plate));
	while ((got = read_line(&reader, file, line)) > 0) {
		int count = split_line(&reader, line, word);

		if (count < 0)
			return -1;
		if (count > 0 && read_statement(&reader, word, count, seen))
			return -1;
	}
	if (got < 0)
		return -1;

	reader.line = 0;
	for (int id = 0; id < KEYWORD_MAX; id++)
		if (keywords[id].required && seen[id] == 0)
			return wrong(&reader, "\"%s\" is missing; write: %s",
				     keywords[id].name, keywords[id].usage);
	return 0;
}
