// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Is owner memory that is first touched through an attachment put where the
 * owner's policy says, not where the toucher runs or allocates?
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <linux/mempolicy.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* More than one window of a fault, several times */
#define PAGES 256
#define SIZE (PAGES * PAGE)

#define NODE0 1UL
#define NODE1 2UL

enum where { ON_0, ON_1, HALF };

static const struct {
	const char *name;
	int mode;		/* of the owner's task, or -1: none */
	unsigned long nodes;
	int vma_mode;		/* of mbind, or -1 */
	unsigned long vma_nodes;
	int cpu_node;		/* where the owner runs */
	bool shared;		/* MAP_SHARED */
	enum where wanted;
} owners[] = {
	{ "set_mempolicy(BIND, 1)", MPOL_BIND, NODE1, -1, 0, 0, false, ON_1 },
	{ "set_mempolicy(PREFERRED, 1)", MPOL_PREFERRED, NODE1, -1, 0, 0, false, ON_1 },
	{ "set_mempolicy(INTERLEAVE)", MPOL_INTERLEAVE, NODE0 | NODE1, -1, 0, 0, false, HALF },
	{ "mbind(BIND, 1)", -1, 0, MPOL_BIND, NODE1, 0, false, ON_1 },
	{ "mbind(INTERLEAVE)", -1, 0, MPOL_INTERLEAVE, NODE0 | NODE1, 0, false, HALF },
	{ "mbind(BIND, 0) over set_mempolicy(BIND, 1)", MPOL_BIND, NODE1, MPOL_BIND, NODE0, 1,
	  false, ON_0 },
	{ "no policy, on node 1", -1, 0, -1, 0, 1, false, ON_1 },
	{ "no policy, on node 0", -1, 0, -1, 0, 0, false, ON_0 },
	{ "set_mempolicy(LOCAL), on node 1", MPOL_LOCAL, 0, -1, 0, 1, false, ON_1 },
	{ "shared memory, set_mempolicy(BIND, 1)", MPOL_BIND, NODE1, -1, 0, 0, true, ON_1 },
	{ "shared memory, no policy, on node 1", -1, 0, -1, 0, 1, true, ON_1 },
};
#define OWNERS (int)(sizeof(owners) / sizeof(owners[0]))

/* How the toucher touches, and what policy of its own it has meanwhile */
enum { LOAD, STORE, PREFAULT, WAYS };

static int owner_number;

static int cpu_of_node[2];

static void find_cpus(void)
{
	for (int node = 0; node < 2; node++) {
		char path[80], list[64] = {};
		FILE *file;

		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/cpulist", node);
		file = fopen(path, "re");
		if (!file || !fgets(list, sizeof(list), file) ||
		    sscanf(list, "%d", &cpu_of_node[node]) != 1)
			skip("the guest has no two nodes with CPUs");
		fclose(file);
	}
}

static void run_on_node(int node)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu_of_node[node], &set);
	check(sched_setaffinity(0, sizeof(set), &set) == 0);
}

static void set_policy(int mode, unsigned long nodes)
{
	check(syscall(SYS_set_mempolicy, mode, nodes ? &nodes : NULL, nodes ? 64 : 0) == 0);
}

/* Fails the test unless this process's policy is still this one */
static void check_policy(int mode, unsigned long nodes)
{
	unsigned long now_nodes = 0;
	int now = -1;

	check(syscall(SYS_get_mempolicy, &now, &now_nodes, 64, NULL, 0) == 0);
	if (now != mode || now_nodes != nodes)
		fail("the toucher's policy became %d on %#lx, was %d on %#lx", now, now_nodes,
		     mode, nodes);
}

static char *make_memory(void)
{
	char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
			    owners[owner_number].shared ? MAP_SHARED | MAP_ANONYMOUS :
							  MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);

	check(memory != MAP_FAILED);
	no_huge_pages(memory, SIZE);
	if (owners[owner_number].vma_mode >= 0)
		check(syscall(SYS_mbind, memory, SIZE, owners[owner_number].vma_mode,
			      &owners[owner_number].vma_nodes, 64, 0) == 0);
	return memory;
}

