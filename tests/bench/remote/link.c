// SPDX-License-Identifier: GPL-2.0-or-later
/* See link.h. */
#include "link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "floor.h"
#include "meter.h"
#include "remote.h"

static int links[PARTITIONS_MAX + 1];	/* home: by number; a guest: [1] */
static struct outcome outcome;		/* too large for a stack */

static void move_all(int fd, void *data, size_t size, bool out)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = out ? send(fd, (char *)data + done, size - done, MSG_NOSIGNAL) :
				  recv(fd, (char *)data + done, size - done, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			fatal("another partition's program is gone");
		done += (size_t)n;
	}
}

void link_begin(void)
{
	uint32_t number = remote.partition;
	int listener, fd;

	if (remote.partition != 1) {
		links[1] = tcp_connect(remote.address[1], remote.port);
		move_all(links[1], &number, sizeof(number), true);
		return;
	}
	listener = tcp_listen(remote.port);
	for (unsigned int n = 2; n <= remote.partitions; n++) {
		fd = tcp_accept(listener);
		move_all(fd, &number, sizeof(number), false);
		if (number < 2 || number > remote.partitions || links[number]) {
			errno = 0;
			fatal("a program of partition %u came", number);
		}
		links[number] = fd;
	}
	close(listener);
}

void order_begin(unsigned int guest, const struct order *order)
{
	move_all(links[guest], (void *)order, sizeof(*order), true);
}

void order_end(unsigned int guest, struct outcome *out)
{
	move_all(links[guest], out, offsetof(struct outcome, ns), false);
	if (out->count > OUTCOMES_MAX) {
		errno = 0;
		fatal("partition %u sent nonsense", guest);
	}
	move_all(links[guest], out->ns, out->count * sizeof(out->ns[0]), false);
}

void order_run(unsigned int guest, const struct order *order, struct outcome *out)
{
	order_begin(guest, order);
	order_end(guest, out);
}

void order_all(unsigned int last, const struct order *order)
{
	for (unsigned int guest = 2; guest <= last; guest++)
		order_begin(guest, order);
	for (unsigned int guest = 2; guest <= last; guest++)
		order_end(guest, &outcome);
}

/* ---- A guest */

static struct floor *floors[2];
static char buffer[FLOOR_CHUNK];

static void request(const struct order *order)
{
	struct floor **floor = &floors[!!order->flags];

	if (!*floor)
		*floor = floor_connect(remote.address[1], remote.port, order->flags);
	for (uint64_t i = 0; i < order->count; i++) {
		uint64_t start = now_ns();

		floor_request(*floor, order->size, buffer);
		outcome.ns[outcome.count++] = now_ns() - start;
	}
}

static void obey(const struct order *order)
{
	switch (order->work) {
	case WORK_ATTACH:
		guest_attach(order);
		break;
	case WORK_DETACH:
		guest_detach();
		break;
	case WORK_TOUCH:
		guest_touch(order, &outcome);
		break;
	case WORK_SWEEP:
		guest_sweep(order, &outcome);
		break;
	case WORK_LOCAL:
		guest_local(order, &outcome);
		break;
	case WORK_REQUEST:
		request(order);
		break;
	case WORK_IDLE:
		guest_idle(order, &outcome);
		break;
	}
}

void link_serve(void)
{
	struct order order;
	uint64_t before;

	for (;;) {
		move_all(links[1], &order, sizeof(order), false);
		if (order.work == WORK_END)
			return;
		outcome.count = 0;
		before = meter_busy();
		obey(&order);
		outcome.busy = meter_busy() - (order.work == WORK_METER ? 0 : before);
		move_all(links[1], &outcome,
			 offsetof(struct outcome, ns) + outcome.count * sizeof(outcome.ns[0]),
			 true);
	}
}
