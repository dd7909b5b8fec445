// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libConfuse knows the grammar and the types; what it calls back for while it reads is
 * used for one thing alone, to remember the line of each setting.  All checks are made
 * after that, on the whole, so that one run tells every mistake, each with its line.
 *
 * A setting that is missing is told with the line on which its section ends.
 */
#include "config.h"

#include "address.h"
#include "rma.h"
#include "uapi/xpmem_ctl.h"
#include "xpmem_owner.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <confuse.h>

#define DEFAULT_LISTEN	"tcp://[::]:7474"
#define DEFAULT_CONTROL	"/run/xpmem/control.sock"
#define DEFAULT_NET_USER "xpmem-net"
#define DEFAULT_FABRIC_MIN 16384

struct setting {
	const cfg_t *section;
	const char *name;
	int line;
};

struct reader {
	const char *path;
	cfg_t *cfg;
	struct setting *settings;
	size_t nr_settings;
	unsigned int mistakes;
};

/* libConfuse's callbacks have no argument of ours. */
static __thread struct reader *reading;

__attribute__((format(printf, 2, 3)))
static void mistake(int line, const char *format, ...)
{
	va_list arguments;

	reading->mistakes++;
	if (line)
		fprintf(stderr, "%s:%d: ", reading->path, line);
	else
		fprintf(stderr, "%s: ", reading->path);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

static void grammar_mistake(cfg_t *cfg, const char *format, va_list arguments)
{
	char text[512];

	vsnprintf(text, sizeof(text), format, arguments);
	mistake(cfg ? cfg->line : 0, "%s", text);
}

static int line_of(const cfg_t *section, const char *name)
{
	for (size_t i = 0; i < reading->nr_settings; i++)
		if (reading->settings[i].section == section &&
		    strcmp(reading->settings[i].name, name) == 0)
			return reading->settings[i].line;
	return section->line;
}

static bool is_set(const cfg_t *section, const char *name)
{
	for (size_t i = 0; i < reading->nr_settings; i++)
		if (reading->settings[i].section == section &&
		    strcmp(reading->settings[i].name, name) == 0)
			return true;
	return false;
}

static int remember_line(cfg_t *section, cfg_opt_t *option)
{
	struct setting *more;

	if (is_set(section, option->name)) {
		if (option->flags & CFGF_LIST)
			return 0;	/* called for each of its values */
		mistake(section->line, "%s is set twice, first in line %d", option->name,
			line_of(section, option->name));
		return 0;
	}
	more = reallocarray(reading->settings, reading->nr_settings + 1, sizeof(*more));
	if (!more) {
		mistake(0, "%s", strerror(ENOMEM));
		return -1;
	}
	more[reading->nr_settings++] = (struct setting){ section, option->name, section->line };
	reading->settings = more;
	return 0;
}

/* "64G": bytes, with K, M, G or T for powers of 1024 */
static int parse_size(cfg_t *section, cfg_opt_t *option, const char *value, void *result)
{
	static const char units[] = "KMGT";
	unsigned long long number;
	const char *unit;
	char *end;

	errno = 0;
	number = strtoull(value, &end, 0);
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		unsigned int shift = 10 * (unsigned int)(unit - units + 1);

		if (number > ((unsigned long long)LONG_MAX >> shift))
			errno = ERANGE;
		number <<= shift;
		end++;
	}
	if (errno || end == value || *end || *value == '-' || number > LONG_MAX) {
		mistake(section->line, "%s: \"%s\" is no size (examples: 1048576, 64G)",
			option->name, value);
		number = 0;
	}
	*(long *)result = (long)number;
	return 0;
}

/* ---- Checks. */

static uint64_t number(cfg_t *section, const char *name, long min, long max)
{
	long value = cfg_getint(section, name);

	if (value >= min && value <= max)
		return (uint64_t)value;
	mistake(line_of(section, name), "%s is %ld, but must be %ld to %ld", name, value, min, max);
	return (uint64_t)min;
}

static char *copy(const char *text)
{
	char *ret = text ? strdup(text) : NULL;

	if (text && !ret)
		mistake(0, "%s", strerror(ENOMEM));
	return ret;
}

static char *path(cfg_t *section, const char *name)
{
	const char *value = cfg_getstr(section, name);

	if (value && *value != '/')
		mistake(line_of(section, name), "%s: \"%s\" is no absolute path", name, value);
	return copy(value);
}

