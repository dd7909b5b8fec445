// SPDX-License-Identifier: GPL-2.0-or-later
/* Two daemons between which pages pass a fabric, libfabric's TCP; as test_daemon.c's. */
#define _GNU_SOURCE
#include "check_main.h"
#include "fakeowner.h"
#include "partition.h"
#include "uapi/xpmem_ioctl.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SEGID ((1LL << XPMEM_PARTITION_SHIFT) | 77)
#define PAGES 64

static struct partition p[2];
static struct fakeowner owner;

static void begin(void)
{
	char setting[128];

	partitions_new(p, "");
	for (unsigned int i = 0; i < 2; i++) {
		snprintf(setting, sizeof(setting),
			 "fabric = \"tcp://127.0.0.1:%u\"\nfabric_min = 4K\nlisten =",
			 p[i].fabric_port);
		partition_change(&p[i], "listen =", setting);
		partition_change(&p[i], "users =", "fabric = true users =");
		partition_change(&p[i], "lease_ms = 1000", "lease_ms = 3000");
		partition_start(&p[i]);
	}
	partitions_meet(p);
	partition_share(&p[0], &owner, SEGID, PAGES);
	ck_assert_int_eq(module_get(&p[1].module, SEGID, true), PAGES * 4096);
	ck_assert_int_eq(module_attach(&p[1].module, SEGID, 0, PAGES), 0);
}

/* Both say that they are connected on the fabric. */
static void meet_on_fabric(void)
{
	char reply[1024] = "";
	unsigned int up = 0;

	for (int i = 0; i < 800 && up < 2; i++) {
		usleep(20000);
		partition_ask(&p[up], "{\"command\": \"partitions\"}\n", reply, sizeof(reply));
		up += strstr(reply, "\"fabric_up\":true") != NULL;
	}
	ck_assert_msg(up == 2, "not connected: %s", reply);
}

static uint64_t remote_load(uint64_t page)
{
	uint64_t value = ~0ULL;

	ck_assert_int_eq(module_load(&p[1].module, SEGID, page, &value), 0);
	return value;
}

/* Pages pass the fabric that is configured, and who asks is told. */
START_TEST(pages)
{
	char reply[16384];

	begin();
	meet_on_fabric();
	*fakeowner_word(&owner, 3) = 42;
	ck_assert_uint_eq(remote_load(3), 42);
	ck_assert_int_eq(module_store(&p[1].module, SEGID, 5, 7), 0);
	ck_assert_uint_eq(*fakeowner_word(&owner, 5), 7);
	partition_get(&p[0], "/metrics", reply, sizeof(reply));
	ck_assert_ptr_nonnull(strstr(reply, "\nxpmemd_fabric_up{partition=\"p2\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(reply, "xpmemd_fabric_bytes_total{partition=\"p2\","
					    "direction=\"received\"} 4096\n"));
	ck_assert_ptr_null(strstr(reply, "xpmemd_fabric_bytes_total{partition=\"p2\","
					 "direction=\"sent\"} 0\n"));
	partition_ask(&p[1], "{\"command\": \"partitions\"}\n", reply, sizeof(reply));
	ck_assert_ptr_nonnull(strstr(reply, "\"fabric_bytes_sent\":4096"));
	/* And it is there again with another xpmemd-net. */
	partition_kill_net(&p[0]);
	partitions_meet(p);
	meet_on_fabric();
	ck_assert_uint_eq(remote_load(3), 42);
	ck_assert_int_eq(partition_stop(&p[1]), 0);
	ck_assert_int_eq(partition_stop(&p[0]), 0);
	partitions_remove(p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("daemon_fabric");

	if (!fakeowner_can())
		return 77;
	add_case(suite, "pages", pages);
	return run_suite(suite);
}
