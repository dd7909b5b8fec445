/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Partitions for the tests of sessions: several transports in one process and one event
 * loop, over loopback, and over a fabric when XPMEM_TEST_FABRIC names one.  What a
 * transport tells is kept here.
 *
 * The environment may have XPMEM_TEST_TRANSPORT=vsock: AF_VSOCK in the place of TCP,
 * with the kernel's vsock_loopback; and XPMEM_TEST_PATIENCE, by which time-outs are longer.
 */
#ifndef PEERS_H
#define PEERS_H

#include "check_main.h"
#include "config.h"
#include "net_client.h"

#include <stdbool.h>

#define PEERS_MAX 3
#define PEERS_GRACE_NS 7000000000u

/* Much of something: less of it where each message has several processes on its way */
#ifdef XPMEMD_NET
#define PEERS_MUCH(n) ((n) / 4)
#else
#define PEERS_MUCH(n) (n)
#endif
#define PEERS_LIMIT_MIB PEERS_MUCH(64u)	/* that may wait on a channel */

struct peer {
	uint32_t number;
	uint64_t incarnation, features, lease_ns;
	struct xpmd_net_start *start;	/* where sessions are another process's */
	struct xpmd_transport *transport;
	struct xpmd_transport_config config;
	struct xpmd_partition partitions[PEERS_MAX];
	const char *listen[2];
	char listen_text[64];
	char address[64];

	unsigned int ups, downs;
	bool is_up[PEERS_MAX + 1];	/* by the other's number, where it is small */
	char why[256];			/* of the last down */
	struct xpmd_hello other;	/* of the last up */

	unsigned int messages, challenges, challenged, opens, openeds, attaches, attacheds, closes;
	struct xpmd_msg msg;		/* the last; its data is checked by on_message */
	struct xpmd_open open;
	char credential[5000];
	struct xpmd_opened opened;
	struct xpmd_attach attach;
	struct xpmd_attached attached;
	struct xpmd_close close;
	uint64_t challenge_id;
	uint8_t nonce[32];
	uint64_t data_bytes;
	void (*on_message)(struct peer *peer, const struct xpmd_msg *msg);
};

extern sd_event *event;
extern char directory[];	/* of this test's files; removed at the end */
extern char log_text[65536];	/* all that was logged */

void peers_begin(void);
void peers_end(void);

/* A file in the directory; the name is valid until the end. */
char *make_file(const char *name, const char *text, unsigned int mode);
char *make_key(const char *name, int variant);

/* It listens on an ephemeral port of 127.0.0.1 and knows nobody. */
void peer_init(struct peer *peer, uint32_t number);
/* @address NULL: it connects to us */
struct xpmd_partition *peer_knows(struct peer *peer, uint32_t number, const char *name,
				  const char *address, char *key_file);
int peer_start(struct peer *peer);
#ifdef XPMEMD_NET
/* By an xpmemd-net that comes from elsewhere */
int peer_start_with(struct peer *peer, const struct xpmd_net_config *net);
#endif
/* Of the fabric that all peers use, as the environment's XPMEM_TEST_FABRIC says, or NULL */
const char *peers_fabric(void);
bool fabric_is_up(const struct peer *peer, uint32_t partition);
void peer_stop(struct peer *peer);

/* Runs the event loop until @condition, or fails after some seconds. */
#define run_until(condition) do {						\
	uint64_t run_until_deadline = now_ms() + 10000 * patience();		\
	while (!(condition)) {							\
		ck_assert_msg(now_ms() < run_until_deadline,			\
			      "timed out: " #condition "\n%s", log_text);	\
		ck_assert_int_ge(sd_event_run(event, 20000), 0);		\
	}									\
} while (0)
void run_for(unsigned int ms);
uint64_t now_ms(void);
unsigned int patience(void);
/* What a connection to a port where nobody listens fails with */
const char *nobody_there(void);

uint64_t refused(const struct peer *peer, uint32_t partition);
/* A descriptor connected to @peer without any TLS */
int connect_plainly(const struct peer *peer);

#endif /* PEERS_H */
