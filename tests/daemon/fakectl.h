/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module without a kernel: xpmemd runs with fake_device.c in the place of device.c,
 * which carries its reads and requests over a unix socket to the test, where this
 * answers them from its own memory.
 *
 * A connection begins with its role, a byte.  On RECORDS structures
 * xpmem_ctl_record go to the daemon.  On REQUESTS go request heads, each with the
 * structure and @in bytes of what its pointers point to; back come the result, the
 * structure and @out bytes.  A thread of the daemon has a connection of its own, as a
 * request may wait for another thread's.
 */
#ifndef FAKECTL_H
#define FAKECTL_H

#include <stdint.h>

#define FAKECTL_ENVIRONMENT	"XPMD_FAKE"	/* path of the socket */
#define FAKECTL_RECORDS		'R'
#define FAKECTL_REQUESTS	'Q'
#define FAKECTL_STRUCT_MAX	128
#define FAKECTL_DATA_MAX	(512 * 4096 + 4096)

struct fakectl_head {
	uint32_t nr;		/* low byte of the ioctl */
	uint32_t size;		/* of the structure */
	uint32_t in, out;
};

struct fakectl_reply {
	int32_t rc;
	uint32_t reserved;
};

#endif /* FAKECTL_H */
