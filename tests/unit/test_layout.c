// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Sizes, offsets and values that are compiled into programs and can never
 * change, and the symbols as programs find them that load the library by
 * themselves.
 */
#include "check_main.h"
#include "xpmem.h"
#include "xpmem_ext.h"
#include "xpmem_owner.h"

#include "uapi/xpmem_ioctl.h"
#include "uapi/xpmem_legacy.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>

#define expect_member(type, member, at) \
	ck_assert_uint_eq(offsetof(struct type, member), (at))

START_TEST(historic_types)
{
	ck_assert_uint_eq(sizeof(xpmem_segid_t), 8);
	ck_assert_uint_eq(sizeof(xpmem_apid_t), 8);
	ck_assert((xpmem_segid_t)-1 < 0);
	ck_assert((xpmem_apid_t)-1 < 0);
	ck_assert(sizeof(off_t) == 8);
	ck_assert_uint_eq(sizeof(struct xpmem_addr), 16);
	expect_member(xpmem_addr, apid, 0);
	expect_member(xpmem_addr, offset, 8);
	ck_assert_uint_eq(sizeof(((struct xpmem_addr *)0)->offset), 8);
}
END_TEST

START_TEST(historic_values)
{
	ck_assert(XPMEM_MAXADDR_SIZE == SIZE_MAX);
	ck_assert_int_eq(XPMEM_PERMIT_MODE, 1);
	ck_assert_int_eq(XPMEM_RDONLY, 1);
	ck_assert_int_eq(XPMEM_RDWR, 2);
	ck_assert_int_eq(XPMEM_ERRNO_NOPROC, 2004);
#ifndef XPMEM_H
	ck_abort_msg("the guard is not XPMEM_H");
#endif
#ifdef XPMEM_PERMIT_MODE
	ck_abort_msg("XPMEM_PERMIT_MODE is a macro");
#endif
}
END_TEST

START_TEST(new_types)
{
	/* the first 32 bytes are those of 3.0 for ever; more may follow */
	ck_assert_uint_ge(sizeof(struct xpmem_info), 32);
	expect_member(xpmem_info, features, 0);
	expect_member(xpmem_info, max_address, 8);
	expect_member(xpmem_info, module_version, 16);
	expect_member(xpmem_info, library_version, 20);
	expect_member(xpmem_info, page_size, 24);
	expect_member(xpmem_info, reserved, 28);
	ck_assert_uint_eq(XPMEM_PREFAULT_WRITE, 1);
	ck_assert_uint_eq(XPMEM_FEATURE_PREFAULT, 1);
	ck_assert_uint_eq(XPMEM_FEATURE_REMOTE, 2);
	ck_assert_uint_eq(XPMEM_REMOTE_WRITE, 1);
	ck_assert_uint_eq(XPMEM_REMOTE_LAST_COPY, 2);
}
END_TEST

START_TEST(device_requests)
{
	ck_assert_uint_eq(XPMEM_IOC_QUERY, 0x7840);
	ck_assert_uint_eq(XPMEM_IOC_MAKE, 0x7841);
	ck_assert_uint_eq(XPMEM_IOC_REMOVE, 0x7842);
	ck_assert_uint_eq(XPMEM_IOC_GET, 0x7843);
	ck_assert_uint_eq(XPMEM_IOC_RELEASE, 0x7844);
	ck_assert_uint_eq(XPMEM_IOC_ATTACH, 0x7845);
	ck_assert_uint_eq(XPMEM_IOC_DETACH, 0x7846);
	ck_assert_uint_eq(XPMEM_IOC_PREFAULT, 0x7847);
	ck_assert_uint_eq(XPMEM_IOC_SHARE, 0x7848);

	expect_member(xpmem_ioc_query, size, 0);
	expect_member(xpmem_ioc_query, flags, 4);
	expect_member(xpmem_ioc_query, out_features, 8);
	expect_member(xpmem_ioc_query, out_max_address, 16);
	expect_member(xpmem_ioc_query, out_module_version, 24);
	expect_member(xpmem_ioc_query, out_page_size, 28);
	expect_member(xpmem_ioc_make, vaddr, 8);
	expect_member(xpmem_ioc_make, length, 16);
	expect_member(xpmem_ioc_make, mode, 24);
	expect_member(xpmem_ioc_make, reserved, 28);
	expect_member(xpmem_ioc_make, out_segid, 32);
	expect_member(xpmem_ioc_id, id, 8);
	expect_member(xpmem_ioc_get, segid, 8);
	expect_member(xpmem_ioc_get, out_apid, 16);
	expect_member(xpmem_ioc_attach, apid, 8);
	expect_member(xpmem_ioc_attach, offset, 16);
	expect_member(xpmem_ioc_attach, length, 24);
	expect_member(xpmem_ioc_attach, vaddr, 32);
	expect_member(xpmem_ioc_detach, vaddr, 8);
	expect_member(xpmem_ioc_prefault, vaddr, 8);
	expect_member(xpmem_ioc_prefault, length, 16);
	expect_member(xpmem_ioc_prefault, out_length, 24);
	ck_assert_uint_eq(sizeof(struct xpmem_ioc_share), 16);
	expect_member(xpmem_ioc_share, segid, 8);
}
END_TEST

