// SPDX-License-Identifier: GPL-2.0-or-later
/* xpmemd.conf: what is read, and each mistake with its line. */
#define _GNU_SOURCE
#include "check_main.h"
#include "config.h"
#include "rma.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GOOD "number = 1\nname = \"a\"\n"
#define PARTITION(more) "partition \"b\" {\n\tnumber = 2\n\tkey_file = \"%K\"\n" more "}\n"

static char directory[] = "/tmp/xpmemd-config-XXXXXX", key[64], conf[64];
static char said[4096];

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
	ck_assert_int_eq(chmod(path, mode), 0);
}

static void clean(void)
{
	unlink(key);
	unlink(conf);
	rmdir(directory);
}

/* Reads @text, in which %K is the path of a good key; what is told goes to @said. */
static struct xpmd_config *read_text(const char *text)
{
	char whole[4096] = "", path[64];
	struct xpmd_config *config;
	int saved, fd;
	ssize_t n;

	if (!key[0]) {
		ck_assert_ptr_nonnull(mkdtemp(directory));
		snprintf(key, sizeof(key), "%s/key", directory);
		snprintf(conf, sizeof(conf), "%s/conf", directory);
		write_file(key, "00\n", 0600);
		atexit(clean);
	}
	for (const char *at = text; *at; at++) {
		size_t length = strlen(whole);

		if (at[0] == '%' && at[1] == 'K') {
			strcat(whole, key);
			at++;
		} else {
			whole[length] = *at;
			whole[length + 1] = '\0';
		}
	}
	write_file(conf, whole, 0600);
	snprintf(path, sizeof(path), "%s/said", directory);
	fflush(stderr);
	saved = dup(STDERR_FILENO);
	ck_assert_ptr_nonnull(freopen(path, "w+", stderr));
	config = xpmd_config_read(conf);
	fflush(stderr);
	fd = fileno(stderr);
	n = pread(fd, said, sizeof(said) - 1, 0);
	said[n > 0 ? n : 0] = '\0';
	dup2(saved, STDERR_FILENO);
	close(saved);
	unlink(path);
	return config;
}

/* @text is refused, and line @line is told with @what. */
static void refused(const char *text, int line, const char *what)
{
	struct xpmd_config *config = read_text(text);
	char where[128];

	ck_assert_msg(!config, "accepted: %s", text);
	snprintf(where, sizeof(where), "%s:%d: ", conf, line);
	for (char *at = strtok(said, "\n"); at; at = strtok(NULL, "\n"))
		if (strncmp(at, where, strlen(where)) == 0 && strstr(at, what))
			return;
	ck_abort_msg("not told: line %d: %s", line, what);
}

START_TEST(defaults)
{
	struct xpmd_config *config = read_text(GOOD);

	ck_assert_msg(config, "%s", said);
	ck_assert_uint_eq(config->number, 1);
	ck_assert_str_eq(config->name, "a");
	ck_assert_str_eq(config->listen[0], "tcp://[::]:7474");
	ck_assert_ptr_null(config->listen[1]);
	ck_assert_uint_eq(config->lease_ms, 3000);
	ck_assert_uint_eq(config->skew_ms, 100);
	ck_assert_uint_eq(config->fault_ms, 10000);
	ck_assert_int_eq(config->lost, XPMD_LOST_SIGBUS);
	ck_assert_str_eq(config->owner_socket, "/run/xpmem/owner.sock");
	ck_assert_str_eq(config->control_socket, "/run/xpmem/control.sock");
	ck_assert_ptr_null(config->metrics);
	ck_assert_ptr_null(config->fabric);
	ck_assert_uint_eq(config->fabric_min, 16384);
	ck_assert_uint_eq(config->nr_partitions, 0);
	xpmd_config_free(config);
}
END_TEST

