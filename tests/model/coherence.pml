/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The coherence protocol of daemon/coherence.h, for SPIN: one page, its home and NP
 * partitions.  tests/model/check says how it is run, docs/coherence.md what that showed
 * and which line of the daemon is which action of this file.
 *
 * What is here.  The home's kernel and owner (marks, traps, recalls; they outlive the
 * daemon), the home's daemon (directory, transactions, leases, epochs, grace), and of
 * each partition the replica, its module's lease timer and its daemon's one request.
 * One process does everything: each turn is one indivisible action of one of them,
 * chosen freely.  So whoever hangs or dies is whoever is never chosen again, and every
 * relative speed is tried.
 *
 * Messages.  To each side of a session there are SLOTS places without order: what is
 * sent takes one, what is received leaves one, and a message that finds all taken
 * overwrites one (it was lost).  Everything that is repeated until answered may be
 * repeated at any time, which is also how messages are doubled.  Nothing is assumed of
 * the order of urgent and bulk.  RENEW and RENEWED have a place of their own, since
 * nothing else depends on their order.
 *
 * Ids are never used twice.  They are only compared for equality, so an id that no
 * message and no variable has any more is as good as one that never was: the model takes
 * the smallest such, and needs no bound on the number of requests.
 *
 * Data.  A copy of the page, wherever it is (owner, replica, daemon, message), has
 * one bit: whether it is what was last written.  A write sets the writer's and clears
 * all others', so reading a copy whose bit is clear is reading stale data.
 *
 * Time.  One tick for all; each timer is what is left of it, so that time has no bound
 * either.  A partition's timer may be late, or its clock slow, by DRIFT over a lease.
 *
 * What is bounded: generations of the page in a life of the home's daemon (GENS),
 * evictions (EPOCHS) and restarts of that daemon (RESTARTS).
 *
 * A macro that takes a rule away (the list is in tests/model/check) must end in a
 * violation.  Assertions: check(), NOT_READABLE (nobody has what a recall gave up),
 * assert(gone) (no data is lost but by eviction or the death of a daemon), BOUND (a
 * recall is over in lease + skew).
 */
#ifndef NP
#define NP 1			/* partitions beside the home: 1 or 2 */
#endif
#ifndef SLOTS
#define SLOTS 2			/* messages under way to a partition: 1 or 2 */
#endif
#ifndef HOME_SLOTS
#define HOME_SLOTS SLOTS	/* and from one */
#endif
#ifndef LEASE
#define LEASE 1
#endif
#ifndef SKEW
#define SKEW 1
#endif
#ifndef DRIFT
#define DRIFT 1
#endif
#ifndef GENS
#define GENS 2
#endif
#ifndef EPOCHS
#define EPOCHS 1
#endif
#ifndef RESTARTS
#define RESTARTS 1
#endif

/* state of a page: enum xpmd_state; at home FOUND is what an earlier daemon knew */
#define NONE 0
#define SHARED 1
#define EXCLUSIVE 2
#define FOUND 3

/* enum xpmd_type.  DENY and GONE change no page that is not changed by others. */
#define READ 1
#define WRITE 2
#define GRANT 3
#define TAKE 4
#define TAKEN 5
#define GIVE 6
#define GIVEN 7
#define FENCED 8
#define RECLAIM 9
#define RECLAIMED 10
#define INSTALLED 11

/* A message is one number */
#define MESSAGE(type, id, state, gen, data, cur, ep) \
	((type) | (id) << 4 | (state) << 8 | (gen) << 10 | (data) << 13 | (cur) << 14 | (ep) << 15)
#define TYPE(m)	((m) & 15)
#define ID(m)	((m) >> 4 & 15)
#define STATE(m) ((m) >> 8 & 3)
#define GEN(m)	((m) >> 10 & 7)
#define DATA(m)	((m) >> 13 & 1)	/* it has the page's data, which is ... */
#define CUR(m)	((m) >> 14 & 1)	/* ... what was last written */
#define EPOCH(m) ((m) >> 15 & 3)
#define STALE(m) m = m & ~(1 << 14)

