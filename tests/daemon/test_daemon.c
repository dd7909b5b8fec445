// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two xpmemd over loopback, each with a module of module.h; the owner's memory is this
 * process's, trapped by a real userfaultfd.
 */
#define _GNU_SOURCE
#include "check_main.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fakeowner.h"
#include "partition.h"
#include "uapi/xpmem_ioctl.h"

#define SEGID ((1LL << XPMEM_PARTITION_SHIFT) | 77)
#define PAGES 64

static struct partition p[2];
static struct fakeowner owner;

static void begin_with(const char *settings, const char *lease)
{
	if (!fakeowner_can())
		exit(77);
	partitions_new(p, settings);
	for (unsigned int i = 0; i < 2; i++)
		partition_change(&p[i], "lease_ms = 1000", lease);
	partition_start(&p[0]);
	partition_start(&p[1]);
	partitions_meet(p);
	partition_share(&p[0], &owner, SEGID, PAGES);
}

static void get_all(void)
{
	ck_assert_int_eq(module_get(&p[1].module, SEGID, true), PAGES * 4096);
	ck_assert_int_eq(module_attach(&p[1].module, SEGID, 0, PAGES), 0);
}

static void begin(void)
{
	begin_with("", "lease_ms = 1000");
	get_all();
}

/* For what is about coming back in time, on a machine that has other things to do */
static void begin_patiently(void)
{
	begin_with("", "lease_ms = 3000");
	get_all();
}

static void end(void)
{
	ck_assert_int_eq(partition_stop(&p[1]), 0);
	ck_assert_int_eq(partition_stop(&p[0]), 0);
	partitions_remove(p);
}

static uint64_t remote_load(uint64_t page)
{
	uint64_t value = ~0ULL;

	ck_assert_int_eq(module_load(&p[1].module, SEGID, page, &value), 0);
	return value;
}

