// SPDX-License-Identifier: GPL-2.0-or-later
/* Checks: the module, its device, its parameters and limits. */
#include "doctor.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "library.h"
#include "segments.h"
#include "table.h"

#define MODULE "/sys/module/xpmem"

/* A field of what modprobe would load, or NULL */
static char *modinfo(const struct cli *cli, const char *field)
{
	const char *const argv[] = { "modinfo", "-F", field, "xpmem", NULL };
	int status;
	char *text = program_output(cli, argv, false, &status), *end;

	if (text && (end = strchr(text, '\n')))
		*end = 0;
	if (text && (status || !*text)) {
		free(text);
		text = NULL;
	}
	return text;
}

/* "3.0" of "3.0.1" */
static size_t version_length(const char *version)
{
	const char *dot = strchr(version, '.');

	return dot ? (size_t)(dot - version) + 1 + strcspn(dot + 1, ".") : strlen(version);
}

bool doctor_same_release(const char *one, const char *other)
{
	size_t length = version_length(one);

	return length == version_length(other) && !strncmp(one, other, length);
}

/* ------------------------------------------------------------------- module */

/* Other XPMEM projects' modules have the same name, and no such parameter. */
static bool is_another(const struct cli *cli)
{
	struct stat st;

	return file_stat(cli, MODULE, &st) &&
	       !file_stat(cli, MODULE "/parameters/permit_mask", &st);
}

char *doctor_module_version(const struct cli *cli)
{
	return is_another(cli) ? NULL : file_line(cli, MODULE "/version");
}

static struct finding check_module(const struct cli *cli)
{
	char *version = file_line(cli, MODULE "/version"), *installed;
	struct finding found;
	struct stat st;

	if (!file_stat(cli, MODULE, &st)) {
		free(version);
		if (doctor_signature_missing(cli))
			return finding_unknown("the module is not loaded: see signature");
		installed = modinfo(cli, "version");
		found = installed
			? finding_wrong("load it: modprobe xpmem", "the module is not loaded")
			: finding_wrong("install it for this kernel: package xpmem-dkms",
					"the module is not loaded, and not installed");
		free(installed);
		return found;
	}
	if (is_another(cli))
		found = finding_wrong("unload it and load this project's: rmmod xpmem && modprobe xpmem",
				      "the loaded module, version %s, is another project's",
				      version ? version : "unknown");
	else
		found = finding_ok("version %s is loaded", version ? version : "unknown");
	free(version);
	return found;
}

static struct finding check_installed(const struct cli *cli)
{
	char *version = doctor_module_version(cli);
	char *source = file_line(cli, MODULE "/srcversion");
	char *new_version = modinfo(cli, "version"), *new_source = modinfo(cli, "srcversion");
	struct finding found;

	if (!new_version)
		found = version
			? finding_wrong("install it for this kernel: package xpmem-dkms",
					"modprobe would find no module, so after a reboot there is none")
			: finding_unknown("no module is installed");
	else if (version && strcmp(version, new_version))
		found = finding_wrong("when no job runs: rmmod xpmem && modprobe xpmem",
				      "version %s is loaded, %s is installed", version, new_version);
	else if (version && source && new_source && strcmp(source, new_source))
		found = finding_wrong("when no job runs: rmmod xpmem && modprobe xpmem",
				      "another build of version %s is installed than is loaded",
				      version);
	else
		found = finding_ok("version %s would be loaded", new_version);
	free(version);
	free(source);
	free(new_version);
	free(new_source);
	return found;
}

static struct finding check_versions(const struct cli *cli)
{
	char *module = doctor_module_version(cli);
	struct library library;
	struct finding found;

	library_find(cli, &library);
	if (!module)
		found = finding_unknown("this project's module is not loaded");
	else if (!library.version || !strcmp(library.version, "unknown"))
		found = finding_unknown("the version of the library is not known");
	else if (!doctor_same_release(module, library.version))
		found = finding_wrong("install module and library of the same release",
				      "the module is %s, the library %s", module, library.version);
	else
		found = finding_ok("module %s, library %s", module, library.version);
	library_free(&library);
	free(module);
	return found;
}

/* ------------------------------------------------------------------- device */

static const char *group_name(gid_t gid)
{
	static char text[32];
	const struct group *group = getgrgid(gid);

	if (group)
		return group->gr_name;
	snprintf(text, sizeof(text), "%u", (unsigned int)gid);
	return text;
}

static bool in_group(gid_t gid)
{
	gid_t groups[1024];
	int count = getgroups(1024, groups);

	for (int i = 0; i < count; i++)
		if (groups[i] == gid)
			return true;
	return getegid() == gid || !geteuid();
}

static struct finding check_device(const struct cli *cli)
{
	struct stat st;
	char *fix;
	struct finding found;