int sent[NP * 4];	/* two places to home and two to each partition */
#define HOME(i)	(4 * i)
#define PART(i)	(4 * i + 2)
/* RENEW and RENEWED under way: the lease that is left of what it gives.  The number in
 * them says when RENEW was sent, which comes to the same. */
byte renew[NP], renew_epoch[NP], renewed[NP];

/* The home's kernel and owner */
byte mark;		/* XPM_MARK: 0 CLEAR, 1 REMOTE, 2 AWAY */
byte trap;		/* userfaultfd: 0 nothing, 1 stores, 2 all accesses: no page */
bit own_cur = 1;	/* the owner's page; meaningless while trap is 2 */
byte recall;		/* one waits: */
#define DROP 1
#define KEEP 2
byte waited;		/* ticks that it has */
byte beat;		/* until when an earlier RENEWED may be in use */
byte restarts;

/* The home's daemon */
bit up = 1;
byte state;
bit has[NP];		/* sharers, or the holder */
byte gen;
byte epoch[NP];
byte lease[NP];
byte grace;
bit kept, kept_cur;	/* what was granted EXCLUSIVE, until INSTALLED or it comes back */
bit got, got_cur;	/* what came back in a take */
byte tx;		/* the transaction: */
#define IDLE 0
#define TAKING 1
#define FETCHING 2
byte tx_for;		/* partition, or: */
#define OWNER_READ 2
#define OWNER_WRITE 3
#define KERNEL 4
#define NOBODY 5			/* who asked was evicted */
byte tx_to;		/* state that is left by the take */
byte tx_id;		/* the asker's request */
bit tx_write, tx_has;
bit out[NP];		/* not yet taken */
byte take_id;
byte hold_gen;		/* at which the holder got what is taken */
bit gone;		/* the holder was evicted */

/* Partitions */
bit connected[NP] = 1;	/* a session with the home's daemon as it lives now */
byte p_state[NP];
bit p_cur[NP];
byte p_gen[NP];
byte p_epoch[NP];
byte p_lease[NP];	/* the module's: 0 is unreachable */
byte p_op[NP];		/* READ, WRITE, RECLAIM that is not answered */
byte p_id[NP];
byte p_floor[NP];	/* a GRANT of an earlier generation was overtaken by a TAKE */
byte p_sent[NP];		/* TAKEN or GIVE with data, to be repeated until GIVEN: */
byte p_sent_id[NP];
byte p_sent_gen[NP];
bit p_sent_cur[NP];
bit p_late[NP];		/* ACK_BEFORE_ZAP alone */

/* scratch, 0 between turns */
int m;
byte x;
bit keep;

#if NP == 2
#define BOTH(a)		a(0); a(1)
#define ANY(a)		(a(0) || a(1))
#else
#define BOTH(a)		a(0)
#define ANY(a)		(a(0))
#endif

#ifdef NO_FENCE
#define REACHABLE(i)	(1)
#else
#define REACHABLE(i)	(p_lease[i] > 0)
#endif
#define READABLE(i)	(REACHABLE(i) && (p_state[i] == SHARED || p_state[i] == EXCLUSIVE))
#define WRITABLE(i)	(REACHABLE(i) && p_state[i] == EXCLUSIVE)

/* ------------------------------------------------------------- helpers */

/* Whatever the page held, nobody's copy is what was last written any more. */
#define STALE_AT(i) \
	STALE(sent[HOME(i)]); STALE(sent[HOME(i) + 1]); \
	STALE(sent[PART(i)]); STALE(sent[PART(i) + 1]); \
	p_cur[i] = 0; p_sent_cur[i] = 0
#define STALE_ALL	own_cur = 0; kept_cur = 0; got_cur = 0; BOTH(STALE_AT)
/* The owner has something new: it stored, the kernel changed it, or it is lost */
#define OWNER_NEW	STALE_ALL; own_cur = 1

/* x becomes an id that is nowhere */
#define USES(i) \
	(ID(sent[HOME(i)]) == x || ID(sent[HOME(i) + 1]) == x || ID(sent[PART(i)]) == x || \
	 ID(sent[PART(i) + 1]) == x || p_id[i] == x || p_sent_id[i] == x)
inline fresh()
{
	x = 1;
	do
	:: ANY(USES) || tx_id == x || take_id == x -> x++
	:: else -> break
	od
}

