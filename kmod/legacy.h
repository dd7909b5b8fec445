/* SPDX-License-Identifier: GPL-2.0-only */
/* The historic ioctls; see legacy.c */
#ifndef XPM_LEGACY_H
#define XPM_LEGACY_H

#include <linux/compiler_types.h>

struct xpm_process;

long xpm_legacy_ioctl(struct xpm_process *process, unsigned int cmd, void __user *arg);

#endif /* XPM_LEGACY_H */
