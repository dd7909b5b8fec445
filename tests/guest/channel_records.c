// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The daemon's channel: one opener, HELLO first, a question for each call, and the errno
 * of every request with bad arguments.
 */
#include "ctl_test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES	16UL

static const struct {
	unsigned long request;
	unsigned int size;
} requests[] = {
	{ XPMEM_CTL_IOC_HELLO, sizeof(struct xpmem_ctl_hello) },
	{ XPMEM_CTL_IOC_COMPLETE, sizeof(struct xpmem_ctl_complete) },
	{ XPMEM_CTL_IOC_BEAT, sizeof(struct xpmem_ctl_beat) },
	{ XPMEM_CTL_IOC_SEGMENT, sizeof(struct xpmem_ctl_segment) },
	{ XPMEM_CTL_IOC_CHECK, sizeof(struct xpmem_ctl_check) },
	{ XPMEM_CTL_IOC_MARK, sizeof(struct xpmem_ctl_mark) },
	{ XPMEM_CTL_IOC_COPY, sizeof(struct xpmem_ctl_copy) },
	{ XPMEM_CTL_IOC_LIST_MARKED, sizeof(struct xpmem_ctl_list) },
	{ XPMEM_CTL_IOC_INSTALL, sizeof(struct xpmem_ctl_install) },
	{ XPMEM_CTL_IOC_TAKE, sizeof(struct xpmem_ctl_take) },
	{ XPMEM_CTL_IOC_LEASE, sizeof(struct xpmem_ctl_lease) },
	{ XPMEM_CTL_IOC_FORGET, sizeof(struct xpmem_ctl_forget) },
	{ XPMEM_CTL_IOC_LIST, sizeof(struct xpmem_ctl_list) },
};

#define REQUESTS (sizeof(requests) / sizeof(requests[0]))

static struct xpmem_ctl_hello good_hello(void)
{
	return (struct xpmem_ctl_hello){
		.lease_ms = LEASE_MS, .skew_ms = SKEW_MS, .fault_ms = FAULT_MS,
	};
}

/* ---- Opening, HELLO */

static void somebody(int unused)
{
	(void)unused;
	check(ctl_open() == -1 && errno == EBUSY);
	ctl_not_ours();
	become(1000, 1000);
	check(ctl_open() == -1 && errno == EACCES);
}

static void bad_hello(struct xpmem_ctl_hello hello, int error)
{
	uint32_t number = hello.partition;

	check(ctl_hello(ctl, number, &hello) == -error);
}

static void hellos(void)
{
	struct xpmem_ctl_hello hello = good_hello();
	struct xpmem_ctl_record record;

	ctl = ctl_open();
	check(ctl >= 0);
	join(spawn(somebody, 0));
	/* nothing before HELLO */
	check_errno(read(ctl, &record, sizeof(record)), ENOTCONN);
	for (size_t i = 1; i < REQUESTS; i++) {
		uint32_t req[64] = { requests[i].size };

		check_errno(ioctl(ctl, requests[i].request, req), ENOTCONN);
	}
	hello.partition = 0;
	bad_hello(hello, EINVAL);
	hello.partition = XPMEM_PARTITION_MAX + 1;
	bad_hello(hello, EINVAL);
	hello = good_hello();
	hello.partition = HERE;
	hello.flags = 1;
	bad_hello(hello, EOPNOTSUPP);
	hello.flags = 0;
	hello.lease_ms = 0;
	bad_hello(hello, EINVAL);
	hello.lease_ms = 60001;
	bad_hello(hello, EINVAL);
	hello.lease_ms = LEASE_MS;
	hello.fault_ms = 0;
	bad_hello(hello, EINVAL);
	hello.fault_ms = 600001;
	bad_hello(hello, EINVAL);
	hello.fault_ms = FAULT_MS;
	hello.skew_ms = 10001;
	bad_hello(hello, EINVAL);
	hello = good_hello();
	check(ctl_hello(ctl, HERE, &hello) == 0);
	/* Again, with another number: nobody has this one yet. */
	check(ctl_hello(ctl, HERE + 1, &hello) == 0);
	check(ctl_hello(ctl, HERE, &hello) == 0);
}