/* The newest message is in the second place, so that equal sets are equal states; if there
 * is one,  says whether it is what stays or what is overwritten. */
inline put(at, message)
{
	if
	:: keep -> sent[at] = sent[at + 1]
	:: else
	fi;
	sent[at + 1] = message
}

inline get_old(at)
{
	m = sent[at]; sent[at] = 0
}

inline get_new(at)
{
	m = sent[at + 1]; sent[at + 1] = sent[at]; sent[at] = 0
}

#define TELL(i, type, id, st, data, cur) \
	put(PART(i), MESSAGE(type, id, st, gen, data, cur, epoch[i]))

inline say(i, message)
{
	if
	:: connected[i] -> put(HOME(i), message)
	:: else
	fi
}

inline no_replica(i)
{
	p_state[i] = NONE; p_cur[i] = 0; p_gen[i] = 0
}

inline nothing_sent(i)
{
	p_sent[i] = 0; p_sent_id[i] = 0; p_sent_gen[i] = 0; p_sent_cur[i] = 0
}

inline no_op(i)
{
	p_op[i] = 0; p_id[i] = 0; p_floor[i] = 0
}

inline idle()
{
	tx = IDLE; tx_for = 0; tx_to = 0; tx_id = 0; tx_write = 0; tx_has = 0; take_id = 0;
	got = 0; got_cur = 0;
	hold_gen = 0; gone = 0
}

/* ------------------------------------------------------ home: transactions */

#define has_(i)		has[i]
#define out_(i)		out[i]
#if NP == 2
#define OTHER_HAS(i)	(has[1 - i])
#else
#define OTHER_HAS(i)	(0)
#endif

/* TAKE to all who have it, but for the partition @but; TAKE itself is sent, and repeated,
 * by a turn of its own */
inline begin_take(whom, to, but)
{
	fresh(); take_id = x; x = 0;
	tx = TAKING; tx_for = whom; tx_to = to;
	hold_gen = gen;
#ifdef GEN_OF_NONE_ONLY
	gen = gen + (to == NONE);
#else
	gen++;
#endif
	out[0] = has[0] && but != 0;
#if NP == 2
	out[1] = has[1] && but != 1
#endif
}

/* MARK comes first */
inline begin_fetch()
{
	tx = FETCHING; take_id = 0; hold_gen = 0;
#ifdef COPY_BEFORE_MARK
	got_cur = own_cur; trap = (trap == 0 -> 1 : trap)
#else
	mark = (mark == 0 -> 1 : mark)
#endif
}

inline recall_anew()
{
	idle();
	begin_take(KERNEL, NONE, 9)
}

/*
 * A fetch is thrown away; a take to NONE goes on as the recall's, with those that it
 * left out; one to SHARED is waited for first.  Who had asked asks again.
 */
#define ALSO(i)		out[i] = has[i]
inline begin_recall()
{
	if
	:: !up || (grace && state == FOUND)
	:: up && !(grace && state == FOUND) && tx == TAKING ->
		if
		:: tx_to == NONE ->
			BOTH(ALSO);
			tx_for = KERNEL; tx_id = 0; tx_write = 0; tx_has = 0
		:: else
		fi
	:: else -> recall_anew()
	fi
}

/* READ or WRITE of @i: xpmd_home_ask(), xpmd_home_step() */
inline home_request(i)
{
	if
	:: tx != IDLE || recall || grace			/* waits: it is repeated */
	:: else ->
		if
		:: state == EXCLUSIVE && has[i] && kept ->
			/* that GRANT did not arrive, or this request is an old one */
			TELL(i, GRANT, ID(m), EXCLUSIVE, 1, kept_cur)
		:: !(state == EXCLUSIVE && has[i] && kept) && gen < GENS ->
			tx_id = ID(m);
			tx_write = (TYPE(m) == WRITE);
			tx_has = (STATE(m) == SHARED);
			if
			:: state == EXCLUSIVE ->
				begin_take(i, (tx_write || has[i] -> NONE : SHARED), 9)
			:: state != EXCLUSIVE && tx_write && OTHER_HAS(i) ->
				begin_take(i, NONE, i)
			:: else -> tx_for = i; begin_fetch()
			fi
		:: else						/* bound of the model */
		fi
	fi
}

