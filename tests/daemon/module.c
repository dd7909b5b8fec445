// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include "module.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fakectl.h"

#define WAIT_SECONDS 10

struct server {
	struct module *module;
	int fd;
};

static bool move(int fd, void *buffer, size_t size, bool out)
{
	for (size_t done = 0; done < size; ) {
		ssize_t n = out ? send(fd, (char *)buffer + done, size - done, MSG_NOSIGNAL)
				: recv(fd, (char *)buffer + done, size - done, 0);

		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static struct home_segment *find_home(struct module *m, int64_t segid)
{
	for (int i = 0; i < MODULE_SEGMENTS; i++)
		if (segid && m->home[i].segid == segid)
			return &m->home[i];
	return NULL;
}

static struct remote_segment *find_remote(struct module *m, int64_t segid)
{
	for (int i = 0; i < MODULE_SEGMENTS; i++)
		if (segid && m->remote[i].segid == segid)
			return &m->remote[i];
	return NULL;
}

/* ---- Requests; the lock is held. */

static int hello(struct module *m, struct xpmem_ctl_hello *arg)
{
	m->hellos++;
	arg->out_grace_until = m->grace_until;
	arg->out_incarnation = 1;
	return 0;
}

static void answered(struct module *m, uint64_t id, uint32_t error, uint64_t value, bool installed)
{
	m->answers[m->next_answer++ % MODULE_ANSWERS] =
		(struct answer){ id, error, value, installed };
	pthread_cond_broadcast(&m->changed);
}

static int segment(struct module *m, struct xpmem_ctl_segment *arg)
{
	struct home_segment *s = find_home(m, arg->segid);

	if (!s)
		return -ENOENT;
	arg->out_flags = s->flags;
	arg->out_start = (uintptr_t)s->start;
	arg->out_length = s->pages * XPMEM_CTL_PAGE;
	arg->out_mode = s->mode;
	arg->out_uid = s->uid;
	arg->out_gid = s->gid;
	arg->out_pid = s->pid;
	return 0;
}

static int check(struct module *m, struct xpmem_ctl_check *arg)
{
	struct home_segment *s = find_home(m, arg->segid);

	if (!s)
		return -ENOENT;
	return s->uid == arg->uid ? 0 : -EACCES;
}

static int mark(struct module *m, struct xpmem_ctl_mark *arg)
{
	struct home_segment *s = find_home(m, arg->segid);

	if (!s)
		return -ENOENT;
	if (arg->first + arg->count > s->pages)
		return -EINVAL;
	memset(s->marks + arg->first,
	       arg->flags == XPMEM_MARK_AWAY ? XPMEM_PAGE_EXCLUSIVE
	       : arg->flags == XPMEM_MARK_REMOTE ? XPMEM_PAGE_SHARED : XPMEM_PAGE_NONE,
	       arg->count);
	return 0;
}

bool is_present(const char *address)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (pread(fd, &entry, 8, (off_t)((uintptr_t)address / 4096 * 8)) != 8)
		entry = 0;
	close(fd);
	return entry >> 62;
}

static void hold(struct module *m, unsigned int nr)
{
	pthread_mutex_lock(&m->lock);
	if (m->hold == nr) {
		m->hold = 0;
		m->held = true;
		pthread_cond_broadcast(&m->changed);
		while (m->held)
			pthread_cond_wait(&m->changed, &m->lock);
	}
	pthread_mutex_unlock(&m->lock);
}

/* The lock is not held: the owner's page may have to come first. */
static int copy(struct module *m, struct xpmem_ctl_copy *arg, char *out)
{
	struct home_segment *s;
	char *start;

	pthread_mutex_lock(&m->lock);
	s = find_home(m, arg->segid);
	start = s && arg->first + arg->count <= s->pages ? s->start : NULL;
	pthread_mutex_unlock(&m->lock);
	arg->out_count = 0;
	if (!start)
		return -ENOENT;
	for (uint64_t i = 0; i < arg->count; i++) {
		char *page = start + (arg->first + i) * 4096;

		if (arg->flags & XPMEM_COPY_POPULATE)
			(void)*(volatile char *)page;
		else if (!is_present(page))
			return -EAGAIN;
		memcpy(out + i * 4096, page, 4096);
		arg->out_count++;
	}
	if (!(arg->flags & XPMEM_COPY_POPULATE))
		hold(m, XPMEM_CTL_NR_COPY);
	return 0;
}

static int install(struct module *m, struct xpmem_ctl_install *arg, const char *in, uint32_t size)
{
	struct remote_segment *r = find_remote(m, arg->segid);

	m->installs++;
	arg->out_count = 0;
	if (!r)
		return -ENOENT;
	for (uint64_t i = 0; i < arg->count; i++) {
		uint64_t page = arg->first + i;

		if (!size && r->state[page] != XPMEM_PAGE_SHARED)
			return -ENOENT;
		if (size && r->state[page] != XPMEM_PAGE_NONE)
			break;
		if (size)
			memcpy(r->data + page * 4096, in + i * 4096, 4096);
		r->state[page] = (uint8_t)arg->state;
		arg->out_count++;
	}
	if (arg->id)
		answered(m, arg->id, 0, 0, true);
	return 0;
}

static int take(struct module *m, struct xpmem_ctl_take *arg, char *out)
{
	struct remote_segment *r = find_remote(m, arg->segid);
	uint64_t *exclusive = (uint64_t *)(out + arg->count * 4096), *present = exclusive + 8;

	m->takes++;
	if (!r)
		return -ENOENT;
	for (uint64_t i = 0; i < arg->count && arg->first + i < MODULE_PAGES; i++) {
		uint8_t *state = &r->state[arg->first + i];

		if (*state)
			present[i / 64] |= 1ULL << (i % 64);
		if (*state == XPMEM_PAGE_EXCLUSIVE) {
			exclusive[i / 64] |= 1ULL << (i % 64);
			memcpy(out + i * 4096, r->data + (arg->first + i) * 4096, 4096);
		}
		if (arg->state == XPMEM_PAGE_NONE || *state)
			*state = (uint8_t)arg->state;
	}
	return 0;
}

static int forget(struct module *m, struct xpmem_ctl_forget *arg)
{
	struct remote_segment *r = find_remote(m, arg->segid);

	if (!r)
		return -ENOENT;
	if ((arg->flags & XPMEM_FORGET_UNUSED) && r->permits)
		return -EBUSY;
	free(r->data);
	memset(r, 0, sizeof(*r));
	return 0;
}

static int opener(struct module *m, struct xpmem_ctl_opener *arg)
{
	const struct remote_segment *r = find_remote(m, arg->segid);

	if (!r)
		return -ENOENT;
	arg->out_flags = r->flags;
	arg->out_uid = r->uid;
	arg->out_gid = r->gid;
	arg->out_length = r->length;
	arg->out_lease_until = m->lease[(uint64_t)arg->segid >> XPMEM_PARTITION_SHIFT & 7];
	return 0;
}

static int list(struct module *m, struct xpmem_ctl_list *arg, struct xpmem_ctl_range *out,
		bool marked)
{
	uint64_t n = 0, max = arg->count;

	for (int i = 0; i < MODULE_SEGMENTS; i++) {
		int64_t segid = marked ? m->home[i].segid : m->remote[i].segid;
		const uint8_t *state = marked ? m->home[i].marks : m->remote[i].state;
		uint64_t first = segid == arg->segid ? arg->first : 0, before = n;

		if (!segid || segid < arg->segid)
			continue;
		for (uint64_t p = first; p < MODULE_PAGES && n < max; p++)
			if (state[p])
				out[n++] = (struct xpmem_ctl_range){ .segid = segid, .first = p,
					.count = 1, .state = state[p] };
		/* One that has nothing is told all the same. */
		if (!marked && !first && n == before && n < max)
			out[n++] = (struct xpmem_ctl_range){ .segid = segid };
	}
	arg->count = n;
	if (n) {
		arg->segid = out[n - 1].segid;
		arg->first = out[n - 1].first + 1;
	}
	return 0;
}

static int request(struct module *m, unsigned int nr, void *arg, const char *in, uint32_t in_size,
		   char *out)
{
	struct xpmem_ctl_complete *complete = arg;
	struct xpmem_ctl_lease *lease = arg;
	int rc = 0;

	if (nr == XPMEM_CTL_NR_COPY)
		return copy(m, arg, out);
	pthread_mutex_lock(&m->lock);
	switch (nr) {
	case XPMEM_CTL_NR_HELLO:
		rc = hello(m, arg);
		break;
	case XPMEM_CTL_NR_COMPLETE:
		answered(m, complete->id, complete->error, complete->value, false);
		break;
	case XPMEM_CTL_NR_BEAT:
		m->beats++;
		break;
	case XPMEM_CTL_NR_SEGMENT:
		rc = segment(m, arg);
		break;
	case XPMEM_CTL_NR_CHECK:
		rc = check(m, arg);
		break;
	case XPMEM_CTL_NR_MARK:
		rc = mark(m, arg);
		break;
	case XPMEM_CTL_NR_LIST_MARKED:
	case XPMEM_CTL_NR_LIST:
		rc = list(m, arg, (void *)out, nr == XPMEM_CTL_NR_LIST_MARKED);
		break;
	case XPMEM_CTL_NR_INSTALL:
		rc = install(m, arg, in, in_size);
		break;
	case XPMEM_CTL_NR_TAKE:
		rc = take(m, arg, out);
		break;
	case XPMEM_CTL_NR_LEASE:
		m->lease[lease->partition % 8] = lease->until;
		break;
	case XPMEM_CTL_NR_FORGET:
		rc = forget(m, arg);
		break;
	case XPMEM_CTL_NR_OPENER:
		rc = opener(m, arg);
		break;
	default:
		rc = -ENOTTY;
	}
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
	hold(m, nr);
	return rc;
}

static void *serve(void *argument)
{
	struct server server = *(struct server *)argument;
	uint64_t arg[FAKECTL_STRUCT_MAX / 8];
	char *in = malloc(FAKECTL_DATA_MAX), *out = malloc(FAKECTL_DATA_MAX);
	struct fakectl_head head;

	free(argument);
	while (move(server.fd, &head, sizeof(head), false) && head.size <= sizeof(arg) &&
	       head.in <= FAKECTL_DATA_MAX && head.out <= FAKECTL_DATA_MAX &&
	       move(server.fd, arg, head.size, false) && move(server.fd, in, head.in, false)) {
		struct fakectl_reply reply = { 0 };

		memset(out, 0, head.out);
		reply.rc = request(server.module, head.nr, arg, in, head.in, out);
		if (!move(server.fd, &reply, sizeof(reply), true) ||
		    !move(server.fd, arg, head.size, true) ||
		    !move(server.fd, out, head.out, true))
			break;
	}
	free(in);
	free(out);
	close(server.fd);
	return NULL;
}

static void *listen_thread(void *argument)
{
	struct module *m = argument;
	pthread_t thread;
	char role;
	int fd;

	while ((fd = accept(m->listener, NULL, NULL)) >= 0) {
		struct server *server;

		if (recv(fd, &role, 1, 0) != 1) {
			close(fd);
			continue;
		}
		if (role == FAKECTL_RECORDS) {
			pthread_mutex_lock(&m->lock);
			m->records = fd;
			pthread_cond_broadcast(&m->changed);
			pthread_mutex_unlock(&m->lock);
			continue;
		}
		server = malloc(sizeof(*server));
		*server = (struct server){ m, fd };
		pthread_create(&thread, NULL, serve, server);
		pthread_detach(thread);
	}
	return NULL;
}

void module_start(struct module *m, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	pthread_t thread;

	memset(m, 0, sizeof(*m));
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->changed, NULL);
	m->records = -1;
	m->next_id = 1;
	strncpy(m->path, path, sizeof(m->path) - 1);
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	m->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(m->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(m->listener, 16), 0);
	pthread_create(&thread, NULL, listen_thread, m);
	pthread_detach(thread);
}

