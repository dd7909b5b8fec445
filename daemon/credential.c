// SPDX-License-Identifier: GPL-2.0-or-later
/* The process of credential.h, and its children. */
#define _GNU_SOURCE
#include "credential.h"

#include "privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/capability.h>
#include <munge.h>

#define REPLY_HEAD offsetof(struct xpmd_credential_reply, credential)

/* ------------------------------------------------------------ privilege */

static int become(uid_t uid, gid_t gid)
{
	bool same = geteuid() == uid && getegid() == gid && getuid() == uid && getgid() == gid;

	/* Without privilege the daemon can still ask for itself. */
	if (setgroups(0, NULL) < 0 && !(same && errno == EPERM))
		return -errno;
	if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	return xpmd_privilege_keep(0);
}

/* ------------------------------------------------------------ children */

static void explain(struct xpmd_credential_reply *reply, munge_ctx_t ctx, munge_err_t rc)
{
	const char *why = ctx ? munge_ctx_strerror(ctx) : NULL;

	snprintf(reply->why, sizeof(reply->why), "munge: %s", why ? why : munge_strerror(rc));
	switch (rc) {
	case EMUNGE_SOCKET:
	case EMUNGE_TIMEOUT:
		reply->error = EHOSTDOWN;	/* munged, or the socket */
		break;
	case EMUNGE_NO_MEMORY:
		reply->error = ENOMEM;
		break;
	default:
		reply->error = EACCES;
		break;
	}
}

static munge_ctx_t new_context(const char *munge_socket)
{
	munge_ctx_t ctx = munge_ctx_create();

	if (ctx && munge_socket && munge_ctx_set(ctx, MUNGE_OPT_SOCKET, munge_socket)) {
		munge_ctx_destroy(ctx);
		return NULL;
	}
	return ctx;
}

/* What the credential says can be read by daemons alone: by their user. */
static void encode(struct xpmd_credential_reply *reply,
		   const struct xpmd_credential_request *request, const char *munge_socket,
		   uid_t daemon)
{
	munge_ctx_t ctx = new_context(munge_socket);
	munge_err_t rc = EMUNGE_NO_MEMORY;
	char *credential = NULL;
	int error;

	error = become(request->uid, request->gid);
	if (error < 0) {
		reply->error = (uint32_t)-error;
		snprintf(reply->why, sizeof(reply->why), "can't become user %u: %s", request->uid,
			 strerror(-error));
	} else {
		if (ctx)
			rc = munge_ctx_set(ctx, MUNGE_OPT_TTL, (int)XPMD_CREDENTIAL_TTL);
		if (!rc)
			rc = munge_ctx_set(ctx, MUNGE_OPT_UID_RESTRICTION, daemon);
		if (!rc)
			rc = munge_encode(&credential, ctx, request->payload,
					  sizeof(request->payload));
		if (rc)
			explain(reply, ctx, rc);
		else if (strlen(credential) >= sizeof(reply->credential))
			reply->error = EMSGSIZE;
		else
			strcpy(reply->credential, credential);
	}
	free(credential);
	munge_ctx_destroy(ctx);
}

static void look_up(struct xpmd_credential_reply *reply)
{
	struct passwd *passwd;
	int n = XPMD_CREDENTIAL_GROUPS;

	errno = 0;
	passwd = getpwuid(reply->uid);
	if (!passwd) {
		/* Nobody's name, nobody's groups; a name service that fails is another thing. */
		if (errno && errno != ENOENT && errno != ESRCH)
			reply->error = EAGAIN;
		return;
	}
	/* To leave some out could give more than all of them do. */
	if (getgrouplist(passwd->pw_name, reply->gid, reply->groups, &n) < 0) {
		reply->error = EOVERFLOW;
		snprintf(reply->why, sizeof(reply->why), "user %u has too many groups", reply->uid);
		return;
	}
	reply->nr_groups = (uint32_t)n;
}

