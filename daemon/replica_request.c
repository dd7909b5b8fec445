// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Faults of this partition's processes: asking for pages, and what is granted.
 *
 * A grant counts only for the request whose id it has, and only for pages of which no
 * TAKE of a later generation was seen since it was asked for: what is not so was
 * overtaken on its way, and the home knows that it is not here.
 *
 * The page that is waited for comes alone, and says how many more come behind it, which
 * is another message.  Until that has come they are not asked for again: a process that
 * reads in sequence is at the second page long before.
 */
#include "replica_internal.h"
#include "mutant.h"

#include <errno.h>
#include <stdlib.h>

#define REST	(200 * MS)	/* for the pages behind the first */

/* ------------------------------------------------------------------- asking */

static void unlink_request(struct replica_request *req)
{
	struct replica_request **at = &req->segment->requests;

	while (*at != req)
		at = &(*at)->next;
	*at = req->next;
	free(req);
}

/* Tells the faults of @req that @write allows (all, if @error): they are answered. */
static void answer_faults(struct xpmd_replica *replica, struct replica_request *req, bool write,
			  uint32_t error, uint64_t installed_for)
{
	struct replica_fault **at = &req->faults;

	while (*at) {
		struct replica_fault *fault = *at;

		if (!error && fault->write && !write) {
			at = &fault->next;
			continue;
		}
		*at = fault->next;
		if (error)
			replica->counts.failed++;
		if (error || fault->id != installed_for)
			replica->ops->fail(replica->ctx, fault->id, error);
		free(fault);
	}
}

/*
 * The pages behind the first have come, or will not: who waits for one of them looks
 * whether it has it, and asks for it if not.
 */
static void end_rest(struct xpmd_replica *replica, struct replica_request *req,
		     uint64_t installed_for)
{
	answer_faults(replica, req, true, 0, installed_for);
	unlink_request(req);
}

static struct replica_request *new_request(struct xpmd_replica *replica,
					   struct replica_segment *segment, uint64_t first,
					   uint32_t count, bool write)
{
	struct replica_request *req;

	req = calloc(1, sizeof(*req) + count * sizeof(*req->floor));
	if (!req)
		return NULL;
	req->segment = segment;
	req->id = ++replica->id;
	req->first = first;
	req->count = count;
	req->write = write;
	req->next = segment->requests;
	segment->requests = req;
	return req;
}

/* Sends a request, if the home is there and the page could be used. */
void xpmd_replica_ask(struct xpmd_replica *replica, struct replica_request *req)
{
	struct replica_segment *segment = req->segment;
	struct replica_home *home = segment->home;
	const struct xpmd_entry *entry = xpmd_table_find(&segment->table, req->first);
	struct xpmd_msg msg = {
		.type = req->write ? XPMD_WRITE : XPMD_READ,
		.state = entry && entry->state == XPMD_SHARED ? XPMD_SHARED : XPMD_NONE,
		.id = req->id,
		.segid = segment->segid,
		.first = req->first,
		.count = 1,
	};

	req->sent = false;
	if (!home->connected || !home->epoch || replica->now >= home->lease_until ||
	    home->reclaims || replica->leaving)
		return;
	if (xpmd_replica_giving(home, segment->segid, req->first)) {
		home->blocked = true;
		return;
	}
	/* A page that is on its way home must arrive before it is asked for. */
	while (msg.count < req->count &&
	       !xpmd_replica_giving(home, segment->segid, req->first + msg.count))
		msg.count++;
	req->sent = true;
	req->due = xpmd_replica_again(replica->now, ++req->tries);
	xpmd_replica_send(replica, home, &msg);
}

/* What was granted can't be used: ask again, as something new. */
void xpmd_replica_ask_again(struct xpmd_replica *replica, struct replica_request *req)
{
	req->id = ++replica->id;
	req->served = req->rest_came = false;
	req->tries = 0;
	replica->counts.retries++;
	xpmd_replica_ask(replica, req);
}

/* The request that brings page @first: it is the first asked for, or on its way behind it. */
static struct replica_request *find_asked(struct replica_segment *segment, uint64_t first,
					  bool write)
{
	struct replica_request *req;

	for (req = segment->requests; req; req = req->next)
		if (req->served ? first > req->first && first - req->first < req->count &&
					  write <= req->write :
				  first == req->first)
			break;
	return req;
}

