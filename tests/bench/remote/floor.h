/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The floors: what the network costs without XPMEM.  A request of 64 bytes is answered
 * with as many bytes as it wants, by plain blocking calls with TCP_NODELAY, over TCP or
 * over TLS 1.3 with the daemons' cipher.  Nobody polls.
 *
 * Failures end the process by fatal().
 */
#ifndef FLOOR_H
#define FLOOR_H

#include <stdbool.h>
#include <stddef.h>

#define FLOOR_REQUEST	64
#define FLOOR_CHUNK	(256u << 10)	/* a large answer is sent and read in such pieces */

int tcp_listen(unsigned int port);
int tcp_accept(int listener);
/* Until somebody listens there */
int tcp_connect(const char *address, unsigned int port);

/* A process that answers at @port + 1 by TCP and at @port + 2 by TLS, and ends with ours */
void floor_serve(unsigned int port);

/* The same by one process that waits for all connections at once */
void floor_serve_all(unsigned int port);

struct floor;
/* @port is floor_serve()'s */
struct floor *floor_connect(const char *address, unsigned int port, bool tls);
void floor_close(struct floor *floor);
/* @buffer: FLOOR_CHUNK bytes */
void floor_request(struct floor *floor, size_t size, void *buffer);
/* The same in two halves */
void floor_ask(struct floor *floor, size_t size);
void floor_answer(struct floor *floor, size_t size, void *buffer);

#endif /* FLOOR_H */
