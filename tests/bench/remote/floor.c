// SPDX-License-Identifier: GPL-2.0-or-later
/* See floor.h. */
#include "floor.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <openssl/ssl.h>

#include "../bench.h"

#define CONNECT_TRIES	600	/* of a tenth of a second */

struct floor {
	int fd;
	SSL *ssl;	/* NULL: plain */
	unsigned int listens;	/* 0: it is connected; 1: for TCP, 2: for TLS */
};

/* ------------------------------------------------------------------------ TCP */

static void tune(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

int tcp_listen(unsigned int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 64))
		fatal("port %u", port);
	return fd;
}

int tcp_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		fatal("accept");
	tune(fd);
	return fd;
}

int tcp_connect(const char *text, unsigned int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
	};

	if (inet_pton(AF_INET, text, &address.sin_addr) != 1) {
		errno = 0;
		fatal("%s is no IPv4 address", text);
	}
	for (unsigned int i = 0; i < CONNECT_TRIES; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0)
			fatal("socket");
		if (!connect(fd, (struct sockaddr *)&address, sizeof(address))) {
			tune(fd);
			return fd;
		}
		close(fd);
		nanosleep(&(struct timespec){ 0, 100000000 }, NULL);
	}
	fatal("%s, port %u", text, port);
}

/* ------------------------------------------------------------------------ TLS */

/* Known to everybody, as nothing that is sent is a secret */
static const unsigned char key[32] = "a key that protects nothing here";
static const unsigned char suite[] = { 0x13, 0x01 };	/* TLS_AES_128_GCM_SHA256 */

static SSL_SESSION *session(SSL *ssl)
{
	SSL_SESSION *it = SSL_SESSION_new();

	if (!it || !SSL_SESSION_set1_master_key(it, key, sizeof(key)) ||
	    !SSL_SESSION_set_cipher(it, SSL_CIPHER_find(ssl, suite)) ||
	    !SSL_SESSION_set_protocol_version(it, TLS1_3_VERSION))
		fatal("TLS");
	return it;
}

static int use_key(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *length,
		   SSL_SESSION **ret)
{
	(void)md;
	*id = (const unsigned char *)"bench";
	*length = 5;
	*ret = session(ssl);
	return 1;
}

static int find_key(SSL *ssl, const unsigned char *id, size_t length, SSL_SESSION **ret)
{
	(void)id;
	(void)length;
	*ret = session(ssl);
	return 1;
}

static SSL *new_tls(int fd)
{
	static SSL_CTX *context;
	SSL *ssl;

	if (!context) {
		context = SSL_CTX_new(TLS_method());
		if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
		    !SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") ||
		    !SSL_CTX_set_num_tickets(context, 0))
			fatal("TLS");
		SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
		/* As the daemons have it: fewer calls of the kernel */
		SSL_CTX_set_read_ahead(context, 1);
		SSL_CTX_set_default_read_buffer_len(context, 64 * 1024);
		SSL_CTX_set_psk_use_session_callback(context, use_key);
		SSL_CTX_set_psk_find_session_callback(context, find_key);
	}
	ssl = SSL_new(context);
	if (!ssl || !SSL_set_fd(ssl, fd))
		fatal("TLS");
	return ssl;
}

/* --------------------------------------------------------------------- floors */

/* False: the other end has closed it. */
static bool move(const struct floor *floor, void *data, size_t size, bool out)
{
	for (size_t done = 0; done < size;) {
		char *at = (char *)data + done;
		size_t n = 0;
		ssize_t rc;

		if (floor->ssl) {
			rc = out ? SSL_write_ex(floor->ssl, at, size - done, &n) :
				   SSL_read_ex(floor->ssl, at, size - done, &n);
			if (rc != 1)
				return false;
		} else {
			rc = out ? send(floor->fd, at, size - done, MSG_NOSIGNAL) :
				   recv(floor->fd, at, size - done, 0);
			if (rc <= 0)
				return false;
			n = (size_t)rc;
		}
		done += n;
	}
	return true;
}

