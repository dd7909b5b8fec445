// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections on a fabric by libfabric's FI_EP_MSG; see rma.h.
 *
 * What libfabric waits on are two descriptors a connection (events, completions) and
 * one of the listener.  Before the loop sleeps fi_trywait() must have said that it may:
 * on_prepare() asks, but only when something has happened since, as the question costs
 * system calls.
 *
 * A connection that this side makes is set up by a thread (struct setup): to resolve the
 * address of the other end, verbs waits up to two seconds.  Neither waits for the other:
 * who is given up is freed by the thread, and what the thread has made is handed over
 * by an eventfd.  Another thread closes what has ended (struct closing): the kernel waits
 * then for messages of its connection manager, which may not be there for as long as
 * the fabric is cut.
 *
 * The cache of registrations must be off.  With it memory stays registered after
 * fi_close(), and keys would open it.
 */
#include "rma.h"

#include "log.h"
#include "rma_library.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>

#define API		FI_VERSION(1, 17)
#define STACK_BYTES	(512u << 10)
#define FREE_SECONDS	6	/* twice what verbs waits, and more */
#define EVENT_DATA	512	/* no fabric lets others send more with a request */
#define KEY_TRIES	8
#define CLOSINGS_MAX	8		/* with more than these there are no new connections */

/* What a connection is made of */
struct ends {
	struct fid_domain *domain;
	struct fid_cq *cq;
	struct fid_eq *eq;
	struct fid_ep *ep;
	uint64_t mr_mode;
	size_t key_size;
};

/* What a connection was made of, which nobody uses any more */
struct closing {
	STAILQ_ENTRY(closing) entry;
	struct ends ends;
};

/* What threads use, too: freed by the last */
struct core {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	unsigned int users;	/* the listener, and threads */
	struct fi_info *info;	/* of the listener */
	struct fid_fabric *fabric;
	STAILQ_HEAD(, closing) closings;
	unsigned int nr_closings; /* and the one that is being closed */
	bool closes;		/* there is a thread for them */
};

struct setup {
	struct core *core;
	int fd;			/* eventfd: it is done */
	bool done, abandoned;	/* under the core's lock */
	int error;
	struct sockaddr_storage to;
	socklen_t to_length;
	uint8_t hello[XPMD_RMA_HELLO];
	size_t hello_length;
	struct ends ends;
};

struct xpmd_rma {
	struct core *core;
	sd_event *event;
	struct fid_eq *eq;
	struct fid_pep *pep;
	sd_event_source *io;
	const struct xpmd_rma_ops *ops;
	void *ctx;
};

struct xpmd_rma_request {
	struct xpmd_rma *rma;
	struct fi_info *info;
	bool accepted;
};

struct xpmd_rma_link {
	struct xpmd_rma *rma;
	const struct xpmd_rma_link_ops *ops;
	void *ctx;
	struct setup *setup;
	struct ends ends;
	sd_event_source *setup_io, *eq_io, *cq_io, *later;
	bool restless;		/* fi_trywait() is to be asked */
	bool down;
	bool *freed;		/* told to who is inside an operation */
	struct fi_context contexts[XPMD_RMA_SLOTS];
	TAILQ_HEAD(, xpmd_rma_region) regions;
};

/* ---------------------------------------------------------------- hints */

/* What both sides of a connection need of a fabric; NULL: no memory */
static struct fi_info *make_hints(const char *provider, const struct sockaddr_storage *from)
{
	struct fi_info *hints = xpmd_rma_library.dupinfo(NULL);

	if (!hints)
		return NULL;
	hints->caps = FI_RMA | FI_READ | FI_REMOTE_READ;
	hints->mode = FI_CONTEXT | FI_RX_CQ_DATA;
	hints->ep_attr->type = FI_EP_MSG;
	hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED |
				      FI_MR_PROV_KEY;
	hints->addr_format = from->ss_family == AF_INET ? FI_SOCKADDR_IN : FI_SOCKADDR_IN6;
	hints->src_addrlen = from->ss_family == AF_INET ? sizeof(struct sockaddr_in) :
							  sizeof(struct sockaddr_in6);
	hints->src_addr = malloc(hints->src_addrlen);
	hints->fabric_attr->prov_name = strdup(provider);
	if (hints->src_addr && hints->fabric_attr->prov_name) {
		memcpy(hints->src_addr, from, hints->src_addrlen);
		return hints;
	}
	xpmd_rma_library.freeinfo(hints);
	return NULL;
}

