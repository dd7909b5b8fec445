// SPDX-License-Identifier: GPL-2.0-or-later
/* See cell.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cell.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define STAMP	    (0x51a7UL << 48)
#define POISON_SEED 0xbadbadbadUL
#define POISON_SIZE (256 * PAGE)

struct cell *this_cell;

/* The one that runs, and the first of its seeds */
static const struct kind *cell_kind;
static const struct event *cell_event;
static uint64_t cell_seed;

/* ---- Peers. */

struct order {
	call_fn fn;
	long args[CALL_ARGS];
};

/* In a peer: its end of the socket, and what the attacher in it does */
static int orders = -1;
static struct {
	char *addr;
	size_t size;
	size_t stride;		/* bytes from one place to the next */
	uint64_t first_seed;
	bool zero_is_right;
	bool busy;
	size_t write_from, write_to;
	unsigned long round;
} view;

static void one_round(void);

static void serve(int unused)
{
	struct order order;
	ssize_t got;
	long result;

	(void)unused;
	for (;;) {
		got = recv(orders, &order, sizeof(order), view.busy ? MSG_DONTWAIT : 0);
		if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
			one_round();
			continue;
		}
		if (got != sizeof(order) || !order.fn)
			exit(0);
		result = order.fn(order.args);
		check(send(orders, &result, sizeof(result), MSG_NOSIGNAL) == sizeof(result));
	}
}

static void *serve_on(void *main_thread)
{
	long result = 0;

	check(pthread_join(*(pthread_t *)main_thread, NULL) == 0);
	check(send(orders, &result, sizeof(result), MSG_NOSIGNAL) == sizeof(result));
	serve(0);
	return NULL;
}

long peer_main_thread_exits(const long *args)
{
	static pthread_t main_thread;
	pthread_t other;

	(void)args;
	main_thread = pthread_self();
	check(pthread_create(&other, NULL, serve_on, &main_thread) == 0);
	pthread_exit(NULL);
}

struct peer *peer_start(void)
{
	struct peer *peer = malloc(sizeof(*peer));
	int sockets[2];

	check(peer);
	check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0);
	orders = sockets[1];
	peer->socket = sockets[0];
	peer->pid = spawn(serve, 0);
	close(orders);
	orders = -1;
	return peer;
}

void peer_send(struct peer *peer, call_fn fn, const long *args)
{
	struct order order = { .fn = fn };

	if (args)
		memcpy(order.args, args, sizeof(order.args));
	if (send(peer->socket, &order, sizeof(order), MSG_NOSIGNAL) != sizeof(order))
		fail("process %d is gone", peer->pid);
}

long peer_result(struct peer *peer)
{
	long result;

	if (recv(peer->socket, &result, sizeof(result), 0) == sizeof(result))
		return result;
	/* Skips, or fails with what happened. */
	join(peer->pid);
	fail("process %d ended instead of answering", peer->pid);
}

void peer_stop(struct peer *peer)
{
	peer_send(peer, NULL, NULL);
	join(peer->pid);
	close(peer->socket);
	free(peer);
}

void peer_was_killed(struct peer *peer, int signal)
{
	int status;

	check(waitpid(peer->pid, &status, 0) == peer->pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != signal)
		fail("process %d ended with status %#x, not by signal %d", peer->pid, status,
		     signal);
	close(peer->socket);
	free(peer);
}

/* ---- An attacher's accesses. */

static sigjmp_buf no_access;

static void on_signal(int signal)
{
	siglongjmp(no_access, signal);
}

/* SIGSEGV is never right: it ends the attacher, which is a failure. */
static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_NODEFER };

	check(sigaction(SIGBUS, &action, NULL) == 0);
}

static bool can_load(size_t at, uint64_t *value)
{
	if (sigsetjmp(no_access, 0))
		return false;
	*value = *(volatile uint64_t *)(view.addr + at);
	return true;
}

static bool can_store(size_t at, uint64_t value)
{
	if (sigsetjmp(no_access, 0))
		return false;
	*(volatile uint64_t *)(view.addr + at) = value;
	return true;
}

static uint64_t stamp(unsigned long round, size_t at)
{
	return STAMP | (uint64_t)round << 16 | at / PAGE;
}