static void decode(struct xpmd_credential_reply *reply,
		   const struct xpmd_credential_request *request, const char *munge_socket)
{
	munge_ctx_t ctx = new_context(munge_socket);
	munge_err_t rc = EMUNGE_NO_MEMORY;
	void *payload = NULL;
	int length = 0, ttl = -1;
	uid_t uid;
	gid_t gid;

	if (ctx)
		rc = munge_decode(request->credential, ctx, &payload, &length, &uid, &gid);
	/* A credential that has expired or was replayed gives the rest as well: rc first. */
	if (!rc)
		rc = munge_ctx_get(ctx, MUNGE_OPT_TTL, &ttl);
	if (rc) {
		explain(reply, ctx, rc);
	} else {
		reply->uid = uid;
		reply->gid = gid;
		reply->ttl = (uint32_t)ttl;
		reply->payload_length = (uint32_t)length;
		if (length == (int)sizeof(reply->payload))
			memcpy(reply->payload, payload, sizeof(reply->payload));
		look_up(reply);
	}
	free(payload);
	munge_ctx_destroy(ctx);
}

static void write_reply(int fd, const struct xpmd_credential_reply *reply)
{
	const char *bytes = (const char *)reply;
	size_t length = REPLY_HEAD;

	if (!reply->error && reply->kind == XPMD_CREDENTIAL_ENCODE)
		length += strlen(reply->credential) + 1;
	else if (!reply->error)
		length += reply->nr_groups * sizeof(reply->groups[0]);
	while (length) {
		ssize_t done = write(fd, bytes, length);

		if (done <= 0)
			_exit(1);
		bytes += done;
		length -= (size_t)done;
	}
}

static _Noreturn void work(int fd, const struct xpmd_credential_request *request,
			   const char *munge_socket)
{
	static struct xpmd_credential_reply reply;
	uid_t daemon = geteuid();

	reply.kind = request->kind;
	reply.uid = request->uid;
	reply.gid = request->gid;
	if (request->kind != XPMD_CREDENTIAL_ENCODE && xpmd_privilege_keep(0) < 0)
		_exit(1);
	switch (request->kind) {
	case XPMD_CREDENTIAL_ENCODE:
		encode(&reply, request, munge_socket, daemon);
		break;
	case XPMD_CREDENTIAL_DECODE:
		decode(&reply, request, munge_socket);
		break;
	case XPMD_CREDENTIAL_GROUPS_OF:
		look_up(&reply);
		break;
	default:
		_exit(1);
	}
	write_reply(fd, &reply);
	_exit(0);
}

/* ---------------------------------------------------------- the process */

struct job {
	uint64_t id;
	uint32_t kind;
	pid_t child;
	int fd;				/* -1: free */
	time_t deadline;
	size_t length;
	struct xpmd_credential_reply reply;
};

static struct job jobs[XPMD_CREDENTIAL_JOBS];

static time_t now_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* The child is at its end, or is made so; whatever it wrote is checked here. */
static void finish(struct job *job, int fd)
{
	struct xpmd_credential_reply *reply = &job->reply;
	size_t tail = job->length - REPLY_HEAD;
	int status = 0;
	bool right;

	kill(job->child, SIGKILL);
	waitpid(job->child, &status, 0);
	close(job->fd);
	job->fd = -1;
	right = job->length >= REPLY_HEAD && reply->kind == job->kind;
	if (right && reply->error)
		right = !tail && memchr(reply->why, 0, sizeof(reply->why));
	else if (right && job->kind == XPMD_CREDENTIAL_ENCODE)
		right = tail && strnlen(reply->credential, tail) == tail - 1;
	else if (right)
		right = tail == reply->nr_groups * sizeof(reply->groups[0]);
	if (!right) {
		memset(reply, 0, REPLY_HEAD);
		reply->error = ETIMEDOUT;
		snprintf(reply->why, sizeof(reply->why), "no answer from %s in %u seconds",
			 job->kind == XPMD_CREDENTIAL_GROUPS_OF ? "the name service" : "munged",
			 XPMD_CREDENTIAL_SECONDS);
		job->length = REPLY_HEAD;
	}
	reply->id = job->id;
	reply->kind = job->kind;
	if (send(fd, reply, job->length, MSG_NOSIGNAL) < 0)
		_exit(1);
}

