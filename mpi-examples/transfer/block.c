// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * block: anonymous memory, as malloc() has it for large sizes, but with a say in
 * the kind of its pages.
 */
#include "block.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const char *const pages_names[PAGES_MAX] = {
	[PAGES_BASE] = "base",
	[PAGES_HUGE] = "huge",
};

/* MAP_FAILED, or `bytes` bytes that begin at a multiple of BLOCK_UNIT */
static unsigned char *map_aligned(size_t bytes)
{
	size_t before, after;
	unsigned char *at = mmap(NULL, bytes + BLOCK_UNIT,
				 PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return at;
	before = -(uintptr_t)at % BLOCK_UNIT;
	after = BLOCK_UNIT - before;
	if (before != 0)
		munmap(at, before);
	munmap(at + before + bytes, after);
	return at + before;
}

int block_create(size_t size_max, enum pages pages, struct block *ret_block,
		 struct failure *failure)
{
	size_t buffer_bytes =
		(size_max + BLOCK_UNIT - 1) / BLOCK_UNIT * BLOCK_UNIT;
	struct block block = {
		.bytes = BLOCK_UNIT + 2 * buffer_bytes,
		.send_offset = BLOCK_UNIT,
		.receive_offset = BLOCK_UNIT + buffer_bytes,
		.buffer_bytes = buffer_bytes,
		.page_size = (size_t)sysconf(_SC_PAGESIZE),
	};

	/* A part of a huge page would be split off it. */
	block.renew_unit = pages == PAGES_HUGE ? BLOCK_UNIT : block.page_size;
	block.base = map_aligned(block.bytes);
	if (block.base == MAP_FAILED)
		return failure_set(failure, EXIT_RUNTIME,
				   "no %zu bytes of memory: %s", block.bytes,
				   strerror(errno));
	/* EINVAL: a kernel without huge pages, whose pages are the base ones. */
	if (madvise(block.base, block.bytes,
		    pages == PAGES_HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) !=
		    0 &&
	    !(errno == EINVAL && pages == PAGES_BASE)) {
		failure_set(failure, EXIT_RUNTIME, "madvise for %s pages: %s",
			    pages_names[pages], strerror(errno));
		munmap(block.base, block.bytes);
		return failure->code;
	}
	atomic_init(&block_head(&block)->progress, 0);
	*ret_block = block;
	return EXIT_OK;
}

void block_destroy(struct block *block)
{
	munmap(block->base, block->bytes);
}

int block_renew(const struct block *block, double *buffer, size_t bytes,
		struct failure *failure)
{
	size_t whole = (bytes + block->renew_unit - 1) / block->renew_unit *
		       block->renew_unit;

	if (madvise(buffer, whole, MADV_DONTNEED) != 0)
		return failure_set(failure, EXIT_RUNTIME,
				   "MADV_DONTNEED of %zu bytes: %s", whole,
				   strerror(errno));
	memset(buffer, 0, bytes);
	return EXIT_OK;
}
