// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * picture: PPM, because ten lines write it and nearly everything shows it. A
 * small plate is magnified so that it is not a stamp on the screen.
 */
#include "picture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SIDE_WANTED 768

struct colour {
	unsigned char red, green, blue;
};

/* Equal distances from cold to hot. */
static const struct colour ramp[] = {
	{ 0, 0, 20 },	  { 60, 0, 110 },   { 150, 20, 100 },  { 220, 60, 40 },
	{ 250, 140, 10 }, { 250, 220, 70 }, { 255, 255, 240 },
};
#define RAMP_LAST ((int)(sizeof(ramp) / sizeof(ramp[0])) - 1)

static unsigned char between(unsigned char a, unsigned char b, double part)
{
	return (unsigned char)(a + (b - a) * part + 0.5);
}

static struct colour colour_of(double share)
{
	int low = (int)(share * RAMP_LAST);
	double part;

	if (low >= RAMP_LAST)
		low = RAMP_LAST - 1;
	part = share * RAMP_LAST - low;
	return (struct colour){
		between(ramp[low].red, ramp[low + 1].red, part),
		between(ramp[low].green, ramp[low + 1].green, part),
		between(ramp[low].blue, ramp[low + 1].blue, part),
	};
}

static int close_written(FILE *file)
{
	int failed = ferror(file);
	int error = errno;

	if (fclose(file) != 0)
		return -1;
	errno = error;
	return failed ? -1 : 0;
}

int picture_write_ppm(const char *path, const double *field, int cells_x,
		      int cells_y)
{
	size_t cells = (size_t)cells_x * (size_t)cells_y;
	int longest = cells_x > cells_y ? cells_x : cells_y;
	int zoom = (SIDE_WANTED + longest - 1) / longest;
	size_t width = (size_t)cells_x * (size_t)zoom;
	double low = field[0];
	double high = field[0];
	struct colour *row;
	FILE *file;

	for (size_t i = 0; i < cells; i++) {
		if (field[i] < low)
			low = field[i];
		if (field[i] > high)
			high = field[i];
	}

	row = malloc(width * sizeof(*row));
	if (row == NULL)
		return -1;
	file = fopen(path, "we");
	if (file == NULL) {
		int error = errno;

		free(row);
		errno = error;
		return -1;
	}
	fprintf(file, "P6\n# %.3f to %.3f degrees Celsius\n%zu %zu\n255\n", low,
		high, width, (size_t)cells_y * (size_t)zoom);
	for (int y = 0; y < cells_y; y++) {
		const double *line = field + (size_t)y * (size_t)cells_x;

		for (size_t x = 0; x < width; x++) {
			double t = line[x / (size_t)zoom];

			row[x] = colour_of(
				high > low ? (t - low) / (high - low) : 0.0);
		}
		for (int again = 0; again < zoom; again++)
			fwrite(row, sizeof(*row), width, file);
	}
	free(row);
	return close_written(file);
}

int picture_write_raw(const char *path, const double *field, int cells_x,
		      int cells_y)
{
	FILE *file = fopen(path, "we");

	if (file == NULL)
		return -1;
	fwrite(field, sizeof(*field), (size_t)cells_x * (size_t)cells_y, file);
	return close_written(file);
}
