// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests of the fuzzer: mostly ones that could work, with one thing wrong;
 * some that are noise; and arguments in memory that fails, stalls or changes.
 */
#include "fuzz.h"

#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "xpmem_legacy.h"

union argument {
	uint32_t size;
	struct xpmem_ioc_query query;
	struct xpmem_ioc_make make;
	struct xpmem_ioc_id id;
	struct xpmem_ioc_get get;
	struct xpmem_ioc_attach attach;
	struct xpmem_ioc_detach detach;
	struct xpmem_ioc_prefault prefault;
	struct xpmem_cmd_make legacy_make;
	struct xpmem_cmd_get legacy_get;
	struct xpmem_cmd_attach legacy_attach;
	int64_t number;
	unsigned char byte[PAGE + 1];
};

uint64_t odd_number(uint64_t *random)
{
	static const uint64_t numbers[] = {
		0, 1, 2, 7, 8, 4095, 4096, 4097, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
		0x7fffffffffff, 0x7ffffffff000, 0x800000000000, 0x7fffffffffffffff,
		0x8000000000000000, 0xfffffffffffff000, 0xffffffffffffffff, 0xffff888000000000,
		0xffffffff81000000,
	};

	switch (pick(random, 4)) {
	case 0:
		return random_bits(random);
	case 1:
		return random_bits(random) >> pick(random, 64);
	case 2:
		return 1ULL << pick(random, 64);
	default:
		return numbers[pick(random, sizeof(numbers) / sizeof(numbers[0]))];
	}
}

/* Where arguments are put: mostly where all is well */
static void *place(struct fuzzer *fuzzer, const void *argument, size_t size)
{
	struct worker *worker = fuzzer->worker;
	size_t cut = 1 + pick(&fuzzer->random, (unsigned int)size);
	char *window = fuzzer->window;
	unsigned int page;
	char *at;

	fuzzer->stable = false;
	switch (pick(&fuzzer->random, 28)) {
	case 0:
		return (void *)(uintptr_t)odd_number(&fuzzer->random);
	case 1:		/* can be read, not written back */
		at = window + 3 * PAGE;
		memcpy(fuzzer->alias + PAGE, argument, size > PAGE ? PAGE : size);
		return at;
	case 2:		/* ends where nothing is */
		at = window + PAGE - cut;
		memcpy(at, argument, cut < size ? cut : size);
		return at;
	case 3:		/* ends where nothing can be written */
		memcpy(fuzzer->alias + PAGE - cut, argument, size < PAGE ? size : PAGE);
		return window + 3 * PAGE - cut;
	case 4:
	case 5:		/* stalls */
		if (worker->uffd < 0)
			break;
		page = pick(&fuzzer->random, UFFD_PAGES);
		memcpy(worker->uffd_template[page], argument, size > PAGE ? PAGE : size);
		at = worker->uffd_area + page * PAGE;
		madvise(at, PAGE, MADV_DONTNEED);
		return at;
	case 6:
	case 7:		/* comes and goes */
		at = worker->flicker + pick(&fuzzer->random, 64) * 8;
		access_copy(at, argument, size > 2 * PAGE ? PAGE : size);
		return at;
	case 8:		/* is somebody else's */
		at = (char *)some_address(fuzzer);
		access_copy(at, argument, size > PAGE ? PAGE : size);
		return at;
	case 9:		/* not aligned */
		at = window + 1 + pick(&fuzzer->random, 7);
		size = size < PAGE - 8 ? size : PAGE - 8;
		memcpy(at, argument, size);
		return at;
	default:
		break;
	}
	fuzzer->stable = true;
	memcpy(fuzzer->alias, argument, size > PAGE ? PAGE : size);
	return window + 2 * PAGE;
}

static bool known_errno(int error)
{
	switch (error) {
	case E2BIG:
	case EACCES:
	case EFAULT:
	case EINTR:
	case EINVAL:
	case ENOENT:
	case ENOMEM:
	case ENOSPC:
	case ENOTTY:
	case EOPNOTSUPP:
	case EBADF:		/* another thread has closed it */
	case XPMEM_ERRNO_NOPROC:
		return true;
	}
	return false;
}

