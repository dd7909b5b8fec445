// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does the owner's side of a remote segment do what xpmem_owner.h says, to memory of
 * each kind, with the kernel's userfaultfd?  A process plays xpmemd.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cell.h"

#include "xpmem_ctl.h"
#include "xpmem_owner.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- xpmemd, in a process of its own: a thread for each whom it listens to. */

#define EVENTS 64
#define NO_EVENT (-1L)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static int listener, connection = -1, uffd = -1, ctl;
static unsigned int hellos;
static struct xpmem_owner_packet answer;
static char answer_text[XPMEM_OWNER_TEXT + 1];
static uint64_t last_id;
static bool refuse_fork;
/* A page that is to come home at FORK */
static char *home;
static uint64_t home_seed;
static struct uffd_msg events[EVENTS];
static unsigned int events_got, events_taken;

static long copy_page(char *addr, uint64_t seed)
{
	static char page[PAGE] __attribute__((aligned(PAGE)));
	struct uffdio_copy copy = { .dst = (uintptr_t)addr,
				    .src = (uintptr_t)page,
				    .len = PAGE };

	memory_fill(page, 0, PAGE, seed);
	return ioctl(uffd, UFFDIO_COPY, &copy) == 0 ? 0 : -errno;
}

static void send_packet(uint32_t type, uint32_t error, uint64_t id)
{
	struct xpmem_owner_packet packet = { .type = type, .error = error, .id = id };

	check(send(connection, &packet, sizeof(packet), MSG_NOSIGNAL) == sizeof(packet));
}

static void *listen_to_events(void *arg)
{
	int fd = (int)(intptr_t)arg;
	struct pollfd polls = { .fd = fd, .events = POLLIN };
	struct uffd_msg message;

	for (;;) {
		check(poll(&polls, 1, -1) == 1);
		pthread_mutex_lock(&lock);
		/* of an earlier connection: it was closed when this was written */
		if (uffd != fd) {
			pthread_mutex_unlock(&lock);
			close(fd);
			return NULL;
		}
		if (read(fd, &message, sizeof(message)) == sizeof(message)) {
			events[events_got++ % EVENTS] = message;
			pthread_cond_broadcast(&changed);
		}
		pthread_mutex_unlock(&lock);
	}
}

static int received_descriptor(struct msghdr *message)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(message);
	int fd;

	check(cmsg && cmsg->cmsg_type == SCM_RIGHTS && cmsg->cmsg_len == CMSG_LEN(sizeof(int)));
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