static size_t stride_of(size_t size)
{
	return size > HUGE ? 16 * PAGE : PAGE;
}

/* How many places are in [from, to) */
static long places(size_t size, size_t from, size_t to)
{
	size_t stride = stride_of(size);

	return (long)((to + stride - 1) / stride - (from + stride - 1) / stride);
}

/* What one place can be: readable << 32 | written */
static long visit(size_t at)
{
	uint64_t word, seed;
	long result = 0;

	if (can_load(at, &word)) {
		seed = memory_seed_of(at, word);
		if (seed ? seed - view.first_seed >= SEEDS : !view.zero_is_right)
			fail("%#lx at %#zx: the owner never had that", (unsigned long)word, at);
		result += 1L << 32;
	}
	if (at >= view.write_from && at < view.write_to &&
	    can_store(at + SLOT * sizeof(word), stamp(view.round, at)))
		result++;
	return result;
}

static void one_round(void)
{
	view.round++;
	for (size_t at = 0; at < view.size; at += view.stride)
		visit(at);
}

long attacher_attach(const long *args)
{
	xpmem_apid_t apid = get_segment(args[0], XPMEM_RDWR);

	catch_signals();
	view.size = (size_t)args[2];
	view.stride = stride_of(view.size);
	view.addr = attach_at(apid, args[1], view.size);
	view.first_seed = (uint64_t)args[3];
	return 0;
}

long attacher_detach(const long *args)
{
	(void)args;
	check(xpmem_detach(view.addr) == 0);
	view.size = 0;
	return 0;
}

char *attacher_view(void)
{
	return view.addr;
}

long attacher_differs(const long *args)
{
	int signal = sigsetjmp(no_access, 0);

	if (signal)
		return -signal;
	return (long)memory_differs(view.addr, (size_t)args[0], (size_t)args[1], (uint64_t)args[2]);
}

long attacher_fill(const long *args)
{
	int signal = sigsetjmp(no_access, 0);

	if (signal)
		return -signal;
	memory_fill(view.addr, (size_t)args[0], (size_t)args[1], (uint64_t)args[2]);
	return 0;
}

long attacher_readable(const long *args)
{
	uint64_t word;
	long count = 0;

	for (size_t at = (size_t)args[0]; at < (size_t)args[1]; at += PAGE)
		count += can_load(at, &word);
	return count;
}

long attacher_writable(const long *args)
{
	long count = 0;

	for (size_t at = (size_t)args[0]; at < (size_t)args[1]; at += PAGE)
		count += can_store(at + 64, 0x5b011ed);
	return count;
}

long attacher_busy(const long *args)
{
	view.busy = args[0];
	if (view.busy) {
		view.write_from = (size_t)args[1];
		view.write_to = (size_t)args[2];
	}
	return 0;
}

long attacher_round(const long *args)
{
	long result = 0;

	view.busy = false;
	view.round++;
	for (size_t at = 0; at < view.size; at += view.stride) {
		long part = visit(at);

		if (at >= (size_t)args[0] && at < (size_t)args[1])
			result += part;
	}
	return result;
}

long attacher_round_number(const long *args)
{
	(void)args;
	return (long)view.round;
}

long attacher_zero_is_right(const long *args)
{
	(void)args;
	view.zero_is_right = true;
	return 0;
}

/* ---- What the owner is asked. */

static long owner_differs(const long *args)
{
	return (long)memory_differs(this_cell->memory.addr, (size_t)args[0], (size_t)args[1],
				    (uint64_t)args[2]);
}

static long owner_fill(const long *args)
{
	memory_fill(this_cell->memory.addr, (size_t)args[0], (size_t)args[1], (uint64_t)args[2]);
	return 0;
}

/* from, to, round: where the busy one's store is missing, or to */
static long owner_slots(const long *args)
{
	const struct memory *memory = &this_cell->memory;
	size_t step = stride_of(memory->size);
	size_t first = ((size_t)args[0] + step - 1) / step * step;

	for (size_t at = first; at < (size_t)args[1]; at += step) {
		const volatile uint64_t *words = (const void *)(memory->addr + at);

		if (words[SLOT] != stamp((unsigned long)args[2], at))
			return (long)at;
	}
	return args[1];
}

