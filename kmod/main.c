// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module: what is set up in which order, and undone in the reverse one.
 *
 * Read xpm.h first, for the words and the order of locks; then segment, permit,
 * attachment, rmap, notifier, rmap_notifier, fault, each .h before its .c.
 */
#include <linux/module.h>

#include "aging.h"
#include "ctl.h"
#include "device.h"
#include "lease.h"
#include "notifier.h"
#include "permit.h"
#include "policy.h"
#include "proc.h"
#include "process.h"
#include "remote.h"
#include "rmap.h"
#include "rmap_notifier.h"
#include "segment.h"
#include "shrink.h"
#include "xpm.h"
#include "zap.h"

/*
 * MPI libraries export their whole address space with mode 0666.  What a
 * segment grants is therefore narrowed by this mask each time somebody gets it.
 */
static unsigned int permit_mask = 0600;

static int permit_mask_set(const char *value, const struct kernel_param *param)
{
	unsigned int mask;
	int err = kstrtouint(value, 0, &mask);

	if (err)
		return err;
	if (mask & ~0777) {
		pr_err("xpmem: permit_mask 0%o is not within 0777\n", mask);
		return -EINVAL;
	}
	WRITE_ONCE(permit_mask, mask);
	return 0;
}

static int permit_mask_get(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "0%03o\n", READ_ONCE(permit_mask));
}

static const struct kernel_param_ops permit_mask_ops = {
	.set = permit_mask_set,
	.get = permit_mask_get,
};

module_param_cb(permit_mask, &permit_mask_ops, NULL, 0644);
MODULE_PARM_DESC(permit_mask, "permission bits a segment can grant at all (default 0600: the owner's user alone)");

unsigned int xpm_permit_mask(void)
{
	return READ_ONCE(permit_mask);
}

/* In this order; undone in the reverse one */
static const struct {
	int (*init)(void);
	void (*exit)(void);
} parts[] = {
	{ xpm_rmap_cache_create, xpm_rmap_cache_destroy },
	{ NULL, xpm_policy_exit },
	{ xpm_rmap_notifier_init, xpm_rmap_notifier_exit },
	{ xpm_zap_init, xpm_zap_exit },
	{ xpm_notifier_init, xpm_notifier_exit },
	{ xpm_lease_init, xpm_lease_exit },
	{ xpm_remote_init, xpm_remote_exit },
	{ xpm_segment_init, xpm_segment_exit },
	{ xpm_permit_init, xpm_permit_exit },
	{ xpm_aging_init, xpm_aging_exit },
	{ xpm_process_init, xpm_process_exit },
	{ xpm_proc_init, xpm_proc_exit },
	{ xpm_shrink_init, xpm_shrink_exit },
	{ xpm_ctl_init, xpm_ctl_exit },
	{ xpm_device_init, xpm_device_exit },
};

static void undo(unsigned int done)
{
	while (done)
		parts[--done].exit();
}

static int __init xpm_init(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		err = parts[i].init ? parts[i].init() : 0;
		if (err) {
			undo(i);
			return err;
		}
	}
	return 0;
}

/*
 * Open files, mappings and faults under way hold the module by a file, so nobody
 * calls in any more; what is due are frees: of processes (waited for in
 * xpm_process_exit), of segments by works (xpm_aging_exit, xpm_notifier_exit) and
 * by RCU, as leaves are (xpm_rmap_cache_destroy), and of the rest by RCU, which
 * needs no code of this module.
 */
static void __exit xpm_exit(void)
{
	undo(ARRAY_SIZE(parts));
}

module_init(xpm_init);
module_exit(xpm_exit);

MODULE_DESCRIPTION("XPMEM: memory of one process mapped by others, without pinning a page");
MODULE_AUTHOR("The XPMEM developers");
MODULE_LICENSE("GPL");
MODULE_VERSION("3.0.0");
