/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a process uses: the kernel's accounts of it in /proc */
#ifndef USAGE_H
#define USAGE_H

#include <stdint.h>
#include <sys/types.h>

/*
 * Nanoseconds that its threads ran until now, and those of its descendants: a daemon is
 * several processes.  Those that have ended are not in it.
 */
uint64_t usage_cpu_ns(pid_t pid);
/* Bytes of its own memory */
uint64_t usage_memory(pid_t pid);
/* A counter of the daemon with the control socket @path, xpmemd(8) */
uint64_t usage_counter(const char *path, const char *name);
/* Segments with data that were sent on the daemons' connections, as ss(8) tells */
uint64_t usage_messages(void);

#endif /* USAGE_H */
