// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Can requests, in any order, with any argument, from anybody, break the module
 * or get at what they may not?
 *
 * Four workers (two of root, one of nobody, one of root in a namespace that
 * nobody made) with three threads each do at random: requests of both ABIs,
 * mostly right but for one thing, with arguments where memory fails, stalls
 * (userfaultfd) or changes; calls of the VM on attachments and exported memory;
 * open, close, dup, fork, exec, passing of descriptors.  Attachments land on
 * exported memory, on other threads' stacks, on each other and on the
 * arguments.  Workers are killed at random and started anew; those that crash
 * by what they did to themselves, too.
 *
 * Wrong is: an errno outside the contract; a request that works through a
 * descriptor of another process; that a user who may not gets or reads the
 * witness, a segment of root with mode 0600; that memory of who exported nothing
 * changes; a worker that stands still or does not die; objects in the module
 * when all have gone.  What the kernel says, and whether the module unloads, is
 * looked at by who runs this.
 *
 * The seed decides what each thread does; how the threads meet does not repeat.
 * permit_mask is 0777 meanwhile, so that users meet at all.
 *
 *	fuzz [--minutes N] [--seed N]
 */
#include "fuzz.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRESS_SECONDS 10
#define STILL_SECONDS 180
#define NOBODY 65534
/* What a run of a minute does many times over */
#define LEAST_OPERATIONS 1000
#define CANARY_PAGES 64
#define WITNESS_PAGES 64
#define GUARD_PAGES 4096

struct fuzz_shared *fuzz_shared;

void fuzz_finding(const char *format, ...)
{
	char message[400];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (atomic_fetch_add(&fuzz_shared->findings, 1) < 20)
		dprintf(STDERR_FILENO, "finding after %.1f s, seed %llu: %s\n",
			now() - fuzz_shared->start, (unsigned long long)fuzz_shared->seed,
			message);
}

uint64_t fuzz_hash(uint64_t value)
{
	uint64_t state = value;

	return random_bits(&state) ^ random_bits(&state) >> 7;
}

/* ------------------------------------------------------------------ worker */

/* Answers for pages that nobody has touched, some time later */
static void *answer_faults(void *arg)
{
	struct worker *worker = arg;
	uint64_t random = seed_of(fuzz_shared->seed, worker->slot, 77, 0);
	static char filler[PAGE];
	struct uffd_msg message;

	for (;;) {
		struct pollfd poll_fd = { .fd = worker->uffd, .events = POLLIN };
		struct uffdio_copy copy = { .len = PAGE, .src = (uintptr_t)filler };
		uintptr_t area = (uintptr_t)worker->uffd_area;

		poll(&poll_fd, 1, -1);
		if (read(worker->uffd, &message, sizeof(message)) != sizeof(message))
			continue;
		if (message.event != UFFD_EVENT_PAGEFAULT)
			continue;
		usleep(pick(&random, 8000));
		copy.dst = message.arg.pagefault.address & -PAGE;
		if (copy.dst >= area && copy.dst < area + UFFD_PAGES * PAGE)
			copy.src = (uintptr_t)worker->uffd_template[(copy.dst - area) / PAGE];
		/* EEXIST, EAGAIN: it is there, or going; who waits looks again. */
		if (ioctl(worker->uffd, UFFDIO_COPY, &copy)) {
			struct uffdio_range range = { .start = copy.dst, .len = PAGE };

			ioctl(worker->uffd, UFFDIO_WAKE, &range);
		}
	}
	return NULL;
}

