/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plate: the problem, as the input file states it.
 *
 * A thin plate, flat in x and y, is divided into equal cells. x runs east and
 * y runs south from the north-west corner, as in a picture. Patches lay
 * materials over the background, sources put power into a rectangle, the four
 * edges are insulated or held at a temperature, and both faces of the plate
 * may give heat to the air.
 *
 * The struct is flat, without a pointer: rank 0 reads the file and sends the
 * bytes to the others. Rectangles are kept as ranges of whole cells; a cell
 * belongs to a rectangle when its centre does.
 */
#ifndef HEAT_PLATE_H
#define HEAT_PLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define PLATE_NAME_MAX	     31
#define PLATE_TITLE_MAX	     79
#define PLATE_LINE_MAX	     255
#define PLATE_MATERIALS_MAX  16
#define PLATE_PATCHES_MAX    256
#define PLATE_SOURCES_MAX    256
#define PLATE_SIDE_CELLS_MAX 16384
#define PLATE_CELLS_MAX	     (1L << 26)
#define PLATE_STEPS_MAX	     10000000L

enum side {
	WEST,
	EAST,
	NORTH,
	SOUTH,
	SIDE_MAX,
};

/* Cells x0 <= x < x_end, y0 <= y < y_end; never empty. */
struct area {
	int x0, x_end;
	int y0, y_end;
};

struct material {
	char name[PLATE_NAME_MAX + 1];
	double conductivity;  /* W/(m K) */
	double density;	      /* kg/m3 */
	double specific_heat; /* J/(kg K) */
};

struct patch {
	struct area area;
	int material;
};

struct source {
	struct area area;
	double watts;
};

struct edge {
	bool fixed; /* else insulated */
	double celsius;
};

struct plate {
	char title[PLATE_TITLE_MAX + 1];
	double width, height, thickness; /* mm */
	int cells_x, cells_y;
	double ambient; /* degrees Celsius */
	double cooling; /* W/(m2 K), both faces */
	struct edge edges[SIDE_MAX];
	struct material materials[PLATE_MATERIALS_MAX];
	int material_count;
	int background;
	struct patch patches[PLATE_PATCHES_MAX];
	int patch_count;
	struct source sources[PLATE_SOURCES_MAX];
	int source_count;
	long steps;
	double timestep;   /* ms; 0: the program chooses */
	int timestep_line; /* where the file says so */
};

extern const char *const side_names[SIDE_MAX];

/*
 * Reads a plate. On success returns 0. Otherwise returns -1, *ret_plate is
 * unspecified and `error` holds "file:line: what is wrong", or "file: ..."
 * where no line is to blame.
 */
int plate_read(FILE *file, const char *name, struct plate *ret_plate,
	       char *error, size_t error_size);

#endif