static bool move_chunks(const struct floor *floor, void *buffer, size_t size, bool out)
{
	size_t part;

	for (; size; size -= part) {
		part = size < FLOOR_CHUNK ? size : FLOOR_CHUNK;
		if (!move(floor, buffer, part, out))
			return false;
	}
	return true;
}

static bool answer_one(const struct floor *floor)
{
	static char buffer[FLOOR_CHUNK];
	uint64_t request[FLOOR_REQUEST / sizeof(uint64_t)];

	return move(floor, request, sizeof(request), false) &&
	       move_chunks(floor, buffer, request[0], true);
}

static _Noreturn void answer(struct floor *floor)
{
	if (floor->ssl && SSL_accept(floor->ssl) != 1)
		_exit(1);
	while (answer_one(floor))
		;
	_exit(0);
}

/* A process a connection, forked where nothing is to be measured yet */
static void serve(unsigned int port, bool tls)
{
	int listener = tcp_listen(port);
	struct floor floor = { .ssl = NULL };

	if (fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		floor.fd = tcp_accept(listener);
		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(listener);
			if (tls)
				floor.ssl = new_tls(floor.fd);
			answer(&floor);
		}
		close(floor.fd);
	}
}

void floor_serve(unsigned int port)
{
	serve(port + 1, false);
	serve(port + 2, true);
}

static void watch(int epoll, int fd, void *what)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = what };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		fatal("epoll");
}

static void accept_one(int epoll, const struct floor *listener)
{
	struct floor *floor = calloc(1, sizeof(*floor));

	if (!floor)
		fatal("no memory");
	floor->fd = tcp_accept(listener->fd);
	floor->ssl = listener->listens == 2 ? new_tls(floor->fd) : NULL;
	if (floor->ssl && SSL_accept(floor->ssl) != 1)
		fatal("no TLS");
	watch(epoll, floor->fd, floor);
}

void floor_serve_all(unsigned int port)
{
	static struct floor listeners[2];
	struct epoll_event events[64];
	int epoll = epoll_create1(EPOLL_CLOEXEC), n;

	for (unsigned int i = 0; i < 2; i++) {
		listeners[i].listens = i + 1;
		listeners[i].fd = tcp_listen(port + 1 + i);
		watch(epoll, listeners[i].fd, &listeners[i]);
	}
	if (fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while ((n = epoll_wait(epoll, events, 64, -1)) > 0)
		for (int i = 0; i < n; i++) {
			struct floor *floor = events[i].data.ptr;

			if (floor->listens)
				accept_one(epoll, floor);
			else if (!answer_one(floor))
				_exit(0);
		}
	_exit(1);
}

struct floor *floor_connect(const char *address, unsigned int port, bool tls)
{
	struct floor *floor = calloc(1, sizeof(*floor));

	if (!floor)
		fatal("no memory");
	floor->fd = tcp_connect(address, port + 1 + tls);
	if (tls) {
		floor->ssl = new_tls(floor->fd);
		if (SSL_connect(floor->ssl) != 1) {
			errno = 0;
			fatal("no TLS with %s", address);
		}
	}
	return floor;
}

void floor_close(struct floor *floor)
{
	SSL_free(floor->ssl);
	close(floor->fd);
	free(floor);
}

void floor_ask(struct floor *floor, size_t size)
{
	uint64_t request[FLOOR_REQUEST / sizeof(uint64_t)] = { size };

	if (!move(floor, request, sizeof(request), true))
		fatal("a floor's server is gone");
}

void floor_answer(struct floor *floor, size_t size, void *buffer)
{
	if (!move_chunks(floor, buffer, size, false))
		fatal("a floor's server is gone");
}

void floor_request(struct floor *floor, size_t size, void *buffer)
{
	floor_ask(floor, size);
	floor_answer(floor, size, buffer);
}
