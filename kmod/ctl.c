// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/xpmem-ctl: the daemon's descriptor.  What it reads are the questions and notices
 * of channel.c; its requests are found in the table below, as those of /dev/xpmem are.
 */
#include "ctl.h"

#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "channel.h"
#include "copy.h"
#include "lease.h"
#include "remote.h"
#include "replica.h"
#include "share.h"
#include "xpmem_ctl.h"

union request {
	u32 size;
	struct xpmem_ctl_hello hello;
	struct xpmem_ctl_complete complete;
	struct xpmem_ctl_beat beat;
	struct xpmem_ctl_segment segment;
	struct xpmem_ctl_check check;
	struct xpmem_ctl_mark mark;
	struct xpmem_ctl_copy copy;
	struct xpmem_ctl_list list;
	struct xpmem_ctl_install install;
	struct xpmem_ctl_take take;
	struct xpmem_ctl_lease lease;
	struct xpmem_ctl_forget forget;
	struct xpmem_ctl_opener opener;
};

static long hello(union request *req)
{
	long err = xpm_channel_hello(&req->hello);

	if (!err)
		xpm_remote_tell_unused();
	return err;
}

static long complete_request(union request *req)
{
	/* What the caller gets is an errno that a system call can return. */
	if (req->complete.error > MAX_ERRNO)
		return -EINVAL;
	xpm_channel_beat(false);
	if (req->complete.error)
		return xpm_channel_answer(req->complete.id, -(int)req->complete.error);
	return xpm_remote_granted(req->complete.id, req->complete.value);
}

static long beat(union request *req)
{
	if (req->beat.flags)
		return -EOPNOTSUPP;
	req->beat.out_now = xpm_channel_beat(true);
	return req->beat.out_now ? 0 : -EAGAIN;
}

static long segment(union request *req)
{
	return xpm_share_segment(&req->segment);
}

static long check(union request *req)
{
	return xpm_share_check(&req->check);
}

static long mark(union request *req)
{
	return xpm_share_mark(&req->mark);
}

static long copy(union request *req)
{
	return xpm_copy(&req->copy);
}

static long list_marked(union request *req)
{
	return xpm_share_list(&req->list);
}

static long install(union request *req)
{
	return xpm_replica_install(&req->install);
}

static long take(union request *req)
{
	return xpm_replica_take(&req->take);
}

static long lease(union request *req)
{
	return xpm_lease_set(req->lease.partition, req->lease.until);
}

static long forget(union request *req)
{
	if (req->forget.flags & ~XPMEM_FORGET_UNUSED)
		return -EOPNOTSUPP;
	return xpm_remote_forget(req->forget.segid, req->forget.flags & XPMEM_FORGET_UNUSED);
}

static long list(union request *req)
{
	return xpm_remote_list(&req->list);
}

static long opener(union request *req)
{
	return xpm_remote_opener(&req->opener);
}

struct request_type {
	long (*handle)(union request *req);
	u16 size;		/* of the only version there is of the structure */
	bool output;		/* written back, also on error */
};

static const struct request_type request_types[] = {
#define REQUEST(NR, name, type, writes) \
	[XPMEM_CTL_NR_##NR - XPMEM_CTL_NR_HELLO] = { \
		.handle = name, \
		.size = sizeof(struct xpmem_ctl_##type), \
		.output = writes, \
	}
	REQUEST(HELLO, hello, hello, true),
	REQUEST(COMPLETE, complete_request, complete, false),
	REQUEST(BEAT, beat, beat, true),
	REQUEST(SEGMENT, segment, segment, true),
	REQUEST(CHECK, check, check, false),
	REQUEST(MARK, mark, mark, false),
	REQUEST(COPY, copy, copy, true),
	REQUEST(LIST_MARKED, list_marked, list, true),
	REQUEST(INSTALL, install, install, true),
	REQUEST(TAKE, take, take, false),
	REQUEST(LEASE, lease, lease, false),
	REQUEST(FORGET, forget, forget, false),
	REQUEST(LIST, list, list, true),
	REQUEST(OPENER, opener, opener, true),
#undef REQUEST
};

static long handle_request(unsigned int nr, void __user *arg)
{
	const struct request_type *type =
		&request_types[array_index_nospec(nr, ARRAY_SIZE(request_types))];
	union request req = {};
	long ret;
	u32 size;

	if (type->handle != hello) {
		ret = xpm_channel_check();
		if (ret)
			return ret;
	}
	if (get_user(size, (u32 __user *)arg))
		return -EFAULT;
	if (size < type->size)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(&req, type->size, arg, size);
	if (ret)
		return ret;
	ret = type->handle(&req);
	if (type->output && copy_to_user(arg, &req, type->size))
		ret = ret ?: -EFAULT;
	return ret;
}

static long ctl_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	unsigned int nr = _IOC_NR(cmd) - XPMEM_CTL_NR_HELLO;

	if (cmd != _IO('x', _IOC_NR(cmd)) || nr >= ARRAY_SIZE(request_types))
		return -ENOTTY;
	return handle_request(nr, (void __user *)arg);
}

static ssize_t ctl_read(struct file *file, char __user *buffer, size_t size, loff_t *at)
{
	return xpm_channel_read(buffer, size, file->f_flags & O_NONBLOCK);
}

static __poll_t ctl_poll(struct file *file, struct poll_table_struct *table)
{
	return xpm_channel_poll(file, table);
}

static int ctl_open(struct inode *inode, struct file *file)
{
	int err = xpm_channel_open();

	return err ?: stream_open(inode, file);
}

static int ctl_release(struct inode *inode, struct file *file)
{
	xpm_channel_close();
	return 0;
}

static const struct file_operations ctl_fops = {
	.owner = THIS_MODULE,
	.open = ctl_open,
	.release = ctl_release,
	.read = ctl_read,
	.poll = ctl_poll,
	.unlocked_ioctl = ctl_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "xpmem-ctl",
	.fops = &ctl_fops,
	.mode = 0600,
};

int xpm_ctl_init(void)
{
	return misc_register(&device);
}

void xpm_ctl_exit(void)
{
	misc_deregister(&device);
}
