// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Load for a nemesis: ranks read and write few pages that all share, for as long as it
 * is at work, and write down what they saw, for linearize to judge.
 *
 *	storm [--pages N] [--burst N] [--operations N] [--owner-ms N] [--bound-ms N]
 *	      [--strict 1] [--hugetlb 1]
 *
 * A rank shares --pages pages of 8 registers each.  It chooses one of all ranks' pages,
 * does --burst operations on its registers, and chooses again: so most choices move a
 * page, and most operations do not.  The history is as history.c describes.
 *
 * It also shares a page, `side`, that is not judged: others load and store it, and every
 * --owner-ms milliseconds its owner unmaps it, maps it anew, protects it, moves it or
 * gives its content up.  How long each call took is judged: --bound-ms is lease + skew +
 * 50 ms.  Time in which the partition did not run is subtracted (clock.h).  With --hugetlb
 * it is a page of hugetlb, another one each time.
 *
 * Files in the exchange directory: `ready.PARTITION` when all ranks have attached all
 * memory, `stop` ends it, `history.PARTITION` is written then.  In $XPMEM_STORM, a
 * directory of the partition's own: `pids`, a rank and its process a line;
 * `progress`, renewed five times a second:
 *
 *	operations, those on others' memory, those that raised SIGBUS, pages that are left,
 *	ranks that have operations to do
 *
 * A rank may be ended by SIGKILL.  What it did is in memory that its parent has, too, and
 * counts: an operation that was under way may have happened or not.
 *
 * At the end all that are left read all pages once more.  With --strict it is a failure
 * if any operation raised SIGBUS.
 *
 * A processor that was stopped, with its partition, may go on for a moment with what it
 * had before the timer of its lease comes (docs/coherence.md).  Loads of that moment are
 * not judged: those of the 20 ms after 50 ms in which the rank, or all of the partition,
 * did not run.
 */
#include "clock.h"
#include "cluster.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define IN_PAGE		8	/* registers, far apart */
#define STRIDE		(PAGE / IN_PAGE / sizeof(uint64_t))
#define MS		1000000ull
#define JUMP		(50 * MS)
#define BLIND		(20 * MS)
#define LOST_AFTER	2	/* times in a row that a page raised SIGBUS */
#define SLOTS		256	/* pages of all ranks */
#define HUGE		(2UL << 20)
#define PATIENCE	12000	/* of 10 ms: more than fault_ms of each of a few pages */

static uint64_t pages = 2, burst = 16, operations = 4000000, owner_ms = 150, bound_ms, strict;
static uint64_t hugetlb;

struct op {
	uint64_t value;
	uint64_t start, end;	/* own clock; end 0: it raised SIGBUS, or did not end */
	uint32_t reg;
	bool write, blind;
};

enum call {
	DONTNEED,
	UNMAP,
	PROTECT,
	MOVE,
	CALLS,
};
static const char *const call_names[CALLS] = { "MADV_DONTNEED", "munmap", "mprotect", "mremap" };

struct call_times {
	uint64_t calls, worst, worst_late;
};

/* Of each rank that is here, seen by the parent, too */
struct log {
	_Atomic(uint64_t) done, elsewhere, failed;
	_Atomic(uint32_t) left;		/* pages, as this rank knows */
	uint64_t slowest;		/* operation */
	struct call_times call[CALLS];
	uint32_t readable, lost;	/* pages, at the end */
	pid_t pid;
	_Atomic(bool) ended;
	bool killed;
	struct op op[];
};

/* Of all that are here */
static struct {
	_Atomic(bool) stop, leave;
	_Atomic(uint64_t) late;		/* ns in which this partition did not run */
	_Atomic(uint32_t) attached;
} *shared;
static struct log *logs[CLUSTER_RANKS];

/* --------------------------------------------------------------- operations */

static sigjmp_buf access_failed;

static void on_sigbus(int signal)
{
	siglongjmp(access_failed, signal);
}

static bool do_op(volatile uint64_t *at, struct op *volatile op)
{
	op->end = 0;
	op->start = cluster_now();
	if (sigsetjmp(access_failed, 1))
		return false;
	atomic_thread_fence(memory_order_seq_cst);
	if (op->write)
		*at = op->value;
	else
		op->value = *at;
	atomic_thread_fence(memory_order_seq_cst);
	op->end = cluster_now();
	return true;
}

