// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Prints how fast this machine's time stamp counter runs, in kHz.  Of many readings of
 * counter and clock those count that came closest together, so a busy machine does not
 * matter.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <x86intrin.h>

#define READINGS 1000
#define APART_US 250000

struct reading {
	uint64_t ticks, ns;
};

static struct reading best_reading(void)
{
	uint64_t closest = UINT64_MAX;
	struct reading best = { 0, 0 };

	for (int i = 0; i < READINGS; i++) {
		struct timespec now;
		uint64_t before = __rdtsc(), after;

		clock_gettime(CLOCK_MONOTONIC, &now);
		after = __rdtsc();
		if (after - before >= closest)
			continue;
		closest = after - before;
		best.ticks = before + closest / 2;
		best.ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	}
	return best;
}

int main(void)
{
	struct reading first = best_reading(), second;

	usleep(APART_US);
	second = best_reading();
	printf("%.0f\n", (double)(second.ticks - first.ticks) * 1e6 / (double)(second.ns - first.ns));
	return 0;
}
