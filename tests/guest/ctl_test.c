// SPDX-License-Identifier: GPL-2.0-or-later
/* See ctl_test.h. */
#include "ctl_test.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

int ctl = -1;

int ctl_open(void)
{
	return open("/dev/xpmem-ctl", O_RDWR | O_CLOEXEC);
}

int ctl_hello(int fd, uint32_t number, struct xpmem_ctl_hello *hello)
{
	hello->size = sizeof(*hello);
	hello->partition = number;
	return ioctl(fd, XPMEM_CTL_IOC_HELLO, hello) ? -errno : 0;
}

void ctl_begin_with(uint32_t lease_ms, uint32_t fault_ms)
{
	struct xpmem_ctl_hello hello = {
		.lease_ms = lease_ms,
		.skew_ms = SKEW_MS,
		.fault_ms = fault_ms,
	};

	ctl = ctl_open();
	check(ctl >= 0);
	check(ctl_hello(ctl, HERE, &hello) == 0);
	check(hello.out_incarnation != 0);
}

void ctl_begin(void)
{
	ctl_begin_with(LEASE_MS, FAULT_MS);
}

void ctl_end(void)
{
	check(close(ctl) == 0);
	ctl = -1;
}

void ctl_not_ours(void)
{
	if (ctl >= 0)
		close(ctl);
	ctl = -1;
}

xpmem_segid_t ctl_foreign(void)
{
	static uint64_t last;

	if (!last)
		last = (uint64_t)getpid() << 20;
	return (int64_t)((uint64_t)THERE << XPMEM_PARTITION_SHIFT | ++last);
}

bool ctl_next(struct xpmem_ctl_record *record, int milliseconds)
{
	struct pollfd fd = { .fd = ctl, .events = POLLIN };
	ssize_t ret;

	/* What was to be told may be over: a blocking read would wait for the next. */
	check(fcntl(ctl, F_SETFL, O_NONBLOCK) == 0);
	do {
		if (poll(&fd, 1, milliseconds) != 1 || !(fd.revents & POLLIN))
			return false;
		ret = read(ctl, record, sizeof(*record));
	} while (ret == sizeof(*record) && record->type == XPMEM_CTL_UNMAP);
	check(ret == sizeof(*record) || (ret == -1 && (errno == EAGAIN || errno == ESHUTDOWN)));
	return ret == sizeof(*record);
}

struct xpmem_ctl_record ctl_expect(uint32_t type)
{
	struct xpmem_ctl_record record;

	if (!ctl_next(&record, 10000 * (int)slowness()))
		fail("no record, wanted one of type %u", type);
	if (record.type != type)
		fail("record of type %u, wanted %u", record.type, type);
	return record;
}

void ctl_expect_none(int milliseconds)
{
	struct xpmem_ctl_record record;

	if (ctl_next(&record, milliseconds))
		fail("a record of type %u, wanted none", record.type);
}

static int result(int ret)
{
	return ret ? -errno : 0;
}

int ctl_complete(uint64_t id, int error, uint64_t value)
{
	struct xpmem_ctl_complete req = {
		.size = sizeof(req), .error = (uint32_t)error, .id = id, .value = value,
	};

	return result(ioctl(ctl, XPMEM_CTL_IOC_COMPLETE, &req));
}

int ctl_lease(uint32_t partition, uint64_t until)
{
	struct xpmem_ctl_lease req = {
		.size = sizeof(req), .partition = partition, .until = until,
	};

	return result(ioctl(ctl, XPMEM_CTL_IOC_LEASE, &req));
}

int ctl_forget(xpmem_segid_t segid, uint32_t flags)
{
	struct xpmem_ctl_forget req = { .size = sizeof(req), .flags = flags, .segid = segid };

	return result(ioctl(ctl, XPMEM_CTL_IOC_FORGET, &req));
}

int ctl_mark(xpmem_segid_t segid, uint64_t first, uint64_t count, uint32_t flags)
{
	struct xpmem_ctl_mark req = {
		.size = sizeof(req), .flags = flags, .segid = segid, .first = first,
		.count = count,
	};

	return result(ioctl(ctl, XPMEM_CTL_IOC_MARK, &req));
}

