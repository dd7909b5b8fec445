// SPDX-License-Identifier: GPL-2.0-or-later
/* See peer.h. */
#include "peer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static _Noreturn void serve(int fd)
{
	struct job job;

	/* The end comes as a job: peers have each other's sockets, so none is closed. */
	while (read(fd, &job, sizeof(job)) == sizeof(job) && job.run) {
		struct answer answer = job.run(&job);

		if (write(fd, &answer, sizeof(answer)) != sizeof(answer))
			fatal("a peer can't answer");
	}
	_exit(0);
}

struct peer peer_start(void)
{
	struct peer peer;
	int pair[2];

	fflush(NULL);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		fatal("socketpair");
	peer.pid = fork();
	if (peer.pid < 0)
		fatal("fork");
	if (!peer.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pair[0]);
		serve(pair[1]);
	}
	close(pair[1]);
	peer.fd = pair[0];
	return peer;
}

void peer_begin(const struct peer *peer, const struct job *job)
{
	if (write(peer->fd, job, sizeof(*job)) != sizeof(*job))
		fatal("a peer takes no job");
}

struct answer peer_end(const struct peer *peer)
{
	struct answer answer;
	int status;

	if (read(peer->fd, &answer, sizeof(answer)) == sizeof(answer))
		return answer;
	errno = 0;
	if (waitpid(peer->pid, &status, 0) == peer->pid && WIFSIGNALED(status))
		fatal("a peer was ended by signal %d, %s", WTERMSIG(status),
		      strsignal(WTERMSIG(status)));
	fatal("a peer failed");
}

struct answer peer_run(const struct peer *peer, const struct job *job)
{
	peer_begin(peer, job);
	return peer_end(peer);
}

void peer_dismiss(const struct peer *peer)
{
	struct job end = { 0 };

	peer_begin(peer, &end);
}

void peer_wait(const struct peer *peer)
{
	int status;

	if (waitpid(peer->pid, &status, 0) != peer->pid)
		fatal("waitpid");
	close(peer->fd);
	if (status) {
		errno = 0;
		fatal("a peer ended with status 0x%x", status);
	}
}

void peer_stop(struct peer *peer)
{
	peer_dismiss(peer);
	peer_wait(peer);
	peer->fd = -1;
}
