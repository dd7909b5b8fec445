/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints, system "xpmem".  Pages are counted from the segment's start; last
 * is inclusive.  Times are nanoseconds.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM xpmem

#if !defined(XPM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define XPM_TRACE_H

#include <linux/tracepoint.h>

#include "rmap_notifier.h"
#include "window.h"
#include "xpmem_ctl.h"

/* enum mmu_notifier_event, which perf and trace-cmd don't know */
#define xpm_show_reason(event) \
	__print_symbolic(event, \
			 { MMU_NOTIFY_UNMAP, "unmap" }, \
			 { MMU_NOTIFY_CLEAR, "clear" }, \
			 { MMU_NOTIFY_PROTECTION_VMA, "protection-vma" }, \
			 { MMU_NOTIFY_PROTECTION_PAGE, "protection-page" }, \
			 { MMU_NOTIFY_SOFT_DIRTY, "soft-dirty" }, \
			 { MMU_NOTIFY_RELEASE, "release" }, \
			 { MMU_NOTIFY_MIGRATE, "migrate" }, \
			 { MMU_NOTIFY_EXCLUSIVE, "exclusive" })

TRACE_DEFINE_ENUM(MMU_NOTIFY_UNMAP);
TRACE_DEFINE_ENUM(MMU_NOTIFY_CLEAR);
TRACE_DEFINE_ENUM(MMU_NOTIFY_PROTECTION_VMA);
TRACE_DEFINE_ENUM(MMU_NOTIFY_PROTECTION_PAGE);
TRACE_DEFINE_ENUM(MMU_NOTIFY_SOFT_DIRTY);
TRACE_DEFINE_ENUM(MMU_NOTIFY_RELEASE);
TRACE_DEFINE_ENUM(MMU_NOTIFY_MIGRATE);
TRACE_DEFINE_ENUM(MMU_NOTIFY_EXCLUSIVE);

/* A process made a segment of [start, end) of its addresses */
TRACE_EVENT(xpmem_make,
	TP_PROTO(s64 segid, unsigned long start, unsigned long end, unsigned int mode),
	TP_ARGS(segid, start, end, mode),
	TP_STRUCT__entry(
		__field(s64, segid)
		__field(unsigned long, start)
		__field(unsigned long, end)
		__field(unsigned int, mode)
	),
	TP_fast_assign(
		__entry->segid = segid;
		__entry->start = start;
		__entry->end = end;
		__entry->mode = mode;
	),
	TP_printk("segid=%lld start=0x%lx end=0x%lx mode=0%03o", __entry->segid,
		  __entry->start, __entry->end, __entry->mode)
);

DECLARE_EVENT_CLASS(xpmem_id,
	TP_PROTO(s64 id),
	TP_ARGS(id),
	TP_STRUCT__entry(__field(s64, id)),
	TP_fast_assign(__entry->id = id;),
	TP_printk("id=%lld", __entry->id)
);

/* The segment is dead: by request, last close or the end of its owner */
DEFINE_EVENT(xpmem_id, xpmem_remove, TP_PROTO(s64 id), TP_ARGS(id));
/* The same of a permit */
DEFINE_EVENT(xpmem_id, xpmem_release, TP_PROTO(s64 id), TP_ARGS(id));

TRACE_EVENT(xpmem_get,
	TP_PROTO(s64 segid, s64 apid, bool write),
	TP_ARGS(segid, apid, write),
	TP_STRUCT__entry(
		__field(s64, segid)
		__field(s64, apid)
		__field(bool, write)
	),
	TP_fast_assign(
		__entry->segid = segid;
		__entry->apid = apid;
		__entry->write = write;
	),
	TP_printk("segid=%lld apid=%lld write=%d", __entry->segid, __entry->apid,
		  __entry->write)
);

DECLARE_EVENT_CLASS(xpmem_mapping,
	TP_PROTO(s64 apid, unsigned long addr, unsigned long offset, unsigned long length),
	TP_ARGS(apid, addr, offset, length),
	TP_STRUCT__entry(
		__field(s64, apid)
		__field(unsigned long, addr)
		__field(unsigned long, offset)
		__field(unsigned long, length)
	),
	TP_fast_assign(
		__entry->apid = apid;
		__entry->addr = addr;
		__entry->offset = offset;
		__entry->length = length;
	),
	TP_printk("apid=%lld addr=0x%lx offset=0x%lx length=0x%lx", __entry->apid,
		  __entry->addr, __entry->offset, __entry->length)
);

