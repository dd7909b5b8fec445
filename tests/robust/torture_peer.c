// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A peer's three threads, and the checker.
 *
 * The attacher has a table of its attachments (views).  The reader uses them at
 * the same time and takes no lock: each place of the table has a sequence that is
 * odd while the attacher changes it, and what the reader saw counts only when
 * the sequence was the same before and after.
 */
#include "torture.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <unistd.h>

#define BURST 32
#define CANARY_PAGES 16

struct place {
	_Atomic uint32_t seq;
	_Atomic bool used;
	struct view view;
};

static struct place places[VIEWS];
static pthread_mutex_t addresses = PTHREAD_MUTEX_INITIALIZER;
static unsigned int self;		/* slot */
static const char *who;
static int device;
static int memory_fd = -1;		/* /proc/self/mem */

void addresses_lock(void)
{
	pthread_mutex_lock(&addresses);
}

void addresses_unlock(void)
{
	pthread_mutex_unlock(&addresses);
}

/* ------------------------------------------------------------------ canary */

static volatile uint64_t *canary;

static uint64_t canary_value(size_t i)
{
	return 0x63616e6172790000ULL ^ (i << 20) ^ (uint64_t)getpid();
}

void canary_make(void)
{
	canary = map_anon(CANARY_PAGES * PAGE);
	for (size_t i = 0; i < CANARY_PAGES * PAGE / sizeof(uint64_t); i++)
		canary[i] = canary_value(i);
}

void canary_check(const char *name)
{
	for (size_t i = 0; i < CANARY_PAGES * PAGE / sizeof(uint64_t); i++)
		if (canary[i] != canary_value(i))
			finding("%s: private memory has changed: word %zu is %016llx", name, i,
				(unsigned long long)canary[i]);
}

/* ------------------------------------------------------------------- views */

static void *address_of(const struct view *view)
{
	return (void *)(uintptr_t)view->at;
}

static size_t size_of(const struct view *view)
{
	return view->pages * PAGE;
}

static void change_begin(struct place *place)
{
	place->seq++;
}

static void change_end(struct place *place, bool used)
{
	place->used = used;
	place->seq++;
}

/*
 * Whether the owner has a part in a request that failed with ENOENT: it is
 * being killed, or removes the segment.
 */
static bool expected_failure(const struct view *view, int err)
{
	struct peer_state *peer = &shared->peer[view->slot];

	if (err != -ENOENT)
		return false;
	if (peer->incarnation != view->incarnation || peer->segid[view->segment] != view->segid)
		return true;
	/* Killed by the kernel, that nobody has announced: then it stands still. */
	for (unsigned int i = 0; i < 2000; i++) {
		uint64_t ticks = peer->ticks;

		usleep(1000);
		if (peer->ticks != ticks)
			return peer->incarnation != view->incarnation;
		if (shared->stop || peer->incarnation != view->incarnation)
			return true;
	}
	return true;
}

/* Fills in a view of a peer's segment as it is now; false when there is none */
static bool choose(uint64_t *random, unsigned int slot, unsigned int segment, struct view *view)
{
	struct peer_state *peer = &shared->peer[slot];
	unsigned int first, pages;

	*view = (struct view){
		.slot = slot,
		.incarnation = peer->incarnation,
		.segment = (int)segment,
		.segid = peer->segid[segment],
		.writable = !once_in(random, 4),
	};
	if (!view->incarnation || !view->segid)
		return false;
	segment_place(segment, &first, &pages);
	view->pages = 1 + pick(random, once_in(random, 2) ? pages : 100);
	view->first = first + pick(random, pages - view->pages + 1);
	return true;
}

static uint64_t offset_of(const struct view *view)
{
	unsigned int first, pages;

	segment_place((unsigned int)view->segment, &first, &pages);
	if (view->segment == 2)
		return shared->peer[view->slot].arena + view->first * PAGE;
	return (view->first - first) * PAGE;
}

