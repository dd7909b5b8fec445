/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ids of segments and permits, and the tables by which they are found.
 *
 * An id is positive; bits 62..51 are the number of the home partition (0 where
 * there is one partition).  The rest of a segment's is random, so that it can't be
 * guessed.  A permit's is of use to its own process alone; nothing is lost when it
 * is guessed, and drawing it costs less.
 */
#ifndef XPM_ID_H
#define XPM_ID_H

#include <linux/rhashtable-types.h>
#include <linux/types.h>

#define XPM_ID_RANDOM_BITS	51	/* XPMEM_PARTITION_SHIFT of xpmem_ctl.h */

/* Part of an object that has one; freed by RCU */
struct xpm_id {
	s64 value;
	struct rhash_head node;
};

int xpm_id_table_init(struct rhashtable *table);

/* Gives the object a new id by which it can be found from now on: 0 or -ENOMEM */
int xpm_id_publish_random(struct rhashtable *table, struct xpm_id *id, u32 partition);
int xpm_id_publish_serial(struct rhashtable *table, struct xpm_id *id);
/* The same with an id that another partition has given it: also -EEXIST */
int xpm_id_publish(struct rhashtable *table, struct xpm_id *id, s64 value);
/* It can't be found any more; the id is never another object's. */
void xpm_id_withdraw(struct rhashtable *table, struct xpm_id *id);

/* NULL when there is none.  rcu_read_lock() is held; takes no reference. */
struct xpm_id *xpm_id_find(struct rhashtable *table, s64 value);

#endif /* XPM_ID_H */
