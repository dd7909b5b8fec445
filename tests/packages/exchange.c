// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does memory that one process made a segment appear in another, and stores of that
 * in the first, with the library and the module that are installed?
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xpmem.h>

#define SIZE (64UL << 10)

static void need(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static int attacher(xpmem_segid_t segid)
{
	struct xpmem_addr addr = { 0 };
	char *at;

	addr.apid = xpmem_get(segid, XPMEM_RDWR, XPMEM_PERMIT_MODE, NULL);
	need(addr.apid > 0, "xpmem_get");
	at = xpmem_attach(addr, SIZE, NULL);
	need(at != (void *)-1, "xpmem_attach");
	need(strcmp(at + SIZE - 16, "from the owner") == 0, "what the owner wrote");
	strcpy(at, "from the attacher");
	need(xpmem_detach(at) == 0, "xpmem_detach");
	need(xpmem_release(addr.apid) == 0, "xpmem_release");
	return 0;
}

int main(void)
{
	xpmem_segid_t segid;
	int status;
	char *memory;
	pid_t pid;

	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	need(memory != MAP_FAILED, "mmap");
	segid = xpmem_make(memory, SIZE, XPMEM_PERMIT_MODE, (void *)0600);
	need(segid > 0, "xpmem_make");
	strcpy(memory + SIZE - 16, "from the owner");
	pid = fork();
	need(pid >= 0, "fork");
	if (pid == 0)
		_exit(attacher(segid));
	need(waitpid(pid, &status, 0) == pid && status == 0, "the attacher");
	need(strcmp(memory, "from the attacher") == 0, "what the attacher wrote");
	need(xpmem_remove(segid) == 0, "xpmem_remove");
	return 0;
}
