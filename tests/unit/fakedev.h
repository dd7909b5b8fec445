/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stand-in for /dev/xpmem inside the test program.
 *
 * fakedev.c defines open and ioctl.  The program's own definitions come before
 * those of libc, also for the shared library under test, which is therefore
 * tested as it is installed.  The device is /dev/null under another name, so
 * that its descriptors are real: fork copies them, close frees their number,
 * fstat says what they are.  All other files behave as ever.
 *
 * What the module does and this does too: a request through a descriptor that
 * another process opened fails with XPMEM_ERRNO_NOPROC.
 */
#ifndef FAKEDEV_H
#define FAKEDEV_H

#include <stdatomic.h>

/* How often the library opened the device, successful or not. */
extern atomic_int fake_opens;

/* How often a request reached the device, NOPROC ones included. */
extern atomic_int fake_requests;

/* When not 0, open of the device fails with this errno. */
extern atomic_int fake_open_errno;

/* What an open of the device opens; a character device is the default. */
extern const char *fake_path;

/* When not NULL, called inside each open of the device. */
extern void (*fake_in_open)(void);

/*
 * When not NULL, answers the requests: 0 or more, or -errno.  By default a
 * request succeeds, and QUERY and VERSION answer FAKE_VERSION.
 */
extern int (*fake_answer)(unsigned long cmd, void *arg);

#define FAKE_VERSION 0x31002

/*
 * When not NULL, get every other open and ioctl of the program first: 0 or more, or
 * -errno, or FAKE_PASS for what is not theirs.
 */
extern int (*fake_other_open)(const char *path, int flags);
extern int (*fake_other_ioctl)(unsigned long cmd, void *arg);

#define FAKE_PASS (-100000)

/* Make all descriptors that are open now another process's. */
void fake_disown(void);

/* The number of open descriptors of the device; *@fd_ret is one of them. */
int fake_count(int *fd_ret);

#endif /* FAKEDEV_H */
