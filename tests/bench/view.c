// SPDX-License-Identifier: GPL-2.0-or-later
/* See view.h. */
#include "view.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "xpmem_ext.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

struct view view_open(const struct job *job)
{
	struct view view = { .source = job->source, .fd = -1 };
	char path[64];

	if (job->source == SOURCE_XPMEM) {
		view.apid = xpmem_get(job->segid, XPMEM_RDWR, XPMEM_PERMIT_MODE, NULL);
		if (view.apid == -1)
			fatal("xpmem_get");
		return view;
	}
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)job->owner, job->fd);
	view.fd = open(path, O_RDWR | O_CLOEXEC);
	if (view.fd < 0)
		fatal("the owner's memfd");
	return view;
}

void view_close(const struct view *view)
{
	if (view->source == SOURCE_XPMEM) {
		if (xpmem_release(view->apid))
			fatal("xpmem_release");
	} else {
		close(view->fd);
	}
}

/* An attachment is placed by the module, a file of this size by nobody. */
static char *map_file(const struct view *view, size_t offset, size_t size)
{
	int prot = PROT_READ | PROT_WRITE;
	char *room, *start;

	if (size % HUGE || offset % HUGE)
		return mmap(NULL, size, prot, MAP_SHARED, view->fd, (off_t)offset);
	room = mmap(NULL, size + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
	if (room == MAP_FAILED)
		return room;
	start = (char *)(((uintptr_t)room + HUGE - 1) & ~(HUGE - 1));
	munmap(room, size + HUGE);
	return mmap(start, size, prot, MAP_SHARED | MAP_FIXED_NOREPLACE, view->fd,
		    (off_t)offset);
}

char *view_map(const struct view *view, size_t offset, size_t size)
{
	char *addr;

	if (view->source == SOURCE_XPMEM) {
		struct xpmem_addr at = { .apid = view->apid, .offset = (off_t)offset };

		addr = xpmem_attach(at, size, NULL);
	} else {
		addr = map_file(view, offset, size);
	}
	if (addr == MAP_FAILED)
		fatal("can't attach %zu bytes", size);
	return addr;
}

void view_unmap(const struct view *view, char *addr, size_t size)
{
	if (view->source == SOURCE_XPMEM ? xpmem_detach(addr) : munmap(addr, size))
		fatal("can't detach");
}

typedef int prefault_fn(void *vaddr, size_t length, unsigned int flags, size_t *done_ret);

static prefault_fn *prefault(void)
{
	static prefault_fn *found;

	if (!found) {
		/* POSIX's way to make a function of what dlsym returns */
		*(void **)&found = dlsym(RTLD_DEFAULT, "xpmem_prefault");
	}
	return found;
}

bool view_can_prefault(enum source source)
{
	return source != SOURCE_XPMEM || prefault();
}

void view_prefault(const struct view *view, char *addr, size_t size)
{
	int err;

	if (view->source != SOURCE_XPMEM) {
		if (madvise(addr, size, MADV_POPULATE_READ))
			fatal("MADV_POPULATE_READ");
		return;
	}
	err = prefault()(addr, size, 0, NULL);
	if (err) {
		errno = -err;
		fatal("xpmem_prefault");
	}
}

static struct {
	struct view view;
	char *addr;
} held;

struct answer view_hold(const struct job *job)
{
	held.view = view_open(job);
	held.addr = view_map(&held.view, job->offset, job->size);
	return (struct answer){ 0 };
}

struct answer view_touch_held(const struct job *job)
{
	uint64_t start = now_ns();

	for (size_t at = 0; at < job->size; at += PAGE)
		read_page(held.addr + at);
	return (struct answer){ { now_ns() - start } };
}

struct answer view_drop(const struct job *job)
{
	uint64_t start = now_ns();
	struct answer answer;

	view_unmap(&held.view, held.addr, job->size);
	answer = (struct answer){ { now_ns() - start } };
	view_close(&held.view);
	return answer;
}

struct answer view_hold_many(const struct job *job)
{
	held.view = view_open(job);
	for (size_t i = 0; i < job->count; i++)
		read_page(view_map(&held.view, job->offset + i * job->stride % job->size, PAGE));
	return (struct answer){ 0 };
}

struct answer view_close_held(const struct job *job)
{
	uint64_t start = now_ns();

	(void)job;
	view_close(&held.view);
	return (struct answer){ { now_ns() - start } };
}
