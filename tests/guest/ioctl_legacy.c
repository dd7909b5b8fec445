// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Do the historic ioctls work for a program that issues them raw?
 *
 * Numbers and layouts are written out here as such a program has them, not
 * taken from the project's headers, so that an error in those is seen.
 */
#include "guest_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define VERSION 0x7800
#define MAKE 0x7801
#define REMOVE 0x7802
#define GET 0x7803
#define RELEASE 0x7804
#define ATTACH 0x7805
#define DETACH 0x7806
#define FORK_BEGIN 0x7807
#define FORK_END 0x7808

/* Where the numbers of xpmem_ioctl.h are, which are no historic ones */
#define NEW_FIRST 0x40
#define NEW_END 0x4a

#define SIZE (8 * PAGE)
#define CANARY 0x5ca1ab1e0badcafeLL

/* An argument: 64-bit words by number, 32-bit ones by number */
union arg {
	int64_t q[6];
	int32_t d[12];
};

static int fd;
static char *memory;

static union arg arg_make(int64_t vaddr, int64_t size, int type, int64_t value)
{
	return (union arg){ .q = { vaddr, size, (uint32_t)type | 0x7fLL << 32, value, CANARY,
				   CANARY } };
}

static union arg arg_get(int64_t segid, int flags, int type)
{
	/* permit_value is ignored */
	return (union arg){ .q = { segid, (uint32_t)flags | (int64_t)type << 32, CANARY, CANARY,
				   CANARY, CANARY } };
}

static union arg arg_attach(int64_t apid, int64_t offset, int64_t size, int64_t vaddr)
{
	/* fd and flags are ignored */
	return (union arg){ .q = { apid, offset, size, vaddr, CANARY, CANARY } };
}

static union arg arg_id(int64_t id)
{
	return (union arg){ .q = { id, CANARY, CANARY, CANARY, CANARY, CANARY } };
}

