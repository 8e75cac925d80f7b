/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections, the control thread and the end. The library reconnects by itself and for ever; the control
 * thread looks at the stream about once a second and at once after a reconnect. Closing waits until the
 * library made its last callback, because it calls from threads that it never joins for us.
 */
#include "bus/bus.h"

#include "base/clock.h"
#include "base/log.h"
#include "bus/bus_priv.h"
#include "base/base.h"

PB_LOG_TOPIC("bus");

#define CHECK_US       PB_USEC_PER_SEC
#define PENDING_OLD_US (5 * PB_USEC_PER_SEC)
#define OPEN_TRIES     5
#define SERVERS_MAX    8

void bus_note_error(struct bus *b, const char *what, natsStatus st)
{
	pb_lock(&b->lock);
	(void)pb_str_printf(b->status.last_error, sizeof(b->status.last_error), "%s: %s", what,
			    natsStatus_GetText(st));
	pb_unlock(&b->lock);
	pb_log(PB_LOG_DEBUG, "bus error, going on", PB_KV_STR("patchbay.bus.operation", what),
	       PB_KV_STR("error.message", natsStatus_GetText(st)));
}

static void callback_over(void *arg)
{
	struct bus *b = arg;

	atomic_fetch_sub(&b->live_callbacks, 1);
}

natsStatus bus_subscribe(struct bus *b, natsSubscription **ret, natsConnection *nc,
			 const char *subject, natsMsgHandler fn)
{
	natsStatus st = natsConnection_Subscribe(ret, nc, subject, fn, b);

	if (st != NATS_OK)
		return st;
	atomic_fetch_add(&b->live_callbacks, 1);
	if (natsSubscription_SetOnCompleteCB(*ret, callback_over, b) != NATS_OK)
		atomic_fetch_sub(&b->live_callbacks, 1);
	(void)natsSubscription_SetPendingLimits(*ret, -1, -1);
	return NATS_OK;
}

static void set_up(const struct bus_side *side, bool up)
{
	struct bus *b = side->bus;

	atomic_store(side->publishes ? &b->pub_up : &b->sub_up, up);
	pb_lock(&b->lock);
	if (!side->publishes) {
		b->stream_ok = false;
		b->fresh = b->fresh || up;
	}
	b->check_now = true;
	pb_cond_signal(&b->wake_control);
	pb_unlock(&b->lock);
}

static void on_disconnected(natsConnection *nc, void *arg)
{
	(void)nc;
	set_up(arg, false);
}

static void on_reconnected(natsConnection *nc, void *arg)
{
	struct bus_side *side = arg;

	(void)nc;
	pb_lock(&side->bus->lock);
	side->bus->status.reconnects++;
	pb_unlock(&side->bus->lock);
	set_up(side, true);
}

static void on_connected(natsConnection *nc, void *arg)
{
	(void)nc;
	set_up(arg, true);
}

static void on_closed(natsConnection *nc, void *arg)
{
	struct bus_side *side = arg;

	(void)nc;
	callback_over(side->bus);
}

/* The library prints to stderr without one. */
static void on_error(natsConnection *nc, natsSubscription *sub, natsStatus st, void *arg)
{
	(void)nc;
	(void)sub;
	bus_note_error(arg, "connection", st);
}

static natsStatus set_servers(natsOptions *o, const char *urls)
{
	const char *list[SERVERS_MAX];
	pb_autofree char *copy = pb_xstrdup(urls);
	int n = 0;

	for (char *p = copy; *p && n < SERVERS_MAX;) {
		size_t len = strcspn(p, ",");
		bool more = p[len] != 0;

		p[len] = 0;
		list[n++] = p;
		p += len + more;
	}
	return n ? natsOptions_SetServers(o, list, n) : NATS_INVALID_ARG;
}

