// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xpmemd: the order of its beginning, and of its end, which is the reverse.
 *
 * When it is asked to end it first gives back what this partition alone has of others'
 * memory, and puts into its owners what came back to them: for that the loop goes on, two
 * seconds at most, in which nothing is asked for or granted.  What other partitions have
 * of this one's stays with them for their leases; the module waits for these by
 * itself, or for the next daemon.
 */
#include "config.h"
#include "control.h"
#include "daemon.h"
#include "exporter.h"
#include "home.h"
#include "identity.h"
#include "importer.h"
#include "kchannel.h"
#include "log.h"
#include "loop.h"
#include "metrics.h"
#include "net_client.h"
#include "owner.h"
#include "peers.h"
#include "privilege.h"
#include "reload.h"
#include "replica.h"
#include "trace.h"
#include "transport.h"
#include "worker.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#define DEFAULT_CONFIG	"/etc/xpmem/xpmemd.conf"
#define END_USEC	2000000ULL	/* for its end, at least */
#define SEND_LIMIT	(64ULL << 20)
#define HOLD_NS		50000ULL
#define SPARE_TXNS	512u	/* 32768 pages that recalls take at once */
#define REARM_NS	50000000ULL
#define WORKERS_TRIES	500u
#define WORKERS_USEC	1000u

const char *argp_program_version = "xpmemd " XPMEM_VERSION;

struct options {
	const char *config;
	const char *trace;
	const char *net;
	const char *net_socket;
	bool check;
	bool foreground;
};

/* What main() alone needs */
struct run {
	struct xpmd d;
	sd_event_source *timer, *ending;
	uint64_t timer_at, timer_moved;	/* when it is due; when that was last put off */
	bool stopping;
	struct status {
		unsigned int up, segments;
		bool stopping, net;
	} told;
};

uint64_t xpmd_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

void xpmd_out_of_memory(void)
{
	xpmd_log(LOG_CRIT, "out of memory; the next daemon begins anew");
	_exit(EXIT_FAILURE);
}

void xpmd_fail(struct xpmd *d, const char *why)
{
	xpmd_log(LOG_ERR, "%s", why);
	sd_event_exit(d->event, EXIT_FAILURE);
}

/* ---- Arguments */

enum { OPTION_CHECK = 256, OPTION_TRACE, OPTION_NET, OPTION_NET_SOCKET };

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'c':
		options->config = argument;
		return 0;
	case OPTION_CHECK:
		options->check = true;
		if (argument)
			options->config = argument;
		return 0;
	case 'f':
		options->foreground = true;
		return 0;
	case OPTION_TRACE:
		options->trace = argument;
		return 0;
	case OPTION_NET:
		options->net = argument;
		return 0;
	case OPTION_NET_SOCKET:
		options->net_socket = argument;
		return 0;
	case ARGP_KEY_END:
		if (options->net && options->net_socket)
			argp_error(state, "--net and --net-socket exclude each other");
		return 0;
	case ARGP_KEY_ARG:
		/* "--check-config FILE", as other programs have it */
		if (!options->check || state->arg_num)
			return ARGP_ERR_UNKNOWN;
		options->config = argument;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option argp_options[] = {
	{ "config", 'c', "FILE", 0, "Read FILE instead of " DEFAULT_CONFIG, 0 },
	{ "check-config", OPTION_CHECK, "FILE", OPTION_ARG_OPTIONAL,
	  "Tell what is wrong with the configuration, and end", 0 },
	{ "foreground", 'f', NULL, 0, "Log to standard error, with messages for debugging", 0 },
	{ "net", OPTION_NET, "FILE", 0, "Start FILE as xpmemd-net", 0 },
	{ "net-socket", OPTION_NET_SOCKET, "PATH", 0,
	  "Start no xpmemd-net, but wait for one at socket PATH", 0 },
	{ "trace", OPTION_TRACE, "FILE", 0, "Append each event of the protocol to FILE", 0 },
	{ 0 }
};

static const struct argp argp = {
	argp_options, parse_option, NULL,
	"Carries memory of this Linux instance's processes to others, and theirs here.",
	NULL, NULL, NULL,
};

/* ---- The loop */

