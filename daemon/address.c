// SPDX-License-Identifier: GPL-2.0-or-later
/* Addresses as text; see address.h. */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/vm_sockets.h>

/* Digits and nothing else, at most @max */
static bool parse_number(const char *text, unsigned long max, unsigned long *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoul(text, &end, 10);
	return !errno && !*end && *ret <= max;
}

static int parse_vsock(struct xpmd_address *ret, const char *cid, unsigned long port)
{
	struct sockaddr_vm *vm = (struct sockaddr_vm *)&ret->bytes;
	unsigned long number = VMADDR_CID_ANY;

	if (strcmp(cid, "any") && !parse_number(cid, VMADDR_CID_ANY - 1ul, &number))
		return -EINVAL;
	vm->svm_family = AF_VSOCK;
	vm->svm_cid = (unsigned int)number;
	vm->svm_port = (unsigned int)port;
	ret->length = sizeof(*vm);
	return 0;
}

static int parse_ipv6(struct xpmd_address *ret, char *host, unsigned long port)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->bytes;
	char *scope = strchr(host, '%');

	if (scope)
		*scope++ = 0;
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1 || (scope && !*scope))
		return -EINVAL;
	if (scope) {
		in6->sin6_scope_id = if_nametoindex(scope);
		if (!in6->sin6_scope_id)
			return -ENODEV;
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)port);
	ret->length = sizeof(*in6);
	return 0;
}

static int parse_tcp(struct xpmd_address *ret, char *host, unsigned long port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&ret->bytes;
	size_t length = strlen(host);

	if (port > 65535)
		return -EINVAL;
	if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
		host[length - 1] = 0;
		return parse_ipv6(ret, host + 1, port);
	}
	if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
		return -EINVAL;
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)port);
	ret->length = sizeof(*in);
	return 0;
}

int xpmd_address_parse(struct xpmd_address *ret, const char *text)
{
	char host[XPMD_ADDRESS_TEXT];
	unsigned long port;
	const char *rest;
	char *colon;

	memset(ret, 0, sizeof(*ret));
	rest = strstr(text, "://");
	if (!rest || strlen(rest + 3) >= sizeof(host))
		return -EINVAL;
	strcpy(host, rest + 3);
	colon = strrchr(host, ':');
	if (!colon || !parse_number(colon + 1, VMADDR_PORT_ANY - 1ul, &port))
		return -EINVAL;
	*colon = 0;
	if (!strncmp(text, "tcp://", 6))
		return parse_tcp(ret, host, port);
	if (!strncmp(text, "vsock://", 8))
		return parse_vsock(ret, host, port);
	return -EINVAL;
}

void xpmd_address_format(const struct xpmd_address *address, char text[XPMD_ADDRESS_TEXT])
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->bytes;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&address->bytes;
	const struct sockaddr_vm *vm = (const struct sockaddr_vm *)&address->bytes;
	char host[INET6_ADDRSTRLEN] = "?", scope[IF_NAMESIZE] = "";

	switch (address->bytes.ss_family) {
	case AF_INET:
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(text, XPMD_ADDRESS_TEXT, "tcp://%s:%u", host, ntohs(in->sin_port));
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		if (in6->sin6_scope_id)
			if_indextoname(in6->sin6_scope_id, scope);
		snprintf(text, XPMD_ADDRESS_TEXT, "tcp://[%s%s%s]:%u", host, *scope ? "%" : "",
			 scope, ntohs(in6->sin6_port));
		break;
	case AF_VSOCK:
		if (vm->svm_cid == VMADDR_CID_ANY)
			snprintf(text, XPMD_ADDRESS_TEXT, "vsock://any:%u", vm->svm_port);
		else
			snprintf(text, XPMD_ADDRESS_TEXT, "vsock://%u:%u", vm->svm_cid,
				 vm->svm_port);
		break;
	default:
		snprintf(text, XPMD_ADDRESS_TEXT, "an unknown address");
		break;
	}
}