static bool serve_owner(void)
{
	struct xpmem_owner_packet packet;
	char text[XPMEM_OWNER_TEXT];
	union {
		char buffer[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec parts[] = { { &packet, sizeof(packet) }, { text, sizeof(text) } };
	struct msghdr message = { .msg_iov = parts,
				  .msg_iovlen = 2,
				  .msg_control = control.buffer,
				  .msg_controllen = sizeof(control.buffer) };
	ssize_t got = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
	pthread_t thread;

	if (got < (ssize_t)sizeof(packet))
		return false;
	got -= (ssize_t)sizeof(packet);
	pthread_mutex_lock(&lock);
	switch (packet.type) {
	case XPMEM_OWNER_HELLO:
		check(packet.value == XPMEM_OWNER_VERSION);
		uffd = received_descriptor(&message);
		events_got = events_taken = 0;
		check(pthread_create(&thread, NULL, listen_to_events, (void *)(intptr_t)uffd) ==
		      0);
		send_packet(XPMEM_OWNER_WELCOME, 0, 0);
		hellos++;
		break;
	case XPMEM_OWNER_FORK:
		if (home)
			check(copy_page(home, home_seed) == 0);
		home = NULL;
		send_packet(XPMEM_OWNER_ANSWER, refuse_fork ? EIO : 0, packet.id);
		break;
	case XPMEM_OWNER_ANSWER:
		if (packet.id != last_id)
			break;
		memcpy(answer_text, text, (size_t)got);
		answer_text[got] = 0;
		answer = packet;
		break;
	}
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return true;
}

static void *listen_to_owners(void *unused)
{
	for (;;) {
		connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		check(connection >= 0);
		while (serve_owner())
			;
		pthread_mutex_lock(&lock);
		close(connection);
		connection = -1;
		uffd = -1;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
	}
	return unused;
}

static void *listen_to_module(void *unused)
{
	struct xpmem_ctl_complete complete = { .size = sizeof(complete) };
	struct xpmem_ctl_record record;

	while (read(ctl, &record, sizeof(record)) == sizeof(record)) {
		complete.id = record.id;
		if (record.id)
			ioctl(ctl, XPMEM_CTL_IOC_COMPLETE, &complete);
	}
	return unused;
}

static long start(const long *args)
{
	struct xpmem_ctl_hello hello = { .size = sizeof(hello),
					 .partition = 1,
					 .lease_ms = 3000,
					 .skew_ms = 100,
					 .fault_ms = 10000 };
	pthread_t thread;

	(void)args;
	ctl = open("/dev/xpmem-ctl", O_RDWR | O_CLOEXEC);
	if (ctl < 0)
		return -errno;
	check(ioctl(ctl, XPMEM_CTL_IOC_HELLO, &hello) == 0);
	strcpy(address.sun_path, getenv("XPMEM_OWNER_SOCKET"));
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	check(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0);
	check(listen(listener, 8) == 0);
	check(pthread_create(&thread, NULL, listen_to_owners, NULL) == 0);
	check(pthread_create(&thread, NULL, listen_to_module, NULL) == 0);
	return 0;
}

/* type, address, bytes: the answer's error */
static long ask(const long *args)
{
	struct xpmem_owner_packet packet = { .type = (uint32_t)args[0],
					     .segid = board->segid[0],
					     .first = (uint64_t)args[1],
					     .count = (uint64_t)args[2] };

	pthread_mutex_lock(&lock);
	packet.id = ++last_id;
	check(send(connection, &packet, sizeof(packet), MSG_NOSIGNAL) == sizeof(packet));
	while (answer.id != last_id)
		pthread_cond_wait(&changed, &lock);
	board->value[0] = answer.value;
	board->value[1] = answer.count;
	memcpy(&board->value[8], answer_text, sizeof(answer_text));
	pthread_mutex_unlock(&lock);
	return answer.error;
}

/* address, bytes, whether: 0 or -errno */
static long protect(const long *args)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = (uint64_t)args[0], .len = (uint64_t)args[1] },
		.mode = args[2] ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(uffd, UFFDIO_WRITEPROTECT, &wp) == 0 ? 0 : -errno;
}

/* address, seed */
static long store(const long *args)
{
	return copy_page((char *)args[0], (uint64_t)args[1]);
}

/* milliseconds to wait: event | flags << 8, and its addresses; or NO_EVENT */
static long next_event(const long *args)
{
	const struct uffd_msg *event;
	long result = NO_EVENT;
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += args[0] / 1000;
	until.tv_nsec += args[0] % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&lock);
	while (events_taken == events_got &&
	       pthread_cond_timedwait(&changed, &lock, &until) == 0)
		;
	if (events_taken != events_got) {
		event = &events[events_taken++ % EVENTS];
		result = event->event;
		if (event->event == UFFD_EVENT_PAGEFAULT) {
			result |= (long)event->arg.pagefault.flags << 8;
			board->value[0] = event->arg.pagefault.address & ~(PAGE - 1);
		} else {
			board->value[0] = event->arg.remap.from;
			board->value[1] = event->arg.remap.to;
		}
	}
	pthread_mutex_unlock(&lock);
	return result;
}

/* address, seed, whether to refuse: what happens at FORK */
static long at_fork(const long *args)
{
	home = (char *)args[0];
	home_seed = (uint64_t)args[1];
	refuse_fork = args[2];
	return 0;
}

