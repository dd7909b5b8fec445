/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Somebody on the fabric that is none */
#ifndef FAKE_FABRIC_H
#define FAKE_FABRIC_H

#include <stddef.h>

#define FAKE_PROTOCOL 7

/* Asks to be connected, with these bytes. */
void fake_fabric_knock(const void *hello, size_t length);

#endif /* FAKE_FABRIC_H */
