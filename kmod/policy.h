/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory placement by the owner's policy: see policy.c */
#ifndef XPM_POLICY_H
#define XPM_POLICY_H

struct mm_struct;
struct xpm_policy;

/*
 * Until the second call, current allocates memory where the owner would; @mm is
 * the owner's, with mm_users held.  In between nothing but a fault of the owner's
 * memory is done.  The first returns what the second gets.
 */
struct xpm_policy *xpm_policy_enter(struct mm_struct *mm);
void xpm_policy_leave(struct xpm_policy *policy);

void xpm_policy_exit(void);

#endif /* XPM_POLICY_H */