/* As if it died: the connection ends, and nobody listens until come_back */
static long go_away(const long *args)
{
	(void)args;
	unlink(address.sun_path);
	pthread_mutex_lock(&lock);
	shutdown(connection, SHUT_RDWR);
	while (connection >= 0)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	return 0;
}

static long come_back(const long *args)
{
	unsigned int before = hellos;
	char other[sizeof(address.sun_path)];

	/* the listener's socket under its name again */
	(void)args;
	snprintf(other, sizeof(other), "%.100s.away", address.sun_path);
	check(rename(other, address.sun_path) == 0);
	pthread_mutex_lock(&lock);
	while (hellos == before)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	return 0;
}

/* ---- The owner. */

static struct peer *xpmemd;

#define ask_for(type, at, size) peer_call(xpmemd, ask, type, (long)(at), (long)(size))
#define asked_text ((const char *)&board->value[8])

/* What a thread that waits for a page does, and what it found */
struct access {
	char *at;
	bool write;
	_Atomic bool done;
	uint64_t found;
	pthread_t thread;
};

static void *run_access(void *arg)
{
	struct access *access = arg;
	volatile uint64_t *word = (volatile uint64_t *)access->at;

	access->found = *word;
	if (access->write)
		*word = 4711;
	access->done = true;
	return NULL;
}

static void begin_access(struct access *access, char *at, bool write)
{
	*access = (struct access){ .at = at, .write = write };
	check(pthread_create(&access->thread, NULL, run_access, access) == 0);
}

static void end_access(struct access *access)
{
	check(pthread_join(access->thread, NULL) == 0);
	check(access->done);
}

/* Of a unit of so many bytes; for hugetlb the kernel may tell the unit's address */
static void expect_fault_in(const char *at, size_t unit, uint64_t flags)
{
	check(peer_call(xpmemd, next_event, 5000) ==
	      (long)(UFFD_EVENT_PAGEFAULT | flags << 8));
	check(board->value[0] - (uintptr_t)at < unit);
}

static void expect_fault(const char *at, uint64_t flags)
{
	expect_fault_in(at, PAGE, flags);
}

static void expect_event(int event, const void *at)
{
	check(peer_call(xpmemd, next_event, 5000) == event);
	check(board->value[0] == (uintptr_t)at);
}

static void expect_no_event(void)
{
	check(peer_call(xpmemd, next_event, 100) == NO_EVENT);
}

static void make_remote(void *at, size_t size)
{
	check(xpmem_make_remote(at, size, XPMEM_PERMIT_MODE, (void *)0600, XPMEM_REMOTE_WRITE,
				&board->segid[0]) == 0);
}

