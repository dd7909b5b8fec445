/* SPDX-License-Identifier: GPL-2.0-only */
/* Replicas freed when memory is short, or when there are too many; see shrink.c */
#ifndef XPM_SHRINK_H
#define XPM_SHRINK_H

int xpm_shrink_init(void);
void xpm_shrink_exit(void);

/* Sees to it, some time later, that there are no more than the daemon's limit. */
void xpm_shrink_to_limit(void);

#endif /* XPM_SHRINK_H */
