// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/xpmem: opening and closing it, and the size-first requests.
 *
 * The table says for each request how large its structure is and who handles
 * it.  A handler sees a structure in kernel memory, whole and zero past what the
 * caller knew, and never a user pointer.
 */
#include "device.h"

#include <linux/capability.h>
#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/uaccess.h>

#include "attachment.h"
#include "fault.h"
#include "legacy.h"
#include "permit.h"
#include "process.h"
#include "segment.h"
#include "share.h"
#include "xpm.h"
#include "xpmem_ioctl.h"

union request {
	u32 size;
	struct xpmem_ioc_query query;
	struct xpmem_ioc_make make;
	struct xpmem_ioc_id id;
	struct xpmem_ioc_get get;
	struct xpmem_ioc_attach attach;
	struct xpmem_ioc_detach detach;
	struct xpmem_ioc_prefault prefault;
	struct xpmem_ioc_share share;
	struct xpmem_ioc_drain drain;
};

static long query(struct xpm_process *process, union request *req)
{
	if (req->query.flags)
		return -EOPNOTSUPP;
	req->query.out_features = XPMEM_FEATURE_PREFAULT | XPMEM_FEATURE_REMOTE;
	req->query.out_max_address = TASK_SIZE;
	req->query.out_module_version = XPM_VERSION;
	req->query.out_page_size = PAGE_SIZE;
	return 0;
}

static long make(struct xpm_process *process, union request *req)
{
	return xpm_segment_make(process, &req->make);
}

static long remove(struct xpm_process *process, union request *req)
{
	return req->id.flags ? -EOPNOTSUPP : xpm_segment_remove(process, req->id.id);
}

static long get(struct xpm_process *process, union request *req)
{
	return xpm_permit_get(process, &req->get);
}

static long release(struct xpm_process *process, union request *req)
{
	return req->id.flags ? -EOPNOTSUPP : xpm_permit_release(process, req->id.id);
}

static long attach(struct xpm_process *process, union request *req)
{
	return xpm_attachment_attach(process, &req->attach);
}

static long detach(struct xpm_process *process, union request *req)
{
	return req->detach.flags ? -EOPNOTSUPP : xpm_attachment_detach(process, req->detach.vaddr);
}

static long prefault(struct xpm_process *process, union request *req)
{
	return xpm_fault_prefault(&req->prefault);
}

static long share(struct xpm_process *process, union request *req)
{
	return xpm_share(process, &req->share);
}

static long drain(struct xpm_process *process, union request *req)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	return req->drain.flags ? -EOPNOTSUPP : xpm_segment_drain(req->drain.segid);
}

enum output {
	OUTPUT_NONE,
	OUTPUT_ON_SUCCESS,
	OUTPUT_ALWAYS,		/* says how far it came */
};

struct request_type {
	long (*handle)(struct xpm_process *process, union request *req);
	/* Undoes a success whose result can't be told to the caller, or NULL */
	long (*undo)(struct xpm_process *process, union request *req);
	u16 size;
	u16 min_size;	/* of the first version of the structure */
	enum output output;
	bool any_process;
};

static long undo_make(struct xpm_process *process, union request *req)
{
	return xpm_segment_remove(process, req->make.out_segid);
}

static long undo_get(struct xpm_process *process, union request *req)
{
	return xpm_permit_release(process, req->get.out_apid);
}

static long undo_attach(struct xpm_process *process, union request *req)
{
	return xpm_attachment_detach(process, req->attach.vaddr);
}

/* The copies in words want them whole. */
#define SIZES(type, last_of_first) \
	.size = sizeof(type) + BUILD_BUG_ON_ZERO(sizeof(type) % sizeof(u64)), \
	.min_size = offsetofend(type, last_of_first)

static const struct request_type request_types[] = {
	[XPMEM_IOC_NR_QUERY - XPMEM_IOC_BASE] = {
		SIZES(struct xpmem_ioc_query, out_page_size),
		.handle = query,
		.output = OUTPUT_ON_SUCCESS,
		.any_process = true,
	},
	[XPMEM_IOC_NR_MAKE - XPMEM_IOC_BASE] = {
		SIZES(struct xpmem_ioc_make, out_segid),
		.handle = make,
		.output = OUTPUT_ON_SUCCESS,
		.undo = undo_make,
	},
	[XPMEM_IOC_NR_REMOVE - XPMEM_IOC_BASE] = {
		SIZES(struct xpmem_ioc_id, id),
		.handle = remove,
	},
	[XPMEM_IOC_NR_GET - XPMEM_IOC_BASE] = {
		SIZES(struct xpmem_ioc_get, out_apid),
		.handle = get,
		.output = OUTPUT_ON_SUCCESS,
		.undo = undo_get,
	},
	[XPMEM_IOC_NR_RELEASE - XPMEM_IOC_BASE] = {
		SIZES(struct xpmem_ioc_id, id),
		.handle = release,
	},
	[XPMEM_IOC_NR_ATTACH - XPMEM_IOC_BASE] = {
		SIZES(struct xpmem_ioc_attach, vaddr),
		.handle = attach,
		.output = OUTPUT_ON_SUCCESS,
		.undo = undo_attach,
	},
	[XPMEM_IOC_NR_DETACH - XPMEM_IOC_BASE] = {
		SIZES(struct xpmem_ioc_detach, vaddr),
		.handle = detach,
	},
	[XPMEM_IOC_NR_PREFAULT - XPMEM_IOC_BASE] = {
		SIZES(struct xpmem_ioc_prefault, out_length),
		.handle = prefault,
		.output = OUTPUT_ALWAYS,
	},
	[XPMEM_IOC_NR_SHARE - XPMEM_IOC_BASE] = {
		SIZES(struct xpmem_ioc_share, segid),
		.handle = share,
	},
	[XPMEM_IOC_NR_DRAIN - XPMEM_IOC_BASE] = {
		SIZES(struct xpmem_ioc_drain, segid),
		.handle = drain,
	},
};

