// SPDX-License-Identifier: GPL-2.0-or-later
/* Key files; see keys.h.  What was read of one is wiped on every way out. */
#include "keys.h"
#include "log.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

/* More than the longest key with spaces around: what does not fit is no key file */
#define FILE_MAX (2 * XPMD_KEY_MAX + 16)

void xpmd_key_forget(struct xpmd_key *key)
{
	OPENSSL_cleanse(key, sizeof(*key));
}

static int refuse(const char *path, const char *why)
{
	xpmd_log(LOG_ERR, "key file %s: %s", path, why);
	return -EINVAL;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static int parse(struct xpmd_key *ret, const char *path, const char *text, size_t length)
{
	size_t i;

	while (length && is_space(text[length - 1]))
		length--;
	if (length % 2 || length < 2 * XPMD_KEY_MIN || length > 2 * XPMD_KEY_MAX)
		return refuse(path, "not 64 to 128 hexadecimal digits");
	for (i = 0; i < length; i += 2) {
		int high = digit(text[i]), low = digit(text[i + 1]);

		if (high < 0 || low < 0)
			return refuse(path, "not hexadecimal");
		ret->bytes[i / 2] = (uint8_t)(high << 4 | low);
	}
	ret->length = length / 2;
	return 0;
}

static int check(const char *path, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return refuse(path, "not a regular file");
	if (st.st_uid && st.st_uid != geteuid())
		return refuse(path, "it belongs to another user");
	if (st.st_mode & 077)
		return refuse(path, "others may have access to it; want mode 0600");
	return 0;
}

int xpmd_key_read(struct xpmd_key *ret, const char *path, int fd)
{
	char text[FILE_MAX];
	ssize_t length;
	int rc;

	memset(ret, 0, sizeof(*ret));
	rc = check(path, fd);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	length = read(fd, text, sizeof(text));
	rc = length < 0 ? -errno : parse(ret, path, text, (size_t)length);
	if (rc < 0)
		xpmd_key_forget(ret);
	OPENSSL_cleanse(text, sizeof(text));
	close(fd);
	return rc;
}
