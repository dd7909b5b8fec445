// SPDX-License-Identifier: GPL-2.0-or-later
/* See daemon.h. */
#include "daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "files.h"

/* An answer takes the daemon no wait; one that hangs is not waited for longer. */
#define ANSWER_SECONDS 5

static int connect_to(const char *path)
{
	struct timeval limit = { .tv_sec = ANSWER_SECONDS };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

json_t *daemon_ask(const struct cli *cli, const char *command, int *err_ret)
{
	char *path = file_path(cli, "%s", cli->socket);
	char *request = cli_format("{\"command\": \"%s\"}\n", command);
	char *line = NULL;
	json_t *answer = NULL;
	FILE *stream = NULL;
	size_t size = 0;
	int fd = connect_to(path);

	*err_ret = fd < 0 ? fd : -EPROTO;
	if (fd >= 0 && send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request))
		stream = fdopen(fd, "r");
	else if (fd >= 0)
		close(fd);
	if (stream && getline(&line, &size, stream) > 0)
		answer = json_loads(line, 0, NULL);
	if (!json_is_object(answer) || json_object_get(answer, "error")) {
		json_decref(answer);
		answer = NULL;
	}
	if (stream)
		fclose(stream);
	free(line);
	free(request);
	free(path);
	return answer;
}

const char *daemon_why(int err)
{
	switch (err) {
	case -ENOENT:
	case -ECONNREFUSED:
		return "xpmemd is not running";
	case -EACCES:
		return "only root may ask xpmemd";
	case -EPROTO:
		return "xpmemd does not answer as it should";
	}
	return strerror(-err);
}

long long daemon_number(const json_t *answer, const char *key)
{
	return json_integer_value(json_object_get(answer, key));
}

const char *daemon_text(const json_t *answer, const char *key)
{
	const char *text = json_string_value(json_object_get(answer, key));

	return text ? text : "";
}