long cell_owner_call(struct cell *cell, call_fn fn, const long *args)
{
	if (!cell->owner)
		return fn(args);
	peer_send(cell->owner, fn, args);
	return peer_result(cell->owner);
}

#define owner_call(cell, fn, ...) \
	cell_owner_call(cell, fn, (long[CALL_ARGS]){ __VA_ARGS__ })

/* ---- What a cell can want. */

uint64_t cell_new_seed(struct cell *cell)
{
	cell->memory.seed = cell_seed + ++cell->seeds;
	check(cell->seeds < SEEDS);
	return cell->memory.seed;
}

void cell_run_busy(struct cell *cell, bool on)
{
	cell->running = on;
	peer_call(cell->busy, attacher_busy, on, 0, (long)cell->written);
}

void cell_limit_stores(struct cell *cell, size_t size)
{
	cell->written = size;
	peer_call(cell->busy, attacher_busy, true, 0, (long)size);
	peer_call(cell->busy, attacher_busy, cell->running, 0, (long)size);
}

void cell_zero_is_right(struct cell *cell)
{
	peer_call(cell->busy, attacher_zero_is_right, 0);
	peer_call(cell->steady, attacher_zero_is_right, 0);
}

static void busy_round(struct cell *cell, size_t from, size_t to, long readable, long written)
{
	long result = peer_call(cell->busy, attacher_round, (long)from, (long)to);

	if (result >> 32 != readable || (int)result != written)
		fail("%#zx to %#zx: %ld places could be read, wanted %ld; %d written, wanted %ld",
		     from, to, result >> 32, readable, (int)result, written);
}

/* The places of [from, to) that the busy one stores to end here */
static size_t stores_end(const struct cell *cell, size_t from, size_t to)
{
	if (is(&cell->memory, READ_ONLY) || cell->written < from)
		return from;
	return cell->written < to ? cell->written : to;
}

void cell_sees(struct cell *cell, size_t from, size_t to, uint64_t seed)
{
	size_t size = cell->memory.size, end = stores_end(cell, from, to);
	long at, round;

	at = owner_call(cell, owner_differs, (long)from, (long)to, (long)seed);
	if (at != (long)to)
		fail("the owner's memory is not right at %#lx", at);
	at = peer_call(cell->steady, attacher_differs, (long)from, (long)to, (long)seed);
	if (at != (long)to)
		fail("the attacher does not see the owner's memory: %s %#lx",
		     at < 0 ? "signal" : "at", at < 0 ? -at : at);
	busy_round(cell, from, to, places(size, from, to), places(size, from, end));
	round = peer_call(cell->busy, attacher_round_number, 0);
	at = owner_call(cell, owner_slots, (long)from, (long)end, round);
	if (at != (long)end)
		fail("the busy attacher's store at %#lx did not reach the owner", at);
	if (cell->running)
		cell_run_busy(cell, true);
}

void cell_same(struct cell *cell)
{
	cell_sees(cell, 0, cell->memory.size, cell->memory.seed);
}

void cell_no_stores(struct cell *cell)
{
	size_t size = cell->memory.size;
	long at;

	cell_run_busy(cell, false);
	check(peer_call(cell->steady, attacher_writable, 0, (long)size) == 0);
	at = peer_call(cell->steady, attacher_differs, 0, (long)size, (long)cell->memory.seed);
	check(at == (long)size);
	check(peer_call(cell->steady, attacher_writable, 0, (long)size) == 0);
	busy_round(cell, 0, size, places(size, 0, size), 0);
	at = owner_call(cell, owner_differs, 0, (long)size, (long)cell->memory.seed);
	check(at == (long)size);
}

void cell_stores(struct cell *cell)
{
	size_t size = cell->memory.size;

	if (is(&cell->memory, READ_ONLY)) {
		cell_no_stores(cell);
		return;
	}
	cell_new_seed(cell);
	check(peer_call(cell->steady, attacher_fill, 0, (long)size, (long)cell->memory.seed) == 0);
	cell_same(cell);
}

