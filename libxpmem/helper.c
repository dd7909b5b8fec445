// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The helper thread, and what it answers to xpmemd (xpmem_owner.h).
 *
 * A question is about addresses of the segment, and arrives late: the owner may have
 * unmapped what xpmemd knew, and have mapped something else.  So nothing is done to
 * memory before it is known to be what the question is about:
 *
 *  TRAP     registers what /proc says is private anonymous memory, and looks again
 *           afterwards.  If something else came in between, it was seen then or is
 *           not registered, and xpmemd learns of that when it write-protects it.
 *  GIVE_UP  drops only what is write-protected by the userfaultfd.  Nothing else can
 *           be what xpmemd copied.
 *  LOST     covers only what is missing, in private anonymous memory.
 *  SPLIT    replaces only what is write-protected by the userfaultfd (split.c).
 *
 * Between looking and doing there is a moment left in which the owner can map
 * something else; the kernel has no call that does both.  The owner would have to
 * unmap, map again and write in it, and in the first of these the module waits for
 * xpmemd when other partitions have the page.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "device.h"
#include "maps.h"
#include "own.h"
#include "remote.h"
#include "userfault.h"

#include "uapi/xpmem_ioctl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_DONTNEED_LOCKED /* Linux 5.18 */
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define CLOSE_AND_UNSHARE (1U << 1) /* CLOSE_RANGE_UNSHARE */

#define PAGES 256

/* Sizes of hugetlb pages, the smallest first. */
static const uintptr_t huge_sizes[] = { 2UL << 20, 1UL << 30 };

/* How often what changed under a question is looked at again. */
#define TRIES 3

void helper_say(struct remote *remote, const struct maps_entry *entry)
{
	remote->text_length = entry->length < sizeof(remote->text) ?
				      entry->length :
				      sizeof(remote->text);
	memcpy(remote->text, entry->text, remote->text_length);
}

/* ------------------------------------------------------------------ TRAP */

/*
 * Hugetlb memory is trapped in whole pages, which may reach out of the range.  Of
 * their size nothing is known, so one of the smallest size is tried first; the kernel
 * refuses it when it is none.  Returns the size, or -errno.
 */
static int64_t trap_huge(const struct remote *remote, uintptr_t start,
			 uintptr_t end)
{
	int rc = -EINVAL;

	for (size_t i = 0; i < sizeof(huge_sizes) / sizeof(*huge_sizes); i++) {
		uintptr_t size = huge_sizes[i];
		uintptr_t first = start & ~(size - 1);

		rc = userfault_register(remote->userfault, first, first + size);
		if (rc == -EINVAL)
			continue;
		if (rc == 0 && end > first + size)
			rc = userfault_register(remote->userfault, first + size,
						(end + size - 1) & ~(size - 1));
		return rc < 0 ? rc : (int64_t)size;
	}
	return rc;
}

/* Returns the unit of what is trapped now, or -errno. */
static int64_t trap_entry(const struct remote *remote,
			  const struct maps_entry *entry, uintptr_t start,
			  uintptr_t end)
{
	int64_t rc;

	if (entry->kind == MAPS_OTHER || own_overlaps(start, end))
		return -EOPNOTSUPP;
	if (entry->kind == MAPS_HUGE)
		rc = trap_huge(remote, start, end);
	else
		rc = userfault_register(remote->userfault, start, end);
	if (rc == 0)
		rc = (int64_t)remote->page;
	/* the owner may not write it whatever it does, or it can't be watched */
	return rc == -EPERM ? -EOPNOTSUPP : rc;
}

/*
 * From @start on as far as it goes; @at_ret is where it ended.  With @registered it
 * is only looked at.  Returns 0 when that is @end, or -errno.
 */
