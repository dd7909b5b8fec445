// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A program as it was compiled for some libxpmem, for exchange.sh.  It has
 * declarations of its own, as a program compiled with another library's header
 * has, and calls every historic symbol.  It prints what it saw; each library
 * gives other answers, and none may make it fail.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>

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

int main(void)
{
	struct addr addr;
	int failed = 0;

	addr.apid = 0x1122334455667788;
	addr.offset = 0x123456789000;
	printf("version %x\n", (unsigned int)xpmem_version());
	failed += xpmem_init() == -1 && errno == ENOENT;
	failed += xpmem_make(NULL, (size_t)-1, 1, (void *)0600) == -1;
	failed += xpmem_get(1, 2, 1, (void *)0600) == -1;
	failed += xpmem_attach(addr, 8388609, NULL) == (void *)-1;
	failed += xpmem_detach(&addr) == -1;
	failed += xpmem_release(1) == -1;
	failed += xpmem_remove(1) == -1;
	failed += xpmem_ioctl(0, NULL) == -1;
	printf("failed %d\n", failed);
	return 0;
}
