// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What each call sends to the module, what it makes of the answer, and which
 * arguments it refuses by itself.
 */
#include "check_main.h"
#include "fakedev.h"
#include "xpmem.h"
#include "xpmem_ext.h"

#include "uapi/xpmem_ioctl.h"
#include "uapi/xpmem_legacy.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

int xpmem_ioctl(int cmd, void *arg);

/* The last request as the device saw it, and what it shall answer. */
static union request {
	__u32 size;
	struct xpmem_ioc_query query;
	struct xpmem_ioc_make make;
	struct xpmem_ioc_id id;
	struct xpmem_ioc_get get;
	struct xpmem_ioc_attach attach;
	struct xpmem_ioc_detach detach;
	struct xpmem_ioc_prefault prefault;
} seen;
static unsigned long seen_cmd;
static int answer_rc;

static int record(unsigned long cmd, void *arg)
{
	union request *req = arg;

	seen_cmd = cmd;
	memset(&seen, 0, sizeof(seen));
	memcpy(&seen, req, req->size);
	switch (cmd) {
	case XPMEM_IOC_QUERY:
		req->query.out_features = 0x1234567890;
		req->query.out_max_address = 0x7ffffffff000;
		req->query.out_module_version = FAKE_VERSION;
		req->query.out_page_size = 4096;
		break;
	case XPMEM_IOC_PREFAULT:
		req->prefault.out_length = 8192;
		break;
	}
	if (answer_rc)
		return answer_rc;
	switch (cmd) {
	case XPMEM_IOC_MAKE:
		req->make.out_segid = 0x1122334455667788;
		break;
	case XPMEM_IOC_GET:
		req->get.out_apid = 0x2233445566778899;
		break;
	case XPMEM_IOC_ATTACH:
		req->attach.vaddr = 0x70000000;
		break;
	}
	return 0;
}

static void setup(void)
{
	fake_answer = record;
	answer_rc = 0;
	errno = 123;
}

/* The call just made was refused without asking the module. */
#define expect_refused(call)                        \
	do {                                        \
		errno = 0;                          \
		ck_assert_int_eq((call), -1);       \
		ck_assert_int_eq(errno, EINVAL);    \
		ck_assert_int_eq(fake_requests, 0); \
	} while (0)

START_TEST(version)
{
	ck_assert_int_eq(xpmem_version(), FAKE_VERSION);
	ck_assert_int_eq(seen_cmd, XPMEM_IOC_QUERY);
	ck_assert_int_eq(seen.size, sizeof(seen.query));
	ck_assert_int_eq(errno, 123);
}
END_TEST

START_TEST(make)
{
	ck_assert(xpmem_make((void *)0x10000, 0x3000, XPMEM_PERMIT_MODE,
			     (void *)0640) == 0x1122334455667788);
	ck_assert_int_eq(seen_cmd, XPMEM_IOC_MAKE);
	ck_assert_int_eq(seen.size, sizeof(seen.make));
	ck_assert_uint_eq(seen.make.flags, 0);
	ck_assert_uint_eq(seen.make.vaddr, 0x10000);
	ck_assert_uint_eq(seen.make.length, 0x3000);
	ck_assert_uint_eq(seen.make.mode, 0640);
	ck_assert_uint_eq(seen.make.reserved, 0);
	ck_assert_int_eq(errno, 123);
}
END_TEST

START_TEST(make_whole_address_space)
{
	ck_assert(xpmem_make(NULL, XPMEM_MAXADDR_SIZE, XPMEM_PERMIT_MODE,
			     (void *)0666) > 0);
	ck_assert(seen.make.length == ~(__u64)0);
	ck_assert_uint_eq(seen.make.vaddr, 0);
}
END_TEST

START_TEST(make_refuses_permit)
{
	void *page = (void *)0x10000;

	expect_refused(xpmem_make(page, 4096, 0, (void *)0600));
	expect_refused(xpmem_make(page, 4096, 2, (void *)0600));
	expect_refused(xpmem_make(page, 4096, -1, (void *)0600));
	expect_refused(xpmem_make(page, 4096, 1, (void *)01000));
	expect_refused(xpmem_make(page, 4096, 1, (void *)-1));
	/* whose low 32 bits are a mode */
	expect_refused(
		xpmem_make(page, 4096, 1, (void *)(uintptr_t)0x100000180));
}
END_TEST