static natsStatus set_options(natsOptions *o, struct bus *b, struct bus_side *side)
{
	char name[160];
	natsStatus st = set_servers(o, b->url);

	(void)pb_str_printf(name, sizeof(name), "%s %s", b->client_name,
			    side->publishes ? "pub" : "sub");
	st = st ? st : natsOptions_SetName(o, name);
	st = st ? st : natsOptions_SetTimeout(o, 2000);
	st = st ? st : natsOptions_SetPingInterval(o, 5000);
	st = st ? st : natsOptions_SetMaxPingsOut(o, 2);
	st = st ? st : natsOptions_SetMaxReconnect(o, -1);
	st = st ? st : natsOptions_SetReconnectWait(o, 250);
	st = st ? st : natsOptions_SetReconnectJitter(o, 100, 100);
	st = st ? st : natsOptions_SetReconnectBufSize(o, 0);
	/* a pull request is waited for; dispatches and acknowledgements go out together, a
	 * millisecond later */
	st = st ? st : natsOptions_SetSendAsap(o, !side->publishes);
	st = st ? st : natsOptions_SetWriteDeadline(o, 2000);
	st = st ? st : natsOptions_SetRetryOnFailedConnect(o, true, on_connected, side);
	st = st ? st : natsOptions_SetDisconnectedCB(o, on_disconnected, side);
	st = st ? st : natsOptions_SetReconnectedCB(o, on_reconnected, side);
	st = st ? st : natsOptions_SetClosedCB(o, on_closed, side);
	st = st ? st : natsOptions_SetErrorHandler(o, on_error, b);
	return st;
}

static natsStatus connect_one(struct bus *b, natsConnection **ret, struct bus_side *side)
{
	natsOptions *o = NULL;
	natsStatus st = natsOptions_Create(&o);

	st = st ? st : set_options(o, b, side);
	if (st == NATS_OK) {
		atomic_fetch_add(&b->live_callbacks, 1);
		st = natsConnection_Connect(ret, o);
		if (st == NATS_OK)
			set_up(side, true);
		else if (st == NATS_NOT_YET_CONNECTED)
			st = NATS_OK;
		else
			atomic_fetch_sub(&b->live_callbacks, 1);
	}
	natsOptions_Destroy(o);
	return st;
}

/* A connection whose handshake failed in the middle is closed for good, by a thread of the library and a moment
 * later; one that has found no server yet tries on. */
static natsStatus check_open(struct bus *b)
{
	const struct timespec moment = pb_timespec(100 * PB_USEC_PER_MSEC);

	if (!atomic_load(&b->pub_up) || !atomic_load(&b->sub_up))
		(void)nanosleep(&moment, NULL);
	return natsConnection_IsClosed(b->pub) || natsConnection_IsClosed(b->sub)
		       ? NATS_CONNECTION_CLOSED
		       : NATS_OK;
}

static natsStatus open_nats(struct bus *b)
{
	char subject[96];
	jsOptions o;
	natsStatus st = connect_one(b, &b->pub, &b->pub_side);

	st = st ? st : connect_one(b, &b->sub, &b->sub_side);
	(void)jsOptions_Init(&o);
	o.Wait = 2000;
	st = st ? st : natsConnection_JetStream(&b->js, b->sub, &o);
	(void)pb_str_printf(subject, sizeof(subject), "%s.>", b->ack_inbox);
	st = st ? st : bus_subscribe(b, &b->ack_sub, b->pub, subject, bus_on_puback);
	st = st ? st : bus_notify_subscribe(b);
	st = st ? st : bus_pull_subscribe(b, 0, &b->pull_sub);
	return st ? st : check_open(b);
}

static void *control_main(void *arg)
{
	struct bus *b = arg;

	pb_lock(&b->lock);
	while (!b->stopping) {
		bool fresh = b->fresh;

		b->check_now = false;
		pb_unlock(&b->lock);
		if (atomic_load(&b->sub_up)) {
			if (fresh) {
				bus_pulls_forget(b);
				bus_notify_fresh(b);
			}
			bus_stream_check(b, fresh);
		}
		pb_lock(&b->lock);
		if (fresh && b->stream_ok)
			b->fresh = false;
		if (!b->check_now && !b->stopping)
			(void)pb_cond_wait_until(&b->wake_control, &b->lock,
						 pb_mono_us() + CHECK_US);
		else if (!b->stopping) /* asked again at once: not more often than this */
			(void)pb_cond_wait_until(&b->changed, &b->lock,
						 pb_mono_us() + 50 * PB_USEC_PER_MSEC);
	}
	pb_unlock(&b->lock);
	nats_ReleaseThreadMemory();
	return NULL;
}