/* ops->fetch has ended: the page is trapped, copied, and taken from the owner */
inline home_fetched(i)
{
#ifdef COPY_BEFORE_MARK
	x = got_cur;
#else
	x = own_cur;
#endif
	if
	:: tx_write ->
		mark = 2; trap = 2; own_cur = 0; kept = 1; kept_cur = x;
#ifdef NO_KEPT
		kept = 0; kept_cur = 0;
#endif
		TELL(i, GRANT, tx_id, EXCLUSIVE, !(tx_has && has[i]), (x && !(tx_has && has[i])));
		state = EXCLUSIVE
	:: else ->
		mark = 1; trap = 1; state = SHARED;
		TELL(i, GRANT, tx_id, SHARED, 1, x)
	fi;
	has[i] = 1;
	x = 0;
	idle()
}

#define NOT_READABLE(i)	assert(!READABLE(i))

/* Nobody has what was to be taken.  In a grace that is known of EXCLUSIVE alone. */
#define TAKE_DONE	(up && tx == TAKING && !ANY(out_))

/* A page that came for a WRITE goes on without a stay at the owner. */
#define FORWARD(i)	:: x && tx_for == i && tx_write && !recall -> \
				kept = 1; kept_cur = got_cur; has[i] = 1; \
				TELL(i, GRANT, tx_id, EXCLUSIVE, 1, got_cur); \
				idle()

inline home_taken_all()
{
	x = 0;
	if
	:: state == EXCLUSIVE ->
		x = 1;
		if
		:: got						/* it came back */
		:: !got && kept && !gone -> got_cur = kept_cur	/* it never arrived there */
		:: else ->
			assert(gone);	/* nothing is lost but by eviction */
			OWNER_NEW; x = 0
		fi;
		kept = 0; kept_cur = 0
	:: else
	fi;
	if
	FORWARD(0)
#if NP == 2
	FORWARD(1)
#endif
	:: else ->
		if
		:: state == EXCLUSIVE ->
			own_cur = own_cur || got_cur;		/* stored, or lost */
			mark = (ANY(has_) -> 1 : 0); trap = mark
		:: else
		fi;
		x = tx_for;
		got = 0; got_cur = 0; gone = 0; tx_to = 0;
		state = (ANY(has_) -> SHARED : NONE);
		if
		:: x == KERNEL ->
			BOTH(NOT_READABLE);
			if
			:: recall == DROP -> OWNER_NEW
			:: else
			fi;
			mark = 0; trap = 0; recall = 0; waited = 0;
			idle()
		:: x != KERNEL && recall -> recall_anew()
		:: x < NP && !recall -> begin_fetch()
		:: x == OWNER_WRITE && !recall -> mark = 0; trap = 0; idle()
		:: else -> idle()				/* OWNER_READ, NOBODY */
		fi
	fi;
	x = 0
}

/* Of all that it has, whatever page it was that it did not give */
inline home_evict(i)
{
	epoch[i]++;
	if
	:: has[i] && state == EXCLUSIVE ->
		kept = 0; kept_cur = 0;
		if
		:: tx == TAKING -> gone = 1
		:: else -> OWNER_NEW; mark = 0; trap = 0; state = NONE
		fi
	:: has[i] && state == SHARED && tx != TAKING && !OTHER_HAS(i) -> state = NONE
	:: else
	fi;
	out[i] = 0; has[i] = 0;
	if
	:: tx == FETCHING && tx_for == i -> idle()
	:: tx == TAKING && tx_for == i ->
		tx_for = NOBODY; tx_id = 0; tx_write = 0; tx_has = 0
	:: else
	fi
}
/* What nobody reclaimed is lost (AWAY) or free (REMOTE). */
inline home_grace_ends()
{
	if
	:: state == FOUND ->
		if
		:: mark == 2 -> OWNER_NEW
		:: else
		fi;
		state = NONE;
		if
		:: recall -> recall_anew()
		:: else -> mark = 0; trap = 0
		fi
	:: else
	fi
}

/* ---------------------------------------------------- home: the daemon's life */