/* ---- Structures */

static void structures(void)
{
	unsigned char page[2 * PAGE] __attribute__((aligned(4096)));

	for (size_t i = 0; i < REQUESTS; i++) {
		unsigned long request = requests[i].request;
		uint32_t *size = (uint32_t *)page;

		memset(page, 0, sizeof(page));
		*size = requests[i].size - 1;
		check_errno(ioctl(ctl, request, page), EINVAL);
		*size = 0;
		check_errno(ioctl(ctl, request, page), EINVAL);
		*size = PAGE + 1;
		check_errno(ioctl(ctl, request, page), E2BIG);
		*size = requests[i].size + 8;
		page[requests[i].size] = 1;
		check_errno(ioctl(ctl, request, page), E2BIG);
		check_errno(ioctl(ctl, request, NULL), EFAULT);
	}
	check_errno(ioctl(ctl, _IO('x', XPMEM_CTL_NR_END), page), ENOTTY);
	check_errno(ioctl(ctl, _IO('y', XPMEM_CTL_NR_BEAT), page), ENOTTY);
	check_errno(ioctl(ctl, _IO('x', 0x40), page), ENOTTY);
}

static void arguments(void)
{
	struct xpmem_ctl_record record[2];
	struct xpmem_ctl_beat beat = { .size = sizeof(beat), .flags = 1 };
	struct xpmem_ctl_list list = { .size = sizeof(list), .flags = 1, .count = 1 };
	struct ctl_taken taken;
	xpmem_segid_t nobody = ctl_foreign();
	char *buffer = map_anon(PAGE);

	check_errno(ioctl(ctl, XPMEM_CTL_IOC_BEAT, &beat), EOPNOTSUPP);
	beat.flags = 0;
	check(ioctl(ctl, XPMEM_CTL_IOC_BEAT, &beat) == 0);
	check(beat.out_now <= ctl_now() && ctl_now() - beat.out_now < 10 * SECOND * slowness());
	for (int i = 0; i < 2; i++) {
		unsigned long request = i ? XPMEM_CTL_IOC_LIST : XPMEM_CTL_IOC_LIST_MARKED;

		list.flags = 1;
		list.segid = 0;
		check_errno(ioctl(ctl, request, &list), EOPNOTSUPP);
		list.flags = 0;
		list.segid = -1;
		check_errno(ioctl(ctl, request, &list), EINVAL);
		list.segid = INT64_MAX;
		list.count = 1;
		check(ioctl(ctl, request, &list) == 0 && list.count == 0);
	}
	check(ctl_complete(1UL << 60, 0, 0) == -ENOENT);
	check(ctl_complete(0, 0, 0) == -ENOENT);
	check(ctl_complete(1, 4096, 0) == -EINVAL);
	check(ctl_install(0, nobody, 0, 1, XPMEM_PAGE_SHARED, buffer) == -ENOENT);
	check(ctl_install(0, nobody, 0, 1, XPMEM_PAGE_SHARED, NULL) == -EINVAL);
	check(ctl_install(0, nobody, 0, 1, XPMEM_PAGE_NONE, buffer) == -EINVAL);
	check(ctl_install(0, nobody, 0, 1, 3, buffer) == -EINVAL);
	check(ctl_install(0, nobody, 0, 1, XPMEM_PAGE_SHARED, buffer + 1) == -EINVAL);
	check(ctl_take(nobody, 0, 1, XPMEM_PAGE_NONE, buffer, &taken) == -ENOENT);
	check(ctl_take(nobody, 0, 513, XPMEM_PAGE_NONE, buffer, &taken) == -EINVAL);
	check(ctl_take(nobody, 0, 1, XPMEM_PAGE_EXCLUSIVE, buffer, &taken) == -EINVAL);
	check(ctl_take(nobody, 0, 1, XPMEM_PAGE_NONE, buffer + 1, &taken) == -EINVAL);
	check(ctl_forget(nobody, 0) == -ENOENT);
	check(ctl_forget(nobody, 2) == -EOPNOTSUPP);

	check_errno(read(ctl, record, sizeof(record[0]) - 1), EINVAL);
	check(fcntl(ctl, F_SETFL, O_NONBLOCK) == 0);
	check_errno(read(ctl, record, sizeof(record)), EAGAIN);
	check(fcntl(ctl, F_SETFL, 0) == 0);
	check_errno(write(ctl, record, sizeof(record)), EINVAL);
}

