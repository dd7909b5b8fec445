// SPDX-License-Identifier: GPL-2.0-only
/*
 * The historic ioctls, each translated to a request of xpmem_ioctl.h.
 *
 * Their layouts are frozen and stand in xpmem_legacy.h.  Where they can say
 * what the requests can't (a permit type, a negative offset), it is checked
 * here; all else is the request's.
 */
#include "legacy.h"

#include <linux/uaccess.h>

#include "attachment.h"
#include "permit.h"
#include "process.h"
#include "segment.h"
#include "xpm.h"
#include "xpmem_legacy.h"

/* Values of xpmem.h, whose types are those of user space */
#define LEGACY_PERMIT_MODE	1
#define LEGACY_RDONLY		1
#define LEGACY_RDWR		2

static long make(struct xpm_process *process, struct xpmem_cmd_make __user *arg)
{
	struct xpmem_ioc_make req = { .size = sizeof(req) };
	struct xpmem_cmd_make cmd;
	long ret;

	if (copy_from_user(&cmd, arg, sizeof(cmd)))
		return -EFAULT;
	if (cmd.permit_type != LEGACY_PERMIT_MODE || cmd.permit_value & ~0777ULL)
		return -EINVAL;
	req.vaddr = cmd.vaddr;
	req.length = cmd.size;
	req.mode = cmd.permit_value;
	ret = xpm_segment_make(process, &req);
	if (!ret && put_user(req.out_segid, &arg->segid)) {
		xpm_segment_remove(process, req.out_segid);
		ret = -EFAULT;
	}
	return ret;
}

static long get(struct xpm_process *process, struct xpmem_cmd_get __user *arg)
{
	struct xpmem_ioc_get req = { .size = sizeof(req) };
	struct xpmem_cmd_get cmd;
	long ret;

	if (copy_from_user(&cmd, arg, sizeof(cmd)))
		return -EFAULT;
	if (cmd.permit_type != LEGACY_PERMIT_MODE)
		return -EINVAL;
	switch (cmd.flags) {
	case LEGACY_RDONLY:
		req.flags = XPMEM_GET_RDONLY;
		break;
	case LEGACY_RDWR:
		req.flags = XPMEM_GET_RDWR;
		break;
	default:
		return -EINVAL;
	}
	req.segid = cmd.segid;
	ret = xpm_permit_get(process, &req);
	if (!ret && put_user(req.out_apid, &arg->apid)) {
		xpm_permit_release(process, req.out_apid);
		ret = -EFAULT;
	}
	return ret;
}

static long attach(struct xpm_process *process, struct xpmem_cmd_attach __user *arg)
{
	struct xpmem_ioc_attach req = { .size = sizeof(req) };
	struct xpmem_cmd_attach cmd;
	long ret;

	if (copy_from_user(&cmd, arg, sizeof(cmd)))
		return -EFAULT;
	if (cmd.offset < 0)
		return -EINVAL;
	req.apid = cmd.apid;
	req.offset = cmd.offset;
	req.length = cmd.size;
	req.vaddr = cmd.vaddr;
	ret = xpm_attachment_attach(process, &req);
	if (!ret && put_user(req.vaddr, &arg->vaddr)) {
		xpm_attachment_detach(process, req.vaddr);
		ret = -EFAULT;
	}
	return ret;
}

long xpm_legacy_ioctl(struct xpm_process *process, unsigned int cmd, void __user *arg)
{
	s64 id;

	switch (cmd) {
	case XPMEM_CMD_VERSION:
		return XPM_VERSION;
	case XPMEM_CMD_MAKE:
	case XPMEM_CMD_REMOVE:
	case XPMEM_CMD_GET:
	case XPMEM_CMD_RELEASE:
	case XPMEM_CMD_ATTACH:
	case XPMEM_CMD_DETACH:
		break;
	case XPMEM_CMD_FORK_BEGIN:
	case XPMEM_CMD_FORK_END:
		/* Nothing to hold back: fork is followed as all else is. */
		return 0;
	default:
		return -ENOTTY;
	}

	if (!xpm_process_is_current(process))
		return -XPMEM_ERRNO_NOPROC;
	switch (cmd) {
	case XPMEM_CMD_MAKE:
		return make(process, arg);
	case XPMEM_CMD_GET:
		return get(process, arg);
	case XPMEM_CMD_ATTACH:
		return attach(process, arg);
	}

	/* The three others are one 64-bit number. */
	if (copy_from_user(&id, arg, sizeof(id)))
		return -EFAULT;
	switch (cmd) {
	case XPMEM_CMD_REMOVE:
		return xpm_segment_remove(process, id);
	case XPMEM_CMD_RELEASE:
		return xpm_permit_release(process, id);
	default:
		return xpm_attachment_detach(process, id);
	}
}