START_TEST(everything)
{
	struct xpmd_config *config = read_text(
		GOOD
		"listen = { \"tcp://127.0.0.1:1\", \"tcp://[::1]:2\", \"vsock://3:4\" }\n"
		"lease_ms = 1000\nskew_ms = 249\nfault_ms = 20000\nreplica_limit = 64G\n"
		"directory_pages = 1000\nsegments_per_user = 3\nhugetlb_per_user = 6M\nlost = \"last-copy\"\n"
		"metrics = \"[::1]:9474\"\n"
		PARTITION("\taddress = \"tcp://192.0.2.2:7474\"\n\tusers = \"trust\"\n"
			  "\taccess = \"read-only\"\n\tpages_max = 5\n")
		"partition \"c\" { number = 4095 key_file = \"%K\" }\n");

	ck_assert_msg(config, "%s", said);
	ck_assert_str_eq(config->listen[2], "vsock://3:4");
	ck_assert_uint_eq(config->replica_limit, 64ULL << 30);
	ck_assert_uint_eq(config->hugetlb_per_user, 6 << 20);
	ck_assert_int_eq(config->lost, XPMD_LOST_LAST_COPY);
	ck_assert_uint_eq(config->nr_partitions, 2);
	ck_assert_uint_eq(config->partitions[0].number, 2);
	ck_assert_str_eq(config->partitions[0].name, "b");
	ck_assert_str_eq(config->partitions[0].address, "tcp://192.0.2.2:7474");
	ck_assert_int_eq(config->partitions[0].users, XPMD_USERS_TRUST);
	ck_assert(config->partitions[0].read_only);
	ck_assert_uint_eq(config->partitions[0].pages_max, 5);
	ck_assert_int_eq(config->partitions[1].users, XPMD_USERS_MUNGE);
	ck_assert(!config->partitions[1].read_only);
	ck_assert_ptr_null(config->partitions[1].address);
	xpmd_config_free(config);
}
END_TEST

START_TEST(grammar)
{
	refused(GOOD "lease_ms = \n= 4\n", 4, "");
	refused(GOOD "leese_ms = 4000\n", 3, "leese_ms");
	refused(GOOD "lease_ms = soon\n", 3, "lease_ms");
	refused("number = 1\nname = \"a\"\nnumber = 2\n", 3, "twice, first in line 1");
	ck_assert_ptr_null(xpmd_config_read("/nowhere/xpmemd.conf"));
}
END_TEST

START_TEST(numbers)
{
	refused("name = \"a\"\n", 2, "number");
	refused("name = \"a\"\nnumber = 0\n", 2, "number is 0");
	refused("number = 4096\nname = \"a\"\n", 1, "number is 4096");
	refused(GOOD "partition \"b\" { number = 1\nkey_file = \"%K\" }\n", 3, "this partition");
	refused(GOOD PARTITION("") "partition \"c\" {\nkey_file = \"%K\"\nnumber = 2\n}\n", 9,
		"that of partition \"b\"");
	refused(GOOD "partition \"b\" {\nkey_file = \"%K\"\n}\n", 5, "has no number");
}
END_TEST

START_TEST(names)
{
	refused("number = 1\n", 2, "name");
	refused("number = 1\nname = \"a b\"\n", 2, "no name");
	refused(GOOD "partition \"a\" {\nnumber = 2\nkey_file = \"%K\"\n}\n", 6, "name of this one");
	refused(GOOD PARTITION("") PARTITION(""), 7, "");
}
END_TEST

START_TEST(times)
{
	refused(GOOD "lease_ms = 999\n", 3, "1000 to 30000");
	refused(GOOD "lease_ms = 30001\n", 3, "1000 to 30000");
	refused(GOOD "lease_ms = 1000\nskew_ms = 250\n", 4, "quarter");
	refused(GOOD "skew_ms = 0\n", 3, "skew_ms is 0");
	refused(GOOD "fault_ms = 3100\n", 3, "lease_ms + skew_ms");
}
END_TEST

START_TEST(sizes)
{
	refused(GOOD "replica_limit = 64X\n", 3, "no size");
	refused(GOOD "replica_limit = -1\n", 3, "no size");
	refused(GOOD "replica_limit = 99999999T\n", 3, "no size");
	refused(GOOD "directory_pages = -1\n", 3, "directory_pages");
	refused(GOOD "segments_per_user = 0\n", 3, "segments_per_user");
	refused(GOOD "hugetlb_per_user = -1\n", 3, "hugetlb_per_user");
}
END_TEST

START_TEST(addresses)
{
	static const char *const wrong[] = {
		"tcp://192.0.2.1", "tcp://192.0.2.1:0", "tcp://192.0.2.1:65536", "192.0.2.1:1",
		"tcp://host:1", "tcp://[::1]", "tcp://::1:1", "vsock://x:1", "udp://192.0.2.1:1",
	};
	char text[512];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(text, sizeof(text), GOOD "listen = { \"%s\" }\n", wrong[i]);
		refused(text, 3, wrong[i]);
	}
	refused(GOOD PARTITION("\taddress = \"b:7474\"\n"), 6, "no address");
	refused(GOOD "listen = {}\n" PARTITION(""), 7, "neither can connect");
	refused(GOOD "metrics = \"localhost:80\"\n", 3, "metrics");
	refused(GOOD "fabric_min = 2M\n", 3, "fabric_min is 2097152");
	refused(GOOD PARTITION("\tfabric = true\n"), 6, "this one has none");
	refused(GOOD PARTITION("\tfabric = maybe\n"), 6, "fabric");
}
END_TEST