/* Issues it.  True when it worked, and what it has written is in *argument. */
static bool issue(struct fuzzer *fuzzer, enum kind kind, unsigned long cmd, void *argument,
		  size_t size, size_t out)
{
	int fd = fuzzer->worker->fd[pick(&fuzzer->random, FDS)];
	void *at = place(fuzzer, argument, size);
	bool good;

	errno = 0;
	good = ioctl(fd, cmd, at) >= 0;
	if (!good && !known_errno(errno))
		fuzz_finding("request %lx gave errno %d", cmd, errno);
	fuzz_count(kind, good);
	return good && fuzzer->stable && !access_copy(argument, at, out);
}

/* Makes one thing wrong, once in a while */
static void spoil(struct fuzzer *fuzzer, union argument *argument, uint32_t size)
{
	uint64_t number = odd_number(&fuzzer->random);
	unsigned int words = size / 4;

	argument->size = size;
	switch (pick(&fuzzer->random, 16)) {
	case 0:		/* the size: with zeros, or not, behind what is known */
		argument->size = pick(&fuzzer->random, PAGE + 2);
		if (argument->size > size && once_in(&fuzzer->random, 4))
			argument->byte[size + pick(&fuzzer->random, argument->size - size)] = 1;
		break;
	case 1:
		memcpy(argument->byte + 4 * pick(&fuzzer->random, words), &number, 4);
		break;
	case 2:
		memcpy(argument->byte + 8 * pick(&fuzzer->random, words / 2), &number, 8);
		break;
	}
}

/* An id, and the pages of its segment: random ones for a random id */
static int64_t some_id(struct fuzzer *fuzzer, const struct id *ids, unsigned int *pages)
{
	const struct id *it = &ids[pick(&fuzzer->random, IDS)];
	int64_t id = it->id;

	*pages = it->pages;
	if (once_in(&fuzzer->random, 16) || !*pages)
		*pages = 1 + pick(&fuzzer->random, ARENA_PAGES);
	return once_in(&fuzzer->random, 32) ? (int64_t)odd_number(&fuzzer->random) : id;
}

static int64_t some_segid(struct fuzzer *fuzzer, unsigned int *pages)
{
	return some_id(fuzzer, fuzz_shared->segid, pages);
}

/* Of the process mostly; others' don't serve it */
static int64_t some_apid(struct fuzzer *fuzzer, unsigned int *pages)
{
	return some_id(fuzzer,
		       once_in(&fuzzer->random, 16) ? fuzz_shared->apid : fuzzer->worker->apid,
		       pages);
}

static void keep_id(struct fuzzer *fuzzer, struct id *ids, int64_t id, unsigned int pages)
{
	struct id *it = &ids[pick(&fuzzer->random, IDS)];

	it->pages = pages;
	it->id = id;
}

static void keep_apid(struct fuzzer *fuzzer, int64_t id, unsigned int pages)
{
	keep_id(fuzzer, fuzz_shared->apid, id, pages);
	keep_id(fuzzer, fuzzer->worker->apid, id, pages);
}

/* Requests with a size read this much of the argument, mostly less than a page */
static size_t extent(const union argument *argument)
{
	size_t size = argument->size;

	return size < sizeof(struct xpmem_ioc_attach) ? sizeof(struct xpmem_ioc_attach) :
	       size > PAGE			      ? PAGE :
							size;
}

static void request_make(struct fuzzer *fuzzer, union argument *argument)
{
	unsigned int first = pick(&fuzzer->random, ARENA_PAGES);
	unsigned int mode = once_in(&fuzzer->random, 2) ? 0666 : pick(&fuzzer->random, 01000);

	argument->make.vaddr = (uintptr_t)fuzzer->worker->arena + first * PAGE;
	argument->make.length = (1 + pick(&fuzzer->random, ARENA_PAGES - first)) * PAGE;
	argument->make.mode = mode;
	if (once_in(&fuzzer->random, 16)) {
		argument->make.vaddr = 0;
		argument->make.length = UINT64_MAX;
	}
	spoil(fuzzer, argument, sizeof(argument->make));
	if (issue(fuzzer, KIND_make, XPMEM_IOC_MAKE, argument, extent(argument),
		  sizeof(argument->make)))
		keep_id(fuzzer, fuzz_shared->segid, argument->make.out_segid,
			(unsigned int)(argument->make.length / PAGE % ARENA_PAGES));
}

