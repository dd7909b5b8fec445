/* SPDX-License-Identifier: GPL-2.0-only */
/* /dev/xpmem; see device.c */
#ifndef XPM_DEVICE_H
#define XPM_DEVICE_H

int xpm_device_init(void);
void xpm_device_exit(void);

#endif /* XPM_DEVICE_H */