static void check_places(const char *memory, int way)
{
	static const char *const ways[] = { "loads", "stores", "prefault" };
	int on[2] = {}, bad = 0;
	void *pages[PAGES];
	int status[PAGES];

	for (int i = 0; i < PAGES; i++)
		pages[i] = (char *)memory + i * PAGE;
	check(syscall(SYS_move_pages, 0, PAGES, pages, NULL, status, 0) == 0);
	for (int i = 0; i < PAGES; i++) {
		if (status[i] < 0 || status[i] > 1)
			fail("%s: page %d was not put anywhere: %d", owners[owner_number].name, i,
			     status[i]);
		on[status[i]]++;
	}
	printf("%s, %s: %d and %d\n", owners[owner_number].name, ways[way], on[0], on[1]);
	switch (owners[owner_number].wanted) {
	case ON_0:
		bad = on[1];
		break;
	case ON_1:
		bad = on[0];
		break;
	case HALF:
		bad = on[0] < PAGES / 4 || on[1] < PAGES / 4;
		break;
	}
	if (bad)
		fail("%s, %s: %d pages on node 0, %d on node 1", owners[owner_number].name,
		     ways[way], on[0], on[1]);
}

static void owner(int way)
{
	char *memory;

	run_on_node(owners[owner_number].cpu_node);
	if (owners[owner_number].mode >= 0)
		set_policy(owners[owner_number].mode, owners[owner_number].nodes);
	memory = make_memory();
	board->segid[0] = make_segment(memory, SIZE);
	reach(1);
	await(2);
	/* A load of private memory shows the zero page, which is nowhere. */
	if (way == LOAD && !owners[owner_number].shared)
		return;
	check_places(memory, way);
}

static void touch(char *at, int way)
{
	switch (way) {
	case LOAD:
		for (int i = 0; i < PAGES; i++)
			check(!*(volatile char *)(at + i * PAGE));
		break;
	case STORE:
		for (int i = 0; i < PAGES; i++)
			*(volatile char *)(at + i * PAGE) = 1;
		break;
	case PREFAULT:
		check(xpmem_prefault(at, SIZE, XPMEM_PREFAULT_WRITE, NULL) == 0);
		break;
	}
}

/* Node of a page of this process's own, new */
static int own_node(void)
{
	void *page = map_anon(PAGE);
	int status = -1;

	*(volatile char *)page = 1;
	check(syscall(SYS_move_pages, 0, 1, &page, NULL, &status, 0) == 0);
	munmap(page, PAGE);
	return status;
}

static void toucher(int way)
{
	static const struct {
		int mode;
		unsigned long nodes;
	} own[] = { { MPOL_DEFAULT, 0 }, { MPOL_BIND, NODE0 }, { MPOL_PREFERRED, NODE0 } };
	cpu_set_t before, after;
	int policy = owner_number % 3;

	run_on_node(0);
	check(sched_getaffinity(0, sizeof(before), &before) == 0);
	set_policy(own[policy].mode, own[policy].nodes);
	await(1);
	touch(attach_at(get_segment(board->segid[0], XPMEM_RDWR), 0, SIZE), way);
	check_policy(own[policy].mode, own[policy].nodes);
	check(own_node() == 0);
	check(sched_getaffinity(0, sizeof(after), &after) == 0);
	check(CPU_EQUAL(&before, &after));
	reach(2);
}

int main(void)
{
	test_begin(90);
	find_cpus();
	for (owner_number = 0; owner_number < OWNERS; owner_number++) {
		for (int way = 0; way < WAYS; way++) {
			pid_t pids[2];

			atomic_store(&board->step, 0);
			pids[0] = spawn(owner, way);
			pids[1] = spawn(toucher, way);
			join(pids[1]);
			join(pids[0]);
		}
	}
	return 0;
}
