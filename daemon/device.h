/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The three system calls on /dev/xpmem-ctl.  A file of its own because tests link
 * another one in its place, which plays the module.
 */
#ifndef XPMD_DEVICE_H
#define XPMD_DEVICE_H

#include <sys/types.h>

/* A non-blocking descriptor, or -errno */
int xpmd_device_open(void);
/* As read(2) and ioctl(2), but -errno when they fail */
ssize_t xpmd_device_read(int fd, void *buffer, size_t size);
int xpmd_device_ioctl(int fd, unsigned long request, void *argument);

#endif /* XPMD_DEVICE_H */
