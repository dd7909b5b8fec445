/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Partition 1, which listens, and 2, which connects; and a third where one is needed */
#ifndef PAIR_H
#define PAIR_H

#include "peers.h"

/* Segments of partition 1 and 2 */
#define SEGID_1 ((int64_t)1 << 51 | 77)
#define SEGID_2 ((int64_t)2 << 51 | 77)

extern struct peer a, b, c;

/* By keys 'a' + variant */
void start_pair(int variant_1, int variant_2);
void stop_pair(void);

#endif /* PAIR_H */
