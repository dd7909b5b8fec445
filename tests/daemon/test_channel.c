// SPDX-License-Identifier: GPL-2.0-or-later
/* Records of the module as daemon/record.c reads them. */
#include "check_main.h"
#include "record.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static const struct xpmem_ctl_record good[] = {
	{ .type = XPMEM_CTL_GET, .id = 1, .segid = 5, .flags = XPMEM_CTL_WRITE },
	{ .type = XPMEM_CTL_ATTACH, .id = 2, .segid = 5, .count = 1 },
	{ .type = XPMEM_CTL_FAULT, .id = 3, .segid = 5, .first = 7, .count = 2,
	  .flags = XPMEM_CTL_WRITE | XPMEM_CTL_PREFETCH },
	{ .type = XPMEM_CTL_DROP, .segid = 5, .count = 1 },
	{ .type = XPMEM_CTL_RELEASE, .segid = 5 },
	{ .type = XPMEM_CTL_RECALL, .id = 4, .segid = 5, .count = 1,
	  .reason = XPMEM_CTL_REASON_PROTECT },
	{ .type = XPMEM_CTL_GONE, .id = 6, .segid = 5 },
	{ .type = XPMEM_CTL_UNMAP, .segid = 5 },
};
#define NR_GOOD (sizeof(good) / sizeof(good[0]))

static int decode(const struct xpmem_ctl_record *record)
{
	struct xpmem_ctl_record ret;

	return xpmd_record_decode(record, sizeof(*record), 0, &ret);
}

START_TEST(many_in_one_read)
{
	struct xpmem_ctl_record ret;

	for (size_t i = 0; i < NR_GOOD; i++) {
		ck_assert_int_eq(xpmd_record_decode(good, sizeof(good), i, &ret), 0);
		ck_assert_mem_eq(&ret, &good[i], sizeof(ret));
	}
	ck_assert_int_eq(xpmd_record_decode(good, sizeof(good), NR_GOOD, &ret), -ENODATA);
	ck_assert_int_eq(xpmd_record_decode(good, 0, 0, &ret), -ENODATA);
}
END_TEST

START_TEST(cut_off)
{
	struct xpmem_ctl_record ret;

	for (size_t size = 1; size < sizeof(ret); size++)
		ck_assert_int_eq(xpmd_record_decode(good, size, 0, &ret), -EBADMSG);
	ck_assert_int_eq(xpmd_record_decode(good, sizeof(ret) + 1, 1, &ret), -EBADMSG);
}
END_TEST

/* A later module: told apart from nonsense, that its question can be answered. */
START_TEST(unknown)
{
	struct xpmem_ctl_record record = good[0], ret;

	for (unsigned int type = 0; type < 64; type++) {
		record.type = type;
		record.flags = 0;
		record.count = 1;
		if ((type >= XPMEM_CTL_GET && type <= XPMEM_CTL_RELEASE) ||
		    (type >= XPMEM_CTL_RECALL && type <= XPMEM_CTL_UNMAP))
			continue;
		ck_assert_int_eq(xpmd_record_decode(&record, sizeof(record), 0, &ret),
				 -EOPNOTSUPP);
		ck_assert_uint_eq(ret.id, 1);
	}
	for (size_t i = 0; i < NR_GOOD; i++) {
		record = good[i];
		record.flags |= 1U << 7;
		ck_assert_int_eq(decode(&record), -EOPNOTSUPP);
	}
	record = good[5];
	record.reason = XPMEM_CTL_REASON_PROTECT + 1;
	ck_assert_int_eq(decode(&record), -EOPNOTSUPP);
}
END_TEST

START_TEST(nonsense)
{
	struct xpmem_ctl_record record;

	for (size_t i = 0; i < NR_GOOD; i++) {
		record = good[i];
		record.segid = 0;
		ck_assert_int_eq(decode(&record), -EBADMSG);
		record.segid = -1;
		ck_assert_int_eq(decode(&record), -EBADMSG);
		record = good[i];
		if (record.id) {
			record.id = 0;
			ck_assert_int_eq(decode(&record), -EBADMSG);
		}
		record = good[i];
		if (!record.count)
			continue;
		record.count = 0;
		ck_assert_int_eq(decode(&record), -EBADMSG);
		record.count = UINT64_MAX;
		ck_assert_int_eq(decode(&record), -EBADMSG);
		record.first = UINT64_MAX / XPMEM_CTL_PAGE;
		record.count = 1;
		ck_assert_int_eq(decode(&record), -EBADMSG);
		record.first--;
		ck_assert_int_eq(decode(&record), 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("channel");

	add_case(suite, "many_in_one_read", many_in_one_read);
	add_case(suite, "cut_off", cut_off);
	add_case(suite, "unknown", unknown);
	add_case(suite, "nonsense", nonsense);
	return run_suite(suite);
}
