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
/* Both have a session, and if there is a fabric they are connected on it, too. */
void pair_is_up(void);
/* So many bytes of pages of partition 1 passed the fabric, if there is one. */
void expect_on_fabric(uint64_t bytes);
void stop_pair(void);

#endif /* PAIR_H */