uint64_t ctl_copy(xpmem_segid_t segid, uint64_t first, uint64_t count, void *buffer,
		  uint32_t flags, int *error)
{
	struct xpmem_ctl_copy req = {
		.size = sizeof(req), .flags = flags, .segid = segid, .first = first,
		.count = count, .buffer = (uintptr_t)buffer,
	};

	*error = result(ioctl(ctl, XPMEM_CTL_IOC_COPY, &req));
	return req.out_count;
}

int64_t ctl_install(uint64_t id, xpmem_segid_t segid, uint64_t first, uint64_t count,
		    uint32_t state, const void *buffer)
{
	struct xpmem_ctl_install req = {
		.size = sizeof(req), .state = state, .id = id, .segid = segid,
		.first = first, .count = count, .buffer = (uintptr_t)buffer,
	};

	return ioctl(ctl, XPMEM_CTL_IOC_INSTALL, &req) ? -errno : (int64_t)req.out_count;
}

int ctl_take(xpmem_segid_t segid, uint64_t first, uint64_t count, uint32_t state, void *buffer,
	     struct ctl_taken *taken)
{
	struct xpmem_ctl_take req = {
		.size = sizeof(req), .state = state, .segid = segid, .first = first,
		.count = count, .buffer = (uintptr_t)buffer,
		.out_exclusive = (uintptr_t)taken->exclusive,
		.out_present = (uintptr_t)taken->present,
	};

	return result(ioctl(ctl, XPMEM_CTL_IOC_TAKE, &req));
}