	if (!file_stat(cli, "/dev/xpmem", &st))
		return file_stat(cli, MODULE, &st)
			? finding_wrong("have udev make it: udevadm trigger --subsystem-match=misc",
					"the module is loaded, but there is no /dev/xpmem")
			: finding_unknown("the module is not loaded");
	if (!S_ISCHR(st.st_mode))
		return finding_wrong("remove it and load the module anew: rm /dev/xpmem; rmmod xpmem; "
				     "modprobe xpmem", "/dev/xpmem is no device");
	if ((st.st_mode & 06) == 06)
		return finding_ok("/dev/xpmem can be opened by anyone");
	if ((st.st_mode & 060) != 060)
		return finding_wrong("chmod 0666 /dev/xpmem, and look for the udev rule that did it",
				     "/dev/xpmem has mode 0%03o: only root can open it",
				     (unsigned int)st.st_mode & 0777);
	if (*cli->root || in_group(st.st_gid))
		return finding_ok("/dev/xpmem can be opened by group %s", group_name(st.st_gid));
	fix = cli_format("have the user join it: usermod -aG %s USER", group_name(st.st_gid));
	found = finding_wrong(fix, "/dev/xpmem is for group %s, in which you are not",
			      group_name(st.st_gid));
	free(fix);
	return found;
}

/* --------------------------------------------------------- parameters, limits */

static struct finding check_permit_mask(const struct cli *cli)
{
	long long mask = file_number(cli, MODULE "/parameters/permit_mask", -1);

	if (mask < 0)
		return finding_unknown("this project's module is not loaded");
	if ((mask & 0600) != 0600)
		return finding_wrong("echo 0600 > /sys/module/xpmem/parameters/permit_mask",
				     "permit_mask 0%03llo keeps users from their own processes' memory",
				     mask);
	if (mask & 07)
		return finding_wrong("echo 0600 > /sys/module/xpmem/parameters/permit_mask",
				     "permit_mask 0%03llo: any user gets the memory of any MPI job, as "
				     "these export all of it with mode 0666", mask);
	return finding_ok("permit_mask 0%03llo", mask);
}

static int by_uid(const void *one, const void *other)
{
	const struct segment *a = one, *b = other;

	return a->uid < b->uid ? -1 : a->uid > b->uid;
}

/* The user with most segments; sorts them. */
static size_t most_segments(struct segments *segments, unsigned int *uid)
{
	size_t most = 0, run = 0;

	if (segments->count)
		qsort(segments->at, segments->count, sizeof(*segments->at), by_uid);
	for (size_t i = 0; i < segments->count; i++) {
		run = i && segments->at[i].uid == segments->at[i - 1].uid ? run + 1 : 1;
		if (run > most) {
			most = run;
			*uid = segments->at[i].uid;
		}
	}
	return most;
}

static struct finding raise(const char *name, long long limit, struct finding found)
{
	free(found.fix);
	found.fix = cli_format("raise it: echo %lld > /sys/module/xpmem/parameters/max_%s_per_user",
			       2 * limit, name);
	return found;
}

/*
 * Segments are counted a user; permits and attachments can't be seen a user, and are of
 * interest only where all users together have as many as one may have.
 */
static struct finding check_limits(const struct cli *cli)
{
	static const char *const names[] = { "permits", "attachments" };
	long long limit = file_number(cli, MODULE "/parameters/max_segments_per_user", -1), count;
	char *counters = file_read(cli, "/proc/xpmem/counters"), *path;
	struct finding found = { 0 };
	struct segments segments;
	unsigned int uid = 0;
	size_t most;

	if (limit < 0 || !counters || segments_read(cli, &segments)) {
		free(counters);
		return finding_unknown("this project's module is not loaded");
	}
	most = most_segments(&segments, &uid);
	if ((long long)most >= limit)
		found = raise("segments", limit, finding_wrong("", "user %s has %zu segments of %lld",
							       human_user(uid), most, limit));
	for (size_t i = 0; i < 2 && !found.what; i++) {
		path = cli_format(MODULE "/parameters/max_%s_per_user", names[i]);
		limit = file_number(cli, path, -1);
		free(path);
		if (limit >= 0 && text_number(counters, names[i], &count) && count >= limit)
			found = raise(names[i], limit,
				      finding_wrong("", "there are %lld %s, a user may have %lld",
						    count, names[i], limit));
	}
	if (!found.what)
		found = segments.all ? finding_ok("no limit is reached")
				     : finding_unknown("only root sees how many segments users have");
	segments_free(&segments);
	free(counters);
	return found;
}

const struct check checks_of_module[] = {
	{ "module", check_module },
	{ "installed", check_installed },
	{ "versions", check_versions },
	{ "device", check_device },
	{ "permit_mask", check_permit_mask },
	{ "limits", check_limits },
	{ NULL, NULL },
};
