// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What xpmemd-net has to know, said once when it begins: it reads no configuration and
 * opens no file of it.  Key files and certificates are opened here and read there: they
 * are root's, and what is in them is no business of the process with the module.
 */
#define _GNU_SOURCE
#include "net_setup.h"

#include "config.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MSEC	2000

static int send_with(struct xpmd_net_link *link, uint16_t type, const void *body, size_t length,
		     const int *fds, unsigned int nr_fds)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = { 0 };
	struct xpmd_net_head head = {
		.length = (uint32_t)(sizeof(head) + length), .type = type, .body = (uint32_t)length,
	};
	struct iovec iov[] = { { &head, sizeof(head) }, { (void *)(uintptr_t)body, length } };
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = 2 };
	struct pollfd poll_fd = { .fd = link->fd, .events = POLLOUT };

	if (nr_fds) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.head), fds, nr_fds * sizeof(int));
	}
	/* It does nothing but read this now; so the socket is not full for long. */
	while (sendmsg(link->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		if (errno != EAGAIN || poll(&poll_fd, 1, WAIT_MSEC) <= 0)
			return -EPIPE;
	return 0;
}

static int send_file(struct xpmd_net_link *link, const char *path)
{
	int fd, rc;

	if (!path)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		xpmd_log(LOG_ERR, "%s: %s", path, strerror(errno));
		return 0;	/* xpmemd-net says what for, and ends */
	}
	rc = send_with(link, XPMD_NET_FILE, path, strlen(path) + 1, &fd, 1);
	close(fd);
	return rc;
}

static int send_partition(struct xpmd_net_link *link, const struct xpmd_partition *p)
{
	char text[XPMD_NET_TEXT_MAX / 4 + 4096];
	const char *const strings[] = { p->name, p->address, p->key_file };
	struct xpmd_net_head head = {
		.type = XPMD_NET_PARTITION, .partition = p->number,
		.value = p->fabric ? XPMD_NET_HAS_FABRIC : 0,
	};
	size_t length = 0;

	for (unsigned int i = 0; i < 3; i++) {
		size_t more = strings[i] ? strlen(strings[i]) + 1 : 0;

		if (length + more > sizeof(text))
			return -ENAMETOOLONG;
		if (more)
			memcpy(text + length, strings[i], more);
		head.value |= (uint64_t)!!more << i;
		length += more;
	}
	if (xpmd_net_link_send(link, &head, text, length, NULL, 0) < 0)
		return -ENOMEM;
	while (link->queued) {
		struct pollfd poll_fd = { .fd = link->fd, .events = POLLOUT };

		if (xpmd_net_link_flush(link) < 0 ||
		    (link->blocked && poll(&poll_fd, 1, WAIT_MSEC) <= 0))
			return -EPIPE;
	}
	return 0;
}

static int copy_string(char *to, size_t size, const char *from)
{
	if (from && strlen(from) >= size)
		return -ENAMETOOLONG;
	strcpy(to, from ? from : "");
	return 0;
}

static int send_files(const struct xpmd_transport_config *config, struct xpmd_net_link *link)
{
	int rc = send_file(link, config->certificate);

	if (!rc)
		rc = send_file(link, config->key);
	if (!rc)
		rc = send_file(link, config->authority);
	for (size_t i = 0; i < config->nr_partitions && !rc; i++)
		rc = send_file(link, config->partitions[i].key_file);
	for (size_t i = 0; config->listen && config->listen[i] && !rc; i++)
		rc = send_with(link, XPMD_NET_LISTEN, config->listen[i],
			       strlen(config->listen[i]) + 1, NULL, 0);
	for (size_t i = 0; i < config->nr_partitions && !rc; i++)
		rc = send_partition(link, &config->partitions[i]);
	return rc;
}

int xpmd_net_setup(struct xpmd_net_link *link, const struct xpmd_transport_config *config,
		   const struct xpmd_net_config *net, const struct xpmd_hello *hello, int bulk,
		   int memory)
{
	static struct xpmd_net_setup setup;
	const int fds[] = { bulk, memory };
	struct timespec now;
	int rc;

	clock_gettime(CLOCK_BOOTTIME, &now);
	setup = (struct xpmd_net_setup){
		.self = config->self,
		.uid = net->uid,
		.gid = net->gid,
		.partitions = (uint32_t)config->nr_partitions,
		.send_limit = config->send_limit,
		.incarnation = hello->incarnation,
		.lease_ns = hello->lease_ns,
		.skew_ns = hello->skew_ns,
		.features = hello->features,
		.grace_until = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec +
			       hello->grace_ns,
		.debug = net->debug,
		.fabric_min = config->fabric_min,
	};
	if (copy_string(setup.self_name, sizeof(setup.self_name), config->self_name) ||
	    copy_string(setup.metrics, sizeof(setup.metrics), net->metrics) ||
	    copy_string(setup.fabric, sizeof(setup.fabric), config->fabric) ||
	    copy_string(setup.certificate, sizeof(setup.certificate), config->certificate) ||
	    copy_string(setup.key, sizeof(setup.key), config->key) ||
	    copy_string(setup.authority, sizeof(setup.authority), config->authority))
		return -ENAMETOOLONG;
	rc = send_with(link, XPMD_NET_SETUP, &setup, sizeof(setup), fds, 2);
	if (!rc)
		rc = send_files(config, link);
	return rc ? rc : send_with(link, XPMD_NET_BEGIN, NULL, 0, NULL, 0);
}

/* Of a size that nobody can change: who could would make our reading of it a SIGBUS. */
int xpmd_net_share(const struct xpmd_net_shared **ret, size_t size)
{
	int fd = memfd_create("xpmemd-net", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *memory;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		goto err;
	memory = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		goto err;
	*ret = memory;
	return fd;
err:
	close(fd);
	return -ENOMEM;
}

