/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses of daemons: "tcp://192.0.2.1:7474", "tcp://[2001:db8::1]:7474",
 * "tcp://[fe80::1%eth0]:7474", "vsock://3:7474", "vsock://any:7474" to listen.  Numbers
 * alone: asking for a name would wait for somebody.
 */
#ifndef XPMD_ADDRESS_H
#define XPMD_ADDRESS_H

#include <stddef.h>
#include <sys/socket.h>

#define XPMD_ADDRESS_TEXT 96

struct xpmd_address {
	struct sockaddr_storage bytes;
	socklen_t length;
};

/* 0; -EINVAL; or -ENODEV: the interface that it names is not here */
int xpmd_address_parse(struct xpmd_address *ret, const char *text);
void xpmd_address_format(const struct xpmd_address *address, char text[XPMD_ADDRESS_TEXT]);

#endif /* XPMD_ADDRESS_H */
