/* SPDX-License-Identifier: LGPL-2.1-or-later WITH Linux-syscall-note */
/*
 * The channel between the module and xpmemd: /dev/xpmem-ctl, for root alone.
 *
 * One process has it open (else EBUSY), and its first request is HELLO.  read(2)
 * gives records of 64 bytes, as many as are there and fit; it waits for one unless
 * the descriptor is O_NONBLOCK, and poll(2) tells when there are some.  Requests are
 * ioctls.  Their structures begin with their size and grow at the end as those of
 * xpmem_ioctl.h do.
 *
 * Words.  Home is the partition of a segment's owner.  A remote segment is what the
 * module keeps of another partition's segment: the permits and attachments of this
 * one, and replicas, which are copies of pages.  A replica is SHARED (read-only, any
 * number of partitions may have one) or EXCLUSIVE (writable, nobody else has the
 * page, its home neither).  Pages are of 4 KiB and counted from the segment's
 * start.  Times are of CLOCK_BOOTTIME, in nanoseconds.
 *
 * The daemon decides which partition may have what; the module maps it, takes it
 * away, and holds two promises whatever the daemon does:
 *
 *  - at a home, an invalidation of pages marked REMOTE that changes what they hold
 *    returns when the daemon has said that no replica is left, or when every lease of
 *    who may have one has run out: lease + skew after it began, as BEAT is refused
 *    before the daemon has read of it, and a daemon that has renews no lease of theirs.
 *    Without a daemon that is lease + skew after its last MARK, COMPLETE or BEAT, if that
 *    is earlier;
 *  - elsewhere, no replica can be read or written after its home's lease has run
 *    out.
 *
 * Closing the descriptor, also by the death of the daemon: what waits for a GET or
 * ATTACH fails (ENOTCONN), faults wait for a daemon that comes back until their own
 * time-out and then raise SIGBUS, recalls wait for the leases, leases run out.
 * Replicas, their states and the marks are kept: the next daemon finds them by
 * LIST.  A daemon that has not read a RECALL, GONE or UNMAP after lease + skew is fenced:
 * the same happens as if it had closed the descriptor, its requests give ESHUTDOWN, and
 * it gets SIGKILL.
 */
#ifndef XPMEM_CTL_H
#define XPMEM_CTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define XPMEM_CTL_PAGE		4096
/* segids: bits 62..51 are the home's number; 0 is a partition without a daemon */
#define XPMEM_PARTITION_SHIFT	51
#define XPMEM_PARTITION_MAX	4095

/* ------------------------------------------------------------ records */

/**
 * struct xpmem_ctl_record - what the module tells or asks
 * @type: XPMEM_CTL_*
 * @flags: XPMEM_CTL_WRITE and XPMEM_CTL_PREFETCH, where said
 * @id: of a question, to be answered once with it; never used again while the
 *	module is loaded; 0 where there is no question
 * @segid: segment
 * @first: page
 * @count: pages
 * @uid: effective uid and gid of who asked (GET)
 * @gid: numbers as in the first user namespace
 * @pid: the process that asked, as in the first pid namespace
 * @reason: of a RECALL: enum mmu_notifier_event as XPMEM_CTL_REASON_*
 */
struct xpmem_ctl_record {
	__u32 type;
	__u32 flags;
	__aligned_u64 id;
	__s64 segid __attribute__((aligned(8)));
	__aligned_u64 first;
	__aligned_u64 count;
	__u32 uid;
	__u32 gid;
	__u32 pid;
	__u32 reason;
	__u32 reserved[2];
};

