// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A question of the module (GET or ATTACH) that another daemon has to answer is an
 * errand:
 *
 *	WAITING --session--> CHALLENGED --nonce--> PROVING --credential--> SENT --> over
 *	    \________________________(users "trust", ATTACH)________________/^
 *
 * A session that ends takes it back to WAITING, where it does not stay long: a program
 * that waits for a partition that is not there should hear so.  Its own time-out is
 * the module's, and the answer of an errand that comes too late is nobody's.
 *
 * Permits live with the home's daemon.  When that began anew, segments are opened again
 * (errands with no question) for who opened them first.  What the core asks for until
 * then would be refused, so it is not sent; what it reclaims is, for there is not much
 * time for that.  When this daemon began anew, the module tells it who that was.
 */
#include "importer.h"

#include "config.h"
#include "daemon.h"
#include "identity.h"
#include "kchannel.h"
#include "log.h"
#include "peers.h"
#include "trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SESSION_WAIT_NS	1000000000ULL
#define PAGES_UNKNOWN	(1ULL << 40)	/* of a segment an earlier daemon opened */

enum stage {
	WAITING,
	CHALLENGED,
	PROVING,
	SENT,
};

struct errand {
	struct errand *next;
	uint64_t number;	/* never used twice: the other daemon repeats it */
	uint64_t question;	/* the module's; 0: opening again */
	bool attach;
	enum stage stage;
	uint32_t home;
	int64_t segid;
	bool write;
	uint32_t uid, gid;
	uint64_t first, count;	/* ATTACH */
	uint64_t session_until;	/* WAITING no longer than this */
	uint64_t until;
};

/* A remote segment: what the module keeps of it is there, too. */
struct import {
	struct import *next;
	int64_t segid;
	uint32_t home;
	uint64_t pages;
	uint32_t uid, gid;	/* of who opened it first */
	bool known_user, write;
	bool closing;		/* nobody here has a permit, but its pages may be on their way */
	uint64_t incarnation;	/* of the home's daemon that gave the permit; 0: not known */
};

struct home_state {
	struct home_state *next;
	uint32_t home;
	bool up;
	struct xpmd_hello hello;
};

struct xpmd_importer {
	struct xpmd *d;
	struct errand *errands;
	struct import *imports;
	struct home_state *homes;
	uint64_t next_number;
	bool ending;		/* what this partition has is given back, nothing is asked for */
};

static uint32_t home_of(int64_t segid)
{
	return (uint32_t)(segid >> XPMEM_PARTITION_SHIFT);
}

static struct import *find_import(const struct xpmd_importer *importer, int64_t segid)
{
	struct import *import = importer->imports;

	while (import && import->segid != segid)
		import = import->next;
	return import;
}

static struct home_state *find_home(struct xpmd_importer *importer, uint32_t home)
{
	struct home_state *state = importer->homes;

	while (state && state->home != home)
		state = state->next;
	if (state)
		return state;
	state = calloc(1, sizeof(*state));
	if (!state)
		xpmd_out_of_memory();
	state->home = home;
	state->next = importer->homes;
	importer->homes = state;
	return state;
}

/* ---- Operations of the core */

static bool is_reopening(const struct xpmd_importer *importer, int64_t segid)
{
	for (const struct errand *e = importer->errands; e; e = e->next)
		if (e->segid == segid && !e->attach && !e->question)
			return true;
	return false;
}

static void op_send(void *ctx, uint32_t home, const struct xpmd_msg *msg)
{
	struct xpmd_importer *importer = ctx;

	/* Lost, as on any network: the core says it again. */
	if ((msg->type == XPMD_READ || msg->type == XPMD_WRITE) &&
	    is_reopening(importer, msg->segid))
		return;
	(void)xpmd_transport_send(importer->d->transport, home,
				  xpmd_msg_is_bulk(msg) ? XPMD_BULK : XPMD_URGENT, msg);
}

static int op_install(void *ctx, uint64_t fault, int64_t segid, uint64_t first, uint32_t count,
		      enum xpmd_state state, const void *data)
{
	struct xpmd_importer *importer = ctx;

	return xpmd_kchannel_install(importer->d->channel, fault, segid, first, count, state, data);
}