/* ------------------------------------------------------------------ core */

static void close_ends(struct ends *ends)
{
	if (ends->ep)
		fi_close(&ends->ep->fid);
	if (ends->cq)
		fi_close(&ends->cq->fid);
	if (ends->eq)
		fi_close(&ends->eq->fid);
	if (ends->domain)
		fi_close(&ends->domain->fid);
	memset(ends, 0, sizeof(*ends));
}

static void close_all(struct core *core)
{
	struct closing *closing;

	pthread_mutex_lock(&core->lock);
	while ((closing = STAILQ_FIRST(&core->closings))) {
		STAILQ_REMOVE_HEAD(&core->closings, entry);
		pthread_mutex_unlock(&core->lock);
		close_ends(&closing->ends);
		free(closing);
		pthread_mutex_lock(&core->lock);
		core->nr_closings--;
	}
	core->closes = false;
	pthread_mutex_unlock(&core->lock);
}

static void core_put(struct core *core)
{
	bool last;

	pthread_mutex_lock(&core->lock);
	last = --core->users == 0;
	pthread_cond_signal(&core->ended);
	pthread_mutex_unlock(&core->lock);
	if (!last)
		return;
	close_all(core);
	if (core->fabric)
		fi_close(&core->fabric->fid);
	xpmd_rma_library.freeinfo(core->info);
	pthread_cond_destroy(&core->ended);
	pthread_mutex_destroy(&core->lock);
	free(core);
}

static bool may_open(struct core *core)
{
	bool may;

	pthread_mutex_lock(&core->lock);
	may = core->nr_closings < CLOSINGS_MAX;
	pthread_mutex_unlock(&core->lock);
	return may;
}

/* -errno: there is none */
static int start_thread(void *(*run)(void *), void *argument)
{
	sigset_t all, before;
	pthread_attr_t attributes;
	pthread_t thread;
	int rc;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, &attributes, run, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return -rc;
}

static void *run_closings(void *argument)
{
	struct core *core = argument;

	close_all(core);
	core_put(core);
	return NULL;
}

/*
 * Closes them, and does not wait for that.  What can't be closed yet has its descriptors
 * until then, which TLS needs, too: see may_open().
 */
static void close_later(struct core *core, struct ends *ends)
{
	struct closing *closing;
	bool start;

	if (!ends->domain)
		return;
	closing = malloc(sizeof(*closing));
	if (!closing) {
		close_ends(ends);
		return;
	}
	closing->ends = *ends;
	memset(ends, 0, sizeof(*ends));
	pthread_mutex_lock(&core->lock);
	STAILQ_INSERT_TAIL(&core->closings, closing, entry);
	core->nr_closings++;
	start = !core->closes;
	core->closes = true;
	core->users += start;
	pthread_mutex_unlock(&core->lock);
	if (!start || start_thread(run_closings, core) == 0)
		return;
	/* The next that ends tries again. */
	pthread_mutex_lock(&core->lock);
	core->closes = false;
	core->users--;
	pthread_mutex_unlock(&core->lock);
}