/* Has a page of arguments come and go, which is also what arguments do under others */
static void *flicker(void *arg)
{
	struct worker *worker = arg;
	uint64_t random = seed_of(fuzz_shared->seed, worker->slot, 78, 0);

	for (;;) {
		char *at = worker->flicker;

		switch (pick(&random, 5)) {
		case 0:
			mprotect(at, 2 * PAGE, PROT_NONE);
			break;
		case 1:
			mprotect(at, 2 * PAGE, PROT_READ);
			break;
		case 2:
			mmap(at, 2 * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
			break;
		case 3:
			madvise(at, 2 * PAGE, MADV_DONTNEED);
			break;
		default:
			mprotect(at, 2 * PAGE, PROT_READ | PROT_WRITE);
			break;
		}
		usleep(pick(&random, 2000));
	}
	return NULL;
}

/* Uses the depth of its stack, which others attach over */
static void *victim(void *arg)
{
	struct worker *worker = arg;
	uint64_t random = seed_of(fuzz_shared->seed, worker->slot, 79, 0);

	for (;;) {
		unsigned int page = pick(&random, STACK_PAGES / 2);
		volatile uint64_t *at = (volatile uint64_t *)(worker->stack + page * PAGE);
		uint64_t value;

		access_write(at, random);
		access_read(at, &value);
		usleep(200);
	}
	return NULL;
}

static void *fuzz(void *arg)
{
	struct fuzzer *fuzzer = arg;

	for (;;) {
		unsigned int what = pick(&fuzzer->random, 40);

		if (what < 18)
			fuzz_request(fuzzer);
		else if (what < 39)
			fuzz_vm(fuzzer);
		else
			fuzz_process(fuzzer);
		fuzz_shared->ops[fuzzer->worker->slot]++;
	}
	return NULL;
}

static void *anonymous(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		_exit(9);
	return at;
}

static void make_window(struct fuzzer *fuzzer)
{
	int fd = memfd_create("window", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, 2 * PAGE))
		_exit(9);
	fuzzer->window = anonymous(4 * PAGE);
	fuzzer->alias = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	mprotect(fuzzer->window + PAGE, PAGE, PROT_NONE);
	if (fuzzer->alias == MAP_FAILED ||
	    mmap(fuzzer->window + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 fd, 0) == MAP_FAILED ||
	    mmap(fuzzer->window + 3 * PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
		 PAGE) == MAP_FAILED)
		_exit(9);
	close(fd);
}

static void make_uffd(struct worker *worker)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register req = {
		.range = { .start = (uintptr_t)worker->uffd_area, .len = UFFD_PAGES * PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	worker->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (worker->uffd < 0)
		return;
	if (ioctl(worker->uffd, UFFDIO_API, &api) || ioctl(worker->uffd, UFFDIO_REGISTER, &req))
		_exit(9);
	req.range.start = (uintptr_t)worker->arena + (ARENA_PAGES - UFFD_PAGES) * PAGE;
	if (ioctl(worker->uffd, UFFDIO_REGISTER, &req))
		_exit(9);
}

static void become_role(enum role role)
{
	static const char map[] = "0 65534 1";

	if (role == ROLE_ROOT)
		return;
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		_exit(9);
	/* Or /proc/self belongs to root. */
	prctl(PR_SET_DUMPABLE, 1);
	if (role != ROLE_NAMESPACE)
		return;
	if (unshare(CLONE_NEWUSER))
		_exit(9);
	if (!write_file("/proc/self/uid_map", map))
		_exit(9);
}

static void start_thread(void *(*body)(void *arg), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, body, arg))
		_exit(9);
}

_Noreturn static void worker_run(unsigned int slot, unsigned int incarnation)
{
	static const enum role roles[WORKERS] = {
		ROLE_ROOT, ROLE_NOBODY, ROLE_NAMESPACE, ROLE_ROOT,
	};
	static struct worker worker;
	static struct fuzzer fuzzers[THREADS];
	struct rlimit few = { 200, 200 };
	pthread_attr_t attributes;
	pthread_t thread;

	prctl(PR_SET_NAME, "fuzz-worker");
	setrlimit(RLIMIT_NOFILE, &few);
	become_role(roles[slot]);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	access_begin();
	worker.slot = slot;
	worker.role = roles[slot];
	/* Segments that are too long by mistake reach into nothing. */
	worker.arena = anonymous((ARENA_PAGES + GUARD_PAGES) * PAGE);
	mprotect(worker.arena + ARENA_PAGES * PAGE, GUARD_PAGES * PAGE, PROT_NONE);
	worker.memfd = memfd_create("fuzz", MFD_CLOEXEC);
	if (worker.memfd < 0 || ftruncate(worker.memfd, MEMFD_PAGES * PAGE) ||
	    mmap(worker.arena + ANON_PAGES * PAGE, MEMFD_PAGES * PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, worker.memfd, 0) == MAP_FAILED)
		_exit(9);
	worker.uffd_area = anonymous(UFFD_PAGES * PAGE);
	worker.flicker = anonymous(2 * PAGE);
	worker.stack = anonymous(STACK_PAGES * PAGE);
	make_uffd(&worker);
	for (unsigned int i = 0; i < FDS; i++)
		worker.fd[i] = device_open_raw();
	fuzz_shared->arena[slot] = (uintptr_t)worker.arena;

	if (worker.uffd >= 0)
		start_thread(answer_faults, &worker);
	start_thread(flicker, &worker);
	pthread_attr_init(&attributes);
	pthread_attr_setstack(&attributes, worker.stack, STACK_PAGES * PAGE);
	if (pthread_create(&thread, &attributes, victim, &worker))
		_exit(9);
	for (unsigned int i = 0; i < THREADS; i++) {
		fuzzers[i].worker = &worker;
		fuzzers[i].random = seed_of(fuzz_shared->seed, slot, incarnation, i);
		make_window(&fuzzers[i]);
		start_thread(fuzz, &fuzzers[i]);
	}
	for (;;)
		pause();
}

