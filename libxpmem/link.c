// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The link thread: the connection to xpmemd.
 *
 *             connected            WELCOME
 *   APART ───────────────► CALLING ─────────► TALKING
 *     ▲  └─ again, later      │                  │
 *     └───────────────────────┴──────────────────┘
 *        hung up, refused, no answer, nonsense
 *
 * The first time there is no "again": whoever makes the segment is told.  Later it is
 * tried for ever.
 *
 * While TALKING xpmemd reads the events of the userfaultfd.  Else the link does, and
 * drops them: so an owner that unmaps memory does not wait for an xpmemd that may
 * never come.  Threads that wait for a page go on waiting, also those whose event a
 * dead xpmemd had read.  After each WELCOME but the first all are woken, fault again,
 * and so tell the new one.
 *
 * Held.  With WANT_HOLD the link sends FORK, and FORKED when that is over; a new
 * connection begins with FORK if it still is.  Without a connection pages are at
 * home if none was given up since they last were.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "remote.h"
#include "userfault.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* milliseconds */
#define ANSWER_MS    5000 /* for WELCOME */
#define RETRY_MIN_MS 10
#define RETRY_MAX_MS 1000
#define FORK_MAX_MS  120000

enum {
	APART,
	CALLING,
	TALKING
};

enum {
	FREE,
	ASKED,
	FROZEN,
	REFUSED
};

struct link {
	struct remote *remote;
	int state;
	int socket;	  /* unless APART */
	int64_t deadline; /* APART: of the next try; CALLING: of WELCOME */
	int64_t give_up;  /* of the first connection */
	int retry;
	bool made;	/* there was a WELCOME */
	bool same;	/* the question came by this connection */
	int hold;	/* what FORK came to */
	uint64_t calls; /* last id of FORK */

	bool pending; /* there is a packet to send: @out and @text */
	struct xpmem_owner_packet out;
	char text[XPMEM_OWNER_TEXT];
	size_t text_length;
};

void link_kick(const struct remote *remote)
{
	/* blocked there, and read as a file; ignored where it is not blocked */
	pthread_kill(remote->link, SIGURG);
}

static void tell(_Atomic uint32_t *word, uint32_t value)
{
	if (*word == 0)
		word_set(word, value);
}

static void hang_up(struct link *link)
{
	if (link->state != APART)
		close(link->socket);
	link->state = APART;
	link->pending = false;
	link->same = false;
	link->hold = FREE;
	link->deadline = word_clock() + link->retry;
	link->retry *= 2;
	if (link->retry > RETRY_MAX_MS)
		link->retry = RETRY_MAX_MS;
}

/* A connection failed.  The first time that is told to who makes the segment. */
static void fail(struct link *link, int error)
{
	hang_up(link);
	if (!link->made)
		tell(&link->remote->started, STARTED + (uint32_t)error);
}

/* ---------------------------------------------------------------- sending */

