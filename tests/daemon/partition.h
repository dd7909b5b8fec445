/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A partition under test: its module and its daemon, with files in a directory. */
#ifndef PARTITION_H
#define PARTITION_H

#include <sys/types.h>

#include "fakeowner.h"
#include "module.h"

struct partition {
	unsigned int number, port, metrics_port, fabric_port;
	char directory[64], owner_socket[96], control_socket[96];
	struct module module;
	pid_t daemon;
	bool apart;		/* xpmemd-net is started beside it, as by systemd */
	pid_t net;
};

/* Two that know each other, in a new directory below @base; @settings are added to the first */
void partitions_new(struct partition p[2], const char *settings);
void partition_start(struct partition *p);
/* SIGTERM, and the daemon's exit status, or -1: it was killed by a signal */
int partition_stop(struct partition *p);
void partition_kill(struct partition *p);
/* SIGKILL to its xpmemd-net */
void partition_kill_net(struct partition *p);
/* The directory and what is in it; a test that fails leaves them. */
void partitions_remove(struct partition p[2]);
/* Until the session is up */
void partitions_meet(struct partition p[2]);
/* A process of it, which is @owner, makes and shares @pages to read and write. */
void partition_share(struct partition *p, struct fakeowner *owner, int64_t segid, uint64_t pages);
/* One line of the control socket */
void partition_ask(struct partition *p, const char *command, char *reply, size_t size);

/* GET of its metrics' address */
void partition_get(struct partition *p, const char *url, char *reply, size_t size);
/* In its configuration, @from becomes @to. */
void partition_change(struct partition *p, const char *from, const char *to);

#endif /* PARTITION_H */