void xpmd_replica_fault(struct xpmd_replica *replica, uint64_t now, uint64_t id, int64_t segid,
			uint64_t first, uint32_t count, bool write)
{
	struct replica_segment *segment = xpmd_replica_segment(replica, segid);
	const struct xpmd_entry *entry;
	struct replica_request *req;
	struct replica_fault *fault;

	replica->now = now;
	replica->counts.faults++;
	if (!segment || segment->leaving || first >= segment->table.pages) {
		replica->counts.failed++;
		replica->ops->fail(replica->ctx, id,
				   segment && !segment->leaving ? EINVAL : ENOENT);
		return;
	}
	entry = xpmd_table_find(&segment->table, first);
	if (entry && entry->state == XPMD_EXCLUSIVE && now < segment->home->usable_until) {
		replica->ops->fail(replica->ctx, id, 0);
		return;
	}
	if (!count)
		count = 1;
	if (count > XPMD_MAX_PAGES)
		count = XPMD_MAX_PAGES;
	if (count > segment->table.pages - first)
		count = (uint32_t)(segment->table.pages - first);

	req = find_asked(segment, first, write);
	fault = calloc(1, sizeof(*fault));
	if (fault && !req) {
		req = new_request(replica, segment, first, count, write);
		if (req) {
			fault->id = id;
			fault->page = first;
			fault->write = write;
			req->faults = fault;
			xpmd_replica_ask(replica, req);
			return;
		}
	}
	if (!fault || !req) {
		free(fault);
		replica->counts.failed++;
		replica->ops->fail(replica->ctx, id, ENOMEM);
		return;
	}
	fault->id = id;
	fault->page = first;
	fault->write = write;
	fault->next = req->faults;
	req->faults = fault;
	if (write && !req->sent && !req->served)
		req->write = true;
}

/* Grants of pages [first, first + count) of before @gen are void. */
void xpmd_replica_raise(struct replica_segment *segment, uint64_t first, uint32_t count,
			uint32_t gen)
{
	for (struct replica_request *req = segment->requests; req; req = req->next)
		for (uint32_t i = 0; i < req->count; i++)
			if (req->first + i >= first && req->first + i < first + count &&
			    (!req->floor[i] || xpmd_gen_after(gen, req->floor[i])))
				req->floor[i] = gen;
}

/* ------------------------------------------------------------------ answers */

static struct replica_request *find_request(struct replica_segment *segment,
					    const struct xpmd_msg *msg)
{
	struct replica_request *req;

	for (req = segment->requests; req; req = req->next)
		if (req->id == msg->id)
			return req;
	if (XPMD_MUTANT(NO_REQUEST_ID))
		for (req = segment->requests; req; req = req->next)
			if (req->first == msg->first && !req->served)
				return req;
	return NULL;
}

/* What can be done with a page that was granted */
enum use { VOID, HAVE, INSTALL };

static enum use judge(struct replica_request *req, uint64_t page, const struct xpmd_msg *msg,
		      bool data)
{
	uint32_t floor = req->floor[page - req->first];
	struct xpmd_entry *entry;

	if (floor && xpmd_gen_after(floor, msg->gen) && !XPMD_MUTANT(NO_GEN))
		return VOID;
	entry = xpmd_table_get(&req->segment->table, page);
	if (!entry)
		return VOID;
	if (entry->state == XPMD_EXCLUSIVE)
		return HAVE;	/* and it may have been written: what came is older */
	if (msg->state == XPMD_SHARED && entry->state == XPMD_SHARED)
		return HAVE;
	if (!data && (msg->state != XPMD_EXCLUSIVE || entry->state != XPMD_SHARED))
		return VOID;
	return INSTALL;
}

/* Installs [first, first + count).  How many were, or -errno */
static int install(struct xpmd_replica *replica, struct replica_segment *segment, uint64_t fault,
		   const struct xpmd_msg *msg, uint64_t first, uint32_t count, const void *data)
{
	struct xpmd_msg installed = {
		.type = XPMD_INSTALLED,
		.id = msg->id,
		.segid = segment->segid,
		.first = first,
		.gen = msg->gen,
	};
	int n;

	/* One that came SHARED meanwhile makes way. */
	for (uint32_t i = 0; data && i < count; i++)
		if (xpmd_table_find(&segment->table, first + i)->state != XPMD_NONE)
			xpmd_replica_give_back(replica, segment, first + i, 1);
	n = replica->ops->install(replica->ctx, fault, segment->segid, first, count, msg->state,
				  data);
	for (int i = 0; i < n; i++) {
		struct xpmd_entry *entry = xpmd_table_find(&segment->table, first + (uint32_t)i);

		entry->state = (uint8_t)msg->state;
		entry->gen = msg->gen;
		entry->set = (uint32_t)(replica->now >> 10);
		replica->counts.installed++;
		xpmd_replica_trace(replica, segment->home, segment->segid, first + (uint32_t)i,
				   msg->state == XPMD_SHARED ? "grant-shared" : "grant-exclusive");
	}
	if (n > 0 && msg->state == XPMD_EXCLUSIVE) {
		installed.count = (uint32_t)n;
		xpmd_replica_send(replica, segment->home, &installed);
	}
	return n;
}

/* The first page has come, or not: what becomes of the request */
static void first_came(struct xpmd_replica *replica, struct replica_request *req, enum use use,
		       bool may_write, int n, uint64_t installed_for, uint32_t more)
{
	struct xpmd_entry *entry;

	if (use == INSTALL && n == -ENOENT) {
		/* It was not there as SHARED, or the segment is not there at all. */
		entry = xpmd_table_find(&req->segment->table, req->first);
		entry->state = XPMD_NONE;
	}
	if (use == VOID || (use == INSTALL && (n == -ESTALE || n == -ENOENT))) {
		if (n == -ESTALE)
			req->segment->home->lease_until = 0;	/* until the next RENEWED */
		xpmd_replica_ask_again(replica, req);
		return;
	}
	if (use == INSTALL && n <= 0) {
		answer_faults(replica, req, true, n ? (uint32_t)-n : ENOMEM, 0);
		unlink_request(req);
		return;
	}
	answer_faults(replica, req, may_write, 0, installed_for);
	if (req->faults) {		/* they want to write */
		req->write = true;
		xpmd_replica_ask_again(replica, req);
	} else if (!more || req->rest_came) {
		unlink_request(req);
	} else {
		req->served = true;
		req->count = 1 + more;
		req->due = replica->now + REST;
	}
}

