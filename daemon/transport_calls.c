// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The calls of transport.h as frames, and frames as its operations: the same whichever
 * of the two transports is linked.
 */
#include "transport_calls.h"

#include <errno.h>
#include <string.h>

int xpmd_transport_send(struct xpmd_transport *t, uint32_t partition, enum xpmd_channel channel,
			const struct xpmd_msg *msg)
{
	struct xpmd_wire_frame frame = {
		.type = (enum xpmem_proto_type)msg->type,
		.channel = channel,
		.msg = *msg,
	};

	if (!xpmd_wire_is_msg(frame.type))
		return -EINVAL;
	return xpmd_transport_frame(t, partition, &frame);
}

int xpmd_transport_ask_challenge(struct xpmd_transport *t, uint32_t partition, uint64_t id)
{
	struct xpmd_wire_frame frame = {
		.type = XPMEM_PROTO_ASK_CHALLENGE,
		.challenge.id = id,
	};

	return xpmd_transport_frame(t, partition, &frame);
}

int xpmd_transport_challenge(struct xpmd_transport *t, uint32_t partition, uint64_t id,
			     const uint8_t nonce[32])
{
	struct xpmd_wire_frame frame = {
		.type = XPMEM_PROTO_CHALLENGE,
		.challenge.id = id,
	};

	memcpy(frame.challenge.nonce, nonce, sizeof(frame.challenge.nonce));
	return xpmd_transport_frame(t, partition, &frame);
}

int xpmd_transport_open(struct xpmd_transport *t, uint32_t partition, const struct xpmd_open *open)
{
	struct xpmd_wire_frame frame = { .type = XPMEM_PROTO_OPEN, .open = *open };

	return xpmd_transport_frame(t, partition, &frame);
}

int xpmd_transport_opened(struct xpmd_transport *t, uint32_t partition,
			  const struct xpmd_opened *opened)
{
	struct xpmd_wire_frame frame = { .type = XPMEM_PROTO_OPENED, .opened = *opened };

	return xpmd_transport_frame(t, partition, &frame);
}

int xpmd_transport_attach(struct xpmd_transport *t, uint32_t partition,
			  const struct xpmd_attach *attach)
{
	struct xpmd_wire_frame frame = { .type = XPMEM_PROTO_ATTACH, .attach = *attach };

	return xpmd_transport_frame(t, partition, &frame);
}

int xpmd_transport_attached(struct xpmd_transport *t, uint32_t partition,
			    const struct xpmd_attached *attached)
{
	struct xpmd_wire_frame frame = { .type = XPMEM_PROTO_ATTACHED, .attached = *attached };

	return xpmd_transport_frame(t, partition, &frame);
}

int xpmd_transport_close_segment(struct xpmd_transport *t, uint32_t partition, int64_t segid)
{
	struct xpmd_wire_frame frame = { .type = XPMEM_PROTO_CLOSE, .close.segid = segid };

	return xpmd_transport_frame(t, partition, &frame);
}

bool xpmd_transport_is_denial(const struct xpmd_wire_frame *frame)
{
	return (frame->type == XPMEM_PROTO_OPENED && frame->opened.error) ||
	       (frame->type == XPMEM_PROTO_ATTACHED && frame->attached.error);
}

void xpmd_transport_dispatch(const struct xpmd_session_ops *ops, void *ctx, uint32_t other,
			     const struct xpmd_wire_frame *frame)
{
	if (ops->frame) {
		ops->frame(ctx, other, frame);
		return;
	}
	switch (frame->type) {
	case XPMEM_PROTO_ASK_CHALLENGE:
		ops->challenge(ctx, other, frame->challenge.id);
		break;
	case XPMEM_PROTO_CHALLENGE:
		ops->challenged(ctx, other, frame->challenge.id, frame->challenge.nonce);
		break;
	case XPMEM_PROTO_OPEN:
		ops->open(ctx, other, &frame->open);
		break;
	case XPMEM_PROTO_OPENED:
		ops->opened(ctx, other, &frame->opened);
		break;
	case XPMEM_PROTO_ATTACH:
		ops->attach(ctx, other, &frame->attach);
		break;
	case XPMEM_PROTO_ATTACHED:
		ops->attached(ctx, other, &frame->attached);
		break;
	case XPMEM_PROTO_CLOSE:
		ops->close(ctx, other, &frame->close);
		break;
	default:
		ops->message(ctx, other, &frame->msg);
		break;
	}
}
