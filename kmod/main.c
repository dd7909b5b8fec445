// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module: what is set up in which order, and undone in the reverse one.
 *
 * Read xpm.h first, for the words and the order of locks; then segment, permit,
 * attachment, rmap, notifier, fault, each .h before its .c.
 */
#include <linux/module.h>
#include <linux/random.h>

#include "device.h"
#include "notifier.h"
#include "permit.h"
#include "proc.h"
#include "process.h"
#include "rmap.h"
#include "segment.h"
#include "xpm.h"

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

s64 xpm_new_id(void)
{
	s64 id;

	do
		id = get_random_u64() & GENMASK_ULL(XPM_ID_RANDOM_BITS - 1, 0);
	while (!id);
	return id;
}

static int __init xpm_init(void)
{
	int err;

	err = xpm_rmap_cache_create();
	if (err)
		return err;
	err = xpm_notifier_init();
	if (err)
		goto err_rmap;
	err = xpm_segment_init();
	if (err)
		goto err_notifier;
	err = xpm_permit_init();
	if (err)
		goto err_segment;
	err = xpm_process_init();
	if (err)
		goto err_permit;
	err = xpm_proc_init();
	if (err)
		goto err_process;
	err = xpm_device_init();
	if (err)
		goto err_proc;
	return 0;

err_proc:
	xpm_proc_exit();
err_process:
	xpm_process_exit();
err_permit:
	xpm_permit_exit();
err_segment:
	xpm_segment_exit();
err_notifier:
	xpm_notifier_exit();
err_rmap:
	xpm_rmap_cache_destroy();
	return err;
}

/*
 * Open files, mappings and faults under way hold the module by a file, so nobody
 * calls in any more; what is due are frees: of processes (waited for in
 * xpm_process_exit), and by RCU of segments and permits, which needs no code of
 * this module.
 */
static void __exit xpm_exit(void)
{
	xpm_device_exit();
	xpm_proc_exit();
	xpm_process_exit();
	xpm_permit_exit();
	xpm_segment_exit();
	xpm_notifier_exit();
	xpm_rmap_cache_destroy();
}

module_init(xpm_init);
module_exit(xpm_exit);

MODULE_DESCRIPTION("XPMEM: memory of one process mapped by others, without pinning a page");
MODULE_AUTHOR("The XPMEM developers");
MODULE_LICENSE("GPL");
MODULE_VERSION("3.0.0");