/* A file that is there; one that is @secret nobody but its owner may read. */
static char *file(cfg_t *section, const char *name, bool secret)
{
	char *value = path(section, name);
	int line = line_of(section, name);
	struct stat st;

	if (!value || *value != '/')
		return value;
	if (stat(value, &st) < 0)
		mistake(line, "%s: %s: %s", name, value, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		mistake(line, "%s: %s is no regular file", name, value);
	else if (secret && (st.st_mode & 077))
		mistake(line, "%s: %s can be accessed by others (mode %04o): chmod 600 it", name,
			value, st.st_mode & 07777);
	else if (secret && st.st_uid != 0 && st.st_uid != geteuid())
		mistake(line, "%s: %s belongs to user %u", name, value, st.st_uid);
	else if (access(value, R_OK) < 0)
		mistake(line, "%s: %s: %s", name, value, strerror(errno));
	return value;
}

static bool is_number(const char *text, unsigned long min, unsigned long max)
{
	unsigned long value;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	return !errno && !*end && value >= min && value <= max;
}

/* "ADDRESS:PORT" with a numeric address; one of IPv6 stands in brackets. */
static bool is_inet(const char *text)
{
	char host[INET6_ADDRSTRLEN + 2];
	const char *colon = strrchr(text, ':');
	uint8_t address[sizeof(struct in6_addr)];
	size_t length;

	if (!colon || !is_number(colon + 1, 1, 65535))
		return false;
	length = (size_t)(colon - text);
	if (length == 0 || length >= sizeof(host))
		return false;
	memcpy(host, text, length);
	host[length] = '\0';
	if (host[0] != '[')
		return inet_pton(AF_INET, host, address) == 1;
	if (host[length - 1] != ']')
		return false;
	host[length - 1] = '\0';
	return inet_pton(AF_INET6, host + 1, address) == 1;
}

static void check_address(int line, const char *name, const char *text)
{
	const char *port = strrchr(text, ':');
	struct xpmd_address address;

	/*
	 * Port 0 is any to a socket; nobody could find it.  Interfaces are those of
	 * xpmemd-net, which has another network than this process may have.
	 */
	if (xpmd_address_parse(&address, text) == -EINVAL || !port || strcmp(port, ":0") == 0)
		mistake(line,
			"%s: \"%s\" is no address (tcp://192.0.2.1:7474, tcp://[2001:db8::1]:7474, vsock://3:7474)",
			name, text);
}

/* Index of the setting's word in @words, which ends with NULL */
static unsigned int choice(cfg_t *section, const char *name, const char *const *words)
{
	const char *value = cfg_getstr(section, name);
	char known[128] = "";

	for (unsigned int i = 0; words[i]; i++) {
		if (strcmp(value, words[i]) == 0)
			return i;
		if (i > 0)
			strcat(known, " or ");
		strcat(known, words[i]);
	}
	mistake(line_of(section, name), "%s: \"%s\" is not %s", name, value, known);
	return 0;
}

static bool is_name(const char *text)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

	return *text && strlen(text) <= 63 && strspn(text, allowed) == strlen(text);
}

/* ---- The parts of the file. */

static void read_partition(struct xpmd_config *config, struct xpmd_partition *partition,
			   cfg_t *section)
{
	static const char *const policies[] = { "munge", "trust", NULL };
	static const char *const accesses[] = { "read-write", "read-only", NULL };
	int line = line_of(section, "number");

	if (!is_set(section, "number"))
		mistake(line, "partition \"%s\" has no number", cfg_title(section));
	partition->number = (uint32_t)number(section, "number", 1, XPMEM_PARTITION_MAX);
	partition->name = copy(cfg_title(section));
	if (!is_name(cfg_title(section)))
		mistake(section->line, "\"%s\" is no name of a partition (letters, digits, . - _)",
			cfg_title(section));
	else if (config->name && strcmp(config->name, cfg_title(section)) == 0)
		mistake(section->line, "partition \"%s\" has the name of this one", config->name);
	if (partition->number == config->number)
		mistake(line, "number %u is that of this partition", partition->number);
	for (struct xpmd_partition *other = config->partitions; other < partition; other++)
		if (other->number == partition->number)
			mistake(line, "number %u is that of partition \"%s\", too",
				partition->number, other->name);

	partition->address = copy(cfg_getstr(section, "address"));
	if (partition->address)
		check_address(line_of(section, "address"), "address", partition->address);
	else if (!config->listen[0])
		mistake(section->line,
			"partition \"%s\" has no address, and listen is empty: neither can connect",
			cfg_title(section));
	partition->key_file = file(section, "key_file", true);
	if (!partition->key_file && !config->certificate)
		mistake(section->line, "partition \"%s\" has no key_file, and there is no certificate",
			cfg_title(section));
	partition->users = choice(section, "users", policies) ? XPMD_USERS_TRUST
							     : XPMD_USERS_MUNGE;
	partition->read_only = choice(section, "access", accesses);
	partition->pages_max = number(section, "pages_max", 0, LONG_MAX);
	partition->fabric = cfg_getbool(section, "fabric");
	if (partition->fabric && !config->fabric)
		mistake(line_of(section, "fabric"),
			"partition \"%s\" has a fabric, and this one has none: fabric = \"%s\"",
			cfg_title(section), XPMD_RMA_ADDRESS);
}

