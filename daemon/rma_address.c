// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Addresses on a fabric.  xpmemd reads them in the configuration and has nothing else of
 * libfabric; xpmemd-net checks what it is told.
 */
#include "rma.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#ifdef XPMD_HAS_FABRIC

static const char *const providers[] = { "verbs", "tcp" };

const char *xpmd_rma_parse(const char *text, const char **provider_ret, struct xpmd_address *ret)
{
	const char *rest = strstr(text, "://");
	char tcp[XPMD_ADDRESS_TEXT];
	size_t i;

	*provider_ret = NULL;
	for (i = 0; rest && i < sizeof(providers) / sizeof(*providers); i++)
		if (strlen(providers[i]) == (size_t)(rest - text) &&
		    !strncmp(text, providers[i], (size_t)(rest - text)))
			*provider_ret = providers[i];
	if (!*provider_ret)
		return "it is none of a fabric (" XPMD_RMA_ADDRESS ", tcp://192.0.2.1:7475)";
	if ((size_t)snprintf(tcp, sizeof(tcp), "tcp%s", rest) >= sizeof(tcp) ||
	    xpmd_address_parse(ret, tcp) < 0)
		return "it is no address (" XPMD_RMA_ADDRESS ", verbs://[2001:db8::1]:7475)";
	if (ret->bytes.ss_family == AF_INET ?
		    !((struct sockaddr_in *)&ret->bytes)->sin_addr.s_addr :
		    IN6_IS_ADDR_UNSPECIFIED(&((struct sockaddr_in6 *)&ret->bytes)->sin6_addr))
		return "others are told this address, so it must be one of this partition";
	return NULL;
}

#else

/* A configuration that wants one is refused. */
const char *xpmd_rma_parse(const char *text, const char **provider_ret, struct xpmd_address *ret)
{
	(void)text;
	(void)provider_ret;
	(void)ret;
	return "this xpmemd was built without libfabric";
}

#endif

const char *xpmd_rma_check(const char *text)
{
	struct xpmd_address address;
	const char *provider;

	return xpmd_rma_parse(text, &provider, &address);
}