#define CRASH(i)	sent[HOME(i)] = 0; sent[HOME(i) + 1] = 0; renew[i] = 0; \
			renew_epoch[i] = 0; connected[i] = 0; has[i] = 0; out[i] = 0; \
			epoch[i] = 0; lease[i] = 0

inline home_crash()
{
	restarts++; up = 0;
	state = NONE; gen = 0; kept = 0; kept_cur = 0; grace = 0;
	BOTH(CRASH);
	idle()
}

inline home_start()
{
	up = 1;
	state = (mark -> FOUND : NONE);
#ifdef NO_GRACE
	grace = 0;
#else
	grace = beat;
#endif
	if
	:: recall && !mark -> recall_anew()
	:: !(recall && !mark) && grace == 0 -> home_grace_ends()
	:: else
	fi
}

/* A recall without a daemon: every lease has run out. */
inline kernel_alone()
{
	BOTH(NOT_READABLE);
	if
	:: recall == DROP || mark == 2 -> OWNER_NEW
	:: else
	fi;
	mark = 0; trap = 0; recall = 0; waited = 0
}

/* --------------------------------------------------------- home: messages */

#ifdef NO_TAKE_ID
#define TAKE_ID_OK	(1)
#else
#define TAKE_ID_OK	(ID(m) == take_id)
#endif
#ifdef NO_GEN
#define GIVE_GEN_OK	(1)
#define TAKEN_GEN_OK	(1)
#else
#define GIVE_GEN_OK	(GEN(m) == gen)
#define TAKEN_GEN_OK	(GEN(m) == hold_gen)
#endif
#ifdef NO_EPOCH
#define EPOCH_OK(e, i)	(1)
#else
#define EPOCH_OK(e, i)	((e) == epoch[i])
#endif
#define HOLDS(i)	(state == EXCLUSIVE && has[i])

inline home_message(i)
{
	if
	:: !EPOCH_OK(EPOCH(m), i) -> TELL(i, FENCED, 0, 0, 0, 0)
	:: else ->
		if
		:: TYPE(m) == READ || TYPE(m) == WRITE -> home_request(i)
		:: TYPE(m) == TAKEN ->
			if
			:: tx == TAKING && out[i] && TAKE_ID_OK ->
				out[i] = 0;
				if
				:: HOLDS(i) && DATA(m) && TAKEN_GEN_OK -> got = 1; got_cur = CUR(m)
				:: else
				fi;
				if
				:: tx_to == NONE -> has[i] = 0
				:: else
				fi
			:: else
			fi;
			if
			:: DATA(m) -> TELL(i, GIVEN, ID(m), 0, 0, 0)
			:: else
			fi
		:: TYPE(m) == GIVE ->
			if
			:: HOLDS(i) && GIVE_GEN_OK && tx == IDLE && gen < GENS ->
				own_cur = CUR(m); kept = 0; kept_cur = 0;
				mark = 0; trap = 0; state = NONE; has[i] = 0; gen++;
				TELL(i, GIVEN, ID(m), 0, 0, 0)
			:: HOLDS(i) && !(GIVE_GEN_OK && tx == IDLE && gen < GENS) &&
			   (tx != IDLE || gen == GENS)		/* TAKEN has it, too */
			:: else -> TELL(i, GIVEN, ID(m), 0, 0, 0)
			fi
		:: TYPE(m) == INSTALLED ->
			if
			:: HOLDS(i) && GEN(m) == gen -> kept = 0; kept_cur = 0
			:: else
			fi
		:: TYPE(m) == RECLAIM ->
			if
			:: state == FOUND && mark == 2 ->
				state = EXCLUSIVE; has[i] = 1; gen = GEN(m);
				lease[i] = (grace > lease[i] -> grace : lease[i]);
				TELL(i, RECLAIMED, ID(m), 1, 0, 0);
				if
				:: recall -> recall_anew()
				:: else
				fi
			:: HOLDS(i) && tx != IDLE
			:: else -> x = HOLDS(i); TELL(i, RECLAIMED, ID(m), x, 0, 0); x = 0
			fi
		fi
	fi;
	m = 0
}

/* A RENEW that comes while something is being taken waits until it is given. */
#ifdef RENEW_WHILE_TAKING
#define MAY_RENEW(i)	(1)
#else
#define MAY_RENEW(i)	(!(tx == TAKING && (out[i] || (recall && has[i]))))
#endif

