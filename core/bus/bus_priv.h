/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of bus: shared by its .c files, included by nobody else. */
#ifndef PB_BUS_BUS_PRIV_H
#define PB_BUS_BUS_PRIV_H

#include <nats/nats.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/lock.h"
#include "bus/bus.h"
#include "bus/bus_wire.h"

#define BUS_MAGIC 0x42555330u
/* One request at a time. A delivery does not say which request it answers, and the server serves several in turn, so
 * with more of them the count of what is still asked drifts upwards until nothing is asked at all; a round trip
 * between batches of BUS_BATCH_MAX costs nothing beside that. */
#define BUS_PULLS_MAX  1
#define BUS_BATCH_MAX  512
#define BUS_NAME_BYTES 128

/* A publish that waits for its answer. Invariant: linked in free or waiting, in order of deadline. */
struct bus_flight {
	struct pb_list link;
	uint32_t generation;
	bool waiting;
	int64_t deadline_us;
	struct pb_uuid execution_id;
	int64_t dispatch;
	bus_done_fn *done;
	void *arg;
};

/* One pull request at the server. @left 0 = the slot is free. */
struct bus_pull {
	uint32_t generation;
	size_t left;
	int64_t deadline_us; /* long after the server should have ended it */
};

struct bus_msg {
	struct pb_list link; /* while waiting for the receiving thread */
	struct bus_exec exec;
	char reply[]; /* the acknowledgement subject */
};

/* What a connection's callbacks get: they may run before the connection is even returned. */
struct bus_side {
	struct bus *bus;
	bool publishes;
};

struct bus {
	uint32_t magic;
	struct bus_cfg cfg;
	char *url, *client_name;
	char stream[BUS_NAME_BYTES], prefix[BUS_NAME_BYTES]; /* prefix ends with '.' or is empty */
	struct bus_side pub_side, sub_side;
	natsConnection *pub, *sub;
	jsCtx *js;
	natsSubscription *ack_sub, *pull_sub, *old_pull_sub, *config_sub, *done_sub, *wanted_sub;
	char ack_inbox[64], pull_inbox[64];
	pthread_t control_thread, rx_thread;
	_Atomic bool pub_up, sub_up;
	uint64_t floor_seen; /* acknowledgement floor at the control thread's last look; its own */
	/* pb_mono_us: until when somebody here waits for an end, when to say so again, until when
	 * somebody elsewhere waits */
	_Atomic int64_t want_until_us, say_again_us, elsewhere_until_us;
	_Atomic int live_callbacks; /* subscriptions and connections that may still call us */

	struct pb_mutex lock; /* everything below */
	struct pb_cond wake_control, wake_rx, changed;
	bool stopping;
	bool check_now;                   /* look at stream and consumer at once */
	bool stream_ok, loss_hint, fresh; /* fresh: (re)connected since the last look */
	struct bus_flight *flights;
	size_t n_flights, flights_used; /* the first flights_used were ever in use */
	struct pb_list flights_free, flights_waiting;
	size_t inflight;

	bus_exec_fn *exec_fn;
	void *exec_arg;
	bool consuming, in_handler;
	struct pb_list arrived;
	size_t room, asked;
	struct bus_pull pulls[BUS_PULLS_MAX];
	uint32_t pull_epoch; /* of the subscription that pulls are answered to */
	int64_t tick_us;     /* when the receiving thread last looked */
	int silent;          /* pull requests in a row that the server never ended */

	bus_config_changed_fn *config_fn;
	void *config_arg;
	bus_exec_done_fn *done_fn;
	void *done_arg;

	struct bus_pending pending;
	int64_t pending_at_us; /* pb_mono_us of it, 0 = never */
	struct bus_status status;
};

/* ---- bus.c ---- */
void bus_note_error(struct bus *b, const char *what, natsStatus st);
/* Subscribes so that bus_close can wait for the last callback. */
natsStatus bus_subscribe(struct bus *b, natsSubscription **ret, natsConnection *nc,
			 const char *subject, natsMsgHandler fn);

/* ---- bus_publish.c ---- */
void bus_flights_init(struct bus *b);
void bus_flights_expire(struct bus *b, int64_t now_us); /* INT64_MAX = all */
void bus_on_puback(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg);

/* ---- bus_consume.c ---- */
void bus_on_delivery(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg);
natsStatus bus_pull_subscribe(struct bus *b, uint32_t epoch, natsSubscription **ret);
void *bus_rx_main(void *arg);
/* After a reconnect: what was asked before will not be answered. */
void bus_pulls_forget(struct bus *b);
void bus_pulls_ask(struct bus *b);

/* ---- bus_stream.c ---- */
/* Looks at stream and consumer, makes what is missing, removes ghosts. @fresh: just (re)connected. [control thread] */
void bus_stream_check(struct bus *b, bool fresh);

/* ---- bus_notify.c ---- */
natsStatus bus_notify_subscribe(struct bus *b);
/* Connected (again): notices may have been missed. [control thread] */
void bus_notify_fresh(struct bus *b);
/* Says again what bus_want_done said. [receiving thread] */
void bus_notify_want(struct bus *b);

#endif
