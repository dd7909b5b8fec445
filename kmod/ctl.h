/* SPDX-License-Identifier: GPL-2.0-only */
/* /dev/xpmem-ctl; see ctl.c */
#ifndef XPM_CTL_H
#define XPM_CTL_H

int xpm_ctl_init(void);
void xpm_ctl_exit(void);

#endif /* XPM_CTL_H */