inline home_renew(i)
{
	if
	:: !EPOCH_OK(renew_epoch[i], i) -> TELL(i, FENCED, 0, 0, 0, 0)
	:: else -> lease[i] = LEASE + SKEW; beat = LEASE + SKEW; renewed[i] = renew[i]
	fi;
	renew[i] = 0; renew_epoch[i] = 0
}

/* ------------------------------------------------------------- partitions */

#define ASKED		(p_op[i] == READ || p_op[i] == WRITE)
#ifdef NO_RID
#define RID_OK		(1)
#else
#define RID_OK		(ID(m) == p_id[i])
#endif
#ifdef NO_GEN
#define MAY_TAKE	(p_state[i] != NONE)
#define OVERTAKEN	(0)
#else
#define MAY_TAKE	(p_state[i] != NONE && (GEN(m) > p_gen[i] || p_op[i] == RECLAIM))
#define OVERTAKEN	(GEN(m) < p_floor[i])
#endif

inline part_ask(i, op)
{
	fresh(); p_id[i] = x; x = 0;
	p_op[i] = op;
	say(i, MESSAGE(op, p_id[i], p_state[i], p_gen[i], 0, 0, p_epoch[i]))
}

inline part_repeat(i)
{
	say(i, MESSAGE(p_op[i], p_id[i], p_state[i], p_gen[i], 0, 0, p_epoch[i]))
}

/* What was EXCLUSIVE is out of the module and in a parcel, until GIVEN. */
inline part_parcel(i, type, id)
{
	p_sent[i] = type; p_sent_id[i] = id; p_sent_gen[i] = p_gen[i]; p_sent_cur[i] = p_cur[i]
}

inline part_send(i)
{
	say(i, MESSAGE(p_sent[i], p_sent_id[i], 0, p_sent_gen[i], 1, p_sent_cur[i], p_epoch[i]))
}

inline part_give(i)
{
	nothing_sent(i);	/* an earlier TAKEN has arrived, or this had not been granted */
	fresh();
	part_parcel(i, GIVE, x);
	x = 0;
	no_replica(i);
	part_send(i)
}

inline part_renew(i)
{
	renew[i] = LEASE + DRIFT; renew_epoch[i] = p_epoch[i]
}

inline part_take(i)
{
	p_floor[i] = (ASKED && GEN(m) > p_floor[i] -> GEN(m) : p_floor[i]);
	if
	:: p_sent[i] == TAKEN && p_sent_id[i] == ID(m) -> part_send(i)
	:: else ->
		if
		:: MAY_TAKE ->
			if
			:: p_op[i] == RECLAIM -> no_op(i)
			:: else
			fi;
			if
			:: p_state[i] == EXCLUSIVE -> part_parcel(i, TAKEN, ID(m))
			:: else
			fi;
#ifdef ACK_BEFORE_ZAP
			p_late[i] = 1
#else
			if
			:: STATE(m) == NONE -> no_replica(i)
			:: STATE(m) == SHARED && p_state[i] == EXCLUSIVE ->
				p_state[i] = SHARED; p_gen[i] = GEN(m)
			:: else
			fi
#endif
		:: else			/* an old one, or nothing here */
		fi;
		/* What is on its way by GIVE goes with it, and goes on by GIVE: this may be
		 * the answer to an old TAKE. */
		if
		:: p_sent[i] == GIVE || (p_sent[i] && p_sent_id[i] == ID(m)) ->
			say(i, MESSAGE(TAKEN, ID(m), 0, p_sent_gen[i], 1, p_sent_cur[i], \
				p_epoch[i]))
		:: else -> say(i, MESSAGE(TAKEN, ID(m), 0, 0, 0, 0, p_epoch[i]))
		fi
	fi
}

