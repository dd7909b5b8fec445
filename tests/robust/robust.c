// SPDX-License-Identifier: GPL-2.0-or-later
/* See robust.h. */
#include "robust.h"

#include <getopt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Teardown takes milliseconds; a debug kernel under emulation is much slower. */
#define SETTLE_SECONDS 60

double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

struct robust_options robust_options(int argc, char **argv, unsigned int minutes)
{
	static const struct option known[] = {
		{ "minutes", required_argument, NULL, 'm' },
		{ "seed", required_argument, NULL, 's' },
		{ 0 },
	};
	struct robust_options options = { .minutes = minutes };
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'm':
			options.minutes = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 's':
			options.seed = strtoull(optarg, NULL, 0);
			break;
		default:
			exit(2);
		}
	}
	if (!options.minutes)
		options.minutes = 1;
	if (!options.seed) {
		struct timespec time;

		clock_gettime(CLOCK_REALTIME, &time);
		options.seed = (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	return options;
}

/* ------------------------------------------------------------- randomness */

/* splitmix64 */
uint64_t random_bits(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

unsigned int pick(uint64_t *state, unsigned int n)
{
	return (unsigned int)((random_bits(state) >> 32) * n >> 32);
}

bool once_in(uint64_t *state, unsigned int n)
{
	return pick(state, n) == 0;
}

uint64_t seed_of(uint64_t seed, unsigned int a, unsigned int b, unsigned int c)
{
	uint64_t state = seed;

	state ^= random_bits(&state) + a;
	state ^= random_bits(&state) + b;
	state ^= random_bits(&state) + c;
	return random_bits(&state);
}

/* ----------------------------------------------------- the module's counts */

static const char *const counter_names[COUNTERS] = {
	"segments", "permits", "attachments", "processes", "users", "leaves",
};

struct counters counters_now(void)
{
	FILE *file = fopen("/proc/xpmem/counters", "re");
	struct counters counters = { 0 };
	unsigned int found = 0;
	char name[64];
	long value;

	if (!file)
		return counters;
	while (fscanf(file, "%63s %ld", name, &value) == 2) {
		for (unsigned int i = 0; i < COUNTERS; i++) {
			if (!strcmp(name, counter_names[i])) {
				counters.value[i] = value;
				found++;
			}
		}
	}
	fclose(file);
	if (found != COUNTERS)
		fail("/proc/xpmem/counters lacks some of the counts");
	counters.known = true;
	return counters;
}

static bool settle(const struct counters *then, unsigned int compared)
{
	double limit = now() + SETTLE_SECONDS;
	struct counters counters;

	if (!then->known)
		return true;
	for (;;) {
		counters = counters_now();
		if (!memcmp(counters.value, then->value, compared * sizeof(then->value[0])))
			return true;
		if (now() > limit)
			break;
		usleep(2000);
	}
	for (unsigned int i = 0; i < compared; i++)
		if (counters.value[i] != then->value[i])
			fprintf(stderr, "the module has %ld %s, should have %ld\n",
				counters.value[i], counter_names[i], then->value[i]);
	return false;
}

bool counters_settle(const struct counters *then)
{
	return settle(then, COUNTERS);
}

bool counters_settle_objects(const struct counters *then)
{
	return settle(then, COUNTER_LEAVES);
}

/* ---------------------------------------------------------------- accesses */

static __thread sigjmp_buf access_failed;
static __thread volatile sig_atomic_t accessing;

static void access_handler(int signal)
{
	if (accessing)
		siglongjmp(access_failed, signal);
	/* Not an access that may fail: end as if there were no handler. */
	sigaction(signal, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
}

void access_begin(void)
{
	/* NODEFER: nothing to restore, so an access makes no system call. */
	struct sigaction action = { .sa_handler = access_handler, .sa_flags = SA_NODEFER };

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
}

static int access_do(volatile uint64_t *addr, uint64_t *value, bool write)
{
	int signal = sigsetjmp(access_failed, 0);

	if (!signal) {
		accessing = 1;
		atomic_signal_fence(memory_order_seq_cst);
		if (write)
			__atomic_store_n(addr, *value, __ATOMIC_SEQ_CST);
		else
			*value = __atomic_load_n(addr, __ATOMIC_SEQ_CST);
	}
	atomic_signal_fence(memory_order_seq_cst);
	accessing = 0;
	return signal;
}

int access_read(const volatile uint64_t *addr, uint64_t *value)
{
	return access_do((volatile uint64_t *)(uintptr_t)addr, value, false);
}

int access_write(volatile uint64_t *addr, uint64_t value)
{
	return access_do(addr, &value, true);
}

int access_copy(void *to, const void *from, size_t size)
{
	int signal = sigsetjmp(access_failed, 0);

	if (!signal) {
		accessing = 1;
		atomic_signal_fence(memory_order_seq_cst);
		memcpy(to, from, size);
	}
	atomic_signal_fence(memory_order_seq_cst);
	accessing = 0;
	return signal;
}