static int op_take(void *ctx, int64_t segid, uint64_t first, uint32_t count, enum xpmd_state state,
		   uint64_t *exclusive_ret, uint64_t *present_ret, void *data)
{
	struct xpmd_importer *importer = ctx;

	return xpmd_kchannel_take(importer->d->channel, segid, first, count, state, exclusive_ret,
				 present_ret, data);
}

static void op_fail(void *ctx, uint64_t fault, uint32_t error)
{
	struct xpmd_importer *importer = ctx;

	xpmd_kchannel_complete(importer->d->channel, fault, error, 0);
}

static void op_lease(void *ctx, uint32_t home, uint64_t until)
{
	struct xpmd_importer *importer = ctx;

	xpmd_kchannel_lease(importer->d->channel, home, until);
}

static void remove_import(struct xpmd_importer *importer, int64_t segid)
{
	for (struct import **at = &importer->imports; *at; at = &(*at)->next) {
		struct import *import = *at;

		if (import->segid != segid)
			continue;
		*at = import->next;
		free(import);
		return;
	}
}

static void op_forget(void *ctx, int64_t segid)
{
	struct xpmd_importer *importer = ctx;

	xpmd_kchannel_forget(importer->d->channel, segid, false);
	remove_import(importer, segid);
}

static void op_trace(void *ctx, int64_t segid, uint64_t page, const char *event, uint32_t home)
{
	struct xpmd_importer *importer = ctx;

	xpmd_trace_event(importer->d->trace, "replica", segid, page, event, home);
}

const struct xpmd_replica_ops xpmd_importer_replica_ops = {
	.send = op_send,
	.install = op_install,
	.take = op_take,
	.fail = op_fail,
	.lease = op_lease,
	.forget = op_forget,
	.trace = op_trace,
};

/* ---- Errands */

static void end_errand(struct xpmd_importer *importer, struct errand *errand)
{
	struct errand **at = &importer->errands;

	while (*at != errand)
		at = &(*at)->next;
	*at = errand->next;
	free(errand);
}

static void fail_errand(struct xpmd_importer *importer, struct errand *errand, uint32_t error)
{
	if (!errand->question)
		xpmd_log_of(LOG_WARNING, errand->home, errand->segid,
			    "partition %u does not open segment %llx again: %s", errand->home,
			    (unsigned long long)errand->segid, strerror((int)error));
	else
		xpmd_kchannel_complete(importer->d->channel, errand->question, error, 0);
	end_errand(importer, errand);
}

static void send_open(struct xpmd_importer *importer, struct errand *errand,
		      const char *credential)
{
	struct xpmd_open open = {
		.id = errand->number, .segid = errand->segid, .write = errand->write,
		.credential = credential, .uid = errand->uid, .gid = errand->gid,
	};

	errand->stage = SENT;
	if (xpmd_transport_open(importer->d->transport, errand->home, &open) < 0)
		errand->stage = WAITING;
}

static void send_errand(struct xpmd_importer *importer, struct errand *errand)
{
	struct xpmd_transport *transport = importer->d->transport;
	const struct xpmd_partition *partition = xpmd_peers_find(importer->d, errand->home);

	if (errand->attach) {
		struct xpmd_attach attach = {
			.id = errand->number, .segid = errand->segid,
			.first = errand->first, .count = errand->count,
		};

		errand->stage = SENT;
		if (xpmd_transport_attach(transport, errand->home, &attach) < 0)
			errand->stage = WAITING;
	} else if (partition->users == XPMD_USERS_TRUST) {
		send_open(importer, errand, "");
	} else {
		errand->stage = CHALLENGED;
		if (xpmd_transport_ask_challenge(transport, errand->home, errand->number) < 0)
			errand->stage = WAITING;
	}
}

static struct errand *add_errand(struct xpmd_importer *importer, int64_t segid, uint64_t question)
{
	struct errand *errand = calloc(1, sizeof(*errand));
	uint64_t now = xpmd_now();

	if (!errand)
		xpmd_out_of_memory();
	errand->number = ++importer->next_number;
	errand->question = question;
	errand->segid = segid;
	errand->home = home_of(segid);
	errand->until = now + importer->d->config->fault_ms * 1000000ULL;
	errand->session_until = now + SESSION_WAIT_NS;
	errand->next = importer->errands;
	importer->errands = errand;
	return errand;
}

