// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sim [--seed FIRST] [--count N] [--trace] [--mutant NAME]
 *
 * Runs N seeds from FIRST on.  Without --mutant, 1 and the seed on standard output tell
 * of the first that fails; --seed THAT --trace shows it.  With --mutant the code has a
 * mistake, and it is a failure if no seed finds it.
 */
#include "sim.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const mutants[XPMD_MUTANT_MAX] = {
	[XPMD_MUTANT_NONE] = "none",
	[XPMD_MUTANT_NO_REQUEST_ID] = "no-request-id",
	[XPMD_MUTANT_NO_GEN] = "no-gen",
	[XPMD_MUTANT_NO_FENCE] = "no-fence",
	[XPMD_MUTANT_NO_GRACE] = "no-grace",
	[XPMD_MUTANT_EARLY_TAKEN] = "early-taken",
	[XPMD_MUTANT_NO_EPOCH] = "no-epoch",
	[XPMD_MUTANT_LEASE_FROM_RECEIPT] = "lease-from-receipt",
	[XPMD_MUTANT_NO_PARCEL] = "no-parcel",
	[XPMD_MUTANT_RENEW_ALWAYS] = "renew-always",
	[XPMD_MUTANT_NO_REFETCH] = "no-refetch",
	[XPMD_MUTANT_NO_LEAVE] = "no-leave",
	[XPMD_MUTANT_NO_END] = "no-end",
	[XPMD_MUTANT_NO_LEASE_FOUND] = "no-lease-found",
};

static struct sim sim;

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "count", required_argument, NULL, 'n' },
		{ "trace", no_argument, NULL, 't' },
		{ "mutant", required_argument, NULL, 'm' },
		{ 0 },
	};
	uint64_t seed = 1, count = 1, steps = 0, loads = 0, stores = 0, faults = 0, recalls = 0;
	uint64_t evictions = 0, restarts = 0, ends = 0, losses = 0, messages = 0, longest = 0;
	bool trace = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "s:n:tm:", options, NULL)) != -1)
		switch (opt) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			count = strtoull(optarg, NULL, 0);
			break;
		case 't':
			trace = true;
			break;
		case 'm':
			for (xpmd_mutant = XPMD_MUTANT_NONE; xpmd_mutant < XPMD_MUTANT_MAX;
			     xpmd_mutant++)
				if (!strcmp(mutants[xpmd_mutant], optarg))
					break;
			if (xpmd_mutant < XPMD_MUTANT_MAX)
				break;
			/* fall through */
		default:
			fprintf(stderr,
				"usage: %s [--seed FIRST] [--count N] [--trace] [--mutant NAME]\n",
				argv[0]);
			return 2;
		}

	for (uint64_t i = 0; i < count; i++) {
		sim_run(&sim, seed + i, trace);
		steps += sim.steps;
		loads += sim.loads;
		stores += sim.stores;
		faults += sim.faults;
		recalls += sim.recalls;
		evictions += sim.evictions;
		restarts += sim.restarts;
		ends += sim.ends;
		losses += sim.losses;
		messages += sim.messages;
		if (sim.recall_max > longest)
			longest = sim.recall_max;
		if (!sim.failed)
			continue;
		printf("seed %llu, %.3f ms: %s\n", (unsigned long long)sim.seed,
		       (double)sim.now / 1e6, sim.failure);
		if (xpmd_mutant)
			printf("%s found by seed %llu of %llu\n", mutants[xpmd_mutant],
			       (unsigned long long)i + 1, (unsigned long long)count);
		return !xpmd_mutant;
	}
	printf("%llu seeds, %llu steps: %llu loads, %llu stores, %llu faults, %llu messages, "
	       "%llu recalls (longest %.1f ms), %llu evictions, %llu restarts, %llu ends, %llu pages lost\n",
	       (unsigned long long)count, (unsigned long long)steps, (unsigned long long)loads,
	       (unsigned long long)stores, (unsigned long long)faults,
	       (unsigned long long)messages, (unsigned long long)recalls, (double)longest / 1e6,
	       (unsigned long long)evictions, (unsigned long long)restarts, (unsigned long long)ends,
	       (unsigned long long)losses);
	if (xpmd_mutant)
		printf("%s was not found\n", mutants[xpmd_mutant]);
	return xpmd_mutant != XPMD_MUTANT_NONE;
}
