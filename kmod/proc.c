// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/xpmem: what there is and what happened.
 *
 *  counters      "name value" a line, see stats.h
 *  segments      a line a segment, for root alone as it tells ids and addresses
 *  remote        a line a segment of another partition, for root alone
 *  global_pages  for the scripts that look for its two lines in order to find
 *                leaked pins.  This module pins nothing, so both counts are 0 by
 *                construction.
 */
#include "proc.h"

#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "lease.h"
#include "remote.h"
#include "segment.h"
#include "stats.h"

static int global_pages_show(struct seq_file *seq, void *unused)
{
	seq_puts(seq, "all pages pinned by XPMEM: 0\n");
	seq_puts(seq, "all pages unpinned by XPMEM: 0\n");
	return 0;
}

static int counters_show(struct seq_file *seq, void *unused)
{
	enum xpm_stat stat;

	for (stat = 0; stat < XPM_NR_STATS; stat++)
		seq_printf(seq, "%s %ld\n", xpm_stats_name(stat), xpm_stats_sum(stat));
	return 0;
}

static int segment_show(struct xpm_segment *segment, void *data)
{
	struct seq_file *seq = data;
	struct user_namespace *ns = seq_user_ns(seq);

	seq_printf(seq, "%lld %d %u %u 0%03o 0x%lx 0x%lx %d %d %ld %ld %llu %ld %ld %ld\n",
		   segment->id.value,
		   pid_nr_ns(segment->tgid, proc_pid_ns(file_inode(seq->file)->i_sb)),
		   from_kuid_munged(ns, segment->cred->euid),
		   from_kgid_munged(ns, segment->cred->egid),
		   segment->mode, segment->start, segment->end,
		   atomic_read(&segment->permits), atomic_read(&segment->attachments),
		   atomic_long_read(&segment->faults), atomic_long_read(&segment->fault_pages),
		   segment->invalidations,
		   atomic_long_read(&segment->zaps), atomic_long_read(&segment->recalls),
		   atomic_long_read(&segment->aged));
	/* Full: it is shown again with a larger buffer. */
	return seq_has_overflowed(seq);
}

static int segments_show(struct seq_file *seq, void *unused)
{
	seq_puts(seq, "segid tgid uid gid mode start end permits attachments faults fault_pages invalidations zaps recalls aged\n");
	xpm_segment_for_each(segment_show, seq);
	return 0;
}

static int remote_show(struct seq_file *seq, void *unused)
{
	struct xpm_remote *remote;
	s64 next = 0;

	seq_puts(seq, "segid home size permits attachments replicas exclusive lease_ms faults fault_pages asked installed taken\n");
	while (!seq_has_overflowed(seq) && (remote = xpm_remote_next(next))) {
		struct xpm_segment *segment = &remote->segment;
		long replicas = atomic_long_read(&remote->nr_replicas);
		u64 until = READ_ONCE(remote->home->until), now = ktime_get_boottime_ns();

		seq_printf(seq, "%lld %u %lu %d %d %ld %ld %llu %ld %ld %ld %ld %ld\n",
			   segment->id.value, remote->home->partition, segment->end,
			   atomic_read(&segment->permits), atomic_read(&segment->attachments),
			   replicas, replicas - atomic_long_read(&remote->nr_shared),
			   until > now ? div_u64(until - now, NSEC_PER_MSEC) : 0,
			   atomic_long_read(&segment->faults),
			   atomic_long_read(&segment->fault_pages),
			   atomic_long_read(&remote->asked), atomic_long_read(&remote->installed),
			   atomic_long_read(&remote->taken));
		next = segment->id.value + 1;
		xpm_remote_put(remote);
	}
	return 0;
}

static struct proc_dir_entry *dir;

int xpm_proc_init(void)
{
	dir = proc_mkdir("xpmem", NULL);
	if (!dir)
		return -ENOMEM;
	if (!proc_create_single("global_pages", 0444, dir, global_pages_show) ||
	    !proc_create_single("counters", 0444, dir, counters_show) ||
	    !proc_create_single("segments", 0400, dir, segments_show) ||
	    !proc_create_single("remote", 0400, dir, remote_show)) {
		proc_remove(dir);
		return -ENOMEM;
	}
	return 0;
}

void xpm_proc_exit(void)
{
	proc_remove(dir);
}
