// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The process that starts xpmemd-net holds its program open: the one that is started
 * after an update of the files is still the one that belongs to the daemon.
 */
#define _GNU_SOURCE
#include "net_start.h"

#include "log.h"
#include "net_link.h"
#include "privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>

#define PROGRAM_FD	4	/* in the child; XPMD_NET_FD is the socket */

enum { ASK_START = 1, ASK_KILL };

/* To the process, with a descriptor if it is to start; from it, when one has ended */
struct message {
	int32_t what;
	int32_t pid, status;
};

struct xpmd_net_start {
	int fd;			/* to the process; or what listens */
	pid_t pid;
	char *path;		/* of the socket; NULL: a process */
	uid_t uid;
	sd_event_source *io;
	const struct xpmd_net_start_ops *ops;
	void *ctx;
};

/* --------------------------------------------------------- the process */

static _Noreturn void run_program(int fd, int program)
{
	static char name[] = "xpmemd-net";
	char *const arguments[] = { name, NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		_exit(126);
	/* Both may be where the other is to be. */
	fd = fcntl(fd, F_DUPFD, PROGRAM_FD + 1);
	program = fcntl(program, F_DUPFD, PROGRAM_FD + 1);
	if (dup2(fd, XPMD_NET_FD) < 0 || dup3(program, PROGRAM_FD, O_CLOEXEC) < 0)
		_exit(126);
	close_range(PROGRAM_FD + 1, ~0u, 0);
	syscall(SYS_execveat, PROGRAM_FD, "", arguments, environ, AT_EMPTY_PATH);
	_exit(127);
}

static int take_message(int fd, struct message *message, int *fd_ret)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { message, sizeof(*message) };
	struct msghdr header = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t length = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = length > 0 ? CMSG_FIRSTHDR(&header) : NULL;

	*fd_ret = -1;
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd_ret, CMSG_DATA(c), sizeof(*fd_ret));
	return length == sizeof(*message) ? 0 : -EPIPE;
}

static void tell_end(int fd, pid_t child, int status)
{
	struct message message = { .pid = child, .status = status };

	(void)!send(fd, &message, sizeof(message), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void end_child(int fd, pid_t *child)
{
	int status;

	if (*child <= 0)
		return;
	kill(*child, SIGKILL);
	if (waitpid(*child, &status, 0) == *child)
		tell_end(fd, *child, status);
	*child = 0;
}

static _Noreturn void serve(int fd, int program)
{
	int pidfd = -1;
	pid_t child = 0;

	for (;;) {
		struct pollfd polls[] = {
			{ .fd = fd, .events = POLLIN }, { .fd = pidfd, .events = POLLIN },
		};
		struct message message = { 0 };
		int given, status;

		if (poll(polls, 2, -1) < 0 && errno != EINTR)
			break;
		if (polls[1].revents && waitpid(child, &status, WNOHANG) == child) {
			tell_end(fd, child, status);
			child = 0;
			close(pidfd);
			pidfd = -1;
		}
		if (!polls[0].revents)
			continue;
		if (take_message(fd, &message, &given) < 0)
			break;
		end_child(fd, &child);
		if (pidfd >= 0)
			close(pidfd);
		pidfd = -1;
		if (message.what == ASK_START && given >= 0) {
			child = fork();
			if (!child)
				run_program(given, program);
			if (child > 0)
				pidfd = (int)syscall(SYS_pidfd_open, child, 0);
		}
		if (given >= 0)
			close(given);
	}
	end_child(fd, &child);
	_exit(0);
}

static _Noreturn void begin(int fd, int program)
{
	xpmd_privilege_helper("xpmd-start");
	/* Nothing of the daemon's but these two: it would seem to live after its end. */
	close_range(3, (unsigned int)(fd < program ? fd : program) - 1, 0);
	close_range((unsigned int)(fd < program ? fd : program) + 1,
		    (unsigned int)(fd < program ? program : fd) - 1, 0);
	close_range((unsigned int)(fd < program ? program : fd) + 1, ~0u, 0);
	/* Limits and marks of this kind are inherited by what it starts.  xpmemd tells. */
	xpmd_privilege_pin(false);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (xpmd_privilege_keep(1ull << CAP_SETUID | 1ull << CAP_SETGID |
				1ull << CAP_SYS_CHROOT) < 0)
		_exit(1);
	serve(fd, program);
}

/* ------------------------------------------------------------ beginning */

/* Beside this program, or where it is installed */
static int open_program(const char *program)
{
	char path[4096 + 32];
	ssize_t length = readlink("/proc/self/exe", path, 4096);
	char *slash;
	int fd;

	if (program)
		return open(program, O_PATH | O_CLOEXEC);
	if (length <= 0 || length >= 4096)
		return -1;
	path[length] = 0;
	slash = strrchr(path, '/');
	strcpy(slash, "/xpmemd-net");
	fd = open(path, O_PATH | O_CLOEXEC);
	return fd < 0 ? open(XPMEM_LIBEXECDIR "/xpmemd-net", O_PATH | O_CLOEXEC) : fd;
}

static struct xpmd_net_start *new_start(int fd)
{
	struct xpmd_net_start *start = calloc(1, sizeof(*start));

	if (start)
		start->fd = fd;
	else if (fd >= 0)
		close(fd);
	return start;
}

int xpmd_net_start_program(struct xpmd_net_start **ret, const char *program)
{
	int ends[2], file = open_program(program), rc;
	struct xpmd_net_start *start;
	pid_t pid;

	if (file < 0) {
		rc = -errno;
		xpmd_log(LOG_ERR, "%s: %s", program ? program : "xpmemd-net", strerror(-rc));
		return rc;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		rc = -errno;
		close(file);
		return rc;
	}
	pid = fork();
	if (!pid) {
		close(ends[0]);
		begin(ends[1], file);
	}
	rc = pid < 0 ? -errno : 0;
	close(ends[1]);
	close(file);
	if (rc < 0) {
		close(ends[0]);
		return rc;
	}
	start = new_start(ends[0]);
	if (!start)
		return -ENOMEM;
	start->pid = pid;
	*ret = start;
	return 0;
}

int xpmd_net_start_socket(struct xpmd_net_start **ret, const char *path, uid_t uid)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct xpmd_net_start *start;
	int fd, rc = -ENAMETOOLONG;

	if (strlen(path) >= sizeof(address.sun_path))
		goto err;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	start = fd < 0 ? NULL : new_start(fd);
	rc = fd < 0 ? -errno : -ENOMEM;
	if (!start)
		goto err;
	start->uid = uid;
	start->path = strdup(path);
	unlink(path);
	/* Anybody may connect; who it is counts. */
	if (!start->path || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(path, 0666) < 0 || listen(fd, 4) < 0) {
		rc = start->path ? -errno : -ENOMEM;
		xpmd_net_start_free(start);
		goto err;
	}
	*ret = start;
	return 0;
err:
	xpmd_log(LOG_ERR, "%s: %s", path, strerror(-rc));
	return rc;
}

void xpmd_net_start_free(struct xpmd_net_start *start)
{
	if (!start)
		return;
	xpmd_net_start_detach(start);
	close(start->fd);
	/* It ends when it sees that. */
	if (start->pid)
		waitpid(start->pid, NULL, 0);
	if (start->path)
		unlink(start->path);
	free(start->path);
	free(start);
}

/* ------------------------------------------------------- the event loop */

static void log_status(const struct message *message)
{
	if (WIFSIGNALED(message->status))
		xpmd_log(LOG_WARNING, "xpmemd-net (process %d) was killed by signal %d (%s)",
			 message->pid, WTERMSIG(message->status),
			 strsignal(WTERMSIG(message->status)));
	else
		xpmd_log(LOG_WARNING, "xpmemd-net (process %d) ended with status %d", message->pid,
			 WEXITSTATUS(message->status));
}

static int on_process(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct message message = { 0 };
	int none;

	(void)revents;
	(void)userdata;
	if (take_message(fd, &message, &none) == 0) {
		log_status(&message);
		return 0;
	}
	xpmd_log(LOG_ERR, "the process that starts xpmemd-net has died");
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

static int on_connection(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct xpmd_net_start *start = userdata;
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t length = sizeof(peer);
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)source;
	(void)revents;
	if (client < 0)
		return 0;
	if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 ||
	    peer.uid != start->uid) {
		xpmd_log(LOG_WARNING, "process %d of user %u is not xpmemd-net: refused", peer.pid,
			 peer.uid);
		close(client);
		return 0;
	}
	start->ops->came(start->ctx, client);
	return 0;
}