/* All but the connection: 0 or what libfabric says.  What was made stays in @ends. */
static int open_ends(struct ends *ends, struct fid_fabric *fabric, struct fi_info *info)
{
	struct fi_cq_attr cq = {
		.size = 64, .format = FI_CQ_FORMAT_CONTEXT, .wait_obj = FI_WAIT_FD,
	};
	struct fi_eq_attr eq = { .size = 16, .wait_obj = FI_WAIT_FD };
	int rc;

	ends->mr_mode = (uint64_t)info->domain_attr->mr_mode;
	ends->key_size = info->domain_attr->mr_key_size;
	rc = fi_domain(fabric, info, &ends->domain, NULL);
	if (!rc)
		rc = fi_cq_open(ends->domain, &cq, &ends->cq, NULL);
	if (!rc)
		rc = fi_eq_open(fabric, &eq, &ends->eq, NULL);
	if (!rc)
		rc = fi_endpoint(ends->domain, info, &ends->ep, NULL);
	if (!rc)
		rc = fi_ep_bind(ends->ep, &ends->eq->fid, 0);
	if (!rc)
		rc = fi_ep_bind(ends->ep, &ends->cq->fid, FI_TRANSMIT | FI_RECV);
	if (!rc)
		rc = fi_enable(ends->ep);
	return rc;
}

/* --------------------------------------------------- setting up, a thread */

static int connect_ends(struct setup *setup)
{
	struct core *core = setup->core;
	struct sockaddr_storage from = { 0 };
	struct fi_info *hints, *info = NULL;
	int rc;

	memcpy(&from, core->info->src_addr, core->info->src_addrlen);
	if (from.ss_family == AF_INET)
		((struct sockaddr_in *)&from)->sin_port = 0;
	else
		((struct sockaddr_in6 *)&from)->sin6_port = 0;
	hints = make_hints(core->info->fabric_attr->prov_name, &from);
	if (!hints)
		return -FI_ENOMEM;
	hints->dest_addr = malloc(setup->to_length);
	hints->dest_addrlen = setup->to_length;
	hints->fabric_attr->name = strdup(core->info->fabric_attr->name);
	if (!hints->dest_addr || !hints->fabric_attr->name) {
		xpmd_rma_library.freeinfo(hints);
		return -FI_ENOMEM;
	}
	memcpy(hints->dest_addr, &setup->to, setup->to_length);
	rc = xpmd_rma_library.getinfo(API, NULL, NULL, 0, hints, &info);
	if (!rc)
		rc = open_ends(&setup->ends, core->fabric, info);
	if (!rc)
		rc = fi_connect(setup->ends.ep, info->dest_addr, setup->hello,
				setup->hello_length);
	xpmd_rma_library.freeinfo(hints);
	xpmd_rma_library.freeinfo(info);
	return rc;
}

static void setup_free(struct setup *setup)
{
	struct core *core = setup->core;

	close_later(core, &setup->ends);
	close(setup->fd);
	free(setup);
	core_put(core);
}

static void *run_setup(void *argument)
{
	struct setup *setup = argument;
	struct core *core = setup->core;
	bool abandoned;

	setup->error = connect_ends(setup);
	pthread_mutex_lock(&core->lock);
	setup->done = true;
	abandoned = setup->abandoned;
	if (!abandoned)
		eventfd_write(setup->fd, 1);
	pthread_mutex_unlock(&core->lock);
	if (abandoned)
		setup_free(setup);
	return NULL;
}

/* It takes over all of the setup: 0 or -errno, and nothing is left. */
static int start_setup(struct setup *setup)
{
	int rc = start_thread(run_setup, setup);

	if (rc < 0)
		setup_free(setup);
	return rc;
}

static void abandon_setup(struct setup *setup)
{
	struct core *core = setup->core;
	bool done;

	pthread_mutex_lock(&core->lock);
	done = setup->done;
	setup->abandoned = true;
	pthread_mutex_unlock(&core->lock);
	if (done)
		setup_free(setup);
}

/* ------------------------------------------------------------------ links */

static void quiet(struct xpmd_rma_link *link)
{
	link->setup_io = sd_event_source_disable_unref(link->setup_io);
	link->eq_io = sd_event_source_disable_unref(link->eq_io);
	link->cq_io = sd_event_source_disable_unref(link->cq_io);
	link->later = sd_event_source_disable_unref(link->later);
}

static void go_down(struct xpmd_rma_link *link, const char *why)
{
	if (link->down)
		return;
	link->down = true;
	quiet(link);
	link->ops->down(link->ctx, why);
}