static void request_get(struct fuzzer *fuzzer, union argument *argument)
{
	unsigned int pages;

	argument->get.segid = some_segid(fuzzer, &pages);
	argument->get.flags = once_in(&fuzzer->random, 4) ? XPMEM_GET_RDONLY : XPMEM_GET_RDWR;
	spoil(fuzzer, argument, sizeof(argument->get));
	if (issue(fuzzer, KIND_get, XPMEM_IOC_GET, argument, extent(argument),
		  sizeof(argument->get)))
		keep_apid(fuzzer, argument->get.out_apid, pages);
}

/* 0, or an address of which nobody minds that it is replaced */
static uint64_t hint(struct fuzzer *fuzzer)
{
	struct worker *worker = fuzzer->worker;

	switch (pick(&fuzzer->random, 12)) {
	case 0:		/* memory that is exported itself */
		return (uintptr_t)worker->arena + pick(&fuzzer->random, ANON_PAGES) * PAGE;
	case 1:		/* another thread's stack */
		return (uintptr_t)worker->stack + pick(&fuzzer->random, STACK_PAGES / 2) * PAGE;
	case 2:		/* an attachment, often over itself */
		return worker->attached[pick(&fuzzer->random, ATTACHMENTS)].at & -PAGE;
	case 3:		/* where other requests have their arguments */
		return once_in(&fuzzer->random, 2) ? (uintptr_t)worker->flicker :
						     (uintptr_t)worker->uffd_area;
	case 4:		/* beyond what there is */
		return odd_number(&fuzzer->random) | 1ULL << 47;
	default:
		return 0;
	}
}

static void attached(struct fuzzer *fuzzer, uint64_t at, uint64_t length, bool harmless)
{
	struct attached *it = &fuzzer->worker->attached[pick(&fuzzer->random, ATTACHMENTS)];

	if (at % PAGE || !at || at >> 47)
		fuzz_finding("attached at %llx", (unsigned long long)at);
	it->writable = false;
	it->at = at;
	it->pages = (unsigned int)((length + PAGE - 1) / PAGE);
	it->writable = harmless;
}

static void request_attach(struct fuzzer *fuzzer, union argument *argument)
{
	uint64_t at = hint(fuzzer);
	unsigned int first, pages;
	bool harmless = true;

	argument->attach.apid = some_apid(fuzzer, &pages);
	first = pick(&fuzzer->random, pages);
	pages = 1 + pick(&fuzzer->random, pages - first);
	argument->attach.offset = first * PAGE;
	argument->attach.length = pages * PAGE - pick(&fuzzer->random, 2);
	argument->attach.vaddr = at;
	/* A segment of everything: there an arena is at its address. */
	if (once_in(&fuzzer->random, 8)) {
		argument->attach.offset += fuzz_shared->arena[pick(&fuzzer->random, WORKERS)];
	} else if (once_in(&fuzzer->random, 8)) {
		argument->attach.offset = odd_number(&fuzzer->random) & -PAGE;
		harmless = false;
	}
	/* A worker goes on only if it keeps what it is made of. */
	if (at && pages > 2)
		argument->attach.length = 2 * PAGE;
	spoil(fuzzer, argument, sizeof(argument->attach));
	if (argument->attach.vaddr != at && argument->attach.vaddr < 1ULL << 47)
		argument->attach.vaddr = at;
	if (argument->attach.vaddr && argument->attach.length > STACK_PAGES / 2 * PAGE &&
	    !(argument->attach.vaddr >> 47))
		argument->attach.length = PAGE;
	/* Only what lies in arenas may be written: other offsets are of code and stacks. */
	if (argument->attach.offset >= ARENA_PAGES * PAGE)
		harmless = false;
	if (issue(fuzzer, KIND_attach, XPMEM_IOC_ATTACH, argument, extent(argument),
		  sizeof(argument->attach)))
		attached(fuzzer, argument->attach.vaddr, argument->attach.length, harmless);
}

