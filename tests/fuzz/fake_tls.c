// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * daemon/tls.h without any TLS: what a partition that has authenticated itself sends is
 * what is fuzzed.
 */
#include "config.h"
#include "tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

struct xpmd_tls {
	int fd;
};

int xpmd_tls_context_new(struct xpmd_tls_context **ret, const struct xpmd_transport_config *config)
{
	(void)config;
	*ret = NULL;
	return 0;
}

void xpmd_tls_context_free(struct xpmd_tls_context *context)
{
	(void)context;
}

struct xpmd_tls *xpmd_tls_new(struct xpmd_tls_context *context, int fd,
			      const struct xpmd_partition *partition)
{
	struct xpmd_tls *tls = malloc(sizeof(*tls));

	(void)context;
	(void)partition;
	tls->fd = fd;
	return tls;
}

void xpmd_tls_free(struct xpmd_tls *tls)
{
	free(tls);
}

int xpmd_tls_handshake(struct xpmd_tls *tls, uint32_t *events_ret)
{
	(void)tls;
	(void)events_ret;
	return 1;
}

static ssize_t outcome(ssize_t done, uint32_t event, uint32_t *events_ret)
{
	if (done > 0)
		return done;
	if (done < 0 && errno == EAGAIN) {
		*events_ret = event;
		return 0;
	}
	return -EPIPE;
}

ssize_t xpmd_tls_read(struct xpmd_tls *tls, void *buffer, size_t size, uint32_t *events_ret)
{
	return outcome(recv(tls->fd, buffer, size, MSG_DONTWAIT), EPOLLIN, events_ret);
}

ssize_t xpmd_tls_write(struct xpmd_tls *tls, const void *buffer, size_t size, uint32_t *events_ret)
{
	return outcome(send(tls->fd, buffer, size, MSG_DONTWAIT | MSG_NOSIGNAL), EPOLLOUT,
		       events_ret);
}

bool xpmd_tls_has_more(const struct xpmd_tls *tls)
{
	(void)tls;
	return false;
}

bool xpmd_tls_is(const struct xpmd_tls *tls, const struct xpmd_partition *partition)
{
	(void)tls;
	return partition->number == 2;
}

const struct xpmd_partition *xpmd_tls_claim(const struct xpmd_tls *tls)
{
	(void)tls;
	return NULL;
}

const char *xpmd_tls_why(const struct xpmd_tls *tls)
{
	(void)tls;
	return "the connection was cut";
}

int xpmd_tls_binding(struct xpmd_tls *tls, uint8_t binding[32])
{
	(void)tls;
	memset(binding, 0, 32);
	return 0;
}

int xpmd_tls_fabric_secret(struct xpmd_tls *tls, uint8_t *secret, size_t length)
{
	(void)tls;
	memset(secret, 0, length);
	return 0;
}
