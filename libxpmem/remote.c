// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Segments that other partitions can attach: making and removing them, and fork.
 *
 * @lock is held for all of each, so they follow one another.  The two threads of a
 * segment never take it.  Each wait under it has an end: for xpmemd by a time, for
 * the threads because they wait for nothing that a caller holds, and for the module
 * by the leases.
 *
 * Pages that are away come home before the segment is removed or the process forks.
 * If they don't in time they are lost to this process or to the child: accesses raise
 * SIGBUS there (away.c).  The userfaultfd would not tell: with its end missing pages
 * are zero, and a child has none of it.
 *
 * A child that ran no fork handler (a bare clone) finds the parent's list.  It is
 * known by the process id, and forgotten: the threads and their descriptors were
 * never the child's.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "remote.h"

#include "device.h"
#include "guard.h"
#include "own.h"

#include "uapi/xpmem_ioctl.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MODE_BITS 0777

/* The C library may need more, for the thread's variables of all libraries. */
#define STACK_MIN	(128UL << 10)
#define STACK_MAX	(32UL << 20)
#define STACK_TOO_SMALL 1

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct remote *_Atomic remotes;
static pid_t process; /* whose @remotes are */
static bool is_set_up;

/* ------------------------------------------------------------------ words */

int64_t word_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void word_wait(_Atomic uint32_t *word, uint32_t value, int64_t deadline)
{
	struct timespec left, *timeout = NULL;

	while (*word == value) {
		if (deadline >= 0) {
			int64_t ms = deadline - word_clock();

			if (ms <= 0)
				return;
			left.tv_sec = (time_t)(ms / 1000);
			left.tv_nsec = (long)(ms % 1000) * 1000000;
			timeout = &left;
		}
		syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout,
			NULL, 0);
	}
}

