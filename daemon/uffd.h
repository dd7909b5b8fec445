/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A userfaultfd of an owner.  The requests, but to wake, wait for the owner's mmap_lock
 * and are made by workers alone; reading events is the loop's.
 */
#ifndef XPMD_UFFD_H
#define XPMD_UFFD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Shared by the loop and the workers: closed when the last lets go of it */
struct xpmd_uffd {
	int fd;
	uid_t uid;
	atomic_uint refs;
};

/* Takes @fd, of a process of user @uid.  -EINVAL: it is no userfaultfd; -ENOMEM */
int xpmd_uffd_new(struct xpmd_uffd **ret, int fd, uid_t uid);
struct xpmd_uffd *xpmd_uffd_get(struct xpmd_uffd *uffd);
void xpmd_uffd_put(struct xpmd_uffd *uffd);

/*
 * 0 or -errno; *done_ret: bytes from @address on.  What is asked again when the
 * owner's mappings are just changing (EAGAIN) is done so here.
 */
int xpmd_uffd_copy(struct xpmd_uffd *uffd, uint64_t address, const void *data, uint64_t bytes,
		   bool protect, uint64_t *done_ret);
int xpmd_uffd_zero(struct xpmd_uffd *uffd, uint64_t address, uint64_t bytes);
int xpmd_uffd_protect(struct xpmd_uffd *uffd, uint64_t address, uint64_t bytes, bool on);
int xpmd_uffd_poison(struct xpmd_uffd *uffd, uint64_t address, uint64_t bytes);
void xpmd_uffd_wake(struct xpmd_uffd *uffd, uint64_t address, uint64_t bytes);

/* What an owner did, for the loop */
struct xpmd_uffd_ops {
	void (*fault)(void *ctx, uint64_t address, bool missing, bool write);
	void (*moved)(void *ctx, uint64_t from, uint64_t to, uint64_t bytes);
	void (*unmapped)(void *ctx, uint64_t start, uint64_t end);
};

/* Reads all that is there.  0, or -errno when nothing will ever come again */
int xpmd_uffd_read(struct xpmd_uffd *uffd, const struct xpmd_uffd_ops *ops, void *ctx);

#endif /* XPMD_UFFD_H */
