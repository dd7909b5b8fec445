/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module's questions to xpmemd, and what is known of it: see channel.c.  The
 * device that it opens is ctl.c's, the records are those of xpmem_ctl.h.
 */
#ifndef XPM_CHANNEL_H
#define XPM_CHANNEL_H

#include <linux/list.h>
#include <linux/poll.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "xpmem_ctl.h"

struct xpm_pages;
struct xpm_remote;

/* A record that is to be answered; part of what waits, on its stack or in its object */
struct xpm_question {
	struct xpmem_ctl_record record;
	struct hlist_node node;		/* by id, until it is withdrawn */
	struct list_head queued;	/* while it is not read */
	wait_queue_head_t wait;
	bool done;
	bool pinned;			/* it is being answered: can't be withdrawn */
	int error;			/* 0 or negative, when done */
	struct xpm_pages *pages;	/* FAULT: for the answer, see replica.c */
	struct xpm_remote *remote;	/* GET: the same, see remote.c */
};

/* A record without an answer; part of a remote segment, which it holds while queued */
struct xpm_notice {
	struct list_head queued;
	struct xpm_remote *remote;
	/* The channel's lock is held for both. */
	/* Fills in what is true now; false: nothing any more */
	bool (*fill)(struct xpm_notice *notice, struct xpmem_ctl_record *record);
	/* The record was read */
	void (*told)(struct xpm_notice *notice);
};

void xpm_channel_init(void);
void xpm_channel_exit(void);

/* ------------------------------------------------------ who asks */

void xpm_question_init(struct xpm_question *question, u32 type);
/*
 * Queues it.  A GET or ATTACH fails with ENOTCONN where there is no daemon, the others
 * wait for one.  Until it is withdrawn the question stays where it is.
 */
int xpm_channel_ask(struct xpm_question *question);
/* Nobody waits for the answer any more.  Sleeps, for a short time. */
void xpm_channel_withdraw(struct xpm_question *question);
/*
 * Waits for the answer: the error in it, -EINTR when current is killed, or
 * -ETIMEDOUT after the time that the daemon has set for faults.
 */
int xpm_channel_wait(struct xpm_question *question);

/* The lock of what notices say; taken inside all other locks of the module */
void xpm_channel_lock(void);
void xpm_channel_unlock(void);
/* Queues a notice, unless it is; the lock is held. */
void xpm_channel_notify(struct xpm_notice *notice);
/* It has nothing to say any more, and is not queued again.  The lock is not held. */
void xpm_channel_cancel(struct xpm_notice *notice);

/* ------------------------------------------------ what is known */

/* Number of this partition, or 0 */
u32 xpm_channel_partition(void);
/*
 * The same for an object that has it in its id: it does not change while there are
 * such.
 */
u32 xpm_channel_partition_get(void);
void xpm_channel_partition_put(void);
/* Home of a segment, by its id */
static inline u32 xpm_partition_of(s64 segid)
{
	return (u64)segid >> XPMEM_PARTITION_SHIFT & XPMEM_PARTITION_MAX;
}

/* Whether a daemon is there that can be asked */
bool xpm_channel_is_ready(void);
/* Whether current is a thread of the daemon */
bool xpm_channel_is_daemon(void);
u64 xpm_channel_fault_ns(void);
u64 xpm_channel_replica_limit(void);
/* Longest time that the daemon may need for a recall */
u64 xpm_channel_lease_ns(void);
/* What it may take beyond that, to find that the leases are over */
#define XPM_CHANNEL_SLACK_NS	(25 * NSEC_PER_MSEC)
/* When the last lease that any daemon has granted from this home has run out */
u64 xpm_channel_leases_until(void);
/*
 * The question's time is over.  If the daemon has not even read it, it does not do what
 * it has to: it is treated as if it had closed the channel, its descriptor serves
 * nothing any more, and it is killed.  If it has read it, it may be late, or hang.
 */
void xpm_channel_overdue(const struct xpm_question *question);
/*
 * Memory of a shared segment is about to be unmapped, which the daemon is to read by
 * userfaultfd.  It is told, and fenced if it does not read that in time either: at once
 * if it has just not answered a question in time.  Any lock may be held under which one
 * may sleep.
 */
void xpm_channel_unmapped(s64 segid);

/* ------------------------------------------------------ for ctl.c */

int xpm_channel_open(void);
void xpm_channel_close(void);
/* 0, ENOTCONN before HELLO, ESHUTDOWN when fenced */
int xpm_channel_check(void);
int xpm_channel_hello(struct xpmem_ctl_hello *hello);
/*
 * A lease may be renewed from now on, or a recall ended; returns the time.  With
 * @renews that is refused, by 0, while a recall has not been read.
 */
u64 xpm_channel_beat(bool renews);

ssize_t xpm_channel_read(char __user *buffer, size_t size, bool nonblock);
__poll_t xpm_channel_poll(struct file *file, struct poll_table_struct *table);

/*
 * The question with this id, pinned until it is answered, or NULL.  Nothing that
 * depends on user space may be waited for meanwhile.
 */
struct xpm_question *xpm_channel_pin(u64 id);
/* @done: with this result; else it can be answered again. */
void xpm_channel_unpin(struct xpm_question *question, bool done, int error);
/* Both at once: -ENOENT, or 0 */
int xpm_channel_answer(u64 id, int error);

#endif /* XPM_CHANNEL_H */
