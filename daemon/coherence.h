/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words that both sides of the coherence protocol share.  home.h is the side of
 * the partition whose process owns the segment, replica.h the other.  Both are pure:
 * they do no input or output, know no clock but the time that each call passes, and
 * call nothing but the operations they were given.  The simulator
 * (tests/coherence) runs any number of both in one process.
 *
 * Protocol.  Every page of a shared segment has one home, which decides.  A page is
 *
 *   HOME        nobody else has it
 *   SHARED      any number of partitions have a replica; the owner reads it freely,
 *               its stores trap
 *   EXCLUSIVE   one partition has it, the owner has not: its accesses trap
 *
 * and between two of these it has one transaction at a time; requests that come
 * meanwhile queue, in order, at most one of each partition.  Partitions ask with
 * READ and WRITE, and are answered by GRANT or DENY with the same request id, which
 * is never used twice.  The home takes pages back with TAKE (to NONE, or to SHARED),
 * answered by TAKEN with the same take id, with the data of what was EXCLUSIVE.  A
 * partition gives pages back of its own will with GIVE, answered by GIVEN: until then
 * it keeps the data.  A TAKEN with data is answered by GIVEN too, and repeated until
 * then; and a home keeps what it granted EXCLUSIVE until INSTALLED says that it
 * arrived.  So the last copy of a page is never on the wire alone.
 *
 * A page has a generation at home, which rises with each TAKE and each GIVE, and which
 * TAKE and GRANT carry: a GRANT that a TAKE has overtaken is known by its older one.
 * TAKEN and GIVE carry the generation at which their data was granted.
 *
 * Time.  A partition has one lease a home.  RENEW carries a number, RENEWED repeats
 * it: the lease lasts from the *sending* of that RENEW for lease_ms.  The home
 * counts lease + skew from when it *received* it.  A partition that has not given
 * what was taken by the end of that is evicted: the home goes on without it, its
 * epoch rises, and what it says with an older epoch is answered by FENCED.  It then
 * drops all it has of that home, and begins again with the new epoch.
 *
 * Ends.  A daemon that is asked to end says so as replica (LEAVE) and as home (END), and
 * goes when it is answered: nothing is on the wire then that another could miss.  One
 * that dies may have had the only copy of what it had taken or granted just then.
 *
 * Messages may be lost, doubled, delayed and reordered between the connections of a
 * session; sessions end and begin again.  Every message carries the sender's
 * incarnation (of its daemon's life) and the epoch.  READ, WRITE, TAKE, GIVE, RENEW,
 * LEAVE and END are repeated until answered; each may be received twice.
 */
#ifndef XPMD_COHERENCE_H
#define XPMD_COHERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XPMD_PAGE		4096u
#define XPMD_MAX_PAGES		256u	/* of a message */

enum xpmd_state {
	XPMD_NONE,		/* at home: HOME */
	XPMD_SHARED,
	XPMD_EXCLUSIVE,
};

enum xpmd_type {
	XPMD_READ = 1,		/* replica to home: page first, and up to count - 1 after it */
	XPMD_WRITE,		/* the same, EXCLUSIVE; state says what the asker has */
	XPMD_GRANT,		/* home to replica: [first, first + count) in state; data, or
				 * none when the asker has it already */
	XPMD_DENY,		/* error */
	XPMD_TAKE,		/* home to replica: to state */
	XPMD_TAKEN,		/* replica to home: present and data of what was EXCLUSIVE,
				 * see mask */
	XPMD_GIVE,		/* replica to home: had EXCLUSIVE, now state; with data */
	XPMD_GIVEN,		/* home to replica */
	XPMD_RENEW,		/* replica to home */
	XPMD_RENEWED,		/* home to replica */
	XPMD_FENCED,		/* home to replica: epoch is the new one */
	XPMD_RECLAIM,		/* replica to home, after the home's daemon began anew: has
				 * [first, first + count) in state, at gen */
	XPMD_RECLAIMED,		/* home to replica: error 0, or ESTALE: drop it */
	XPMD_GONE,		/* home to replica: the segment is no more */
	XPMD_INSTALLED,		/* replica to home: what was granted EXCLUSIVE is in use here,
				 * at gen; not answered */
	XPMD_LEAVE,		/* replica to home: its daemon ends, and asks for nothing */
	XPMD_LEFT,		/* home to replica: nothing that was granted is on its way */
	XPMD_END,		/* home to replica: its daemon ends, and grants nothing */
	XPMD_ENDED,		/* replica to home: nothing is on its way there */
	XPMD_TYPE_MAX,
};

/* One message of either side; the codec (wire.h) puts it on a connection. */
struct xpmd_msg {
	enum xpmd_type type;
	enum xpmd_state state;
	uint32_t error;		/* errno, positive */
	uint32_t epoch;		/* of the replica's partition, as its home counts */
	uint64_t incarnation;	/* of the sender */
	uint64_t id;		/* of a request, take or renewal; repeated in the answer */
	int64_t segid;
	uint64_t first;
	uint32_t count;
	uint32_t gen;		/* of the page at home, see above; 0: not known */
	uint32_t more;		/* GRANT: pages behind these that come in another one */
	uint64_t mask[XPMD_MAX_PAGES / 64]; /* GRANT, TAKEN, GIVE: pages that data is of */
	const void *data;	/* of the pages in mask, one after the other; the sender's
				 * until the call returns */
};

/* Which channel of a session a message is for: BULK is what nobody waits for. */
static inline bool xpmd_msg_is_bulk(const struct xpmd_msg *msg)
{
	return msg->type == XPMD_GIVE || (msg->type == XPMD_GRANT && msg->count > 1);
}

/* Generations wrap; one is later than another by less than half of them. */
static inline bool xpmd_gen_after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

/*
 * Events of a trace, each of one page and one partition (the home's ops->trace names
 * the other partition, the replica's the home).  tests/model compares them with its
 * transitions.
 *
 *   event            told by   what has happened when it is told
 *   grant-shared     home      the partition may have the page SHARED; GRANT is sent
 *   grant-exclusive  home      the partition alone has the page; GRANT is sent
 *   take             home      TAKE is sent for the first time (not for repetitions)
 *   taken            home      the first TAKEN for it came: the partition has it not any
 *                              more, or SHARED if TAKE said so
 *   give             home      GIVE was accepted: nobody has it
 *   evict            home      page 0, segid 0: the partition's epoch rose
 *   renew            home      page 0, segid 0: RENEWED is sent
 *   recall           home      first page: the kernel asked; peer is 0
 *   recalled         home      first page: the kernel is answered; peer is 0
 *   reclaim          home      RECLAIM was accepted: the partition goes on having it
 *   lost             home      the only copy is gone; peer had it (0: nobody claimed it)
 *   fence            replica   page 0, segid 0: all that was of this home is dropped
 *   renew            replica   page 0, segid 0: the lease is longer
 *   grant-shared     replica   installed
 *   grant-exclusive  replica   installed
 *   take             replica   taken from the processes; TAKEN is sent
 *   give             replica   taken from the processes; GIVE is sent
 *   reclaim          replica   RECLAIMED said yes
 *   refused          replica   RECLAIMED said no to what was EXCLUSIVE; it is dropped
 *   start            both      page 0, segid 0: a daemon began; what there was before is
 *                              not known
 */

#endif /* XPMD_COHERENCE_H */
