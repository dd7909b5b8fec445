// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Records wait in pieces of memory, whole, and go out with few calls.  The last piece
 * stays, so what is short is sent without an allocation.
 *
 * What is received lies in one mapping: the head and the longest body before which pages
 * can come end where its second page begins.
 */
#define _GNU_SOURCE
#include "net_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD		sizeof(struct xpmd_net_head)
#define PACKET_MAX	(HEAD + XPMD_NET_ALIGNED_BODY + XPMD_NET_DATA_CHUNK)
#define PIECE_BYTES	(192u * 1024u)
#define BATCH		32u
#define SOCKET_BYTES	(1 << 20)	/* what the system allows of that */
#define FDS_MAX		4u

struct xpmd_net_piece {
	TAILQ_ENTRY(xpmd_net_piece) entry;
	size_t start, end;
	uint8_t bytes[PIECE_BYTES];
};

static_assert(XPMD_NET_BODY_MAX <= XPMD_NET_DATA_CHUNK, "a body without data fits, too");
static_assert(PACKET_MAX <= PIECE_BYTES, "as every packet does");

int xpmd_net_pair(int fds[2])
{
	int bytes = SOCKET_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return -errno;
	for (unsigned int i = 0; i < 2; i++)
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	return 0;
}

static struct xpmd_net_piece *add_piece(struct xpmd_net_link *link)
{
	struct xpmd_net_piece *piece = malloc(sizeof(*piece));

	if (!piece)
		return NULL;
	piece->start = piece->end = 0;
	TAILQ_INSERT_TAIL(&link->pieces, piece, entry);
	return piece;
}

int xpmd_net_link_init(struct xpmd_net_link *link, int fd)
{
	void *memory = mmap(NULL, XPMD_PAGE + XPMD_WIRE_DATA_MAX, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int bytes = SOCKET_BYTES;

	*link = (struct xpmd_net_link){ .fd = fd };
	TAILQ_INIT(&link->pieces);
	if (memory != MAP_FAILED)
		link->memory = memory;
	if (!link->memory || !add_piece(link)) {
		xpmd_net_link_destroy(link);
		return -ENOMEM;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	return 0;
}

void xpmd_net_link_destroy(struct xpmd_net_link *link)
{
	struct xpmd_net_piece *piece;

	while ((piece = TAILQ_FIRST(&link->pieces))) {
		TAILQ_REMOVE(&link->pieces, piece, entry);
		free(piece);
	}
	if (link->memory)
		munmap(link->memory, XPMD_PAGE + XPMD_WIRE_DATA_MAX);
	if (link->fd >= 0)
		close(link->fd);
	link->memory = NULL;
	link->fd = -1;
	link->queued = 0;
}

/* -------------------------------------------------------------- sending */

/* All packets of a record, or none: the pieces that they need are there before the first. */
static int reserve(struct xpmd_net_link *link, size_t first, size_t rest, unsigned int nr_rest)
{
	struct xpmd_net_piece *last = TAILQ_LAST(&link->pieces, xpmd_net_pieces), *piece = last;
	size_t room = PIECE_BYTES - last->end, next = first;

	for (unsigned int i = 0; ; next = rest) {
		if (room < next) {
			piece = add_piece(link);
			if (!piece)
				break;
			room = PIECE_BYTES;
		}
		room -= next;
		if (i++ == nr_rest)
			return 0;
	}
	while ((piece = TAILQ_NEXT(last, entry))) {
		TAILQ_REMOVE(&link->pieces, piece, entry);
		free(piece);
	}
	return -ENOMEM;
}

static void put(struct xpmd_net_link *link, struct xpmd_net_piece **piece,
		const struct xpmd_net_head *head, const void *body, size_t body_length,
		const void *data, size_t data_length)
{
	uint8_t *to;

	if (PIECE_BYTES - (*piece)->end < head->length)
		*piece = TAILQ_NEXT(*piece, entry);
	to = (*piece)->bytes + (*piece)->end;
	memcpy(to, head, HEAD);
	if (body_length)
		memcpy(to + HEAD, body, body_length);
	if (data_length)
		memcpy(to + HEAD + body_length, data, data_length);
	(*piece)->end += head->length;
	link->queued += head->length;
}

int xpmd_net_link_send(struct xpmd_net_link *link, const struct xpmd_net_head *given,
		       const void *body, size_t body_length, const void *data, size_t data_length)
{
	size_t chunk = data_length < XPMD_NET_DATA_CHUNK ? data_length : XPMD_NET_DATA_CHUNK;
	struct xpmd_net_piece *piece = TAILQ_LAST(&link->pieces, xpmd_net_pieces);
	struct xpmd_net_head head = *given;
	unsigned int nr_rest;

	if (body_length > XPMD_NET_BODY_MAX || data_length > XPMD_WIRE_DATA_MAX)
		return -EMSGSIZE;
	nr_rest = (unsigned int)((data_length - chunk + XPMD_NET_DATA_CHUNK - 1) /
				 XPMD_NET_DATA_CHUNK);
	if (reserve(link, HEAD + body_length + chunk, HEAD + XPMD_NET_DATA_CHUNK, nr_rest) < 0)
		return -ENOMEM;
	head.length = (uint32_t)(HEAD + body_length + chunk);
	head.more = 0;
	head.body = (uint32_t)body_length;
	head.data = (uint32_t)data_length;
	put(link, &piece, &head, body, body_length, data, chunk);
	for (size_t done = chunk; done < data_length; done += chunk) {
		chunk = data_length - done < XPMD_NET_DATA_CHUNK ? data_length - done
								 : XPMD_NET_DATA_CHUNK;
		head = (struct xpmd_net_head){
			.type = XPMD_NET_REST,
			.length = (uint32_t)(HEAD + chunk),
			.data = (uint32_t)chunk,
			.value = done,
		};
		put(link, &piece, &head, NULL, 0, (const uint8_t *)data + done, chunk);
	}
	return 0;
}

/* Those at the beginning of @piece; who reads one of them need not ask for the next. */
static unsigned int gather(struct xpmd_net_piece *piece, struct mmsghdr *messages,
			   struct iovec *iovs)
{
	size_t at = piece->start;
	unsigned int n = 0;

	while (n < BATCH && at < piece->end) {
		uint8_t *packet = piece->bytes + at;	/* a head, not aligned */
		uint32_t length;
		uint16_t more;

		memcpy(&length, packet + offsetof(struct xpmd_net_head, length), sizeof(length));
		at += length;
		more = n + 1 < BATCH && at < piece->end;
		memcpy(packet + offsetof(struct xpmd_net_head, more), &more, sizeof(more));
		iovs[n] = (struct iovec){ packet, length };
		messages[n] = (struct mmsghdr){
			.msg_hdr = { .msg_iov = &iovs[n], .msg_iovlen = 1 },
		};
		n++;
	}
	return n;
}

int xpmd_net_link_flush(struct xpmd_net_link *link)
{
	struct mmsghdr messages[BATCH];
	struct iovec iovs[BATCH];

	link->blocked = false;
	while (link->queued) {
		struct xpmd_net_piece *piece = TAILQ_FIRST(&link->pieces);
		unsigned int n = gather(piece, messages, iovs);
		int sent = n ? sendmmsg(link->fd, messages, n, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

		if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
			link->blocked = errno == EAGAIN;
			if (link->blocked)
				return 0;
			continue;
		}
		if (sent < 0)
			return -errno;
		for (int i = 0; i < sent; i++) {
			piece->start += iovs[i].iov_len;
			link->queued -= iovs[i].iov_len;
		}
		if (piece->start < piece->end)
			continue;
		if (TAILQ_NEXT(piece, entry)) {
			TAILQ_REMOVE(&link->pieces, piece, entry);
			free(piece);
		} else {
			piece->start = piece->end = 0;
		}
	}
	return 0;
}

/* ------------------------------------------------------------ receiving */

static unsigned int take_fds(struct msghdr *message, int *fds, unsigned int fds_max)
{
	unsigned int n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t nr = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < nr; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (n < fds_max)
				fds[n++] = fd;
			else
				close(fd);
		}
	}
	return n;
}