/* ---- What the kernel and processes do */

static uint64_t tell(struct module *m, struct xpmem_ctl_record *record, bool question)
{
	pthread_mutex_lock(&m->lock);
	record->id = question ? m->next_id++ : 0;
	ck_assert_int_ge(m->records, 0);
	ck_assert(move(m->records, record, sizeof(*record), true));
	pthread_mutex_unlock(&m->lock);
	return record->id;
}

static struct answer wait_for(struct module *m, uint64_t id, const char *what)
{
	struct timespec until;
	struct answer answer;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_SECONDS;
	pthread_mutex_lock(&m->lock);
	for (;;) {
		for (int i = 0; i < MODULE_ANSWERS; i++)
			if (m->answers[i].id == id) {
				answer = m->answers[i];
				pthread_mutex_unlock(&m->lock);
				return answer;
			}
		ck_assert_msg(pthread_cond_timedwait(&m->changed, &m->lock, &until) == 0,
			      "%s was not answered", what);
	}
}

struct home_segment *module_share(struct module *m, int64_t segid, void *start, uint64_t pages,
				  uint32_t flags)
{
	struct home_segment *s = m->home;

	pthread_mutex_lock(&m->lock);
	while (s->segid)
		s++;
	*s = (struct home_segment){
		.segid = segid, .start = start, .pages = pages, .flags = flags, .mode = 0600,
		.uid = getuid(), .gid = getgid(), .pid = (uint32_t)getpid(),
	};
	pthread_mutex_unlock(&m->lock);
	return s;
}