static void read_listen(struct xpmd_config *config, cfg_t *cfg)
{
	unsigned int n = cfg_size(cfg, "listen");

	config->listen = calloc(n + 1, sizeof(*config->listen));
	if (!config->listen) {
		mistake(0, "%s", strerror(ENOMEM));
		return;
	}
	for (unsigned int i = 0; i < n; i++) {
		config->listen[i] = copy(cfg_getnstr(cfg, "listen", i));
		if (config->listen[i])
			check_address(line_of(cfg, "listen"), "listen", config->listen[i]);
	}
}

static void read_fabric(struct xpmd_config *config, cfg_t *cfg)
{
	int line = line_of(cfg, "fabric");
	const char *why;

	config->fabric_min = number(cfg, "fabric_min", XPMD_PAGE, XPMD_PAGE * XPMD_MAX_PAGES);
	config->fabric = copy(cfg_getstr(cfg, "fabric"));
	if (!config->fabric)
		return;
	why = xpmd_rma_check(config->fabric);
	if (why)
		mistake(line, "fabric: \"%s\": %s", config->fabric, why);
	else if (strcmp(strrchr(config->fabric, ':'), ":0") == 0)
		mistake(line, "fabric: \"%s\" has no port", config->fabric);
}

static void read_all(struct xpmd_config *config, cfg_t *cfg)
{
	static const char *const losts[] = { "sigbus", "last-copy", NULL };
	unsigned int n = cfg_size(cfg, "partition");

	if (!is_set(cfg, "number"))
		mistake(cfg->line, "number, that of this partition, is missing");
	config->number = (uint32_t)number(cfg, "number", 1, XPMEM_PARTITION_MAX);
	config->name = copy(cfg_getstr(cfg, "name"));
	if (!config->name)
		mistake(cfg->line, "name, that of this partition, is missing");
	else if (!is_name(config->name))
		mistake(line_of(cfg, "name"),
			"\"%s\" is no name of a partition (letters, digits, . - _)", config->name);
	read_listen(config, cfg);

	config->certificate = file(cfg, "certificate", false);
	config->key = file(cfg, "key", true);
	config->authority = file(cfg, "authority", false);
	if (config->certificate && !config->key)
		mistake(line_of(cfg, "certificate"), "certificate without key");
	if (config->certificate && !config->authority)
		mistake(line_of(cfg, "certificate"), "certificate without authority");
	if (!config->certificate && config->key)
		mistake(line_of(cfg, "key"), "key without certificate");
	if (!config->certificate && config->authority)
		mistake(line_of(cfg, "authority"), "authority without certificate");

	config->lease_ms = (uint32_t)number(cfg, "lease_ms", 1000, 30000);
	config->skew_ms = (uint32_t)number(cfg, "skew_ms", 1, 7499);
	if (config->skew_ms >= config->lease_ms / 4)
		mistake(line_of(cfg, "skew_ms"),
			"skew_ms is %u, but must be less than a quarter of lease_ms (%u)",
			config->skew_ms, config->lease_ms);
	config->fault_ms = (uint32_t)number(cfg, "fault_ms", 100, 600000);
	if (config->fault_ms <= config->lease_ms + config->skew_ms)
		mistake(line_of(cfg, "fault_ms"),
			"fault_ms is %u, but must be more than lease_ms + skew_ms (%u)",
			config->fault_ms, config->lease_ms + config->skew_ms);
	config->replica_limit = number(cfg, "replica_limit", 0, LONG_MAX);
	config->directory_pages = number(cfg, "directory_pages", 0, LONG_MAX);
	config->segments_per_user = (uint32_t)number(cfg, "segments_per_user", 1, 1 << 20);
	config->hugetlb_per_user = number(cfg, "hugetlb_per_user", 0, LONG_MAX);
	config->lost = choice(cfg, "lost", losts) ? XPMD_LOST_LAST_COPY : XPMD_LOST_SIGBUS;
	config->owner_socket = path(cfg, "owner_socket");
	config->control_socket = path(cfg, "control_socket");
	config->munge_socket = path(cfg, "munge_socket");
	config->net_user = copy(cfg_getstr(cfg, "net_user"));
	config->metrics = copy(cfg_getstr(cfg, "metrics"));
	if (config->metrics && !is_inet(config->metrics))
		mistake(line_of(cfg, "metrics"),
			"metrics: \"%s\" is no address and port (127.0.0.1:9474, [::1]:9474)",
			config->metrics);

	read_fabric(config, cfg);

	config->partitions = calloc(n ? n : 1, sizeof(*config->partitions));
	if (!config->partitions || !config->listen) {
		mistake(0, "%s", strerror(ENOMEM));
		return;
	}
	for (unsigned int i = 0; i < n; i++) {
		config->nr_partitions = i + 1;
		read_partition(config, &config->partitions[i], cfg_getnsec(cfg, "partition", i));
	}
}

