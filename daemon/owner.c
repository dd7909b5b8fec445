// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who is at the other end is what the kernel says (SO_PEERCRED), never a packet.
 * Everybody may connect: so a connection that says nothing ends soon, there are few of
 * them, and a user can't have more segments than the administrator gives him.
 *
 * A question is sent without waiting.  A helper that lets its socket fill up is
 * disconnected: the answers it owes come after it has connected again.
 */
#include "owner.h"

#include "closer.h"
#include "log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77			/* Linux 6.5 */
#endif

#define HELLO_USEC		(5 * 1000000ULL)
#define CONNECTIONS_MAX		4096u
#define STRANGERS_MAX		64u	/* that have said no HELLO yet */
#define PACKETS_PER_TURN	16
#define DESCRIPTORS_MAX		253u	/* SCM_MAX_FD of the kernel */
#define CLOSING_MAX		1024u
#define CLOSING_USEC		100000ULL

struct xpmd_owner {
	struct xpmd_owner *next, **at;
	struct xpmd_owners *owners;
	int fd;
	struct ucred peer;
	sd_event_source *socket, *events, *timer;
	struct xpmd_uffd *uffd;
	void *export;		/* NULL: a stranger */
};

struct xpmd_owners {
	sd_event *event;
	char *path;
	int fd;
	sd_event_source *source, *later;
	unsigned int segments_per_user, connections, strangers;
	uint64_t fork_ms;
	const struct xpmd_owner_ops *ops;
	void *ctx;
	struct xpmd_owner *head;
};

void xpmd_owner_close(struct xpmd_owner *owner)
{
	struct xpmd_owners *owners = owner->owners;

	owners->connections--;
	if (!owner->export)
		owners->strangers--;
	*owner->at = owner->next;
	if (owner->next)
		owner->next->at = owner->at;
	sd_event_source_disable_unref(owner->socket);
	sd_event_source_disable_unref(owner->events);
	sd_event_source_disable_unref(owner->timer);
	xpmd_uffd_put(owner->uffd);
	shutdown(owner->fd, SHUT_RDWR);		/* at once, to who is at the other end */
	xpmd_closer_close(owner->fd, owner->peer.uid);
	free(owner);
}

static void end(struct xpmd_owner *owner)
{
	struct xpmd_owners *owners = owner->owners;
	void *export = owner->export;

	xpmd_owner_close(owner);
	if (export)
		owners->ops->gone(owners->ctx, export);
}

/* ---- userfaultfd */

static void event_fault(void *ctx, uint64_t address, bool missing, bool write)
{
	struct xpmd_owner *owner = ctx;

	owner->owners->ops->fault(owner->owners->ctx, owner->export, address, missing, write);
}

static void event_moved(void *ctx, uint64_t from, uint64_t to, uint64_t bytes)
{
	struct xpmd_owner *owner = ctx;

	owner->owners->ops->moved(owner->owners->ctx, owner->export, from, to, bytes);
}

static void event_unmapped(void *ctx, uint64_t start, uint64_t end_address)
{
	struct xpmd_owner *owner = ctx;

	owner->owners->ops->unmapped(owner->owners->ctx, owner->export, start, end_address);
}

