// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The file descriptor of /dev/xpmem.
 *
 * A process has one, opened by its first call, close-on-exec, and kept until
 * exec or exit: closing it would tear down every segment and attachment.  The
 * library is linked so that dlclose does not unload it, for the same reason.
 *
 * Words: a descriptor is *inherited* when another process opened it and fork
 * copied it; the module answers XPMEM_ERRNO_NOPROC to it.  It is *lost* when
 * the application closed its number, as daemons do with all they find open, be
 * it free now or another file.  It is *ours* when it is neither lost nor -1.
 *
 * The state is one 64-bit word: the descriptor and a generation that each
 * change of the descriptor advances.  Calls read the word and issue their
 * request with no lock held.  All changes are made under @lock, and the
 * generation is what tells a thread whose request failed whether somebody else
 * has replaced that descriptor since: a new descriptor mostly gets the old
 * number, so the number alone can't tell.
 *
 * Rules:
 *
 *  1. A number is closed only after fstat said that it is a character device
 *     with the device number that it had when it was opened.  A lost number is
 *     forgotten, never closed: it is somebody else's.
 *  2. Whether the descriptor was lost is asked only when a request failed.  A
 *     request that succeeded was answered by the module.  So a call that works
 *     costs one system call.
 *  3. An inherited descriptor is closed in the child before fork returns there,
 *     while the child has but one thread.  A child born otherwise (a bare
 *     clone) runs no fork handler: its first request fails with
 *     XPMEM_ERRNO_NOPROC, and the descriptor is replaced then.  Neither is seen
 *     by the application.  Another thread of such a child can issue a request
 *     at the moment when the number is free, or another file; it fails there
 *     and is repeated, because the generation has changed.
 *
 * What rule 1 can't tell apart is the application's own descriptor of
 * /dev/xpmem at the lost number.  It serves as well as ours until the
 * application closes it; in a child it is of no use, and rule 3 closes it.
 *
 * @lock is held for open, fstat and close only, under a guard (guard.h).  While it is
 * held fork waits: its handlers take the lock, so no child starts with it held.
 *
 * Nothing here allocates memory, and errno is left as it was found.
 */
#include "device.h"
#include "guard.h"

#include "uapi/xpmem_ioctl.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEVICE_PATH "/dev/xpmem"

/*
 * A request is repeated when its descriptor turned out to be inherited or lost
 * or was replaced meanwhile.  Each of those happens once a process, or once for
 * each time that the application closes what is not its own.
 */
#define DEVICE_TRIES 4

/* generation << 32 | descriptor; NO_FD is -1 in 32 bits */
#define NO_FD UINT32_MAX

static _Atomic uint64_t state = NO_FD;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static dev_t opened_rdev; /* of the descriptor in @state; under @lock */

static int state_fd(uint64_t word)
{
	uint32_t fd = (uint32_t)word;

	return fd == NO_FD ? -1 : (int)fd;
}

/* Under @lock, or with one thread in the process. */
static void state_set(int fd)
{
	uint64_t generation = (atomic_load(&state) >> 32) + 1;

	atomic_store(&state, generation << 32 | (uint32_t)fd);
}

/* Rule 1: is @fd still the file that this library opened? */
static int is_ours(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) &&
	       st.st_rdev == opened_rdev;
}

/* Let go of the descriptor in @state.  Under @lock, or with one thread. */
static void drop(void)
{
	int fd = state_fd(atomic_load(&state));
	int ours = is_ours(fd);

	/* first the word, so that no thread starts to use a closed number */
	state_set(-1);
	if (ours)
		close(fd);
}

/* Under @lock.  Returns 0 or -errno. */
static int open_device(void)
{
	struct stat st;
	int fd;

	do
		fd = open(DEVICE_PATH, O_RDWR | O_CLOEXEC);
	while (fd < 0 && errno == EINTR);
	if (fd < 0) {
		/* a device node without a driver is a missing module, too */
		if (errno == ENXIO || errno == ENODEV)
			return -ENOENT;
		return -errno;
	}
	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode)) {
		close(fd);
		return -ENOENT;
	}
	opened_rdev = st.st_rdev;
	state_set(fd);
	return 0;
}

/*
 * Set *@word_ret to a state with a descriptor, opening the device if there is
 * none.  Returns 0 or -errno.
 */
static int get_state(uint64_t *word_ret)
{
	uint64_t word = atomic_load(&state);
	struct guard guard;
	int rc = 0;

	if (state_fd(word) < 0) {
		guard_lock(&lock, &guard);
		if (state_fd(atomic_load(&state)) < 0)
			rc = open_device();
		word = atomic_load(&state);
		guard_unlock(&lock, &guard);
	}
	if (rc == 0)
		*word_ret = word;
	return rc;
}

/*
 * A request with the descriptor of @word failed with @error.  Returns whether
 * that may be the descriptor's fault, which then is no longer in @state.
 */
static int is_stale(uint64_t word, int error)
{
	struct guard guard;
	int stale = 1;

	guard_lock(&lock, &guard);
	if (atomic_load(&state) == word) {
		if (error == XPMEM_ERRNO_NOPROC || !is_ours(state_fd(word)))
			drop();
		else
			stale = 0;
	}
	guard_unlock(&lock, &guard);
	return stale;
}

int device_init(void)
{
	int saved = errno;
	uint64_t word;
	int rc;

	rc = get_state(&word);
	errno = saved;
	return rc;
}

int device_ioctl(unsigned int cmd, void *arg)
{
	int saved = errno;
	uint64_t word;
	int tries, rc;

	for (tries = 1;; tries++) {
		rc = get_state(&word);
		if (rc < 0)
			break;
		rc = ioctl(state_fd(word), cmd, arg);
		if (rc >= 0)
			break;
		rc = -errno;
		if (!is_stale(word, -rc) || tries == DEVICE_TRIES)
			break;
	}
	errno = saved;
	return rc;
}

static struct guard fork_guard; /* of the thread that forks; under @lock */

static void before_fork(void)
{
	struct guard guard;

	guard_lock(&lock, &guard);
	fork_guard = guard;
}

static void after_fork_parent(void)
{
	struct guard guard = fork_guard;

	guard_unlock(&lock, &guard);
}

/* Rule 3.  The child's one thread is the one that took the lock. */
static void after_fork_child(void)
{
	struct guard guard = fork_guard;
	int saved = errno;

	drop();
	guard_unlock(&lock, &guard);
	errno = saved;
}

/*
 * When there is no memory for the handlers, children replace the descriptor as
 * those of a bare clone do.
 */
__attribute__((constructor)) static void device_setup(void)
{
	pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}