inline part_message(i)
{
	if
	:: TYPE(m) == GRANT ->
		if
		:: ASKED && RID_OK ->
	if
			:: !REACHABLE(i) || OVERTAKEN			/* asks again */
			:: REACHABLE(i) && !OVERTAKEN && (DATA(m) || p_state[i] == SHARED) ->
				p_state[i] = STATE(m); p_gen[i] = GEN(m);
				p_cur[i] = (DATA(m) -> CUR(m) : p_cur[i]);
				if
				:: STATE(m) == EXCLUSIVE ->
					say(i, MESSAGE(INSTALLED, 0, 0, p_gen[i], 0, 0, p_epoch[i]))
				:: else
				fi
			:: else			/* ENOENT of INSTALL */
			fi;
			no_op(i)
		:: else
		fi
	:: TYPE(m) == TAKE -> part_take(i)
	:: TYPE(m) == GIVEN ->
		if
		:: p_sent[i] && ID(m) == p_sent_id[i] -> nothing_sent(i)
		:: else
		fi
	:: TYPE(m) == FENCED ->
		if
		:: EPOCH(m) > p_epoch[i] ->
			p_epoch[i] = EPOCH(m); p_lease[i] = 0; renewed[i] = 0;
			no_op(i); no_replica(i); nothing_sent(i)
		:: else
		fi
	:: TYPE(m) == RECLAIMED ->
		if
		:: p_op[i] == RECLAIM && ID(m) == p_id[i] ->
			no_op(i);
			if
			:: STATE(m) == 0 -> no_replica(i)
			:: else -> p_gen[i] = GEN(m)
			fi
		:: else
		fi
	fi;
	m = 0
}

inline part_renewed(i)
{
#ifdef LEASE_FROM_RECEIPT
	p_lease[i] = LEASE + DRIFT;
#else
	p_lease[i] = (renewed[i] > p_lease[i] -> renewed[i] : p_lease[i]);
#endif
	renewed[i] = 0
}

/*
 * Another life of the home's daemon.  What is EXCLUSIVE here is claimed, if the lease
 * has not run out: then the earlier daemon can't have gone on without us.  Nothing is
 * renewed before the answer.  SHARED can be had again; parcels are of no use.
 */
inline part_connect(i)
{
	connected[i] = 1;
	sent[PART(i)] = 0; sent[PART(i) + 1] = 0; renewed[i] = 0;
	p_epoch[i] = epoch[i];
	no_op(i);
#ifdef RECLAIM_GIVEN
	if
	:: p_sent[i] && p_state[i] == NONE ->
		p_state[i] = EXCLUSIVE; p_gen[i] = p_sent_gen[i]; p_cur[i] = p_sent_cur[i]
	:: else
	fi;
#endif
	nothing_sent(i);
	if
#ifdef NO_RECLAIM
	:: p_state[i] != NONE
#elif defined(RECLAIM_LATE)
	:: p_state[i] == EXCLUSIVE -> part_ask(i, RECLAIM)
#else
	:: p_state[i] == EXCLUSIVE && p_lease[i] > 0 -> part_ask(i, RECLAIM)
#endif
	:: else -> no_replica(i)
	fi
}

/* ------------------------------------------------------------------- time */

#define DOWN(t)		t = (t > 0 -> t - 1 : 0)
#define TICK_OF(i)	DOWN(p_lease[i]); DOWN(lease[i]); DOWN(renewed[i]); \
			DOWN(renew[i]); renew_epoch[i] = (renew[i] -> renew_epoch[i] : 0)
#define OVERDUE(i)	(tx == TAKING && out[i] && lease[i] == 0)
#define KERNEL_DONE	(!up && recall && beat == 0)

#define BOUND		((restarts + 1) * (LEASE + SKEW))

inline tick()
{
	BOTH(TICK_OF);
	DOWN(beat);
	if
	:: recall -> waited++; assert(waited <= BOUND)
	:: else
	fi;
	if
	:: grace ->
		grace--;
		if
		:: grace == 0 -> home_grace_ends()
		:: else
		fi
	:: else
	fi
}

/* ------------------------------------------------------------------ turns */

#define READS_TRUE(i)	assert(!READABLE(i) || p_cur[i]); \
			assert(!READABLE(i) || trap >= 1); \
			assert(!WRITABLE(i) || trap == 2)

/* after each turn: no data but the last written can be read; one writer, or readers */
inline check()
{
	BOTH(READS_TRUE);
#if NP == 2
	assert(!(WRITABLE(0) && READABLE(1)) && !(WRITABLE(1) && READABLE(0)));
#endif
	assert(trap == 2 || own_cur);
	keep = 0
}

