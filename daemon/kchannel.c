// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The bounce buffer is of the event loop alone: INSTALL and TAKE, whose pages come
 * from and go to messages at any alignment, are never made by another thread.  It is
 * as large as a message, so nothing is allocated on the way of a recall.
 */
#include "kchannel.h"

#include "config.h"
#include "device.h"
#include "log.h"
#include "record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORDS_PER_READ	64
#define RANGES_PER_LIST		256
#define TAKE_MASK_BYTES		64	/* out_exclusive, out_present */

struct xpmd_kchannel {
	int fd;
	void *bounce;		/* XPMD_MAX_PAGES pages */
	sd_event_source *source;
	const struct xpmd_kchannel_ops *ops;
	void *ctx;
	struct xpmd_kchannel_counts counts;
};

int xpmd_kchannel_new(struct xpmd_kchannel **ret, const struct xpmd_config *config,
		     struct xpmd_kchannel_hello *hello_ret)
{
	struct xpmem_ctl_hello hello = {
		.size = sizeof(hello),
		.partition = config->number,
		.lease_ms = config->lease_ms,
		.skew_ms = config->skew_ms,
		.fault_ms = config->fault_ms,
		.replica_limit = config->replica_limit,
	};
	struct xpmd_kchannel *channel = calloc(1, sizeof(*channel));
	int rc;

	if (!channel)
		return -ENOMEM;
	channel->fd = -1;
	if (posix_memalign(&channel->bounce, XPMD_PAGE, XPMD_MAX_PAGES * XPMD_PAGE)) {
		channel->bounce = NULL;
		rc = -ENOMEM;
		goto err;
	}
	rc = xpmd_device_open();
	if (rc < 0)
		goto err;
	channel->fd = rc;
	rc = xpmd_device_ioctl(channel->fd, XPMEM_CTL_IOC_HELLO, &hello);
	if (rc < 0)
		goto err;
	hello_ret->incarnation = hello.out_incarnation;
	hello_ret->grace_until = hello.out_grace_until;
	*ret = channel;
	return 0;
err:
	xpmd_kchannel_free(channel);
	return rc;
}

static void dispatch(struct xpmd_kchannel *channel, const void *buffer, size_t size)
{
	struct xpmem_ctl_record record;
	int rc;

	for (size_t n = 0; ; n++) {
		rc = xpmd_record_decode(buffer, size, n, &record);
		switch (rc) {
		case 0:
			channel->counts.records[record.type]++;
			channel->ops->record(channel->ctx, &record);
			break;
		case -ENODATA:
			return;
		case -EOPNOTSUPP:
			channel->counts.refused++;
			xpmd_log(LOG_WARNING, "record %u of the module is not known", record.type);
			if (record.id)
				xpmd_kchannel_complete(channel, record.id, EOPNOTSUPP, 0);
			break;
		default:
			channel->counts.refused++;
			channel->ops->broken(channel->ctx, rc);
			return;
		}
	}
}

static int readable(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
	struct xpmd_kchannel *channel = ctx;
	struct xpmem_ctl_record records[RECORDS_PER_READ];
	ssize_t n = xpmd_device_read(fd, records, sizeof(records));

	(void)source;
	(void)revents;
	if (n > 0)
		dispatch(channel, records, (size_t)n);
	else if (n != -EAGAIN && n != -EINTR)
		channel->ops->broken(channel->ctx, n ? (int)n : -ENODEV);
	return 0;
}

int xpmd_kchannel_start(struct xpmd_kchannel *channel, sd_event *event,
		       const struct xpmd_kchannel_ops *ops, void *ctx)
{
	channel->ops = ops;
	channel->ctx = ctx;
	return sd_event_add_io(event, &channel->source, channel->fd, EPOLLIN, readable, channel);
}

void xpmd_kchannel_free(struct xpmd_kchannel *channel)
{
	if (!channel)
		return;
	sd_event_source_disable_unref(channel->source);
	if (channel->fd >= 0)
		close(channel->fd);
	free(channel->bounce);
	free(channel);
}

