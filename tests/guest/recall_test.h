/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The test module recall, for the tests that need a subscriber for remote pages.
 * It is loaded from beside XPMEM_KO, and unloaded when the process that loaded it
 * exits.
 */
#ifndef RECALL_TEST_H
#define RECALL_TEST_H

#include <stdint.h>
#include <sys/types.h>

#include "recall/recall.h"
#include "xpmem.h"

/* Loads the module; skips the test where there is none */
void recall_load(void);
/* Makes the pages of the segment, all of them mapped by its owner, REMOTE */
void recall_mark(xpmem_segid_t segid, uint64_t first, uint64_t last);
/* RECALL_ bits of recall.h */
void recall_behave(unsigned int bits);
struct recall_counts recall_counts(void);
/* 0 or a negative errno */
int recall_try(enum recall_try what);
/* Until somebody is held in wait(), or in issue() */
void recall_await_waiting(void);
void recall_await_issuing(void);

#endif /* RECALL_TEST_H */
