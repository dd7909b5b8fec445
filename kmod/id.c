// SPDX-License-Identifier: GPL-2.0-only
/* Ids of segments and permits; see id.h. */
#include "id.h"

#include <linux/hash.h>
#include <linux/random.h>
#include <linux/rhashtable.h>

static u32 hash(const void *key, u32 length, u32 seed)
{
	return hash_64(*(const u64 *)key ^ seed, 32);
}

static int differs(struct rhashtable_compare_arg *arg, const void *object)
{
	const struct xpm_id *id = object;

	return id->value != *(const s64 *)arg->key;
}

/* The functions spare the general ones, which know nothing of the key's size. */
static const struct rhashtable_params params = {
	.hashfn = hash,
	.obj_cmpfn = differs,
	.key_len = sizeof_field(struct xpm_id, value),
	.key_offset = offsetof(struct xpm_id, value),
	.head_offset = offsetof(struct xpm_id, node),
	.automatic_shrinking = true,
};

int xpm_id_table_init(struct rhashtable *table)
{
	return rhashtable_init(table, &params);
}

int xpm_id_publish(struct rhashtable *table, struct xpm_id *id, s64 value)
{
	id->value = value;
	return rhashtable_lookup_insert_fast(table, &id->node, params);
}

static int publish(struct rhashtable *table, struct xpm_id *id, u64 value, u32 partition)
{
	value &= GENMASK_ULL(XPM_ID_RANDOM_BITS - 1, 0);
	if (!value)
		return -EEXIST;
	return xpm_id_publish(table, id, value | (u64)partition << XPM_ID_RANDOM_BITS);
}

int xpm_id_publish_random(struct rhashtable *table, struct xpm_id *id, u32 partition)
{
	int err;

	do
		err = publish(table, id, get_random_u64(), partition);
	while (err == -EEXIST);
	return err;
}

int xpm_id_publish_serial(struct rhashtable *table, struct xpm_id *id)
{
	static atomic64_t serial = ATOMIC64_INIT(0);
	int err;

	/* An odd factor: each number comes once, and neighbours are far apart. */
	do
		err = publish(table, id, atomic64_inc_return(&serial) * GOLDEN_RATIO_64, 0);
	while (err == -EEXIST);
	return err;
}

void xpm_id_withdraw(struct rhashtable *table, struct xpm_id *id)
{
	rhashtable_remove_fast(table, &id->node, params);
}

struct xpm_id *xpm_id_find(struct rhashtable *table, s64 value)
{
	return rhashtable_lookup(table, &value, params);
}