static int trap_range(struct remote *remote, uintptr_t start, uintptr_t end,
		      bool registered, uintptr_t *at_ret, uintptr_t *unit_ret)
{
	struct maps_entry entry;
	uintptr_t at = start;
	struct maps maps;
	int64_t unit;
	int rc;

	*at_ret = start;
	rc = maps_open(&maps);
	if (rc < 0)
		return rc;
	rc = -EFAULT;
	while (at < end) {
		uintptr_t upto;
		int more = maps_next(&maps, &entry);

		if (more < 0)
			rc = more;
		if (more <= 0 || entry.start > at)
			break;
		if (entry.end <= at)
			continue;
		upto = entry.end < end ? entry.end : end;
		if (!registered)
			unit = trap_entry(remote, &entry, at, upto);
		else
			unit = entry.kind == MAPS_OTHER ? -EOPNOTSUPP : 1;
		if (unit < 0) {
			helper_say(remote, &entry);
			rc = (int)unit;
			break;
		}
		if (at == start && !registered)
			*unit_ret = (uintptr_t)unit;
		at = upto;
	}
	maps_close(&maps);
	*at_ret = at;
	return at == end ? 0 : rc;
}

static int trap(struct remote *remote, uintptr_t start, uintptr_t end)
{
	uintptr_t at = start, seen, unit = 0;
	int rc = 0, again;

	for (int tries = 0; tries < TRIES; tries++) {
		remote->text_length = 0;
		rc = trap_range(remote, start, end, false, &at, &unit);
		/* the mapping became another one just then, or does so for ever */
		if (rc != -EINVAL && rc != -ENOMEM && rc != -ENOENT)
			break;
	}
	if (rc == -EINVAL)
		rc = -EOPNOTSUPP;
	if (at > start) {
		again = trap_range(remote, start, at, true, &seen, &unit);
		if (again < 0) {
			userfault_unregister(remote->userfault, seen, at);
			at = seen;
			rc = again;
		}
	}
	remote->answer.value = at - start;
	remote->answer.count = at > start ? unit : 0;
	return rc;
}

/* --------------------------------------------------------- GIVE_UP, LOST */

int helper_all_pages(const struct remote *remote, uintptr_t start,
		     uintptr_t end, uint64_t bits, bool have)
{
	uint64_t entries[PAGES];

	while (start < end) {
		size_t pages = (end - start) / remote->page;
		size_t bytes, i;

		if (pages > PAGES)
			pages = PAGES;
		bytes = pages * sizeof(entries[0]);
		if (pread(remote->pagemap, entries, bytes,
			  (off_t)(start / remote->page * sizeof(entries[0]))) !=
		    (ssize_t)bytes)
			return -EFAULT;
		for (i = 0; i < pages; i++)
			if (!!(entries[i] & bits) != have)
				return 0;
		start += pages * remote->page;
	}
	return 1;
}

static int drop(uintptr_t start, uintptr_t end)
{
	/* the first kind also where the owner has locked it */
	if (madvise((void *)start, end - start, MADV_DONTNEED_LOCKED) == 0 ||
	    (errno == EINVAL &&
	     madvise((void *)start, end - start, MADV_DONTNEED) == 0))
		return 0;
	return -errno;
}

static int give_up(struct remote *remote, uintptr_t start, uintptr_t end)
{
	int rc = helper_all_pages(remote, start, end, PAGE_TRAPPED, true);

	if (rc <= 0)
		return rc < 0 ? rc : -EAGAIN;
	/* first, that nobody takes what is missing for what never was there */
	away_add(&remote->away, start, end);
	rc = drop(start, end);
	if (rc < 0)
		return rc;
	/* a part of a hugetlb page stays, and is no error */
	rc = helper_all_pages(remote, start, end, PAGE_PRESENT, false);
	return rc > 0 ? 0 : rc < 0 ? rc : -EINVAL;
}

