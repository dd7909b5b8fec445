// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A line of /proc/PID/maps is
 *
 *	START-END PERM OFFSET MAJOR:MINOR INODE   NAME
 *
 * Private anonymous memory has inode 0 and no name, or one that begins with
 * "[heap]", "[stack" or "[anon:".  Other names in brackets are mappings of the
 * kernel's own ([vdso], [vvar], [uprobes]).  That of hugetlb has a file that the kernel
 * made for it, which no one else can open.  All the rest is shared or shows what
 * others can change.
 *
 * The file is that of the thread, because the process's is empty after its first
 * thread has ended.
 */
#include "maps.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGETLB_NAME "/anon_hugepage (deleted)"

/* Returns behind the hexadecimal number at @at, or NULL. */
static const char *parse_hex(const char *at, uintptr_t *value)
{
	const char *start = at;

	for (*value = 0;; at++) {
		if (*at >= '0' && *at <= '9')
			*value = *value << 4 | (uintptr_t)(*at - '0');
		else if (*at >= 'a' && *at <= 'f')
			*value = *value << 4 | (uintptr_t)(*at - 'a' + 10);
		else
			return at == start ? NULL : at;
	}
}

/* Returns the beginning of the next word. */
static const char *next_word(const char *at)
{
	while (*at && *at != ' ')
		at++;
	while (*at == ' ')
		at++;
	return at;
}

static int begins_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static enum maps_kind kind_of(char sharing, const char *inode, const char *name)
{
	if (sharing != 'p')
		return MAPS_OTHER;
	if (strcmp(name, HUGETLB_NAME) == 0)
		return MAPS_HUGE;
	if (inode[0] != '0')
		return MAPS_OTHER;
	if (!*name || begins_with(name, "[heap]") ||
	    begins_with(name, "[stack") || begins_with(name, "[anon:"))
		return MAPS_ANON;
	return MAPS_OTHER;
}

int maps_parse(const char *line, struct maps_entry *entry)
{
	const char *at, *perm, *inode;

	entry->length = strlen(line);
	if (entry->length >= sizeof(entry->text))
		entry->length = sizeof(entry->text) - 1;
	memcpy(entry->text, line, entry->length);
	entry->text[entry->length] = 0;
	entry->kind = MAPS_OTHER;
	entry->prot = PROT_NONE;

	at = parse_hex(line, &entry->start);
	if (!at || *at != '-')
		return -EINVAL;
	at = parse_hex(at + 1, &entry->end);
	if (!at || *at != ' ' || entry->end <= entry->start)
		return -EINVAL;
	perm = next_word(at);
	if (strnlen(perm, 5) < 5 || perm[4] != ' ')
		return -EINVAL;
	entry->prot = (perm[0] == 'r' ? PROT_READ : 0) |
		      (perm[1] == 'w' ? PROT_WRITE : 0) |
		      (perm[2] == 'x' ? PROT_EXEC : 0);
	inode = next_word(next_word(next_word(perm)));
	if (*inode < '0' || *inode > '9')
		return -EINVAL;
	entry->kind = kind_of(perm[3], inode, next_word(inode));
	return 0;
}

int maps_open(struct maps *maps)
{
	maps->at = 0;
	maps->have = 0;
	do
		maps->fd = open("/proc/thread-self/maps", O_RDONLY | O_CLOEXEC);
	while (maps->fd < 0 && errno == EINTR);
	return maps->fd < 0 ? -errno : 0;
}

/* Returns 1 with a character, 0 at the end, or -errno. */
static int next_char(struct maps *maps, char *c)
{
	ssize_t got;

	if (maps->at == maps->have) {
		do
			got = read(maps->fd, maps->buffer,
				   sizeof(maps->buffer));
		while (got < 0 && errno == EINTR);
		if (got <= 0)
			return got < 0 ? -errno : 0;
		maps->at = 0;
		maps->have = (size_t)got;
	}
	*c = maps->buffer[maps->at++];
	return 1;
}

int maps_next(struct maps *maps, struct maps_entry *entry)
{
	char line[MAPS_TEXT], c = 0;
	size_t length = 0;
	int rc;

	for (;;) {
		rc = next_char(maps, &c);
		if (rc < 0)
			return rc;
		if (rc == 0 || c == '\n')
			break;
		/* of a longer one the end is of no interest: it is a file's name */
		if (length < sizeof(line) - 1)
			line[length++] = c;
	}
	if (rc == 0 && length == 0)
		return 0;
	line[length] = 0;
	rc = maps_parse(line, entry);
	return rc < 0 ? rc : 1;
}

void maps_close(struct maps *maps)
{
	close(maps->fd);
}