/* A page of a rank, and how often it failed of late */
struct slot {
	volatile uint64_t *memory;
	uint32_t number;	/* of all pages */
	int owner;
	unsigned int failures;
};

/*
 * Whether this partition may have stood still just now: the rank did not run between two
 * operations, or nobody did.
 */
static bool stood_still(uint64_t now, uint64_t last)
{
	static uint64_t late, blind_until;
	uint64_t is_late = atomic_load(&shared->late);

	if ((last && now - last > JUMP) || is_late - late > JUMP)
		blind_until = now + BLIND;
	late = is_late;
	return now < blind_until;
}

static void visit(const struct cluster *cluster, struct log *log, struct slot *slot,
		  uint64_t *random)
{
	static uint64_t last;

	for (uint64_t i = 0; i < burst; i++) {
		uint64_t n = atomic_load(&log->done), now = cluster_now();
		uint32_t reg = (uint32_t)(cluster_random(random) % IN_PAGE);
		struct op *op = &log->op[n];
		bool done;

		if (n == operations || atomic_load(&shared->stop))
			return;
		op->reg = slot->number * IN_PAGE + reg;
		op->write = cluster_random(random) % 100 < 40;
		op->value = ((uint64_t)cluster->rank + 1) << 40 | (n + 1);
		op->blind = stood_still(now, last);
		atomic_store(&log->done, n + 1);
		done = do_op(slot->memory + reg * STRIDE, op);
		last = cluster_now();
		if (last - now > log->slowest)
			log->slowest = last - now;
		if (!done) {
			atomic_fetch_add(&log->failed, 1);
			if (++slot->failures == LOST_AFTER)
				atomic_fetch_sub(&log->left, 1);
			return;
		}
		if (slot->failures >= LOST_AFTER)
			atomic_fetch_add(&log->left, 1);
		slot->failures = 0;
		if (slot->owner != cluster->rank)
			atomic_fetch_add(&log->elsewhere, 1);
	}
}

/* ------------------------------------------------------------- the side page */

static size_t side_size(void)
{
	return hugetlb ? HUGE : PAGE;
}

/* Where it is possible to put what is of hugetlb */
static uint8_t *map_aligned(size_t size, int prot)
{
	uint8_t *at = mmap(NULL, size + HUGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(at != MAP_FAILED);
	return at + -(uintptr_t)at % HUGE;
}

static void map_side(uint8_t *side)
{
	check(mmap(side, side_size(), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | (hugetlb ? MAP_HUGETLB : 0), -1,
		   0) == side);
}

static bool has_lost_page(const uint8_t *side)
{
	const volatile uint8_t *volatile at;

	for (at = side; at < side + side_size(); at += PAGE) {
		if (sigsetjmp(access_failed, 1))
			return true;
		(void)*at;
	}
	return false;
}

/* Before Linux 6.6 a page that is lost is a mapping of its own: mremap(2) takes one only. */
static void move_side(uint8_t *side, uint8_t *to)
{
	size_t size = side_size();
	void *moved = mremap(side, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to);

	check(moved == to || (moved == MAP_FAILED && errno == EFAULT && has_lost_page(side)));
}

/* ns in which this thread could have run, and others did */
static uint64_t waited_for_cpu(void)
{
	FILE *file = fopen("/proc/thread-self/schedstat", "re");
	uint64_t ran, waited;

	check(file && fscanf(file, "%" SCNu64 " %" SCNu64, &ran, &waited) == 2);
	fclose(file);
	return waited;
}

static void own_side(struct log *log, uint8_t *side, uint64_t *random)
{
	static uint8_t *spare;
	size_t size = side_size();
	enum call call = (enum call)(cluster_random(random) % CALLS);
	struct call_times *times = &log->call[call];
	uint64_t late, waited, since, took;

	if (!spare)
		spare = map_aligned(size, PROT_NONE);
	late = atomic_load(&shared->late);
	waited = waited_for_cpu();
	since = cluster_now();
	switch (call) {
	case DONTNEED:
		check(!madvise(side, size, MADV_DONTNEED));
		break;
	case UNMAP:
		check(!munmap(side, size));
		break;
	case PROTECT:
		check(!mprotect(side, size, PROT_READ));
		break;
	default:
		move_side(side, spare);
	}
	took = cluster_now() - since;
	late = atomic_load(&shared->late) - late;
	waited = waited_for_cpu() - waited;
	if (late < waited)
		late = waited;
	times->calls++;
	if (took - (late < took ? late : took) > times->worst) {
		times->worst = took - (late < took ? late : took);
		times->worst_late = late;
	}
	/* and as it was, with new memory if what was there is lost */
	if (call == PROTECT)
		check(!mprotect(side, size, PROT_READ | PROT_WRITE));
	else if (call != DONTNEED)
		map_side(side);
	if (call == MOVE)
		check(mmap(spare, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			   0) == spare);
}

static void touch_side(volatile uint64_t *side, bool write)
{
	if (sigsetjmp(access_failed, 1))
		return;
	if (write)
		++*side;
	else
		(void)*side;
}

/* --------------------------------------------------------------------- a rank */

static void read_all(struct log *log, struct slot *slots, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct op op = { .write = false };

		if (do_op(slots[i].memory, &op))
			log->readable++;
		else
			log->lost++;
	}
}