/* ----------------------------------------------------------------- witness */

/* Root's, with a value that is nowhere else; exports it for its user alone */
_Noreturn static void witness_run(void)
{
	uint64_t *memory = map_anon(WITNESS_PAGES * PAGE);
	int fd = device_open_raw();
	uint64_t secret;
	int64_t segid, apid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	check(fd >= 0);
	check(getentropy(&secret, sizeof(secret)) == 0);
	for (size_t i = 0; i < WITNESS_PAGES * PAGE / sizeof(*memory); i++)
		memory[i] = secret;
	check(raw_make(fd, memory, WITNESS_PAGES * PAGE, 0600, &segid) == 0);
	check(raw_get(fd, segid, true, &apid) == 0);
	fuzz_shared->witness_hash = fuzz_hash(secret);
	fuzz_shared->witness_apid = apid;
	fuzz_shared->witness_segid = segid;
	while (!fuzz_shared->stop) {
		for (size_t i = 0; i < WITNESS_PAGES * PAGE / sizeof(*memory); i++)
			if (memory[i] != secret)
				fuzz_finding("the witness has changed");
		usleep(100000);
	}
	_exit(0);
}

/* Whoever may can read it: else that others can't would say nothing. */
static void witness_can_be_read(void)
{
	int fd = device_open_raw();
	void *at = NULL;
	uint64_t value;
	int64_t apid;

	check(fd >= 0);
	check(raw_get(fd, fuzz_shared->witness_segid, false, &apid) == 0);
	check(raw_attach(fd, apid, 0, PAGE, &at) == 0);
	check(access_read(at, &value) == 0 && fuzz_hash(value) == fuzz_shared->witness_hash);
	check(close(fd) == 0);
}

/* ------------------------------------------------------------------ driver */

static unsigned int incarnations[WORKERS];
static pid_t workers[WORKERS];
static uint64_t last_ops[WORKERS];
static double last_change[WORKERS];

static void start_worker(unsigned int slot)
{
	unsigned int incarnation = incarnations[slot]++;
	pid_t parent = getpid(), pid = fork();

	check(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(0);
		worker_run(slot, incarnation);
	}
	workers[slot] = pid;
	fuzz_shared->pid[slot] = pid;
	last_change[slot] = now();
}

/* Waits for one that was killed; the fuzzer can't wait for ever either */
static void collect(unsigned int slot)
{
	double limit = now() + STILL_SECONDS;

	while (waitpid(workers[slot], NULL, WNOHANG) != workers[slot]) {
		if (now() > limit) {
			write_file("/proc/sysrq-trigger", "w");
			fuzz_finding("worker %u does not die", slot);
			exit(1);
		}
		usleep(2000);
	}
}

static void look_after_workers(void)
{
	for (unsigned int slot = 0; slot < WORKERS; slot++) {
		int status;

		if (waitpid(workers[slot], &status, WNOHANG) == workers[slot]) {
			if (WIFEXITED(status) && WEXITSTATUS(status) == 9)
				fuzz_finding("worker %u can't be set up", slot);
			fuzz_shared->crashes++;
			start_worker(slot);
		} else if (fuzz_shared->ops[slot] != last_ops[slot]) {
			last_ops[slot] = fuzz_shared->ops[slot];
			last_change[slot] = now();
		} else if (now() - last_change[slot] > STILL_SECONDS) {
			write_file("/proc/sysrq-trigger", "w");
			fuzz_finding("worker %u stands still", slot);
			last_change[slot] = now();
		}
	}
}

