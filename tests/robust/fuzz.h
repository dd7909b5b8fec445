/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fuzzer: what its processes and files share; fuzz.c says what it is.
 *
 * A worker is a process of a slot with some threads; it is killed at random and
 * started anew.  Its threads share descriptors, attachments and an arena, which
 * all of them change at any time: whatever is looked up here may be gone when
 * it is used, and that is the point.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "robust.h"

#define WORKERS 4
#define THREADS 3
#define IDS 16
#define ATTACHMENTS 16
#define FDS 4
#define ARENA_PAGES 320U	/* 256 anonymous, 32 of a memfd, 32 that userfaultfd stalls */
#define ANON_PAGES 256U
#define MEMFD_PAGES 32U
#define UFFD_PAGES 32U

enum role {
	ROLE_ROOT,
	ROLE_NOBODY,
	ROLE_NAMESPACE,		/* root in a user namespace that nobody made */
};

#define KINDS(X) \
	X(query) X(make) X(remove) X(get) X(release) X(attach) X(detach) X(prefault) \
	X(legacy) X(random_request) X(witness_get) X(witness_attach) \
	X(load) X(store) X(munmap) X(mprotect) X(mremap) X(madvise) X(mlock) X(msync) \
	X(remap_file) X(io) X(peek) X(policy) X(register_uffd) X(arena) \
	X(open) X(close) X(dup) X(send_fd) X(receive_fd) X(fork) X(exec) X(doomed) X(procfs)

enum kind {
#define X(name) KIND_##name,
	KINDS(X)
#undef X
	KIND_MAX,
};

struct id {
	_Atomic int64_t id;
	_Atomic unsigned int pages;		/* of the segment */
};

struct fuzz_shared {
	uint64_t seed;
	double start;
	_Atomic bool stop;
	_Atomic unsigned int findings;
	_Atomic uint64_t done[KIND_MAX], good[KIND_MAX];
	_Atomic uint64_t ops[WORKERS];		/* for who stands still */
	_Atomic uint64_t kills, crashes;
	struct id segid[IDS], apid[IDS];	/* of all workers, mostly living */
	_Atomic uintptr_t arena[WORKERS];
	_Atomic int pid[WORKERS];
	/* The witness: what only its user may read, and how to recognize it */
	_Atomic int64_t witness_segid, witness_apid;
	_Atomic uint64_t witness_hash;
	int socket[2];				/* descriptors travel here */
};

struct attached {
	_Atomic uintptr_t at;
	_Atomic unsigned int pages;
	_Atomic bool writable;			/* and stores there do no harm */
};

/* A process */
struct worker {
	unsigned int slot;
	enum role role;
	char *arena;
	int memfd;
	_Atomic int fd[FDS];
	struct id apid[IDS];
	struct attached attached[ATTACHMENTS];
	int uffd;
	char *uffd_area;			/* arguments that stall; UFFD_PAGES */
	char uffd_template[UFFD_PAGES][PAGE];
	char *flicker;				/* a page that comes and goes */
	char *stack;				/* of a thread that is attached over */
};

#define STACK_PAGES 64U

/* A thread */
struct fuzzer {
	struct worker *worker;
	uint64_t random;
	char *window;		/* RW, nothing, RW, RO: pages of arguments */
	char *alias;		/* of the last two, RW */
	bool stable;		/* the argument is where nobody else writes */
};

extern struct fuzz_shared *fuzz_shared;

void fuzz_finding(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t fuzz_hash(uint64_t value);

static inline void fuzz_count(enum kind kind, bool good)
{
	atomic_fetch_add_explicit(&fuzz_shared->done[kind], 1, memory_order_relaxed);
	if (good)
		atomic_fetch_add_explicit(&fuzz_shared->good[kind], 1, memory_order_relaxed);
}

/* One of the numbers that checks forget */
uint64_t odd_number(uint64_t *random);
/* An address of the worker's, mapped or not; of an attachment mostly */
uintptr_t some_address(struct fuzzer *fuzzer);

/* One operation each */
void fuzz_request(struct fuzzer *fuzzer);
void fuzz_vm(struct fuzzer *fuzzer);
void fuzz_process(struct fuzzer *fuzzer);

/* In a child or with another's descriptor: nothing but QUERY may work */
void fuzz_foreign(int fd, const char *what);

#endif /* FUZZ_H */
