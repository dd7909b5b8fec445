/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Users, and how many objects each has: the limits that are module parameters.
 *
 * A user is a real uid as the kernel knows it (kuid), so the same in all user
 * namespaces that map it: a namespace gives nobody more, other uids that it may map
 * (/etc/subuid) are other users.  An object
 * is charged to who asked for it and stays charged to it, whatever becomes of
 * that process's credentials.
 */
#ifndef XPM_USER_H
#define XPM_USER_H

struct xpm_user;

enum xpm_resource {
	XPM_RESOURCE_SEGMENT,
	XPM_RESOURCE_PERMIT,
	XPM_RESOURCE_ATTACHMENT,
	XPM_NR_RESOURCES,
};

/* Charges one to current's user: ENOSPC at its limit, ENOMEM */
struct xpm_user *xpm_user_charge(enum xpm_resource resource);
void xpm_user_uncharge(struct xpm_user *user, enum xpm_resource resource);

#endif /* XPM_USER_H */