static void request_prefault(struct fuzzer *fuzzer, union argument *argument)
{
	uint64_t length = (1 + pick(&fuzzer->random, once_in(&fuzzer->random, 2) ? 2 : 64)) * PAGE;

	argument->prefault.vaddr = some_address(fuzzer) & -PAGE;
	argument->prefault.length = length;
	argument->prefault.flags = pick(&fuzzer->random, 2) ? XPMEM_PREFAULT_WRITE : 0;
	spoil(fuzzer, argument, sizeof(argument->prefault));
	length = argument->prefault.length;
	if (argument->size == sizeof(argument->prefault) &&
	    issue(fuzzer, KIND_prefault, XPMEM_IOC_PREFAULT, argument, extent(argument),
		  sizeof(argument->prefault)) &&
	    argument->prefault.out_length > argument->prefault.length &&
	    argument->prefault.length == length)
		fuzz_finding("prefault of %llx did %llx", (unsigned long long)length,
			     (unsigned long long)argument->prefault.out_length);
}

static void request_id(struct fuzzer *fuzzer, union argument *argument, bool remove)
{
	unsigned int pages;

	argument->id.id = remove ? some_segid(fuzzer, &pages) : some_apid(fuzzer, &pages);
	spoil(fuzzer, argument, sizeof(argument->id));
	issue(fuzzer, remove ? KIND_remove : KIND_release,
	      remove ? XPMEM_IOC_REMOVE : XPMEM_IOC_RELEASE, argument, extent(argument), 0);
}

static void request_detach(struct fuzzer *fuzzer, union argument *argument)
{
	argument->detach.vaddr = some_address(fuzzer);
	spoil(fuzzer, argument, sizeof(argument->detach));
	issue(fuzzer, KIND_detach, XPMEM_IOC_DETACH, argument, extent(argument), 0);
}

static void request_query(struct fuzzer *fuzzer, union argument *argument)
{
	spoil(fuzzer, argument, sizeof(argument->query));
	issue(fuzzer, KIND_query, XPMEM_IOC_QUERY, argument, extent(argument), 0);
}

static void request_legacy(struct fuzzer *fuzzer, union argument *argument)
{
	unsigned int nr = pick(&fuzzer->random, 10);
	size_t size = sizeof(argument->legacy_make);
	unsigned int pages = 0;

	switch (nr) {
	case 1:
		argument->legacy_make.vaddr = (uintptr_t)fuzzer->worker->arena;
		argument->legacy_make.size = (1 + pick(&fuzzer->random, ARENA_PAGES)) * PAGE;
		argument->legacy_make.permit_type = 1;
		argument->legacy_make.permit_value = 0666;
		break;
	case 3:
		argument->legacy_get.segid = some_segid(fuzzer, &pages);
		argument->legacy_get.flags = 1 + (int)pick(&fuzzer->random, 2);
		argument->legacy_get.permit_type = 1;
		break;
	case 5:
		argument->legacy_attach.apid = some_apid(fuzzer, &pages);
		argument->legacy_attach.offset = pick(&fuzzer->random, pages) * PAGE;
		argument->legacy_attach.size = (1 + pick(&fuzzer->random, 8)) * PAGE;
		break;
	case 2:
		argument->number = some_segid(fuzzer, &pages);
		break;
	case 4:
		argument->number = some_apid(fuzzer, &pages);
		break;
	case 6:
		argument->number = (int64_t)some_address(fuzzer);
		break;
	}
	/* One 64-bit member wrong; but no hint, and no length that covers the process. */
	if (once_in(&fuzzer->random, 8) && nr != 5)
		((uint64_t *)argument)[pick(&fuzzer->random, 4)] = odd_number(&fuzzer->random);
	if (!issue(fuzzer, KIND_legacy, _IO('x', nr), argument, size, size))
		return;
	if (nr == 1)
		keep_id(fuzzer, fuzz_shared->segid, argument->legacy_make.segid,
			(unsigned int)(argument->legacy_make.size / PAGE % ARENA_PAGES));
	if (nr == 3)
		keep_apid(fuzzer, argument->legacy_get.apid, pages);
	if (nr == 5)
		attached(fuzzer, argument->legacy_attach.vaddr, argument->legacy_attach.size,
			 false);
}

