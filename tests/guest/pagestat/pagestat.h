/* SPDX-License-Identifier: GPL-2.0-only */
/* What /dev/pagestat answers; see pagestat.c */
#ifndef PAGESTAT_H
#define PAGESTAT_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct pagestat {
	__u64 frame;	/* in: page frame number */
	__s32 refcount;	/* out: of its folio, as the kernel counts it */
	__s32 mapcount;	/* out: of the page, which is no part of a large folio */
};

#define PAGESTAT_READ _IOWR('p', 0x70, struct pagestat)

#endif /* PAGESTAT_H */