static void print_counts(void)
{
	static const char *const names[] = {
#define X(name) #name,
		KINDS(X)
#undef X
	};

	printf("operations, of which succeeded:\n");
	for (unsigned int i = 0; i < KIND_MAX; i++)
		printf("%s %llu/%llu%s", names[i], (unsigned long long)fuzz_shared->done[i],
		       (unsigned long long)fuzz_shared->good[i],
		       i + 1 < KIND_MAX ? (i % 6 == 5 ? "\n" : ", ") : "\n");
}

static uint64_t total(void)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < KIND_MAX; i++)
		sum += fuzz_shared->done[i];
	return sum;
}

static uint64_t canary_value(size_t i)
{
	return fuzz_hash(fuzz_shared->seed + i);
}

static void check_canary(const uint64_t *canary)
{
	for (size_t i = 0; i < CANARY_PAGES * PAGE / sizeof(*canary); i++)
		if (canary[i] != canary_value(i))
			fuzz_finding("memory that was never exported has changed at word %zu", i);
}

static void run(const struct robust_options *options, const uint64_t *canary)
{
	uint64_t random = seed_of(options->seed, WORKERS, 0, 0);
	double end = fuzz_shared->start + options->minutes * 60;
	double next_progress = now() + PROGRESS_SECONDS, next_kill = now() + 3;

	while (now() < end && !fuzz_shared->findings) {
		usleep(20000);
		look_after_workers();
		if (now() > next_kill) {
			unsigned int slot = pick(&random, WORKERS);

			kill(workers[slot], SIGKILL);
			collect(slot);
			fuzz_shared->kills++;
			start_worker(slot);
			next_kill = now() + pick(&random, 8000) / 1000.0;
		}
		if (now() > next_progress) {
			printf("%5.0f s: %llu operations, %llu kills, %llu crashes\n",
			       now() - fuzz_shared->start, (unsigned long long)total(),
			       (unsigned long long)fuzz_shared->kills,
			       (unsigned long long)fuzz_shared->crashes);
			check_canary(canary);
			next_progress = now() + PROGRESS_SECONDS;
		}
	}
	for (unsigned int slot = 0; slot < WORKERS; slot++)
		kill(workers[slot], SIGKILL);
	for (unsigned int slot = 0; slot < WORKERS; slot++)
		collect(slot);
}

int main(int argc, char **argv)
{
	struct robust_options options = robust_options(argc, argv, 5);
	struct counters before = counters_now();
	uint64_t *canary;
	pid_t witness;

	test_begin(options.minutes * 60 + 3 * STILL_SECONDS);
	access_begin();
	fuzz_shared = mmap(NULL, sizeof(*fuzz_shared), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(fuzz_shared != MAP_FAILED);
	fuzz_shared->seed = options.seed;
	fuzz_shared->start = now();
	check(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fuzz_shared->socket) == 0);
	canary = map_anon(CANARY_PAGES * PAGE);
	for (size_t i = 0; i < CANARY_PAGES * PAGE / sizeof(*canary); i++)
		canary[i] = canary_value(i);
	printf("fuzz: %u minutes, seed %llu\n", options.minutes, (unsigned long long)options.seed);

	fflush(NULL);
	witness = fork();
	check(witness >= 0);
	if (!witness)
		witness_run();
	while (!fuzz_shared->witness_segid)
		usleep(1000);
	witness_can_be_read();
	for (unsigned int slot = 0; slot < WORKERS; slot++)
		start_worker(slot);

	run(&options, canary);

	witness_can_be_read();
	fuzz_shared->stop = true;
	join(witness);
	check_canary(canary);
	/* Descriptors under way keep their processes' objects. */
	close(fuzz_shared->socket[0]);
	close(fuzz_shared->socket[1]);
	/* A machine that stood still has shown nothing. */
	if (total() < LEAST_OPERATIONS || !fuzz_shared->good[KIND_attach])
		fuzz_finding("hardly anything was done");
	if (!counters_settle(&before))
		fuzz_finding("the module has something although all have gone");
	print_counts();
	printf("fuzz: %.0f s, %llu operations, %llu kills, %llu crashes, %u findings, seed %llu\n",
	       now() - fuzz_shared->start, (unsigned long long)total(),
	       (unsigned long long)fuzz_shared->kills, (unsigned long long)fuzz_shared->crashes,
	       fuzz_shared->findings, (unsigned long long)options.seed);
	return fuzz_shared->findings != 0;
}
