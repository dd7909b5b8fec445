// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Checks: what programs load.
 *
 * Open MPI has XPMEM in its component vader (4) or smsc (5), UCX in a transport module
 * of its own.  Those that were built with it need libxpmem.so.0, and ldd tells which
 * one they would get.
 */
#include "doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "library.h"

static struct finding check_library(const struct cli *cli)
{
	struct library library;
	struct finding found;
	char *fix;

	library_find(cli, &library);
	if (!library.path) {
		found = finding_wrong("install it: package libxpmem0, or run ldconfig",
				      "the dynamic linker finds no libxpmem.so.0");
	} else if (!library.version) {
		fix = cli_format("remove it, or put this project's before it: dpkg -S %s",
				 library.path);
		found = finding_wrong(fix, "programs get another project's library, %s",
				      library.path);
		free(fix);
	} else {
		found = finding_ok("programs get %s, version %s", library.path, library.version);
	}
	library_free(&library);
	return found;
}

/* Which libxpmem.so.0 an object file would load: "", it needs none; "not found"; a path */
static char *needs(const struct cli *cli, const char *path)
{
	const char *const argv[] = { "ldd", path, NULL };
	char *needed = cli_format("%s", ""), *text, *at, *line, *arrow;
	int status;

	text = at = program_output(cli, argv, false, &status);
	while ((line = text_next_line(&at))) {
		arrow = strstr(line, "libxpmem.so.0 => ");
		if (!arrow)
			continue;
		arrow += strlen("libxpmem.so.0 => ");
		if (strncmp(arrow, "not found", 9))
			arrow[strcspn(arrow, " ")] = 0;
		free(needed);
		needed = cli_format("%s", arrow);
		break;
	}
	free(text);
	return needed;
}

/* What an MPI's component @path would load; it belongs to @of. */
static struct finding look_at(const struct cli *cli, const char *of, const char *path)
{
	char *needed = needs(cli, path);
	struct library library, usual;
	struct finding found;

	if (!*needed) {
		found = finding_ok("%s is there, built without XPMEM", of);
	} else if (!strncmp(needed, "not found", 9)) {
		found = finding_wrong("install it: package libxpmem0, or run ldconfig",
				      "%s wants libxpmem.so.0 and finds none", of);
	} else {
		library_look(cli, needed, &library);
		library_find(cli, &usual);
		found = library.version
			? finding_ok("%s uses %s", of, needed)
			: usual.path && !strcmp(usual.path, needed)
			? finding_unknown("%s uses %s, too: see library", of, needed)
			: finding_wrong("remove that library, or its directory from LD_LIBRARY_PATH and "
					"ld.so.conf", "%s uses another project's library, %s", of,
					needed);
		library_free(&library);
		library_free(&usual);
	}
	free(needed);
	return found;
}

static bool is_file(const struct cli *cli, const char *path)
{
	struct stat st;

	return file_stat(cli, path, &st);
}

static struct finding check_openmpi(const struct cli *cli)
{
	static const char *const argv[] = {
		"ompi_info", "--parsable", "--path", "pkglibdir", NULL,
	};
	static const char *const components[] = { "mca_smsc_xpmem.so", "mca_btl_vader.so" };
	struct finding found = { 0 };
	char *text, *dir, *path;
	int status;

	text = program_output(cli, argv, false, &status);
	if (!text || !(dir = strstr(text, "path:pkglibdir:"))) {
		free(text);
		return finding_ok("there is no Open MPI");
	}
	dir += strlen("path:pkglibdir:");
	dir[strcspn(dir, "\n")] = 0;
	for (size_t i = 0; i < 2 && !found.what; i++) {
		path = cli_format("%s/%s", dir, components[i]);
		if (is_file(cli, path))
			found = look_at(cli, "Open MPI", path);
		free(path);
	}
	if (!found.what)
		found = finding_ok("Open MPI is there, built without XPMEM");
	free(text);
	return found;
}

static struct finding check_ucx(const struct cli *cli)
{
	static const char *const argv[] = { "ucx_info", "-v", NULL };
	static const char *const modules[] = { "libuct_xpmem.so.0", "libuct_xpmem.so" };
	static const char *const dirs[] = {
		"/usr/lib/x86_64-linux-gnu/ucx", "/usr/lib64/ucx", "/usr/local/lib/ucx",
		"/usr/lib/ucx",
	};
	struct finding found = { 0 };
	char *text, *dir = NULL, *end, *path;
	int status;

	/* "# Library version: 1.13.1", "# Library path: /usr/lib/libucs.so.0" */
	text = program_output(cli, argv, false, &status);
	if (text && (dir = strstr(text, "Library path: "))) {
		dir += strlen("Library path: ");
		dir[strcspn(dir, "\n")] = 0;
		end = strrchr(dir, '/');
		if (end)
			*end = 0;
	}
	for (size_t d = 0; d < 5 && !found.what; d++) {
		for (size_t m = 0; m < 2 && !found.what; m++) {
			if (d == 0 && !dir)
				continue;
			path = d ? cli_format("%s/%s", dirs[d - 1], modules[m])
				 : cli_format("%s/ucx/%s", dir, modules[m]);
			if (is_file(cli, path))
				found = look_at(cli, "UCX", path);
			free(path);
		}
	}
	if (!found.what)
		found = text ? finding_ok("UCX is there, built without XPMEM")
			     : finding_ok("there is no UCX with XPMEM");
	free(text);
	return found;
}

const struct check checks_of_users[] = {
	{ "library", check_library },
	{ "openmpi", check_openmpi },
	{ "ucx", check_ucx },
	{ NULL, NULL },
};