int xpmd_kchannel_complete(struct xpmd_kchannel *channel, uint64_t id, uint32_t error,
			  uint64_t value)
{
	struct xpmem_ctl_complete complete = {
		.size = sizeof(complete), .error = error, .id = id, .value = value,
	};

	return xpmd_device_ioctl(channel->fd, XPMEM_CTL_IOC_COMPLETE, &complete);
}

int xpmd_kchannel_beat(struct xpmd_kchannel *channel)
{
	struct xpmem_ctl_beat beat = { .size = sizeof(beat) };

	return xpmd_device_ioctl(channel->fd, XPMEM_CTL_IOC_BEAT, &beat);
}

int xpmd_kchannel_segment(struct xpmd_kchannel *channel, int64_t segid,
			 struct xpmem_ctl_segment *ret)
{
	struct xpmem_ctl_segment segment = { .size = sizeof(segment), .segid = segid };
	int rc = xpmd_device_ioctl(channel->fd, XPMEM_CTL_IOC_SEGMENT, &segment);

	if (rc == 0)
		*ret = segment;
	return rc;
}

int xpmd_kchannel_check(struct xpmd_kchannel *channel, int64_t segid, bool write, uint32_t uid,
		       uint32_t gid, const uint32_t *groups, uint32_t nr_groups)
{
	struct xpmem_ctl_check check = {
		.size = sizeof(check),
		.flags = write ? XPMEM_CTL_WRITE : 0,
		.segid = segid,
		.uid = uid,
		.gid = gid,
		.groups = (uintptr_t)groups,
		.nr_groups = nr_groups,
	};

	return xpmd_device_ioctl(channel->fd, XPMEM_CTL_IOC_CHECK, &check);
}

int xpmd_kchannel_mark(struct xpmd_kchannel *channel, int64_t segid, uint64_t first, uint64_t count,
		      uint32_t mark)
{
	struct xpmem_ctl_mark request = {
		.size = sizeof(request), .flags = mark, .segid = segid,
		.first = first, .count = count,
	};

	return xpmd_device_ioctl(channel->fd, XPMEM_CTL_IOC_MARK, &request);
}

int xpmd_kchannel_copy(struct xpmd_kchannel *channel, int64_t segid, uint64_t first, uint64_t count,
		      uint32_t flags, void *buffer, uint64_t *done_ret)
{
	struct xpmem_ctl_copy copy = {
		.size = sizeof(copy), .flags = flags, .segid = segid,
		.first = first, .count = count, .buffer = (uintptr_t)buffer,
	};
	int rc = xpmd_device_ioctl(channel->fd, XPMEM_CTL_IOC_COPY, &copy);

	*done_ret = copy.out_count;
	return rc;
}

static uint32_t page_state(enum xpmd_state state)
{
	switch (state) {
	case XPMD_SHARED:
		return XPMEM_PAGE_SHARED;
	case XPMD_EXCLUSIVE:
		return XPMEM_PAGE_EXCLUSIVE;
	default:
		return XPMEM_PAGE_NONE;
	}
}

static bool is_aligned(const void *data)
{
	return ((uintptr_t)data & (XPMD_PAGE - 1)) == 0;
}

int xpmd_kchannel_install(struct xpmd_kchannel *channel, uint64_t id, int64_t segid, uint64_t first,
			 uint32_t count, enum xpmd_state state, const void *data)
{
	struct xpmem_ctl_install install = {
		.size = sizeof(install), .state = page_state(state), .id = id, .segid = segid,
		.first = first, .count = count, .buffer = (uintptr_t)data,
	};
	int rc;

	if (!is_aligned(data)) {
		memcpy(channel->bounce, data, (size_t)count * XPMD_PAGE);
		install.buffer = (uintptr_t)channel->bounce;
	}
	rc = xpmd_device_ioctl(channel->fd, XPMEM_CTL_IOC_INSTALL, &install);
	return rc < 0 ? rc : (int)install.out_count;
}

