// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include "partition.h"

#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fakectl.h"
#include "uapi/xpmem_ioctl.h"

/* A port that was free a moment ago */
static unsigned int free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	getsockname(fd, (struct sockaddr *)&address, &size);
	close(fd);
	return ntohs(address.sin_port);
}

static void write_file(const char *directory, const char *name, const char *text)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
	close(fd);
}

/* As in tests/wire/peers.h, the environment may want AF_VSOCK. */
static void format_address(char *text, size_t size, unsigned int port)
{
	const char *transport = getenv("XPMEM_TEST_TRANSPORT");

	snprintf(text, size, "%s:%u", transport && !strcmp(transport, "vsock") ? "vsock://1"
									       : "tcp://127.0.0.1",
		 port);
}

void partitions_new(struct partition p[2], const char *settings)
{
	char base[] = "/tmp/xpmemd-test-XXXXXX", text[2048], path[160], here[64], there[64];

	ck_assert_ptr_nonnull(mkdtemp(base));
	for (unsigned int i = 0; i < 2; i++) {
		memset(&p[i], 0, sizeof(p[i]));
		p[i].number = i + 1;
		p[i].port = free_port();
		p[i].metrics_port = free_port();
		p[i].fabric_port = free_port();
		snprintf(p[i].directory, sizeof(p[i].directory), "%s/%u", base, i + 1);
		ck_assert_int_eq(mkdir(p[i].directory, 0700), 0);
		snprintf(p[i].owner_socket, sizeof(p[i].owner_socket), "%s/owner", p[i].directory);
		snprintf(p[i].control_socket, sizeof(p[i].control_socket), "%s/control",
			 p[i].directory);
	}
	for (unsigned int i = 0; i < 2; i++) {
		write_file(p[i].directory, "key",
			   "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n");
		format_address(here, sizeof(here), p[i].port);
		format_address(there, sizeof(there), p[!i].port);
		snprintf(text, sizeof(text),
			 "number = %u\nname = \"p%u\"\nlisten = { \"%s\" }\n"
			 "lease_ms = 1000\nskew_ms = 100\nfault_ms = 8000\n"
			 "owner_socket = \"%s\"\ncontrol_socket = \"%s\"\n"
			 "net_user = \"nobody\"\n"
			 "metrics = \"127.0.0.1:%u\"\n"
			 "partition \"p%u\" {\n\tnumber = %u\n\taddress = \"%s\"\n"
			 "\tkey_file = \"%s/key\"\n\tusers = \"trust\"\n%s}\n",
			 i + 1, i + 1, here, p[i].owner_socket, p[i].control_socket,
			 p[i].metrics_port, 2 - i, 2 - i, there, p[i].directory,
			 i ? "" : settings);
		write_file(p[i].directory, "conf", text);
		snprintf(path, sizeof(path), "%s/ctl", p[i].directory);
		module_start(&p[i].module, path);
	}
}

/* As its unit does: as another user, and before there is anything to connect to */
static void start_apart(struct partition *p, const char *net_socket)
{
	char base[64], *const argv[] = { "xpmemd-net", "--socket", (char *)net_socket, NULL };
	/* That user need not be able to enter the directory where it was built. */
	int program = open(XPMEMD_NET, O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(program, 0);
	strcpy(base, p->directory);
	*strrchr(base, '/') = '\0';
	ck_assert_int_eq(chmod(base, 0711) | chmod(p->directory, 0711), 0);
	p->net = fork();
	if (p->net == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(65534) < 0 ||
				       setuid(65534) < 0))
			_exit(127);
		fexecve(program, argv, environ);
		_exit(127);
	}
	close(program);
}

void partition_start(struct partition *p)
{
	char conf[128], trace[128];
	unsigned int hellos = p->module.hellos;
	char net_socket[128];

	snprintf(net_socket, sizeof(net_socket), "%s/net", p->directory);
	if (p->apart && !p->net)
		start_apart(p, net_socket);
	snprintf(conf, sizeof(conf), "%s/conf", p->directory);
	snprintf(trace, sizeof(trace), "%s/trace", p->directory);
	p->daemon = fork();
	if (p->daemon == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setenv(FAKECTL_ENVIRONMENT, p->module.path, 1);
		execl(XPMEMD, "xpmemd", "--foreground", "--config", conf, "--trace", trace,
		      p->apart ? "--net-socket" : "--net", p->apart ? net_socket : XPMEMD_NET,
		      NULL);
		_exit(127);
	}
	for (int i = 0; i < 1000 && (p->module.hellos == hellos ||
				     access(p->control_socket, F_OK) < 0); i++)
		usleep(10000);
	ck_assert_uint_ne(p->module.hellos, hellos);
}