enum {
	/*
	 * To the daemon of an attaching partition.
	 *
	 * GET: a process asks for a permit for another partition's segment, for
	 * writing with XPMEM_CTL_WRITE.  COMPLETE it with the segment's size.
	 * ATTACH: it attaches [first, first + count).  COMPLETE with 0, or the errno
	 * that the attach is to give.
	 * FAULT: page @first is accessed, for writing with XPMEM_CTL_WRITE; the
	 * @count - 1 after it would be welcome.  INSTALL them, or COMPLETE with an
	 * error, for SIGBUS.  Asked again (with another id) when the page is taken
	 * away before the access has happened.
	 * DROP: the module wants to be rid of [first, first + count), or the last
	 * attachment is gone: TAKE them and give EXCLUSIVE ones back to their home.
	 * No question.
	 * RELEASE: nobody has a permit any more.  DROP of all, and FORGET.  No
	 * question.
	 */
	XPMEM_CTL_GET = 1,
	XPMEM_CTL_ATTACH,
	XPMEM_CTL_FAULT,
	XPMEM_CTL_DROP,
	XPMEM_CTL_RELEASE,
	/*
	 * To the daemon of a home.
	 *
	 * RECALL: pages marked REMOTE are about to change.  COMPLETE it when no
	 * replica is left; marks of the range are forgotten then.  The answer must
	 * not wait for the owner: its mmap_lock may be held.
	 * GONE: a segment that is shared is no more.  COMPLETE it likewise.
	 * UNMAP: memory of a segment that is shared is unmapped or moved, and nobody else
	 * has a page of it (any more).  The owner waits until this is read from its
	 * userfaultfd; so a daemon that reads nothing is found by this.  One stands for all
	 * that there are until it is read, and comes again later.  No question.
	 */
	XPMEM_CTL_RECALL = 16,
	XPMEM_CTL_GONE,
	XPMEM_CTL_UNMAP,
};

#define XPMEM_CTL_WRITE		(1U << 0)
#define XPMEM_CTL_PREFETCH	(1U << 1)

enum {
	XPMEM_CTL_REASON_UNMAP,		/* munmap, mremap, exec */
	XPMEM_CTL_REASON_CLEAR,		/* DONTNEED, hole, truncation, copy on write */
	XPMEM_CTL_REASON_PROTECT,	/* mprotect, fork: the content stays */
};

/* ----------------------------------------------------------- requests */

enum {
	XPMEM_CTL_NR_HELLO = 0x80,
	XPMEM_CTL_NR_COMPLETE,
	XPMEM_CTL_NR_BEAT,
	/* home */
	XPMEM_CTL_NR_SEGMENT,
	XPMEM_CTL_NR_CHECK,
	XPMEM_CTL_NR_MARK,
	XPMEM_CTL_NR_COPY,
	XPMEM_CTL_NR_LIST_MARKED,
	/* attaching partition */
	XPMEM_CTL_NR_INSTALL,
	XPMEM_CTL_NR_TAKE,
	XPMEM_CTL_NR_LEASE,
	XPMEM_CTL_NR_FORGET,
	XPMEM_CTL_NR_LIST,
	XPMEM_CTL_NR_OPENER,
	XPMEM_CTL_NR_END,
};

/**
 * struct xpmem_ctl_hello - who the daemon is
 * @size: sizeof(struct xpmem_ctl_hello)
 * @flags: must be 0
 * @partition: number of this partition, 1..XPMEM_PARTITION_MAX.  Segments made from
 *	now on have it in their ids, also after the daemon has gone.
 * @lease_ms: how long another partition may have a page without word from home
 * @skew_ms: by how much two partitions' clocks may differ over a lease, with the
 *	lateness of timers
 * @fault_ms: how long a fault waits for a page before it raises SIGBUS, and a GET
 *	or ATTACH before it fails with ETIMEDOUT; up to an eighth longer, as the kernel's
 *	timers are
 * @replica_limit: bytes of replicas that the module keeps at most, 0: no limit
 * @out_grace_until: time before which nothing may be granted from this home: what
 *	an earlier daemon granted may be in use until then; 0: no earlier daemon
 * @out_incarnation: of this load of the module, random; with it and ids never used
 *	twice nothing of before a reboot is taken for something of after
 *
 * EBUSY: another number while segments or remote segments of the old one exist.
 */
struct xpmem_ctl_hello {
	__u32 size;
	__u32 flags;
	__u32 partition;
	__u32 lease_ms;
	__u32 skew_ms;
	__u32 fault_ms;
	__aligned_u64 replica_limit;
	__aligned_u64 out_grace_until;
	__aligned_u64 out_incarnation;
};
#define XPMEM_CTL_IOC_HELLO _IO('x', XPMEM_CTL_NR_HELLO)