static int lose(struct remote *remote, uintptr_t start, uintptr_t end)
{
	uintptr_t at, unit;
	int rc;

	rc = trap_range(remote, start, end, true, &at, &unit);
	if (rc < 0)
		return rc;
	rc = helper_all_pages(remote, start, end, PAGE_PRESENT, false);
	if (rc <= 0)
		return rc < 0 ? rc : -EEXIST;
	/* writable, so that a store raises SIGBUS, too, and not SIGSEGV */
	if (mmap((void *)start, end - start, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, remote->lost, 0) == MAP_FAILED)
		return -errno;
	return 0;
}

uint32_t helper_answer(struct remote *remote)
{
	const struct xpmem_owner_packet *question = &remote->question;
	uintptr_t start = question->first, end = start + question->count;
	int rc;

	memset(&remote->answer, 0, sizeof(remote->answer));
	remote->answer.type = XPMEM_OWNER_ANSWER;
	remote->answer.id = question->id;
	remote->answer.segid = question->segid;
	remote->answer.first = question->first;
	remote->text_length = 0;

	if (question->segid != remote->segid || end <= start ||
	    (start | end) & (remote->page - 1) || start < remote->start ||
	    end > remote->end)
		rc = -EINVAL;
	else if (question->type == XPMEM_OWNER_TRAP)
		rc = trap(remote, start, end);
	else if (question->type == XPMEM_OWNER_GIVE_UP)
		rc = give_up(remote, start, end);
	else if (question->type == XPMEM_OWNER_LOST)
		rc = lose(remote, start, end);
	else if (question->type == XPMEM_OWNER_SPLIT)
		rc = helper_split(remote, start);
	else
		rc = -EOPNOTSUPP;
	remote->answer.error = (uint32_t)-rc;
	return remote->answer.error;
}

/* ------------------------------------------------------------- the thread */

static int share(const struct remote *remote)
{
	struct xpmem_ioc_share req = {
		.size = sizeof(req),
		.flags = remote->share,
		.segid = remote->segid,
	};
	int rc = device_ioctl(XPMEM_IOC_SHARE, &req);

	/* a module from before the call */
	return rc == -ENOTTY ? -EOPNOTSUPP : rc;
}

/* From here on the descriptors are the two threads' own. */
static int open_descriptors(struct remote *remote)
{
	sigset_t signals;

	if (syscall(SYS_close_range, 0, ~0U, CLOSE_AND_UNSHARE) < 0)
		return errno == ENOSYS ? -EOPNOTSUPP : -errno;
	remote->userfault = userfault_open();
	if (remote->userfault < 0)
		return remote->userfault;
	remote->pagemap =
		open("/proc/thread-self/pagemap", O_RDONLY | O_CLOEXEC);
	if (remote->pagemap < 0)
		return errno == ENOENT ? -EOPNOTSUPP : -errno;
	remote->lost = open_lost();
	if (remote->lost < 0)
		return remote->lost;
	sigemptyset(&signals);
	sigaddset(&signals, SIGURG);
	remote->kicks = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return remote->kicks < 0 ? -errno : 0;
}

/* Returns 0 or -errno. */
static int start(struct remote *remote)
{
	int rc = share(remote);

	if (rc < 0)
		return rc;
	rc = open_descriptors(remote);
	if (rc < 0)
		return rc;
	return remote_start_thread(&remote->link, remote->link_stack,
				   remote->stack_size, link_main, remote);
}

void *helper_main(void *arg)
{
	struct remote *remote = arg;
	uint32_t job;
	int rc;

	prctl(PR_SET_NAME, "xpmem-helper");
	rc = start(remote);
	if (rc < 0) {
		word_set(&remote->started, STARTED + (uint32_t)-rc);
		return NULL;
	}
	while ((job = remote->job) != JOB_END) {
		if (job != JOB_ASKED) {
			word_wait(&remote->job, job, -1);
			continue;
		}
		helper_answer(remote);
		remote->job = JOB_DONE;
		link_kick(remote);
	}
	pthread_join(remote->link, NULL);
	return NULL;
}
