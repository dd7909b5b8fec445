// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a request and its answer cost between two partitions' daemons on one machine, by
 * TLS on loopback: hop has its sessions itself, hop_net has them in xpmemd-net, as xpmemd
 * does.  The difference is what the process between costs, two of them on each way.
 *
 *	hop|hop_net [COUNT]
 *
 * Prints a line for answers without and with a page: median, 99th percentile, COUNT.
 */
#define _GNU_SOURCE
#include "pair.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP	1000u

static uint8_t page[XPMD_PAGE];
static bool with_page;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void answer(struct peer *peer, const struct xpmd_msg *msg)
{
	struct xpmd_msg reply = *msg;

	reply.type = XPMD_GRANT;
	reply.state = XPMD_SHARED;
	if (msg->state == XPMD_SHARED) {	/* it wants the page */
		reply.mask[0] = 1;
		reply.data = page;
	}
	ck_assert_int_eq(xpmd_transport_send(peer->transport, 2, XPMD_URGENT, &reply), 0);
	xpmd_transport_flush(peer->transport);
}

/* Partition 1, in a process of its own; its address goes to @fd. */
static _Noreturn void serve(int fd, char *key)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	ck_assert_int_ge(sd_event_new(&event), 0);
	peer_init(&a, 1);
	a.on_message = answer;
	peer_knows(&a, 2, "two", NULL, key);
	if (peer_start(&a) < 0 || write(fd, a.address, sizeof(a.address)) < 0)
		_exit(1);
	sd_event_loop(event);
	_exit(0);
}

static uint64_t ask_once(uint64_t id)
{
	struct xpmd_msg msg = {
		.type = XPMD_READ, .segid = SEGID_1, .first = 1, .count = 1, .id = id,
		.incarnation = 1002, .state = with_page ? XPMD_SHARED : XPMD_NONE,
	};
	unsigned int before = b.messages;
	uint64_t start = now_ns();

	ck_assert_int_eq(xpmd_transport_send(b.transport, 1, XPMD_URGENT, &msg), 0);
	xpmd_transport_flush(b.transport);
	while (b.messages == before)
		ck_assert_int_ge(sd_event_run(event, 5000000), 0);
	return now_ns() - start;
}

static int compare(const void *left, const void *right)
{
	uint64_t x = *(const uint64_t *)left, y = *(const uint64_t *)right;

	return x < y ? -1 : x > y;
}

static void measure(const char *who, unsigned int n, uint64_t *times)
{
	unsigned int i;

	for (i = 0; i < WARM_UP; i++)
		ask_once(i);
	for (i = 0; i < n; i++)
		times[i] = ask_once(i);
	qsort(times, n, sizeof(*times), compare);
	printf("%s, %s: p50 %.1f us, p99 %.1f us, n %u\n", who,
	       with_page ? "4096 bytes" : "no data", (double)times[n / 2] / 1000,
	       (double)times[n / 100 * 99] / 1000, n);
}

static unsigned int count = 20000;
static const char *name;

/* Check's macros are for its tests alone, so this is one. */
START_TEST(hop)
{
	uint64_t *times = calloc(count, sizeof(*times));
	char *key, *other, address[sizeof(a.address)];
	int fds[2];
	pid_t pid;

	ck_assert_ptr_nonnull(times);
	peers_begin();
	key = make_key("one.key", 0);
	other = make_key("two.key", 0);
	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	if (!pid)
		serve(fds[1], key);
	ck_assert_int_eq(read(fds[0], address, sizeof(address)), (int)sizeof(address));
	peer_init(&b, 2);
	b.listen[0] = NULL;
	peer_knows(&b, 1, "one", address, other);
	ck_assert_int_eq(peer_start(&b), 0);
	run_until(b.ups);
	for (unsigned int i = 0; i < 2; i++) {
		with_page = i;
		measure(name, count, times);
	}
	peer_stop(&b);
	kill(pid, SIGKILL);
	peers_end();
	free(times);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("hop");
	TCase *tcase = tcase_create("hop");
	SRunner *runner;
	int failed;

	name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	if (argc > 1)
		count = (unsigned int)atoi(argv[1]);
	if (argc > 2 || count < 100) {
		fprintf(stderr, "usage: %s [COUNT], 100 or more\n", name);
		return 2;
	}
	tcase_set_timeout(tcase, 0);
	tcase_add_test(tcase, hop);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	if (failed)
		srunner_print(runner, CK_NORMAL);
	srunner_free(runner);
	return failed != 0;
}