void cell_owner_stores(struct cell *cell)
{
	if (is(&cell->memory, READ_ONLY))
		return;
	cell_new_seed(cell);
	owner_call(cell, owner_fill, 0, (long)cell->memory.size, (long)cell->memory.seed);
	cell_same(cell);
}

void cell_gone(struct cell *cell, size_t from, size_t to)
{
	bool running = cell->running;

	check(peer_call(cell->steady, attacher_readable, (long)from, (long)to) == 0);
	check(peer_call(cell->steady, attacher_writable, (long)from, (long)to) == 0);
	busy_round(cell, from, to, 0, 0);
	cell_run_busy(cell, running);
}

void cell_freed_is_left_alone(struct cell *cell)
{
	bool running = cell->running;
	char *poison = memory_scratch(&cell->memory, POISON_SIZE);

	no_huge_pages(poison, POISON_SIZE);
	memory_fill(poison, 0, POISON_SIZE, POISON_SEED);
	/* Two rounds begin and end meanwhile. */
	peer_call(cell->busy, attacher_round, 0, 0);
	peer_call(cell->busy, attacher_round, 0, 0);
	check(memory_differs(poison, 0, POISON_SIZE, POISON_SEED) == POISON_SIZE);
	for (size_t at = 0; at < POISON_SIZE; at += PAGE)
		if (((uint64_t *)(void *)(poison + at))[SLOT])
			fail("a store through an attachment reached memory that was freed");
	memory_scratch_end(&cell->memory);
	cell_run_busy(cell, running);
}

/* What a file has by system calls, at one page */
static void file_page_is(int fd, size_t at, uint64_t seed)
{
	uint64_t words[PAGE_WORDS];

	check(pread(fd, words, PAGE, (off_t)at) == (ssize_t)PAGE);
	for (size_t i = 0; i < SLOT; i++)
		if (memory_seed_of(at + i * sizeof(*words), words[i]) != seed)
			fail("a store to a private mapping reached its file at %#zx", at);
	if (words[SLOT])
		fail("a store through an attachment of a private mapping reached its file");
}

void cell_others_unchanged(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	char *zero;

	if (is_private_file(memory) && memory->fd >= 0 && !cell->file_changed)
		for (size_t at = 0; at < memory->size; at += PAGE)
			file_page_is(memory->fd, at, memory->first_seed);
	zero = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(zero != MAP_FAILED);
	for (size_t i = 0; i < PAGE_WORDS; i++)
		if (((volatile uint64_t *)(void *)zero)[i])
			fail("the zero page is not zero");
	munmap(zero, PAGE);
}

/* ---- Running cells. */

static void say(const struct kind *kind, const struct event *event, const char *what,
		const char *reason)
{
	printf("cell %s %s %s%s%s\n", kind->name, event->name, what, reason ? " " : "",
	       reason ? reason : "");
	fflush(stdout);
}

void cell_skip(struct cell *cell, const char *format, ...)
{
	char reason[256];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	say(cell->memory.kind, cell->event, "skip", reason);
	exit(GUEST_TEST_SKIP);
}

void cell_start_attachers(struct cell *cell)
{
	cell->steady = peer_start();
	cell->busy = peer_start();
	cell->running = false;
}

void cell_make_memory(struct cell *cell)
{
	const struct memory *memory = &cell->memory;
	bool whole = cell_kind->traits & LATER;

	this_cell = cell;
	memory_reserve(&cell->memory, cell_kind, cell_event->size);
	if (whole) {
		cell->segid = make_segment(NULL, XPMEM_MAXADDR_SIZE);
		cell->offset = (off_t)(uintptr_t)memory->addr;
		return;
	}
	if (!memory_make(&cell->memory, cell_seed))
		cell_skip(cell, "the guest has no such memory");
	cell->segid = make_segment(memory->addr, memory->size);
}

void cell_attach_one(struct cell *cell, struct peer *peer)
{
	peer_call(peer, attacher_attach, (long)cell->segid, (long)cell->offset,
		  (long)cell->memory.size, (long)cell_seed);
}

void cell_attach_anew(struct cell *cell)
{
	cell_attach_one(cell, cell->steady);
	cell_attach_one(cell, cell->busy);
	cell_zero_is_right(cell);
	cell_run_busy(cell, true);
}