/**
 * struct xpmem_ctl_complete - the answer to a question
 * @size: sizeof(struct xpmem_ctl_complete)
 * @error: 0, or an errno, positive, that the caller gets
 * @id: of the question.  ENOENT: not asked, or answered, or given up
 * @value: GET: size of the segment in bytes, a page multiple, not 0
 */
struct xpmem_ctl_complete {
	__u32 size;
	__u32 error;
	__aligned_u64 id;
	__aligned_u64 value;
};
#define XPMEM_CTL_IOC_COMPLETE _IO('x', XPMEM_CTL_NR_COMPLETE)

/**
 * struct xpmem_ctl_beat - this home has renewed leases, or is about to
 * @size: sizeof(struct xpmem_ctl_beat)
 * @flags: must be 0
 * @out_now: the module's clock
 *
 * Before any message that renews a lease is sent.  The module counts lease + skew
 * from the last one when the daemon dies.  EAGAIN: there is a RECALL or GONE to be read,
 * and nothing may be renewed before.
 */
struct xpmem_ctl_beat {
	__u32 size;
	__u32 flags;
	__aligned_u64 out_now;
};
#define XPMEM_CTL_IOC_BEAT _IO('x', XPMEM_CTL_NR_BEAT)

/**
 * struct xpmem_ctl_segment - what a segment of this partition is
 * @size: sizeof(struct xpmem_ctl_segment)
 * @out_flags: XPMEM_SHARE_* (xpmem_ioctl.h) of its owner; 0: not shared with others
 * @segid: ENOENT: there is none
 * @out_start: the owner's address of its first byte
 * @out_length: bytes
 * @out_mode: permission bits
 * @out_uid: the owner's effective uid and gid when it was made
 * @out_gid:
 * @out_pid: the owner, as in the first pid namespace
 */
struct xpmem_ctl_segment {
	__u32 size;
	__u32 out_flags;
	__s64 segid __attribute__((aligned(8)));
	__aligned_u64 out_start;
	__aligned_u64 out_length;
	__u32 out_mode;
	__u32 out_uid;
	__u32 out_gid;
	__u32 out_pid;
};
#define XPMEM_CTL_IOC_SEGMENT _IO('x', XPMEM_CTL_NR_SEGMENT)

/**
 * struct xpmem_ctl_check - whether a user of another partition may have a segment
 * @size: sizeof(struct xpmem_ctl_check)
 * @flags: XPMEM_CTL_WRITE for reading and writing
 * @segid: ENOENT: there is none; EOPNOTSUPP: it is not shared (not that way)
 * @uid: who asks, numbers as in the first user namespace; capabilities do not
 *	count.  EACCES: may not
 * @gid:
 * @groups: address of @nr_groups further gids (u32), at most 65536
 * @nr_groups:
 * @reserved: must be 0
 */
struct xpmem_ctl_check {
	__u32 size;
	__u32 flags;
	__s64 segid __attribute__((aligned(8)));
	__u32 uid;
	__u32 gid;
	__aligned_u64 groups;
	__u32 nr_groups;
	__u32 reserved;
};
#define XPMEM_CTL_IOC_CHECK _IO('x', XPMEM_CTL_NR_CHECK)

/* flags of MARK, one of them */
#define XPMEM_MARK_REMOTE	(1U << 0) /* there may be replicas */
#define XPMEM_MARK_AWAY		(1U << 1) /* and the owner has not the page itself */
#define XPMEM_MARK_CLEAR	(1U << 2) /* none of both */

/**
 * struct xpmem_ctl_mark - which pages of a shared segment other partitions have
 * @size: sizeof(struct xpmem_ctl_mark)
 * @flags: XPMEM_MARK_*
 * @segid: EOPNOTSUPP: the segment is not shared
 * @first: EINVAL: past the segment's end
 * @count:
 *
 * Before the pages are copied or taken from the owner.  Changes of marked pages are
 * recalled from then on, but those of the segment's helper (XPMEM_IOC_SHARE).
 */