static void read_events(struct xpmd_rma_link *link)
{
	uint8_t bytes[sizeof(struct fi_eq_cm_entry) + EVENT_DATA]
		__attribute__((aligned(sizeof(uint64_t))));
	struct fi_eq_err_entry error = { 0 };
	uint32_t event;
	ssize_t rc;

	rc = fi_eq_read(link->ends.eq, &event, bytes, sizeof(bytes), 0);
	if (rc == -FI_EAGAIN)
		return;
	link->restless = true;
	if (rc >= 0 && event == FI_CONNECTED) {
		link->ops->up(link->ctx);
	} else if (rc >= 0 && event == FI_SHUTDOWN) {
		go_down(link, "the other end closed it");
	} else if (rc == -FI_EAVAIL) {
		if (fi_eq_readerr(link->ends.eq, &error, 0) < 0)
			error.err = EIO;
		go_down(link, xpmd_rma_library.strerror(error.err));
	} else if (rc < 0) {
		go_down(link, xpmd_rma_library.strerror((int)-rc));
	}
}

static void read_completions(struct xpmd_rma_link *link)
{
	struct fi_cq_err_entry error = { 0 };
	struct fi_cq_entry entry;
	char why[128];
	ssize_t rc;

	rc = fi_cq_read(link->ends.cq, &entry, 1);
	if (rc == -FI_EAGAIN)
		return;
	link->restless = true;
	if (rc == 1) {
		struct fi_context *context = entry.op_context;

		link->ops->read(link->ctx, (unsigned int)(context - link->contexts));
	} else if (rc == -FI_EAVAIL && fi_cq_readerr(link->ends.cq, &error, 0) == 1) {
		snprintf(why, sizeof(why), "%s (%s)", xpmd_rma_library.strerror(error.err),
			 fi_cq_strerror(link->ends.cq, error.prov_errno, error.err_data, NULL, 0));
		go_down(link, why);
	} else {
		go_down(link, xpmd_rma_library.strerror(EIO));
	}
}

/* One of each; there is more if it is restless then.  An operation may free the link. */
static void progress(struct xpmd_rma_link *link)
{
	bool freed = false;

	link->freed = &freed;
	link->restless = true;
	read_completions(link);
	if (!freed && !link->down)
		read_events(link);
	if (!freed)
		link->freed = NULL;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	(void)source;
	(void)fd;
	(void)revents;
	progress(userdata);
	return 0;
}

static int on_later(sd_event_source *source, void *userdata)
{
	(void)source;
	progress(userdata);
	return 0;
}

static int on_prepare(sd_event_source *source, void *userdata)
{
	struct xpmd_rma_link *link = userdata;
	struct fid *fids[] = { &link->ends.cq->fid, &link->ends.eq->fid };

	(void)source;
	if (!link->restless)
		return 0;
	if (fi_trywait(link->rma->core->fabric, fids, 2) == FI_SUCCESS)
		link->restless = false;
	else
		sd_event_source_set_enabled(link->later, SD_EVENT_ONESHOT);
	return 0;
}

static int watch(struct xpmd_rma_link *link, sd_event_source **ret, struct fid *fid)
{
	int fd, rc = fi_control(fid, FI_GETWAIT, &fd);

	return rc ? rc : sd_event_add_io(link->rma->event, ret, fd, EPOLLIN, on_io, link);
}

static int watch_ends(struct xpmd_rma_link *link)
{
	int rc = watch(link, &link->cq_io, &link->ends.cq->fid);

	if (rc >= 0)
		rc = watch(link, &link->eq_io, &link->ends.eq->fid);
	if (rc >= 0)
		rc = sd_event_add_defer(link->rma->event, &link->later, on_later, link);
	if (rc >= 0)
		rc = sd_event_source_set_enabled(link->later, SD_EVENT_OFF);
	if (rc >= 0)
		rc = sd_event_source_set_prepare(link->cq_io, on_prepare);
	link->restless = true;
	return rc;
}