static void notify_status(struct run *run)
{
	struct xpmd *d = &run->d;
	struct xpmd_net_counts net;
	struct status now = {
		.up = xpmd_peers_up(d),
		.segments = xpmd_owners_connected(xpmd_exporter_owners(d->exporter)),
		.stopping = run->stopping,
	};

	xpmd_net_client_counts(d->transport, &net);
	now.net = net.up;
	if (now.up == run->told.up && now.segments == run->told.segments &&
	    now.stopping == run->told.stopping && now.net == run->told.net)
		return;
	run->told = now;
	sd_notifyf(0, "STATUS=%s%s%u of %zu partitions up, %u segments",
		   now.stopping ? "ending: " : "", now.net ? "" : "no xpmemd-net: ", now.up,
		   d->config->nr_partitions, now.segments);
}

/* Whether nothing would be lost with this daemon */
static bool may_go(struct xpmd *d)
{
	return xpmd_exporter_is_idle(d->exporter) && xpmd_home_has_ended(d->home) &&
	       xpmd_replica_has_left(d->replica);
}

/*
 * Most of what is due some time is over long before, as the repetition of a question is
 * with its answer.  The timer is not put off each time: it is one system call to move it,
 * and one turn, seldom, that finds nothing due.
 */
static void set_timer(struct run *run, uint64_t now, uint64_t next)
{
	if (next >= run->timer_at && now - run->timer_moved < REARM_NS)
		return;
	if (next == run->timer_at)
		return;
	if (next > run->timer_at)
		run->timer_moved = now;
	run->timer_at = next;
	if (next == UINT64_MAX) {
		sd_event_source_set_enabled(run->timer, SD_EVENT_OFF);
	} else {
		sd_event_source_set_time(run->timer, next / 1000 + 1);
		sd_event_source_set_enabled(run->timer, SD_EVENT_ONESHOT);
	}
}

/* After each event: what it made due, and when the next thing is. */
static void on_turn(void *ctx)
{
	struct run *run = ctx;
	struct xpmd *d = &run->d;
	uint64_t now = xpmd_now(), times[4], next = UINT64_MAX;

	times[0] = xpmd_home_tick(d->home, now);
	times[1] = xpmd_replica_tick(d->replica, now);
	times[2] = xpmd_exporter_tick(d->exporter, now);
	times[3] = xpmd_importer_tick(d->importer, now);
	for (size_t i = 0; i < 4; i++)
		if (times[i] < next)
			next = times[i];
	xpmd_transport_flush(d->transport);
	set_timer(run, now, next);
	notify_status(run);
	if (run->stopping && may_go(d))
		sd_event_exit(d->event, EXIT_SUCCESS);
}

/* on_turn() does what is due. */
static int on_time(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct run *run = ctx;

	(void)source;
	(void)usec;
	run->timer_at = UINT64_MAX;
	return 0;
}

static int on_late(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct run *run = ctx;

	(void)source;
	(void)usec;
	xpmd_log(LOG_WARNING, "not all partitions answered in time: what was on its way to or from them is lost");
	sd_event_exit(run->d.event, EXIT_SUCCESS);
	return 0;
}

static int on_end(sd_event_source *source, const struct signalfd_siginfo *info, void *ctx)
{
	struct run *run = ctx;
	uint64_t limit = run->d.config->lease_ms * 1000ULL;

	(void)source;
	if (run->stopping) {
		sd_event_exit(run->d.event, EXIT_SUCCESS);
		return 0;
	}
	xpmd_log(LOG_INFO, "ending (signal %u)", info->ssi_signo);
	sd_notify(0, "STOPPING=1");
	run->stopping = true;
	xpmd_importer_leave(run->d.importer);
	xpmd_home_end_all(run->d.home, xpmd_now());
	/* What has not come by the end of a lease does not come any more. */
	if (limit < END_USEC)
		limit = END_USEC;
	if (sd_event_add_time_relative(run->d.event, &run->ending, CLOCK_MONOTONIC, limit, 1,
				       on_late, run) < 0)
		sd_event_exit(run->d.event, EXIT_SUCCESS);
	return 0;
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *ctx)
{
	struct run *run = ctx;

	(void)source;
	(void)info;
	xpmd_reload(&run->d);
	return 0;
}

/* ---- Records */

static void on_record(void *ctx, const struct xpmem_ctl_record *record)
{
	struct xpmd *d = ctx;

	if (record->type >= XPMEM_CTL_RECALL)
		xpmd_exporter_record(d->exporter, record);
	else
		xpmd_importer_record(d->importer, record);
}

