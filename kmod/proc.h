/* SPDX-License-Identifier: GPL-2.0-only */
/* /proc/xpmem; see proc.c */
#ifndef XPM_PROC_H
#define XPM_PROC_H

int xpm_proc_init(void);
void xpm_proc_exit(void);

#endif /* XPM_PROC_H */