/* False when the owner or the segment has gone meanwhile */
static bool attach_view(uint64_t *random, struct view *view)
{
	int err = raw_get(device, view->segid, view->writable, &view->apid);
	void *at = NULL;

	if (err) {
		if (!expected_failure(view, err))
			finding("%s: get of peer %u, segment %d: %s", who, view->slot,
				view->segment, strerror(-err));
		return false;
	}
	addresses_lock();
	if (once_in(random, 4)) {
		at = mmap(NULL, size_of(view), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		check(at != MAP_FAILED);
	}
	err = raw_attach(device, view->apid, offset_of(view), size_of(view), &at);
	if (err && at)
		munmap(at, size_of(view));
	addresses_unlock();
	if (err) {
		if (!expected_failure(view, err))
			finding("%s: attach of peer %u, segment %d, page %u: %s", who, view->slot,
				view->segment, view->first, strerror(-err));
		raw_release(device, view->apid);
		return false;
	}
	view->at = at;
	return true;
}

static void drop_view(uint64_t *random, struct place *place)
{
	struct view *view = &place->view;
	int err;

	change_begin(place);
	addresses_lock();
	if (once_in(random, 2)) {
		err = raw_detach(device, (char *)address_of(view) +
						 pick(random, view->pages) * PAGE);
		if (err)
			finding("%s: detach: %s", who, strerror(-err));
		count(COUNT_detach);
	}
	err = raw_release(device, view->apid);
	if (err)
		finding("%s: release: %s", who, strerror(-err));
	addresses_unlock();
	count(COUNT_release);
	change_end(place, false);
}

static void renew_view(uint64_t *random, struct place *place)
{
	struct view view;

	if (place->used)
		drop_view(random, place);
	if (!choose(random, pick(random, PEERS), pick(random, SEGMENTS), &view) ||
	    !attach_view(random, &view))
		return;
	change_begin(place);
	place->view = view;
	change_end(place, true);
	count(COUNT_attach);
}

static void unmap_part(uint64_t *random, struct place *place)
{
	struct view *view = &place->view;
	unsigned int less = pick(random, view->pages);

	if (!less)
		return;
	change_begin(place);
	addresses_lock();
	if (once_in(random, 2)) {
		check(munmap(address_of(view), less * PAGE) == 0);
		view->first += less;
		view->at += less * (PAGE / sizeof(uint64_t));
	} else {
		check(munmap((char *)address_of(view) + (view->pages - less) * PAGE,
			     less * PAGE) == 0);
	}
	addresses_unlock();
	view->pages -= less;
	change_end(place, true);
	count(COUNT_unmap_part);
}

static void move(uint64_t *random, struct place *place)
{
	struct view *view = &place->view;
	void *to;

	(void)random;
	change_begin(place);
	addresses_lock();
	to = mmap(NULL, size_of(view), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(to != MAP_FAILED);
	if (mremap(address_of(view), size_of(view), size_of(view), MREMAP_MAYMOVE | MREMAP_FIXED,
		   to) == to)
		view->at = to;
	else	/* mprotect has left it in several mappings */
		munmap(to, size_of(view));
	addresses_unlock();
	change_end(place, true);
	count(COUNT_move);
}

static void protect_view(uint64_t *random, struct place *place)
{
	struct view *view = &place->view;
	unsigned int page = pick(random, view->pages);
	char *at = (char *)address_of(view) + page * PAGE;

	if (!view->writable)
		return;
	/* Forth and back in one go: what the reader may do stays the same. */
	check(mprotect(at, PAGE, PROT_READ) == 0);
	check(mprotect(at, PAGE, PROT_READ | PROT_WRITE) == 0);
	count(COUNT_protect_view);
}

static void prefault(uint64_t *random, struct place *place)
{
	struct view *view = &place->view;
	size_t done;
	int err = raw_prefault(device, address_of(view), size_of(view),
			       view->writable && once_in(random, 2), &done);

	/* What the owner does not have is EFAULT; who is gone, ENOENT. */
	if (err && err != -EFAULT && err != -ENOENT)
		finding("%s: prefault: %s", who, strerror(-err));
	if (done > size_of(view))
		finding("%s: prefault has done %zu of %zu bytes", who, done, size_of(view));
	count(COUNT_prefault);
}

static void advise_view(uint64_t *random, struct place *place)
{
	static const int advices[] = {
		MADV_WILLNEED, MADV_DONTNEED, MADV_COLD, MADV_PAGEOUT, MADV_SEQUENTIAL,
	};

	madvise(address_of(&place->view), size_of(&place->view),
		advices[pick(random, sizeof(advices) / sizeof(advices[0]))]);
	count(COUNT_advise_view);
}

/* -------------------------------------------------- reading in other ways */

static int fetch_memory_file(const struct view *view, volatile uint64_t *at, uint64_t *value)
{
	(void)view;
	return pread(memory_fd, value, sizeof(*value), (off_t)(uintptr_t)at) == sizeof(*value) ?
		       0 :
		       SIGBUS;
}

static int fetch_owner(const struct view *view, volatile uint64_t *at, uint64_t *value)
{
	struct peer_state *peer = &shared->peer[view->slot];
	uintptr_t there = peer->arena + view->first * PAGE + ((uintptr_t)at - (uintptr_t)view->at);
	struct iovec local = { .iov_base = value, .iov_len = sizeof(*value) };
	struct iovec remote = { .iov_base = (void *)there, .iov_len = sizeof(*value) };

	if (process_vm_readv(peer->pid, &local, 1, &remote, 1, 0) != sizeof(*value))
		return SIGBUS;
	/* Else this may have been the memory of the next one in this slot. */
	return peer->incarnation == view->incarnation ? 0 : SIGBUS;
}

/* As a debugger, and past the module: failing is allowed, a wrong value is not. */
static void read_otherwise(uint64_t *random, const struct view *view)
{
	unsigned int page = pick_page(random, view->first, view->pages);
	unsigned int writer = pick(random, WRITERS);
	bool peek = once_in(random, 2);
	struct judgement judgement =
		oracle_fetch(view, page, writer, peek ? fetch_memory_file : fetch_owner);

	if (judgement.verdict == VERDICT_BAD)
		oracle_report(view, &judgement, peek ? "/proc/self/mem" : "process_vm_readv");
	if (!judgement.signal)
		count(peek ? COUNT_peek : COUNT_vm_readv);
}

/* ----------------------------------------------------------------- threads */

static void burst(uint64_t *random, const struct view *view)
{
	unsigned int page = pick_page(random, view->first, view->pages);
	struct judgement judgement = { 0 };

	for (unsigned int i = 0; i < BURST; i++) {
		if (once_in(random, 3) || judgement.signal)
			page = pick_page(random, view->first, view->pages);
		judgement.signal = 0;
		if (view->writable && once_in(random, 2)) {
			judgement = oracle_write(view, page, self + 1);
			oracle_report(view, &judgement, who);
			count(COUNT_write);
		}
		for (unsigned int writer = 0; writer < WRITERS && !judgement.signal; writer++) {
			judgement = oracle_read(view, page, writer);
			oracle_report(view, &judgement, who);
			count(COUNT_read);
		}
	}
}

static void *attacher(void *arg)
{
	static void (*const changes[])(uint64_t *random, struct place *place) = {
		renew_view, renew_view, unmap_part, move, protect_view, prefault, advise_view,
	};
	const unsigned int nr_changes = sizeof(changes) / sizeof(changes[0]);
	uint64_t random = *(uint64_t *)arg;

	while (!shared->stop) {
		struct place *place = &places[pick(&random, VIEWS)];

		if (!place->used)
			renew_view(&random, place);
		else if (once_in(&random, 4))
			changes[pick(&random, nr_changes)](&random, place);
		else if (once_in(&random, 8))
			read_otherwise(&random, &place->view);
		else
			burst(&random, &place->view);
		if (!place->used)
			usleep(1000);
	}
	return NULL;
}

static void *reader(void *arg)
{
	uint64_t random = *(uint64_t *)arg;
	unsigned int rounds = 0;

	while (!shared->stop) {
		struct place *place = &places[pick(&random, VIEWS)];
		uint32_t seq = place->seq;
		struct view view = place->view;

		if (++rounds % 1024 == 0)
			canary_check(who);
		if (seq & 1 || !place->used || place->seq != seq) {
			usleep(500);
			continue;
		}
		for (unsigned int i = 0; i < BURST; i++) {
			struct judgement judgement =
				oracle_read(&view, pick_page(&random, view.first, view.pages),
					    pick(&random, WRITERS));

			if (place->seq != seq)
				break;
			count(COUNT_read);
			oracle_report(&view, &judgement, who);
		}
	}
	return NULL;
}

_Noreturn void peer_run(unsigned int slot)
{
	struct peer_state *peer = &shared->peer[slot];
	uint32_t incarnation = peer->started;
	uint64_t attacher_seed = seed_of(shared->seed, slot, incarnation, 1);
	uint64_t reader_seed = seed_of(shared->seed, slot, incarnation, 2);
	struct owner owner = {
		.slot = slot,
		.peer = peer,
		.random = seed_of(shared->seed, slot, incarnation, 0),
		.view = { .slot = slot, .incarnation = incarnation, .segment = -1,
			  .pages = ARENA_PAGES, .writable = true },
	};
	pthread_t thread[2];
	static char name[40];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	access_begin();
	self = slot;
	snprintf(name, sizeof(name), "peer %u.%u", slot, incarnation);
	who = name;
	device = device_open_raw();
	check(device >= 0);
	memory_fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	owner.device = device;
	canary_make();
	arena_make(&owner);
	owner.view.at = (volatile uint64_t *)owner.arena;
	peer->arena = (uintptr_t)owner.arena;
	peer->incarnation = incarnation;
	check(pthread_create(&thread[0], NULL, attacher, &attacher_seed) == 0);
	check(pthread_create(&thread[1], NULL, reader, &reader_seed) == 0);

	while (!shared->stop) {
		for (unsigned int i = 0; i < BURST; i++)
			arena_use(&owner);
		arena_event(&owner);
		peer->ticks++;
		usleep(pick(&owner.random, 5000));
	}
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	canary_check(who);
	/* The rest is left to the end of the process. */
	_exit(0);
}

/* ----------------------------------------------------------------- checker */

static void sweep(uint64_t *random, struct view *view)
{
	for (unsigned int page = 0; page < ARENA_PAGES && !shared->stop; page++) {
		struct judgement judgement = oracle_read(view, page, pick(random, WRITERS));

		count(COUNT_read);
		oracle_report(view, &judgement, who);
		/* What is gone is attached anew. */
		if (shared->peer[view->slot].incarnation != view->incarnation ||
		    shared->peer[view->slot].segid[0] != view->segid)
			return;
	}
	count(COUNT_sweep);
}

_Noreturn void checker_run(void)
{
	uint64_t random = seed_of(shared->seed, CHECKER, 0, 0);
	struct view view[PEERS] = { 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	access_begin();
	self = CHECKER;
	who = "the checker";
	device = device_open_raw();
	check(device >= 0);
	memory_fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	canary_make();
	while (!shared->stop) {
		unsigned int slot = pick(&random, PEERS);
		struct view *at = &view[slot];

		if (at->at && (shared->peer[slot].incarnation != at->incarnation ||
			       shared->peer[slot].segid[0] != at->segid)) {
			/* Once more with its owner gone, then no more. */
			oracle_read(at, pick(&random, ARENA_PAGES), 0);
			check(raw_release(device, at->apid) == 0);
			at->at = NULL;
		}
		if (!at->at) {
			if (!choose(&random, slot, 0, at)) {
				usleep(2000);
				continue;
			}
			at->writable = false;
			at->first = 0;
			at->pages = ARENA_PAGES;
			if (!attach_view(&random, at))
				at->at = NULL;
			continue;
		}
		if (once_in(&random, 8))
			sweep(&random, at);
		else
			burst(&random, at);
		read_otherwise(&random, at);
		canary_check(who);
	}
	_exit(0);
}