static void body(struct cluster *cluster)
{
	struct sigaction action = { .sa_handler = on_sigbus };
	volatile uint64_t *side[CLUSTER_RANKS];
	uint64_t random = cluster->seed * 1000 + (uint64_t)cluster->rank, next_call;
	struct log *log = logs[cluster->rank];
	struct slot slots[SLOTS];
	uint32_t n = 0;
	uint8_t *own, *own_page;

	own = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(own != MAP_FAILED);
	own_page = map_aligned(side_size(), PROT_NONE);
	map_side(own_page);
	cluster_share(cluster, "all", own, pages * PAGE);
	cluster_share(cluster, "side", own_page, side_size());
	for (int rank = 0; rank < cluster->ranks; rank++) {
		bool mine = rank == cluster->rank;
		volatile uint64_t *memory =
			mine ? (void *)own : cluster_attach(cluster, "all", rank, pages * PAGE);

		side[rank] = mine ? NULL : cluster_attach(cluster, "side", rank, side_size());
		for (uint64_t i = 0; i < pages; i++, n++)
			slots[n] = (struct slot){ memory + i * PAGE / 8, n, rank, 0 };
	}
	sigaction(SIGBUS, &action, NULL);
	atomic_store(&log->left, n);
	cluster_meet(cluster, "attached");
	atomic_fetch_add(&shared->attached, 1);
	next_call = cluster_now();

	while (!atomic_load(&shared->stop) && atomic_load(&log->done) < operations) {
		struct slot *slot = &slots[cluster_random(&random) % n];
		int rank = (int)(cluster_random(&random) % (uint64_t)cluster->ranks);

		if (slot->failures < LOST_AFTER || cluster_random(&random) % 64 == 0)
			visit(cluster, log, slot, &random);
		if (owner_ms && side[rank] && cluster_random(&random) % 4 == 0)
			touch_side(side[rank], cluster_random(&random) % 2);
		if (owner_ms && cluster_now() >= next_call) {
			own_side(log, own_page, &random);
			next_call = cluster_now() + owner_ms * MS;
		}
	}
	while (!atomic_load(&shared->stop))
		usleep(10000);
	read_all(log, slots, n);
	atomic_store(&log->ended, true);
	/* nobody's memory goes before all have read it */
	while (!atomic_load(&shared->leave))
		usleep(10000);
}

/* ----------------------------------------------------------------- the parent */

static void write_file(const char *name, const char *text)
{
	char path[300], temporary[320];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", getenv("XPMEM_STORM"), name);
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	file = fopen(temporary, "we");
	if (!file || fputs(text, file) < 0 || fclose(file) || rename(temporary, path))
		fail("cannot write %s", path);
}

static void publish_of(const struct cluster *cluster, const char *what)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.%d", what, cluster->first);
	cluster_publish(cluster, name, "", 0);
}

static void await_of(const struct cluster *cluster, const char *what)
{
	char name[64];
	int here = cluster->last - cluster->first + 1;

	for (int first = 0; first < cluster->ranks; first += here) {
		snprintf(name, sizeof(name), "%s.%d", what, first);
		free(cluster_await(cluster, name, NULL));
	}
}