/* Fails with this errno, and the argument is as it was */
#define refused(cmd, initial, wanted) \
	do { \
		union arg before_ = (initial), arg_ = before_; \
		long ret_; \
		errno = 0; \
		ret_ = ioctl(fd, cmd, &arg_); \
		if (ret_ != -1 || errno != (wanted)) \
			fail(#cmd " " #initial " returned %ld, wanted " #wanted, ret_); \
		check(!memcmp(&arg_, &before_, sizeof(arg_))); \
	} while (0)

/* Succeeds, and changes the 64-bit word @out alone (-1: none) */
static int64_t done(unsigned long cmd, union arg arg, int out)
{
	union arg before = arg;
	int64_t value = 0;

	errno = 4321;
	if (ioctl(fd, cmd, &arg) != 0)
		fail("ioctl 0x%lx failed", cmd);
	check(errno == 4321);
	if (out >= 0) {
		value = arg.q[out];
		before.q[out] = value;
	}
	check(!memcmp(&arg, &before, sizeof(arg)));
	return value;
}

static void round_trip(int64_t segid)
{
	int64_t apid, vaddr, fixed;
	char *here;

	apid = done(GET, arg_get(segid, 2, 1), 3);
	check(apid > 0);
	vaddr = done(ATTACH, arg_attach(apid, PAGE, SIZE - PAGE - 5, 0), 3);
	here = (char *)vaddr;
	check(!memcmp(here, memory + PAGE, SIZE - PAGE));
	here[3] = 77;
	check(memory[PAGE + 3] == 77);

	/* a hint */
	fixed = (int64_t)(uintptr_t)map_anon(PAGE);
	check(done(ATTACH, arg_attach(apid, 0, PAGE, fixed), 3) == fixed);
	check(!memcmp((char *)fixed, memory, PAGE));

	done(DETACH, arg_id(vaddr + 2 * PAGE + 9), -1);
	check(try_read(here, NULL) == SIGSEGV);
	done(DETACH, arg_id(vaddr), -1);
	done(RELEASE, arg_id(apid), -1);
	check(try_read((char *)fixed, NULL) == SIGSEGV);

	/* read-only */
	apid = done(GET, arg_get(segid, 1, 1), 3);
	here = (char *)done(ATTACH, arg_attach(apid, 0, 1, 0), 3);
	check(!memcmp(here, memory, PAGE));
	check(try_write(here, 1) == SIGSEGV);
	done(RELEASE, arg_id(apid), -1);
}

static void errors(int64_t segid)
{
	int64_t vaddr = (int64_t)(uintptr_t)memory;
	int64_t apid = done(GET, arg_get(segid, 2, 1), 3);

	refused(MAKE, arg_make(vaddr, SIZE, 0, 0600), EINVAL);
	refused(MAKE, arg_make(vaddr, SIZE, 2, 0600), EINVAL);
	refused(MAKE, arg_make(vaddr, SIZE, -1, 0600), EINVAL);
	refused(MAKE, arg_make(vaddr, SIZE, 1, 01000), EINVAL);
	refused(MAKE, arg_make(vaddr, SIZE, 1, 1LL << 32 | 0600), EINVAL);
	refused(MAKE, arg_make(vaddr, SIZE, 1, -1), EINVAL);
	refused(MAKE, arg_make(vaddr, 0, 1, 0600), EINVAL);
	refused(MAKE, arg_make(vaddr, 1, 1, 0600), EINVAL);
	refused(MAKE, arg_make(vaddr + 8, PAGE, 1, 0600), EINVAL);
	refused(MAKE, arg_make(vaddr, -1, 1, 0600), EINVAL);
	refused(MAKE, arg_make(vaddr, -vaddr, 1, 0600), EINVAL);
	refused(MAKE, arg_make(-(int64_t)PAGE, PAGE, 1, 0600), EINVAL);

	refused(GET, arg_get(segid, 0, 1), EINVAL);
	refused(GET, arg_get(segid, 3, 1), EINVAL);
	refused(GET, arg_get(segid, 4, 1), EINVAL);
	refused(GET, arg_get(segid, -1, 1), EINVAL);
	refused(GET, arg_get(segid, 2, 0), EINVAL);
	refused(GET, arg_get(segid, 2, 2), EINVAL);
	refused(GET, arg_get(0, 2, 1), EINVAL);
	refused(GET, arg_get(-segid, 2, 1), EINVAL);
	refused(GET, arg_get(segid ^ 1, 2, 1), ENOENT);
	refused(GET, arg_get(apid, 2, 1), ENOENT);

	refused(ATTACH, arg_attach(apid, 0, 0, 0), EINVAL);
	refused(ATTACH, arg_attach(apid, 1, PAGE, 0), EINVAL);
	refused(ATTACH, arg_attach(apid, -(int64_t)PAGE, PAGE, 0), EINVAL);
	refused(ATTACH, arg_attach(apid, INT64_MIN, PAGE, 0), EINVAL);
	refused(ATTACH, arg_attach(apid, 0, SIZE + 1, 0), EINVAL);
	refused(ATTACH, arg_attach(apid, SIZE, 1, 0), EINVAL);
	refused(ATTACH, arg_attach(apid, PAGE, -(int64_t)PAGE, 0), EINVAL);
	refused(ATTACH, arg_attach(apid, PAGE, -1, 0), EINVAL);
	refused(ATTACH, arg_attach(apid, 0, PAGE, vaddr + 1), EINVAL);
	refused(ATTACH, arg_attach(apid, 0, PAGE, INT64_MIN), ENOMEM);
	refused(ATTACH, arg_attach(0, 0, PAGE, 0), EINVAL);
	refused(ATTACH, arg_attach(-1, 0, PAGE, 0), EINVAL);
	refused(ATTACH, arg_attach(apid ^ 1, 0, PAGE, 0), ENOENT);
	refused(ATTACH, arg_attach(segid, 0, PAGE, 0), ENOENT);

	refused(DETACH, arg_id(vaddr), EINVAL);
	refused(DETACH, arg_id((int64_t)(uintptr_t)&apid), EINVAL);
	done(DETACH, arg_id(0), -1);
	done(DETACH, arg_id(-1), -1);

	refused(REMOVE, arg_id(0), EINVAL);
	refused(REMOVE, arg_id(-segid), EINVAL);
	refused(REMOVE, arg_id(segid ^ 1), ENOENT);
	refused(REMOVE, arg_id(apid), ENOENT);
	refused(RELEASE, arg_id(0), EINVAL);
	refused(RELEASE, arg_id(INT64_MIN), EINVAL);
	refused(RELEASE, arg_id(apid ^ 1), ENOENT);
	refused(RELEASE, arg_id(segid), ENOENT);
	done(RELEASE, arg_id(apid), -1);
	refused(RELEASE, arg_id(apid), ENOENT);
	refused(ATTACH, arg_attach(apid, 0, PAGE, 0), ENOENT);
}

static void bad_pointers(void)
{
	static const unsigned long commands[] = { MAKE, REMOVE, GET, RELEASE, ATTACH, DETACH };
	static const size_t sizes[] = { 40, 8, 32, 8, 40, 8 };
	char *page = map_anon(2 * PAGE);

	check(munmap(page + PAGE, PAGE) == 0);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		check_errno(ioctl(fd, commands[i], NULL), EFAULT);
		check_errno(ioctl(fd, commands[i], page + PAGE), EFAULT);
		check_errno(ioctl(fd, commands[i], 0xffff888000000000), EFAULT);
		check_errno(ioctl(fd, commands[i], 0xffffffff81000000), EFAULT);
		check_errno(ioctl(fd, commands[i], 1UL << 63), EFAULT);
		check_errno(ioctl(fd, commands[i], -8L), EFAULT);
		/* exactly so long: of the last byte before nothing it is read */
		check_errno(ioctl(fd, commands[i], page + PAGE - sizes[i] + 1), EFAULT);
		errno = 0;
		ioctl(fd, commands[i], page + PAGE - sizes[i]);
		check(errno != EFAULT);
	}
}

