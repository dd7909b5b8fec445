// SPDX-License-Identifier: GPL-2.0-or-later
/* See owner.h. */
#include "owner.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <linux/userfaultfd.h>

#include "../../bench.h"
#include "uapi/xpmem_ctl.h"
#include "xpmem_owner.h"

#define TRIES 500	/* of a hundredth of a second */

static int helper_socket;
static int uffd;

static unsigned int free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    getsockname(fd, (struct sockaddr *)&address, &size))
		fatal("no port");
	close(fd);
	return ntohs(address.sin_port);
}

void owner_key_path(const struct owner *owner, char *path, size_t size)
{
	snprintf(path, size, "%s/key", owner->directory);
}

static FILE *create(const struct owner *owner, const char *name)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", owner->directory, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		fatal("%s", path);
	return fdopen(fd, "w");
}

static void configure(struct owner *owner, unsigned int peers)
{
	FILE *file = create(owner, "key");

	for (int i = 0; i < 16; i++)
		fprintf(file, "%02x%02x", i, 255 - i);
	fputc('\n', file);
	fclose(file);
	file = create(owner, "conf");
	fprintf(file,
		"number = 1\nname = \"home\"\nlisten = { \"tcp://127.0.0.1:%u\" }\n"
		"owner_socket = \"%s/owner\"\ncontrol_socket = \"%s/control\"\n"
		"net_user = nobody\n",
		owner->port, owner->directory, owner->directory);
	for (unsigned int n = 2; n <= peers + 1; n++)
		fprintf(file,
			"partition p%u {\n\tnumber = %u\n\tkey_file = \"%s/key\"\n"
			"\tusers = trust\n}\n",
			n, n, owner->directory);
	fclose(file);
}

void owner_start(struct owner *owner, const char *program, size_t pages, unsigned int peers)
{
	char segment[128], conf[96], ready[96];

	*owner = (struct owner){
		.pages = pages, .segid = (1LL << XPMEM_PARTITION_SHIFT) | 77,
		.directory = "/tmp/xpmem-bench-XXXXXX", .port = free_port(),
	};
	if (!mkdtemp(owner->directory))
		fatal("/tmp");
	owner->memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (owner->memory == MAP_FAILED ||
	    madvise(owner->memory, pages * PAGE, MADV_NOHUGEPAGE))
		fatal("no memory");
	memset(owner->memory, 1, pages * PAGE);
	configure(owner, peers);
	snprintf(conf, sizeof(conf), "%s/conf", owner->directory);
	snprintf(ready, sizeof(ready), "%s/control", owner->directory);
	snprintf(segment, sizeof(segment), "%" PRId64 " %d %" PRIuPTR " %zu", owner->segid,
		 getpid(), (uintptr_t)owner->memory, pages * PAGE);
	owner->daemon = fork();
	if (owner->daemon < 0)
		fatal("fork");
	if (!owner->daemon) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setenv("XPMEM_BENCH_SEGMENT", segment, 1);
		execl(program, "xpmemd", "--config", conf, "--net", XPMEMD_NET, NULL);
		fatal("%s", program);
	}
	for (unsigned int i = 0; access(ready, F_OK); i++) {
		if (i == TRIES || waitpid(owner->daemon, NULL, WNOHANG)) {
			errno = 0;
			fatal("the daemon does not start");
		}
		nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
	}
}

/* ---- What libxpmem's helper thread does, as far as it is asked here */

static void *help(void *unused)
{
	struct xpmem_owner_packet packet;

	(void)unused;
	while (recv(helper_socket, &packet, sizeof(packet), 0) == sizeof(packet)) {
		struct uffdio_register reg = {
			.range = { packet.first, packet.count },
			.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
		};

		packet.error = EOPNOTSUPP;
		if (packet.type == XPMEM_OWNER_TRAP)
			packet.error = ioctl(uffd, UFFDIO_REGISTER, &reg) ? (uint32_t)errno : 0;
		packet.type = XPMEM_OWNER_ANSWER;
		packet.value = packet.error ? 0 : packet.count;
		packet.count = PAGE;
		if (send(helper_socket, &packet, sizeof(packet), MSG_NOSIGNAL) < 0)
			break;
	}
	return NULL;
}

static int open_uffd(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_EVENT_REMAP |
			    UFFD_FEATURE_EVENT_UNMAP,
	};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
		fatal("userfaultfd");
	return fd;
}

void owner_connect(struct owner *owner)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct xpmem_owner_packet packet = {
		.type = XPMEM_OWNER_HELLO, .segid = owner->segid, .value = XPMEM_OWNER_VERSION,
	};
	struct iovec iov = { &packet, sizeof(packet) };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	pthread_t helper;

	uffd = open_uffd();
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/owner", owner->directory);
	helper_socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (helper_socket < 0 ||
	    connect(helper_socket, (struct sockaddr *)&address, sizeof(address)))
		fatal("%s", address.sun_path);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &uffd, sizeof(int));
	if (sendmsg(helper_socket, &msg, MSG_NOSIGNAL) < 0 ||
	    recv(helper_socket, &packet, sizeof(packet), 0) < (ssize_t)sizeof(packet) ||
	    packet.error) {
		errno = (int)packet.error;
		fatal("the daemon does not take the segment");
	}
	if (pthread_create(&helper, NULL, help, NULL))
		fatal("no thread");
}

void owner_stop(struct owner *owner)
{
	static const char *const names[] = { "key", "conf", "owner", "control" };
	char path[96];

	kill(owner->daemon, SIGTERM);
	waitpid(owner->daemon, NULL, 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", owner->directory, names[i]);
		unlink(path);
	}
	rmdir(owner->directory);
}