/* The life of a page: shared, stored to, given away, back, given away, lost */
static void life_of_page(const char *name, char *at)
{
	struct access access;

	fprintf(stderr, "%s\n", name);
	memory_fill(at, 0, PAGE, 1);
	check(ask_for(XPMEM_OWNER_GIVE_UP, at, PAGE) == EAGAIN);
	check(peer_call(xpmemd, protect, (long)at, PAGE, 1) == -ENOENT);
	check(ask_for(XPMEM_OWNER_TRAP, at, PAGE) == 0);
	check(board->value[0] == PAGE && board->value[1] == PAGE);
	check(ask_for(XPMEM_OWNER_GIVE_UP, at, PAGE) == EAGAIN);
	check(memory_differs(at, 0, PAGE, 1) == PAGE);

	/* shared: loads go on, a store waits */
	check(peer_call(xpmemd, protect, (long)at, PAGE, 1) == 0);
	check(memory_differs(at, 0, PAGE, 1) == PAGE);
	begin_access(&access, at, true);
	expect_fault(at, UFFD_PAGEFAULT_FLAG_WP | UFFD_PAGEFAULT_FLAG_WRITE);
	check(!access.done);
	check(peer_call(xpmemd, protect, (long)at, PAGE, 0) == 0);
	end_access(&access);
	check(*(uint64_t *)at == 4711);
	/* the owner has stored since: it is not what was copied */
	check(ask_for(XPMEM_OWNER_GIVE_UP, at, PAGE) == EAGAIN);

	/* away: a load waits, and finds what comes back */
	check(peer_call(xpmemd, protect, (long)at, PAGE, 1) == 0);
	check(ask_for(XPMEM_OWNER_LOST, at, PAGE) == EEXIST);
	check(ask_for(XPMEM_OWNER_GIVE_UP, at, PAGE) == 0);
	begin_access(&access, at, false);
	expect_fault(at, 0);
	check(!access.done);
	check(peer_call(xpmemd, store, (long)at, 2) == 0);
	end_access(&access);
	check(memory_differs(at, 0, PAGE, 2) == PAGE);
	expect_no_event();

	/* lost */
	check(peer_call(xpmemd, protect, (long)at, PAGE, 1) == 0);
	check(ask_for(XPMEM_OWNER_GIVE_UP, at, PAGE) == 0);
	check(ask_for(XPMEM_OWNER_LOST, at, PAGE) == 0);
	expect_event(UFFD_EVENT_UNMAP, at);
	check(try_read(at, NULL) == SIGBUS);
	check(try_write(at, 1) == SIGBUS);
	check(mmap(at, PAGE, MAP_RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at);
	check(try_write(at, 1) == 0);
	expect_no_event();
}

static void small_pages(void)
{
	char *at = map_anon(8 * PAGE);

	no_huge_pages(at, 8 * PAGE);
	memory_fill(at, 0, 8 * PAGE, 9);
	make_remote(at, 8 * PAGE);
	life_of_page("small page", at + 2 * PAGE);
	check(memory_differs(at, 0, 2 * PAGE, 9) == 2 * PAGE);
	/* locked in memory */
	check(mlock(at + 4 * PAGE, PAGE) == 0);
	life_of_page("locked page", at + 4 * PAGE);

	/* what the owner does to trapped memory is told */
	check(ask_for(XPMEM_OWNER_TRAP, at + 5 * PAGE, 3 * PAGE) == 0);
	check(munmap(at + 5 * PAGE, PAGE) == 0);
	expect_event(UFFD_EVENT_UNMAP, at + 5 * PAGE);
	check(mremap(at + 6 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at + 5 * PAGE) ==
	      at + 5 * PAGE);
	expect_event(UFFD_EVENT_REMAP, at + 6 * PAGE);
	check(board->value[1] == (uintptr_t)at + 5 * PAGE);
	check(xpmem_remove(board->segid[0]) == 0);
	/* and no longer when it is no segment any more */
	check(munmap(at, 8 * PAGE) == 0);
}

static void refused(void)
{
	static char data[2 * PAGE] __attribute__((aligned(PAGE))) = "initialised";
	char *at = map_anon(8 * PAGE);
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	check(mmap(at + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, 0) == at + PAGE);
	check(mmap(at + 2 * PAGE, PAGE, MAP_RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	      at + 2 * PAGE);
	check(munmap(at + 4 * PAGE, PAGE) == 0);
	make_remote(NULL, XPMEM_MAXADDR_SIZE);
	check(ask_for(XPMEM_OWNER_TRAP, at, 3 * PAGE) == EOPNOTSUPP);
	check(board->value[0] == PAGE && strstr(asked_text, "remote_make"));
	check(ask_for(XPMEM_OWNER_TRAP, at + 2 * PAGE, PAGE) == EOPNOTSUPP);
	check(strstr(asked_text, "rw-s"));
	check(ask_for(XPMEM_OWNER_TRAP, at + 3 * PAGE, 3 * PAGE) == EFAULT);
	check(board->value[0] == PAGE);
	check(ask_for(XPMEM_OWNER_TRAP, at + 4 * PAGE, PAGE) == EFAULT);
	data[0]++;
	check(ask_for(XPMEM_OWNER_TRAP, data, PAGE) == EOPNOTSUPP);
	check(strstr(asked_text, "remote_make"));
	check(ask_for(XPMEM_OWNER_TRAP, (uintptr_t)&puts & ~(PAGE - 1), PAGE) == EOPNOTSUPP);
	/* of the C library, which the helper uses */
	check(ask_for(XPMEM_OWNER_TRAP, (uintptr_t)stderr & ~(PAGE - 1), PAGE) == EOPNOTSUPP);
	check(xpmem_remove(board->segid[0]) == 0);
	close(file);
}

static void transparent_huge_page(void)
{
	char *map = map_anon(3 * HUGE), *at = (char *)(((uintptr_t)map + HUGE - 1) & ~(HUGE - 1));
	char *page = at + 100 * PAGE;

	if (madvise(at, HUGE, MADV_HUGEPAGE)) {
		check(errno == EINVAL && access("/sys/kernel/mm/transparent_hugepage", F_OK));
		printf("skipped: huge pages: not in this kernel\n");
		return;
	}
	memory_fill(at, 0, HUGE, 3);
	if (memory_smaps(at, "AnonHugePages:") < HUGE)
		fprintf(stderr, "no huge page here\n");
	make_remote(at, 2 * HUGE);
	check(ask_for(XPMEM_OWNER_TRAP, at, HUGE) == 0);
	check(peer_call(xpmemd, protect, (long)page, PAGE, 1) == 0);
	check(ask_for(XPMEM_OWNER_GIVE_UP, page, PAGE) == 0);
	check(peer_call(xpmemd, store, (long)page, 4) == 0);
	check(memory_differs(page, 0, PAGE, 4) == PAGE);
	check(memory_differs(at, 0, 100 * PAGE, 3) == 100 * PAGE);
	check(memory_differs(at, 101 * PAGE, HUGE, 3) == HUGE);
	/* all of it at once */
	check(peer_call(xpmemd, protect, (long)at, HUGE, 1) == 0);
	check(ask_for(XPMEM_OWNER_GIVE_UP, at, HUGE) == 0);
	check(peer_call(xpmemd, store, (long)page, 5) == 0);
	check(memory_differs(page, 0, PAGE, 5) == PAGE);
	check(xpmem_remove(board->segid[0]) == 0);
	check(munmap(map, 3 * HUGE) == 0);
}

static void stack(void)
{
	char room[4 * PAGE], *at = (char *)(((uintptr_t)room + PAGE - 1) & ~(PAGE - 1));

	make_remote(at, 2 * PAGE);
	life_of_page("stack", at + PAGE);
	check(xpmem_remove(board->segid[0]) == 0);
}

/* Two pages, filled; NULL: there are none */
static char *map_hugetlb(void)
{
	char *map = mmap(NULL, 2 * HUGE, MAP_RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (map == MAP_FAILED || madvise(map, 2 * HUGE, MADV_POPULATE_WRITE)) {
		fprintf(stderr, "no hugetlb pages here\n");
		return NULL;
	}
	memory_fill(map, 0, 2 * HUGE, 6);
	return map;
}

static void hugetlb(void)
{
	char *map = map_hugetlb();
	struct access access;

	if (!map)
		return;
	make_remote(map, 2 * HUGE);
	check(ask_for(XPMEM_OWNER_TRAP, map + 5 * PAGE, 2 * PAGE) == 0);
	check(board->value[0] == 2 * PAGE && board->value[1] == HUGE);
	check(peer_call(xpmemd, protect, (long)map, HUGE, 1) == 0);
	check(memory_differs(map, 0, HUGE, 6) == HUGE);
	begin_access(&access, map + 7 * PAGE, true);
	expect_fault_in(map, HUGE, UFFD_PAGEFAULT_FLAG_WP | UFFD_PAGEFAULT_FLAG_WRITE);
	check(peer_call(xpmemd, protect, (long)map, HUGE, 0) == 0);
	end_access(&access);
	check(ask_for(XPMEM_OWNER_GIVE_UP, map, HUGE) == EAGAIN);
	check(peer_call(xpmemd, protect, (long)map, HUGE, 1) == 0);
	check(ask_for(XPMEM_OWNER_GIVE_UP, map, PAGE) == EINVAL);
	check(ask_for(XPMEM_OWNER_GIVE_UP, map, HUGE) == 0);
	check(ask_for(XPMEM_OWNER_LOST, map, HUGE) == 0);
	check(try_read(map, NULL) == SIGBUS);
	check(memory_differs(map, HUGE, 2 * HUGE, 6) == 2 * HUGE);
	check(xpmem_remove(board->segid[0]) == 0);
	check(munmap(map, 2 * HUGE) == 0);
}

/*
 * Ordinary memory takes the place of a page of hugetlb, of which a part is in the segment:
 * nothing is lost, and it is as protected as it was.
 */
static void split(void)
{
	char *map = map_hugetlb(), *at;
	struct access access;

	if (!map)
		return;
	at = map + HUGE - 8 * PAGE;
	make_remote(at, 16 * PAGE);
	check(ask_for(XPMEM_OWNER_TRAP, at, 16 * PAGE) == 0);
	check(ask_for(XPMEM_OWNER_SPLIT, at, PAGE) == EAGAIN);
	check(peer_call(xpmemd, protect, (long)map, HUGE, 1) == 0);
	check(ask_for(XPMEM_OWNER_SPLIT, at + PAGE, PAGE) == 0);
	expect_event(UFFD_EVENT_UNMAP, map);
	check(peer_call(xpmemd, next_event, 5000) == UFFD_EVENT_REMAP);
	check(board->value[1] == (uintptr_t)map);
	check(peer_call(xpmemd, next_event, 5000) == UFFD_EVENT_UNMAP);	/* where it was prepared */
	check(memory_smaps(map, "Private_Hugetlb:") == 0);
	check(memory_smaps(map + HUGE, "Private_Hugetlb:") == HUGE);
	check(memory_differs(map, 0, 2 * HUGE, 6) == 2 * HUGE);
	/* once is enough */
	check(ask_for(XPMEM_OWNER_SPLIT, at + PAGE, PAGE) == 0);
	expect_no_event();

	begin_access(&access, at, true);
	expect_fault(at, UFFD_PAGEFAULT_FLAG_WP | UFFD_PAGEFAULT_FLAG_WRITE);
	check(!access.done);
	check(peer_call(xpmemd, protect, (long)at, PAGE, 0) == 0);
	end_access(&access);
	check(ask_for(XPMEM_OWNER_GIVE_UP, at + PAGE, PAGE) == 0);
	begin_access(&access, at + PAGE, false);
	expect_fault(at + PAGE, 0);
	check(peer_call(xpmemd, store, (long)(at + PAGE), 7) == 0);
	end_access(&access);
	check(memory_differs(at + PAGE, 0, PAGE, 7) == PAGE);
	check(memory_differs(map, 0, HUGE - 8 * PAGE, 6) == HUGE - 8 * PAGE);
	check(memory_differs(map, HUGE, 2 * HUGE, 6) == 2 * HUGE);

	/* what the owner may not store to stays so */
	check(mprotect(map + HUGE, HUGE, PROT_READ) == 0);
	check(peer_call(xpmemd, protect, (long)(map + HUGE), HUGE, 1) == 0);
	check(ask_for(XPMEM_OWNER_SPLIT, map + HUGE, PAGE) == 0);
	check(try_write(map + HUGE + 9 * PAGE, 1) == SIGSEGV);
	check(memory_differs(map, HUGE, 2 * HUGE, 6) == 2 * HUGE);
	check(xpmem_remove(board->segid[0]) == 0);
	check(munmap(map, 2 * HUGE) == 0);
}

/* A page that is away when the process forks, or removes the segment */
static void comes_home(void)
{
	char *at = map_anon(4 * PAGE);
	int status;
	pid_t pid;

	no_huge_pages(at, 4 * PAGE);
	memory_fill(at, 0, 4 * PAGE, 7);
	make_remote(at, 4 * PAGE);
	check(ask_for(XPMEM_OWNER_TRAP, at, 4 * PAGE) == 0);
	for (int refuse = 0; refuse < 2; refuse++) {
		check(peer_call(xpmemd, protect, (long)at, PAGE, 1) == 0);
		check(ask_for(XPMEM_OWNER_GIVE_UP, at, PAGE) == 0);
		peer_call(xpmemd, at_fork, refuse ? 0 : (long)at, 8, refuse);
		pid = fork();
		if (pid == 0) {
			uint64_t unused;

			if (refuse)
				_exit(try_read(at, &unused) != SIGBUS ||
				      memory_differs(at, PAGE, 4 * PAGE, 7) != 4 * PAGE);
			_exit(memory_differs(at, 0, PAGE, 8) != PAGE);
		}
		check(waitpid(pid, &status, 0) == pid && status == 0);
		if (refuse)
			check(peer_call(xpmemd, store, (long)at, 8) == 0);
		check(memory_differs(at, 0, PAGE, 8) == PAGE);
	}
	/* removal */
	check(peer_call(xpmemd, protect, (long)at, 2 * PAGE, 1) == 0);
	check(ask_for(XPMEM_OWNER_GIVE_UP, at, 2 * PAGE) == 0);
	peer_call(xpmemd, at_fork, (long)at, 9, 1);
	check(xpmem_remove(board->segid[0]) == 0);
	check(memory_differs(at, 0, PAGE, 9) == PAGE);
	check(try_read(at + PAGE, NULL) == SIGBUS);
	check(memory_differs(at, 2 * PAGE, 4 * PAGE, 7) == 4 * PAGE);
	peer_call(xpmemd, at_fork, 0, 0, 0);
	check(munmap(at, 4 * PAGE) == 0);
}

/* xpmemd dies when it has read of a fault, and another comes */
static void daemon_dies(void)
{
	char *at = map_anon(4 * PAGE), away[200];
	const char *path = getenv("XPMEM_OWNER_SOCKET");
	struct access access;

	no_huge_pages(at, 4 * PAGE);
	memory_fill(at, 0, 4 * PAGE, 7);
	make_remote(at, 4 * PAGE);
	check(ask_for(XPMEM_OWNER_TRAP, at, 4 * PAGE) == 0);
	check(peer_call(xpmemd, protect, (long)at, PAGE, 1) == 0);
	check(ask_for(XPMEM_OWNER_GIVE_UP, at, PAGE) == 0);
	begin_access(&access, at, false);
	expect_fault(at, 0);
	snprintf(away, sizeof(away), "%s.away", path);
	check(link(path, away) == 0);
	peer_call(xpmemd, go_away);

	/* the owner can go on with what is its own */
	check(munmap(at + 2 * PAGE, PAGE) == 0);
	check(mremap(at + 3 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at + 2 * PAGE) ==
	      at + 2 * PAGE);
	check(!access.done);
	peer_call(xpmemd, come_back);
	expect_fault(at, 0);
	check(peer_call(xpmemd, store, (long)at, 8) == 0);
	end_access(&access);
	check(memory_differs(at, 0, PAGE, 8) == PAGE);
	check(xpmem_remove(board->segid[0]) == 0);
	check(munmap(at, 4 * PAGE) == 0);
}

int main(void)
{
	char path[100];
	long rc;

	test_begin(120);
	snprintf(path, sizeof(path), "/tmp/xpmem-owner-test.%d", getpid());
	setenv("XPMEM_OWNER_SOCKET", path, 1);
	xpmemd = peer_start();
	rc = peer_call(xpmemd, start);
	if (rc == -ENOENT)
		skip("this module has no /dev/xpmem-ctl");
	check(rc == 0);
	small_pages();
	refused();
	transparent_huge_page();
	stack();
	hugetlb();
	split();
	comes_home();
	daemon_dies();
	unlink(path);
	peer_stop(xpmemd);
	return 0;
}
