/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket: what there is, for the administrator's command.  A line is a
 * request, {"command": NAME}, and its answer a line: {"error": TEXT}, or
 *
 *   status      {"version", "partition", "name", "incarnation", "uptime_ms", "grace_ms",
 *               "partitions_up", "partitions", "owners"}
 *   partitions  {"partitions": [{"number", "name", "address", "up", "users",
 *               "read_only", "pages_max", "bytes_sent", "bytes_received", "fabric_up",
 *               "fabric_bytes_sent", "fabric_bytes_received", "refused"}]}
 *   segments    {"segments": [{"segid", "pages", "pid", "connected", "lost", "permits"}]}
 *   remote      {"segments": [{"segid", "partition", "pages", "uid", "write"}]}
 *   counters    {"home": {...}, "replica": {...}, "records": {...}}
 *
 * Ids are hexadecimal text: a number of JSON can't hold them.  Mode 0600: segments are
 * other users'.
 */
#ifndef XPMD_CONTROL_H
#define XPMD_CONTROL_H

struct xpmd;
struct xpmd_control;

int xpmd_control_new(struct xpmd_control **ret, struct xpmd *d);
void xpmd_control_free(struct xpmd_control *control);

#endif /* XPMD_CONTROL_H */