static int reap(struct partition *p)
{
	int status;

	ck_assert_int_eq(waitpid(p->daemon, &status, 0), p->daemon);
	p->daemon = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int partition_stop(struct partition *p)
{
	kill(p->daemon, SIGTERM);
	return reap(p);
}

void partition_kill(struct partition *p)
{
	kill(p->daemon, SIGKILL);
	reap(p);
	unlink(p->control_socket);
}

void partition_share(struct partition *p, struct fakeowner *owner, int64_t segid, uint64_t pages)
{
	fakeowner_map(owner, segid, pages);
	module_share(&p->module, segid, owner->memory, pages,
		     XPMEM_SHARE_READ | XPMEM_SHARE_WRITE);
	ck_assert_int_eq(fakeowner_connect(owner, p->owner_socket), 0);
}

static pid_t parent_of(pid_t pid, char name[32])
{
	char path[64];
	int parent = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (file && fscanf(file, "%*d (%31[^)]) %*c %d", name, &parent) != 2)
		parent = 0;
	if (file)
		fclose(file);
	return parent;
}

void partition_kill_net(struct partition *p)
{
	char name[32] = "", other[32];
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	pid_t pid, found = 0;

	while (!found && (entry = readdir(dir))) {
		pid = atoi(entry->d_name);
		if (pid > 0 && parent_of(parent_of(pid, name), other) == p->daemon &&
		    !strcmp(name, "xpmemd-net"))
			found = pid;
	}
	closedir(dir);
	ck_assert_int_gt(found, 0);
	ck_assert_int_eq(kill(found, SIGKILL), 0);
}

void partitions_remove(struct partition p[2])
{
	static const char *const names[] = {
		"ctl", "conf", "key", "trace", "owner", "control", "net",
	};
	char path[160];

	for (unsigned int i = 0; i < 2; i++) {
		if (p[i].net)
			ck_assert_int_eq(waitpid(p[i].net, NULL, 0), p[i].net);
		for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
			snprintf(path, sizeof(path), "%s/%s", p[i].directory, names[j]);
			unlink(path);
		}
		rmdir(p[i].directory);
	}
	*strrchr(p[0].directory, '/') = '\0';
	rmdir(p[0].directory);
}

void partition_ask(struct partition *p, const char *command, char *reply, size_t size)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t length = 0;
	ssize_t n;

	strcpy(address.sun_path, p->control_socket);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(send(fd, command, strlen(command), 0), (int)strlen(command));
	while (length < size - 1 && (n = recv(fd, reply + length, size - 1 - length, 0)) > 0) {
		length += (size_t)n;
		if (reply[length - 1] == '\n')
			break;
	}
	reply[length] = '\0';
	close(fd);
}

void partitions_meet(struct partition p[2])
{
	char reply[1024];

	for (int i = 0; i < 800; i++) {
		partition_ask(&p[0], "{\"command\": \"status\"}\n", reply, sizeof(reply));
		if (strstr(reply, "\"partitions_up\":1")) {
			partition_ask(&p[1], "{\"command\": \"status\"}\n", reply, sizeof(reply));
			if (strstr(reply, "\"partitions_up\":1"))
				return;
		}
		usleep(20000);
	}
	ck_abort_msg("no session: %s", reply);
}

void partition_get(struct partition *p, const char *url, char *reply, size_t size)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)p->metrics_port),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t length = 0;
	char request[128];
	ssize_t n;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n\r\n", url);
	ck_assert_int_eq(send(fd, request, strlen(request), 0), (int)strlen(request));
	while (length < size - 1 && (n = recv(fd, reply + length, size - 1 - length, 0)) > 0)
		length += (size_t)n;
	reply[length] = '\0';
	close(fd);
}

void partition_change(struct partition *p, const char *from, const char *to)
{
	char path[128], text[4096] = "", changed[8192], *at;
	FILE *file;

	snprintf(path, sizeof(path), "%s/conf", p->directory);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_gt(fread(text, 1, sizeof(text) - 1, file), 0);
	fclose(file);
	at = strstr(text, from);
	ck_assert_ptr_nonnull(at);
	*at = '\0';
	snprintf(changed, sizeof(changed), "%s%s%s", text, to, at + strlen(from));
	write_file(p->directory, "conf", changed);
}