/* What libxpmem and xpmemd say, which may be of different releases */
START_TEST(owner_packets)
{
	ck_assert_uint_eq(sizeof(struct xpmem_owner_packet), 64);
	expect_member(xpmem_owner_packet, error, 4);
	expect_member(xpmem_owner_packet, id, 8);
	expect_member(xpmem_owner_packet, segid, 16);
	expect_member(xpmem_owner_packet, first, 24);
	expect_member(xpmem_owner_packet, count, 32);
	expect_member(xpmem_owner_packet, value, 40);
	ck_assert_int_eq(XPMEM_OWNER_HELLO, 1);
	ck_assert_int_eq(XPMEM_OWNER_ANSWER, 6);
	ck_assert_int_eq(XPMEM_OWNER_FORKED, 8);
}
END_TEST

START_TEST(legacy_requests)
{
	ck_assert_uint_eq(XPMEM_CMD_VERSION, 0x7800);
	ck_assert_uint_eq(XPMEM_CMD_MAKE, 0x7801);
	ck_assert_uint_eq(XPMEM_CMD_REMOVE, 0x7802);
	ck_assert_uint_eq(XPMEM_CMD_GET, 0x7803);
	ck_assert_uint_eq(XPMEM_CMD_RELEASE, 0x7804);
	ck_assert_uint_eq(XPMEM_CMD_ATTACH, 0x7805);
	ck_assert_uint_eq(XPMEM_CMD_DETACH, 0x7806);
	ck_assert_uint_eq(XPMEM_CMD_FORK_BEGIN, 0x7807);
	ck_assert_uint_eq(XPMEM_CMD_FORK_END, 0x7808);

	ck_assert_uint_eq(sizeof(struct xpmem_cmd_make), 40);
	expect_member(xpmem_cmd_make, vaddr, 0);
	expect_member(xpmem_cmd_make, size, 8);
	expect_member(xpmem_cmd_make, permit_type, 16);
	expect_member(xpmem_cmd_make, permit_value, 24);
	expect_member(xpmem_cmd_make, segid, 32);
	ck_assert_uint_eq(sizeof(struct xpmem_cmd_remove), 8);
	ck_assert_uint_eq(sizeof(struct xpmem_cmd_get), 32);
	expect_member(xpmem_cmd_get, segid, 0);
	expect_member(xpmem_cmd_get, flags, 8);
	expect_member(xpmem_cmd_get, permit_type, 12);
	expect_member(xpmem_cmd_get, permit_value, 16);
	expect_member(xpmem_cmd_get, apid, 24);
	ck_assert_uint_eq(sizeof(struct xpmem_cmd_release), 8);
	ck_assert_uint_eq(sizeof(struct xpmem_cmd_attach), 40);
	expect_member(xpmem_cmd_attach, apid, 0);
	expect_member(xpmem_cmd_attach, offset, 8);
	expect_member(xpmem_cmd_attach, size, 16);
	expect_member(xpmem_cmd_attach, vaddr, 24);
	expect_member(xpmem_cmd_attach, fd, 32);
	expect_member(xpmem_cmd_attach, flags, 36);
	ck_assert_uint_eq(sizeof(struct xpmem_cmd_detach), 8);
}
END_TEST

/* dlopen, dlsym of every name, dlclose, and again */
START_TEST(loaded_at_run_time)
{
	static const char *const names[] = {
		"xpmem_version", "xpmem_make",	   "xpmem_remove",
		"xpmem_get",	 "xpmem_release",  "xpmem_attach",
		"xpmem_detach",	 "xpmem_init",	   "xpmem_ioctl",
		"xpmem_query",	 "xpmem_prefault", "xpmem_make_remote",
	};
	void *(*attach)(struct xpmem_addr addr, size_t size, void *vaddr);
	struct xpmem_addr addr = { .apid = 1, .offset = -1 };
	int round;
	size_t i;

	for (round = 0; round < 2; round++) {
		void *library = dlopen(XPMEM_TEST_LIBRARY, RTLD_NOW);

		ck_assert_msg(library != NULL, "%s", dlerror());
		for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			ck_assert_msg(dlsym(library, names[i]) != NULL, "%s",
				      names[i]);
		*(void **)&attach = dlsym(library, "xpmem_attach");
		errno = 0;
		/* a structure passed by value arrives as it is */
		ck_assert_ptr_eq(attach(addr, 4096, NULL), (void *)-1);
		ck_assert_int_eq(errno, EINVAL);
		ck_assert_int_eq(dlclose(library), 0);
	}
	/* fork handlers of a library that is gone would crash here */
	ck_assert_ptr_nonnull(attach);
	ck_assert_ptr_eq(attach(addr, 4096, NULL), (void *)-1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("layout");

	add_case(suite, "historic_types", historic_types);
	add_case(suite, "historic_values", historic_values);
	add_case(suite, "new_types", new_types);
	add_case(suite, "device_requests", device_requests);
	add_case(suite, "owner_packets", owner_packets);
	add_case(suite, "legacy_requests", legacy_requests);
	add_case(suite, "loaded_at_run_time", loaded_at_run_time);
	return run_suite(suite);
}