void module_recall(struct module *m, int64_t segid, uint64_t first, uint64_t count,
		   uint32_t reason)
{
	struct xpmem_ctl_record record = {
		.type = XPMEM_CTL_RECALL, .segid = segid, .first = first, .count = count,
		.reason = reason,
	};
	struct home_segment *s;

	wait_for(m, tell(m, &record, true), "RECALL");
	pthread_mutex_lock(&m->lock);
	s = find_home(m, segid);
	memset(s->marks + first, 0, count);
	pthread_mutex_unlock(&m->lock);
}

void module_gone(struct module *m, int64_t segid)
{
	struct xpmem_ctl_record record = { .type = XPMEM_CTL_GONE, .segid = segid };

	wait_for(m, tell(m, &record, true), "GONE");
	pthread_mutex_lock(&m->lock);
	memset(find_home(m, segid), 0, sizeof(struct home_segment));
	pthread_mutex_unlock(&m->lock);
}

void module_gone_unknown(struct module *m, int64_t segid)
{
	struct xpmem_ctl_record record = { .type = XPMEM_CTL_GONE, .segid = segid };

	wait_for(m, tell(m, &record, true), "GONE");
}

unsigned int module_mark(struct module *m, int64_t segid, uint64_t page)
{
	unsigned int mark_of;

	pthread_mutex_lock(&m->lock);
	mark_of = find_home(m, segid)->marks[page];
	pthread_mutex_unlock(&m->lock);
	return mark_of;
}