static void start_errand(struct xpmd_importer *importer, struct errand *errand)
{
	if (!xpmd_peers_find(importer->d, errand->home))
		fail_errand(importer, errand, ENOENT);
	else if (xpmd_transport_is_up(importer->d->transport, errand->home))
		send_errand(importer, errand);
}

static struct errand *find_errand(struct xpmd_importer *importer, uint32_t home, uint64_t number,
				  enum stage stage, bool attach)
{
	for (struct errand *e = importer->errands; e; e = e->next)
		if (e->number == number && e->home == home && e->stage == stage &&
		    e->attach == attach)
			return e;
	return NULL;
}

/* ---- What the home's daemon answers */

void xpmd_importer_proved(struct xpmd_importer *importer, uint64_t number, uint32_t home,
			  uint32_t error, const char *credential)
{
	struct errand *errand = find_errand(importer, home, number, PROVING, false);

	if (!errand)
		return;		/* the session ended meanwhile, and the nonce with it */
	if (error) {
		xpmd_log_of(LOG_ERR, home, errand->segid, "no credential for user %u: %s",
			    errand->uid, strerror((int)error));
		fail_errand(importer, errand, error);
	} else {
		send_open(importer, errand, credential);
	}
}

void xpmd_importer_challenged(struct xpmd_importer *importer, uint32_t home, uint64_t id,
			      const uint8_t nonce[32])
{
	struct errand *errand = find_errand(importer, home, id, CHALLENGED, false);
	struct xpmd_proof proof;

	if (!errand)
		return;
	proof = (struct xpmd_proof){
		.number = errand->number, .partition = home, .segid = errand->segid,
		.write = errand->write, .uid = errand->uid, .gid = errand->gid,
	};
	memcpy(proof.nonce, nonce, sizeof(proof.nonce));
	errand->stage = PROVING;
	xpmd_identity_prove(importer->d->identity, &proof);
}

static int add_import(struct xpmd_importer *importer, const struct errand *errand, uint64_t pages,
		      struct import **ret)
{
	struct import *import = calloc(1, sizeof(*import));
	int rc;

	if (!import)
		return -ENOMEM;
	rc = xpmd_replica_add_segment(importer->d->replica, errand->home, errand->segid, pages);
	if (rc < 0 && rc != -EEXIST) {
		free(import);
		return rc;
	}
	import->segid = errand->segid;
	import->home = errand->home;
	import->next = importer->imports;
	importer->imports = import;
	*ret = import;
	return 0;
}

static void keep_import(struct xpmd_importer *importer, struct import *import)
{
	int rc = xpmd_replica_add_segment(importer->d->replica, import->home, import->segid,
					  import->pages ? import->pages : PAGES_UNKNOWN);

	import->closing = false;
	if (rc < 0 && rc != -EEXIST)
		xpmd_log_of(LOG_WARNING, import->home, import->segid,
			    "segment %llx: released and got at once",
			    (unsigned long long)import->segid);
}

/* Its pages are given back, as far as they could be, when the module forgets it. */
static void finish_close(struct xpmd_importer *importer, struct import *import)
{
	struct xpmd *d = importer->d;
	int64_t segid = import->segid;

	if (xpmd_replica_has_segment(d->replica, segid))
		return;
	if (xpmd_kchannel_forget(d->channel, segid, true) == -EBUSY) {
		keep_import(importer, import);
		return;
	}
	xpmd_transport_close_segment(d->transport, import->home, segid);
	remove_import(importer, segid);
}

/*
 * No process here has a permit.  One may have got the segment while the module's record
 * was on its way, or be about to: then it stays, without its pages.
 */
static void close_import(struct xpmd_importer *importer, struct import *import)
{
	for (const struct errand *e = importer->errands; e; e = e->next)
		if (e->segid == import->segid && !e->attach && e->question)
			return;	/* its answer comes after a close would */
	import->closing = true;
	xpmd_replica_remove_segment(importer->d->replica, xpmd_now(), import->segid);
	finish_close(importer, import);
}