static bool is_record(const struct xpmd_net_head *head, size_t length)
{
	size_t chunk = head->data < XPMD_NET_DATA_CHUNK ? head->data : XPMD_NET_DATA_CHUNK;

	if (length < HEAD || head->length != length || head->type == XPMD_NET_REST)
		return false;
	if (head->body > XPMD_NET_BODY_MAX || head->data > XPMD_WIRE_DATA_MAX ||
	    head->data % XPMD_PAGE || (head->data && head->body != XPMD_NET_ALIGNED_BODY))
		return false;
	return length == HEAD + head->body + chunk;
}

static bool is_rest(const struct xpmd_net_link *link, const struct xpmd_net_head *head,
		    size_t length)
{
	size_t left = link->head.data - link->have;
	size_t chunk = left < XPMD_NET_DATA_CHUNK ? left : XPMD_NET_DATA_CHUNK;

	return length == HEAD + chunk && head->length == length && head->type == XPMD_NET_REST &&
	       !head->body && head->data == chunk && head->value == link->have;
}

int xpmd_net_link_receive(struct xpmd_net_link *link, int *fds, unsigned int fds_max,
			  unsigned int *nr_fds_ret)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	uint8_t *begin = link->memory + XPMD_PAGE - XPMD_NET_ALIGNED_BODY - HEAD;
	bool rest = link->have < link->head.data;
	struct xpmd_net_head head;
	struct iovec iov[2] = { { .iov_base = &head, .iov_len = HEAD } };
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t length;

	if (fds) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		*nr_fds_ret = 0;
	}
	link->more = false;
	iov[1].iov_base = rest ? link->memory + XPMD_PAGE + link->have : begin + HEAD;
	iov[1].iov_len = rest ? link->head.data - link->have
			      : XPMD_NET_ALIGNED_BODY + XPMD_NET_DATA_CHUNK;
	length = recvmsg(link->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (length <= 0)
		return -EPIPE;
	if (fds)
		*nr_fds_ret = take_fds(&message, fds, fds_max);
	if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return -EBADMSG;
	if (!(rest ? is_rest(link, &head, (size_t)length) : is_record(&head, (size_t)length)))
		return -EBADMSG;
	link->more = head.more;
	if (rest) {
		link->have += head.data;
	} else {
		link->head = head;
		link->have = (size_t)length - HEAD - head.body;
	}
	if (link->have < link->head.data) {
		/* The rest has been sent: it is here, or will be at once. */
		link->more = true;
		return 0;
	}
	return 1;
}

const void *xpmd_net_link_body(const struct xpmd_net_link *link)
{
	return link->memory + XPMD_PAGE - XPMD_NET_ALIGNED_BODY;
}

const void *xpmd_net_link_data(const struct xpmd_net_link *link)
{
	return link->head.data ? link->memory + XPMD_PAGE : NULL;
}

const char *xpmd_net_link_text(const struct xpmd_net_link *link)
{
	const char *text = xpmd_net_link_body(link);

	return link->head.body && !link->head.data &&
	       memchr(text, 0, link->head.body) == text + link->head.body - 1 ? text : NULL;
}
