/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes that wait to be sent: pieces of one size, so that a long queue does not have to
 * move and a short one costs no allocation.  Every queue keeps its last piece.
 */
#ifndef XPMD_QUEUE_H
#define XPMD_QUEUE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define XPMD_QUEUE_PIECE (64 * 1024 - 64)

struct xpmd_piece {
	TAILQ_ENTRY(xpmd_piece) entry;
	size_t start, end;
	uint8_t bytes[XPMD_QUEUE_PIECE];
};

struct xpmd_queue {
	TAILQ_HEAD(xpmd_pieces, xpmd_piece) pieces;
	size_t length;
};

/* 0 or -ENOMEM */
int xpmd_queue_init(struct xpmd_queue *queue);
void xpmd_queue_destroy(struct xpmd_queue *queue);

/* All of both parts, or -ENOMEM and none */
int xpmd_queue_append(struct xpmd_queue *queue, const void *first, size_t first_length,
		      const void *second, size_t second_length);
/* Bytes at its beginning that are together, and how many; 0 when it is empty */
size_t xpmd_queue_peek(const struct xpmd_queue *queue, const uint8_t **ret);
/* At most what peek gave */
void xpmd_queue_consume(struct xpmd_queue *queue, size_t length);

#endif /* XPMD_QUEUE_H */