void word_set(_Atomic uint32_t *word, uint32_t value)
{
	*word = value;
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void want(struct remote *remote, uint32_t what)
{
	remote->want = what;
	link_kick(remote);
}

/* --------------------------------------------------------- arena, threads */

int remote_start_thread(pthread_t *thread_ret, char *stack, size_t size,
			void *(*body)(void *remote), struct remote *remote)
{
	pthread_attr_t attributes;
	int error;

	error = pthread_attr_init(&attributes);
	if (error)
		return -error;
	error = pthread_attr_setstack(&attributes, stack, size);
	if (!error)
		error = pthread_create(thread_ret, &attributes, body, remote);
	pthread_attr_destroy(&attributes);
	return error == EAGAIN ? -ENOMEM : -error;
}

/* Memory of a remote and its threads: remote, gap, stack, gap, stack */
static struct remote *arena_make(size_t stack_size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t head = (sizeof(struct remote) + page - 1) & ~(page - 1);
	size_t size = head + 2 * (page + stack_size);
	struct remote *remote;
	char *arena;

	arena = mmap(NULL, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (arena == MAP_FAILED)
		return NULL;
	mprotect(arena + head, page, PROT_NONE);
	mprotect(arena + head + page + stack_size, page, PROT_NONE);
	remote = (struct remote *)arena;
	remote->size = size;
	remote->page = page;
	remote->stack_size = stack_size;
	remote->link_stack = arena + size - stack_size;
	return remote;
}

static char *helper_stack(const struct remote *remote)
{
	return remote->link_stack - remote->page - remote->stack_size;
}

static void arena_free(struct remote *remote)
{
	munmap(remote, remote->size);
}

/*
 * The threads begin with all signals blocked, as the caller has them.  Returns 0, -errno
 * or STACK_TOO_SMALL.
 */
static int start(struct remote *remote)
{
	int rc;

	rc = remote_start_thread(&remote->helper, helper_stack(remote),
				 remote->stack_size, helper_main, remote);
	/* what pthread_create says to a stack that is too small */
	if (rc == -EINVAL)
		return STACK_TOO_SMALL;
	if (rc < 0)
		return rc;
	word_wait(&remote->started, 0, -1);
	if (remote->started == STARTED)
		return 0;
	/* they end by themselves */
	pthread_join(remote->helper, NULL);
	return -(int)(remote->started - STARTED);
}

/* ------------------------------------------------------------------- hold */

static void hold_begin(struct remote *remote)
{
	remote->held = HELD_NOT_YET;
	want(remote, WANT_HOLD);
}

/* Returns whether all pages are home. */
static bool hold_wait(struct remote *remote, int64_t since)
{
	word_wait(&remote->held, HELD_NOT_YET, since + remote->fork_ms);
	return remote->held == HELD;
}

/* ------------------------------------------------------------------- fork */

static struct guard fork_guard; /* of the thread that forks; under @lock */

static void before_fork(void)
{
	int saved = errno;
	struct guard guard;
	struct remote *remote;
	int64_t since;

	guard_lock(&lock, &guard);
	fork_guard = guard;
	if (remotes && process == getpid()) {
		since = word_clock();
		for (remote = remotes; remote; remote = remote->next)
			hold_begin(remote);
		for (remote = remotes; remote; remote = remote->next)
			hold_wait(remote, since);
	}
	errno = saved;
}

static void after_fork_parent(void)
{
	struct guard guard = fork_guard;
	struct remote *remote;
	int saved = errno;

	if (process == getpid())
		for (remote = remotes; remote; remote = remote->next)
			want(remote, WANT_SERVE);
	guard_unlock(&lock, &guard);
	errno = saved;
}

static void after_fork_child(void)
{
	struct guard guard = fork_guard;
	struct remote *remote, *next;
	int saved = errno;

	for (remote = remotes; remote; remote = next) {
		next = remote->next;
		if (remote->held != HELD)
			away_raise_sigbus(&remote->away);
		own_remove(remote->own);
		arena_free(remote);
	}
	remotes = NULL;
	guard_unlock(&lock, &guard);
	errno = saved;
}

/* ---------------------------------------------------------- make, remove */

/* Under @lock.  Returns 0 or -errno. */
static int set_up(void)
{
	if (remotes && process != getpid())
		remotes = NULL;
	process = getpid();
	if (is_set_up)
		return 0;
	own_setup();
	/* after that of device.c, so that a helper can use the device in ours */
	if (pthread_atfork(before_fork, after_fork_parent, after_fork_child))
		return -ENOMEM;
	is_set_up = true;
	return 0;
}

static int set_address(struct remote *remote)
{
	const char *path = secure_getenv("XPMEM_OWNER_SOCKET");

	if (!path)
		path = XPMEM_OWNER_SOCKET;
	remote->daemon.sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(remote->daemon.sun_path))
		return -ENOTCONN;
	memcpy(remote->daemon.sun_path, path, strlen(path) + 1);
	return 0;
}

static int end_remote(struct remote *remote);

/*
 * Segments that went another way: the application closed the descriptor of the
 * device, and all the process had went with it.
 */
static void reap(void)
{
	struct remote *remote, *next;

	for (remote = remotes; remote; remote = next) {
		next = remote->next;
		if (remote->gone)
			end_remote(remote);
	}
}

static bool is_taken(uintptr_t start, uintptr_t end)
{
	const struct remote *remote;

	for (remote = remotes; remote; remote = remote->next)
		if (remote->start < end && remote->end > start)
			return true;
	return false;
}

static int remove_segment(xpmem_segid_t segid)
{
	struct xpmem_ioc_id req = { .size = sizeof(req), .id = segid };

	return device_ioctl(XPMEM_IOC_REMOVE, &req);
}

/* Under @lock: the threads of a segment, which exists. */
static int add_remote(const struct xpmem_ioc_make *made, uint32_t share)
{
	struct remote *remote;
	size_t stack = STACK_MIN;
	int rc;

again:
	remote = arena_make(stack);
	if (!remote)
		return -ENOMEM;
	remote->segid = made->out_segid;
	remote->start = made->vaddr;
	remote->end = made->length == ~(__u64)0 ? UINTPTR_MAX :
						  made->vaddr + made->length;
	remote->share = share;
	remote->fork_ms = XPMEM_OWNER_FORK_MS;
	rc = set_address(remote);
	if (rc < 0)
		goto err_arena;
	remote->own = own_add((uintptr_t)remote, remote->size);
	if (remote->own < 0) {
		rc = -ENOSPC;
		goto err_arena;
	}
	rc = start(remote);
	if (rc)
		goto err_own;
	remote->next = remotes;
	remotes = remote;
	return 0;

err_own:
	own_remove(remote->own);
err_arena:
	arena_free(remote);
	if (rc != STACK_TOO_SMALL)
		return rc;
	stack *= 4;
	if (stack <= STACK_MAX)
		goto again;
	return -ENOMEM;
}

int remote_make(void *vaddr, size_t size, int permit_type, void *permit_value,
		uint32_t share, xpmem_segid_t *segid_ret)
{
	struct xpmem_ioc_make req = { .size = sizeof(req) };
	uintptr_t mode = (uintptr_t)permit_value, end;
	struct guard guard;
	int rc;

	if (permit_type != XPMEM_PERMIT_MODE || (mode & ~(uintptr_t)MODE_BITS))
		return -EINVAL;
	req.vaddr = (uintptr_t)vaddr;
	req.length = size == XPMEM_MAXADDR_SIZE ? ~(__u64)0 : size;
	req.mode = (__u32)mode;
	/* what does not fit in the address space the module refuses */
	end = __builtin_add_overflow(req.vaddr, size, &end) ? UINTPTR_MAX :
							      req.vaddr + size;

	guard_lock(&lock, &guard);
	rc = set_up();
	reap();
	if (rc == 0 && is_taken(req.vaddr, end))
		rc = -EBUSY;
	if (rc == 0)
		rc = device_ioctl(XPMEM_IOC_MAKE, &req);
	if (rc >= 0) {
		rc = add_remote(&req, share);
		if (rc < 0)
			remove_segment(req.out_segid);
	}
	guard_unlock(&lock, &guard);
	if (rc < 0)
		return rc;
	*segid_ret = req.out_segid;
	return 0;
}

/* Under @lock. */
static int end_remote(struct remote *remote)
{
	struct remote *before;
	bool home;
	int rc;

	hold_begin(remote);
	home = hold_wait(remote, word_clock());
	rc = remove_segment(remote->segid);
	if (!home) {
		/* the link reads the events of what is mapped there */
		want(remote, WANT_APART);
		away_raise_sigbus(&remote->away);
	}
	want(remote, WANT_END);
	pthread_join(remote->helper, NULL);
	if (remotes == remote) {
		remotes = remote->next;
	} else {
		for (before = remotes; before->next != remote;)
			before = before->next;
		before->next = remote->next;
	}
	own_remove(remote->own);
	arena_free(remote);
	return rc;
}

int remote_remove(xpmem_segid_t segid, int *rc_ret)
{
	struct remote *remote;
	int saved = errno;
	struct guard guard;

	/* most programs have none: they need not wait for a lock */
	if (!remotes || process != getpid())
		return 0;
	guard_lock(&lock, &guard);
	for (remote = remotes; remote; remote = remote->next)
		if (remote->segid == segid)
			break;
	if (remote)
		*rc_ret = end_remote(remote);
	guard_unlock(&lock, &guard);
	errno = saved;
	return remote != NULL;
}
