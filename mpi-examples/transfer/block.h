/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block: the memory of a rank that others may see.
 *
 *	0		one page: struct block_head
 *	BLOCK_UNIT	send buffer, size_max bytes rounded up to BLOCK_UNIT
 *	...		receive buffer, of the same size
 *
 * All ranks lay theirs out alike, so what a rank knows of its own block it knows
 * of all. The block begins at a multiple of BLOCK_UNIT, so that huge pages fit.
 */
#ifndef TRANSFER_BLOCK_H
#define TRANSFER_BLOCK_H

#include "failure.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_UNIT ((size_t)2 << 20)

enum pages {
	PAGES_BASE, /* 4 KiB */
	PAGES_HUGE, /* 2 MiB, where the kernel has one left */
	PAGES_MAX,
};

extern const char *const pages_names[PAGES_MAX];

/* What others wait for. Only the owner writes, only the progress is read. */
struct block_head {
	_Atomic uint64_t progress;
};

struct block {
	unsigned char *base;
	size_t bytes;
	size_t send_offset, receive_offset, buffer_bytes;
	size_t page_size;
	size_t renew_unit; /* what block_renew() takes: whole pages of the kind */
};

int block_create(size_t size_max, enum pages pages, struct block *ret_block,
		 struct failure *failure);
void block_destroy(struct block *block);

static inline struct block_head *block_head(const struct block *block)
{
	return (struct block_head *)block->base;
}

static inline double *block_send(const struct block *block)
{
	return (double *)(block->base + block->send_offset);
}

static inline double *block_receive(const struct block *block)
{
	return (double *)(block->base + block->receive_offset);
}

/*
 * Have the kernel take the pages of a buffer's first bytes, and store zeros there,
 * which brings new ones. The addresses stay.
 */
int block_renew(const struct block *block, double *buffer, size_t bytes,
		struct failure *failure);

#endif