static void set_defaults(struct bus_cfg *c)
{
	c->ack_wait_us = c->ack_wait_us ? c->ack_wait_us : 60 * PB_USEC_PER_SEC;
	c->publish_timeout_us = c->publish_timeout_us ? c->publish_timeout_us : 2 * PB_USEC_PER_SEC;
	c->max_unacked = c->max_unacked ? c->max_unacked : 20000;
	c->max_inflight = c->max_inflight ? c->max_inflight : 65536;
	c->max_age_us = c->max_age_us ? c->max_age_us : 24 * 60 * PB_USEC_PER_MIN;
	c->replicas = c->replicas ? c->replicas : 1;
}

static void make_inbox(char *out, size_t cap)
{
	uint8_t rnd[12];
	char hex[2 * sizeof(rnd) + 1];

	pb_random_bytes(rnd, sizeof(rnd));
	pb_hex(rnd, sizeof(rnd), hex);
	(void)pb_str_printf(out, cap, "_INBOX.pb%s", hex);
}

static struct bus *bus_alloc(const struct bus_cfg *cfg)
{
	struct bus *b = pb_new(struct bus);

	b->magic = BUS_MAGIC;
	b->cfg = *cfg;
	b->pub_side = (struct bus_side){b, true};
	b->sub_side = (struct bus_side){b, false};
	set_defaults(&b->cfg);
	b->url = pb_xstrdup(cfg->url);
	b->client_name = pb_xstrdup(cfg->client_name ? cfg->client_name : "patchbay");
	if (cfg->prefix) {
		(void)pb_str_printf(b->stream, sizeof(b->stream), "%s_EXEC", cfg->prefix);
		(void)pb_str_printf(b->prefix, sizeof(b->prefix), "%s.", cfg->prefix);
	} else {
		(void)pb_str_copy(b->stream, sizeof(b->stream), "EXEC");
	}
	make_inbox(b->ack_inbox, sizeof(b->ack_inbox));
	make_inbox(b->pull_inbox, sizeof(b->pull_inbox));
	pb_mutex_init(&b->lock, "bus", PB_LOCK_RANK(2, 40));
	pb_cond_init(&b->wake_control);
	pb_cond_init(&b->wake_rx);
	pb_cond_init(&b->changed);
	pb_list_init(&b->arrived);
	bus_flights_init(b);
	return b;
}

static bool prefix_ok(const char *p)
{
	size_t n = p ? strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
		     : 0;

	return !p || (n > 0 && n <= 48 && p[n] == 0);
}

enum pb_status bus_open(const struct bus_cfg *cfg, struct bus **ret, struct pb_err *err)
{
	natsStatus st = NATS_CONNECTION_CLOSED;
	struct bus *b = NULL;

	if (!cfg->url || !*cfg->url || !prefix_ok(cfg->prefix))
		return pb_err_set(err, PB_E_INVALID, "bus.config",
				  "the NATS address or prefix is not usable");
	/* a server that stands still within the handshake leaves a connection closed for good */
	for (int i = 0; i < OPEN_TRIES && st == NATS_CONNECTION_CLOSED; i++) {
		bus_close(b);
		b = bus_alloc(cfg);
		st = open_nats(b);
	}
	if (st != NATS_OK) {
		bus_close(b);
		return pb_err_set(err, PB_E_INVALID, "bus.config",
				  "the NATS address is not usable (%s)", natsStatus_GetText(st));
	}
	b->control_thread = pb_thread_start("bus-control", 256 * 1024, control_main, b);
	b->rx_thread = pb_thread_start("bus-rx", 256 * 1024, bus_rx_main, b);
	*ret = b;
	return PB_OK;
}