static long make_later(const long *args)
{
	(void)args;
	check(memory_make(&this_cell->memory, cell_seed));
	return 0;
}

void cell_attach(struct cell *cell)
{
	struct memory *memory = &cell->memory;

	cell_attach_one(cell, cell->steady);
	cell_attach_one(cell, cell->busy);
	if (is(memory, LATER)) {
		/* Attached while nothing was there */
		cell_gone(cell, 0, memory->size);
		owner_call(cell, make_later, 0);
		memory->seed = memory->first_seed = cell_seed;
	}
	cell->written = memory->size;
	if (is_private_file(memory))
		cell->written /= 2;
	if (is(memory, UNTOUCHED)) {
		cell->written = 0;
		cell_zero_is_right(cell);
	}
	cell_run_busy(cell, true);
	cell_same(cell);
}

/* In an owner that is a process of its own */
static struct cell owned;

static void *make_owned_now(void *unused)
{
	(void)unused;
	cell_make_memory(&owned);
	return NULL;
}

/* whether in a thread that ends then */
static long make_owned(const long *args)
{
	pthread_t thread;

	memory_pin(0);
	owned.memory.kind = cell_kind;
	owned.event = cell_event;
	if (args[0]) {
		check(pthread_create(&thread, NULL, make_owned_now, NULL) == 0);
		check(pthread_join(thread, NULL) == 0);
	} else {
		make_owned_now(NULL);
	}
	return (long)owned.segid;
}

static long owned_offset(const long *args)
{
	(void)args;
	return (long)owned.offset;
}

void cell_attach_owner(struct cell *cell)
{
	cell->segid = peer_call(cell->owner, make_owned, cell->in_thread);
	cell->offset = peer_call(cell->owner, owned_offset, 0);
	cell->memory.size = memory_size(cell_kind, cell_event->size);
	cell->memory.fd = -1;
	if (!(cell_kind->traits & UNTOUCHED))
		cell->memory.first_seed = cell->memory.seed = cell_seed;
	memory_pin(0);
	cell_attach(cell);
}

void cell_end(struct cell *cell)
{
	peer_stop(cell->steady);
	peer_stop(cell->busy);
	cell_others_unchanged(cell);
}

static void run_cell(int number)
{
	struct cell cell = { .memory.kind = cell_kind, .event = cell_event };

	(void)number;
	/* What is touched first here and freed here stays on one CPU's lists. */
	if (!cell_event->alone) {
		cell_start_attachers(&cell);
		memory_pin(0);
		cell_make_memory(&cell);
		cell_attach(&cell);
	}
	cell_event->run(&cell);
	if (!cell_event->alone)
		cell_end(&cell);
	say(cell_kind, cell_event, "ok", NULL);
}

static bool begin_cell(const struct kind *kind, const struct event *event, uint64_t number)
{
	const char *why = event->why_not ? event->why_not(kind) : NULL;
	int status;
	pid_t pid;

	if (why) {
		say(kind, event, "n/a", why);
		return true;
	}
	cell_kind = kind;
	cell_event = event;
	cell_seed = 0x5eed00000000 + (number + 1) * SEEDS;
	pid = spawn(run_cell, 0);
	check(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) &&
	    (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == GUEST_TEST_SKIP))
		return true;
	say(kind, event, "failed", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : NULL);
	return false;
}

static bool wanted(const char *argument, const char *name)
{
	return !strcmp(argument, "all") || !strcmp(argument, name);
}

int cells_main(int argc, char **argv, const struct event *events, size_t count,
	       unsigned int seconds)
{
	unsigned int number = 0;
	bool any = false, good = true;

	test_begin(seconds);
	for (size_t i = 0; i < count; i++) {
		for (int k = 0; k < kinds_count; k++, number++) {
			if (!wanted(argc > 1 ? argv[1] : "all", kinds[k].name) ||
			    !wanted(argc > 2 ? argv[2] : "all", events[i].name))
				continue;
			any = true;
			if (!begin_cell(&kinds[k], &events[i], number))
				good = false;
		}
	}
	if (!any)
		fail("no such kind or event");
	return !good;
}