static void on_broken(void *ctx, int error)
{
	char why[128];

	snprintf(why, sizeof(why), "the module's channel is broken: %s", strerror(-error));
	xpmd_fail(ctx, why);
}

static const struct xpmd_kchannel_ops channel_ops = { on_record, on_broken };

/* ---- Beginning and end */

static int begin_event(struct run *run)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t mask;
	int rc;

	sigemptyset(&mask);
	for (size_t i = 0; i < 3; i++)
		sigaddset(&mask, signals[i]);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Not the thread's default: that asks at each turn which thread it is. */
	rc = sd_event_new(&run->d.event);
	for (size_t i = 0; i < 3 && rc >= 0; i++)
		rc = sd_event_add_signal(run->d.event, NULL, signals[i],
					 signals[i] == SIGHUP ? on_reload : on_end, run);
	/* Of an accuracy of 1 us: the default would be as late as a tenth of a lease. */
	if (rc >= 0)
		rc = sd_event_add_time(run->d.event, &run->timer, CLOCK_BOOTTIME, 0, 1, on_time,
				       run);
	return rc;
}

static int begin_channel(struct xpmd *d)
{
	struct xpmd_kchannel_hello hello;
	int rc = xpmd_kchannel_new(&d->channel, d->config, &hello);

	if (rc < 0) {
		xpmd_log(LOG_ERR, "/dev/xpmem-ctl: %s%s", strerror(-rc),
			 rc == -EBUSY ? " (another xpmemd has it, or segments of another number exist)"
				      : "");
		return rc;
	}
	d->grace_until = hello.grace_until;
	return 0;
}

static int begin_cores(struct xpmd *d)
{
	const struct xpmd_config *config = d->config;
	struct xpmd_home_config home = {
		.incarnation = d->incarnation,
		.lease_ns = config->lease_ms * 1000000ULL,
		.skew_ns = config->skew_ms * 1000000ULL,
		.grace_until = d->grace_until,
		.peers_max = (uint32_t)config->nr_partitions,
		.pages_max = config->directory_pages,
		.spare_txns = SPARE_TXNS,
	};
	struct xpmd_replica_config replica = {
		.incarnation = d->incarnation,
		.lease_ns = config->lease_ms * 1000000ULL,
		.hold_ns = HOLD_NS,
	};
	int rc = xpmd_exporter_new(&d->exporter, d);

	if (rc >= 0)
		rc = xpmd_importer_new(&d->importer, d);
	if (rc >= 0)
		rc = xpmd_peers_new(&d->peers, d);
	if (rc < 0)
		return rc;
	d->home = xpmd_home_new(&home, &xpmd_exporter_home_ops, d->exporter);
	d->replica = xpmd_replica_new(&replica, &xpmd_importer_replica_ops, d->importer);
	return d->home && d->replica ? 0 : -ENOMEM;
}

static void write_metrics(void *ctx, FILE *to)
{
	xpmd_metrics_write(ctx, to);
}

static int begin_transport(struct xpmd *d, const struct options *options)
{
	const struct xpmd_config *config = d->config;
	const struct xpmd_transport_config transport = {
		.self = config->number,
		.self_name = config->name,
		.listen = (const char *const *)config->listen,
		.partitions = config->partitions,
		.nr_partitions = config->nr_partitions,
		.certificate = config->certificate,
		.key = config->key,
		.authority = config->authority,
		.send_limit = SEND_LIMIT,
		.fabric = config->fabric,
		.fabric_min = config->fabric_min,
	};
	struct xpmd_net_config net = {
		.start = d->net_start,
		.metrics = config->metrics,
		.write_metrics = write_metrics,
		.ctx = d,
		.debug = options->foreground,
	};
	int rc = xpmd_net_start_user(config->net_user, &net.uid, &net.gid);

	if (rc < 0)
		return rc;
	return xpmd_net_client_new(&d->transport, d->event, &transport, &net,
				   &xpmd_peers_session_ops, d->peers);
}

/* Where xpmemd-net is to come from: also this may fork. */
static int begin_net(struct xpmd *d, const struct options *options)
{
	uid_t uid;
	gid_t gid;
	int rc = xpmd_net_start_user(d->config->net_user, &uid, &gid);

	if (rc < 0)
		return rc;
	if (options->net_socket)
		return xpmd_net_start_socket(&d->net_start, options->net_socket, uid);
	return xpmd_net_start_program(&d->net_start, options->net);
}