/* A mapping of an attachment began, and ended, by whatever call; bytes */
DEFINE_EVENT(xpmem_mapping, xpmem_attach,
	TP_PROTO(s64 apid, unsigned long addr, unsigned long offset, unsigned long length),
	TP_ARGS(apid, addr, offset, length));
DEFINE_EVENT(xpmem_mapping, xpmem_detach,
	TP_PROTO(s64 apid, unsigned long addr, unsigned long offset, unsigned long length),
	TP_ARGS(apid, addr, offset, length));

/* Page table entries were made around the page, or (result not 0) none was */
TRACE_EVENT(xpmem_fault,
	TP_PROTO(s64 segid, const struct xpm_window *window, unsigned int pages, int result),
	TP_ARGS(segid, window, pages, result),
	TP_STRUCT__entry(
		__field(s64, segid)
		__field(unsigned long, page)
		__field(unsigned long, addr)
		__field(bool, write)
		__field(unsigned int, pages)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->segid = segid;
		__entry->page = window->target;
		__entry->addr = window->address;
		__entry->write = window->write;
		__entry->pages = pages;
		__entry->result = result;
	),
	TP_printk("segid=%lld page=%lu addr=0x%lx write=%d pages=%u result=%d",
		  __entry->segid, __entry->page, __entry->addr, __entry->write,
		  __entry->pages, __entry->result)
);

/* The VM changed a range of the owner; wait_ns: what it had to wait for others */
TRACE_EVENT(xpmem_invalidate,
	TP_PROTO(const struct xpm_rmap_range *range, unsigned int marks, bool blockable,
		 bool refused, u64 wait_ns),
	TP_ARGS(range, marks, blockable, refused, wait_ns),
	TP_STRUCT__entry(
		__field(s64, segid)
		__field(unsigned long, first)
		__field(unsigned long, last)
		__field(unsigned int, event)
		__field(bool, reclaim)
		__field(bool, external)
		__field(bool, remote)
		__field(bool, blockable)
		__field(bool, refused)
		__field(u64, wait_ns)
	),
	TP_fast_assign(
		__entry->segid = range->segid;
		__entry->first = range->first;
		__entry->last = range->last;
		__entry->event = range->event;
		__entry->reclaim = range->reclaim;
		__entry->external = marks & XPM_RMAP_EXTERNAL;
		__entry->remote = marks & XPM_RMAP_REMOTE;
		__entry->blockable = blockable;
		__entry->refused = refused;
		__entry->wait_ns = wait_ns;
	),
	TP_printk("segid=%lld first=%lu last=%lu reason=%s reclaim=%d external=%d remote=%d blockable=%d refused=%d wait_ns=%llu",
		  __entry->segid, __entry->first, __entry->last,
		  xpm_show_reason(__entry->event), __entry->reclaim, __entry->external,
		  __entry->remote, __entry->blockable, __entry->refused, __entry->wait_ns)
);

/* A subscriber of xpm_rmap_notifier was waited for */
TRACE_EVENT(xpmem_recall,
	TP_PROTO(const struct xpm_rmap_range *range, const char *subscriber, u64 wait_ns),
	TP_ARGS(range, subscriber, wait_ns),
	TP_STRUCT__entry(
		__field(s64, segid)
		__field(unsigned long, first)
		__field(unsigned long, last)
		__field(unsigned int, event)
		__array(char, subscriber, 16)
		__field(u64, wait_ns)
	),
	TP_fast_assign(
		__entry->segid = range->segid;
		__entry->first = range->first;
		__entry->last = range->last;
		__entry->event = range->event;
		strscpy(__entry->subscriber, subscriber, sizeof(__entry->subscriber));
		__entry->wait_ns = wait_ns;
	),
	TP_printk("segid=%lld first=%lu last=%lu reason=%s subscriber=%s wait_ns=%llu",
		  __entry->segid, __entry->first, __entry->last,
		  xpm_show_reason(__entry->event), __entry->subscriber, __entry->wait_ns)
);