START_TEST(make_takes_every_mode)
{
	uintptr_t mode;

	for (mode = 0; mode <= 0777; mode++) {
		ck_assert(xpmem_make(NULL, 4096, 1, (void *)mode) > 0);
		ck_assert_uint_eq(seen.make.mode, mode);
	}
}
END_TEST

START_TEST(remove_and_release)
{
	ck_assert_int_eq(xpmem_remove(-5), 0);
	ck_assert_int_eq(seen_cmd, XPMEM_IOC_REMOVE);
	ck_assert_int_eq(seen.size, sizeof(seen.id));
	ck_assert_int_eq(seen.id.id, -5);
	ck_assert_int_eq(xpmem_release(INT64_MAX), 0);
	ck_assert_int_eq(seen_cmd, XPMEM_IOC_RELEASE);
	ck_assert(seen.id.id == INT64_MAX);
	ck_assert_uint_eq(seen.id.flags, 0);
	ck_assert_int_eq(errno, 123);
}
END_TEST

START_TEST(get)
{
	ck_assert(xpmem_get(7, XPMEM_RDONLY, XPMEM_PERMIT_MODE, NULL) ==
		  0x2233445566778899);
	ck_assert_int_eq(seen_cmd, XPMEM_IOC_GET);
	ck_assert_int_eq(seen.size, sizeof(seen.get));
	ck_assert_int_eq(seen.get.segid, 7);
	ck_assert_uint_eq(seen.get.flags, XPMEM_GET_RDONLY);
	/* Open MPI, MPICH and UCX each pass another permit_value */
	ck_assert(xpmem_get(7, XPMEM_RDWR, XPMEM_PERMIT_MODE, (void *)0666) >
		  0);
	ck_assert_uint_eq(seen.get.flags, XPMEM_GET_RDWR);
	ck_assert(xpmem_get(7, XPMEM_RDWR, XPMEM_PERMIT_MODE, (void *)-1) > 0);
	ck_assert_int_eq(errno, 123);
}
END_TEST

START_TEST(get_refuses_flags_and_type)
{
	expect_refused(xpmem_get(7, 0, XPMEM_PERMIT_MODE, NULL));
	expect_refused(xpmem_get(7, 3, XPMEM_PERMIT_MODE, NULL));
	expect_refused(xpmem_get(7, 4, XPMEM_PERMIT_MODE, NULL));
	expect_refused(xpmem_get(7, -1, XPMEM_PERMIT_MODE, NULL));
	expect_refused(xpmem_get(7, XPMEM_RDWR, 0, NULL));
	expect_refused(xpmem_get(7, XPMEM_RDWR, 2, NULL));
}
END_TEST

START_TEST(attach)
{
	struct xpmem_addr addr = { .apid = 9, .offset = 0x5000 };

	ck_assert_ptr_eq(xpmem_attach(addr, 8388609, NULL), (void *)0x70000000);
	ck_assert_int_eq(seen_cmd, XPMEM_IOC_ATTACH);
	ck_assert_int_eq(seen.size, sizeof(seen.attach));
	ck_assert_uint_eq(seen.attach.flags, 0);
	ck_assert_int_eq(seen.attach.apid, 9);
	ck_assert_uint_eq(seen.attach.offset, 0x5000);
	ck_assert_uint_eq(seen.attach.length, 8388609);
	ck_assert_uint_eq(seen.attach.vaddr, 0);
	xpmem_attach(addr, 4096, (void *)0x60000000);
	ck_assert_uint_eq(seen.attach.vaddr, 0x60000000);
	ck_assert_int_eq(errno, 123);
}
END_TEST

/* -4096 is page aligned, and as an unsigned number an offset like another */
START_TEST(attach_refuses_negative_offset)
{
	struct xpmem_addr addr = { .apid = 9, .offset = -4096 };

	expect_refused((intptr_t)xpmem_attach(addr, 4096, NULL));
	addr.offset = (off_t)1 << (sizeof(off_t) * CHAR_BIT - 2);
	addr.offset *= -2;
	expect_refused((intptr_t)xpmem_attach(addr, 4096, NULL));
}
END_TEST