struct xpmem_ctl_mark {
	__u32 size;
	__u32 flags;
	__s64 segid __attribute__((aligned(8)));
	__aligned_u64 first;
	__aligned_u64 count;
};
#define XPMEM_CTL_IOC_MARK _IO('x', XPMEM_CTL_NR_MARK)

/* flags of COPY */
#define XPMEM_COPY_POPULATE	(1U << 0) /* have the owner fault it in, for reading */
#define XPMEM_COPY_WRITABLE	(1U << 1) /* only if the owner itself may store there */

/**
 * struct xpmem_ctl_copy - read pages of a shared segment
 * @size: sizeof(struct xpmem_ctl_copy)
 * @flags: XPMEM_COPY_*
 * @segid: EOPNOTSUPP: the segment is not shared
 * @first:
 * @count: pages
 * @buffer: of @count pages, page aligned
 * @out_count: pages that were copied, also on error
 *
 * Each page is copied whole while no invalidation of it is under way.  EAGAIN: the
 * owner does not have the page at first + out_count, and POPULATE was not asked
 * for; EFAULT: it can't have it; EOPNOTSUPP: it is of a kind that can't be shown.
 * EACCES: the owner may not store to it, and WRITABLE was asked for; what it may after
 * a MARK it may until a RECALL.
 * Waits for the owner's mmap_lock; a signal ends it (EINTR).
 */
struct xpmem_ctl_copy {
	__u32 size;
	__u32 flags;
	__s64 segid __attribute__((aligned(8)));
	__aligned_u64 first;
	__aligned_u64 count;
	__aligned_u64 buffer;
	__aligned_u64 out_count;
};
#define XPMEM_CTL_IOC_COPY _IO('x', XPMEM_CTL_NR_COPY)

/* state of a page */
#define XPMEM_PAGE_NONE		0
#define XPMEM_PAGE_SHARED	1	/* home: marked REMOTE */
#define XPMEM_PAGE_EXCLUSIVE	2	/* home: marked AWAY */

/**
 * struct xpmem_ctl_range - pages in the same state
 */
struct xpmem_ctl_range {
	__s64 segid __attribute__((aligned(8)));
	__aligned_u64 first;
	__aligned_u64 count;
	__u32 state;
	__u32 reserved;
};

/**
 * struct xpmem_ctl_list - pages with a mark (LIST_MARKED) or a replica (LIST)
 * @size: sizeof(struct xpmem_ctl_list)
 * @flags: must be 0
 * @segid: LIST_MARKED, LIST: begin at page @first of the segment with this id, or of
 *	that with the next higher one; LIST gives a remote segment without replicas
 *	as one range of no pages.  Set to where the next call has to begin
 * @first:
 * @ranges: address of @count struct xpmem_ctl_range
 * @count: in: their number, out: those that were filled in; 0: there are no more
 */
struct xpmem_ctl_list {
	__u32 size;
	__u32 flags;
	__s64 segid __attribute__((aligned(8)));
	__aligned_u64 first;
	__aligned_u64 ranges;
	__aligned_u64 count;
};
#define XPMEM_CTL_IOC_LIST_MARKED _IO('x', XPMEM_CTL_NR_LIST_MARKED)
#define XPMEM_CTL_IOC_LIST _IO('x', XPMEM_CTL_NR_LIST)

/**
 * struct xpmem_ctl_install - replicas for this partition
 * @size: sizeof(struct xpmem_ctl_install)
 * @state: XPMEM_PAGE_SHARED or XPMEM_PAGE_EXCLUSIVE
 * @id: of the FAULT that this answers, or 0 for pages nobody waits for
 * @segid: ENOENT: no such remote segment
 * @first:
 * @count: pages
 * @buffer: their content, page aligned; 0: the pages are there as SHARED, and become
 *	EXCLUSIVE as they are (ENOENT, and nothing done, if one is not)
 * @out_count: pages installed; those at the end may be left out for want of memory,
 *	or because there is a replica, and these belong to nobody
 *
 * ESTALE: the lease of the segment's home has run out.  The FAULT is answered by that,
 * too: it is asked again once there is a lease.  Any other error leaves it open.
 */