/* Whether faults that want to write are served, now that the first page has come */
static bool writable(const struct replica_request *req, enum xpmd_state granted)
{
	const struct xpmd_entry *entry = xpmd_table_find(&req->segment->table, req->first);

	return granted == XPMD_EXCLUSIVE || (entry && entry->state == XPMD_EXCLUSIVE);
}

void xpmd_replica_grant(struct xpmd_replica *replica, struct replica_home *home,
			const struct xpmd_msg *msg)
{
	struct replica_segment *segment = xpmd_replica_segment(replica, msg->segid);
	struct replica_request *req;
	const uint8_t *data = msg->data;
	uint64_t id, installed_for = 0;
	enum use first_use = VOID;
	bool has_first;
	uint32_t i = 0;
	int first_n = 0;

	if (!segment || segment->home != home)
		return;
	req = find_request(segment, msg);
	if (!req || msg->first < req->first || msg->first - req->first > req->count ||
	    msg->count > req->count - (msg->first - req->first))
		return;
	if (req->served && (replica->now >= home->lease_until || home->reclaims)) {
		end_rest(replica, req, 0);
		return;
	}
	if (replica->now >= home->lease_until || home->reclaims) {
		/* It could not be used.  The home keeps what it granted; ask with a lease. */
		xpmd_replica_ask_again(replica, req);
		return;
	}
	id = req->id;
	has_first = msg->first == req->first && !req->served;
	for (struct replica_fault *fault = req->faults; fault; fault = fault->next)
		if (fault->page == msg->first && (msg->state == XPMD_EXCLUSIVE || !fault->write))
			installed_for = fault->id;

	while (i < msg->count) {
		bool with = data && msg->mask[i / 64] >> i % 64 & 1;
		enum use use = judge(req, msg->first + i, msg, with);
		const uint8_t *from = with ? data : NULL;
		uint32_t start = i, count = 0;
		int n = 0;

		do {
			if (with)
				data += XPMD_PAGE;
			count++;
			i++;
			if (i == msg->count ||
			    with != (msg->data && msg->mask[i / 64] >> i % 64 & 1))
				break;
		} while (judge(req, msg->first + i, msg, with) == use);
		if (use == INSTALL)
			n = install(replica, segment, start ? 0 : installed_for, msg,
				    msg->first + start, count, from);
		if (!start) {
			first_use = use;
			first_n = n;
		}
	}
	if (first_use != INSTALL || first_n <= 0)
		installed_for = 0;
	if (has_first)
		first_came(replica, req, first_use, writable(req, msg->state), first_n,
			   installed_for,
			   msg->more < req->count - msg->count ? msg->more
							       : req->count - msg->count);
	else if (req->served && req->id == id)
		end_rest(replica, req, installed_for);
	else if (req->id == id)
		req->rest_came = true;
}

void xpmd_replica_denied(struct xpmd_replica *replica, struct replica_home *home,
			 const struct xpmd_msg *msg)
{
	struct replica_segment *segment = xpmd_replica_segment(replica, msg->segid);
	struct replica_request *req = segment ? segment->requests : NULL;

	while (req && req->id != msg->id)
		req = req->next;
	if (!req || segment->home != home)
		return;
	if (msg->error == EAGAIN && !req->served) {
		/* As when no answer comes, but it is not the same request any more. */
		req->id = ++replica->id;
		return;
	}
	if (req->served) {
		end_rest(replica, req, 0);
		return;
	}
	answer_faults(replica, req, true, msg->error ? msg->error : EIO, 0);
	unlink_request(req);
}

void xpmd_replica_fail_all(struct xpmd_replica *replica, struct replica_segment *segment,
			   uint32_t error)
{
	while (segment->requests) {
		answer_faults(replica, segment->requests, true, error, 0);
		unlink_request(segment->requests);
	}
}

/* Repeats what is not answered, and ends what has waited for the rest. */
uint64_t xpmd_replica_requests_tick(struct xpmd_replica *replica, struct replica_segment *segment)
{
	uint64_t next = NEVER;

	for (struct replica_request *req = segment->requests, *after; req; req = after) {
		after = req->next;
		if (req->served && replica->now >= req->due) {
			end_rest(replica, req, 0);
			continue;
		}
		if (!req->served && (!req->sent || replica->now >= req->due)) {
			replica->counts.retries += req->sent;
			xpmd_replica_ask(replica, req);
		}
		/* What can't be sent goes with the lease, or with GIVEN. */
		if ((req->sent || req->served) && req->due < next)
			next = req->due;
	}
	return next;
}
