// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Do the size-first requests take smaller, larger and broken structures as
 * xpmem_ioctl.h says, by 64-bit and by 32-bit system calls?
 *
 * Sizes, offsets and numbers are written out here, as a program that was built
 * long ago has them.
 */
#include "guest_test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { QUERY, MAKE, REMOVE, GET, RELEASE, ATTACH, DETACH, PREFAULT, REQUESTS };

#define MEMORY (4 * PAGE)

static const struct {
	uint32_t size;
	uint32_t known_flags;
} requests[REQUESTS] = {
	[QUERY] = { 32, 0 },   [MAKE] = { 40, 0 },   [REMOVE] = { 16, 0 }, [GET] = { 24, 3 },
	[RELEASE] = { 16, 0 }, [ATTACH] = { 40, 0 }, [DETACH] = { 16, 0 }, [PREFAULT] = { 32, 1 },
};

static int fd;
static char *memory;
static int64_t segid, apid;
static bool by_32bit;

/* The end of memory after which nothing is mapped, below 4 GiB */
static char *edge;

static long call(unsigned long cmd, void *arg)
{
	long ret;

	if (!by_32bit)
		return ioctl(fd, cmd, arg);
	/* number 54 is ioctl there */
	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(54L), "b"((long)fd), "c"(cmd), "d"(arg)
			 : "memory", "r8", "r9", "r10", "r11");
	if (ret < 0 && ret > -4096) {
		errno = -ret;
		return -1;
	}
	return ret;
}

static long request(int nr, void *arg)
{
	return call(0x7840 + nr, arg);
}

/* Writes @words 64-bit words, of which the first is size and flags */
static void *put(char *at, int nr, uint32_t size, uint32_t flags, const uint64_t *words)
{
	uint64_t first = (uint64_t)flags << 32 | size;

	memcpy(at, &first, 8);
	memcpy(at + 8, words, requests[nr].size - 8);
	return at;
}

static int64_t word(const void *arg, int nr)
{
	int64_t value;

	memcpy(&value, (const char *)arg + 8 * nr, 8);
	return value;
}

static uint64_t new_object(int nr)
{
	char *arg = edge - 64;

	switch (nr) {
	case REMOVE:
		put(arg, MAKE, 40, 0, (uint64_t[]){ (uintptr_t)memory, PAGE, 0600, 0 });
		check(request(MAKE, arg) == 0);
		return word(arg, 4);
	case RELEASE:
		put(arg, GET, 24, 2, (uint64_t[]){ segid, 0 });
		check(request(GET, arg) == 0);
		return word(arg, 2);
	default:
		put(arg, ATTACH, 40, 0, (uint64_t[]){ apid, 0, 2 * PAGE, 0 });
		check(request(ATTACH, arg) == 0);
		check(!by_32bit || (uint64_t)word(arg, 4) < 1ULL << 32);
		return word(arg, 4);
	}
}

/* A request at @at that will succeed but for what the caller changes */
static void *prepare(int nr, char *at)
{
	/* out members are not looked at */
	uint64_t words[4] = { -1ULL, -1ULL, -1ULL, -1ULL };
	uint32_t flags = 0;

	switch (nr) {
	case MAKE:
		words[0] = (uintptr_t)memory;
		words[1] = MEMORY;
		words[2] = 0600;
		break;
	case GET:
		words[0] = segid;
		flags = 1;
		break;
	case ATTACH:
		words[0] = apid;
		words[1] = PAGE;
		words[2] = PAGE + 1;
		words[3] = 0;
		break;
	case PREFAULT:
		words[1] = PAGE + 1;
		/* fallthrough */
	case REMOVE:
	case RELEASE:
	case DETACH:
		words[0] = new_object(nr);
		break;
	}
	return put(at, nr, requests[nr].size, flags, words);
}

/* After success (@done) or failure: nothing stays */
static void undo(int nr, const void *arg, bool done)
{
	static const int undo_with[REQUESTS] = {
		[MAKE] = REMOVE, [REMOVE] = REMOVE, [GET] = RELEASE, [RELEASE] = RELEASE,
		[ATTACH] = DETACH, [DETACH] = DETACH, [PREFAULT] = DETACH,
	};
	static const int out[REQUESTS] = { [MAKE] = 4, [GET] = 2, [ATTACH] = 4 };
	char *at = edge - 64;
	uint64_t id = word(arg, out[nr] ? out[nr] : 1);

	if (nr == QUERY || (out[nr] && !done))
		return;
	put(at, undo_with[nr], 16, 0, &id);
	if (done && (nr == REMOVE || nr == RELEASE))
		check_errno(request(undo_with[nr], at), ENOENT);
	else
		check(request(undo_with[nr], at) == 0);
}

static void works(int nr, char *arg)
{
	if (request(nr, arg) != 0)
		fail("request %d of size %u", nr, *(uint32_t *)(void *)arg);
	undo(nr, arg, true);
}

static void refused(int nr, char *arg, int wanted)
{
	char before[64];

	memcpy(before, arg, requests[nr].size);
	if (request(nr, arg) != -1 || errno != wanted)
		fail("request %d of size %u: wanted errno %d", nr, *(uint32_t *)(void *)arg, wanted);
	if (nr != PREFAULT)
		check(!memcmp(before, arg, requests[nr].size));
	undo(nr, before, false);
}