static int on_setup(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct xpmd_rma_link *link = userdata;
	struct setup *setup = link->setup;
	int rc = setup->error;

	(void)source;
	(void)fd;
	(void)revents;
	link->setup = NULL;
	link->setup_io = sd_event_source_disable_unref(link->setup_io);
	link->ends = setup->ends;
	memset(&setup->ends, 0, sizeof(setup->ends));
	setup_free(setup);
	if (!rc)
		rc = watch_ends(link);
	if (rc < 0)
		go_down(link, xpmd_rma_library.strerror(-rc));
	return 0;
}

static struct xpmd_rma_link *new_link(struct xpmd_rma *rma, const struct xpmd_rma_link_ops *ops,
				      void *ctx)
{
	struct xpmd_rma_link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	link->rma = rma;
	link->ops = ops;
	link->ctx = ctx;
	TAILQ_INIT(&link->regions);
	return link;
}

int xpmd_rma_connect(struct xpmd_rma_link **ret, struct xpmd_rma *rma,
		     const struct xpmd_address *to, const void *hello, size_t length,
		     const struct xpmd_rma_link_ops *ops, void *ctx)
{
	struct xpmd_rma_link *link;
	struct setup *setup;
	int rc = -ENOMEM;

	if (!may_open(rma->core))
		return -EBUSY;
	link = new_link(rma, ops, ctx);
	setup = calloc(1, sizeof(*setup));
	if (!link || !setup || length > sizeof(setup->hello))
		goto err;
	*setup = (struct setup){
		.core = rma->core,
		.to = to->bytes,
		.to_length = to->length,
		.hello_length = length,
	};
	memcpy(setup->hello, hello, length);
	setup->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (setup->fd < 0) {
		rc = -errno;
		goto err;
	}
	rc = sd_event_add_io(rma->event, &link->setup_io, setup->fd, EPOLLIN, on_setup, link);
	if (rc < 0) {
		close(setup->fd);
		goto err;
	}
	pthread_mutex_lock(&rma->core->lock);
	rma->core->users++;
	pthread_mutex_unlock(&rma->core->lock);
	link->setup = setup;
	rc = start_setup(setup);
	if (rc < 0) {
		link->setup = NULL;
		xpmd_rma_link_free(link);
		return rc;
	}
	*ret = link;
	return 0;
err:
	free(setup);
	free(link);
	return rc;
}

int xpmd_rma_accept(struct xpmd_rma_link **ret, struct xpmd_rma_request *request,
		    const struct xpmd_rma_link_ops *ops, void *ctx)
{
	struct xpmd_rma_link *link;
	int rc;

	if (!may_open(request->rma->core))
		return -EBUSY;
	link = new_link(request->rma, ops, ctx);
	if (!link)
		return -ENOMEM;
	rc = open_ends(&link->ends, request->rma->core->fabric, request->info);
	/* From here on the request is the endpoint's, and ends with it. */
	request->accepted = link->ends.ep != NULL;
	if (!rc)
		rc = fi_accept(link->ends.ep, NULL, 0);
	if (!rc)
		rc = watch_ends(link);
	if (rc < 0) {
		xpmd_rma_link_free(link);
		return rc;
	}
	*ret = link;
	return 0;
}

void xpmd_rma_link_free(struct xpmd_rma_link *link)
{
	struct xpmd_rma_region *region;

	if (!link)
		return;
	if (link->freed)
		*link->freed = true;
	quiet(link);
	if (link->setup)
		abandon_setup(link->setup);
	/* After these two nothing reads or writes this side's memory any more. */
	if (link->ends.ep)
		fi_shutdown(link->ends.ep, 0);
	while ((region = TAILQ_FIRST(&link->regions)))
		xpmd_rma_unregister(link, region);
	close_later(link->rma->core, &link->ends);
	free(link);
}

/* ----------------------------------------------------------------- memory */