#define TURN(guard, body)	:: d_step { (guard) -> body; check() }
/* A turn that may send: to the partition (SLOTS) or home (HOME_SLOTS) */
#define SENDS(places, guard, body) :: atomic { (guard) -> \
				if :: keep = 0 :: places == 2 -> keep = 1 fi; \
				d_step { body; check() } }

#define FREE		(up && tx == IDLE && !recall && !grace && gen < GENS)

/* One partition's, and its home's with it.  Guards say when a turn changes anything. */
#define TURNS(i) \
	/* the home's daemon */ \
	SENDS(SLOTS, up && connected[i] && sent[HOME(i)], get_old(HOME(i)); home_message(i)) \
	SENDS(SLOTS, up && connected[i] && sent[HOME(i) + 1], get_new(HOME(i)); home_message(i)) \
	SENDS(SLOTS, up && connected[i] && renew[i] && MAY_RENEW(i), home_renew(i)) \
	SENDS(SLOTS, up && connected[i] && tx == TAKING && out[i], \
		TELL(i, TAKE, take_id, tx_to, 0, 0)) \
	TURN(up && lease[i] == 0 && epoch[i] < EPOCHS && (out[i] || has[i]), home_evict(i)) \
	SENDS(SLOTS, up && tx == FETCHING && tx_for == i, home_fetched(i)) \
	/* the partition's daemon */ \
	SENDS(HOME_SLOTS, sent[PART(i)], get_old(PART(i)); part_message(i)) \
	SENDS(HOME_SLOTS, sent[PART(i) + 1], get_new(PART(i)); part_message(i)) \
	TURN(renewed[i], part_renewed(i)) \
	SENDS(HOME_SLOTS, connected[i] && !p_op[i] && p_sent[i] != GIVE && p_state[i] == NONE, \
		part_ask(i, READ)) \
	SENDS(HOME_SLOTS, connected[i] && !p_op[i] && p_sent[i] != GIVE && \
		p_state[i] != EXCLUSIVE, part_ask(i, WRITE)) \
	SENDS(HOME_SLOTS, connected[i] && !p_op[i] && p_state[i] == EXCLUSIVE, part_give(i)) \
	SENDS(HOME_SLOTS, connected[i] && p_op[i], part_repeat(i)) \
	SENDS(HOME_SLOTS, connected[i] && p_sent[i], part_send(i)) \
	TURN(connected[i] && p_op[i] != RECLAIM, part_renew(i)) \
	SENDS(HOME_SLOTS, up && !connected[i], part_connect(i)) \
	/* its module and processes */ \
	TURN(p_state[i] == SHARED, no_replica(i)) \
	TURN(WRITABLE(i), STALE_ALL; p_cur[i] = 1) \
	TURN(p_late[i], p_late[i] = 0; no_replica(i))

init {
#ifdef RECLAIM_LATE
	/* begins where 0 was evicted while it had the page, and has not heard of it */
	d_step { p_state[0] = EXCLUSIVE; epoch[0] = 1 }
#endif
	do
	TURNS(0)
#if NP == 2
	TURNS(1)
#endif
	/* the owner, or its kernel where nothing is marked; the owner waits for a page */
	TURN(trap == 0 || mark == 0, OWNER_NEW)
	TURN(FREE && trap > 0 && state == NONE, mark = 0; trap = 0)
	TURN(FREE && state != NONE, begin_take(OWNER_WRITE, NONE, 9))
	TURN(FREE && state == EXCLUSIVE, begin_take(OWNER_READ, SHARED, 9))
	/* its kernel, about to change the page or its protection */
	TURN(mark && !recall && gen < GENS, recall = DROP; begin_recall())
	TURN(mark && !recall && gen < GENS, recall = KEEP; begin_recall())
	TURN(TAKE_DONE, home_taken_all())
	TURN(KERNEL_DONE, kernel_alone())
	/* the home's daemon dies, and another starts */
	TURN(up && restarts < RESTARTS, home_crash())
	TURN(!up && !KERNEL_DONE, home_start())
	TURN(!TAKE_DONE && !KERNEL_DONE && !(up && ANY(OVERDUE)), tick())
	od
}