/* A fault asks another partition for page @first, and after it, if they are at hand */
TRACE_EVENT(xpmem_ask,
	TP_PROTO(const struct xpmem_ctl_record *record),
	TP_ARGS(record),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(s64, segid)
		__field(u64, first)
		__field(u64, count)
		__field(bool, write)
	),
	TP_fast_assign(
		__entry->id = record->id;
		__entry->segid = record->segid;
		__entry->first = record->first;
		__entry->count = record->count;
		__entry->write = record->flags & XPMEM_CTL_WRITE;
	),
	TP_printk("id=%llu segid=%lld first=%llu count=%llu write=%d", __entry->id,
		  __entry->segid, __entry->first, __entry->count, __entry->write)
);

/* And does not wait any more */
TRACE_EVENT(xpmem_answer,
	TP_PROTO(const struct xpmem_ctl_record *record, int result),
	TP_ARGS(record, result),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(s64, segid)
		__field(u64, first)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->id = record->id;
		__entry->segid = record->segid;
		__entry->first = record->first;
		__entry->result = result;
	),
	TP_printk("id=%llu segid=%lld first=%llu result=%d", __entry->id, __entry->segid,
		  __entry->first, __entry->result)
);

/* The daemon installed replicas; state: 1 SHARED, 2 EXCLUSIVE */
TRACE_EVENT(xpmem_install,
	TP_PROTO(const struct xpmem_ctl_install *req, int result),
	TP_ARGS(req, result),
	TP_STRUCT__entry(
		__field(s64, segid)
		__field(u64, first)
		__field(u64, count)
		__field(u64, installed)
		__field(u32, state)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->segid = req->segid;
		__entry->first = req->first;
		__entry->count = req->count;
		__entry->installed = req->out_count;
		__entry->state = req->state;
		__entry->result = result;
	),
	TP_printk("segid=%lld first=%llu count=%llu installed=%llu state=%u result=%d",
		  __entry->segid, __entry->first, __entry->count, __entry->installed,
		  __entry->state, __entry->result)
);

/* The daemon took replicas away, to state 0 NONE or 1 SHARED */
TRACE_EVENT(xpmem_take,
	TP_PROTO(const struct xpmem_ctl_take *req, unsigned int present, unsigned int exclusive,
		 int result),
	TP_ARGS(req, present, exclusive, result),
	TP_STRUCT__entry(
		__field(s64, segid)
		__field(u64, first)
		__field(u64, count)
		__field(u32, state)
		__field(unsigned int, present)
		__field(unsigned int, exclusive)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->segid = req->segid;
		__entry->first = req->first;
		__entry->count = req->count;
		__entry->state = req->state;
		__entry->present = present;
		__entry->exclusive = exclusive;
		__entry->result = result;
	),
	TP_printk("segid=%lld first=%llu count=%llu state=%u present=%u exclusive=%u result=%d",
		  __entry->segid, __entry->first, __entry->count, __entry->state,
		  __entry->present, __entry->exclusive, __entry->result)
);

/* Until when a home's replicas may be used, CLOCK_BOOTTIME */
TRACE_EVENT(xpmem_lease,
	TP_PROTO(u32 partition, u64 until),
	TP_ARGS(partition, until),
	TP_STRUCT__entry(
		__field(u32, partition)
		__field(u64, until)
	),
	TP_fast_assign(
		__entry->partition = partition;
		__entry->until = until;
	),
	TP_printk("partition=%u until=%llu", __entry->partition, __entry->until)
);

/* That time has come: nobody uses them any more */
TRACE_EVENT(xpmem_lease_end,
	TP_PROTO(u32 partition, unsigned int segments),
	TP_ARGS(partition, segments),
	TP_STRUCT__entry(
		__field(u32, partition)
		__field(unsigned int, segments)
	),
	TP_fast_assign(
		__entry->partition = partition;
		__entry->segments = segments;
	),
	TP_printk("partition=%u segments=%u", __entry->partition, __entry->segments)
);

#endif /* XPM_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