static void unknown_numbers(void)
{
	union arg arg = {};

	for (unsigned long nr = 9; nr < 256; nr++)
		if (nr < NEW_FIRST || nr >= NEW_END)
			check_errno(ioctl(fd, 0x7800 | nr, &arg), ENOTTY);
	for (unsigned long nr = 0; nr < 9; nr++) {
		check_errno(ioctl(fd, 0x7900 | nr, &arg), ENOTTY);
		check_errno(ioctl(fd, 1UL << 30 | 0x7800 | nr, &arg), ENOTTY);
		check_errno(ioctl(fd, 2UL << 30 | 0x7800 | nr, &arg), ENOTTY);
		check_errno(ioctl(fd, 3UL << 30 | 40UL << 16 | 0x7800 | nr, &arg), ENOTTY);
		check_errno(ioctl(fd, 8UL << 16 | 0x7800 | nr, &arg), ENOTTY);
	}
	check(read(fd, &arg, sizeof(arg)) == -1);
	check(write(fd, &arg, sizeof(arg)) == -1);
	check(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
}

int main(void)
{
	int64_t segid;

	test_begin(60);
	fd = open("/dev/xpmem", O_RDWR | O_CLOEXEC);
	check(fd >= 0);
	memory = map_anon(SIZE);
	fill(memory, SIZE, 1);

	check(ioctl(fd, VERSION, 0) == 0x30000);
	check(ioctl(fd, VERSION, 1UL << 63) == 0x30000);
	check(ioctl(fd, FORK_BEGIN, 0) == 0);
	check(ioctl(fd, FORK_BEGIN, 0) == 0);
	check(ioctl(fd, FORK_END, 1UL << 63) == 0);

	segid = done(MAKE, arg_make(0, -1, 1, 0666), 4);
	done(REMOVE, arg_id(segid), -1);
	refused(REMOVE, arg_id(segid), ENOENT);
	segid = done(MAKE, arg_make((int64_t)(uintptr_t)memory, SIZE, 1, 0600), 4);
	check(segid > 0);
	round_trip(segid);
	errors(segid);
	bad_pointers();
	unknown_numbers();
	done(REMOVE, arg_id(segid), -1);
	refused(GET, arg_get(segid, 2, 1), ENOENT);
	check(close(fd) == 0);
	return 0;
}