static void tell_progress(const struct cluster *cluster)
{
	uint64_t done = 0, elsewhere = 0, failed = 0;
	uint32_t left = 0, busy = 0;
	char text[128];

	for (int rank = cluster->first; rank <= cluster->last; rank++) {
		done += atomic_load(&logs[rank]->done);
		elsewhere += atomic_load(&logs[rank]->elsewhere);
		failed += atomic_load(&logs[rank]->failed);
		if (logs[rank]->killed)
			continue;
		if (atomic_load(&logs[rank]->left) > left)
			left = atomic_load(&logs[rank]->left);
		busy += atomic_load(&logs[rank]->done) < operations;
	}
	snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64 " %" PRIu64 " %u %u\n", done, elsewhere,
		 failed, left, busy);
	write_file("progress", text);
}

static uint32_t alive(const struct cluster *cluster)
{
	uint32_t n = 0;

	for (int rank = cluster->first; rank <= cluster->last; rank++)
		n += !logs[rank]->killed;
	return n;
}

/* Whose end is not over yet */
static uint32_t reading(const struct cluster *cluster)
{
	uint32_t n = 0;

	for (int rank = cluster->first; rank <= cluster->last; rank++)
		n += !logs[rank]->killed && !atomic_load(&logs[rank]->ended);
	return n;
}

static void print_stack(pid_t pid)
{
	char path[64], line[160];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stack", (int)pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		fprintf(stderr, "    %s", line);
	if (file)
		fclose(file);
}

/* No access waits for ever: where those are who have not read all pages by now. */
static void tell_stuck(const struct cluster *cluster)
{
	for (int rank = cluster->first; rank <= cluster->last; rank++) {
		struct log *log = logs[rank];

		if (log->killed || atomic_load(&log->ended))
			continue;
		fprintf(stderr, "rank %d hangs: after %" PRIu64 " operations, %u + %u pages read\n",
			rank, atomic_load(&log->done), log->readable, log->lost);
		print_stack(log->pid);
	}
}

/* What the parent does while it waits for its ranks */
static void *conduct(void *arg)
{
	const struct cluster *cluster = arg;
	unsigned int waited = 0;
	char stop[300];

	snprintf(stop, sizeof(stop), "%s/stop", cluster->exchange);
	while (atomic_load(&shared->attached) < alive(cluster))
		usleep(10000);
	publish_of(cluster, "ready");
	while (access(stop, F_OK)) {
		tell_progress(cluster);
		usleep(200000);
	}
	atomic_store(&shared->stop, true);
	while (reading(cluster)) {
		usleep(10000);
		if (++waited == PATIENCE)
			tell_stuck(cluster);
	}
	tell_progress(cluster);
	publish_of(cluster, "ended");
	await_of(cluster, "ended");
	atomic_store(&shared->leave, true);
	return NULL;
}

static void on_started(const struct cluster *cluster, int rank, pid_t pid)
{
	static char text[CLUSTER_RANKS * 24];

	logs[rank]->pid = pid;
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "%d %d\n", rank, (int)pid);
	if (rank == cluster->last)
		write_file("pids", text);
}

static void on_killed(const struct cluster *cluster, int rank)
{
	(void)cluster;
	logs[rank]->killed = true;
}

static void print(FILE *out, const struct cluster *cluster, int rank, const struct op *op,
		  const struct clock_offset of[2])
{
	bool same = !cluster->first;
	int64_t start = clock_reference(of, op->start, false, same);

	if (!op->end && op->write)
		fprintf(out, "w %d %u %" PRIu64 " %" PRId64 " -\n", rank, op->reg, op->value, start);
	if (op->end)
		fprintf(out, "%c %d %u %" PRIu64 " %" PRId64 " %" PRId64 "\n",
			op->write ? 'w' : 'r', rank, op->reg, op->value, start,
			clock_reference(of, op->end, true, same));
}

/* Returns how many loads are not judged. */
static uint64_t write_history(const struct cluster *cluster, const struct clock_offset of[2])
{
	uint64_t blind = 0;
	size_t length;
	char name[32];
	char *text;
	FILE *out = open_memstream(&text, &length);

	check(out);
	for (int rank = cluster->first; rank <= cluster->last; rank++)
		for (uint64_t i = 0; i < atomic_load(&logs[rank]->done); i++) {
			const struct op *op = &logs[rank]->op[i];

			/* killed before it began */
			if (!op->start)
				continue;
			if (op->blind && !op->write)
				blind++;
			else
				print(out, cluster, rank, op, of);
		}
	check(!fclose(out));
	snprintf(name, sizeof(name), "history.%d", cluster->first);
	cluster_publish(cluster, name, text, length);
	free(text);
	return blind;
}

