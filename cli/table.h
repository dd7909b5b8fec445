/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text in columns as wide as they have to be, and numbers and colours for people */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table;

/* Titles by '|'; one that begins with '>' is aligned to the right. */
struct table *table_new(const char *titles);
/* A row's next cell */
void table_add(struct table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Prints it, without spaces at the ends of lines, and frees it. */
void table_print(struct table *table);

/* "4.0K", "1.5G"; good until the eighth next call */
const char *human_size(uint64_t bytes);
/* A user's name, or the number; the same */
const char *human_user(unsigned int uid);

/* A text in a colour, or as it is; the same */
enum colour { COLOUR_GREEN = 32, COLOUR_RED = 31, COLOUR_YELLOW = 33 };
const char *coloured(bool colour, enum colour which, const char *text);

#endif /* CLI_TABLE_H */