static void remote_store(uint64_t page, uint64_t value)
{
	ck_assert_int_eq(module_store(&p[1].module, SEGID, page, value), 0);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

START_TEST(loads)
{
	begin();
	ck_assert_uint_eq(owner.traps, 1);
	*fakeowner_word(&owner, 3) = 42;
	ck_assert_uint_eq(remote_load(3), 42);
	ck_assert_uint_eq(module_state(&p[1].module, SEGID, 3), XPMEM_PAGE_SHARED);
	ck_assert_uint_eq(module_mark(&p[0].module, SEGID, 3), XPMEM_PAGE_SHARED);
	ck_assert_uint_eq(remote_load(4), 0);	/* never touched */
	end();
}
END_TEST

START_TEST(owner_stores_to_shared)
{
	begin();
	*fakeowner_word(&owner, 3) = 1;
	ck_assert_uint_eq(remote_load(3), 1);
	*fakeowner_word(&owner, 3) = 2;		/* waits until the replica is gone */
	ck_assert_uint_eq(module_state(&p[1].module, SEGID, 3), XPMEM_PAGE_NONE);
	ck_assert_uint_eq(remote_load(3), 2);
	end();
}
END_TEST

START_TEST(stores)
{
	begin();
	*fakeowner_word(&owner, 5) = 1;
	remote_store(5, 7);
	ck_assert_uint_eq(module_state(&p[1].module, SEGID, 5), XPMEM_PAGE_EXCLUSIVE);
	ck_assert_uint_eq(module_mark(&p[0].module, SEGID, 5), XPMEM_PAGE_EXCLUSIVE);
	ck_assert_uint_eq(owner.give_ups, 1);
	ck_assert_uint_eq(*fakeowner_word(&owner, 5), 7);	/* comes home for it */
	*fakeowner_word(&owner, 5) += 1;
	ck_assert_uint_eq(remote_load(5), 8);
	end();
}
END_TEST

START_TEST(ping_pong)
{
	begin();
	for (uint64_t i = 0; i < 200; i += 2) {
		*fakeowner_word(&owner, 9) += 1;
		ck_assert_uint_eq(remote_load(9), i + 1);
		remote_store(9, i + 2);
		ck_assert_uint_eq(*fakeowner_word(&owner, 9), i + 2);
	}
	end();
}
END_TEST

/* Fresh memory of the owner is nobody's business, also between pages that are away. */
START_TEST(fresh_pages)
{
	begin();
	remote_store(10, 1);
	remote_store(12, 1);
	ck_assert_uint_eq(*fakeowner_word(&owner, 11), 0);
	*fakeowner_word(&owner, 13) = 3;
	ck_assert_uint_eq(remote_load(13), 3);
	end();
}
END_TEST

START_TEST(recall_drops)
{
	begin();
	remote_store(20, 5);
	*fakeowner_word(&owner, 21) = 6;
	ck_assert_uint_eq(remote_load(21), 6);
	module_recall(&p[0].module, SEGID, 20, 2, XPMEM_CTL_REASON_CLEAR);
	ck_assert_uint_eq(module_state(&p[1].module, SEGID, 20), XPMEM_PAGE_NONE);
	ck_assert_uint_eq(module_state(&p[1].module, SEGID, 21), XPMEM_PAGE_NONE);
	usleep(100000);		/* what came back would be put by now */
	ck_assert(!is_present((char *)fakeowner_word(&owner, 20)));
	madvise(fakeowner_word(&owner, 20), 8192, MADV_DONTNEED);
	ck_assert_uint_eq(*fakeowner_word(&owner, 20), 0);
	ck_assert_uint_eq(*fakeowner_word(&owner, 21), 0);
	end();
}
END_TEST

START_TEST(recall_keeps)
{
	begin();
	remote_store(20, 5);
	module_recall(&p[0].module, SEGID, 20, 1, XPMEM_CTL_REASON_PROTECT);
	ck_assert_uint_eq(module_state(&p[1].module, SEGID, 20), XPMEM_PAGE_NONE);
	ck_assert_uint_eq(*fakeowner_word(&owner, 20), 5);
	end();
}
END_TEST

static void *load_3(void *value_ret)
{
	*(uint64_t *)value_ret = remote_load(3);
	return NULL;
}

/* What was copied is of before: nobody has it, nor is it trapped, and it is fetched anew. */
static uint64_t load_while_recalled(uint32_t reason, void (*change)(uint64_t *word))
{
	pthread_t thread;
	uint64_t value;

	*fakeowner_word(&owner, 3) = 1;
	module_hold(&p[0].module, XPMEM_CTL_NR_COPY);
	pthread_create(&thread, NULL, load_3, &value);
	module_await_held(&p[0].module);
	module_recall(&p[0].module, SEGID, 3, 1, reason);
	change(fakeowner_word(&owner, 3));
	module_let_go(&p[0].module);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(module_mark(&p[0].module, SEGID, 3), XPMEM_PAGE_SHARED);
	return value;
}

static void drop(uint64_t *word)
{
	ck_assert_int_eq(madvise(word, 4096, MADV_DONTNEED), 0);
}

static void drop_and_store(uint64_t *word)
{
	drop(word);
	*word = 2;
}

static void leave_alone(uint64_t *word)
{
	(void)word;
}

START_TEST(recalled_and_dropped_while_fetched)
{
	begin();
	ck_assert_uint_eq(load_while_recalled(XPMEM_CTL_REASON_CLEAR, drop), 0);
	*fakeowner_word(&owner, 3) = 3;
	ck_assert_uint_eq(remote_load(3), 3);
	end();
}
END_TEST

START_TEST(recalled_and_new_while_fetched)
{
	begin();
	ck_assert_uint_eq(load_while_recalled(XPMEM_CTL_REASON_CLEAR, drop_and_store), 2);
	*fakeowner_word(&owner, 3) = 3;
	ck_assert_uint_eq(remote_load(3), 3);
	end();
}
END_TEST

START_TEST(recalled_and_kept_while_fetched)
{
	begin();
	ck_assert_uint_eq(load_while_recalled(XPMEM_CTL_REASON_PROTECT, leave_alone), 1);
	*fakeowner_word(&owner, 3) = 3;
	ck_assert_uint_eq(remote_load(3), 3);
	end();
}
END_TEST

static void *owner_load_3(void *value_ret)
{
	*(uint64_t *)value_ret = *(volatile uint64_t *)fakeowner_word(&owner, 3);
	return NULL;
}

/* What comes back to be SHARED with who had it is nobody's any more when it is there. */
START_TEST(recalled_while_stored)
{
	pthread_t thread;
	uint64_t value;

	begin();
	remote_store(3, 5);
	module_hold(&p[0].module, XPMEM_CTL_NR_MARK);
	pthread_create(&thread, NULL, owner_load_3, &value);
	module_await_held(&p[0].module);
	module_recall(&p[0].module, SEGID, 3, 1, XPMEM_CTL_REASON_PROTECT);
	ck_assert_uint_eq(module_state(&p[1].module, SEGID, 3), XPMEM_PAGE_NONE);
	module_let_go(&p[0].module);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(value, 5);
	ck_assert_uint_eq(remote_load(3), 5);
	ck_assert_uint_eq(module_mark(&p[0].module, SEGID, 3), XPMEM_PAGE_SHARED);
	*fakeowner_word(&owner, 3) = 3;
	ck_assert_uint_eq(remote_load(3), 3);
	end();
}
END_TEST

/* The only copy is elsewhere when the owner moves the memory. */
START_TEST(mremap_moves_what_is_away)
{
	char *to;

	begin();
	*fakeowner_word(&owner, 31) = 4;
	for (uint64_t page = 32; page < 48; page++)
		remote_store(page, page);
	to = mmap(NULL, 17 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	module_recall(&p[0].module, SEGID, 31, 17, XPMEM_CTL_REASON_UNMAP);
	/* Nothing is put where it was: the kernel has the owner's lock meanwhile. */
	usleep(100000);
	ck_assert(!is_present((char *)fakeowner_word(&owner, 32)));
	ck_assert_ptr_eq(mremap(fakeowner_word(&owner, 31), 17 * 4096, 17 * 4096,
				MREMAP_MAYMOVE | MREMAP_FIXED, to), to);
	/* From the end, where its content comes last */
	for (uint64_t page = 47; page > 31; page--)
		ck_assert_uint_eq(*(volatile uint64_t *)(to + (page - 31) * 4096), page);
	ck_assert_uint_eq(*(volatile uint64_t *)to, 4);
	end();
}
END_TEST

START_TEST(munmap_drops_what_is_away)
{
	begin();
	remote_store(30, 5);
	module_recall(&p[0].module, SEGID, 30, 1, XPMEM_CTL_REASON_UNMAP);
	usleep(100000);
	ck_assert(!is_present((char *)fakeowner_word(&owner, 30)));
	ck_assert_int_eq(munmap(fakeowner_word(&owner, 30), 4096), 0);
	ck_assert_ptr_eq(mmap(fakeowner_word(&owner, 30), 4096, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
			 fakeowner_word(&owner, 30));
	ck_assert_uint_eq(*fakeowner_word(&owner, 30), 0);
	remote_store(31, 6);	/* the rest goes on */
	ck_assert_uint_eq(*fakeowner_word(&owner, 31), 6);
	end();
}
END_TEST

static void *load_word(void *word)
{
	return (void *)(uintptr_t)*(volatile uint64_t *)word;
}

static void *recall_30(void *unused)
{
	module_recall(&p[0].module, SEGID, 30, 1, XPMEM_CTL_REASON_UNMAP);
	return unused;
}

/* A thread waits for page 30, which is elsewhere, while its memory is changed: what it loads */
static uint64_t load_while_changed(void (*change)(uint64_t *word))
{
	pthread_t loader, recaller;
	char reply[4096] = "";
	void *value;

	remote_store(30, 5);
	module_hold(&p[1].module, XPMEM_CTL_NR_TAKE);
	pthread_create(&loader, NULL, load_word, fakeowner_word(&owner, 30));
	module_await_held(&p[1].module);
	pthread_create(&recaller, NULL, recall_30, NULL);
	while (!strstr(reply, "\"recalls\":1"))
		partition_ask(&p[0], "{\"command\": \"counters\"}\n", reply, sizeof(reply));
	module_let_go(&p[1].module);
	pthread_join(recaller, NULL);
	change(fakeowner_word(&owner, 30));
	pthread_join(loader, &value);
	return (uintptr_t)value;
}

static void map_anew(uint64_t *word)
{
	ck_assert_ptr_eq(mmap(word, 4096, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), word);
}

START_TEST(munmap_while_waited_for)
{
	begin();
	ck_assert_uint_eq(load_while_changed(map_anew), 0);
	end();
}
END_TEST

static uint64_t *moved_to;

static void move_away(uint64_t *word)
{
	moved_to = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_eq(mremap(word, 4096, 4096,
				MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, moved_to),
			 moved_to);
}

START_TEST(mremap_while_waited_for)
{
	begin();
	ck_assert_uint_eq(load_while_changed(move_away), 0);
	ck_assert_uint_eq(*(volatile uint64_t *)moved_to, 5);
	end();
}
END_TEST

static unsigned long directory_bytes(void)
{
	static const char name[] = "\"directory_bytes\":";
	char reply[4096];

	partition_ask(&p[0], "{\"command\": \"counters\"}\n", reply, sizeof(reply));
	return strtoul(strstr(reply, name) + sizeof(name) - 1, NULL, 10);
}

/* Nothing is kept of a segment whose owner ends between a recall and what it is for. */
START_TEST(gone_while_unmapped)
{
	unsigned long before;

	begin();
	before = directory_bytes();
	remote_store(30, 5);
	ck_assert_uint_gt(directory_bytes(), before);
	recall_30(NULL);
	module_gone(&p[0].module, SEGID);
	for (int i = 0; i < 500 && directory_bytes() > before; i++)
		usleep(20000);
	ck_assert_uint_le(directory_bytes(), before);
	end();
}
END_TEST

START_TEST(fork_brings_all_home)
{
	begin();
	remote_store(1, 5);
	fakeowner_fork(&owner);
	ck_assert_uint_eq(module_state(&p[1].module, SEGID, 1), XPMEM_PAGE_NONE);
	ck_assert_uint_eq(module_mark(&p[0].module, SEGID, 1), XPMEM_PAGE_NONE);
	fakeowner_forked(&owner);
	remote_store(1, 6);
	ck_assert_uint_eq(*fakeowner_word(&owner, 1), 6);
	end();
}
END_TEST

START_TEST(gone)
{
	uint64_t value;

	begin();
	remote_store(1, 5);
	module_gone(&p[0].module, SEGID);
	ck_assert_int_lt(module_load(&p[1].module, SEGID, 1, &value), 0);
	ck_assert_int_eq(module_get(&p[1].module, SEGID, false), -ENOENT);
	end();
}
END_TEST

/* What the last permit of a partition leaves goes home, and its right to have more. */
START_TEST(released)
{
	char reply[1024] = "";

	begin();
	remote_store(1, 5);
	module_release(&p[1].module, SEGID, false);
	for (int i = 0; i < 200 && !strstr(reply, "\"permits\":0"); i++) {
		usleep(20000);
		partition_ask(&p[0], "{\"command\": \"segments\"}\n", reply, sizeof(reply));
	}
	ck_assert_ptr_nonnull(strstr(reply, "\"permits\":0"));
	ck_assert_uint_eq(*fakeowner_word(&owner, 1), 5);
	ck_assert_int_gt(module_get(&p[1].module, SEGID, true), 0);
	remote_store(1, 6);
	ck_assert_uint_eq(*fakeowner_word(&owner, 1), 6);
	end();
}
END_TEST

START_TEST(released_and_got_again)
{
	begin();
	remote_store(1, 5);
	module_release(&p[1].module, SEGID, true);
	ck_assert_uint_eq(*fakeowner_word(&owner, 1), 5);
	remote_store(1, 6);
	ck_assert_uint_eq(*fakeowner_word(&owner, 1), 6);
	end();
}
END_TEST

START_TEST(read_only_partition)
{
	char reply[16384];

	begin_with("\taccess = \"read-only\"\n", "lease_ms = 1000");
	ck_assert_int_eq(module_get(&p[1].module, SEGID, true), -EACCES);
	ck_assert_int_eq(module_get(&p[1].module, SEGID, false), PAGES * 4096);
	partition_get(&p[0], "/metrics", reply, sizeof(reply));
	ck_assert_ptr_nonnull(strstr(reply, "\nxpmemd_partition_denied_total{partition=\"p2\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(reply, "\nxpmemd_partition_refused_total{partition=\"p2\"} 0\n"));
	end();
}
END_TEST

START_TEST(pages_max)
{
	begin_with("\tpages_max = 63\n", "lease_ms = 1000");
	ck_assert_int_eq(module_get(&p[1].module, SEGID, true), -EDQUOT);
	end();
}
END_TEST

START_TEST(refused_owners)
{
	struct fakeowner other;

	begin_with("", "lease_ms = 1000");
	fakeowner_map(&other, SEGID + 1, 1);
	ck_assert_int_eq(fakeowner_connect(&other, p[0].owner_socket), ENOENT);
	module_share(&p[0].module, SEGID + 1, other.memory, 1, 0);
	ck_assert_int_eq(fakeowner_connect(&other, p[0].owner_socket), EOPNOTSUPP);
	module_share(&p[0].module, SEGID + 2, other.memory, 1, XPMEM_SHARE_READ)->pid = 1;
	other.segid = SEGID + 2;
	ck_assert_int_eq(fakeowner_connect(&other, p[0].owner_socket), EACCES);
	module_share(&p[0].module, SEGID + 3, owner.memory + 4096, 1, XPMEM_SHARE_READ);
	other.segid = SEGID + 3;
	ck_assert_int_eq(fakeowner_connect(&other, p[0].owner_socket), EBUSY);
	end();
}
END_TEST

/* A daemon that ends in order gives back what it alone has. */
START_TEST(ends_in_order)
{
	begin();
	remote_store(1, 5);
	ck_assert_int_eq(partition_stop(&p[1]), 0);
	ck_assert_uint_eq(module_state(&p[1].module, SEGID, 1), XPMEM_PAGE_NONE);
	ck_assert_uint_eq(*fakeowner_word(&owner, 1), 5);
	ck_assert_int_eq(partition_stop(&p[0]), 0);
	partitions_remove(p);
}
END_TEST

/* One that is killed takes a lease, and the owner of a shared page does not wait longer. */
START_TEST(dead_partition)
{
	uint64_t before;

	begin();
	*fakeowner_word(&owner, 1) = 1;
	ck_assert_uint_eq(remote_load(1), 1);
	partition_kill(&p[1]);
	before = now_ms();
	*fakeowner_word(&owner, 1) = 2;
	ck_assert_uint_le(now_ms() - before, 1600);
	ck_assert_int_eq(partition_stop(&p[0]), 0);
	partitions_remove(p);
}
END_TEST

/* What the first partition's module tells its next daemon: leases last so long */
static void grace(unsigned int milliseconds)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	p[0].module.grace_until = (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec +
				  milliseconds * 1000000ULL;
}

START_TEST(home_daemon_begins_anew)
{
	begin_patiently();
	remote_store(1, 5);
	*fakeowner_word(&owner, 2) = 6;
	ck_assert_uint_eq(remote_load(2), 6);
	partition_kill(&p[0]);
	fakeowner_disconnect(&owner);
	grace(4500);
	partition_start(&p[0]);
	ck_assert_int_eq(fakeowner_connect(&owner, p[0].owner_socket), 0);
	ck_assert_uint_eq(*fakeowner_word(&owner, 1), 5);
	*fakeowner_word(&owner, 2) = 7;
	ck_assert_uint_eq(remote_load(2), 7);
	end();
}
END_TEST

/* A segment that went while no daemon was there: whoever had pages has them for a lease. */
START_TEST(gone_while_no_daemon)
{
	uint64_t before;

	begin();
	ck_assert_uint_eq(remote_load(2), 0);
	partition_kill(&p[0]);
	grace(1500);
	before = now_ms();
	partition_start(&p[0]);
	module_gone_unknown(&p[0].module, SEGID + 9);
	ck_assert_uint_ge(now_ms() - before, 1400);
	ck_assert_uint_le(now_ms() - before, 3000);
	end();
}
END_TEST

START_TEST(limits_read_again)
{
	begin();
	partition_change(&p[0], "users = \"trust\"", "access = \"read-only\" users = \"trust\"");
	kill(p[0].daemon, SIGHUP);
	for (int i = 0; i < 200 && module_get(&p[1].module, SEGID, true) >= 0; i++)
		usleep(20000);
	ck_assert_int_eq(module_get(&p[1].module, SEGID, true), -EACCES);
	ck_assert_int_gt(module_get(&p[1].module, SEGID, false), 0);
	end();
}
END_TEST

START_TEST(metrics)
{
	char reply[16384];

	begin();
	remote_store(1, 5);
	partition_get(&p[0], "/metrics", reply, sizeof(reply));
	ck_assert_ptr_nonnull(strstr(reply, "200 OK"));
	ck_assert_ptr_nonnull(strstr(reply, "\nxpmemd_home_pages_exclusive 1\n"));
	ck_assert_ptr_nonnull(strstr(reply, "\nxpmemd_partition_up{partition=\"p2\"} 1\n"));
	partition_get(&p[0], "/", reply, sizeof(reply));
	ck_assert_ptr_nonnull(strstr(reply, "404"));
	end();
}
END_TEST

START_TEST(partition_daemon_begins_anew)
{
	begin_patiently();
	remote_store(1, 5);
	partition_kill(&p[1]);
	partition_start(&p[1]);
	partitions_meet(p);
	ck_assert_uint_eq(*fakeowner_word(&owner, 1), 5);
	remote_store(1, 6);
	ck_assert_uint_eq(*fakeowner_word(&owner, 1), 6);
	end();
}
END_TEST

/* What is of a home that is not there stays where it is, and is claimed by the next daemon. */
START_TEST(both_daemons_end)
{
	uint64_t before;

	begin_patiently();
	remote_store(1, 5);
	usleep(200000);		/* home knows that it has arrived */
	ck_assert_int_eq(partition_stop(&p[0]), 0);
	fakeowner_disconnect(&owner);
	before = now_ms();
	ck_assert_int_eq(partition_stop(&p[1]), 0);
	ck_assert_uint_le(now_ms() - before, 1500);	/* there is nothing to wait for */
	ck_assert_uint_eq(module_state(&p[1].module, SEGID, 1), XPMEM_PAGE_EXCLUSIVE);
	grace(4500);
	partition_start(&p[0]);
	partition_start(&p[1]);
	ck_assert_int_eq(fakeowner_connect(&owner, p[0].owner_socket), 0);
	partitions_meet(p);
	ck_assert_uint_eq(*fakeowner_word(&owner, 1), 5);
	end();
}
END_TEST

/* As systemd starts them; xpmemd-net waits for xpmemd, and ends with it. */
START_TEST(two_services)
{
	if (!fakeowner_can())
		exit(77);
	partitions_new(p, "");
	p[0].apart = true;
	partition_start(&p[0]);
	partition_start(&p[1]);
	partitions_meet(p);
	partition_share(&p[0], &owner, SEGID, PAGES);
	ck_assert_int_eq(module_get(&p[1].module, SEGID, true), PAGES * 4096);
	remote_store(1, 5);
	ck_assert_uint_eq(*fakeowner_word(&owner, 1), 5);
	end();
}
END_TEST

/* Of either side: a cut link, and another one within the lease */
START_TEST(network_begins_anew)
{
	char reply[4096];

	begin_patiently();
	for (unsigned int i = 0; i < 2; i++) {
		remote_store(1, 5 + i);
		*fakeowner_word(&owner, 2) = 60 + i;
		ck_assert_uint_eq(remote_load(2), 60 + i);
		partition_kill_net(&p[i]);
		ck_assert_uint_eq(*fakeowner_word(&owner, 1), 5 + i);
		*fakeowner_word(&owner, 2) = 70 + i;
		ck_assert_uint_eq(remote_load(2), 70 + i);
		partition_ask(&p[i], "{\"command\": \"counters\"}\n", reply, sizeof(reply));
		ck_assert_ptr_nonnull(strstr(reply, "\"net\":{\"starts\":2,"));
	}
	end();
}
END_TEST

/* First the one's, then the other's: the permit is there again, whoever asks for it. */
START_TEST(both_daemons_begin_anew)
{
	begin();
	remote_store(1, 5);
	ck_assert_int_eq(partition_stop(&p[1]), 0);
	partition_start(&p[1]);
	partitions_meet(p);
	fakeowner_disconnect(&owner);
	ck_assert_int_eq(partition_stop(&p[0]), 0);
	partition_start(&p[0]);
	partitions_meet(p);
	ck_assert_int_eq(fakeowner_connect(&owner, p[0].owner_socket), 0);
	ck_assert_uint_eq(remote_load(1), 5);
	remote_store(1, 6);
	ck_assert_uint_eq(*fakeowner_word(&owner, 1), 6);
	end();
}
END_TEST

static void *store_six(void *unused)
{
	(void)unused;
	remote_store(1, 6);
	return NULL;
}

/* A helper that has died owes an answer: the next one is asked again. */
START_TEST(owner_connects_again)
{
	pthread_t thread;

	begin();
	owner.deaf = true;
	pthread_create(&thread, NULL, store_six, NULL);
	usleep(200000);
	ck_assert_uint_eq(owner.give_ups, 0);
	fakeowner_disconnect(&owner);
	owner.deaf = false;
	ck_assert_int_eq(fakeowner_connect(&owner, p[0].owner_socket), 0);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(owner.give_ups, 1);
	ck_assert_uint_eq(*fakeowner_word(&owner, 1), 6);
	fakeowner_disconnect(&owner);
	usleep(50000);
	ck_assert_int_eq(fakeowner_connect(&owner, p[0].owner_socket), 0);
	remote_store(1, 6);
	ck_assert_uint_eq(*fakeowner_word(&owner, 1), 6);
	end();
}
END_TEST

/* It had given the page up already: what was in it is not lost. */
START_TEST(owner_connects_after_giving_up)
{
	pthread_t thread;

	begin();
	fakeowner_word(&owner, 1)[1] = 9;
	owner.dumb = true;
	pthread_create(&thread, NULL, store_six, NULL);
	for (int i = 0; i < 500 && !owner.give_ups; i++)
		usleep(10000);
	ck_assert_uint_eq(owner.give_ups, 1);
	fakeowner_disconnect(&owner);
	owner.dumb = false;
	ck_assert_int_eq(fakeowner_connect(&owner, p[0].owner_socket), 0);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(fakeowner_word(&owner, 1)[0], 6);
	ck_assert_uint_eq(fakeowner_word(&owner, 1)[1], 9);
	end();
}
END_TEST

/* Pages that are asked for while there is no helper wait for it. */
START_TEST(owner_connects_later)
{
	pthread_t thread;

	begin();
	fakeowner_disconnect(&owner);
	pthread_create(&thread, NULL, store_six, NULL);
	usleep(200000);
	ck_assert_int_eq(fakeowner_connect(&owner, p[0].owner_socket), 0);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(*fakeowner_word(&owner, 1), 6);
	end();
}
END_TEST

START_TEST(control_and_counters)
{
	char reply[4096];

	begin();
	remote_store(1, 5);
	partition_ask(&p[0], "{\"command\": \"segments\"}\n", reply, sizeof(reply));
	ck_assert_ptr_nonnull(strstr(reply, "\"connected\":true"));
	partition_ask(&p[1], "{\"command\": \"remote\"}\n", reply, sizeof(reply));
	ck_assert_ptr_nonnull(strstr(reply, "\"pages\":64"));
	partition_ask(&p[0], "{\"command\": \"counters\"}\n", reply, sizeof(reply));
	ck_assert_ptr_nonnull(strstr(reply, "\"pages_exclusive\":1"));
	partition_ask(&p[0], "{\"command\": \"partitions\"}\n", reply, sizeof(reply));
	ck_assert_ptr_nonnull(strstr(reply, "\"up\":true"));
	partition_ask(&p[0], "nonsense\n", reply, sizeof(reply));
	ck_assert_ptr_nonnull(strstr(reply, "error"));
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("daemon");

	add_case(suite, "loads", loads);
	add_case(suite, "owner_stores_to_shared", owner_stores_to_shared);
	add_case(suite, "stores", stores);
	add_case(suite, "ping_pong", ping_pong);
	add_case(suite, "fresh_pages", fresh_pages);
	add_case(suite, "recall_drops", recall_drops);
	add_case(suite, "recall_keeps", recall_keeps);
	add_case(suite, "recalled_and_dropped_while_fetched", recalled_and_dropped_while_fetched);
	add_case(suite, "recalled_and_new_while_fetched", recalled_and_new_while_fetched);
	add_case(suite, "recalled_and_kept_while_fetched", recalled_and_kept_while_fetched);
	add_case(suite, "recalled_while_stored", recalled_while_stored);
	add_case(suite, "mremap_moves_what_is_away", mremap_moves_what_is_away);
	add_case(suite, "munmap_drops_what_is_away", munmap_drops_what_is_away);
	add_case(suite, "munmap_while_waited_for", munmap_while_waited_for);
	add_case(suite, "mremap_while_waited_for", mremap_while_waited_for);
	add_case(suite, "gone_while_unmapped", gone_while_unmapped);
	add_case(suite, "fork_brings_all_home", fork_brings_all_home);
	add_case(suite, "gone", gone);
	add_case(suite, "released", released);
	add_case(suite, "released_and_got_again", released_and_got_again);
	add_case(suite, "read_only_partition", read_only_partition);
	add_case(suite, "pages_max", pages_max);
	add_case(suite, "refused_owners", refused_owners);
	add_case(suite, "ends_in_order", ends_in_order);
	add_case(suite, "dead_partition", dead_partition);
	add_case(suite, "home_daemon_begins_anew", home_daemon_begins_anew);
	add_case(suite, "partition_daemon_begins_anew", partition_daemon_begins_anew);
	add_case(suite, "both_daemons_end", both_daemons_end);
	add_case(suite, "two_services", two_services);
	add_case(suite, "network_begins_anew", network_begins_anew);
	add_case(suite, "both_daemons_begin_anew", both_daemons_begin_anew);
	add_case(suite, "gone_while_no_daemon", gone_while_no_daemon);
	add_case(suite, "limits_read_again", limits_read_again);
	add_case(suite, "metrics", metrics);
	add_case(suite, "owner_connects_again", owner_connects_again);
	add_case(suite, "owner_connects_after_giving_up", owner_connects_after_giving_up);
	add_case(suite, "owner_connects_later", owner_connects_later);
	add_case(suite, "control_and_counters", control_and_counters);
	return run_suite(suite);
}