/* Noise; not ATTACH, which would replace what the process is made of */
static void request_random(struct fuzzer *fuzzer, union argument *argument)
{
	unsigned long cmd = once_in(&fuzzer->random, 2) ?
				    random_bits(&fuzzer->random) :
				    _IOC(pick(&fuzzer->random, 4), 'x',
					 pick(&fuzzer->random, 256),
					 once_in(&fuzzer->random, 2) ? 0 : 40);

	for (unsigned int i = 0; i < 64; i++)
		argument->byte[i] = (unsigned char)random_bits(&fuzzer->random);
	if (_IOC_TYPE(cmd) == 'x' && (_IOC_NR(cmd) == 5 || _IOC_NR(cmd) == XPMEM_IOC_NR_ATTACH))
		return;
	issue(fuzzer, KIND_random_request, cmd, argument, 64, 0);
}

/* What must not work: the witness is root's. */
static void request_witness(struct fuzzer *fuzzer)
{
	int fd = fuzzer->worker->fd[pick(&fuzzer->random, FDS)];
	int64_t apid = fuzz_shared->witness_apid;
	void *at = NULL;
	int err;

	if (fuzzer->worker->role == ROLE_ROOT)
		return;
	if (once_in(&fuzzer->random, 2)) {
		err = raw_get(fd, fuzz_shared->witness_segid, once_in(&fuzzer->random, 2), &apid);
		fuzz_count(KIND_witness_get, !err);
		if (!err)
			fuzz_finding("the witness segment was got by a user who may not");
	} else {
		err = raw_attach(fd, apid, 0, PAGE, &at);
		fuzz_count(KIND_witness_attach, !err);
		if (!err)
			fuzz_finding("the witness was attached with another's permit");
	}
	if (err != -EACCES && err != -XPMEM_ERRNO_NOPROC && err != -EBADF && err != -ENOTTY)
		fuzz_finding("the witness was refused with errno %d", -err);
}

void fuzz_request(struct fuzzer *fuzzer)
{
	static __thread union argument argument;

	memset(&argument, 0, sizeof(argument));
	switch (pick(&fuzzer->random, 20)) {
	case 0: case 1:
		request_make(fuzzer, &argument);
		break;
	case 2: case 3: case 4:
		request_get(fuzzer, &argument);
		break;
	case 5: case 6: case 7: case 8: case 9:
		request_attach(fuzzer, &argument);
		break;
	case 10: case 11:
		request_prefault(fuzzer, &argument);
		break;
	case 12:
		request_id(fuzzer, &argument, once_in(&fuzzer->random, 3));
		break;
	case 13: case 14:
		request_detach(fuzzer, &argument);
		break;
	case 15:
		request_query(fuzzer, &argument);
		break;
	case 16: case 17:
		request_legacy(fuzzer, &argument);
		break;
	case 18:
		request_random(fuzzer, &argument);
		break;
	default:
		request_witness(fuzzer);
		break;
	}
}

void fuzz_foreign(int fd, const char *what)
{
	int64_t id = 0;
	void *at = NULL;
	size_t done;

	/* It may have been closed and be another file by now: errno is not judged. */
	if (!raw_make(fd, (void *)PAGE, PAGE, 0600, &id) ||
	    !raw_get(fd, fuzz_shared->segid[0].id, false, &id) ||
	    !raw_attach(fd, fuzz_shared->apid[0].id, 0, PAGE, &at) || !raw_detach(fd, at) ||
	    !raw_prefault(fd, (void *)PAGE, PAGE, false, &done) ||
	    !raw_remove(fd, fuzz_shared->segid[0].id) || !raw_release(fd, fuzz_shared->apid[0].id))
		fuzz_finding("a request worked through a descriptor that %s", what);
}