START_TEST(attach_refuses_size_0)
{
	struct xpmem_addr addr = { .apid = 9 };

	expect_refused((intptr_t)xpmem_attach(addr, 0, NULL));
}
END_TEST

START_TEST(detach)
{
	ck_assert_int_eq(xpmem_detach((void *)0x70000123), 0);
	ck_assert_int_eq(seen_cmd, XPMEM_IOC_DETACH);
	ck_assert_int_eq(seen.size, sizeof(seen.detach));
	ck_assert_uint_eq(seen.detach.vaddr, 0x70000123);
	ck_assert_uint_eq(seen.detach.flags, 0);
	ck_assert_int_eq(errno, 123);
}
END_TEST

/* Every errno of the module arrives as it is, and as -1. */
START_TEST(errors_of_the_module)
{
	static const int errors[] = { EACCES, EINTR,  EINVAL, ENOENT,
				      ENOMEM, ENOTTY, E2BIG,  EOPNOTSUPP };
	struct xpmem_addr addr = { .apid = 9 };
	size_t i;

#define expect_error(call)                          \
	do {                                        \
		errno = 0;                          \
		ck_assert_int_eq((call), -1);       \
		ck_assert_int_eq(errno, errors[i]); \
	} while (0)
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		answer_rc = -errors[i];
		expect_error(xpmem_version());
		expect_error(xpmem_make(NULL, 4096, 1, NULL));
		expect_error(xpmem_remove(1));
		expect_error(xpmem_get(1, XPMEM_RDWR, 1, NULL));
		expect_error(xpmem_release(1));
		expect_error((intptr_t)xpmem_attach(addr, 1, NULL));
		expect_error(xpmem_detach(NULL));
	}
#undef expect_error
}
END_TEST

/* cppcheck-suppress constParameter ; the type is fake_answer's */
static int raw(unsigned long cmd, void *arg)
{
	seen_cmd = cmd;
	return arg == &seen ? 42 : -EFAULT;
}

START_TEST(raw_ioctl)
{
	fake_answer = raw;
	ck_assert_int_eq(xpmem_ioctl(XPMEM_CMD_ATTACH, &seen), 42);
	ck_assert_uint_eq(seen_cmd, XPMEM_CMD_ATTACH);
	ck_assert_int_eq(errno, 123);
	ck_assert_int_eq(xpmem_ioctl(XPMEM_CMD_MAKE, NULL), -1);
	ck_assert_int_eq(errno, EFAULT);
	/* an int with its high bit set is no 64-bit command */
	ck_assert_int_eq(xpmem_ioctl(INT_MIN, &seen), 42);
	ck_assert_uint_eq(seen_cmd, 0x80000000);
}
END_TEST

START_TEST(query)
{
	struct xpmem_info info;

	memset(&info, 0xff, sizeof(info));
	ck_assert_int_eq(xpmem_query(&info, sizeof(info)), 0);
	ck_assert(info.features == 0x1234567890);
	ck_assert(info.max_address == 0x7ffffffff000);
	ck_assert_uint_eq(info.module_version, FAKE_VERSION);
	ck_assert_uint_eq(info.library_version, XPMEM_TEST_VERSION);
	ck_assert_uint_eq(info.page_size, 4096);
	ck_assert_uint_eq(info.reserved, 0);
	ck_assert_int_eq(errno, 123);
}
END_TEST

/* A program of a later release, whose structure has more at its end. */
START_TEST(query_from_newer_program)
{
	struct {
		struct xpmem_info info;
		unsigned char more[24], after;
	} newer;
	size_t i;

	memset(&newer, 0xff, sizeof(newer));
	ck_assert_int_eq(xpmem_query(&newer.info, sizeof(newer.info) + 24), 0);
	ck_assert_uint_eq(newer.info.page_size, 4096);
	for (i = 0; i < sizeof(newer.more); i++)
		ck_assert_uint_eq(newer.more[i], 0);
	ck_assert_uint_eq(newer.after, 0xff);
}
END_TEST

