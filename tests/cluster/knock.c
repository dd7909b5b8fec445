// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One segment, and one attempt at it, for tests of who gets what.
 *
 *	knock share [local | read]	a page with a word; prints its segid, and lives until
 *					SIGTERM, when it prints what the word is then
 *	knock share hugetlb		two pages of hugetlb, with a word in each, and in the
 *					second 4 KiB of the first
 *	knock get SEGID [read]		get, attach, load and store (or only load); prints the
 *					word there, or which call failed with which errno
 *	knock get SEGID second		the same in the second page of hugetlb
 *	knock get SEGID hold		the same in the first, and has it until SIGTERM
 *
 * Exit status 0: it was tried; 1: it could not be; 2: wrong arguments.
 */
#include <errno.h>
#include <setjmp.h>
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
#define HUGE (2UL << 20)
#define WORD 4711

static int usage(void)
{
	fprintf(stderr, "usage: knock share [local | read | hugetlb], "
			"knock get SEGID [read | second | hold]\n");
	return 2;
}

static sigjmp_buf lost;

static void on_lost(int signal)
{
	siglongjmp(lost, signal);
}

static void print_word(const volatile uint64_t *word)
{
	if (sigsetjmp(lost, 1))
		printf("SIGBUS\n");
	else
		printf("%llu\n", (unsigned long long)*word);
}

static void await_end(void)
{
	int signal;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	fflush(stdout);
	sigwait(&set, &signal);
}

static void block_end(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int share(const char *how)
{
	bool huge = !strcmp(how, "hugetlb");
	size_t size = huge ? 2 * HUGE : PAGE;
	volatile uint64_t *page = mmap(NULL, size, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS | (huge ? MAP_HUGETLB : 0), -1, 0);
	xpmem_segid_t segid;
	int error = 0;

	if (page == MAP_FAILED) {
		perror("no memory");
		return 1;
	}
	block_end();
	*page = WORD;
	if (huge)
		page[PAGE / 8] = page[HUGE / 8] = WORD;
	if (!strcmp(how, "local")) {
		segid = xpmem_make((void *)page, size, XPMEM_PERMIT_MODE, (void *)0600);
		error = segid < 0 ? -errno : 0;
	} else {
		error = xpmem_make_remote((void *)page, size, XPMEM_PERMIT_MODE, (void *)0600,
					  strcmp(how, "read") ? XPMEM_REMOTE_WRITE : 0, &segid);
	}
	if (error) {
		fprintf(stderr, "no segment: %s\n", strerror(-error));
		return 1;
	}
	printf("%lld\n", (long long)segid);
	await_end();
	signal(SIGBUS, on_lost);
	print_word(page);
	if (huge) {
		print_word(page + PAGE / 8);
		print_word(page + HUGE / 8);
	}
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

static int get(xpmem_segid_t segid, const char *how)
{
	struct xpmem_addr where = { .offset = strcmp(how, "second") ? 0 : HUGE };
	bool write = strcmp(how, "read");
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
	if (!strcmp(how, "hold")) {
		block_end();
		await_end();
	}
	return 0;
}

static bool is_one_of(const char *how, const char *const *words)
{
	while (*words && strcmp(how, *words))
		words++;
	return *words;
}

int main(int argc, char **argv)
{
	static const char *const shares[] = { "", "local", "read", "hugetlb", NULL };
	static const char *const gets[] = { "", "read", "second", "hold", NULL };
	const char *how = "";

	if (argc >= 2 && argc <= 3 && !strcmp(argv[1], "share")) {
		how = argc == 3 ? argv[2] : how;
		if (is_one_of(how, shares))
			return share(how);
	} else if (argc >= 3 && argc <= 4 && !strcmp(argv[1], "get")) {
		how = argc == 4 ? argv[3] : how;
		if (is_one_of(how, gets))
			return get(strtoll(argv[2], NULL, 10), how);
	}
	return usage();
}
