/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The library's one way to the module.  What it guarantees stands in device.c.
 */
#ifndef XPMEM_DEVICE_H
#define XPMEM_DEVICE_H

/* Open the device if it is not open.  Returns 0 or -errno. */
int device_init(void);

/*
 * Issue one request.  Returns what the module returned, 0 or more, or -errno.
 * The request may reach the module more than once, always with the bytes that
 * @arg has at that time, so a request's inputs and outputs must be distinct
 * members, or the module must not write them when it fails.
 */
int device_ioctl(unsigned int cmd, void *arg);

#endif /* XPMEM_DEVICE_H */
