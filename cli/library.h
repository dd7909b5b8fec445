/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libxpmem.so.0, as the dynamic linker finds it for programs */
#ifndef CLI_LIBRARY_H
#define CLI_LIBRARY_H

#include "cli.h"

struct library {
	char *path;	/* NULL: there is none */
	char *version;	/* "3.0", by the name of the file; NULL: not of this project */
};

void library_find(const struct cli *cli, struct library *library);
/* The same of the library at a path */
void library_look(const struct cli *cli, const char *path, struct library *library);
void library_free(struct library *library);

#endif /* CLI_LIBRARY_H */