static int begin(struct run *run, const struct options *options)
{
	struct xpmd *d = &run->d;
	int rc = 0;

	d->started = xpmd_now();
	if (getrandom(&d->incarnation, sizeof(d->incarnation), 0) != sizeof(d->incarnation))
		return -EIO;
	d->incarnation |= 1;		/* 0 is nobody's */
	if (options->trace)
		rc = xpmd_trace_open(&d->trace, options->trace);
	if (rc < 0) {
		xpmd_log(LOG_ERR, "%s: %s", options->trace, strerror(-rc));
		return rc;
	}
	/* They fork: before there are threads, and before memory is locked. */
	rc = xpmd_identity_new(&d->identity, d->config->munge_socket);
	if (rc >= 0)
		rc = begin_net(d, options);
	if (rc < 0)
		return rc;
	rc = begin_event(run);
	if (rc < 0)
		return rc;
	xpmd_privilege_pin(true);
	rc = begin_channel(d);
	if (rc >= 0)
		rc = begin_cores(d);
	if (rc >= 0)
		rc = xpmd_identity_start(d->identity, d, &xpmd_peers_identity_ops);
	if (rc >= 0)
		rc = begin_transport(d, options);
	/* Before the first worker: capabilities are a thread's. */
	if (rc >= 0)
		rc = xpmd_privilege_drop();
	if (rc >= 0)
		rc = xpmd_exporter_start(d->exporter);
	if (rc >= 0)
		rc = xpmd_importer_start(d->importer);
	if (rc >= 0)
		rc = xpmd_control_new(&d->control, d);
	if (rc >= 0)
		rc = xpmd_kchannel_start(d->channel, d->event, &channel_ops, d);
	return rc;
}

/* Those that hang in an owner's mmap_lock end with the process. */
static bool workers_ended(void)
{
	for (unsigned int i = 0; i < WORKERS_TRIES && xpmd_worker_threads(); i++)
		usleep(WORKERS_USEC);
	return !xpmd_worker_threads();
}

static void finish(struct run *run, int status)
{
	struct xpmd *d = &run->d;

	xpmd_control_free(d->control);
	if (d->exporter)
		xpmd_exporter_stop(d->exporter);
	if (!workers_ended())
		_exit(status);
	xpmd_transport_free(d->transport);
	xpmd_net_start_free(d->net_start);
	xpmd_identity_free(d->identity);
	xpmd_home_free(d->home);
	xpmd_replica_free(d->replica);
	xpmd_peers_free(d->peers);
	xpmd_importer_free(d->importer);
	xpmd_exporter_free(d->exporter);
	xpmd_kchannel_free(d->channel);
	sd_event_source_disable_unref(run->timer);
	sd_event_source_disable_unref(run->ending);
	sd_event_unref(d->event);
	xpmd_trace_close(d->trace);
	xpmd_config_free(d->config);
}

int main(int argc, char **argv)
{
	struct options options = { .config = DEFAULT_CONFIG };
	struct run run = { .told.up = UINT_MAX };	/* nothing was told yet */
	int rc;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	xpmd_log_open("xpmemd", options.foreground ? LOG_DEBUG : LOG_INFO);
	run.d.config_path = options.config;
	run.d.config = xpmd_config_read(options.config);
	if (!run.d.config)
		return EXIT_FAILURE;
	if (options.check) {
		uid_t uid;
		gid_t gid;

		rc = xpmd_net_start_user(run.d.config->net_user, &uid, &gid);
		xpmd_config_free(run.d.config);
		return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	rc = begin(&run, &options);
	if (rc < 0) {
		xpmd_log(LOG_ERR, "can't begin: %s", strerror(-rc));
		finish(&run, EXIT_FAILURE);
		return EXIT_FAILURE;
	}
	xpmd_log(LOG_INFO, "partition %u (%s)", run.d.config->number, run.d.config->name);
	sd_event_set_watchdog(run.d.event, true);
	sd_notify(0, "READY=1");
	rc = xpmd_loop(run.d.event, on_turn, &run);
	if (rc < 0)
		rc = EXIT_FAILURE;
	finish(&run, rc);
	return rc;
}