int xpmd_net_start_attach(struct xpmd_net_start *start, sd_event *event,
			  const struct xpmd_net_start_ops *ops, void *ctx)
{
	start->ops = ops;
	start->ctx = ctx;
	return sd_event_add_io(event, &start->io, start->fd, EPOLLIN,
			       start->path ? on_connection : on_process, start);
}

void xpmd_net_start_detach(struct xpmd_net_start *start)
{
	start->io = sd_event_source_disable_unref(start->io);
}

bool xpmd_net_start_is_program(const struct xpmd_net_start *start)
{
	return !start->path;
}

static int ask(struct xpmd_net_start *start, int32_t what, int fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct message message = { .what = what };
	struct iovec iov = { &message, sizeof(message) };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		header.msg_control = &control;
		header.msg_controllen = sizeof(control);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	return sendmsg(start->fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int xpmd_net_start_one(struct xpmd_net_start *start)
{
	int ends[2], rc = xpmd_net_pair(ends);

	if (rc < 0)
		return rc;
	rc = ask(start, ASK_START, ends[1]);
	close(ends[1]);
	if (rc < 0) {
		close(ends[0]);
		return rc;
	}
	return ends[0];
}

void xpmd_net_start_kill(struct xpmd_net_start *start)
{
	if (!start->path)
		ask(start, ASK_KILL, -1);
}

int xpmd_net_start_user(const char *name, uid_t *uid_ret, gid_t *gid_ret)
{
	struct passwd *passwd;

	*uid_ret = geteuid();
	*gid_ret = getegid();
	if (*uid_ret)
		return 0;
	passwd = getpwnam(name);
	if (passwd && passwd->pw_uid && passwd->pw_gid) {
		*uid_ret = passwd->pw_uid;
		*gid_ret = passwd->pw_gid;
		return 0;
	}
	xpmd_log(LOG_ERR, passwd ? "net_user: \"%s\" is root, or of its group" :
				   "net_user: there is no user \"%s\"", name);
	return -EINVAL;
}
