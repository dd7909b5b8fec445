/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Emptying the page tables of attachments: the subscriber of xpm_rmap_notifier
 * for the mark EXTERNAL, see zap.c
 */
#ifndef XPM_ZAP_H
#define XPM_ZAP_H

#include <linux/types.h>

struct xpm_segment;

int xpm_zap_init(void);
void xpm_zap_exit(void);

/* The pages [first, last] of all attachments of the segment.  No lock held. */
void xpm_zap(struct xpm_segment *segment, unsigned long first, unsigned long last);
/* All of them */
void xpm_zap_all(struct xpm_segment *segment);

#endif /* XPM_ZAP_H */