struct xpmd_config *xpmd_config_read(const char *path_name)
{
	cfg_opt_t of_partition[] = {
		CFG_INT("number", 0, CFGF_NONE),
		CFG_STR("address", NULL, CFGF_NONE),
		CFG_STR("key_file", NULL, CFGF_NONE),
		CFG_STR("users", "munge", CFGF_NONE),
		CFG_STR("access", "read-write", CFGF_NONE),
		CFG_INT("pages_max", 0, CFGF_NONE),
		CFG_BOOL("fabric", cfg_false, CFGF_NONE),
		CFG_END()
	};
	cfg_opt_t options[] = {
		CFG_INT("number", 0, CFGF_NONE),
		CFG_STR("name", NULL, CFGF_NONE),
		CFG_STR_LIST("listen", "{" DEFAULT_LISTEN "}", CFGF_NONE),
		CFG_STR("certificate", NULL, CFGF_NONE),
		CFG_STR("key", NULL, CFGF_NONE),
		CFG_STR("authority", NULL, CFGF_NONE),
		CFG_INT("lease_ms", 3000, CFGF_NONE),
		CFG_INT("skew_ms", 100, CFGF_NONE),
		CFG_INT("fault_ms", 10000, CFGF_NONE),
		CFG_INT_CB("replica_limit", 0, CFGF_NONE, parse_size),
		CFG_INT("directory_pages", 0, CFGF_NONE),
		CFG_INT("segments_per_user", 256, CFGF_NONE),
		CFG_INT_CB("hugetlb_per_user", 1 << 30, CFGF_NONE, parse_size),
		CFG_STR("lost", "sigbus", CFGF_NONE),
		CFG_STR("owner_socket", XPMEM_OWNER_SOCKET, CFGF_NONE),
		CFG_STR("control_socket", DEFAULT_CONTROL, CFGF_NONE),
		CFG_STR("munge_socket", NULL, CFGF_NONE),
		CFG_STR("net_user", DEFAULT_NET_USER, CFGF_NONE),
		CFG_STR("metrics", NULL, CFGF_NONE),
		CFG_STR("fabric", NULL, CFGF_NONE),
		CFG_INT_CB("fabric_min", DEFAULT_FABRIC_MIN, CFGF_NONE, parse_size),
		CFG_SEC("partition", of_partition, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
		CFG_END()
	};
	struct reader reader = { .path = path_name };
	struct xpmd_config *config = calloc(1, sizeof(*config));
	char name[64];

	reading = &reader;
	reader.cfg = cfg_init(options, CFGF_NONE);
	if (!config || !reader.cfg) {
		mistake(0, "%s", strerror(ENOMEM));
		goto out;
	}
	cfg_set_error_function(reader.cfg, grammar_mistake);
	for (cfg_opt_t *option = options; option->name; option++)
		if (option->type != CFGT_SEC)
			cfg_set_validate_func(reader.cfg, option->name, remember_line);
	for (cfg_opt_t *option = of_partition; option->name; option++) {
		snprintf(name, sizeof(name), "partition|%s", option->name);
		cfg_set_validate_func(reader.cfg, name, remember_line);
	}
	switch (cfg_parse(reader.cfg, path_name)) {
	case CFG_SUCCESS:
		read_all(config, reader.cfg);
		break;
	case CFG_FILE_ERROR:
		mistake(0, "%s", strerror(errno));
		break;
	default:
		/* told by grammar_mistake(); be sure that it counts */
		reader.mistakes++;
	}
out:
	if (reader.cfg)
		cfg_free(reader.cfg);
	free(reader.settings);
	reading = NULL;
	if (!reader.mistakes)
		return config;
	xpmd_config_free(config);
	return NULL;
}

void xpmd_config_free(struct xpmd_config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->nr_partitions; i++) {
		free(config->partitions[i].name);
		free(config->partitions[i].address);
		free(config->partitions[i].key_file);
	}
	free(config->partitions);
	for (char **address = config->listen; address && *address; address++)
		free(*address);
	free(config->listen);
	free(config->name);
	free(config->certificate);
	free(config->key);
	free(config->authority);
	free(config->owner_socket);
	free(config->control_socket);
	free(config->munge_socket);
	free(config->net_user);
	free(config->metrics);
	free(config->fabric);
	free(config);
}