/* Returns whether all was as it must be. */
static bool report(const struct cluster *cluster, uint64_t blind)
{
	uint64_t done = 0, elsewhere = 0, failed = 0, slowest = 0;
	struct call_times call[CALLS] = { 0 };
	uint32_t readable = 0, lost = 0;
	bool good = true;

	for (int rank = cluster->first; rank <= cluster->last; rank++) {
		const struct log *log = logs[rank];

		done += log->done;
		elsewhere += log->elsewhere;
		failed += log->failed;
		slowest = log->slowest > slowest ? log->slowest : slowest;
		if (log->readable > readable)
			readable = log->readable;
		if (log->lost > lost)
			lost = log->lost;
		for (int c = 0; c < CALLS; c++) {
			call[c].calls += log->call[c].calls;
			if (log->call[c].worst > call[c].worst) {
				call[c].worst = log->call[c].worst;
				call[c].worst_late = log->call[c].worst_late;
			}
		}
	}
	printf("storm: %" PRIu64 " operations, %" PRIu64 " of them on others' memory, %" PRIu64
	       " raised SIGBUS, %" PRIu64 " loads not judged, slowest %.2f s; at the end %u pages are there, %u not\n",
	       done, elsewhere, failed, blind, (double)slowest / 1e9, readable, lost);
	printf("owner: longest call, in s (and in it not running):");
	for (int c = 0; c < CALLS; c++) {
		printf(" %s %.3f (%.3f) of %" PRIu64 "%s", call_names[c], (double)call[c].worst / 1e9,
		       (double)call[c].worst_late / 1e9, call[c].calls, c + 1 < CALLS ? "," : "\n");
		if (bound_ms && call[c].worst > bound_ms * MS) {
			printf("owner: %s took longer than lease + skew + 50 ms, %.3f s: WRONG\n",
			       call_names[c], (double)bound_ms / 1e3);
			good = false;
		}
	}
	if (strict && failed) {
		printf("storm: nothing may raise SIGBUS here: WRONG\n");
		good = false;
	}
	return good;
}

int main(int argc, char **argv)
{
	static const struct cluster_option options[] = {
		{ "pages", &pages, "that each rank shares (default 2)" },
		{ "burst", &burst, "operations on a page, one after the other (default 16)" },
		{ "operations", &operations, "of each rank, at most (default 4000000)" },
		{ "owner-ms", &owner_ms, "between changes of a page by its owner (default 150, 0: none)" },
		{ "bound-ms", &bound_ms, "that such a change may take (default 0: any time)" },
		{ "strict", &strict, "1: SIGBUS is a failure" },
		{ "hugetlb", &hugetlb, "1: that page is of hugetlb" },
		{ NULL, NULL, NULL },
	};
	struct clock_offset of[2];
	struct cluster cluster;
	pthread_t thread;
	int status;

	cluster_begin(&cluster, argc, argv, options);
	if (!getenv("XPMEM_EXCHANGE") || !getenv("XPMEM_STORM"))
		fail("XPMEM_EXCHANGE and XPMEM_STORM must name directories");
	if (!getenv("XPMEM_CLOCK") && cluster.last - cluster.first + 1 < cluster.ranks)
		fail("ranks are elsewhere: XPMEM_CLOCK must be host:port of rank 0's partition");
	if (!pages || !burst || pages * (uint64_t)cluster.ranks > SLOTS)
		fail("there must be pages, at most %d of all ranks, and bursts", SLOTS);
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(shared != MAP_FAILED);
	for (int rank = cluster.first; rank <= cluster.last; rank++) {
		logs[rank] = mmap(NULL, sizeof(struct log) + operations * sizeof(struct op),
				  PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		check(logs[rank] != MAP_FAILED);
	}
	if (getenv("XPMEM_CLOCK") && !cluster.first)
		clock_serve();
	of[0] = clock_measure(&cluster);
	clock_watch(&shared->late);
	check(!pthread_create(&thread, NULL, conduct, &cluster));
	cluster.on_started = on_started;
	cluster.on_killed = on_killed;
	status = cluster_run(&cluster, body);
	if (status)
		return status;
	pthread_join(thread, NULL);
	of[1] = clock_measure(&cluster);
	status = !report(&cluster, write_history(&cluster, of));
	/* its clock is asked for until then */
	publish_of(&cluster, "measured");
	await_of(&cluster, "measured");
	return status;
}
