// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A stand-in for libxpmem, for the tests of heat and nothing else: it lets the
 * halo_xpmem code run as several real processes on a machine without the
 * module, where its ordering and its failure paths can be tested.
 *
 * It can share anonymous memory only by exchanging it: fake make() copies the
 * range to a memory file and maps that in its place. Others open the file
 * through /proc. None of what makes XPMEM what it is (any memory, in place,
 * following the owner) is here.
 *
 * HEAT_FAKE_FAIL=call:rank makes that call fail on that rank of Open MPI, with
 * EIO; version fails with ENOENT, as if the module was not there. "die" and
 * "hang" for a call let that rank do so a second after it attached.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xpmem.h>
#include <xpmem_ext.h>

#define ATTACHMENTS_MAX 16

/* in an apid: it was got for writing, too */
#define WRITABLE (1LL << 62)

static struct {
	void *at;
	size_t size;
} attachments[ATTACHMENTS_MAX];

static bool must_fail(const char *call)
{
	const char *plan = getenv("HEAT_FAKE_FAIL");
	const char *rank = getenv("OMPI_COMM_WORLD_RANK");
	size_t length = strlen(call);

	return plan != NULL && rank != NULL &&
	       strncmp(plan, call, length) == 0 && plan[length] == ':' &&
	       strcmp(plan + length + 1, rank) == 0;
}

int xpmem_version(void)
{
	if (must_fail("version")) {
		errno = ENOENT;
		return -1;
	}
	return 0x2f000;
}

xpmem_segid_t xpmem_make(void *vaddr, size_t size, int permit_type,
			 void *permit_value)
{
	int fd;

	(void)permit_type;
	(void)permit_value;
	errno = EIO;
	if (must_fail("make"))
		return -1;
	fd = memfd_create("fake_xpmem", MFD_CLOEXEC);
	if (fd < 0)
		return -1;
	if (write(fd, vaddr, size) != (ssize_t)size ||
	    mmap(vaddr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 fd, 0) == MAP_FAILED) {
		close(fd);
		return -1;
	}
	return ((xpmem_segid_t)getpid() << 16) | fd;
}

int xpmem_make_remote(void *vaddr, size_t size, int permit_type,
		      void *permit_value, unsigned int flags,
		      xpmem_segid_t *segid_ret)
{
	(void)flags;
	*segid_ret = xpmem_make(vaddr, size, permit_type, permit_value);
	return *segid_ret == -1 ? -errno : 0;
}

int xpmem_remove(xpmem_segid_t segid)
{
	return close((int)(segid & 0xffff));
}

xpmem_apid_t xpmem_get(xpmem_segid_t segid, int flags, int permit_type,
		       void *permit_value)
{
	(void)permit_type;
	(void)permit_value;
	if (must_fail("get")) {
		errno = EIO;
		return -1;
	}
	return flags == XPMEM_RDWR ? segid | WRITABLE : segid;
}

int xpmem_release(xpmem_apid_t apid)
{
	(void)apid;
	return 0;
}

void *xpmem_attach(struct xpmem_addr addr, size_t size, void *vaddr)
{
	bool writable = addr.apid & WRITABLE;
	char path[64];
	void *at;
	int fd;

	addr.apid &= ~WRITABLE;
	errno = EIO;
	if (must_fail("attach"))
		return (void *)-1;
	snprintf(path, sizeof(path), "/proc/%lld/fd/%lld", addr.apid >> 16,
		 addr.apid & 0xffff);
	fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (fd < 0)
		return (void *)-1;
	at = mmap(vaddr, size, writable ? PROT_READ | PROT_WRITE : PROT_READ,
		  MAP_SHARED, fd, addr.offset);
	close(fd);
	if (at == MAP_FAILED)
		return (void *)-1;
	for (int i = 0; i < ATTACHMENTS_MAX; i++) {
		if (attachments[i].at != NULL)
			continue;
		attachments[i].at = at;
		attachments[i].size = size;
		return at;
	}
	munmap(at, size);
	return (void *)-1;
}

int xpmem_detach(void *vaddr)
{
	for (int i = 0; i < ATTACHMENTS_MAX; i++) {
		if (attachments[i].at != vaddr)
			continue;
		attachments[i].at = NULL;
		return munmap(vaddr, attachments[i].size);
	}
	return 0;
}

static void hang(int number)
{
	(void)number;
	for (;;)
		pause();
}

int xpmem_prefault(void *vaddr, size_t length, unsigned int flags,
		   size_t *done_ret)
{
	(void)vaddr;
	(void)length;
	(void)flags;
	(void)done_ret;
	if (must_fail("hang"))
		signal(SIGALRM, hang);
	if (must_fail("hang") || must_fail("die"))
		alarm(1);
	return must_fail("prefault") ? -EFAULT : -EOPNOTSUPP;
}
