/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pins: what the kernel says about pinned pages. A pinned page can't be moved,
 * swapped or given back; that XPMEM pins none is the claim to check.
 */
#ifndef HEAT_PINS_H
#define HEAT_PINS_H

/* A value is -1 where the kernel does not tell. */
struct pins {
	long process_kib;  /* VmPin of /proc/self/status */
	long module_pages; /* pinned by XPMEM, /proc/xpmem/global_pages */
	long node_pages;   /* pinned now on the whole node, /proc/vmstat */
};

struct pins pins_read(void);

#endif
