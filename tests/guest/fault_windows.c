// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Do the windows of faults grow with access in sequence and shrink without, have place for a
 * message, map nothing that the owner never touched, and cost no memory for that either?
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define PAGES 4096UL
#define SIZE (PAGES * PAGE)
#define LARGEST 512
#define SMALLEST 32
#define LEAF_PAGES 64
#define MESSAGE_PAGES 16UL
#define SEQUENCES 8
/* What a page mapped may cost in the module's memory */
#define BYTES 10

static uint64_t counter(const char *name)
{
	return read_number("/proc/xpmem/counters", name);
}

static char *view(const char *memory, size_t size)
{
	xpmem_segid_t segid = make_segment((void *)(uintptr_t)memory, size);

	return attach_at(get_segment(segid, XPMEM_RDWR), 0, size);
}

/* The n-th page of all, in an order in which none follows its neighbour */
static size_t scattered(size_t n)
{
	return n * 1553 % PAGES;
}

static void touch(const char *at, size_t page)
{
	check(*(const volatile char *)(at + page * PAGE) == (char)(page + 1));
}

static char *owned(size_t pages)
{
	char *memory = map_anon(SIZE);

	no_huge_pages(memory, SIZE);
	for (size_t i = 0; i < pages; i++)
		memory[i * PAGE] = (char)(i + 1);
	return memory;
}

static void in_sequence(void)
{
	char *at = view(owned(PAGES), SIZE);
	uint64_t faults = counter("faults");

	for (size_t i = 0; i < PAGES; i++)
		touch(at, i);
	faults = counter("faults") - faults;
	printf("in sequence: %lu faults for %lu pages\n", faults, PAGES);
	/* 64, 128, 256, 512, ...; a table that the attachment begins within cuts one */
	if (faults > PAGES / LARGEST + 5)
		fail("%lu faults", faults);
}

static void backwards(void)
{
	char *at = view(owned(PAGES), SIZE);
	uint64_t faults = counter("faults");

	for (size_t i = PAGES; i-- > 0;)
		touch(at, i);
	faults = counter("faults") - faults;
	printf("backwards: %lu faults for %lu pages\n", faults, PAGES);
	/* 32, 64, ..., each up to where the last one began */
	if (faults > PAGES / LARGEST + 6)
		fail("%lu faults", faults);
}

/* As threads do: each goes on in a part of its own */
static void several_sequences(void)
{
	char *at = view(owned(PAGES), SIZE);
	uint64_t faults = counter("faults");

	for (size_t i = 0; i < PAGES / SEQUENCES; i++)
		for (size_t part = 0; part < SEQUENCES; part++)
			touch(at, part * (PAGES / SEQUENCES) + i);
	faults = counter("faults") - faults;
	printf("%d sequences: %lu faults for %lu pages\n", SEQUENCES, faults, PAGES);
	/* 32, 64, 128, 256, and what a table that one begins within cuts */
	if (faults > SEQUENCES * 7)
		fail("%lu faults", faults);
}

static void at_random(void)
{
	char *at = view(owned(PAGES), SIZE);
	uint64_t faults, pages;

	for (size_t i = 0; i < 16; i++)
		touch(at, scattered(i));
	faults = counter("faults");
	pages = counter("fault_pages");
	for (size_t i = 16; i < 80; i++)
		touch(at, scattered(i));
	faults = counter("faults") - faults;
	pages = counter("fault_pages") - pages;
	printf("at random: %lu faults mapped %lu pages\n", faults, pages);
	check(faults);
	if (pages > faults * SMALLEST)
		fail("%lu pages by %lu faults", pages, faults);
}

/* What a message of 64 KiB has, read from either end, wherever it lies in a table */
static void messages(void)
{
	char *at = view(owned(PAGES), SIZE);
	uint64_t faults;
	size_t count = 0;

	for (size_t i = 0; i < 4; i++)
		touch(at, 1024 * i);
	faults = counter("faults");
	for (size_t first = 50; first + MESSAGE_PAGES <= PAGES; first += 97) {
		if ((((uintptr_t)at / PAGE + first) % LARGEST) + MESSAGE_PAGES > LARGEST)
			continue;
		for (size_t i = 0; i < MESSAGE_PAGES; i++)
			touch(at, count % 2 ? first + i : first + MESSAGE_PAGES - 1 - i);
		count++;
	}
	faults = counter("faults") - faults;
	printf("messages: %lu faults for %zu\n", faults, count);
	if (faults > count)
		fail("%lu faults for %zu messages", faults, count);
}

/* The owner has every 32nd page; more of it must not come into being. */
static void holes(void)
{
	char *memory = map_anon(SIZE), *at = view(memory, SIZE);
	unsigned char there[PAGES];
	size_t count = 0;

	no_huge_pages(memory, SIZE);
	for (size_t i = 0; i < PAGES; i += 32)
		memory[i * PAGE] = (char)(i + 1);
	for (size_t i = 0; i < PAGES; i += 32)
		touch(at, i);
	check(mincore(memory, SIZE, there) == 0);
	for (size_t i = 0; i < PAGES; i++)
		count += there[i] & 1;
	if (count != PAGES / 32)
		fail("the owner has %zu pages, and touched %lu", count, PAGES / 32);
}

/* From "name active total size ..." of slabinfo: the size of an object */
static size_t object_size(const char *cache)
{
	FILE *file = fopen("/proc/slabinfo", "re");
	char text[512], name[64];
	size_t size = 0, found;

	check(file);
	while (fgets(text, sizeof(text), file))
		if (sscanf(text, "%63s %*u %*u %zu", name, &found) == 2 && !strcmp(name, cache))
			size = found;
	fclose(file);
	return size;
}

static void memory_of_the_module(void)
{
	char *at = view(owned(PAGES), SIZE), *untouched = view(owned(PAGES), SIZE);
	uint64_t leaves = counter("leaves");
	size_t size = object_size("xpm_leaf");

	for (size_t i = 0; i < PAGES; i++)
		touch(at, i);
	leaves = counter("leaves") - leaves;
	if (leaves != PAGES / LEAF_PAGES)
		fail("%lu leaves for %lu pages", leaves, PAGES);
	/* The kernel may have merged the cache with another of objects as large. */
	if (!size)
		size = 576;
	if (leaves * size > PAGES * BYTES)
		fail("%lu leaves of %zu bytes", leaves, size);
	(void)untouched;
}

int main(void)
{
	test_begin(60);
	in_sequence();
	backwards();
	several_sequences();
	at_random();
	messages();
	holes();
	memory_of_the_module();
	return 0;
}
