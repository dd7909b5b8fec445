// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * SPLIT: ordinary memory takes the place of a page of hugetlb, with the same content.
 *
 * Who loses a page of hugetlb loses all 2 MiB of it, so no part of one can be another
 * partition's alone.  What takes its place has pages of 4 KiB, is prepared elsewhere
 * (content, protection, NUMA policy, traps), and comes by one mremap(2): a thread of the
 * process sees either, and both are the same, as nobody can store to the first.  It is
 * copied by /proc, as the process may unmap it meanwhile.
 *
 * The new memory is write-protected by the userfaultfd as the old one was; xpmemd lifts
 * that where no other partition has a page.  The module is not asked, and asks nobody:
 * the content stays.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "maps.h"
#include "remote.h"
#include "userfault.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/mempolicy.h>

#define HUGE ((uintptr_t)2 << 20)

/* Left to others when memory is taken for this */
#define SPARE_KIB (64UL << 10)

#define NODES	  1024
#define LONG_BITS (8 * sizeof(unsigned long))

static int find_entry(uintptr_t at, struct maps_entry *entry)
{
	struct maps maps;
	int rc = maps_open(&maps);

	if (rc < 0)
		return rc;
	do
		rc = maps_next(&maps, entry);
	while (rc > 0 && entry->end <= at);
	maps_close(&maps);
	return rc < 0 ? rc : rc > 0 && entry->start <= at ? 0 : -EFAULT;
}

/*
 * Returns 0 if [start, + HUGE) is of one mapping of hugetlb, and no store can have changed
 * it since xpmemd asked.
 */
static int check(struct remote *remote, uintptr_t start,
		 struct maps_entry *entry)
{
	int rc = find_entry(start, entry);

	if (rc < 0)
		return rc;
	if (entry->kind != MAPS_HUGE || entry->end < start + HUGE) {
		helper_say(remote, entry);
		return -EOPNOTSUPP;
	}
	rc = helper_all_pages(remote, start, start + HUGE, PAGE_TRAPPED, true);
	return rc > 0 ? 0 : rc < 0 ? rc : -EAGAIN;
}

/* What is reserved for hugetlb is not there for other memory. */
static int enough_memory(struct remote *remote)
{
	static const char name[] = "MemAvailable:";
	static const char said[] =
		"not enough MemAvailable for a page of hugetlb";
	unsigned long kib = 0;
	const char *at;
	char text[1024];
	ssize_t got;
	int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got <= 0)
		return -ENOMEM;
	text[got] = 0;
	at = strstr(text, name);
	if (!at)
		return -ENOMEM;
	for (at += strlen(name); *at == ' '; at++)
		;
	for (; *at >= '0' && *at <= '9'; at++)
		kib = kib * 10 + (unsigned long)(*at - '0');
	if (kib >= SPARE_KIB + HUGE / 1024)
		return 0;
	memcpy(remote->text, said, sizeof(said) - 1);
	remote->text_length = sizeof(said) - 1;
	return -ENOMEM;
}

/* On the node where the other is.  A kernel without NUMA has one. */
static void place(char *copy, uintptr_t start)
{
	unsigned long nodes[NODES / LONG_BITS] = { 0 };
	int node;

	if (syscall(SYS_get_mempolicy, &node, NULL, 0, start,
		    MPOL_F_NODE | MPOL_F_ADDR) < 0 ||
	    node < 0 || node >= NODES)
		return;
	nodes[(size_t)node / LONG_BITS] = 1UL << (size_t)node % LONG_BITS;
	syscall(SYS_mbind, copy, HUGE, MPOL_PREFERRED, nodes, NODES + 1, 0);
}

static void take_policy(char *copy, uintptr_t start)
{
	unsigned long nodes[NODES / LONG_BITS] = { 0 };
	int mode;

	if (syscall(SYS_get_mempolicy, &mode, nodes, NODES, start,
		    MPOL_F_ADDR) < 0)
		mode = MPOL_DEFAULT;
	syscall(SYS_mbind, copy, HUGE, mode,
		mode == MPOL_DEFAULT ? NULL : nodes, NODES + 1, 0);
}

static int fill(char *copy, uintptr_t start)
{
	size_t done = 0;
	int fd, rc = 0;

	fd = open("/proc/thread-self/mem", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (done < HUGE && rc == 0) {
		ssize_t got = pread(fd, copy + done, HUGE - done,
				    (off_t)(start + done));

		if (got > 0)
			done += (size_t)got;
		else if (got == 0 || errno != EINTR)
			rc = -EAGAIN; /* it is not there any more */
	}
	close(fd);
	return rc;
}

static int prepare(const struct remote *remote, char *copy, uintptr_t start,
		   int prot)
{
	uintptr_t to = (uintptr_t)copy;
	int rc;

	place(copy, start);
	rc = fill(copy, start);
	if (rc < 0)
		return rc;
	take_policy(copy, start);
	if (mprotect(copy, HUGE, prot) < 0)
		return -errno;
	rc = userfault_register(remote->userfault, to, to + HUGE);
	if (rc < 0)
		return rc;
	return userfault_protect(remote->userfault, to, to + HUGE);
}

int helper_split(struct remote *remote, uintptr_t at)
{
	uintptr_t start = at & ~(HUGE - 1);
	struct maps_entry entry;
	char *copy;
	int prot, rc;

	rc = find_entry(at, &entry);
	if (rc < 0 || entry.kind == MAPS_ANON)
		return rc;
	rc = check(remote, start, &entry);
	if (rc == 0)
		rc = enough_memory(remote);
	if (rc < 0)
		return rc;
	prot = entry.prot;
	copy = mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (copy == MAP_FAILED)
		return -errno;
	rc = prepare(remote, copy, start, prot);
	if (rc == 0)
		rc = check(remote, start, &entry);
	if (rc == 0 && entry.prot != prot)
		rc = -EAGAIN;
	if (rc == 0 && mremap(copy, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			      (void *)start) == MAP_FAILED)
		rc = -errno;
	if (rc < 0)
		munmap(copy, HUGE);
	return rc;
}