void module_hold(struct module *m, unsigned int nr)
{
	pthread_mutex_lock(&m->lock);
	m->hold = nr;
	pthread_mutex_unlock(&m->lock);
}

void module_await_held(struct module *m)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_SECONDS;
	pthread_mutex_lock(&m->lock);
	while (!m->held)
		ck_assert_msg(pthread_cond_timedwait(&m->changed, &m->lock, &until) == 0,
			      "there was no request to hold");
	pthread_mutex_unlock(&m->lock);
}

void module_let_go(struct module *m)
{
	pthread_mutex_lock(&m->lock);
	m->held = false;
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
}

int64_t module_get(struct module *m, int64_t segid, bool write)
{
	struct xpmem_ctl_record record = {
		.type = XPMEM_CTL_GET, .flags = write ? XPMEM_CTL_WRITE : 0, .segid = segid,
		.uid = getuid(), .gid = getgid(), .pid = (uint32_t)getpid(),
	};
	struct remote_segment *r;
	struct answer answer;

	pthread_mutex_lock(&m->lock);
	r = find_remote(m, segid);
	for (int i = 0; i < MODULE_SEGMENTS && !r; i++)
		if (!m->remote[i].segid) {
			r = &m->remote[i];
			r->segid = segid;
			r->data = malloc(MODULE_PAGES * 4096);
		}
	pthread_mutex_unlock(&m->lock);
	answer = wait_for(m, tell(m, &record, true), "GET");
	r->permits |= !answer.error;
	r->length = answer.value;
	r->flags = record.flags;
	r->uid = record.uid;
	r->gid = record.gid;
	return answer.error ? -(int64_t)answer.error : (int64_t)answer.value;
}