/*
 * A structure of the size that is known, which is the common case: in words, as the
 * general copies cost more than many a request.
 */
static int words_from_user(union request *req, const u64 __user *from, size_t size)
{
	u64 *to = (u64 *)req;

	if (!user_read_access_begin(from, size))
		return -EFAULT;
	for (; size; size -= sizeof(*to))
		unsafe_get_user(*to++, from++, fault);
	user_read_access_end();
	return 0;
fault:
	user_read_access_end();
	return -EFAULT;
}

static int words_to_user(u64 __user *to, const union request *req, size_t size)
{
	const u64 *from = (const u64 *)req;

	if (!user_write_access_begin(to, size))
		return -EFAULT;
	for (; size; size -= sizeof(*to))
		unsafe_put_user(*from++, to++, fault);
	user_write_access_end();
	return 0;
fault:
	user_write_access_end();
	return -EFAULT;
}

static int request_from_user(union request *req, const struct request_type *type,
			     const void __user *from, u32 size)
{
	if (size == type->size)
		return words_from_user(req, from, size);
	memset(req, 0, sizeof(*req));
	return copy_struct_from_user(req, type->size, from, size);
}

static int request_to_user(void __user *to, const union request *req,
			   const struct request_type *type, u32 size)
{
	if (size == type->size)
		return words_to_user(to, req, size);
	return copy_to_user(to, req, min_t(u32, size, type->size)) ? -EFAULT : 0;
}

static long handle_request(struct xpm_process *process, unsigned int nr, void __user *arg)
{
	const struct request_type *type =
		&request_types[array_index_nospec(nr, ARRAY_SIZE(request_types))];
	union request req;
	u32 size;
	long ret;

	if (!type->any_process && !xpm_process_is_current(process))
		return -XPMEM_ERRNO_NOPROC;
	if (get_user(size, (u32 __user *)arg))
		return -EFAULT;
	if (size < type->min_size)
		return -EINVAL;
	/* Longer than any structure will be: not worth looking whether it is zero */
	if (size > PAGE_SIZE)
		return -E2BIG;
	ret = request_from_user(&req, type, arg, size);
	if (ret)
		return ret;

	ret = type->handle(process, &req);
	if (ret ? type->output != OUTPUT_ALWAYS : type->output == OUTPUT_NONE)
		return ret;
	if (request_to_user(arg, &req, type, size)) {
		if (!ret && type->undo)
			type->undo(process, &req);
		ret = -EFAULT;
	}
	return ret;
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct xpm_process *process = file->private_data;
	unsigned int nr = _IOC_NR(cmd) - XPMEM_IOC_BASE;

	if (cmd != _IO(XPMEM_IOC_TYPE, _IOC_NR(cmd)))
		return -ENOTTY;
	if (nr < ARRAY_SIZE(request_types))
		return handle_request(process, nr, (void __user *)arg);
	return xpm_legacy_ioctl(process, cmd, (void __user *)arg);
}

#ifdef CONFIG_COMPAT
/* The historic layouts are those of 64-bit processes; the others are all alike. */
static long device_compat_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (_IOC_NR(cmd) < XPMEM_IOC_BASE)
		return -ENOTTY;
	return device_ioctl(file, cmd, (unsigned long)compat_ptr(arg));
}
#endif

static int device_open(struct inode *inode, struct file *file)
{
	struct xpm_process *process = xpm_process_open();

	/* Any signal interrupts mm_take_all_locks(): the system call begins anew. */
	if (process == ERR_PTR(-EINTR))
		return -ERESTARTSYS;
	if (IS_ERR(process))
		return PTR_ERR(process);
	file->private_data = process;
	return 0;
}

static int device_release(struct inode *inode, struct file *file)
{
	xpm_process_close(file->private_data);
	return 0;
}

static void device_show_fdinfo(struct seq_file *seq, struct file *file)
{
	xpm_process_show(file->private_data, seq);
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.unlocked_ioctl = device_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl = device_compat_ioctl,
#endif
	.show_fdinfo = device_show_fdinfo,
	.llseek = noop_llseek,
};

/* Anyone may open it; what can be got is up to segments and permit_mask. */
static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "xpmem",
	.fops = &device_fops,
	.mode = 0666,
};

int xpm_device_init(void)
{
	return misc_register(&device);
}

void xpm_device_exit(void)
{
	misc_deregister(&device);
}
