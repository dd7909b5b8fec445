/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cells of the table memory kind by event (docs/matrix.md).
 *
 * A cell is a process that makes memory of one kind, has two others attach it,
 * lets an event happen and checks what all of them see.  The steady attacher
 * does what it is told.  The busy one reads and stores without end, before,
 * during and after the event; what it reads must always be something the owner
 * has there, or SIGBUS.  Its stores go to the slots (memory.h), each with a
 * number of its own, so that one that went elsewhere is missed in one place and
 * found in another.
 *
 * The processes talk over sockets: who asks one that died hears of it at once.
 * They are forked before the memory is made and inherit none of it.
 */
#ifndef CELL_H
#define CELL_H

#include "memory.h"

/* ---- A process that calls what it is told to call. */

#define CALL_ARGS 5

typedef long (*call_fn)(const long *args);

struct peer {
	pid_t pid;
	int socket;
};

struct peer *peer_start(void);
/* Calls in the peer and waits for the result; fails when the peer dies */
#define peer_call(peer, fn, ...) \
	(peer_send(peer, fn, (long[CALL_ARGS]){ __VA_ARGS__ }), peer_result(peer))
void peer_send(struct peer *peer, call_fn fn, const long *args);
long peer_result(struct peer *peer);
/* To be called in a peer: its first thread ends, another one goes on */
long peer_main_thread_exits(const long *args);
/* The peer ends by itself, with 0 */
void peer_stop(struct peer *peer);
/* The peer was killed, by this signal, or is just about to be */
void peer_was_killed(struct peer *peer, int signal);

/* ---- What attachers do; each returns a number, see there. */

/* Attaches: segid, offset, size, first seed */
long attacher_attach(const long *args);
long attacher_detach(const long *args);
/* from, to, seed: where it differs, or to; -SIGBUS */
long attacher_differs(const long *args);
/* from, to, seed: 0 or -SIGBUS */
long attacher_fill(const long *args);
/* from, to: how many pages can be read; written (which spoils them) */
long attacher_readable(const long *args);
long attacher_writable(const long *args);
/* on, from, to: reads all the time, and writes the slots of this part */
long attacher_busy(const long *args);
/* from, to: one round of reading and writing of all, then rests.  Returns
 * readable << 32 | written, places of the part */
long attacher_round(const long *args);
/* The number of the last round */
long attacher_round_number(const long *args);
long attacher_zero_is_right(const long *args);
/* The addresses of the steady attacher's view, in that process */
char *attacher_view(void);

/* ---- A cell. */

struct cell {
	struct memory memory;
	struct peer *steady;
	struct peer *busy;
	struct peer *owner;		/* NULL: this process is the owner */
	const struct event *event;
	xpmem_segid_t segid;
	off_t offset;			/* of the memory in the segment */
	size_t written;			/* the busy one stores below this */
	unsigned long seeds;		/* given out */
	bool running;			/* the busy one is busy */
	bool in_thread;			/* an owner makes it in one that ends then */
	bool file_changed;		/* by what is no mapping of the owner */
};

struct event {
	const char *name;
	void (*run)(struct cell *cell);
	/* Why there is no such cell, or NULL */
	const char *(*why_not)(const struct kind *kind);
	size_t size;			/* of the memory, where not the kind's own */
	bool alone;			/* run makes everything itself */
};

/*
 * The main function of a program: [KIND|all [EVENT]] runs a part.  Prints a line
 * "cell KIND EVENT ok|skip|n/a|failed REASON" each, returns the exit status.
 */
int cells_main(int argc, char **argv, const struct event *events, size_t count,
	       unsigned int seconds);
/* Ends the cell: this kernel or guest has not what it needs */
_Noreturn void cell_skip(struct cell *cell, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* What cells_main does for an event that is not alone, in parts */
void cell_start_attachers(struct cell *cell);
void cell_make_memory(struct cell *cell);
void cell_attach(struct cell *cell);
void cell_attach_one(struct cell *cell, struct peer *peer);
/* New attachers, started, instead of others: whatever the memory is now */
void cell_attach_anew(struct cell *cell);
/* The same where cell->owner, a peer, is to make the memory */
void cell_attach_owner(struct cell *cell);
void cell_end(struct cell *cell);

uint64_t cell_new_seed(struct cell *cell);
void cell_run_busy(struct cell *cell, bool on);
/* Zeros are right from now on, where pages go away and come back */
void cell_zero_is_right(struct cell *cell);
/* The busy one stores below this, from now on */
void cell_limit_stores(struct cell *cell, size_t size);

/* All three see the pattern, and the busy one's stores reach the owner */
void cell_sees(struct cell *cell, size_t from, size_t to, uint64_t seed);
/* All of it as it was last */
void cell_same(struct cell *cell);
/* The steady one fills it anew, and all see it; refused where that is right */
void cell_stores(struct cell *cell);
/* The owner does, and all see it */
void cell_owner_stores(struct cell *cell);
/* Nothing is there for attachers */
void cell_gone(struct cell *cell, size_t from, size_t to);
/* It can be read and not written */
void cell_no_stores(struct cell *cell);
/* Takes what was freed just now, and nobody stores there */
void cell_freed_is_left_alone(struct cell *cell);
/* A private mapping's file, and the zero page, are what they were */
void cell_others_unchanged(struct cell *cell);
/* Calls in the owner, which may be this process */
long cell_owner_call(struct cell *cell, call_fn fn, const long *args);
/* In the owner: its own memory and segment */
extern struct cell *this_cell;

#endif /* CELL_H */
