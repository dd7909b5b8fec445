// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test module: reads a page's reference and map count from struct page, so that
 * tests need not believe what the module under test says of itself.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "pagestat.h"

static long pagestat_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct pagestat stat;
	struct page *page;

	if (cmd != PAGESTAT_READ)
		return -ENOTTY;
	if (copy_from_user(&stat, (void __user *)arg, sizeof(stat)))
		return -EFAULT;
	if (!pfn_valid(stat.frame))
		return -EINVAL;
	page = pfn_to_page(stat.frame);
	stat.refcount = page_count(page);
	/* The field itself: page_mapcount() left in 6.12, folio_mapcount() is not exported. */
	stat.mapcount = atomic_read(&page->_mapcount) + 1;
	return copy_to_user((void __user *)arg, &stat, sizeof(stat)) ? -EFAULT : 0;
}

static const struct file_operations pagestat_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = pagestat_ioctl,
};

static struct miscdevice pagestat_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "pagestat",
	.fops = &pagestat_fops,
	.mode = 0600,
};

module_misc_device(pagestat_device);

MODULE_DESCRIPTION("Page counts for the tests of xpmem");
MODULE_LICENSE("GPL");