static void read_child(struct job *job, int fd)
{
	ssize_t done = 0;

	if (job->length < sizeof(job->reply))
		done = read(job->fd, (char *)&job->reply + job->length,
			    sizeof(job->reply) - job->length);
	if (done < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (done > 0)
		job->length += (size_t)done;
	else
		finish(job, fd);
}

static void start(struct job *job, int fd, const struct xpmd_credential_request *request,
		  const char *munge_socket)
{
	int ends[2] = { -1, -1 };

	memset(&job->reply, 0, sizeof(job->reply));
	job->id = request->id;
	job->kind = request->kind;
	job->length = 0;
	job->child = pipe2(ends, O_CLOEXEC) < 0 ? -1 : fork();
	if (!job->child) {
		unsigned int i;

		/* As another user it must hold nothing but its own end. */
		for (i = 0; i < XPMD_CREDENTIAL_JOBS; i++)
			if (jobs[i].fd >= 0)
				close(jobs[i].fd);
		close(fd);
		close(ends[0]);
		work(ends[1], request, munge_socket);
	}
	close(ends[1]);
	if (job->child < 0) {
		close(ends[0]);
		job->reply = (struct xpmd_credential_reply){
			.id = request->id, .kind = request->kind, .error = ENOMEM,
			.why = "no process for a credential",
		};
		if (send(fd, &job->reply, REPLY_HEAD, MSG_NOSIGNAL) < 0)
			_exit(1);
		return;
	}
	job->fd = ends[0];
	job->deadline = now_seconds() + XPMD_CREDENTIAL_SECONDS;
}

/* A child is the user's, who can stop it: its time is counted here. */
static void end_late(int fd)
{
	time_t now = now_seconds();
	struct job *job;

	for (job = jobs; job < jobs + XPMD_CREDENTIAL_JOBS; job++)
		if (job->fd >= 0 && now > job->deadline) {
			job->length = 0;
			finish(job, fd);
		}
}

static void read_request(struct job *job, int fd, const char *munge_socket)
{
	static struct xpmd_credential_request request;
	ssize_t length = recv(fd, &request, sizeof(request), 0);

	if (length < 0 && errno == EINTR)
		return;
	if (length != sizeof(request) ||
	    !memchr(request.credential, 0, sizeof(request.credential)))
		_exit(length != 0);	/* 0: the daemon is gone */
	start(job, fd, &request, munge_socket);
}

static _Noreturn void serve(int fd, const char *munge_socket)
{
	struct pollfd polls[XPMD_CREDENTIAL_JOBS + 1];
	struct job *idle;
	unsigned int i;
	bool busy;

	for (;;) {
		idle = NULL;
		busy = false;
		for (i = 0; i < XPMD_CREDENTIAL_JOBS; i++) {
			polls[i] = (struct pollfd){ .fd = jobs[i].fd, .events = POLLIN };
			if (jobs[i].fd < 0)
				idle = &jobs[i];
			else
				busy = true;
		}
		polls[i] = (struct pollfd){ .fd = fd, .events = idle ? POLLIN : 0 };
		if (poll(polls, XPMD_CREDENTIAL_JOBS + 1, busy ? 500 : -1) < 0) {
			if (errno == EINTR)
				continue;
			_exit(1);
		}
		for (i = 0; i < XPMD_CREDENTIAL_JOBS; i++)
			if (polls[i].revents)
				read_child(&jobs[i], fd);
		end_late(fd);
		if (polls[i].revents & POLLIN)
			read_request(idle, fd, munge_socket);
		else if (polls[i].revents)
			_exit(0);
	}
}

static void close_all_but(int keep)
{
	if (keep > 3)
		close_range(3, (unsigned int)keep - 1, 0);
	close_range((unsigned int)keep + 1, ~0u, 0);
}

static _Noreturn void begin(int fd, const char *munge_socket)
{
	unsigned int i;

	xpmd_privilege_helper("xpmd-users");
	close_all_but(fd);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (xpmd_privilege_keep(1ull << CAP_SETUID | 1ull << CAP_SETGID) < 0)
		_exit(1);
	/* Nobody of the users it will be may look into it. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	for (i = 0; i < XPMD_CREDENTIAL_JOBS; i++)
		jobs[i].fd = -1;
	serve(fd, munge_socket);
}

pid_t xpmd_credential_fork(int *fd_ret, const char *munge_socket)
{
	int ends[2], rc;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		rc = -errno;
		close(ends[0]);
		close(ends[1]);
		return rc;
	}
	if (!pid)
		begin(ends[1], munge_socket);
	close(ends[1]);
	*fd_ret = ends[0];
	return pid;
}
