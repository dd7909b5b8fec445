// SPDX-License-Identifier: GPL-2.0-or-later
/* Queues of bytes; see queue.h. */
#include "queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct xpmd_piece *new_piece(void)
{
	struct xpmd_piece *piece = malloc(sizeof(*piece));

	if (piece)
		piece->start = piece->end = 0;
	return piece;
}

int xpmd_queue_init(struct xpmd_queue *queue)
{
	struct xpmd_piece *piece = new_piece();

	TAILQ_INIT(&queue->pieces);
	queue->length = 0;
	if (!piece)
		return -ENOMEM;
	TAILQ_INSERT_TAIL(&queue->pieces, piece, entry);
	return 0;
}

void xpmd_queue_destroy(struct xpmd_queue *queue)
{
	struct xpmd_piece *piece;

	while ((piece = TAILQ_FIRST(&queue->pieces))) {
		TAILQ_REMOVE(&queue->pieces, piece, entry);
		free(piece);
	}
	queue->length = 0;
}

/* Room for @length more bytes, in pieces after @last that are empty */
static int reserve(struct xpmd_queue *queue, struct xpmd_piece *last, size_t length)
{
	size_t room = XPMD_QUEUE_PIECE - last->end;
	struct xpmd_piece *piece;

	while (room < length) {
		piece = new_piece();
		if (!piece)
			break;
		TAILQ_INSERT_TAIL(&queue->pieces, piece, entry);
		room += XPMD_QUEUE_PIECE;
	}
	if (room >= length)
		return 0;
	while ((piece = TAILQ_NEXT(last, entry))) {
		TAILQ_REMOVE(&queue->pieces, piece, entry);
		free(piece);
	}
	return -ENOMEM;
}

static struct xpmd_piece *put(struct xpmd_queue *queue, struct xpmd_piece *piece,
			      const uint8_t *bytes, size_t length)
{
	while (length) {
		size_t part = XPMD_QUEUE_PIECE - piece->end;

		if (!part) {
			piece = TAILQ_NEXT(piece, entry);
			continue;
		}
		if (part > length)
			part = length;
		memcpy(piece->bytes + piece->end, bytes, part);
		piece->end += part;
		queue->length += part;
		bytes += part;
		length -= part;
	}
	return piece;
}

int xpmd_queue_append(struct xpmd_queue *queue, const void *first, size_t first_length,
		      const void *second, size_t second_length)
{
	struct xpmd_piece *last = TAILQ_LAST(&queue->pieces, xpmd_pieces);

	if (reserve(queue, last, first_length + second_length) < 0)
		return -ENOMEM;
	last = put(queue, last, first, first_length);
	put(queue, last, second, second_length);
	return 0;
}

size_t xpmd_queue_peek(const struct xpmd_queue *queue, const uint8_t **ret)
{
	const struct xpmd_piece *piece = TAILQ_FIRST(&queue->pieces);

	*ret = piece->bytes + piece->start;
	return piece->end - piece->start;
}

void xpmd_queue_consume(struct xpmd_queue *queue, size_t length)
{
	struct xpmd_piece *piece = TAILQ_FIRST(&queue->pieces);

	piece->start += length;
	queue->length -= length;
	if (piece->start < piece->end)
		return;
	if (TAILQ_NEXT(piece, entry)) {
		TAILQ_REMOVE(&queue->pieces, piece, entry);
		free(piece);
	} else {
		piece->start = piece->end = 0;
	}
}
