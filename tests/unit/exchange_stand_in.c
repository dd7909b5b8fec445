// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Stands for another project's libxpmem.so.0, for exchange.sh: the symbols and
 * calling conventions that all of them share, without versions, and nothing
 * behind them.
 */
#include <stddef.h>
#include <stdint.h>

struct addr {
	int64_t apid;
	int64_t offset;
};

int xpmem_version(void);
int64_t xpmem_make(void *vaddr, size_t size, int type, void *value);
int xpmem_remove(int64_t segid);
int64_t xpmem_get(int64_t segid, int flags, int type, void *value);
int xpmem_release(int64_t apid);
void *xpmem_attach(struct addr addr, size_t size, void *vaddr);
int xpmem_detach(void *vaddr);
int xpmem_init(void);
int xpmem_ioctl(int cmd, void *arg);

int xpmem_version(void)
{
	return 0x26005;
}

/* cppcheck-suppress constParameter ; part of the contract */
int64_t xpmem_make(void *vaddr, size_t size, int type, void *value)
{
	return !vaddr && size == (size_t)-1 && type == 1 &&
			       value == (void *)0600 ?
		       1 :
		       -1;
}

int xpmem_remove(int64_t segid)
{
	return segid == 1 ? 0 : -1;
}

/* cppcheck-suppress constParameter ; part of the contract */
int64_t xpmem_get(int64_t segid, int flags, int type, void *value)
{
	return segid == 1 && flags == 2 && type == 1 && value == (void *)0600 ?
		       1 :
		       -1;
}

int xpmem_release(int64_t apid)
{
	return apid == 1 ? 0 : -1;
}

/* cppcheck-suppress constParameter ; part of the contract */
void *xpmem_attach(struct addr addr, size_t size, void *vaddr)
{
	return addr.apid == 0x1122334455667788 &&
			       addr.offset == 0x123456789000 &&
			       size == 8388609 && !vaddr ?
		       NULL :
		       (void *)-1;
}

/* cppcheck-suppress constParameter ; part of the contract */
int xpmem_detach(void *vaddr)
{
	return vaddr ? 0 : -1;
}

int xpmem_init(void)
{
	return 0;
}

/* cppcheck-suppress constParameter ; part of the contract */
int xpmem_ioctl(int cmd, void *arg)
{
	return cmd || arg ? -1 : 0;
}
