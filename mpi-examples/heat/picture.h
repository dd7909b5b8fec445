/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * picture: the result as a file. Only rank 0 calls. Each returns 0, or -1 with
 * errno set.
 */
#ifndef HEAT_PICTURE_H
#define HEAT_PICTURE_H

/* A PPM in colours from the coldest cell (black) to the hottest (white). */
int picture_write_ppm(const char *path, const double *field, int cells_x,
		      int cells_y);

/* The doubles as they are in memory. */
int picture_write_raw(const char *path, const double *field, int cells_x,
		      int cells_y);

#endif