static int on_events(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
	static const struct xpmd_uffd_ops ops = { event_fault, event_moved, event_unmapped };
	struct xpmd_owner *owner = ctx;
	int rc;

	(void)fd;
	rc = revents & EPOLLIN ? xpmd_uffd_read(owner->uffd, &ops, owner) : -EPIPE;
	if (rc < 0)	/* the process is no more; the socket tells it, too */
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

/* ---- Packets */

void xpmd_owner_send(struct xpmd_owner *owner, const struct xpmem_owner_packet *packet)
{
	if (send(owner->fd, packet, sizeof(*packet), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return;
	if (errno == EAGAIN)
		xpmd_log(LOG_WARNING, "the helper of process %d does not read", owner->peer.pid);
	shutdown(owner->fd, SHUT_RDWR);	/* the loop finds its end */
}

static void send_welcome(struct xpmd_owner *owner, int64_t segid, int error, const char *text)
{
	struct {
		struct xpmem_owner_packet packet;
		char text[XPMEM_OWNER_TEXT];
	} reply = {
		.packet = {
			.type = XPMEM_OWNER_WELCOME, .error = (uint32_t)-error, .segid = segid,
			.value = owner->owners->fork_ms,
		},
	};
	size_t length = strnlen(text, XPMEM_OWNER_TEXT);

	memcpy(reply.text, text, length);
	if (send(owner->fd, &reply, sizeof(reply.packet) + length,
		 MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		shutdown(owner->fd, SHUT_RDWR);
}

static unsigned int segments_of(const struct xpmd_owners *owners, uid_t uid)
{
	unsigned int n = 0;

	for (const struct xpmd_owner *owner = owners->head; owner; owner = owner->next)
		n += owner->export && owner->peer.uid == uid;
	return n;
}

/*
 * The pid in SO_PEERCRED is of who connected, and may be another's by now.  Where the
 * kernel has a descriptor of the process, ask whether it still lives.
 */
static bool peer_lives(const struct xpmd_owner *owner)
{
	socklen_t size = sizeof(int);
	int pidfd;
	bool lives;

	if (getsockopt(owner->fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) < 0)
		return errno == ENOPROTOOPT || errno == EINVAL;
	lives = syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0 || errno == EPERM;
	close(pidfd);
	return lives;
}

/* *@fd is -1 if it was taken over. */
static int accept_hello(struct xpmd_owner *owner, const struct xpmem_owner_packet *packet, int *fd,
			char *text)
{
	struct xpmd_owners *owners = owner->owners;
	void *export = NULL;
	int rc;

	if (packet->value != XPMEM_OWNER_VERSION) {
		strcpy(text, "the library is of another version than xpmemd");
		rc = -EPROTO;
	} else if (*fd < 0) {
		strcpy(text, "no userfaultfd came with HELLO");
		rc = -EBADF;
	} else if (owner->peer.uid != 0 &&
		   segments_of(owners, owner->peer.uid) >= owners->segments_per_user) {
		strcpy(text, "the user has as many segments as segments_per_user of xpmemd.conf allows");
		rc = -EDQUOT;
	} else {
		rc = 0;
	}
	if (rc < 0)
		return rc;
	rc = xpmd_uffd_new(&owner->uffd, *fd, owner->peer.uid);
	if (rc < 0) {
		strcpy(text, "what came with HELLO is no userfaultfd");
		return rc;
	}
	*fd = -1;
	rc = owners->ops->hello(owners->ctx, owner, packet->segid, owner->peer.pid, owner->uffd,
				&export, text);
	if (rc < 0)
		return rc;
	owner->export = export;
	owners->strangers--;
	if (!peer_lives(owner))
		return -ESRCH;
	sd_event_source_disable_unref(owner->timer);
	owner->timer = NULL;
	rc = sd_event_add_io(owners->event, &owner->events, owner->uffd->fd, EPOLLIN, on_events,
			     owner);
	return rc < 0 ? rc : 0;
}

/* False: the connection is over.  *@fd is -1 if it was taken over. */
static bool on_packet(struct xpmd_owner *owner, const struct xpmem_owner_packet *packet,
		      const char *said, int *fd)
{
	const struct xpmd_owner_ops *ops = owner->owners->ops;
	void *ctx = owner->owners->ctx;
	char text[XPMEM_OWNER_TEXT + 1] = "";
	int rc;

	if (!owner->export) {
		if (packet->type != XPMEM_OWNER_HELLO)
			return false;
		rc = accept_hello(owner, packet, fd, text);
		send_welcome(owner, packet->segid, rc, text);
		if (rc < 0)
			xpmd_log_of(LOG_NOTICE, 0, packet->segid,
				    "process %d of user %u is refused: %s: %s", owner->peer.pid,
				    owner->peer.uid, strerror(-rc), text);
		else
			ops->welcomed(ctx, owner->export);
		return rc >= 0;
	}
	if (*fd >= 0)
		return false;
	switch (packet->type) {
	case XPMEM_OWNER_ANSWER:
		ops->answer(ctx, owner->export, packet->id, packet->error, said);
		return true;
	case XPMEM_OWNER_FORK:
		ops->fork(ctx, owner->export, packet->id);
		return true;
	case XPMEM_OWNER_FORKED:
		ops->forked(ctx, owner->export);
		return true;
	default:
		return false;
	}
}

/*
 * The descriptor that came, or -1.  False: there were more, of which none is left.  There
 * must be room for as many as can come: what finds none, the kernel closes here.
 */
static bool descriptor_of(struct msghdr *msg, uid_t uid, int *ret)
{
	bool one = !(msg->msg_flags & MSG_CTRUNC);

	*ret = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			one = one && *ret < 0;
			if (one)
				*ret = fd;
			else
				xpmd_closer_close(fd, uid);
		}
	}
	if (one || *ret < 0)
		return one;
	xpmd_closer_close(*ret, uid);
	*ret = -1;
	return false;
}

/* Whether the connection goes on, and there may be more */
static bool receive(struct xpmd_owner *owner, bool *more_ret)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
	} control;
	struct {
		struct xpmem_owner_packet packet;
		char text[XPMEM_OWNER_TEXT + 1];
	} said;
	struct iovec iov = { &said, sizeof(said) - 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(owner->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int passed;
	bool good;

	*more_ret = n >= 0;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	good = descriptor_of(&msg, owner->peer.uid, &passed) &&
	       n >= (ssize_t)sizeof(said.packet) && !(msg.msg_flags & MSG_TRUNC);
	if (good) {
		((char *)&said)[n] = '\0';
		good = on_packet(owner, &said.packet, said.text, &passed);
	}
	if (passed >= 0)
		xpmd_closer_close(passed, owner->peer.uid);
	return good;
}

static int on_socket(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
	struct xpmd_owner *owner = ctx;
	bool more = true;

	(void)source;
	(void)fd;
	(void)revents;
	for (unsigned int i = 0; i < PACKETS_PER_TURN && more; i++) {
		if (!receive(owner, &more)) {
			end(owner);
			return 0;
		}
	}
	return 0;
}

static int on_silence(sd_event_source *source, uint64_t usec, void *ctx)
{
	(void)source;
	(void)usec;
	end(ctx);
	return 0;
}

/* ---- The listening socket */

static int on_later(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct xpmd_owners *owners = ctx;

	(void)source;
	(void)usec;
	sd_event_source_set_enabled(owners->source, SD_EVENT_ON);
	return 0;
}

/* Whoever connects can leave something to be closed behind. */
static bool must_wait(struct xpmd_owners *owners)
{
	unsigned int pending = xpmd_closer_pending();
	bool first = !owners->later;

	sd_event_source_disable_unref(owners->later);
	owners->later = NULL;
	if (pending < CLOSING_MAX)
		return false;
	if (first)
		xpmd_log(LOG_WARNING,
			 "%u descriptors that came from owners are not closed yet: no more owners until fewer are",
			 pending);
	if (sd_event_add_time_relative(owners->event, &owners->later, CLOCK_MONOTONIC, CLOSING_USEC,
				       0, on_later, owners) >= 0)
		sd_event_source_set_enabled(owners->source, SD_EVENT_OFF);
	return true;
}

static int on_connection(sd_event_source *source, int listener, uint32_t revents, void *ctx)
{
	struct xpmd_owners *owners = ctx;
	struct xpmd_owner *owner;
	struct ucred peer;
	socklen_t size = sizeof(peer);
	int fd, rc;

	(void)source;
	(void)revents;
	if (must_wait(owners))
		return 0;
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		peer.uid = (uid_t)-1;
	owner = calloc(1, sizeof(*owner));
	if (!owner || peer.uid == (uid_t)-1 || owners->connections >= CONNECTIONS_MAX ||
	    owners->strangers >= STRANGERS_MAX) {
		free(owner);
		xpmd_closer_close(fd, peer.uid);
		return 0;
	}
	owner->peer = peer;
	owner->owners = owners;
	owner->fd = fd;
	owner->next = owners->head;
	owner->at = &owners->head;
	if (owner->next)
		owner->next->at = &owner->next;
	owners->head = owner;
	owners->connections++;
	owners->strangers++;
	rc = sd_event_add_io(owners->event, &owner->socket, fd, EPOLLIN, on_socket, owner);
	if (rc >= 0)
		rc = sd_event_add_time_relative(owners->event, &owner->timer, CLOCK_MONOTONIC,
						HELLO_USEC, 0, on_silence, owner);
	if (rc < 0)
		end(owner);
	return 0;
}

static int bind_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(path, 0666) < 0 || listen(fd, 128) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

int xpmd_owners_new(struct xpmd_owners **ret, sd_event *event, const char *path,
		    unsigned int segments_per_user, uint64_t fork_ms,
		    const struct xpmd_owner_ops *ops, void *ctx)
{
	struct xpmd_owners *owners = calloc(1, sizeof(*owners));
	int rc = -ENOMEM;

	if (!owners)
		return rc;
	owners->fd = -1;
	owners->event = event;
	owners->segments_per_user = segments_per_user;
	owners->fork_ms = fork_ms;
	owners->ops = ops;
	owners->ctx = ctx;
	owners->path = strdup(path);
	if (!owners->path)
		goto err;
	rc = bind_socket(path);
	if (rc < 0) {
		xpmd_log(LOG_ERR, "owner socket %s: %s", path, strerror(-rc));
		goto err;
	}
	owners->fd = rc;
	rc = sd_event_add_io(event, &owners->source, owners->fd, EPOLLIN, on_connection, owners);
	if (rc < 0)
		goto err;
	*ret = owners;
	return 0;
err:
	xpmd_owners_free(owners);
	return rc;
}

void xpmd_owners_free(struct xpmd_owners *owners)
{
	if (!owners)
		return;
	while (owners->head)
		xpmd_owner_close(owners->head);
	sd_event_source_disable_unref(owners->source);
	sd_event_source_disable_unref(owners->later);
	if (owners->fd >= 0) {
		close(owners->fd);
		unlink(owners->path);
	}
	free(owners->path);
	free(owners);
}

void xpmd_owners_limit(struct xpmd_owners *owners, unsigned int segments_per_user)
{
	owners->segments_per_user = segments_per_user;
}

unsigned int xpmd_owners_connected(const struct xpmd_owners *owners)
{
	return owners->connections - owners->strangers;
}