/* ---- Records */

static void getter(int error)
{
	ctl_not_ours();
	become(1000, 1001);
	check_errno(xpmem_get(board->segid[0], error == ETIMEDOUT ? XPMEM_RDONLY : XPMEM_RDWR,
			      XPMEM_PERMIT_MODE, NULL), error);
}

static void attacher(int unused)
{
	(void)unused;
	ctl_not_ours();
	board->apid[0] = xpmem_get(board->segid[0], XPMEM_RDONLY, XPMEM_PERMIT_MODE, NULL);
	check(board->apid[0] > 0);
	/* home does not want it; then out of bounds, which nobody is asked */
	check(try_attach(board->apid[0], PAGE, NULL) == (void *)-1 && errno == EOPNOTSUPP);
	check(try_attach(board->apid[0], (PAGES + 1) * PAGE, NULL) == (void *)-1 &&
	      errno == EINVAL);
	check(try_read(attach_at(board->apid[0], PAGE, 2 * PAGE), NULL) == SIGBUS);
	check(xpmem_release(board->apid[0]) == 0);
}

static void records(void)
{
	struct xpmem_ctl_record record, two[2];
	struct pollfd fd;
	pid_t pids[2];

	board->segid[0] = ctl_foreign();
	/* who asks, and what it gets */
	pids[0] = spawn(getter, EACCES);
	record = ctl_expect(XPMEM_CTL_GET);
	check(record.segid == board->segid[0] && record.flags == XPMEM_CTL_WRITE && record.id);
	check(record.uid == 1000 && record.gid == 1001 && record.pid == (uint32_t)pids[0]);
	check(ctl_complete(record.id, EACCES, 0) == 0);
	check(ctl_complete(record.id, EACCES, 0) == -ENOENT);
	join(pids[0]);

	/* a size that no segment has */
	pids[0] = spawn(getter, ENOENT);
	record = ctl_expect(XPMEM_CTL_GET);
	check(ctl_complete(record.id, 0, 0) == -EINVAL);
	check(ctl_complete(record.id, 0, PAGE + 1) == -EINVAL);
	check(ctl_complete(record.id, 0, 1UL << 47) == -EINVAL);
	check(ctl_complete(record.id, ENOENT, 0) == 0);
	join(pids[0]);

	/* several at once, in order; unread ones of who dies are not told */
	pids[0] = spawn(getter, ENOENT);
	await_that((fd = (struct pollfd){ ctl, POLLIN, 0 }, poll(&fd, 1, 0) == 1));
	pids[1] = spawn(getter, ENOENT);
	usleep(300000 * slowness());
	check(read(ctl, two, sizeof(two)) == sizeof(two));
	check(two[0].pid == (uint32_t)pids[0] && two[1].pid == (uint32_t)pids[1]);
	check(two[1].id > two[0].id);
	for (int i = 0; i < 2; i++) {
		check(ctl_complete(two[i].id, ENOENT, 0) == 0);
		join(pids[i]);
	}
	pids[0] = spawn(getter, ENOENT);
	await_that((fd = (struct pollfd){ ctl, POLLIN, 0 }, poll(&fd, 1, 0) == 1));
	kill_and_join(pids[0]);
	ctl_expect_none(100);
	/* one that dies when its question was read */
	pids[0] = spawn(getter, ENOENT);
	record = ctl_expect(XPMEM_CTL_GET);
	kill_and_join(pids[0]);
	check(ctl_complete(record.id, 0, PAGES * PAGE) == -ENOENT);
	check(read_number("/proc/xpmem/counters", "remotes") == 0);

	pids[0] = spawn(attacher, 0);
	record = ctl_expect(XPMEM_CTL_GET);
	check(record.flags == 0);
	check(ctl_complete(record.id, 0, PAGES * PAGE) == 0);
	record = ctl_expect(XPMEM_CTL_ATTACH);
	check(record.first == 0 && record.count == 1);
	check(ctl_complete(record.id, EOPNOTSUPP, 0) == 0);
	record = ctl_expect(XPMEM_CTL_ATTACH);
	check(record.first == 1 && record.count == 2);
	check(ctl_complete(record.id, 0, 0) == 0);
	record = ctl_expect(XPMEM_CTL_FAULT);
	check(record.first == 1 && record.count == 2 && record.flags == 0);
	/* A page outside, and a buffer that is not there */
	check(ctl_lease(THERE, ctl_now() + 60 * SECOND) == 0);
	check(ctl_install(record.id, record.segid, PAGES, 1, XPMEM_PAGE_SHARED,
			  map_anon(PAGE)) == -EINVAL);
	check(ctl_install(record.id, record.segid, 0, 0, XPMEM_PAGE_SHARED, map_anon(PAGE)) ==
	      -EINVAL);
	check(ctl_install(record.id, record.segid, 1, UINT64_MAX, XPMEM_PAGE_SHARED,
			  map_anon(PAGE)) == -EINVAL);
	check(ctl_install(record.id, record.segid, 1, 1, XPMEM_PAGE_SHARED, (void *)PAGE) ==
	      -EFAULT);
	check(ctl_complete(record.id, EIO, 0) == 0);
	/* First the last attachment goes, then the permit: one word may be for both. */
	do
		check(ctl_next(&record, 10000 * (int)slowness()));
	while (record.type == XPMEM_CTL_DROP);
	check(record.type == XPMEM_CTL_RELEASE);
	check(record.segid == board->segid[0] && record.id == 0);
	join(pids[0]);
	check(ctl_forget(record.segid, XPMEM_FORGET_UNUSED) == 0);
	ctl_expect_none(50);
}

