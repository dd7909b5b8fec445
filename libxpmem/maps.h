/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The mappings of this process, one after the other, from /proc.
 *
 * No memory is allocated and no lock of the process is taken, so it can be used by
 * who may not wait for other threads.  What is read may have changed by the time it
 * is used; a mapping that does not change is told as it is.
 */
#ifndef XPMEM_MAPS_H
#define XPMEM_MAPS_H

#include <stddef.h>
#include <stdint.h>

#define MAPS_TEXT 256

enum maps_kind {
	MAPS_ANON, /* private anonymous memory, in pages of any size but of hugetlb */
	MAPS_HUGE, /* the same of hugetlb */
	MAPS_OTHER /* shared, or of a file, or the kernel's own */
};

struct maps_entry {
	uintptr_t start;
	uintptr_t end;
	enum maps_kind kind;
	int prot;	      /* PROT_* */
	char text[MAPS_TEXT]; /* the line, ended by 0, cut if it is longer */
	size_t length;
};

/* Members are the implementation's. */
struct maps {
	int fd;
	size_t at;
	size_t have;
	char buffer[2048];
};

/* Returns 0 or -errno. */
int maps_open(struct maps *maps);

/* The next mapping, by address.  Returns 1, or 0 after the last, or -errno. */
int maps_next(struct maps *maps, struct maps_entry *entry);

void maps_close(struct maps *maps);

/* Parse a line.  Returns 0, or -EINVAL, and then @entry has nothing but the text. */
int maps_parse(const char *line, struct maps_entry *entry);

#endif /* XPMEM_MAPS_H */
