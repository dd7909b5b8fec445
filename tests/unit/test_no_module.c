// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A machine without the module: every call fails with ENOENT, and a program
 * that links the library runs.
 */
#include "check_main.h"
#include "xpmem.h"
#include "xpmem_ext.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

int xpmem_init(void);
int xpmem_ioctl(int cmd, void *arg);

#define expect_enoent(call)                      \
	do {                                     \
		errno = 0;                       \
		ck_assert_int_eq((call), -1);    \
		ck_assert_int_eq(errno, ENOENT); \
	} while (0)

START_TEST(historic_calls)
{
	struct xpmem_addr addr = { .apid = 1 };

	expect_enoent(xpmem_version());
	expect_enoent(xpmem_make(NULL, XPMEM_MAXADDR_SIZE, XPMEM_PERMIT_MODE,
				 (void *)0600));
	expect_enoent(xpmem_remove(1));
	expect_enoent(xpmem_get(1, XPMEM_RDWR, XPMEM_PERMIT_MODE, NULL));
	expect_enoent(xpmem_release(1));
	expect_enoent((intptr_t)xpmem_attach(addr, 4096, NULL));
	expect_enoent(xpmem_detach(&addr));
	expect_enoent(xpmem_init());
	expect_enoent(xpmem_ioctl(0, NULL));
}
END_TEST

START_TEST(new_calls)
{
	struct xpmem_info info;
	xpmem_segid_t segid = -7;
	size_t done = 1;

	errno = 123;
	ck_assert_int_eq(xpmem_query(&info, sizeof(info)), -ENOENT);
	ck_assert_int_eq(xpmem_prefault(NULL, 4096, 0, &done), -ENOENT);
	ck_assert_uint_eq(done, 0);
	ck_assert_int_eq(xpmem_make_remote(NULL, 4096, XPMEM_PERMIT_MODE,
					   (void *)0600, 0, &segid),
			 -ENOENT);
	ck_assert_int_eq(segid, -7);
	ck_assert_int_eq(errno, 123);
}
END_TEST

int main(void)
{
	Suite *suite;

	if (access("/dev/xpmem", F_OK) == 0) {
		puts("skipped: this machine has /dev/xpmem");
		return 77;
	}
	suite = suite_create("no_module");
	add_case(suite, "historic_calls", historic_calls);
	add_case(suite, "new_calls", new_calls);
	return run_suite(suite);
}
