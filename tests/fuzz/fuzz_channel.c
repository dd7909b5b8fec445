// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The decoder of the module's records: whatever is read, the records it gives out are
 * what their type promises, and it comes to an end.
 *
 * sources: daemon/record.c
 */
#include "record.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xpmem_ctl_record record;

	for (size_t n = 0; ; n++) {
		int rc = xpmd_record_decode(data, size, n, &record);

		if (rc == -ENODATA && n * sizeof(record) != size)
			abort();
		if (rc == -EBADMSG || rc == -ENODATA)
			return 0;
		if (n >= size / sizeof(record))
			abort();
		if (rc == -EOPNOTSUPP)
			continue;
		if (rc || record.segid <= 0 || !strcmp(xpmd_record_name(record.type), "unknown"))
			abort();
		if (record.type >= XPMEM_CTL_RECALL && record.type != XPMEM_CTL_UNMAP && !record.id)
			abort();
		if (record.count && record.first + record.count < record.first &&
		    record.type != XPMEM_CTL_GET && record.type != XPMEM_CTL_RELEASE &&
		    record.type != XPMEM_CTL_GONE && record.type != XPMEM_CTL_UNMAP)
			abort();
	}
}