struct xpmem_ctl_install {
	__u32 size;
	__u32 state;
	__aligned_u64 id;
	__s64 segid __attribute__((aligned(8)));
	__aligned_u64 first;
	__aligned_u64 count;
	__aligned_u64 buffer;
	__aligned_u64 out_count;
};
#define XPMEM_CTL_IOC_INSTALL _IO('x', XPMEM_CTL_NR_INSTALL)

/**
 * struct xpmem_ctl_take - take replicas away from this partition's processes
 * @size: sizeof(struct xpmem_ctl_take)
 * @state: XPMEM_PAGE_NONE: they are freed; XPMEM_PAGE_SHARED: EXCLUSIVE ones become
 *	SHARED
 * @segid: ENOENT: no such remote segment
 * @first:
 * @count: pages, at most 512
 * @buffer: of @count pages, page aligned: what was EXCLUSIVE is copied to its place
 *	in it, after nobody can write it any more; the rest is left as it is
 * @out_exclusive: address of 64 bytes, in which bit i is set when page first + i was
 *	EXCLUSIVE
 * @out_present: the same, when there was a replica
 *
 * When it returns no process of this partition reads (NONE) or writes what was
 * taken.
 */
struct xpmem_ctl_take {
	__u32 size;
	__u32 state;
	__s64 segid __attribute__((aligned(8)));
	__aligned_u64 first;
	__aligned_u64 count;
	__aligned_u64 buffer;
	__aligned_u64 out_exclusive;
	__aligned_u64 out_present;
};
#define XPMEM_CTL_IOC_TAKE _IO('x', XPMEM_CTL_NR_TAKE)

/**
 * struct xpmem_ctl_lease - until when replicas of a home may be used
 * @size: sizeof(struct xpmem_ctl_lease)
 * @partition: home
 * @until: time; 0 or past: nobody can use them from now on.  They are kept,
 *	unreachable, until a later lease, TAKE, or FORGET.
 *
 * The module takes replicas from the processes at @until by a timer of its own.
 */
struct xpmem_ctl_lease {
	__u32 size;
	__u32 partition;
	__aligned_u64 until;
};
#define XPMEM_CTL_IOC_LEASE _IO('x', XPMEM_CTL_NR_LEASE)

/* flags of FORGET */
#define XPMEM_FORGET_UNUSED	(1U << 0) /* only if nobody has a permit: else EBUSY */

/**
 * struct xpmem_ctl_forget - a remote segment is no more
 * @size: sizeof(struct xpmem_ctl_forget)
 * @flags: 0, or XPMEM_FORGET_UNUSED after a RELEASE: somebody may have got the segment
 *	again meanwhile
 * @segid: its replicas are dropped, its permits are dead, its attachments raise
 *	SIGBUS.  ENOENT: no such remote segment
 */
struct xpmem_ctl_forget {
	__u32 size;
	__u32 flags;
	__s64 segid __attribute__((aligned(8)));
};
#define XPMEM_CTL_IOC_FORGET _IO('x', XPMEM_CTL_NR_FORGET)

/**
 * struct xpmem_ctl_opener - for whom a remote segment was opened
 * @size: sizeof(struct xpmem_ctl_opener)
 * @out_flags: XPMEM_CTL_WRITE: for reading and writing
 * @segid: ENOENT: no such remote segment
 * @out_uid: of the first GET that was granted, or of the first for writing: numbers as in
 *	that record
 * @out_gid:
 * @out_length: of the segment, in bytes
 * @out_lease_until: time until which an earlier daemon let replicas of its home be used
 *	(LEASE); 0: never
 *
 * For a daemon that has to open again at home what an earlier one opened, and has to
 * know whether what it finds is certainly what nobody else has.
 */
struct xpmem_ctl_opener {
	__u32 size;
	__u32 out_flags;
	__s64 segid __attribute__((aligned(8)));
	__u32 out_uid;
	__u32 out_gid;
	__aligned_u64 out_length;
	__aligned_u64 out_lease_until;
};
#define XPMEM_CTL_IOC_OPENER _IO('x', XPMEM_CTL_NR_OPENER)

#endif /* XPMEM_CTL_H */
