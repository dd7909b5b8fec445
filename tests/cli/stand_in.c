// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stand_in SOCKET DIRECTORY: in the place of xpmemd.  A request {"command": NAME} is
 * answered with the file NAME of the directory, whatever is in it by then.  Ends when
 * its parent does.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void answer(int client, const char *directory, const char *line)
{
	char name[64], path[512], text[8192] = "{\"error\": \"no such command\"}\n";
	FILE *file;

	if (sscanf(line, "{\"command\": \"%63[a-z]\"}", name) == 1) {
		snprintf(path, sizeof(path), "%s/%s", directory, name);
		file = fopen(path, "r");
		if (file) {
			text[fread(text, 1, sizeof(text) - 1, file)] = 0;
			fclose(file);
		}
	}
	send(client, text, strlen(text), MSG_NOSIGNAL);
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), client;
	char line[1024];
	ssize_t length;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (argc != 3 || strlen(argv[1]) >= sizeof(address.sun_path))
		return 2;
	strcpy(address.sun_path, argv[1]);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 8)) {
		perror(argv[1]);
		return 1;
	}
	while ((client = accept(fd, NULL, NULL)) >= 0) {
		/* a request comes in one piece */
		length = recv(client, line, sizeof(line) - 1, 0);
		if (length > 0) {
			line[length] = 0;
			answer(client, argv[2], line);
		}
		close(client);
	}
	return 1;
}