int xpmd_rma_register(struct xpmd_rma_link *link, struct xpmd_rma_region *region, void *memory,
		      size_t length, bool remote)
{
	const struct ends *ends = &link->ends;
	struct fid_mr *mr = NULL;
	uint64_t key = 0;
	unsigned int try;
	int rc = 0;

	*region = (struct xpmd_rma_region){ .address = 0 };
	if (!remote && !(ends->mr_mode & FI_MR_LOCAL))
		goto out;
	for (try = 0; try < KEY_TRIES; try++) {
		/* Nobody has to guess keys, but whoever does shall need long. */
		if (!(ends->mr_mode & FI_MR_PROV_KEY)) {
			if (getrandom(&key, sizeof(key), 0) != sizeof(key))
				return -EIO;
			if (ends->key_size < sizeof(key))
				key &= (1ull << ends->key_size * 8) - 1;
		}
		rc = fi_mr_reg(ends->domain, memory, length, remote ? FI_REMOTE_READ : FI_READ, 0,
			       key, 0, &mr, NULL);
		if (rc != -FI_ENOKEY)
			break;
	}
	if (rc)
		return rc;
	region->mr = mr;
	region->key = fi_mr_key(mr);
	if (ends->mr_mode & FI_MR_VIRT_ADDR)
		region->address = (uintptr_t)memory;
out:
	TAILQ_INSERT_TAIL(&link->regions, region, entry);
	return 0;
}

int xpmd_rma_unregister(struct xpmd_rma_link *link, struct xpmd_rma_region *region)
{
	struct fid_mr *mr = region->mr;

	TAILQ_REMOVE(&link->regions, region, entry);
	region->mr = NULL;
	return mr ? fi_close(&mr->fid) : 0;
}

int xpmd_rma_read(struct xpmd_rma_link *link, unsigned int slot,
		  const struct xpmd_rma_region *region, void *to, size_t length, uint64_t address,
		  uint64_t key)
{
	link->restless = true;
	return (int)fi_read(link->ends.ep, to, length, region->mr ? fi_mr_desc(region->mr) : NULL,
			    0, address, key, &link->contexts[slot]);
}

/* --------------------------------------------------------------- listener */

static int on_listener(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	uint8_t bytes[sizeof(struct fi_eq_cm_entry) + EVENT_DATA]
		__attribute__((aligned(sizeof(uint64_t))));
	struct fi_eq_cm_entry *entry = (struct fi_eq_cm_entry *)bytes;
	struct xpmd_rma *rma = userdata;
	struct xpmd_rma_request request = { .rma = rma };
	struct fi_eq_err_entry error = { 0 };
	uint32_t event;
	ssize_t rc;

	(void)source;
	(void)fd;
	(void)revents;
	rc = fi_eq_read(rma->eq, &event, bytes, sizeof(bytes), 0);
	if (rc == -FI_EAVAIL)
		fi_eq_readerr(rma->eq, &error, 0);
	if (rc < (ssize_t)sizeof(*entry) || event != FI_CONNREQ)
		return 0;
	request.info = entry->info;
	rma->ops->request(rma->ctx, &request, entry->data, (size_t)rc - sizeof(*entry));
	if (!request.accepted)
		fi_reject(rma->pep, request.info->handle, NULL, 0);
	xpmd_rma_library.freeinfo(request.info);
	return 0;
}

/* The descriptor tells of requests; what fi_trywait() wants here it wants before each sleep. */
static int on_listener_prepare(sd_event_source *source, void *userdata)
{
	struct xpmd_rma *rma = userdata;
	struct fid *fids[] = { &rma->eq->fid };

	if (fi_trywait(rma->core->fabric, fids, 1) != FI_SUCCESS)
		on_listener(source, -1, 0, rma);
	return 0;
}