uint64_t ctl_now(void)
{
	struct timespec now;

	check(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

int share_segment(xpmem_segid_t segid, uint32_t flags)
{
	struct xpmem_ioc_share req = { .size = sizeof(req), .flags = flags, .segid = segid };

	return result(ioctl(device_fd(), XPMEM_IOC_SHARE, &req));
}

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	xpmem_segid_t segid;
	uint32_t flags;
	bool shared;
	void *addr;
	size_t size;
} helper = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void *help(void *unused)
{
	pthread_mutex_lock(&helper.lock);
	check(share_segment(helper.segid, helper.flags) == 0);
	helper.shared = true;
	for (;;) {
		pthread_cond_broadcast(&helper.changed);
		while (!helper.size)
			pthread_cond_wait(&helper.changed, &helper.lock);
		check(madvise(helper.addr, helper.size, MADV_DONTNEED) == 0);
		helper.size = 0;
	}
	return unused;
}

void helper_begin(xpmem_segid_t segid, uint32_t flags)
{
	pthread_t thread;

	pthread_mutex_lock(&helper.lock);
	helper.segid = segid;
	helper.flags = flags;
	helper.shared = false;
	check(pthread_create(&thread, NULL, help, NULL) == 0);
	while (!helper.shared)
		pthread_cond_wait(&helper.changed, &helper.lock);
	pthread_mutex_unlock(&helper.lock);
}

void helper_give_up(void *addr, size_t size)
{
	pthread_mutex_lock(&helper.lock);
	helper.addr = addr;
	helper.size = size;
	pthread_cond_broadcast(&helper.changed);
	while (helper.size)
		pthread_cond_wait(&helper.changed, &helper.lock);
	pthread_mutex_unlock(&helper.lock);
}

/* ------------------------------------------------------------- home */

struct ctl_home_private {
	pthread_t thread;
	pthread_mutex_t lock;
	void *buffer;
};

int ctl_home_take(struct ctl_home *home, uint64_t first, uint64_t count, uint32_t state)
{
	struct ctl_taken taken;
	char *buffer;
	int err;

	pthread_mutex_lock(&home->private->lock);
	buffer = home->private->buffer;
	err = ctl_take(home->segid, first, count, state, buffer, &taken);
	for (uint64_t i = 0; !err && i < count; i++)
		if (taken.exclusive[i / 64] >> i % 64 & 1)
			memcpy(home->data + (first + i) * PAGE, buffer + i * PAGE, PAGE);
	pthread_mutex_unlock(&home->private->lock);
	return err;
}

static void serve_fault(struct ctl_home *home, const struct xpmem_ctl_record *record)
{
	uint32_t state = record->flags & XPMEM_CTL_WRITE ? XPMEM_PAGE_EXCLUSIVE : XPMEM_PAGE_SHARED;
	int64_t done;

	atomic_fetch_add(&home->faults, 1);
	if (state == XPMEM_PAGE_EXCLUSIVE && home->shared_only) {
		ctl_complete(record->id, EFAULT, 0);
		return;
	}
	pthread_mutex_lock(&home->private->lock);
	if (state == XPMEM_PAGE_EXCLUSIVE &&
	    ctl_install(record->id, home->segid, record->first, 1, state, NULL) == 1) {
		atomic_fetch_add(&home->upgrades, 1);
	} else {
		done = ctl_install(record->id, home->segid, record->first, record->count, state,
				   home->data + record->first * PAGE);
		if (done < 0 && done != -ESTALE)
			fail("install failed with %d", (int)done);
	}
	pthread_mutex_unlock(&home->private->lock);
}

static void serve(struct ctl_home *home, const struct xpmem_ctl_record *record)
{
	/* Of a test that failed before */
	if (record->type != XPMEM_CTL_GET && record->segid != home->segid) {
		ctl_forget(record->segid, 0);
		ctl_complete(record->id, 0, 0);
		return;
	}
	switch (record->type) {
	case XPMEM_CTL_GET:
		ctl_complete(record->id, record->segid == home->segid ? 0 : ENOENT,
			     home->pages * PAGE);
		break;
	case XPMEM_CTL_ATTACH:
		ctl_complete(record->id, 0, 0);
		break;
	case XPMEM_CTL_FAULT:
		serve_fault(home, record);
		break;
	case XPMEM_CTL_DROP:
		atomic_fetch_add(&home->drops, 1);
		for (uint64_t i = 0; i < record->count; i += 512) {
			uint64_t left = record->count - i;

			ctl_home_take(home, record->first + i, left < 512 ? left : 512,
				      XPMEM_PAGE_NONE);
		}
		break;
	case XPMEM_CTL_RELEASE:
		for (uint64_t i = 0; i < home->pages; i += 512)
			ctl_home_take(home, i,
				      home->pages - i < 512 ? home->pages - i : 512,
				      XPMEM_PAGE_NONE);
		ctl_forget(record->segid, XPMEM_FORGET_UNUSED);
		atomic_fetch_add(&home->releases, 1);
		break;
	case XPMEM_CTL_RECALL:
		atomic_fetch_add(&home->recalls, 1);
		ctl_complete(record->id, 0, 0);
		break;
	case XPMEM_CTL_GONE:
		atomic_fetch_add(&home->gone, 1);
		ctl_complete(record->id, 0, 0);
		break;
	default:
		fail("a record of type %u", record->type);
	}
}

static void *serve_all(void *arg)
{
	struct ctl_home *home = arg;
	struct xpmem_ctl_record record;

	while (!home->stop) {
		home->muted = home->mute;
		if (home->muted)
			usleep(1000);
		else if (ctl_next(&record, 20))
			serve(home, &record);
	}
	return NULL;
}

void ctl_home_mute(struct ctl_home *home)
{
	home->mute = true;
	await_that(home->muted);
}

void ctl_home_begin(struct ctl_home *home, uint64_t pages)
{
	ctl_home_begin_as(home, pages, ctl_foreign());
}

void ctl_home_begin_as(struct ctl_home *home, uint64_t pages, xpmem_segid_t segid)
{
	memset(home, 0, sizeof(*home));
	home->segid = segid;
	home->pages = pages;
	home->data = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			  -1, 0);
	check(home->data != MAP_FAILED);
	home->private = calloc(1, sizeof(*home->private));
	check(home->private);
	home->private->buffer = map_anon(512 * PAGE);
	check(pthread_mutex_init(&home->private->lock, NULL) == 0);
	check(pthread_create(&home->private->thread, NULL, serve_all, home) == 0);
}

void ctl_home_end(struct ctl_home *home)
{
	home->stop = true;
	check(pthread_join(home->private->thread, NULL) == 0);
	munmap(home->data, home->pages * PAGE);
	munmap(home->private->buffer, 512 * PAGE);
	free(home->private);
}