static void flush(struct link *link)
{
	struct iovec parts[] = {
		{ &link->out, sizeof(link->out) },
		{ link->text, link->text_length },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	union {
		char buffer[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct cmsghdr *cmsg;

	if (!link->pending)
		return;
	if (link->out.type == XPMEM_OWNER_HELLO) {
		memset(&control, 0, sizeof(control));
		message.msg_control = control.buffer;
		message.msg_controllen = sizeof(control.buffer);
		cmsg = CMSG_FIRSTHDR(&message);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &link->remote->userfault, sizeof(int));
	}
	if (sendmsg(link->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		link->pending = false;
	else if (errno != EAGAIN && errno != EINTR)
		fail(link, ENOTCONN);
}

/* Only when nothing is pending. */
static void send_packet(struct link *link, uint32_t type, uint64_t id,
			uint64_t value)
{
	memset(&link->out, 0, sizeof(link->out));
	link->out.type = type;
	link->out.id = id;
	link->out.segid = link->remote->segid;
	link->out.value = value;
	link->text_length = 0;
	link->pending = true;
	flush(link);
}

/* The helper has answered. */
static void pass_on(struct link *link)
{
	struct remote *remote = link->remote;

	if (link->same) {
		link->out = remote->answer;
		link->text_length = remote->answer.error ? remote->text_length :
							   0;
		memcpy(link->text, remote->text, link->text_length);
		link->pending = true;
	}
	link->same = false;
	remote->job = JOB_NONE;
	flush(link);
}

/* ------------------------------------------------------------- connecting */

static void connect_now(struct link *link)
{
	const struct sockaddr_un *address = &link->remote->daemon;
	int error;

	link->socket = socket(AF_UNIX,
			      SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (link->socket < 0) {
		fail(link, errno);
		return;
	}
	link->state = CALLING;
	if (connect(link->socket, (const struct sockaddr *)address,
		    sizeof(*address)) == 0) {
		link->deadline = word_clock() + ANSWER_MS;
		send_packet(link, XPMEM_OWNER_HELLO, 0, XPMEM_OWNER_VERSION);
		return;
	}
	error = errno;
	if (error == EAGAIN || error == EINTR) {
		/* it is there, and has others to talk to */
		if (word_clock() < link->give_up)
			hang_up(link);
		else
			fail(link, ETIMEDOUT);
	} else if (error == EACCES || error == EPERM) {
		fail(link, EACCES);
	} else {
		fail(link, ENOTCONN);
	}
}

static void welcome(struct link *link, const struct xpmem_owner_packet *packet)
{
	struct remote *remote = link->remote;
	uint64_t fork_ms = packet->value;

	if (packet->error) {
		remote->gone = link->made && packet->error == ENOENT;
		fail(link, packet->error < 4096 ? (int)packet->error : EACCES);
		return;
	}
	if (fork_ms < XPMEM_OWNER_FORK_MS)
		fork_ms = XPMEM_OWNER_FORK_MS;
	remote->fork_ms = fork_ms > FORK_MAX_MS ? FORK_MAX_MS :
						  (uint32_t)fork_ms;
	link->state = TALKING;
	link->retry = RETRY_MIN_MS;
	if (link->made)
		userfault_wake_all(remote->userfault);
	link->made = true;
	tell(&remote->started, STARTED);
}

/* -------------------------------------------------------------- receiving */

static void heard(struct link *link, const struct xpmem_owner_packet *packet)
{
	struct remote *remote = link->remote;

	if (link->state == CALLING) {
		if (packet->type == XPMEM_OWNER_WELCOME)
			welcome(link, packet);
		else
			fail(link, ENOTCONN);
		return;
	}
	if (packet->type != XPMEM_OWNER_ANSWER) {
		remote->question = *packet;
		link->same = true;
		word_set(&remote->job, JOB_ASKED);
		return;
	}
	if (link->hold != ASKED || packet->id != link->calls)
		return;
	link->hold = packet->error ? REFUSED : FROZEN;
	if (link->hold == FROZEN)
		remote->away.count = 0;
}

static void receive(struct link *link)
{
	struct xpmem_owner_packet packet;
	char text[XPMEM_OWNER_TEXT];
	struct iovec parts[] = {
		{ &packet, sizeof(packet) },
		{ text, sizeof(text) },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t got = recvmsg(link->socket, &message, MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got < (ssize_t)sizeof(packet))
		fail(link, ENOTCONN);
	else
		heard(link, &packet);
}

/* ------------------------------------------------------------ the thread */

/* Hold, or no longer.  Called with nothing pending. */
static void hold(struct link *link, bool wanted)
{
	struct remote *remote = link->remote;

	if (!wanted) {
		if (link->hold != FREE)
			send_packet(link, XPMEM_OWNER_FORKED, 0, 0);
		link->hold = FREE;
		return;
	}
	if (link->state == TALKING && link->hold == FREE) {
		link->hold = ASKED;
		send_packet(link, XPMEM_OWNER_FORK, ++link->calls, 0);
	}
	if (link->hold == FROZEN ||
	    (link->state == APART && !remote->away.count &&
	     remote->job == JOB_NONE))
		tell(&remote->held, HELD);
	else if (link->hold == REFUSED || remote->gone)
		tell(&remote->held, HELD_REFUSED);
}

/*
 * Not to be connected: nobody wants it, or pages are at home without a connection, and
 * with one could leave before FORK has arrived, or the segment is no more.
 */
static bool is_resting(const struct link *link)
{
	const struct remote *remote = link->remote;
	uint32_t want = remote->want;

	return want == WANT_APART || want == WANT_END || remote->gone ||
	       (want == WANT_HOLD && remote->held == HELD);
}

/* What can be done now without waiting. */
static void work(struct link *link)
{
	struct remote *remote = link->remote;
	uint32_t want = remote->want;

	flush(link);
	if (remote->job == JOB_DONE && !link->pending)
		pass_on(link);
	if (want == WANT_APART || want == WANT_END) {
		if (link->state != APART)
			hang_up(link);
		return;
	}
	if (link->state == CALLING && word_clock() >= link->deadline)
		fail(link, ETIMEDOUT);
	if (link->state == APART && !is_resting(link) &&
	    word_clock() >= link->deadline)
		connect_now(link);
	if (!link->pending)
		hold(link, want == WANT_HOLD);
}

static bool is_over(const struct link *link)
{
	const struct remote *remote = link->remote;

	return remote->job != JOB_ASKED &&
	       (remote->want == WANT_END ||
		(!link->made && remote->started > STARTED));
}

static int wait_ms(const struct link *link)
{
	int64_t left = link->deadline - word_clock();

	if (link->state == TALKING ||
	    (link->state == APART && is_resting(link)))
		return -1;
	return left < 0 ? 0 : (int)left;
}

static void wait_for_work(struct link *link)
{
	const struct remote *remote = link->remote;
	struct pollfd polls[] = {
		{ .fd = remote->kicks, .events = POLLIN },
		{ .fd = link->state == APART ? -1 : link->socket },
		{ .fd = link->state == TALKING ? -1 : remote->userfault,
		  .events = POLLIN },
	};
	struct signalfd_siginfo kicks[4];

	if (link->pending)
		polls[1].events = POLLOUT;
	else if (remote->job == JOB_NONE)
		polls[1].events = POLLIN;
	if (poll(polls, 3, wait_ms(link)) <= 0)
		return;
	if (polls[0].revents && read(remote->kicks, kicks, sizeof(kicks)) < 0)
		polls[0].revents = 0;
	if (polls[2].revents)
		userfault_drain(remote->userfault);
	if (polls[1].revents & POLLIN)
		receive(link);
	else if (polls[1].revents & (POLLHUP | POLLERR))
		fail(link, ENOTCONN);
}

void *link_main(void *arg)
{
	struct remote *remote = arg;
	struct link link = {
		.remote = remote,
		.state = APART,
		.retry = RETRY_MIN_MS,
		.give_up = word_clock() + ANSWER_MS,
	};

	prctl(PR_SET_NAME, "xpmem-link");
	for (;;) {
		work(&link);
		if (is_over(&link))
			break;
		wait_for_work(&link);
	}
	if (link.state != APART)
		close(link.socket);
	close(remote->userfault);
	close(remote->pagemap);
	close(remote->lost);
	close(remote->kicks);
	word_set(&remote->job, JOB_END);
	return NULL;
}