START_TEST(query_refuses_short_structure)
{
	struct xpmem_info info;

	ck_assert_int_eq(xpmem_query(&info, 31), -EINVAL);
	ck_assert_int_eq(xpmem_query(&info, 0), -EINVAL);
	ck_assert_int_eq(xpmem_query(NULL, sizeof(info)), -EINVAL);
	ck_assert_int_eq(fake_requests, 0);
	ck_assert_int_eq(errno, 123);
}
END_TEST

START_TEST(query_fails_without_output)
{
	struct xpmem_info info, before;

	memset(&info, 0xff, sizeof(info));
	before = info;
	answer_rc = -ENOMEM;
	ck_assert_int_eq(xpmem_query(&info, sizeof(info)), -ENOMEM);
	ck_assert_mem_eq(&info, &before, sizeof(info));
	ck_assert_int_eq(errno, 123);
}
END_TEST

START_TEST(prefault)
{
	size_t done = 1;

	ck_assert_int_eq(xpmem_prefault((void *)0x70000000, 8192,
					XPMEM_PREFAULT_WRITE, &done),
			 0);
	ck_assert_int_eq(seen_cmd, XPMEM_IOC_PREFAULT);
	ck_assert_int_eq(seen.size, sizeof(seen.prefault));
	ck_assert_uint_eq(seen.prefault.flags, XPMEM_PREFAULT_WRITE);
	ck_assert_uint_eq(seen.prefault.vaddr, 0x70000000);
	ck_assert_uint_eq(seen.prefault.length, 8192);
	ck_assert_uint_eq(done, 8192);
	ck_assert_int_eq(xpmem_prefault((void *)0x70000000, 8192, 0, NULL), 0);
	ck_assert_int_eq(errno, 123);
}
END_TEST

START_TEST(prefault_fails_half_way)
{
	size_t done = 1;

	answer_rc = -EFAULT;
	ck_assert_int_eq(xpmem_prefault(NULL, 1 << 20, 0, &done), -EFAULT);
	ck_assert_uint_eq(done, 8192);
	ck_assert_int_eq(errno, 123);
}
END_TEST

static int before_prefault(unsigned long cmd, void *arg)
{
	(void)arg;
	return cmd == XPMEM_IOC_PREFAULT ? -ENOTTY : 0;
}

START_TEST(prefault_of_older_module)
{
	size_t done = 1;

	fake_answer = before_prefault;
	ck_assert_int_eq(xpmem_prefault(NULL, 4096, 0, &done), -EOPNOTSUPP);
	ck_assert_uint_eq(done, 0);
}
END_TEST

static void add(Suite *suite, const char *name, const TTest *test)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, test);
	suite_add_tcase(suite, tcase);
}

int main(void)
{
	Suite *suite = suite_create("api");

	add(suite, "version", version);
	add(suite, "make", make);
	add(suite, "make_whole_address_space", make_whole_address_space);
	add(suite, "make_refuses_permit", make_refuses_permit);
	add(suite, "make_takes_every_mode", make_takes_every_mode);
	add(suite, "remove_and_release", remove_and_release);
	add(suite, "get", get);
	add(suite, "get_refuses_flags_and_type", get_refuses_flags_and_type);
	add(suite, "attach", attach);
	add(suite, "attach_refuses_negative_offset",
	    attach_refuses_negative_offset);
	add(suite, "attach_refuses_size_0", attach_refuses_size_0);
	add(suite, "detach", detach);
	add(suite, "errors_of_the_module", errors_of_the_module);
	add(suite, "raw_ioctl", raw_ioctl);
	add(suite, "query", query);
	add(suite, "query_from_newer_program", query_from_newer_program);
	add(suite, "query_refuses_short_structure",
	    query_refuses_short_structure);
	add(suite, "query_fails_without_output", query_fails_without_output);
	add(suite, "prefault", prefault);
	add(suite, "prefault_fails_half_way", prefault_fails_half_way);
	add(suite, "prefault_of_older_module", prefault_of_older_module);
	return run_suite(suite);
}
