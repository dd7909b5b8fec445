// SPDX-License-Identifier: GPL-2.0-or-later
/* Checks: the kernel and how the machine is set up. */
#include "doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon.h"
#include "files.h"

/* ------------------------------------------------------- Secure Boot, signature */

/* The variable's 4 bytes of attributes, and its value */
#define SECURE_BOOT "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

static bool enforces_signatures(const struct cli *cli)
{
	char *lockdown = file_line(cli, "/sys/kernel/security/lockdown");
	char *enforce = file_line(cli, "/sys/module/module/parameters/sig_enforce");
	char *path = file_path(cli, SECURE_BOOT);
	FILE *file = fopen(path, "re");
	unsigned char value[5] = { 0 };
	bool enforced = file && fread(value, 1, 5, file) == 5 && value[4] == 1;

	enforced |= lockdown && !strstr(lockdown, "[none]");
	enforced |= enforce && *enforce == 'Y';
	if (file)
		fclose(file);
	free(path);
	free(lockdown);
	free(enforce);
	return enforced;
}

bool doctor_signature_missing(const struct cli *cli)
{
	static const char *const argv[] = { "modinfo", "-F", "signer", "xpmem", NULL };
	struct stat st;
	int status;
	char *signer;
	bool missing;

	if (!enforces_signatures(cli) || file_stat(cli, "/sys/module/xpmem", &st))
		return false;
	signer = program_output(cli, argv, false, &status);
	/* status: it is not installed at all */
	missing = signer && !status && !*signer;
	free(signer);
	return missing;
}

static struct finding check_signature(const struct cli *cli)
{
	if (doctor_signature_missing(cli))
		return finding_wrong("sign it: mokutil --import /var/lib/dkms/mok.pub, reboot, and "
				     "dkms install again",
				     "this kernel loads signed modules alone (Secure Boot), and the "
				     "installed one has no signature");
	return enforces_signatures(cli)
		? finding_ok("this kernel loads signed modules alone, and has no complaint")
		: finding_ok("this kernel loads modules without a signature");
}

/* --------------------------------------------------------------------- taint */

static const struct {
	unsigned int bit;
	char letter;
	const char *text;
	bool bad;	/* else it says only what was loaded, or done on purpose */
} taints[] = {
	{ 0, 'P', "a proprietary module", false },
	{ 1, 'F', "a module loaded by force", true },
	{ 2, 'S', "an unsupported processor", false },
	{ 3, 'R', "a module unloaded by force", true },
	{ 4, 'M', "a machine check", true },
	{ 5, 'B', "a bad page", true },
	{ 6, 'U', "user space asked for it", false },
	{ 7, 'D', "the kernel died", true },
	{ 8, 'A', "an ACPI table replaced", false },
	{ 9, 'W', "a warning of the kernel", true },
	{ 10, 'C', "a staging module", false },
	{ 11, 'I', "a firmware bug", false },
	{ 12, 'O', "a module from outside the kernel", false },
	{ 13, 'E', "an unsigned module", false },
	{ 14, 'L', "a soft lockup", true },
	{ 15, 'K', "a live patch", false },
	{ 18, 'N', "a test", false },
};

static struct finding check_taint(const struct cli *cli)
{
	long long taint = file_number(cli, "/proc/sys/kernel/tainted", -1);
	char *all = cli_format("%s", ""), *more;
	struct finding found;
	bool bad = false;

	if (taint < 0) {
		free(all);
		return finding_unknown("there is no /proc/sys/kernel/tainted");
	}
	for (size_t i = 0; i < sizeof(taints) / sizeof(taints[0]); i++) {
		if (!(taint >> taints[i].bit & 1))
			continue;
		bad |= taints[i].bad;
		more = cli_format("%s%s%c %s", all, *all ? ", " : "", taints[i].letter,
				  taints[i].text);
		free(all);
		all = more;
	}
	if (bad)
		found = finding_wrong("look at what the kernel said first (dmesg), then reboot",
				      "the kernel is tainted: %s", all);
	else
		found = finding_ok("%s%s", *all ? "only by what was loaded: " : "not tainted", all);
	free(all);
	return found;
}

/* --------------------------------------------------------------- userfaultfd */

/*
 * Owners whose memory other partitions may have need it: the device, or the system call
 * for users without capabilities.
 */
static struct finding check_userfaultfd(const struct cli *cli)
{
	struct stat st;

	if (!file_stat(cli, DAEMON_CONFIG, &st))
		return finding_ok("not needed: there is no other partition");
	if (file_number(cli, "/proc/sys/vm/unprivileged_userfaultfd", 0) == 1)
		return finding_ok("users may call userfaultfd");
	if (!file_stat(cli, "/dev/userfaultfd", &st))
		return finding_wrong("sysctl vm.unprivileged_userfaultfd=1",
				     "the kernel has no /dev/userfaultfd, and users may not call "
				     "userfaultfd: no segment of theirs can be made for others");
	if ((st.st_mode & 06) == 06 || ((st.st_mode & 060) == 060 && st.st_gid))
		return finding_ok("users may open /dev/userfaultfd");
	return finding_wrong("a udev rule: KERNEL==\"userfaultfd\", GROUP=\"xpmem\", MODE=\"0660\"",
			     "only root may open /dev/userfaultfd: no segment of users can be made "
			     "for other partitions");
}

/* ---------------------------------------------------------------- huge pages */

static struct finding check_huge_pages(const struct cli *cli)
{
	char *thp = file_line(cli, "/sys/kernel/mm/transparent_hugepage/enabled");
	long long reserved = file_number(cli, "/proc/sys/vm/nr_hugepages", 0);
	struct finding found;

	if (!thp)
		found = finding_ok("this kernel has no transparent huge pages; %lld are reserved",
				   reserved);
	else if (!strstr(thp, "[never]"))
		found = finding_ok("transparent huge pages: %s; %lld are reserved", thp, reserved);
	else if (reserved > 0)
		found = finding_ok("transparent huge pages are off; %lld are reserved", reserved);
	else
		found = finding_wrong("echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
				      "there are no huge pages of any kind: large attachments take 512 "
				      "times as many page table entries");
	free(thp);
	return found;
}

const struct check checks_of_node[] = {
	{ "signature", check_signature },
	{ "taint", check_taint },
	{ "userfaultfd", check_userfaultfd },
	{ "huge_pages", check_huge_pages },
	{ NULL, NULL },
};