/* In a build without libfabric each is refused, and says so. */
START_TEST(fabric)
{
#define FABRIC "fabric = \"verbs://192.0.2.1:7475\"\nfabric_min = 1M\n"
	bool without = xpmd_rma_check("verbs://192.0.2.1:7475") != NULL;
	struct xpmd_config *config;

	refused(GOOD "fabric = \"verbs://0.0.0.0:7475\"\n", 3, without ? "libfabric" : "one of this");
	refused(GOOD "fabric = \"192.0.2.1:7475\"\n", 3, without ? "libfabric" : "none of a fabric");
	refused(GOOD "fabric = \"verbs://alpha:7475\"\n", 3, without ? "libfabric" : "no address");
	refused(GOOD "fabric = \"verbs://192.0.2.1:0\"\n", 3, without ? "libfabric" : "no port");
	if (without) {
		refused(GOOD FABRIC, 3, "built without libfabric");
		return;
	}
	config = read_text(GOOD FABRIC PARTITION("\tfabric = true\n"));
	ck_assert_msg(config, "%s", said);
	ck_assert_str_eq(config->fabric, "verbs://192.0.2.1:7475");
	ck_assert_uint_eq(config->fabric_min, 1 << 20);
	ck_assert(config->partitions[0].fabric);
	xpmd_config_free(config);
	config = read_text(GOOD FABRIC PARTITION(""));
	ck_assert(!config->partitions[0].fabric);
	xpmd_config_free(config);
}
END_TEST

START_TEST(keys)
{
	char open_key[96], text[512];

	xpmd_config_free(read_text(GOOD));
	snprintf(open_key, sizeof(open_key), "%s/open", directory);
	write_file(open_key, "00\n", 0644);
	snprintf(text, sizeof(text), GOOD "partition \"b\" {\nnumber = 2\nkey_file = \"%s\"\n}\n",
		 open_key);
	refused(text, 5, "mode 0644");
	unlink(open_key);
	refused(text, 5, "No such file");
	refused(GOOD "partition \"b\" {\nnumber = 2\nkey_file = \"key\"\n}\n", 5, "absolute");
	refused(GOOD "partition \"b\" {\nnumber = 2\n}\n", 5, "has no key_file");
	refused(GOOD "partition \"b\" {\nnumber = 2\nkey_file = \"/\"\n}\n", 5, "regular");
}
END_TEST

START_TEST(certificates)
{
	refused(GOOD "certificate = \"%K\"\n", 3, "without key");
	refused(GOOD "certificate = \"%K\"\nkey = \"%K\"\n", 3, "without authority");
	refused(GOOD "key = \"%K\"\n", 3, "without certificate");
	refused(GOOD "authority = \"%K\"\n", 3, "without certificate");
}
END_TEST

START_TEST(words)
{
	refused(GOOD "lost = \"maybe\"\n", 3, "sigbus or last-copy");
	refused(GOOD PARTITION("\tusers = \"all\"\n"), 6, "munge or trust");
	refused(GOOD PARTITION("\taccess = \"write\"\n"), 6, "read-write or read-only");
	refused(GOOD "owner_socket = \"here\"\n", 3, "absolute");
}
END_TEST

START_TEST(all_mistakes_at_once)
{
	ck_assert_ptr_null(read_text("number = 0\nname = \"a\"\nlease_ms = 1\nlost = \"x\"\n"));
	ck_assert_ptr_nonnull(strstr(said, ":1: "));
	ck_assert_ptr_nonnull(strstr(said, ":3: "));
	ck_assert_ptr_nonnull(strstr(said, ":4: "));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config");

	add_case(suite, "defaults", defaults);
	add_case(suite, "everything", everything);
	add_case(suite, "grammar", grammar);
	add_case(suite, "numbers", numbers);
	add_case(suite, "names", names);
	add_case(suite, "times", times);
	add_case(suite, "sizes", sizes);
	add_case(suite, "addresses", addresses);
	add_case(suite, "fabric", fabric);
	add_case(suite, "keys", keys);
	add_case(suite, "certificates", certificates);
	add_case(suite, "words", words);
	add_case(suite, "all_mistakes_at_once", all_mistakes_at_once);
	return run_suite(suite);
}