int module_attach(struct module *m, int64_t segid, uint64_t first, uint64_t count)
{
	struct xpmem_ctl_record record = {
		.type = XPMEM_CTL_ATTACH, .segid = segid, .first = first, .count = count,
	};

	return -(int)wait_for(m, tell(m, &record, true), "ATTACH").error;
}

/* The access is made with the lock held, so that a TAKE comes before or after it. */
static int touch(struct module *m, int64_t segid, uint64_t page, bool write, uint64_t *value)
{
	for (;;) {
		struct xpmem_ctl_record record = {
			.type = XPMEM_CTL_FAULT, .flags = write ? XPMEM_CTL_WRITE : 0,
			.segid = segid, .first = page, .count = 1,
		};
		struct remote_segment *r;
		struct answer answer;

		pthread_mutex_lock(&m->lock);
		r = find_remote(m, segid);
		if (r && r->state[page] >= (write ? XPMEM_PAGE_EXCLUSIVE : XPMEM_PAGE_SHARED)) {
			if (write)
				memcpy(r->data + page * 4096, value, 8);
			else
				memcpy(value, r->data + page * 4096, 8);
			pthread_mutex_unlock(&m->lock);
			return 0;
		}
		pthread_mutex_unlock(&m->lock);
		answer = wait_for(m, tell(m, &record, true), "FAULT");
		if (answer.error)
			return -(int)answer.error;
	}
}

int module_load(struct module *m, int64_t segid, uint64_t page, uint64_t *value_ret)
{
	return touch(m, segid, page, false, value_ret);
}

int module_store(struct module *m, int64_t segid, uint64_t page, uint64_t value)
{
	return touch(m, segid, page, true, &value);
}

unsigned int module_state(struct module *m, int64_t segid, uint64_t page)
{
	struct remote_segment *r;
	unsigned int state = XPMEM_PAGE_NONE;

	pthread_mutex_lock(&m->lock);
	r = find_remote(m, segid);
	if (r)
		state = r->state[page];
	pthread_mutex_unlock(&m->lock);
	return state;
}

void module_drop(struct module *m, int64_t segid, uint64_t first, uint64_t count)
{
	struct xpmem_ctl_record record = {
		.type = XPMEM_CTL_DROP, .segid = segid, .first = first, .count = count,
	};

	tell(m, &record, false);
}

void module_release(struct module *m, int64_t segid, bool again)
{
	struct xpmem_ctl_record record = { .type = XPMEM_CTL_RELEASE, .segid = segid };

	pthread_mutex_lock(&m->lock);
	find_remote(m, segid)->permits = again;
	pthread_mutex_unlock(&m->lock);
	tell(m, &record, false);
}
