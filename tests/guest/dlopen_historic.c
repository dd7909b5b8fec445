// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does a program that loads libxpmem.so.0 at run time, as it would any other
 * libxpmem, find the historic calls by plain name and can it share memory?
 *
 * Types and constants are those that such a program brought along.  XPMEM_LIBDIR
 * says where the library is.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIP 77
#define SIZE (16 * 4096)

struct historic_addr {
	long long apid;
	long offset;
};

static int (*h_init)(void);
static int (*h_ioctl)(int, void *);
static int (*h_version)(void);
static long long (*h_make)(void *, size_t, int, void *);
static int (*h_remove)(long long);
static long long (*h_get)(long long, int, int, void *);
static int (*h_release)(long long);
static void *(*h_attach)(struct historic_addr, size_t, void *);
static int (*h_detach)(void *);

#define check(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			exit(1); \
		} \
	} while (0)

static void find(void *library, const char *name, void *function)
{
	void *symbol = dlsym(library, name);

	if (!symbol) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	memcpy(function, &symbol, sizeof(symbol));
}

static void *load(void)
{
	const char *directory = getenv("XPMEM_LIBDIR");
	char path[4096];
	void *library;

	if (!directory) {
		fprintf(stderr, "skipped: XPMEM_LIBDIR is not set\n");
		exit(SKIP);
	}
	snprintf(path, sizeof(path), "%s/libxpmem.so.0", directory);
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	find(library, "xpmem_init", &h_init);
	find(library, "xpmem_ioctl", &h_ioctl);
	find(library, "xpmem_version", &h_version);
	find(library, "xpmem_make", &h_make);
	find(library, "xpmem_remove", &h_remove);
	find(library, "xpmem_get", &h_get);
	find(library, "xpmem_release", &h_release);
	find(library, "xpmem_attach", &h_attach);
	find(library, "xpmem_detach", &h_detach);
	return library;
}

/* The other process: all it has is the number. */
static int attacher(long long segid)
{
	struct historic_addr where = { 0, 4096 };
	long long apid = h_get(segid, 2, 1, NULL);
	char *at;

	check(apid > 0);
	where.apid = apid;
	at = h_attach(where, SIZE - 4096, NULL);
	check(at != (char *)-1);
	check(!strcmp(at, "from the owner"));
	strcpy(at + 4096, "from the attacher");
	check(h_detach(at + 5) == 0);
	check(h_release(apid) == 0);
	return 0;
}

int main(void)
{
	unsigned long long argument[5] = { 0 };
	void *library = load();
	long long segid;
	char *memory;
	int status;
	pid_t pid;

	alarm(30);
	check(h_init() == 0);
	check(h_version() == 0x30000);
	check(h_ioctl(0x7800, NULL) == 0x30000);

	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(memory != MAP_FAILED);
	strcpy(memory + 4096, "from the owner");
	segid = h_make(memory, SIZE, 1, (void *)0600);
	check(segid > 0);
	pid = fork();
	check(pid >= 0);
	if (!pid)
		_exit(attacher(segid));
	check(waitpid(pid, &status, 0) == pid && status == 0);
	check(!strcmp(memory + 8192, "from the attacher"));

	/* by a raw request of the historic layout */
	argument[0] = (unsigned long)memory;
	argument[1] = SIZE;
	argument[2] = 1;
	argument[3] = 0600;
	check(h_ioctl(0x7801, argument) == 0);
	check(h_remove((long long)argument[4]) == 0);

	/* a library that is closed does not take what is shared with it */
	check(dlclose(library) == 0);
	pid = fork();
	check(pid >= 0);
	if (!pid)
		_exit(attacher(segid));
	check(waitpid(pid, &status, 0) == pid && status == 0);
	check(h_remove(segid) == 0);
	return 0;
}
