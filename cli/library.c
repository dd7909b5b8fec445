// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See library.h.  Every XPMEM project calls its library libxpmem.so.0.  This one's
 * exports xpmem_query, and its file is named libxpmem.so.0.MAJOR.MINOR.
 */
#include "library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "files.h"

#define SONAME "libxpmem.so.0"

static bool contains(const char *path, const char *name)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *text;
	bool found = false;

	if (fd < 0)
		return false;
	if (!fstat(fd, &st) && st.st_size > 0) {
		text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (text != MAP_FAILED) {
			found = memmem(text, (size_t)st.st_size, name, strlen(name) + 1);
			munmap(text, (size_t)st.st_size);
		}
	}
	close(fd);
	return found;
}

void library_look(const struct cli *cli, const char *path, struct library *library)
{
	char *full = file_path(cli, "%s", path), *real = realpath(full, NULL);
	const char *name = real ? strrchr(real, '/') + 1 : "";

	library->path = cli_format("%s", path);
	library->version = NULL;
	if (real && contains(real, "xpmem_query")) {
		/* another name: it was installed by hand */
		bool named = !strncmp(name, SONAME ".", sizeof(SONAME));

		library->version = cli_format("%s", named ? name + sizeof(SONAME) : "unknown");
	}
	free(real);
	free(full);
}

/* "	libxpmem.so.0 (libc6,x86-64) => /usr/lib/libxpmem.so.0", the first of them */
static char *from_cache(const struct cli *cli)
{
	static const char *const argv[] = { "ldconfig", "-p", NULL };
	char *text, *at, *line, *path = NULL;
	int status;

	text = at = program_output(cli, argv, false, &status);
	while (!path && (line = text_next_line(&at))) {
		char *arrow = strstr(line, " => ");

		line += strspn(line, " \t");
		if (arrow && !strncmp(line, SONAME " ", sizeof(SONAME)))
			path = cli_format("%s", arrow + 4);
	}
	free(text);
	return path;
}

static char *from_environment(const struct cli *cli)
{
	const char *dirs = getenv("LD_LIBRARY_PATH");
	char *copy, *at, *dir, *path = NULL;

	if (*cli->root || !dirs)
		return NULL;
	copy = at = cli_format("%s", dirs);
	while (!path && (dir = strsep(&at, ":;"))) {
		path = cli_format("%s/" SONAME, *dir ? dir : ".");
		if (access(path, R_OK)) {
			free(path);
			path = NULL;
		}
	}
	free(copy);
	return path;
}

void library_find(const struct cli *cli, struct library *library)
{
	char *path = from_environment(cli);

	memset(library, 0, sizeof(*library));
	if (!path)
		path = from_cache(cli);
	if (path)
		library_look(cli, path, library);
	free(path);
}

void library_free(struct library *library)
{
	free(library->path);
	free(library->version);
	memset(library, 0, sizeof(*library));
}
