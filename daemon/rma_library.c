// SPDX-License-Identifier: GPL-2.0-or-later
/* libfabric when it is needed; see rma_library.h. */
#include "rma_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define NAME	"libfabric.so.1"

struct xpmd_rma_library xpmd_rma_library;

/* POSIX has pointers to data and to functions alike, C has not. */
static bool find(void *handle, const char *name, void *function)
{
	void *symbol = dlsym(handle, name);

	memcpy(function, &symbol, sizeof(symbol));
	return symbol;
}

int xpmd_rma_library_load(const char **why_ret)
{
	struct xpmd_rma_library found;
	void *handle;

	if (xpmd_rma_library.getinfo)
		return 0;
	handle = dlopen(NAME, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		*why_ret = dlerror();
		return -ENOSYS;
	}
	if (!find(handle, "fi_getinfo", &found.getinfo) ||
	    !find(handle, "fi_freeinfo", &found.freeinfo) ||
	    !find(handle, "fi_dupinfo", &found.dupinfo) ||
	    !find(handle, "fi_fabric", &found.fabric) ||
	    !find(handle, "fi_strerror", &found.strerror)) {
		*why_ret = NAME " lacks a call that is needed";
		dlclose(handle);
		return -ENOSYS;
	}
	xpmd_rma_library = found;
	return 0;
}