/* ---- Numbers */

static void shares(xpmem_segid_t segid)
{
	struct xpmem_ioc_share req[2] = {
		{ .size = sizeof(req[0]) - 1, .flags = XPMEM_SHARE_READ, .segid = segid },
	};

	check_errno(ioctl(device_fd(), XPMEM_IOC_SHARE, NULL), EFAULT);
	check_errno(ioctl(device_fd(), XPMEM_IOC_SHARE, req), EINVAL);
	req[0].size = sizeof(req);
	check(ioctl(device_fd(), XPMEM_IOC_SHARE, req) == 0);
	req[1].segid = 1;
	check_errno(ioctl(device_fd(), XPMEM_IOC_SHARE, req), E2BIG);
}

static void numbers(void)
{
	struct xpmem_ctl_hello hello = good_hello();
	xpmem_segid_t segid = make_segment(map_anon(PAGE), PAGE);

	check((uint64_t)segid >> XPMEM_PARTITION_SHIFT == HERE);
	check(ctl_hello(ctl, HERE + 1, &hello) == -EBUSY);
	check(ctl_hello(ctl, HERE, &hello) == 0);
	/* our own is not asked for elsewhere */
	check_errno(xpmem_get(segid + 1, XPMEM_RDWR, XPMEM_PERMIT_MODE, NULL), ENOENT);
	check(get_segment(segid, XPMEM_RDWR) > 0);
	shares(segid);
	check(share_segment(segid, 0) == -EINVAL);
	check(share_segment(segid, 8) == -EOPNOTSUPP);
	check(share_segment(segid + 1, XPMEM_SHARE_READ) == -ENOENT);
	check(share_segment(segid, XPMEM_SHARE_READ) == 0);
	check(share_segment(segid, XPMEM_SHARE_WRITE | XPMEM_SHARE_LAST_COPY) == 0);
	ctl_end();
	/* without a daemon: those of others can't be got; ids keep the number */
	check_errno(xpmem_get(ctl_foreign(), XPMEM_RDWR, XPMEM_PERMIT_MODE, NULL), ENOTCONN);
	check(xpmem_remove(segid) == 0);
	check((uint64_t)make_segment(map_anon(PAGE), PAGE) >> XPMEM_PARTITION_SHIFT == HERE);
}

int main(void)
{
	test_begin(60);
	hellos();
	structures();
	arguments();
	records();
	numbers();
	return 0;
}