static void stop_threads(struct bus *b)
{
	pb_lock(&b->lock);
	b->stopping = true;
	b->consuming = false;
	pb_cond_broadcast(&b->wake_control);
	pb_cond_broadcast(&b->wake_rx);
	pb_cond_broadcast(&b->changed);
	pb_unlock(&b->lock);
	if (b->control_thread)
		pb_thread_join(b->control_thread);
	if (b->rx_thread)
		pb_thread_join(b->rx_thread);
}

static void close_nats(struct bus *b)
{
	natsSubscription *subs[] = {b->ack_sub,    b->pull_sub, b->old_pull_sub,
				    b->config_sub, b->done_sub, b->wanted_sub};
	natsConnection *conns[] = {b->pub, b->sub};
	struct timespec step = pb_timespec(PB_USEC_PER_MSEC);

	for (size_t i = 0; i < PB_ARRAY_LEN(conns); i++)
		if (conns[i]) {
			(void)natsConnection_FlushTimeout(conns[i], 500);
			natsConnection_Close(conns[i]);
		}
	while (atomic_load(&b->live_callbacks) > 0)
		(void)nanosleep(&step, NULL);
	for (size_t i = 0; i < PB_ARRAY_LEN(subs); i++)
		natsSubscription_Destroy(subs[i]);
	jsCtx_Destroy(b->js);
	for (size_t i = 0; i < PB_ARRAY_LEN(conns); i++)
		natsConnection_Destroy(conns[i]);
}

void bus_close(struct bus *b)
{
	if (!b)
		return;
	PB_CHECK_MAGIC(b, BUS_MAGIC);
	stop_threads(b);
	bus_flights_expire(b, INT64_MAX);
	close_nats(b);
	for (struct pb_list *it = pb_list_pop(&b->arrived); it; it = pb_list_pop(&b->arrived))
		bus_msg_free(pb_list_entry(it, struct bus_msg, link));
	b->magic = 0;
	pb_cond_done(&b->wake_control);
	pb_cond_done(&b->wake_rx);
	pb_cond_done(&b->changed);
	pb_mutex_done(&b->lock);
	free(b->flights);
	free(b->url);
	free(b->client_name);
	free(b);
}

bool bus_exec_pending(struct bus *b, struct bus_pending *ret)
{
	int64_t now = pb_mono_us();
	bool known = false;

	pb_lock(&b->lock);
	known = b->pending_at_us && now - b->pending_at_us <= PENDING_OLD_US;
	*ret = b->pending;
	ret->age_us = b->pending_at_us ? now - b->pending_at_us : INT64_MAX;
	pb_unlock(&b->lock);
	return known;
}

bool bus_take_loss_hint(struct bus *b)
{
	bool was = false;

	pb_lock(&b->lock);
	was = b->loss_hint;
	b->loss_hint = false;
	pb_unlock(&b->lock);
	return was;
}

void bus_status(struct bus *b, struct bus_status *ret)
{
	pb_lock(&b->lock);
	*ret = b->status;
	ret->connected = atomic_load(&b->pub_up) && atomic_load(&b->sub_up);
	ret->stream_ok = b->stream_ok;
	ret->inflight = b->inflight;
	pb_unlock(&b->lock);
}

bool bus_wait_ready(struct bus *b, int64_t timeout_us)
{
	int64_t deadline = pb_mono_us() + timeout_us;
	bool ready = false;

	pb_lock(&b->lock);
	for (;;) {
		ready = b->stream_ok && !b->fresh && atomic_load(&b->pub_up) &&
			atomic_load(&b->sub_up);
		if (ready || pb_mono_us() >= deadline)
			break;
		(void)pb_cond_wait_until(&b->changed, &b->lock,
					 PB_MIN(deadline, pb_mono_us() + 20 * PB_USEC_PER_MSEC));
	}
	pb_unlock(&b->lock);
	return ready;
}
