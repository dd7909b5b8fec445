/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A peer's way to the owner's memory: a permit to attach by, or a memfd to map.
 */
#ifndef VIEW_H
#define VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "peer.h"

struct view {
	enum source source;
	xpmem_apid_t apid;
	int fd;
};

struct view view_open(const struct job *job);
void view_close(const struct view *view);
/* A multiple of 2 MiB is mapped so that huge pages can be used. */
char *view_map(const struct view *view, size_t offset, size_t size);
void view_unmap(const struct view *view, char *addr, size_t size);

/* Whether view_prefault() can be called: the library may lack it */
bool view_can_prefault(enum source source);
/* For loads */
void view_prefault(const struct view *view, char *addr, size_t size);

/*
 * Jobs.  A peer holds one view at a time: hold maps all of the job's memory and
 * touches nothing, touch_held reads each page (ns[0]: how long), drop unmaps
 * (ns[0]) and closes.
 */
struct answer view_hold(const struct job *job);
struct answer view_touch_held(const struct job *job);
struct answer view_drop(const struct job *job);
/*
 * hold_many maps @count times a page, each @stride further on and from the begin
 * again where the memory ends, and reads it; close_held closes only (ns[0]), and so
 * unmaps all that is attached.
 */
struct answer view_hold_many(const struct job *job);
struct answer view_close_held(const struct job *job);

#endif /* VIEW_H */
