// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One segment, and one attempt at it, for tests of who gets what.
 *
 *	knock share [local | read]	a page with a word; prints its segid, and lives until
 *					SIGTERM, when it prints what the word is then
 *	knock get SEGID [read]		get, attach, load and store (or only load); prints the
 *					word there, or which call failed with which errno
 *
 * Exit status 0: it was tried; 1: it could not be; 2: wrong arguments.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xpmem.h>
#include <xpmem_ext.h>

#define PAGE 4096
#define WORD 4711

static int usage(void)
{
	fprintf(stderr, "usage: knock share [local | read], knock get SEGID [read]\n");
	return 2;
}

static int share(const char *how)
{
	uint64_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	xpmem_segid_t segid;
	int error = 0, signal;
	sigset_t set;

	if (page == MAP_FAILED)
		return 1;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	*page = WORD;
	if (!strcmp(how, "local")) {
		segid = xpmem_make(page, PAGE, XPMEM_PERMIT_MODE, (void *)0600);
		error = segid < 0 ? -errno : 0;
	} else {
		error = xpmem_make_remote(page, PAGE, XPMEM_PERMIT_MODE, (void *)0600,
					  strcmp(how, "read") ? XPMEM_REMOTE_WRITE : 0, &segid);
	}
	if (error) {
		fprintf(stderr, "no segment: %s\n", strerror(-error));
		return 1;
	}
	printf("%lld\n", (long long)segid);
	fflush(stdout);
	sigwait(&set, &signal);
	printf("%llu\n", (unsigned long long)*page);
	return 0;
}

static int failed(const char *call)
{
	printf("%s: %s\n", call, strerrorname_np(errno));
	return 0;
}

static void on_sigbus(int signal)
{
	static const char text[] = "access: SIGBUS\n";

	(void)signal;
	_exit(write(STDOUT_FILENO, text, sizeof(text) - 1) < 0);
}

static int get(xpmem_segid_t segid, bool write)
{
	struct xpmem_addr where = { .offset = 0 };
	volatile uint64_t *page;

	where.apid = xpmem_get(segid, write ? XPMEM_RDWR : XPMEM_RDONLY, XPMEM_PERMIT_MODE, NULL);
	if (where.apid < 0)
		return failed("get");
	page = xpmem_attach(where, PAGE, NULL);
	if (page == (void *)-1)
		return failed("attach");
	signal(SIGBUS, on_sigbus);
	if (write)
		page[1] = getuid(); /* not the word: nobody changes that */
	printf("%llu\n", (unsigned long long)*page);
	return 0;
}

int main(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[argc - 1] : "";

	if (argc >= 2 && argc <= 3 && !strcmp(argv[1], "share") &&
	    (argc == 2 || !strcmp(how, "local") || !strcmp(how, "read")))
		return share(how);
	if (argc >= 3 && argc <= 4 && !strcmp(argv[1], "get") && (argc == 3 || !strcmp(how, "read")))
		return get(strtoll(argv[2], NULL, 10), argc == 3);
	return usage();
}
