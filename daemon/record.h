/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of the module, checked before anything believes them. */
#ifndef XPMD_RECORD_H
#define XPMD_RECORD_H

#include <stddef.h>

#include "uapi/xpmem_ctl.h"

/*
 * Checks record @n of @buffer, of @size bytes that were read: 0 with *ret filled in;
 * -ENODATA: there is none; -EBADMSG: cut, or nothing that a module says; -EOPNOTSUPP:
 * of a later module, with ret->id to be answered if it is not 0.
 */
int xpmd_record_decode(const void *buffer, size_t size, size_t n, struct xpmem_ctl_record *ret);
const char *xpmd_record_name(unsigned int type);

#endif /* XPMD_RECORD_H */