static int open_listener(struct xpmd_rma *rma, const struct xpmd_address *address,
			 const char *provider)
{
	struct fi_eq_attr eq = { .size = 64, .wait_obj = FI_WAIT_FD };
	struct fi_info *hints = make_hints(provider, &address->bytes);
	struct core *core = rma->core;
	int fd, rc = -FI_ENOMEM;

	if (hints)
		rc = xpmd_rma_library.getinfo(API, NULL, NULL, 0, hints, &core->info);
	xpmd_rma_library.freeinfo(hints);
	if (!rc)
		rc = xpmd_rma_library.fabric(core->info->fabric_attr, &core->fabric, NULL);
	if (!rc)
		rc = fi_eq_open(core->fabric, &eq, &rma->eq, NULL);
	if (!rc)
		rc = fi_passive_ep(core->fabric, core->info, &rma->pep, NULL);
	if (!rc)
		rc = fi_pep_bind(rma->pep, &rma->eq->fid, 0);
	if (!rc)
		rc = fi_listen(rma->pep);
	if (!rc)
		rc = fi_control(&rma->eq->fid, FI_GETWAIT, &fd);
	if (!rc)
		rc = sd_event_add_io(rma->event, &rma->io, fd, EPOLLIN, on_listener, rma);
	if (rc >= 0)
		rc = sd_event_source_set_prepare(rma->io, on_listener_prepare);
	return rc < 0 ? rc : 0;
}

int xpmd_rma_load(const char *text)
{
	const char *why;
	int rc = xpmd_rma_library_load(&why);

	if (rc < 0)
		xpmd_log(LOG_ERR, "fabric %s: %s", text, why);
	return rc;
}

int xpmd_rma_new(struct xpmd_rma **ret, sd_event *event, const char *text,
		 const struct xpmd_rma_ops *ops, void *ctx)
{
	struct xpmd_address address;
	const char *provider, *why = xpmd_rma_parse(text, &provider, &address);
	struct xpmd_rma *rma;
	struct core *core;
	int rc;

	if (why) {
		xpmd_log(LOG_ERR, "fabric %s: %s", text, why);
		return -EINVAL;
	}
	setenv("FI_MR_CACHE_MONITOR", "disabled", 1);
	setenv("FI_MR_CACHE_MAX_COUNT", "0", 1);
	setenv("FI_PROVIDER", provider, 1); /* the others' libraries do a lot when they begin */
	rc = xpmd_rma_load(text);
	if (rc < 0)
		return rc;
	rma = calloc(1, sizeof(*rma));
	core = calloc(1, sizeof(*core));
	if (!rma || !core) {
		free(rma);
		free(core);
		return -ENOMEM;
	}
	pthread_mutex_init(&core->lock, NULL);
	pthread_cond_init(&core->ended, NULL);
	STAILQ_INIT(&core->closings);
	core->users = 1;
	rma->core = core;
	rma->event = sd_event_ref(event);
	rma->ops = ops;
	rma->ctx = ctx;
	rc = open_listener(rma, &address, provider);
	if (rc < 0) {
		xpmd_log(LOG_ERR, "fabric %s: %s", text,
			 rc == -FI_ENODATA ? "there is no such fabric, or none at this address" :
					     xpmd_rma_library.strerror(-rc));
		xpmd_rma_free(rma);
		return rc;
	}
	*ret = rma;
	return 0;
}

/* Threads that still look for the way or close end soon; a process must not end under them. */
static void wait_for_setups(struct core *core)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += FREE_SECONDS;
	pthread_mutex_lock(&core->lock);
	while (core->users > 1)
		if (pthread_cond_timedwait(&core->ended, &core->lock, &end))
			break;
	pthread_mutex_unlock(&core->lock);
}

void xpmd_rma_free(struct xpmd_rma *rma)
{
	if (!rma)
		return;
	wait_for_setups(rma->core);
	sd_event_source_disable_unref(rma->io);
	if (rma->pep)
		fi_close(&rma->pep->fid);
	if (rma->eq)
		fi_close(&rma->eq->fid);
	core_put(rma->core);
	sd_event_unref(rma->event);
	free(rma);
}

int xpmd_rma_address(const struct xpmd_rma *rma, struct xpmd_address *ret)
{
	size_t length = sizeof(ret->bytes);

	memset(ret, 0, sizeof(*ret));
	if (fi_getname(&rma->pep->fid, &ret->bytes, &length))
		return -EADDRNOTAVAIL;
	ret->length = (socklen_t)length;
	return 0;
}

uint32_t xpmd_rma_protocol(const struct xpmd_rma *rma)
{
	return rma->core->info->ep_attr->protocol;
}