void xpmd_importer_opened(struct xpmd_importer *importer, uint32_t home,
			  const struct xpmd_opened *opened)
{
	struct errand *errand = find_errand(importer, home, opened->id, SENT, false);
	struct import *import;
	uint64_t question;
	bool first;
	int rc = 0;

	if (!errand || errand->segid != opened->segid)
		return;
	if (opened->error || !opened->pages || opened->pages > UINT64_MAX / XPMD_PAGE) {
		fail_errand(importer, errand, opened->error ? opened->error : EPROTO);
		return;
	}
	import = find_import(importer, opened->segid);
	first = !import;
	if (first)
		rc = add_import(importer, errand, opened->pages, &import);
	if (rc < 0) {
		fail_errand(importer, errand, (uint32_t)-rc);
		return;
	}
	if (import->closing)
		keep_import(importer, import);
	if (!import->known_user || errand->write > import->write) {
		import->uid = errand->uid;
		import->gid = errand->gid;
		import->known_user = true;
	}
	import->write |= errand->write;
	import->pages = opened->pages;
	import->incarnation = find_home(importer, home)->hello.incarnation;
	question = errand->question;
	end_errand(importer, errand);
	if (question && xpmd_kchannel_complete(importer->d->channel, question, 0,
				       opened->pages * XPMD_PAGE) == -ENOENT && first)
		close_import(importer, import);	/* who asked has gone */
}

void xpmd_importer_attached(struct xpmd_importer *importer, uint32_t home,
			    const struct xpmd_attached *attached)
{
	struct errand *errand = find_errand(importer, home, attached->id, SENT, true);

	if (!errand)
		return;
	xpmd_kchannel_complete(importer->d->channel, errand->question, attached->error, 0);
	end_errand(importer, errand);
}

void xpmd_importer_up(struct xpmd_importer *importer, uint32_t home,
		      const struct xpmd_hello *hello)
{
	struct home_state *state = find_home(importer, home);

	state->up = true;
	state->hello = *hello;
	for (struct import *import = importer->imports; import; import = import->next) {
		struct errand *errand;

		if (import->home != home || import->incarnation == hello->incarnation ||
		    !import->known_user)
			continue;
		errand = add_errand(importer, import->segid, 0);
		errand->write = import->write;
		errand->uid = import->uid;
		errand->gid = import->gid;
	}
	for (struct errand *e = importer->errands; e; e = e->next)
		if (e->home == home && e->stage == WAITING)
			send_errand(importer, e);
	xpmd_replica_connect(importer->d->replica, xpmd_now(), home, hello->incarnation, 0,
			     hello->lease_ns);
}

void xpmd_importer_down(struct xpmd_importer *importer, uint32_t home)
{
	struct home_state *state = find_home(importer, home);
	uint64_t now = xpmd_now();

	for (struct errand **at = &importer->errands; *at; ) {
		struct errand *errand = *at;

		if (errand->home == home && !errand->attach && !errand->question) {
			*at = errand->next;	/* the next session makes it anew */
			free(errand);
			continue;
		}
		if (errand->home == home) {
			errand->stage = WAITING;
			errand->session_until = now + SESSION_WAIT_NS;
		}
		at = &errand->next;
	}
	if (state->up)
		xpmd_replica_disconnect(importer->d->replica, now, home);
	state->up = false;
}

/* ---- Records of the module */

static void release(struct xpmd_importer *importer, int64_t segid)
{
	struct import *import = find_import(importer, segid);

	if (import)
		close_import(importer, import);
	else
		xpmd_kchannel_forget(importer->d->channel, segid, true);
}

void xpmd_importer_record(struct xpmd_importer *importer, const struct xpmem_ctl_record *record)
{
	struct xpmd *d = importer->d;
	struct errand *errand;

	/* Faults wait for the next daemon; the module asks it.  Others fail with the channel. */
	if (importer->ending && record->type != XPMEM_CTL_DROP)
		return;
	switch (record->type) {
	case XPMEM_CTL_GET:
	case XPMEM_CTL_ATTACH:
		errand = add_errand(importer, record->segid, record->id);
		errand->attach = record->type == XPMEM_CTL_ATTACH;
		errand->write = record->flags & XPMEM_CTL_WRITE;
		errand->uid = record->uid;
		errand->gid = record->gid;
		errand->first = record->first;
		errand->count = record->count;
		start_errand(importer, errand);
		return;
	case XPMEM_CTL_FAULT:
		xpmd_replica_fault(d->replica, xpmd_now(), record->id, record->segid,
				   record->first,
				   record->count > XPMD_MAX_PAGES ? XPMD_MAX_PAGES
								  : (uint32_t)record->count,
				   record->flags & XPMEM_CTL_WRITE);
		return;
	case XPMEM_CTL_DROP:
		xpmd_replica_drop(d->replica, xpmd_now(), record->segid, record->first,
				  record->count);
		return;
	case XPMEM_CTL_RELEASE:
		release(importer, record->segid);
		return;
	}
}

