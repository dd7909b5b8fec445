/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log: the journal with fields when systemd reads our standard error, else lines
 * on it.  From any thread.  Priorities are syslog's.  Of lines below LOG_ERR with the same
 * format and about the same partition 20 are written in 10 seconds; the next that is
 * written tells how many were left out.
 */
#ifndef XPMD_LOG_H
#define XPMD_LOG_H

#include <stdint.h>
#include <syslog.h>

/* Messages up to @priority are written; LOG_INFO until told otherwise. */
void xpmd_log_open(const char *name, int priority);

/* @format of one line, without its end */
void xpmd_log(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * The same about a partition and a segment, which become the journal's fields
 * XPMEM_PARTITION and XPMEM_SEGID; 0: none.
 */
void xpmd_log_of(int priority, uint32_t partition, int64_t segid, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif /* XPMD_LOG_H */