/* Members that the module does not know: fine when zero, and left alone */
static void larger_size(int nr, char *buffer, uint32_t larger)
{
	uint32_t size = requests[nr].size;
	char *arg = prepare(nr, buffer);

	*(uint32_t *)(void *)arg = larger;
	memset(arg + size, 0, larger - size);
	arg[larger] = 1;
	works(nr, arg);
	for (uint32_t i = size; i < larger; i++)
		check(!arg[i]);

	arg = prepare(nr, buffer);
	*(uint32_t *)(void *)arg = larger;
	arg[larger - 1] = 1;
	refused(nr, arg, E2BIG);
	arg[larger - 1] = 0;
	prepare(nr, buffer);
	*(uint32_t *)(void *)arg = larger;
	arg[size] = (char)0x80;
	refused(nr, arg, E2BIG);
	memset(arg + size, 0, larger - size);
}

static void sizes(int nr, char *buffer)
{
	uint32_t size = requests[nr].size;
	char *arg;

	for (uint32_t smaller = 0; smaller < size; smaller++) {
		arg = prepare(nr, buffer);
		*(uint32_t *)(void *)arg = smaller;
		refused(nr, arg, EINVAL);
	}
	works(nr, prepare(nr, buffer));
	/* so that it ends where nothing follows */
	works(nr, prepare(nr, edge - PAGE - size));

	for (uint32_t larger = size + 1; larger < 80; larger++)
		larger_size(nr, buffer, larger);
	for (uint32_t larger = PAGE - 2; larger <= PAGE; larger++)
		larger_size(nr, buffer, larger);
	/* Beyond a page: refused, whatever it holds and wherever it ends */
	for (int i = 0; i < 3; i++) {
		static const uint32_t beyond[] = { PAGE + 1, 2 * PAGE, UINT32_MAX };

		arg = prepare(nr, buffer);
		*(uint32_t *)(void *)arg = beyond[i];
		refused(nr, arg, E2BIG);
	}
}

static void flags(int nr, char *buffer)
{
	for (int bit = 0; bit < 32; bit++) {
		char *arg;

		if (requests[nr].known_flags & 1U << bit)
			continue;
		arg = prepare(nr, buffer);
		((uint32_t *)(void *)arg)[1] |= 1U << bit;
		refused(nr, arg, EOPNOTSUPP);
	}
}

static void pointers(int nr)
{
	uint32_t size = requests[nr].size;

	check_errno(request(nr, NULL), EFAULT);
	check_errno(request(nr, edge), EFAULT);
	check_errno(request(nr, edge - 2), EFAULT);
	if (!by_32bit) {
		check_errno(request(nr, (void *)0xffff888000000000), EFAULT);
		check_errno(request(nr, (void *)(1UL << 63)), EFAULT);
		check_errno(request(nr, (void *)-4L), EFAULT);
	}
	for (uint32_t missing = 1; missing <= size - 4; missing++) {
		uint32_t *arg = (uint32_t *)(void *)(edge - size + missing);

		memset(edge - size, 0, size);
		memcpy(arg, &size, 4);
		check_errno(request(nr, arg), EFAULT);
	}
	/* a valid one that claims to go on where nothing is */
	memset(edge - 2 * PAGE, 0, 2 * PAGE);
	prepare(nr, edge - PAGE);
	memmove(edge - PAGE + 1024, edge - PAGE, size);
	*(uint32_t *)(void *)(edge - PAGE + 1024) = PAGE - 1023;
	memset(edge - 64, 0, 64);
	refused(nr, edge - PAGE + 1024, EFAULT);
}

static void query(char *buffer)
{
	uint32_t *arg = prepare(QUERY, buffer);

	check(request(QUERY, arg) == 0);
	check(arg[0] == 32 && arg[1] == 0);
	check(word(arg, 1) & 1);
	check(word(arg, 2) >= 1LL << 46 && word(arg, 2) % PAGE == 0);
	check(arg[6] == 0x30000 && arg[7] == PAGE);
}

static void all(char *buffer)
{
	for (int nr = 0; nr < REQUESTS; nr++) {
		sizes(nr, buffer);
		flags(nr, buffer);
		pointers(nr);
	}
	query(buffer);
	/* The next two have tests of their own: channel_records.c, drain.c */
	for (int nr = REQUESTS + 2; nr < 0xff - 0x40; nr++)
		check_errno(request(nr, buffer), ENOTTY);
	/* a reserved member */
	prepare(MAKE, buffer);
	((uint32_t *)(void *)buffer)[7] = 1;
	refused(MAKE, buffer, EOPNOTSUPP);
	for (unsigned long nr = 0x40; nr < 0x48; nr++) {
		check_errno(call(3UL << 30 | 40UL << 16 | 0x7800 | nr, buffer), ENOTTY);
		check_errno(call(0x7900 | nr, buffer), ENOTTY);
	}
}

int main(void)
{
	char *low;

	test_begin(120);
	fd = open("/dev/xpmem", O_RDWR | O_CLOEXEC);
	check(fd >= 0);
	memory = map_anon(MEMORY);
	low = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT,
		   -1, 0);
	check(low != MAP_FAILED);
	check(munmap(low + 7 * PAGE, PAGE) == 0);
	edge = low + 7 * PAGE;
	prepare(MAKE, low);
	check(request(MAKE, low) == 0);
	segid = word(low, 4);
	prepare(GET, low);
	((uint32_t *)(void *)low)[1] = 2;
	check(request(GET, low) == 0);
	apid = word(low, 2);

	all(low);
	by_32bit = true;
	all(low);
	/* the historic layouts are those of 64 bits */
	for (unsigned long nr = 0; nr < 0x40; nr++)
		check_errno(call(0x7800 | nr, low), ENOTTY);
	return 0;
}