/* ---- Begin, time and end */

/* A segment that an earlier daemon opened: whoever is home may have to be asked again. */
static void found_import(struct xpmd_importer *importer, int64_t segid)
{
	struct errand as_if = { .segid = segid, .home = home_of(segid) };
	struct xpmem_ctl_opener opener;
	struct import *import;
	bool known = xpmd_kchannel_opener(importer->d->channel, segid, &opener) == 0;

	if (add_import(importer, &as_if, known ? opener.out_length / XPMD_PAGE : PAGES_UNKNOWN,
		       &import) < 0)
		xpmd_out_of_memory();
	if (known) {
		import->pages = opener.out_length / XPMD_PAGE;
		import->uid = opener.out_uid;
		import->gid = opener.out_gid;
		import->write = opener.out_flags & XPMEM_CTL_WRITE;
		import->known_user = true;
		xpmd_replica_lease_found(importer->d->replica, import->home,
					 opener.out_lease_until);
	}
}

static void found(void *ctx, const struct xpmem_ctl_range *range)
{
	struct xpmd_importer *importer = ctx;

	if (!xpmd_peers_find(importer->d, home_of(range->segid))) {
		xpmd_kchannel_forget(importer->d->channel, range->segid, false);
		return;
	}
	if (!find_import(importer, range->segid))
		found_import(importer, range->segid);
	if (range->count)
		xpmd_replica_found(importer->d->replica, range->segid, range->first, range->count,
				   range->state == XPMEM_PAGE_EXCLUSIVE ? XPMD_EXCLUSIVE
									: XPMD_SHARED);
}

int xpmd_importer_new(struct xpmd_importer **ret, struct xpmd *d)
{
	struct xpmd_importer *importer = calloc(1, sizeof(*importer));

	if (!importer)
		return -ENOMEM;
	importer->d = d;
	*ret = importer;
	return 0;
}

int xpmd_importer_start(struct xpmd_importer *importer)
{
	int rc = xpmd_kchannel_list(importer->d->channel, false, found, importer);

	if (rc < 0)
		xpmd_log(LOG_ERR, "the module does not tell what replicas it has: %s",
			 strerror(-rc));
	return rc;
}

void xpmd_importer_leave(struct xpmd_importer *importer)
{
	importer->ending = true;
	xpmd_replica_leave_all(importer->d->replica, xpmd_now());
}

uint64_t xpmd_importer_tick(struct xpmd_importer *importer, uint64_t now)
{
	uint64_t next = UINT64_MAX;
	struct errand *errand = importer->errands;

	for (struct import *import = importer->imports, *after; import; import = after) {
		after = import->next;
		if (import->closing)
			finish_close(importer, import);
	}
	while (errand) {
		uint64_t until = errand->until;

		if (errand->stage == WAITING && errand->session_until < until)
			until = errand->session_until;
		if (until > now) {
			if (until < next)
				next = until;
			errand = errand->next;
			continue;
		}
		fail_errand(importer, errand,
			    errand->stage == WAITING ? EHOSTUNREACH : ETIMEDOUT);
		errand = importer->errands;
	}
	return next;
}

void xpmd_importer_each(const struct xpmd_importer *importer,
			void (*one)(void *ctx, const struct xpmd_import_info *info), void *ctx)
{
	for (const struct import *import = importer->imports; import; import = import->next) {
		struct xpmd_import_info info = {
			.segid = import->segid, .home = import->home, .pages = import->pages,
			.uid = import->uid, .write = import->write,
		};

		one(ctx, &info);
	}
}

void xpmd_importer_free(struct xpmd_importer *importer)
{
	struct errand *errand;
	struct import *import;
	struct home_state *state;

	if (!importer)
		return;
	while ((errand = importer->errands)) {
		importer->errands = errand->next;
		free(errand);
	}
	while ((import = importer->imports)) {
		importer->imports = import->next;
		free(import);
	}
	while ((state = importer->homes)) {
		importer->homes = state->next;
		free(state);
	}
	free(importer);
}
