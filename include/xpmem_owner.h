/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the helper thread of libxpmem in an owner and xpmemd say to each other.
 *
 * xpmem_make_remote() connects to the daemon's socket of this partition
 * (SOCK_SEQPACKET, AF_UNIX), sends HELLO with a userfaultfd of its process as
 * SCM_RIGHTS, and waits for WELCOME.  The daemon takes the process from the socket's
 * credentials, and asks the module whether the segment is that process's and shared.
 * One connection serves one segment.  Its end, in either direction, ends nothing but
 * the daemon's knowledge of it: the helper keeps the userfaultfd open, so that the
 * owner's accesses to pages that are away wait, and connects again until it succeeds
 * or the segment is removed.
 *
 * Then the daemon asks and the helper answers, each question once and in any order.
 * The helper is the thread that called XPMEM_IOC_SHARE: what it does to the segment's
 * pages the module does not recall.
 *
 * Every packet is one struct xpmem_owner_packet, followed for WELCOME and ANSWER with
 * an error by text (no more than XPMEM_OWNER_TEXT bytes, no 0 at the end) that says
 * what is wrong.
 */
#ifndef XPMEM_OWNER_H
#define XPMEM_OWNER_H

#include <stdint.h>

#define XPMEM_OWNER_SOCKET	"/run/xpmem/owner.sock"	/* environment: XPMEM_OWNER_SOCKET */
#define XPMEM_OWNER_VERSION	1
#define XPMEM_OWNER_TEXT	256
#define XPMEM_OWNER_FORK_MS	10000

enum {
	/*
	 * Helper to daemon: @segid is shared; @value is XPMEM_OWNER_VERSION.  With one
	 * descriptor, a userfaultfd that has done UFFDIO_API and has in it
	 * FEATURE_PAGEFAULT_FLAG_WP, FEATURE_EVENT_REMAP and FEATURE_EVENT_UNMAP.
	 * The daemon reads its events and resolves them.
	 */
	XPMEM_OWNER_HELLO = 1,
	/*
	 * Daemon to helper: from now on other partitions may get it.  Or not: @error,
	 * and text.  @value: milliseconds after which FORK is answered at the latest;
	 * 0: XPMEM_OWNER_FORK_MS
	 */
	XPMEM_OWNER_WELCOME,

	/*
	 * Daemon to helper, each answered by ANSWER with the same @id.  What the
	 * helper does then may wait until events of the userfaultfd are read (LOST
	 * is an EVENT_UNMAP, SPLIT also an EVENT_REMAP), so the daemon goes on
	 * reading them.
	 *
	 * TRAP: see to it that accesses to [@first, @first + @count) can be trapped:
	 * UFFDIO_REGISTER for MISSING and WP.  EOPNOTSUPP and the text: there is a
	 * mapping that can't, its line of /proc/self/maps; EFAULT: there is none;
	 * EBUSY and the line: another userfaultfd has it.  The answer's @value: so
	 * many bytes from @first on can be trapped, also on error; its @count: the
	 * unit, in bytes, in which the first of them can be write-protected and
	 * given up, which is more than 4096 for hugetlb.
	 * GIVE_UP: the owner loses these pages: MADV_DONTNEED.  EAGAIN, and nothing
	 * done: one of them is not write-protected by the userfaultfd (any more), so
	 * it may not be what was copied.  EINVAL: it is part of a larger unit.
	 * LOST: the pages' content is gone for good: every access raises SIGBUS from
	 * now on, until the owner maps something else there.  EEXIST, and nothing
	 * done: the owner has one of them.  EFAULT, EOPNOTSUPP: as of TRAP.
	 */
	XPMEM_OWNER_TRAP,
	XPMEM_OWNER_GIVE_UP,
	XPMEM_OWNER_LOST,
	XPMEM_OWNER_ANSWER,

	/*
	 * Helper to daemon, around fork(): bring all pages home, and let no other
	 * partition have any EXCLUSIVE until FORKED.  Answered by ANSWER when it is so.
	 * Also sent before the segment is removed, and then FORKED never is.
	 */
	XPMEM_OWNER_FORK,
	XPMEM_OWNER_FORKED,	/* not answered */

	/*
	 * Daemon to helper, answered by ANSWER: the page of hugetlb of 2 MiB around
	 * @first becomes pages of 4096 bytes with the same content, registered and
	 * write-protected as it was; 0, and nothing done, if it is such already.  The
	 * daemon has write-protected it, and does not change that before the answer.
	 * EAGAIN, and nothing done: it is not write-protected (any more).  EOPNOTSUPP,
	 * EFAULT: as of TRAP.  ENOMEM: there is not memory enough.
	 */
	XPMEM_OWNER_SPLIT,
};

struct xpmem_owner_packet {
	uint32_t type;
	uint32_t error;		/* of an answer: errno, positive, or 0 */
	uint64_t id;
	int64_t segid;
	uint64_t first;		/* address, not page, of the owner */
	uint64_t count;		/* bytes */
	uint64_t value;
	uint64_t reserved[2];
};

#endif /* XPMEM_OWNER_H */
