// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What decides about future opens is taken over: a partition's users, access and
 * pages_max, and segments_per_user, hugetlb_per_user and lost of this one.  All else is
 * known to the module, to the sessions or to other daemons, and is told to need a restart.
 */
#include "reload.h"

#include "config.h"
#include "daemon.h"
#include "exporter.h"
#include "log.h"
#include "owner.h"
#include "peers.h"

#include <stdbool.h>
#include <string.h>

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_list(char *const *a, char *const *b)
{
	for (; *a && *b; a++, b++)
		if (strcmp(*a, *b) != 0)
			return false;
	return !*a && !*b;
}

static void say(const char *name)
{
	xpmd_log(LOG_WARNING, "%s has changed in the configuration: restart xpmemd for that", name);
}

static void compare(const struct xpmd_config *was, const struct xpmd_config *is)
{
	if (was->number != is->number)
		say("number");
	if (!same(was->name, is->name))
		say("name");
	if (!same_list(was->listen, is->listen))
		say("listen");
	if (!same(was->certificate, is->certificate) || !same(was->key, is->key) ||
	    !same(was->authority, is->authority))
		say("certificate, key or authority");
	if (was->lease_ms != is->lease_ms || was->skew_ms != is->skew_ms ||
	    was->fault_ms != is->fault_ms)
		say("lease_ms, skew_ms or fault_ms");
	if (was->replica_limit != is->replica_limit)
		say("replica_limit");
	if (was->directory_pages != is->directory_pages)
		say("directory_pages");
	if (!same(was->owner_socket, is->owner_socket) ||
	    !same(was->control_socket, is->control_socket) ||
	    !same(was->munge_socket, is->munge_socket) || !same(was->metrics, is->metrics))
		say("a socket or metrics");
	if (!same(was->net_user, is->net_user))
		say("net_user");
	if (!same(was->fabric, is->fabric) || was->fabric_min != is->fabric_min)
		say("fabric or fabric_min");
}

static void take_over(struct xpmd_partition *was, const struct xpmd_partition *is)
{
	was->users = is->users;
	was->read_only = is->read_only;
	was->pages_max = is->pages_max;
	if (!same(was->name, is->name) || !same(was->address, is->address) ||
	    !same(was->key_file, is->key_file) || was->fabric != is->fabric)
		say("a partition's name, address, key_file or fabric");
}

void xpmd_reload(struct xpmd *d)
{
	struct xpmd_config *was = d->config, *is = xpmd_config_read(d->config_path);
	size_t known = 0;

	if (!is) {
		xpmd_log(LOG_ERR, "%s has mistakes: nothing is changed", d->config_path);
		return;
	}
	compare(was, is);
	for (size_t i = 0; i < is->nr_partitions; i++)
		for (size_t j = 0; j < was->nr_partitions; j++)
			if (was->partitions[j].number == is->partitions[i].number) {
				take_over(&was->partitions[j], &is->partitions[i]);
				known++;
			}
	if (known != is->nr_partitions || known != was->nr_partitions)
		say("the list of partitions");
	was->segments_per_user = is->segments_per_user;
	was->hugetlb_per_user = is->hugetlb_per_user;
	was->lost = is->lost;
	xpmd_owners_limit(xpmd_exporter_owners(d->exporter), is->segments_per_user);
	xpmd_config_free(is);
	xpmd_log(LOG_INFO, "limits are those of %s now", d->config_path);
}
