/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stand-in for xpmemd and for userfaultfd inside the test program.
 *
 * The daemon is a thread that listens on a socket of its own, which the library
 * finds by its environment variable.  It welcomes who says HELLO, answers FORK, and
 * counts; a test asks questions through it.
 *
 * The userfaultfd is the read end of a pipe, into which a test can put events; its
 * requests are recorded.  /proc/PID/pagemap is a file that a test writes.  Both work
 * on fakedev's hooks.
 */
#ifndef FAKE_XPMEMD_H
#define FAKE_XPMEMD_H

#include "xpmem_owner.h"

#include <linux/userfaultfd.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- The daemon. */

/* Starts it.  Without it there is nothing behind the socket. */
void xpmemd_start(void);
/* Ends it, and its connections with it. */
void xpmemd_stop(void);

/* What it does; may be changed at any time */
extern atomic_uint xpmemd_refuse;  /* WELCOME has this errno */
extern atomic_bool xpmemd_silent;  /* no WELCOME */
extern atomic_bool xpmemd_no_fork; /* FORK is not answered */
extern atomic_uint xpmemd_refuse_fork;
/* When not NULL, called before FORK is answered. */
extern void (*xpmemd_at_fork)(void);

/* How often it got each type of packet */
extern atomic_int xpmemd_got[16];
extern struct xpmem_owner_packet xpmemd_hello;
/* How many HELLOs came with one descriptor, and it was the userfaultfd */
extern atomic_int xpmemd_descriptors;

/*
 * Ask the process that said HELLO last about [first, first + count), and wait for the
 * answer.  Returns its error, or -1 when the connection ended.
 */
int xpmemd_ask(uint32_t type, int64_t segid, const void *first, size_t count);
extern struct xpmem_owner_packet xpmemd_answer;
extern char xpmemd_text[XPMEM_OWNER_TEXT + 1];

/* Hang up all connections and listen again. */
void xpmemd_hang_up(void);

/* Wait, 10 s at most, until *@counter is at least @count.  Returns whether it is. */
bool wait_for(atomic_int *counter, int count);

/* ---- The userfaultfd. */

void userfaultfd_start(void);
extern atomic_int userfaultfd_opens, userfaultfd_registered,
	userfaultfd_unregistered, userfaultfd_wakes;
extern struct uffdio_register userfaultfd_last;
extern uint64_t userfaultfd_features; /* that there are */
extern atomic_int userfaultfd_errno;  /* of REGISTER */
/* Put an event in; how many are left there */
void userfaultfd_event(uint8_t event);
int userfaultfd_left(void);
/* An address on the stack of the thread that opened it last */
extern void *userfaultfd_stack;
/* Pages of [first, first + count) are so in pagemap */
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PAGEMAP_TRAPPED (UINT64_C(1) << 57)
void pagemap_set(const void *first, size_t count, uint64_t bits);

#endif /* FAKE_XPMEMD_H */
