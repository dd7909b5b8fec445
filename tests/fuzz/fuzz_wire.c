// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The frame decoder: any bytes are refused, or are a frame that encodes to the same
 * bytes again.
 *
 * sources: daemon/wire.c
 */
#include "wire.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t pages[XPMD_WIRE_DATA_MAX];

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	uint8_t again[XPMD_WIRE_BODY_MAX];
	struct xpmd_wire_frame frame;
	struct xpmd_wire_head head;
	size_t body_length, data_length;
	uint8_t *body;

	if (size < XPMD_WIRE_HEAD)
		return 0;
	if (xpmd_wire_head(&head, bytes)) {
		if (!xpmd_wire_decode(&frame, bytes, size, pages, 0))
			abort();
		return 0;
	}
	if (head.body > XPMD_WIRE_BODY_MAX || head.data > XPMD_WIRE_DATA_MAX || size < head.body)
		return 0;
	/* Of exactly its length, so that the sanitizer sees one byte too many */
	body = malloc(head.body);
	memcpy(body, bytes, head.body);
	if (!xpmd_wire_decode(&frame, body, head.body, pages, head.data)) {
		if (xpmd_wire_encode(&frame, again, &body_length, &data_length) ||
		    body_length != head.body || data_length != head.data ||
		    memcmp(again, body, body_length))
			abort();
	}
	free(body);
	return 0;
}
