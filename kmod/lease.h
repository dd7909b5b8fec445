/* SPDX-License-Identifier: GPL-2.0-only */
/* Homes, and until when what they have granted may be used: see lease.c */
#ifndef XPM_LEASE_H
#define XPM_LEASE_H

#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

struct xpm_home {
	u32 partition;
	u64 until;			/* CLOCK_BOOTTIME, nanoseconds; 0: no lease */
	struct hrtimer timer;
	struct work_struct work;
	struct mutex lock;		/* the list; held while all of it is emptied */
	struct list_head remotes;	/* xpm_remote.of_home */
};

int xpm_lease_init(void);
void xpm_lease_exit(void);

/* The home with this number, for as long as the module is loaded; or -ENOMEM */
struct xpm_home *xpm_lease_home(u32 partition);
/* The first with a higher number, or NULL */
struct xpm_home *xpm_lease_next_home(u32 partition);

/* May be over at once: who maps a page by it says so under rmap.lock, see lease.c */
static inline bool xpm_lease_is_good(const struct xpm_home *home)
{
	return ktime_get_boottime_ns() < READ_ONCE(home->until);
}

/* Request of the daemon; when it returns a lease that is over has been ended. */
long xpm_lease_set(u32 partition, u64 until);

#endif /* XPM_LEASE_H */