/* Only what was exclusive is copied: the rest of the caller's buffer is not touched. */
static void copy_taken(char *data, const char *bounce, uint32_t count, const uint64_t *exclusive)
{
	for (uint32_t i = 0; i < count; i++)
		if (exclusive[i / 64] >> (i % 64) & 1)
			memcpy(data + (size_t)i * XPMD_PAGE, bounce + (size_t)i * XPMD_PAGE,
			       XPMD_PAGE);
}

int xpmd_kchannel_take(struct xpmd_kchannel *channel, int64_t segid, uint64_t first, uint32_t count,
		      enum xpmd_state state, uint64_t exclusive_ret[XPMD_MAX_PAGES / 64],
		      uint64_t present_ret[XPMD_MAX_PAGES / 64], void *data)
{
	uint64_t exclusive[TAKE_MASK_BYTES / 8] = { 0 }, present[TAKE_MASK_BYTES / 8] = { 0 };
	struct xpmem_ctl_take take = {
		.size = sizeof(take), .state = page_state(state), .segid = segid,
		.first = first, .count = count, .buffer = (uintptr_t)data,
		.out_exclusive = (uintptr_t)exclusive, .out_present = (uintptr_t)present,
	};
	int rc;

	if (!is_aligned(data))
		take.buffer = (uintptr_t)channel->bounce;
	rc = xpmd_device_ioctl(channel->fd, XPMEM_CTL_IOC_TAKE, &take);
	if (rc < 0)
		return rc;
	if (!is_aligned(data))
		copy_taken(data, channel->bounce, count, exclusive);
	memcpy(exclusive_ret, exclusive, XPMD_MAX_PAGES / 8);
	memcpy(present_ret, present, XPMD_MAX_PAGES / 8);
	return 0;
}

int xpmd_kchannel_lease(struct xpmd_kchannel *channel, uint32_t home, uint64_t until)
{
	struct xpmem_ctl_lease lease = {
		.size = sizeof(lease), .partition = home, .until = until,
	};

	return xpmd_device_ioctl(channel->fd, XPMEM_CTL_IOC_LEASE, &lease);
}

int xpmd_kchannel_forget(struct xpmd_kchannel *channel, int64_t segid, bool unused)
{
	struct xpmem_ctl_forget forget = {
		.size = sizeof(forget), .flags = unused ? XPMEM_FORGET_UNUSED : 0, .segid = segid,
	};
	int rc = xpmd_device_ioctl(channel->fd, XPMEM_CTL_IOC_FORGET, &forget);

	return rc == -ENOENT ? 0 : rc;
}

int xpmd_kchannel_opener(struct xpmd_kchannel *channel, int64_t segid,
			 struct xpmem_ctl_opener *ret)
{
	struct xpmem_ctl_opener opener = { .size = sizeof(opener), .segid = segid };
	int rc = xpmd_device_ioctl(channel->fd, XPMEM_CTL_IOC_OPENER, &opener);

	if (rc == 0)
		*ret = opener;
	return rc;
}

int xpmd_kchannel_list(struct xpmd_kchannel *channel, bool marked,
		      void (*range)(void *ctx, const struct xpmem_ctl_range *range), void *ctx)
{
	unsigned long request = marked ? XPMEM_CTL_IOC_LIST_MARKED : XPMEM_CTL_IOC_LIST;
	struct xpmem_ctl_range ranges[RANGES_PER_LIST];
	struct xpmem_ctl_list list = {
		.size = sizeof(list), .ranges = (uintptr_t)ranges,
	};
	int rc;

	for (;;) {
		list.count = RANGES_PER_LIST;
		rc = xpmd_device_ioctl(channel->fd, request, &list);
		if (rc < 0 || !list.count)
			return rc;
		if (list.count > RANGES_PER_LIST)
			return -EBADMSG;
		for (uint64_t i = 0; i < list.count; i++)
			range(ctx, &ranges[i]);
	}
}

void xpmd_kchannel_counts(const struct xpmd_kchannel *channel, struct xpmd_kchannel_counts *counts)
{
	*counts = channel->counts;
}
